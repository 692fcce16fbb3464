//! What makes a change take effect. systemd rereads units only on `daemon-reload`; a
//! running service keeps the settings, the environment and the command line that it was started
//! with; gunicorn rereads its configuration file on HUP, but does not undo or redo everything;
//! nginx reads its files on a reload.
//!
//! A finding's help and `fix --run-actions` both take their commands from here.

use std::collections::BTreeSet;
use std::fmt;

use super::App;
use super::shell::quoted;
use crate::source::gunicorn::SettingValue;
use crate::source::unit::{UnitFile, known};

/// gunicorn's settings that HUP reads and does nothing with (`Arbiter.reload`): sockets are made
/// once, with the umask, owner and options of that moment, as long as `bind` stays the same (and
/// where it does not, those that wait at the old ones are lost either way, and a gunicorn that could
/// not listen is not there to be reloaded); the log's handlers are opened anew and not set up anew;
/// what `spew` has begun never ends.
const AT_START: [&str; 28] = [
    "access_log_format",
    "accesslog",
    "backlog",
    "bind",
    "capture_output",
    "daemon",
    "disable_redirect_access_to_syslog",
    "dogstatsd_tags",
    "enable_stdio_inheritance",
    "errorlog",
    "group",
    "logconfig",
    "logconfig_dict",
    "logconfig_json",
    "logger_class",
    "loglevel",
    "on_starting",
    "reuse_port",
    "spew",
    "statsd_host",
    "statsd_prefix",
    "syslog",
    "syslog_addr",
    "syslog_facility",
    "syslog_prefix",
    "umask",
    "user",
    "when_ready",
];

/// What a change touches, as far as it decides what must follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Touched<'a> {
    /// A setting of a unit; any of them where the key is empty.
    Unit {
        /// The unit's name.
        unit: &'a str,
        /// The section, without brackets.
        section: &'a str,
        /// The setting.
        key: &'a str,
    },
    /// What a service reads only at its start: an environment file, a script that starts gunicorn.
    Start,
    /// A setting in gunicorn's configuration file; none of them where it is empty.
    Gunicorn(&'a str),
}

/// What must follow for one service, mildest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum FollowUp {
    Nothing,
    Reload,
    Restart,
}

/// One command that must follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Its words.
    pub words: Vec<String>,
    /// Why it is needed, in a few words.
    pub why: &'static str,
}

impl Step {
    fn new(words: &[&str], why: &'static str) -> Self {
        Self { words: words.iter().map(|word| (*word).to_owned()).collect(), why }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<String> = self.words.iter().map(|word| quoted(word)).collect();
        f.write_str(&words.join(" "))
    }
}

/// Everything that must follow some changes.
#[derive(Debug, Default)]
pub struct Follow {
    units: bool,
    services: Vec<(String, FollowUp, BTreeSet<String>)>,
    /// The words behind `nginx -t`.
    nginx: Option<Vec<String>>,
}

impl Follow {
    /// A unit's file changes, whatever in it.
    pub fn unit(&mut self) {
        self.units = true;
    }

    /// A file of nginx changes.
    pub fn nginx(&mut self, options: &[String]) {
        self.nginx = Some(options.to_vec());
    }

    /// Takes a change in: of the application as it `was`, which then `is` another.
    pub fn touch(&mut self, was: &App, is: &App, touched: Touched) {
        match touched {
            Touched::Unit { unit, section, key } => self.setting(is, unit, section, key),
            Touched::Start => self.need(&is.name, FollowUp::Restart),
            Touched::Gunicorn(setting) => self.need(&is.name, after_setting(was, is, setting)),
        }
    }

    fn setting(&mut self, app: &App, unit: &str, section: &str, key: &str) {
        self.units = true;
        if app.service.unit.name.to_string() == unit {
            // What systemd does not know it never took over; what it uses from its own memory holds
            // from the daemon-reload on.
            let known = known::find(section, key);
            let restarts = known.map_or(key.is_empty(), |setting| !setting.holds_without_restart());
            if restarts && section == "Service" {
                self.need(&app.name, FollowUp::Restart);
            }
        } else if section == "Socket" {
            self.service(&app.name).2.insert(unit.to_owned());
        }
    }

    fn need(&mut self, service: &str, need: FollowUp) {
        let known = &mut self.service(service).1;
        *known = need.max(*known);
    }

    fn service(&mut self, name: &str) -> &mut (String, FollowUp, BTreeSet<String>) {
        // Services come one after the other.
        let at = match self.services.iter().rposition(|(known, ..)| known == name) {
            Some(at) => at,
            None => {
                self.services.push((name.to_owned(), FollowUp::Nothing, BTreeSet::new()));
                self.services.len() - 1
            }
        };
        &mut self.services[at]
    }

    /// The commands in order.
    pub fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        if self.units {
            steps.push(Step::new(
                &["systemctl", "daemon-reload"],
                "systemd reads the changed units",
            ));
        }
        for (service, need, sockets) in &self.services {
            for_service(service, *need, sockets, &mut steps);
        }
        if let Some(options) = &self.nginx {
            let mut test = vec!["nginx", "-t"];
            test.extend(options.iter().map(String::as_str));
            steps.push(Step::new(&test, "nginx accepts its configuration"));
            let reload = ["systemctl", "reload-or-restart", "nginx.service"];
            steps.push(Step::new(&reload, "nginx reads its configuration"));
        }
        steps
    }

    /// The same as a line to type; `None` if nothing must follow.
    pub fn line(&self) -> Option<String> {
        let steps: Vec<String> = self.steps().iter().map(Step::to_string).collect();
        (!steps.is_empty()).then(|| steps.join(" && "))
    }
}

/// The settings of a unit's file that say something else in another one, with their sections.
pub fn changed(before: &UnitFile, after: &UnitFile) -> BTreeSet<(String, String)> {
    let values = |file: &UnitFile, section: &str, key: &str| {
        let all = file.all(section, key);
        all.map(|line| line.value.as_str().to_owned()).collect::<Vec<_>>()
    };
    let all = before.assignments.iter().chain(&after.assignments);
    let names: BTreeSet<(String, String)> =
        all.map(|line| (line.section.to_string(), line.key.value.clone())).collect();
    let differs = |(section, key): &(String, String)| {
        values(before, section, key) != values(after, section, key)
    };
    names.into_iter().filter(differs).collect()
}

fn for_service(service: &str, need: FollowUp, sockets: &BTreeSet<String>, steps: &mut Vec<Step>) {
    let changed = "its start settings changed; requests in flight are dropped";
    if !sockets.is_empty() {
        // systemd refuses to start a socket whose service runs.
        steps.push(Step::new(&["systemctl", "stop", service], changed));
        for socket in sockets {
            steps.push(Step::new(&["systemctl", "restart", socket], "it listens again"));
        }
        steps.push(Step::new(&["systemctl", "start", service], "it gets the new socket"));
        return;
    }
    match need {
        FollowUp::Nothing => {}
        FollowUp::Reload => {
            let why = "gunicorn reads its configuration file";
            steps.push(Step::new(&["systemctl", "reload", service], why));
        }
        FollowUp::Restart => steps.push(Step::new(&["systemctl", "restart", service], changed)),
    }
}

/// What makes gunicorn take another value from its configuration file.
fn after_setting(was: &App, is: &App, setting: &str) -> FollowUp {
    // The master imported the application, and new workers are forked from it for good.
    let preloaded =
        setting == "preload_app" && was.gunicorn.settings.preload_app().ok() != Some(&false);
    // A module is imported once.
    let module = match was.gunicorn.settings.get("config").ok() {
        Some(SettingValue::Text(text)) => text.starts_with("python:"),
        _ => false,
    };
    let reloads = !is.service.exec_reload.is_empty()
        || is.service.kind().ok().is_some_and(|kind| kind == "notify-reload");
    // What gunicorn refuses it does not run with: there may be nothing to reload.
    let refused = !was.gunicorn.settings.faults.is_empty();
    match preloaded || module || refused || !reloads || AT_START.contains(&setting) {
        true => FollowUp::Restart,
        false => FollowUp::Reload,
    }
}
