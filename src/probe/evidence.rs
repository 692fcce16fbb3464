//! What the first failure of each kind looked like, in a form that is safe to show.

use super::settings::Settings;
use crate::source::show;

/// The most characters that are shown.
const SHOWN: usize = 1000;
/// A shorter value of a header is not a secret, and masking it would black out half of the text.
const SHORTEST_SECRET: usize = 4;

/// A shorter value of a variable may be any word: `production`, `true`.
const SHORTEST_VALUE: usize = 8;

/// The first bytes of a body as text: without secrets, control characters and, in HTML, tags. A
/// debugging page repeats the headers that were sent, and shows the application's settings.
pub(super) fn body(bytes: &[u8], settings: &Settings) -> Option<String> {
    let mut text = String::from_utf8_lossy(bytes).into_owned();
    for value in &settings.hidden {
        let value = value.expose_str().unwrap_or_default();
        if value.len() >= SHORTEST_VALUE {
            text = text.replace(value, show::MASK);
        }
        if let Some(password) = password(value).filter(|word| word.len() >= SHORTEST_SECRET) {
            text = text.replace(password, show::MASK);
        }
    }
    for (_, value) in &settings.headers {
        let value = value.expose_str().unwrap_or_default().trim();
        // `Bearer TOKEN`: the token may also occur on its own.
        for secret in [value, value.rsplit(' ').next().unwrap_or_default()] {
            if secret.len() >= SHORTEST_SECRET {
                text = text.replace(secret, show::MASK);
            }
        }
    }
    let text = if text.trim_start().starts_with('<') { without_tags(&text) } else { text };
    let text = show::answer(&text);
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let cut = text.char_indices().nth(SHOWN).map_or(text.len(), |(at, _)| at);
    let shown = text.get(..cut).unwrap_or_default();
    (!shown.is_empty()).then(|| shown.to_owned())
}

/// The password in `scheme://user:password@host`.
fn password(url: &str) -> Option<&str> {
    let authority = url.split_once("://")?.1.split('/').next()?;
    authority.rsplit_once('@')?.0.split_once(':').map(|(_, password)| password)
}

/// The text that a person reads in HTML, roughly: styles, scripts and tags are left out.
fn without_tags(html: &str) -> String {
    let mut out = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(open) = rest.find('<') {
        let (before, tag) = rest.split_at(open);
        out.push_str(before);
        // In a table of settings, the next cell contains the value.
        let cell = ["</td", "</th", "</dt"].into_iter().any(|cell| {
            tag.get(..cell.len()).is_some_and(|start| start.eq_ignore_ascii_case(cell))
        });
        out.push_str(if cell { ": " } else { " " });
        let skipped = ["script", "style"].into_iter().find(|name| {
            let word = tag.get(1..=name.len()).unwrap_or_default();
            word.eq_ignore_ascii_case(name)
        });
        let end = match skipped {
            Some(name) => find_ignoring_case(tag, &format!("</{name}")),
            None => Some(0),
        };
        // A tag without an end was cut off.
        let Some(end) = end else { return out };
        let tag = tag.get(end..).unwrap_or_default();
        let Some(close) = tag.find('>') else { return out };
        rest = tag.get(close + 1..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

fn find_ignoring_case(text: &str, wanted: &str) -> Option<usize> {
    text.to_ascii_lowercase().find(wanted)
}

/// An error message that is safe to show.
pub(super) fn words(text: &str) -> String {
    show::line(text)
}
