use crate::facts::service::{ExecCommand, Variable, Word};
use crate::facts::shell::{is_shell, script};
use crate::rule::prelude::*;

crate::rule! {
    /// A command line names a variable that nothing sets, and the program gets nothing in its
    /// place.
    ///
    /// In Exec lines systemd expands `${NAME}`, and `$NAME` as a separate word, from `Environment=`
    /// and `EnvironmentFile=`. systemd is not a shell: it does not see variables set elsewhere
    /// (`/etc/profile`, `.bashrc`, `/etc/environment`). If nothing sets the variable, `${NAME}`
    /// becomes an empty text and `$NAME` disappears altogether, and the command still runs: systemd
    /// 252 logs nothing, 262 logs `Referenced but unset environment variable evaluates to an empty
    /// string`.
    ///
    /// Measured with gunicorn 23: `--workers ${WORKERS}` ends it with status 2, an empty
    /// application or log file with 1 or 3. `--bind ${BIND}` listens on 0.0.0.0:8000, so nginx gets
    /// no answer, and `--config ${CONFIG}` reads no configuration file, both silently. `--workers
    /// $WORKERS` reads the next word as the number. `$OPTIONS` that may be empty is not a fault.
    ///
    /// In a shell's text (`bash -c '… ${NAME} …'`) systemd also expands first: `$${NAME}` leaves it
    /// to the shell. It reads all of `NAME-3` in `${NAME-3}` as the name and leaves nothing of it;
    /// only a form with a colon, `${NAME:-3}`, reaches the shell unchanged.
    ///
    /// By hand: set the variable, with `Environment=WORKERS=3` or a line in the environment file;
    /// then `systemctl daemon-reload` and `systemctl restart`.
    ///
    /// Proved by `exec-variable-unset`: gunicorn got an empty number of workers and exited with
    /// status 2 again and again, and every request got 502.
    ///
    /// Proved by `exec-variable-default`: systemd replaced `${WORKERS-3}` with nothing, gunicorn
    /// did not start, and every request got 502.
    ///
    /// ```ini,bad,drop-in,also=G209
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers ${WORKERS} --chdir /srv/myapp/current \
    ///     --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    /// ```ini,fixed,drop-in
    /// [Service]
    /// Environment=WORKERS=3
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers ${WORKERS} --chdir /srv/myapp/current \
    ///     --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    ///
    /// The next word is read as the value:
    ///
    /// ```ini,bad,drop-in,also=G209
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers $WORKERS --chdir /srv/myapp/current \
    ///     --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    ///
    /// systemd expands the variable before the shell sees it:
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// ExecStartPre=/bin/sh -c 'echo ${STAGE-production}'
    /// ```
    ///
    /// Healthy: words that may be missing, and variables for the shell:
    ///
    /// ```ini,good,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn $OPTIONS --workers 3 --chdir /srv/myapp/current \
    ///     --bind unix:/run/myapp/gunicorn.sock --name ${USER} wsgi:app
    /// ExecStartPre=/bin/sh -c 'echo $${STAGE-production} $STAGE ${STAGE:-production}'
    /// ExecStartPost=/bin/sh -c 'echo ${MAINPID}'
    /// ExecReload=
    /// ExecReload=/bin/kill -s HUP ${MAINPID}
    /// ```
    U134 "exec-variable-unset" {
        severity: Error, impact: Outage, fix: Some(Manual), item: CodeBoots, hop: Master,
        since: "0.1.0", check: App(check)
    }
}

/// What systemd sets for the commands besides the start's own, and for services with certain
/// settings (systemd.exec(5)).
const SET_BY_SYSTEMD: [&str; 19] = [
    "CACHE_DIRECTORY",
    "CONFIGURATION_DIRECTORY",
    "CREDENTIALS_DIRECTORY",
    "FDSTORE",
    "LISTEN_FDNAMES",
    "LISTEN_PID",
    "LOGS_DIRECTORY",
    "LOG_NAMESPACE",
    "MANAGERPID",
    "MEMORY_PRESSURE_WATCH",
    "MEMORY_PRESSURE_WRITE",
    "PIDFILE",
    "REMOTE_ADDR",
    "REMOTE_PORT",
    "TERM",
    "TMPDIR",
    "TRIGGER_UNIT",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
];

/// Options of gunicorn with which it starts as well when their value is empty (measured).
const MAY_BE_EMPTY: [&str; 17] = [
    "-e",
    "--env",
    "-n",
    "--name",
    "-p",
    "--pid",
    "--log-level",
    "--certfile",
    "--keyfile",
    "--chdir",
    "--pythonpath",
    "--worker-tmp-dir",
    "--forwarded-allow-ips",
    "--proxy-allow-from",
    "--access-logformat",
    "--statsd-prefix",
    "--log-syslog-prefix",
];

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    if !app.machine.whole {
        return Err(Why::not_understood("a variable in a repository's unit may be a placeholder"));
    }
    for (setting, command) in super::all_commands(&app.service) {
        // What ExecReload= does with an empty word is another rule's.
        let judged = matches!(setting, "ExecStart" | "ExecStartPre" | "ExecStartPost");
        if !judged || command.prefixes.no_environment {
            continue;
        }
        for (at, word) in command.arguments.iter().enumerate() {
            for variable in word.variables.iter().filter(|_| word.unknown.is_none()) {
                let before = at.checked_sub(1).and_then(|at| command.arguments.get(at));
                let seen = Seen { app, setting, command, before, word, variable };
                match seen.is_unset() {
                    Ok(true) => seen.report(out),
                    Ok(false) => {}
                    Err(why) => out.skip(&why),
                }
            }
        }
    }
    Ok(())
}

/// A variable, and where it is.
struct Seen<'a> {
    app: &'a App,
    setting: &'static str,
    command: &'a ExecCommand,
    before: Option<&'a Word>,
    word: &'a Word,
    variable: &'a Variable,
}

impl Seen<'_> {
    /// Is there certainly nothing in its place?
    fn is_unset(&self) -> Result<bool, Why> {
        let environment = &self.app.environment;
        let name = self.variable.name.as_str();
        let of_process = name == "MAINPID" && self.setting == "ExecStartPost";
        if of_process || SET_BY_SYSTEMD.contains(&name) {
            return Ok(false);
        }
        if !environment.is_unset_in_exec(name, self.app.service.unit.specifiers.systemd)? {
            return Ok(false);
        }
        // A file that may be absent now is there when something before the start writes it.
        for place in environment.files.iter().filter(|file| file.optional).flat_map(|f| &f.places) {
            if place.exists()? {
                continue;
            }
            let path = &place.path;
            if path.starts_with("/run") || path.starts_with("/var/run") {
                return Err(Why::depends(format!("{} may be created at boot", path.display())));
            }
            let directory = path.parent().unwrap_or(path);
            self.app.service.untouched_before_the_start(directory)?;
        }
        Ok(true)
    }

    fn report(&self, out: &mut Sink) {
        let Some((consequence, severity)) = self.consequence() else { return };
        let name = self.variable.name.as_str();
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let plain = name.chars().all(is_name);
        // What is behind the name may be anything, a secret too.
        let own = name.find(|c| !is_name(c)).map_or(name, |end| &name[..end]);
        let written = match (plain, self.variable.braced) {
            (true, true) => format!("${{{name}}}"),
            (true, false) => format!("${name}"),
            (false, true) => format!("${{{own}…}}"),
            (false, false) => format!("${own}…"),
        };
        let shell = script(self.command).is_some_and(|script| script.span == self.word.span);
        let cause = match plain {
            true => format!("nothing sets {name}"),
            false => format!("systemd reads all of {written} as a name and knows no defaults"),
        };
        let names = self.app.environment.variables.keys().map(String::as_str);
        let help = match nearest(name, names).filter(|_| plain) {
            Some(meant) => format!(
                "Did you mean {meant}? Otherwise set it: \
                 Environment={name}=VALUE"
            ),
            None if shell => format!("Write ${written} to leave the expansion to the shell."),
            None if plain => {
                format!(
                    "Set it in [Service], Environment={name}=VALUE, or in the environment file."
                )
            }
            None => "Write the value itself, or set a variable in Environment= and name it here."
                .to_owned(),
        };
        out.report(format!("{consequence}: {cause}"))
            .severity(severity)
            .at(self.variable.span, "replaced with nothing")
            .help(help)
            .by_hand(Some(self.variable.span))
            .subject(format!("{} {own}", self.setting));
    }

    /// What the program gets; `None` if that may be meant.
    fn consequence(&self) -> Option<(String, Severity)> {
        let program = self.command.program.text.as_str();
        let gunicorn = self.setting == "ExecStart" && !is_shell(program);
        let certain = if gunicorn { Severity::Error } else { Severity::Warning };
        let written = self.word.text.as_str();
        if self.variable.splits {
            // `$OPTIONS`: no word. Behind an option that takes a value, the next word is the value.
            let flag = self.before?.text.as_str();
            let setting = self.app.gunicorn.settings.table().settings().iter();
            let mut own = setting.filter(|setting| setting.flags.contains(&flag));
            let takes = gunicorn && own.any(|setting| setting.takes_value());
            let text = format!("gunicorn reads the next word as the value of {flag}");
            return takes.then_some((text, Severity::Error));
        }
        if script(self.command).is_some_and(|script| script.span == self.word.span) {
            let text = "the shell gets nothing for it".to_owned();
            return Some((text, Severity::Warning));
        }
        let joined = written.split_once('=').map(|(flag, _)| flag);
        let before = self.before.map(|word| word.text.as_str());
        let flag = joined.or(before).filter(|flag| flag.starts_with('-'));
        let whole = self.variable.range.len() == written.len()
            || joined.is_some_and(|flag| self.variable.range.start == flag.len() + 1);
        let what = match (whole, flag) {
            (true, Some(flag)) => format!("{flag} gets an empty value"),
            (true, None) => "the program gets an empty argument".to_owned(),
            (false, Some(flag)) => format!("part of the value of {flag} is missing"),
            (false, None) => "part of an argument is missing".to_owned(),
        };
        let harmless = flag.is_some_and(|flag| MAY_BE_EMPTY.contains(&flag));
        Some((what, if harmless { Severity::Warning } else { certain }))
    }
}
