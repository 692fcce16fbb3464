//! What the end-to-end tests share.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

pub mod answers;
pub mod case;
pub mod certificate;
pub mod command;
pub mod container;
pub mod editor;
pub mod env_files;
pub mod fault;
pub mod fix;
pub mod formats;
pub mod generate;
pub mod harm;
pub mod hostile_page;
pub mod installed;
pub mod living;
pub mod mended;
pub mod node;
pub mod packages;
pub mod peers;
pub mod proof;
pub mod readers;
pub mod replayed;
pub mod scripted;
pub mod sound;
pub mod suite;
pub mod tree;
pub mod venv;
pub mod watched;

use std::fmt::Display;

/// Set to `1` where everything must run: a test that cannot run then fails.
const REQUIRE: &str = "DEPLOY_DOCTOR_REQUIRE_E2E";

/// Says loudly that a test did not run. Where [`REQUIRE`] is set, that is a failure.
pub fn skip(reason: impl Display) {
    assert!(
        std::env::var_os(REQUIRE).is_none_or(|value| value != "1"),
        "{REQUIRE}=1, but this test cannot run: {reason}"
    );
    // Past the test harness, which would keep the words of a test that passes to itself.
    let name = std::thread::current().name().unwrap_or("a test").to_owned();
    let line = format!("SKIPPED: {name}: {reason}\n");
    let _ = std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes());
}
