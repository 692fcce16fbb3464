//! The command; everything is in the library.

use std::process::ExitCode;

/// musl's own allocator is made to be small and hard to misuse: it took a third of a check.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> ExitCode {
    deploy_doctor::cli::run()
}
