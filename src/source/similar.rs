//! Names that are a typo apart: "did you mean" for every language and every rule.

/// Longer words are not compared, so that hostile text costs little; no real name is as long.
const LONGEST: usize = 64;

/// How many letters two words differ by. Two swapped neighbours count as one letter; differences in
/// case, and `-` for `_`, do not count. `None` for words that are too long to be compared.
pub fn apart(word: &str, other: &str) -> Option<usize> {
    (word.len() <= LONGEST && other.len() <= LONGEST)
        .then(|| strsim::osa_distance(&folded(word), &folded(other)))
}

fn folded(word: &str) -> String {
    word.to_ascii_lowercase().replace('-', "_")
}

/// Whether it is a single typo: another case, two letters swapped, one letter missing or too many.
/// A different letter does not count, because it may be intended.
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

/// The candidate that is most similar to a word: at most two letters apart, or one for a short
/// word.
pub fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    nearest_within(word, (word.len() / 4).clamp(1, 2), candidates)
}

/// The candidate that is most similar to a word, at most this many letters apart; of several, the
/// first in alphabetical order.
pub fn nearest_within<'a>(
    word: &str,
    letters: usize,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    candidates
        .filter(|candidate| candidate.len().abs_diff(word.len()) <= letters)
        .filter_map(|candidate| Some((apart(word, candidate)?, candidate)))
        .filter(|(distance, _)| *distance <= letters)
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_is_taken_and_not_the_first() {
        let near = |word, names: &[&'static str]| nearest(word, names.iter().copied());
        assert_eq!(near("workres", &["worker", "workers"]), Some("workers"));
        assert_eq!(
            near("access_logfile", &["accesslog", "access-logfile"]),
            Some("access-logfile")
        );
        assert_eq!(near("Restrat", &["Restart", "RestartSec"]), Some("Restart"));
        // Two different letters make a short word another word.
        assert_eq!(near("abc", &["xyc"]), None);
        assert_eq!(nearest_within("abc", 2, ["xyc"].into_iter()), Some("xyc"));
    }

    #[test]
    fn long_words_are_not_compared() {
        let long = "a".repeat(LONGEST + 1);
        assert_eq!(apart(&long, &long), None);
        assert_eq!(nearest(&long, [long.as_str()].into_iter()), None);
    }
}
