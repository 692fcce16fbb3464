//! `deploy-doctor lsp`: the same findings as `check .`, of the texts that the editor holds.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::support::command::{Copied, finish, program};
use crate::support::editor::{Editor, able, uri};

const UNIT: &str = "deploy/shop.service";
const SITE: &str = "deploy/shop.nginx.conf";

/// `check .` as JSON.
pub fn checked(folder: &Path) -> Value {
    let mut command = Command::new(program());
    command.args(["check", ".", "--format", "json"]).current_dir(folder);
    let ran = finish(command);
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {}", ran.all()))
}

pub fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path).unwrap()
}

/// How many units of UTF-16 stand before a byte of a line, both counted from 1.
fn column(text: &str, line: u64, byte: u64) -> u64 {
    let line = text.split('\n').nth(line as usize - 1).unwrap();
    line[..byte as usize - 1].encode_utf16().count() as u64
}

/// What a finding of the JSON is as a diagnostic: file, place, code, severity, first line.
fn expected(folder: &Path, finding: &Value) -> (PathBuf, Value, Value, u64, String) {
    let at = &finding["locations"][0];
    let path = folder.join(at["file"].as_str().unwrap());
    let text = read(&path);
    let place = |line: &str, byte: &str| {
        let (line, byte) = (at[line].as_u64().unwrap(), at[byte].as_u64().unwrap());
        json!({ "line": line - 1, "character": column(&text, line, byte) })
    };
    let severity = match finding["severity"].as_str().unwrap() {
        "error" => 1,
        "warning" => 2,
        _ => 3,
    };
    let range = json!({ "start": place("line", "column"), "end": place("end_line", "end_column") });
    let message = finding["message"].as_str().unwrap().to_owned();
    (path, range, finding["code"].clone(), severity, message)
}

#[test]
fn the_diagnostics_are_the_findings_of_check() {
    let mut all = 0;
    for case in ["guide", "activated", "capistrano", "init", "repository"] {
        let copied = Copied::of(case);
        let folder = copied.root();
        if case == "repository" {
            // Columns that differ in bytes, characters and units of UTF-16.
            copied.edit(UNIT, "--chdir /srv/shop/current ", "--name 🦀-café --reload ");
        }
        let document = checked(&folder);
        let mut wanted: Vec<_> = document["findings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|finding| expected(&folder, finding))
            .collect();
        let mut editor = Editor::over(&[&folder], able());
        editor.settle();
        let mut shown: Vec<_> = Vec::new();
        for (path, diagnostics) in &editor.shown {
            for one in diagnostics.iter().filter(|one| one.get("code").is_some()) {
                assert_eq!(one["source"], "deploy-doctor");
                let message = one["message"].as_str().unwrap().lines().next().unwrap().to_owned();
                shown.push((
                    path.clone(),
                    one["range"].clone(),
                    one["code"].clone(),
                    one["severity"].as_u64().unwrap(),
                    message,
                ));
            }
        }
        let key = |one: &(PathBuf, Value, Value, u64, String)| {
            (one.0.clone(), one.1.to_string(), one.2.to_string(), one.4.clone())
        };
        wanted.sort_by_key(key);
        shown.sort_by_key(key);
        assert_eq!(shown, wanted, "{case}");
        all += shown.len();
        assert_eq!(editor.close().code, Some(0));
    }
    assert!(all > 25, "{all} findings are too few to tell anything");
}

#[test]
fn a_finding_says_what_to_do_and_shows_its_other_places() {
    let copied = Copied::of("guide");
    let folder = copied.root();
    let unit = folder.join("etc/systemd/system/myapp.service");
    let mut editor = Editor::over(&[&folder], able());
    editor.settle();
    let shown = editor.shown[&unit].iter().find(|one| one["code"] == "U117").unwrap().clone();
    let message = shown["message"].as_str().unwrap();
    for words in [
        "www-data cannot create /run/myapp.sock",
        "here: systemd makes /run at boot",
        "RuntimeDirectory=myapp",
    ] {
        assert!(message.contains(words), "{words}: {message}");
    }
    let related = shown["relatedInformation"].as_array().unwrap();
    let site = uri(&folder.join("etc/nginx/sites-available/myapp"));
    let other = related.iter().find(|one| one["location"]["uri"] == *site).unwrap();
    assert_eq!(other["message"], "nginx connects here");
    assert_eq!(other["location"]["range"]["start"], json!({ "line": 5, "character": 19 }));
    // A page that stands nowhere is not linked to.
    let url = &checked(&folder)["findings"][0]["url"];
    assert_eq!(shown.get("codeDescription").is_some(), url.is_string());

    // A client that shows one place alone is told of the others in words.
    let mut simple = Editor::over(&[&folder], json!({}));
    simple.settle();
    let shown = simple.shown[&unit].iter().find(|one| one["code"] == "U117").unwrap();
    assert_eq!(shown.get("relatedInformation"), None);
    assert!(
        shown["message"]
            .as_str()
            .unwrap()
            .contains("etc/nginx/sites-available/myapp:6: nginx connects here")
    );
}

#[test]
fn what_is_not_saved_counts() {
    let copied = Copied::of("repository");
    let folder = copied.root();
    let (unit, site) = (folder.join(UNIT), folder.join(SITE));
    let text = read(&unit);
    let mut editor = Editor::over(&[&folder], able());
    editor.open(&unit, &text).settle();
    assert!(editor.shown.is_empty(), "{:?}", editor.shown);

    let without = text.replace("ExecReload=/bin/kill -s HUP $MAINPID\n", "");
    editor.replace(&unit, 2, &without).settle();
    assert_eq!(editor.codes(&unit), ["U101"]);
    assert_eq!(editor.versions[&unit], Some(2));
    assert_eq!(read(&unit), text, "nothing was written");
    editor.replace(&unit, 3, &text).settle();
    assert_eq!(editor.shown[&unit], Vec::<Value>::new());

    // By parts: the line goes, and comes again.
    let line = text.lines().position(|line| line.starts_with("ExecReload=")).unwrap();
    let gone = json!({ "start": { "line": line, "character": 0 }, "end": { "line": line + 1, "character": 0 } });
    editor.change(&unit, 4, json!([{ "range": gone, "text": "" }])).settle();
    assert_eq!(editor.codes(&unit), ["U101"]);
    let here = json!({ "start": { "line": line, "character": 0 }, "end": { "line": line, "character": 0 } });
    let back = "ExecReload=/bin/kill -s HUP $MAINPID\n";
    editor.change(&unit, 5, json!([{ "range": here, "text": back }])).settle();
    assert_eq!(editor.codes(&unit), Vec::<String>::new());

    // What one file says is judged with what another one says, both not saved.
    let conf = folder.join("deploy/gunicorn.conf.py");
    let slow = read(&conf).replace("timeout = 30", "timeout = 100");
    editor.open(&conf, &slow).settle();
    assert_eq!(editor.codes(&site), ["N306"]);
    editor.open(&site, &read(&site).replace("75s", "130s"));
    editor.replace(&unit, 6, &text.replace("TimeoutStopSec=40", "TimeoutStopSec=110")).settle();
    assert!(editor.shown.values().all(Vec::is_empty), "{:?}", editor.shown);

    // Closed without being saved: what stands on the disk counts again.
    let site_closed = json!({ "textDocument": { "uri": uri(&site) } });
    editor.tell("textDocument/didClose", site_closed);
    editor.settle();
    assert!(editor.shown.values().any(|shown| !shown.is_empty()));
    assert_eq!(editor.close().code, Some(0));
}

#[test]
fn a_file_that_was_never_written_is_judged() {
    let copied = Copied::of("repository");
    let folder = copied.root();
    let text = read(folder.join(UNIT));
    let new = folder.join("deploy/worker.service");
    let mut editor = Editor::over(&[&folder], able());
    let without = text.replace("ExecReload=/bin/kill -s HUP $MAINPID\n", "");
    editor.open(&new, &without).settle();
    assert!(editor.codes(&new).contains(&"U101".to_owned()), "{:?}", editor.shown);
    assert!(!new.exists());
    editor.close();
}

#[test]
fn settings_and_comments_hold_as_they_stand_in_the_editor() {
    let copied = Copied::of("repository");
    let folder = copied.root();
    let unit = folder.join(UNIT);
    let text = read(&unit).replace("ExecReload=/bin/kill -s HUP $MAINPID\n", "");
    let settings = folder.join("deploy-doctor.toml");
    let mut editor = Editor::over(&[&folder], able());
    editor.open(&unit, &text).settle();
    assert_eq!(editor.codes(&unit), ["U101"]);
    // A severity, and then that it is accepted.
    editor.open(&settings, "[severity]\nU101 = \"info\"\n").settle();
    assert_eq!(editor.shown[&unit][0]["severity"], 3);
    editor.replace(&settings, 2, "[[ignore]]\nrule = \"U101\"\nreason = \"tested\"\n").settle();
    assert_eq!(editor.codes(&unit), Vec::<String>::new());
    // Settings that are broken are said where they are, and nothing is shown that was not checked.
    editor.replace(&settings, 3, "\n[[ignore]\n").settle();
    assert_eq!(editor.shown[&settings][0]["severity"], 1);
    assert_eq!(editor.shown[&settings][0]["range"]["start"]["line"], 1);
    editor.tell("textDocument/didClose", json!({ "textDocument": { "uri": uri(&settings) } }));
    editor.settle();
    assert_eq!(editor.shown[&settings], Vec::<Value>::new());
    assert_eq!(editor.codes(&unit), ["U101"]);
    // A comment; without a reason it holds nothing back, and that is said.
    let commented = |reason: &str| {
        text.replace("[Service]\n", &format!("# deploy-doctor: ignore[U101]{reason}\n[Service]\n"))
    };
    editor.replace(&unit, 2, &commented(" a test")).settle();
    assert_eq!(editor.shown[&unit], Vec::<Value>::new());
    editor.replace(&unit, 3, &commented("")).settle();
    assert_eq!(editor.codes(&unit), ["-", "U101"]);
    editor.close();
}

#[test]
fn known_findings_are_not_shown() {
    let copied = Copied::of("guide");
    let folder = copied.root();
    let unit = folder.join("etc/systemd/system/myapp.service");
    let mut command = Command::new(program());
    command.args(["baseline", "write", "."]).current_dir(&folder);
    assert_eq!(finish(command).code, Some(0));
    copied.write("deploy-doctor.toml", "baseline = \"deploy-doctor-baseline.json\"\n");
    let mut editor = Editor::over(&[&folder], able());
    editor.settle();
    assert_eq!(editor.codes(&unit), Vec::<String>::new());
    let text = read(&unit).replace("Restart=always\n", "");
    editor.open(&unit, &text).settle();
    assert_eq!(editor.codes(&unit), ["U107"], "only what is new");
    editor.close();
}

#[test]
fn files_that_change_on_the_disk_are_checked_again() {
    let copied = Copied::of("repository");
    let folder = copied.root();
    let unit = folder.join(UNIT);
    let mut able = able();
    able["workspace"]["didChangeWatchedFiles"] = json!({ "dynamicRegistration": true });
    let mut editor = Editor::over(&[&folder], able);
    editor.settle();
    let asked = editor.heard.iter().find(|one| one["method"] == "client/registerCapability");
    let registered = &asked.unwrap()["params"]["registrations"][0];
    assert_eq!(registered["method"], "workspace/didChangeWatchedFiles");
    copied.edit(UNIT, "ExecReload=/bin/kill -s HUP $MAINPID\n", "");
    let changed = |path: &Path| json!({ "changes": [{ "uri": uri(path), "type": 2 }] });
    // Of what git writes nothing hangs on.
    editor.tell("workspace/didChangeWatchedFiles", changed(&folder.join(".git/index")));
    editor.settle();
    assert_eq!(editor.codes(&unit), Vec::<String>::new());
    editor.tell("workspace/didChangeWatchedFiles", changed(&unit));
    editor.settle();
    assert_eq!(editor.codes(&unit), ["U101"]);
    editor.close();
}

#[test]
fn what_no_check_reads_starts_none() {
    let copied = Copied::of("repository");
    let folder = copied.root();
    let (unit, prose) = (folder.join(UNIT), folder.join("docs/notes.md"));
    let code = folder.join("shop/wsgi.py");
    copied.write("docs/notes.md", "# Notes\n");
    let mut editor = Editor::over(&[&folder], able());
    editor.open(&prose, "# Notes\n").open(&code, &read(&code)).settle();
    // A change that nobody tells of: the next check finds it.
    copied.edit(UNIT, "ExecReload=/bin/kill -s HUP $MAINPID\n", "");
    editor.replace(&prose, 2, "# Other notes\n").settle();
    assert_eq!(editor.codes(&unit), Vec::<String>::new());
    editor.replace(&code, 2, &format!("{}\n", read(&code))).settle();
    assert_eq!(editor.codes(&unit), ["U101"]);
    editor.close();
}

#[test]
fn folders_come_and_go() {
    let (first, second) = (Copied::of("guide"), Copied::of("capistrano"));
    let (one, two) = (first.root(), second.root());
    let unit = one.join("etc/systemd/system/myapp.service");
    let other = two.join("etc/systemd/system/shop.service");
    let mut editor = Editor::over(&[&one], able());
    editor.settle();
    assert!(!editor.codes(&unit).is_empty() && !editor.shown.contains_key(&other));
    let folder = |path: &Path| json!({ "uri": uri(path), "name": "x" });
    let event = json!({ "event": { "added": [folder(&two)], "removed": [] } });
    editor.tell("workspace/didChangeWorkspaceFolders", event);
    editor.settle();
    assert!(!editor.codes(&unit).is_empty() && !editor.codes(&other).is_empty());
    // One within another: nothing is shown twice.
    let alone = editor.shown[&other].clone();
    let event = json!({ "event": { "added": [folder(second.directory.path())], "removed": [] } });
    editor.tell("workspace/didChangeWorkspaceFolders", event);
    editor.settle();
    let codes: BTreeMap<_, usize> =
        editor.codes(&other).into_iter().fold(BTreeMap::new(), |mut all, code| {
            *all.entry(code).or_default() += 1;
            all
        });
    assert_eq!(editor.shown[&other].len(), alone.len(), "{codes:?}");
    let removed = [folder(&one), folder(&two), folder(second.directory.path())];
    let event = json!({ "event": { "added": [], "removed": removed } });
    editor.tell("workspace/didChangeWorkspaceFolders", event);
    editor.settle();
    assert!(editor.shown.values().all(Vec::is_empty), "{:?}", editor.shown);
    editor.close();
}

#[test]
fn what_cannot_be_read_is_said() {
    let copied = Copied::of("repository");
    let folder = copied.root();
    let unit = folder.join(UNIT);
    copied.write("deploy/broken.service", "\0[Service]\nExecStart=gunicorn x:y\n");
    let broken = folder.join("deploy/broken.service");
    let mut editor = Editor::over(&[&folder], able());
    editor.settle();
    let shown = editor.shown[&broken].iter().find(|one| one.get("code").is_none()).unwrap();
    assert_eq!(shown["severity"], 1);
    assert!(shown["message"].as_str().unwrap().contains("NUL"), "{shown}");
    assert_eq!(checked(&folder)["problems"].as_array().unwrap().len(), 1);
    // A directory without any deployment is no error that somebody has to click away.
    let empty = tempfile::tempdir().unwrap();
    let mut lone = Editor::over(&[empty.path()], able());
    lone.settle();
    let said: Vec<_> = lone.heard.iter().filter_map(|one| one["method"].as_str()).collect();
    assert_eq!(said, ["window/logMessage"]);
    assert!(
        lone.heard[1]["params"]["message"].as_str().unwrap().contains("no deployment was found")
    );
    // One that is gone is.
    let gone = empty.path().join("gone");
    let mut editor = Editor::over(&[&gone], able());
    editor.settle();
    let told = editor.heard.iter().find(|one| one["method"] == "window/showMessage").unwrap();
    assert!(told["params"]["message"].as_str().unwrap().contains("gone"), "{told}");
    // A file that lies in no folder is not checked, and that is said, too; once.
    let mut editor = Editor::with(json!({ "capabilities": {} }));
    let text = read(&unit);
    editor
        .open(Path::new("/nowhere/a.service"), &text)
        .open(Path::new("/nowhere/b.service"), &text);
    editor.settle();
    let told = editor.heard.iter().filter(|one| one["method"] == "window/showMessage").count();
    assert_eq!(told, 1);
}

#[test]
fn older_clients_and_lone_files_have_a_folder_too() {
    let copied = Copied::of("guide");
    let folder = copied.root();
    let unit = folder.join("etc/systemd/system/myapp.service");
    for params in [
        json!({ "rootUri": uri(&folder), "capabilities": {} }),
        json!({ "rootPath": folder.to_str().unwrap(), "capabilities": {} }),
        json!({ "rootUri": uri(&folder), "workspaceFolders": null, "capabilities": {} }),
    ] {
        let mut editor = Editor::with(params);
        editor.settle();
        assert_eq!(editor.codes(&unit).len(), 2, "{:?}", editor.shown);
        editor.close();
    }
    // An editor that names no folder: the repository round the file is one.
    fs::create_dir(folder.join(".git")).unwrap();
    let mut editor = Editor::with(json!({ "capabilities": {} }));
    editor.open(&unit, &read(&unit)).settle();
    assert_eq!(editor.codes(&unit).len(), 2, "{:?}", editor.heard);
    editor.close();
}

#[test]
fn a_folder_behind_a_link_is_named_as_the_client_names_it() {
    let copied = Copied::of("guide");
    let folder = copied.directory.path().join("a link @ 1");
    std::os::unix::fs::symlink(copied.root(), &folder).unwrap();
    let unit = folder.join("etc/systemd/system/myapp.service");
    let folders = json!([{ "uri": uri(&folder).replace(' ', "%20"), "name": "x" }]);
    let mut editor = Editor::with(json!({ "workspaceFolders": folders, "capabilities": able() }));
    editor.settle();
    assert_eq!(editor.codes(&unit).len(), 2, "{:?}", editor.shown);
    let text = read(&unit).replace(" --bind unix:/run/myapp.sock", "");
    // The client's own spelling of the name is kept.
    let name = uri(&unit).replace(' ', "%20").replace('@', "%40");
    let document = json!({ "uri": name, "languageId": "x", "version": 7, "text": text });
    editor.tell("textDocument/didOpen", json!({ "textDocument": document }));
    editor.settle();
    assert!(!editor.codes(&unit).contains(&"U117".to_owned()), "{:?}", editor.shown);
    let last = editor.heard.iter().rfind(|one| one["params"]["version"] == 7).unwrap();
    assert_eq!(last["params"]["uri"], *name);
    editor.close();
}

#[test]
fn columns_are_counted_as_agreed() {
    let copied = Copied::of("repository");
    let folder = copied.root();
    let unit = folder.join(UNIT);
    copied.edit(UNIT, "--chdir /srv/shop/current ", "--name 🦀-café --reload ");
    let line = read(&unit).lines().find(|line| line.contains("--reload")).unwrap().to_owned();
    let before = &line[..line.find("--reload").unwrap()];
    for (offered, named, column) in [
        (json!(null), "utf-16", before.encode_utf16().count()),
        (json!(["utf-32", "utf-16"]), "utf-16", before.encode_utf16().count()),
        (json!(["utf-16", "utf-8"]), "utf-8", before.len()),
    ] {
        let mut able = able();
        able["general"] = json!({ "positionEncodings": offered });
        let mut editor = Editor::over(&[&folder], able);
        assert_eq!(editor.greeting["capabilities"]["positionEncoding"], named);
        editor.settle();
        let shown = editor.shown[&unit].iter().find(|one| one["code"] == "G204").unwrap();
        assert_eq!(shown["range"]["start"]["character"], column, "{named}");
        // And what comes is counted in the same way: `--reload` goes.
        let place = shown["range"]["start"].clone();
        let end = json!({ "line": place["line"], "character": column + "--reload".len() });
        editor.open(&unit, &read(&unit));
        let change = json!([{ "range": { "start": place, "end": end }, "text": "--chdir /srv/shop/current" }]);
        editor.change(&unit, 2, change).settle();
        assert_eq!(editor.codes(&unit), Vec::<String>::new(), "{named}");
        editor.close();
    }
}

#[test]
fn an_explanation_stands_behind_a_finding() {
    let copied = Copied::of("guide");
    let folder = copied.root();
    let unit = folder.join("etc/systemd/system/myapp.service");
    let ask = |line: u64, character: u64| json!({ "textDocument": { "uri": uri(&unit) }, "position": { "line": line, "character": character } });
    let page = |code: &str| {
        let mut command = Command::new(program());
        command.args(["explain", code]);
        finish(command).stdout
    };
    for (able, kind) in [(able(), "markdown"), (json!({}), "plaintext")] {
        let mut editor = Editor::over(&[&folder], able);
        let told = editor.ask("textDocument/hover", ask(9, 65)).unwrap();
        assert_eq!(told["contents"]["kind"], kind);
        assert_eq!(told["contents"]["value"], page("U117"));
        assert_eq!(told["range"]["start"], json!({ "line": 9, "character": 59 }));
        assert_eq!(editor.ask("textDocument/hover", ask(0, 0)), Ok(Value::Null));
        editor.close();
    }
}
