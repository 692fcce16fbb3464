//! Programs that start another program: where its command begins among their arguments, and whether
//! they are replaced by it (`exec`) or stay its parent.
//!
//! Measured with each program run as a session leader, as systemd starts it: nice, ionice, chrt,
//! taskset, setpriv, prlimit, stdbuf, nohup, env and `flock -F` exec; timeout, flock, su and
//! runuser stay; setsid forks and exits. ddtrace-run, newrelic-admin, opentelemetry-instrument,
//! pipenv and python-dotenv: their source calls `os.exec…`. poetry and uv: measured.

use super::stays::Stays;

/// How a wrapper's words are laid out.
pub(super) struct Spec {
    pub names: &'static [&'static str],
    /// Options that take the next word.
    pub values: &'static [&'static str],
    /// A word such as `run` that must come before the program.
    pub subcommand: Option<&'static str>,
    /// Positional arguments before the program.
    pub positionals: usize,
    pub behaviour: Behaviour,
    /// Passes SIGHUP on to the program, where it stays.
    pub forwards_hup: Option<bool>,
}

#[derive(Clone, Copy)]
pub(super) enum Behaviour {
    Execs,
    Stays,
    Depends(&'static str),
}

impl Behaviour {
    pub(super) fn stays(self) -> Stays {
        match self {
            Self::Execs => Stays::Never,
            Self::Stays => Stays::Always,
            Self::Depends(why) => Stays::Depends(why.to_owned()),
        }
    }
}

const fn spec(
    names: &'static [&'static str],
    values: &'static [&'static str],
    subcommand: Option<&'static str>,
    positionals: usize,
    behaviour: Behaviour,
) -> Spec {
    Spec { names, values, subcommand, positionals, behaviour, forwards_hup: None }
}

use Behaviour::{Depends, Execs, Stays as Remains};

const UV: &[&str] = &[
    "--env-file",
    "--project",
    "--directory",
    "--with",
    "--with-editable",
    "--with-requirements",
    "--extra",
    "--no-extra",
    "--group",
    "--no-group",
    "--only-group",
    "-p",
    "--python",
    "--package",
    "--index",
    "--default-index",
    "-i",
    "--index-url",
    "--extra-index-url",
    "-f",
    "--find-links",
    "--config-file",
    "--cache-dir",
    "-C",
    "-P",
    "--refresh-package",
];

pub(super) const SPECS: &[Spec] = &[
    spec(&["nice"], &["-n", "--adjustment"], None, 0, Execs),
    spec(&["ionice"], &["-c", "--class", "-n", "--classdata"], None, 0, Execs),
    spec(&["chrt"], &["-T", "-P", "-D"], None, 1, Execs),
    spec(&["taskset"], &[], None, 1, Execs),
    spec(&["numactl"], &["-C", "-N", "-m", "-p", "-i", "-l"], None, 0, Execs),
    spec(&["setpriv", "prlimit", "nohup"], &[], None, 0, Execs),
    spec(&["stdbuf"], &["-i", "-o", "-e"], None, 0, Execs),
    spec(
        &["setsid"],
        &[],
        None,
        0,
        Depends("setsid forks when it leads its group, and the main process is gone"),
    ),
    Spec {
        forwards_hup: Some(true),
        ..spec(&["timeout"], &["-k", "--kill-after", "-s", "--signal"], None, 1, Remains)
    },
    Spec {
        forwards_hup: Some(true),
        ..spec(&["tini", "dumb-init", "catatonit"], &["-p", "-r", "--rewrite"], None, 0, Remains)
    },
    spec(
        &["sudo"],
        &["-u", "--user", "-g", "--group", "-h", "-p", "-C", "-r", "-t", "-D", "--chdir", "-R"],
        None,
        0,
        Depends("sudo stays when it opens a session"),
    ),
    spec(&["runuser"], &["-u", "--user", "-g", "--group", "-G"], None, 0, Remains),
    spec(&["chpst"], &["-u", "-U", "-b", "-e", "-/", "-n", "-l", "-L", "-m", "-d"], None, 0, Execs),
    spec(&["setuidgid", "s6-setuidgid", "gosu", "su-exec", "envdir"], &[], None, 1, Execs),
    spec(&["authbind"], &["--depth"], None, 0, Execs),
    spec(&["systemd-cat"], &["-t", "-p", "--identifier", "--priority"], None, 0, Execs),
    spec(&["ddtrace-run"], &[], None, 0, Execs),
    spec(&["newrelic-admin"], &[], Some("run-program"), 0, Execs),
    spec(
        &["opentelemetry-instrument"],
        &[
            "--traces_exporter",
            "--metrics_exporter",
            "--logs_exporter",
            "--service_name",
            "--exporter_otlp_endpoint",
            "--id_generator",
        ],
        None,
        0,
        Execs,
    ),
    spec(&["poetry"], &["-C", "--directory", "-P", "--project"], Some("run"), 0, Execs),
    spec(&["pipenv"], &["--python"], Some("run"), 0, Execs),
    Spec { forwards_hup: Some(true), ..spec(&["uv"], UV, Some("run"), 0, Remains) },
    spec(
        &["dotenv"],
        &["-f", "--file", "-q", "--quote"],
        Some("run"),
        0,
        Depends("newer versions of python-dotenv exec, older ones stay"),
    ),
    spec(&["pdm"], &["-p", "--project"], Some("run"), 0, Depends("pdm was not measured")),
    spec(&["hatch"], &["-e", "--env"], Some("run"), 0, Depends("hatch was not measured")),
    spec(&["rye"], &[], Some("run"), 0, Depends("rye was not measured")),
    spec(
        &["conda", "mamba", "micromamba"],
        &["-n", "--name", "-p", "--prefix", "--cwd"],
        Some("run"),
        0,
        Depends("conda stays, micromamba was not measured"),
    ),
];

pub(super) fn find(name: &str) -> Option<&'static Spec> {
    SPECS.iter().find(|spec| spec.names.contains(&name))
}
