//! Times and sizes that nginx's configuration sets.

use std::time::Duration;

use super::{BlockPlace, Nginx, Upstream};
use crate::facts::Why;
use crate::source::Span;
use crate::source::nginx::{parse_size, parse_time};

impl Nginx {
    /// The time that a directive sets at a place, and the line that does; `None` if none does.
    pub fn time(&self, place: BlockPlace, name: &str) -> Result<Option<(Duration, Span)>, Why> {
        let model = self.model.get()?;
        let set = model.effective(place, name);
        if set.incomplete {
            return Err(Why::not_read(format!("an include that may set {name} was not read")));
        }
        let Some(line) = set.last().and_then(|id| model.config.get(id)) else { return Ok(None) };
        let value = line.argument(0).filter(|word| !word.has_placeholder());
        match value.and_then(|word| parse_time(&word.value())) {
            Some(time) => Ok(Some((time, line.head_span()))),
            None => Err(Why::not_understood(format!("{name} is not a time"))),
        }
    }

    /// How long nginx keeps an idle connection to a group; 60 s unless it is set (D).
    pub fn idle_limit(&self, group: &Upstream) -> Result<Duration, Why> {
        const NAME: &str = "keepalive_timeout";
        let model = self.model.get()?;
        if !group.complete {
            return Err(Why::not_read(format!("an include that may set {NAME} was not read")));
        }
        let lines = model.named_in(Some(group.directive), NAME);
        let Some(line) = lines.last().and_then(|id| model.config.get(*id)) else {
            return Ok(Duration::from_secs(60));
        };
        let value = line.argument(0).filter(|word| !word.has_placeholder());
        value
            .and_then(|word| parse_time(&word.value()))
            .ok_or_else(|| Why::not_understood(format!("{NAME} is not a time")))
    }

    /// The largest request that nginx takes at a place, in bytes, 0 for any; 1 MiB unless it is set
    /// (D).
    pub fn request_limit(&self, place: BlockPlace) -> Result<(u64, Option<Span>), Why> {
        const NAME: &str = "client_max_body_size";
        let model = self.model.get()?;
        let set = model.effective(place, NAME);
        if set.incomplete {
            return Err(Why::not_read(format!("an include that may set {NAME} was not read")));
        }
        let Some(line) = set.last().and_then(|id| model.config.get(id)) else {
            return Ok((1 << 20, None));
        };
        let value = line.argument(0).filter(|word| !word.has_placeholder());
        match value.and_then(|word| parse_size(&word.value())) {
            Some(size) => Ok((size, Some(line.head_span()))),
            None => Err(Why::not_understood(format!("{NAME} is not a size"))),
        }
    }
}
