//! Two pages that are made of the rules: which rules stand behind each item of the checklist, and what
//! was measured of each.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use deploy_doctor::rule::{self, Item, Rule};
use deploy_doctor::rules;

use super::AREAS;
use crate::support::proof;

/// A text as a table's cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// The word for an item in `--format json`.
fn word(item: Item) -> String {
    serde_json::to_value(item).unwrap().as_str().unwrap().to_owned()
}

/// Rules of which single findings count for another item than their own, by that item. No rule says so
/// but where it makes the finding, so that is looked for in its file.
fn also() -> BTreeMap<Item, Vec<&'static Rule>> {
    let mut found: BTreeMap<Item, Vec<&'static Rule>> = BTreeMap::new();
    for text in sources() {
        let mut rules = rules::all().iter();
        let named = |rule: &&&Rule| text.contains(&format!("{} \"{}\" {{", rule.code, rule.name));
        let Some(rule) = rules.find(named) else { continue };
        for item in Item::ALL {
            if text.contains(&format!(".also(Item::{item:?})")) {
                found.entry(item).or_default().push(rule);
            }
        }
    }
    found
}

/// The rules' files, in order.
fn sources() -> Vec<String> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules");
    let inside = |(area, _): &(&str, &str)| fs::read_dir(directory.join(area)).unwrap();
    let entries = AREAS.iter().flat_map(inside).map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = entries.filter(|path| path.is_file()).collect();
    files.sort();
    files.iter().map(|path| fs::read_to_string(path).unwrap()).collect()
}

/// `docs/checklist.md`.
pub fn checklist() -> String {
    let mut out = String::from(
        "# The checklist\n\n\
         The conditions for a reload that loses nothing, in the order in which a report shows it, with the rules\n\
         that answer each item. `UPDATE_DOCS=1 cargo test --test suite docs::` writes this page.\n\n\
         - **✓** every rule of the item looked, and none found anything. *As far as files show*: no host was checked.\n\
         - **✗** and **!** name the rules that found something.\n\
         - **?** something could not be checked; the reason is next to it. It never counts as passed.\n\n\
         | | item | in JSON | rules |\n|---|---|---|---|\n",
    );
    let behind = |item: Item| rules::all().iter().filter(move |rule| rule.item == item);
    for (at, item) in Item::ALL.into_iter().enumerate() {
        let _ = writeln!(
            out,
            "| {} | [{}](#{}) | `{}` | {} |",
            at + 1,
            item.title(),
            anchor(item.title()),
            word(item),
            behind(item).count()
        );
    }
    let also = also();
    for item in Item::ALL {
        let _ = write!(
            out,
            "\n## {}\n\n| rule | severity | impact | |\n|---|---|---|---|\n",
            item.title()
        );
        for rule in behind(item) {
            let _ = writeln!(
                out,
                "| [{0}](rules/{0}.md) | {1} | {2} | {3} |",
                rule.code,
                rule.severity.word(),
                rule.impact.word(),
                cell(&rule::summary(rule)),
            );
        }
        for rule in also.get(&item).into_iter().flatten() {
            let _ = write!(
                out,
                "\nSome findings of [{0}](rules/{0}.md) {1} count here, too.\n",
                rule.code, rule.name
            );
        }
    }
    out
}

/// The anchor of a heading, as forges and mdBook make it.
fn anchor(title: &str) -> String {
    let keep = |c: char| c.is_alphanumeric() || c == ' ' || c == '-' || c == '_';
    let kept: String = title.to_lowercase().chars().filter(|c| keep(*c)).collect();
    kept.replace(' ', "-")
}

/// `docs/harm.md`.
pub fn harm() -> String {
    let cases = proof::cases("cases");
    let mut out = format!(
        "# Measured harm\n\n\
         What each of these faults does was seen on a real systemd, nginx and gunicorn: {} cases, on\n\
         Debian bookworm (systemd 252, nginx 1.22) and Debian forky (systemd 262, nginx 1.30). A case makes a sound\n\
         deployment wrong, sends requests at a constant rate while it is reloaded, and counts what is lost; made right,\n\
         the same deployment loses nothing and has no finding. CI runs all of them: \
         [the proving ground](../e2e/README.md).\n\n\
         `UPDATE_DOCS=1 cargo test --test suite docs::` writes this page from `e2e/cases`.\n",
        cases.len()
    );
    let mut proved = Vec::new();
    for (area, title) in AREAS {
        let mut rows = String::new();
        for rule in rules::all().iter().filter(|rule| rule.area() == area) {
            for (name, case) in &cases {
                let mut codes = case.findings.iter().chain(&case.before).chain(&case.live);
                if !codes.any(|code| code == rule.code) {
                    continue;
                }
                proved.push(rule.code);
                let _ = writeln!(
                    rows,
                    "| [{0}](rules/{0}.md) | {1} | [{2}](../e2e/cases/{2}.toml) |",
                    rule.code,
                    cell(&case.harm),
                    name
                );
            }
        }
        if !rows.is_empty() {
            let _ =
                write!(out, "\n## {title}\n\n| rule | measured | case |\n|---|---|---|\n{rows}");
        }
    }
    let open: Vec<&&Rule> = rules::all().iter().filter(|r| !proved.contains(&r.code)).collect();
    let _ = write!(
        out,
        "\n## Without a case\n\n\
         Of these {} rules no case shows the harm; their pages give the reasons. None is of severity error.\n\n",
        open.len()
    );
    for rule in open {
        let _ = writeln!(
            out,
            "- [{0}](rules/{0}.md) {1} ({2}): {3}",
            rule.code,
            rule.name,
            rule.severity.word(),
            rule::summary(rule)
        );
    }
    out
}

#[test]
fn every_rule_stands_behind_one_item_of_the_checklist() {
    let page = checklist();
    for rule in rules::all() {
        let row = format!("\n| [{0}](rules/{0}.md) |", rule.code);
        assert_eq!(page.matches(&row).count(), 1, "{}", rule.code);
    }
    for item in Item::ALL {
        assert!(page.contains(&format!("\n## {}\n\n| rule ", item.title())), "{item:?}");
        assert!(rules::all().iter().any(|rule| rule.item == item), "{item:?} has no rule");
    }
    // G208 is the one that a reader would not expect there.
    assert!(page.contains("Some findings of [G208](rules/G208.md)"), "also() finds nothing");
}

#[test]
fn every_case_stands_under_each_of_its_rules() {
    let page = harm();
    for (name, case) in proof::cases("cases") {
        let told = format!("| {} | [{name}](", cell(&case.harm));
        assert!(page.contains(&told), "{name}");
    }
    // What the page says of the rest is so.
    let rest = page.split("## Without a case").nth(1).unwrap();
    assert!(!rest.contains("(error)"), "{rest}");
}
