//! The collection of `integrations/ansible` under a real Ansible, against three booted Debians: one is
//! broken, and the others serve on.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread::JoinHandle;

use serde_json::Value;

use crate::guarded_reload::{answers, link, site};
use crate::support::container::Container;
use crate::support::proof::{self, Answers};
use crate::support::{skip, venv};

pub const ANSIBLE: [&str; 1] = ["ansible-core==2.19.14"];
const MODULE: &str = "deploy_doctor.site.deploy_doctor";
const NAMES: [&str; 3] = ["first", "broken", "third"];
const NEW: &str = "2026-05-01";
const OLD: &str = "2026-04-21";
/// What they serve at the end: behind the broken host nothing was touched.
const RELEASES: [&str; 3] = [NEW, NEW, OLD];
/// The role whole, named as most plays name one, for a release that lies there already.
const WHOLE: &str = "
- hosts: web
  gather_facts: false
  roles:
    - role: deploy_doctor.site.guarded_reload
      deploy_doctor_app: myapp
      deploy_doctor_release: /srv/myapp/releases/{{ release }}
      deploy_doctor_probe: [http://127.0.0.1/]
      deploy_doctor_expect_version: '{{ release }}'
";

/// The controller: its programs, and a directory with collection, inventory and release.
struct Controller {
    venv: PathBuf,
    folder: tempfile::TempDir,
}

impl Controller {
    fn new() -> Option<Self> {
        let Some(venv) = venv::with("ansible-venv", &ANSIBLE) else {
            skip("pip cannot install ansible-core");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        // The debug information is most of the file, and each task carries it to the host.
        let binary = folder.path().join("deploy-doctor");
        succeeds(Command::new("strip").arg("-o").arg(&binary).arg(proof::program()));
        let mut build = Command::new(proof::project().join("integrations/ansible/build"));
        build.env("BINARY", binary).env("LAYOUT", folder.path().join("collections"));
        succeeds(&mut build);
        for (kind, name) in [("connections", "container.py"), ("callbacks", "answers.py")] {
            let plugins = folder.path().join(kind);
            fs::create_dir(&plugins).unwrap();
            let plugin = proof::project().join("tests/ansible_support").join(name);
            fs::copy(plugin, plugins.join(name)).unwrap();
        }
        Some(Self { venv, folder })
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.venv.join("bin").join(program));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env("ANSIBLE_HOME", self.at("home"))
            .env("ANSIBLE_COLLECTIONS_PATH", self.at("collections"))
            .env("ANSIBLE_CONNECTION_PLUGINS", self.at("connections"))
            .env("ANSIBLE_INVENTORY", self.at("inventory"))
            .env("ANSIBLE_NOCOLOR", "1")
            .env("LC_ALL", "C.UTF-8");
        command
    }

    /// Runs the module on all hosts: what came of it on each, in their order.
    fn module(&self, arguments: &str, options: &[&str]) -> [Value; 3] {
        let words = ["web", "--module-name", MODULE, "--args", arguments];
        let mut command = self.command("ansible", &[&words, options].concat());
        command
            .env("ANSIBLE_CALLBACK_PLUGINS", self.at("callbacks"))
            .env("ANSIBLE_STDOUT_CALLBACK", "answers")
            .env("ANSIBLE_LOAD_CALLBACK_PLUGINS", "1");
        let output = command.output().unwrap();
        let lines = String::from_utf8_lossy(&output.stdout);
        let lines: Vec<Value> =
            lines.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        NAMES.map(|name| {
            let line = lines.iter().find(|line| line["host"] == name);
            line.unwrap_or_else(|| panic!("{name}\n{}", said(&output))).clone()
        })
    }

    /// Runs the example's playbook as it stands there.
    fn roll(&self, options: &[&str]) -> Output {
        let examples = self.at("collections/ansible_collections/deploy_doctor/site/examples");
        self.play(&examples.join("rolling.yml"), options)
    }

    fn play(&self, playbook: &Path, options: &[&str]) -> Output {
        let words = [playbook.to_str().unwrap(), "-e", "@variables.json"];
        self.command("ansible-playbook", &[&words, options].concat()).output().unwrap()
    }
}

fn succeeds(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}\n{}", said(&output));
    output
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

/// The three hosts; the second has no ExecReload=, so that `systemctl reload` does nothing.
fn fleet() -> Option<Vec<Container>> {
    std::thread::scope(|scope| {
        let boot = |name: &'static str| {
            let change = match name {
                "broken" => "sed -i /^ExecReload=/d /etc/systemd/system/myapp.service",
                _ => "",
            };
            site(&format!("ansible-{name}"), change)
        };
        let booting: Vec<_> =
            NAMES.into_iter().map(|name| scope.spawn(move || boot(name))).collect();
        booting.into_iter().map(|one| one.join().unwrap()).collect()
    })
}

/// All that a task might have changed, with times; but not the log, where a dry run says that it ran.
fn state_of(container: &Container) -> BTreeSet<String> {
    let lines = container.sh_ok(
        "find /etc /srv/myapp /var/lib/deploy-doctor /usr/local/bin -printf '%p %m %T@ %l\n' \
             2>/dev/null | grep -v ^/var/lib/deploy-doctor/reload/
         systemctl show -p MainPID,ExecMainStartTimestamp,NeedDaemonReload myapp",
    );
    lines.lines().map(str::to_owned).collect()
}

#[track_caller]
fn untouched(container: &Container, before: &BTreeSet<String>) {
    let now = state_of(container);
    let changed: Vec<_> = now.symmetric_difference(before).collect();
    assert!(changed.is_empty(), "{changed:#?}");
}

/// Requests until there is a file /tmp/enough in the container.
fn load(container: &Container) -> JoinHandle<Answers> {
    let init = container.init().to_string();
    std::thread::spawn(move || {
        let until = "until [ -e /tmp/enough ]; do sleep 0.1; done";
        let output = Command::new("nsenter")
            .args(["--target", &init, "--all", "--", "load", "--rate", "20", "--most", "280"])
            .arg(until)
            .output()
            .unwrap();
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("load: {error}\n{}", said(&output)))
    })
}

/// Ansible's word for what became of the task: `ok`, `changed`, `failed`.
#[track_caller]
fn came_to(line: &Value, word: &str) {
    assert_eq!(line["came_to"], word, "{line:#}");
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

#[test]
fn a_fleet_is_checked_mended_and_reloaded_and_a_broken_host_ends_the_play() {
    let Some(controller) = Controller::new() else { return };
    let Some(hosts) = fleet() else { return };
    let inventory: String = hosts
        .iter()
        .zip(NAMES)
        .map(|(host, name)| format!("{name} container_init={}\n", host.init()))
        .collect();
    let variables = "ansible_connection=container\nansible_python_interpreter=/usr/bin/python3\n";
    let inventory = format!("[web]\n{inventory}[web:vars]\n{variables}");
    write(&controller.at("inventory"), &inventory);
    // The release, packed as a build would leave it.
    let pack = format!(
        "cp -a '{root}/srv/myapp/releases/{OLD}' {NEW} && sed -i 's/{OLD}/{NEW}/' {NEW}/wsgi.py &&
         tar -czf release.tar.gz {NEW}",
        root = hosts[0].root().display()
    );
    succeeds(Command::new("sh").args(["-c", &pack]).current_dir(controller.folder.path()));
    let variables = serde_json::json!({
        "release": NEW,
        "archive": controller.at("release.tar.gz"),
        // The hosts are entered as root, and have no sudo.
        "ansible_become": false,
        "deploy_doctor_settle": 1,
        // The machine that runs the tests is busy.
        "deploy_doctor_max_stall": 20,
    });
    write(&controller.at("variables.json"), &variables.to_string());

    // Check mode finds what is to be mended, shows it and touches nothing.
    let before: Vec<_> = hosts.iter().map(state_of).collect();
    let [first, broken, third] =
        controller.module("state=fixed apps=myapp", &["--check", "--diff"]);
    hosts.iter().zip(&before).for_each(|(host, before)| untouched(host, before));
    for well in [&first, &third] {
        came_to(well, "ok");
    }
    came_to(&broken, "changed");
    let shown = broken["shown"].as_str().unwrap();
    assert!(shown.contains("+++ ") && shown.contains("\n+ExecReload="), "{broken:#}");

    // What is found fails the task, unless somebody says otherwise, also as Ansible's words are.
    let [first, broken, _] = controller.module("apps=myapp", &[]);
    came_to(&first, "ok");
    came_to(&broken, "failed");
    assert!(broken["answer"]["msg"].as_str().unwrap().contains("U101"), "{broken:#}");
    assert_eq!(broken["answer"]["findings"][0]["code"], "U101", "{broken:#}");
    let [_, broken, _] = controller.module("apps=myapp fail_on=never allow_incomplete=yes", &[]);
    came_to(&broken, "ok");
    hosts.iter().zip(&before).for_each(|(host, before)| untouched(host, before));

    // Host after host under load: the broken one ends it, and nobody behind it is touched.
    let loads: Vec<_> = hosts.iter().map(load).collect();
    let rolled = controller.roll(&[]);
    let text = said(&rolled);
    assert!(!rolled.status.success(), "{text}");
    assert!(text.contains("U101"), "{text}");
    assert!(!text.contains("third"), "the play went on behind the broken host:\n{text}");
    assert!(answers(&hosts[0]).contains(NEW), "{text}");
    for untouched in &hosts[1..] {
        assert!(answers(untouched).contains(OLD), "{text}");
        assert!(link(untouched).ends_with(OLD));
    }
    untouched(&hosts[2], &before[2]);

    // Mended, and once more: the second time there is nothing to do.
    let [_, broken, _] = controller.module("state=fixed apps=myapp", &[]);
    came_to(&broken, "changed");
    assert_eq!(broken["answer"]["findings"], Value::Array(Vec::new()), "{broken:#}");
    let [_, broken, _] = controller.module("state=fixed apps=myapp", &[]);
    came_to(&broken, "ok");

    // And it gets the release.
    let rolled = controller.roll(&["--limit", "broken"]);
    assert!(rolled.status.success(), "{}", said(&rolled));
    for (host, release) in hosts.iter().zip(RELEASES) {
        assert!(answers(host).contains(release));
        host.sh_ok("touch /tmp/enough");
    }
    for ((load, name), release) in loads.into_iter().zip(NAMES).zip(RELEASES) {
        let seen = load.join().unwrap();
        println!("{name}: {} requests in {:.0} s, {} lost", seen.sent, seen.seconds, seen.lost);
        assert!(seen.sent > 200 && seen.releases.contains_key(OLD), "{name}: {seen:?}");
        assert!(seen.releases.contains_key(release), "{name}: {seen:?}");
        assert_eq!(seen.lost, 0, "{name}: {seen:?}");
    }

    // In check mode the play says that it would reload, and touches nothing.
    let before = state_of(&hosts[0]);
    let rolled = controller.roll(&["--check", "--limit", "first"]);
    assert!(rolled.status.success(), "{}", said(&rolled));
    let changed = said(&rolled).lines().filter(|line| line.starts_with("changed: [first]")).count();
    assert_eq!(changed, 1, "the reload alone: {}", said(&rolled));
    untouched(&hosts[0], &before);

    // What would not start is refused, and says why; nothing of it is served.
    let bad = "/srv/myapp/releases/bad";
    for host in &hosts {
        host.sh_ok(&format!(
            "cp -a /srv/myapp/releases/{OLD} {bad} && echo 'def (' >>{bad}/wsgi.py"
        ));
    }
    let arguments = format!("state=reloaded apps=myapp release={bad} settle=0");
    for refused in controller.module(&arguments, &[]) {
        came_to(&refused, "failed");
        let message = refused["answer"]["msg"].as_str().unwrap();
        assert!(message.contains("refused") && message.contains("wsgi.py"), "{refused:#}");
    }
    assert!(hosts.iter().zip(RELEASES).all(|(host, release)| link(host).ends_with(release)));

    // The role whole checks before it reloads: a host that is not well keeps what it serves.
    let playbook = controller.at("whole.yml");
    write(&playbook, WHOLE);
    hosts[2].sh_ok(&format!(
        "cp -a /srv/myapp/releases/{OLD} /srv/myapp/releases/{NEW} &&
         sed -i 's/{OLD}/{NEW}/' /srv/myapp/releases/{NEW}/wsgi.py &&
         cp /etc/systemd/system/myapp.service /tmp/well &&
         sed -i /^ExecReload=/d /etc/systemd/system/myapp.service && systemctl daemon-reload"
    ));
    let stopped = controller.play(&playbook, &["--limit", "third"]);
    assert!(!stopped.status.success() && said(&stopped).contains("U101"), "{}", said(&stopped));
    assert!(answers(&hosts[2]).contains(OLD) && link(&hosts[2]).ends_with(OLD));
    hosts[2].sh_ok("cat /tmp/well >/etc/systemd/system/myapp.service && systemctl daemon-reload");
    let whole = controller.play(&playbook, &["--limit", "third"]);
    assert!(whole.status.success(), "{}", said(&whole));
    assert!(answers(&hosts[2]).contains(NEW) && link(&hosts[2]).ends_with(NEW));
}

/// The page of ansible-doc names the parameters that the program takes, and no other.
#[test]
fn the_documentation_names_the_parameters() {
    let Some(controller) = Controller::new() else { return };
    let shown = succeeds(&mut controller.command("ansible-doc", &["--json", MODULE]));
    let page: Value = serde_json::from_slice(&shown.stdout).unwrap();
    let options = page[MODULE]["doc"]["options"].as_object().unwrap();
    let documented: BTreeSet<&str> = options.keys().map(String::as_str).collect();
    let file = controller.at("arguments");
    write(&file, r#"{"_ansible_check_mode": true, "nosuch": 1}"#);
    let output = Command::new(proof::program()).arg(&file).output().unwrap();
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["failed"], true, "{answer}");
    let message = answer["msg"].as_str().unwrap();
    let (_, names) = message.split_once("the parameters are ").unwrap();
    assert_eq!(names.split(", ").collect::<BTreeSet<_>>(), documented);
    // Each task of the role gives parameters that there are; so do the examples.
    succeeds(&mut controller.command(
        "ansible-doc",
        &["--type", "role", "--json", "deploy_doctor.site.guarded_reload"],
    ));
}
