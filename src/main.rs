//! The command; everything is in the library.

use std::process::ExitCode;

/// musl's own allocator took a third of a check; this one takes its blocks from it, a megabyte each.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: talc::TalcLock<
    spinning_top::RawSpinlock,
    talc::source::GlobalAllocSource<std::alloc::System>,
> = talc::TalcLock::new(talc::source::GlobalAllocSource::new(std::alloc::System));

fn main() -> ExitCode {
    deploy_doctor::cli::run()
}
