//! Writes reports and the files of a new deployment.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// A file that could not be written.
#[derive(Debug)]
pub struct Failed {
    /// The path.
    pub path: PathBuf,
    /// The reason.
    pub error: io::Error,
}

/// A file to be written: its name, permission bits and content.
pub type Wanted<'a> = (&'a str, u32, &'a [u8]);

/// Replaces a whole file, with mode 0644: a temporary file in the same directory is flushed to the
/// disk and then renamed. A crash leaves either the old file or the new one.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace_with(path, 0o644, bytes)
}

/// [`replace`] with mode 0600. Anything that exists and is not a regular file is not replaced.
pub fn private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(there) if there.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        Ok(there) if !there.is_file() => Err(io::Error::other("exists and is not a regular file")),
        _ => replace_with(path, 0o600, bytes),
    }
}

/// [`replace`] for a report. Anything that is not a regular file (a pipe, a terminal,
/// `/dev/stdout`) is written to rather than replaced.
pub fn report(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let kind = fs::metadata(path).map(|there| there.file_type());
    match kind {
        _ if is_own(path) => append(path, bytes),
        Ok(kind) if kind.is_char_device() => append(path, bytes),
        Ok(kind) if kind.is_fifo() => to_pipe(path, bytes),
        Ok(kind) if kind.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        Ok(kind) if !kind.is_file() => Err(io::Error::other("is neither a file nor a pipe")),
        _ => replace(path, bytes),
    }
}

fn append(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().append(true).open(path)?;
    file.write_all(bytes).and_then(|()| file.flush())
}

/// Whether the path is a file that this process already has open.
fn is_own(path: &Path) -> bool {
    ["/dev/stdout", "/dev/stderr", "/dev/fd", "/proc"].iter().any(|top| path.starts_with(top))
}

/// Whether these two paths are the same file, even if it does not exist yet. What is not a regular
/// file can take any number of reports.
pub fn is_same(path: &Path, other: &Path) -> bool {
    if is_own(path) || is_own(other) {
        return path == other;
    }
    match (fs::metadata(path), fs::metadata(other)) {
        (Ok(one), Ok(two)) => one.is_file() && (one.dev(), one.ino()) == (two.dev(), two.ino()),
        (Err(_), Err(_)) => settled(path) == settled(other),
        _ => false,
    }
}

/// A path that does not exist yet: its directory with all links resolved.
fn settled(path: &Path) -> Option<PathBuf> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = parent.unwrap_or(Path::new("."));
    let directory = fs::canonicalize(directory).or_else(|_| std::path::absolute(directory)).ok()?;
    Some(directory.join(path.file_name()?))
}

/// Writes to a pipe without blocking: a pipe that nobody reads would make the program wait forever.
fn to_pipe(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let wait_for_nobody = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let opened = fs::OpenOptions::new().write(true).custom_flags(wait_for_nobody).open(path);
    let mut pipe = opened.map_err(|error| match error.raw_os_error() {
        Some(code) if code == rustix::io::Errno::NXIO.raw_os_error() => {
            io::Error::other("is a pipe that nothing reads")
        }
        _ => error,
    })?;
    let flags = rustix::fs::fcntl_getfl(&pipe)?;
    rustix::fs::fcntl_setfl(&pipe, flags - rustix::fs::OFlags::NONBLOCK)?;
    pipe.write_all(bytes).and_then(|()| pipe.flush())
}

/// [`replace`] for several files of a directory, which is created if it does not exist.
pub fn replace_all(directory: &Path, files: &[Wanted]) -> Result<(), Failed> {
    make(directory)?;
    for (name, mode, bytes) in files {
        let path = directory.join(name);
        replace_with(&path, *mode, bytes).map_err(|error| Failed { path, error })?;
    }
    Ok(())
}

/// Writes files that must not exist yet, not even as links. If one exists or fails, those written
/// before it are removed again.
pub fn create_all(directory: &Path, files: &[Wanted]) -> Result<(), Failed> {
    make(directory)?;
    let mut written = Vec::new();
    for (name, mode, bytes) in files {
        let path = directory.join(name);
        let result = create(&path, *mode, bytes);
        if let Err(error) = result {
            for path in written {
                let _ = fs::remove_file(path);
            }
            return Err(Failed { path, error });
        }
        written.push(path);
    }
    Ok(())
}

fn make(directory: &Path) -> Result<(), Failed> {
    fs::create_dir_all(directory).map_err(|error| Failed { path: directory.to_path_buf(), error })
}

fn replace_with(path: &Path, mode: u32, bytes: &[u8]) -> io::Result<()> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let name = path.file_name().ok_or_else(|| io::Error::other("names no file"))?;
    let mut temporary = std::ffi::OsString::from(".");
    temporary.push(name);
    temporary.push(format!(".{}", std::process::id()));
    let temporary = directory.join(temporary);
    create(&temporary, mode, bytes)?;
    let result = fs::rename(&temporary, path);
    if result.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    result
}

/// Creates a file and flushes it to the disk; on failure, nothing of it is left.
fn create(path: &Path, mode: u32, bytes: &[u8]) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let result = (|| {
        file.write_all(bytes)?;
        file.set_permissions(fs::Permissions::from_mode(mode))?;
        file.sync_all()
    })();
    if result.is_err() {
        let _ = fs::remove_file(path);
    }
    result
}
