//! The application as it is behind nginx: what it answers at its own sockets. A cache or an error page may answer in its place, and then the site looks well.

use std::time::Duration;

use crate::facts::App;
use crate::facts::probe::{parse, target};
use crate::host::{Host, HttpRequest, HttpTarget};

/// How often each socket is asked: one worker of several may answer well.
const TIMES: usize = 3;
/// How long a socket may take, however patient the probes are.
const LIMIT: Duration = Duration::from_secs(5);

/// Does nginx limit how often the application may be asked?
pub(super) fn limits_rate(app: &App) -> bool {
    let Ok(model) = app.nginx.model.get() else { return false };
    app.http_passes().any(|pass| !model.effective(pass.place(), "limit_req").directives.is_empty())
}

/// What the sockets are asked while the probes ask nginx.
#[derive(Debug, Default)]
pub(super) struct Behind {
    asked: Vec<(String, HttpRequest)>,
}

impl Behind {
    /// The requests of the probes, past nginx. Nothing for probes that ask a socket themselves.
    pub(super) fn new(app: &App, urls: &[String]) -> Self {
        let bounds = app.bounds().ok().map(Vec::as_slice).unwrap_or_default();
        let requests = urls.iter().filter_map(|url| parse(url).ok());
        let through_nginx = requests.filter(|request| {
            bounds.iter().all(|bound| target(&bound.endpoint) != request.target)
                && matches!(request.target, HttpTarget::Tcp { .. })
        });
        let asked = through_nginx.flat_map(|request| {
            bounds.iter().map(move |bound| {
                let limit = request.limit.min(LIMIT);
                let target = target(&bound.endpoint);
                let request = HttpRequest { target, tls: false, limit, ..request.clone() };
                (bound.endpoint.to_string(), request)
            })
        });
        Self { asked: asked.collect() }
    }

    /// Those that are answered well now: what was wrong before says nothing about a new release.
    pub(super) fn well(mut self, host: &dyn Host) -> Self {
        self.asked.retain(|(_, request)| fault(host, request).is_none());
        self
    }

    /// Do the sockets answer, so that what fails is in front of them?
    pub(super) fn is_well(&self, host: &dyn Host) -> bool {
        !self.asked.is_empty()
            && self.asked.iter().all(|(_, request)| fault(host, request).is_none())
    }

    /// The first socket that answers every request wrongly, and how.
    pub(super) fn fault(&self, host: &dyn Host) -> Option<String> {
        self.asked.iter().find_map(|(place, request)| {
            let faults: Vec<String> = (0..TIMES).map_while(|_| fault(host, request)).collect();
            let last = faults.last().filter(|_| faults.len() == TIMES)?;
            Some(format!("{place}: {last}, {TIMES} of {TIMES} times"))
        })
    }
}

/// What is wrong with an answer; `None` if there is nothing.
fn fault(host: &dyn Host, request: &HttpRequest) -> Option<String> {
    match host.http(request) {
        Ok(answer) if answer.status >= 500 => Some(format!("answered {}", answer.status)),
        Ok(_) => None,
        Err(error) => Some(error.to_string()),
    }
}
