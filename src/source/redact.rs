//! Which parts of a file's text look like secrets and so must not be shown, whatever the file.
//!
//! The readers of environment files and units hide values that they understand; this module is the
//! safety net for text that no reader understands: a malformed line, a comment, a word of a shell
//! command, an nginx header, a string in Python. It errs on the side of hiding.

use std::ops::Range;
use std::path::Path;
use std::sync::OnceLock;

use regex::bytes::{Match, Regex, RegexBuilder};

use super::client_password;
use super::secretive::is_secretive;

/// Parts of names that suggest a secret, in small letters, inserted literally into patterns.
const NAMES: [&str; 19] = [
    "secret",
    "passw",
    "passphrase",
    "token",
    "apikey",
    "api_key",
    "api-key",
    "privatekey",
    "private_key",
    "private-key",
    "accesskey",
    "access_key",
    "access-key",
    "authkey",
    "auth_key",
    "auth-key",
    "authorization",
    "credential",
    "dsn",
];

/// An alternative of all of them, for a pattern.
fn names() -> String {
    NAMES.join("|")
}

/// A pattern that is compiled when it is first needed: compiling all of them would cost more than
/// a whole check.
struct Pattern {
    text: fn() -> String,
    regex: OnceLock<Regex>,
}

impl Pattern {
    const fn new(text: fn() -> String) -> Self {
        Self { text, regex: OnceLock::new() }
    }

    fn find_iter<'b>(&'static self, bytes: &'b [u8]) -> impl Iterator<Item = Match<'b>> {
        #[allow(clippy::expect_used)]
        let compile = || {
            // The words are ASCII; Unicode tables would make compiling ten times as slow.
            let builder = RegexBuilder::new(&(self.text)()).unicode(false).build();
            builder.expect("a constant pattern")
        };
        self.regex.get_or_init(compile).find_iter(bytes)
    }
}

/// The beginning of a word that sets a variable, up to its value.
static ASSIGNMENT: Pattern =
    Pattern::new(|| r#"(?:^|[\s;&|"'(])(?:-e|--env=)?["']?[A-Za-z_][A-Za-z0-9_]*="#.into());
/// A list of assignments in gunicorn's configuration.
static RAW_ENV: Pattern = Pattern::new(|| r"(?m)^[ \t]*raw_env\b[^=\n]*=".into());
/// A string in quotes that belongs to a secretive name.
static QUOTED: Pattern = Pattern::new(|| {
    let names = names();
    format!(r#"(?i)(?:{names})[\w-]*["']?[ \t]*[\])]?[ \t]*(?:[:=,]|\bor\b)[ \t]*[bru]*["']"#)
});
/// A word without quotes that belongs to a secretive name.
static PLAIN: Pattern = Pattern::new(|| format!(r"(?i)(?:{})[\w-]*[ \t]*[:=][ \t]*", names()));
/// A header or variable of nginx with a secretive name.
static NGINX: Pattern = Pattern::new(|| {
    format!(
        r#"(?i)\b(?:\w+_header|\w+_param|set|secure_link\w*)[ \t]+["']?[$\w-]*(?:{}|cookie|auth|key|session)[\w-]*["']?[ \t]+"#,
        names()
    )
});
/// A comparison with a secretive variable of nginx.
static NGINX_IF: Pattern =
    Pattern::new(|| format!(r"(?i)\$\w*(?:{}|key|auth)\w*[ \t]*!?[=~]\*?[ \t]*", names()));

/// Whether a line of the text, which is in small letters, contains both one of the words and one of
/// the signs. Without such a line, no pattern that needs both can match, and none has to be
/// compiled.
fn any_line(lower: &[u8], words: &[&str], signs: &[&str]) -> bool {
    let has = |line: &[u8], text: &&str| memchr::memmem::find(line, text.as_bytes()).is_some();
    words.iter().any(|word| {
        let finder = memchr::memmem::Finder::new(word.as_bytes());
        let mut from = 0;
        while let Some(found) = finder.find(&lower[from..]) {
            let at = from + found;
            let start = memchr::memrchr(b'\n', &lower[..at]).map_or(0, |end| end + 1);
            from = until(lower, at, |byte| byte == b'\n');
            if signs.iter().any(|sign| has(&lower[start..from], sign)) {
                return true;
            }
        }
        false
    })
}

/// The lines of a unit that assign to a name with this beginning, even if commented out or
/// misspelt: the name, and the offset of its value.
fn assignments<'b>(bytes: &'b [u8], begins: &[&str]) -> Vec<(&'b [u8], usize)> {
    let mut found = Vec::new();
    let mut start = 0;
    while start < bytes.len() {
        let blank = |at: usize| {
            at + bytes[at..].iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count()
        };
        let signs = blank(start);
        let signs = bytes[signs..].iter().take_while(|b| matches!(b, b'#' | b';')).count() + signs;
        let from = blank(signs);
        let letters = bytes[from..].iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
        let name = &bytes[from..from + letters];
        let fits = |begin: &&str| {
            name.get(..begin.len()).is_some_and(|head| head.eq_ignore_ascii_case(begin.as_bytes()))
        };
        let equals = blank(from + letters);
        if bytes.get(equals) == Some(&b'=') && begins.iter().any(fits) {
            found.push((name, equals + 1));
        }
        start = memchr::memchr(b'\n', &bytes[start..]).map_or(bytes.len(), |end| start + end + 1);
    }
    found
}

/// At least one of these is in every name that the patterns consider secretive.
const SECRETIVE_WORDS: [&str; 10] = [
    "secret",
    // Not `pass` alone, because every site of nginx has a proxy_pass.
    "passw",
    "passphrase",
    "token",
    "key",
    "credential",
    "auth",
    "dsn",
    "cookie",
    "session",
];

/// The ranges of a file's text that must not be shown, in no particular order.
///
/// The patterns find only the start of a value; its end is searched for by hand, because a value
/// may be a mebibyte long.
pub fn ranges(path: &Path, bytes: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let lower = bytes.to_ascii_lowercase();
    let secretive = |signs: &[&str]| any_line(&lower, &SECRETIVE_WORDS, signs);
    let python = path.extension().is_some_and(|extension| extension == "py");
    let requirements = path.extension().is_some_and(|extension| extension == "txt");
    if python && memchr::memmem::find(bytes, b"raw_env").is_some() {
        for list in RAW_ENV.find_iter(bytes) {
            let end = until(bytes, list.end(), |byte| matches!(byte, b']' | b')'));
            strings(bytes, list.end()..end, &mut found);
        }
    } else if !python && !requirements {
        for (name, start) in assignments(bytes, &["env", "passenv", "unsetenv"]) {
            let value = start..end_of_line(bytes, start);
            let names_files = name.to_ascii_lowercase();
            match memchr::memmem::find(&names_files, b"environmentfile") {
                Some(_) => paths(bytes, value, &mut found),
                None => environment(bytes, value, &mut found),
            }
        }
        for (_, start) in assignments(bytes, &["setcredential"]) {
            found.push(start..end_of_line(bytes, start));
        }
        for (_, start) in assignments(bytes, &["exec"]) {
            command(bytes, start..end_of_line(bytes, start), &mut found);
        }
        let directives = ["_header", "_param", "set", "secure_link"].as_slice();
        for (pattern, signs, ends) in
            [(&NGINX, directives, b";\n".as_slice()), (&NGINX_IF, &["$"], b"){\n".as_slice())]
        {
            if !secretive(signs) {
                continue;
            }
            for value in pattern.find_iter(bytes) {
                let range = value.end()..until(bytes, value.end(), |byte| ends.contains(&byte));
                if !is_variable(&bytes[range.clone()]) {
                    found.push(range);
                }
            }
        }
    }
    if !python {
        // The argument of these directives is the secret itself.
        for directive in [b"secure_link_secret".as_slice(), b"secure_link_md5"] {
            for at in memchr::memmem::find_iter(bytes, directive) {
                let start = at + directive.len();
                found.push(start..until(bytes, start, |byte| matches!(byte, b';' | b'\n')));
            }
        }
    }
    if is_unit(path) {
        stray_lines(bytes, &mut found);
    }
    if secretive(&["\"", "'"]) {
        quoted(bytes, &mut found);
    }
    if python && secretive(&["="]) {
        assigned_to_secrets(bytes, &lower, &mut found);
    }
    if !python && secretive(&[":", "="]) {
        plain(bytes, &mut found);
    }
    found
}

fn is_unit(path: &Path) -> bool {
    let kind = |name: &str| matches!(name.rsplit('.').next(), Some("service" | "socket"));
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    // `myapp.service.d`, and `service.d` for all services, but not nginx's `conf.d`.
    let drop_in = path.parent().and_then(name);
    let drop_in = drop_in.is_some_and(|directory| directory.strip_suffix(".d").is_some_and(kind));
    drop_in || path.extension().is_some() && name(path).is_some_and(|name| kind(&name))
}

/// A line of a unit without an assignment may be the rest of a value of several lines.
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

/// The ranges of a message that must not be shown, in no particular order.
pub fn ranges_of_message(bytes: &[u8]) -> Vec<Range<usize>> {
    let mut found = parameters(bytes);
    for env in after_env(bytes) {
        // Hides the value of every assignment after `env`.
        let mut at = env;
        while let Some(value) = assigned(bytes, at) {
            let end = until(bytes, value, |byte| byte.is_ascii_whitespace());
            // `NAME=…` is an instruction for a person.
            if !bytes[value..].starts_with("…".as_bytes()) {
                found.push(value..end);
            }
            at = end + bytes[end..].iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
        }
    }
    found
}

/// The values of a URL's parameters whose names suggest a secret: `?api_key=…`.
fn parameters(bytes: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for at in memchr::memchr2_iter(b'?', b'&', bytes) {
        let in_name = |byte: &&u8| byte.is_ascii_alphanumeric() || b"_-".contains(byte);
        let equals = at + 1 + bytes[at + 1..].iter().take_while(in_name).count();
        if bytes.get(equals) == Some(&b'=') && is_secretive(&bytes[at + 1..equals]) {
            let ends = |byte: u8| byte.is_ascii_whitespace() || b"?&\"',;)".contains(&byte);
            found.push(equals + 1..until(bytes, equals + 1, ends));
        }
    }
    found
}

/// The offsets after each `env`, `--env` and `-e` and the spaces that follow.
fn after_env(bytes: &[u8]) -> Vec<usize> {
    let mut found = Vec::new();
    // Most messages are so short that to prepare a search would take longer.
    let speaks = |word: &[u8]| bytes.windows(word.len()).any(|part| part == word);
    if !speaks(b"env") && !speaks(b"-e") {
        return found;
    }
    let blanks =
        |from: usize| bytes[from..].iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let begins_word = at == 0 || !is_word(&bytes[at - 1]);
        let end = if rest.starts_with(b"env") && begins_word && blanks(at + 3) > 0 {
            at + 3 + blanks(at + 3)
        } else if rest.starts_with(b"--env") && matches!(rest.get(5), Some(b' ' | b'=')) {
            at + 6
        } else if rest.starts_with(b"-e") {
            at + 2 + blanks(at + 2)
        } else {
            at += 1;
            continue;
        };
        found.push(end);
        at = end;
    }
    found
}

/// How well-known kinds of tokens begin.
const TOKENS: [&str; 6] = ["Bearer ", "AKIA", "ASIA", "ghp_", "sk_live_", "xoxb-"];
/// After these beginnings, shorter text may be any word.
const SHORTEST_TOKEN: usize = 8;

/// The ranges of tokens in a text, recognised by what precedes them or by how they begin, in no
/// particular order.
pub fn tokens(bytes: &[u8]) -> Vec<Range<usize>> {
    let part = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~+/=".contains(&byte);
    let mut found = Vec::new();
    for word in TOKENS {
        for at in memchr::memmem::find_iter(bytes, word.as_bytes()) {
            let start = at + word.len();
            let end = until(bytes, start, |byte| !part(byte));
            if end - start >= SHORTEST_TOKEN {
                found.push(start..end);
            }
        }
    }
    found
}

/// The offset of the value, if `NAME=` is at this offset.
fn assigned(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = bytes.get(at..)?;
    let quotes = rest.iter().take_while(|b| matches!(b, b'"' | b'\'')).count();
    let rest = rest.get(quotes..)?;
    let name = rest.iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count();
    (name > 0 && rest.get(name) == Some(&b'=')).then_some(at + quotes + name + 1)
}

/// The end of a logical line: the first line ending that is not escaped by a backslash.
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

fn quoted(bytes: &[u8], found: &mut Vec<Range<usize>>) {
    for string in QUOTED.find_iter(bytes) {
        let (start, quote) = (string.end(), bytes[string.end() - 1]);
        found.push(start..until(bytes, start, |byte| byte == quote || byte == b'\n'));
    }
}

fn plain(bytes: &[u8], found: &mut Vec<Range<usize>>) {
    for word in PLAIN.find_iter(bytes) {
        let start = word.end();
        // `LoadCredential=` names the file or socket that contains the credential. A credential's
        // name is no longer than this.
        let before = word.start().saturating_sub(300)..word.start();
        let line = before.start + memchr::memrchr(b'\n', &bytes[before]).map_or(0, |end| end + 1);
        let files = [b"LoadCredential".as_slice(), b"ImportCredential"];
        if files.iter().any(|name| bytes[line..].starts_with(name)) {
            continue;
        }
        let word_end = |from: usize| {
            until(bytes, from, |byte| byte.is_ascii_whitespace() || b"\"'$,;)(".contains(&byte))
        };
        let mut end = word_end(start);
        // The scheme is followed by the secret: `Authorization: Bearer …`.
        let scheme = |word: &[u8]| SCHEMES.iter().any(|one| word.eq_ignore_ascii_case(one));
        if scheme(&bytes[start..end]) && bytes.get(end) == Some(&b' ') {
            end = word_end(end + 1);
        }
        found.push(start..end);
    }
}

/// How an Authorization header can begin.
const SCHEMES: [&[u8]; 5] = [b"Bearer", b"Basic", b"Digest", b"Negotiate", b"Token"];

/// Functions and subscripts that take the name of a variable or key as their first argument.
const TAKES_NAME: [&[u8]; 8] =
    [b"environ", b"getenv", b"get", b"env", b"config", b"var", b"str", b"pop"];

/// Hides the strings in lines that assign to a secretive name, even with an annotation or through a
/// call, except for the names of the variables that the value comes from.
fn assigned_to_secrets(bytes: &[u8], lower: &[u8], found: &mut Vec<Range<usize>>) {
    let mut start = 0;
    while start < bytes.len() {
        let end = until(bytes, start, |byte| byte == b'\n');
        let equals = (start..end).find(|at| {
            let beside = |at: usize| bytes.get(at).is_some_and(|b| b"=!<>".contains(b));
            bytes[*at] == b'=' && !beside(at + 1) && (*at == 0 || !beside(at - 1))
        });
        let has = |name: &str| {
            let head = &lower[start..equals.unwrap_or(start)];
            memchr::memmem::find(head, name.as_bytes()).is_some()
        };
        if let Some(equals) = equals.filter(|_| NAMES.iter().any(|name| has(name))) {
            let mut at = equals + 1;
            while let Some(open) = (at..end).find(|at| matches!(bytes[*at], b'"' | b'\'')) {
                let close = until(bytes, open + 1, |byte| byte == bytes[open] || byte == b'\n');
                if !takes_name(bytes[at..open].trim_ascii_end()) {
                    found.push(open + 1..close);
                }
                at = close + 1;
            }
        }
        start = end + 1;
    }
}

/// Whether the text before a string shows that the string is a name: `environ[`, `getenv(`.
fn takes_name(before: &[u8]) -> bool {
    match before.split_last() {
        Some((b'[', _)) => true,
        Some((b'(', call)) => TAKES_NAME.iter().any(|name| call.ends_with(name)),
        _ => false,
    }
}

/// Hides everything in a line of EnvironmentFile= that is not a path, such as an assignment that
/// was written there by mistake. Paths are shown, even several or in quotes.
fn paths(bytes: &[u8], line: Range<usize>, found: &mut Vec<Range<usize>>) {
    let mut at = line.start;
    for word in bytes[line].split(u8::is_ascii_whitespace) {
        if !is_path(word) && !matches!(word, b"" | b"#" | b"\\") {
            found.push(at..at + word.len());
        }
        at += word.len() + 1;
    }
}

/// Whether a word is a path: absolute, below a directory that is written as such, or with the
/// ending of a file of variables.
fn is_path(word: &[u8]) -> bool {
    let is_quote = |byte: &u8| matches!(byte, b'"' | b'\'');
    let word = word.iter().position(|byte| !is_quote(byte)).map_or(&[][..], |from| &word[from..]);
    let word = word.strip_prefix(b"-").unwrap_or(word);
    let end = word.iter().rposition(|byte| !is_quote(byte)).map_or(0, |last| last + 1);
    let word = &word[..end];
    let begins = [b"/".as_slice(), b"./", b"../", b"~", b"%"];
    (begins.iter().any(|begin| word.starts_with(begin)) || word.ends_with(b".env"))
        && !word.iter().any(|byte| *byte == b'=' || is_quote(byte))
}

/// Whether a value is a single variable and nothing else: `$http_authorization`.
fn is_variable(value: &[u8]) -> bool {
    let name = value.trim_ascii().strip_prefix(b"$").unwrap_or_default();
    !name.is_empty()
        && name.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'{' | b'}'))
}

/// Hides everything but the names in a line of assignments.
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
        // A backslash on its own joins two lines.
        if word != b"\\" && shown < word.len() {
            found.push(at + shown..at + word.len());
        }
        at += word.len() + 1;
    }
}

/// Hides the values of words in a command that set a variable.
fn command(bytes: &[u8], line: Range<usize>, found: &mut Vec<Range<usize>>) {
    let text = &bytes[line.clone()];
    let passwords = client_password::ranges(text).into_iter();
    found.extend(passwords.map(|range| line.start + range.start..line.start + range.end));
    // `curl -u name:password`.
    for option in [b" -u ".as_slice(), b" --user "] {
        for at in memchr::memmem::find_iter(text, option) {
            let start = at + option.len();
            let end = until(text, start, |byte| byte.is_ascii_whitespace());
            if let Some(colon) = memchr::memchr(b':', &text[start..end]) {
                found.push(line.start + start + colon + 1..line.start + end);
            }
        }
    }
    if memchr::memchr(b'=', text).is_none() {
        return;
    }
    for word in ASSIGNMENT.find_iter(text) {
        let end = end_of_value(text, word.range());
        found.push(line.start + word.end()..line.start + end);
    }
}

/// A quoted value ends at the quote, any other at white space. `word` is the text before the value.
fn end_of_value(text: &[u8], word: Range<usize>) -> usize {
    let start = word.end;
    let is_quote = |byte: &u8| matches!(byte, b'"' | b'\'');
    if let Some(own) = text.get(start).copied().filter(|byte| is_quote(byte)) {
        return until(text, start + 1, |byte| byte == own);
    }
    let before = text[word.clone()].iter().copied().find(|byte| is_quote(byte));
    let shell = text[..word.start].trim_ascii_end().ends_with(b"c");
    match before {
        // `sh -c 'A=x gunicorn'`: the quotes surround a whole command.
        Some(quote) if !shell => until(text, start, |byte| byte == quote),
        _ => until(text, start, |byte| byte.is_ascii_whitespace()),
    }
}

/// Hides everything but the names in a list of strings.
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

#[cfg(test)]
mod tests {
    use super::{Path, is_unit, ranges, ranges_of_message};

    /// A text without its secrets.
    fn left(path: &str, text: &str) -> String {
        hidden(text, ranges(Path::new(path), text.as_bytes()))
    }

    fn hidden(text: &str, ranges: Vec<std::ops::Range<usize>>) -> String {
        let shown = |at: usize| !ranges.iter().any(|range| range.contains(&at));
        text.char_indices().filter(|(at, _)| shown(*at)).map(|(_, letter)| letter).collect()
    }

    #[test]
    fn what_belongs_to_a_secretive_name_is_hidden_however_it_is_given() {
        for line in [
            "db_password: str = os.environ[\"NOPE\"] or \"hunter2\"",
            "jwt_secret: str = Field(\"hunter2\")",
            "def connect(password: str = 'hunter2'):",
            "SECRET_KEY = config(\"SECRET_KEY\", default=\"hunter2\")",
            "PASSWORDS = {\"anna\": \"hunter2\"}",
            "api_key += 'hunter2'",
        ] {
            assert!(!left("/srv/a/settings.py", line).contains("hunter2"), "{line}");
        }
        let named = "API_TOKEN = os.environ.get(\"API_TOKEN\") or os.environ['OTHER_TOKEN']";
        assert_eq!(left("/srv/a/settings.py", named), named);
        assert_eq!(left("/srv/a/settings.py", "name = \"shop\""), "name = \"shop\"");
        let unit =
            "ExecStartPre=/usr/bin/curl -H \"Authorization: Bearer hunter2\" -u a:hunter2 x\n";
        assert!(!left("/etc/systemd/system/a.service", unit).contains("hunter2"));
        let load = "[Service]\nLoadCredential=token:/etc/shop/key\nImportCredential=shop.*\n";
        assert!(ranges(Path::new("/etc/a.service"), load.as_bytes()).is_empty());
        let unit = "[Service]\nSetCredential=a:hunter2 more\n";
        assert!(!left("/etc/systemd/system/a.service", unit).contains("hunter2"));
        let site = "location /p/ { secure_link_secret hunter2 x; }";
        assert!(!left("/etc/nginx/sites-enabled/a", site).contains("hunter2"));
    }

    #[test]
    fn parameters_of_a_url_in_a_message_are_hidden() {
        let message = "http://1.2.3.4/?page=2&api_key=hunter2: invalid port";
        let ranges = ranges_of_message(message.as_bytes());
        assert!(!hidden(message, ranges.clone()).contains("hunter2"));
        assert!(hidden(message, ranges).contains("page=2&api_key="));
    }

    #[test]
    fn units_and_their_drop_ins_are_told_from_other_directories() {
        let is = |path: &str| is_unit(Path::new(path));
        assert!(is("/etc/systemd/system/a.service") && is("/repo/a.socket"));
        assert!(is("/etc/systemd/system/a@.service.d/x.conf"));
        assert!(is("/etc/systemd/system/service.d/x.conf"));
        assert!(!is("/etc/nginx/conf.d/x.conf") && !is("/srv/service") && !is("/a.d/b"));
    }
}
