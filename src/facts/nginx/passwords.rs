//! The password files that nginx reads at each request: `auth_basic_user_file`.

use std::collections::HashSet;

use super::certificates::path_of;
use crate::facts::{Machine, Place};
use crate::source::nginx::Model;
use crate::source::{Sources, Span};

/// One of them.
#[derive(Debug, Clone)]
pub struct PasswordFile {
    /// The word that names it.
    pub span: Span,
    /// The file.
    pub place: Place,
}

/// Those whose names hold no variable.
pub(super) fn read(sources: &Sources, machine: &Machine, model: &Model) -> Vec<PasswordFile> {
    let mut seen = HashSet::new();
    let lines = model.config.named("auth_basic_user_file");
    let words = lines.filter_map(|line| line.argument(0)).filter(|word| seen.insert(word.span()));
    words
        .filter_map(|word| {
            let place = Place::look(sources.host(), &path_of(&word)?, machine.owners_known);
            Some(PasswordFile { span: word.span(), place })
        })
        .collect()
}
