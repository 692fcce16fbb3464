//! Variables that a line was meant to set: what is said of them points at the line.

use crate::support::case::{Case, Hit, Seen};

const UNIT: &str = "/etc/systemd/system/myapp.service";

/// The healthy deployment with this in place of its environment file.
fn with(lines: &str) -> Seen {
    Case::healthy().replace(UNIT, "EnvironmentFile=/etc/myapp.env\n", lines).check()
}

fn of<'s>(seen: &'s Seen, name: &str) -> &'s Hit {
    let found: Vec<_> =
        seen.of("E410").into_iter().filter(|hit| hit.message.contains(name)).collect();
    assert_eq!(found.len(), 1, "{name}: {seen:#?}");
    found[0]
}

#[test]
fn a_percent_sign_drops_the_whole_assignment() {
    let seen =
        with("Environment=SECRET_KEY=a\nEnvironment=\"DATABASE_URL=postgresql://a:p%23w@db/a\"\n");
    seen.only("U141").at(UNIT, 13).says("DATABASE_URL");
    of(&seen, "DATABASE_URL").says("drops the assignment").also_at(UNIT, 13);
    with("Environment=SECRET_KEY=a\nEnvironment=\"DATABASE_URL=postgresql://a:p%%23w@db/a\"\n")
        .passes("E410");
}

#[test]
fn one_pair_of_quotes_round_two_assignments_sets_one() {
    let seen = with("Environment=\"DATABASE_URL=sqlite:// SECRET_KEY=abcdef\"\n");
    let hit = seen.only("U141").at(UNIT, 12).says("SECRET_KEY");
    assert!(!format!("{hit:?}").contains("abcdef"), "{hit:#?}");
    let told = of(&seen, "SECRET_KEY").says("the value of DATABASE_URL").also_at(UNIT, 12);
    assert!(!format!("{told:?}").contains("abcdef"), "{told:#?}");
    with("Environment=\"DATABASE_URL=sqlite://\" \"SECRET_KEY=abcdef\"\n").passes("E410");
}

#[test]
fn env_is_no_setting_of_gunicorn() {
    let config = |text: &str| {
        Case::healthy()
            .replace(
                UNIT,
                "EnvironmentFile=/etc/myapp.env\n",
                "Environment=DATABASE_URL=sqlite://\n",
            )
            .in_release("gunicorn.conf.py", text)
            .check()
    };
    for text in ["env = {\n    'SECRET_KEY': 'abcdef',\n}\n", "env = ['SECRET_KEY=abcdef']\n"] {
        let seen = config(text);
        let hit = of(&seen, "SECRET_KEY").says("`env`").helps("raw_env");
        assert!(!format!("{hit:?}").contains("abcdef"), "{hit:#?}");
    }
    config("raw_env = ['SECRET_KEY=abcdef']\n").passes("E410");
}

#[test]
fn what_no_line_was_meant_to_set_is_set_nowhere() {
    let seen = with("Environment=DATABASE_URL=sqlite://\n");
    of(&seen, "SECRET_KEY").says("set nowhere");
}
