//! gunicorn's last message before it exits, if it is a known one: its sentence, and the path, name
//! or option in the sentence. Nothing else of the line is used, because it may contain anything,
//! even a secret.

/// gunicorn's reason for exiting, if the line contains one.
pub fn last_words(line: &str) -> Option<String> {
    let line = line.trim_end();
    unwritable(line)
        .or_else(|| pidfile(line))
        .or_else(|| arguments(line))
        .or_else(|| no_module(line))
        .or_else(|| socket(line))
        .or_else(|| class(line))
}

/// `Error: '/var/log/x.log' isn't writable [PermissionError(13, 'Permission denied')]`.
fn unwritable(line: &str) -> Option<String> {
    let (before, after) = line.split_once("' isn't writable [")?;
    let path = path(before.rsplit('\'').next()?)?;
    let kind: String = after.chars().take_while(char::is_ascii_alphabetic).take(40).collect();
    Some(format!("{path} isn't writable ({kind})"))
}

/// `/run/x does not exist. Can't create pidfile.`, `Already running on PID 7 (or pid file …)`.
fn pidfile(line: &str) -> Option<String> {
    if let Some(before) = line.strip_suffix(" does not exist. Can't create pidfile.") {
        let path = path(before.rsplit(' ').next()?)?;
        return Some(format!("{path} does not exist: can't create pidfile"));
    }
    let rest = line.split_once("Already running on PID ")?.1;
    let pid: String = rest.chars().take_while(char::is_ascii_digit).take(10).collect();
    (!pid.is_empty()).then(|| format!("already running on PID {pid}, by its pidfile"))
}

/// `gunicorn: error: unrecognized arguments: --wrokers 3`: the options' names alone.
fn arguments(line: &str) -> Option<String> {
    let rest = line.split_once(": error: unrecognized arguments:")?.1;
    let names = rest.split_whitespace().filter_map(|word| {
        let name = word.split('=').next()?;
        let fits = |b: u8| b.is_ascii_lowercase() || b == b'-';
        let option = name.starts_with('-') && name.len() <= 40 && name.bytes().all(fits);
        option.then_some(name)
    });
    let names: Vec<&str> = names.take(5).collect();
    Some(format!("unrecognized arguments: {}", names.join(" ")).trim_end_matches([':', ' ']).into())
}

/// `/srv/venv/bin/python: No module named gunicorn`, `ModuleNotFoundError: No module named 'x'`.
fn no_module(line: &str) -> Option<String> {
    let (before, rest) = line.split_once("No module named ")?;
    if !before.starts_with('/') && !before.starts_with("ModuleNotFoundError: ") {
        return None;
    }
    let name = rest.trim_start_matches('\'');
    let end = name.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '.'));
    let name = name.get(..end.unwrap_or(name.len()))?;
    (1..=100).contains(&name.len()).then(|| format!("No module named {name}"))
}

/// `ValueError: '/run/x' is not a socket`, `Connection in use: ('127.0.0.1', 8000)`.
fn socket(line: &str) -> Option<String> {
    if let Some((before, _)) = line.split_once("' is not a socket") {
        let path = path(before.rsplit('\'').next()?)?;
        return Some(format!("{path} is not a socket"));
    }
    if let Some((_, address)) = line.split_once("Connection in use: ") {
        return Some(format!("{} is already in use", self::address(address)?));
    }
    if let Some((_, address)) = line.split_once("Can't connect to ") {
        return Some(format!("can't listen on {}", self::address(address)?));
    }
    line.contains("[Errno 98] Address already in use")
        .then(|| "the address is already in use".into())
}

/// `class uri 'gevent' invalid or not found:`.
fn class(line: &str) -> Option<String> {
    let name = line.split_once("class uri '")?.1.split_once("' invalid or not found")?.0;
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b':' | b'-');
    let fits = (1..=100).contains(&name.len()) && name.bytes().all(fits);
    fits.then(|| format!("class uri {name} invalid or not found"))
}

/// `('127.0.0.1', 8000)`, `('::1', 8000, 0, 0)` or a path, as Python prints them.
fn address(text: &str) -> Option<String> {
    let Some(inner) = text.strip_prefix("('") else {
        return path(text.trim_matches('\'')).map(ToOwned::to_owned);
    };
    let (host, rest) = inner.split_once("', ")?;
    let port: String = rest.chars().take_while(char::is_ascii_digit).take(5).collect();
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b':' | b'-');
    let fits = host.len() <= 100 && host.bytes().all(fits) && !port.is_empty();
    fits.then(|| {
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    })
}

/// An absolute path of plain characters.
fn path(text: &str) -> Option<&str> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"/._-@+".contains(&b);
    let plain = text.starts_with('/') && text.len() <= 200 && text.bytes().all(fits);
    plain.then_some(text)
}
