//! Manifests of static assets.

use deploy_doctor::source::manifest::{self, ManifestKind};
use deploy_doctor::source::{FileId, SourceFile};

fn read(text: &str) -> Result<manifest::Manifest, manifest::Fault> {
    manifest::read(&SourceFile::new(FileId(0), "/m.json", text))
}

#[test]
fn every_known_kind_names_its_files() {
    let cases = [
        (
            r#"{"digests": {"a-1.css": {"path": "a.css"}}, "latest": {"a.css": "a-1.css"}}"#,
            ManifestKind::StaticDigest,
            vec!["a-1.css"],
        ),
        (
            r#"{"version": "1.1", "paths": {"a.css": "a.1.css", "b.js": "b.2.js"}}"#,
            ManifestKind::Django,
            vec!["a.1.css", "b.2.js"],
        ),
        (
            r#"{"main.js": "/static/main.1.js?x", "cdn.js": "https://cdn.example/x.js"}"#,
            ManifestKind::Webpack,
            vec!["/static/main.1.js"],
        ),
        (
            r#"{"main.ts": {"file": "assets/m-1.js", "css": ["assets/m-1.css"], "imports": ["_x"]},
                "_x": {"file": "assets/x.js", "assets": ["assets/l.png"]}}"#,
            ManifestKind::Vite,
            vec!["assets/l.png", "assets/m-1.css", "assets/m-1.js", "assets/x.js"],
        ),
    ];
    for (text, kind, files) in cases {
        let manifest = read(text).unwrap();
        assert_eq!(
            (manifest.kind, manifest.files),
            (kind, files.iter().map(|f| f.to_string()).collect())
        );
    }
    assert_eq!(read(r#"{"a.js": "//cdn.example/x.js", "b.js": "b.js"}"#).unwrap().unknown, 1);
}

#[test]
fn other_files_are_faults() {
    let deep = "[".repeat(100_000);
    for text in [
        "",
        "[]",
        "{}",
        "{\"name\": 1}",
        "{\"name\": \"Shop\", \"icon\": \"shop.png\"}",
        "{\"a\": \"b\",}",
        "\0",
        &deep,
    ] {
        assert!(read(text).is_err(), "{text:.20}");
    }
    assert!(read("\u{feff}{\"a.css\": \"b.css\"}").is_ok());
}
