//! Which values are allowed in the files: only those that a unit, nginx's configuration and a shell
//! all read unchanged, without quotes. Everything else is refused, and the message says what is
//! allowed.

use std::fmt;

/// A value that is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The option that gave it.
    pub option: &'static str,
    /// The value as typed.
    pub value: String,
    /// What is wrong with it.
    pub why: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Escaped: it may hold line ends and worse.
        write!(f, "{} \"{}\": {}", self.option, self.value.escape_debug(), self.why)
    }
}

impl std::error::Error for Refused {}

/// The longest name: a unix socket's path ends at 107 bytes.
const LONGEST_NAME: usize = 64;
/// The longest directory: the `#!` line of a program in its venv must fit into 127 bytes.
const LONGEST_DIR: usize = 64;

/// Names of services and of directories in /run that are the system's own.
const TAKEN: [&str; 34] = [
    "apache2",
    "apparmor",
    "apt-daily",
    "avahi-daemon",
    "containerd",
    "credentials",
    "cron",
    "dbus",
    "default",
    "docker",
    "getty",
    "initctl",
    "localhost",
    "lock",
    "log",
    "mariadb",
    "mount",
    "mysql",
    "network",
    "networking",
    "nftables",
    "nginx",
    "php",
    "postfix",
    "postgresql",
    "redis",
    "rsyslog",
    "screen",
    "shm",
    "ssh",
    "sshd",
    "sudo",
    "udev",
    "user",
];

/// Words that Python does not take as a name.
const KEYWORDS: [&str; 35] = [
    "False", "None", "True", "and", "as", "assert", "async", "await", "break", "class", "continue",
    "def", "del", "elif", "else", "except", "finally", "for", "from", "global", "if", "import",
    "in", "is", "lambda", "nonlocal", "not", "or", "pass", "raise", "return", "try", "while",
    "with", "yield",
];

/// Where a deployment cannot live.
const NOT_HERE: [(&str, &str); 15] = [
    ("/bin", "belongs to the system"),
    ("/boot", "belongs to the system"),
    ("/dev", "is gone after a reboot"),
    ("/etc", "is for settings"),
    ("/lib", "belongs to the system"),
    ("/lib64", "belongs to the system"),
    ("/proc", "is no place for files"),
    ("/root", "cannot be entered by the application's user"),
    ("/run", "is gone after a reboot"),
    ("/sbin", "belongs to the system"),
    ("/sys", "is no place for files"),
    ("/tmp", "is tidied up, and the unit has a /tmp of its own"),
    ("/usr", "cannot be written to by the application (ProtectSystem=)"),
    ("/var/run", "is gone after a reboot"),
    ("/var/tmp", "is tidied up, and the unit has a /var/tmp of its own"),
];

/// Directories that hold many things.
const TOO_HIGH: [&str; 7] = ["/home", "/media", "/mnt", "/opt", "/srv", "/var", "/var/lib"];

fn refuse<T>(option: &'static str, value: &str, why: impl Into<String>) -> Result<T, Refused> {
    Err(Refused { option, value: value.to_owned(), why: why.into() })
}

/// A Python name; those that are not ASCII are left to people who write the files themselves.
fn is_identifier(word: &str) -> bool {
    let mut letters = word.chars();
    letters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && letters.all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !KEYWORDS.contains(&word)
}

/// What gunicorn imports: `package.module:name` or `package.module:factory()`.
pub(super) fn app(word: &str) -> Result<String, Refused> {
    const FORM: &str = "write MODULE:ATTR as gunicorn takes it: wsgi:app, shop.web:app, or a factory, shop:create_app()";
    let Some((module, attribute)) = word.split_once(':') else {
        return refuse("--app", word, FORM);
    };
    if word.len() > 200 || !module.split('.').all(is_identifier) {
        return refuse("--app", word, format!("the module's name is not Python's; {FORM}"));
    }
    if attribute.contains('(') && !attribute.ends_with("()") {
        return refuse(
            "--app",
            word,
            "a factory with arguments needs quoting: give it defaults, or read the environment in it",
        );
    }
    if !is_identifier(attribute.strip_suffix("()").unwrap_or(attribute)) {
        return refuse("--app", word, format!("the attribute is not one Python name; {FORM}"));
    }
    Ok(word.to_owned())
}

/// The unit's name, which is also that of the site and of the directory below /run.
pub(super) fn name(word: &str) -> Result<String, Refused> {
    const FORM: &str =
        "letters, digits, `-`, `_` and `.`, a letter first, a letter or digit last, 64 at most";
    if word.ends_with(".service") || word.ends_with(".socket") {
        return refuse("--name", word, "write the name without .service");
    }
    let inner = word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    let first = word.starts_with(|c: char| c.is_ascii_alphabetic());
    let last = word.ends_with(|c: char| c.is_ascii_alphanumeric());
    if !inner || !first || !last || word.contains("..") || word.len() > LONGEST_NAME {
        return refuse("--name", word, FORM);
    }
    let lower = word.to_lowercase();
    if lower.starts_with("systemd") || TAKEN.contains(&lower.as_str()) {
        return refuse("--name", word, "belongs to the system: choose the application's own name");
    }
    Ok(word.to_owned())
}

/// A host name, or `_`. nginx compares in lower case.
pub(super) fn domain(word: &str) -> Result<String, Refused> {
    if word == "_" {
        return Ok(word.to_owned());
    }
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if word.len() > 253 || !word.split('.').all(label) {
        return refuse(
            "--domain",
            word,
            "one host name, such as shop.example.com (an international one as xn--...), or _ for every request that no other site takes",
        );
    }
    Ok(word.to_lowercase())
}

/// An account's name, as systemd takes it.
pub(super) fn user(word: &str) -> Result<String, Refused> {
    let first = word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let inner = word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    if !first || !inner || word.len() > 31 {
        return refuse(
            "--user",
            word,
            "an account's name: letters, digits, `-` and `_`, no digit first, 31 at most",
        );
    }
    if word == "root" {
        return refuse(
            "--user",
            word,
            "a fault in the application would own the host: choose another account",
        );
    }
    Ok(word.to_owned())
}

/// An absolute path that needs quoting nowhere.
pub(super) fn dir(word: &str) -> Result<String, Refused> {
    let trimmed = word.trim_end_matches('/');
    let Some(inside) = trimmed.strip_prefix('/') else {
        return refuse("--dir", word, "an absolute path, such as /srv/shop");
    };
    let plain = |part: &str| {
        !matches!(part, "" | "." | "..")
            && part
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '+' | '@'))
    };
    if !inside.split('/').all(plain) || trimmed.len() > LONGEST_DIR {
        return refuse(
            "--dir",
            word,
            "a path of letters, digits, `.`, `_`, `-`, `+`, `@`, without `..`, of 64 bytes at most: others need quoting in systemd, nginx or a shell",
        );
    }
    for (place, why) in NOT_HERE {
        if trimmed.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        {
            return refuse("--dir", word, format!("{place} {why}: choose one such as /srv/shop"));
        }
    }
    if TOO_HIGH.contains(&trimmed) {
        return refuse("--dir", word, "holds many things: choose a directory in it");
    }
    Ok(trimmed.to_owned())
}
