//! The proving ground itself: a container boots, works, does not disturb its neighbour and leaves
//! nothing behind.

use crate::support;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::support::container::Container;

/// Everything of a container that could stay behind.
struct Traces {
    init: u32,
    supervisor: u32,
    directory: PathBuf,
}

impl Traces {
    fn of(container: &Container) -> Self {
        Self {
            init: container.init(),
            supervisor: container.supervisor(),
            directory: container.root().parent().unwrap().to_owned(),
        }
    }

    fn left(&self) -> Vec<String> {
        let name = self.directory.file_name().unwrap().to_str().unwrap();
        let mut left = Vec::new();
        let mut note = |what: String, there: bool| left.extend(there.then_some(what));
        for pid in [self.init, self.supervisor] {
            note(format!("process {pid}"), Path::new(&format!("/proc/{pid}")).exists());
        }
        note(format!("{}", self.directory.display()), self.directory.exists());
        let lock = self.directory.with_extension("lock");
        note(format!("{}", lock.display()), lock.exists());
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        note("a mount".into(), mounts.contains(name));
        for line in mounts.lines().filter(|line| line.contains(" cgroup")) {
            let group = Path::new(line.split(' ').nth(1).unwrap()).join(name);
            note(format!("{}", group.display()), group.exists());
        }
        left
    }
}

fn boot(case: &str, setup: impl FnOnce(&Path)) -> Option<Container> {
    Container::boot(case, setup).map_err(support::skip).ok()
}

#[test]
fn a_container_boots_answers_and_leaves_nothing() {
    let page = "hello from inside\n";
    let started = Instant::now();
    let Some(container) = boot("answers", |root| {
        fs::write(root.join("var/www/html/page"), page).unwrap();
    }) else {
        return;
    };
    eprintln!("booted in {:?}", started.elapsed());
    let state = container.run(&["systemctl", "is-system-running"]);
    assert_eq!(String::from_utf8_lossy(&state.stdout), "running\n");
    assert_eq!(container.sh("exit 7").status.code(), Some(7));
    assert_eq!(container.run_for(1, &["sleep", "30"]).status.code(), Some(124));

    container.sh_ok("systemctl start --no-block nginx");
    container.eventually(10, "systemctl is-active nginx");
    assert!(container.journal("nginx.service").contains("Started"), "the journal is read");
    let answer = container.sh_ok("curl -fsS http://127.0.0.1/page");
    assert_eq!(answer, page);
    assert!(container.live_root().join("run/nginx.pid").exists());
    let gunicorn = container.sh_ok("/srv/venvs/gunicorn-23/bin/gunicorn --version");
    assert_eq!(gunicorn, "gunicorn (version 23.0.0)\n");
    container.sh_ok("echo changed > /etc/changed");
    assert_eq!(fs::read_to_string(container.root().join("etc/changed")).unwrap(), "changed\n");

    let traces = Traces::of(&container);
    assert!(traces.left().len() >= 6, "what is looked for is there while it runs");
    drop(container);
    assert_eq!(traces.left(), Vec::<String>::new());
    let prepared = support::suite::Suite::usual().root().unwrap();
    assert!(!prepared.join("etc/changed").exists(), "the prepared root stays as it was");
}

#[test]
fn two_containers_do_not_see_each_other() {
    let write = |word: &'static str| {
        move |root: &Path| fs::write(root.join("var/www/html/page"), word).unwrap()
    };
    let pair = std::thread::scope(|scope| {
        let one = scope.spawn(|| Container::boot("twin", write("one")));
        let two = scope.spawn(|| Container::boot("twin", write("two")));
        (one.join().unwrap(), two.join().unwrap())
    });
    let (one, two) = match pair {
        (Ok(one), Ok(two)) => (one, two),
        (Err(skip), _) | (_, Err(skip)) => return support::skip(skip),
    };
    for (container, page) in [(&one, "one"), (&two, "two")] {
        container.sh_ok("systemctl start nginx");
        assert_eq!(container.sh_ok("curl -fsS http://127.0.0.1/page"), page);
    }
    let traces = Traces::of(&one);
    drop(one);
    assert_eq!(traces.left(), Vec::<String>::new());
    assert_eq!(two.sh_ok("curl -fsS http://127.0.0.1/page"), "two");
}

#[test]
fn a_setup_that_fails_leaves_nothing() {
    let Some(traces) = boot("can-boot", |_| ()).as_ref().map(Traces::of) else { return };
    assert_eq!(traces.left(), Vec::<String>::new());
    let directory = std::cell::OnceCell::new();
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        Container::boot("setup-fails", |root| {
            directory.set(root.parent().unwrap().to_owned()).unwrap();
            assert!(root.join("etc/passwd").exists(), "the root is there");
            std::panic::resume_unwind(Box::new("the setup fails"));
        })
    }));
    assert!(result.is_err());
    assert!(!directory.get().unwrap().exists(), "what was mounted is gone");
}

#[test]
fn a_script_is_tried_on_the_healthy_deployment() {
    if boot("can-boot", |_| ()).is_none() {
        return;
    }
    let script = std::env::temp_dir().join(format!("deploy-doctor-try-{}", std::process::id()));
    fs::write(&script, "load --tail 0.5 'systemctl reload myapp'\nexit 3\n").unwrap();
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = std::process::Command::new(project.join("e2e/try")).arg(&script).output().unwrap();
    fs::remove_file(&script).unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(3), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("\"lost\": 0,") && said.contains("200 2026-04-21"), "{said}");
}

#[test]
fn a_panic_takes_the_container_away() {
    let Some(container) = boot("panic", |_| ()) else { return };
    let traces = Traces::of(&container);
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
        let _held = container;
        std::panic::resume_unwind(Box::new("the test fails"));
    }));
    assert!(result.is_err());
    assert_eq!(traces.left(), Vec::<String>::new());
}

#[test]
fn what_a_killed_supervisor_left_is_swept_up_by_the_next() {
    let Some(container) = boot("killed", |_| ()) else { return };
    let traces = Traces::of(&container);
    let killed = std::process::Command::new("kill")
        .args(["-KILL", &traces.supervisor.to_string()])
        .status()
        .unwrap();
    assert!(killed.success());
    drop(container);
    assert!(!traces.left().is_empty(), "nobody was there to clean up");
    let Some(next) = boot("sweeper", |_| ()) else { return };
    // Another test's container may be the one that sweeps.
    let deadline = Instant::now() + Duration::from_secs(10);
    while !traces.left().is_empty() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(traces.left(), Vec::<String>::new());
    drop(next);
}
