//! A Debian with systemd as its first process, for one test: booted with systemd-nspawn from a
//! throw-away copy (overlay) of the root that `e2e/prepare` builds, cut off from the network, and
//! gone without a trace when it is dropped, when the test panics and when the test is killed.

use std::fmt;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::time::{Duration, Instant};

use super::suite::Suite;

/// How long the container may take to boot.
const BOOT_LIMIT: Duration = Duration::from_secs(60);
/// How long one command in it may take, in seconds, unless [`Container::run_for`] says otherwise.
const RUN_LIMIT: u64 = 60;

/// Why no container can be had here.
#[derive(Debug, Clone)]
pub struct Skip(pub String);

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A container that is up. Dropping it takes it away.
pub struct Container {
    supervisor: Supervisor,
    root: PathBuf,
    init: u32,
}

impl Container {
    /// Boots a container on the root that is usual. See [`Container::boot_on`].
    pub fn boot(case: &str, setup: impl FnOnce(&Path)) -> Result<Self, Skip> {
        Self::boot_on(Suite::usual(), case, setup)
    }

    /// Boots a container. `setup` may change the root (given as a path) before it starts.
    /// Returns once systemd has started everything, also where units failed (`degraded`). Where
    /// systemd starts but hangs, the test fails.
    pub fn boot_on(suite: Suite, case: &str, setup: impl FnOnce(&Path)) -> Result<Self, Skip> {
        let mut supervisor = Supervisor::start(&suite.root()?, case)?;
        let root = PathBuf::from(supervisor.hear("mounted")?);
        setup(&root);
        supervisor.say("boot")?;
        let nspawn = supervisor.hear("started")?;
        let nspawn = nspawn.parse().map_err(|_| Skip(format!("no process number: {nspawn}")))?;
        let deadline = Instant::now() + BOOT_LIMIT;
        let console = || {
            let path = root.with_file_name("console");
            String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
        };
        let init = wait(deadline, || first_process(nspawn))
            .ok_or_else(|| Skip(format!("systemd-nspawn did not start:\n{}", console())))?;
        let container = Self { supervisor, root: root.clone(), init };
        let state = || {
            let output = container.run(&["systemctl", "is-system-running"]);
            let state = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            matches!(state.as_str(), "running" | "degraded").then_some(Some(()))
        };
        // systemd runs, so containers can be had here: that this one does not come up is a fault of
        // the case, and no reason to skip it.
        let up = wait(deadline, state).is_some();
        assert!(up, "{case}: systemd did not come up:\n{}", console());
        Ok(container)
    }

    /// Runs a command in the container as root, for at most a minute (then exit status 124).
    pub fn run(&self, command: &[&str]) -> Output {
        self.run_for(RUN_LIMIT, command)
    }

    /// As [`Container::run`], with a time limit in seconds.
    pub fn run_for(&self, seconds: u64, command: &[&str]) -> Output {
        Command::new("nsenter")
            .args(["--target", &self.init.to_string(), "--all", "--"])
            .args(["timeout", "--kill-after=1", &seconds.to_string()])
            .args(command)
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", "/root")
            .env("LANG", "C.UTF-8")
            .stdin(Stdio::null())
            .output()
            .unwrap_or_else(|error| panic!("nsenter: {error}"))
    }

    /// Runs a shell script in the container.
    pub fn sh(&self, script: &str) -> Output {
        self.run(&["sh", "-c", script])
    }

    /// A shell script's standard output; the test fails where its status is not 0.
    pub fn sh_ok(&self, script: &str) -> String {
        let output = self.sh(script);
        assert!(
            output.status.success(),
            "{script}: {}\n{}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Runs a shell script again and again until its status is 0. The test fails where it is not
    /// within some seconds.
    pub fn eventually(&self, seconds: u64, script: &str) {
        let deadline = Instant::now() + Duration::from_secs(seconds);
        let done = wait(deadline, || self.sh(script).status.success().then_some(Some(())));
        assert!(done.is_some(), "not within {seconds} s: {script}");
    }

    /// What the journal holds about a unit, for the message of a failing test.
    pub fn journal(&self, unit: &str) -> String {
        let output = self.run(&["journalctl", "--no-pager", "--output=cat", "--unit", unit]);
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The container's root on disk, readable and writable from outside. What the container mounts
    /// over it (`/run`, `/tmp`, `/proc`, `/sys`, `/dev`) is not seen here.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The container's root with all of its mounts, through its first process.
    pub fn live_root(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root", self.init))
    }

    /// The process that is number 1 in the container, as numbered outside.
    pub fn init(&self) -> u32 {
        self.init
    }

    /// The supervisor that takes the container away when its standard input ends.
    pub fn supervisor(&self) -> u32 {
        self.supervisor.child.id()
    }
}

/// `e2e/supervise`, which holds mounts and processes. It is told by the end of its standard input
/// that this process is done, however this process ended.
struct Supervisor {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<std::process::ChildStdout>,
}

impl Supervisor {
    fn start(root: &Path, case: &str) -> Result<Self, Skip> {
        let tame = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
        let name: String = case.chars().map(tame).take(24).collect();
        let mut child = Command::new(script("supervise"))
            .arg(root)
            .arg(name)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(|error| Skip(format!("e2e/supervise: {error}")))?;
        let input = child.stdin.take();
        let output = child.stdout.take().map(BufReader::new);
        let output = output.ok_or_else(|| Skip("e2e/supervise has no output".into()))?;
        Ok(Self { child, input, output })
    }

    fn say(&mut self, word: &str) -> Result<(), Skip> {
        let input = self.input.as_mut().ok_or_else(|| Skip("e2e/supervise has no input".into()))?;
        writeln!(input, "{word}").map_err(|error| Skip(format!("e2e/supervise: {error}")))
    }

    fn hear(&mut self, word: &str) -> Result<String, Skip> {
        let mut line = String::new();
        let read = self.output.read_line(&mut line);
        match line.trim_end().split_once(' ') {
            Some((first, rest)) if first == word => Ok(rest.to_owned()),
            _ => Err(Skip(format!("e2e/supervise ended before it had {word} ({read:?})"))),
        }
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.child.wait();
    }
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("e2e").join(name)
}

/// Asks again and again: `None` is not yet, `Some(None)` never.
fn wait<T>(deadline: Instant, mut ask: impl FnMut() -> Option<Option<T>>) -> Option<T> {
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        if Instant::now() >= deadline {
            return None;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// systemd-nspawn's child that is process 1 of its namespace and already runs systemd.
fn first_process(nspawn: u32) -> Option<Option<u32>> {
    let status = std::fs::read_to_string(format!("/proc/{nspawn}/status")).unwrap_or_default();
    if status.is_empty() || status.contains("\nState:\tZ") {
        return Some(None);
    }
    let children =
        std::fs::read_to_string(format!("/proc/{nspawn}/task/{nspawn}/children")).ok()?;
    children.split_whitespace().filter_map(|pid| pid.parse().ok()).find_map(|pid: u32| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
        let inner: Vec<&str> = numbers.split_whitespace().collect();
        let systemd = status.starts_with("Name:\tsystemd\n");
        (inner.len() > 1 && inner.last() == Some(&"1") && systemd).then_some(Some(pid))
    })
}
