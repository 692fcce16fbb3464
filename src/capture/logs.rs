//! Masks logs and the output of programs. They may contain anything, so only recognised text is
//! kept: whole sentences of gunicorn, Python, systemd and nginx. Everything else is left out, word
//! by word or line by line.

use serde_json::{Map, Value};

use super::mask::{Masker, words};
use crate::host::Output;
use crate::source::last_words::last_words;
use crate::source::traceback::missing_name;
use crate::source::{nginx_log, show};

/// Sentences of gunicorn, Python and the frameworks that are informative about a deployment.
const SENTENCES: [&str; 42] = [
    "Worker failed to boot",
    "App failed to load",
    "exited with code 3",
    "exited with code 4",
    ": Exception on ",
    "Error handling request ",
    "Internal Server Error: ",
    "Exception in ASGI application",
    "Autorestarting worker after current request",
    "WORKER TIMEOUT (pid:",
    "WORKER TIMEOUT",
    "was sent SIGKILL!",
    "was sent SIGSEGV!",
    "was sent SIGTERM!",
    "was sent SIGABRT!",
    "was sent SIGINT!",
    "was sent SIGQUIT!",
    "was sent SIG",
    "was terminated due to signal 9",
    "was terminated due to signal 11",
    "was terminated due to signal 6",
    "was terminated due to signal 15",
    "was terminated due to signal",
    "Worker reloading: ",
    "Handling signal: ttin",
    "Handling signal: hup",
    "[INFO] Starting gunicorn ",
    "] Booting worker with pid: ",
    "] Listening at: ",
    "Traceback (most recent call last):",
    "File \"<frozen ",
    "Failed to find attribute '",
    "isn't writable [",
    " does not exist. Can't create pidfile.",
    "Already running on PID ",
    ": error: unrecognized arguments:",
    "No module named ",
    "' is not a socket",
    "Connection in use: ",
    "Can't connect to ",
    "[Errno 98] Address already in use",
    "' invalid or not found",
];

/// The recognised parts of a line of an application's log; empty if there are none.
fn line(masker: &mut Masker, line: &str) -> String {
    let mut kept: Vec<Vec<u8>> = Vec::new();
    let mut keep = |text: &str| kept.extend(words(text.as_bytes()).map(<[u8]>::to_vec));
    let mut recognised = false;
    for sentence in SENTENCES.iter().filter(|sentence| line.contains(**sentence)) {
        recognised = true;
        keep(sentence);
    }
    if let Some((_, version)) = line.split_once("[INFO] Starting gunicorn ") {
        keep(version.split_whitespace().next().unwrap_or_default());
    }
    if let Some(said) = last_words(line) {
        recognised = true;
        keep(&said);
        keep("class uri Error");
    }
    let trimmed = line.trim_start();
    if let Some((file, rest)) = trimmed.strip_prefix("File \"").and_then(|r| r.split_once('"')) {
        recognised = true;
        keep(file);
        keep(rest.strip_prefix(", line ").and_then(|r| r.split(',').next()).unwrap_or_default());
        keep("File line");
    }
    if trimmed.len() == line.len() {
        let (kind, text) = line.split_once(": ").unwrap_or((line.trim_end_matches(':'), ""));
        if is_exception(kind.trim_end()) {
            recognised = true;
            keep(kind);
            if let Some(name) = missing_name(kind, text) {
                keep(&name);
                keep("No module named cannot import name is not defined");
            }
            if text.starts_with("reentrant call") {
                keep("reentrant call");
            }
        }
        if let Some(name) = line.strip_prefix("Failed to find attribute '") {
            keep(name.split('\'').next().unwrap_or_default());
        }
    }
    if !recognised {
        return String::new();
    }
    let mut bytes = line.as_bytes().to_vec();
    masker.words(&mut bytes, |word| kept.iter().any(|one| one == word));
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Whether the word is the name of an exception: letters and dots, its last part with a capital.
fn is_exception(word: &str) -> bool {
    let last = word.rsplit('.').next().unwrap_or_default();
    (2..=60).contains(&last.len())
        && word.len() <= 100
        && last.starts_with(|first: char| first.is_ascii_uppercase())
        && last.chars().any(|c| c.is_ascii_lowercase())
        && word.chars().all(|c| c.is_ascii_alphabetic() || matches!(c, '.' | '_'))
}

/// The fields of a journal entry that are read.
const FIELDS: [&str; 6] = [
    "__REALTIME_TIMESTAMP",
    "_SYSTEMD_INVOCATION_ID",
    "INVOCATION_ID",
    "MESSAGE_ID",
    "_PID",
    "MESSAGE",
];

/// Masks `journalctl --output=json`: of each entry only [`FIELDS`] are kept, and of its message only
/// the parts that are recognised.
pub(super) fn journal(masker: &mut Masker, output: &mut Output) {
    let mut kept = Vec::new();
    for entry in output.stdout.split(|byte| *byte == b'\n') {
        let Ok(Value::Object(fields)) = serde_json::from_slice(entry) else { continue };
        let mut out = Map::new();
        for (name, value) in fields {
            if !FIELDS.contains(&name.as_str()) {
                continue;
            }
            let value = match name.as_str() {
                "MESSAGE" => Value::String(message(masker, &value)),
                _ => value,
            };
            out.insert(name, value);
        }
        if let Ok(line) = serde_json::to_vec(&Value::Object(out)) {
            kept.extend(line);
            kept.push(b'\n');
        }
    }
    output.stdout = kept;
    stderr(masker, output);
}

fn message(masker: &mut Masker, value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Array(bytes) => {
            let byte = |byte: &Value| byte.as_u64().and_then(|byte| u8::try_from(byte).ok());
            let bytes: Vec<u8> = bytes.iter().filter_map(byte).collect();
            String::from_utf8_lossy(&bytes).into_owned()
        }
        _ => String::new(),
    };
    let lines: Vec<String> = text.lines().map(|one| line(masker, one)).collect();
    lines.join("\n").trim_matches('\n').to_owned()
}

/// Masks secrets in standard error. The rest is kept, because reports show what a program says
/// about itself.
fn stderr(masker: &mut Masker, output: &mut Output) {
    super::command::command(masker, &mut output.stderr);
}

/// Masks `systemctl show`: the commands of Exec properties are never read.
pub(super) fn systemctl(masker: &mut Masker, output: &mut Output) {
    for line in output.stdout.split_mut(|byte| *byte == b'\n') {
        let Some(at) = line.iter().position(|byte| *byte == b'=') else { continue };
        let name = line.get(..at).unwrap_or_default();
        let (exec, set) = (name.starts_with(b"Exec"), name == b"Environment");
        let numbers = name.starts_with(b"ExecMain");
        if set || exec && !numbers {
            masker.secret(line.get_mut(at + 1..).unwrap_or_default(), |_| false);
        }
    }
    stderr(masker, output);
}

/// Masks `nginx -t` and `nginx -v`, whose output is shown.
pub(super) fn nginx(masker: &mut Masker, output: &mut Output) {
    super::command::command(masker, &mut output.stdout);
    super::command::command(masker, &mut output.stderr);
}

/// Masks the end of nginx's error log: lines that say how an upstream failed are kept, without the
/// visitor.
pub(super) fn nginx_errors(masker: &mut Masker, bytes: &[u8]) -> Vec<u8> {
    let mut kept = Vec::new();
    let lines: Vec<&[u8]> =
        bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
    for (index, line) in lines.iter().copied().enumerate() {
        if nginx_log::parse(line).is_empty() {
            // The newest line tells the time zone that nginx was started in.
            if index + 1 == lines.len()
                && let Some(time) = nginx_log::newest(line)
            {
                kept.extend(time.replace('-', "/").into_bytes());
                kept.extend(b" (left out)\n");
            }
            continue;
        }
        // The request is between these two; after the second come the host and the referrer.
        const CLIENT: &[u8] = b", client: ";
        const UPSTREAM: &[u8] = b", upstream: \"";
        let mut line = line.to_vec();
        let client = memchr::memmem::find(&line, CLIENT).unwrap_or(0);
        let Some(upstream) = memchr::memmem::find(&line, UPSTREAM) else { continue };
        if client < upstream {
            let middle = line.get_mut(client + CLIENT.len()..upstream).unwrap_or_default();
            masker.words(middle, |word| matches!(word, b"server" | b"request"));
        }
        let from = upstream + UPSTREAM.len();
        let url = line.get(from..).unwrap_or_default();
        let mut slashes = url.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        let unix = memchr::memmem::find(url, b"://unix:").map(|at| at + 8);
        let end = match unix {
            Some(at) => url
                .get(at..)
                .and_then(|rest| rest.iter().position(|b| matches!(b, b':' | b'"')))
                .map_or(url.len(), |n| at + n),
            None => slashes.nth(2).map_or(url.len(), |(at, _)| at),
        };
        let rest = line.get_mut(from + end..).unwrap_or_default();
        masker.words(rest, |word| matches!(word, b"host" | b"referrer" | b"upstream"));
        kept.extend(line);
        kept.push(b'\n');
    }
    kept
}

/// Masks a message of the operating system.
pub(super) fn said(masker: &mut Masker, text: &mut String) {
    let mut bytes = show::line(text).into_bytes();
    masker.everywhere(&mut bytes);
    *text = String::from_utf8_lossy(&bytes).into_owned();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> String {
        line(&mut Masker::default(), text)
    }

    #[test]
    fn only_what_is_recognised_stays() {
        assert_eq!(one("user hunter2 logged in"), "");
        assert_eq!(
            one("[7] [INFO] Starting gunicorn 23.0.0"),
            "[9] [INFO] Starting gunicorn 23.0.0"
        );
        assert_eq!(one("KeyError: 'API_TOKEN'"), "KeyError: 'API_TOKEN'");
        assert_eq!(one("ValueError: bad hunter2"), "ValueError: mas masked7");
        assert_eq!(
            one("  File \"/srv/a/wsgi.py\", line 3, in hunter2"),
            "  File \"/srv/a/wsgi.py\", line 3, ma masked7"
        );
        let log = "2026/04/21 09:15:00 [error] 7#7: *3 connect() to unix:/run/x.sock failed (111: \
            Connection refused) while connecting to upstream, client: 10.0.0.1, server: a, \
            request: \"GET /?token=hunter2 HTTP/1.1\", upstream: \
            \"http://unix:/run/x.sock:/?token=hunter2\", host: \"a.example\"\nother hunter2\n";
        let mut masker = Masker::default();
        let kept = nginx_errors(&mut masker, log.as_bytes());
        let text = String::from_utf8(kept.clone()).unwrap();
        assert!(!text.contains("hunter2") && !text.contains("10.0"), "{text}");
        assert_eq!(nginx_log::parse(&kept), nginx_log::parse(log.as_bytes()));
    }
}
