//! A sound deployment, damaged at random: the program ends in time, with 0, 1 or 3, and what it
//! says in JSON is JSON. `MUTATION_SEED` and `MUTATION_RUNS` try others, and more of them.

use crate::support::command;

use std::fs;

use command::{Copied, Ran, run};

const RELEASE: &str = "/srv/myapp/releases/2026-04-21";
const CONFIG: &str = "import multiprocessing\nimport os\n\n\
    workers = int(os.environ.get('WORKERS', multiprocessing.cpu_count() * 2 + 1))\n\
    bind = 'unix:/run/myapp/gunicorn.sock'\n\n\ndef post_fork(server, worker):\n    pass\n";

/// What breaks readers: the marks of every language here, alone and a hundred times over.
const TOKENS: [&[u8]; 42] = [
    b"{",
    b"}",
    b";",
    b"\\\n",
    b"\"",
    b"'",
    b"$",
    b"%",
    b"=",
    b"\0",
    b"\r\n",
    b"\xff",
    b"#",
    b"[",
    b"]",
    b"\n\n",
    b"\xef\xbb\xbf",
    b"@",
    b"~=",
    b"- ",
    b".",
    b"\xc3\xa9",
    b"include *;",
    b"unix:",
    b"${",
    b"if",
    b"lambda:",
    b"((((((((((((((((",
    b"0000000000000000000000",
    b"---",
    b"map $a $b {",
    b"server_name ~^(",
    b"ExecStart=",
    b"%i",
    b"%%",
    b"os.environ['",
    b"import ",
    b"def f():\n",
    b"    ",
    b"\t",
    b"<",
    b",",
];

/// xorshift64: the same damage for the same seed, on every machine.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end.max(1) as u64) as usize
    }

    fn one<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }
}

fn damaged(dice: &mut Dice, original: &[u8], others: &[&[u8]]) -> Vec<u8> {
    let mut bytes = original.to_vec();
    for _ in 0..[1, 1, 2, 3, 8][dice.below(5)] {
        let at = dice.below(bytes.len() + 1);
        match dice.below(6) {
            0 if at < bytes.len() => bytes[at] = dice.below(256) as u8,
            1 => drop(bytes.splice(at..at, dice.one(&TOKENS).iter().copied())),
            2 => {
                let end = bytes.len().min(at + 1 + dice.below(40));
                bytes.drain(at..end);
            }
            3 => {
                let from = dice.below(bytes.len() + 1);
                let to = bytes.len().min(from + dice.below(200));
                let again = bytes[from..to].to_vec();
                bytes.splice(at..at, again);
            }
            4 => {
                let other = dice.one(others);
                let part = other[..dice.below(other.len() + 1)].to_vec();
                bytes.splice(at..at, part);
            }
            _ => {
                let many = dice.one(&TOKENS).repeat([1, 2, 100][dice.below(3)]);
                bytes.splice(at..at, many);
            }
        }
    }
    bytes
}

fn wrong(command: &[&str], ran: &Ran) -> Option<String> {
    if ran.killed {
        return Some("did not end in time".into());
    }
    if ran.signal.is_some() || !matches!(ran.code, Some(0 | 1 | 3)) {
        return Some(format!("exit {:?}, signal {:?}: {}", ran.code, ran.signal, ran.stderr));
    }
    let json = command.contains(&"json") || command[0] == "facts";
    // Without an application there are no facts to print.
    if json && !(command[0] == "facts" && ran.code == Some(3)) {
        let parsed = serde_json::from_str::<serde_json::Value>(&ran.stdout);
        return parsed.err().map(|error| format!("no JSON: {error}"));
    }
    None
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn damage_never_ends_the_program() {
    let tree = Copied::of("healthy");
    tree.write(&format!("{RELEASE}/gunicorn.conf.py"), CONFIG);
    tree.edit("/etc/systemd/system/myapp.service", "--workers 3 ", "");
    let paths = [
        "/etc/systemd/system/myapp.service".to_owned(),
        "/etc/nginx/nginx.conf".into(),
        "/etc/nginx/sites-available/myapp".into(),
        "/etc/myapp.env".into(),
        "/etc/passwd".into(),
        "/etc/group".into(),
        "/srv/myapp/.venv/pyvenv.cfg".into(),
        format!("{RELEASE}/gunicorn.conf.py"),
        format!("{RELEASE}/wsgi.py"),
        format!("{RELEASE}/requirements.txt"),
    ];
    let originals: Vec<Vec<u8>> = paths.iter().map(|p| fs::read(tree.at(p)).unwrap()).collect();
    let others: Vec<&[u8]> = originals.iter().map(Vec::as_slice).collect();
    let seed = number("MUTATION_SEED", 20_261_128);
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let commands: [&[&str]; 4] =
        [&["check", "--format", "json"], &["check", "-v"], &["facts"], &["fix", "--unsafe"]];
    let root = tree.root();
    for round in 0..number("MUTATION_RUNS", 400) {
        let mut touched = Vec::new();
        for _ in 0..[1, 1, 1, 2, 4][dice.below(5)] {
            let which = dice.below(paths.len());
            tree.write(&paths[which], damaged(&mut dice, &originals[which], &others));
            touched.push(which);
        }
        let command = dice.one(&commands);
        let ran = run(&[command, ["--root", root.to_str().unwrap()].as_slice()].concat());
        if let Some(wrong) = wrong(command, &ran) {
            let show = |which: &usize| {
                let bytes = fs::read(tree.at(&paths[*which])).unwrap();
                format!("{}:\n{}\n", paths[*which], bytes.escape_ascii())
            };
            let files: String = touched.iter().map(show).collect();
            panic!("seed {seed}, round {round}, {command:?}: {wrong}\n{files}");
        }
        for which in touched {
            tree.write(&paths[which], &originals[which]);
        }
    }
}
