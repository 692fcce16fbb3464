//! Names that are a slip of the hand apart, for "did you mean".

/// Is it one slip of the hand: another case, two letters swapped, one too few or too many? A letter
/// in place of another may be meant.
pub fn is_slip(word: &str, meant: &str) -> bool {
    let (word, meant) = (word.to_ascii_lowercase(), meant.to_ascii_lowercase());
    if word == meant {
        return true;
    }
    let letters = |text: &str| {
        let mut letters: Vec<char> = text.chars().collect();
        letters.sort_unstable();
        letters
    };
    let swapped = || letters(&word) == letters(&meant);
    strsim::osa_distance(&word, &meant) == 1 && (word.len() != meant.len() || swapped())
}

/// The candidate that is most like a word: at most two letters apart, one in a short word.
pub fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > 64 {
        return None;
    }
    let lower = word.to_ascii_lowercase();
    let allowed = (word.len() / 4).clamp(1, 2);
    candidates
        .filter(|known| known.len().abs_diff(word.len()) <= allowed)
        .map(|known| (strsim::osa_distance(&known.to_ascii_lowercase(), &lower), known))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, known)| known)
}
