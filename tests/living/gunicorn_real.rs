//! The merged settings against what real gunicorns say, for generated command lines and for
//! configuration files as people write them. Needs python3 and pip; says so where they are not.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use deploy_doctor::facts::gunicorn::{Inputs, Settings};
use deploy_doctor::facts::{Known, Origin, Whose};
use deploy_doctor::source::Lookup;
use deploy_doctor::source::gunicorn::{
    ArgumentWord, Kind, RawValue, SettingValue, Validated, Version, validate,
};
use deploy_doctor::source::python::evaluate::{FileText, Surroundings, TakenModule, evaluate};
use deploy_doctor::source::python::{ConfigFile, PythonVersion, parse};
use deploy_doctor::source::{FileId, Secret, SourceFile, Text};
use serde_json::{Value, json};

/// A command line and its environment.
type Case = (Vec<String>, Vec<(String, String)>);

const VERSIONS: [&str; 3] = ["20.1.0", "23.0.0", "27.0.1"];

fn words(line: &[String]) -> Vec<ArgumentWord> {
    let word = |w: &String| ArgumentWord::known(Text::verbatim(FileId(0), w, 0));
    line.iter().map(word).collect()
}

/// A python with this gunicorn; none where it cannot be installed.
fn python(version: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/gunicorns").join(version);
    let python = root.join("bin/python");
    let works = |python: &Path| {
        Command::new(python)
            .args(["-c", "import gunicorn.config"])
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    };
    if works(&python) {
        return Some(python);
    }
    let venv = Command::new("python3").args(["-m", "venv"]).arg(&root).status();
    let wanted = format!("gunicorn=={version}");
    let pip = Command::new(&python)
        .args([
            "-m",
            "pip",
            "install",
            "-q",
            "--disable-pip-version-check",
            &wanted,
            "setuptools<80",
        ])
        .status();
    (venv.is_ok() && pip.is_ok_and(|status| status.success()) && works(&python)).then_some(python)
}

/// What the real one says to each case.
fn ask(python: &Path, directory: &Path, cases: &[Case]) -> Vec<Value> {
    let cases: Vec<Value> = cases
        .iter()
        .map(|(words, env)| {
            let env: serde_json::Map<String, Value> =
                env.iter().map(|(k, v)| (k.clone(), json!(v))).collect();
            json!([words, env])
        })
        .collect();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/gunicorn_support/dump.py");
    let mut child = Command::new(python)
        .arg(script)
        .env_remove("PWD")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let input = json!({"directory": directory, "cases": cases}).to_string();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect()
}

fn merged(
    version: &str,
    directory: &Path,
    line: &[String],
    env: &[(String, String)],
    config: Option<ConfigFile>,
) -> Settings {
    let variable = |name: &str| match env.iter().find(|(n, _)| n == name) {
        Some((_, value)) => Lookup::Set(Secret::new(value.as_bytes())),
        None => Lookup::Unset,
    };
    let cmd_args = match variable("GUNICORN_CMD_ARGS") {
        Lookup::Set(secret) => Known::Value(Some(secret), Origin::Default("a test")),
        _ => Known::Default(None, Whose::GUNICORN),
    };
    let words = words(line);
    Settings::merge(&Inputs {
        version: Known::Observed(Version::parse(version).unwrap(), "a test"),
        arguments: &words,
        cmd_args,
        variable: &variable,
        variable_origin: &|_| None,
        variable_written: &|_| None,
        cmd_args_written: None,
        config: Known::Observed(config, "a test"),
        working_directory: Known::Observed(directory.to_path_buf(), "a test"),
    })
}

/// Compares every setting; what we say we do not know is counted, never compared.
fn compare(ours: &Settings, real: &Value, what: &str) -> usize {
    let fails = ours.faults.iter().any(|fault| fault.exit_status != 0);
    if let Some(exit) = real.get("exit") {
        if ours.only_prints.is_some() {
            assert_eq!(exit, &json!(0), "{what}");
            return 0;
        }
        assert!(fails, "{what}: the real one refuses it: {real}");
        let status = ours.faults.iter().map(|fault| fault.exit_status).max().unwrap_or(0);
        assert_eq!(exit, &json!(status), "{what}: {:?}", ours.faults);
        return 0;
    }
    assert!(!fails, "{what}: the real one accepts it, we say {:?}", ours.faults);
    let mut unknown = 0;
    let settings = real["settings"].as_object().unwrap();
    for (name, theirs) in settings {
        let value = match ours.get(name) {
            Known::Value(value, _) | Known::Default(value, _) | Known::Observed(value, _) => value,
            Known::Unknown(_) => {
                unknown += 1;
                continue;
            }
        };
        let same = match (&value, name.as_str()) {
            (SettingValue::None, "user" | "group" | "chdir") => continue,
            (SettingValue::Dict | SettingValue::Callable, _) => continue,
            (_, "statsd_host" | "ssl_version" | "default_proc_name" | "http_protocols") => continue,
            (SettingValue::Text(_), "chdir") => {
                let ours = ours.chdir().ok().unwrap().to_string_lossy().into_owned();
                assert_eq!(&json!(ours), theirs, "{what}");
                continue;
            }
            (SettingValue::Int(number), _) => &json!(number) == theirs,
            (SettingValue::Bool(flag), _) => &json!(flag) == theirs,
            (SettingValue::Text(text), _) => &json!(text) == theirs,
            (SettingValue::List(items), _) => &json!(items) == theirs,
            (SettingValue::None, _) => theirs.is_null(),
        };
        assert!(same, "{what}: {name}: ours {value:?}, theirs {theirs}");
    }
    if let Some(class) = ours.worker_class().ok() {
        assert_eq!(&json!(class), &real["class"], "{what}");
    }
    if let Some(app) = ours.wsgi_app().ok() {
        assert_eq!(&json!(app), &real["app"], "{what}");
    }
    unknown
}

fn line(text: &str) -> Vec<String> {
    text.split(' ').filter(|w| !w.is_empty()).map(|w| w.replace('␣', " ")).collect()
}

/// Lines out of pieces, so that every piece stands before, after and between others.
fn lines() -> Vec<Vec<String>> {
    let pieces = [
        "-w3",
        "-w 3",
        "-w=3",
        "--workers=3",
        "--workers 4",
        "-w 0x3",
        "-w -1",
        "-w 1_0",
        "-w ␣7",
        "-w",
        "--work 3",
        "--thr 4",
        "--threads=2",
        "-t 0",
        "--timeout=-5",
        "--timeout 1e3",
        "-b :80",
        "-b unix:/run/x.sock",
        "-b=unix:rel.sock",
        "--bind=[::1]:99",
        "-b fd://3",
        "-b localhost:port",
        "-b tcp://H:1",
        "-k gthread",
        "--worker-class=sync",
        "-D",
        "-DR",
        "-RD -w 2",
        "-Dw5",
        "-DX",
        "--daemon=1",
        "--preload",
        "--prel",
        "--reload",
        "--reload-engine poll",
        "--reload-engine nope",
        "--no-sendfile",
        "-m 007",
        "-m 22",
        "-m 0o17",
        "-m 8",
        "-m 08",
        "-m x",
        "-e A=b -e C=d",
        "--env X=y",
        "--name n",
        "-n=",
        "--bogus",
        "--bogus=1",
        "-Z",
        "--wokers 3",
        "--log-level debug",
        "--log",
        "--keep-alive 5",
        "--max-requests 100",
        "--max-requests-jitter 10",
        "--forwarded-allow-ips 127.0.0.1,10.0.0.1",
        "--backlog 64",
        "--pythonpath /x,/y",
        "--chdir /",
        "--umask 0",
        "-u 33 -g 33",
        "--user=0",
        "--reuse-port",
        "--",
        "-- a:b",
        "extra",
        "--access-logfile -",
        "--error-logfile - --log-file x",
        "--graceful-timeout 9 --graceful-timeout 8",
        "--paste-global a=b",
        "-c",
        "--cert-reqs 2",
        "--suppress-ragged-eofs",
        "--worker-tmp-dir /dev/shm",
        "--limit-request-line 0",
        "-v",
        "-h",
        "-p pid",
        "--pid=pid",
        "-x y",
        "-",
        "--proxy-allow-from *",
        "--capture-output",
        "--initgroups",
        "--statsd-host localhost:8125",
        "--ciphers= x",
        "--check-config",
        "-9",
        "-9.5 x",
    ];
    let mut out: Vec<Vec<String>> = Vec::new();
    for piece in pieces {
        out.push(line(&format!("{piece} app:app")));
        out.push(line(&format!("app:app {piece}")));
        out.push(line(&format!("-w 2 {piece} app:app --threads 3")));
    }
    out.push(Vec::new());
    out.push(line("--proxy-protocol"));
    out
}

#[test]
fn command_lines_come_out_as_in_real_gunicorns() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path().canonicalize().unwrap();
    for version in VERSIONS {
        let Some(python) = python(version) else {
            eprintln!("SKIPPED: gunicorn {version} cannot be installed: nothing was compared");
            continue;
        };
        let mut cases: Vec<Case> = lines().into_iter().map(|line| (line, Vec::new())).collect();
        let environments: [&[(&str, &str)]; 14] = [
            &[("WEB_CONCURRENCY", "5")],
            &[("WEB_CONCURRENCY", "x")],
            &[("WEB_CONCURRENCY", "")],
            &[("PORT", "8080")],
            &[("PORT", "")],
            &[("FORWARDED_ALLOW_IPS", "10.0.0.1")],
            &[("GUNICORN_CMD_ARGS", "-w 7 --bind=:81 -b :82")],
            &[("GUNICORN_CMD_ARGS", "--name 'two words' x:y")],
            &[("GUNICORN_CMD_ARGS", "--bogus")],
            &[("GUNICORN_CMD_ARGS", "--name 'open")],
            &[("GUNICORN_CMD_ARGS", "-n \"a\\\"b\\c\" -e A=\\ b")],
            &[("GUNICORN_CMD_ARGS", "")],
            &[("GUNICORN_CMD_ARGS", "-w 4"), ("WEB_CONCURRENCY", "9"), ("PORT", "1")],
            &[("GUNICORN_CMD_ARGS", "-k gevent --threads 4")],
        ];
        for environment in environments {
            let environment: Vec<(String, String)> =
                environment.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
            cases.push((line("app:app"), environment.clone()));
            cases.push((line("app:app -w 2 -b :90"), environment));
        }
        assert!(cases.len() >= 200);
        let answers = ask(&python, &directory, &cases);
        assert_eq!(answers.len(), cases.len(), "gunicorn {version} answered every case");
        let mut wrong = 0_usize;
        for ((line, environment), answer) in cases.iter().zip(&answers) {
            let ours = merged(version, &directory, line, environment, None);
            let what = format!("{version}: {line:?} {environment:?}");
            let same = std::panic::catch_unwind(|| compare(&ours, answer, &what)).is_ok();
            wrong += usize::from(!same);
        }
        assert_eq!(wrong, 0, "{wrong} command lines differ from gunicorn {version}, see above");
    }
}

/// Configuration files as they are found, and whether something in them may stay unknown.
const FILES: &[(&str, bool)] = &[
    (
        "import multiprocessing\nbind = '127.0.0.1:8000'\nworkers = multiprocessing.cpu_count() * 2 + 1\n",
        false,
    ),
    (
        "from multiprocessing import cpu_count\nworkers = min(cpu_count() * 2 + 1, 4)\nthreads = 2\n",
        false,
    ),
    (
        "import os\nworkers = int(os.environ.get('GUNICORN_PROCESSES', '2'))\nthreads = int(os.environ.get('GUNICORN_THREADS', '4'))\nbind = os.environ.get('GUNICORN_BIND', '0.0.0.0:8080')\nforwarded_allow_ips = '*'\nsecure_scheme_headers = {'X-Forwarded-Proto': 'https'}\n",
        false,
    ),
    ("import os\nbind = f\"0.0.0.0:{os.getenv('PORT_TO_USE', 8080)}\"\nworkers = 3\n", false),
    (
        "def on_starting(server):\n    pass\ndef when_ready(server):\n    server.log.info('x')\nworkers = 2\n",
        false,
    ),
    (
        "import os\nfrom pathlib import Path\nBASE = os.path.dirname(os.path.abspath(__file__))\npidfile = os.path.join(BASE, 'run', 'g.pid')\naccesslog = errorlog = '-'\n",
        false,
    ),
    (
        "from pathlib import Path\nhere = Path(__file__).resolve().parent\npidfile = str(here / 'x.pid')\nchdir = str(here)\n",
        false,
    ),
    (
        "import os\nenv = os.environ.get('APP_ENV', 'production').lower()\nif env == 'production':\n    workers = 8\n    loglevel = 'warning'\nelif env == 'staging':\n    workers = 4\nelse:\n    workers = 1\n    reload = True\n",
        false,
    ),
    (
        "bind = ['127.0.0.1:8000', 'unix:/tmp/x.sock']\nbind.append(':81')\nraw_env = ['A=b']\nraw_env += ['C=d']\n",
        false,
    ),
    (
        "wsgi_app = 'config.wsgi:application'\nkeepalive = 5\ntimeout = 60 * 2\ngraceful_timeout = timeout // 4\n",
        false,
    ),
    ("workers = '3'\npreload_app = 'True'\ntimeout = '0x10'\n", false),
    ("workers = -1\n", false),
    ("workers = 2.5\n", false),
    ("workers = None\n", false),
    ("timeout = True\nkeepalive = False\n", false),
    ("proc_name = '  x  '\nbind = ' :90 '\n", false),
    (
        "max_requests = 1000\nmax_requests_jitter = max_requests // 20\nworker_class = 'gthread'\nWorkers = 9\nworkres = 3\n",
        false,
    ),
    ("umask = 0o007\nuser = 33\ngroup = '33'\ndaemon = False\n", false),
    (
        "import os\nos.environ.setdefault('MODE', 'x')\nproc_name = 'app-%s-%d' % (os.environ['MODE'], 3)\nloglevel = '{}'.format('info')\n",
        false,
    ),
    ("import os\nworkers = int(os.environ['NOT_THERE'])\n", false),
    (
        "try:\n    import not_there_at_all\n    workers = 9\nexcept ImportError:\n    workers = 3\n",
        true,
    ),
    ("workers = 0\nfor i in range(3):\n    workers += 1\n", true),
    (
        "import os\nworkers = int(os.getenv('W') or 3)\nthreads = 2 if workers > 2 else 1\nreload = bool(os.getenv('RELOAD'))\n",
        false,
    ),
    (
        "import os, sys\nworkers = len('abc') + abs(-2) - max(1, 2) % 2 ** 1\nbind = ':'.join(['h', '9'])\n",
        false,
    ),
    ("x = y = ['a:1']\nx.append('b:2')\nbind = y\n", true),
    ("names = dict(workers=3)\nworkers = names['workers'] if 'workers' in names else 1\n", true),
    (
        "import os\ntry:\n    workers = int(os.environ['NOPE'])\nexcept KeyError:\n    workers = 6\n",
        false,
    ),
    ("bind = 'unix:g.sock'\nchdir = 'sub/..'\n", false),
    ("1 / 0\n", false),
    ("def post_fork(*args):\n    pass\n", false),
    ("def post_fork(server, /, worker, *, more=1):\n    pass\n", false),
    ("when_ready = lambda server, more=1: None\n", false),
    ("workers = 3\nassert workers > 2\ndel workers\n", false),
];

#[test]
fn configuration_files_come_out_as_in_real_gunicorns() {
    for version in VERSIONS {
        let Some(python) = python(version) else {
            eprintln!("SKIPPED: gunicorn {version} cannot be installed: nothing was compared");
            continue;
        };
        for (at, (text, may_be_unknown)) in FILES.iter().enumerate() {
            let directory = tempfile::tempdir().unwrap();
            let directory = directory.path().canonicalize().unwrap();
            let path = directory.join("gunicorn.conf.py");
            std::fs::create_dir(directory.join("sub")).unwrap();
            std::fs::write(&path, text).unwrap();
            let file = SourceFile::new(FileId(1), &path, *text);
            let module = parse(&file, PythonVersion::new(3, 11));
            let config = evaluate(
                &module,
                &Surroundings {
                    file: None,
                    variable: &|_| Lookup::Unset,
                    cpu_count: Some(4),
                    working_directory: Some(directory.clone()),
                    resolve: &|path| path.canonicalize().ok(),
                    read: &|_| FileText::Missing,
                    imported: &|_| Some(Vec::new()),
                    taken: &|_| TakenModule::Unknown,
                },
            );
            let cases = vec![
                (line("app:app"), Vec::new()),
                (line("app:app -w 11"), vec![("GUNICORN_CMD_ARGS".into(), "--timeout 77".into())]),
            ];
            let answers = ask(&python, &directory, &cases);
            assert_eq!(answers.len(), 2, "file {at}");
            for ((line, environment), answer) in cases.iter().zip(&answers) {
                let ours = merged(version, &directory, line, environment, Some(config.clone()));
                let what = format!("{version}: file {at}: {text}\n{line:?}");
                let unknown = compare(&ours, answer, &what);
                // The control socket's path depends on the machine.
                let allowed = usize::from(version.starts_with("27"));
                if !may_be_unknown && answer.get("exit").is_none() {
                    let which: Vec<_> =
                        ours.all().filter(|(_, v)| matches!(v, Known::Unknown(_))).collect();
                    assert!(unknown <= allowed + 2, "{what}: unknown {which:?}");
                }
            }
        }
    }
}

/// Prints which hooks take functions of how many arguments.
const HOOKS: &str = r#"
import json
from gunicorn import config

def function(count):
    names = {}
    exec("def f(%s): pass" % ", ".join("a%d" % at for at in range(count)), names)
    return names["f"]

def fits(setting, count):
    try:
        setting.set(function(count))
        return True
    except TypeError:
        return False

settings = config.Config().settings.items()
hooks = {name: setting for name, setting in settings if callable(setting.default)}
print(json.dumps({name: [n for n in range(6) if fits(hook, n)] for name, hook in hooks.items()}))
"#;

#[test]
fn hooks_take_these_many_arguments() {
    for version in VERSIONS {
        let Some(python) = python(version) else {
            eprintln!("SKIPPED: gunicorn {version} cannot be installed: nothing was compared");
            continue;
        };
        let output = Command::new(&python).args(["-c", HOOKS]).output().unwrap();
        let hooks: Value = serde_json::from_slice(&output.stdout).unwrap();
        let hooks = hooks.as_object().unwrap();
        assert!(hooks.len() > 14, "{version}: {hooks:?}");
        for (name, counts) in hooks {
            let ours: Vec<usize> = (0..6)
                .filter(|count| {
                    let function = RawValue::Callable(Some(*count));
                    matches!(validate(Kind::Callable, name, &function), Validated::Value(_))
                })
                .collect();
            assert_eq!(json!(ours), *counts, "{version}: {name}");
        }
    }
}

/// A setting that a version added, lost or changed shows here, and its script writes the table anew.
#[test]
fn the_table_of_settings_is_what_the_published_packages_have() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let made = tempfile::NamedTempFile::new().unwrap();
    let script = Command::new("python3")
        .arg(top.join("src/source/gunicorn/table.py"))
        .arg(made.path())
        .env("GUNICORNS", top.join("target/gunicorn-settings"))
        .status();
    if !script.is_ok_and(|status| status.success()) {
        return crate::support::skip("gunicorn cannot be installed from PyPI");
    }
    let made = std::fs::read_to_string(made.path()).unwrap();
    let kept = std::fs::read_to_string(top.join("src/source/gunicorn/table.rs")).unwrap();
    assert!(made.lines().count() > 100, "{made}");
    let differing = made.lines().zip(kept.lines()).find(|(made, kept)| made != kept);
    assert!(made == kept, "src/source/gunicorn/table.py writes it anew: {differing:?}");
}
