//! Begins a rule: `cargo run --example new-rule -- U199 name-of-the-rule`.
//!
//! It writes the rule's file, lists it in its area, and says what comes next. What it writes
//! compiles, and fails its own examples until the rule is written. The templates beside this file
//! are compiled with the rules' own tests, so that they keep up with what rules may use.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use deploy_doctor::rules;

const USAGE: &str = "usage: cargo run --example new-rule -- CODE NAME\n\
                     CODE is the area's letter (U, G, N, E, P, S, R, L) and three digits, NAME the \
                     rule's name in small letters, words joined by `-`: U199 unit-name";

/// The code and name that the templates hold.
const PLACEHOLDERS: [&str; 2] = ["Z000", "rule-name"];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let made = match arguments.as_slice() {
        [code, name] => begin(Path::new(env!("CARGO_MANIFEST_DIR")), code, name),
        _ => Err(USAGE.to_owned()),
    };
    match made {
        Ok(next) => {
            print!("{next}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

/// An area's folder under `rules/`, and the template that suits it.
fn area(code: &str) -> Option<(&'static str, &'static str)> {
    Some(match code.as_bytes().first()? {
        b'U' => ("unit", include_str!("unit.rs")),
        b'G' => ("gunicorn", include_str!("gunicorn.rs")),
        b'N' => ("nginx", include_str!("nginx.rs")),
        b'E' => ("environment", include_str!("application.rs")),
        b'P' => ("processes", include_str!("application.rs")),
        b'S' => ("sockets", include_str!("application.rs")),
        b'R' => ("release", include_str!("application.rs")),
        b'L' => ("logs", include_str!("application.rs")),
        _ => return None,
    })
}

fn begin(project: &Path, code: &str, name: &str) -> Result<String, String> {
    let digits = code.get(1..).unwrap_or_default();
    let fits = digits.len() == 3 && digits.bytes().all(|byte| byte.is_ascii_digit());
    let (area, template) = area(code).filter(|_| fits).ok_or(USAGE)?;
    let is_word = |word: &str| {
        !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    if !name.split('-').all(is_word) || !name.starts_with(|first: char| first.is_ascii_lowercase())
    {
        return Err(USAGE.to_owned());
    }
    if let Some(taken) = rules::all().iter().find(|rule| rule.code == code || rule.name == name) {
        return Err(format!("there is {} {} already", taken.code, taken.name));
    }
    let module = name.replace('-', "_");
    let folder = project.join("rules").join(area);
    let file = folder.join(format!("{module}.rs"));
    if file.exists() {
        return Err(format!("{} is there already", file.display()));
    }
    list(&folder.join("mod.rs"), code, &module)?;
    let text = template.replace(PLACEHOLDERS[0], code).replace(PLACEHOLDERS[1], name);
    write(&file, &text)?;
    Ok(next_steps(area, &module, code, name))
}

/// Puts the module's name into the area's list: before the first rule with a greater code.
fn list(path: &PathBuf, code: &str, module: &str) -> Result<(), String> {
    let text = std::fs::read_to_string(path).map_err(|why| format!("{}: {why}", path.display()))?;
    let broken = || format!("{}: no list of rules: crate::area![…];", path.display());
    let start = text.find("crate::area![").ok_or_else(broken)? + "crate::area![".len();
    let end = start + text[start..].find("];").ok_or_else(broken)?;
    let mut modules: Vec<&str> = text[start..end].split(',').map(str::trim).collect();
    modules.retain(|module| !module.is_empty());
    let code_of = |module: &str| {
        rules::all().iter().find(|rule| rule.name.replace('-', "_") == module).map(|rule| rule.code)
    };
    let later = modules.iter().position(|other| code_of(other).is_some_and(|other| other > code));
    modules.insert(later.unwrap_or(modules.len()), module);
    let lines: Vec<String> = modules.iter().map(|module| format!("    {module},\n")).collect();
    write(path, &format!("{}\n{}{}", &text[..start], lines.concat(), &text[end..]))
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|why| format!("{}: {why}", path.display()))
}

fn next_steps(area: &str, module: &str, code: &str, name: &str) -> String {
    format!(
        "{code} {name} begins in rules/{area}/{module}.rs and is listed in rules/{area}/mod.rs.\n\
         1. Write it; its examples fail until then (the words of severity, impact, item and hop are in \
         src/rule/mod.rs):\n   \
            DEPLOY_DOCTOR_RULE={code} cargo test --test suite rules::\n\
         2. Write its page and renew the lists and numbers that are made of the rules:\n   \
            UPDATE_DOCS=1 cargo test --test suite -- docs:: readme:: golden::\n   \
            cargo test --test suite -- rules:: layers:: checklist::\n\
         3. A rule whose finding is an error needs a proof, e2e/cases/{name}.toml (see \
         e2e/README.md):\n   \
            DEPLOY_DOCTOR_CASE={name} cargo test --test living proofs::\n"
    )
}
