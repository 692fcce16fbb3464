//! The client's capabilities, from its `initialize`. Only the capabilities used here are read, so
//! that an unusual value elsewhere does no harm.

use std::path::PathBuf;

use super::protocol::Uri;
use serde_json::Value;

use super::position::Encoding;
use super::uri;

/// A client's capabilities.
#[derive(Debug, Clone)]
pub(super) struct Client {
    /// The units in which columns are counted.
    pub encoding: Encoding,
    /// Whether a hover can show Markdown.
    pub markdown: bool,
    /// Whether a diagnostic can show other places.
    pub related: bool,
    /// Whether a diagnostic's code can link to a page.
    pub described: bool,
    /// Whether code actions may contain an edit.
    pub actions: bool,
    /// Whether an action's edit is requested only when the action is chosen.
    pub resolves: bool,
    /// Whether edits can name the version that they are for.
    pub versions: bool,
    /// Whether the client reports changed files on request.
    pub watches: bool,
}

impl Client {
    /// Reads the parameters of `initialize`.
    pub fn of(params: &Value) -> Self {
        let at = |path: &str| params.pointer(&format!("/capabilities/{path}"));
        let is = |path: &str| at(path).and_then(Value::as_bool).unwrap_or(false);
        let has = |path: &str, word: &str| {
            let words = at(path).and_then(Value::as_array);
            words.is_some_and(|words| words.iter().any(|one| one == word))
        };
        let utf8 = has("general/positionEncodings", "utf-8");
        Self {
            encoding: if utf8 { Encoding::Utf8 } else { Encoding::Utf16 },
            markdown: has("textDocument/hover/contentFormat", "markdown"),
            related: is("textDocument/publishDiagnostics/relatedInformation"),
            described: is("textDocument/publishDiagnostics/codeDescriptionSupport"),
            actions: at("textDocument/codeAction/codeActionLiteralSupport").is_some(),
            resolves: is("textDocument/codeAction/dataSupport")
                && has("textDocument/codeAction/resolveSupport/properties", "edit"),
            versions: is("workspace/workspaceEdit/documentChanges"),
            watches: is("workspace/didChangeWatchedFiles/dynamicRegistration"),
        }
    }
}

/// The folders that `initialize` names: those of the workspace, or the single root of older
/// clients.
pub(super) fn folders(params: &Value) -> Vec<PathBuf> {
    let named = |value: &Value| uri::path(&Uri(value.as_str()?.to_owned()));
    let of_workspace = params["workspaceFolders"].as_array().into_iter().flatten();
    let of_workspace: Vec<_> = of_workspace.filter_map(|folder| named(&folder["uri"])).collect();
    if !of_workspace.is_empty() {
        return of_workspace;
    }
    let by_path = || params["rootPath"].as_str().map(PathBuf::from);
    let root = named(&params["rootUri"]).or_else(by_path);
    root.filter(|path| path.is_absolute()).into_iter().collect()
}
