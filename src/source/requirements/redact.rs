//! Removes credentials from a requirements line before it may be shown.

/// The text without what a URL may reveal: each keeps only its scheme, its host and the last part
/// of its path (a token may be in the user part, the path or the query), and a `${TOKEN}` is
/// replaced.
pub fn redact(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = (&rest[..at], &rest[at + 3..]);
        let end = after.find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '>'));
        let (url, next) = after.split_at(end.unwrap_or(after.len()));
        shown.push_str(before);
        shown.push_str("://");
        shown.push_str(&without_secrets(url));
        rest = next;
    }
    shown.push_str(rest);
    without_variables(&scp_like(&shown))
}

fn without_secrets(url: &str) -> String {
    let plain = url.split(['?', '#']).next().unwrap_or(url);
    // A user part may contain an unescaped `/`, so the user part ends at the last `@` before a
    // revision.
    let (authority, path) = match plain.split_once('/') {
        Some((authority, path)) => (authority, Some(path)),
        None => (plain, None),
    };
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let Some(path) = path else { return host.to_owned() };
    let path = path.trim_end_matches('/');
    let last = path.rsplit('/').next().unwrap_or(path);
    // Only the name of a file or repository is shown, so `token@host` in the path is not.
    let known = [".whl", ".zip", ".tar.gz", ".tgz", ".git"].iter().any(|e| last.contains(e));
    match (known && !last.contains(':'), path.is_empty()) {
        (true, _) => format!("{host}/…/{}", last.split('@').next().unwrap_or(last)),
        (false, true) => format!("{host}/"),
        (false, false) => format!("{host}/…"),
    }
}

/// Hides `user:password@host` without a scheme.
fn scp_like(text: &str) -> String {
    text.split_inclusive(' ')
        .map(|word| match word.split_once('@') {
            Some((user, rest)) if user.contains(':') && !user.contains("://") => {
                format!("…@{rest}")
            }
            _ => word.to_owned(),
        })
        .collect()
}

fn without_variables(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        shown.push_str(&rest[..at]);
        match rest[at..].find('}') {
            Some(end) => {
                shown.push_str("${…}");
                rest = &rest[at + end + 1..];
            }
            None => {
                shown.push('…');
                rest = "";
            }
        }
    }
    shown.push_str(rest);
    shown
}
