//! Every command of README.md and of the pages in docs/ is run, and the output that the first of them
//! shows is the real one.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The fenced blocks of README.md with the language given.
fn blocks(language: &str) -> Vec<String> {
    blocks_of(&std::fs::read_to_string(project().join("README.md")).unwrap(), language)
}

/// README.md and the pages that people write, by name. Those of the rules quote files, no commands.
fn pages() -> BTreeMap<String, String> {
    let read = |name: String| {
        let text = std::fs::read_to_string(project().join(&name)).unwrap();
        (name, text)
    };
    let entries = std::fs::read_dir(project().join("docs")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let pages = names.filter(|name| name.ends_with(".md")).map(|name| format!("docs/{name}"));
    pages.chain(["README.md".to_owned()]).map(read).collect()
}

/// The fenced blocks of a page with the language given.
fn blocks_of(text: &str, language: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut open: Option<(String, String)> = None;
    for line in text.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(info)) => open = Some((info.to_owned(), String::new())),
            (Some(_), Some(_)) => found.extend(open.take()),
            (Some((_, body)), None) => {
                body.push_str(line);
                body.push('\n');
            }
            (None, None) => {}
        }
    }
    found.into_iter().filter(|(info, _)| info == language).map(|(_, body)| body).collect()
}

/// Runs a line in a shell in the project's folder, with the built program on the path.
fn run(line: &str) -> (Option<i32>, String) {
    let program = Path::new(env!("CARGO_BIN_EXE_deploy-doctor"));
    let path = format!(
        "{}:{}",
        program.parent().unwrap().display(),
        std::env::var("PATH").unwrap_or_default()
    );
    let output = Command::new("bash")
        .args(["-c", line])
        .env("PATH", path)
        .current_dir(project())
        .output()
        .unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

/// `cargo run -- check …` is the same program: it is not built again here.
fn as_installed(line: &str) -> String {
    line.replace("cargo run -- ", "deploy-doctor ")
}

#[test]
fn the_first_output_is_the_real_one() {
    let shown = blocks("console").into_iter().next().expect("a console block comes first");
    let (command, shown) = shown.split_once('\n').unwrap();
    let (code, real) = run(&as_installed(command.strip_prefix("$ ").unwrap()));
    assert_eq!(code, Some(1));
    if std::env::var_os("UPDATE_DOCS").is_some() {
        let path = project().join("README.md");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(path, text.replacen(shown, &real, 1)).unwrap();
        return;
    }
    // The owners of a checkout are those who made it, and no rule judges what they are not.
    use std::os::unix::fs::MetadataExt;
    if project().join("testdata/guide").metadata().unwrap().uid() != 0 {
        eprintln!("SKIPPED: the_first_output_is_the_real_one: the checkout is not root's");
        return;
    }
    assert_eq!(shown.trim_end(), real.trim_end());
}

#[test]
fn every_command_runs() {
    let mut counts = BTreeMap::new();
    for (name, text) in pages() {
        let count: usize =
            blocks_of(&text, "sh").iter().flat_map(|block| block.lines()).map(runs).sum();
        counts.insert(name, count);
    }
    let few = |page: &str, least: usize| counts.get(page).is_none_or(|count| *count < least);
    for (page, least) in [("README.md", 20), ("docs/gate.md", 4), ("docs/fix.md", 4)] {
        assert!(!few(page, least), "of {page} {:?} commands were run", counts.get(page));
    }
    assert!(counts.values().filter(|count| **count > 0).count() >= 8, "{counts:?}");
}

/// Runs a line of a block, if it is a command that is to be run: how many that are. A comment that begins
/// with a number says the exit status: `# 1 at warnings, too`.
fn runs(line: &str) -> usize {
    let (line, comment) = line.split_once("  #").unwrap_or((line, ""));
    let number = comment.trim().split(|c: char| !c.is_ascii_digit()).next();
    let said: Option<i32> = number.and_then(|digits| digits.parse().ok());
    let line = line.trim();
    if line.starts_with("rm -rf target/") {
        assert_eq!(run(line).0, Some(0), "{line}");
    }
    if !line.starts_with("deploy-doctor") {
        return 0;
    }
    let (code, _) = run(line);
    let critical = line.starts_with("deploy-doctor nagios") && code == Some(2);
    assert!(critical || matches!(code, Some(0 | 1 | 3)), "{line}: exit {code:?}");
    assert!(said.is_none() || said == code, "{line}: exit {code:?}, and the page says {said:?}");
    1
}

#[test]
fn ci_calls_the_test_command() {
    let tests = blocks("sh").concat();
    assert!(tests.lines().any(|line| line.starts_with("cargo test")), "{tests}");
    let ci = std::fs::read_to_string(project().join(".ci/run")).unwrap();
    assert!(ci.lines().any(|line| line.contains("cargo test ") && !line.starts_with('#')));
}
