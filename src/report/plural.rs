//! A number with the noun that it counts.

/// `1 error`, `2 errors`.
pub(super) fn plural(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}
