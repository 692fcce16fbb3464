//! Parses a rule's documentation: summary, text, examples.
//!
//! An example is a fenced block whose info string says what it is: `ini,bad` (a whole unit),
//! `ini,bad,drop-in`, `nginx,fixed`, `env,good`, `python,bad,file=/srv/myapp/current/wsgi.py`,
//! `tree,bad` (lines that change the tree), `proc,bad` (lines that change what is running). With
//! `live` the healthy deployment is running. All blocks up to the next *bad* one belong together.
//! With `bad,also=U117+N301`, errors of these rules are expected too. `tests/suite/rules.rs` has
//! options that are rarely needed: the output of a command, the answer to a probe.

use super::{Check, Rule, Safety};

/// What an example shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExampleKind {
    /// The rule fires, and no other.
    Bad,
    /// The result of the fix on the bad example; no rule fires.
    Fixed,
    /// A healthy near miss; no rule fires.
    Good,
}

/// One fenced block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// What it shows.
    pub kind: ExampleKind,
    /// `ini`, `nginx`, `env`, `python`, `text` or `tree`.
    pub language: String,
    /// All other words of the info string: `drop-in`, `file=/path`.
    pub options: Vec<String>,
    /// The text inside.
    pub text: String,
}

impl Example {
    /// The path at which the example must be, if the info string contains one.
    pub fn file(&self) -> Option<&str> {
        self.options.iter().find_map(|option| option.strip_prefix("file="))
    }
}

/// The first paragraph on one line.
pub fn summary(rule: &Rule) -> String {
    let first: Vec<&str> =
        rule.docs.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
    first.join(" ")
}

/// The documentation as written, without the leading space of each line.
pub fn paragraphs(rule: &Rule) -> String {
    let lines: Vec<&str> =
        rule.docs.lines().map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
    lines.join("\n")
}

/// A rule's page in Markdown; the files in `docs/rules/` have the same text.
pub fn page(rule: &Rule) -> String {
    format!(
        "# {} {}\n\n{} · {} · fix: {} · checks {} · since {}\n\n{}\n",
        rule.code,
        rule.name,
        rule.severity.word(),
        rule.impact.word(),
        rule.fix.map_or("none", Safety::word),
        match rule.check {
            Check::App(_) | Check::Passing(_) => "each application",
            Check::Host(_) => "the host",
        },
        rule.since,
        paragraphs(rule).trim_end(),
    )
}

/// The fenced examples in order. A fence without `bad`, `fixed` or `good` is not an example.
pub fn examples(rule: &Rule) -> Vec<Example> {
    let mut found = Vec::new();
    let mut open: Option<Option<Example>> = None;
    for line in rule.docs.lines() {
        let line = line.strip_prefix(' ').unwrap_or(line);
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(info)) => open = Some(parse_info(info)),
            (Some(example), Some(_)) => {
                found.extend(example.take());
                open = None;
            }
            (Some(Some(example)), None) => {
                example.text.push_str(line);
                example.text.push('\n');
            }
            (Some(None) | None, None) => {}
        }
    }
    found
}

fn parse_info(info: &str) -> Option<Example> {
    let mut words = info.split(',').map(str::trim);
    let language = words.next()?.to_owned();
    let kind = match words.next()? {
        "bad" => ExampleKind::Bad,
        "fixed" => ExampleKind::Fixed,
        "good" => ExampleKind::Good,
        _ => return None,
    };
    let options = words.map(str::to_owned).collect();
    Some(Example { kind, language, options, text: String::new() })
}

/// The address of a file of the repository in this release; `None` if the package names no address.
pub fn address(repository: &str, homepage: &str, page: &str) -> Option<String> {
    let version = env!("CARGO_PKG_VERSION");
    match (repository.trim_end_matches('/'), homepage.trim_end_matches('/')) {
        ("", "") => None,
        ("", homepage) => Some(format!("{homepage}/{page}")),
        (repository, _) => Some(format!("{repository}/blob/v{version}/{page}")),
    }
}
