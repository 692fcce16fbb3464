//! The output of `manage.py showmigrations`, with and without `--plan`.

use std::collections::HashSet;

use super::Key;

/// The migrations in the output.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Printed {
    /// The applied migrations.
    pub applied: HashSet<Key>,
    /// The pending migrations, in the printed order.
    pub pending: Vec<Key>,
}

/// Reads the output. `None` if it names no migration, or contains a line that Django never prints.
pub fn read(text: &str) -> Option<Printed> {
    let mut printed = Printed::default();
    let mut app: Option<&str> = None;
    for line in text.lines() {
        let line = line.trim();
        if line.is_empty() || line == "(no migrations)" {
            continue;
        }
        let Some(mark) = ["[X]", "[ ]", "[-]"].iter().find(|mark| line.starts_with(**mark)) else {
            // The label of an application precedes its migrations.
            let label = line.chars().all(|c| c.is_alphanumeric() || c == '_');
            app = Some(line).filter(|_| label);
            app?;
            continue;
        };
        // The name is followed by `(2 squashed migrations)` or `... (shop.0001_initial)`.
        let name = line.get(mark.len()..)?.split_whitespace().next()?;
        let (app, name) = match (app, name.split_once('.')) {
            (Some(app), _) => (app, name),
            (None, pair) => pair?,
        };
        let key = Key { app: app.to_owned(), name: name.to_owned() };
        match *mark {
            "[ ]" => printed.pending.push(key),
            _ => {
                printed.applied.insert(key);
            }
        }
    }
    (!printed.applied.is_empty() || !printed.pending.is_empty()).then_some(printed)
}

impl Printed {
    /// Reads what `showmigrations` prints.
    pub fn read(text: &str) -> Option<Self> {
        read(text)
    }
}
