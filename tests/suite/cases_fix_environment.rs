//! What the fixes of the rules on environment files make of them, form by form.

use case::{Case, RELEASE};
use deploy_doctor::fix::{Content, Reason};
use fix::{DROP_IN, ENVIRONMENT, OURS, Repair, UNIT, is_manual};

use crate::support::case;
use crate::support::fix;

const KEY: &str = "9f2c1b7e5d8a4f03b6c7d1e2a5f4988c";

/// The healthy environment file with these lines before what the application requires.
fn text(lines: &str) -> String {
    format!("{lines}SECRET_KEY={KEY}\nDATABASE_URL=sqlite:////srv/myapp/shared/myapp.db\n")
}

fn environment(lines: &str) -> Case {
    Case::healthy().file(ENVIRONMENT, text(lines)).own(ENVIRONMENT, 0o640, 0, 0)
}

/// The fix of one rule makes the one lines of the others, and keeps mode and owner.
#[track_caller]
fn makes(code: &str, from: &str, to: &str) {
    let repair = Repair::of(environment(from)).rule(code);
    let repaired = repair.drop_in();
    repaired.only(&[(ENVIRONMENT, &text(to))]);
    for change in &repaired.plan.changes {
        let Content::File { mode, uid, gid, .. } = change.after else { panic!("{change:#?}") };
        assert_eq!((mode, uid, gid), (0o640, 0, 0));
    }
}

#[test]
fn a_line_that_systemd_drops_is_written_as_it_reads_it() {
    for (from, to) in [
        ("export MAIL_SERVER=localhost\n", "MAIL_SERVER=localhost\n"),
        ("  export\t MAIL_SERVER='a b' \r\n", "  MAIL_SERVER='a b' \r\n"),
        ("export MAIL_SERVER=\"a=1 b=2\"\n", "MAIL_SERVER=\"a=1 b=2\"\n"),
        ("MAIL_SERVER: localhost\n", "MAIL_SERVER=localhost\n"),
        ("MAIL_SERVER:localhost\r\n", "MAIL_SERVER=localhost\r\n"),
        ("  MAIL_SERVER :\t'a: b'\n", "  MAIL_SERVER='a: b'\n"),
        ("MAIL_SERVER:\n", "MAIL_SERVER=\n"),
        ("MAIL_SERVER: a=b\n", "MAIL_SERVER=a=b\n"),
        ("\u{feff}MAIL_SERVER=localhost\n", "MAIL_SERVER=localhost\n"),
        ("\u{feff}export MAIL_SERVER=localhost\n", "MAIL_SERVER=localhost\n"),
    ] {
        makes("E401", from, to);
    }
}

#[test]
fn a_line_whose_meaning_is_not_plain_is_left_to_its_reader() {
    for line in [
        // A shell would set two variables, systemd one.
        "export A=1 B=2\n",
        // A block, a list and an escape of YAML.
        "MAIL_SERVER: |\n",
        "MAIL_SERVER: [a, b]\n",
        "MAIL_SERVER: 'it''s'\n",
        "MAIL_SERVER: \"it\n",
        "MAIL-SERVER=localhost\n",
        "9LIVES=1\n",
    ] {
        is_manual(environment(line), "E401");
    }
}

#[test]
fn a_line_that_another_one_stands_in_for_changes_a_value() {
    let repair = Repair::of(environment("MAIL=a\nexport MAIL=b\n")).rule("E401");
    repair.drop_in().only(&[(ENVIRONMENT, &text("MAIL=a\nMAIL=b\n"))]);
    Repair::of(environment("MAIL=a\nexport MAIL=b\n")).rule("E401").safe().drop_in().is_unsafe();
}

#[test]
fn what_a_dropped_line_hid_is_mended_with_it() {
    let repair = Repair::of(environment("export MAIL=a # for now\n"));
    repair.drop_in().only(&[(ENVIRONMENT, &text("# for now\nMAIL=a\n"))]);
    // Debug mode that a dropped line did not turn on is not turned on by a repair.
    let repair = Repair::of(environment("export FLASK_DEBUG=1\n"));
    let repaired = repair.drop_in();
    assert!(repaired.paths().is_empty());
    let [left] = repaired.plan.left.as_slice() else { panic!("{:#?}", repaired.plan) };
    assert_eq!(left.reason, Reason::Impossible("it would cause E408".to_owned()));
}

#[test]
fn a_comment_gets_a_line_of_its_own_and_the_value_stays() {
    for (from, to) in [
        ("MAIL=a # b\n", "# b\nMAIL=a\n"),
        ("MAIL=a \t# b # c \r\n", "# b # c\r\nMAIL=a\r\n"),
        ("  MAIL='a b' # c\n", "  # c\n  MAIL='a b'\n"),
        ("\tMAIL = \"a\"   # c\n", "\t# c\n\tMAIL = \"a\"\n"),
        ("MAIL= # c\n", "# c\nMAIL=\n"),
        ("MAIL=a # ä\u{2028}\n", "# ä\u{2028}\nMAIL=a\n"),
    ] {
        makes("E403", from, to);
    }
    // The last line, without an end.
    let case = || {
        let text = format!("DATABASE_URL=sqlite://\nSECRET_KEY={KEY} # new");
        Case::healthy().file(ENVIRONMENT, text).own(ENVIRONMENT, 0o600, 0, 0)
    };
    let after = format!("DATABASE_URL=sqlite://\n# new\nSECRET_KEY={KEY}");
    Repair::of(case()).rule("E403").drop_in().only(&[(ENVIRONMENT, &after)]);
    // Nobody but the plan itself learns what the comment says.
    let repair = Repair::of(case()).rule("E403");
    assert!(!format!("{:?}", repair.drop_in().plan.fixes[0].title).contains("new"));
}

#[test]
fn a_comment_inside_a_continued_value_is_left_to_its_reader() {
    is_manual(environment("MAIL=a # b \\\n  c\n"), "E403");
}

#[test]
fn others_lose_their_rights_and_the_group_keeps_its_own() {
    for (from, to) in [(0o644, 0o640), (0o666, 0o660), (0o604, 0o600), (0o755, 0o750)] {
        let case = Case::healthy().own(ENVIRONMENT, from, 0, 33);
        let repair = Repair::of(case).rule("E407");
        let repaired = repair.drop_in();
        let [change] = repaired.plan.changes.as_slice() else { panic!("{:#?}", repaired.plan) };
        let Content::File { mode, uid, gid, .. } = change.after else { panic!("{change:#?}") };
        assert_eq!((mode, uid, gid), (to, 0, 33));
        assert!(repaired.plan.left.is_empty());
    }
}

#[test]
fn the_file_behind_a_link_is_closed() {
    let case = Case::healthy()
        .file("/srv/secrets/myapp.env", text(""))
        .link(ENVIRONMENT, "/srv/secrets/myapp.env");
    let repair = Repair::of(case).rule("E407");
    let repaired = repair.drop_in();
    assert_eq!(repaired.paths(), ["/srv/secrets/myapp.env"]);
}

#[test]
fn debug_mode_is_turned_off_where_it_is_turned_on() {
    for (from, to) in [
        ("FLASK_DEBUG=1\n", "FLASK_DEBUG=0\n"),
        ("FLASK_DEBUG = \"True\" \r\n", "FLASK_DEBUG = \"0\" \r\n"),
        ("FLASK_DEBUG='yes'\n", "FLASK_DEBUG='0'\n"),
        ("FLASK_DEBUG=yes\nFLASK_DEBUG=on\n", "FLASK_DEBUG=yes\nFLASK_DEBUG=0\n"),
    ] {
        makes("E408", from, to);
    }
    for (from, to) in [
        ("Environment=FLASK_DEBUG=1 A=2", "Environment=FLASK_DEBUG=0 A=2"),
        ("Environment=\"A=1 2\" 'FLASK_DEBUG=true'", "Environment=\"A=1 2\" 'FLASK_DEBUG=0'"),
        ("Environment=A=1 \\\n  FLASK_DEBUG=on", "Environment=A=1 \\\n  FLASK_DEBUG=0"),
    ] {
        let unit = |line: &str| format!("[Service]\n{line}\n");
        let repair = Repair::of(Case::healthy().file(DROP_IN, unit(from))).rule("E408");
        repair.in_place().only(&[(DROP_IN, &unit(to))]);
        repair.drop_in().only(&[(DROP_IN, &unit(to))]);
    }
    let case = || Case::healthy().replace(UNIT, "KillMode", "Environment=FLASK_DEBUG=1\nKillMode");
    let repair = Repair::of(case()).rule("E408");
    repair.in_place().becomes(UNIT, "FLASK_DEBUG=1", "FLASK_DEBUG=0");
    repair.drop_in().only(&[(OURS, "[Service]\nEnvironment=\nEnvironment=FLASK_DEBUG=0\n")]);
}

#[test]
fn debug_mode_is_turned_off_in_gunicorns_own_environment() {
    const REST: &str = "-w 3 --chdir /srv/myapp/current --bind unix:/run/myapp/gunicorn.sock";
    for (from, to) in [
        ("--env FLASK_DEBUG=1", "--env FLASK_DEBUG=0"),
        ("-e A=1 -e FLASK_DEBUG=on", "-e A=1 -e FLASK_DEBUG=0"),
        ("'--env=FLASK_DEBUG=1'", "'--env=FLASK_DEBUG=0'"),
        ("--env \"FLASK_DEBUG=1\"", "--env \"FLASK_DEBUG=0\""),
    ] {
        let unit = |flags: &str| {
            format!(
                "[Service]\nExecStart=\nExecStart=/srv/myapp/.venv/bin/gunicorn {REST} {flags} \
                 wsgi:app\n"
            )
        };
        let repair = Repair::of(Case::healthy().file(DROP_IN, unit(from))).rule("E408");
        repair.in_place().only(&[(DROP_IN, &unit(to))]);
    }
    let unit = |value: &str| {
        format!(
            "[Service]\nExecStart=\nExecStart=/usr/bin/env FLASK_DEBUG={value} \
             /srv/myapp/.venv/bin/gunicorn {REST} wsgi:app\n"
        )
    };
    let repair = Repair::of(Case::healthy().file(DROP_IN, unit("1"))).rule("E408");
    repair.in_place().only(&[(DROP_IN, &unit("0"))]);
    let config = format!("{RELEASE}/gunicorn.conf.py");
    let python =
        |value: &str| format!("raw_env = [\n    \"A=1\",\n    'FLASK_DEBUG={value}',  # b\n]\n");
    let repair = Repair::of(Case::healthy().file(&config, python("1"))).rule("E408");
    repair.in_place().only(&[(&config, &python("0"))]);
    is_manual(Case::healthy().file(&config, "raw_env = ['FLASK_DEBUG=' + '1']\n"), "E408");
}

/// Windows' line ends: the carriage return is what a backslash escapes.
#[test]
fn a_value_that_windows_line_ends_cut_is_joined() {
    for (from, to) in [
        ("HOSTS=a \\\r\n  b\r\n", "HOSTS=a \\\n  b\r\n"),
        ("HOSTS=a,\\\r\nb,\\\r\nc\r\n", "HOSTS=a,\\\nb,\\\nc\r\n"),
        ("HOSTS=\"a,\\\r\nb\"\r\n", "HOSTS=\"a,\\\nb\"\r\n"),
        ("HOSTS=a,\\\r\nb,\\\r\n", "HOSTS=a,\\\nb,\\\r\n"),
    ] {
        makes("E405", from, to);
        environment(from).check().passes("E401");
    }
    // What follows is a line of its own: nothing was cut off.
    for whole in
        ["DATA=C:\\data\\\r\n", "DATA=C:\\data\\\r\n# more\r\n", "DATA=C:\\data\\\r\n\r\nA=1\r\n"]
    {
        environment(whole).check().passes("E405");
    }
}

#[test]
fn a_comment_of_several_lines_swallows_nothing_more() {
    let old =
        |lines: &str| environment(lines).file("/usr/lib/systemd/libsystemd-shared-252.so", "");
    let repair = Repair::of(old("# a \\\n# b \\\nMAIL=x\n")).rule("E405");
    repair.drop_in().only(&[(ENVIRONMENT, &text("# a \n# b \nMAIL=x\n"))]);
    let seen = old("# a \\\nMAIL=x\nMAIL=y\n").check();
    seen.only("E405").at(ENVIRONMENT, 2).is(deploy_doctor::rule::Severity::Warning);
    let unknown = environment("# a \\\nMAIL=x\n").check();
    unknown.skipped("E405");
}
