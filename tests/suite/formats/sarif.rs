//! SARIF: what GitHub refuses or misreads.

use std::collections::HashSet;
use std::fs;

use deploy_doctor::report::Format;
use deploy_doctor::rule::Severity;
use deploy_doctor::rules;
use deploy_doctor::source::Span;
use serde_json::Value;

use crate::support::command::{Copied, Ran, finish, program, run as run_program};
use crate::support::formats::{Run, run};

const UNIT: &str = "/etc/systemd/system/myapp.service";
const ENVIRONMENT: &str = "/etc/myapp.env";

fn log(run: &Run) -> Value {
    serde_json::from_str(&run.write(Format::Sarif)).unwrap()
}

fn results(log: &Value) -> &Vec<Value> {
    log["runs"][0]["results"].as_array().unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn place(result: &Value) -> &Value {
    &result["locations"][0]["physicalLocation"]
}

/// The program, called in a folder.
fn ran_in(folder: &std::path::Path, arguments: &[&str]) -> Ran {
    let mut command = std::process::Command::new(program());
    command.args(arguments).current_dir(folder);
    finish(command)
}

/// `check --format sarif` in a folder.
fn checked(folder: &std::path::Path, options: &[&str]) -> Value {
    let ran = ran_in(folder, &[&["check", "--format", "sarif"], options].concat());
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}:\n{}", ran.all()))
}

fn uris(log: &Value) -> Vec<String> {
    let uri = |one: &Value| place(one)["artifactLocation"]["uri"].as_str().unwrap().to_owned();
    results(log).iter().map(uri).collect()
}

/// One without a place, and GitHub refuses the whole file.
#[test]
fn every_result_has_a_place() {
    run("guide", |run| {
        let rule = rules::all()[0];
        let mut of_app = run.finding(rule, Severity::Error, "a process");
        of_app.finding.labels.clear();
        let mut of_host = of_app.clone();
        of_host.finding.app = None;
        let mut of_nobody = of_app.clone();
        of_nobody.finding.app = Some("gone.service".into());
        run.set(vec![of_app, of_host, of_nobody]);
        let log = log(run);
        let unit = "testdata/guide/etc/systemd/system/myapp.service";
        let site = "testdata/guide/etc/nginx/nginx.conf";
        assert_eq!(uris(&log), [unit, site, site]);
        // The unit's line that starts it.
        assert_eq!(place(&results(&log)[0])["region"]["startLine"], 10);
    });
}

#[test]
fn rules_have_their_texts_and_no_address_is_invented() {
    run("healthy", |run| {
        run.outcome.findings.clear();
        let log = log(run);
        let driver = &log["runs"][0]["tool"]["driver"];
        let told = driver["rules"].as_array().unwrap();
        assert_eq!(told.len(), rules::all().len());
        for (rule, told) in rules::all().iter().zip(told) {
            assert_eq!(told["id"], rule.code);
            for text in ["shortDescription", "fullDescription", "help"] {
                let text = told[text]["text"].as_str().unwrap();
                assert!(!text.is_empty(), "{}", rule.code);
            }
            assert_eq!(told.get("helpUri").and_then(Value::as_str), rule.url().as_deref());
            let uri = told.get("helpUri").and_then(Value::as_str).unwrap_or("https://");
            assert!(uri.starts_with("https://"), "{uri}");
            let tags: Vec<&str> = told["properties"]["tags"]
                .as_array()
                .unwrap()
                .iter()
                .filter_map(Value::as_str)
                .collect();
            let unique: HashSet<&str> = tags.iter().copied().collect();
            assert!(unique.len() == tags.len() && (1..=20).contains(&tags.len()), "{tags:?}");
        }
        assert_eq!(results(&log).len(), 0);
        assert!(
            run.write(Format::Sarif).contains("\"results\": []"),
            "null, or nothing, is no clean run"
        );
    });
}

/// Relative to the working directory, with DIR of `--root`, and through links to the file itself.
#[test]
fn uris_lead_to_the_files_of_the_repository() {
    let tree = Copied::of("guide");
    let top = tree.directory.path();
    let mut seen: Vec<String> = Vec::new();
    let from_top = checked(top, &["--root", "root"]);
    for result in results(&from_top) {
        for one in result["locations"]
            .as_array()
            .into_iter()
            .chain(result["relatedLocations"].as_array())
            .flatten()
        {
            seen.push(
                one["physicalLocation"]["artifactLocation"]["uri"].as_str().unwrap().to_owned(),
            );
        }
    }
    assert!(seen.contains(&"root/etc/systemd/system/myapp.service".into()), "{seen:?}");
    assert!(seen.contains(&"root/etc/nginx/sites-available/myapp".into()), "{seen:?}");
    assert!(
        !seen.iter().any(|uri| uri.starts_with('/') || uri.contains("sites-enabled")),
        "{seen:?}"
    );
    for uri in &seen {
        assert!(top.join(uri).symlink_metadata().unwrap().is_file(), "{uri}");
    }
    // From inside, DIR is no part of it; from elsewhere it is no path of the repository.
    let unit = "etc/systemd/system/myapp.service".to_owned();
    let inside = checked(&tree.root(), &["--root", "."]);
    assert!(uris(&inside).contains(&unit), "{:?}", uris(&inside));
    let root = tree.root();
    let outside = checked(&root.join("srv"), &["--root", root.to_str().unwrap()]);
    let artifact = &place(&results(&outside)[0])["artifactLocation"];
    assert_eq!(artifact["uriBaseId"], "HOST", "{artifact}");
    assert!(!artifact["uri"].as_str().unwrap().starts_with('/'), "{artifact}");
    assert_eq!(outside["runs"][0]["originalUriBaseIds"]["HOST"]["uri"], "file:///");
}

#[test]
fn uris_of_named_files_are_told_the_same_way() {
    let tree = Copied::of("guide");
    let site = "etc/nginx/sites-enabled/myapp";
    for (folder, unit, wanted) in [
        ("", "etc/systemd/system/myapp.service", "etc/systemd/system/myapp.service"),
        ("", "./etc/../etc/systemd/system/myapp.service", "etc/systemd/system/myapp.service"),
        ("etc/systemd", "system/myapp.service", "system/myapp.service"),
    ] {
        let site = tree.root().join(site);
        let log = checked(
            &tree.root().join(folder),
            &["--unit", unit, "--nginx", site.to_str().unwrap()],
        );
        assert!(!results(&log).is_empty());
        for uri in uris(&log) {
            assert!(uri == wanted || uri.ends_with("sites-available/myapp"), "{uri}, not {wanted}");
        }
    }
}

/// A column is a character, as `columnKind` says, and never a byte.
#[test]
fn columns_are_characters() {
    run("guide", |run| {
        let line = "# ä日🚀 here\n".as_bytes();
        let file = run.sources.add("/etc/x.conf", [line, b"\xff\xfe also".as_slice()].concat());
        let at =
            |text: &[u8], word: &[u8]| text.windows(word.len()).position(|w| w == word).unwrap();
        let bytes = file.bytes.clone();
        let findings: Vec<_> = [b"here".as_slice(), b"also"]
            .iter()
            .map(|word| {
                let mut one = run.finding(rules::all()[0], Severity::Error, "x");
                let start = at(&bytes, word);
                one.finding.labels[0].span = Span::new(file.id, start, start + 4);
                one
            })
            .collect();
        run.set(findings);
        let log = log(run);
        assert_eq!(log["runs"][0]["columnKind"], "unicodeCodePoints");
        let columns = |n: usize| {
            let region = &place(&results(&log)[n])["region"];
            ["startLine", "startColumn", "endLine", "endColumn"]
                .map(|key| region[key].as_u64().unwrap())
        };
        assert_eq!(columns(0), [1, 7, 1, 11]);
        assert_eq!(columns(1), [2, 4, 2, 8]);
    });
}

#[test]
fn fingerprints_stay_when_lines_move_and_tell_findings_apart() {
    let tree = Copied::of("guide");
    let prints = |log: &Value| -> Vec<String> {
        let print = |one: &Value| {
            let prints = &one["partialFingerprints"];
            let hash = prints["primaryLocationLineHash"].as_str().unwrap();
            assert_eq!(hash, format!("{}:1", prints["deployDoctor/v1"].as_str().unwrap()));
            hash.to_owned()
        };
        results(log).iter().map(print).collect()
    };
    let before = checked(tree.directory.path(), &["--root", "root"]);
    let unit = fs::read_to_string(tree.at(UNIT)).unwrap();
    tree.write(UNIT, format!("# one\n# two\n{unit}"));
    let after = checked(tree.directory.path(), &["--root", "root"]);
    assert_ne!(place(&results(&before)[0])["region"], place(&results(&after)[0])["region"]);
    assert_eq!(prints(&before), prints(&after));
    let unique: HashSet<String> = prints(&before).into_iter().collect();
    assert_eq!(unique.len(), results(&before).len());
}

/// Applies what SARIF carries and compares with what `fix` writes.
#[test]
fn fixes_make_what_fix_makes() {
    let (by_report, by_fix) = (Copied::of("guide"), Copied::of("guide"));
    let log = checked(by_report.directory.path(), &["--root", "root", "--select", "U117"]);
    let result = &results(&log)[0];
    let changes = result["fixes"][0]["artifactChanges"].as_array().unwrap();
    assert_eq!(changes.len(), 2, "{result:#}");
    assert!(!result["fixes"][0]["description"]["text"].as_str().unwrap().is_empty());
    for change in changes {
        let path =
            by_report.directory.path().join(change["artifactLocation"]["uri"].as_str().unwrap());
        let text = fs::read_to_string(&path).unwrap();
        let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
        for one in change["replacements"].as_array().unwrap().iter().rev() {
            let region = &one["deletedRegion"];
            let line = |key: &str| region[key].as_u64().unwrap() as usize - 1;
            assert_eq!((&region["startColumn"], &region["endColumn"]), (&1.into(), &1.into()));
            let text = one["insertedContent"]["text"].as_str().unwrap();
            lines.splice(line("startLine")..line("endLine"), [text]);
        }
        fs::write(path, lines.concat()).unwrap();
    }
    let root = by_fix.root();
    let mut fix = std::process::Command::new(program());
    fix.args(["fix", "--select", "U117", "--apply", "--in-place", "--root"])
        .arg(&root)
        .env("XDG_STATE_HOME", by_fix.directory.path().join("state"));
    let fixed = finish(fix);
    for path in [UNIT, "/etc/nginx/sites-available/myapp"] {
        let (report, fix) =
            (fs::read(by_report.at(path)).unwrap(), fs::read(by_fix.at(path)).unwrap());
        assert_eq!(
            String::from_utf8_lossy(&report),
            String::from_utf8_lossy(&fix),
            "{}",
            fixed.all()
        );
    }
}

/// A fix of a line that holds a variable's value would carry the value.
#[test]
fn no_fix_carries_a_value() {
    let tree = Copied::of("healthy");
    let before = fs::read_to_string(tree.at(ENVIRONMENT)).unwrap();
    tree.write(ENVIRONMENT, before + "export EXTRA=kanary1\nOTHER=kanary2 # note\n");
    tree.edit(UNIT, "Type=notify", "Environment=X=kanary3\nType=notify\nEnviroment=Y=kanary4");
    // Two settings on one line: the fix of the one would take the other along.
    let config = "/srv/myapp/releases/2026-04-21/gunicorn.conf.py";
    tree.write(config, "reload = True; proxy = \"http://user:kanary5@proxy/\"\n");
    let log = checked(tree.directory.path(), &["--root", "root"]);
    assert!(results(&log).len() >= 2, "{log:#}");
    assert!(!log.to_string().contains("kanary"), "{log:#}");
    let fixable = run_program(&["fix", "--root", tree.root().to_str().unwrap()]);
    assert!(fixable.stdout.contains("+"), "there are fixes: {}", fixable.all());
}

#[test]
fn github_takes_25000_results() {
    run("guide", |run| {
        let rule = rules::all()[0];
        let mut findings = vec![run.finding(rule, Severity::Warning, "w"); 25_001];
        findings.push(run.finding(rule, Severity::Error, "e"));
        run.outcome.findings = findings;
        let log = log(run);
        assert_eq!(results(&log).len(), 25_000);
        assert_eq!(results(&log)[0]["level"], "error", "the worst are among them");
        let told = &log["runs"][0]["invocations"][0]["toolExecutionNotifications"];
        assert!(told.to_string().contains("2 findings are left out."), "{told}");
    });
}

/// GitHub does not honour `suppressions`.
#[test]
fn what_is_held_back_is_left_out() {
    let tree = Copied::of("healthy");
    let before = fs::read_to_string(tree.at(ENVIRONMENT)).unwrap();
    let held = "# deploy-doctor: ignore[E401] the shell reads it, too\nexport EXTRA=1\n";
    tree.write(ENVIRONMENT, before + held);
    let log = checked(tree.directory.path(), &["--root", "root", "--select", "E401"]);
    assert_eq!(results(&log).len(), 0, "{log:#}");
    assert!(!log.to_string().contains("suppressions"));
}

/// Whoever asks for it gets what comments, the settings and the known findings hold back, each with
/// its reason; it counts as little as before.
#[test]
fn what_is_held_back_is_told_where_it_is_asked_for() {
    let tree = Copied::of("healthy");
    let before = fs::read_to_string(tree.at(ENVIRONMENT)).unwrap();
    tree.write(ENVIRONMENT, before.clone() + "export OLD=1\n");
    let folder = tree.directory.path();
    let known = folder.join("known.json");
    let known = known.to_str().unwrap();
    let tree_options = ["--root", "root", "--baseline", known];
    let arguments = [&["baseline", "write"], &tree_options[..]].concat();
    assert_eq!(ran_in(folder, &arguments).code, Some(0));
    let more = "# deploy-doctor: ignore[E401] the shell reads it, too\nexport EXTRA=1\nB=1 # x\n";
    tree.write(ENVIRONMENT, before + "export OLD=1\n" + more);
    let settings =
        "[[ignore]]\nrule = \"E403\"\nreason = \"goes in May\"\nuntil = \"2999-05-01\"\n";
    fs::write(folder.join("deploy-doctor.toml"), settings).unwrap();
    let more = ["--config", "deploy-doctor.toml", "--select", "E401,E403"];
    let options = [&["check"], &tree_options[..], &more].concat();
    let shown = [&options[..], &["--show-suppressed"]].concat();

    let ran = ran_in(folder, &[&shown[..], &["--format", "sarif"]].concat());
    assert_eq!(ran.code, Some(0), "{}", ran.all());
    let log: Value = serde_json::from_str(&ran.stdout).unwrap();
    let told: Vec<(&str, &str, &str)> = results(&log)
        .iter()
        .map(|result| {
            let by = &result["suppressions"][0];
            (text(&result["ruleId"]), text(&by["kind"]), text(&by["justification"]))
        })
        .collect();
    assert_eq!(
        told,
        [
            ("E401", "inSource", "the shell reads it, too (/etc/myapp.env:4)"),
            ("E403", "external", "goes in May (until 2999-05-01) (deploy-doctor.toml:1)"),
            ("E401", "external", "it is among the known findings"),
        ]
    );
    let prints: Vec<&Value> = results(&log).iter().map(|one| &one["partialFingerprints"]).collect();
    assert_ne!(prints[0], prints[2], "accepted and known are two");

    let ran = ran_in(folder, &[&shown[..], &["--format", "json"]].concat());
    let document: Value = serde_json::from_str(&ran.stdout).unwrap();
    let kinds = document["suppressed"].as_array().unwrap().iter().map(|one| &one["by"]["kind"]);
    assert_eq!(kinds.collect::<Vec<_>>(), ["comment", "settings", "baseline"]);
    assert_eq!(document["findings"].as_array().unwrap().len(), 0);

    let text = ran_in(folder, &shown);
    for line in ["\nsuppressed /etc/myapp.env:", "\nsuppressed until 2999-05-01 ", "\nknown /etc"] {
        assert!(text.stdout.contains(line), "{line}: {}", text.stdout);
    }
    let silent = ran_in(folder, &[&options[..], &["--format", "json"]].concat());
    assert!(!silent.stdout.contains("\"by\""), "{}", silent.stdout);
}
