//! `deploy-doctor lsp` under a real Neovim, told of it as `integrations/editors/` says.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::command::{finish, program};
use crate::support::editor::{broken, files, fixed};
use crate::support::skip;

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn a_repository_is_mended_in_neovim() {
    if Command::new("nvim").arg("--version").output().is_err() {
        return skip("nvim is not installed (Debian's package neovim)");
    }
    let (by_hand, in_editor) = (broken(), broken());
    let wanted = fixed(&by_hand, &[]);
    let folder = in_editor.root();
    // By this the editor knows a repository.
    fs::create_dir(folder.join(".git")).unwrap();
    let home = in_editor.directory.path().join("home");
    fs::create_dir(&home).unwrap();
    let seen = home.join("seen.json");
    let directory = Path::new(program()).parent().unwrap().to_str().unwrap();
    let path = format!("{directory}:{}", env::var("PATH").unwrap());
    let file = |name: &str| format!("luafile {}", project().join(name).display());
    let mut command = Command::new("nvim");
    command
        .args(["--headless", "-u", "NONE", "-i", "NONE", "-n"])
        .args(["-c", &file("integrations/editors/neovim.lua")])
        .args(["-c", &file("tests/editor_support/neovim.lua")])
        .env("PATH", path)
        .env("HOME", &home)
        .env("XDG_CACHE_HOME", &home)
        .env("XDG_STATE_HOME", &home)
        .env("REPOSITORY", &folder)
        .env("SEEN", &seen)
        .current_dir("/");
    let ran = finish(command);
    let text = fs::read_to_string(&seen).unwrap_or_else(|error| panic!("{error}: {}", ran.all()));
    let seen: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((seen.get("failed"), ran.code), (None, Some(0)), "{text}\n{}", ran.all());
    assert_eq!(seen["shown"]["first"], "U101 U109", "{text}");
    assert_eq!(seen["shown"]["unsaved"], "U101 U107 U109", "{text}");
    assert_eq!(seen["shown"]["fixed"], "U101", "{text}");
    let at = |what: &str| {
        let all = seen["messages"].as_array().unwrap();
        all.iter().find(|one| one["message"].as_str().unwrap().contains(what)).unwrap()["text"]
            .clone()
    };
    assert_eq!(at("KillMode"), "process", "{text}");
    let mut explain = Command::new(program());
    explain.args(["explain", "U109"]);
    assert_eq!(seen["hover"], finish(explain).stdout);
    fs::remove_dir(folder.join(".git")).unwrap();
    let written = files(&folder);
    assert_eq!(written, wanted);
    assert_ne!(written, files(&broken().root()));
}
