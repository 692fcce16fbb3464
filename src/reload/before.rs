//! What happens before anything is touched: checks what will run, whether there is memory and disk
//! space for it, and whether the site is healthy now.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::json;

use super::judge::{self, Judgement};
use super::probing::{self, Probing};
use super::standing::Standing;
use super::unit::{self, Observer, State};
use super::{AS_IT_IS, EarlyEnd, Ending, Move, Run, Step, Strategy, name};
use crate::facts::App;
use crate::host::{FileKind, Host, Relinked, act};
use crate::probe::{Kind, Report};
use crate::source::Sources;

/// How long the site is probed before the reload.
const BASELINE: Duration = Duration::from_secs(3);
/// An import that takes longer stalls the site at a HUP (rule G222), in seconds.
const SLOW: f64 = 0.5;
/// Room that has to be there for logs, sockets and what is kept, in bytes and inodes.
const ROOM: (u64, u64) = (16 << 20, 100);

/// What is known once nothing prevents the reload.
pub(super) struct Ready {
    /// What is to be done with the link.
    pub moved: Option<Move>,
    /// Where there is a way back though no link is moved now: the release that was verified last.
    pub way_back: Option<Move>,
    /// How gunicorn is reloaded.
    pub strategy: Strategy,
    /// systemd's word before.
    pub state: State,
    /// How long the application takes to import, in seconds, where that is known.
    pub boot: Option<f64>,
    /// Does gunicorn keep workers of the new release that are well, as far as is known?
    pub keeps_workers: bool,
    /// Why the code of the previous release may not come back.
    pub no_way_back: Option<String>,
    /// What the host shows of the deployment as it is.
    pub standing: Standing,
}

impl Ready {
    /// Why answers through nginx may be of the previous release, though this unit was reloaded.
    pub(super) fn others(&self) -> String {
        match self.standing.others.as_slice() {
            [] => String::new(),
            others => format!(
                "; {} still runs the previous release and may have given them: without --probe URL, \
                 only this unit's own sockets are asked",
                others.join(", ")
            ),
        }
    }
}

impl Run<'_> {
    pub(super) fn preflight(&mut self) -> Result<Ready, EarlyEnd> {
        let state = unit::state(self.doors.host, &self.request.unit)
            .map_err(|why| EarlyEnd::of(Ending::Incomplete, why))?;
        if !state.exists {
            let why =
                format!("there is no unit {}: systemctl list-units '*.service'", self.request.unit);
            return Err(EarlyEnd::of(Ending::Incomplete, why));
        }
        if !state.is_up() {
            let word = if state.active.is_empty() { "unknown" } else { &state.active };
            if !self.request.tolerates() {
                let unit = &self.request.unit;
                return Err(EarlyEnd::refused(format!(
                    "{unit} is {word}, and a unit that is not running cannot be reloaded. Start \
                     it: systemctl start {unit}. Or go back to the previous release: deploy-doctor \
                     rollback {unit}"
                )));
            }
            self.sick = true;
            let text = format!("{} is {word}: it is started again", self.request.unit);
            self.say(Step::Preflight, &text);
        }
        let (standing, moved) = self.facts()?;
        let judged = match &moved {
            None => self.judge(self.doors.host)?,
            Some(moved) => {
                let relinked = Relinked {
                    link: moved.link.clone(),
                    now: moved.now.clone(),
                    then: moved.then.clone(),
                };
                let host = (self.doors.with_link)(relinked)
                    .map_err(|why| EarlyEnd::of(Ending::Incomplete, why))?;
                self.judge(&*host)?
            }
        };
        self.hear(&judged)?;
        self.room(&state, &standing, moved.as_ref())?;
        let strategy = self.strategy(&judged, &state, &standing);
        if strategy == Strategy::Usr2 {
            standing.may_hand_over(&state).map_err(|why| {
                EarlyEnd::refused(format!("a second master (usr2) is not possible: {why}"))
            })?;
        }
        let no_way_back = judged.revision.as_deref().and_then(|rev| standing.unknown(rev));
        if let Some(why) = &no_way_back {
            self.story.note(format!("there is no automatic way back: {why}"));
        }
        let way_back = self.verified_before(&standing, moved.as_ref());
        self.story.strategy = Some(strategy);
        let ready = Ready {
            moved,
            way_back,
            strategy,
            state,
            boot: judged.boot,
            keeps_workers: judged.keeps_workers,
            no_way_back,
            standing,
        };
        Ok(ready)
    }

    /// What the host shows of the deployment as it is now.
    fn facts(&mut self) -> Result<(Standing, Option<Move>), EarlyEnd> {
        let sources = Sources::new(self.doors.host);
        let deployment = judge::read(&sources, std::slice::from_ref(&self.request.unit), None);
        let unit = &self.request.unit;
        let Some(app) = deployment.apps.iter().find(|app| app.name == *unit) else {
            let why = deployment.problems.first().map(|problem| problem.message.clone());
            let why = why.unwrap_or_else(|| "it runs no gunicorn".into());
            return Err(EarlyEnd::of(Ending::Incomplete, format!("{unit}: {why}")));
        };
        let moved = match &self.request.release {
            None => None,
            Some(release) => Some(to_release(self.doors.host, app, release)?),
        };
        let stale = app.release.follows_link.ok() == Some(&false)
            && moved.as_ref().is_some_and(|moved| moved.now != moved.then);
        if let Some(moved) = &moved {
            self.story.before = Some(moved.now.clone());
            self.story.release = Some(moved.then.clone());
            if stale {
                self.story.note(format!(
                    "gunicorn does not follow {}: a reload would serve the release it was started \
                     in",
                    moved.link.display()
                ));
            }
        }
        let others = match &moved {
            Some(moved) if moved.now != moved.then => self.others(moved),
            _ => Vec::new(),
        };
        for other in &others {
            let text = format!(
                "{other} runs from the same link: it keeps the previous release until \
                it is reloaded, too"
            );
            self.say(Step::Preflight, &text);
        }
        let standing = Standing::new(app, &self.request.probes, others, stale);
        Ok((standing, moved))
    }

    /// Other running units whose application is reached through the link.
    fn others(&self, moved: &Move) -> Vec<String> {
        let sources = Sources::new(self.doors.host);
        let all = judge::read(&sources, &[], None);
        let through = |app: &&App| {
            app.name != self.request.unit
                && app.processes.ok().is_some()
                && app.release.link.as_ref().is_some_and(|link| link.path == moved.link)
        };
        all.apps.iter().filter(through).map(|app| app.name.clone()).collect()
    }

    fn judge(&mut self, host: &dyn Host) -> Result<Judgement, EarlyEnd> {
        judge::judge(host, self.request).map_err(|why| EarlyEnd::of(Ending::Incomplete, why))
    }

    /// Shows what the check found, and stops where it must.
    fn hear(&mut self, judged: &Judgement) -> Result<(), EarlyEnd> {
        self.event(
            "preflight",
            json!({
                "refusals": judged.refusals.iter().map(|said| &said.code).collect::<Vec<_>>(),
                "forced": judged.forced.iter().map(|said| &said.code).collect::<Vec<_>>(),
                "warnings": judged.warnings.iter().map(|said| &said.code).collect::<Vec<_>>(),
                "boot": judged.boot,
            }),
        )?;
        self.story.refusals = judged.refusals.clone();
        self.story.forced = judged.forced.clone();
        for said in &judged.forced {
            self.say(Step::Preflight, &format!("forced: {} {}", said.code, said.message));
        }
        if judged.accepted > 0 {
            let text = format!("accepted findings, which block nothing: {}", judged.accepted);
            self.say(Step::Preflight, &text);
        }
        if !judged.problems.is_empty() && !self.request.allow_incomplete {
            return Err(EarlyEnd::of(
                Ending::Incomplete,
                format!("not everything could be read: {}", judged.problems.join("; ")),
            ));
        }
        if let Some(first) = judged.refusals.first() {
            let more = match judged.refusals.len() - 1 {
                0 => String::new(),
                1 => " (and 1 more)".into(),
                more => format!(" (and {more} more)"),
            };
            return Err(EarlyEnd::refused(format!("{} {}{more}", first.code, first.message)));
        }
        for said in &judged.warnings {
            self.say(Step::Preflight, &format!("warning: {} {}", said.code, said.message));
        }
        let verdict = judged.verdict().word();
        let boot = match (judged.boot, &judged.not_imported) {
            (Some(boot), _) => format!("; the application imports in {boot:.1} s"),
            (None, Some(why)) if self.request.preflight => {
                format!("; the application was not imported: {why}")
            }
            _ => String::new(),
        };
        self.say(Step::Preflight, &format!("{verdict}{boot}"));
        Ok(())
    }

    /// Memory for the workers of both releases, and room on the disk.
    fn room(
        &mut self,
        state: &State,
        standing: &Standing,
        moved: Option<&Move>,
    ) -> Result<(), EarlyEnd> {
        let mut places = vec![self.request.state.clone(), PathBuf::from("/run")];
        places.extend(moved.map(|moved| moved.to.clone()));
        for place in places {
            // Where the state directory is not there yet, what is above it decides.
            let there = place.ancestors().find_map(|path| act::room(path).ok());
            let Some((bytes, inodes)) = there else { continue };
            if bytes < ROOM.0 || inodes < ROOM.1 {
                return Err(EarlyEnd::refused(format!(
                    "{} has no space left ({} MiB, {inodes} inodes): neither gunicorn nor this \
                     program could write a log there",
                    place.display(),
                    bytes >> 20
                )));
            }
        }
        let Some(free) = kernel_bytes(self.doors.host, "/proc/meminfo", "MemAvailable") else {
            return Ok(());
        };
        let mut observer = Observer::new(state, standing.wrapped);
        observer.look(&[state.main_pid]);
        let mut need = 0;
        for worker in observer.living() {
            need += {
                // What it shares with no file.
                let path = format!("/proc/{}/status", worker.id.pid);
                kernel_bytes(self.doors.host, &path, "RssAnon").unwrap_or(0)
            };
        }
        if need > free {
            return Err(EarlyEnd::refused(format!(
                "old and new workers run side by side for a moment: that needs {} MiB more, but \
                 only {} MiB are free",
                need >> 20,
                free >> 20
            )));
        }
        Ok(())
    }

    /// `auto` by the facts.
    fn strategy(&mut self, judged: &Judgement, state: &State, standing: &Standing) -> Strategy {
        if !state.is_up() {
            return Strategy::Restart;
        }
        if self.request.strategy != Strategy::Auto {
            return self.request.strategy;
        }
        let beside = standing.may_hand_over(state);
        let slow = judged.boot.filter(|boot| *boot > SLOW);
        let (strategy, why) = match (judged.needs, slow, beside) {
            (Some((Strategy::Usr2, why)), _, Ok(())) => (Strategy::Usr2, why.to_owned()),
            (Some((_, why)), ..) => (Strategy::Restart, why.to_owned()),
            (None, Some(boot), Ok(())) => (
                Strategy::Usr2,
                format!(
                    "the application takes {boot:.1} s to import, and a HUP would stall the site \
                     for that long"
                ),
            ),
            (None, Some(_), Err(why)) => {
                (Strategy::Hup, format!("a second master next to the first is not possible: {why}"))
            }
            (None, None, _) => return Strategy::Hup,
        };
        self.say(Step::Preflight, &format!("strategy {}: {why}", strategy.word()));
        strategy
    }

    /// The way back where the link was moved by somebody else before: the release that the last
    /// run verified.
    fn verified_before(&self, facts: &Standing, moved: Option<&Move>) -> Option<Move> {
        if moved.is_some() {
            return None;
        }
        let (link, target, resolved) = facts.link.clone()?;
        let found = self.story.found.as_ref()?;
        let last = match found.stage {
            super::Stage::Verified | super::Stage::Unverified => found.release.clone()?,
            _ => found.before.clone()?,
        };
        let absolute = link.parent()?.join(&last);
        let there = self.doors.host.look(&absolute);
        let is_directory = there.metadata().is_some_and(|m| m.kind == FileKind::Directory);
        if !is_directory || there.resolved == resolved {
            return None;
        }
        Some(Move { link, before: last, now: there.resolved, to: target, then: resolved })
    }

    /// Asks the site for three seconds.
    pub(super) fn baseline(&mut self, ready: &mut Ready) -> Result<Probing, EarlyEnd> {
        let urls = match self.request.probes.as_slice() {
            [] => ready.standing.targets.as_slice(),
            named => named,
        };
        if urls.is_empty() {
            return Err(EarlyEnd::refused(
                "there is nothing to probe: name the site with --probe http://HOST/PATH",
            ));
        }
        // An application that checks the host would refuse `localhost`.
        let site = ready.standing.site.clone().filter(|_| self.request.probes.is_empty());
        if self.request.probes.is_empty() {
            let name = site.as_deref().map(|name| format!(" as {name}")).unwrap_or_default();
            let text = format!(
                "probing {} directly{name}: nginx is not checked without --probe URL",
                urls.join(", ")
            );
            self.say(Step::Baseline, &text);
        }
        let rate = self.rate(ready, urls, site.as_deref())?;
        let probing =
            Probing::start(urls, self.request, &ready.standing.hidden, site.as_deref(), rate)
                .map_err(|why| EarlyEnd::of(Ending::Incomplete, why))?;
        let began = Instant::now();
        let mut failed = None;
        // What is unanswered then has not failed yet.
        let waits = |probing: &Probing| {
            !self.request.tolerates()
                && began.elapsed() < BASELINE + self.request.timeout
                && probing.is_open_before(began + BASELINE)
        };
        while began.elapsed() < BASELINE || waits(&probing) {
            std::thread::sleep(Duration::from_millis(100));
            let counts = probing.counts();
            self.tell.tick(Step::Baseline, &counts);
            if self.doors.interrupts.heard() {
                return Err(EarlyEnd::refused("stopped by a signal; nothing was touched"));
            }
            if counts.failed > 0 {
                failed = Some(counts);
                if !self.request.tolerates() {
                    break;
                }
            }
        }
        let counts = probing.counts();
        let stalled = counts.ok == 0;
        if (failed.is_some() || stalled) && self.request.tolerates() {
            self.sick = true;
            let last = counts.last_failure.as_deref().unwrap_or("no answer");
            let text = format!(
                "the site is not healthy: {} of {} probes failed ({last}); continuing anyway",
                counts.failed, counts.sent
            );
            self.event("baseline", json!({ "failed": last }))?;
            self.say(Step::Baseline, &text);
            // A master that ends over and over hears no HUP, and there is nothing to lose.
            if stalled && self.request.strategy == Strategy::Auto {
                ready.strategy = Strategy::Restart;
                self.story.strategy = Some(Strategy::Restart);
                self.say(Step::Baseline, "strategy restart: nothing is answered now");
            }
            return Ok(probing);
        }
        if failed.is_some() || stalled {
            // What is on its way may say more than the first.
            let report = if stalled { probing.break_off() } else { probing.finish() };
            let kinds = probing::kinds(&report);
            let what = if kinds.is_empty() { "no answer".to_owned() } else { kinds };
            self.story.evidence = probing::evidence(&report);
            self.story.probes = Some(report);
            self.event("baseline", json!({ "failed": what }))?;
            let why = self.unwell(ready, &what, rate);
            return Err(EarlyEnd::refused(why));
        }
        ready.standing.behind = std::mem::take(&mut ready.standing.behind).well(self.doors.host);
        self.event("baseline", json!({ "sent": counts.sent, "ok": counts.ok }))?;
        let text = format!("{} probes answered at {rate}/s, none failed", counts.ok);
        self.say(Step::Baseline, &text);
        Ok(probing)
    }
}

impl Run<'_> {
    /// Why a site that fails probes is not reloaded. What refuses the probe itself, by its host or its
    /// rate, is no fault of the site, and no earlier release would cure it.
    fn unwell(&self, ready: &Ready, what: &str, rate: f64) -> String {
        let statuses: Vec<u16> = self.story.probes.iter().flat_map(statuses).collect();
        let all = |fits: fn(u16) -> bool| {
            !statuses.is_empty() && statuses.iter().all(|status| fits(*status))
        };
        let begin = "before the reload";
        if all(|status| matches!(status, 429 | 503)) && ready.standing.limited {
            return format!(
                "probes were refused {begin}: {what}; nginx limits how often it may be asked \
                 (limit_req), and {rate}/s is more; nothing was touched. Ask less often: --rate 5"
            );
        }
        if all(|status| (400..500).contains(&status)) {
            let asked = self.request.probes.first().map(String::as_str).unwrap_or_default();
            let asked = match crate::facts::probe::parse(asked) {
                Ok(request) if !asked.is_empty() => request.host,
                _ => ready.standing.site.clone().unwrap_or_else(|| "localhost".into()),
            };
            let name = ready.standing.site.clone().filter(|site| *site != asked).map_or_else(
                || "Ask a page that answers 200: --probe http://HOST/PATH".to_owned(),
                |site| {
                    format!(
                        "Ask by the name that visitors use: --probe http://{site}/ --resolve \
                         {site}:80:127.0.0.1"
                    )
                },
            );
            return format!(
                "probes were refused {begin}: {what}, asked as {asked}; nothing was touched. {name}"
            );
        }
        format!(
            "the site is not healthy {begin}: {what}; nothing was touched. To reload anyway: \
             --force {AS_IT_IS}; to go back: deploy-doctor rollback {}",
            self.request.unit
        )
    }
}

/// The statuses of failed probes; nothing if one failed without any.
fn statuses(report: &Report) -> Vec<u16> {
    let evidence = report.targets.iter().flat_map(|target| &target.evidence);
    let said = evidence.filter(|evidence| evidence.kind != Kind::Unanswered);
    said.map(|evidence| evidence.status).collect::<Option<Vec<u16>>>().unwrap_or_default()
}

/// What is to be done so that the link leads to this release.
fn to_release(host: &dyn Host, app: &App, release: &Path) -> Result<Move, EarlyEnd> {
    let Some(link) = &app.release.link else {
        return Err(EarlyEnd::of(
            Ending::Incomplete,
            "no link to a release leads to the application: --release has nothing to move",
        ));
    };
    let wanted = host.look(release);
    if !wanted.metadata().is_some_and(|metadata| metadata.kind == FileKind::Directory) {
        return Err(EarlyEnd::refused(format!("{} is not a directory", release.display())));
    }
    if wanted.resolved.starts_with(&link.path) || wanted.resolved.as_os_str().is_empty() {
        return Err(EarlyEnd::refused(format!(
            "{} is reached through the link itself",
            release.display()
        )));
    }
    // A link that is written relative stays so: the tree may be mounted elsewhere.
    let to = match link.target.is_relative() {
        true => link
            .path
            .parent()
            .and_then(|parent| wanted.resolved.strip_prefix(parent).ok())
            .map_or_else(|| wanted.resolved.clone(), Path::to_path_buf),
        false => wanted.resolved.clone(),
    };
    Ok(Move {
        link: link.path.clone(),
        before: link.target.clone(),
        now: link.resolved.clone(),
        to: if to.as_os_str().is_empty() { name(&wanted.resolved).into() } else { to },
        then: wanted.resolved,
    })
}

/// A line of the kernel's that counts in KiB (`MemAvailable: 1024 kB`), in bytes.
fn kernel_bytes(host: &dyn Host, path: &str, name: &str) -> Option<u64> {
    let bytes = host.read(Path::new(path), 1 << 16).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? << 10)
}
