//! `deploy-doctor lsp`: quick fixes, the same bytes as `fix` writes.

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value, json};

use super::lsp::read;
use crate::support::command::Copied;
use crate::support::editor::{Editor, able, broken, edited, files, fixed, uri};

const ALL: &str = "Apply all safe fixes of the folder";

/// Writes an edit as an editor does.
fn apply(edit: &Value) -> usize {
    let after = edited(edit, &BTreeMap::new());
    after.iter().for_each(|(path, text)| fs::write(path, text).unwrap());
    after.len()
}

fn titled<'a>(actions: &'a [Value], start: &str) -> &'a Value {
    let found = actions.iter().find(|one| one["title"].as_str().unwrap().starts_with(start));
    found.unwrap_or_else(|| panic!("{start}: {actions:#?}"))
}

#[test]
fn all_safe_fixes_are_what_fix_writes() {
    let (by_hand, by_editor) = (broken(), broken());
    let wanted = fixed(&by_hand, &[]);
    let folder = by_editor.root();
    let before = files(&folder);
    let mut editor = Editor::over(&[&folder], able());
    let unit = folder.join("deploy/shop.service");
    let actions = editor.actions(&unit, json!({ "diagnostics": [] }));
    let all = titled(&actions, ALL);
    assert_eq!(all["kind"], "quickfix");
    assert_eq!(files(&folder), before, "nothing is written by the program itself");
    assert_eq!(apply(&all["edit"]), 3, "three files change together");
    assert_eq!(files(&folder), wanted);
    assert_ne!(before, wanted);
    let changed = |path: &str| json!({ "uri": uri(&folder.join(path)), "type": 2 });
    let changes = json!({ "changes": [changed("deploy/shop.service")] });
    editor.tell("workspace/didChangeWatchedFiles", changes);
    editor.settle();
    assert!(editor.shown.values().all(Vec::is_empty), "{:?}", editor.shown);
    editor.close();
}

#[test]
fn one_fix_is_what_fix_writes_for_its_rule() {
    for (code, path) in [
        ("U101", "deploy/shop.service"),
        ("G204", "deploy/gunicorn.conf.py"),
        ("N303", "deploy/shop.nginx.conf"),
    ] {
        let (by_hand, by_editor) = (broken(), broken());
        let wanted = fixed(&by_hand, &["--select", code]);
        let file = by_editor.root().join(path);
        let mut editor = Editor::over(&[&by_editor.root()], able());
        let actions = editor.actions(&file, json!({ "diagnostics": [] }));
        let action = titled(&actions, code);
        assert_eq!((&action["isPreferred"], &action["kind"]), (&json!(true), &json!("quickfix")));
        assert_eq!(action["diagnostics"][0]["code"], code);
        apply(&action["edit"]);
        assert_eq!(files(&by_editor.root()), wanted, "{code}");
        editor.close();
    }
}

#[test]
fn files_that_the_settings_list_and_other_ends_of_lines_are_fixed_the_same() {
    let settings = "[[app]]\nname = \"shop\"\nunit = [\"deploy/shop.service\"]\n\
                    nginx = [\"deploy/shop.nginx.conf\"]\n";
    let (by_hand, by_editor) = (broken(), broken());
    for case in [&by_hand, &by_editor] {
        case.write("deploy-doctor.toml", settings);
        for path in ["deploy/shop.service", "deploy/shop.nginx.conf", "deploy/gunicorn.conf.py"] {
            let text = read(case.at(path)).replace('\n', "\r\n");
            case.write(path, text.trim_end());
        }
    }
    let wanted = fixed(&by_hand, &[]);
    let folder = by_editor.root();
    let mut editor = Editor::over(&[&folder], able());
    let site = folder.join("deploy/shop.nginx.conf");
    let actions = editor.actions(&site, json!({ "diagnostics": [] }));
    assert_eq!(apply(&titled(&actions, ALL)["edit"]), 3);
    assert_eq!(files(&folder), wanted);
    editor.close();
}

#[test]
fn a_file_whose_columns_an_editor_may_count_otherwise_is_not_edited_from_afar() {
    let copied = broken();
    let unit = copied.root().join("deploy/shop.service");
    let text = read(&unit);
    let bytes = [b"# caf\xe9\n", text.as_bytes()].concat();
    fs::write(&unit, bytes).unwrap();
    let mut editor = Editor::over(&[&copied.root()], able());
    let is_fix = |one: &Value| one["title"].as_str().unwrap().starts_with("U101: Exec");
    let actions = editor.actions(&unit, json!({ "diagnostics": [] }));
    assert_eq!(editor.codes(&unit), ["U101", "U109"]);
    assert!(!actions.iter().any(is_fix), "{actions:#?}");
    // The text that the editor has made of it is another matter.
    editor.open(&unit, &text);
    assert!(editor.actions(&unit, json!({ "diagnostics": [] })).iter().any(is_fix));
    editor.close();
}

#[test]
fn edits_are_made_for_the_text_as_the_editor_holds_it() {
    let copied = broken();
    let unit = copied.root().join("deploy/shop.service");
    let mut editor = Editor::over(&[&copied.root()], able());
    // Three lines more, and no line at the end: not saved.
    let text = format!("# one\n# 🦀\n\n{}", read(&unit).trim_end());
    editor.open(&unit, &read(&unit)).replace(&unit, 5, &text);
    let actions = editor.actions(&unit, json!({ "diagnostics": [] }));
    let edit = &titled(&actions, "U101")["edit"];
    assert_eq!(edit["documentChanges"][0]["textDocument"]["version"], 5);
    let after = edited(edit, &BTreeMap::from([(unit.clone(), text.clone())]));
    let plain: Vec<&str> =
        after[&unit].lines().filter(|line| !line.starts_with("ExecReload=")).collect();
    assert_eq!(plain, text.lines().collect::<Vec<_>>());
    editor.replace(&unit, 6, &after[&unit]).settle();
    assert_eq!(editor.codes(&unit), ["U109"]);
    editor.close();
}

#[test]
fn an_edit_is_worked_out_when_it_is_chosen_where_the_client_can_ask() {
    let (by_hand, by_editor) = (broken(), broken());
    let wanted = fixed(&by_hand, &["--select", "U101"]);
    let unit = by_editor.root().join("deploy/shop.service");
    let mut able = able();
    able["textDocument"]["codeAction"]["dataSupport"] = json!(true);
    able["textDocument"]["codeAction"]["resolveSupport"] = json!({ "properties": ["edit"] });
    let mut editor = Editor::over(&[&by_editor.root()], able);
    assert_eq!(editor.greeting["capabilities"]["codeActionProvider"]["resolveProvider"], true);
    let actions = editor.actions(&unit, json!({ "diagnostics": [] }));
    let action = titled(&actions, "U101").clone();
    assert_eq!(action.get("edit"), None);
    let resolved = editor.ask("codeAction/resolve", action.clone()).unwrap();
    assert_eq!(resolved["title"], action["title"]);
    apply(&resolved["edit"]);
    assert_eq!(files(&by_editor.root()), wanted);
    // By now it is done: that is said, and nothing is handed out.
    let changes = json!({ "changes": [{ "uri": uri(&unit), "type": 2 }] });
    editor.tell("workspace/didChangeWatchedFiles", changes);
    let error = editor.ask("codeAction/resolve", action).unwrap_err();
    assert_eq!(error["code"], -32803);
    assert!(error["message"].as_str().unwrap().contains("the finding is gone"), "{error}");
    editor.close();
}

/// E403's fix writes a comment of an environment file anew, which may be a secret.
#[test]
fn what_may_be_a_secret_is_not_written_anew() {
    let copied = Copied::of("activated");
    let env = copied.root().join("etc/web/blue.env");
    for resolves in [json!([]), json!(["edit"])] {
        let mut able = able();
        able["textDocument"]["codeAction"]["dataSupport"] = json!(true);
        able["textDocument"]["codeAction"]["resolveSupport"] = json!({ "properties": resolves });
        let mut editor = Editor::over(&[&copied.root()], able);
        let actions = editor.actions(&env, json!({ "diagnostics": [] }));
        assert!(editor.codes(&env).contains(&"E403".to_owned()));
        let moves = |one: &&Value| one["title"].as_str().unwrap().starts_with("E403: move");
        assert_eq!(actions.iter().find(moves), None);
        let shown = editor.shown[&env].iter().find(|one| one["code"] == "E403").unwrap();
        let message = shown["message"].as_str().unwrap();
        assert!(message.contains("deploy-doctor fix shows the change"), "{message}");
        editor.close();
    }
}

#[test]
fn what_is_saved_changes_its_own_file_alone() {
    let copied = broken();
    let folder = copied.root();
    let mut editor = Editor::over(&[&folder], able());
    let conf = folder.join("deploy/gunicorn.conf.py");
    for only in ["source.fixAll", "source", "source.fixAll.deploydoctor"] {
        let context = json!({ "diagnostics": [], "only": [only] });
        let actions = editor.actions(&conf, context);
        let [action] = actions.as_slice() else { panic!("{only}: {actions:?}") };
        assert_eq!(action["kind"], "source.fixAll.deploydoctor");
        let after = edited(&action["edit"], &BTreeMap::new());
        assert_eq!(after.keys().collect::<Vec<_>>(), [&conf]);
        assert!(!after[&conf].contains("reload = True"));
    }
    for only in ["source.fixAll.ruff", "source.fix", "refactor"] {
        let context = json!({ "diagnostics": [], "only": [only] });
        assert_eq!(editor.actions(&conf, context), Vec::<Value>::new(), "{only}");
    }
    editor.close();
}

#[test]
fn a_fix_that_changes_more_says_so_and_a_manual_one_is_in_words() {
    let copied = Copied::of("capistrano");
    let folder = copied.root();
    let conf = folder.join("srv/shop/shared/gunicorn.conf.py");
    let mut editor = Editor::over(&[&folder], able());
    let actions = editor.actions(&conf, json!({ "diagnostics": [] }));
    let action = titled(&actions, "G203 (unsafe): ");
    assert_eq!(action["isPreferred"], false);
    assert!(edited(&action["edit"], &BTreeMap::new())[&conf].contains("preload_app = False"));
    // G201 says in words what to do.
    assert!(editor.codes(&conf).contains(&"G201".to_owned()));
    let fixes = |code: &str| {
        let of = |one: &&Value| one["title"].as_str().unwrap().starts_with(code);
        actions
            .iter()
            .filter(of)
            .filter(|one| !one["title"].as_str().unwrap().contains("accept"))
            .count()
    };
    assert_eq!((fixes("G201"), fixes("G203")), (0, 1));
    let shown = editor.shown[&conf].iter().find(|one| one["code"] == "G201").unwrap();
    assert!(shown["message"].as_str().unwrap().contains("fix (manual)"), "{shown}");
    editor.close();
}

#[test]
fn deployments_of_one_folder_are_each_fixed() {
    let copied = Copied::of("repository");
    let folder = copied.root();
    // Two of one name: each stands on a host of its own.
    for (path, bytes) in files(&folder) {
        for site in ["staging", "production"] {
            copied.write(&format!("{site}/{}", path.display()), &bytes);
        }
    }
    for name in ["deploy", "migrations", "shop", "requirements.txt"] {
        copied.remove(name);
    }
    let units = ["production", "staging"].map(|site| folder.join(site).join("deploy/shop.service"));
    for unit in &units {
        let text = read(unit).replace("ExecReload=/bin/kill -s HUP $MAINPID\n", "");
        fs::write(unit, text).unwrap();
    }
    let mut editor = Editor::over(&[&folder], able());
    for unit in &units {
        let actions = editor.actions(unit, json!({ "diagnostics": [] }));
        let after = edited(&titled(&actions, "U101")["edit"], &BTreeMap::new());
        assert_eq!(after.keys().collect::<Vec<_>>(), [unit]);
        let all = edited(&titled(&actions, ALL)["edit"], &BTreeMap::new());
        assert_eq!(all.keys().collect::<Vec<_>>(), [&units[0], &units[1]]);
    }
    editor.close();
}

#[test]
fn a_finding_is_accepted_with_a_reason_to_be_filled_in() {
    let copied = broken();
    let unit = copied.root().join("deploy/shop.service");
    let mut editor = Editor::over(&[&copied.root()], able());
    editor.open(&unit, &read(&unit));
    let actions = editor.actions(&unit, json!({ "diagnostics": [] }));
    let edit = &titled(&actions, "U109: accept")["edit"];
    let open = BTreeMap::from([(unit.clone(), read(&unit))]);
    let after = edited(edit, &open)[&unit].clone();
    let comment = "# deploy-doctor: ignore[U109] \n";
    assert!(after.contains(&format!("{comment}KillMode=process")), "{after}");
    editor.replace(&unit, 2, &after).settle();
    assert_eq!(editor.codes(&unit), ["U101", "-", "U109"], "no reason is none");
    let reason = after.replace(comment, &format!("{}why\n", comment.trim_end_matches('\n')));
    editor.replace(&unit, 3, &reason).settle();
    assert_eq!(editor.codes(&unit), ["U101"]);
    editor.close();
}

#[test]
fn a_client_without_versions_or_without_actions_gets_what_it_can_use() {
    let copied = broken();
    let unit = copied.root().join("deploy/shop.service");
    let mut simple = able();
    simple["workspace"]["workspaceEdit"] = json!({});
    let mut editor = Editor::over(&[&copied.root()], simple);
    let actions = editor.actions(&unit, json!({ "diagnostics": [] }));
    let edit = &titled(&actions, "U101")["edit"];
    assert!(edit["changes"][uri(&unit)].is_array() && edit.get("documentChanges").is_none());
    editor.close();
    let mut editor = Editor::over(&[&copied.root()], json!({}));
    assert_eq!(editor.actions(&unit, json!({ "diagnostics": [] })), Vec::<Value>::new());
    editor.close();
}
