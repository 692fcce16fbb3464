//! Each format read by what reads it: real programs, pinned, installed beside the build. The same
//! three reports go through all of them: a broken deployment, a clean one, and one whose every text is
//! hostile. `tests/readers/` holds what installs the readers and asks them.

mod gitlab;
mod icinga;
mod json;
mod junit;
mod markdown;
mod prometheus;
mod sarif;
mod tap;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use deploy_doctor::report::Format;

use crate::support::formats::{Counts, counts, run};

/// One report in one format, as a file.
struct Written {
    name: &'static str,
    path: PathBuf,
    counts: Counts,
    text: String,
}

/// The three reports in a format.
fn written(folder: &Path, format: Format) -> Vec<Written> {
    let write = |name: &'static str, text: String, counts| {
        let path = folder.join(format!("{name}.{format:?}").to_lowercase());
        fs::write(&path, &text).unwrap();
        Written { name, path, counts, text }
    };
    let broken = run("guide", |run| write("broken", run.write(format), counts(&run.outcome)));
    let clean = run("healthy", |run| {
        run.outcome.findings.clear();
        write("clean", run.write(format), [0, 0, 0])
    });
    let hostile = run("guide", |run| {
        let made = run.make_hostile();
        run.set(made);
        write("hostile", run.write(format), counts(&run.outcome))
    });
    assert!(broken.counts[0] > 0 && hostile.counts.iter().sum::<usize>() == 20);
    vec![broken, clean, hostile]
}

fn paths(written: &[Written]) -> Vec<&Path> {
    written.iter().map(|one| one.path.as_path()).collect()
}

/// What a program said; it has to be there.
fn said(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

fn text(output: &Output) -> String {
    let text = [&output.stdout[..], &output.stderr].concat();
    String::from_utf8_lossy(&text).into_owned()
}

/// A file of `tests/readers`.
fn reader(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/readers").join(name)
}

/// Is this program installed?
fn installed(program: &str) -> bool {
    Command::new("sh")
        .args(["-c", &format!("command -v {program}")])
        .output()
        .is_ok_and(|output| output.status.success())
}
