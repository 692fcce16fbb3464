//! The unit reader against systemd itself: `config_parse()`, `extract_first_word()`,
//! `parse_sec()` and their like out of the installed libsystemd-shared, called by
//! `support/systemd_reader.c`.

#![allow(clippy::unwrap_used)] // helpers of a test may stop it, too

use crate::support::generate;
use crate::support::peers::Peer;

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, OnceLock};

use deploy_doctor::source::unit::environment;
use deploy_doctor::source::unit::known::{Presence, settings};
use deploy_doctor::source::unit::name::UnitName;
use deploy_doctor::source::unit::time::{TimeSpan, parse_seconds};
use deploy_doctor::source::unit::{self, Specifiers};
use deploy_doctor::source::{FileId, SourceFile, Text};
use generate::Generator;

/// The compiled helper with one version of systemd's library.
struct Reader {
    peer: Peer,
    library: PathBuf,
}

/// Every systemd that there is; none, and a loud word, where none can be had.
fn readers() -> &'static [Reader] {
    static READERS: OnceLock<Vec<Reader>> = OnceLock::new();
    READERS.get_or_init(|| {
        if let Err(why) = helper() {
            eprintln!("SKIPPED: not held against systemd itself: {why}");
            return Vec::new();
        }
        let readers = libraries();
        if readers.is_empty() {
            eprintln!("SKIPPED: not held against systemd itself: no libsystemd-shared is here");
        }
        readers
    })
}

/// The helper's program, compiled once.
fn helper() -> Result<&'static Path, String> {
    static HELPER: OnceLock<Result<(PathBuf, tempfile::TempDir), String>> = OnceLock::new();
    let helper = HELPER.get_or_init(|| {
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("systemd_reader");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/systemd_reader.c");
        let built =
            Command::new("cc").arg("-w").arg("-o").arg(&program).arg(source).arg("-ldl").status();
        match built {
            Ok(status) if status.success() => Ok((program, directory)),
            Ok(_) => panic!("the helper does not compile"),
            Err(error) => Err(format!("no C compiler: {error}")),
        }
    });
    helper.as_ref().map(|(program, _)| program.as_path()).map_err(Clone::clone)
}

/// DEPLOY_DOCTOR_LIBSYSTEMD names another version's library.
fn libraries() -> Vec<Reader> {
    if let Some(library) = std::env::var_os("DEPLOY_DOCTOR_LIBSYSTEMD") {
        return vec![Reader { peer: Peer::machine(), library: library.into() }];
    }
    let mut readers: Vec<Reader> = Vec::new();
    for peer in Peer::all() {
        let Some(library) = peer.libsystemd() else { continue };
        // The machine may be of the same Debian as a root.
        if readers.iter().all(|known| known.library.file_name() != library.file_name()) {
            readers.push(Reader { peer, library });
        }
    }
    readers
}

impl fmt::Display for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.library.file_name().unwrap_or_default().to_string_lossy())
    }
}

impl Reader {
    /// Its version, as its file's name tells it.
    fn version(&self) -> Option<u32> {
        let name = self.library.file_stem()?.to_str()?;
        name.strip_prefix("libsystemd-shared-")?.split('.').next()?.parse().ok()
    }

    fn run(&self, arguments: &[&str], files: &[PathBuf], input: &str) -> String {
        let mut child = self
            .peer
            .command(helper().unwrap())
            .arg(&self.library)
            .args(arguments)
            .args(files)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_owned();
        let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap().unwrap();
        assert!(output.status.success(), "the helper failed: {:?}", output.status);
        String::from_utf8(output.stdout).unwrap()
    }
}

fn hex(text: &str) -> String {
    let mut written = String::from(".");
    for byte in text.bytes() {
        let _ = write!(written, "{byte:02x}");
    }
    written
}

/// What this reader sees, in the helper's words.
fn ours(bytes: &[u8], version: Option<u32>) -> String {
    let file = Arc::new(SourceFile::new(FileId(0), "x.service", bytes));
    let read = unit::parse_as(file, version);
    let mut lines = String::from("F\n");
    for assignment in &read.assignments {
        lines.push_str(&format!(
            "A {} {} {}\n",
            hex(&assignment.section),
            hex(&assignment.key.value),
            hex(assignment.value.as_str())
        ));
    }
    lines.push_str(&format!("R {}\n", u8::from(read.fatal().is_some())));
    lines
}

/// systemd warns of `=value` as of an unknown key; here it is a fault of its own.
fn without_empty_keys(text: &str) -> String {
    text.lines()
        .filter(|line| line.split(' ').nth(2) != Some("."))
        .fold(String::new(), |all, line| all + line + "\n")
}

fn compare(inputs: &[Vec<u8>]) {
    for reader in readers() {
        compare_with(reader, inputs);
    }
}

fn compare_with(reader: &Reader, inputs: &[Vec<u8>]) {
    let directory = tempfile::tempdir().unwrap();
    let mut compared = 0;
    for (number, chunk) in inputs.chunks(200).enumerate() {
        let paths: Vec<PathBuf> = (0..chunk.len())
            .map(|index| directory.path().join(format!("{number}-{index}.service")))
            .collect();
        for (path, bytes) in paths.iter().zip(chunk) {
            std::fs::write(path, bytes).unwrap();
        }
        let answer = without_empty_keys(&reader.run(&["files"], &paths, ""));
        let theirs: Vec<&str> = answer.split("F\n").skip(1).collect();
        assert_eq!(theirs.len(), chunk.len());
        for (theirs, bytes) in theirs.iter().zip(chunk) {
            let ours = ours(bytes, reader.version());
            assert_eq!(
                ours.strip_prefix("F\n").unwrap(),
                *theirs,
                "read otherwise than by {reader}: {:?}",
                String::from_utf8_lossy(bytes.get(..2000.min(bytes.len())).unwrap())
            );
            compared += 1;
        }
    }
    assert_eq!(compared, inputs.len());
}

const HAND_MADE: &[&[u8]] = &[
    b"",
    b"\n",
    b"[Service]",
    b"[Service]\nA=1",
    b"[Service] # comment\nA=1\n",
    b"[Service\nA=1\n",
    b"[]\nA=1\n",
    b"[\n",
    b"[A]\nX=1\n[]\nY=2\n",
    b"[A]\nX=1\n[[B]\nY=2\n",
    b"[A]\nX=1\n[B[]\nY=2\n",
    b"[A]\nX=1\n[B]]\nY=2\n",
    b"[A]\nX=1\n[ B ]\nY=2\n",
    b"[Ser\"vice]\nA=1\n",
    b"[Ser\\vice]\nA=1\n",
    b"[a]b]\nA=1\n",
    b"A=1\n[Service]\nB=2\n",
    b"\xef\xbb\xbf[Service]\nA=1\n",
    b"\xef\xbb\xbf# c\n[Service]\nA=1\n",
    b"# c\n\xef\xbb\xbf[Service]\nA=1\n\xef\xbb\xbfB=2\n",
    b"[Service]\r\nA=1\r\nB=2 \\\r\n  3\r\n",
    b"[Service]\rA=1\rB=2",
    b"[Service]\n\rA=1\n\rB=2\n\0C=3\0\0D=4\r\n\0E=5",
    b"[Service]\nA=1\0B=2\n",
    b"[Service]\nA=\xff\nB=1\n",
    b"[Service]\n# \xff\nB=1\n",
    b"[Service]\nA=1 \\\n# comment\n; other\n 2 \\\n\n 3\n",
    b"[Service]\nA=1 \\\n[Install]\nB=1\n",
    b"[Service]\nA=1 \\ \nB=1\n",
    b"[Service]\nA=1 \\\\\nB=1\n",
    b"[Service]\nA=1 \\\\\\\nB=1\n",
    b"[Service]\nA=1 \\",
    b"[Service]\nA=1 \\\n",
    b"[Service]\n\\\nA=1\n",
    b"[Service]\nA\\\n=1\n",
    b"[Service]\n=1\nB\n  C  =  d e  \n E=f=g\nH==\n",
    b"[Service]\nA=\xc2\xa01\xc2\xa0\n\xc2\xa0B=1\n\xe3\x80\x80=x\n",
    b"[Service]\nA=\x0b1\x0c\n\x0bB\x0c=1\n",
    b"[Service]\nA:1\nA:b=2\nkey with space=3\n",
    b"[Service]\nA=[x]\n[x]=1\n",
    b"[Service]\nA=1\n  [Install]  \nB=2\n",
    b"[Service]\nA=a|=|b|\n|B|=1\n0|C=3\n",
    b"[Service]\nA=1\nA=2\n[Service]\nA=\nA=3\n",
    b"[X-Foo]\nA=1\n[Nonsense]\nB=1\n",
    b"#\n;\n # c\n\t; d\n[S]\n  # x\\\nA=1\n",
    b"[S]\nA=1 ; no comment\nB=2 # none\n",
];

/// Pieces that are put together at random, weighted by how often they stand here.
const PIECES: &[&[u8]] = &[
    b"[Service]\n",
    b"[Unit]\n",
    b"[Install]\n",
    b"[Service] # c\n",
    b"[Serv",
    b"]",
    b"[",
    b"X-A=1\n",
    b"ExecStart=/bin/a b c\n",
    b"Environment=\"A=b c\" D=e\n",
    b"Type=notify\n",
    b"User=\n",
    b"=",
    b"Key",
    b"=value",
    b" ",
    b"\t",
    b"\n",
    b"\n",
    b"\n",
    b"\r\n",
    b"\r",
    b"\0",
    b"\\",
    b"\\\n",
    b"\\\n",
    b" \\\n",
    b" \\\n  ",
    b"\\ \n",
    b"\\\\\n",
    b"\\\r\n",
    b"# comment\n",
    b"; comment\n",
    b"# c \\\n",
    b"#",
    b";",
    b"\xef\xbb\xbf",
    b"\xc3\xa9",
    b"\xc2\xa0",
    b"\xe3\x80\x80",
    b"\x0b",
    b"\x85",
    b"\"",
    b"'",
    b"%i",
    b"|",
    b":",
    b"a",
    b"b=c\n",
    b"After=x.target y.target\n",
];

fn generated(generator: &mut Generator) -> Vec<u8> {
    let mut bytes = Vec::new();
    if !generator.once_in(6) {
        bytes.extend_from_slice(b"[Service]\n");
    }
    for _ in 0..generator.below(30) {
        let piece = generator.pick(PIECES);
        // What is fatal ends a file; it must not end nearly all of them.
        if matches!(piece, b"\x85" | b"[Serv" | b"[" | b"[Service] # c\n") && !generator.once_in(4)
        {
            continue;
        }
        bytes.extend_from_slice(piece);
    }
    bytes
}

#[test]
fn hand_made_files_are_read_as_systemd_reads_them() {
    let inputs: Vec<Vec<u8>> = HAND_MADE.iter().map(|bytes| bytes.to_vec()).collect();
    compare(&inputs);
}

#[test]
fn generated_files_are_read_as_systemd_reads_them() {
    let mut generator = Generator::new(1);
    let inputs: Vec<Vec<u8>> = (0..4000).map(|_| generated(&mut generator)).collect();
    compare(&inputs);
}

#[test]
fn lines_near_the_limit_are_read_as_systemd_reads_them() {
    let limit = 1 << 20;
    let mut inputs = Vec::new();
    for length in [limit - 1, limit, limit + 1] {
        let line = format!("A={}", "x".repeat(length - 2));
        inputs.push(format!("[S]\nB=1\n{line}\nC=2\n").into_bytes());
        inputs.push(format!("[S]\nB=1\n{line}").into_bytes());
        inputs.push(format!("[S]\nB=1\n#{line}\nC=2\n").into_bytes());
        let half = "y".repeat(length / 2 - 3);
        for more in 0..4 {
            let tail = "z".repeat(length - half.len() - 3 + more);
            inputs.push(format!("[S]\nA={half}\\\n{tail}\nC=2\n").into_bytes());
        }
    }
    compare(&inputs);
}

#[test]
fn real_units_are_read_as_systemd_reads_them() {
    let mut inputs = Vec::new();
    for directory in ["../shared/corpus/systemd", "/lib/systemd/system"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
        let Ok(entries) = std::fs::read_dir(&path) else {
            eprintln!("SKIPPED: no {directory}");
            continue;
        };
        let files = entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file());
        inputs.extend(files.filter_map(|path| std::fs::read(path).ok()));
    }
    // Each also broken in a few places.
    let mut generator = Generator::new(2);
    for index in 0..inputs.len() {
        let mut bytes = inputs[index].clone();
        for _ in 0..3 {
            let at = generator.below(bytes.len().max(1)).min(bytes.len());
            let piece = generator.pick(PIECES);
            bytes.splice(at..at, piece.iter().copied());
        }
        inputs.push(bytes);
    }
    compare(&inputs);
}

#[test]
fn words_are_cut_as_systemd_cuts_them() {
    const PARTS: &[&str] = &[
        "a",
        "b c",
        " ",
        "\t",
        "\"",
        "'",
        "\\",
        "\\x20",
        "\\x2",
        "\\xff",
        "\\x00",
        "\\t",
        "\\s",
        "\\q",
        "\\u00e9",
        "\\u12",
        "\\U0001f600",
        "\\101",
        "\\400",
        "\\18",
        "é",
        ";x",
        "$A",
        "${B}",
        "\\\"",
        "\\'",
        "\\\\",
        "=",
        "--x=\"y z\"",
        "''",
        "\"\"",
    ];
    let mut generator = Generator::new(3);
    let mut lines = Vec::new();
    while lines.len() < 4000 {
        let count = generator.below(9);
        let line: String = (0..count).map(|_| generator.pick(PARTS)).collect();
        lines.push(format!("/p {line}"));
    }
    for reader in readers() {
        let answer = reader.run(&["words"], &[], &(lines.join("\n") + "\n"));
        let specifiers = Specifiers::new(UnitName::parse("x").unwrap());
        let mut compared = 0;
        for (line, theirs) in lines.iter().zip(answer.lines()) {
            let value = Text::verbatim(FileId(0), line, 0);
            let ours = match unit::commands(&value, &specifiers) {
                Ok(commands) => {
                    let command = &commands[0];
                    let words = std::iter::once(&command.program).chain(&command.arguments);
                    // Bytes that are not UTF-8 are marked, not shown.
                    if words.clone().any(|word| word.unknown.is_some()) {
                        continue;
                    }
                    words.map(|word| hex(word.text.as_str())).collect::<String>()
                }
                Err(_) => "-".to_owned(),
            };
            let theirs = if theirs.ends_with('-') { "-" } else { theirs };
            assert_eq!(ours, theirs, "cut otherwise than by {reader}: {line:?}");
            compared += 1;
        }
        assert!(compared > 3000, "only {compared} lines were compared");
    }
}

#[test]
fn time_spans_are_read_as_systemd_reads_them() {
    const PARTS: &[&str] = &[
        "0",
        "1",
        "5",
        "90",
        "2",
        ".",
        ".5",
        " ",
        "s",
        "sec",
        "min",
        "m",
        "M",
        "ms",
        "us",
        "µs",
        "μs",
        "h",
        "hr",
        "d",
        "w",
        "y",
        "month",
        "seconds",
        "infinity",
        "-",
        "+",
        "x",
        "minutes",
        "99999999999",
        "18446744073709551615",
        "584542",
        "years",
    ];
    let mut generator = Generator::new(4);
    let mut lines: Vec<String> =
        ["", "90", "1min 30s", "5.5s", "infinity", " 20 ", "1 2", "-1", "0", "3.", "3.s", ".5"]
            .map(str::to_owned)
            .to_vec();
    for _ in 0..6000 {
        lines.push((0..generator.below(6)).map(|_| generator.pick(PARTS)).collect());
    }
    for reader in readers() {
        let answer = reader.run(&["spans"], &[], &(lines.join("\n") + "\n"));
        assert_eq!(answer.lines().count(), lines.len());
        let mut valid = 0;
        for (line, theirs) in lines.iter().zip(answer.lines()) {
            let ours = match parse_seconds(line) {
                Some(TimeSpan::Microseconds(count)) => count.to_string(),
                Some(TimeSpan::Infinity) => u64::MAX.to_string(),
                None => "-".to_owned(),
            };
            valid += usize::from(ours != "-");
            assert_eq!(ours, theirs, "another time span than that of {reader}: {line:?}");
        }
        assert!(valid > 500, "only {valid} spans were valid");
    }
}

#[test]
fn names_are_valid_where_systemd_says_so() {
    const PARTS: &[&str] = &[
        "a", "-", "@", ".", "service", ".service", ".socket", "\\x2d", "é", ":", "_", " ", "/", "~",
    ];
    let mut generator = Generator::new(5);
    let mut lines: Vec<String> = (0..3000)
        .map(|_| (0..generator.below(6) + 1).map(|_| generator.pick(PARTS)).collect())
        .collect();
    lines.extend([247, 248, 249].map(|length| "n".repeat(length) + ".service"));
    for reader in readers() {
        let answer = reader.run(&["names"], &[], &(lines.join("\n") + "\n"));
        for (line, theirs) in lines.iter().zip(answer.lines()) {
            let ours = UnitName::exact(line).is_some();
            assert_eq!(ours, theirs == "1", "not as for {reader}: {line:?}");
        }
    }
}

#[test]
fn environment_assignments_are_valid_where_systemd_says_so() {
    const PARTS: &[&str] = &["A", "1", "_", "=", "=", "-", ".", "x", "é", "#"];
    let mut generator = Generator::new(6);
    let lines: Vec<String> = (0..3000)
        .map(|_| (0..generator.below(6) + 1).map(|_| generator.pick(PARTS)).collect())
        .collect();
    for reader in readers() {
        let answer = reader.run(&["environment"], &[], &(lines.join("\n") + "\n"));
        let specifiers = Specifiers::new(UnitName::parse("x").unwrap());
        for (line, theirs) in lines.iter().zip(answer.lines()) {
            let value = Text::verbatim(FileId(0), line, 0);
            let (found, _) = environment::assignments(&value, &specifiers);
            assert_eq!(found.len() == 1, theirs == "1", "not as for {reader}: {line:?}");
        }
    }
}

/// The list was made from some versions; those that are here have not drifted from it.
#[test]
fn the_list_of_settings_is_that_of_each_systemd() {
    let mut compared = 0;
    for peer in Peer::all() {
        let program = peer.path("/usr/lib/systemd/systemd");
        let run = |option| peer.command(&program).arg(option).output();
        let (Ok(version), Ok(output)) = (run("--version"), run("--dump-configuration-items"))
        else {
            continue;
        };
        let version = String::from_utf8(version.stdout).unwrap();
        let version: u32 = version.split(' ').nth(1).unwrap().parse().unwrap();
        if ![252, 257, 262].contains(&version) {
            eprintln!("SKIPPED: the list was made from 252, 257 and 262, not from {version}");
            continue;
        }
        let output = String::from_utf8(output.stdout).unwrap();
        let mut section = "";
        let mut theirs = BTreeSet::new();
        for line in output.lines() {
            if let Some(name) = line.strip_prefix('[') {
                section = name.trim_end_matches(']');
            } else if let Some((key, _)) = line.split_once('=') {
                theirs.insert((section.to_owned(), key.to_owned()));
            }
        }
        let ours = settings()
            .filter(|s| s.in_version(version) == Presence::Known)
            .map(|s| (s.section.to_owned(), s.key.to_owned()))
            .collect::<BTreeSet<_>>();
        assert!(theirs.len() > 1000);
        assert_eq!(ours, theirs, "{version}");
        compared += 1;
    }
    if compared == 0 {
        eprintln!("SKIPPED: systemd is not installed, so its list cannot be compared");
    }
}
