//! Runs a command: one of the few programs that report what no file contains.
//!
//! Only the live host runs anything. A command gets no input, a clean environment, limits on time
//! and output, and a process group of its own that is killed as a whole when a limit is reached.

use std::ffi::OsString;
use std::fmt;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};

use super::Relinked;

/// How long a command may take.
pub const TIME_LIMIT: Duration = Duration::from_secs(5);
/// How many bytes of a command's output are read.
pub const OUTPUT_LIMIT: u64 = 4 << 20;
/// Mounts one directory over another, then executes the remaining arguments. Exit status 126: the
/// mount failed, and the import was not started.
const SWAP: &str = r#"/bin/mount --bind -- "$0" "$1" || exit 126; shift; exec "$@""#;
/// The search path (`PATH`) in a command's environment.
const SEARCH_PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// The programs that may be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Program {
    /// Queries systemd.
    Systemctl,
    /// Reads the journal.
    Journalctl,
    /// `nginx -t`.
    Nginx,
    /// `systemd-analyze verify`.
    SystemdAnalyze,
}

impl Program {
    /// All programs.
    pub const ALL: [Self; 4] =
        [Self::Systemctl, Self::Journalctl, Self::Nginx, Self::SystemdAnalyze];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Systemctl => "systemctl",
            Self::Journalctl => "journalctl",
            Self::Nginx => "nginx",
            Self::SystemdAnalyze => "systemd-analyze",
        }
    }

    /// The paths where it may be; the first that exists is run.
    fn paths(self) -> &'static [&'static str] {
        match self {
            Self::Systemctl => &["/usr/bin/systemctl", "/bin/systemctl"],
            Self::Journalctl => &["/usr/bin/journalctl", "/bin/journalctl"],
            Self::Nginx => &["/usr/sbin/nginx", "/usr/local/sbin/nginx", "/usr/bin/nginx"],
            Self::SystemdAnalyze => &["/usr/bin/systemd-analyze", "/bin/systemd-analyze"],
        }
    }
}

/// A program and its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Which program.
    pub program: Program,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Whether only root gets a truthful answer.
    pub needs_root: bool,
    /// How long it may take.
    pub limit: Duration,
}

impl Command {
    /// A command that any user may run.
    pub fn new<S: Into<String>>(program: Program, arguments: impl IntoIterator<Item = S>) -> Self {
        let arguments = arguments.into_iter().map(Into::into).collect();
        Self { program, arguments, needs_root: false, limit: TIME_LIMIT }
    }

    /// The command with another time limit.
    #[must_use]
    pub fn within(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.program.name())?;
        self.arguments.iter().try_for_each(|argument| write!(f, " {argument}"))
    }
}

/// The application's code, imported by its own Python as the service's user (`--preflight`). Its
/// environment contains secrets, so it is not shown by `Debug`.
pub struct Import {
    /// The Python interpreter, absolute.
    pub python: OsString,
    /// The program that Python runs (`-c`).
    pub script: String,
    /// The script's arguments.
    pub arguments: Vec<OsString>,
    /// The user's number.
    pub uid: u32,
    /// The primary group's number.
    pub gid: u32,
    /// Every group's number.
    pub groups: Vec<u32>,
    /// The complete environment.
    pub environment: Vec<(OsString, OsString)>,
    /// A process of the service whose view of the file system the import uses: `PrivateTmp=`,
    /// `BindPaths=` and similar settings give the service a different view from this program's.
    pub view_of: Option<u32>,
    /// How long it may take.
    pub limit: Duration,
}

/// The result of a command.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Output {
    /// Its exit status; `None` if a signal ended it.
    pub status: Option<i32>,
    /// Standard output, up to the limit.
    pub stdout: Vec<u8>,
    /// Standard error, up to the limit.
    pub stderr: Vec<u8>,
    /// Whether there was more output than is read, so that the command was killed.
    pub cut: bool,
}

/// Why there is no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunError {
    /// This host runs nothing: a file tree, files of a repository, `--no-exec`.
    NotHere,
    /// The program is not installed.
    Missing(&'static str),
    /// The permission is missing.
    NeedsRoot(String),
    /// It took longer than the limit.
    TimedOut(String, Duration),
    /// The command could not be started or watched.
    Failed(String),
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotHere => f.write_str("no command is run here"),
            Self::Missing(name) => write!(f, "{name} is not installed"),
            Self::NeedsRoot(what) => write!(f, "{what} needs root"),
            Self::TimedOut(what, limit) => {
                write!(f, "{what} did not answer within {} s", limit.as_secs())
            }
            Self::Failed(text) => f.write_str(text),
        }
    }
}

/// Runs a command with one of the known programs on this machine.
pub(super) fn run(command: &Command) -> Result<Output, RunError> {
    let name = command.program.name();
    if command.needs_root && !rustix::process::geteuid().is_root() {
        return Err(RunError::NeedsRoot(command.to_string()));
    }
    let path = command.program.paths().iter().find(|path| Path::new(path).exists());
    let path = path.ok_or(RunError::Missing(name))?;
    let mut process = std::process::Command::new(path);
    process.args(&command.arguments).env_clear().env("PATH", SEARCH_PATH).env("LC_ALL", "C");
    process.process_group(0);
    watch(process, name, command.limit)
}

/// Imports an application in a session of its own.
///
/// setsid(1) makes the started process the leader of its session and group, so that the whole group
/// can be killed; setpriv(1) drops root's privileges for good before Python starts. If a link is to
/// be moved before the import, the process must see it moved: in a mount namespace of its own
/// (unshare(1)), the new release is mounted over the present one, so that everything that goes
/// through the link arrives at the new release: the working directory, `--chdir`, `sys.path`, the
/// virtual environment.
pub(super) fn import(import: &Import, moved: Option<&Relinked>) -> Result<Output, RunError> {
    let [setsid, setpriv, unshare] = ["/usr/bin/setsid", "/usr/bin/setpriv", "/usr/bin/unshare"];
    let nsenter = "/usr/bin/nsenter";
    if import.uid == 0 {
        return Err(RunError::Failed("the application is not imported as root".into()));
    }
    let own = rustix::process::geteuid();
    let mut process = std::process::Command::new(setsid);
    if let Some(pid) = import.view_of.filter(|_| own.is_root()) {
        if !Path::new(nsenter).exists() {
            return Err(RunError::Missing("nsenter"));
        }
        process.args([nsenter, &format!("--mount=/proc/{pid}/ns/mnt"), "--"]);
    }
    if let Some(moved) = moved {
        if !own.is_root() {
            return Err(RunError::NeedsRoot("importing the application from a new release".into()));
        }
        if !Path::new(unshare).exists() {
            return Err(RunError::Missing("unshare"));
        }
        process.args([unshare, "--mount", "--propagation", "private", "--", "/bin/sh", "-c", SWAP]);
        process.args([&moved.then, &moved.now]);
    }
    if own.is_root() {
        if !Path::new(setpriv).exists() {
            return Err(RunError::Missing("setpriv"));
        }
        let groups: Vec<String> = import.groups.iter().map(u32::to_string).collect();
        let groups = if groups.is_empty() {
            "--clear-groups".to_owned()
        } else {
            format!("--groups={}", groups.join(","))
        };
        process
            .arg(setpriv)
            .args([format!("--reuid={}", import.uid), format!("--regid={}", import.gid), groups])
            .args(["--inh-caps=-all", "--bounding-set=-all", "--no-new-privs", "--"]);
    } else if own.as_raw() != import.uid {
        return Err(RunError::NeedsRoot("importing the application as the service's user".into()));
    }
    if !Path::new(setsid).exists() {
        return Err(RunError::Missing("setsid"));
    }
    process.arg(&import.python).arg("-c").arg(&import.script).args(&import.arguments);
    process.env_clear().envs(import.environment.iter().map(|(name, value)| (name, value)));
    process.current_dir("/");
    watch(process, "the application's import", import.limit)
}

/// Starts a process, collects its output, and kills it with its group at the limits.
fn watch(
    mut process: std::process::Command,
    name: &str,
    limit: Duration,
) -> Result<Output, RunError> {
    let deadline = Instant::now() + limit;
    process.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let failed = |error: std::io::Error| RunError::Failed(format!("{name}: {error}"));
    let mut child = process.spawn().map_err(failed)?;
    let (sender, receiver) = mpsc::channel();
    if let Some(stream) = child.stdout.take() {
        collect(stream, true, sender.clone());
    }
    if let Some(stream) = child.stderr.take() {
        collect(stream, false, sender.clone());
    }
    drop(sender);
    let mut output = Output::default();
    let mut timed_out = false;
    // The channel closes once both streams have ended. The limit does not wait for a reader whose
    // stream a stray process keeps open; the reader is abandoned.
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match receiver.recv_timeout(left) {
            Ok((standard, bytes, cut)) => {
                if standard {
                    output.stdout = bytes;
                } else {
                    output.stderr = bytes;
                }
                output.cut |= cut;
                if cut {
                    end(&mut child);
                }
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                timed_out = true;
                break;
            }
        }
    }
    while !timed_out {
        if has_ended(&child) {
            // Whatever the process left behind in its group is killed with it. Only then is the
            // process itself waited for, which frees its number for others.
            end_group(&child);
            output.status = child.wait().map_err(failed)?.code();
            return Ok(output);
        }
        if Instant::now() >= deadline {
            timed_out = true;
        } else {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
    end(&mut child);
    let _ = child.wait();
    Err(RunError::TimedOut(name.to_owned(), limit))
}

/// Reads a stream to its end or to the limit, in a thread of its own.
fn collect(
    stream: impl Read + Send + 'static,
    standard: bool,
    sender: mpsc::Sender<(bool, Vec<u8>, bool)>,
) {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = stream.take(OUTPUT_LIMIT + 1).read_to_end(&mut bytes);
        let limit = usize::try_from(OUTPUT_LIMIT).unwrap_or(usize::MAX);
        let cut = bytes.len() > limit;
        bytes.truncate(limit);
        let _ = sender.send((standard, bytes, cut));
    });
}

/// Whether the process has exited. It is not yet waited for.
fn has_ended(child: &Child) -> bool {
    let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) else { return true };
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
    !matches!(rustix::process::waitid(WaitId::Pid(pid), options), Ok(None))
}

fn end(child: &mut Child) {
    end_group(child);
    let _ = child.kill();
}

fn end_group(child: &Child) {
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = rustix::process::kill_process_group(pid, Signal::KILL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, limit: Duration) -> Result<Output, RunError> {
        let mut process = std::process::Command::new("/bin/sh");
        process.args(["-c", script]).process_group(0);
        watch(process, "sh", limit)
    }

    #[test]
    fn a_command_that_hangs_is_ended_with_its_group() {
        let began = Instant::now();
        // The background process keeps the output open too.
        let script = "sleep 60 & echo $!; exec sleep 60";
        let answer = shell(script, Duration::from_millis(300));
        assert!(matches!(answer, Err(RunError::TimedOut(..))), "{answer:?}");
        assert!(began.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn what_a_command_leaves_behind_goes_with_it() {
        let output = shell("sleep 60 >/dev/null 2>&1 & echo $!", Duration::from_secs(5)).unwrap();
        let pid = String::from_utf8(output.stdout).unwrap();
        let status = format!("/proc/{}/status", pid.trim());
        std::thread::sleep(Duration::from_millis(50));
        let left = std::fs::read_to_string(status).unwrap_or_default();
        assert!(left.is_empty() || left.contains("State:\tZ"), "{left}");
    }

    #[test]
    fn output_without_end_is_cut() {
        let output = shell("cat /dev/zero", Duration::from_secs(20)).unwrap();
        assert!(output.cut);
        assert_eq!(output.stdout.len() as u64, OUTPUT_LIMIT);
        assert_ne!(output.status, Some(0), "it was ended");
    }

    #[test]
    fn status_and_both_streams_arrive() {
        let output = shell("echo out; echo err >&2; cat; exit 7", Duration::from_secs(5)).unwrap();
        assert_eq!((output.status, output.cut), (Some(7), false));
        assert_eq!(
            (output.stdout.as_slice(), output.stderr.as_slice()),
            (&b"out\n"[..], &b"err\n"[..])
        );
    }
}
