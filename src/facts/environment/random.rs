//! Values that do not look like words.

use crate::source::secretive::PLACEHOLDER_PARTS;

/// Is a value too random to be a word, a placeholder or an example? Where it is not, a repository's
/// value may be another on the host.
pub fn looks_random(value: &str) -> bool {
    const SHORTEST: usize = 12;
    let plain = |c: char| c.is_ascii_graphic() && !"<>{}$%".contains(c);
    let letters: String =
        value.chars().filter(char::is_ascii_alphanumeric).flat_map(char::to_lowercase).collect();
    let mut different: Vec<char> = letters.chars().collect();
    different.sort_unstable();
    different.dedup();
    let words = ["example", "your", "dummy", "test", "secret", "password", "sample", "insert"];
    value.len() >= SHORTEST
        && value.chars().all(plain)
        && different.len() >= 8
        && letters.bytes().filter(u8::is_ascii_digit).count() >= 3
        && letters.bytes().any(|byte| byte.is_ascii_alphabetic())
        && !PLACEHOLDER_PARTS.iter().chain(&words).any(|part| letters.contains(part))
}
