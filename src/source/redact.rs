//! Which parts of a file's text look like secrets and so must not be shown, whatever the file.
//!
//! The readers of environment files and units hide values that they understand; this is the net
//! below them for what no reader understands: a malformed line, a comment, a word of a shell's
//! command, a header of nginx, a string in Python. It errs on the side of hiding.

use std::ops::Range;
use std::path::Path;
use std::sync::OnceLock;

use regex::bytes::Regex;

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
        Patterns {
            environment_line: compile(
                r"(?im)^[ \t]*[#;]*[ \t]*(?:pass|unset)?env[a-z]*[ \t]*=",
            ),
            exec_line: compile(r"(?im)^[ \t]*[#;]*[ \t]*exec[a-z]*[ \t]*="),
            assignment: compile(
                r#"(?:^|[\s;&|"'(])(?:-e|--env=)?["']?[A-Za-z_][A-Za-z0-9_]*="#,
            ),
            env_word: compile(r"(?:\benv[ \t]+|--env[ =]|-e[ \t]*)"),
            raw_env: compile(r"(?m)^[ \t]*raw_env\b[^=\n]*="),
            quoted: compile(&format!(
                r#"(?i){SECRETIVE}[\w-]*["']?[ \t]*[\])]?[ \t]*(?:[:=,]|\bor\b)[ \t]*[bru]*["']"#
            )),
            plain: compile(&format!(r"(?i){SECRETIVE}[\w-]*[ \t]*[:=][ \t]*")),
            nginx: compile(&format!(
                r#"(?i)\b(?:\w+_header|\w+_param|set|secure_link\w*)[ \t]+["']?[$\w-]*(?:{SECRETIVE}|cookie|auth|key|session)[\w-]*["']?[ \t]+"#
            )),
            nginx_if: compile(&format!(
                r"(?i)\$\w*(?:{SECRETIVE}|key|auth)\w*[ \t]*!?[=~]\*?[ \t]*"
            )),
        }
    })
}

/// The ranges of a file's text that must not be shown, in no order.
///
/// The patterns find where a value starts; where it ends is looked for by hand, since a value may
/// be a mebibyte long.
pub fn ranges(path: &Path, bytes: &[u8]) -> Vec<Range<usize>> {
    let patterns = patterns();
    let mut found = Vec::new();
    let python = path.extension().is_some_and(|extension| extension == "py");
    let requirements = path.extension().is_some_and(|extension| extension == "txt");
    if python {
        for list in patterns.raw_env.find_iter(bytes) {
            let end = until(bytes, list.end(), |byte| matches!(byte, b']' | b')'));
            strings(bytes, list.end()..end, &mut found);
        }
    } else if !requirements {
        for line in patterns.environment_line.find_iter(bytes) {
            let value = line.end()..end_of_line(bytes, line.end());
            if !is_path(&bytes[value.clone()]) {
                environment(bytes, value, &mut found);
            }
        }
        for line in patterns.exec_line.find_iter(bytes) {
            command(bytes, line.end()..end_of_line(bytes, line.end()), &mut found);
        }
        for (pattern, ends) in
            [(&patterns.nginx, b";\n".as_slice()), (&patterns.nginx_if, b"){\n".as_slice())]
        {
            for value in pattern.find_iter(bytes) {
                let range = value.end()..until(bytes, value.end(), |byte| ends.contains(&byte));
                if !is_variable(&bytes[range.clone()]) {
                    found.push(range);
                }
            }
        }
    }
    if is_unit(path) {
        stray_lines(bytes, &mut found);
    }
    named(bytes, python, &mut found);
    found
}

fn is_unit(path: &Path) -> bool {
    let extension = |path: &Path| path.extension().map(|e| e.to_string_lossy().into_owned());
    let drop_in = path.parent().and_then(extension).is_some_and(|extension| extension == "d");
    drop_in || matches!(extension(path).as_deref(), Some("service" | "socket"))
}

/// A line of a unit that assigns nothing may be what is left of a value of several lines.
fn stray_lines(bytes: &[u8], found: &mut Vec<Range<usize>>) {
    let mut at = 0;
    while at < bytes.len() {
        let end = end_of_line(bytes, at);
        let line = bytes[at..end].trim_ascii();
        if !matches!(line.first(), None | Some(b'[' | b'#' | b';')) && !line.contains(&b'=') {
            found.push(at..end);
        }
        at = end + 1;
    }
}

/// The ranges of a message that must not be shown, in no order.
pub fn ranges_of_message(bytes: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for env in patterns().env_word.find_iter(bytes) {
        // Every assignment that follows `env`.
        let mut at = env.end();
        while let Some(value) = assigned(bytes, at) {
            let end = until(bytes, value, |byte| byte.is_ascii_whitespace());
            // `NAME=…` is what a person is told to write.
            if !bytes[value..].starts_with("…".as_bytes()) {
                found.push(value..end);
            }
            at = end + bytes[end..].iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
        }
    }
    found
}

/// Where the value starts, if `NAME=` stands here.
fn assigned(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = bytes.get(at..)?;
    let quotes = rest.iter().take_while(|b| matches!(b, b'"' | b'\'')).count();
    let rest = rest.get(quotes..)?;
    let name = rest.iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count();
    (name > 0 && rest.get(name) == Some(&b'=')).then_some(at + quotes + name + 1)
}

/// The end of a logical line: one whose end of line no backslash escapes.
fn end_of_line(bytes: &[u8], from: usize) -> usize {
    let mut at = from;
    loop {
        let end = until(bytes, at, |byte| byte == b'\n');
        let line = bytes[at..end].strip_suffix(b"\r").unwrap_or(&bytes[at..end]);
        if end == bytes.len() || !line.ends_with(b"\\") {
            return end;
        }
        at = end + 1;
    }
}

fn until(bytes: &[u8], from: usize, ends: impl Fn(u8) -> bool) -> usize {
    bytes[from..].iter().position(|byte| ends(*byte)).map_or(bytes.len(), |at| from + at)
}

fn named(bytes: &[u8], python: bool, found: &mut Vec<Range<usize>>) {
    for string in patterns().quoted.find_iter(bytes) {
        let (start, quote) = (string.end(), bytes[string.end() - 1]);
        found.push(start..until(bytes, start, |byte| byte == quote || byte == b'\n'));
    }
    if !python {
        for word in patterns().plain.find_iter(bytes) {
            let start = word.end();
            let end = until(bytes, start, |byte| {
                byte.is_ascii_whitespace() || b"\"'$,;)(".contains(&byte)
            });
            found.push(start..end);
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
    for word in patterns().assignment.find_iter(text) {
        let end = end_of_value(text, word.range());
        found.push(line.start + word.end()..line.start + end);
    }
}

/// A value in quotes ends at the quote, any other at white space. `word` is what stands before it.
fn end_of_value(text: &[u8], word: Range<usize>) -> usize {
    let start = word.end;
    let is_quote = |byte: &u8| matches!(byte, b'"' | b'\'');
    if let Some(own) = text.get(start).copied().filter(|byte| is_quote(byte)) {
        return until(text, start + 1, |byte| byte == own);
    }
    let before = text[word.clone()].iter().copied().find(|byte| is_quote(byte));
    let shell = text[..word.start].trim_ascii_end().ends_with(b"c");
    match before {
        // `sh -c 'A=x gunicorn'`: the quote goes round a whole command.
        Some(quote) if !shell => until(text, start, |byte| byte == quote),
        _ => until(text, start, |byte| byte.is_ascii_whitespace()),
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
