//! What is offered at a position: the fixes of its findings, all safe fixes together, and a comment
//! that accepts a finding.

use std::path::PathBuf;

use super::protocol::{CodeAction, Position, Range, TextEdit, Uri};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Wanted;
use super::client::Client;
use super::documents::Document;
use super::edit::one_edit;
use super::folder::{Folder, Mark, Offer};
use super::position::touch;
use crate::rule::Safety;

/// The kind of the action with all safe fixes of a file. It changes no other file, because clients
/// run it when they save the file.
pub(super) const FIX_ALL: &str = "source.fixAll.deploydoctor";
/// A client that needs every edit immediately is not offered more actions than this.
const AT_ONCE: usize = 16;

/// Identifies an action when the client requests its edit.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Data {
    /// The folder, under the client's name for it.
    pub folder: PathBuf,
    /// The fixes.
    pub wanted: Wanted,
}

/// A client's request for actions.
pub(super) struct Question {
    /// The file.
    pub uri: Uri,
    /// The range in the file.
    pub range: Range,
    /// The kinds that the client wants; `None` if it wants all.
    pub only: Option<Vec<String>>,
}

impl Question {
    /// Reads the parameters; `None` if they are not understood.
    pub fn of(params: &Value) -> Option<Self> {
        let only = params["context"]["only"].as_array();
        let words =
            |only: &Vec<Value>| only.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        Some(Self {
            uri: Uri(params["textDocument"]["uri"].as_str()?.to_owned()),
            range: Range::deserialize(&params["range"]).ok()?,
            only: only.map(words),
        })
    }

    /// Whether the client wants a kind. Naming one kind includes all kinds below it.
    fn wants(&self, kind: &str) -> bool {
        let stands = |word: &String| {
            let rest = kind.strip_prefix(word.as_str());
            word.is_empty() || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        self.only.as_ref().is_none_or(|only| only.iter().any(stands))
    }
}

/// An action, and the fixes that produce its edit, if it has any.
pub(super) struct Offered {
    /// The action as the client receives it, without its edit if that has yet to be computed.
    pub action: CodeAction,
    /// The fixes that produce the edit.
    pub data: Option<Data>,
}

/// Everything that is offered in one folder.
pub(super) fn offered(
    question: &Question,
    folder: &Folder,
    document: Option<&Document>,
    client: &Client,
) -> Vec<Offered> {
    let mut all = Vec::new();
    let here =
        |mark: &&Mark| mark.uri == question.uri && touch(&mark.diagnostic.range, &question.range);
    let marks: Vec<&Mark> = folder.marks.iter().filter(here).collect();
    let fixes =
        |wanted: &Wanted| Some(Data { folder: folder.path.clone(), wanted: wanted.clone() });
    if question.wants("quickfix") {
        let offers = marks.iter().filter_map(|mark| Some((*mark, mark.offer.as_ref()?)));
        let most = if client.resolves { usize::MAX } else { AT_ONCE };
        all.extend(offers.take(most).map(|(mark, offer)| Offered {
            action: CodeAction {
                is_preferred: Some(offer.safety == Safety::Safe),
                diagnostics: Some(vec![mark.diagnostic.clone()]),
                ..action(title(mark, offer), "quickfix")
            },
            data: fixes(&offer.wanted),
        }));
        if safe(folder, |_| true) > 1 && marks.iter().any(|mark| mark.offer.is_some()) {
            let title = "Apply all safe fixes of the folder (deploy-doctor)".to_owned();
            all.push(Offered { action: action(title, "quickfix"), data: fixes(&Wanted::All) });
        }
    }
    if question.wants(FIX_ALL)
        && let Some(file) = folder.marks.iter().find(|mark| mark.uri == question.uri)
    {
        let alone = |offer: &Offer| offer.files.iter().all(|changed| *changed == file.real);
        if safe(folder, alone) > 0 {
            let title = "Apply all safe fixes of this file (deploy-doctor)".to_owned();
            let wanted = Wanted::File(file.real.clone());
            all.push(Offered { action: action(title, FIX_ALL), data: fixes(&wanted) });
        }
    }
    if question.wants("quickfix") {
        let comments = marks.iter().filter_map(|mark| comment(mark, document?, client));
        all.extend(comments.map(|action| Offered { action, data: None }));
    }
    all
}

/// How many safe fixes in the folder satisfy `of`.
fn safe(folder: &Folder, of: impl Fn(&Offer) -> bool) -> usize {
    let offers = folder.marks.iter().filter_map(|mark| mark.offer.as_ref());
    offers.filter(|offer| offer.safety == Safety::Safe && of(offer)).count()
}

fn title(mark: &Mark, offer: &Offer) -> String {
    let code = mark.rule.map_or("", |rule| rule.code);
    match offer.safety {
        Safety::Unsafe => format!("{code} (unsafe): {}", offer.title),
        _ => format!("{code}: {}", offer.title),
    }
}

fn action(title: String, kind: &'static str) -> CodeAction {
    CodeAction { title, kind: Some(kind), ..CodeAction::default() }
}

/// A comment that accepts a finding and lacks its reason: until the reason is filled in, the next
/// check says that the comment suppresses nothing.
fn comment(mark: &Mark, document: &Document, client: &Client) -> Option<CodeAction> {
    let rule = mark.rule.filter(|_| mark.holds_comments)?;
    let line = mark.diagnostic.range.start.line;
    // Within a statement that extends over several lines, the comment would become part of the
    // statement.
    let before = line.checked_sub(1).and_then(|before| document.line(before)).unwrap_or_default();
    if before.trim_end_matches(['\r', '\n']).ends_with('\\') {
        return None;
    }
    let text = document.line(line)?;
    let content = text.trim_end_matches(['\r', '\n']);
    let end = if content.len() < text.len() { &text[content.len()..] } else { "\n" };
    let indentation = &text[..text.len() - text.trim_start_matches([' ', '\t']).len()];
    let start = Position { line, character: 0 };
    let new_text = format!("{indentation}# deploy-doctor: ignore[{}] {end}", rule.code);
    let edit = TextEdit { range: Range { start, end: start }, new_text };
    Some(CodeAction {
        edit: Some(one_edit(document, edit, client)),
        diagnostics: Some(vec![mark.diagnostic.clone()]),
        ..action(
            format!("{}: accept the finding with a comment (write why after it)", rule.code),
            "quickfix",
        )
    })
}
