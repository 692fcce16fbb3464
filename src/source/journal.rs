//! `journalctl -o json`: one JSON object per line (journalctl(1), systemd.journal-fields(7),
//! "Journal JSON Format" of systemd).

use serde_json::Value;

use super::Secret;
use crate::host::{Command, Program};

/// `MESSAGE_ID` of "Reloading …" (`SD_MESSAGE_UNIT_RELOADING`, sd-messages.h).
const RELOADING: &str = "d34d037fff1847e6ae669a370e694725";

/// A line of the journal. Its message may contain anything, even secrets, so it is not shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The time in microseconds since 1970; 0 if the line has none.
    pub time: u64,
    /// The run of the unit that it belongs to.
    pub invocation: Option<String>,
    /// The process that wrote it, if that was requested.
    pub pid: Option<u32>,
    /// Whether it is systemd's own message that a reload begins.
    pub reloading: bool,
    /// The message.
    pub message: Secret,
}

/// The command for the journal of a unit since a time (`2026-04-21 09:15:00`, in the machine's own
/// zone), oldest first.
pub fn command(unit: &str, since: &str) -> Command {
    let fields = "MESSAGE,MESSAGE_ID,_SYSTEMD_INVOCATION_ID,INVOCATION_ID";
    let arguments = [
        "--no-pager".to_owned(),
        "--output=json".into(),
        format!("--output-fields={fields}"),
        format!("--since={since}"),
        format!("--unit={unit}"),
    ];
    Command::new(Program::Journalctl, arguments)
}

/// Reads the command's output. A line that was cut off is ignored.
pub fn parse(output: &[u8]) -> Vec<Entry> {
    output.split(|byte| *byte == b'\n').filter_map(entry).collect()
}

fn entry(line: &[u8]) -> Option<Entry> {
    let Value::Object(fields) = serde_json::from_slice(line).ok()? else { return None };
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    let time = text("__REALTIME_TIMESTAMP").and_then(|text| text.parse().ok()).unwrap_or(0);
    let invocation = text("_SYSTEMD_INVOCATION_ID").or_else(|| text("INVOCATION_ID"));
    // systemd's own messages have the unit's invocation in INVOCATION_ID; in systemd's own slice,
    // _SYSTEMD_INVOCATION_ID is missing or a different one.
    let invocation = text("INVOCATION_ID").or(invocation).map(ToOwned::to_owned);
    let reloading = text("MESSAGE_ID") == Some(RELOADING);
    Some(Entry {
        time,
        invocation,
        pid: text("_PID").and_then(|text| text.parse().ok()),
        reloading,
        message: Secret::new(message(fields.get("MESSAGE")?)),
    })
}

/// Reads a text, or an array of bytes if the message is not UTF-8 or contains control characters.
fn message(value: &Value) -> Vec<u8> {
    match value {
        Value::String(text) => text.clone().into_bytes(),
        Value::Array(bytes) => bytes
            .iter()
            .filter_map(|byte| byte.as_u64().and_then(|byte| u8::try_from(byte).ok()))
            .collect(),
        // A message that is too long to be printed is null.
        _ => Vec::new(),
    }
}

/// Why the journal could not be read, according to journalctl's standard error.
pub fn denied(stderr: &[u8]) -> Option<&'static str> {
    let text = String::from_utf8_lossy(stderr);
    if text.contains("insufficient permissions") || text.contains("not seeing messages") {
        Some("this user cannot read the journal (root and the group systemd-journal can)")
    } else if text.contains("No journal files were found") {
        Some("there is no journal")
    } else {
        None
    }
}
