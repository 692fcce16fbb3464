//! How a value must be written at a position so that it is read back unchanged: which characters
//! are escaped, and what cannot be written there. Only whole values are inserted, so open quotes at
//! the position do not matter.

use crate::facts::Spelling;
use crate::facts::written::{Quote, Syntax, is_plain};

/// The value as it must be written at this place.
pub(super) fn spelt(value: &str, at: &Spelling) -> Result<String, String> {
    // gunicorn and systemd remove such spaces in some places.
    if value.trim() != value {
        return Err("the value begins or ends with a space".to_owned());
    }
    let mut text = escaped(value, at.syntax, at.quote)?;
    if let Some(outer) = at.within {
        text = escaped(&text, outer.syntax, outer.quote)?;
    }
    Ok(text)
}

/// A text with systemd's specifiers, which systemd will expand.
pub(super) fn spelt_in_unit(text: &str, at: &Spelling) -> Result<String, String> {
    match at.syntax {
        Syntax::Exec | Syntax::Assignment if at.within.is_none() => {
            specified(text).map(str::to_owned)
        }
        _ => Err("systemd does not read specifiers there".to_owned()),
    }
}

/// Returns a text that is read back unchanged wherever it is written.
pub(super) fn literal(text: &str) -> Result<&str, String> {
    match is_plain(text) {
        true => Ok(text),
        false => Err("the value would have to be quoted there".to_owned()),
    }
}

/// Like [`literal`], but the text may contain systemd's specifiers.
pub(super) fn specified(text: &str) -> Result<&str, String> {
    literal(&text.replace('%', "")).map(|_| text)
}

fn escaped(value: &str, syntax: Syntax, quote: Option<Quote>) -> Result<String, String> {
    if is_plain(value) || (value.is_empty() && quote.is_some()) {
        return match (syntax, quote) {
            (Syntax::Python, None) => Err("the value is not text there".to_owned()),
            _ => Ok(value.to_owned()),
        };
    }
    if value.contains(['\n', '\r', '\0']) {
        return Err("the value has more than one line".to_owned());
    }
    let cannot = |what: &str| {
        Err(format!(
            "the value contains {what}, which cannot be written \
         there"
        ))
    };
    // The characters that are doubled, and those that get a backslash.
    let (doubled, slashed): (&str, &str) = match (syntax, quote) {
        (Syntax::Exec, Some(Quote::Double)) => ("%$", "\\\""),
        (Syntax::Exec, Some(Quote::Single)) => ("%$", "\\'"),
        (Syntax::Exec, None) => ("%$", "\\\"'"),
        (Syntax::Assignment, Some(Quote::Double)) => ("%", "\\\""),
        (Syntax::Assignment, Some(Quote::Single)) => ("%", "\\'"),
        (Syntax::Assignment, None) => ("%", "\\\"'"),
        (Syntax::EnvironmentFile, Some(Quote::Double)) => ("", "\\\"`$"),
        (Syntax::EnvironmentFile, None) => ("", "\\\"'"),
        (Syntax::Words, Some(Quote::Double)) => ("", "\\\""),
        (Syntax::Words, None) => ("", "\\\"' \t"),
        (Syntax::EnvironmentFile | Syntax::Words, Some(Quote::Single)) => ("", ""),
        (Syntax::Python, Some(_)) => ("", "\\"),
        // Variables such as `$host` stay, so that nginx expands them.
        (Syntax::Nginx, Some(_)) if at_rest(value) => ("", ""),
        (Syntax::Python | Syntax::Shell | Syntax::Nginx, _) => {
            return Err("the value would have to be quoted there".to_owned());
        }
    };
    let single = matches!(syntax, Syntax::EnvironmentFile | Syntax::Words | Syntax::Python);
    if single && quote == Some(Quote::Single) && value.contains('\'') {
        return cannot("a single quote");
    }
    if syntax == Syntax::Python && value.contains(['"', '{', '}']) {
        return cannot("a quote or a brace");
    }
    let cut = !matches!(syntax, Syntax::Words | Syntax::EnvironmentFile);
    let blanks = value.contains([' ', '\t']) && cut;
    if quote.is_none() && (value.is_empty() || blanks) {
        return cannot("spaces or nothing");
    }
    let mut out = String::with_capacity(value.len() + 8);
    for character in value.chars() {
        if doubled.contains(character) {
            out.push(character);
        } else if slashed.contains(character) {
            out.push('\\');
        }
        out.push(character);
    }
    Ok(out)
}

fn at_rest(value: &str) -> bool {
    !value.contains(['"', '\'', '\\'])
}
