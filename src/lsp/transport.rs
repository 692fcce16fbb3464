//! JSON-RPC 2.0 in the protocol's framing: `Content-Length: N`, an empty line, N bytes of JSON.
//!
//! The crate lsp-server is not used: it quotes a message that it cannot read, which may contain an
//! environment file; it allocates as many bytes as a header says; and it stops at the first message
//! that is not JSON.

use std::io::{BufRead, BufReader, Read, Write};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;

use serde_json::{Map, Value, json};

use crate::host::READ_LIMIT;

/// In JSON, a text is at most four times as long, unless it consists of control characters.
const MESSAGE_LIMIT: u64 = 4 * READ_LIMIT;
/// The longest header line, in bytes.
const HEADER_LIMIT: u64 = 4096;
/// The most messages that wait in the queue; after that, the client has to wait.
const QUEUE: usize = 1000;

/// A message from the client.
#[derive(Debug, PartialEq)]
pub(super) enum Incoming {
    /// A message that expects an answer.
    Request {
        /// A number or text.
        id: Value,
        method: String,
        params: Value,
    },
    /// A message that expects no answer.
    Notification { method: String, params: Value },
    /// The client's answer to a request.
    Response {
        /// The error, if the request failed.
        error: Option<String>,
    },
    /// A malformed message: not JSON, or not JSON-RPC.
    Broken {
        /// JSON-RPC's number for the error.
        code: ErrorCode,
        /// The reason, without a word of the message, which may contain secrets.
        why: String,
    },
    /// The end of the input; with a reason unless the client simply disconnected.
    End(Option<String>),
}

/// The protocol's numbers for errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ErrorCode {
    Parse = -32700,
    InvalidRequest = -32600,
    MethodNotFound = -32601,
    InvalidParams = -32602,
    NotInitialized = -32002,
    Cancelled = -32800,
    Failed = -32803,
}

/// Reads messages in a thread of its own.
pub(super) fn read(input: impl Read + Send + 'static) -> Receiver<Incoming> {
    let (sender, receiver) = sync_channel(QUEUE);
    std::thread::spawn(move || read_all(&mut BufReader::new(input), &sender));
    receiver
}

fn read_all(input: &mut dyn BufRead, sender: &SyncSender<Incoming>) {
    loop {
        let incoming = match frame(input) {
            Ok(Some(bytes)) => parse(&bytes),
            Ok(None) => Incoming::End(None),
            Err(why) => Incoming::End(Some(why)),
        };
        let last = matches!(incoming, Incoming::End(_));
        if sender.send(incoming).is_err() || last {
            return;
        }
    }
}

/// The bytes of the next message; `None` at the end of the input.
fn frame(mut input: &mut dyn BufRead) -> Result<Option<Vec<u8>>, String> {
    let mut length = None;
    let mut first = true;
    loop {
        let mut line = Vec::new();
        let limited = &mut (&mut input).take(HEADER_LIMIT);
        limited.read_until(b'\n', &mut line).map_err(|error| error.to_string())?;
        if line.is_empty() && first {
            return Ok(None);
        }
        first = false;
        let Some(header) = line.strip_suffix(b"\n") else {
            return Err("a message's header has no end".to_owned());
        };
        let header = header.trim_ascii();
        if header.is_empty() {
            break;
        }
        let not_one = "expected a header `Content-Length: N`";
        let header = std::str::from_utf8(header).map_err(|_| not_one)?;
        let (name, value) = header.split_once(':').ok_or(not_one)?;
        if name.trim().eq_ignore_ascii_case("Content-Length") {
            length = Some(value.trim().parse::<u64>().map_err(|_| not_one)?);
        }
    }
    let length = length.ok_or("a message has no header `Content-Length: N`")?;
    if length > MESSAGE_LIMIT {
        return Err(format!(
            "a message of {length} bytes, more than the {MESSAGE_LIMIT} that are read"
        ));
    }
    let mut bytes = Vec::new();
    // The buffer grows as bytes arrive, whatever the header says.
    let read = input.take(length).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    match read as u64 == length {
        true => Ok(Some(bytes)),
        false => Err("the client went away within a message".to_owned()),
    }
}

fn parse(bytes: &[u8]) -> Incoming {
    let value: Value = match serde_json::from_slice(bytes) {
        Ok(value) => value,
        Err(error) => {
            let why = format!("no JSON at line {}, column {}", error.line(), error.column());
            return Incoming::Broken { code: ErrorCode::Parse, why };
        }
    };
    let invalid = |why: &str| Incoming::Broken { code: ErrorCode::InvalidRequest, why: why.into() };
    let Value::Object(mut message) = value else { return invalid("no JSON object") };
    let (id, method) = (message.remove("id"), message.remove("method"));
    let params = message.remove("params").unwrap_or_default();
    match (id, method) {
        (None, Some(Value::String(method))) => Incoming::Notification { method, params },
        (Some(id @ (Value::Number(_) | Value::String(_))), Some(Value::String(method))) => {
            Incoming::Request { id, method, params }
        }
        (Some(_), None) => Incoming::Response { error: error_of(&message) },
        (_, Some(_)) => invalid("neither `method` nor `id` may be of this kind"),
        (None, None) => invalid("neither `method` nor `id`"),
    }
}

fn error_of(message: &Map<String, Value>) -> Option<String> {
    let error = message.get("error")?;
    Some(error["message"].as_str().unwrap_or("no reason was given").to_owned())
}

/// Writes messages in a thread of its own, until all senders are dropped or nobody reads.
pub(super) fn write(mut output: impl Write + Send + 'static) -> (Sender<Value>, JoinHandle<()>) {
    let (sender, receiver) = channel::<Value>();
    let writer = std::thread::spawn(move || {
        for message in receiver {
            let text = message.to_string();
            let frame = format!("Content-Length: {}\r\n\r\n{text}", text.len());
            if output.write_all(frame.as_bytes()).and_then(|()| output.flush()).is_err() {
                return;
            }
        }
    });
    (sender, writer)
}

/// An answer.
pub(super) fn answer(id: &Value, result: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "result": result })
}

/// An error response.
pub(super) fn refusal(id: &Value, code: ErrorCode, message: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code as i32, "message": message } })
}

/// A notification to the client.
pub(super) fn notification(method: &str, params: Value) -> Value {
    json!({ "jsonrpc": "2.0", "method": method, "params": params })
}

/// A request to the client.
pub(super) fn request(id: &str, method: &str, params: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
}
