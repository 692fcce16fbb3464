//! Changes gunicorn's settings, in whichever layer they are set.

use super::spell::{literal, specified, spelt, spelt_in_unit};
use super::text::{Splice, without_part, without_word};
use crate::facts::gunicorn::Layer;
use crate::facts::{Side, Site, Spelling};
use crate::rule::Value;
use crate::source::Span;

/// The splice that gives the setting this value.
pub(super) fn changed(bytes: &[u8], name: &str, to: &Value, at: &Site) -> Result<Splice, String> {
    match at {
        Site::Made { layer, whole, value } => match (to, layer) {
            (Value::Unset | Value::Off, Layer::CommandLine) => {
                Ok(without_word(bytes, range(whole)))
            }
            (Value::Unset | Value::Off, Layer::CmdArgs) => {
                let within = value.within.map_or(*whole, |within| within.span);
                Ok(without_part(bytes, range(whole), range(&within)))
            }
            (Value::Unset, _) => Err(format!("{name} is set by more than an argument")),
            // Removing the line might leave an `if` without a body.
            (Value::Off, _) => Ok(Splice::new(range(whole), "False")),
            _ => Ok(Splice::new(range(&value.span), text(to, value)?)),
        },
        Site::Free { word, side, flag } => {
            let value = match to {
                Value::Number(number) => number.to_string(),
                Value::Text(text) => literal(text)?.to_owned(),
                Value::OfUnit(text) => specified(text)?.to_owned(),
                Value::Off | Value::Unset => return Err(format!("nothing sets {name}")),
            };
            let (start, end) = (word.start as usize, word.end as usize);
            Ok(match side {
                Side::Before => Splice::new(start..start, format!("{flag} {value} ")),
                Side::Behind => Splice::new(end..end, format!(" {flag} {value}")),
            })
        }
    }
}

fn text(to: &Value, at: &Spelling) -> Result<String, String> {
    match to {
        Value::Number(number) => Ok(number.to_string()),
        Value::Off | Value::Unset => Err("a switch has no value".to_owned()),
        Value::Text(text) => spelt(text, at),
        Value::OfUnit(text) => spelt_in_unit(text, at),
    }
}

fn range(span: &Span) -> std::ops::Range<usize> {
    span.start as usize..span.end as usize
}
