//! Placeholders of templates: values that are not known yet, so that no rule may guess.

use std::ops::Range;
use std::path::Path;

/// Endings that a template, an example or a copy has after its name.
const TEMPLATE: [&str; 16] = [
    "j2", "jinja", "jinja2", "tmpl", "tpl", "template", "tt", "erb", "in", "example", "sample",
    "dist", "default", "orig", "tftpl", "mustache",
];

/// The first placeholder in a text: `{{ x }}`, `{% x %}`, `__X__` or `@X@`.
///
/// `${X}` is not among them, because units and nginx give it a meaning of their own. For a value in
/// which it has no such meaning, use [`find_with_dollar`].
pub fn find(text: &str) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    memchr::memchr3_iter(b'{', b'_', b'@', bytes).find_map(|at| {
        let rest = &bytes[at..];
        let length = match rest {
            [b'{', b'{' | b'%', ..] => closing(rest),
            [b'_', b'_', ..] if at == 0 || !is_name(bytes[at - 1]) => underscored(rest),
            [b'@', ..] if at == 0 || !is_name(bytes[at - 1]) => at_signed(rest),
            _ => None,
        }?;
        Some(at..at + length)
    })
}

/// Whether a text contains a placeholder, or the opening of one that is cut off (`{{`, `{%`, `{#`,
/// `<%`). For text from a template's line that may have been split into words.
pub fn holds(text: &str) -> bool {
    if memchr::memchr2(b'{', b'<', text.as_bytes()).is_none() {
        return find(text).is_some();
    }
    ["{{", "{%", "{#", "<%"].iter().any(|open| text.contains(open)) || find(text).is_some()
}

/// Whether a path contains a placeholder. No path in a unit is meant to contain a `$`, and
/// `<project_path>/src` is no real directory, so these count as placeholders too.
pub fn holds_in_path(text: &str) -> bool {
    let angled = text.find('<').zip(text.rfind('>')).is_some_and(|(from, to)| from < to);
    angled || holds(text) || find_with_dollar(text).is_some()
}

/// Like [`find`], but `${X}` and `$X` count too.
pub fn find_with_dollar(text: &str) -> Option<Range<usize>> {
    find(text).or_else(|| {
        let start = text.find('$')?;
        let rest = &text.as_bytes()[start + 1..];
        match rest.first()? {
            b'{' => text[start..].find('}').map(|end| start..start + end + 1),
            byte if byte.is_ascii_alphabetic() || *byte == b'_' => {
                let length = rest.iter().take_while(|b| is_name(**b)).count();
                Some(start..start + 1 + length)
            }
            _ => None,
        }
    })
}

/// A file's name without the endings of templates: `myapp.service` for `myapp.service.j2`.
pub fn plain_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut name: &str = &name;
    while let Some((stem, ending)) = name.rsplit_once('.')
        && !stem.is_empty()
        && TEMPLATE.contains(&ending.to_ascii_lowercase().as_str())
    {
        name = stem;
    }
    name.to_owned()
}

/// Whether the file's name is that of a template or an example, whose values are filled in
/// elsewhere.
pub fn is_template_name(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy() != plain_name(path).as_str())
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The longest placeholder in bytes. Without this bound, a text of unclosed braces would be
/// searched to its end from each of them.
const LONGEST: usize = 1024;

fn closing(rest: &[u8]) -> Option<usize> {
    let end: &[u8] = if rest[1] == b'{' { b"}}" } else { b"%}" };
    rest[..rest.len().min(LONGEST)].windows(2).position(|pair| pair == end).map(|at| at + 2)
}

/// Finds `__X__` in capitals, so that `__init__.py` does not count as a placeholder.
fn underscored(rest: &[u8]) -> Option<usize> {
    let length = rest.iter().take_while(|b| is_name(**b)).count();
    let inner = rest[..length].strip_prefix(b"__")?.strip_suffix(b"__")?;
    let capital = |b: &u8| b.is_ascii_uppercase() || b.is_ascii_digit() || *b == b'_';
    (inner.first().is_some_and(u8::is_ascii_uppercase) && inner.iter().all(capital))
        .then_some(length)
}

fn at_signed(rest: &[u8]) -> Option<usize> {
    let length = rest[1..].iter().take_while(|b| is_name(**b)).count();
    (length > 0 && rest.get(length + 1) == Some(&b'@')).then_some(length + 2)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{find, find_with_dollar, holds, holds_in_path, is_template_name, plain_name};

    #[test]
    fn a_template_bears_the_name_of_what_it_makes() {
        for (name, plain) in [
            ("app.service.j2", "app.service"),
            (".env.example", ".env"),
            ("deploy/app.env.sample.j2", "app.env"),
            ("nginx.conf.template", "nginx.conf"),
        ] {
            assert_eq!(plain_name(Path::new(name)), plain);
            assert!(is_template_name(Path::new(name)), "{name}");
        }
        for name in [".env", "app.service", "www.example.com", ".j2", "default"] {
            assert_eq!(plain_name(Path::new(name)), name);
            assert!(!is_template_name(Path::new(name)), "{name}");
        }
    }

    #[test]
    fn placeholders_are_found_and_names_are_not() {
        for text in
            ["{{ user }}", "a/{{x}}/b", "{% if x %}", "__USER__", "x/__APP_DIR__/y", "@USER@"]
        {
            assert!(find(text).is_some(), "{text}");
        }
        for text in
            ["__init__.py", "a@b.example", "app@1.service", "{x}", "$HOME", "user@host@", "%i"]
        {
            assert!(find(text).is_none(), "{text}");
        }
        assert_eq!(find_with_dollar("/srv/${APP}/x"), Some(5..11));
        assert_eq!(find_with_dollar("/srv/$APP/x"), Some(5..9));
        assert!(find_with_dollar("cost$").is_none());
    }

    #[test]
    fn what_is_cut_off_and_what_stands_for_a_path_counts_too() {
        for text in ["{{", "a {% if", "{# x", "<%= x %>", "{{ x }}/bin"] {
            assert!(holds(text), "{text}");
        }
        for text in ["${X}/app", "$X", "<path>/app", "@X@/app", "__X__"] {
            assert!(holds_in_path(text), "{text}");
        }
        for text in ["app/src", "~/app", "/srv/a>b<c", "/srv/app@1", "{x}"] {
            assert!(!holds_in_path(text), "{text}");
        }
    }
}
