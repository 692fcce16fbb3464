//! Which parts of a file's text look like secrets and so must not be shown, whatever the file.
//!
//! The readers of environment files and units hide values that they understand; this is the net
//! below them for what no reader understands: a malformed line, a comment, a word of a shell's
//! command, a header of nginx, a string in Python. It errs on the side of hiding.

use std::ops::Range;
use std::path::Path;
use std::sync::OnceLock;

use regex::bytes::{Captures, Regex};

/// A name that speaks of a secret.
const SECRETIVE: &str = r"(?:secret|passw(?:or)?d|passphrase|token|api[_-]?key|private[_-]?key|access[_-]?key|credential|authorization|auth[_-]?key|dsn)";

struct Patterns {
    /// A unit's line that sets variables, with its continuations, commented out or misspelt too.
    environment_line: Regex,
    /// A unit's line that runs a command, with its continuations.
    exec_line: Regex,
    /// A word that sets a variable: what stands before it, its quote, its value.
    assignment: Regex,
    /// The same where only `env`, `--env` or `-e` tell that it is one.
    env_word: Regex,
    /// A list of assignments in gunicorn's configuration.
    raw_env: Regex,
    /// A string in quotes that belongs to a secretive name.
    quoted: Regex,
    /// A word without quotes that belongs to a secretive name.
    plain: Regex,
    /// A header or variable of nginx with a secretive name.
    nginx: Regex,
    /// A comparison with a secretive variable of nginx.
    nginx_if: Regex,
}

fn patterns() -> &'static Patterns {
    static PATTERNS: OnceLock<Patterns> = OnceLock::new();
    PATTERNS.get_or_init(|| {
        #[allow(clippy::expect_used)]
        let compile = |text: &str| Regex::new(text).expect("a constant pattern");
        let continued = r"(?:[^\n]*\\\r?\n)*[^\n]*";
        Patterns {
            environment_line: compile(&format!(
                r"(?im)^[ \t]*[#;]*[ \t]*(?:pass|unset)?env[a-z]*[ \t]*=({continued})$"
            )),
            exec_line: compile(&format!(r"(?im)^[ \t]*[#;]*[ \t]*exec[a-z]*[ \t]*=({continued})$")),
            assignment: compile(
                r#"(?:^|[\s;&|"'(])(?:-e|--env=)?["']?([A-Za-z_][A-Za-z0-9_]*)=([^\s]*)"#,
            ),
            env_word: compile(r#"(?:\benv[ \t]+|--env[ =]|-e[ \t]*)(["']?[A-Za-z_]\w*=\S*(?:[ \t]+["']?[A-Za-z_]\w*=\S*)*)"#),
            raw_env: compile(r"(?ms)^[ \t]*raw_env\b[^=\n]*=(.*?)(?:[\])]|\z)"),
            quoted: compile(&format!(
                r#"(?i){SECRETIVE}[\w-]*["']?[ \t]*[\])]?[ \t]*(?:[:=,]|\bor\b)[ \t]*[bru]*(?:"([^"\n]*)|'([^'\n]*))"#
            )),
            plain: compile(&format!(
                r#"(?i){SECRETIVE}[\w-]*[ \t]*[:=][ \t]*([^\s"'$,;)(]+)"#
            )),
            nginx: compile(&format!(
                r#"(?i)\b(?:\w+_header|\w+_param|set|secure_link\w*)[ \t]+["']?[$\w-]*(?:{SECRETIVE}|cookie|auth|key|session)[\w-]*["']?[ \t]+([^;\n]*)"#
            )),
            nginx_if: compile(&format!(
                r#"(?i)\$\w*(?:{SECRETIVE}|key|auth)\w*[ \t]*!?[=~]\*?[ \t]*([^){{\n]*)"#
            )),
        }
    })
}

/// The ranges of a file's text that must not be shown, in no order.
pub fn ranges(path: &Path, bytes: &[u8]) -> Vec<Range<usize>> {
    let patterns = patterns();
    let mut found = Vec::new();
    let python = path.extension().is_some_and(|extension| extension == "py");
    let requirements = path.extension().is_some_and(|extension| extension == "txt");
    if python {
        for list in patterns.raw_env.captures_iter(bytes) {
            if let Some(list) = list.get(1) {
                strings(bytes, list.range(), &mut found);
            }
        }
    } else if !requirements {
        for line in patterns.environment_line.captures_iter(bytes) {
            if let Some(line) = line.get(1)
                && !is_path(line.as_bytes())
            {
                environment(bytes, line.range(), &mut found);
            }
        }
        for line in patterns.exec_line.captures_iter(bytes) {
            if let Some(line) = line.get(1) {
                command(bytes, line.range(), &mut found);
            }
        }
        add(&patterns.nginx, bytes, &mut found, |value| !is_variable(value));
        add(&patterns.nginx_if, bytes, &mut found, |value| !is_variable(value));
    }
    named(bytes, python, &mut found);
    found
}

/// The ranges of a message that must not be shown, in no order.
pub fn ranges_of_message(bytes: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let patterns = patterns();
    for words in patterns.env_word.captures_iter(bytes) {
        if let Some(words) = words.get(1) {
            environment(bytes, words.range(), &mut found);
        }
    }
    // `NAME=…` is what a person is told to write.
    found.retain(|range| !bytes[range.clone()].starts_with("…".as_bytes()));
    found
}

fn named(bytes: &[u8], python: bool, found: &mut Vec<Range<usize>>) {
    for strings in patterns().quoted.captures_iter(bytes) {
        found.extend(strings.get(1).or(strings.get(2)).map(|value| value.range()));
    }
    if !python {
        add(&patterns().plain, bytes, found, |_| true);
    }
}

fn add(pattern: &Regex, bytes: &[u8], found: &mut Vec<Range<usize>>, keep: impl Fn(&[u8]) -> bool) {
    for captures in pattern.captures_iter(bytes) {
        if let Some(value) = captures.get(1)
            && keep(value.as_bytes())
        {
            found.push(value.range());
        }
    }
}

/// Is it what `EnvironmentFile=` takes, a path and no assignment?
fn is_path(value: &[u8]) -> bool {
    let value = value.trim_ascii();
    value.strip_prefix(b"-").unwrap_or(value).starts_with(b"/")
        && !value.iter().any(|b| *b == b'=' || b.is_ascii_whitespace())
}

/// Is it one variable and nothing else: `$http_authorization`?
fn is_variable(value: &[u8]) -> bool {
    let name = value.trim_ascii().strip_prefix(b"$").unwrap_or_default();
    !name.is_empty()
        && name.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'{' | b'}'))
}

/// In a line of assignments everything is hidden but the names.
fn environment(bytes: &[u8], line: Range<usize>, found: &mut Vec<Range<usize>>) {
    let mut at = line.start;
    for word in bytes[line.clone()].split(u8::is_ascii_whitespace) {
        let bare = word.iter().take_while(|b| matches!(b, b'"' | b'\'')).count();
        let name =
            word[bare..].iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count();
        let shown = match word.get(bare + name) {
            Some(b'=') if name > 0 => bare + name + 1,
            _ => 0,
        };
        // A lone backslash joins two lines.
        if word != b"\\" && shown < word.len() {
            found.push(at + shown..at + word.len());
        }
        at += word.len() + 1;
    }
}

/// In a command the values of words that set a variable are hidden.
fn command(bytes: &[u8], line: Range<usize>, found: &mut Vec<Range<usize>>) {
    let text = &bytes[line.clone()];
    let mut at = 0;
    while let Some(captures) = patterns().assignment.captures_at(text, at) {
        let (Some(whole), Some(value)) = (captures.get(0), captures.get(2)) else { break };
        let end = end_of_value(text, &captures);
        found.push(line.start + value.start()..line.start + end);
        at = end.max(whole.start() + 1);
    }
}

/// A value in quotes ends at the quote, any other at white space.
fn end_of_value(text: &[u8], captures: &Captures<'_>) -> usize {
    let (Some(name), Some(value)) = (captures.get(1), captures.get(2)) else { return text.len() };
    let quote = |byte: &u8| matches!(byte, b'"' | b'\'').then_some(*byte);
    let until = |quote: u8, from: usize| {
        text[from..].iter().position(|b| *b == quote).map_or(text.len(), |at| from + at)
    };
    if let Some(own) = value.as_bytes().first().and_then(quote) {
        return until(own, value.start() + 1);
    }
    let before = name.start().checked_sub(1).and_then(|at| text.get(at)).and_then(quote);
    let shell = text[..name.start()].trim_ascii_end();
    let shell = shell.get(..shell.len().saturating_sub(1)).unwrap_or_default().trim_ascii_end();
    match before {
        // `sh -c 'A=x gunicorn'`: the quote goes round a whole command.
        Some(quote) if !shell.ends_with(b"c") => until(quote, value.start()),
        _ => value.end(),
    }
}

/// In a list of strings everything is hidden but the names in them.
fn strings(bytes: &[u8], list: Range<usize>, found: &mut Vec<Range<usize>>) {
    let text = &bytes[list.clone()];
    let mut at = 0;
    while let Some(open) = text[at..].iter().position(|b| matches!(b, b'"' | b'\'')) {
        let start = at + open + 1;
        let quote = text[start - 1];
        let end = text[start..].iter().position(|b| *b == quote).map_or(text.len(), |n| start + n);
        let equals = text[start..end].iter().position(|b| *b == b'=').map_or(0, |n| n + 1);
        found.push(list.start + start + equals..list.start + end);
        at = (end + 1).min(text.len());
    }
}
