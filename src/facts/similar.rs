//! Names that are a slip of the hand apart, for "did you mean".

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
