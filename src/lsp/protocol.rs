//! The part of the Language Server Protocol (3.17) that is used here, field by field as its
//! specification names them. Crates with the whole protocol take eight seconds to compile, a tenth
//! of a first build, for these twenty types.

use std::collections::HashMap;

use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

/// The name of a document, as the client spells it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Uri(pub String);

/// A place between two characters.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub(super) struct Position {
    /// Counted from 0.
    pub line: u32,
    /// Counted from 0, in units of the negotiated encoding.
    pub character: u32,
}

/// From one place to another, the end excluded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Range {
    pub start: Position,
    pub end: Position,
}

/// A range in a document.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Location {
    pub uri: Uri,
    pub range: Range,
}

/// How serious a diagnostic is, by the protocol's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DiagnosticSeverity {
    Error = 1,
    Warning = 2,
    Information = 3,
}

impl Serialize for DiagnosticSeverity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(*self as u8)
    }
}

/// A link to the page of a diagnostic's code.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct CodeDescription {
    pub href: Uri,
}

/// Another place that belongs to a diagnostic.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct DiagnosticRelatedInformation {
    pub location: Location,
    pub message: String,
}

/// What an editor underlines.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Diagnostic {
    pub range: Range,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity: Option<DiagnosticSeverity>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code_description: Option<CodeDescription>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub related_information: Option<Vec<DiagnosticRelatedInformation>>,
}

/// A change of a document's text.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TextEdit {
    pub range: Range,
    pub new_text: String,
}

/// A document in a certain state; without a version, as it is on the disk.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct OptionalVersionedTextDocumentIdentifier {
    pub uri: Uri,
    pub version: Option<i32>,
}

/// Changes of one document in a certain state.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TextDocumentEdit {
    pub text_document: OptionalVersionedTextDocumentIdentifier,
    pub edits: Vec<TextEdit>,
}

/// Changes of several documents, in one of two forms.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WorkspaceEdit {
    /// For clients that do not know versions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changes: Option<HashMap<Uri, Vec<TextEdit>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document_changes: Option<Vec<TextDocumentEdit>>,
}

/// Something that an editor offers to do.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CodeAction {
    pub title: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diagnostics: Option<Vec<Diagnostic>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_preferred: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edit: Option<WorkspaceEdit>,
    /// What the client sends back when it asks for the edit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
}

/// How a text is to be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum MarkupKind {
    Markdown,
    PlainText,
}

/// A text to be shown.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct MarkupContent {
    pub kind: MarkupKind,
    pub value: String,
}

/// What is shown about a place.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Hover {
    pub contents: MarkupContent,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub range: Option<Range>,
}

/// A document that the client opened, and its text.
#[derive(Debug, Deserialize)]
pub(super) struct TextDocumentItem {
    pub uri: Uri,
    pub version: i32,
    pub text: String,
}

/// The parameters of `textDocument/didOpen`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DidOpenTextDocumentParams {
    pub text_document: TextDocumentItem,
}

/// A document in the state after a change.
#[derive(Debug, Deserialize)]
pub(super) struct VersionedTextDocumentIdentifier {
    pub uri: Uri,
    pub version: i32,
}

/// A change that the client made.
#[derive(Debug, Deserialize)]
pub(super) struct TextDocumentContentChangeEvent {
    /// What is replaced; `None` if it is the whole text.
    #[serde(default)]
    pub range: Option<Range>,
    pub text: String,
}

/// The parameters of `textDocument/didChange`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DidChangeTextDocumentParams {
    pub text_document: VersionedTextDocumentIdentifier,
    pub content_changes: Vec<TextDocumentContentChangeEvent>,
}
