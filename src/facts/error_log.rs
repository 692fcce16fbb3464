//! nginx's error logs, as its configuration names them: their last lines, and the upstream failures
//! in them.

use std::path::{Path, PathBuf};

use super::{Known, Origin, Request, Scope, Why};
use crate::host::HostErrorKind;
use crate::source::Sources;
use crate::source::nginx::Model;
use crate::source::nginx_log::{self, TAIL};

pub use crate::source::nginx_log::{Entry, Failure, Upstream};

/// What Debian's and nginx.org's packages have compiled in for a configuration that names none.
const DEFAULT: &str = "/var/log/nginx/error.log";

/// The ends of nginx's error logs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ErrorLog {
    /// The files that were read.
    pub files: Vec<PathBuf>,
    /// The failed requests, oldest first.
    pub entries: Vec<Entry>,
    /// Why there may be others.
    pub incomplete: Option<Why>,
    /// By how many seconds the times are ahead of UTC: nginx keeps the time zone that it was started in
    /// until it is reloaded, whatever the host's is now.
    pub ahead: Option<i64>,
}

impl ErrorLog {
    /// The failures of after a time of the host's clock, which is `host` seconds ahead of UTC if that is
    /// known. Of the same second it is not known which was first.
    pub fn after<'l>(
        &'l self,
        since: &'l str,
        host: Option<i64>,
    ) -> impl Iterator<Item = &'l Entry> + 'l {
        let shift = host.zip(self.ahead).map(|(host, nginx)| host - nginx);
        let shifted = shift.filter(|shift| *shift != 0).zip(nginx_log::seconds(since));
        self.entries.iter().filter(move |entry| match shifted {
            Some((shift, since)) => {
                nginx_log::seconds(&entry.time).is_some_and(|time| time + shift > since)
            }
            None => entry.time.as_str() > since,
        })
    }
}

/// Reads the logs that the configuration names. `incomplete` says why that was not read whole.
pub fn read(
    sources: &Sources,
    model: &Known<Model>,
    incomplete: Option<&Why>,
    request: &Request,
) -> Known<ErrorLog> {
    if matches!(request.scope, Scope::Files(_)) {
        return Known::Unknown(super::Why::not_live());
    }
    let model = match model.get() {
        Ok(model) => model,
        Err(why) => return Known::Unknown(why),
    };
    let mut log = ErrorLog { incomplete: incomplete.cloned(), ..ErrorLog::default() };
    let mut paths: Vec<PathBuf> = Vec::new();
    let mut main = false;
    for directive in model.config.named("error_log") {
        main |= directive.parent().is_none();
        let Some(word) = directive.argument(0) else { continue };
        let target = word.text();
        let level = directive.argument(1);
        let level = level.as_ref().map(|level| level.text());
        if matches!(level.as_deref(), Some("crit" | "alert" | "emerg")) {
            log.incomplete.get_or_insert(Why::not_read("an error_log of nginx leaves errors out"));
        }
        if target.starts_with('/') {
            if !paths.iter().any(|path| path == Path::new(target.as_ref())) {
                paths.push(target.as_ref().into());
            }
        } else {
            log.incomplete.get_or_insert(Why::not_read(format!(
                "nginx logs to {}, which is not read",
                crate::source::show::line(target.split(':').next().unwrap_or_default())
            )));
        }
    }
    if !main && !paths.iter().any(|path| path == Path::new(DEFAULT)) {
        paths.push(DEFAULT.into());
    }
    let mut last: Option<i64> = None;
    for path in paths {
        if path == Path::new("/dev/null") {
            log.incomplete.get_or_insert(Why::not_read("nginx logs errors to /dev/null"));
            continue;
        }
        match sources.host().read_tail(&path, TAIL) {
            Ok(bytes) => {
                log.entries.extend(nginx_log::parse(&bytes));
                // The file changed last when its newest line was written.
                let changed = sources.host().look(&path).metadata().map(|metadata| metadata.mtime);
                let newest = nginx_log::newest(&bytes).zip(changed);
                if let Some((time, moment)) = newest
                    && last.is_none_or(|last| last < moment)
                {
                    last = Some(moment);
                    log.ahead = nginx_log::ahead_of_utc(&time, moment);
                }
            }
            // A server's log comes into being at the first line.
            Err(error) if error.kind == HostErrorKind::NotFound => continue,
            Err(error) => {
                log.incomplete.get_or_insert(Why::not_read(error.to_string()));
                continue;
            }
        }
        log.files.push(path);
    }
    log.entries.sort_by(|a, b| a.time.cmp(&b.time));
    let origin = log.files.first().cloned().unwrap_or_else(|| DEFAULT.into());
    Known::Value(log, Origin::Path(origin))
}
