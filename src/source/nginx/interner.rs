//! Texts that come again and again in a configuration: each is kept once, and has a number.

use std::hash::Hasher;

use rustc_hash::FxHasher;

/// The texts, in the order in which they first came.
#[derive(Debug, Default)]
pub(super) struct Interner {
    texts: Vec<Interned>,
    /// The numbers of the texts, each at the place that its hash says or at the next one that was
    /// free; at least half of the places are free. Their number is a power of two.
    places: Vec<Option<u32>>,
}

#[derive(Debug)]
struct Interned {
    text: Box<[u8]>,
    hash: u64,
}

impl Interner {
    /// The number of a text, which is added if it is new.
    #[inline]
    pub(super) fn number_of(&mut self, text: &[u8]) -> usize {
        let hash = hash(text);
        match self.find_hashed(text, hash) {
            Ok(number) => number,
            Err(_) => self.add(text, hash),
        }
    }

    /// The number of a text, if it came before.
    pub(super) fn find(&self, text: &[u8]) -> Option<usize> {
        self.find_hashed(text, hash(text)).ok()
    }

    /// All texts; their numbers count from 0.
    pub(super) fn texts(&self) -> impl Iterator<Item = &[u8]> {
        self.texts.iter().map(|known| known.text.as_ref())
    }

    /// The number of a text, or the free place where it belongs.
    #[inline]
    fn find_hashed(&self, text: &[u8], hash: u64) -> Result<usize, usize> {
        let last = self.places.len().wrapping_sub(1);
        let mut at = hash as usize & last;
        loop {
            let Some(Some(number)) = self.places.get(at) else { return Err(at) };
            let number = *number as usize;
            let known = self.texts.get(number);
            if known.is_some_and(|known| known.hash == hash && is_same(&known.text, text)) {
                return Ok(number);
            }
            at = (at + 1) & last;
        }
    }

    fn add(&mut self, text: &[u8], hash: u64) -> usize {
        let number = self.texts.len();
        self.texts.push(Interned { text: text.into(), hash });
        if self.texts.len() * 2 <= self.places.len() {
            self.place(number);
        } else {
            self.places = vec![None; (self.texts.len() * 4).next_power_of_two()];
            (0..self.texts.len()).for_each(|number| self.place(number));
        }
        number
    }

    /// Puts a text that is nowhere yet into its place.
    fn place(&mut self, number: usize) {
        let Some(known) = self.texts.get(number) else { return };
        let free = self.find_hashed(&known.text, known.hash).err();
        if let Some(place) = free.and_then(|at| self.places.get_mut(at)) {
            *place = u32::try_from(number).ok();
        }
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

#[cfg(test)]
mod tests {
    use super::Interner;

    #[test]
    fn each_text_keeps_its_number() {
        let mut interner = Interner::default();
        let texts: Vec<String> =
            (0..1000).map(|number| "proxy_pass".repeat(number % 7) + &number.to_string()).collect();
        for _ in 0..2 {
            for (number, text) in texts.iter().enumerate() {
                assert_eq!(interner.number_of(text.as_bytes()), number, "{text}");
            }
        }
        assert_eq!(interner.find(b"7"), Some(7));
        assert_eq!(interner.find(b"proxy_pas"), None);
        assert!(interner.texts().eq(texts.iter().map(String::as_bytes)));
    }
}
