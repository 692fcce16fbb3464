//! Texts that come again and again in a configuration: each is kept once, and has a number.

use std::hash::Hasher;

use rustc_hash::{FxHashMap, FxHasher};

/// The texts, in the order in which they first came.
#[derive(Debug, Default)]
pub(super) struct Interner {
    texts: Vec<Interned>,
    /// The latest text with this hash.
    latest: FxHashMap<u64, usize>,
}

#[derive(Debug)]
struct Interned {
    text: Box<[u8]>,
    /// An earlier text with the same hash, which hardly any has.
    earlier: Option<usize>,
}

impl Interner {
    /// The number of a text, which is added if it is new.
    #[inline]
    pub(super) fn number_of(&mut self, text: &[u8]) -> usize {
        let hash = hash(text);
        self.find_hashed(text, hash).unwrap_or_else(|| self.add(text, hash))
    }

    /// The number of a text, if it came before.
    pub(super) fn find(&self, text: &[u8]) -> Option<usize> {
        self.find_hashed(text, hash(text))
    }

    /// All texts; their numbers count from 0.
    pub(super) fn texts(&self) -> impl Iterator<Item = &[u8]> {
        self.texts.iter().map(|known| known.text.as_ref())
    }

    #[inline]
    fn find_hashed(&self, text: &[u8], hash: u64) -> Option<usize> {
        let mut at = self.latest.get(&hash).copied();
        while let Some(number) = at {
            let known = self.texts.get(number)?;
            if is_same(&known.text, text) {
                return Some(number);
            }
            at = known.earlier;
        }
        None
    }

    fn add(&mut self, text: &[u8], hash: u64) -> usize {
        let number = self.texts.len();
        let earlier = self.latest.insert(hash, number);
        self.texts.push(Interned { text: text.into(), earlier });
        number
    }
}

fn hash(text: &[u8]) -> u64 {
    let mut hasher = FxHasher::default();
    hasher.write(text);
    hasher.finish()
}

/// Whether two texts are the same. In the static build, `==` compares byte by byte.
#[inline]
fn is_same(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    let ((one, one_rest), (other, other_rest)) = (one.as_chunks::<8>(), other.as_chunks::<8>());
    one.iter().zip(other).all(|(one, other)| one == other)
        && one_rest.iter().zip(other_rest).all(|(one, other)| one == other)
}
