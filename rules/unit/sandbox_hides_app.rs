use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::facts::gunicorn::SettingValue;
use crate::facts::service::expanded;
use crate::facts::sockets::Listener;
use crate::rule::prelude::*;
use crate::rules::listed_paths::paths;

crate::rule! {
    /// gunicorn does not start: the unit's own sandbox hides something it needs, or makes it
    /// read-only.
    ///
    /// `ProtectHome=yes` (and `tmpfs`) empties /home, /root and /run/user for the service,
    /// `InaccessiblePaths=` and `TemporaryFileSystem=` empty the paths they name: a working
    /// directory there gives 200/CHDIR, a virtual environment 203/EXEC. `ProtectSystem=strict`
    /// makes everything read-only except the paths in `ReadWritePaths=`, `RuntimeDirectory=` and
    /// the like, `ProtectHome=read-only` makes the homes read-only, and `ReadOnlyPaths=` the paths
    /// it names: gunicorn cannot create its socket, pid file or log there.
    ///
    /// /tmp and /var/tmp are also read-only under `ProtectSystem=strict`: without `PrivateTmp=yes`
    /// or `--worker-tmp-dir /dev/shm` no worker can create its heartbeat file (`No usable temporary
    /// directory found`).
    ///
    /// A path in `ReadWritePaths=`, `ReadOnlyPaths=`, `InaccessiblePaths=`, `BindPaths=` and the
    /// like must exist, unless a `-` precedes it: otherwise the start fails with 226/NAMESPACE
    /// before anything runs, and with 243/CREDENTIALS if the file of `LoadCredential=` is missing.
    ///
    /// The application writes the file of a SQLite database: if it is read-only, pages are shown but every
    /// attempt to save gets 500, `attempt to write a readonly database` (a warning).
    ///
    /// `PrivateUsers=yes` leaves the service only two users, root and `User=`, and removes every
    /// capability: a gunicorn that starts as root cannot switch to `--user`, and no gunicorn can
    /// listen on a port below 1024.
    ///
    /// `PrivateNetwork=yes` leaves gunicorn only a loopback of its own, where nginx does not reach
    /// a TCP port; `RestrictAddressFamilies=` without the family of its socket, or without
    /// `AF_UNIX` under `Type=notify`, keeps it from starting.
    ///
    /// By hand: `ProtectHome=read-only`, or the application in /srv; for files gunicorn writes,
    /// `RuntimeDirectory=`, `LogsDirectory=` or `ReadWritePaths=`; then `systemctl daemon-reload`
    /// and `systemctl restart`.
    ///
    /// Proved by `sandbox-hides-app`: the unit failed with 200/CHDIR, and every request got 502.
    ///
    /// Proved by `sandbox-no-exec`: the unit failed with 203/EXEC, and every request got 502.
    ///
    /// Proved by `sandbox-no-temporary`: gunicorn exited with `No usable temporary directory
    /// found`, and every request got 502.
    ///
    /// Proved by `sandbox-path-missing`: the unit failed with 226/NAMESPACE, and every request got 502.
    ///
    /// Proved by `private-users-user`: no worker could become www-data, gunicorn exited again and
    /// again, and every request got 502.
    ///
    /// Proved by `private-users-port`: gunicorn could not listen (permission denied), and every
    /// request got 502.
    ///
    /// Proved by `sandbox-private-network`: gunicorn was up, and every request got 502.
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// NoExecPaths=/
    /// ExecPaths=/usr -/bin -/lib -/lib64
    /// ```
    /// ```ini,good,drop-in
    /// [Service]
    /// NoExecPaths=/
    /// ExecPaths=/usr -/bin -/lib -/lib64 /srv/myapp/.venv
    /// ```
    /// ```ini,bad,drop-in
    /// [Service]
    /// InaccessiblePaths=-/srv
    /// ```
    /// ```ini,bad,drop-in
    /// [Service]
    /// TemporaryFileSystem=/srv:ro
    /// ```
    /// ```ini,bad,drop-in
    /// [Service]
    /// ProtectSystem=strict
    /// PrivateTmp=yes
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --chdir /srv/myapp/current \
    ///     --pid /srv/myapp/gunicorn.pid --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    /// ```tree,bad
    /// /srv/myapp/ owner=33:33
    /// ```
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// PrivateUsers=yes
    /// AmbientCapabilities=CAP_NET_BIND_SERVICE
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --chdir /srv/myapp/current \
    ///     --bind 127.0.0.1:81 wsgi:app
    /// ```
    /// ```nginx,bad
    /// upstream myapp {
    ///     server 127.0.0.1:81 fail_timeout=0;
    /// }
    ///
    /// server {
    ///     listen 80;
    ///     server_name example.com;
    ///
    ///     location / {
    ///         proxy_pass http://myapp;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $remote_addr;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// ProtectSystem=strict
    /// ```
    /// ```ini,bad,drop-in
    /// [Service]
    /// ReadWritePaths=/srv/uploads
    /// ```
    /// ```ini,bad,drop-in
    /// [Service]
    /// LoadCredential=database:/etc/myapp/database.password
    /// ```
    /// ```ini,good,drop-in
    /// [Service]
    /// LogsDirectory=myapp
    /// ReadWritePaths=/srv/myapp /srv/myapp/uploads -/srv/uploads /var/log/myapp /run/other
    /// LoadCredential=environment:/etc/myapp.env
    /// ```
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// ProtectSystem=strict
    /// PrivateTmp=yes
    /// ```
    /// ```python,bad
    /// from flask import Flask
    ///
    /// app = Flask(__name__)
    /// app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite:////srv/myapp/shared/myapp.db"
    /// ```
    /// ```ini,good,drop-in
    /// [Service]
    /// ProtectSystem=strict
    /// PrivateTmp=yes
    /// ReadWritePaths=-/srv/myapp/shared
    /// ```
    ///
    /// Healthy: what is hidden is not needed, and what is written is where writing is allowed.
    ///
    /// ```ini,good,drop-in
    /// [Service]
    /// ProtectHome=yes
    /// ProtectSystem=strict
    /// ReadWritePaths=-/srv/myapp/shared
    /// PrivateTmp=yes
    /// PrivateUsers=yes
    /// InaccessiblePaths=/var/lib/secrets
    /// ```
    /// ```ini,good,drop-in
    /// [Service]
    /// ProtectSystem=strict
    /// ReadWritePaths=/srv/myapp
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --chdir /srv/myapp/current \
    ///     --pid /srv/myapp/gunicorn.pid --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    /// ```tree,good
    /// /srv/myapp/ owner=33:33
    /// ```
    U126 "sandbox-hides-app" {
        severity: Error, impact: Outage, fix: Some(Unsafe), item: ReloadSucceeds, hop: Master,
        since: "0.1.0", check: App(check)
    }
}

/// What `ProtectHome=` is about.
const HOMES: [&str; 3] = ["/home", "/root", "/run/user"];
/// What `ProtectSystem=strict` leaves alone.
const NOT_PROTECTED: [&str; 3] = ["/dev", "/proc", "/sys"];
/// Settings that give a path back, in ways that depend on more than the path.
const GIVE_BACK: [&str; 4] = ["BindPaths", "BindReadOnlyPaths", "ReadWritePaths", "ReadOnlyPaths"];

/// A path that gunicorn needs.
struct NeededPath {
    path: PathBuf,
    resolved: PathBuf,
    span: Option<Span>,
    /// What it is, and the status with which the start fails without it.
    what: &'static str,
}

impl NeededPath {
    /// Is it below this?
    fn below(&self, top: &Path) -> bool {
        self.path.starts_with(top) || self.resolved.starts_with(top)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let service = &app.service;
    if service.unit.masked {
        return Ok(());
    }
    if let Some(why) = service.view.hides(Path::new("/")) {
        return Err(Why::depends(why));
    }
    let judges = [
        absent,
        hidden,
        read_only,
        no_temporary,
        database,
        network,
        crate::rules::private_users::check,
        crate::rules::no_exec_paths::check,
    ];
    for judge in judges {
        if let Err(why) = judge(app, out) {
            out.skip(&why);
        }
    }
    Ok(())
}

/// What the sandbox is to be made of and is not there.
fn absent(app: &App, out: &mut Sink) -> Result<(), Why> {
    let service = &app.service;
    let strict = service.word("ProtectSystem", "no").ok().is_some_and(|word| word == "strict");
    let listed: HashMap<&Path, &str> =
        service.sandbox.iter().map(|one| (one.place.path.as_path(), one.setting)).collect();
    for wanted in &service.sandbox {
        let path = &wanted.place.path;
        // What is in a directory that is treated alike is left out before anything is mounted.
        let alike = match path.ancestors().skip(1).find_map(|around| listed.get(around)) {
            Some(setting) => *setting == wanted.setting || *setting == "InaccessiblePaths",
            None => strict && wanted.setting == "ReadOnlyPaths",
        };
        // What systemd makes of the directories in there is another matter.
        let within = service.directories.get()?.iter().any(|made| path.starts_with(&made.path));
        if alike || within || !wanted.place.is_missing()? {
            continue;
        }
        service.untouched_before_the_start(path)?;
        let (setting, shown) = (wanted.setting, path.display());
        let optional = match setting.starts_with("LoadCredential") {
            true => String::new(),
            false => format!("\nor write {setting}=-{shown}, if it is optional"),
        };
        out.report(format!(
            "the unit does not start ({}): {setting}= names {shown}, which does not exist",
            wanted.status()
        ))
        .at(wanted.span, "must exist before anything runs")
        .subject(format!("{setting} {shown}"))
        .help(format!("create it, or correct the path; check with: ls -ld {shown}{optional}"))
        .by_hand(Some(wanted.span))
        .fix(Safety::Manual, format!("correct {setting}="));
    }
    Ok(())
}

/// A directory for the workers' temporary files: Python looks for one in `$TMPDIR`, /tmp, /var/tmp,
/// /usr/tmp and the working directory.
fn no_temporary(app: &App, out: &mut Sink) -> Result<(), Why> {
    let service = &app.service;
    let system = service.word("ProtectSystem", "no");
    if system.get()? != "strict" || *service.private_tmp().get()? {
        return Ok(());
    }
    let settings = &app.gunicorn.settings;
    if settings.get("worker_tmp_dir").get()? != &SettingValue::None {
        return Ok(());
    }
    for name in ["TMPDIR", "TEMP", "TMP"] {
        if app.variable(name)?.is_some() {
            return Ok(());
        }
    }
    let working = settings.chdir();
    let directories = [Path::new("/tmp"), Path::new("/var/tmp"), Path::new("/usr/tmp")];
    let directories = directories.into_iter().chain([working.get()?.as_path()]);
    let mut open = paths(app, "ReadWritePaths")?;
    for key in ["BindPaths", "TemporaryFileSystem"] {
        open.extend(paths(app, key)?);
    }
    let made = service.directories.get()?;
    for directory in directories {
        if open.iter().any(|(top, _)| directory.starts_with(top))
            || made.iter().any(|made| directory.starts_with(&made.path))
            || NOT_PROTECTED.iter().any(|top| directory.starts_with(top))
        {
            return Ok(());
        }
    }
    let edit = Edit::set(&service.unit, "PrivateTmp", "yes");
    out.report(
        "gunicorn does not start: ProtectSystem=strict leaves it no directory for its workers' temporary \
         files (/tmp and /var/tmp are read-only)",
    )
    .at_some(system.span(), "also makes /tmp read-only")
    .subject("temporary files")
    .help("In [Service]:\nPrivateTmp=yes\nor, in gunicorn's options: --worker-tmp-dir /dev/shm")
    .fix(Safety::Safe, "PrivateTmp=yes")
    .edit(edit);
    Ok(())
}

/// The network that gunicorn listens on is taken from it. A socket that systemd listens on is made
/// outside.
fn network(app: &App, out: &mut Sink) -> Result<(), Why> {
    let service = &app.service;
    let bounds = app.bounds().get()?;
    let own = || bounds.iter().filter(|bound| !bound.activated);
    let is_tcp = |bound: &&Bound| matches!(bound.endpoint, Endpoint::Tcp { .. });
    let Some(bound) = own().find(is_tcp) else { return families(app, bounds, out) };
    let private = service.boolean("PrivateNetwork", false);
    let shared = ["NetworkNamespacePath", "JoinsNamespaceOf"].into_iter().find(|key| {
        ["Unit", "Service"].iter().any(|section| service.unit.last(section, key).is_some())
    });
    if let Some(key) = shared {
        return Err(Why::depends(format!(
            "{key}= puts gunicorn into a network that files do not show"
        )));
    }
    if *private.get()? {
        passed_on(app)?;
        let finding = out
            .report(format!(
                "every request gets 502: PrivateNetwork=yes gives gunicorn its own network, and \
                 nothing outside reaches {} in it",
                bound.endpoint
            ))
            .at_some(private.span(), "cuts it off");
        finding
            .at_some(bound.origin.span(), "gunicorn listens here")
            .help(
                "remove PrivateNetwork=, or listen on a unix socket: bind \
                 unix:/run/APP/gunicorn.sock",
            )
            .fix(Safety::Manual, "share a network with nginx");
        return Ok(());
    }
    let unit = &service.unit;
    let denied = unit
        .list("Service", "IPAddressDeny")
        .last()
        .filter(|line| line.value.as_str().split_whitespace().any(|word| word == "any"))
        .map(|line| line.value.span());
    if let Some(span) = denied
        && unit.list("Service", "IPAddressAllow").is_empty()
    {
        out.report(format!(
            "every request gets 504: IPAddressDeny=any drops what nginx sends to {}",
            bound.endpoint
        ))
        .at(span, "nothing is let through")
        .help("add IPAddressAllow=localhost")
        .by_hand(Some(span))
        .fix(Safety::Manual, "let nginx through");
        return Ok(());
    }
    families(app, bounds, out)
}

/// Another program may listen where nginx connects, and pass on what it gets to gunicorn's own network,
/// as systemd-socket-proxyd does.
fn passed_on(app: &App) -> Result<(), Why> {
    let Some(sockets) = app.sockets.ok() else { return Ok(()) };
    let by_others = |listener: &&Listener| listener.owners.is_empty();
    for route in &app.routes {
        if sockets.reached(&route.endpoint).is_ok_and(|all| all.iter().any(by_others)) {
            return Err(Why::not_understood(format!(
                "another program listens on {}: whether it passes requests on to gunicorn's network is \
                 not known",
                route.endpoint
            )));
        }
    }
    Ok(())
}

/// `RestrictAddressFamilies=` that leaves out what gunicorn listens on, or tells systemd with.
fn families(app: &App, bounds: &[Bound], out: &mut Sink) -> Result<(), Why> {
    let unit = &app.service.unit;
    let mut allowed: Vec<String> = Vec::new();
    let mut last = None;
    for line in unit.list("Service", "RestrictAddressFamilies") {
        let text = expanded(unit, line)?;
        if text.as_str().contains('~') || text.as_str().trim() == "none" {
            // A list of what is forbidden: what is left is much.
            return Ok(());
        }
        allowed.extend(text.as_str().split_whitespace().map(str::to_owned));
        last = Some(text.span());
    }
    let Some(span) = last else { return Ok(()) };
    let has = |family: &str| allowed.iter().any(|one| one == family);
    let family = |bound: &&Bound| match &bound.endpoint {
        Endpoint::Unix(_) => Some("AF_UNIX"),
        Endpoint::Tcp { host: TcpHost::AnyV6 { .. }, .. } => Some("AF_INET6"),
        Endpoint::Tcp { host: TcpHost::Address(ip), .. } if ip.is_ipv6() => Some("AF_INET6"),
        Endpoint::Tcp { host: TcpHost::Name(_), .. } => None,
        Endpoint::Tcp { .. } => Some("AF_INET"),
    };
    let own = bounds.iter().filter(|bound| !bound.activated);
    let missing = own
        .filter_map(|bound| Some((family(&bound)?, format!("listens on {}", bound.endpoint))))
        .find(|(family, _)| !has(family));
    let notifies = app.service.kind().ok().is_some_and(|kind| kind == "notify");
    let tells = || {
        (notifies && !has("AF_UNIX"))
            .then(|| ("AF_UNIX", "needs a unix socket to tell systemd that it is ready".to_owned()))
    };
    let Some((family, why)) = missing.or_else(tells) else { return Ok(()) };
    out.report(format!(
        "gunicorn does not start: RestrictAddressFamilies= leaves out {family}, and it {why}"
    ))
    .at(span, format!("without {family}"))
    .subject(family)
    .help(format!("add {family} to the line (a site needs AF_UNIX AF_INET AF_INET6)"))
    .by_hand(Some(span))
    .fix(Safety::Manual, format!("add {family} to the families"));
    Ok(())
}

/// What is not there for the service.
fn hidden(app: &App, out: &mut Sink) -> Result<(), Why> {
    let service = &app.service;
    let home = service.word("ProtectHome", "no");
    let word = home.get()?;
    let hides_homes = word == "tmpfs" || service.boolean("ProtectHome", false).ok() == Some(&true);
    let mut listed = Vec::new();
    for key in ["InaccessiblePaths", "TemporaryFileSystem"] {
        listed.push((key, paths(app, key)?));
    }
    for need in needs(app) {
        let by_home = HOMES.iter().any(|top| need.below(Path::new(top)));
        let (at, cause) = if hides_homes && by_home {
            (home.span(), format!("ProtectHome={word}"))
        } else if let Some((key, (top, span))) = listed
            .iter()
            .find_map(|(key, paths)| Some((key, paths.iter().find(|(top, _)| need.below(top))?)))
        {
            (Some(*span), format!("{key}={}", top.display()))
        } else {
            continue;
        };
        given_back(app, &need)?;
        let finding = out
            .report(format!(
                "gunicorn does not start: {cause} hides {}, its {}",
                need.path.display(),
                need.what
            ))
            .at_some(at, "hides it")
            .at_some(need.span, "needed here");
        let (help, edit) = match hides_homes && by_home {
            true => (String::new(), Some(Edit::set(&service.unit, "ProtectHome", "read-only"))),
            false => (
                format!(
                    "Remove the directory that contains {} from that line",
                    need.path.display()
                ),
                None,
            ),
        };
        finding.help(help).by_hand(at).fix_if(
            Safety::Unsafe,
            "make the application visible to the service",
            edit,
        );
        // One cause, one finding: what else is there comes to light with it.
        return Ok(());
    }
    Ok(())
}

/// What gunicorn has to write and may not.
fn read_only(app: &App, out: &mut Sink) -> Result<(), Why> {
    let locks = ReadOnlyTrees::of(app)?;
    for (need, setting) in written(app)? {
        let Some((at, cause)) = locks.on(app, &need)? else { continue };
        let shown = need.path.display();
        let directory = need.path.parent().unwrap_or(Path::new("/")).display();
        out.report(format!(
            "gunicorn does not start: {cause} makes {shown}, its {setting}, read-only"
        ))
        .at_some(at, "makes it read-only")
        .at_some(need.span, "written here")
        .help(format!(
            "In [Service]:\nReadWritePaths={directory}\nor put it into RuntimeDirectory= or \
             LogsDirectory="
        ))
        .by_hand(at)
        .fix(Safety::Manual, format!("ReadWritePaths={directory}"));
        return Ok(());
    }
    Ok(())
}

/// The file of a SQLite database that the application writes to and may not.
fn database(app: &App, out: &mut Sink) -> Result<(), Why> {
    let locks = ReadOnlyTrees::of(app)?;
    if !locks.any() {
        return Ok(());
    }
    let Some(database) = app.release.sqlite.get()? else { return Ok(()) };
    let need = need(&database.place, database.span, "database");
    let Some((at, cause)) = locks.on(app, &need)? else { return Ok(()) };
    let directory = database.directory.path.display().to_string();
    // What a variable holds is shown nowhere.
    let (shown, directory) = match &database.variable {
        Some(name) => (format!("that {name} names"), "THE-DIRECTORY-OF-THE-DATABASE".to_owned()),
        None => (need.path.display().to_string(), directory),
    };
    out.report(format!(
        "every write to the database gets 500: {cause} makes the SQLite file {shown} read-only \
         (attempt to write a readonly database)"
    ))
    .severity(Severity::Warning)
    .at_some(at, "makes it read-only")
    .at_some(need.span, "the database")
    .subject("database")
    .help(format!(
        "In [Service] (SQLite also writes files next to it, so the directory is named):\n\
         ReadWritePaths={directory}"
    ))
    .by_hand(at)
    .fix(Safety::Manual, "let the service write its database");
    Ok(())
}

/// What makes paths read-only, and what leaves them as they are.
struct ReadOnlyTrees {
    system: Known<String>,
    home: Known<String>,
    listed: Vec<(PathBuf, Span)>,
    free: Vec<(PathBuf, Span)>,
    private_tmp: bool,
}

impl ReadOnlyTrees {
    fn of(app: &App) -> Result<Self, Why> {
        let service = &app.service;
        let dynamic = *service.boolean("DynamicUser", false).get()?;
        let mut free = paths(app, "TemporaryFileSystem")?;
        free.extend(paths(app, "ReadWritePaths")?);
        let locks = Self {
            system: service.word("ProtectSystem", if dynamic { "strict" } else { "no" }),
            home: service.word("ProtectHome", if dynamic { "read-only" } else { "no" }),
            listed: paths(app, "ReadOnlyPaths")?,
            free,
            private_tmp: *service.private_tmp().get()?,
        };
        locks.system.get()?;
        locks.home.get()?;
        Ok(locks)
    }

    fn any(&self) -> bool {
        self.system.ok().is_some_and(|word| !protected(word).is_empty())
            || self.home.ok().is_some_and(|word| word == "read-only")
            || !self.listed.is_empty()
    }

    /// What makes this read-only, if anything does.
    fn on(&self, app: &App, need: &NeededPath) -> Result<Option<(Option<Span>, String)>, Why> {
        let made = app.service.directories.get()?;
        let temporary = need.below(Path::new("/tmp")) || need.below(Path::new("/var/tmp"));
        let free = self.free.iter().any(|(top, _)| need.below(top))
            || NOT_PROTECTED.iter().any(|top| need.below(Path::new(top)))
            || made.iter().any(|made| need.below(&made.path))
            || temporary && self.private_tmp;
        if free {
            return Ok(None);
        }
        let (system, home) = (self.system.get()?, self.home.get()?);
        let in_home = HOMES.iter().any(|top| need.below(Path::new(top)));
        let of_system = protected(system).iter().any(|top| need.below(Path::new(top)));
        let (at, cause) =
            if let Some((top, span)) = self.listed.iter().find(|(top, _)| need.below(top)) {
                (Some(*span), format!("ReadOnlyPaths={}", top.display()))
            } else if home == "read-only" && in_home {
                (self.home.span(), "ProtectHome=read-only".to_owned())
            } else if of_system {
                (self.system.span(), format!("ProtectSystem={system}"))
            } else {
                return Ok(None);
            };
        for key in ["BindPaths", "BindReadOnlyPaths"] {
            if paths(app, key)?.iter().any(|(top, _)| need.below(top)) {
                return Err(Why::depends(format!("{key}= may give the path back")));
            }
        }
        Ok(Some((at, cause)))
    }
}

/// What `ProtectSystem=` makes read-only.
fn protected(word: &str) -> &'static [&'static str] {
    match word {
        "strict" => &["/"],
        "full" => &["/usr", "/boot", "/efi", "/etc"],
        "yes" | "true" | "on" | "1" => &["/usr", "/boot", "/efi"],
        _ => &[],
    }
}

/// Another setting may give the path back; whether it does is not judged here.
fn given_back(app: &App, need: &NeededPath) -> Result<(), Why> {
    for key in GIVE_BACK {
        let paths = paths(app, key)?;
        if paths.iter().any(|(top, _)| need.below(top) || top.starts_with(&need.path)) {
            return Err(Why::depends(format!("{key}= may make the path visible again")));
        }
    }
    Ok(())
}

/// What has to be there before gunicorn runs, in the order in which it is missed.
fn needs(app: &App) -> Vec<NeededPath> {
    let mut found = Vec::new();
    let working = &app.service.working_directory;
    if let Some(Some(place)) = working.ok() {
        found.push(need(place, working.span(), "working directory (200/CHDIR)"));
    }
    if let Some(command) = app.service.exec_start.last()
        && let Some(place) = &command.program
    {
        found.push(need(place, Some(command.line.program.span), "program (203/EXEC)"));
    }
    // Where a repository's clone is says nothing of the host.
    let release = &app.release.directory;
    if let Some(place) = release.ok().filter(|_| app.machine.whole) {
        found.push(need(place, release.span(), "application's directory"));
    }
    found
}

fn need(place: &Place, span: Option<Span>, what: &'static str) -> NeededPath {
    NeededPath { path: place.path.clone(), resolved: place.resolved.clone(), span, what }
}

/// Sockets, pid file and logs.
fn written(app: &App) -> Result<Vec<(NeededPath, &'static str)>, Why> {
    let mut found = Vec::new();
    for bound in app.bounds().get()?.iter().filter(|bound| !bound.activated) {
        if let Endpoint::Unix(path) = &bound.endpoint {
            let span = bound.origin.span();
            let need =
                NeededPath { path: path.clone(), resolved: path.clone(), span, what: "socket" };
            found.push((need, "socket"));
        }
    }
    let settings = &app.gunicorn.settings;
    for (name, what) in
        [("pidfile", "pid file"), ("accesslog", "access log"), ("errorlog", "error log")]
    {
        let value = settings.get(name);
        if settings.is_secret(name) {
            continue;
        }
        if let Some(SettingValue::Text(text)) = value.ok()
            && text.starts_with('/')
            && !text.starts_with("/dev/")
        {
            let path = PathBuf::from(text);
            let need = NeededPath { resolved: path.clone(), path, span: value.span(), what };
            found.push((need, what));
        }
    }
    Ok(found)
}
