//! Every real file that `nginx-config` accepts has the same directives here.

use deploy_doctor_differential::{ours, theirs};

#[test]
fn real_files() {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/corpus/nginx");
    let Ok(files) = std::fs::read_dir(corpus) else {
        eprintln!("SKIPPED: the corpus of real nginx files is not here");
        return;
    };
    let (mut accepted, mut all) = (0, 0);
    for file in files {
        let path = file.unwrap().path();
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        all += 1;
        let Some(theirs) = theirs(&text) else { continue };
        accepted += 1;
        assert_eq!(ours(&text).as_ref(), Ok(&theirs), "{}", path.display());
    }
    eprintln!("nginx-config accepts {accepted} of {all} files");
    assert!(accepted > 20, "{accepted} of {all}");
}

#[test]
fn written_files() {
    for text in [
        "server { listen 80; location / { proxy_pass http://x; } }",
        "server { # c\n  listen 80;;\n}",
        "http { server { root \"/a b\"; } }",
        "server { location / { return 200 'a;b{c}'; } }",
        "server { if ($host = a) { return 404; } }",
    ] {
        if let Some(theirs) = theirs(text) {
            assert_eq!(ours(text), Ok(theirs), "{text}");
        }
    }
}
