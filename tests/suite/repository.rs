//! `check .`: what a repository deploys is found by itself, joined as its files say, and nothing is
//! guessed. Real repositories: `corpus_repositories.rs`.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// A repository under a temporary directory.
struct Repository {
    directory: tempfile::TempDir,
    /// Where `fix` keeps what it changed.
    state: tempfile::TempDir,
}

struct Ran {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Repository {
    fn empty() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), state: tempfile::tempdir().unwrap() }
    }

    /// The example repository, under a directory of this one.
    fn example(self, below: &str, name: &str) -> Self {
        for path in [
            ".gitignore",
            "requirements.txt",
            "shop/__init__.py",
            "shop/wsgi.py",
            "deploy/gunicorn.conf.py",
            "deploy/shop.env.example",
            "deploy/shop.nginx.conf",
            "deploy/shop.service",
            "migrations/versions/3f2a_items.py",
        ] {
            let text = fs::read_to_string(example().join(path)).unwrap().replace("shop", name);
            self.write(&format!("{below}{}", path.replace("shop", name)), &text);
        }
        self
    }

    fn shop() -> Self {
        Self::empty().example("", "shop")
    }

    fn at(&self, path: &str) -> PathBuf {
        self.directory.path().join(path)
    }

    fn write(&self, path: &str, text: &str) -> &Self {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    fn edit(&self, path: &str, from: &str, to: &str) -> &Self {
        let text = fs::read_to_string(self.at(path)).unwrap();
        assert!(text.contains(from), "{path} does not hold {from}");
        self.write(path, &text.replace(from, to))
    }

    fn remove(&self, path: &str) -> &Self {
        fs::remove_file(self.at(path)).unwrap();
        self
    }

    fn rename(&self, from: &str, to: &str) -> &Self {
        let text = fs::read_to_string(self.at(from)).unwrap();
        self.remove(from).write(to, &text)
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        let output = Command::new(env!("CARGO_BIN_EXE_deploy-doctor"))
            .args(arguments)
            .current_dir(self.directory.path())
            .env("XDG_STATE_HOME", self.state.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        Ran {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    fn check(&self, arguments: &[&str]) -> Value {
        let ran = self.run(&[&["check", "--format", "json"], arguments].concat());
        serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {}", ran.stderr))
    }

    /// What was taken for what, and what was left out, as `facts` tells it.
    fn survey(&self) -> Value {
        let ran = self.run(&["facts", "."]);
        let facts: Value = serde_json::from_str(&ran.stdout).unwrap();
        facts["repository"].clone()
    }

    fn taken(&self) -> Vec<(String, String)> {
        let survey = self.survey();
        let taken = survey["taken"].as_array().unwrap().iter();
        let mut taken: Vec<(String, String)> =
            taken.map(|one| (text(&one["file"]), text(&one["as"]))).collect();
        taken.sort();
        taken
    }

    /// Why a file was left out.
    fn left(&self, file: &str) -> String {
        let survey = self.survey();
        let mut left = survey["left_out"].as_array().unwrap().iter();
        let one = left.find(|one| one["file"] == file);
        text(&one.unwrap_or_else(|| panic!("{file} was not left out: {survey:#}"))["why"])
    }
}

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/repository")
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Code, application and first file of each finding.
fn found(report: &Value) -> Vec<(String, String, String)> {
    let findings = report["findings"].as_array().unwrap().iter();
    let one = |finding: &Value| {
        (text(&finding["code"]), text(&finding["app"]), text(&finding["locations"][0]["file"]))
    };
    findings.map(one).collect()
}

fn names(report: &Value) -> Vec<String> {
    report["apps"].as_array().unwrap().iter().map(|app| text(&app["name"])).collect()
}

fn reasons(report: &Value, code: &str) -> Vec<String> {
    let skipped = report["skipped"].as_array().unwrap().iter();
    skipped.filter(|skip| skip["code"] == code).map(|skip| text(&skip["reason"])).collect()
}

const BY_HAND: [&str; 12] = [
    "--unit",
    "deploy/shop.service",
    "--nginx",
    "deploy/shop.nginx.conf",
    "--env-file",
    "deploy/shop.env.example",
    "--app-dir",
    ".",
    "--gunicorn-conf",
    "deploy/gunicorn.conf.py",
    "--requirements",
    "requirements.txt",
];

#[test]
fn a_repository_is_read_as_if_its_files_were_named() {
    let shop = Repository::shop();
    let same = |what: &str| {
        let (mut found, mut named) = (shop.check(&["."]), shop.check(&BY_HAND));
        for report in [&mut found, &mut named] {
            report["source"] = Value::Null;
        }
        assert_eq!(found, named, "{what}");
        found
    };
    let healthy = same("healthy");
    assert_eq!(found(&healthy), [], "{healthy:#}");
    let hops = healthy["apps"][0]["path"].as_array().unwrap().iter();
    assert!(hops.clone().all(|hop| hop["ok"] == true), "{healthy:#}");
    assert!(hops.clone().any(|hop| text(&hop["text"]).contains("shop.example.com")));
    // A fault in each of the files.
    shop.edit("deploy/shop.service", "ExecReload", "ExecRelaod");
    shop.edit("deploy/shop.nginx.conf", "/run/shop/gunicorn.sock", "/run/shop.sock");
    shop.edit("deploy/gunicorn.conf.py", "timeout = 30\ng", "timeout = 30\nreload = True\ng");
    shop.write("deploy/shop.env.example", "export SECRET_KEY=x\n");
    shop.edit("shop/wsgi.py", "app = ", "application = ");
    let broken = same("broken");
    let codes: Vec<String> = found(&broken).into_iter().map(|(code, ..)| code).collect();
    for code in ["U101", "U119", "N301", "G204", "E401"] {
        assert!(codes.iter().any(|one| one == code), "{code}: {codes:?}");
    }
}

#[test]
fn what_was_taken_for_what_is_said() {
    let shop = Repository::shop();
    let pairs = |list: &[(&str, &str)]| -> Vec<(String, String)> {
        list.iter().map(|(file, what)| ((*file).to_owned(), (*what).to_owned())).collect()
    };
    assert_eq!(
        shop.taken(),
        pairs(&[
            (".", "application"),
            ("deploy/gunicorn.conf.py", "gunicorn's configuration"),
            ("deploy/shop.env.example", "environment file"),
            ("deploy/shop.nginx.conf", "nginx"),
            ("deploy/shop.service", "unit"),
            ("requirements.txt", "requirements"),
        ])
    );
    let verbose = shop.run(&["check", ".", "-v"]).stdout;
    let line = "read deploy/shop.env.example as environment file of deploy/shop.service: the unit \
                names /etc/shop.env\n";
    assert!(verbose.contains(line), "{verbose}");
    let plain = shop.run(&["check", "."]).stdout;
    assert!(plain.starts_with("read ., deploy/gunicorn.conf.py,"), "{plain}");
    assert!(!shop.run(&["check", ".", "-q"]).stdout.contains("read ."));
    shop.write("deploy/shop.service.d/more.conf", "[Service]\nNice=5\n");
    let verbose = shop.run(&["check", ".", "-v"]).stdout;
    let drop_in = "read deploy/shop.service.d/more.conf as drop-in of deploy/shop.service\n";
    assert!(verbose.contains(drop_in), "{verbose}");
}

#[test]
fn three_applications_of_a_monorepo_are_three() {
    let mono = ["alpha", "beta", "gamma"].iter().fold(Repository::empty(), |mono, name| {
        let mono = mono.example(&format!("apps/{name}/"), name);
        let deploy = format!("apps/{name}/deploy");
        // Each for a host of its own: the names of the files are the same.
        mono.rename(&format!("{deploy}/{name}.service"), &format!("{deploy}/gunicorn.service"));
        mono.rename(&format!("{deploy}/{name}.nginx.conf"), &format!("{deploy}/nginx.conf"));
        mono.rename(&format!("{deploy}/{name}.env.example"), &format!("apps/{name}/.env.example"));
        mono.edit(&format!("{deploy}/nginx.conf"), &format!("{name}.example.com"), "_");
        mono
    });
    let healthy = mono.check(&["."]);
    let unit = |name: &str| format!("apps/{name}/deploy/gunicorn.service");
    assert_eq!(names(&healthy), ["alpha", "beta", "gamma"].map(unit), "{healthy:#}");
    assert_eq!(found(&healthy), [], "{healthy:#}");
    for (app, name) in healthy["apps"].as_array().unwrap().iter().zip(["alpha", "beta", "gamma"]) {
        let path = app["path"].to_string();
        assert!(path.contains(&format!("/run/{name}/gunicorn.sock")), "{path}");
        assert!(path.contains(&format!("apps/{name}")), "{path}");
    }
    // What is wrong with one is said of that one.
    mono.edit("apps/beta/deploy/gunicorn.service", "ExecReload", "ExecRelaod");
    mono.edit("apps/gamma/deploy/nginx.conf", "proxy_set_header Host $host;", "");
    let broken = mono.check(&["."]);
    let apps: Vec<(String, String)> =
        found(&broken).into_iter().map(|(code, app, _)| (code, app)).collect();
    let of = |code: &str, name: &str| (code.to_owned(), unit(name));
    assert!(apps.contains(&of("U101", "beta")) && apps.contains(&of("N303", "gamma")), "{apps:?}");
    assert!(!apps.iter().any(|(_, app)| *app == unit("alpha")), "{apps:?}");
    let prints = broken["findings"].as_array().unwrap().iter();
    let mut prints: Vec<String> = prints.map(|finding| text(&finding["fingerprint"])).collect();
    let all = prints.len();
    prints.sort();
    prints.dedup();
    assert_eq!(prints.len(), all, "{broken:#}");
    // A part of it is a repository, too, and several are.
    assert_eq!(names(&mono.check(&["apps/beta"])), ["gunicorn.service"]);
    assert_eq!(names(&mono.check(&["apps/beta", "apps/gamma"])), [unit("beta"), unit("gamma")]);
}

#[test]
fn units_of_one_host_stand_behind_one_nginx() {
    let shop = Repository::shop().example("", "blog").example("", "wiki");
    // All is in one directory, and only the names tell what belongs together.
    for name in ["shop", "blog", "wiki"] {
        let conf = format!("deploy/{name}.gunicorn.py");
        shop.write(&conf, &format!("bind = \"unix:/run/{name}/gunicorn.sock\"\nworkers = 3\n"));
        let unit = format!("deploy/{name}.service");
        shop.edit(&unit, "gunicorn.conf.py", &format!("{name}.gunicorn.py"));
    }
    let report = shop.check(&["."]);
    assert_eq!(names(&report), ["blog.service", "shop.service", "wiki.service"]);
    for (app, name) in report["apps"].as_array().unwrap().iter().zip(["blog", "shop", "wiki"]) {
        let path = app["path"].to_string();
        assert!(path.contains(&format!("{name}.example.com")), "{path}");
        assert!(path.contains(&format!("/run/{name}/gunicorn.sock")), "{path}");
    }
    // One by its name.
    assert_eq!(names(&shop.check(&[".", "wiki.service"])), ["wiki.service"]);
    // What is a directory is one, and looked at once.
    assert_eq!(names(&shop.check(&[".", "wiki", "./."])).len(), 3);
    let none = shop.run(&["check", ".", "nosuch"]);
    assert_eq!(none.code, Some(3), "{}", none.stdout);
}

#[test]
fn templates_of_ansible_envsubst_and_cookiecutter_are_read_and_not_guessed() {
    let role = Repository::empty();
    let put = |from: &str, to: &str, name: &str| {
        let text = fs::read_to_string(example().join(from)).unwrap();
        let text = text.replace("shop", name).replace("workers = 3", "workers = 2");
        role.write(to, &text);
    };
    put("deploy/shop.service", "ansible/roles/web/templates/app.service.j2", "{{ app_name }}");
    put("deploy/shop.nginx.conf", "ansible/roles/web/templates/site.conf.j2", "{{ app_name }}");
    put("deploy/gunicorn.conf.py", "ansible/roles/web/files/gunicorn.conf.py", "shop");
    role.write("ansible/roles/web/templates/env.j2", "SECRET_KEY={{ secret_key }}\n");
    role.write("ansible/roles/web/tasks/main.yml", "- template: src=app.service.j2\n");
    let report = role.check(&["."]);
    assert_eq!(
        (names(&report), found(&report)),
        (vec!["app.service".into()], vec![]),
        "{report:#}"
    );
    let roles = "ansible/roles/web";
    let files: Vec<String> = role.taken().into_iter().map(|(file, _)| file).collect();
    for file in ["templates/env.j2", "templates/app.service.j2", "templates/site.conf.j2"] {
        assert!(files.contains(&format!("{roles}/{file}")), "{files:?}");
    }
    for (open, close, directory) in
        [("${", "}", "deploy"), ("{{ cookiecutter.", " }}", "{{cookiecutter.slug}}/ops")]
    {
        let other = Repository::empty();
        for (from, to) in
            [("shop.service", "app.service.template"), ("shop.nginx.conf", "app.conf")]
        {
            let text = fs::read_to_string(example().join("deploy").join(from)).unwrap();
            let text = text.replace("shop", &format!("{open}NAME{close}"));
            other.write(&format!("{directory}/{to}"), &text);
        }
        let report = other.check(&["."]);
        assert_eq!(names(&report), ["app.service"], "{report:#}");
        assert_eq!(found(&report), [], "{report:#}");
        assert_eq!(report["problems"].as_array().unwrap().len(), 0, "{report:#}");
    }
    // A fault beside the placeholders is one all the same.
    role.edit("ansible/roles/web/templates/app.service.j2", "ExecReload", "ExecRelaod");
    let codes: Vec<String> =
        found(&role.check(&["."])).into_iter().map(|(code, ..)| code).collect();
    assert!(codes.contains(&"U101".to_owned()), "{codes:?}");
}

#[test]
fn what_gitignore_names_and_what_links_lead_to_is_not_read() {
    let shop = Repository::shop();
    let broken = "[Service]\nExecStart=/usr/bin/gunicorn app:app\n";
    shop.write("old/other.service", broken).write(".gitignore", "old/\nx.*\n");
    shop.write("deploy/x.service", broken);
    let outside = Repository::empty();
    outside
        .write("out.service", broken)
        .write("secret.conf", "server { server_name ; } # SECRET\n");
    symlink(outside.at("out.service"), shop.at("deploy/out.service")).unwrap();
    symlink(outside.at(""), shop.at("linked")).unwrap();
    shop.edit("deploy/shop.nginx.conf", "server {", "include secret.conf;\nserver {");
    symlink(outside.at("secret.conf"), shop.at("deploy/secret.conf")).unwrap();
    let ran = shop.run(&["check", ".", "--format", "json"]);
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(names(&report), ["shop.service"]);
    assert!(!ran.stdout.contains("SECRET"), "{}", ran.stdout);
    // A file in its place is read.
    shop.remove("deploy/secret.conf")
        .write("deploy/secret.conf", "server { server_name ; } # SECRET\n");
    assert_eq!(found(&shop.check(&["."]))[0].2, "deploy/secret.conf");
    shop.edit("deploy/shop.nginx.conf", "include secret.conf;\n", "").remove("deploy/secret.conf");
    // Without the rule it is found.
    shop.remove("deploy/out.service").write(".gitignore", "");
    assert_eq!(names(&shop.check(&["."])), ["shop.service", "x.service", "other.service"]);
}

#[test]
fn of_two_nginx_files_for_one_place_none_is_guessed() {
    let shop = Repository::shop();
    let site = fs::read_to_string(shop.at("deploy/shop.nginx.conf")).unwrap();
    // The other one leads elsewhere: the unit's is the one that leads to its socket.
    shop.write("deploy/staging.conf", &site.replace("/run/shop/", "/run/staging/"));
    let told = shop.check(&["."]);
    assert_eq!(found(&told), [], "{told:#}");
    assert!(told["apps"][0]["path"].to_string().contains("shop.example.com"));
    assert!(shop.left("deploy/staging.conf").contains("which leads to the unit"));
    // Both lead to it: which of them is installed is not known, and what hangs on it is not.
    shop.write("deploy/staging.conf", &site.replace("listen 80", "listen 80 backlog=9"));
    let open = shop.check(&["."]);
    let why = &reasons(&open, "N301")[0];
    assert!(why.contains("it is not known which of them is installed"), "{why}");
    assert!(why.contains("the server shop.example.com on 0.0.0.0:80"), "{why}");
    assert_eq!(found(&open), [], "{open:#}");
    // Each is judged by itself.
    let header = "proxy_set_header Host $host;";
    shop.edit("deploy/staging.conf", header, "");
    let judged: Vec<_> =
        found(&shop.check(&["."])).into_iter().map(|(code, _, file)| (code, file)).collect();
    assert_eq!(judged, [("N303".to_owned(), "deploy/staging.conf".to_owned())]);
}

#[test]
fn the_configuration_that_gunicorn_finds_by_itself_tells_its_socket() {
    let shop = Repository::shop();
    shop.rename("deploy/gunicorn.conf.py", "gunicorn.conf.py");
    let named = "--config /srv/shop/current/deploy/gunicorn.conf.py ";
    shop.edit("deploy/shop.service", named, "");
    // Of two sites, the one that leads to its socket is the unit's.
    let site = fs::read_to_string(shop.at("deploy/shop.nginx.conf")).unwrap();
    shop.write("deploy/other.conf", &site.replace("/run/shop/", "/run/other/"));
    let report = shop.check(&["."]);
    assert_eq!(found(&report), [], "{report:#}");
    assert!(report["apps"][0]["path"].to_string().contains("shop.example.com"), "{report:#}");
    assert!(shop.left("deploy/other.conf").contains("which leads to the unit"));
}

#[test]
fn of_two_directories_with_the_application_none_is_guessed() {
    let shop = Repository::shop();
    for name in ["shop/__init__.py", "shop/wsgi.py"] {
        shop.rename(name, &format!("one/{name}"));
        let text = fs::read_to_string(shop.at(&format!("one/{name}"))).unwrap();
        shop.write(&format!("two/{name}"), &text);
    }
    let open = shop.check(&["."]);
    let said = "shop.wsgi, which gunicorn loads, is in";
    let why = reasons(&open, "R717").concat() + &reasons(&open, "R703").concat();
    assert!(why.contains(said) && why.contains("one") && why.contains("two"), "{why}");
    // The directory's name on the host tells them apart.
    shop.edit("deploy/shop.service", "--chdir /srv/shop/current", "--chdir /srv/shop/current/two");
    assert!(
        shop.taken().contains(&("two".to_owned(), "application".to_owned())),
        "{:?}",
        shop.taken()
    );
}

#[test]
fn of_two_environment_files_the_one_with_the_units_name_counts() {
    let shop = Repository::shop();
    shop.write("deploy/other.env", "A=1\n").write("frontend/web.env", "B=1\n");
    let files = shop.taken();
    let environment: Vec<&str> = files
        .iter()
        .filter(|(_, what)| what == "environment file")
        .map(|(file, _)| file.as_str())
        .collect();
    assert_eq!(environment, ["deploy/shop.env.example"]);
    assert_eq!(shop.left("frontend/web.env"), "no unit here names it");
    // Two that fit alike are none.
    shop.rename("deploy/shop.env.example", "a/shop.env.example");
    shop.write("b/shop.env.example", "SECRET_KEY=\n");
    assert!(shop.left("b/shop.env.example").contains("match equally well"));
    assert!(!shop.taken().iter().any(|(_, what)| what == "environment file"));
}

#[test]
fn an_example_that_leaves_a_value_open_sets_none() {
    let shop = Repository::shop();
    let codes = |value: &str, name: &str| -> Vec<String> {
        shop.write(name, &format!("SECRET_KEY={value}\n"));
        let codes = found(&shop.check(&["."])).into_iter().map(|(code, ..)| code).collect();
        shop.remove(name);
        codes
    };
    shop.remove("deploy/shop.env.example");
    for value in ["", "<your key>", "${SECRET_KEY}", "{{ key }}"] {
        assert_eq!(codes(value, "deploy/shop.env.example"), Vec::<String>::new(), "{value}");
    }
    // Of the file itself, an empty value is one.
    assert_eq!(codes("", "deploy/shop.env"), ["E410"]);
}

#[test]
fn units_that_run_something_else_are_left_out() {
    let shop = Repository::shop();
    shop.write("deploy/worker.service", "[Service]\nExecStart=/usr/bin/celery -A shop worker\n");
    shop.write("deploy/job.service", "[Service]\nExecStart=/srv/shop/bin/serve.sh\n");
    shop.write("deploy/empty.service", "# nothing yet\n");
    assert_eq!(names(&shop.check(&["."])), ["shop.service"]);
    assert!(shop.left("deploy/worker.service").contains("does not run gunicorn"));
    assert!(shop.left("deploy/job.service").contains("it is not known whether it runs gunicorn"));
    assert!(shop.left("deploy/empty.service").contains("no [Service]"));
    // The script is here, and runs it.
    shop.write("bin/serve.sh", "#!/bin/sh\nexec gunicorn shop.wsgi:app\n");
    assert_eq!(names(&shop.check(&["."])), ["job.service", "shop.service"]);
    // Files that only look like one.
    shop.write("README.md", "[Service]\nExecStart=gunicorn x:y\n");
    shop.write("install.sh", "cat <<X\n[Service]\nExecStart=gunicorn x:y\nX\n");
    shop.write("notes", "Write this:\n[Service]\nExecStart=gunicorn x:y\n");
    shop.write("tests/fixtures/x.service", "[Service]\nExecStart=gunicorn x:y\n");
    assert_eq!(names(&shop.check(&["."])), ["job.service", "shop.service"]);
    assert_eq!(shop.left("tests/fixtures/x.service"), "it is under tests/");
    // By content, whatever the name.
    shop.write("etc/unit.txt.j2", "x")
        .write("etc/blog", "[Unit]\n[Service]\nExecStart=gunicorn x:y\n");
    assert_eq!(names(&shop.check(&["."]))[2], "blog.service");
}

#[test]
fn a_directory_without_a_deployment_is_no_pass() {
    let other = Repository::empty();
    other.write("README.md", "x").write("src/main.py", "print()\n");
    let ran = other.run(&["check", "."]);
    assert_eq!(ran.code, Some(3), "{}", ran.stdout);
    for word in ["no deployment was found in 2 files", "ExecStart=", "nginx", "--unit"] {
        assert!(ran.stdout.contains(word), "{word}: {}", ran.stdout);
    }
    assert_eq!(other.check(&["."])["problems"].as_array().unwrap().len(), 1);
    assert_eq!(other.run(&["facts", "."]).code, Some(3));
    let fix = other.run(&["fix", "."]);
    assert!(
        fix.code == Some(3) && fix.stderr.contains("no deployment was found"),
        "{}",
        fix.stderr
    );
    // nginx's alone is judged, with a note.
    other.write(
        "site.conf",
        "server {\n listen 80;\n location / { proxy_pass http://app:8000; }\n}\n",
    );
    let alone = other.check(&["."]);
    assert_eq!(found(&alone)[0].0, "N303", "{alone:#}");
    assert!(alone["problems"].to_string().contains("no unit that runs gunicorn"), "{alone:#}");
    assert_eq!(other.run(&["check", "."]).code, Some(0));
    // Where a template leads is not known; that it leads somewhere is.
    let template = "server {\n listen 80;\n location / { proxy_pass http://{{ name }}_app; }\n}\n";
    other.write("site.conf", template);
    assert_eq!(other.run(&["check", "."]).code, Some(0));
    // Of one that is not read to its end, that is said.
    other.write("site.conf", &template.replace("listen", "{% if x %}\n listen"));
    let cut = other.run(&["check", "."]);
    assert!(cut.code == Some(3) && cut.stdout.contains("template syntax"), "{}", cut.stdout);
    // One that passes nothing on is no application's.
    other.write("site.conf", "server {\n listen 80;\n root /srv/www;\n}\n");
    assert_eq!(other.run(&["check", "."]).code, Some(3));
}

#[test]
fn an_argument_that_is_no_directory_is_said() {
    let shop = Repository::shop();
    let unit = shop.run(&["check", "deploy/shop.service"]);
    assert!(unit.code == Some(2) && unit.stderr.contains("--unit"), "{}", unit.stderr);
    let none = shop.run(&["check", "./nosuch"]);
    assert!(none.code == Some(3) && none.stderr.contains("no such directory"), "{}", none.stderr);
    let both = shop.run(&["check", ".", "--unit", "deploy/shop.service"]);
    assert!(both.code == Some(2) && both.stderr.contains("--unit"), "{}", both.stderr);
    for options in [&["--preflight"][..], &["--probe", "http://localhost/"]] {
        assert_eq!(shop.run(&[&["check", "."], options].concat()).code, Some(2), "{options:?}");
    }
    // Written in any way, the files are named from here.
    for word in ["./deploy/..", "deploy/../.", shop.at("").to_str().unwrap()] {
        assert_eq!(names(&shop.check(&[word])), ["shop.service"], "{word}");
    }
    shop.edit("deploy/shop.service", "ExecReload", "ExecRelaod");
    assert_eq!(found(&shop.check(&["./"]))[0].2, "deploy/shop.service");
}

#[test]
fn what_is_too_deep_or_too_large_is_never_silently_green() {
    let shop = Repository::shop();
    shop.write(&format!("{}x.txt", "d/".repeat(20)), "x");
    let ran = shop.run(&["check", "."]);
    assert_eq!(ran.code, Some(3), "{}", ran.stdout);
    assert!(ran.stdout.contains("not all of it was checked"), "{}", ran.stdout);
    assert_eq!(shop.run(&["check", ".", "--allow-incomplete"]).code, Some(0));
    // Installed packages are somebody else's.
    fs::remove_dir_all(shop.at("d")).unwrap();
    shop.write(&format!("node_modules/{}x.service", "d/".repeat(20)), "x");
    shop.write("env/pyvenv.cfg", "home = /usr/bin\n").write("env/x.service", "[Service]\n");
    assert_eq!(shop.run(&["check", "."]).code, Some(0));
}

#[test]
fn fix_repairs_one_deployment_in_place() {
    let shop = Repository::shop();
    shop.edit("deploy/shop.service", "ExecReload=/bin/kill -s HUP $MAINPID\n", "");
    let shown = shop.run(&["check", "."]).stdout;
    assert!(shown.contains("deploy-doctor fix shop.service . --select U101"), "{shown}");
    assert_eq!(shop.run(&["fix", "shop.service", ".", "--select", "U101"]).code, Some(1));
    let done = shop.run(&["fix", ".", "--select", "U101", "--apply"]);
    assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
    let unit = fs::read_to_string(shop.at("deploy/shop.service")).unwrap();
    assert!(unit.contains("ExecReload=/bin/kill"), "{unit}");
    assert_eq!(found(&shop.check(&["."])), []);
    // Of several, one is named.
    let two = shop.example("second/", "shop");
    let refused = two.run(&["fix", "."]);
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains("fix second/deploy/shop.service ."), "{}", refused.stderr);
    assert_eq!(two.run(&["fix", "second"]).code, Some(0));
}

/// The history is the machine's: what was changed last may lie elsewhere.
#[test]
fn what_was_changed_elsewhere_is_not_taken_back_from_here() {
    let shop = Repository::empty().example("one/", "shop").example("two/", "shop");
    let reload = "ExecReload=/bin/kill -s HUP $MAINPID\n";
    let read =
        |top: &str| fs::read_to_string(shop.at(&format!("{top}/deploy/shop.service"))).unwrap();
    for top in ["one", "two"] {
        shop.edit(&format!("{top}/deploy/shop.service"), reload, "");
        let done = shop.run(&["fix", top, "--select", "U101", "--apply"]);
        assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
    }
    let refused = shop.run(&["fix", "one", "--undo"]);
    assert_eq!(refused.code, Some(2), "{}", refused.stdout);
    assert!(refused.stderr.contains("two/deploy/shop.service"), "{}", refused.stderr);
    assert!(read("one").contains("ExecReload=") && read("two").contains("ExecReload="));
    assert_eq!(shop.run(&["fix", "two", "--undo"]).code, Some(0));
    assert!(read("one").contains("ExecReload=") && !read("two").contains("ExecReload="));
}

/// Nobody installs it, so it casts no doubt on the site beside it.
#[test]
fn a_backup_beside_a_site_is_left_out() {
    for name in ["shop.nginx.conf.bak", "shop.nginx.conf~", "shop.nginx.conf.old"] {
        let shop = Repository::shop();
        let header = "        proxy_set_header X-Forwarded-Proto $scheme;\n";
        shop.edit("deploy/shop.nginx.conf", header, "");
        let before = found(&shop.check(&["."]));
        assert!(before.iter().any(|(code, ..)| code == "N303"), "{before:?}");
        let text = fs::read_to_string(shop.at("deploy/shop.nginx.conf")).unwrap();
        shop.write(&format!("deploy/{name}"), &text);
        assert_eq!(found(&shop.check(&["."])), before, "{name}");
        assert_eq!(shop.left(&format!("deploy/{name}")), "it is a backup by its name");
    }
}

#[test]
fn what_is_known_of_a_repository_is_known_in_every_clone() {
    let broken = || {
        let shop = Repository::shop();
        shop.edit("deploy/shop.service", "ExecReload=", "#ExecReload=");
        shop
    };
    let (one, other) = (broken(), broken());
    let wrote = one.run(&["baseline", "write", ".", "--baseline", "known.json"]);
    assert_eq!(wrote.code, Some(0), "{}", wrote.stderr);
    let known = fs::read_to_string(one.at("known.json")).unwrap();
    assert!(known.contains("\"file\": \"deploy/shop.service\""), "{known}");
    other.write("known.json", &known);
    // Lines have moved, and the clone is named in other words.
    other.edit("deploy/shop.service", "[Service]", "# moved\n\n[Service]");
    let full = other.directory.path().to_str().unwrap().to_owned();
    for name in [".", full.as_str(), "deploy/..", "./deploy/../"] {
        let ran = other.run(&["check", name, "--baseline", "known.json", "--select", "U101"]);
        assert_eq!(ran.code, Some(0), "{name}: {}{}", ran.stdout, ran.stderr);
        assert!(ran.stdout.contains("1 known"), "{name}: {}", ran.stdout);
        let ran = other.run(&["baseline", "prune", name, "--baseline", "known.json"]);
        assert!(ran.stdout.contains("1 known finding"), "{name}: {}{}", ran.stdout, ran.stderr);
    }
    // A clone's part is named from the clone's top.
    fs::create_dir(other.at(".git")).unwrap();
    let ran = other.run(&["check", "deploy", "--baseline", "known.json", "--select", "U101"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
}

#[test]
fn what_git_holds_is_looked_at_whatever_gitignore_says() {
    let shop = Repository::shop();
    let git = |arguments: &[&str]| {
        let done = Command::new("git")
            .args(["-c", "user.name=nobody", "-c", "user.email=nobody@example.com"])
            .args(arguments)
            .current_dir(shop.directory.path())
            .output();
        done.is_ok_and(|done| done.status.success())
    };
    shop.edit("deploy/shop.service", "ExecReload=", "#ExecReload=");
    shop.write(".gitignore", "*.service\nbuild/\n");
    shop.write("build/other.service", "[Service]\nExecStart=/bin/gunicorn app:app\n");
    // Nobody's work: the rules count, and what they leave out is told.
    let ran = shop.run(&["check", "."]);
    assert_eq!(ran.code, Some(3), "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("--unit checks it"), "{}", ran.stdout);
    assert!(shop.left("deploy/shop.service").contains(".gitignore"));
    if !git(&["init", "-q"]) {
        eprintln!("SKIPPED: there is no git here; it would have shown what its index changes");
        return;
    }
    assert!(git(&["add", "-f", "deploy/shop.service"]));
    let report = shop.check(&["."]);
    assert!(found(&report).iter().any(|(code, ..)| code == "U101"), "{report:#}");
    assert!(shop.left("build/other.service").contains(".gitignore"));
    // From a directory below the top, too.
    let report = shop.check(&["deploy"]);
    assert!(found(&report).iter().any(|(code, ..)| code == "U101"), "{report:#}");
}

#[test]
fn a_large_file_is_read_or_named() {
    let shop = Repository::shop();
    let padding = format!("# {}\n", "x".repeat(97)).repeat(4000);
    let nginx = fs::read_to_string(shop.at("deploy/shop.nginx.conf")).unwrap();
    shop.write("deploy/shop.nginx.conf", &(nginx + &padding));
    shop.write("deploy/large.txt", &padding).write("deploy/large", &padding);
    assert!(
        shop.taken()
            .iter()
            .any(|(file, what)| { file == "deploy/shop.nginx.conf" && what == "nginx" })
    );
    assert!(shop.left("deploy/large").contains("KiB"));
    let unit = fs::read_to_string(shop.at("deploy/shop.service")).unwrap();
    shop.write("deploy/shop.service", &(unit + &padding.repeat(22)));
    let ran = shop.run(&["check", "."]);
    assert_eq!(ran.code, Some(3), "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("deploy/shop.service"), "{}", ran.stdout);
}

#[test]
fn a_unit_that_is_broken_is_not_left_out() {
    let shop = Repository::shop();
    let unit = fs::read_to_string(shop.at("deploy/shop.service")).unwrap();
    shop.write("deploy/shop.service", &format!("{unit}\0\0\0"));
    let report = shop.check(&["."]);
    assert!(found(&report).iter().any(|(code, ..)| code == "U128"), "{report:#}");
    let wide: Vec<u8> = unit.encode_utf16().flat_map(u16::to_le_bytes).collect();
    fs::write(shop.at("deploy/shop.service"), wide).unwrap();
    let ran = shop.run(&["check", "."]);
    assert_eq!(ran.code, Some(3), "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("is not text"), "{}", ran.stdout);
    // A link is named.
    shop.write("deploy/shop.service", &unit);
    std::os::unix::fs::symlink("/etc/nowhere.service", shop.at("deploy/link.service")).unwrap();
    assert!(shop.left("deploy/link.service").contains("link"));
}

#[test]
fn what_a_template_may_leave_out_is_not_known() {
    let shop = Repository::shop();
    let status = |report: &Value, item: &str| {
        let list = report["apps"][0]["checklist"].as_array().unwrap();
        text(&list.iter().find(|one| one["item"] == item).unwrap()["status"])
    };
    assert_eq!(status(&shop.check(&["."]), "exec-reload"), "pass");
    let unit = fs::read_to_string(shop.at("deploy/shop.service")).unwrap();
    let reload = unit.lines().find(|line| line.starts_with("ExecReload=")).unwrap();
    let block =
        format!("{{% if reload %}}\n{reload}\n{{% else %}}\nExecReload=/bin/true\n{{% endif %}}");
    shop.write("deploy/shop.service", &unit.replace(reload, &block));
    let report = shop.check(&["."]);
    assert_eq!(status(&report, "exec-reload"), "unknown", "{report:#}");
    assert!(found(&report).is_empty(), "{report:#}");
}

#[test]
fn where_no_way_is_known_nothing_is_said_of_it() {
    let status = |shop: &Repository| -> Vec<String> {
        let report = shop.check(&["."]);
        assert!(!found(&report).iter().any(|(code, ..)| code == "N301"), "{report:#}");
        let list = report["apps"][0]["checklist"].as_array().unwrap();
        ["upstream-stable", "static-assets", "no-502"]
            .iter()
            .map(|item| text(&list.iter().find(|one| one["item"] == *item).unwrap()["status"]))
            .collect()
    };
    let shop = Repository::shop();
    assert_eq!(status(&shop), ["pass", "pass", "pass"]);
    let socket = "unix:/run/shop/gunicorn.sock";
    for other in ["http://$backend", "http://127.0.0.1:3000"] {
        let shop = Repository::shop();
        for file in ["deploy/gunicorn.conf.py", "deploy/shop.nginx.conf"] {
            let text = fs::read_to_string(shop.at(file)).unwrap();
            let text = match file.ends_with("py") {
                true => text.replace(socket, "127.0.0.1:8000"),
                false => text
                    .replace(&format!("http://{socket}"), other)
                    .replace("proxy_pass http://shop", &format!("proxy_pass {other}")),
            };
            shop.write(file, &text);
        }
        assert_eq!(status(&shop), ["unknown"; 3], "{other}");
    }
}

/// A service that came after the settings file was written is not passed in silence.
#[test]
fn a_unit_that_the_settings_do_not_list_is_named() {
    let shop = Repository::shop();
    let settings = "[[app]]\nname = \"shop\"\nunit = [\"deploy/shop.service\"]\n";
    shop.write("deploy-doctor.toml", settings);
    let noted = |shop: &Repository| -> Vec<String> {
        let report = shop.check(&["."]);
        let problems = report["problems"].as_array().unwrap();
        problems
            .iter()
            .map(|one| format!("{} {}", text(&one["file"]), text(&one["message"])))
            .collect()
    };
    assert_eq!(noted(&shop), Vec::<String>::new());
    let unit = fs::read_to_string(shop.at("deploy/shop.service")).unwrap();
    shop.write("deploy/admin.service", &unit.replace("shop", "admin"));
    assert_eq!(
        noted(&shop),
        ["deploy/admin.service it was not checked: deploy-doctor.toml lists applications, but \
             no [[app]] has this unit"]
    );
    assert!(shop.run(&["check", "."]).stdout.contains("deploy/admin.service: note: it was not"));
    assert!(!shop.run(&["check", ".", "shop.service"]).stdout.contains("admin.service: note"));
}

#[test]
fn what_is_accepted_is_not_passed() {
    let shop = Repository::shop();
    shop.edit("deploy/shop.service", "ExecReload=", "#ExecReload=");
    shop.edit(
        "deploy/shop.service",
        "[Service]",
        "# deploy-doctor: ignore[U101] on purpose\n[Service]",
    );
    let ran = shop.run(&["check", "."]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("accepted, not fixed: U101"), "{}", ran.stdout);
    assert!(
        ran.stdout.contains("nothing wrong was seen except accepted findings"),
        "{}",
        ran.stdout
    );
    let report = shop.check(&["."]);
    assert_eq!(report["apps"][0]["checklist"][0]["status"], "unknown");
    assert_eq!(report["apps"][0]["verdict"], "unknown");
}

#[test]
fn three_applications_at_one_address_keep_their_own_sites() {
    let repository = Repository::empty();
    for name in ["alpha", "beta", "gamma"] {
        let unit = "[Service]\nUser=www-data\nWorkingDirectory=/srv/app\n\
                    ExecStart=/srv/app/venv/bin/gunicorn --workers 3 --bind 127.0.0.1:8000 wsgi:app\n";
        repository.write(&format!("apps/{name}/deploy/app.service"), unit);
        let site = format!(
            "server {{ listen 80; server_name {name}.example.com; \
             location / {{ proxy_pass http://127.0.0.1:8000; proxy_set_header Host $host; }} }}\n"
        );
        repository.write(&format!("apps/{name}/deploy/nginx.conf"), &site);
    }
    let survey = repository.survey();
    for taken in survey["taken"].as_array().unwrap().iter().filter(|one| one["as"] == "nginx") {
        let (file, unit) = (text(&taken["file"]), text(&taken["of"]));
        assert_eq!(Path::new(&file).parent(), Path::new(&unit).parent(), "{survey:#}");
    }
}

/// The example with a replacement in one of its files.
fn shop_with(file: &str, from: &str, to: &str) -> Repository {
    let shop = Repository::shop();
    let text = fs::read_to_string(shop.at(file)).unwrap();
    assert!(text.contains(from), "{file} has no {from}");
    shop.write(file, &text.replace(from, to));
    shop
}

fn codes(report: &Value) -> Vec<String> {
    found(report).into_iter().map(|(code, ..)| code).collect()
}

/// A file of secrets that only the host has takes no verdict on gunicorn's settings away.
#[test]
fn without_the_hosts_environment_file_the_settings_are_judged() {
    let shop = shop_with("deploy/gunicorn.conf.py", "workers", "preload_app = True\nworkers");
    fs::remove_file(shop.at("deploy/shop.env.example")).unwrap();
    let report = shop.check(&["."]);
    assert!(codes(&report).contains(&"G203".to_owned()), "{report:#}");
    let note = &report["problems"][0];
    assert_eq!(text(&note["file"]), "/etc/shop.env");
    assert!(text(&note["message"]).contains("GUNICORN_CMD_ARGS"), "{report:#}");
    // What it may set is not made up.
    shop.write("shop/wsgi.py", "import os\nSECRET = os.environ['A']\nfrom shop import app\n");
    assert!(!codes(&shop.check(&["."])).contains(&"E402".to_owned()));
}

/// What `[[app]]` does not name is found as without the settings file.
#[test]
fn the_settings_leave_unsaid_what_is_found() {
    let shop = shop_with("deploy/gunicorn.conf.py", "workers", "preload_app = True\nworkers");
    let settings = "[[app]]\nname = \"shop\"\nunit = [\"deploy/shop.service\"]\n\
                    nginx = [\"deploy/shop.nginx.conf\"]\n\
                    expected-upstream = \"unix:/run/other.sock\"\n\
                    required-variables = [\"NEVER_SET\"]\n";
    let without = codes(&shop.check(&["."]));
    shop.write("deploy-doctor.toml", settings);
    let with = codes(&shop.check(&["."]));
    assert!(without.iter().all(|code| with.contains(code)), "{without:?} {with:?}");
    for code in ["G203", "N301", "E410"] {
        assert!(with.iter().any(|found| found == code), "{code}: {with:?}");
    }
    let said = shop.run(&["check", ".", "-v"]).stdout;
    assert!(said.contains("read deploy/gunicorn.conf.py as gunicorn's configuration"), "{said}");
}

/// A name that no file here has and one of them nearly has is a slip of the hand.
#[test]
fn slips_in_the_names_of_files_are_found() {
    for (from, to, code) in [
        ("shop.wsgi", "shpo.wsgi", "G210"),
        ("shop.wsgi", "shop.wgsi", "G210"),
        ("deploy/gunicorn.conf.py", "deploy/gunicron.conf.py", "G212"),
    ] {
        let shop = shop_with("deploy/shop.service", from, to);
        let found = codes(&shop.check(&["."]));
        assert_eq!(found, [code], "{to}");
    }
    // Another name altogether may be installed.
    let shop = shop_with("deploy/shop.service", "shop.wsgi", "warehouse.entry");
    assert_eq!(codes(&shop.check(&["."])), Vec::<String>::new());
}

/// Nothing leads to the application, and its site to a port that nobody here has.
#[test]
fn a_pass_to_a_port_that_no_unit_has_is_found() {
    let socket = "unix:/run/shop/gunicorn.sock";
    let three = |port: &str| {
        let mut all = Repository::empty();
        for (name, bind) in [("api", "8001"), ("web", "8002"), ("admin", "8003")] {
            all = all.example(&format!("{name}/"), name);
            let to = if name == "admin" { port } else { bind };
            for (file, port) in [
                (format!("{name}/deploy/gunicorn.conf.py"), bind),
                (format!("{name}/deploy/{name}.nginx.conf"), to),
            ] {
                let text = fs::read_to_string(all.at(&file)).unwrap();
                let socket = socket.replace("shop", name);
                assert!(text.contains(&socket), "{file}");
                all.write(&file, &text.replace(&socket, &format!("127.0.0.1:{port}")));
            }
        }
        all
    };
    assert_eq!(codes(&three("8003").check(&["."])), Vec::<String>::new());
    assert_eq!(codes(&three("9009").check(&["."])), ["N301"]);
    // A JavaScript server may stand before it.
    assert_eq!(codes(&three("3000").check(&["."])), Vec::<String>::new());
}

/// What the list of packages does not bring is not there on the host either.
#[test]
fn imports_and_worker_classes_are_held_against_the_list_of_packages() {
    let found = |requirements: &str, code: &str, class: &str| -> Vec<(String, String)> {
        let shop = Repository::shop();
        shop.write("requirements.txt", requirements);
        shop.write(
            "shop/wsgi.py",
            &format!("{code}\nfrom flask import Flask\napp = Flask(__name__)\n"),
        );
        let conf = fs::read_to_string(shop.at("deploy/gunicorn.conf.py")).unwrap();
        shop.write("deploy/gunicorn.conf.py", &format!("{conf}worker_class = '{class}'\n"));
        let report = shop.check(&["."]);
        let all = report["findings"].as_array().unwrap().iter();
        let of = |code: &str| matches!(code, "R717" | "G208");
        let pairs = all.map(|one| (text(&one["code"]), text(&one["severity"])));
        pairs.filter(|(code, _)| of(code)).collect()
    };
    let warned = |code: &str| vec![(code.to_owned(), "warning".to_owned())];
    let plain = "flask==3.1.3\ngunicorn==23.0.0\n";
    assert_eq!(found(plain, "", "sync"), []);
    assert_eq!(found(plain, "import redis", "sync"), warned("R717"));
    assert_eq!(found(plain, "", "gevent"), warned("G208"));
    // What brings it, also by way of another, or of an extra.
    for (more, code) in [
        ("redis==5.0.0", "import redis"),
        ("rq", "import redis"),
        ("celery[redis]", "import redis, kombu"),
        ("psycopg2-binary", "import psycopg2"),
        ("flask-migrate", "import sqlalchemy"),
    ] {
        assert_eq!(found(&format!("{plain}{more}\n"), code, "sync"), [], "{more}");
    }
    assert_eq!(found("flask\ngunicorn[gevent]\n", "", "gevent"), []);
    // Nobody here knows what these bring, or that this is all.
    for open in ["our-own-package", "git+https://example.com/a.git", "celery[sqs]"] {
        assert_eq!(found(&format!("{plain}{open}\n"), "import redis", "gevent"), [], "{open}");
    }
    assert_eq!(found("flask==3.1.3\n", "import redis", "sync"), []);
    // What may fail without harm.
    let caught = "try:\n    import redis\nexcept ImportError:\n    redis = None";
    assert_eq!(found(plain, caught, "sync"), []);
    let lock = "version = 1\nrequires-python = '>=3.11'\n\n[[package]]\nname = 'shop'\nversion = '0'\nsource = { \
                virtual = '.' }\ndependencies = [{ name = 'gunicorn' }, { name = 'flask' }]\n\n[[package]]\nname = \
                'gunicorn'\nversion = '23.0.0'\nsource = { registry = 'https://example.org/simple' }\n\n[[package]]\nname = \
                'flask'\nversion = '3.1.3'\nsource = { registry = 'https://example.org/simple' }\n";
    let shop = Repository::shop();
    fs::remove_file(shop.at("requirements.txt")).unwrap();
    shop.write("uv.lock", lock).write("shop/wsgi.py", "import redis\nfrom shop import app\n");
    assert!(codes(&shop.check(&["."])).contains(&"R717".to_owned()));
    let report = shop.check(&["."]);
    let one = report["findings"].as_array().unwrap().iter().find(|one| one["code"] == "R717");
    assert_eq!(text(&one.unwrap()["severity"]), "error", "{report:#}");
}
