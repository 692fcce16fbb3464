//! What a file of a repository is for, by its name and its content.

use std::path::Path;
use std::sync::Arc;

use crate::source::SourceFile;
use crate::source::nginx::Tree;
use crate::source::placeholder::plain_name;

/// The largest file whose content is looked at, in bytes, and the largest that bears the name of a
/// unit or of nginx's configuration.
pub const SIZE_LIMIT: u64 = 256 << 10;
pub const NAMED_SIZE_LIMIT: u64 = 8 << 20;

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A unit with `[Service]` and a command.
    Service,
    /// A unit with `[Socket]` and an address.
    Socket,
    /// nginx's main file: `http {}` or `events {}`.
    NginxMain,
    /// A part of it with a `server {}` or an `upstream {}`.
    NginxSite,
    /// A part of it that counts only where another file includes it.
    NginxSnippet,
}

/// Endings of files in which no configuration of these kinds is: code, text, data, pictures.
const OTHER: [&str; 79] = [
    "py", "pyi", "pyc", "ipynb", "js", "jsx", "mjs", "cjs", "ts", "tsx", "vue", "svelte", "go",
    "rs", "c", "h", "cc", "cpp", "hpp", "java", "kt", "scala", "rb", "php", "pl", "pm", "lua", "r",
    "swift", "cs", "sh", "bash", "zsh", "fish", "ps1", "bat", "md", "rst", "adoc", "html", "htm",
    "css", "scss", "sass", "less", "xml", "svg", "json", "jsonl", "yml", "yaml", "toml", "lock",
    "csv", "tsv", "sql", "po", "mo", "pot", "map", "png", "jpg", "jpeg", "gif", "ico", "webp",
    "woff", "woff2", "ttf", "eot", "pdf", "zip", "gz", "bz2", "xz", "so", "whl", "mp4", "ipa",
];

/// Directories whose files serve tests, documentation or somebody else's program.
const ASIDE: [&str; 12] = [
    "test",
    "tests",
    "testing",
    "testdata",
    "test-data",
    "test_data",
    "fixtures",
    "docs",
    "doc",
    "vendor",
    "third_party",
    "thirdparty",
];

/// Why files in this place are no deployment of the repository's own.
pub fn aside(path: &Path) -> Option<String> {
    let parent = path.parent()?;
    let names = parent.components().map(|component| component.as_os_str().to_string_lossy());
    let name = names.into_iter().find(|name| {
        let name = name.to_ascii_lowercase();
        ASIDE.contains(&name.as_str()) || name.ends_with("-testdata") || name.ends_with("_testdata")
    })?;
    Some(format!("it is under {name}/"))
}

/// Endings that people and programs give to what they put aside.
const BACKUPS: [&str; 9] =
    [".bak", ".old", ".orig", ".save", ".backup", ".swp", ".dpkg-dist", ".dpkg-old", ".dpkg-new"];

/// Is it by its name a copy that was put aside?
pub fn is_backup(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().to_ascii_lowercase());
    name.is_some_and(|name| name.ends_with('~') || BACKUPS.iter().any(|end| name.ends_with(end)))
}

/// May a file of this name be one of them? Only such are opened.
pub fn is_candidate(path: &Path) -> bool {
    let name = plain_name(path);
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    !ending.is_some_and(|ending| OTHER.contains(&ending.as_str()))
}

/// Is it an environment file by its name? Its content is read only where a unit names it.
pub fn is_environment(path: &Path) -> bool {
    let name = plain_name(path).to_ascii_lowercase();
    name == ".env"
        || name.starts_with(".env.")
        || name.ends_with(".env")
        || matches!(name.as_str(), "env" | "environment" | "envfile")
        || name.starts_with("env.")
}

/// What a file is, by its content.
pub fn of(file: &Arc<SourceFile>) -> Option<Kind> {
    let bytes = &file.bytes;
    let named = is_named_unit(&file.path);
    // A unit with a NUL in it is one that systemd cuts off, and that is to be told.
    if (!named && memchr::memchr(0, bytes).is_some()) || bytes.starts_with(b"#!") {
        return None;
    }
    unit(bytes, named).or_else(|| nginx(file))
}

/// Does the file bear a unit's name?
pub fn is_named_unit(path: &Path) -> bool {
    let name = plain_name(path);
    [".service", ".socket"].iter().any(|ending| name.ends_with(ending))
}

/// Does it by its name hold a deployment's configuration, whatever its size?
pub fn is_named(path: &Path) -> bool {
    let name = plain_name(path);
    let within = |part: &str| {
        let mut above = path.parent().into_iter().flat_map(Path::components);
        above.any(|component| component.as_os_str().to_string_lossy().contains(part))
    };
    is_named_unit(path)
        || name.contains("nginx")
        || ((name.ends_with(".conf") || !name.contains('.'))
            && (within("nginx") || within("sites-")))
}

/// The first line that is not a comment opens a section (or a template's block), as in no other
/// language here, and what makes a unit of it is there.
///
/// A file that is named like a unit may contain anything before that.
fn unit(bytes: &[u8], named: bool) -> Option<Kind> {
    let mut lines = bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let first = lines
        .clone()
        .find(|line| !line.is_empty() && !line.starts_with(b"#") && !line.starts_with(b";"))?;
    if !named && !first.starts_with(b"[") && !first.starts_with(b"{") && !first.starts_with(b"<%") {
        return None;
    }
    // What systemd would not read so, U119 says where it is found.
    let mut section = Vec::new();
    lines.find_map(|line| {
        if line.starts_with(b"[") {
            section = line.to_ascii_lowercase();
        }
        let inside =
            |name: &[u8]| section.get(1..).unwrap_or_default().trim_ascii_start().starts_with(name);
        let says =
            |key: &[u8]| line.get(..key.len()).is_some_and(|start| start.eq_ignore_ascii_case(key));
        match () {
            () if inside(b"service") && says(b"ExecStart") => Some(Kind::Service),
            () if inside(b"socket") && says(b"Listen") => Some(Kind::Socket),
            () => None,
        }
    })
}

fn nginx(file: &Arc<SourceFile>) -> Option<Kind> {
    let bytes = &file.bytes;
    let speaks =
        [&b"server"[..], b"upstream", b"proxy_", b"http", b"ssl_", b"location", b"add_header"];
    if !speaks.iter().any(|word| memchr::memmem::find(bytes, word).is_some()) {
        return None;
    }
    let tree = Tree::parse(Arc::clone(file));
    let tops: Vec<Top> = tops(&tree);
    if tops.iter().any(|top| top.is_block && matches!(top.name.as_str(), "http" | "events")) {
        return Some(Kind::NginxMain);
    }
    let site = |top: &Top| {
        let children: &[&str] = match top.name.as_str() {
            "server" => {
                &["listen", "server_name", "location", "root", "return", "include", "rewrite", "if"]
            }
            "upstream" => &["server"],
            _ => return false,
        };
        top.is_block && top.children.iter().any(|child| children.contains(&child.as_str()))
    };
    if tops.iter().any(site) {
        return Some(Kind::NginxSite);
    }
    // A fault may have ended the reading before the block did.
    if tree.fault.is_some() && opens_a_site(bytes) {
        return Some(Kind::NginxSite);
    }
    let settings = |top: &Top| {
        ["proxy_", "ssl_", "add_header", "location", "gzip"].iter().any(|w| top.name.starts_with(w))
    };
    (tree.fault.is_none() && tops.iter().any(settings)).then_some(Kind::NginxSnippet)
}

/// A directive of the outermost level.
struct Top {
    name: String,
    is_block: bool,
    children: Vec<String>,
}

fn tops(tree: &Tree) -> Vec<Top> {
    use crate::source::nginx::tree::Body;
    let name = |at: usize| {
        let word = tree.directives.get(at).and_then(|directive| directive.words(tree).next());
        word.map(|word| String::from_utf8_lossy(&word).into_owned()).unwrap_or_default()
    };
    let mut tops = Vec::new();
    let mut at = 0;
    while let Some(directive) = tree.directives.get(at) {
        let end = (directive.subtree_end() as usize).max(at + 1);
        let mut children = Vec::new();
        let mut inner = at + 1;
        while inner < end
            && let Some(child) = tree.directives.get(inner)
        {
            children.push(name(inner));
            inner = (child.subtree_end() as usize).max(inner + 1);
        }
        tops.push(Top { name: name(at), is_block: directive.body != Body::None, children });
        at = end;
    }
    tops
}

/// Do lines of a file open a `server` and say what one says?
fn opens_a_site(bytes: &[u8]) -> bool {
    let lines = || bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_start);
    let opens = |line: &[u8]| {
        line.strip_prefix(b"server").is_some_and(|rest| rest.trim_ascii_start().starts_with(b"{"))
    };
    let says = |line: &[u8]| {
        [&b"listen "[..], b"server_name ", b"proxy_pass ", b"location "]
            .iter()
            .any(|word| line.starts_with(word))
    };
    lines().any(opens) && lines().any(says)
}
