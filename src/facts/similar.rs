//! Names that are a slip of the hand apart, for "did you mean".

/// The candidate that is most like a word: at most two letters apart, one in a short word.
pub fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > 64 {
        return None;
    }
    let allowed = (word.len() / 4).clamp(1, 2);
    candidates
        .filter(|known| known.len().abs_diff(word.len()) <= allowed)
        .map(|known| (distance(known.as_bytes(), word.as_bytes()), known))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, known)| known)
}

/// How many letters have to be put in, taken out, replaced or swapped with their neighbour, in
/// either case.
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = Vec::with_capacity(above.len());
        row.push(i + 1);
        for (j, y) in b.iter().enumerate() {
            let mut best = above[j] + usize::from(!x.eq_ignore_ascii_case(y));
            best = best.min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i - 1] == *y && b[j - 1] == *x {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut above, row);
    }
    above.last().copied().unwrap_or(0)
}
