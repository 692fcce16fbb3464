//! `deploy-doctor init`: the files of a new deployment, written for people to look at and install.

use std::fmt::Write;
use std::path::Path;

use super::arguments::InitArguments;
use super::{CommandError, Exit, print};
use crate::host::write;
use crate::scaffold::{Deployment, File, Request};

/// Creates the files, and prints or writes them.
pub(super) fn run(arguments: &InitArguments) -> Result<Exit, CommandError> {
    let deployment = Deployment::new(Request {
        app: &arguments.app,
        name: &arguments.name,
        domain: arguments.domain.as_deref(),
        user: arguments.user.as_deref(),
        dir: arguments.dir.as_deref(),
        socket_activation: arguments.socket_activation,
    })
    .map_err(|refused| CommandError::usage(refused.to_string()))?;
    let files = deployment.files();
    if arguments.print {
        print(&shown(&files))?;
        return Ok(Exit::Success);
    }
    let directory = arguments.output.as_path();
    let wanted: Vec<_> =
        files.iter().map(|file| (file.name.as_str(), file.mode, file.text.as_bytes())).collect();
    if arguments.force {
        write::replace_all(directory, &wanted)
    } else {
        write::create_all(directory, &wanted)
    }
    .map_err(|error| failed(&error))?;
    print(&closing(directory, &files, &deployment.install()))?;
    Ok(Exit::Success)
}

fn failed(error: &write::Failed) -> CommandError {
    let path = error.path.display();
    CommandError::usage(match error.error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            format!("{path} already exists: nothing was written (--force replaces it)")
        }
        _ => format!("{path}: {}", error.error),
    })
}

/// The files one after another, in the format of `head` for several files.
fn shown(files: &[File]) -> String {
    let parts: Vec<_> =
        files.iter().map(|file| format!("==> {} <==\n{}", file.name, file.text)).collect();
    parts.join("\n")
}

fn closing(directory: &Path, files: &[File], install: &str) -> String {
    let mut out = String::new();
    for file in files {
        let _ = writeln!(out, "{} ({:04o})", directory.join(&file.name).display(), file.mode);
    }
    let _ = write!(
        out,
        "\nNothing was installed. On the host, as root:\n\ncd {} &&\n{install}\n\
         {} explains how a release is made, started, deployed and rolled back.\n",
        quoted(directory),
        directory.join("README.md").display(),
    );
    out
}

/// Quotes a path for a shell.
fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy();
    let plain =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '+' | '@');
    if !text.is_empty() && !text.starts_with('-') && text.chars().all(plain) {
        return text.into_owned();
    }
    format!("-- '{}'", text.replace('\'', r"'\''"))
}
