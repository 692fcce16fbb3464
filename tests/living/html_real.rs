//! The HTML report in Debian's Chromium, looked at by axe-core: on a phone and a desk, in the dark
//! and in the light. The pictures stay in `target/tmp/html-pictures`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::command::{Copied, run};
use crate::support::hostile_page::hostile;
use crate::support::{self, node};

/// What Chromium and axe-core say of pages, each in every way of looking.
fn look(pages: &[PathBuf]) -> Option<Vec<Value>> {
    if !Path::new("/usr/bin/chromium").exists() {
        support::skip("Debian's chromium is not installed");
        return None;
    }
    let packages = ["axe-core@4.14.1", "playwright-core@1.60.0"];
    let Some(modules) = node::with("html-readers", &packages) else {
        support::skip("axe-core cannot be installed");
        return None;
    };
    let pictures = Path::new(env!("CARGO_TARGET_TMPDIR")).join("html-pictures");
    fs::create_dir_all(&pictures).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/html_support/look.mjs");
    let output = Command::new("node")
        .arg(script)
        .arg(modules.join("node_modules"))
        .arg(pictures)
        .args(pages)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let seen: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(seen.len(), 4 * pages.len());
    Some(seen)
}

#[test]
fn the_page_is_read_by_everybody_and_loads_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, page: &str| {
        let path = directory.path().join(format!("{name}.html"));
        fs::write(&path, page).unwrap();
        path
    };
    let mut pages = Vec::new();
    for case in ["guide", "healthy"] {
        let ran = Copied::of(case).check(&["--format", "html"]);
        pages.push(write(case, &ran.stdout));
    }
    let ran = run(&["check", "--format", "html", "--unit", "/nowhere/myapp.service"]);
    pages.push(write("unread", &ran.stdout));
    let (page, count) = hostile();
    pages.push(write("hostile", &page));
    // The reader has to be able to fail.
    let wrong = "<!doctype html><title></title><script>console.log(1)</script><p \
                 style=\"color:#ccc;background:#fff\">pale<img src=\"file:///gone.png\">";
    pages.push(write("wrong", wrong));
    let Some(seen) = look(&pages) else { return };
    for one in &seen {
        let text = |key: &str| one[key].to_string();
        if one["page"] == "wrong" {
            let faults = one["faults"].as_array().unwrap();
            assert!(faults.len() >= 3, "axe finds nothing: {one:#}");
            assert!(text("asked") != "0" && text("said") != "[]", "{one:#}");
            continue;
        }
        assert_eq!(one["faults"], serde_json::json!([]), "{one:#}");
        for key in ["asked", "scripts", "foreign", "handlers", "wider", "small", "beside"] {
            assert_eq!(text(key), "0", "{key} {one:#}");
        }
        assert_eq!(one["said"], serde_json::json!([]), "{one:#}");
        let dark = one["scheme"] == "dark";
        assert_eq!(one["back"] == "rgb(255, 255, 255)", !dark, "{one:#}");
        match one["page"].as_str().unwrap() {
            "guide" => assert_eq!((text("broken"), text("findings")), ("2".into(), "2".into())),
            "hostile" => assert_eq!(text("findings"), count.to_string()),
            _ => {}
        }
    }
}
