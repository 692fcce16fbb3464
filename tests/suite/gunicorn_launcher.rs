//! What ExecStart runs, followed down to gunicorn. What each shell does was measured.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use deploy_doctor::facts::gunicorn::launcher::{Script, Shell};
use deploy_doctor::facts::gunicorn::{
    Inputs, Launch, LaunchContext, NotLaunched, Settings, Stays, WrapperKind, see_through,
};
use deploy_doctor::facts::{Known, Origin, Whose, Why};
use deploy_doctor::source::Lookup;
use deploy_doctor::source::gunicorn::{ArgumentWord, Version};
use deploy_doctor::source::python::ConfigFile;
use deploy_doctor::source::{FileId, Secret, Text};

const SCRIPT: &str = "#!/bin/bash\nset -e\ncd /srv/app # here\nsource venv/bin/activate\nexport MODE=prod\nPORT=\"9000\"\nexec gunicorn -b 0.0.0.0:$PORT \\\n    --workers ${W:-4} app:app\n";

fn words(line: &[&str]) -> Vec<ArgumentWord> {
    let word =
        |(at, w): (usize, &&str)| ArgumentWord::known(Text::verbatim(FileId(0), w, at * 1000));
    line.iter().enumerate().map(word).collect()
}

fn launch(line: &[&str], sh: Option<Shell>) -> Result<Launch, NotLaunched> {
    see_through(
        &words(line),
        &LaunchContext {
            sh,
            variable: &|name| match name {
                "BIN" => Lookup::Set(Secret::new("/opt/v/bin")),
                "MAYBE" => Lookup::Unknown("the file was not read".into()),
                _ => Lookup::Unset,
            },
            script: &|path| match path {
                "/srv/start.sh" => Script::Text(Text::verbatim(FileId(1), SCRIPT, 0)),
                "/srv/if.sh" => Script::Text(Text::verbatim(
                    FileId(1),
                    "#!/bin/sh\nif true; then\nexec gunicorn a\nfi\n",
                    0,
                )),
                "/srv/lost.sh" => Script::Unknown("not read".into()),
                _ => Script::Other,
            },
        },
    )
}

fn arguments(launch: &Launch) -> Vec<&str> {
    launch.arguments.iter().map(|w| w.text.as_str()).collect()
}

#[test]
fn plain_ways_to_start_it() {
    for line in [
        &["/srv/venv/bin/gunicorn", "app:app"][..],
        &["/usr/bin/gunicorn3", "app:app"],
        &["/usr/bin/python3", "-m", "gunicorn", "app:app"],
        &["/usr/bin/python3.11", "-u", "-X", "utf8", "-m", "gunicorn.app.wsgiapp", "app:app"],
        &["/venv/bin/python", "/venv/bin/gunicorn", "app:app"],
        &["/usr/bin/env", "-i", "-u", "X", "A=b", "gunicorn", "app:app"],
        &["/usr/bin/nice", "-n", "10", "gunicorn", "app:app"],
        &["/usr/bin/ddtrace-run", "gunicorn", "app:app"],
        &["/usr/bin/newrelic-admin", "run-program", "gunicorn", "app:app"],
        &["/usr/bin/poetry", "run", "gunicorn", "app:app"],
        &["/usr/bin/pipenv", "run", "gunicorn", "app:app"],
        &["/bin/bash", "-c", "cd /srv && exec gunicorn app:app"],
        &["/bin/sh", "-c", "exec gunicorn app:app"],
        &["/srv/start.sh"],
    ] {
        let found = launch(line, None).unwrap();
        assert_eq!(found.stays(), Stays::Never, "{line:?}");
        assert_eq!(found.arguments.last().unwrap().text.as_str(), "app:app", "{line:?}");
    }
    for line in [
        &["/usr/sbin/nginx", "-g", "daemon off;"][..],
        &["/usr/bin/python3", "app.py"],
        &["/usr/bin/python3", "-m", "flask", "run"],
        &["/usr/bin/uwsgi", "--ini", "x.ini"],
        &["/bin/sh", "-c", "echo gunicorn"],
    ] {
        assert_eq!(launch(line, None), Err(NotLaunched::NotGunicorn), "{line:?}");
    }
}

#[test]
fn shells_stay_as_they_were_measured() {
    // (script, does bash stay, does dash stay)
    for (script, bash, dash) in [
        ("gunicorn a", false, true),
        ("true && gunicorn a", false, true),
        ("false || gunicorn a", false, true),
        ("true; gunicorn a", false, true),
        ("A=b gunicorn a", false, true),
        ("export A=b; gunicorn a", false, true),
        ("set -e\ncd /\ngunicorn a\n", false, true),
        ("gunicorn a # comment", false, true),
        ("gunicorn a >/dev/null", true, true),
        ("gunicorn a 2>&1", true, true),
        ("gunicorn a | cat", true, true),
        ("gunicorn a; true", true, true),
        ("gunicorn a && true", true, true),
        ("exec gunicorn a", false, false),
        ("exec gunicorn a > /dev/null 2>&1", false, false),
        ("exec gunicorn a | tee x", true, true),
    ] {
        let stays = |yes| if yes { Stays::Always } else { Stays::Never };
        let of = |program, sh| launch(&[program, "-c", script], sh).unwrap().stays();
        assert_eq!(of("/bin/bash", None), stays(bash), "bash: {script}");
        assert_eq!(of("/bin/dash", None), stays(dash), "dash: {script}");
        assert_eq!(of("/bin/sh", Some(Shell::Dash)), stays(dash), "sh, dash: {script}");
        assert_eq!(of("/bin/sh", Some(Shell::Bash)), stays(bash), "sh, bash: {script}");
        match (bash, dash) {
            (false, true) => assert!(matches!(of("/bin/sh", None), Stays::Depends(_)), "{script}"),
            (_, same) => assert_eq!(of("/bin/sh", None), stays(same), "{script}"),
        }
    }
    let uv = launch(&["/usr/bin/uv", "run", "--project", "/x", "gunicorn", "a"], None).unwrap();
    assert_eq!(uv.wrapper().unwrap().kind, WrapperKind::UvRun);
    assert_eq!(uv.wrapper().unwrap().forwards_hup, Some(true));
    assert_eq!(uv.stays(), Stays::Always);
    let module = launch(&["/usr/bin/uv", "run", "-m", "gunicorn", "a"], None).unwrap();
    assert_eq!((module.gunicorn, module.arguments.len()), (None, 1));
    let user = launch(&["/usr/bin/sudo", "-u", "gunicorn", "/v/bin/gunicorn", "a"], None).unwrap();
    assert_eq!(user.gunicorn.unwrap().text.as_str(), "/v/bin/gunicorn");
    let flock = launch(&["/usr/bin/flock", "/run/x", "/v/bin/gunicorn", "a"], None).unwrap();
    assert_eq!(flock.stays(), Stays::Always);
    let odd = launch(&["/opt/strange", "--x", "/v/bin/gunicorn", "a"], None).unwrap();
    assert!(matches!(odd.stays(), Stays::Depends(_)));
    let nested =
        launch(&["/bin/sh", "-c", "exec /bin/bash -lc 'cd /a && cd b && gunicorn x'"], None)
            .unwrap();
    assert_eq!(nested.stays(), Stays::Never);
    assert_eq!(nested.working_directory.unwrap().text.as_str(), "/a/b");
}

#[test]
fn scripts_give_directory_environment_and_arguments() {
    let found = launch(&["/srv/start.sh"], None).unwrap();
    assert_eq!(found.working_directory.as_ref().unwrap().text.as_str(), "/srv/app");
    assert_eq!(found.sourced[0].text.as_str(), "venv/bin/activate");
    assert_eq!(found.environment[0].0, "MODE");
    let texts = arguments(&found);
    assert_eq!(texts[..3], ["-b", "0.0.0.0:9000", "--workers"]);
    assert!(found.arguments[3].unknown.is_some(), "the sourced file may set W");
    let bind = &found.arguments[1];
    let raw = &SCRIPT[bind.span.start as usize..bind.span.end as usize];
    assert_eq!(raw, "0.0.0.0:$PORT");
    for path in ["/srv/if.sh", "/srv/lost.sh"] {
        assert!(matches!(launch(&[path], None), Err(NotLaunched::Unknown(_))), "{path}");
    }
    let known =
        launch(&["/bin/bash", "-c", "$BIN/gunicorn -b $MAYBE 'two words' a\"b\"c \\$x"], None)
            .unwrap();
    assert_eq!(known.gunicorn.as_ref().unwrap().text.as_str(), "/opt/v/bin/gunicorn");
    assert!(known.gunicorn.as_ref().unwrap().secret);
    assert!(known.arguments[1].unknown.is_some() && known.arguments[1].many);
    assert_eq!(arguments(&known)[2..], ["two words", "abc", "$x"]);
    for script in [
        "for x in 1; do gunicorn a; done",
        "(gunicorn a)",
        "gunicorn a 'open",
        "`gunicorn a`",
        "gunicorn <<E\nE\n",
    ] {
        assert!(
            matches!(launch(&["/bin/sh", "-c", script], None), Err(NotLaunched::Unknown(_))),
            "{script}"
        );
    }
}

#[test]
fn every_exec_start_of_the_corpus_goes_through() {
    let Ok(files) = std::fs::read_dir("../shared/corpus/systemd") else {
        eprintln!("SKIPPED: the corpus of real files does not exist");
        return;
    };
    let (mut seen, mut launched) = (0, 0);
    for file in files {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        let text = String::from_utf8_lossy(&bytes).replace("\\\r\n", " ").replace("\\\n", " ");
        for line in text
            .lines()
            .filter(|l| l.trim_start().starts_with("ExecStart=") && l.contains("gunicorn"))
        {
            let command =
                line.split_once('=').unwrap().1.trim_start_matches(['-', '@', '+', '!', ':']);
            let Some(split) = deploy_doctor::source::gunicorn::shlex::split(command) else {
                continue;
            };
            let words: Vec<&str> = split.iter().map(String::as_str).collect();
            seen += 1;
            let Ok(found) = launch(&words, None) else {
                eprintln!("not followed: {words:?}");
                continue;
            };
            launched += 1;
            let settings = settings(
                &found.arguments,
                Known::Unknown(Why::not_read("not read")),
                Known::Default(None, Whose::GUNICORN),
            );
            let _ = (settings.bind(), settings.wsgi_app(), settings.workers());
        }
    }
    eprintln!("{launched} of {seen} commands lead to gunicorn");
    assert!(launched * 10 > seen * 9, "{launched} of {seen}");
}

fn settings(
    arguments: &[ArgumentWord],
    version: Known<Version>,
    config: Known<Option<ConfigFile>>,
) -> Settings {
    Settings::merge(&Inputs {
        version,
        arguments,
        cmd_args: Known::Default(None, Whose::GUNICORN),
        variable: &|_| Lookup::Unset,
        variable_origin: &|_| None,
        variable_written: &|_| None,
        cmd_args_written: None,
        config,
        working_directory: Known::Observed("/srv/app".into(), "a test"),
    })
}

fn unknown(text: &str, many: bool) -> ArgumentWord {
    let word = words(&[text]).remove(0);
    ArgumentWord { unknown: Some("not expanded".into()), many, ..word }
}

#[test]
fn an_unknown_word_spoils_what_it_could_set_and_nothing_else() {
    let mut line = words(&["-w", "3", "--threads", "2"]);
    line.insert(2, unknown("$OPTS", true));
    line.extend(words(&["app:app"]));
    let all = settings(
        &line,
        Known::Unknown(Why::not_understood("?")),
        Known::Default(None, Whose::GUNICORN),
    );
    assert!(matches!(all.workers(), Known::Unknown(_)), "$OPTS may hold -w");
    assert_eq!(all.threads().ok(), Some(&2), "set after it");
    assert!(matches!(all.timeout(), Known::Unknown(_)));
    assert_eq!(all.wsgi_app().ok().map(String::as_str), Some("app:app"));
    let mut line = words(&["--bind"]);
    line.push(unknown("${B}", false));
    line.push(unknown("--timeout=${T}", false));
    line.extend(words(&["-w4", "app:app"]));
    let one = settings(
        &line,
        Known::Unknown(Why::not_understood("?")),
        Known::Default(None, Whose::GUNICORN),
    );
    assert!(matches!(one.bind(), Known::Unknown(_)));
    assert!(matches!(one.timeout(), Known::Unknown(_)));
    assert_eq!(one.workers().ok(), Some(&4));
    assert_eq!(one.wsgi_app().ok().map(String::as_str), Some("app:app"));
    assert_eq!(one.keepalive().ok(), Some(&2));
    let line = [unknown("{{ module }}:app", false)];
    assert!(matches!(
        settings(
            &line,
            Known::Unknown(Why::not_understood("?")),
            Known::Default(None, Whose::GUNICORN)
        )
        .wsgi_app(),
        Known::Unknown(_)
    ));
}

#[test]
fn an_unknown_version_leaves_what_versions_differ_in() {
    let any = settings(
        &words(&["a:b"]),
        Known::Unknown(Why::not_there("no venv")),
        Known::Default(None, Whose::GUNICORN),
    );
    assert_eq!(any.workers().ok(), Some(&1));
    assert!(matches!(any.forwarded_allow_ips(), Known::Unknown(_)));
    let old = settings(
        &words(&["a:b"]),
        Known::Observed(Version::parse("22.0.0").unwrap(), "a test"),
        Known::Default(None, Whose::GUNICORN),
    );
    assert_eq!(old.forwarded_allow_ips().ok().unwrap().len(), 1);
    assert!(any.faults.is_empty());
    let flag = words(&["--control-socket", "/x", "a:b"]);
    assert!(
        settings(
            &flag,
            Known::Unknown(Why::not_understood("?")),
            Known::Default(None, Whose::GUNICORN)
        )
        .faults
        .is_empty()
    );
    let fault = settings(
        &flag,
        Known::Observed(Version::parse("23.0.0").unwrap(), "a test"),
        Known::Default(None, Whose::GUNICORN),
    )
    .faults;
    assert_eq!(fault[0].exit_status, 2);
    let near = settings(
        &words(&["--wokers", "2", "a:b"]),
        Known::Unknown(Why::not_understood("?")),
        Known::Default(None, Whose::GUNICORN),
    )
    .faults;
    assert_eq!(near[0].did_you_mean, Some("--workers"));
}

#[test]
fn layers_win_and_losers_are_kept() {
    let line = words(&[
        "-w",
        "5",
        "-k",
        "sync",
        "--threads",
        "4",
        "-b",
        "unix:run/x.sock",
        "-b",
        "[::1]:80",
        "--chdir",
        "../b",
        "a:b",
    ]);
    let found = Settings::merge(&Inputs {
        version: Known::Observed(Version::parse("23.0.0").unwrap(), "a test"),
        arguments: &line,
        cmd_args: Known::Value(
            Some(Secret::new("--workers 4 --timeout 9")),
            Origin::Default("env"),
        ),
        variable: &|name| match name {
            "WEB_CONCURRENCY" => Lookup::Set(Secret::new("2")),
            _ => Lookup::Unset,
        },
        variable_origin: &|_| None,
        variable_written: &|_| None,
        cmd_args_written: None,
        config: Known::Default(None, Whose::GUNICORN),
        working_directory: Known::Observed("/srv/a".into(), "a test"),
    });
    assert_eq!(found.workers().ok(), Some(&5));
    assert_eq!(found.timeout().ok(), Some(&9));
    assert_eq!(found.worker_class().ok().map(String::as_str), Some("gthread"));
    assert_eq!(found.chdir().ok().unwrap().to_str(), Some("/srv/b"));
    let binds = found.bind();
    let binds = binds.ok().unwrap();
    use deploy_doctor::source::gunicorn::BindAddress;
    assert_eq!(binds[0].address, BindAddress::Unix("/srv/b/run/x.sock".into()));
    assert_eq!(binds[1].address, BindAddress::Tcp { host: "::1".into(), port: 80 });
    assert_eq!(binds[1].span.unwrap().start, 9000);
    assert_eq!(found.overridden.len(), 1);
    assert_eq!((found.overridden[0].setting, found.overridden[0].same), ("workers", Some(false)));
    let far = settings(
        &words(&["-b", "x:70000", "a:b"]),
        Known::Unknown(Why::not_understood("?")),
        Known::Default(None, Whose::GUNICORN),
    );
    assert!(matches!(far.bind(), Known::Unknown(_)) && far.faults.len() == 1);
}

#[test]
fn hostile_words_and_scripts_cost_little() {
    let started = std::time::Instant::now();
    for script in [
        "a=b; ".repeat(100_000),
        "x && ".repeat(100_000),
        "$(".repeat(50_000),
        "'\"".repeat(100_000),
        "sh -c ".repeat(50_000),
        format!("exec gunicorn {}", "a\\b$X ".repeat(20_000)),
    ] {
        let one = std::time::Instant::now();
        let _ = launch(&["/bin/sh", "-c", &script], None);
        eprintln!("{:?}: {}…", one.elapsed(), script.get(..20).unwrap_or_default());
    }
    let nested: Vec<&str> = ["env", "nice"].into_iter().cycle().take(10_000).collect();
    assert!(matches!(launch(&nested, None), Err(NotLaunched::Unknown(_))));
    let many: Vec<&str> =
        ["-b", ":80", "--bogus", "-w3", "a"].into_iter().cycle().take(50_000).collect();
    let all = settings(
        &words(&many),
        Known::Unknown(Why::not_understood("?")),
        Known::Default(None, Whose::GUNICORN),
    );
    assert!(!all.faults.is_empty());
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
}
