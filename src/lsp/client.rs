//! What the client can do, as its `initialize` says. Only what matters here is read, so that a
//! client that sends anything unusual elsewhere is served all the same.

use std::path::PathBuf;

use gen_lsp_types::Uri;
use serde_json::Value;

use super::position::Encoding;
use super::uri;

/// A client's abilities.
#[derive(Debug, Clone)]
pub(super) struct Client {
    /// What columns count.
    pub encoding: Encoding,
    /// Does a hover show Markdown?
    pub markdown: bool,
    /// Does a diagnostic show other places?
    pub related: bool,
    /// Does a diagnostic's code lead to a page?
    pub described: bool,
    /// Are code actions taken that carry an edit?
    pub actions: bool,
    /// Is an action's edit asked for only when it is chosen?
    pub resolves: bool,
    /// Are edits bound to the version that they were made for?
    pub versions: bool,
    /// Does it tell of changed files when it is asked to?
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

/// The folders that `initialize` names: those of the workspace, else the one root of older clients.
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
