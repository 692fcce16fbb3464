//! Reports with findings that a test makes up, in every format, and how each of them is counted.
#![allow(dead_code, reason = "each test uses a part")]

use std::collections::HashMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use deploy_doctor::engine::{self, Outcome, Reported, Settings};
use deploy_doctor::facts::{self, Deployment, Request, Scope};
use deploy_doctor::host::TreeHost;
use deploy_doctor::report::{self, Asked, Base, Format, Report, SourceInfo, Style, Times, View};
use deploy_doctor::rule::{Evidence, EvidenceKind, Label, Rule, Severity};
use deploy_doctor::rules;
use deploy_doctor::source::{Sources, Span};
use serde_json::Value;

/// What breaks naive writers and readers.
pub fn hostile() -> Vec<String> {
    let mut messages: Vec<String> = [
        "a | b errors=9;;0;0",
        "# todo is no directive, # skip neither",
        "\\# todo, \\\\# TODO, a\\",
        "\"quotes\" 'and' `ticks` ``` ```` $(id) `id`",
        "two\nlines\r\nthree\rfour",
        "\u{1b}[31mred\u{1b}[0m \u{1b}]0;title\u{7}",
        "</script><script>alert(1)</script> <!-- --> ]]> &amp; <failure/>",
        "::error file=x::injected\n::stop-commands::x",
        "  ::warning::indented ##[stop-commands]x ##[error]y",
        "%0A%0D%25 100% %s %n",
        "\u{0}\u{1}\u{8}\u{b}\u{c}\u{e}\u{1f}\u{7f}\u{85}\u{9f}\u{fffe}\u{ffff}",
        "\u{202e}backwards\u{202c} \u{2066}isolated\u{2069} \u{200b}zero width",
        "ok 1 - not a test\nnot ok 2 - nor this\n1..0\nBail out! no",
        "@everyone #12 GH-3 [link](javascript:x) ![i](y) **bold** | a | b |\n|---|",
        "deploy_doctor_findings{a=\"b\"} 1 1700000000000\n# EOF",
        "---\n...\nkey: value\n  ---\n",
        "ünïcödé 日本語 🚀 e\u{301} \u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}",
        " ",
    ]
    .map(str::to_owned)
    .into();
    messages.push(String::from_utf8_lossy(b"latin-1 \xe4\xf6\xfc \xff\xfe and \xc3(").into_owned());
    messages.push("x ".repeat(5_000));
    messages
}

/// A file whose name is as hostile as a name can be; no `/`, since it has to be one file.
pub fn hostile_path() -> PathBuf {
    let name = b"/etc/nginx/sites-enabled/a b#c?d%20,e:f|\"<g>\x1b[1m\xff\n::h\\.conf".to_vec();
    PathBuf::from(OsString::from_vec(name))
}

/// A requirements file that is none: what it says cannot be known.
pub fn make_unreadable(tree: &super::command::Copied) {
    let path = "/srv/myapp/releases/2026-04-21/requirements.txt";
    tree.remove(path);
    std::fs::create_dir(tree.at(path)).unwrap();
}

/// How many findings of each severity a format tells of.
pub type Counts = [usize; 3];

/// One run, whose findings a test may change.
pub struct Run<'a> {
    pub deployment: &'a Deployment,
    pub sources: &'a Sources<'a>,
    pub outcome: Outcome,
    pub asked: Asked,
    pub time: String,
}

/// Runs every rule on a tree of `testdata/`.
pub fn run<T>(case: &str, look: impl FnOnce(&mut Run) -> T) -> T {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(case);
    let host = TreeHost::open(&root).unwrap();
    let sources = Sources::new(&host);
    let request = Request { apps: Vec::new(), scope: Scope::Root, database_revision: None };
    let deployment = facts::read(&sources, &request);
    let outcome = engine::run(rules::all(), &deployment, &sources, &Settings::default());
    let asked = Asked {
        rules: rules::all().iter().map(|rule| (*rule, rule.severity)).collect(),
        threshold: Some(Severity::Error),
        suppressed: false,
        allow_incomplete: false,
        base: Base {
            directory: Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf(),
            root: Some(root),
        },
        scope: "host".into(),
        patches: HashMap::new(),
    };
    let time = "2026-05-01T10:00:00Z".into();
    look(&mut Run { deployment: &deployment, sources: &sources, outcome, asked, time })
}

impl Run<'_> {
    /// The findings as a format tells them.
    pub fn write(&self, format: Format) -> String {
        self.view(|view| report::write(view, format, Style::default()).unwrap())
    }

    /// The answer of the monitoring plugin.
    pub fn nagios(&self) -> (u8, String) {
        self.view(|view| {
            let (state, text) = report::nagios::answer(view);
            (state.status(), text)
        })
    }

    fn view<T>(&self, look: impl FnOnce(&View) -> T) -> T {
        let report = Report {
            source: SourceInfo {
                mode: "root",
                host: "host".into(),
                time: self.time.clone(),
                options: Vec::new(),
            },
            deployment: self.deployment,
            sources: self.sources,
            outcome: &self.outcome,
            times: Times::new(std::time::Duration::ZERO, Vec::new()),
        };
        look(&View::new(&report, &self.asked))
    }

    /// A finding of this rule, at a place of the first file.
    pub fn finding(&self, rule: &'static Rule, severity: Severity, message: &str) -> Reported {
        let mut reported = self.outcome.findings[0].clone();
        let finding = &mut reported.finding;
        finding.rule = rule;
        finding.severity = severity;
        finding.message = message.to_owned();
        reported.fingerprint = format!("{:x}", self.outcome.findings.len());
        reported
    }

    /// Takes these findings for the run's own, worst first as the engine has them.
    pub fn set(&mut self, mut findings: Vec<Reported>) {
        findings.sort_by_key(|one| std::cmp::Reverse(one.finding.severity));
        for (number, one) in findings.iter_mut().enumerate() {
            one.fingerprint = format!("{number:016x}");
        }
        self.outcome.findings = findings;
    }

    /// Puts a hostile message into a finding wherever it has text, and a hostile name on its file.
    pub fn make_hostile(&self) -> Vec<Reported> {
        let bytes = "ä\tlisten 80; # ```\u{1b}[31m </script>\n".as_bytes().to_vec();
        let file = self.sources.add(hostile_path(), [bytes, vec![0xff, b'\n']].concat());
        let severities = [Severity::Error, Severity::Warning, Severity::Info];
        let rules = rules::all();
        let messages = hostile();
        let made = messages.iter().enumerate().map(|(number, message)| {
            let severity = severities[number % 3];
            let mut reported = self.finding(rules[number % 7], severity, message);
            let finding = &mut reported.finding;
            finding.help = message.clone();
            finding.labels = vec![Label { span: Span::new(file.id, 3, 9), note: message.clone() }];
            finding.evidence = vec![Evidence { kind: EvidenceKind::File, text: message.clone() }];
            if let Some(fix) = &mut finding.fix {
                fix.title = message.clone();
            }
            if number % 5 == 4 {
                finding.labels.clear();
            }
            if number % 6 == 5 {
                finding.app = None;
            }
            reported
        });
        made.collect()
    }
}

/// How many findings of each severity this text of a format tells of: errors, warnings, infos.
pub fn count(format: Format, text: &str) -> Counts {
    match format {
        Format::Text => words(text.lines().last().unwrap_or_default()),
        Format::Concise => each(|word| lines(text, |line| line.contains(&format!(": {word}[")))),
        Format::Json => {
            let document: Value = serde_json::from_str(text).unwrap();
            let listed = each(|word| values(&document["findings"], |one| one["severity"] == *word));
            let summed = each(|word| document["summary"][word].as_u64().unwrap() as usize);
            assert_eq!(listed, summed);
            listed
        }
        Format::Sarif => {
            let log: Value = serde_json::from_str(text).unwrap();
            let level = |word: &str| if word == "info" { "note" } else { word }.to_owned();
            each(|word| values(&log["runs"][0]["results"], |one| one["level"] == *level(word)))
        }
        Format::Github => {
            let more = |word: &str| {
                let told = text.split("in addition there are ").nth(1).unwrap_or_default();
                let told = told.lines().next().unwrap_or_default();
                number_before(told, &format!(" more {word}"))
            };
            each(|word| {
                let kind = if word == "info" { "notice" } else { word };
                lines(text, |line| line.starts_with(&format!("::{kind} "))) + more(kind)
            })
        }
        Format::Gitlab => {
            let issues: Value = serde_json::from_str(text).unwrap();
            let severity = |word: &str| {
                match word {
                    "error" => "critical",
                    "warning" => "minor",
                    other => other,
                }
                .to_owned()
            };
            each(|word| values(&issues, |one| one["severity"] == *severity(word)))
        }
        Format::Junit => each(|word| text.matches(&format!("<failure type=\"{word}\"")).count()),
        Format::Tap => each(|word| lines(text, |line| *line == format!("  severity: \"{word}\""))),
        Format::Prometheus => each(|word| {
            let mine = text.lines().filter(|line| {
                line.starts_with("deploy_doctor_findings{")
                    && line.contains(&format!(",severity=\"{word}\"}} "))
            });
            mine.map(|line| line.rsplit(' ').next().unwrap().parse::<usize>().unwrap()).sum()
        }),
        Format::Markdown => words(text.lines().nth(1).unwrap_or_default()),
        Format::Html => words(text.split("<title>").nth(1).unwrap().lines().next().unwrap()),
    }
}

/// The same for the monitoring plugin's line.
pub fn count_nagios(text: &str) -> Counts {
    let data = text.lines().next().unwrap().split(" | ").nth(1).unwrap();
    let of = |name: &str| {
        let value = data.split(' ').find_map(|one| one.strip_prefix(name)).unwrap();
        value.split(';').next().unwrap().parse().unwrap()
    };
    ["errors=", "warnings=", "infos="].map(of)
}

/// How many a run has.
pub fn counts(outcome: &Outcome) -> Counts {
    [Severity::Error, Severity::Warning, Severity::Info]
        .map(|wanted| outcome.findings.iter().filter(|f| f.finding.severity == wanted).count())
}

fn each(of: impl Fn(&str) -> usize) -> Counts {
    ["error", "warning", "info"].map(of)
}

fn lines(text: &str, wanted: impl Fn(&&str) -> bool) -> usize {
    text.lines().filter(wanted).count()
}

fn values(list: &Value, wanted: impl Fn(&&Value) -> bool) -> usize {
    list.as_array().unwrap().iter().filter(wanted).count()
}

/// `2 errors, 1 warning, 3 info`.
fn words(line: &str) -> Counts {
    each(|word| number_before(line, &format!(" {word}")))
}

/// The number that stands before a word; 0 where the word is not there.
fn number_before(line: &str, word: &str) -> usize {
    let Some((before, _)) = line.split_once(word) else { return 0 };
    let digits = before.rfind(|c: char| !c.is_ascii_digit()).map_or(0, |at| at + 1);
    before[digits..].parse().unwrap()
}
