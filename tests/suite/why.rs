//! Why something is not known: the kind stays with a reason however it is worded.

use std::fs;
use std::path::{Path, PathBuf};

use deploy_doctor::facts::{Known, Whose, Why, WhyKind};

#[test]
fn wrapping_keeps_the_kind() {
    let bare = Why::no_probe();
    for wrapped in [
        bare.about("the site"),
        bare.about("a").about("b"),
        bare.reword(|text| format!("{text}; add --probe URL")),
    ] {
        assert_eq!(wrapped.kind(), WhyKind::NeedsProbe, "{wrapped}");
        assert!(wrapped.text().contains(bare.text()), "{wrapped}");
        let known = Known::<()>::Unknown(wrapped);
        assert_eq!(known.map(|()| 1).get().unwrap_err().kind(), WhyKind::NeedsProbe);
    }
    assert_eq!(bare.about("b").text(), "b: only --probe URL shows this");
    // Words make no kind.
    assert_eq!(Why::not_read("only --probe URL shows this").kind(), WhyKind::NotRead);
}

#[test]
fn only_what_would_have_to_be_asked_for_takes_no_verdict_away() {
    for why in [Why::not_live(), Why::no_preflight(), Why::no_probe()] {
        assert!(why.kind().needs_more(), "{why}");
    }
    let own = [Why::not_read, Why::not_understood, Why::depends, Why::not_asked, Why::not_there];
    for why in own.map(|make| make("a")) {
        assert!(!why.kind().needs_more(), "{why}");
    }
}

#[test]
fn each_state_says_where_it_comes_from() {
    let shown = |known: Known<u8>| serde_json::to_string(&known).unwrap();
    assert_eq!(shown(Known::Default(1, Whose::SYSTEMD)), r#"{"default":1}"#);
    assert_eq!(shown(Known::Observed(1, "/proc")), r#"{"observed":1}"#);
    assert_eq!(
        shown(Known::Unknown(Why::not_live())),
        r#"{"unknown":"only a live host shows this"}"#
    );
    assert_eq!(Whose::gunicorn(Some("23.0.0".into())).to_string(), "gunicorn 23.0.0");
    assert!(!Known::Observed(1, "/proc").is_set());
}

fn rust_files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// A reason that is made of another's words alone loses its kind.
fn wraps_by_hand(text: &str) -> bool {
    const MAKERS: [&str; 5] = ["not_read", "not_understood", "depends", "not_asked", "not_there"];
    MAKERS.iter().any(|maker| {
        text.match_indices(&format!("Why::{maker}(format!(")).any(|(at, _)| {
            let rest = &text[at..];
            let end = rest.find(';').unwrap_or(rest.len());
            rest[..end].contains("{why}")
        })
    })
}

#[test]
fn no_reason_is_wrapped_by_hand() {
    assert!(wraps_by_hand("Why::not_read(format!(\"{name}: {why}\"));"));
    assert!(!wraps_by_hand("why.about(name); let text = format!(\"{why}\");"));
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    rust_files(&top.join("src"), &mut files);
    rust_files(&top.join("rules"), &mut files);
    let wrapped = files.iter().filter(|file| wraps_by_hand(&fs::read_to_string(file).unwrap()));
    assert_eq!(wrapped.collect::<Vec<_>>(), Vec::<&PathBuf>::new());
}
