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
    for path in paths {
        if path == Path::new("/dev/null") {
            log.incomplete.get_or_insert(Why::not_read("nginx logs errors to /dev/null"));
            continue;
        }
        match sources.host().read_tail(&path, TAIL) {
            Ok(bytes) => log.entries.extend(nginx_log::parse(&bytes)),
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
