//! `--select` and `--ignore`: rules by code, name, area or glob.

use std::fmt;

use globset::{GlobBuilder, GlobMatcher};

use crate::rule::Rule;
use crate::source::similar::nearest;

/// Which rules run: all that `select` names (all rules if it is empty), except those that `ignore`
/// names.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    select: Vec<GlobMatcher>,
    ignore: Vec<GlobMatcher>,
}

/// A word that names no rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelectionError {
    /// The word.
    pub word: String,
    /// Why it names none.
    pub reason: String,
}

impl fmt::Display for SelectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}", self.word, self.reason)
    }
}

impl std::error::Error for SelectionError {}

impl Selection {
    /// Reads the words of the command line. A word that matches none of `rules` is an error: a
    /// misspelt code must not silently check nothing.
    pub fn new(
        rules: &[&'static Rule],
        select: &[String],
        ignore: &[String],
    ) -> Result<Self, SelectionError> {
        let compile = |words: &[String]| {
            words.iter().map(|word| matcher(rules, word)).collect::<Result<Vec<_>, _>>()
        };
        Ok(Self { select: compile(select)?, ignore: compile(ignore)? })
    }

    /// Whether this rule runs.
    pub fn includes(&self, rule: &Rule) -> bool {
        let any = |list: &[GlobMatcher]| list.iter().any(|m| names(m, rule));
        (self.select.is_empty() || any(&self.select)) && !any(&self.ignore)
    }
}

/// Compiles a word of `--select` or of an ignore comment.
pub(super) fn matcher(rules: &[&'static Rule], word: &str) -> Result<GlobMatcher, SelectionError> {
    let fail = |reason: String| SelectionError { word: word.to_owned(), reason };
    let matcher = GlobBuilder::new(word.trim())
        .case_insensitive(true)
        .build()
        .map_err(|error| fail(error.kind().to_string()))?
        .compile_matcher();
    if rules.iter().any(|rule| names(&matcher, rule)) {
        return Ok(matcher);
    }
    let known = rules.iter().flat_map(|rule| [rule.code, rule.name, rule.area()]);
    // A code with another digit is another rule's code, or no rule's.
    let near = nearest(word.trim(), known).filter(|near| word.trim().len() > 4 || near.len() > 4);
    let near = near.map_or_else(String::new, |near| format!(" (did you mean `{near}`?)"));
    Err(fail(format!("names no rule{near}; `deploy-doctor rules` lists them")))
}

/// Whether the matcher names the rule: `U101`, `exec-reload-missing`, `U`, `unit`,
/// `unit/exec-reload-missing`, and globs of these.
pub(super) fn names(matcher: &GlobMatcher, rule: &Rule) -> bool {
    matcher.is_match(rule.code)
        || matcher.is_match(rule.name)
        || matcher.is_match(&rule.code[..1])
        || matcher.is_match(rule.area())
        || matcher.is_match(format!("{}/{}", rule.area(), rule.name))
}
