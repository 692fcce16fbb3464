//! Values of settings: booleans, modes, sizes, enumerations, as systemd's parsers accept them.

/// Parses a boolean as `parse_boolean()` does.
pub fn parse_boolean(text: &str) -> Option<bool> {
    let is = |words: &[&str]| words.iter().any(|word| word.eq_ignore_ascii_case(text));
    if is(&["1", "yes", "y", "true", "t", "on"]) {
        Some(true)
    } else if is(&["0", "no", "n", "false", "f", "off"]) {
        Some(false)
    } else {
        None
    }
}

/// Parses an octal mode, `0o7777` at most.
pub fn parse_mode(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|b| matches!(b, b'0'..=b'7'));
    digits.then(|| u32::from_str_radix(text, 8).ok()).flatten().filter(|mode| *mode <= 0o7777)
}

/// Parses a size in bytes with the suffixes `K M G T P E` to the base 1024; `Some(None)` for
/// `infinity`.
pub fn parse_size(text: &str) -> Option<Option<u64>> {
    if text == "infinity" {
        return Some(None);
    }
    let length = text.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, suffix) = text.split_at(length);
    let count: u64 = digits.parse().ok()?;
    let power = match suffix.trim_start() {
        "" | "B" => 0,
        "K" => 1,
        "M" => 2,
        "G" => 3,
        "T" => 4,
        "P" => 5,
        "E" => 6,
        _ => return None,
    };
    count.checked_mul(1u64 << (10 * power)).map(Some)
}

macro_rules! enumeration {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
        #[serde(rename_all = "kebab-case")]
        #[allow(missing_docs)] // each is the word that systemd.service(5) or systemd.kill(5) has
        pub enum $name { $($variant),+ }

        impl $name {
            /// Every word that systemd accepts.
            pub const WORDS: &'static [&'static str] = &[$($word),+];

            /// The word's meaning; `None` if systemd ignores it.
            pub fn parse(text: &str) -> Option<Self> {
                match text {
                    $($word => Some(Self::$variant),)+
                    _ => None,
                }
            }

            /// The word as written in a unit.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }
    };
}

enumeration! {
    /// `Type=`.
    ServiceType {
        Simple = "simple",
        Exec = "exec",
        Forking = "forking",
        Oneshot = "oneshot",
        Dbus = "dbus",
        Notify = "notify",
        NotifyReload = "notify-reload",
        Idle = "idle",
    }
}

enumeration! {
    /// `Restart=`.
    Restart {
        No = "no",
        OnSuccess = "on-success",
        OnFailure = "on-failure",
        OnAbnormal = "on-abnormal",
        OnWatchdog = "on-watchdog",
        OnAbort = "on-abort",
        Always = "always",
    }
}

enumeration! {
    /// `KillMode=`.
    KillMode {
        ControlGroup = "control-group",
        Process = "process",
        Mixed = "mixed",
        None = "none",
    }
}

enumeration! {
    /// `NotifyAccess=`.
    NotifyAccess {
        None = "none",
        Main = "main",
        Exec = "exec",
        All = "all",
    }
}

/// The names of signals, without `SIG`.
const SIGNALS: &[&str] = &[
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "IOT", "BUS", "FPE", "KILL", "USR1", "SEGV",
    "USR2", "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CLD", "CONT", "STOP", "TSTP", "TTIN",
    "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "POLL", "PWR", "SYS",
];

/// A signal's full name, from its name with or without `SIG`, or from its number: `SIGHUP` for
/// `HUP` and `1`.
pub fn parse_signal(text: &str) -> Option<String> {
    if let Ok(number) = text.parse::<u8>() {
        return (1..=64).contains(&number).then(|| {
            NUMBERED
                .get(usize::from(number))
                .filter(|name| !name.is_empty())
                .map_or_else(|| number.to_string(), |name| format!("SIG{name}"))
        });
    }
    let name = text.strip_prefix("SIG").unwrap_or(text);
    let real_time = name.strip_prefix("RTMIN").or_else(|| name.strip_prefix("RTMAX"));
    let known = SIGNALS.contains(&name)
        || real_time.is_some_and(|rest| {
            rest.is_empty() || rest.get(1..).is_some_and(|n| n.parse::<u8>().is_ok())
        });
    known.then(|| format!("SIG{name}"))
}

/// Linux's signal numbers on the architectures that use the common ones.
const NUMBERED: [&str; 32] = [
    "", "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
    "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
    "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];
