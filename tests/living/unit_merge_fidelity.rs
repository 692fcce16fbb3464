//! Finding, merging and understanding units against systemd itself: `systemd --test` loads a
//! search path of generated units without booting and prints what it made of each. The machine's
//! systemd is asked, and in a container that of each root whose version is another.

#![allow(clippy::unwrap_used)] // helpers of a test may stop it, too

use crate::support;
use crate::support::container::Container;
use crate::support::generate;
use crate::support::peers::Peer;
use crate::support::suite::Suite;

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use deploy_doctor::host::TreeHost;
use deploy_doctor::source::Sources;
use deploy_doctor::source::unit::time::{TimeSpan, parse_seconds};
use deploy_doctor::source::unit::value::{parse_boolean, parse_signal};
use deploy_doctor::source::unit::{Unit, UnitName, UnitPaths, environment};
use generate::Generator;

/// DEPLOY_DOCTOR_SYSTEMD names another version's program.
fn systemd() -> PathBuf {
    std::env::var_os("DEPLOY_DOCTOR_SYSTEMD").unwrap_or("/lib/systemd/systemd".into()).into()
}

const UNITS: usize = 300;

/// What systemd says of each unit: its properties in order.
type Dump = BTreeMap<String, Vec<(String, String)>>;

struct Tree {
    directory: tempfile::TempDir,
    path: Vec<PathBuf>,
    names: Vec<String>,
}

impl Tree {
    fn new() -> Self {
        // Not under /tmp's own name only: systemd runs as another user and has to reach it.
        let directory = tempfile::tempdir().unwrap();
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(directory.path(), mode).unwrap();
        let path: Vec<PathBuf> = ["a", "b", "c"].map(|name| directory.path().join(name)).into();
        for directory in &path {
            std::fs::create_dir(directory).unwrap();
        }
        Self { directory, path, names: Vec::new() }
    }

    fn write(&self, place: usize, name: &str, text: &str) {
        let path = self.path[place].join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        if !path.is_symlink() && !path.is_dir() {
            std::fs::write(path, text).unwrap();
        }
    }

    fn link(&self, place: usize, name: &str, target: &str) {
        let path = self.path[place].join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        if !path.exists() && !path.is_symlink() {
            symlink(target, path).unwrap();
        }
    }
}

/// Whose systemd is asked.
enum Asked {
    Machine,
    /// That of a container: newer versions need control groups that the machine may not have.
    Inside(Container),
}

impl Asked {
    /// The machine, and every root whose version is another.
    fn all() -> Vec<Self> {
        let machine = Peer::machine().libsystemd();
        let mut all = Vec::new();
        let only = std::env::var_os("DEPLOY_DOCTOR_SYSTEMD").is_some();
        if Suite::only().is_none() || only {
            all.push(Self::Machine);
        }
        for suite in Suite::asked() {
            let name = |path: &PathBuf| path.file_name().map(ToOwned::to_owned);
            let theirs = suite.root().ok().and_then(|root| Peer::of(root).libsystemd());
            let other = theirs.as_ref().and_then(name) != machine.as_ref().and_then(name);
            if only || theirs.is_none() || !other && Suite::only().is_none() {
                continue;
            }
            match Container::boot_on(suite, "unit-merge", |_| {}) {
                Ok(container) => all.push(Self::Inside(container)),
                Err(why) => support::skip(why),
            }
        }
        all
    }

    /// Its files.
    fn host(&self) -> TreeHost {
        match self {
            Self::Machine => TreeHost::live().unwrap(),
            Self::Inside(container) => TreeHost::open(&container.live_root()).unwrap(),
        }
    }

    /// What `systemd --test` prints for this search path. It refuses to run its test as root.
    fn test(&self, tree: &Tree, arguments: &[&str], path: &str) -> std::io::Result<Output> {
        let runtime = tree.directory.path().to_str().unwrap();
        match self {
            Self::Machine => {
                let mut command = Command::new(systemd());
                command
                    .args(arguments)
                    .env("SYSTEMD_UNIT_PATH", path)
                    .env("XDG_RUNTIME_DIR", runtime)
                    .current_dir("/");
                if rustix::process::geteuid().is_root() {
                    command.uid(65534).gid(65534);
                }
                command.output()
            }
            Self::Inside(container) => {
                // At the same path, so that links lead where they lead here.
                let there = container.live_root().join(runtime.trim_start_matches('/'));
                let copied = Command::new("cp").args(["-a", "-T", runtime]).arg(&there).status()?;
                assert!(copied.success(), "the units are not in the container");
                let set = |name: &str, value: &str| format!("{name}={value}");
                let paths = set("SYSTEMD_UNIT_PATH", path);
                let runtime = set("XDG_RUNTIME_DIR", runtime);
                let who = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "env"];
                let mut command = who.to_vec();
                command.extend([paths.as_str(), runtime.as_str(), "/usr/lib/systemd/systemd"]);
                command.extend(arguments);
                Ok(container.run(&command))
            }
        }
    }
}

/// What `systemd --test` prints, or why it cannot be had.
fn dump(tree: &Tree, asked: &Asked) -> Result<Dump, String> {
    if matches!(asked, Asked::Machine) && !systemd().exists() {
        return Err("systemd is not installed".into());
    }
    let wants: String = tree.names.iter().map(|name| format!("Wants={name}\n")).collect();
    tree.write(0, "all.target", &format!("[Unit]\n{wants}"));
    let path: Vec<&str> = tree.path.iter().map(|path| path.to_str().unwrap()).collect();
    let arguments = [
        "--test",
        "--system",
        "--unit=all.target",
        "--no-pager",
        "--log-level=emerg",
        "--log-target=console",
    ];
    let output =
        asked.test(tree, &arguments, &path.join(":")).map_err(|error| error.to_string())?;
    // The arrows depend on the locale and the version.
    let text = String::from_utf8_lossy(&output.stdout).replace('→', "->");
    if !text.contains("-> Unit all.target:") {
        return Err(format!("its test does not run: {}", String::from_utf8_lossy(&output.stderr)));
    }
    Ok(parse_dump(&text))
}

fn parse_dump(text: &str) -> Dump {
    let mut dump = Dump::new();
    let mut unit: Option<&mut Vec<(String, String)>> = None;
    let mut exec = String::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("\t-> Unit ") {
            unit = Some(dump.entry(name.trim_end_matches(':').to_owned()).or_default());
            continue;
        }
        if line.starts_with("-> By jobs") {
            break;
        }
        let Some(unit) = &mut unit else { continue };
        let line = line.trim_start_matches('\t');
        if let Some(name) = line.strip_prefix("-> ") {
            exec = name.trim_end_matches(':').to_owned();
        } else if let Some((key, value)) = line.split_once(": ") {
            match key {
                "Command Line" => unit.push((exec.clone(), value.to_owned())),
                _ => unit.push((key.to_owned(), value.to_owned())),
            }
        }
    }
    dump
}

const SETTINGS: &[&str] = &[
    "Type=notify",
    "Type=simple",
    "Type=oneshot",
    "Type=exec",
    "Type=",
    "Type=nonsense",
    "Restart=on-failure",
    "Restart=always",
    "Restart=",
    "Restart=No",
    "RestartSec=5",
    "RestartSec=1min 3s",
    "RestartSec=x",
    "RestartSec=",
    "TimeoutStopSec=20",
    "TimeoutStopSec=abc",
    "TimeoutStopSec=",
    "TimeoutStopSec=2.5min",
    "KillMode=mixed",
    "KillMode=process",
    "KillMode=",
    "KillMode=Mixed",
    "KillSignal=SIGINT",
    "KillSignal=QUIT",
    "KillSignal=",
    "KillSignal=FOO",
    "KillSignal=1",
    "User=www-data",
    "User=",
    "User=%i",
    "User=app%%",
    "Group=www-data",
    "Group=",
    "WorkingDirectory=/srv/%p",
    "WorkingDirectory=",
    "WorkingDirectory=relative",
    "WorkingDirectory=-/srv/x",
    "PrivateTmp=yes",
    "PrivateTmp=",
    "PrivateTmp=maybe",
    "PrivateTmp=off",
    "UMask=0077",
    "UMask=",
    "UMask=9",
    "UMask=027",
    "PIDFile=/run/%n.pid",
    "PIDFile=",
    "RuntimeDirectory=one two",
    "RuntimeDirectory=",
    "RuntimeDirectory=%p",
    "Environment=A=1 \"B=b c\"",
    "Environment=A=2",
    "Environment=",
    "Environment=C=%i-%p-%j",
    "Environment=1A=x OK=1",
    "Environment=D=\"x",
    "Environment=E=a\\x20b F",
    "Environment='G=h i'",
    "Environment=H=50%%",
    "Environment=I=%z J=1",
    "Environment=K=%t/%N",
    "Environment=L=a\\qb",
    "EnvironmentFile=/etc/a",
    "EnvironmentFile=-/etc/b %i",
    "EnvironmentFile=",
    "EnvironmentFile=rel",
    "EnvironmentFile=\"/q\"",
    "PassEnvironment=X Y",
    "PassEnvironment=",
    "UnsetEnvironment=Z Q=1",
    "NoSuchSetting=1",
    "no equals",
    "# comment",
    "RemainAfterExit=yes",
    "RemainAfterExit=",
    "NotifyAccess=all",
    "NotifyAccess=",
    "NotifyAccess=wrong",
    "SyslogIdentifier=app",
    "SyslogIdentifier=",
    "RuntimeDirectoryMode=0750",
    "RuntimeDirectoryMode=",
    "ProtectHome=read-only",
    "ProtectHome=",
    "ProtectSystem=full",
    "ProtectSystem=wrong",
    "ProtectSystem=",
    "RootDirectory=/r",
    "RootDirectory=",
];

const WORDS: &[&str] = &[
    "a",
    "--bind",
    "unix:/run/%p.sock",
    "\"two words\"",
    "'single quoted'",
    "x\\x20y",
    "mid\"dle q\"",
    "%i",
    "%n",
    "%N",
    "%j",
    "%%",
    "100%",
    "%-",
    "$VAR",
    "${VAR}",
    "x$V",
    "$$",
    ";x",
    "\\;",
    "a\\qb",
    "&&",
    "|",
    ">",
    "*",
    "#",
    "~",
    "''",
    "%t/%I",
    "%S",
    "%C",
    "%L",
    "%E",
    "%T",
    "%V",
    "%f",
    "%P",
    "%J",
    "%h",
    "%u",
    "%U",
    "%g",
    "%G",
    "\\\n",
    "é",
    "%y",
    "%Y",
    "%d",
];

const PROGRAMS: &[&str] = &[
    "/bin/true",
    "/bin/echo",
    "gunicorn",
    "-/bin/true",
    "@/bin/echo zero",
    "+/bin/true",
    "!/bin/x",
    "!!/bin/x",
    "-@/bin/echo zero",
    ":/bin/echo",
    "\"/bin/with space\"",
    "/opt/%p/bin/x",
    "/a//b/../c",
];

const BAD_LINES: &[&str] = &[
    "venv/bin/gunicorn x",
    "/bin/echo \"open",
    "/bin/echo %z",
    "\"/bin/open",
    "-venv/bin/x",
    "/bin/",
    "-/bin/echo \"open",
    "- /bin/x",
    "@/bin/echo",
    "~/x",
    "$V/x",
    "/bin/a ; venv/x",
    ";",
    "; /bin/a",
    "/bin/a ;",
    "/bin/a ; ; /bin/b",
    "%z",
];

fn exec_line(generator: &mut Generator) -> String {
    if generator.once_in(14) {
        return generator.pick(BAD_LINES).to_owned();
    }
    if generator.once_in(8) {
        return String::new();
    }
    let mut line = generator.pick(PROGRAMS).to_owned();
    for _ in 0..generator.below(6) {
        line.push(' ');
        line.push_str(generator.pick(WORDS));
    }
    if generator.once_in(6) {
        line.push_str(" ; /bin/second arg");
    }
    line
}

fn text(generator: &mut Generator, complete: bool) -> String {
    let mut text = String::from("[Service]\n");
    if complete {
        text.push_str(&format!("ExecStart={}\n", exec_line(generator)));
    }
    for _ in 0..generator.below(12) {
        match generator.below(8) {
            0 if generator.once_in(2) => {
                let key = generator.pick(&["ExecStartPre", "ExecReload", "ExecStop", "ExecStart"]);
                text.push_str(&format!("{key}={}\n", exec_line(generator)));
            }
            1 if generator.once_in(12) => text.push_str("[Service] # fatal\n"),
            1 if generator.once_in(3) => text.push_str("[Nonsense]\nUser=ignored\n[Service]\n"),
            _ => {
                text.push_str(generator.pick(SETTINGS));
                text.push('\n');
            }
        }
    }
    text
}

fn generate(seed: u64) -> Tree {
    let mut generator = Generator::new(seed);
    let mut tree = Tree::new();
    for number in 0..UNITS {
        let stem = match number % 5 {
            0 => format!("unit{number}"),
            1 => format!("web-app-unit{number}"),
            2 => format!("web-unit{number}"),
            _ => format!("pool{number}@"),
        };
        let file = format!("{stem}.service");
        let name = match number % 5 {
            3 => format!("pool{number}@blue.service"),
            4 => format!("pool{number}@a-b\\x2dc.service"),
            _ => file.clone(),
        };
        let place = generator.below(3);
        match generator.below(20) {
            0 => tree.write(place, &file, ""),
            1 => tree.link(place, &file, "/dev/null"),
            2 => std::fs::create_dir_all(tree.path[place].join(&file)).unwrap(),
            _ => {
                let text = text(&mut generator, true);
                tree.write(place, &file, &text);
            }
        }
        if generator.once_in(3) && !tree.path[0].join(&file).exists() {
            let text = text(&mut generator, true);
            tree.write(0, &file, &text);
        }
        if !tree.path.iter().any(|path| path.join(&file).is_file()) {
            // A directory or a mask may stand in the last place: then there is one unit less.
            let text = text(&mut generator, true);
            (0..3).for_each(|place| tree.write(place, &file, &text));
        }
        for _ in 0..generator.below(4) {
            let place = generator.below(3);
            let directory = match generator.below(3) {
                0 => format!("{name}.d"),
                _ => format!("{file}.d"),
            };
            let drop_in = generator.pick(&[
                "10-a.conf",
                "50-b.conf",
                "5-c.conf",
                "Z.conf",
                "override.conf",
                ".hidden.conf",
                "backup.conf~",
                "plain",
            ]);
            let path = format!("{directory}/{drop_in}");
            match generator.below(8) {
                0 => tree.write(place, &path, ""),
                1 => tree.link(place, &path, "/dev/null"),
                2 => std::fs::create_dir_all(tree.path[place].join(format!("{directory}/d.conf")))
                    .unwrap(),
                _ => {
                    let text = text(&mut generator, false);
                    tree.write(place, &path, &text);
                }
            }
        }
        // Some are asked for by an alias, some have one that holds drop-ins.
        if generator.once_in(6) && number % 5 < 3 {
            let alias = format!("alias{number}.service");
            tree.link(generator.below(3), &alias, &format!("../{}/{file}", ["a", "b", "c"][place]));
            if generator.once_in(2) {
                let text = text(&mut generator, false);
                tree.write(1, &format!("{alias}.d/20-alias.conf"), &text);
            }
            tree.names.push(alias);
        }
        tree.names.push(name);
    }
    tree.write(2, "web-.service.d/30-web.conf", "[Service]\nEnvironment=WEB=1\n");
    tree.write(1, "web-app-.service.d/30-web.conf", "[Service]\nEnvironment=WEBAPP=1\n");
    tree.write(0, "web-.service.d/40-low.conf", "[Service]\nEnvironment=LOW=a\n");
    tree.write(2, "web-app-.service.d/40-low.conf", "[Service]\nEnvironment=LOW=c\n");
    tree.write(1, "service.d/00-all.conf", "[Service]\nEnvironment=ALL=1\n");
    tree.write(0, "service.d/override.conf", "[Service]\nEnvironment=OVER=1\n");
    tree
}

/// Everything of a unit that is compared, in words.
type Facts = BTreeMap<String, Vec<String>>;

const PLAIN: &[&str] = &["User", "Group", "Type", "Restart", "KillMode", "PIDFile"];
const COMMANDS: &[&str] = &["ExecStartPre", "ExecStart", "ExecReload", "ExecStop"];

fn theirs(properties: &[(String, String)]) -> Facts {
    let all = |key: &str| -> Vec<String> {
        properties.iter().filter(|(k, _)| k == key).map(|(_, v)| v.clone()).collect()
    };
    let mut facts = Facts::new();
    let state = all("Unit Load State").concat();
    let refused = matches!(state.as_str(), "bad-setting" | "error");
    facts.insert("state".into(), vec![if refused { "refused".into() } else { state.clone() }]);
    if state != "loaded" {
        return facts;
    }
    facts.insert("fragment".into(), all("Fragment Path"));
    facts.insert("drop-ins".into(), all("DropIn Path"));
    for key in PLAIN {
        facts.insert((*key).into(), all(key));
    }
    let mut environment = all("Environment");
    environment.sort();
    facts.insert("Environment".into(), environment);
    facts.insert("EnvironmentFile".into(), all("EnvironmentFile"));
    for key in ["RestartSec", "TimeoutStopSec"] {
        let spans = all(key).iter().map(|text| format!("{:?}", parse_seconds(text))).collect();
        facts.insert(key.into(), spans);
    }
    for key in ["UMask", "KillSignal", "PrivateTmp", "RemainAfterExit", "NotifyAccess"] {
        facts.insert(key.into(), all(key));
    }
    // 257 has a word of its own for `yes`.
    for value in facts.get_mut("PrivateTmp").into_iter().flatten() {
        if value == "connected" {
            *value = "yes".into();
        }
    }
    facts.insert("ProtectHome".into(), all("ProtectHome"));
    facts.insert("ProtectSystem".into(), all("ProtectSystem"));
    facts.insert("WorkingDirectory".into(), all("WorkingDirectory"));
    facts.insert("RootDirectory".into(), all("RootDirectory"));
    facts.insert("RuntimeDirectoryMode".into(), all("RuntimeDirectoryMode"));
    for key in COMMANDS {
        let lines = all(key).iter().map(|line| format!("{:?}", unquote(line))).collect();
        facts.insert((*key).into(), lines);
    }
    facts
}

/// Undoes the quotes that systemd puts around words when it prints them.
fn unquote(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut characters = line.chars().peekable();
    while characters.peek().is_some() {
        let mut word = String::new();
        if characters.peek() == Some(&'"') {
            characters.next();
            while let Some(character) = characters.next() {
                match character {
                    '"' => break,
                    '\\' => word.extend(characters.next()),
                    _ => word.push(character),
                }
            }
            characters.next();
        } else {
            word.extend(std::iter::from_fn(|| characters.next_if(|c| *c != ' ')));
            characters.next();
        }
        words.push(word);
    }
    words
}

fn ours(unit: &Unit) -> Facts {
    let mut facts = Facts::new();
    let state = match (unit.masked, unit.is_refused()) {
        (true, _) => "masked",
        (_, true) => "refused",
        _ => "loaded",
    };
    facts.insert("state".into(), vec![state.into()]);
    if state != "loaded" {
        return facts;
    }
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    facts.insert("fragment".into(), vec![path(&unit.path)]);
    // systemd names masked ones too.
    let mut drop_ins: Vec<PathBuf> = unit.drop_ins.iter().map(|f| f.file.path.clone()).collect();
    drop_ins.extend(unit.masked_drop_ins.iter().cloned());
    // A directory `x.conf` counts for systemd; what stands in a unit's place is another matter.
    let problems = unit.problems.iter().map(|problem| problem.path.clone());
    drop_ins.extend(problems.filter(|path| path.extension().is_some_and(|e| e == "conf")));
    drop_ins.sort_by_key(|path| path.file_name().unwrap().to_owned());
    facts.insert("drop-ins".into(), drop_ins.iter().map(|drop_in| path(drop_in)).collect());
    let expand = |text: &deploy_doctor::source::Text| match unit.specifiers.expand(text) {
        deploy_doctor::source::unit::Expansion::Known(text) => Some(text.as_str().to_owned()),
        _ => None,
    };
    let last = |key: &str| unit.last("Service", key).and_then(|a| expand(&a.value));
    let or = |key: &str, default: &str| vec![last(key).unwrap_or_else(|| default.to_owned())];
    let starts = !unit.commands("Service", "ExecStart").is_empty();
    facts.insert("User".into(), last("User").into_iter().collect());
    facts.insert("Group".into(), last("Group").into_iter().collect());
    facts.insert("Type".into(), or("Type", if starts { "simple" } else { "oneshot" }));
    facts.insert("Restart".into(), or("Restart", "no"));
    facts.insert("KillMode".into(), or("KillMode", "control-group"));
    facts.insert("PIDFile".into(), last("PIDFile").into_iter().collect());
    let mut variables: BTreeMap<String, String> = BTreeMap::new();
    for assignment in unit.list("Service", "Environment") {
        for set in environment::assignments(&assignment.value, &unit.specifiers).0 {
            variables.insert(set.name.value, set.value.expose_str().unwrap().to_owned());
        }
    }
    let variables = variables.into_iter().map(|(name, value)| format!("{name}={value}"));
    let mut variables: Vec<String> = variables.collect();
    variables.sort();
    facts.insert("Environment".into(), variables);
    let files = unit.list("Service", "EnvironmentFile").into_iter().filter_map(|assignment| {
        let path = expand(&assignment.value)?;
        path.strip_prefix('-').unwrap_or(&path).starts_with('/').then_some(path)
    });
    facts.insert("EnvironmentFile".into(), files.collect());
    for (key, default) in [("RestartSec", "100ms"), ("TimeoutStopSec", "90")] {
        let span: Option<TimeSpan> = parse_seconds(&or(key, default).concat());
        facts.insert(key.into(), vec![format!("{span:?}")]);
    }
    let mode = |key: &str, default: &str| {
        let text = or(key, default).concat();
        vec![format!("{:04o}", u32::from_str_radix(&text, 8).unwrap())]
    };
    facts.insert("UMask".into(), mode("UMask", "0022"));
    facts.insert("RuntimeDirectoryMode".into(), mode("RuntimeDirectoryMode", "0755"));
    let signal = last("KillSignal").and_then(|text| parse_signal(&text));
    facts.insert("KillSignal".into(), vec![signal.unwrap_or_else(|| "SIGTERM".into())]);
    for key in ["PrivateTmp", "RemainAfterExit"] {
        let set = last(key).and_then(|text| parse_boolean(&text)).unwrap_or(false);
        facts.insert(key.into(), vec![if set { "yes" } else { "no" }.into()]);
    }
    let kind = or("Type", "simple").concat();
    let access = if kind == "notify" { "main" } else { "none" };
    let written = last("NotifyAccess");
    let access = match written.as_deref() {
        None | Some("none") => access.to_owned(),
        Some(written) => written.to_owned(),
    };
    facts.insert("NotifyAccess".into(), vec![access]);
    facts.insert("ProtectHome".into(), or("ProtectHome", "no"));
    facts.insert("ProtectSystem".into(), or("ProtectSystem", "no"));
    let directory = or("WorkingDirectory", "/").concat();
    let directory = directory.strip_prefix('-').unwrap_or(&directory).to_owned();
    facts.insert("WorkingDirectory".into(), vec![directory]);
    facts.insert("RootDirectory".into(), or("RootDirectory", "/"));
    for key in COMMANDS {
        let lines = unit.commands("Service", key).into_iter().map(|(_, command)| {
            let first = command.argv0.as_ref().unwrap_or(&command.program);
            let words = std::iter::once(first).chain(&command.arguments);
            let words: Vec<&str> = words.map(|word| word.text.as_str()).collect();
            format!("{words:?}")
        });
        facts.insert((*key).into(), lines.collect());
    }
    facts
}

fn compare(seed: u64, asked: &Asked) -> Option<BTreeSet<String>> {
    let tree = generate(seed);
    let dump = match dump(&tree, asked) {
        Ok(dump) => dump,
        Err(why) => {
            eprintln!("SKIPPED: merging is not held against systemd itself: {why}");
            return None;
        }
    };
    let host = asked.host();
    let sources = Sources::new(&host);
    let paths = UnitPaths::scan_path(&sources, tree.path.iter().cloned());
    let mut states = BTreeSet::new();
    let mut compared = 0;
    let mut wrong = Vec::new();
    for asked in &tree.names {
        let name = UnitName::exact(asked).unwrap();
        let unit = match paths.load(&sources, &name) {
            Ok(unit) => unit,
            Err(error) => panic!("{error}"),
        };
        let Some(properties) = dump.get(&unit.name.to_string()) else {
            wrong.push(format!("{asked}: systemd does not know it as {}", unit.name));
            continue;
        };
        let (theirs, ours) = (theirs(properties), ours(&unit));
        states.extend(theirs["state"].iter().cloned());
        for key in theirs.keys().chain(ours.keys()).collect::<BTreeSet<_>>() {
            let (theirs, ours) = (theirs.get(key), ours.get(key));
            if theirs != ours {
                let files: Vec<String> = unit
                    .files()
                    .map(|f| {
                        format!("--- {:?}\n{}", f.file.path, String::from_utf8_lossy(&f.file.bytes))
                    })
                    .collect();
                wrong.push(format!(
                    "{asked}: {key}\n systemd {theirs:?}\n    ours {ours:?}\n{:?}\n{}",
                    unit.refusal(),
                    files.concat()
                ));
            }
        }
        compared += 1;
    }
    let show = std::env::var("SHOW").map_or(8, |n| n.parse().unwrap());
    let shown: Vec<&str> = wrong.iter().take(show).map(String::as_str).collect();
    assert!(wrong.is_empty(), "{} differences\n{}", wrong.len(), shown.join("\n\n"));
    assert!(compared >= UNITS, "only {compared} units were compared");
    Some(states)
}

#[test]
fn units_are_found_and_merged_as_systemd_does() {
    for asked in Asked::all() {
        for seed in 1..=4 {
            let Some(states) = compare(seed, &asked) else { break };
            let expected = ["loaded", "masked", "refused"].map(str::to_owned);
            assert_eq!(states, BTreeSet::from(expected), "not every outcome was compared");
        }
    }
}
