//! The path of a request, hop by hop, with broken hops marked.

use crate::engine::Outcome;
use crate::facts::App;
use crate::rule::{Hop, Severity};

/// One hop as it is shown.
pub(super) struct ShownHop {
    pub hop: Hop,
    pub text: String,
    pub ok: bool,
}

/// The hops of an application, in order. A hop with an error is not ok, even if the error is a
/// known finding.
pub(super) fn hops(app: &App, outcome: &Outcome) -> Vec<ShownHop> {
    let path = app.path();
    let hops = [
        (Hop::Nginx, path.nginx),
        (Hop::Upstream, path.upstream),
        (Hop::Socket, path.socket),
        (Hop::Master, path.master),
        (Hop::Workers, path.workers),
        (Hop::Release, path.release),
    ];
    hops.into_iter()
        .filter_map(|(hop, text)| Some((hop, text?)))
        .map(|(hop, text)| {
            let broken = outcome.all().any(|reported| {
                let finding = &reported.finding;
                finding.rule.hop == hop
                    && finding.severity == Severity::Error
                    && finding.app.as_deref().is_none_or(|name| name == app.name)
            });
            ShownHop { hop, text, ok: !broken }
        })
        .collect()
}
