//! Several files in one input: `=== NAME`, a line of its own, begins the file of that name. What
//! stands before the first such line has an empty name.

/// A file of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Section<'a> {
    /// Its name, as written.
    pub name: &'a str,
    /// Its bytes.
    pub bytes: &'a [u8],
}

const MARK: &[u8] = b"=== ";
/// What comes after so many is left out: listing many files is not what is looked at.
const MOST: usize = 64;

/// Takes an input apart.
pub fn sections(input: &[u8]) -> Vec<Section<'_>> {
    let mut found = vec![Section { name: "", bytes: b"" }];
    let (mut begin, mut at) = (0, 0);
    for line in input.split_inclusive(|byte| *byte == b'\n') {
        let name = line.strip_prefix(MARK).and_then(|name| std::str::from_utf8(name).ok());
        if let Some(name) = name.map(str::trim).filter(|name| !name.is_empty()) {
            close(&mut found, &input[begin..at]);
            if found.len() == MOST {
                return found;
            }
            found.push(Section { name, bytes: b"" });
            begin = at + line.len();
        }
        at += line.len();
    }
    close(&mut found, &input[begin..]);
    found
}

fn close<'a>(found: &mut [Section<'a>], bytes: &'a [u8]) {
    if let Some(last) = found.last_mut() {
        last.bytes = bytes;
    }
}

/// Puts files together to an input.
pub fn write<'a>(files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Vec<u8> {
    let mut input = Vec::new();
    for (name, bytes) in files {
        if !name.is_empty() {
            input.extend_from_slice(MARK);
            input.extend_from_slice(name.as_bytes());
            input.push(b'\n');
        }
        input.extend_from_slice(bytes);
        if !bytes.is_empty() && !bytes.ends_with(b"\n") {
            input.push(b'\n');
        }
    }
    input
}
