//! The monitoring plugin under Debian's Icinga 2: a daemon that schedules it, parses its performance
//! data and hands them on, as it does to Graphite.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::{counts, installed};
use crate::support;
use crate::support::command::{Copied, program, set_mode};
use crate::support::formats::make_unreadable;

/// Longer than Icinga takes to start and to check a few services.
const PATIENCE: Duration = Duration::from_secs(90);

/// The daemon and all that it started: it does not end when it is asked to while it starts.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let group = format!("-{}", self.0.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _ = self.0.wait();
    }
}

/// What Icinga says of each service: `state`, `perfdata.errors.value`, `perfdata.errors.crit` …
type Seen = BTreeMap<String, BTreeMap<String, f64>>;

/// One service: its name, and the words of its command.
type Service<'a> = (&'a str, Vec<String>);

/// `integrations/icinga`: what stands there, and what a host says for it.
struct Shipped {
    text: String,
    host: String,
    /// What the command was called with, a line a call.
    calls: PathBuf,
}

impl Shipped {
    /// The command without sudo, which writes down how it was called.
    fn of(folder: &Path, plugin: &Path, trees: &[(&str, &Copied)]) -> Self {
        let file =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("integrations/icinga/deploy-doctor.conf");
        let text = fs::read_to_string(file).unwrap();
        let (calls, recorder) = (folder.join("calls"), folder.join("recorder"));
        fs::write(&calls, "").unwrap();
        set_mode(&calls, 0o666);
        let script =
            format!("echo \"$*\" >>{}\nexec {} \"$@\"\n", calls.display(), plugin.display());
        fs::write(&recorder, script).unwrap();
        let real = "\"/usr/bin/sudo\", \"-n\", \"/usr/bin/deploy-doctor\"";
        assert!(text.contains(real), "{text}");
        let text = text.replace(real, &format!("\"/bin/sh\", \"{}\"", recorder.display()));
        // Once a second in place of every quarter of an hour.
        let text =
            text.replace("check_interval = 15m", "check_interval = 1s\n  max_check_attempts = 1");
        let mut host =
            "  vars.deploy_doctor[\"alone\"] = { deploy_doctor_app = \"shop\" }\n".to_owned();
        for (name, tree) in trees {
            host += &format!(
                "  vars.deploy_doctor[\"{name}\"] = {{ deploy_doctor_app = \"myapp\"; \
                 deploy_doctor_root = \"{}\"; deploy_doctor_ignore = [ \"E407\", \"E402\" ] }}\n",
                tree.root().display()
            );
        }
        Self { text, host, calls }
    }
}

fn configuration(folder: &Path, port: u16, services: &[Service], shipped: &Shipped) -> String {
    let mut text = format!(
        "const NodeName = \"here\"\nconst ZoneName = NodeName\n\
         object Endpoint NodeName {{ }}\n\
         object Zone ZoneName {{ endpoints = [ NodeName ] }}\n\
         object CheckerComponent \"checker\" {{ }}\n\
         object GraphiteWriter \"graphite\" {{\n  host = \"127.0.0.1\"\n  port = {port}\n  \
         enable_send_thresholds = true\n  enable_send_metadata = true\n}}\n\
         object CheckCommand \"true\" {{ command = [ \"/bin/true\" ] }}\n\
         object Host \"here\" {{\n  check_command = \"true\"\n{}}}\n{}",
        shipped.host, shipped.text
    );
    for (name, words) in services {
        let words: Vec<String> =
            words.iter().map(|word| serde_json::Value::from(word.as_str()).to_string()).collect();
        text += &format!(
            "object CheckCommand \"{name}\" {{\n  command = [ {} ]\n  timeout = 30\n}}\n\
             object Service \"{name}\" {{\n  host_name = \"here\"\n  check_command = \"{name}\"\n  \
             check_interval = 1s\n  retry_interval = 1s\n  max_check_attempts = 1\n}}\n",
            words.join(", ")
        );
    }
    let path = folder.join("icinga.conf");
    fs::write(&path, &text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn start(folder: &Path, services: &[Service], shipped: &Shipped, port: u16) -> Daemon {
    let mut daemon = Command::new("icinga2");
    daemon.args(["daemon", "-c", &configuration(folder, port, services, shipped)]);
    for name in ["DataDir", "CacheDir", "LogDir", "InitRunDir", "SpoolDir"] {
        let directory = folder.join(name);
        fs::create_dir(&directory).unwrap();
        set_mode(&directory, 0o777);
        daemon.arg(format!("-D{name}={}", directory.display()));
    }
    let log = fs::File::create(folder.join("daemon.log")).unwrap();
    daemon.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).process_group(0);
    Daemon(daemon.spawn().unwrap())
}

/// Takes in what the daemon sends as a Graphite server would.
fn listen(seen: Arc<Mutex<Seen>>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                take(&line, &seen);
            }
        }
    });
    port
}

/// `icinga2.here.services.NAME.COMMAND.perfdata.errors.value 2 1700000000`
fn take(line: &str, seen: &Mutex<Seen>) {
    let mut words = line.split(' ');
    let (Some(path), Some(value)) = (words.next(), words.next()) else { return };
    let Some(path) = path.strip_prefix("icinga2.here.services.") else { return };
    let mut parts = path.splitn(3, '.');
    let (Some(name), Some(_), Some(what)) = (parts.next(), parts.next(), parts.next()) else {
        return;
    };
    let value = value.parse().unwrap_or(f64::NAN);
    let mut seen = seen.lock().unwrap();
    seen.entry(name.to_owned()).or_default().insert(what.to_owned(), value);
}

#[test]
fn icinga_schedules_it_and_parses_its_data() {
    if !installed("icinga2") {
        return support::skip("icinga2 is not installed");
    }
    let folder = tempfile::tempdir().unwrap();
    set_mode(folder.path(), 0o755);
    // Icinga's own account runs the plugin.
    let plugin = folder.path().join("deploy-doctor");
    fs::copy(program(), &plugin).unwrap();
    set_mode(&plugin, 0o755);
    let (broken, healthy, unreadable) =
        (Copied::of("guide"), Copied::of("healthy"), Copied::of("healthy"));
    make_unreadable(&unreadable);
    for tree in [&broken, &healthy, &unreadable] {
        // It is not root: the file that only root may read stays unread, which is no fault here.
        set_mode(&tree.at("/etc/myapp.env"), 0o644);
    }
    let of = |tree: &Copied| {
        let root = tree.root();
        let words = ["nagios", "--ignore", "E407", "--root", root.to_str().unwrap()];
        std::iter::once(plugin.to_str().unwrap()).chain(words).map(str::to_owned).collect()
    };
    // What it says of hostile messages, word for word, with its exit status.
    let (wanted, (status, text)) = support::formats::run("guide", |run| {
        let made = run.make_hostile();
        run.set(made);
        (counts(&run.outcome), run.nagios())
    });
    let hostile = folder.path().join("hostile");
    fs::write(&hostile, text).unwrap();
    let says = format!("cat {}; exit {status}", hostile.display());
    let services = [
        ("broken", of(&broken)),
        ("healthy", of(&healthy)),
        ("unreadable", of(&unreadable)),
        ("hostile", vec!["/bin/sh".to_owned(), "-c".to_owned(), says]),
        ("misused", vec![plugin.to_str().unwrap().to_owned(), "nagios".into(), "--nosuch".into()]),
    ];
    let seen: Arc<Mutex<Seen>> = Arc::default();
    let trees = [("broken", &broken), ("healthy", &healthy)];
    let shipped = Shipped::of(folder.path(), &plugin, &trees);
    let _daemon = start(folder.path(), &services, &shipped, listen(Arc::clone(&seen)));
    let start = Instant::now();
    let told = |name: &str| -> bool {
        seen.lock().unwrap().get(name).is_some_and(|of| of.contains_key("metadata.state"))
    };
    let own = ["reload-alone", "reload-broken", "reload-healthy"];
    while !services.iter().map(|(name, _)| *name).chain(own).all(told) {
        let log = fs::read_to_string(folder.path().join("daemon.log")).unwrap_or_default();
        assert!(start.elapsed() < PATIENCE, "{:?}\n{log}", seen.lock().unwrap());
        std::thread::sleep(Duration::from_millis(200));
    }
    let seen = seen.lock().unwrap();
    let value = |name: &str, what: &str| {
        *seen[name].get(what).unwrap_or_else(|| panic!("{name}: no {what}: {:?}", seen[name]))
    };
    // The shipped command and services say the same; on a host without such a unit nothing is green.
    for (name, state) in [("reload-broken", 2.0), ("reload-healthy", 0.0), ("reload-alone", 3.0)] {
        assert_eq!(value(name, "metadata.state"), state, "{name}: {seen:#?}");
    }
    // As sudo is told to let through.
    let calls = fs::read_to_string(&shipped.calls).unwrap();
    assert!(calls.lines().any(|line| line == "nagios --timeout 30 shop"), "{calls}");
    assert!(calls.contains("--ignore E407 --ignore E402"), "{calls}");
    for (name, state) in
        [("broken", 2.0), ("healthy", 0.0), ("unreadable", 3.0), ("hostile", 2.0), ("misused", 3.0)]
    {
        assert_eq!(value(name, "metadata.state"), state, "{name}: {seen:#?}");
    }
    for (name, counts) in [("broken", [2, 0, 0]), ("healthy", [0, 0, 0]), ("hostile", wanted)] {
        for (label, count) in ["errors", "warnings", "infos"].iter().zip(counts) {
            assert_eq!(value(name, &format!("perfdata.{label}.value")), count as f64, "{name}");
        }
        assert_eq!(value(name, "perfdata.errors.crit"), 0.0, "{name}");
        assert_eq!(value(name, "perfdata.warnings.warn"), 0.0, "{name}");
        // Nothing of a message became a label.
        let labels =
            seen[name].keys().filter(|key| key.starts_with("perfdata.") && key.ends_with(".value"));
        assert_eq!(labels.count(), 4, "{name}: {:?}", seen[name]);
    }
}
