//! Writes mode, owner, size and time on one line: `file 644 0:0 1234 1700000000.000000001`.

use crate::host::{FileKind, Metadata};

const KINDS: [(FileKind, &str); 6] = [
    (FileKind::File, "file"),
    (FileKind::Directory, "directory"),
    (FileKind::Link, "link"),
    (FileKind::Socket, "socket"),
    (FileKind::Fifo, "fifo"),
    (FileKind::Device, "device"),
];

/// The word for a kind.
pub(super) fn kind_word(kind: FileKind) -> &'static str {
    KINDS.iter().find(|(one, _)| *one == kind).map_or("device", |(_, word)| word)
}

/// The kind that a word names.
pub(super) fn kind_of(word: &str) -> Result<FileKind, String> {
    let found = KINDS.iter().find(|(_, one)| *one == word);
    found.map(|(kind, _)| *kind).ok_or_else(|| "a kind of file is not known".to_owned())
}

pub(super) fn text(metadata: &Metadata) -> String {
    let Metadata { kind, mode, uid, gid, size, mtime, mtime_nanos } = metadata;
    format!("{} {mode:o} {uid}:{gid} {size} {mtime}.{mtime_nanos:09}", kind_word(*kind))
}

pub(super) fn parse(text: &str) -> Result<Metadata, String> {
    let wrong = || "mode, owner, size and time of a file are not understood".to_owned();
    let words: Vec<&str> = text.split(' ').collect();
    let [kind, mode, owner, size, time] = words.as_slice() else { return Err(wrong()) };
    let (uid, gid) = owner.split_once(':').ok_or_else(wrong)?;
    let (mtime, nanos) = time.split_once('.').ok_or_else(wrong)?;
    let number = |text: &str| text.parse::<u32>().map_err(|_| wrong());
    Ok(Metadata {
        kind: kind_of(kind)?,
        mode: u32::from_str_radix(mode, 8).ok().filter(|m| *m <= 0o7777).ok_or_else(wrong)?,
        uid: number(uid)?,
        gid: number(gid)?,
        size: size.parse().map_err(|_| wrong())?,
        mtime: mtime.parse().map_err(|_| wrong())?,
        mtime_nanos: number(nanos)?,
    })
}
