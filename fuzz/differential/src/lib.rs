//! The same file as the `nginx-config` crate and as deploy-doctor read it.

use std::sync::Arc;

use deploy_doctor::source::nginx::tree::{Body, Tree};
use deploy_doctor::source::{FileId, SourceFile};
use nginx_config::ast::Directive;

/// A directive's depth and name.
pub type Line = (usize, String);

/// The directives as `nginx-config` finds them, where it accepts the file and does not panic.
pub fn theirs(text: &str) -> Option<Vec<Line>> {
    std::panic::catch_unwind(|| parse(text)).ok().flatten()
}

fn parse(text: &str) -> Option<Vec<Line>> {
    let mut lines = Vec::new();
    let directives = match nginx_config::parse_main(text) {
        Ok(main) => main.directives,
        Err(_) => nginx_config::parse_directives(text).ok()?,
    };
    walk(&directives, 0, &mut lines);
    Some(lines)
}

fn walk(directives: &[Directive], depth: usize, lines: &mut Vec<Line>) {
    for directive in directives {
        lines.push((depth, directive.item.directive_name().to_owned()));
        if let Some(children) = directive.item.children() {
            walk(children, depth + 1, lines);
        }
    }
}

/// The directives as deploy-doctor finds them, or its fault. Lines of data blocks, which
/// `nginx-config` does not count as directives, are left out.
pub fn ours(text: &str) -> Result<Vec<Line>, String> {
    let tree = Tree::parse(Arc::new(SourceFile::new(FileId(0), "/x", text)));
    if let Some(fault) = tree.fault {
        return Err(fault.message);
    }
    let mut ends: Vec<u32> = Vec::new();
    let mut lines = Vec::new();
    for (index, directive) in tree.directives.iter().enumerate() {
        while ends.last().is_some_and(|end| *end as usize <= index) {
            ends.pop();
        }
        if !directive.data {
            let name = directive.words(&tree).next().unwrap_or_default();
            lines.push((ends.len(), String::from_utf8_lossy(&name).into_owned()));
        }
        if directive.body != Body::None {
            ends.push(directive.subtree_end());
        }
    }
    Ok(lines)
}
