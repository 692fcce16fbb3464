//! Which parts of a variable's value stay: what the rules go by and nobody can use.

use super::mask::{Masker, in_urls, is_generated, words};
use crate::source::gunicorn::{Action, SettingTable};

/// Variables whose values gunicorn, Python and the frameworks act on, and no one keeps a secret in.
const NEEDED: [&str; 44] = [
    "ALLOWED_HOSTS",
    "APP_ENV",
    "DEBUG",
    "DJANGO_ALLOWED_HOSTS",
    "DJANGO_CONFIGURATION",
    "DJANGO_DEBUG",
    "DJANGO_SETTINGS_MODULE",
    "ENV",
    "ENVIRONMENT",
    "FLASK_APP",
    "FLASK_DEBUG",
    "FLASK_ENV",
    "FLASK_RUN_HOST",
    "FLASK_RUN_PORT",
    "GUNICORN_CMD_ARGS",
    "GUNICORN_FD",
    "GUNICORN_PID",
    "HOME",
    "HOST",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "LISTEN_FDNAMES",
    "LISTEN_FDS",
    "LISTEN_PID",
    "LOGNAME",
    "NOTIFY_SOCKET",
    "OLDPWD",
    "PATH",
    "PORT",
    "PWD",
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONHOME",
    "PYTHONOPTIMIZE",
    "PYTHONPATH",
    "PYTHONSAFEPATH",
    "PYTHONUNBUFFERED",
    "PYTHONUSERBASE",
    "SERVER_SOFTWARE",
    "SHELL",
    "TZ",
    "USER",
    "VIRTUAL_ENV",
    "WEB_CONCURRENCY",
];

/// Words of a name that speak of a secret.
const SECRET: [&str; 19] = [
    "APIKEY",
    "AUTH",
    "CREDENTIAL",
    "CREDENTIALS",
    "DSN",
    "KEY",
    "KEYS",
    "LICENSE",
    "PASS",
    "PASSPHRASE",
    "PASSWD",
    "PASSWORD",
    "PRIVATE",
    "PWD",
    "SALT",
    "SECRET",
    "SIGNATURE",
    "TOKEN",
    "WEBHOOK",
];

/// Does a variable's, an option's or a setting's name speak of a secret?
pub(super) fn is_secretive(name: &[u8]) -> bool {
    let name = String::from_utf8_lossy(name).to_ascii_uppercase();
    if matches!(name.as_str(), "PWD" | "OLDPWD") {
        return false;
    }
    let parts = ["SECRET", "PASSW", "TOKEN", "APIKEY", "CREDENTIAL"];
    parts.iter().any(|part| name.contains(part))
        || name.split(['_', '-', '.']).any(|word| SECRET.contains(&word))
}

/// What begins a URL: databases, queues and their drivers, and the web.
const SCHEMES: [&str; 45] = [
    "aiomysql",
    "aiosqlite",
    "amqp",
    "amqps",
    "asyncpg",
    "cockroachdb",
    "cx_oracle",
    "file",
    "ftp",
    "git",
    "http",
    "https",
    "mariadb",
    "memcached",
    "mongodb",
    "mssql",
    "mysql",
    "mysqlclient",
    "mysqlconnector",
    "mysqldb",
    "oracle",
    "oracledb",
    "pg8000",
    "postgis",
    "postgres",
    "postgresql",
    "psycopg",
    "psycopg2",
    "psycopg_async",
    "psycopg2cffi",
    "pymssql",
    "pymysql",
    "pyodbc",
    "redis",
    "rediss",
    "redshift",
    "smtp",
    "smtps",
    "sqlite",
    "srv",
    "ssh",
    "tcp",
    "unix",
    "ws",
    "wss",
];

/// Values that say yes, no or nothing.
const PLAIN: [&str; 14] =
    ["", "0", "1", "f", "false", "n", "no", "none", "null", "off", "on", "t", "true", "y"];

/// Words of placeholders that tutorials print, and of what is said of them. They are everybody's.
const PLACEHOLDERS: [&str; 29] = [
    "change",
    "changeit",
    "changeme",
    "changethis",
    "default",
    "dev",
    "development",
    "django",
    // A shell's word before a name, wherever it slipped in.
    "export",
    "in",
    "insecure",
    "it",
    "key",
    "me",
    "my",
    "password",
    "placeholder",
    "production",
    "replace",
    "replaceme",
    "replacewith",
    "secret",
    "secretkey",
    "super",
    "supersecret",
    "this",
    "with",
    "yes",
    "your",
];

/// A placeholder within a longer word.
const PARTS: [&str; 9] = [
    "secretkey",
    "changeme",
    "changethis",
    "changeit",
    "inproduction",
    "replaceme",
    "replacewith",
    "placeholder",
    "djangoinsecure",
];

fn is_word_of(list: &[&str], word: &[u8]) -> bool {
    let lower = word.to_ascii_lowercase();
    list.iter().any(|one| one.as_bytes() == lower.as_slice())
}

/// The schemes of URLs in a value: `postgresql+psycopg2://`.
fn schemes(text: &[u8]) -> Vec<std::ops::Range<usize>> {
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'_');
    let ends = memchr::memmem::find_iter(text, b"://");
    let scheme = |end: usize| {
        let before = text.get(..end)?;
        let start = before.iter().rposition(|byte| !fits(byte)).map_or(0, |at| at + 1);
        let scheme = before.get(start..)?;
        let known = scheme.split(|byte| *byte == b'+').all(|part| is_word_of(&SCHEMES, part));
        known.then_some(start..end)
    };
    ends.filter_map(scheme).collect()
}

/// The escapes of a value, which say how it is read: `\n`, `\x41`; with `specifiers` those of
/// systemd as well, `%h`.
fn escapes(text: &[u8], specifiers: bool) -> Vec<std::ops::Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        let length = match (byte, text.get(at + 1)) {
            (b'\\', Some(b'x')) => 4,
            (b'\\', Some(b'u')) => 6,
            (b'\\', Some(b'U')) => 10,
            (b'\\', Some(b'0'..=b'7')) => 4,
            (b'\\', Some(_)) => 2,
            (b'%', Some(_)) if specifiers => 2,
            _ => 1,
        };
        if length > 1 {
            found.push(at..(at + length).min(text.len()));
        }
        at += length;
    }
    found
}

/// The names of variables that a value names, where such are set: `$HOME`, `${HOME}`.
fn names_of_others(masker: &Masker, text: &[u8]) -> Vec<std::ops::Range<usize>> {
    let name = |at: usize| {
        let rest = text.get(at + 1..)?;
        let braces = usize::from(rest.first() == Some(&b'{'));
        let rest = rest.get(braces..)?;
        let name = rest.get(..name_length(rest))?;
        let start = at + 1 + braces;
        let known = std::str::from_utf8(name).is_ok_and(|name| NEEDED.contains(&name));
        (known || masker.variables.contains(name)).then_some(start..start + name.len())
    };
    memchr::memchr_iter(b'$', text).filter_map(name).collect()
}

/// How long the name of a variable is that begins here; 0 where none does.
pub(super) fn name_length(text: &[u8]) -> usize {
    match text.first() {
        Some(first) if first.is_ascii_alphabetic() || *first == b'_' => {
            text.iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count()
        }
        _ => 0,
    }
}

/// Where assignments begin in a text: the name, and the place behind its `=`. What fills up the last
/// word of base64 is none.
fn names(text: &[u8], unit: bool) -> Vec<(std::ops::Range<usize>, usize)> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let before = at.checked_sub(1).and_then(|before| text.get(before));
        let begins = before.is_none_or(|b| b.is_ascii_whitespace() || matches!(b, b'"' | b'\''));
        let rest = text.get(at..).unwrap_or_default();
        // systemd passes over names with other signs, and tells so.
        let fits = |b: &&u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
        let length = match (begins, unit) {
            (false, _) => 0,
            (true, true) if rest.starts_with(b"-") => 0,
            (true, true) => rest.iter().take_while(fits).count(),
            (true, false) => name_length(rest),
        };
        let name = rest.get(..length).unwrap_or_default();
        let follows = rest.get(length + 1);
        let capitals = name.iter().all(|byte| byte.is_ascii_uppercase() || *byte == b'_');
        let filled = follows.is_some_and(|b| *b != b'=' && !b.is_ascii_whitespace());
        if (1..=64).contains(&length)
            && rest.get(length) == Some(&b'=')
            && !is_generated(name)
            && (filled || capitals)
        {
            found.push((at..at + length, at + length + 1));
            at += length + 1;
        } else {
            at += length.max(1);
        }
    }
    found
}

/// Masks the values of all assignments in a text, and what else stands in it.
pub(super) fn assignments(masker: &mut Masker, text: &mut [u8], unit: bool) {
    let names = names(text, unit);
    let first = names.first().map_or(text.len(), |(name, _)| name.start);
    value(masker, None, part(text, &(0..first)), unit);
    named(masker, text, &names, unit);
}

/// Masks the values that a line of a shell's script gives to variables: up to the closing quote, else
/// to the next blank.
pub(super) fn shell_line(masker: &mut Masker, line: &mut [u8]) {
    for (name, from) in names(line, false) {
        let name = line.get(name).unwrap_or_default().to_vec();
        let rest = line.get(from..).unwrap_or_default();
        let quote = rest.first().copied().filter(|byte| matches!(byte, b'"' | b'\''));
        let end = match quote {
            Some(quote) => {
                let inner = rest.get(1..).unwrap_or_default();
                inner.iter().position(|byte| *byte == quote).map(|at| at + 2)
            }
            None => rest.iter().position(|b| b.is_ascii_whitespace() || matches!(b, b';' | b')')),
        };
        let end = from + end.unwrap_or(rest.len());
        // What another command or variable gives is none.
        let given = rest.strip_prefix(b"\"").unwrap_or(rest).starts_with(b"$");
        if !given {
            value(masker, Some(&name), part(line, &(from..end)), false);
        }
    }
}

/// Masks a value of a unit, and of what is an assignment within it the value alone.
pub(super) fn value_with_others(masker: &mut Masker, name: &[u8], text: &mut [u8]) {
    let names = names(text, true);
    let first = names.first().map_or(text.len(), |(name, _)| name.start);
    value(masker, Some(name), part(text, &(0..first)), true);
    named(masker, text, &names, true);
}

fn named(
    masker: &mut Masker,
    text: &mut [u8],
    names: &[(std::ops::Range<usize>, usize)],
    unit: bool,
) {
    for (number, (name, from)) in names.iter().enumerate() {
        let end = names.get(number + 1).map_or(text.len(), |(next, _)| next.start);
        let name = text.get(name.clone()).unwrap_or_default().to_vec();
        value(masker, Some(&name), part(text, &(*from..end)), unit);
    }
}

/// Masks in a list of variables' names what is none.
pub(super) fn name_list(masker: &mut Masker, text: &mut [u8]) {
    let is_gap = |byte: &u8| byte.is_ascii_whitespace();
    for word in text.split_mut(is_gap) {
        match word.iter().position(|byte| *byte == b'=') {
            Some(_) => assignments(masker, word, true),
            None if name_length(word) == word.len() && !is_generated(word) => {}
            None => value(masker, None, word, true),
        }
    }
}

/// A part of a text, changed apart from the rest.
fn part<'t>(text: &'t mut [u8], range: &std::ops::Range<usize>) -> &'t mut [u8] {
    text.get_mut(range.clone()).unwrap_or_default()
}

/// Does a value name files: a path, or several with colons between them?
fn is_path(value: &[u8]) -> bool {
    let begins = [b"/".as_slice(), b"./", b"../", b"~/", b"%h/"];
    begins.iter().any(|begin| value.starts_with(begin)) && !value.starts_with(b"//")
}

/// Masks the value of a variable, its quotes and what else stands behind its `=` in one.
pub(super) fn value(masker: &mut Masker, name: Option<&[u8]>, text: &mut [u8], unit: bool) {
    let is_quote = |byte: &u8| matches!(byte, b'"' | b'\'') || byte.is_ascii_whitespace();
    let from = text.iter().position(|byte| !is_quote(byte)).unwrap_or(text.len());
    let to = text.iter().rposition(|byte| !is_quote(byte)).map_or(from, |at| at + 1);
    let bare = text.get(from..to).unwrap_or_default().to_vec();
    if is_word_of(&PLAIN, &bare) {
        return;
    }
    let secretive = name.is_some_and(is_secretive);
    let known = name.and_then(|name| std::str::from_utf8(name).ok());
    let needed = known.is_some_and(|name| NEEDED.contains(&name) || masker.needed.contains(name));
    if needed && !secretive {
        match known {
            Some("GUNICORN_CMD_ARGS") => return arguments(masker, text),
            // A number, or a slip.
            Some(name) if is_number(name) && bare.iter().all(u8::is_ascii_digit) => return,
            Some(name) if is_number(name) => {}
            _ => return command(masker, text),
        }
    }
    let mut kept = schemes(text);
    kept.extend(escapes(text, unit));
    kept.extend(names_of_others(masker, text));
    kept.sort_by_key(|range| range.start);
    let path = !secretive && is_path(&bare);
    let paths: std::collections::HashSet<Vec<u8>> =
        words(&bare).filter(|word| path && masker.is_of_path(word)).map(<[u8]>::to_vec).collect();
    let keep = |word: &[u8]| is_word_of(&PLACEHOLDERS, word) || paths.contains(word);
    let mut at = 0;
    let end = text.len();
    for range in kept.into_iter().chain(std::iter::once(end..end)) {
        if range.start < at {
            continue;
        }
        around_placeholders(masker, part(text, &(at..range.start)), &keep);
        at = range.end;
    }
}

/// Masks words, but of those that a placeholder is a part of that part is kept.
fn around_placeholders(masker: &mut Masker, text: &mut [u8], keep: &dyn Fn(&[u8]) -> bool) {
    let lower = text.to_ascii_lowercase();
    let found = PARTS.iter().find_map(|one| {
        let at = memchr::memmem::find(&lower, one.as_bytes())?;
        Some(at..at + one.len())
    });
    match found {
        Some(found) => {
            let end = text.len();
            masker.words(part(text, &(0..found.start)), keep);
            masker.words(part(text, &(found.end..end)), keep);
        }
        None => masker.secret(text, keep),
    }
}

/// Is a variable of this name a number or a switch?
fn is_number(name: &str) -> bool {
    let ends = ["CONCURRENCY", "DEBUG", "_FD", "_FDS", "_PID", "PORT"];
    ends.iter().any(|end| name.ends_with(end))
}

/// Masks in gunicorn's arguments what it does not know, and then what a command is masked of.
fn arguments(masker: &mut Masker, text: &mut [u8]) {
    let table = SettingTable::any_version();
    let mut hide_next = false;
    let mut numeric = false;
    let mut takes = false;
    for word in text.split_mut(|byte| byte.is_ascii_whitespace()).filter(|word| !word.is_empty()) {
        let (name, from) = option(word);
        let Some(name) = name else {
            let number = word.iter().all(|byte| !byte.is_ascii_alphabetic());
            let wrong = std::mem::take(&mut numeric) && !number;
            // `NAME=value` of --env is told apart below.
            let assigns = assigned(word, true).is_some();
            let given = std::mem::take(&mut takes) || assigns;
            if std::mem::take(&mut hide_next) || wrong || !given {
                masker.secret(word, |_| false);
            }
            continue;
        };
        let dashes =
            if memchr::memmem::find(word, b"--").is_some_and(|at| at <= 1) { "--" } else { "-" };
        let flag = format!("{dashes}{}", String::from_utf8_lossy(&name));
        let setting = table.settings().iter().chain(table.sometimes()).find(|setting| {
            let long = dashes == "--";
            let fits =
                |one: &&str| if long { one.starts_with(&flag) } else { flag.starts_with(*one) };
            setting.flags.iter().any(|one| fits(one) && (long || !one.starts_with("--")))
        });
        match setting {
            Some(setting) => {
                let number = matches!(setting.action, Action::Int | Action::AutoInt);
                numeric = number && from.is_none();
                // A value of --env that is no assignment is a part of one.
                takes = setting.takes_value() && from.is_none() && setting.name != "raw_env";
                if let Some(from) = from.filter(|_| number) {
                    let value = word.get_mut(from..).unwrap_or_default();
                    if value.iter().any(u8::is_ascii_alphabetic) {
                        masker.secret(value, |_| false);
                    }
                }
                hide_next = false;
            }
            None => {
                masker.secret(word, |_| false);
                hide_next = from.is_none();
                takes = false;
            }
        }
    }
    command(masker, text);
}

/// Masks in a command, or in options, what follows `NAME=`, options that speak of a secret, users
/// and passwords of URLs, and what a generator made. Words are parted by blanks or zeros.
pub(super) fn command(masker: &mut Masker, text: &mut [u8]) {
    let is_gap = |byte: &u8| byte.is_ascii_whitespace() || *byte == 0;
    let mut at = 0;
    let mut hide_next = false;
    let mut assignment_next = false;
    while at < text.len() {
        let rest = text.get(at..).unwrap_or_default();
        let Some(start) = rest.iter().position(|byte| !is_gap(byte)).map(|n| at + n) else { break };
        let rest = text.get(start..).unwrap_or_default();
        let end = rest.iter().position(is_gap).map_or(text.len(), |n| start + n);
        let word = text.get(start..end).unwrap_or_default().to_vec();
        let (option, from) = option(&word);
        if std::mem::take(&mut hide_next) && !word.starts_with(b"-") {
            masker.secret(part(text, &(start..end)), |_| false);
        } else if let Some((name, value_at)) = assigned(&word, std::mem::take(&mut assignment_next))
        {
            let name = name.to_vec();
            value(masker, Some(&name), part(text, &(start + value_at..end)), false);
        } else if let Some(option) = option {
            let secretive = is_secretive(&option);
            match from {
                Some(from) if secretive => {
                    masker.secret(part(text, &(start + from..end)), |_| false);
                }
                Some(_) => {}
                None => hide_next = secretive,
            }
            assignment_next = matches!(option.as_slice(), b"e" | b"env");
        }
        at = end;
    }
    urls(masker, text);
    generated(masker, text);
}

/// Masks users and passwords in URLs.
pub(super) fn urls(masker: &mut Masker, text: &mut [u8]) {
    for url in in_urls(text) {
        value(masker, Some(b"PASSWORD"), part(text, &url), true);
    }
}

/// Masks what a generator made.
pub(super) fn generated(masker: &mut Masker, text: &mut [u8]) {
    let kept: std::collections::HashSet<Vec<u8>> = words(text)
        .filter(|word| !is_generated(word) || masker.is_of_path(word))
        .map(<[u8]>::to_vec)
        .collect();
    masker.secret_words(text, |word| kept.contains(word));
}

/// The name of an option, and where its value begins within the word.
fn option(word: &[u8]) -> (Option<Vec<u8>>, Option<usize>) {
    let is_quote = |byte: &u8| matches!(byte, b'"' | b'\'');
    let quotes = word.iter().take_while(|byte| is_quote(byte)).count();
    let rest = word.get(quotes..).unwrap_or_default();
    let dashes = rest.iter().take_while(|byte| **byte == b'-').count();
    if dashes == 0 || dashes > 2 {
        return (None, None);
    }
    let name = rest.get(dashes..).unwrap_or_default();
    match name.iter().position(|byte| *byte == b'=') {
        Some(at) => (name.get(..at).map(<[u8]>::to_vec), Some(quotes + dashes + at + 1)),
        None => {
            let end = name.iter().rposition(|byte| !is_quote(byte)).map_or(0, |at| at + 1);
            (name.get(..end).map(<[u8]>::to_vec), None)
        }
    }
}

/// `NAME=value`, `--env=NAME=value`, `-eNAME=value`: the name, and where the value begins.
fn assigned(word: &[u8], behind_env: bool) -> Option<(&[u8], usize)> {
    let begin = |at: usize| {
        let rest = word.get(at..)?;
        let quotes = rest.iter().take_while(|byte| matches!(byte, b'"' | b'\'')).count();
        let rest = rest.get(quotes..)?;
        let length = rest.iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count();
        let name = rest.get(..length).filter(|name| !name.is_empty())?;
        (rest.get(length) == Some(&b'=')).then_some((name, at + quotes + length + 1))
    };
    let option = [b"--env=".as_slice(), b"-e"].into_iter().find(|one| word.starts_with(one));
    match option {
        Some(option) => begin(option.len()),
        None if behind_env || !word.starts_with(b"-") => begin(0),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(name: &str, text: &str) -> String {
        let mut masker = Masker::default();
        masker.path(b"/srv/myapp/current");
        let mut bytes = text.as_bytes().to_vec();
        value(&mut masker, Some(name.as_bytes()), &mut bytes, false);
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn what_the_rules_go_by_stays() {
        for (name, text, wanted) in [
            ("WEB_CONCURRENCY", "4", "4"),
            ("DEBUG", "'true'", "'true'"),
            ("PIN", "1234", "9999"),
            ("X", "\"a b\" # c", "\"m n\" # o"),
            ("DATABASE_URL", "postgres://u:p@db/x", "postgres://m:n@ma/o"),
            ("DATABASE_URL", "postgresql+psycopg2://u", "postgresql+psycopg2://m"),
            ("ROOT", "/srv/myapp/hidden", "/srv/myapp/masked"),
            ("API_TOKEN", "/srv/myapp", "/mas/maske"),
            ("SECRET_KEY", "changeme", "changeme"),
            ("SECRET_KEY", "xychangeme12", "machangeme99"),
            ("SECRET_KEY", "your-secret-key-17", "your-secret-key-99"),
            ("GUNICORN_CMD_ARGS", "--workers 3 --env A=b", "--workers 3 --env A=m"),
            ("GUNICORN_CMD_ARGS", "-e A=b --x-token=c --key d", "-e A=o --m-maske=n --key p"),
            ("A", "x\\ny%h", "m\\nn%o"),
        ] {
            assert_eq!(masked(name, text), wanted, "{name}={text}");
        }
    }
}
