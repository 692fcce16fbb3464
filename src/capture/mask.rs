//! The replacement for a secret. A mask has the length of its word, so that positions do not
//! change, and equal words have equal masks, so that equal values stay equal.
//!
//! A word is a run of letters and digits. The characters between words (quotes, `#`, `\`, `$`, `:`,
//! `@`) are kept, because reading the file depends on them. A mask reveals only the word's length
//! and whether it has small letters, capitals and digits, so the word cannot be reconstructed.

use std::collections::{HashMap, HashSet};

use crate::source::unit::known;

/// The letters that masks consist of.
const LETTERS: &[u8] = b"masked";
/// A secret word of at least this length, with letters and digits, is masked wherever it occurs.
const KNOWN: usize = 8;
/// From this length on, a word of letters alone is masked wherever it occurs too.
const KNOWN_LETTERS: usize = 16;

/// What a mask has in common with its word, apart from the length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Shape {
    /// A number.
    Digits,
    /// Letters, with their case, and whether there is a digit among them.
    Letters { case: Case, digit: bool },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Case {
    Lower,
    Upper,
    Both,
}

impl Shape {
    fn of(word: &[u8]) -> Self {
        let any = |is: fn(&u8) -> bool| word.iter().any(is);
        let case = match (any(u8::is_ascii_lowercase), any(u8::is_ascii_uppercase)) {
            (false, false) => return Self::Digits,
            (true, false) => Case::Lower,
            (false, true) => Case::Upper,
            (true, true) => Case::Both,
        };
        Self::Letters { case, digit: any(u8::is_ascii_digit) }
    }

    /// How many positions are available to number the masks.
    fn places(self, length: usize) -> usize {
        match self {
            Self::Digits => length,
            // One position has the digit, one the capital.
            Self::Letters { case, digit } => length
                .saturating_sub(usize::from(digit))
                .saturating_sub(usize::from(case == Case::Both)),
        }
    }
}

/// The masks of one capture.
#[derive(Default)]
pub(super) struct Masker {
    masks: HashMap<Vec<u8>, Vec<u8>>,
    made: HashSet<Vec<u8>>,
    counts: HashMap<(Shape, usize), u64>,
    known: HashSet<Vec<u8>>,
    /// Words of paths that exist. They are in the capture anyway.
    paths: HashSet<Vec<u8>>,
    /// Variables whose values this check needs, in addition to those that every check needs.
    pub(super) needed: HashSet<String>,
    /// The names of all variables that are set.
    pub(super) variables: HashSet<Vec<u8>>,
    /// Masked texts, with their originals, in places where a path is expected: they may be part of
    /// a path.
    renames: Vec<(Vec<u8>, Vec<u8>)>,
    masked: usize,
}

pub(super) fn is_part(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

fn joins(byte: u8) -> bool {
    is_part(byte) || matches!(byte, b'_' | b'-')
}

/// The runs of bytes for which `fits` is true, as ranges.
fn runs(text: &[u8], fits: fn(u8) -> bool) -> Vec<std::ops::Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < text.len() {
        if !fits(text[at]) {
            at += 1;
            continue;
        }
        let end = text[at..].iter().position(|byte| !fits(*byte)).map_or(text.len(), |n| at + n);
        found.push(at..end);
        at = end;
    }
    found
}

/// The words of a text.
pub(super) fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    runs(text, is_part).into_iter().filter_map(|run| text.get(run))
}

impl Masker {
    /// Records the words of an existing path.
    pub(super) fn path(&mut self, path: &[u8]) {
        for run in runs(path, joins) {
            let word = path.get(run).unwrap_or_default();
            // A number is not recorded: a process number in a path would let secret numbers pass
            // unmasked.
            if word.iter().any(u8::is_ascii_alphabetic) {
                self.paths.insert(word.to_vec());
                let parts: Vec<Vec<u8>> = words(word).map(<[u8]>::to_vec).collect();
                self.paths.extend(parts);
            }
        }
    }

    /// Whether it is a word of an existing path.
    pub(super) fn is_of_path(&self, word: &[u8]) -> bool {
        self.paths.contains(word)
    }

    /// How many words were masked since the last call.
    pub(super) fn take_count(&mut self) -> usize {
        std::mem::take(&mut self.masked)
    }

    fn mask(&mut self, word: &[u8]) -> Vec<u8> {
        if let Some(mask) = self.masks.get(word) {
            return mask.clone();
        }
        let shape = Shape::of(word);
        // A mask is never masked again, and no mask equals a word that has a mask: however often a
        // text is processed, the result is the same.
        if self.made.contains(word) {
            return word.to_vec();
        }
        let count = self.counts.entry((shape, word.len())).or_default();
        let room = room(shape, word.len());
        let mask = loop {
            let mask = made(shape, word.len(), *count);
            if *count >= room {
                return mask;
            }
            *count += 1;
            if mask != word && !self.masks.contains_key(&mask) {
                break mask;
            }
        };
        self.made.insert(mask.clone());
        self.masks.insert(word.to_vec(), mask.clone());
        mask
    }

    /// Masks the words of a text except those that `keep` accepts.
    pub(super) fn words(&mut self, text: &mut [u8], keep: impl Fn(&[u8]) -> bool) {
        self.words_ascii(text, keep);
        foreign(text);
    }

    fn words_ascii(&mut self, text: &mut [u8], keep: impl Fn(&[u8]) -> bool) {
        for run in runs(text, is_part) {
            let Some(word) = text.get(run.clone()) else { continue };
            if !keep(word) {
                let mask = self.mask(word);
                self.masked += 1;
                if let Some(place) = text.get_mut(run) {
                    place.copy_from_slice(&mask);
                }
            }
        }
    }

    /// Masks the words of a secret value, and remembers those too long to be words of a language:
    /// they are masked wherever else they occur.
    pub(super) fn secret(&mut self, text: &mut [u8], keep: impl Fn(&[u8]) -> bool) {
        for run in runs(text, joins) {
            let word = text.get(run).unwrap_or_default();
            if is_known(word) && !self.paths.contains(word) && !keep(word) {
                self.known.insert(word.to_vec());
            }
            let parts: Vec<Vec<u8>> = words(word).map(<[u8]>::to_vec).collect();
            for part in parts {
                if is_known(&part) && !self.paths.contains(&part) && !keep(&part) {
                    self.known.insert(part);
                }
            }
        }
        self.words(text, keep);
    }

    /// Like [`Self::secret`], for a text most of which stays: single words are remembered, not
    /// words joined by `_` or `-`.
    pub(super) fn secret_words(&mut self, text: &mut [u8], keep: impl Fn(&[u8]) -> bool) {
        let found: Vec<Vec<u8>> = words(text)
            .filter(|word| !keep(word) && is_known(word) && !self.paths.contains(*word))
            .map(<[u8]>::to_vec)
            .collect();
        self.known.extend(found);
        self.words_ascii(text, keep);
    }

    /// Masks text in the place of a path that is no path; the program nevertheless looked for such
    /// a path.
    pub(super) fn path_word(&mut self, text: &mut [u8]) {
        let before = text.to_vec();
        let plain = |word: &[u8]| word.iter().all(u8::is_ascii_alphabetic) && !is_known(word);
        // A plain word may be part of a path, and is shown as such.
        let assigns = before.contains(&b'=');
        self.secret(text, |word| !assigns && plain(word));
        if before != text {
            self.renames.push((before, text.to_vec()));
        }
    }

    /// Masks in a path what was masked in the text that names the path.
    pub(super) fn rename(&mut self, path: &mut [u8]) {
        if path.iter().any(|byte| b" =\"'#".contains(byte)) {
            for (from, to) in &self.renames {
                let found: Vec<usize> = memchr::memmem::find_iter(path, from).collect();
                for at in found {
                    if let Some(place) = path.get_mut(at..at + to.len()) {
                        place.copy_from_slice(to);
                    }
                }
            }
        }
        self.everywhere(path);
    }

    /// Masks in any text what was found to be a secret elsewhere.
    pub(super) fn everywhere(&mut self, text: &mut [u8]) {
        if self.known.is_empty() {
            return;
        }
        for run in runs(text, joins) {
            let Some(word) = text.get(run.clone()) else { continue };
            if word.len() < KNOWN {
                continue;
            }
            if self.known.contains(word) {
                if let Some(place) = text.get_mut(run) {
                    self.words(place, |_| false);
                }
                continue;
            }
            for part in runs(word, is_part) {
                let part = run.start + part.start..run.start + part.end;
                let Some(place) = text.get_mut(part) else { continue };
                if self.known.contains(&*place) {
                    self.words(place, |_| false);
                }
            }
        }
    }
}

fn is_known(word: &[u8]) -> bool {
    let digits = word.iter().any(u8::is_ascii_digit);
    let letters = word.iter().any(u8::is_ascii_alphabetic);
    // A word in capitals may be a variable's name.
    let small = word.iter().any(u8::is_ascii_lowercase);
    letters && (word.len() >= KNOWN && digits || word.len() >= KNOWN_LETTERS && small)
}

/// How many different masks of this shape and length there are.
fn room(shape: Shape, length: usize) -> u64 {
    let base: u64 = if shape == Shape::Digits { 10 } else { 26 };
    base.saturating_pow(u32::try_from(shape.places(length)).unwrap_or(u32::MAX))
}

/// The mask with this number, shape and length: `masked7`, `Masked`, `MASKED`, `999`.
fn made(shape: Shape, length: usize, mut number: u64) -> Vec<u8> {
    let Shape::Letters { case, digit } = shape else {
        let mut mask = vec![b'9'; length];
        for place in mask.iter_mut().rev() {
            *place -= u8::try_from(number % 10).unwrap_or_default();
            number /= 10;
        }
        return mask;
    };
    let mut mask: Vec<u8> = LETTERS.iter().copied().cycle().take(length).collect();
    let from = usize::from(case == Case::Both);
    let to = length.saturating_sub(usize::from(digit)).max(from);
    for place in mask.get_mut(from..to).into_iter().flatten().rev() {
        let step = u8::try_from(number % 26).unwrap_or_default();
        number /= 26;
        *place = b'a' + (*place - b'a' + step) % 26;
    }
    match case {
        Case::Lower => {}
        Case::Upper => mask.make_ascii_uppercase(),
        Case::Both => mask.iter_mut().take(1).for_each(|first| first.make_ascii_uppercase()),
    }
    if let Some(last) = mask.last_mut().filter(|_| digit) {
        *last = b'7';
    }
    mask
}

/// Replaces each non-ASCII character by one with as many bytes; invalid bytes stay invalid.
fn foreign(text: &mut [u8]) {
    if text.is_ascii() {
        return;
    }
    let mut made = Vec::with_capacity(text.len());
    for chunk in text.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character.len_utf8() {
                2 => made.extend("é".bytes()),
                3 => made.extend("一".bytes()),
                4 => made.extend("𠀀".bytes()),
                _ => made.push(u8::try_from(character).unwrap_or(b'?')),
            }
        }
        made.extend(std::iter::repeat_n(0xff, chunk.invalid().len()));
    }
    if made.len() == text.len() {
        text.copy_from_slice(&made);
    }
}

/// Whether a word looks generated: letters and digits keep alternating, or capitals and small
/// letters do.
pub(super) fn is_generated(word: &[u8]) -> bool {
    let class = |byte: &u8| match byte {
        b'0'..=b'9' => 0,
        b'A'..=b'Z' => 1,
        _ => 2,
    };
    let changes = word.windows(2).filter(|pair| class(&pair[0]) != class(&pair[1])).count();
    let numeric = |byte: &u8| byte.is_ascii_digit();
    let between = word.windows(2).filter(|pair| numeric(&pair[0]) != numeric(&pair[1])).count();
    let generated = match word.len() {
        0..=11 => false,
        length => between >= 3 || (length >= 16 && changes * 3 > length),
    };
    // `BindReadOnlyPaths` looks so.
    let may_be = generated && word.iter().all(u8::is_ascii_alphabetic);
    generated && !(may_be && known::settings().any(|setting| setting.key.as_bytes() == word))
}

/// The ranges of user and password in URLs: `://user:password@`.
pub(super) fn in_urls(text: &[u8]) -> Vec<std::ops::Range<usize>> {
    let mut found = Vec::new();
    for at in memchr::memmem::find_iter(text, b"://") {
        let start = at + 3;
        let rest = text.get(start..).unwrap_or_default();
        let ends = |byte: &u8| byte.is_ascii_whitespace() || b"/\"'`<>?#,;\0".contains(byte);
        let end = rest.iter().position(ends).unwrap_or(rest.len());
        if let Some(sign) = rest.get(..end).and_then(|part| part.iter().rposition(|b| *b == b'@')) {
            found.push(start..start + sign);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(masker: &mut Masker, text: &str) -> String {
        let mut bytes = text.as_bytes().to_vec();
        masker.secret(&mut bytes, |_| false);
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn length_and_signs_stay_and_equal_stays_equal() {
        let mut masker = Masker::default();
        assert_eq!(masked(&mut masker, "hunter2#a 'b' 42"), "masked7#m 'n' 99");
        assert_eq!(masked(&mut masker, "hunter2 hunter3"), "masked7 maskee7");
        assert_eq!(masked(&mut masker, "43 DB"), "98 MA");
        assert_eq!(masked(&mut masker, "größe"), "maééo");
        assert_eq!(masked(&mut masker, "masked7 98"), "masked7 98", "a mask stays one");
    }

    #[test]
    fn a_long_word_is_masked_wherever_it_stands() {
        let mut masker = Masker::default();
        masked(&mut masker, "s3cr3t-t0k3n");
        let mut text = b"GET /?x=s3cr3t-t0k3n t0k3n other".to_vec();
        masker.everywhere(&mut text);
        let text = String::from_utf8(text).unwrap();
        assert!(!text.contains("s3cr3t-") && text.ends_with("t0k3n other"), "{text}");
    }

    #[test]
    fn generated_words_are_told_from_names() {
        for word in ["4f1d9c07e5a2b86d", "sk9Xa72bQ1z8Lm", "aKbQzRtYpWxVuSmN"] {
            assert!(is_generated(word.as_bytes()), "{word}");
        }
        for word in [
            "UserAttributeSimilarityValidator",
            "myapp20260421",
            "proxyprotocol",
            "20260421093000",
            "DJANGOSETTINGSMODULE",
            "BindReadOnlyPaths",
        ] {
            assert!(!is_generated(word.as_bytes()), "{word}");
        }
    }
}
