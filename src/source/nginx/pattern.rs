//! Regular expressions whose syntax PCRE refuses: brackets that are never closed, quantifiers with
//! nothing to repeat. Nothing else in a pattern is checked.

use super::config::{Config, WordRef};
use super::fault::{Fault, FaultKind};
use super::location_kind::LocationKind;
use super::model::Model;
use super::server::ServerNameKind;
use crate::source::Span;

pub(super) fn check(model: &Model, faults: &mut Vec<Fault>) {
    let mut judge = |pattern: &str, span: Span| {
        if let Some(why) = refused(pattern) {
            let message = format!("invalid regular expression \"{pattern}\": {why}");
            faults.push(Fault::new(FaultKind::InvalidRegex, span, message));
        }
    };
    for location in model.locations.iter().filter(|location| !location.unknown) {
        if matches!(location.kind, LocationKind::Regex { .. }) {
            judge(&location.pattern.value, location.pattern.span);
        }
    }
    let names = model.servers.iter().flat_map(|server| &server.names);
    for name in names.filter(|name| name.kind == ServerNameKind::Regex) {
        judge(&name.text, name.span);
    }
    for word in in_rewrites(&model.config) {
        judge(&word.text(), word.span());
    }
}

/// The patterns of `rewrite`.
fn in_rewrites(config: &Config) -> impl Iterator<Item = WordRef<'_>> {
    let patterns = config.named("rewrite").filter_map(|rewrite| rewrite.argument(0));
    patterns.filter(|word| !word.has_placeholder())
}

/// Why PCRE refuses a pattern; `None` if its form is sound, or if options in it change how it is
/// read.
fn refused(pattern: &str) -> Option<&'static str> {
    let bytes = pattern.as_bytes();
    // Verbs and comments are not judged. Options after `(?` may change the meaning of spaces and
    // `#`.
    if pattern.contains("(*")
        || pattern.contains("(?#")
        || pattern.contains("\\Q")
        || extended(bytes)
    {
        return None;
    }
    let mut open = 0usize;
    // Whether there is something before this place that a quantifier could repeat.
    let mut item = false;
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'\\' => {
                bytes.get(at)?;
                at += 1;
                item = true;
            }
            b'[' => {
                let Some(end) = class_end(bytes, at) else {
                    return Some("a bracket [ does not close");
                };
                at = end;
                item = true;
            }
            b'(' => {
                open += 1;
                item = false;
                if bytes.get(at) == Some(&b'?') {
                    at += 1 + usize::from(bytes.get(at + 1) == Some(&b':'));
                }
            }
            b')' => {
                let Some(left) = open.checked_sub(1) else {
                    return Some("a parenthesis ) was never opened");
                };
                open = left;
                item = true;
            }
            b'|' => item = false,
            b'*' | b'+' | b'?' if !item => return Some("there is nothing to repeat"),
            b'*' | b'+' | b'?' => {
                // A second `?` or `+` makes the quantifier lazy or possessive; `**` is refused.
                if matches!(bytes.get(at), Some(b'?' | b'+')) {
                    at += 1;
                }
                item = false;
            }
            _ => item = true,
        }
    }
    (open > 0).then_some("a parenthesis ( does not close")
}

/// The offset at which the class that was opened before `at` ends.
fn class_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    at += usize::from(bytes.get(at) == Some(&b'^'));
    // A bracket at the very start is a member of the class.
    at += usize::from(bytes.get(at) == Some(&b']'));
    loop {
        match bytes.get(at)? {
            b']' => return Some(at + 1),
            b'\\' => at += 2,
            b'[' if bytes.get(at + 1) == Some(&b':') => {
                let rest = bytes.get(at + 2..)?;
                let name =
                    rest.iter().take_while(|b| b.is_ascii_alphabetic() || **b == b'^').count();
                at += if rest.get(name..)?.starts_with(b":]") { name + 4 } else { 1 };
            }
            _ => at += 1,
        }
    }
}

/// Whether an `x` option makes PCRE ignore spaces and comments in the pattern.
fn extended(bytes: &[u8]) -> bool {
    bytes.windows(2).enumerate().filter(|(_, pair)| *pair == b"(?").any(|(at, _)| {
        let options = bytes.get(at + 2..).unwrap_or_default();
        options.iter().take_while(|b| b.is_ascii_alphabetic() || **b == b'-').any(|b| *b == b'x')
    })
}

#[cfg(test)]
mod tests {
    use super::refused;

    #[test]
    fn only_what_pcre_refuses_is_refused() {
        for sound in [
            r"\.php$",
            r"^/(a|b)/",
            r"^/a{2}",
            "{2}",
            "[]a]",
            "[^]a]",
            r"[\]]",
            "[[:alpha:]_]+",
            "(?:a|b)*?",
            "(?<year>[0-9]{4})",
            "(?i)x",
            "a++",
            "()",
            "a|",
            "(?=x)",
            r"\(",
            "^*",
            "[[]",
            "(?x)a #(",
            "[a[:b]",
        ] {
            assert_eq!(refused(sound), None, "{sound}");
        }
        for broken in ["*.php", "(a", "a)", "[a", "a**", "a|+b", "(*x", "(?:*a)", "[]", r"a\"] {
            let verb = broken.contains("(*") || broken.ends_with('\\');
            assert_eq!(refused(broken).is_some(), !verb, "{broken}");
        }
    }
}
