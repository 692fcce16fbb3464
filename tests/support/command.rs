//! The program run on a tree on disk, under a time limit.
#![allow(dead_code)]

use std::fs;
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Longer than any input may take.
const LIMIT: Duration = Duration::from_secs(120);

/// A deployment of `testdata/` copied to a place where it may be damaged.
pub struct Copied {
    pub directory: tempfile::TempDir,
}

impl Copied {
    pub fn of(case: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        set_mode(directory.path(), 0o755);
        let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(case);
        let root = directory.path().join("root");
        fs::create_dir(&root).unwrap();
        copy(&top, &root);
        let copied = Self { directory };
        if copied.at("/etc/myapp.env").exists() {
            set_mode(&copied.at("/etc/myapp.env"), 0o640);
        }
        for wanted in ["/run", "/tmp"] {
            fs::create_dir_all(copied.at(wanted)).unwrap();
        }
        copied
    }

    pub fn root(&self) -> PathBuf {
        self.directory.path().join("root")
    }

    pub fn at(&self, path: &str) -> PathBuf {
        self.root().join(path.trim_start_matches('/'))
    }

    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) -> &Self {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    pub fn edit(&self, path: &str, from: &str, to: &str) -> &Self {
        let text = fs::read_to_string(self.at(path)).unwrap();
        assert!(text.contains(from), "{path} does not hold {from}");
        self.write(path, text.replace(from, to))
    }

    pub fn remove(&self, path: &str) -> &Self {
        let path = self.at(path);
        match path.symlink_metadata() {
            Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path).unwrap(),
            Ok(_) => fs::remove_file(path).unwrap(),
            Err(_) => {}
        }
        self
    }

    pub fn link(&self, path: &str, target: &str) -> &Self {
        self.remove(path);
        symlink(target, self.at(path)).unwrap();
        self
    }

    /// `check --root` with more options.
    pub fn check(&self, options: &[&str]) -> Ran {
        let root = self.root();
        let mut arguments = vec!["check", "--root", root.to_str().unwrap()];
        arguments.extend(options);
        run(&arguments)
    }
}

pub fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        let metadata = path.symlink_metadata().unwrap();
        if metadata.is_symlink() {
            symlink(fs::read_link(&path).unwrap(), target).unwrap();
        } else if metadata.is_dir() {
            fs::create_dir(&target).unwrap();
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

/// How the program ended.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub signal: Option<i32>,
    pub killed: bool,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    pub fn all(&self) -> String {
        format!("{}\n{}", self.stdout, self.stderr)
    }
}

pub fn program() -> &'static str {
    env!("CARGO_BIN_EXE_deploy-doctor")
}

pub fn run(arguments: &[&str]) -> Ran {
    let mut command = Command::new(program());
    command.args(arguments).env_remove("NO_COLOR");
    finish(command)
}

/// As an account without any right of its own; only where the tests run as root.
pub fn run_as_nobody(program: &Path, arguments: &[&str]) -> Ran {
    let mut command = Command::new(program);
    command.args(arguments).uid(65534).gid(65534).current_dir("/");
    finish(command)
}

pub fn finish(mut command: Command) -> Ran {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let stdout = read_all(child.stdout.take().unwrap());
    let stderr = read_all(child.stderr.take().unwrap());
    let start = Instant::now();
    let mut killed = false;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if start.elapsed() > LIMIT {
            killed = true;
            child.kill().unwrap();
            break child.wait().unwrap();
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    Ran {
        code: status.code(),
        signal: status.signal(),
        killed,
        stdout: stdout.join().unwrap(),
        stderr: stderr.join().unwrap(),
    }
}

fn read_all(mut from: impl Read + Send + 'static) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = from.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}
