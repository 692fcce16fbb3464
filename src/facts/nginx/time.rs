//! Times that nginx's configuration sets.

use std::time::Duration;

use super::{BlockPlace, Nginx};
use crate::facts::Why;
use crate::source::Span;
use crate::source::nginx::parse_time;

impl Nginx {
    /// The time that a directive sets at a place, and the line that does; nothing where none does.
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
}
