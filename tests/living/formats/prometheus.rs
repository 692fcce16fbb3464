//! Prometheus' text format: Debian's node_exporter reads it, Debian's Prometheus scrapes that, and the
//! alerts of docs/formats.md fire and resolve.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use deploy_doctor::report::Format;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use regex::Regex;
use serde_json::Value;

use super::{installed, written};
use crate::support;
use crate::support::command::{Copied, run};

/// Longer than any of these programs takes to see a change.
const PATIENCE: Duration = Duration::from_secs(90);

/// A server that ends with the test.
struct Server {
    child: Child,
    port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// Starts it on a free port, which stands as `{port}` in the arguments.
    fn start(program: &str, arguments: &[&str]) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let arguments = arguments.iter().map(|word| word.replace("{port}", &port.to_string()));
        let child = Command::new(program)
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self { child, port };
        until("it listens", || TcpStream::connect(("127.0.0.1", port)).ok());
        server
    }

    fn node_exporter(directory: &Path) -> Self {
        Self::start(
            "prometheus-node-exporter",
            &[
                "--collector.disable-defaults",
                "--collector.textfile",
                &format!("--collector.textfile.directory={}", directory.display()),
                "--web.listen-address=127.0.0.1:{port}",
            ],
        )
    }

    /// The body of an answer.
    fn get(&self, path: &str) -> String {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) else {
            return String::new();
        };
        let request = format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n");
        let mut answer = Vec::new();
        let _ = stream.write_all(request.as_bytes());
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer).into_owned();
        answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default()
    }

    /// Does node_exporter take every file of its directory?
    fn takes_all(&self) -> bool {
        let metrics = self.get("/metrics");
        assert!(metrics.contains("node_textfile_scrape_error"), "{metrics}");
        metrics.contains("\nnode_textfile_scrape_error 0\n")
    }

    /// The names of the alerts that fire.
    fn firing(&self) -> Vec<String> {
        let Ok(answer) = serde_json::from_str::<Value>(&self.get("/api/v1/alerts")) else {
            return Vec::new();
        };
        let alerts = answer["data"]["alerts"].as_array().cloned().unwrap_or_default();
        let mut names: Vec<String> = alerts
            .iter()
            .filter(|alert| alert["state"] == "firing")
            .map(|alert| alert["labels"]["alertname"].as_str().unwrap().to_owned())
            .collect();
        names.sort();
        names.dedup();
        names
    }
}

fn until<T>(what: &str, look: impl Fn() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(start.elapsed() < PATIENCE, "never: {what}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// The sum of a metric's values, for one severity.
fn sum(metrics: &str, severity: &str) -> usize {
    let mine = metrics.lines().filter(|line| {
        line.starts_with("deploy_doctor_findings{")
            && line.contains(&format!("severity=\"{severity}\""))
    });
    mine.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap() as usize).sum()
}

#[test]
fn node_exporter_counts_the_same() {
    if !installed("prometheus-node-exporter") {
        return support::skip("prometheus-node-exporter is not installed");
    }
    let folder = tempfile::tempdir().unwrap();
    for one in written(folder.path(), Format::Prometheus) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("deploy-doctor.prom");
        fs::copy(&one.path, &path).unwrap();
        let exporter = Server::node_exporter(directory.path());
        assert!(exporter.takes_all(), "{}: {}", one.name, exporter.get("/metrics"));
        let metrics = exporter.get("/metrics");
        let counts = ["error", "warning", "info"].map(|severity| sum(&metrics, severity));
        assert_eq!(counts, one.counts, "{}", one.name);
        // The reader drops what it does not take, so that taking says something.
        for (trap, text) in [
            ("a timestamp", one.text.replace("} 1\n", "} 1 1700000000000\n")),
            ("no newline at the end", one.text.trim_end().to_owned()),
        ] {
            fs::write(&path, text).unwrap();
            assert!(!exporter.takes_all(), "{trap}");
        }
        fs::write(&path, &one.text).unwrap();
        assert!(exporter.takes_all());
    }
}

/// Two runs that check different things lie side by side, one whose scope is hostile, too.
#[test]
fn node_exporter_takes_several_files() {
    if !installed("prometheus-node-exporter") {
        return support::skip("prometheus-node-exporter is not installed");
    }
    let directory = tempfile::tempdir().unwrap();
    let tree = Copied::of("healthy");
    let output = |name: &str| format!("prometheus={}/{name}.prom", directory.path().display());
    for (name, options) in
        [("all", &[][..]), ("one", &["myapp"]), ("two", &["myapp.service", "gone\"\\x"])]
    {
        let ran = tree.check(&[&["--output", &output(name)], options].concat());
        assert!(matches!(ran.code, Some(0 | 3)), "{}", ran.all());
    }
    run(&["check", "--root", "/nowhere/at/all", "--output", &output("failed")]);
    let exporter = Server::node_exporter(directory.path());
    assert!(exporter.takes_all(), "{}", exporter.get("/metrics"));
    let metrics = exporter.get("/metrics");
    let runs = metrics.lines().filter(|line| line.starts_with("deploy_doctor_run_success{"));
    assert_eq!(runs.count(), 4, "{metrics}");
}

/// A file of `integrations/prometheus`.
fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("integrations/prometheus").join(name)
}

/// The dashboard's queries, with every host chosen.
fn queries() -> Vec<String> {
    let text = fs::read_to_string(shipped("grafana-dashboard.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    targets.map(|target| target["expr"].as_str().unwrap().replace("$instance", ".*")).collect()
}

/// Metrics, their labels, and the values of those whose values are ours, in a query or in what we write.
fn names(text: &str) -> BTreeSet<String> {
    let metric = Regex::new(r"(deploy_doctor_\w+)(?:\{([^}]*)\})?").unwrap();
    let label = Regex::new(r#"(\w+)(=~?|!~|!=)"([^"]*)""#).unwrap();
    let mut names = BTreeSet::new();
    for found in metric.captures_iter(text) {
        names.insert(found[1].to_owned());
        let labels = found.get(2).map_or("", |labels| labels.as_str());
        for pair in label.captures_iter(labels) {
            // That one is Prometheus' own.
            if &pair[1] != "instance" {
                names.insert(format!("{} {}", &found[1], &pair[1]));
            }
            if ["severity", "verdict", "name", "rule"].contains(&&pair[1]) {
                names.insert(format!("{} {}={}", &found[1], &pair[1], &pair[3]));
            }
        }
    }
    names
}

/// Every metric, label and word of ours that alerts, their tests and the dashboard name is one that is
/// written.
#[test]
fn alerts_and_dashboard_ask_for_what_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let written: String =
        written(folder.path(), Format::Prometheus).iter().map(|one| one.text.as_str()).collect();
    let written = names(&written);
    let read = |name: &str| fs::read_to_string(shipped(name)).unwrap();
    for (name, text) in [
        ("alerts.yml", read("alerts.yml")),
        ("alerts.test.yml", read("alerts.test.yml")),
        ("README.md", read("README.md")),
        ("the dashboard", queries().join("\n")),
    ] {
        let asked = names(&text);
        assert!(asked.len() > 2, "{name}: {asked:?}");
        let unknown: Vec<_> = asked.difference(&written).collect();
        assert!(unknown.is_empty(), "{name} asks for {unknown:?}");
    }
    // The two alerts of docs/formats.md are among them, word for word.
    for line in alerts().lines().map(str::trim).filter(|line| line.contains("expr: ")) {
        assert!(read("alerts.yml").contains(line), "{line}");
    }
}

#[test]
fn promtool_tests_the_alerts() {
    if !installed("promtool") {
        return support::skip("promtool is not installed");
    }
    let folder = tempfile::tempdir().unwrap();
    let alerts = fs::read_to_string(shipped("alerts.yml")).unwrap();
    fs::copy(shipped("alerts.test.yml"), folder.path().join("alerts.test.yml")).unwrap();
    let test = |rules: &str| {
        fs::write(folder.path().join("alerts.yml"), rules).unwrap();
        let mut promtool = Command::new("promtool");
        promtool.args(["test", "rules", "alerts.test.yml"]).current_dir(folder.path());
        super::said(&mut promtool)
    };
    let ran = test(&alerts);
    assert!(ran.status.success(), "{}", super::text(&ran));
    for (right, wrong) in [
        ("\"error\"}) > 0", "\"error\"}) > 2"),
        ("\"error\"}) > 0", "\"info\"}) > 0"),
        ("for: 1d", "for: 1h"),
        ("> 7200", "> 72000"),
        ("== 0", "== 2"),
        ("for: 30m", "for: 0m"),
    ] {
        let wrong = alerts.replace(right, wrong);
        assert_ne!(wrong, alerts, "{right}");
        assert!(!test(&wrong).status.success(), "{right}");
    }
}

/// The alerts of docs/formats.md, as they stand there.
fn alerts() -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/formats.md");
    let page = fs::read_to_string(page).unwrap();
    let block = page.split("```yaml\n").find(|block| block.starts_with("- alert: ")).unwrap();
    block.split("```").next().unwrap().lines().map(|line| format!("      {line}\n")).collect()
}

#[test]
fn an_alert_fires_and_resolves() {
    if !installed("prometheus-node-exporter") || !installed("prometheus") {
        return support::skip("prometheus is not installed");
    }
    let folder = tempfile::tempdir().unwrap();
    let textfiles = folder.path().join("textfiles");
    fs::create_dir(&textfiles).unwrap();
    let exporter = Server::node_exporter(&textfiles);
    let rules = format!("groups:\n  - name: deploy-doctor\n    rules:\n{}", alerts());
    fs::write(folder.path().join("rules.yml"), rules).unwrap();
    let configuration = format!(
        "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\n\
         rule_files: [rules.yml]\n\
         scrape_configs:\n  - job_name: node\n    static_configs:\n      - targets: ['127.0.0.1:{}']\n",
        exporter.port
    );
    let path = folder.path().join("prometheus.yml");
    fs::write(&path, configuration).unwrap();
    let checked = Command::new("promtool").args(["check", "config"]).arg(&path).output().unwrap();
    assert!(checked.status.success(), "{}", super::text(&checked));
    let prometheus = Server::start(
        "prometheus",
        &[
            &format!("--config.file={}", path.display()),
            &format!("--storage.tsdb.path={}", folder.path().join("data").display()),
            "--web.listen-address=127.0.0.1:{port}",
        ],
    );
    let tree = Copied::of("guide");
    let output = format!("prometheus={}/deploy-doctor.prom", textfiles.display());
    let check = || tree.check(&["--output", &output]).code;
    let firing = |wanted: &[&str]| {
        until(&format!("{wanted:?}"), || (prometheus.firing() == wanted).then_some(()))
    };
    assert_eq!(check(), Some(1));
    firing(&["ReloadWillBreak"]);
    // Prometheus has an answer to each of the dashboard's queries.
    for query in queries() {
        let encoded = utf8_percent_encode(&query, NON_ALPHANUMERIC);
        let answer = prometheus.get(&format!("/api/v1/query?query={encoded}"));
        let answer: Value = serde_json::from_str(&answer).unwrap();
        let results = answer["data"]["result"].as_array();
        assert!(results.is_some_and(|results| !results.is_empty()), "{query}: {answer}");
    }
    let root = tree.root();
    let mut fix = Command::new(support::command::program());
    fix.args(["fix", "--apply", "--root"]).arg(&root).env("XDG_STATE_HOME", folder.path());
    support::command::finish(fix);
    let left = check();
    assert!(left != Some(1), "nothing is left that breaks a reload: {left:?}");
    firing(&[]);
    // Who reads nothing any more says so.
    run(&["check", "--root", "/nowhere/at/all", "--output", &output]);
    firing(&["DeployDoctorBlind"]);
}
