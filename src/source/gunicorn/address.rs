//! The meaning of `--bind`: `parse_address` of gunicorn's `util.py`, the same from 20.1 to 27.0,
//! and what `sock.py` does with its result.

/// Where gunicorn listens.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BindAddress {
    /// A socket file. A relative path starts at the working directory of the process when it binds.
    Unix(String),
    /// A host, converted to lower case as gunicorn does, and a port. An IPv6 address has no
    /// brackets: `::`.
    Tcp {
        /// The host or address; may be empty (every address).
        host: String,
        /// The port.
        port: u16,
    },
    /// An inherited descriptor.
    Fd(i64),
}

impl BindAddress {
    /// Whether the host is an IPv6 address by gunicorn's own test.
    pub fn is_ipv6(&self) -> bool {
        matches!(self, Self::Tcp { host, .. } if host.parse::<std::net::Ipv6Addr>().is_ok())
    }
}

/// gunicorn refuses the text and exits with 1 when it starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressFault {
    /// What is wrong.
    pub message: String,
}

/// Reads one `--bind` value.
pub fn parse_address(text: &str) -> Result<BindAddress, AddressFault> {
    const DEFAULT_PORT: &str = "8000";
    let fault = |message: String| Err(AddressFault { message });
    // `re.split(r"unix:(//)?", text)[-1]`: the text after the last `unix:`.
    if text.starts_with("unix:") {
        let rest = text.rsplit("unix:").next().unwrap_or_default();
        return Ok(BindAddress::Unix(rest.strip_prefix("//").unwrap_or(rest).to_owned()));
    }
    if let Some(number) = text.strip_prefix("fd://") {
        return match number.trim().parse::<i64>() {
            Ok(number) => Ok(BindAddress::Fd(number)),
            Err(_) => fault("not a file descriptor".into()),
        };
    }
    let text = match text.strip_prefix("tcp://") {
        Some(rest) => rest.split("tcp://").next().unwrap_or_default(),
        None => text,
    };
    let (host, port) = if text.contains('[') && text.contains(']') {
        let host = text.split(']').next().unwrap_or_default();
        let host = host.char_indices().nth(1).and_then(|(at, _)| host.get(at..)).unwrap_or("");
        (host, text.split("]:").nth(1).unwrap_or(DEFAULT_PORT))
    } else if text.contains(':') {
        let mut parts = text.split(':');
        (parts.next().unwrap_or_default(), parts.next().unwrap_or(DEFAULT_PORT))
    } else if text.is_empty() {
        ("0.0.0.0", DEFAULT_PORT)
    } else {
        (text, DEFAULT_PORT)
    };
    let trimmed = port.trim();
    let digits = trimmed.strip_prefix('+').unwrap_or(trimmed);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return fault(format!("`{port}` is not a port"));
    }
    match digits.parse::<u16>() {
        Ok(port) => Ok(BindAddress::Tcp { host: host.to_lowercase(), port }),
        Err(_) => fault(format!("port {digits} is above 65535")),
    }
}
