//! Markdown: GitHub's own parser, cmark-gfm. What is text stays text.

use std::process::Command;

use deploy_doctor::report::Format;

use super::{installed, said, text, written};
use crate::support;

#[test]
fn nothing_of_a_message_becomes_markup() {
    if !installed("cmark-gfm") {
        return support::skip("cmark-gfm is not installed");
    }
    let folder = tempfile::tempdir().unwrap();
    for one in written(folder.path(), Format::Markdown) {
        let ran = said(
            Command::new("cmark-gfm")
                .args(["--unsafe", "-e", "table", "-e", "autolink", "-e", "strikethrough"])
                .arg(&one.path),
        );
        let html = text(&ran);
        let all: usize = one.counts.iter().sum();
        assert_eq!(html.matches("<h4>").count(), all, "{}: {html}", one.name);
        assert_eq!(html.matches("<details>").count(), all, "{}", one.name);
        assert_eq!(html.matches("</details>").count(), all, "{}", one.name);
        for markup in ["<script", "<a ", "<img", "<strong>", "<em>", "<li><p>", "<failure"] {
            assert!(!html.contains(markup), "{}: {markup}: {html}", one.name);
        }
    }
}
