//! Requirements in every format, and held against an environment.

use std::path::Path;
use std::time::{Duration, Instant};

use deploy_doctor::host::MemoryHost;
use deploy_doctor::source::Sources;
use deploy_doctor::source::requirements::{self, Comparison, Requirements, What};
use deploy_doctor::source::venv;

fn host(files: &[(&str, &[u8])]) -> MemoryHost {
    let mut host = MemoryHost::new();
    for (path, bytes) in files {
        host.file(format!("/app/{path}"), *bytes);
    }
    host
}

fn read(name: &str, text: &str) -> Requirements {
    let host = host(&[(name, text.as_bytes())]);
    requirements::read(&Sources::new(&host), &Path::new("/app").join(name)).unwrap()
}

fn names(requirements: &Requirements) -> Vec<&str> {
    requirements.requirements.iter().map(|r| r.name.as_deref().unwrap_or("?")).collect()
}

#[test]
fn pips_lines_are_read() {
    let found = read(
        "requirements.txt",
        "# comment\n--index-url https://user:secret@example.com/simple\nFlask_SQLAlchemy==3.1.1  # x\n\
         gunicorn[gevent] >=20 ; python_version >= '3.8'\nrequests==2.0 \\\n  --hash=sha256:abc \\\n  --hash=sha256:def\n\
         -e git+https://tok@example.com/me/thing.git#egg=thing\n./lib/local\n\
         pkg @ https://u:p@example.com/${TOKEN}/pkg-1.0.zip\nhttps://example.com/whl/Some_Pkg-1.0-py3-none-any.whl\n\
         name#notcomment\n--frobnicate\n==3\n",
    );
    assert_eq!(
        names(&found),
        ["flask-sqlalchemy", "gunicorn", "requests", "thing", "?", "pkg", "some-pkg"]
    );
    assert_eq!(found.requirements[1].extras, ["gevent"]);
    assert!(matches!(found.requirements[2].what, What::Versioned(ref v) if v.len() == 1));
    assert_eq!(found.options[0].name, "--index-url");
    assert_eq!(found.faults.len(), 3, "{:?}", found.faults);
    let shown = format!("{found:?}");
    for secret in ["secret", "tok@", "u:p", "TOKEN"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}

/// Each of these ended the whole program in the parser of one line.
#[test]
fn a_malformed_line_is_a_fault_of_its_own() {
    for line in [
        "my-package- ==1",
        "my.package. ; python_version > '3'",
        "my_package_[extra]",
        "mypackage[extra-]",
        "mypackage[one, two. ]>=1",
        "mypackage; 'x' ~= os_name",
        "mypackage; os_name == 'é' and",
        "mypäckage==1",
    ] {
        let found = read("requirements.txt", &format!("flask==3.0\n{line}\nrequests>=2\n"));
        assert_eq!(names(&found), ["flask", "requests"], "{line}");
        assert_eq!(found.faults.len(), 1, "{line}: {:?}", found.faults);
        assert_eq!(found.faults[0].span.start, 11, "{line}");
    }
    // Its neighbours are what they were.
    let found = read(
        "requirements.txt",
        "my-package==1\nmy.package [one, two-three] ~= 2.0 ; python_version ~= '3.8'\n",
    );
    assert_eq!(names(&found), ["my-package", "my-package"]);
    assert_eq!(found.requirements[1].extras, ["one", "two-three"]);
    // A lock file's condition is unknown then, not the end.
    let lock = read(
        "pylock.toml",
        "[[packages]]\nname = \"a\"\nversion = \"1\"\nmarker = \"'x' ~= os_name\"\n",
    );
    assert!(lock.requirements[0].marker.unknown.is_some());
}

#[test]
fn spans_point_at_the_requirement() {
    let text = b"\xef\xbb\xbf\r\n  flask==1 # c\r\nrequests \\\r\n  >=2\r\n";
    let host = host(&[("requirements.txt", text)]);
    let sources = Sources::new(&host);
    let found = requirements::read(&sources, Path::new("/app/requirements.txt")).unwrap();
    assert_eq!(names(&found), ["flask", "requests"]);
    let file = sources.file(found.requirements[0].span.file);
    assert_eq!(file.slice(found.requirements[0].span), b"flask==1");
    assert_eq!(file.slice(found.requirements[1].span), b"requests \\\r\n  >=2");
}

#[test]
fn includes_are_followed_and_loops_end() {
    let host = host(&[
        (
            "requirements.txt",
            b"-r requirements/base.txt\n-c constraints.txt\n--requirement=gone.txt\nlast\n",
        ),
        ("requirements/base.txt", b"flask\n-r ../requirements.txt\n-r https://example.com/x.txt\n"),
        ("constraints.txt", b"werkzeug<3\n"),
    ]);
    let sources = Sources::new(&host);
    let found = requirements::read(&sources, Path::new("/app/requirements.txt")).unwrap();
    assert_eq!(names(&found), ["last", "flask"]);
    assert_eq!(found.requirements[1].via.len(), 1);
    assert_eq!(found.constraints.len(), 1);
    let messages: Vec<&str> = found.faults.iter().map(|f| f.message.as_str()).collect();
    assert_eq!(messages.len(), 3, "{messages:?}");
    assert!(messages.iter().any(|m| m.contains("includes this one")));
    assert!(messages.iter().any(|m| m.contains("gone.txt")));
}

#[test]
fn hostile_and_odd_files_are_read() {
    let utf16: Vec<u8> =
        "\u{feff}flask==1\r\ndjango\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let nested = format!("a ; {}os_name == 'posix'{}", "(".repeat(9000), ")".repeat(9000));
    let cases: [(&[u8], &[&str], usize); 7] = [
        (&utf16, &["flask", "django"], 0),
        (b"flask\rdjango\r", &["flask", "django"], 0),
        (b"fl\xffask\ndjango\n", &["django"], 1),
        (b"fl\0ask\ndjango\n", &["django"], 1),
        (b"# caf\xe9\ndjango\n", &["django"], 0),
        (nested.as_bytes(), &[], 1),
        (b"", &[], 0),
    ];
    for (bytes, wanted, faults) in cases {
        let host = host(&[("requirements.txt", bytes)]);
        let found =
            requirements::read(&Sources::new(&host), Path::new("/app/requirements.txt")).unwrap();
        assert_eq!(names(&found), wanted);
        assert_eq!(found.faults.len(), faults, "{:?}", found.faults);
    }
}

#[test]
fn half_a_character_at_the_end_lies_in_the_file() {
    for mark in [b"\xff\xfe", b"\xfe\xff"] {
        let mut bytes = mark.to_vec();
        bytes.extend_from_slice(b"\0\0\0\0x");
        let host = host(&[("requirements.txt", &bytes)]);
        let sources = Sources::new(&host);
        let read = requirements::read(&sources, Path::new("/app/requirements.txt")).unwrap();
        let ends: Vec<u32> = read.faults.iter().map(|fault| fault.span.end).collect();
        assert_eq!(ends, [7], "{:?}", read.faults);
    }
}

#[test]
fn ten_megabytes_take_linear_time() {
    let mut text = String::new();
    while text.len() < 10 << 20 {
        text.push_str("some-package-of-a-name==1.2.3 ; python_version >= '3.8'  # comment\n");
    }
    let start = Instant::now();
    let found = read("requirements.txt", &text);
    assert_eq!(found.requirements.len(), text.lines().count());
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
    let one = format!("a{}", "\\\n".repeat(1 << 20));
    assert_eq!(read("requirements.txt", &one).requirements.len(), 1);
}

const UV: &str = r#"version = 1
[[package]]
name = "app"
version = "0.1"
source = { virtual = "." }
dependencies = [
  { name = "flask", extra = ["async"] },
  { name = "winonly", marker = "sys_platform == 'win32'" },
]
[package.dev-dependencies]
dev = [{ name = "pytest" }]
[[package]]
name = "flask"
version = "3.0"
source = { registry = "https://example.com/simple" }
[package.optional-dependencies]
async = [{ name = "asgiref" }]
other = [{ name = "never" }]
[[package]]
name = "asgiref"
version = "3.7"
source = { registry = "https://example.com/simple" }
[[package]]
name = "winonly"
version = "1.0"
source = { git = "https://t:k@example.com/w.git" }
dependencies = [{ name = "winlib" }]
[[package]]
name = "winlib"
version = "1.0"
dependencies = [{ name = "winonly" }]
[[package]]
name = "pytest"
version = "8.0"
[[package]]
name = "never"
version = "8.0"
"#;

#[test]
fn locks_are_read() {
    let uv = read("uv.lock", UV);
    assert_eq!(names(&uv), ["flask", "asgiref", "winonly", "winlib"]);
    assert_eq!(uv.faults, []);
    let conditional: Vec<bool> = uv.requirements.iter().map(|r| !r.marker.tree.is_true()).collect();
    assert_eq!(conditional, [false, false, true, true]);
    assert!(!format!("{uv:?}").contains("t:k"));

    let poetry = read(
        "poetry.lock",
        "[[package]]\nname = \"Flask\"\nversion = \"3.0\"\noptional = false\ngroups = [\"main\"]\n\
         [[package]]\nname = \"pytest\"\nversion = \"8\"\noptional = false\ngroups = [\"dev\"]\n\
         [[package]]\nname = \"win\"\nversion = \"1\"\noptional = false\ngroups = [\"main\", \"dev\"]\n\
         markers = { main = \"sys_platform == 'win32'\" }\n\
         [[package]]\nname = \"extra\"\nversion = \"1\"\noptional = true\ngroups = [\"main\"]\n",
    );
    assert_eq!(names(&poetry), ["flask", "win"]);
    assert!(!poetry.requirements[1].marker.tree.is_true());

    let old = "[[package]]\nname = \"flask\"\nversion = \"2.0\"\noptional = false\n\
               [package.dependencies]\nWerkzeug = \">=2\"\ncolorama = {version = \"*\", markers = \"sys_platform == 'win32'\"}\n\
               [[package]]\nname = \"werkzeug\"\nversion = \"2.0\"\noptional = false\n\
               [[package]]\nname = \"colorama\"\nversion = \"2.0\"\noptional = false\n\
               [[package]]\nname = \"pytest\"\nversion = \"2.0\"\noptional = false\n";
    let alone = read("poetry.lock", old);
    assert!(alone.requirements.iter().all(|r| r.marker.unknown.is_some()));
    let project = "[tool.poetry.dependencies]\npython = \"^3.8\"\nflask = \"^2.0\"\n";
    let host = host(&[("poetry.lock", old.as_bytes()), ("pyproject.toml", project.as_bytes())]);
    let whole = requirements::read(&Sources::new(&host), Path::new("/app/poetry.lock")).unwrap();
    assert_eq!(names(&whole), ["flask", "werkzeug", "colorama"]);

    let pylock = read(
        "pylock.toml",
        "lock-version = \"1.0\"\n[[packages]]\nname = \"Flask\"\nversion = \"3.0\"\n\
         [[packages]]\nname = \"x\"\nversion = \"1\"\nmarker = \"'dev' in dependency_groups\"\n",
    );
    assert_eq!(names(&pylock), ["flask", "x"]);
    assert!(pylock.requirements[1].marker.unknown.is_some());

    let pipfile = read(
        "Pipfile.lock",
        "{\"_meta\": {\"flask\": 1}, \"default\": {\"flask\": {\"version\": \"==3.0\", \"markers\": \"os_name == 'nt'\"}, \
         \"any\": \"*\"}, \"develop\": {\"pytest\": {\"version\": \"==8\"}}}",
    );
    let mut found = names(&pipfile);
    found.sort_unstable();
    assert_eq!(found, ["any", "flask"]);

    let project = read(
        "pyproject.toml",
        "[project]\nname = \"app\"\ndependencies = [\"flask>=2\", \"a b c\"]\n\
         [project.optional-dependencies]\ndev = [\"pytest\"]\n",
    );
    assert_eq!((names(&project), project.faults.len()), (vec!["flask"], 1));
    let dynamic = read("pyproject.toml", "[project]\ndynamic = [\"dependencies\"]\n");
    assert_eq!(dynamic.faults.len(), 1);
    for name in ["uv.lock", "poetry.lock", "pylock.toml", "Pipfile.lock", "pyproject.toml"] {
        assert!(!read(name, "{[\0").faults.is_empty(), "{name}");
    }
}

fn environment() -> MemoryHost {
    let mut host = MemoryHost::new();
    host.file("/venv/pyvenv.cfg", "home = /usr/bin\nversion = 3.11.7\n");
    host.link("/venv/bin/python", "/usr/bin/python3").file("/usr/bin/python3", "");
    let site = "/venv/lib/python3.11/site-packages";
    let mut add = |name: &str, metadata: &str| {
        host.file(format!("{site}/{name}.dist-info/METADATA"), metadata.as_bytes());
    };
    add(
        "Flask-3.0.0",
        "Name: Flask\nProvides-Extra: async\nRequires-Dist: asgiref>=3.2; extra == 'async'\n\n",
    );
    add("werkzeug-2.0.0", "Name: Werkzeug\n\n");
    add("twice-1.0", "Name: twice\n\n");
    add("twice-2.0", "Name: twice\n\n");
    host.directory(format!("{site}/bare-1.0.dist-info"));
    host
}

fn compare<'r>(host: &MemoryHost, requirements: &'r Requirements) -> Comparison<'r> {
    let sources = Sources::new(host);
    let venv = venv::read(host, &sources, Path::new("/venv")).unwrap();
    let markers = venv.markers();
    requirements::compare(&sources, requirements, &venv, markers.as_ref().map_err(Clone::clone))
}

#[test]
fn an_environment_is_held_against_its_requirements() {
    let wanted = read(
        "requirements.txt",
        "flask[async]>=3\nwerkzeug>=3\ngone\nwin ; sys_platform == 'win32'\ntwice==1.0\ntwice>=1\nbare\n\
         kernel ; platform_release > '5'\n./somewhere\n",
    );
    let host = environment();
    let found = compare(&host, &wanted);
    let of = |requirements: &[&requirements::Requirement]| -> Vec<String> {
        requirements.iter().map(|r| r.raw.clone()).collect()
    };
    assert_eq!(of(&found.satisfied), ["flask[async]>=3", "twice>=1"]);
    assert_eq!(of(&found.not_applicable), ["win ; sys_platform == 'win32'"]);
    let missing: Vec<_> =
        found.missing.iter().map(|n| (n.name.as_str(), n.through.as_deref())).collect();
    assert_eq!(missing, [("gone", None), ("asgiref", Some("flask[async]"))]);
    assert_eq!(found.wrong_version.len(), 1);
    assert_eq!(found.wrong_version[0].1.to_string(), "2.0.0");
    assert_eq!(found.unknown.len(), 4, "{:?}", found.unknown);
    assert!(!found.is_satisfied());

    let constrained = {
        let mut wanted = read("requirements.txt", "flask\n");
        wanted.constraints = read("requirements.txt", "flask<3\n").requirements;
        wanted
    };
    assert_eq!(compare(&host, &constrained).wrong_version.len(), 1);
}

#[test]
fn absence_is_unknown_where_the_system_is_seen() {
    let wanted = read("requirements.txt", "gone\nflask\n");
    let mut host = environment();
    host.file("/venv/pyvenv.cfg", "include-system-site-packages = true\nversion = 3.11.7\n");
    let found = compare(&host, &wanted);
    assert_eq!((found.missing.len(), found.unknown.len(), found.satisfied.len()), (0, 1, 1));
}

#[test]
fn a_directory_without_a_name_is_known_by_where_it_was_installed_from() {
    let wanted = read("requirements.txt", "-e .\n./other\n");
    let mut host = environment();
    let info = "/venv/lib/python3.11/site-packages/mine-1.0.dist-info";
    host.file(format!("{info}/METADATA"), "Name: mine\n\n").file(
        format!("{info}/direct_url.json"),
        r#"{"url": "file:///app", "dir_info": {"editable": true}}"#,
    );
    host.file("/app/requirements.txt", "-e .\n./other\n");
    let sources = Sources::new(&host);
    let wanted_here = requirements::read(&sources, Path::new("/app/requirements.txt")).unwrap();
    let venv = venv::read(&host, &sources, Path::new("/venv")).unwrap();
    let markers = venv.markers();
    let found = requirements::compare(
        &sources,
        &wanted_here,
        &venv,
        markers.as_ref().map_err(Clone::clone),
    );
    assert_eq!(wanted.requirements.len(), 2);
    assert_eq!((found.satisfied.len(), found.unknown.len()), (1, 1));
}

#[test]
fn damaged_files_never_panic() {
    let samples = [
        ("uv.lock", UV),
        (
            "requirements.txt",
            "-r x.txt\nflask[a]==1 ; os_name == 'x' # c\n-e git+https://t@h/p.git#egg=x[y]\na @ https://u:p@h/${T}/x.whl?q\n",
        ),
        (
            "Pipfile.lock",
            "{\"default\": {\"a\\\"b\": {\"version\": \"==1\", \"markers\": \"os_name == 'x'\"}}}",
        ),
        (
            "pyproject.toml",
            "[tool.poetry.dependencies]\npython = \"^3.8,<4\"\na = {version = \"~1.2\", extras = [\"x\"]}\n",
        ),
        (
            "poetry.lock",
            "[[package]]\nname = \"a\"\nversion = \"1\"\ngroups = [\"main\"]\nmarkers = \"os_name == 'x'\"\n",
        ),
    ];
    let mut read_ones = 0;
    for (name, text) in samples {
        for at in 0..text.len() {
            for byte in *b"\0\"([\xff;=@\\" {
                let mut bytes = text.as_bytes().to_vec();
                bytes[at] = byte;
                let host = host(&[(name, &bytes)]);
                let sources = Sources::new(&host);
                let path = Path::new("/app").join(name);
                let found = requirements::read(&sources, &path).unwrap();
                read_ones += usize::from(!found.requirements.is_empty());
            }
        }
    }
    assert!(read_ones > 1000, "{read_ones}");
}
