//! The table of directives against nginx itself: every name, in each kind of block, without a word
//! behind it and with more than any directive takes. nginx 1.30 of the forky root, whichever root is
//! asked for: the older ones' lines were written from their sources just so.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use deploy_doctor::host::MemoryHost;
use deploy_doctor::source::Sources;
use deploy_doctor::source::nginx::{FaultKind, Model, Version, parse};

use crate::support::peers::Peer;
use crate::support::suite::Suite;

const TABLE: &str = include_str!("../../src/source/nginx/directives/table.rs");

/// What is said of a directive before its values are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Unknown,
    Misplaced,
    Count,
    NoBlock,
    /// It may stand so, whatever comes then.
    Fits,
}

/// Blocks with one line in it.
const PLACES: [&str; 4] = [
    "events { } @",
    "events { } http { @ }",
    "events { } http { server { @ } }",
    "events { } http { server { location /a { @ } } }",
];

fn names() -> Vec<&'static str> {
    let mut names: Vec<&str> =
        TABLE.split("name: \"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    names.dedup();
    names
}

struct Nginx {
    peer: Peer,
    program: PathBuf,
    version: Version,
    directory: tempfile::TempDir,
}

impl Nginx {
    fn of(suite: Suite) -> Option<Self> {
        let peer = match suite.root() {
            Ok(root) => Peer::of(root),
            Err(skip) => {
                crate::support::skip(skip);
                return None;
            }
        };
        let program = peer.path("/usr/sbin/nginx");
        let output = peer.command(&program).arg("-v").output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        let number = said.split("nginx/").nth(1).unwrap().split_whitespace().next().unwrap();
        let version = Version::parse(number).unwrap();
        Some(Self { peer, program, version, directory: tempfile::tempdir().unwrap() })
    }

    fn verdict(&self, text: &str) -> Verdict {
        let directory: &Path = self.directory.path();
        let path = directory.join("nginx.conf");
        std::fs::write(&path, text).unwrap();
        let mut command = self.peer.command(&self.program);
        command.args(["-t", "-q", "-e", "stderr", "-p"]).arg(directory).arg("-c").arg(&path);
        let output = command.output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        let said = errors.split("[emerg] ").nth(1).unwrap_or_default();
        match said {
            _ if said.contains("unknown directive") => Verdict::Unknown,
            _ if said.contains("directive is not allowed here") => Verdict::Misplaced,
            _ if said.contains("invalid number of arguments") => Verdict::Count,
            _ if said.contains("has no opening \"{\"") => Verdict::NoBlock,
            _ => Verdict::Fits,
        }
    }

    fn ours(&self, text: &str) -> Verdict {
        let host = MemoryHost::new();
        let sources = Sources::new(&host);
        let mut config = parse(&sources, "/etc/nginx/nginx.conf", text);
        config.version = Some(self.version);
        let model = Model::new(config);
        let kinds = model.faults.iter().map(|fault| fault.kind);
        let verdict = |kind| match kind {
            FaultKind::UnknownDirective | FaultKind::NotInVersion => Some(Verdict::Unknown),
            FaultKind::NotAllowedHere => Some(Verdict::Misplaced),
            FaultKind::ArgumentCount => Some(Verdict::Count),
            FaultKind::NoBlock => Some(Verdict::NoBlock),
            _ => None,
        };
        kinds.filter_map(verdict).next().unwrap_or(Verdict::Fits)
    }
}

/// Names that modules of others bring, too: those are taken anywhere.
const OF_OTHERS: [&str; 5] = ["sticky", "max_headers", "zone", "resolver", "resolver_timeout"];

#[test]
fn every_directive_stands_where_nginx_lets_it_stand() {
    let Some(nginx) = Nginx::of(Suite::Forky) else { return };
    let names = names();
    let (mut wrong, mut seen) = (Vec::new(), BTreeSet::new());
    for name in names.iter().filter(|name| !OF_OTHERS.contains(name)) {
        // No directive takes nine words but those that take any number.
        let many = PLACES.map(|place| place.replace('@', &format!("{name} a b c d e f g h i;")));
        let none = PLACES[1].replace('@', &format!("{name};"));
        for text in many.into_iter().chain([none]) {
            let theirs = nginx.verdict(&text);
            // A module that is not built in.
            if theirs == Verdict::Unknown {
                continue;
            }
            seen.insert(name);
            let ours = nginx.ours(&text);
            if ours != theirs {
                wrong.push(format!("{text}: nginx {theirs:?}, ours {ours:?}"));
            }
        }
    }
    println!("nginx {}: {} of {} names", nginx.version, seen.len(), names.len());
    assert!(seen.len() > 450, "{}", seen.len());
    assert!(wrong.is_empty(), "nginx {}:\n{}", nginx.version, wrong.join("\n"));
}
