//! The client's requests about a position: fixes, their edits, explanations.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::super::protocol::{Hover, MarkupContent, MarkupKind, Position, Range, WorkspaceEdit};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::actions::{self, Data, Offered, Question};
use super::super::edit::workspace_edit;
use super::super::names::Names;
use super::super::position::touch;
use super::super::transport::ErrorCode;
use super::super::{Wanted, uri};
use super::{Server, host, not_understood};

impl Server<'_> {
    pub(super) fn code_actions(&mut self, params: &Value) -> Result<Value, (ErrorCode, String)> {
        self.settle();
        let question = Question::of(params).ok_or_else(not_understood)?;
        if !self.client.actions {
            return Ok(json!([]));
        }
        let path = uri::path(&question.uri);
        let document = path.and_then(|path| self.documents.get(&path));
        let in_folder = |(at, folder)| {
            let offered = actions::offered(&question, folder, document, &self.client);
            offered.into_iter().map(move |offered| (at, offered))
        };
        let offered: Vec<_> = self.folders.iter().enumerate().flat_map(in_folder).collect();
        let mut all = Vec::new();
        for (at, Offered { mut action, data }) in offered {
            match data {
                Some(data) if self.client.resolves => action.data = serde_json::to_value(data).ok(),
                // A fix that cannot be made is not offered.
                Some(data) => match self.edit(at, &data.wanted) {
                    Ok(edit) => action.edit = Some(edit),
                    Err(_) => continue,
                },
                None => {}
            }
            all.push(action);
        }
        Ok(json!(all))
    }

    pub(super) fn resolve(&mut self, params: &Value) -> Result<Value, (ErrorCode, String)> {
        self.settle();
        // Everything else in the action belongs to the client and is returned unchanged.
        let mut action = params.clone();
        let told = action.as_object_mut().ok_or_else(not_understood)?;
        let Some(data) = told.get("data") else { return Ok(action) };
        let data = Data::deserialize(data).map_err(|_| not_understood())?;
        let at = self.folders.iter().position(|folder| folder.path == data.folder);
        let edit = self.edit(at.ok_or_else(not_understood)?, &data.wanted);
        let edit = edit.map_err(|why| (ErrorCode::Failed, format!("not made: {why}")))?;
        told.insert("edit".to_owned(), json!(edit));
        Ok(action)
    }

    /// The edit that some fixes produce, computed only once for each state of the files.
    fn edit(&mut self, at: usize, wanted: &Wanted) -> Result<WorkspaceEdit, String> {
        if let Some(known) = self.folders[at].edits.get(wanted) {
            return known.clone();
        }
        let unsaved = Rc::new(self.documents.unsaved());
        let path = &self.folders[at].path;
        let edit = self.checker.changes(path, &unsaved, wanted).and_then(|changes| {
            let host = host().map_err(|error| error.to_string())?;
            let names = Names::new(path, host, &self.documents);
            workspace_edit(&changes, &names, &self.documents, &self.client)
        });
        self.folders[at].edits.insert(wanted.clone(), edit.clone());
        edit
    }

    pub(super) fn hover(&mut self, params: &Value) -> Result<Value, (ErrorCode, String)> {
        self.settle();
        let uri = params["textDocument"]["uri"].as_str().ok_or_else(not_understood)?;
        let position = Position::deserialize(&params["position"]).map_err(|_| not_understood())?;
        let here = Range { start: position, end: position };
        let marks = self.folders.iter().flat_map(|folder| &folder.marks);
        let mut told = BTreeSet::new();
        let (mut pages, mut range) = (Vec::new(), None);
        for mark in marks.filter(|mark| mark.uri.0 == uri && touch(&mark.diagnostic.range, &here)) {
            let Some(rule) = mark.rule.filter(|rule| told.insert(rule.code)) else { continue };
            pages.push(crate::rule::page(rule));
            range.get_or_insert(mark.diagnostic.range);
        }
        if pages.is_empty() {
            return Ok(Value::Null);
        }
        let kind = match self.client.markdown {
            true => MarkupKind::Markdown,
            false => MarkupKind::PlainText,
        };
        let contents = MarkupContent { kind, value: pages.join("\n---\n\n") };
        Ok(json!(Hover { contents, range }))
    }
}
