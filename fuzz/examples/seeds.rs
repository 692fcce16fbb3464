//! Seeds for every target: the examples of the rules' documentation, the trees of `testdata/`, the
//! cases of `e2e/`, and what is found in directories that are named: `seeds OUT [DIRECTORY…]`.
//! Files and trees of strangers are written to OUT alone.

#[path = "../../tests/support/living.rs"]
mod living;

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use deploy_doctor::host::{FileKind, Host, MemoryHost};
use deploy_doctor::rule::{self, Example};
use deploy_doctor::rules;
use deploy_doctor_fuzz::{document, healthy, write};

/// Larger files say no more.
const LONGEST: usize = 16 << 10;
const RELEASE: &str = "/srv/myapp/releases/2026-04-21";

struct Seeds {
    out: PathBuf,
    count: HashMap<&'static str, usize>,
}

impl Seeds {
    fn add(&mut self, target: &'static str, bytes: &[u8]) {
        if bytes.is_empty() || bytes.len() > 4 * LONGEST {
            return;
        }
        let directory = self.out.join(target);
        std::fs::create_dir_all(&directory).expect("OUT can be written");
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        let path = directory.join(format!("{:016x}", hasher.finish()));
        std::fs::write(path, bytes).expect("OUT can be written");
        *self.count.entry(target).or_default() += 1;
        if target == "whole" {
            self.add("capture", bytes);
        }
    }

    /// A file, to those who read its like.
    fn file(&mut self, path: &str, bytes: &[u8]) {
        if bytes.len() > LONGEST || bytes.contains(&0) && !path.contains("/proc/") {
            return;
        }
        let name = path.rsplit('/').next().unwrap_or_default();
        let ends = |of: &[&str]| of.iter().any(|end| name.ends_with(end));
        let named = |of: &[&str]| of.iter().any(|part| path.contains(part));
        let packed = |name: &str| write([(name, bytes)]);
        if named(&["systemd"]) || ends(&[".service", ".socket", ".timer", ".j2"]) {
            self.add("unit", bytes);
        }
        if named(&["nginx", "sites-"]) || ends(&[".conf", ".nginx"]) {
            self.add("nginx", bytes);
        }
        if named(&["/env/", ".env", "/default/", "/sysconfig/"]) {
            self.add("env_file", bytes);
        }
        if name.ends_with(".py") {
            self.add("python", bytes);
            if named(&["versions", "alembic", "migrations"]) {
                self.add("alembic", bytes);
            }
        }
        if ends(&[".lock", "pyproject.toml", ".txt", "pylock.toml"]) {
            self.add("requirements", &packed(name));
        }
        if named(&["site-packages", "pyvenv.cfg"])
            && let Some((_, below)) = path.split_once("venv/")
        {
            self.add("requirements", &packed(&format!("venv/{below}")));
        }
        if ends(&["passwd", "group", ".json", ".toml", ".pem", ".crt"]) || named(&["tmpfiles"]) {
            self.add("config", bytes);
        }
        if ends(&[".log", ".journal", ".md"]) {
            self.add("journal", bytes);
        }
        if named(&["/proc/", "/sys/"]) {
            self.add("proc", bytes);
        }
        if bytes.len() < 2048 {
            self.add("report", bytes);
        }
    }

    /// A tree, as one deployment.
    fn tree(&mut self, top: &Path) {
        let mut parts: Vec<(String, Vec<u8>)> = Vec::new();
        let mut left = vec![top.to_owned()];
        while let Some(directory) = left.pop() {
            for entry in std::fs::read_dir(&directory).into_iter().flatten().flatten() {
                let path = entry.path();
                let Ok(below) = path.strip_prefix(top) else { continue };
                let name = format!("/{}", below.display());
                let Ok(metadata) = std::fs::symlink_metadata(&path) else { continue };
                if metadata.is_dir() {
                    left.push(path);
                } else if let Ok(target) = std::fs::read_link(&path) {
                    parts.push((format!("> {name} {}", target.display()), Vec::new()));
                } else if let Ok(bytes) = std::fs::read(&path)
                    && bytes.len() < LONGEST
                    && !name.ends_with("__init__.py")
                {
                    parts.push((name, bytes));
                }
            }
        }
        parts.sort();
        let input = write(parts.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())));
        self.add("whole", &input);
    }

    /// A directory's files, each by itself, and its trees.
    fn directory(&mut self, top: &Path) {
        if top.join("etc/systemd").is_dir() {
            self.tree(top);
        }
        for entry in std::fs::read_dir(top).into_iter().flatten().flatten() {
            let path = entry.path();
            let Ok(metadata) = std::fs::symlink_metadata(&path) else { continue };
            if metadata.is_dir() {
                self.directory(&path);
            } else if metadata.is_file()
                && let Ok(bytes) = std::fs::read(&path)
            {
                self.file(&path.to_string_lossy(), &bytes);
            }
        }
    }

    fn example(&mut self, example: &Example) {
        let text = example.text.as_bytes();
        let of = |option: &str| {
            example.options.iter().find_map(|one| one.strip_prefix(option)).map(str::to_owned)
        };
        let path = match (example.file(), example.language.as_str()) {
            (Some(file), _) => file.to_owned(),
            (None, "ini") => String::new(),
            (None, "nginx") => "/etc/nginx/sites-available/myapp".into(),
            (None, "env") => "/etc/myapp.env".into(),
            (None, "python") => format!("{RELEASE}/wsgi.py"),
            (None, "proc") => return self.living(&example.text),
            _ => match of("command=") {
                Some(command) => {
                    self.add("journal", text);
                    format!("$ {command}")
                }
                None => return,
            },
        };
        match example.language.as_str() {
            "ini" => self.add("unit", text),
            "nginx" => self.add("nginx", text),
            "env" => self.add("env_file", text),
            _ => self.file(&path, text),
        }
        self.add("whole", &write([(path.as_str(), text)]));
    }

    /// What a living host's kernel says, where the healthy deployment runs.
    fn living(&mut self, change: &str) {
        let base = healthy();
        let mut world = living::World::healthy(&base);
        world.change(change);
        let mut host = MemoryHost::new();
        world.write(&mut host);
        let mut parts = Vec::new();
        collect(&host, Path::new("/"), &mut parts);
        for (name, bytes) in &parts {
            self.file(name, bytes);
        }
        let input = write(parts.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())));
        self.add("whole", &input);
        self.add("proc", &input);
    }
}

fn collect(host: &MemoryHost, directory: &Path, parts: &mut Vec<(String, Vec<u8>)>) {
    for name in host.list(directory).unwrap_or_default() {
        let path = directory.join(name);
        let Ok(metadata) = host.link_metadata(&path) else { continue };
        let shown = path.display().to_string();
        match metadata.kind {
            FileKind::Directory => collect(host, &path, parts),
            FileKind::File => parts.push((shown, host.read(&path, 1 << 20).unwrap_or_default())),
            FileKind::Link => {
                if let Ok(target) = host.read_link(&path) {
                    parts.push((format!("> {shown} {}", target.display()), Vec::new()));
                }
            }
            _ => {}
        }
    }
}

/// What no file of the repository shows in its own form.
const SAID: [&str; 9] = [
    "{\"__REALTIME_TIMESTAMP\":\"1776000000000000\",\"_PID\":\"800\",\"MESSAGE\":\"[800] [INFO] Booting \
     worker with pid: 811\",\"_SYSTEMD_INVOCATION_ID\":\"00112233445566778899aabbccddeeff\"}\n\
     {\"MESSAGE\":[66,111,111,255],\"MESSAGE_ID\":\"0123\"}\n{\"MESSAGE\":null}\n",
    "Traceback (most recent call last):\n  File \"/srv/myapp/wsgi.py\", line 3, in <module>\n    \
     import flask\nModuleNotFoundError: No module named 'flask'\n",
    "Failed to find attribute 'app' in 'wsgi'.\n",
    "2026/04/21 09:15:00 [error] 7#7: *3 connect() to unix:/run/myapp.sock failed (2: No such file or \
     directory) while connecting to upstream, client: 10.0.0.1, server: example.com, request: \
     \"GET / HTTP/1.1\", upstream: \"http://unix:/run/myapp.sock:/\", host: \"example.com\"\n",
    "2026/04/21 09:15:00 [error] 7#7: *3 upstream prematurely closed connection while reading response \
     header from upstream, upstream: \"http://127.0.0.1:8000/\"\n",
    "nginx: [emerg] unknown directive \"lisen\" in /etc/nginx/sites-enabled/myapp:3\nnginx: \
     configuration file /etc/nginx/nginx.conf test failed\n",
    "Id=myapp.service\nNames=myapp.service\nMainPID=800\nNeedDaemonReload=no\nActiveState=active\n\
     ExecMainStartTimestamp=Tue 2026-04-21 09:15:00 CEST\n\nId=nginx.service\n",
    "gunicorn: error: unrecognized arguments: --worker 3\nError: '/var/log/x.log' isn't writable \
     [PermissionError(13, 'Permission denied')]\n",
    "postgres://user:pass@db/x password=abc Authorization: Bearer abc.def.ghi AWS_SECRET=xyz\n",
];

const MIGRATIONS: &str = "=== a.py\nrevision = 'aaaa'\ndown_revision = None\ndef upgrade():\n    \
    op.create_table('t', sa.Column('id', sa.Integer))\n=== b.py\nrevision: str = 'bbbb'\n\
    down_revision: Union[str, None] = 'aaaa'\nbranch_labels = ('x',)\ndef upgrade():\n    with \
    op.batch_alter_table('t') as batch:\n        batch.drop_column('id')\n    op.execute('ALTER TABLE t \
    ADD COLUMN x int NOT NULL DEFAULT 1; CREATE INDEX CONCURRENTLY i ON t (x)')\n=== c.py\n\
    revision = 'cccc'\ndown_revision = ('aaaa', 'bbbb')\ndepends_on = 'x@head'\n=== alembic.ini\n\
    [alembic]\nscript_location = %(here)s/migrations\nversion_locations = a:b\n";

const BASELINE: &str = "{\"schema\": 1, \"findings\": [{\"app\": \"myapp.service\", \"code\": \"U113\", \
    \"file\": \"/x\", \"severity\": \"error\", \"count\": 2, \"fingerprint\": \"0011223344556677\"}]}";

const INSTALLED: &str = "=== requirements.txt\nflask[async]>=3 ; python_version < '3.12'\n-r more.txt\n-c \
    c.txt\n--index-url https://u:p@h/\n-e git+https://u:p@h/x#egg=y\n./local ; extra == 'z'\n\
    gunicorn==23.0.0 --hash=sha256:00 \\\n  --hash=sha256:11\n=== more.txt\ngunicorn~=23.0\n=== c.txt\n\
    flask<4\n=== venv/lib/python3.11/site-packages/flask-3.0.3.dist-info/METADATA\nName: flask\nVersion: \
    3.0.3\nProvides-Extra: async\nRequires-Dist: asgiref>=3.2; extra == 'async'\n=== \
    venv/lib/python3.11/site-packages/flask-3.0.3.dist-info/RECORD\nflask/__init__.py,sha256=x,1\n\
    \"a,b\",,\n=== venv/lib/python3.11/site-packages/x.pth\n/srv/x\nimport os\n=== \
    venv/lib/python3.11/site-packages/flask-3.0.3.dist-info/direct_url.json\n{\"url\": \
    \"file:///srv/x\", \"dir_info\": {\"editable\": true}}\n";

fn main() {
    let mut words = std::env::args().skip(1).map(PathBuf::from);
    let out = words.next().expect("the directory to write to");
    let mut seeds = Seeds { out, count: HashMap::new() };
    for rule in rules::all() {
        for example in rule::examples(rule) {
            seeds.example(&example);
        }
    }
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for known in ["testdata", "e2e", "examples", "docs/config.schema.json", "src/config"] {
        seeds.directory(&top.join(known));
    }
    for tree in std::fs::read_dir(top.join("testdata")).into_iter().flatten().flatten() {
        seeds.tree(&tree.path());
    }
    for text in SAID {
        seeds.add("journal", text.as_bytes());
        seeds.add("report", text.as_bytes());
    }
    seeds.add("capture", document().as_bytes());
    seeds.add("alembic", MIGRATIONS.as_bytes());
    seeds.add("config", BASELINE.as_bytes());
    seeds.add("config", deploy_doctor::config::TEMPLATE.as_bytes());
    let on = deploy_doctor::config::TEMPLATE.replace("\n# ", "\n").replace("\n#", "\n");
    seeds.add("config", on.as_bytes());
    seeds.add("requirements", INSTALLED.as_bytes());
    for own in ["self/stat", "self/status", "self/cgroup", "self/environ", "net/unix", "net/tcp6"] {
        let bytes = std::fs::read(Path::new("/proc").join(own)).unwrap_or_default();
        seeds.add("proc", &bytes[..bytes.len().min(LONGEST)]);
    }
    for directory in words {
        seeds.directory(&directory);
    }
    let mut counts: Vec<_> = seeds.count.into_iter().collect();
    counts.sort();
    counts.iter().for_each(|(target, count)| println!("{target}: {count} seeds"));
}
