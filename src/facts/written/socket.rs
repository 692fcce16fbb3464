//! Where the path of a socket is written: in gunicorn's settings or the `.socket` unit, in other
//! lines of the unit, in nginx.

use std::collections::HashSet;
use std::path::Path;

use super::nginx;
use super::spelling::{Spelling, part};
use crate::facts::{App, Bound, Endpoint, Why};
use crate::source::Span;
use crate::source::nginx::Address;
use crate::source::unit::Assignment;

impl App {
    /// Every place that names the path of a unix socket, gunicorn's own first: what has to change
    /// together. Each is written as the path is there.
    pub fn socket_sites(&self, bound: &Bound) -> Result<Vec<Spelling>, Why> {
        let endpoint = &bound.endpoint;
        let unclear = || {
            Why::not_understood(format!("not everything that names {endpoint} is its plain path"))
        };
        let at = bound.origin.span().ok_or_else(unclear)?;
        let own = match bound.activated {
            true => self.listens(at, endpoint),
            false => self.sources_of(at).into_iter().find_map(|at| self.socket_in(at, endpoint)),
        };
        let own = own.ok_or_else(unclear)?;
        let path = self.written(own).and_then(|text| std::str::from_utf8(text).ok());
        let mut places = vec![own];
        places.extend(self.mentions(path.ok_or_else(unclear)?, own));
        let mut sites = Vec::new();
        for at in places {
            sites.push(self.with_writings(|writings| writings.spelling(at))?);
        }
        for peer in self.peers(endpoint)? {
            let at = self.socket_in(peer, endpoint).ok_or_else(unclear)?;
            let word = self.written(peer).ok_or_else(unclear)?;
            sites.push(nginx::part_of(peer, word, at));
        }
        Ok(sites)
    }

    /// The path in `ListenStream=`.
    fn listens(&self, at: Span, endpoint: &Endpoint) -> Option<Span> {
        let files = self.service.sockets.iter().flat_map(|unit| unit.files());
        let lines = files.flat_map(|file| &file.assignments);
        let mut lines = lines.filter(|line| line.is("Socket", "ListenStream"));
        let line = lines.find(|line| {
            line.span.file == at.file && line.span.start <= at.start && at.end <= line.span.end
        })?;
        let same = Endpoint::unix(Path::new(line.value.as_str())) == *endpoint;
        same.then(|| line.value.span())
    }

    /// The path of a socket in text that names it once: `unix:/run/x.sock`,
    /// `"unix:/run/x.sock:/"`.
    fn socket_in(&self, at: Span, endpoint: &Endpoint) -> Option<Span> {
        let Endpoint::Unix(path) = endpoint else { return None };
        let text = std::str::from_utf8(self.written(at)?).ok()?;
        let mut found = text.match_indices("unix:").filter_map(|(start, prefix)| {
            let start = start + prefix.len();
            let rest = text.get(start..)?;
            // gunicorn takes `unix://` for `unix:`.
            let start = if rest.starts_with("//") { start + 2 } else { start };
            let rest = text.get(start..)?;
            let ends =
                |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ',' | ':' | ';' | ']');
            let written = rest.get(..rest.find(ends).unwrap_or(rest.len()))?;
            let named = Path::new(written);
            let same = match named.is_absolute() {
                true => Endpoint::unix(named) == *endpoint,
                false => !written.is_empty() && path.ends_with(named),
            };
            same.then_some(start..start + written.len())
        });
        let own = found.next()?;
        found.next().is_none().then(|| part(at, own))
    }

    /// Where else the unit's own settings name the path: `ExecStartPost=chmod …`.
    fn mentions(&self, path: &str, own: Span) -> Vec<Span> {
        let mut found = Vec::new();
        let unit = &self.service.unit;
        let settings = unit.files().flat_map(|file| &file.assignments);
        // What a later line takes back does not matter.
        let commands = ["ExecStartPre", "ExecStart", "ExecStartPost", "ExecReload", "ExecStop"];
        let commands = commands.iter().flat_map(|key| unit.list("Service", key));
        let commands: HashSet<Span> = commands.map(|line| line.span).collect();
        let holds = |line: &&Assignment| {
            !line.key.value.starts_with("Exec") || commands.contains(&line.span)
        };
        for Assignment { span, .. } in settings.filter(holds) {
            let text = String::from_utf8_lossy(self.written(*span).unwrap_or_default());
            for (start, _) in text.match_indices(path) {
                let goes_on = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
                let end = start + path.len();
                let before = text.get(..start).unwrap_or_default().ends_with(goes_on);
                let after = text.get(end..).unwrap_or_default().starts_with(goes_on);
                let at = part(*span, start..end);
                if !before && !after && at != own {
                    found.push(at);
                }
            }
        }
        found
    }

    /// Every word of nginx that leads to the socket, whoever uses it. None where nginx was not read
    /// as far as such a word can be.
    fn peers(&self, endpoint: &Endpoint) -> Result<Vec<Span>, Why> {
        let nginx = &self.nginx;
        nginx.all_passes()?;
        let model = nginx.all_upstreams()?;
        let passed = nginx.destinations.iter().flat_map(|destination| destination.peers.iter());
        let passed = passed.filter(|peer| peer.endpoint == *endpoint).map(|peer| peer.span);
        let grouped = model.upstreams.iter().flat_map(|group| group.peers.iter()).filter(|peer| {
            matches!(&peer.address, Some(Address::Unix(path)) if Endpoint::unix(path) == *endpoint)
        });
        let mut found: Vec<Span> = passed.chain(grouped.map(|peer| peer.word)).collect();
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    /// The places from which a value was made, beginning with the one that names it: itself, and
    /// those of the variables in it.
    fn sources_of(&self, at: Span) -> Vec<Span> {
        let at = self.value_written(at);
        let mut found = vec![at];
        let text = String::from_utf8_lossy(self.written(at).unwrap_or_default());
        for (dollar, _) in text.match_indices('$').take(16) {
            let rest = text.get(dollar + 1..).unwrap_or_default().trim_start_matches('{');
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            let name = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
            let variable = self.environment.variables.get(name);
            found.extend(variable.and_then(|v| v.span).map(|span| self.value_written(span)));
        }
        found
    }

    /// Where a variable's value is written, for the place of its name; other places as they are.
    fn value_written(&self, name: Span) -> Span {
        let mut lines = self.environment.read_files().flat_map(|file| &file.content.assignments);
        if let Some(line) = lines.find(|line| line.name.span == name) {
            return line.value_span;
        }
        let mut settings = self.service.unit.files().flat_map(|file| &file.assignments);
        let around = settings.find(|setting| {
            setting.is("Service", "Environment")
                && setting.span.file == name.file
                && (setting.span.start..setting.span.end).contains(&name.start)
        });
        around.map_or(name, |setting| Span { start: name.end, end: setting.span.end, ..name })
    }
}
