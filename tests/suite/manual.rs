//! `deploy-doctor man`: a page for every command, made from the options as they are. What man, groff and
//! mandoc say of them is in `tests/living/packaged/manual.rs`.

use crate::support::command::{Ran, run};

/// The words of a page's source, without what stands for roff alone.
fn page(command: &[&str]) -> String {
    let ran: Ran = run(&[&["man"], command].concat());
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    ran.stdout.replace("\\-", "-")
}

#[test]
fn every_option_of_a_command_is_on_its_page() {
    for command in [&["check"][..], &["fix"], &["reload"], &["baseline", "write"]] {
        let help = run(&[command, &["--help"]].concat()).stdout;
        let options = help.lines().filter_map(|line| {
            let word = line.split_whitespace().find(|word| word.starts_with("--"))?;
            line.trim_start().starts_with('-').then(|| word.trim_end_matches(','))
        });
        let page = page(command);
        let mut count = 0;
        for option in options {
            count += 1;
            assert!(page.contains(&format!("\\fB{option}\\fR")), "{command:?}: {option}");
        }
        assert!(count > 5, "{help}");
    }
    for wanted in [".SH \"EXIT STATUS\"", "rolled back", "/var/lib/deploy-doctor"] {
        assert!(page(&[]).contains(wanted), "{wanted}");
    }
    assert!(!page(&["nagios"]).contains("EXIT STATUS\""), "nagios has statuses of its own");
}

#[test]
fn all_pages_are_written_as_man_looks_for_them() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("share/man1");
    let ran = run(&["man", "--output", directory.to_str().unwrap()]);
    assert_eq!(ran.code, Some(0), "{}", ran.all());
    let mut names: Vec<_> = directory
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names.len(), 22, "{names:?}");
    for (name, command) in
        [("deploy-doctor.1", &[][..]), ("deploy-doctor-config-check.1", &["config", "check"])]
    {
        let written = std::fs::read_to_string(directory.join(name)).unwrap();
        assert_eq!(written.replace("\\-", "-"), page(command));
    }
    // A page refers to those of its commands, and they are there.
    let program = page(&[]);
    let referred: Vec<_> = program.lines().filter_map(|line| line.strip_suffix("(1)")).collect();
    assert_eq!(referred.len(), 16, "{program}");
    for name in referred {
        assert!(names.contains(&format!("{name}.1")), "{name}");
    }
}

#[test]
fn a_command_that_is_none_is_told() {
    let ran = run(&["man", "chekc"]);
    assert_eq!(ran.code, Some(2));
    assert!(
        ran.stderr.contains("chekc is not a command: deploy-doctor has check, fix")
            && ran.stderr.contains("rollback"),
        "{}",
        ran.stderr
    );
}
