//! Masks the parts of `/proc/PID` that may be secret: environments and command lines.

use super::command::command;
use super::mask::Masker;
use super::value::value;

/// Masks `environ`: the names of the variables are kept.
pub(super) fn environment(masker: &mut Masker, bytes: &mut [u8]) {
    for entry in bytes.split_mut(|byte| *byte == 0) {
        match entry.iter().position(|byte| *byte == b'=') {
            Some(at) => {
                let name = entry.get(..at).unwrap_or_default().to_vec();
                value(masker, Some(&name), entry.get_mut(at + 1..).unwrap_or_default(), false);
            }
            None => masker.secret(entry, |_| false),
        }
    }
}

/// Masks `cmdline`: of gunicorn and nginx the options are kept, of another program only its own
/// name and that of its script.
pub(super) fn command_line(masker: &mut Masker, bytes: &mut [u8]) {
    let words: Vec<Vec<u8>> = bytes.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect();
    let base = |word: &Vec<u8>| word.rsplit(|byte| *byte == b'/').next().map(<[u8]>::to_vec);
    let named = |word: &Vec<u8>| {
        let base = base(word).unwrap_or_default();
        base.starts_with(b"gunicorn") || word.starts_with(b"nginx:")
    };
    let script = words.iter().skip(1).position(|word| !word.starts_with(b"-"));
    let shown = script.map_or(1, |at| at + 2);
    if words.iter().take(shown.max(3)).any(named) {
        return command(masker, bytes);
    }
    let mut code = false;
    for (number, word) in bytes.split_mut(|byte| *byte == 0).enumerate() {
        if code || number >= shown {
            masker.secret(word, |_| false);
        } else {
            command(masker, word);
        }
        code |= word.starts_with(b"-c");
    }
}
