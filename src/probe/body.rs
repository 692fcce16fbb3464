//! The body of a response as it arrives: where it ends, what it contains, its first bytes.

use super::malformed::Malformed;

/// How many bytes of a body are kept as evidence.
pub(super) const FIRST_BYTES: usize = 2 << 10;
/// The longest line with the size of a chunk, its extensions included, and the longest trailers.
const LINE_LIMIT: usize = 8 << 10;

/// Where a body ends (RFC 9112, section 6).
#[derive(Debug)]
pub(super) enum Framing {
    /// After this many bytes.
    Length(u64),
    /// After the last chunk.
    Chunked(Chunk),
    /// When the connection ends.
    UntilClose,
}

/// The position within a chunked body.
#[derive(Debug)]
pub(super) enum Chunk {
    /// In the line of a chunk's size.
    Size(Vec<u8>),
    /// Within a chunk, with this many bytes remaining.
    Data(u64),
    /// At the line ending after a chunk.
    End,
    /// In the trailers: the line so far, and the number of bytes in all of them.
    Trailer(Vec<u8>, usize),
    /// After the end of the body.
    Done,
}

impl Framing {
    pub(super) fn chunked() -> Self {
        Self::Chunked(Chunk::Size(Vec::new()))
    }

    /// Whether the body is complete.
    pub(super) fn done(&self) -> bool {
        matches!(self, Self::Length(0) | Self::Chunked(Chunk::Done))
    }

    /// Takes the bytes that belong to the body, passes its content to `sink`, and returns how many
    /// bytes were taken.
    pub(super) fn take(
        &mut self,
        bytes: &[u8],
        mut sink: impl FnMut(&[u8]),
    ) -> Result<usize, Malformed> {
        match self {
            Self::UntilClose => {
                sink(bytes);
                Ok(bytes.len())
            }
            Self::Length(left) => {
                let part = first(bytes, *left);
                sink(part);
                *left -= part.len() as u64;
                Ok(part.len())
            }
            Self::Chunked(chunk) => {
                let mut at = 0;
                while at < bytes.len() && !matches!(chunk, Chunk::Done) {
                    at += chunk.step(bytes.get(at..).unwrap_or_default(), &mut sink)?;
                }
                Ok(at)
            }
        }
    }
}

fn first(bytes: &[u8], most: u64) -> &[u8] {
    let length = usize::try_from(most).unwrap_or(usize::MAX).min(bytes.len());
    bytes.get(..length).unwrap_or_default()
}

impl Chunk {
    fn step(&mut self, bytes: &[u8], sink: &mut impl FnMut(&[u8])) -> Result<usize, Malformed> {
        match self {
            Self::Data(left) => {
                let part = first(bytes, *left);
                sink(part);
                *left -= part.len() as u64;
                if *left == 0 {
                    *self = Self::End;
                }
                Ok(part.len())
            }
            Self::End => match bytes.first() {
                Some(b'\r') => Ok(1),
                Some(b'\n') => {
                    *self = Self::Size(Vec::new());
                    Ok(1)
                }
                _ => Err(Malformed("a chunk that does not end at its stated size")),
            },
            Self::Size(line) => {
                let (taken, whole) = read_line(line, bytes)?;
                if whole {
                    *self = match size(line)? {
                        0 => Self::Trailer(Vec::new(), 0),
                        size => Self::Data(size),
                    };
                }
                Ok(taken)
            }
            Self::Trailer(line, total) => {
                let (taken, whole) = read_line(line, bytes)?;
                *total += taken;
                if *total > LINE_LIMIT {
                    return Err(Malformed("trailers without an end"));
                }
                match whole {
                    true if line.is_empty() => *self = Self::Done,
                    true => line.clear(),
                    false => {}
                }
                Ok(taken)
            }
            Self::Done => Ok(0),
        }
    }
}

/// Extends a line, without its line ending; returns how many bytes were taken and whether the line
/// is complete.
fn read_line(line: &mut Vec<u8>, bytes: &[u8]) -> Result<(usize, bool), Malformed> {
    let end = memchr::memchr(b'\n', bytes);
    let part = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
    line.extend_from_slice(part);
    if line.len() > LINE_LIMIT {
        return Err(Malformed("a chunk's line without an end"));
    }
    if end.is_some() && line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok((part.len() + usize::from(end.is_some()), end.is_some()))
}

fn size(line: &[u8]) -> Result<u64, Malformed> {
    let wrong = Malformed("a chunk without a size");
    let digits = line.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    let digits = std::str::from_utf8(digits).map_err(|_| wrong)?;
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(wrong);
    }
    u64::from_str_radix(digits, 16).map_err(|_| wrong)
}

/// Searches for a text in bytes that arrive in pieces.
#[derive(Debug, Clone)]
pub(super) struct Search {
    text: Vec<u8>,
    /// The end of the bytes so far, in which the text may have begun.
    rest: Vec<u8>,
    /// Whether the text was found.
    pub(super) found: bool,
}

impl Search {
    pub(super) fn new(text: &str) -> Self {
        Self { text: text.as_bytes().to_vec(), rest: Vec::new(), found: false }
    }

    /// Searches the next piece.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        if self.found {
            return;
        }
        if self.rest.is_empty() && memchr::memmem::find(bytes, &self.text).is_some() {
            self.found = true;
            return;
        }
        self.rest.extend_from_slice(bytes);
        self.found = memchr::memmem::find(&self.rest, &self.text).is_some();
        let keep = self.text.len().saturating_sub(1);
        let over = self.rest.len().saturating_sub(keep);
        self.rest.drain(..over);
    }

    /// Records that the next piece does not directly follow the previous one.
    pub(super) fn interrupt(&mut self) {
        self.rest.clear();
    }
}
