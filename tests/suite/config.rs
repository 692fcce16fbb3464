//! `deploy-doctor.toml`: where it is found, what is wrong in it, and that every key acts.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use deploy_doctor::config::{self, Config, ConfigError, FailOn, FindError, Kind, Places};
use deploy_doctor::engine::{self, Day, Outcome, Settings};
use deploy_doctor::facts::{self, Given, Request, Scope};
use deploy_doctor::host::MemoryHost;
use deploy_doctor::rule::Severity;
use deploy_doctor::source::Sources;
use serde_json::Value;

use crate::support::case::Case;
use crate::support::command::{Copied, Ran, finish, program};

const UNIT: &str = "/etc/systemd/system/myapp.service";
const ENVIRONMENT: &str = "/etc/myapp.env";
const SITE: &str = "/etc/nginx/sites-available/myapp";

fn parse(text: &str) -> Result<Config, Vec<ConfigError>> {
    let places = Places {
        shown: Path::new("deploy-doctor.toml"),
        base: Path::new("/repo"),
        working: Path::new("/repo"),
    };
    Config::parse(text.as_bytes(), places)
}

fn config(text: &str) -> Config {
    parse(text).unwrap_or_else(|errors| panic!("{errors:#?}"))
}

/// What is wrong in it, as `LINE: message`.
fn faults(text: &str) -> Vec<String> {
    let errors = parse(text).err().unwrap_or_default();
    errors.iter().map(|error| format!("{}: {}", error.line, error.message)).collect()
}

/// A host as it is judged with a settings file on some day.
fn judge(host: &MemoryHost, scope: Scope, text: &str, today: &str) -> (Outcome, Vec<String>) {
    let config = config(text);
    let sources = Sources::new(host);
    let whole = !matches!(scope, Scope::Files(_));
    let request = Request { apps: Vec::new(), scope, database_revision: None };
    let mut deployment = facts::read(&sources, &request);
    config.apply(&sources, std::slice::from_mut(&mut deployment), whole);
    let settings = Settings {
        severities: config.severities.clone(),
        ignores: config.ignores.clone(),
        today: Day(today.to_owned()),
        whole,
        ..Settings::default()
    };
    let outcome = engine::run(deploy_doctor::rules::all(), &deployment, &sources, &settings);
    let problems = deployment.problems.iter().chain(&outcome.problems);
    let problems = problems
        .map(|problem| {
            let line = problem.line.unwrap_or_default();
            format!("{}:{line}: {}", problem.path.display(), problem.message)
        })
        .collect();
    (outcome, problems)
}

fn codes(outcome: &Outcome) -> Vec<&str> {
    outcome.findings.iter().map(|reported| reported.finding.rule.code).collect()
}

/// The healthy deployment with one error: a line of the environment file that systemd drops.
fn one_error() -> Case {
    let text = Case::healthy().text(ENVIRONMENT);
    Case::healthy().file(ENVIRONMENT, text + "export EXTRA=1\n").own(ENVIRONMENT, 0o640, 0, 0)
}

#[test]
fn an_accepted_finding_is_back_after_its_day_and_says_so() {
    let text =
        "[[ignore]]\nrule = \"line-ignored\"\nreason = \"goes in May\"\nuntil = 2026-05-01\n";
    let host = one_error().into_host();
    let (outcome, problems) = judge(&host, Scope::Root, "", "2026-05-01");
    assert_eq!((codes(&outcome), problems), (vec!["E401"], vec![]));

    let (outcome, problems) = judge(&host, Scope::Root, text, "2026-05-01");
    assert_eq!((codes(&outcome), outcome.suppressed.len(), problems), (vec![], 1, vec![]));

    let (outcome, problems) = judge(&host, Scope::Root, text, "2026-05-02");
    assert_eq!((codes(&outcome), outcome.suppressed.len()), (vec!["E401"], 0));
    let evidence = &outcome.findings[0].finding.evidence.last().unwrap().text;
    assert_eq!(
        evidence,
        "the finding is back: deploy-doctor.toml:1 accepted it until 2026-05-01 (goes in May)"
    );
    let says = "deploy-doctor.toml:1: the ignore entry for line-ignored ended on 2026-05-01: its finding \
                is back";
    assert_eq!(problems, [says]);

    // Back again, and held back for another reason: accepted.
    let more = format!("{text}[[ignore]]\nrule = \"E401\"\nreason = \"still\"\n");
    let (outcome, _) = judge(&host, Scope::Root, &more, "2026-05-02");
    assert_eq!(outcome.suppressed.len(), 1);

    // As text it is the same day.
    let quoted = text.replace("2026-05-01", "\"2026-05-01\"");
    assert_eq!(judge(&host, Scope::Root, &quoted, "2026-05-02").0.suppressed.len(), 0);
    assert_eq!(judge(&host, Scope::Root, &quoted, "2026-05-01").0.suppressed.len(), 1);
}

#[test]
fn an_entry_holds_back_what_it_names_alone() {
    let host = one_error().into_host();
    let entry = |more: &str| format!("[[ignore]]\nrule = \"E401\"\nreason = \"why\"\n{more}\n");
    for (more, held) in [
        ("app = \"myapp\"", 1),
        ("app = \"myapp.service\"", 1),
        ("app = \"other\"", 0),
        ("file = \"/etc/myapp.env\"", 1),
        ("file = \"/etc/*.env\"", 1),
        ("file = \"**/myapp.env\"", 1),
        ("file = \"/*.env\"", 0),
        ("file = \"/etc/other.env\"", 0),
        ("app = \"myapp\"\nfile = \"/etc/other.env\"", 0),
    ] {
        let (outcome, _) = judge(&host, Scope::Root, &entry(more), "");
        assert_eq!(outcome.suppressed.len(), held, "{more}");
        assert_eq!(codes(&outcome).len(), 1 - held, "{more}");
    }
}

#[test]
fn a_file_is_named_from_where_the_settings_lie() {
    let repository = tempfile::tempdir().unwrap();
    let top = repository.path();
    for directory in ["deploy", "other"] {
        fs::create_dir(top.join(directory)).unwrap();
        let unit = "[Service]\nType=notify\nExecStart=/srv/x/.venv/bin/gunicorn wsgi:app\n\
                    KillMode=process\n";
        fs::write(top.join(directory).join("x.service"), unit).unwrap();
    }
    let absolute = top.join("deploy/x.service");
    let absolute = absolute.to_str().unwrap();
    for (pattern, working, unit, held) in [
        ("deploy/*.service", "", "deploy/x.service", true),
        ("./deploy/x.service", "", "./deploy/x.service", true),
        ("deploy/x.service", "deploy", "x.service", true),
        ("deploy/x.service", "other", "../deploy/x.service", true),
        ("deploy/x.service", "", absolute, true),
        (absolute, "", absolute, true),
        ("*.service", "", "deploy/x.service", false),
        ("**/*.service", "", "deploy/x.service", true),
        ("deploy/*.service", "", "other/x.service", false),
        ("deploy/*.service", "other", "x.service", false),
    ] {
        let text = format!("[[ignore]]\nrule = \"U109\"\nreason = \"why\"\nfile = \"{pattern}\"\n");
        fs::write(top.join("deploy-doctor.toml"), text).unwrap();
        let ran = run_in(&top.join(working), &["check", "--unit", unit, "--select", "U109"]);
        let said = (ran.stdout.contains("warning[U109]"), ran.stdout.contains("1 suppressed"));
        assert_eq!(said, (!held, held), "{pattern} {working} {unit}: {}", ran.all());
    }
}

#[test]
fn an_entry_that_holds_nothing_back_is_reported() {
    let host = Case::healthy().into_host();
    let entry = |more: &str| format!("\n[[ignore]]\nreason = \"why\"\n{more}\n");
    let says = |text: &str| judge(&host, Scope::Root, text, "2026-05-02").1;
    assert_eq!(
        says(&entry("rule = \"E401\"")),
        ["deploy-doctor.toml:2: the ignore entry for E401 suppresses no finding: remove it"]
    );
    assert_eq!(
        says(&entry("rule = \"E401\"\nuntil = 2026-05-01")),
        ["deploy-doctor.toml:2: the ignore entry for E401 ended on 2026-05-01: remove it"]
    );
    // Nobody can say that it is not needed: the rule could not judge, or not all was looked at.
    assert_eq!(says(&entry("rule = \"P501\"")), Vec::<String>::new());
    let other = entry("rule = \"E401\"\napp = \"other\"");
    let given = Given { units: vec![UNIT.into()], ..Given::default() };
    assert_eq!(judge(&host, Scope::Files(given), &other, "").1, Vec::<String>::new());
    let nobody = "the ignore entry for E401 suppresses no finding: no application is called other";
    assert_eq!(says(&other), [format!("deploy-doctor.toml:2: {nobody}")]);
}

#[test]
fn a_comment_on_a_rule_that_could_not_judge_is_no_problem() {
    let unit = Case::healthy().text(UNIT);
    let case = Case::healthy().file(UNIT, format!("# deploy-doctor: ignore[P501] seen\n{unit}"));
    let (outcome, problems) = judge(&case.into_host(), Scope::Root, "", "");
    assert!(outcome.skips.iter().any(|skip| skip.code == "P501"));
    assert_eq!(problems, Vec::<String>::new());
}

#[test]
fn severities_are_changed_and_who_names_fewer_rules_means_them_more() {
    let host = one_error().into_host();
    let severity = |text: &str| {
        let (outcome, _) = judge(&host, Scope::Root, text, "");
        outcome.findings[0].finding.severity
    };
    assert_eq!(severity(""), Severity::Error);
    assert_eq!(severity("[severity]\nE401 = \"info\"\n"), Severity::Info);
    let both = "[severity]\n\"line-ignored\" = \"warning\"\n\"environment/*\" = \"info\"\n";
    assert_eq!(severity(both), Severity::Warning);
    let both = "[severity]\nE401 = \"warning\"\nenvironment = \"info\"\n";
    assert_eq!(severity(both), Severity::Warning);
    assert_eq!(severity("[severity]\n\"environment/*\" = \"info\"\n"), Severity::Info);
}

#[test]
fn a_required_variable_that_is_set_nowhere_is_found_where_it_is_required() {
    let host = Case::healthy().into_host();
    let text = "[[app]]\nname = \"myapp\"\nrequired-variables = [\n  \"SECRET_KEY\",\n  \
                \"STRIPE_KEY\",\n]\n";
    assert!(Case::healthy().text(ENVIRONMENT).contains("SECRET_KEY="));
    let (outcome, problems) = judge(&host, Scope::Root, text, "");
    assert_eq!((codes(&outcome), problems), (vec!["E410"], vec![]));
    let finding = &outcome.findings[0].finding;
    assert_eq!(
        finding.message,
        "myapp.service starts without STRIPE_KEY, which it requires: it is set nowhere"
    );
    assert_eq!(finding.severity, Severity::Error);
    let other = text.replace("\"myapp\"", "\"other\"");
    assert_eq!(codes(&judge(&host, Scope::Root, &other, "").0), Vec::<&str>::new());
    // Set and empty is not set.
    let empty = Case::healthy().text(ENVIRONMENT) + "STRIPE_KEY=\n";
    let host = Case::healthy().file(ENVIRONMENT, empty).own(ENVIRONMENT, 0o640, 0, 0).into_host();
    let (outcome, _) = judge(&host, Scope::Root, text, "");
    assert!(outcome.findings[0].finding.message.ends_with("it is set but empty"));
    let set = Case::healthy().text(ENVIRONMENT) + "STRIPE_KEY=x1\n";
    let host = Case::healthy().file(ENVIRONMENT, set).own(ENVIRONMENT, 0o640, 0, 0).into_host();
    assert_eq!(codes(&judge(&host, Scope::Root, text, "").0), Vec::<&str>::new());
}

#[test]
fn both_sides_are_held_against_the_expected_upstream() {
    let expect =
        |socket: &str| format!("[[app]]\nname = \"myapp\"\nexpected-upstream = \"{socket}\"\n");
    let host = Case::healthy().into_host();
    let good = expect("unix:/var/run/myapp//gunicorn.sock");
    assert_eq!(codes(&judge(&host, Scope::Root, &good, "").0), Vec::<&str>::new());

    let (outcome, _) = judge(&host, Scope::Root, &expect("unix:/run/other.sock"), "");
    assert_eq!(codes(&outcome), ["N301"]);
    let finding = &outcome.findings[0].finding;
    assert_eq!(finding.severity, Severity::Warning);
    assert_eq!(
        finding.message,
        "myapp.service is not reached at the expected address: nginx is expected to connect to \
         unix:/run/other.sock, but gunicorn listens on unix:/run/myapp/gunicorn.sock"
    );
    assert_eq!(finding.labels[1].note, "expected here");

    // gunicorn has two sockets, and nginx leads to the one that is not meant.
    let case = Case::healthy().replace(
        UNIT,
        "unix:/run/myapp/gunicorn.sock",
        "unix:/run/myapp/gunicorn.sock --bind 127.0.0.1:8000",
    );
    let (outcome, _) = judge(&case.into_host(), Scope::Root, &expect("localhost:8000"), "");
    assert_eq!(codes(&outcome), ["N301"]);
    let finding = &outcome.findings[0].finding;
    assert!(finding.message.contains("nginx connects to unix:/run/myapp/gunicorn.sock"));

    // The unit alone: nginx is known by what is expected of it.
    let unit = Case::healthy().text(UNIT);
    let files = |text: &str, socket: &str| {
        let host = Case::empty().file("/repo/myapp.service", text).into_host();
        let scope =
            Scope::Files(Given { units: vec!["/repo/myapp.service".into()], ..Given::default() });
        let (outcome, _) = judge(&host, scope, &expect(socket), "");
        outcome
            .findings
            .into_iter()
            .map(|reported| reported.finding)
            .filter(|finding| finding.rule.code == "N301")
            .map(|finding| (finding.severity, finding.message))
            .collect::<Vec<_>>()
    };
    assert_eq!(files(&unit, "unix:/run/myapp/gunicorn.sock"), []);
    let found = files(&unit, "127.0.0.1:8000");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].0, Severity::Error);
    assert!(found[0].1.starts_with("every request gets 502"), "{found:?}");
}

#[test]
fn an_application_that_the_host_does_not_have_is_a_problem() {
    let host = Case::healthy().into_host();
    let text = "\n[[app]]\nname = \"gone\"\n";
    assert_eq!(
        judge(&host, Scope::Root, text, "").1,
        ["deploy-doctor.toml:3: gone: no unit of this name runs gunicorn here"]
    );
}

#[test]
fn every_fault_is_told_with_its_line_and_what_was_meant() {
    for (text, wanted) in [
        ("fail_on = \"error\"\n", "1: no such key: `fail_on`; did you mean `fail-on`?"),
        ("\n[severty]\nU107 = \"info\"\n", "2: no such key: `severty`; did you mean `severity`?"),
        ("[severity]\nU107 = \"fatal\"\n", "2: a severity is \"error\", \"warning\" or \"info\""),
        (
            "[severity]\nexec-reload-mising = \"info\"\n",
            "2: in [severity] `exec-reload-mising` names no rule (did you mean \
             `exec-reload-missing`?); `deploy-doctor rules` lists them",
        ),
        ("[[app]]\n\nnam = \"x\"\n", "3: no such key in [[app]]: `nam`; did you mean `name`?"),
        ("[[app]]\n", "1: [[app]] has no `name`: write the unit's name, with or without .service"),
        ("[[app]]\nname = \"a/b\"\n", "2: `name` in [[app]] is not a unit name"),
        ("[app]\nname = \"x\"\n", "1: `app` is a list of tables, written [[app]]"),
        ("[[app]]\nname = \"x\"\nunit = \"y\"\n", "3: `unit` in [[app]] is a list of strings"),
        (
            "[[app]]\nname = \"x\"\nexpected-upstream = \"/run/x.sock\"\n",
            "3: `expected-upstream` in [[app]] is unix:/run/x.sock or 127.0.0.1:8000",
        ),
        ("[[ignore]]\nreason = \"x\"\n", "1: [[ignore]] has no `rule`: which findings?"),
        ("[[ignore]]\nrule = \"U107\"\n", "1: [[ignore]] has no `reason`: write why"),
        (
            "[[ignore]]\nrule = \"U107\"\nreason = \"\"\n",
            "3: `reason` in [[ignore]] is empty: write why",
        ),
        (
            "[[ignore]]\nrule = \"U107\"\nreason = \"x\"\nuntil = \"2026-02-30\"\n",
            "4: `until` in [[ignore]] is not a date: write 2026-05-01",
        ),
        (
            "[[ignore]]\nrule = \"U107\"\nreason = \"x\"\nuntil = 2026-02-01T10:00:00Z\n",
            "4: `until` in [[ignore]] is not a date: write 2026-05-01",
        ),
        (
            "baseline = 3\n\n[[ignore]]\nrule = \"U107\"\nreason = \"x\"\nuntl = 2026-02-01\n",
            "6: no such key in [[ignore]]: `untl`; did you mean `until`?",
        ),
        (
            "nonsense = 1\n",
            "1: no such key: `nonsense`; it has fail-on, baseline, severity, app, ignore",
        ),
    ] {
        assert!(faults(text).iter().any(|fault| fault == wanted), "{text}\n{:#?}", faults(text));
    }
    // All at once, in order.
    let many = "fail_on = 1\n[[ignore]]\nrule = \"X\"\nreason = \"x\"\n[[app]]\nnam = 1\n";
    let lines: Vec<usize> = parse(many).unwrap_err().iter().map(|error| error.line).collect();
    assert_eq!(lines, [1, 3, 5, 6]);
    assert!(faults("a = [\n").iter().all(|fault| fault.contains("is not TOML")));
    assert!(!faults("a = [\n").is_empty());
}

#[test]
fn no_fault_quotes_a_value() {
    const SECRET: &str = "hunter2hunter2";
    for text in [
        format!("[[app]]\nname = \"x\"\nrequired-variables = [\"PASSWORD={SECRET}\"]\n"),
        format!("[[app]]\nname = \"x\"\nrequired-variables = \"PASSWORD={SECRET}\"\n"),
        format!("[[app]]\nname = \"x\"\nprobe = [\"https://u:{SECRET}@example.com/\"]\n"),
        format!("[[app]]\nname = \"x\"\nexpected-upstream = \"{SECRET}\"\n"),
        format!("[[app]]\nname = \"{SECRET}/\"\n"),
        format!("fail-on = \"{SECRET}\"\n"),
        format!("PASSWORD=\"{SECRET}\"\n"),
        format!("PASSWORD={SECRET}\n"),
        format!("fail-on = \"error\nx = \"{SECRET}\"\n"),
    ] {
        let faults = faults(&text);
        assert!(!faults.is_empty(), "{text}");
        assert!(!faults.concat().contains(SECRET), "{faults:#?}");
    }
}

#[test]
fn the_nearest_file_is_found_up_to_the_repository_s_top() {
    let mut host = MemoryHost::new();
    host.directory("/home/me/repo/deploy/units").directory("/home/me/repo/.git");
    host.file("/home/me/deploy-doctor.toml", "");
    let find = |host: &MemoryHost, start: &str| {
        config::find(host, Path::new(start), 1000).map(|path| path.map(|p| p.display().to_string()))
    };
    assert_eq!(find(&host, "/home/me/repo/deploy/units"), Ok(None));
    assert_eq!(find(&host, "/home/me"), Ok(Some("/home/me/deploy-doctor.toml".into())));
    host.file("/home/me/repo/deploy-doctor.toml", "");
    let found = Ok(Some("/home/me/repo/deploy-doctor.toml".into()));
    assert_eq!(find(&host, "/home/me/repo/deploy/units"), found);
    host.file("/home/me/repo/deploy/deploy-doctor.toml", "");
    let found = Ok(Some("/home/me/repo/deploy/deploy-doctor.toml".into()));
    assert_eq!(find(&host, "/home/me/repo/deploy/units"), found);
}

#[test]
fn a_stranger_s_file_above_is_not_used() {
    let mut host = MemoryHost::new();
    host.directory("/tmp/work").file("/tmp/deploy-doctor.toml", "");
    host.own("/tmp/deploy-doctor.toml", 0o644, 1001, 1001);
    let find = |host: &MemoryHost, me| config::find(host, Path::new("/tmp/work"), me);
    let Err(FindError::Foreign { owner: 1001, .. }) = find(&host, 0) else { panic!() };
    assert!(find(&host, 1001).unwrap().is_some());
    // A checkout of somebody's that root looks at: the file is its owner's.
    host.own("/tmp/work", 0o755, 1001, 1001);
    assert!(find(&host, 0).unwrap().is_some());
}

#[test]
fn the_schema_has_the_keys_that_are_read() {
    let schema: Value = serde_json::from_str(config::SCHEMA).unwrap();
    for table in config::TABLES {
        let place = match table.name {
            "" => &schema,
            name => &schema["$defs"][name],
        };
        assert_eq!(place["additionalProperties"], false, "{}", table.name);
        let properties = place["properties"].as_object().unwrap();
        let said: BTreeSet<&str> = properties.keys().map(String::as_str).collect();
        let read: BTreeSet<&str> = table.keys.iter().map(|(key, _)| *key).collect();
        assert_eq!(said, read, "[[{}]]", table.name);
        for (key, kind) in table.keys {
            let mut wanted = &properties[*key];
            if let Some(reference) = wanted["$ref"].as_str() {
                wanted = &schema["$defs"][reference.trim_start_matches("#/$defs/")];
            }
            let kind = match kind {
                Kind::Text | Kind::Day => "string",
                Kind::Texts | Kind::Tables(_) => "array",
                Kind::Map => "object",
            };
            let is = wanted["type"].as_str().unwrap_or("string");
            assert_eq!(is, kind, "{key}");
        }
    }
}

#[test]
fn the_template_explains_every_key_and_holds_with_all_of_them() {
    let whole: String = config::TEMPLATE
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if !rest.starts_with(' ') => format!("{rest}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    let read = config(&whole);
    assert_eq!(read.fail_on, Some(FailOn::Severity(Severity::Warning)));
    for table in config::TABLES {
        for (key, _) in table.keys.iter().filter(|(key, _)| *key != "venv") {
            assert!(
                whole.contains(&format!("\n{key} = ")) || whole.contains(&format!("[{key}]")),
                "{key} is not in the template"
            );
        }
    }
    config(config::TEMPLATE);
}

/// The program in a directory.
fn run_in(directory: &Path, arguments: &[&str]) -> Ran {
    let mut command = Command::new(program());
    command.args(arguments).current_dir(directory);
    finish(command)
}

#[test]
fn the_file_of_the_working_directory_acts_and_the_options_go_before_it() {
    let tree = Copied::of("healthy");
    let before = fs::read_to_string(tree.at(ENVIRONMENT)).unwrap();
    tree.write(ENVIRONMENT, before + "export EXTRA=1\n");
    let root = tree.root();
    let here = tempfile::tempdir().unwrap();
    let below = here.path().join("a/b");
    fs::create_dir_all(&below).unwrap();
    let file = here.path().join("deploy-doctor.toml");
    let check = |more: &[&str]| {
        let arguments =
            [&["check", "--root", root.to_str().unwrap(), "--select", "E"], more].concat();
        run_in(&below, &arguments)
    };
    assert_eq!(check(&[]).code, Some(1));
    fs::write(&file, "fail-on = \"never\"\n").unwrap();
    assert_eq!(check(&[]).code, Some(0));
    assert_eq!(check(&["--fail-on", "error"]).code, Some(1));
    fs::write(&file, "[severity]\nE401 = \"warning\"\n").unwrap();
    assert_eq!(check(&[]).code, Some(0));
    assert_eq!(check(&["--severity", "E401=error"]).code, Some(1));
    fs::write(&file, "[[ignore]]\nrule = \"E401\"\nreason = \"old\"\nuntil = 9999-12-31\n")
        .unwrap();
    let ran = check(&["-q"]);
    assert_eq!(ran.code, Some(0), "{}", ran.all());
    assert!(ran.stdout.contains("1 suppressed"), "{}", ran.all());
    fs::write(&file, "[[ignore]]\nrule = \"E401\"\nreason = \"old\"\nuntil = 2001-01-01\n")
        .unwrap();
    let ran = check(&["-q"]);
    assert_eq!(ran.code, Some(1), "{}", ran.all());
    assert!(ran.stdout.contains("accepted it until 2001-01-01 (old)"), "{}", ran.all());
    // Another file takes its place, and the tree's own comes behind both.
    let empty = here.path().join("empty.toml");
    fs::write(&empty, "").unwrap();
    assert_eq!(check(&["--config", empty.to_str().unwrap()]).code, Some(1));
    fs::remove_file(&file).unwrap();
    tree.write("/etc/deploy-doctor.toml", "fail-on = \"never\"\n");
    assert_eq!(check(&[]).code, Some(0));
    assert_eq!(check(&["--config", empty.to_str().unwrap()]).code, Some(1));
}

#[test]
fn a_fault_ends_with_2_and_names_file_and_line() {
    let here = tempfile::tempdir().unwrap();
    fs::write(here.path().join("deploy-doctor.toml"), "\nfial-on = \"error\"\n").unwrap();
    for arguments in
        [&["check", "--root", "/nowhere"][..], &["fix", "--root", "/nowhere"], &["config", "check"]]
    {
        let ran = run_in(here.path(), arguments);
        assert_eq!(ran.code, Some(2), "{}", ran.all());
        assert_eq!(
            ran.stderr,
            "deploy-doctor: deploy-doctor.toml:2: no such key: `fial-on`; did you mean `fail-on`?\n"
        );
    }
    let ran = run_in(here.path(), &["check", "--config", "gone.toml", "--root", "/nowhere"]);
    assert_eq!(ran.code, Some(2), "{}", ran.all());
    assert!(ran.stderr.contains("gone.toml: no such file"), "{}", ran.all());
}

#[test]
fn config_init_check_and_schema() {
    let here = tempfile::tempdir().unwrap();
    let ran = run_in(here.path(), &["config", "init"]);
    assert_eq!(ran.code, Some(0), "{}", ran.all());
    let file = here.path().join("deploy-doctor.toml");
    assert_eq!(fs::read_to_string(&file).unwrap(), config::TEMPLATE);
    fs::write(&file, "[[app]]\nname = \"x\"\n\nunit = [\"x.service\"]\n").unwrap();
    assert_eq!(run_in(here.path(), &["config", "init"]).code, Some(2));
    assert!(fs::read_to_string(&file).unwrap().contains("x.service"), "it was replaced");
    let ran = run_in(here.path(), &["config", "check"]);
    assert_eq!(ran.code, Some(3), "{}", ran.all());
    assert_eq!(ran.stderr, "deploy-doctor: deploy-doctor.toml:4: there is no x.service\n");
    fs::write(here.path().join("x.service"), "").unwrap();
    let ran = run_in(here.path(), &["config", "check"]);
    assert_eq!(ran.code, Some(0), "{}", ran.all());
    assert_eq!(ran.stdout, "deploy-doctor.toml: 1 application, 0 severities, 0 ignores\n");
    assert_eq!(run_in(here.path(), &["config", "schema"]).stdout, config::SCHEMA);
    assert_eq!(run_in(here.path(), &["config", "init", "--force"]).code, Some(0));
    assert_eq!(run_in(here.path(), &["config", "check"]).code, Some(0));
}

#[test]
fn fix_leaves_what_is_accepted() {
    let tree = Copied::of("healthy");
    let before = fs::read_to_string(tree.at(SITE)).unwrap();
    assert!(!before.is_empty());
    let text = fs::read_to_string(tree.at(ENVIRONMENT)).unwrap();
    tree.write(ENVIRONMENT, text + "export EXTRA=1\n");
    let here = tempfile::tempdir().unwrap();
    let root = tree.root();
    let fix =
        || run_in(here.path(), &["fix", "--root", root.to_str().unwrap(), "--select", "E401"]);
    let ran = fix();
    assert_eq!(ran.code, Some(1), "{}", ran.all());
    assert!(ran.stdout.contains("-export EXTRA"), "{}", ran.all());
    fs::write(
        here.path().join("deploy-doctor.toml"),
        "[[ignore]]\nrule = \"E401\"\nreason = \"why\"\n",
    )
    .unwrap();
    let ran = fix();
    assert_eq!(ran.code, Some(0), "{}", ran.all());
}

/// A repository with two applications, each with files of its own.
fn repository(settings: &str) -> tempfile::TempDir {
    let repository = tempfile::tempdir().unwrap();
    let top = repository.path();
    fs::create_dir_all(top.join("deploy")).unwrap();
    for app in ["shop", "blog"] {
        let unit = format!(
            "[Service]\nType=notify\nUser={app}\nEnvironmentFile=/etc/{app}.env\n\
             ExecStart=/srv/{app}/.venv/bin/gunicorn --bind unix:/run/{app}/gunicorn.sock wsgi:app\n\
             ExecReload=/bin/kill -HUP $MAINPID\nRestart=always\nKillMode=mixed\n"
        );
        fs::write(top.join(format!("deploy/{app}.service")), unit).unwrap();
        fs::write(top.join(format!("deploy/{app}.conf.py")), "workers = 3\n").unwrap();
    }
    fs::write(top.join("deploy/shop.env"), "export A=1\nTOKEN=x\n").unwrap();
    fs::write(top.join("deploy/blog.env"), "B=1 # note\n").unwrap();
    fs::write(top.join("deploy-doctor.toml"), settings).unwrap();
    repository
}

const TWO: &str = r#"
[[app]]
name = "shop"
unit = ["deploy/shop.service"]
env-file = ["deploy/shop.env"]
gunicorn-conf = "deploy/shop.conf.py"
required-variables = ["TOKEN"]

[[app]]
name = "blog"
unit = ["deploy/blog.service"]
env-file = ["deploy/blog.env"]
gunicorn-conf = "deploy/blog.conf.py"
required-variables = ["TOKEN"]
"#;

#[test]
fn a_repository_is_checked_by_the_files_that_its_settings_list() {
    let repository = repository(TWO);
    let top = repository.path();
    let check = |working: &Path, arguments: &[&str]| {
        let base = ["check", "--format", "json", "--select", "E401,E403,E410"];
        let ran = run_in(working, &[&base, arguments].concat());
        let document: Value = serde_json::from_str(&ran.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", ran.all()));
        let mut found: Vec<String> = document["findings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|finding| {
                let place = &finding["locations"][0];
                let text = |value: &Value| value.as_str().unwrap().to_owned();
                format!(
                    "{} {} {}:{}",
                    text(&finding["app"]),
                    text(&finding["code"]),
                    text(&place["file"]),
                    place["line"]
                )
            })
            .collect();
        found.sort();
        assert_eq!(document["problems"], serde_json::json!([]));
        (found, document["source"].clone(), ran.code)
    };
    let all = [
        "blog.service E403 deploy/blog.env:1",
        "blog.service E410 deploy-doctor.toml:14",
        "shop.service E401 deploy/shop.env:1",
    ];
    let (found, source, code) = check(top, &["."]);
    assert_eq!((found.as_slice(), code), (&all.map(String::from)[..], Some(1)));
    assert_eq!((&source["mode"], &source["host"]), (&"files".into(), &".".into()));
    // The same from elsewhere, and from within.
    let (found, ..) = check(Path::new("/"), &[top.to_str().unwrap()]);
    assert_eq!(found.len(), 3);
    assert!(found[0].ends_with("/deploy/blog.env:1"), "{found:?}");
    let (found, ..) = check(&top.join("deploy"), &["../deploy/"]);
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found.contains(&"shop.service E401 shop.env:1".to_owned()), "{found:?}");
    // One of them.
    let (found, ..) = check(top, &[".", "shop"]);
    assert_eq!(found, [all[2]]);
    let ran = run_in(top, &["fix", ".", "shop", "--select", "E401"]);
    assert!(ran.stdout.contains("-export A=***"), "{}", ran.all());
    let ran = run_in(top, &["check", ".", "--select", "E401"]);
    assert!(ran.stdout.contains("deploy-doctor fix shop.service . --select E401"), "{}", ran.all());
    let ran = run_in(top, &["facts", "."]);
    let facts: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(facts["apps"].as_array().unwrap().len(), 2);
}

#[test]
fn a_repository_whose_files_nobody_lists_is_looked_through() {
    let repository = repository("");
    let top = repository.path();
    let ran = run_in(top, &["check", "."]);
    assert_eq!(ran.code, Some(1), "{}", ran.all());
    assert!(ran.stdout.contains("read deploy/blog.env, deploy/blog.service"), "{}", ran.all());
    assert_eq!(run_in(top, &["check", "./gone"]).code, Some(3));
    fs::write(top.join("deploy-doctor.toml"), TWO).unwrap();
    assert!(!run_in(top, &["check", "."]).stdout.contains("read deploy/"));
    for more in [["--unit", "deploy/shop.service"], ["--nginx", "deploy/x"]] {
        let ran = run_in(top, &["check", ".", more[0], more[1]]);
        assert_eq!(ran.code, Some(2), "{more:?} {}", ran.all());
    }
    // What is not under the directory is not of this repository.
    fs::create_dir(top.join("docs")).unwrap();
    assert_eq!(run_in(top, &["check", "docs"]).code, Some(3));
    // Under --root a word is a unit's name, unless it has a `/`.
    assert_eq!(run_in(top, &["check", "docs", "--root", "/"]).code, Some(3));
    assert_eq!(run_in(top, &["check", "./docs", "--root", "/"]).code, Some(2));
}

#[test]
fn a_unit_s_file_has_the_unit_s_name() {
    let text = |unit: &str| format!("[[app]]\nname = \"shop\"\nunit = [\"{unit}\"]\n");
    assert_eq!(
        faults(&text("deploy/gunicorn.service")),
        ["3: `unit` in [[app]] names no file of the unit shop"]
    );
    for unit in ["deploy/shop.service", "shop.service.j2"] {
        assert_eq!(faults(&text(unit)), Vec::<String>::new());
    }
}
