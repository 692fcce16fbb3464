//! Reads a `.env` file as python-dotenv does (its `parser.py`; the same from 0.10 on), as far as
//! its lines are plain.

/// What a `.env` file sets.
pub(super) struct Dotenv {
    /// The variables in order, each name once with its last value; `None` for a value that is not
    /// followed.
    pub variables: Vec<(String, Option<String>)>,
    /// Whether a line was not understood, so that there may be other variables.
    pub open: bool,
}

/// Reads a file's text.
pub(super) fn parse(text: &str) -> Dotenv {
    let mut found = Dotenv { variables: Vec::new(), open: false };
    for line in text.trim_start_matches('\u{feff}').lines() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = match line.strip_prefix("export") {
            Some(rest) if rest.starts_with([' ', '\t']) => rest.trim_start(),
            _ => line,
        };
        // A line without `=` sets nothing.
        let Some((name, value)) = line.split_once('=') else {
            found.open |= line.contains(['\'', '"']);
            continue;
        };
        let name = name.trim_end();
        if name.is_empty() || name.contains([' ', '\t', '#', '\'', '"']) {
            found.open = true;
            continue;
        }
        let value = match self::value(value.trim_start()) {
            Some(value) => value,
            // The quote continues on the next lines, so the lines after this one can no longer be
            // told apart.
            None => {
                found.variables.push((name.to_owned(), None));
                found.open = true;
                return found;
            }
        };
        found.variables.push((name.to_owned(), value));
    }
    // The last value of a name counts, and each name is set once.
    let mut last: Vec<(String, Option<String>)> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for (name, value) in found.variables.into_iter().rev() {
        if seen.insert(name.clone()) {
            last.push((name, value));
        }
    }
    last.reverse();
    Dotenv { variables: last, open: found.open }
}

/// A value; `Some(None)` if it is not followed, `None` if its quote is not closed on the line.
fn value(text: &str) -> Option<Option<String>> {
    let Some(quote) = text.chars().next().filter(|c| matches!(c, '\'' | '"')) else {
        // A comment begins with white space and `#`.
        let cut = text.char_indices().zip(text.chars().skip(1));
        let cut = cut.filter(|((_, a), b)| a.is_whitespace() && *b == '#').map(|((at, _), _)| at);
        let kept = cut.min().and_then(|at| text.get(..at)).unwrap_or(text).trim_end();
        let kept = if kept.starts_with('#') { return Some(None) } else { kept };
        return Some(plain(kept));
    };
    let inner = text.get(1..)?;
    if inner.contains('\\') {
        return inner.ends_with(quote).then_some(None);
    }
    let (value, rest) = inner.split_once(quote)?;
    let rest = rest.trim_start();
    Some(if rest.is_empty() || rest.starts_with('#') { plain(value) } else { None })
}

/// Returns the text if it contains no `${NAME}`, which python-dotenv replaces in every kind of
/// quotes.
fn plain(text: &str) -> Option<String> {
    (!text.contains("${")).then(|| text.to_owned())
}
