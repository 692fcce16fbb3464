//! `shlex.split`, with which gunicorn splits GUNICORN_CMD_ARGS (POSIX mode, no comments).

use std::ops::Range;

/// A word, and its place in the text, including its quotes and backslashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShellWord {
    /// The value that Python returns.
    pub value: String,
    /// The place of the word.
    pub range: Range<usize>,
}

/// The values of a text's words; see [`words`].
pub fn split(text: &str) -> Option<Vec<String>> {
    Some(words(text)?.into_iter().map(|word| word.value).collect())
}

/// Splits a text into words; `None` if Python raises (`No closing quotation`, `No escaped
/// character`), in which case gunicorn does not start.
pub fn words(text: &str) -> Option<Vec<ShellWord>> {
    let mut words = Vec::new();
    let mut word: Option<ShellWord> = None;
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        if matches!(character, ' ' | '\t' | '\r' | '\n') {
            words.extend(word.take());
            continue;
        }
        let begun = || ShellWord { value: String::new(), range: at..at };
        let ShellWord { value, range } = word.get_or_insert_with(begun);
        match character {
            '\'' => loop {
                match characters.next()?.1 {
                    '\'' => break,
                    inner => value.push(inner),
                }
            },
            '"' => loop {
                match characters.next()?.1 {
                    '"' => break,
                    '\\' => {
                        let (_, escaped) = characters.next()?;
                        if !matches!(escaped, '"' | '\\') {
                            value.push('\\');
                        }
                        value.push(escaped);
                    }
                    inner => value.push(inner),
                }
            },
            '\\' => value.push(characters.next()?.1),
            other => value.push(other),
        }
        range.end = characters.offset();
    }
    words.extend(word);
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_stands_where_its_quotes_do() {
        let text = " a  'b c'\"d\\\" e\" f\\ g ''";
        let words = words(text).unwrap_or_default();
        let written: Vec<&str> = words.iter().map(|word| &text[word.range.clone()]).collect();
        assert_eq!(written, ["a", "'b c'\"d\\\" e\"", "f\\ g", "''"]);
        let values: Vec<&str> = words.iter().map(|word| word.value.as_str()).collect();
        assert_eq!(values, ["a", "b cd\" e", "f g", ""]);
        assert_eq!(split("a 'b"), None);
        assert_eq!(split("a\\"), None);
    }
}
