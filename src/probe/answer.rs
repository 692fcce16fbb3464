//! A response over HTTP/1.1, parsed as it arrives (RFC 9112).

use super::body::{FIRST_BYTES, Framing, Search};
use super::malformed::Malformed;
use super::settings::{Expect, Method};

/// The largest head of a response, interim responses (1xx) included.
const HEAD_LIMIT: usize = 64 << 10;
/// The most headers.
const HEADER_LIMIT: usize = 256;

/// A complete response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub status: u16,
    /// Whether the connection may be used again.
    pub keep_alive: bool,
    /// The body's first bytes.
    pub first_bytes: Vec<u8>,
    /// Whether the response contains the expected version; `None` if no version is expected.
    pub version: Option<bool>,
    /// Whether the body contains the expected text; `None` if none is expected.
    pub body: Option<bool>,
    /// Whether the response contains the watched text; `None` if none is watched.
    pub watch: Option<bool>,
}

/// How an incomplete response ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// Before its first byte.
    Nothing,
    /// In the middle.
    Short,
}

/// Reads one response.
#[derive(Debug)]
pub(super) struct Reader {
    method: Method,
    /// The head so far.
    head: Vec<u8>,
    /// How many bytes of the head were already searched for its end.
    searched: usize,
    /// The number of bytes of the interim responses.
    interim: usize,
    status: Option<u16>,
    keep_alive: bool,
    framing: Option<Framing>,
    first_bytes: Vec<u8>,
    version: Option<Search>,
    body: Option<Search>,
    watch: Option<Search>,
    /// Whether there were bytes after the end of the response.
    surplus: bool,
    any: bool,
}

impl Reader {
    pub(super) fn new(method: Method, expect: &Expect) -> Self {
        let search = |text: &Option<String>| text.as_deref().map(Search::new);
        Self {
            method,
            head: Vec::new(),
            searched: 0,
            interim: 0,
            status: None,
            keep_alive: false,
            framing: None,
            first_bytes: Vec::new(),
            version: search(&expect.version),
            body: search(&expect.body),
            watch: search(&expect.watch),
            surplus: false,
            any: false,
        }
    }

    /// Whether no byte has arrived yet.
    pub(super) fn untouched(&self) -> bool {
        !self.any
    }

    /// Processes bytes that arrived. Returns `Some` once the response is complete.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<Option<Answer>, Malformed> {
        self.any |= !bytes.is_empty();
        let mut rest = bytes;
        if self.framing.is_none() {
            // Only the new bytes can contain the end of the head.
            self.head.extend_from_slice(bytes);
            let Some(length) = self.read_head()? else { return Ok(None) };
            let head = std::mem::take(&mut self.head);
            // What follows the head is among the bytes that just arrived.
            let behind = head.len().saturating_sub(length);
            rest = bytes.get(bytes.len().saturating_sub(behind)..).unwrap_or_default();
        }
        let taken = self.read_body(rest)?;
        if self.framing.as_ref().is_some_and(Framing::done) {
            self.surplus |= taken < rest.len();
            return Ok(self.whole());
        }
        Ok(None)
    }

    /// Records that the connection has ended.
    pub(super) fn end(&mut self) -> Result<Answer, Cut> {
        match self.framing {
            Some(Framing::UntilClose) => self.whole().ok_or(Cut::Short),
            _ if !self.any => Err(Cut::Nothing),
            _ => Err(Cut::Short),
        }
    }

    /// The body's first bytes, even if the response is incomplete.
    pub(super) fn first_bytes(&self) -> &[u8] {
        if self.framing.is_some() { &self.first_bytes } else { first(&self.head) }
    }

    /// The status, once it is known.
    pub(super) fn status(&self) -> Option<u16> {
        self.status
    }

    fn whole(&mut self) -> Option<Answer> {
        let until_close = matches!(self.framing, Some(Framing::UntilClose));
        let found = |search: &Option<Search>| search.as_ref().map(|search| search.found);
        Some(Answer {
            status: self.status?,
            keep_alive: self.keep_alive && !self.surplus && !until_close,
            first_bytes: std::mem::take(&mut self.first_bytes),
            version: found(&self.version),
            body: found(&self.body),
            watch: found(&self.watch),
        })
    }

    /// The length of the head within `self.head`, once the head is complete; interim responses are
    /// dropped.
    fn read_head(&mut self) -> Result<Option<usize>, Malformed> {
        loop {
            let ended = ended(self.head.get(self.searched..).unwrap_or_default());
            self.searched = self.head.len().saturating_sub(3);
            if self.interim + self.head.len() > HEAD_LIMIT && !ended {
                return Err(Malformed("headers larger than 64 KiB"));
            }
            // A head that arrives byte by byte is parsed only once.
            if !ended && self.head.starts_with(b"HTTP/") {
                return Ok(None);
            }
            let mut headers = [httparse::EMPTY_HEADER; HEADER_LIMIT];
            let mut response = httparse::Response::new(&mut headers);
            let length = match response.parse(&self.head) {
                Ok(httparse::Status::Complete(length)) => length,
                Ok(httparse::Status::Partial) => return Ok(None),
                Err(httparse::Error::TooManyHeaders) => {
                    return Err(Malformed("more than 256 headers"));
                }
                Err(_) => return Err(Malformed("not an HTTP/1 answer")),
            };
            if length + self.interim > HEAD_LIMIT {
                return Err(Malformed("headers larger than 64 KiB"));
            }
            let status = response.code.unwrap_or(0);
            // 101 switches to a protocol that was not requested, so it is the last response.
            if (100..200).contains(&status) && status != 101 {
                self.interim += length;
                self.head.drain(..length);
                self.searched = 0;
                continue;
            }
            let head = Head::read(&response, self.method)?;
            for search in [&mut self.version, &mut self.watch].into_iter().flatten() {
                for header in response.headers.iter() {
                    search.push(header.value);
                    search.interrupt();
                }
            }
            self.status = Some(status);
            self.keep_alive = head.keep_alive;
            self.framing = Some(head.framing);
            return Ok(Some(length));
        }
    }

    fn read_body(&mut self, bytes: &[u8]) -> Result<usize, Malformed> {
        let Some(framing) = &mut self.framing else { return Ok(0) };
        let kept = &mut self.first_bytes;
        let mut searches = [&mut self.version, &mut self.body, &mut self.watch];
        framing.take(bytes, |part| {
            let room = FIRST_BYTES.saturating_sub(kept.len()).min(part.len());
            kept.extend_from_slice(part.get(..room).unwrap_or_default());
            for search in searches.iter_mut().filter_map(|search| search.as_mut()) {
                search.push(part);
            }
        })
    }
}

fn first(bytes: &[u8]) -> &[u8] {
    bytes.get(..FIRST_BYTES.min(bytes.len())).unwrap_or_default()
}

/// Whether the head contains an empty line.
fn ended(head: &[u8]) -> bool {
    memchr::memmem::find(head, b"\n\r\n").is_some() || memchr::memmem::find(head, b"\n\n").is_some()
}

/// What the headers say about the body and the connection.
struct Head {
    keep_alive: bool,
    framing: Framing,
}

impl Head {
    fn read(response: &httparse::Response<'_, '_>, method: Method) -> Result<Self, Malformed> {
        let status = response.code.unwrap_or(0);
        let mut keep_alive = response.version == Some(1);
        let mut close = false;
        let (mut length, mut encoding): (Option<u64>, Option<bool>) = (None, None);
        for header in response.headers.iter() {
            let is = |name: &str| header.name.eq_ignore_ascii_case(name);
            if is("connection") {
                for word in header.value.split(|byte| *byte == b',') {
                    let word = word.trim_ascii();
                    keep_alive |= word.eq_ignore_ascii_case(b"keep-alive");
                    close |= word.eq_ignore_ascii_case(b"close");
                }
            } else if is("content-length") {
                let text = std::str::from_utf8(header.value).unwrap_or_default().trim();
                let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
                let said = text.parse().ok().filter(|_| digits);
                let said = said.ok_or(Malformed("a Content-Length that is not a number"))?;
                if length.is_some_and(|before| before != said) {
                    return Err(Malformed("two Content-Lengths that differ"));
                }
                length = Some(said);
            } else if is("transfer-encoding") {
                let last = header.value.rsplit(|byte| *byte == b',').next().unwrap_or_default();
                encoding = Some(last.trim_ascii().eq_ignore_ascii_case(b"chunked"));
            }
        }
        let bodiless = method == Method::Head || matches!(status, 100..200 | 204 | 304);
        let framing = match (bodiless, encoding, length) {
            (true, ..) => Framing::Length(0),
            (false, Some(true), _) => Framing::chunked(),
            (false, Some(false), _) | (false, None, None) => Framing::UntilClose,
            (false, None, Some(length)) => Framing::Length(length),
        };
        Ok(Self { keep_alive: keep_alive && !close && status != 101, framing })
    }
}
