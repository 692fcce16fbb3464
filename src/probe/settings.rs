//! What is requested, how often, and what counts as a success.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::facts::probe::{BadUrl, parse};
use crate::host::HttpRequest;
use crate::host::net::tls::Trust;
use crate::source::Secret;

/// The highest rate, in probes per second and URL.
pub const HIGHEST_RATE: f64 = 10_000.0;
/// The longest run.
pub const LONGEST_RUN: Duration = Duration::from_secs(24 * 60 * 60);
/// The longest time to wait for a probe.
pub const LONGEST_TIMEOUT: Duration = Duration::from_secs(600);

/// All settings of a prober.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The sites to which probes are sent.
    pub targets: Vec<Target>,
    /// Probes per second for each target, both series together.
    pub rate: f64,
    /// When the last probe is due; `None` for a run that lasts until [`super::Prober::finish`].
    pub duration: Option<Duration>,
    /// How long a response may take, from the moment when the probe is sent (when it is due, unless
    /// the prober itself is late) to the last byte.
    pub timeout: Duration,
    /// GET or HEAD.
    pub method: Method,
    /// Headers that are sent in addition to the prober's own; their values are never shown.
    pub headers: Vec<(String, Secret)>,
    /// Values that a response may contain and that must not be shown: those of variables.
    pub hidden: Vec<Secret>,
    /// New connections, kept ones, or both alternately.
    pub connections: Connections,
    /// What counts as a success.
    pub expect: Expect,
    /// Which certificates are trusted.
    pub trust: Trust,
    /// Addresses to use in place of a name's own, as with curl: name, port, addresses.
    pub resolve: Vec<(String, u16, Vec<IpAddr>)>,
    /// The most connections open at the same time; `None` for as many as rate and timeout can need.
    /// The system's limit on open files applies in any case.
    pub most_open: Option<usize>,
}

impl Settings {
    /// 50 probes a second with a timeout of five seconds each, on new and kept connections
    /// alternately.
    pub fn new(targets: Vec<Target>) -> Self {
        Self {
            targets,
            rate: 50.0,
            duration: None,
            timeout: Duration::from_secs(5),
            method: Method::Get,
            headers: Vec::new(),
            hidden: Vec::new(),
            connections: Connections::Both,
            expect: Expect::default(),
            trust: Trust::System,
            resolve: Vec::new(),
            most_open: None,
        }
    }

    /// The time from one probe of a target to its next.
    pub fn interval(&self) -> Duration {
        Duration::from_secs_f64(1.0 / self.rate)
    }

    /// Checks that a run with these settings is possible.
    pub(super) fn validate(&self) -> Result<(), SettingsError> {
        let wrong = |why: &str| Err(SettingsError(why.to_owned()));
        if self.targets.is_empty() {
            return wrong("no URL is given");
        }
        // NaN is not in this range either.
        if !(0.01..=HIGHEST_RATE).contains(&self.rate) {
            return wrong("the rate is 0.01 to 10,000 probes a second");
        }
        if self.timeout.is_zero() || self.timeout > LONGEST_TIMEOUT {
            return wrong("the timeout is at most ten minutes, and not zero");
        }
        if self.duration.is_some_and(|duration| duration.is_zero() || duration > LONGEST_RUN) {
            return wrong("the duration is at most a day, and not zero");
        }
        if self.method == Method::Head && self.expect.body.is_some() {
            return wrong("an answer to HEAD has no body to check");
        }
        let empty = |text: &Option<String>| text.as_ref().is_some_and(String::is_empty);
        if [&self.expect.body, &self.expect.version, &self.expect.watch].into_iter().any(empty) {
            return wrong("an expected text cannot be empty: every answer contains it");
        }
        self.headers.iter().try_for_each(|(name, value)| header(name, value.expose()))
    }
}

/// Checks that a header can be sent as it is.
fn header(name: &str, value: &[u8]) -> Result<(), SettingsError> {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(token) {
        return Err(SettingsError("a header is written as NAME: VALUE".to_owned()));
    }
    if value.iter().any(|byte| *byte != b'\t' && byte.is_ascii_control()) {
        return Err(SettingsError(format!(
            "header {name}: its value contains a control character"
        )));
    }
    let ours = ["connection", "content-length", "transfer-encoding", "expect", "upgrade"];
    if ours.iter().any(|our| name.eq_ignore_ascii_case(our)) {
        return Err(SettingsError(format!("header {name}: the prober sets it itself")));
    }
    Ok(())
}

/// A site, or an application's socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The URL as written.
    pub url: String,
    /// The request that the URL stands for.
    pub request: HttpRequest,
}

impl Target {
    /// Reads `http://…`, `https://…` or `unix:/socket[:/path]`.
    pub fn parse(url: &str) -> Result<Self, BadUrl> {
        Ok(Self { url: url.to_owned(), request: parse(url)? })
    }
}

/// The method of every probe. Neither changes anything on a site that follows the HTTP standard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Requests the whole response.
    Get,
    /// Requests only the head of the response.
    Head,
}

impl Method {
    /// The word that is sent.
    pub fn word(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
        }
    }
}

/// How requests are sent to a site, whatever is requested: settings that are given once for several
/// probers.
#[derive(Debug, Clone)]
pub struct Asking {
    /// See [`Settings::headers`].
    pub headers: Vec<(String, Secret)>,
    /// See [`Settings::trust`].
    pub trust: Trust,
    /// See [`Settings::resolve`].
    pub resolve: Vec<(String, u16, Vec<IpAddr>)>,
}

/// Which series are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connections {
    /// Both, alternately.
    Both,
    /// A connection for each probe.
    New,
    /// Connections that are kept from one probe to the next.
    Kept,
}

/// What counts as a success.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expect {
    /// Any of these; if empty, the first status below 400, which must then stay the same.
    pub status: Vec<u16>,
    /// A text that the body or a header must contain: the release that should answer.
    pub version: Option<String>,
    /// A text that the body must contain.
    pub body: Option<String>,
    /// A text that is searched for in the body and the headers. Its absence is noted but is never a
    /// failure: the release that takes over during a reload.
    pub watch: Option<String>,
}

/// Why the settings cannot be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsError(pub(super) String);

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SettingsError {}

/// Why a prober did not start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StartError {
    /// The settings contradict each other or are out of range.
    Settings(SettingsError),
    /// The host's name has no address.
    Unresolved {
        /// The target's URL.
        url: String,
        /// The name.
        host: String,
    },
    /// The trusted certificates could not be loaded.
    Trust(String),
    /// The system refused what every program needs: a descriptor, a thread.
    System(String),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Settings(error) => error.fmt(f),
            Self::Unresolved { url, host } => {
                write!(f, "{url}: {host} has no address; nothing was sent")
            }
            Self::Trust(text) | Self::System(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for StartError {}

impl From<SettingsError> for StartError {
    fn from(error: SettingsError) -> Self {
        Self::Settings(error)
    }
}

/// The certificates to trust, from options of the command line.
pub fn trust(cacert: Option<PathBuf>, insecure: bool) -> Trust {
    match cacert {
        _ if insecure => Trust::Anyone,
        Some(path) => Trust::File(path),
        None => Trust::System,
    }
}
