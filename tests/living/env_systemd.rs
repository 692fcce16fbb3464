//! The environment file reader against systemd itself: what a service finds in its environment,
//! and what systemd logs about the file, for the measured table, for generated files and for real
//! ones.

use crate::support;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::Path;

use crate::support::container::Container;
use crate::support::env_files::generated;
use crate::support::suite::Suite;
use deploy_doctor::source::env_file::{self, Dialect, EnvFile, FaultKind};
use deploy_doctor::source::{FileId, SourceFile};

/// A service that writes down its environment.
const UNIT: &str = "[Unit]\nDefaultDependencies=no\n\n[Service]\nType=oneshot\n\
    EnvironmentFile=/cases/%i.env\nExecStart=/usr/bin/env -0\nStandardOutput=truncate:/out/%i\n";

const IGNORING: &str = "Ignoring invalid environment assignment";

type Environment = BTreeMap<Vec<u8>, Vec<u8>>;

/// What systemd made of one file.
struct Measured {
    /// `None`: the unit did not start, so that nothing was written.
    environment: Option<Environment>,
    messages: Vec<String>,
}

fn measure(container: &Container, cases: &BTreeMap<String, Vec<u8>>) -> HashMap<String, Measured> {
    for (name, bytes) in cases {
        fs::write(container.root().join(format!("cases/{name}.env")), bytes).unwrap();
    }
    let units: Vec<String> = cases.keys().map(|name| format!("envtest@{name}.service")).collect();
    let mut command = vec!["systemctl", "start", "--"];
    command.extend(units.iter().map(String::as_str));
    let started = container.run_for(120, &command);
    assert_ne!(started.status.code(), Some(124), "the units took too long");
    let mut messages = messages(container);
    cases
        .keys()
        .map(|name| {
            let written = fs::read(container.root().join("out").join(name)).unwrap_or_default();
            let environment = (!written.is_empty()).then(|| environment(&written));
            let messages = messages.remove(&format!("envtest@{name}.service")).unwrap_or_default();
            (name.clone(), Measured { environment, messages })
        })
        .collect()
}

fn environment(bytes: &[u8]) -> Environment {
    bytes
        .split(|byte| *byte == 0)
        .filter_map(|entry| {
            let equals = entry.iter().position(|byte| *byte == b'=')?;
            Some((entry[..equals].to_vec(), entry[equals + 1..].to_vec()))
        })
        .collect()
}

/// What systemd logged, by unit.
fn messages(container: &Container) -> HashMap<String, Vec<String>> {
    let fields = "--output-fields=UNIT,MESSAGE";
    let output = container.run(&[
        "sh",
        "-c",
        &format!("journalctl --sync; journalctl -o json {fields} _PID=1"),
    ]);
    let mut found: HashMap<String, Vec<String>> = HashMap::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let entry: serde_json::Value = serde_json::from_str(line).unwrap();
        let Some(unit) = entry["UNIT"].as_str() else { continue };
        // Where a message is not printable it is an array of bytes.
        let message = match &entry["MESSAGE"] {
            serde_json::Value::Array(bytes) => {
                let bytes: Vec<u8> = bytes.iter().map(|b| b.as_u64().unwrap() as u8).collect();
                String::from_utf8_lossy(&bytes).into_owned()
            }
            other => other.as_str().unwrap_or_default().to_owned(),
        };
        found.entry(unit.to_owned()).or_default().push(message);
    }
    found
}

/// Every systemd that is asked for, one after another, each with what a service finds set anyway.
fn booted(case: &'static str) -> impl Iterator<Item = (Container, Environment)> {
    Suite::asked().into_iter().filter_map(move |suite| boot(suite, case))
}

fn boot(suite: Suite, case: &str) -> Option<(Container, Environment)> {
    let container = Container::boot_on(suite, case, |root| {
        fs::create_dir(root.join("cases")).unwrap();
        fs::create_dir(root.join("out")).unwrap();
        fs::write(root.join("etc/systemd/system/envtest@.service"), UNIT).unwrap();
        let journald = root.join("etc/systemd/journald.conf.d");
        fs::create_dir_all(&journald).unwrap();
        fs::write(journald.join("all.conf"), "[Journal]\nRateLimitBurst=0\n").unwrap();
    });
    let container = container.map_err(support::skip).ok()?;
    let empty = BTreeMap::from([("empty".to_owned(), Vec::new())]);
    let base = measure(&container, &empty).remove("empty").unwrap().environment.unwrap();
    assert!(base.contains_key(b"PATH".as_slice()), "a service has an environment");
    Some((container, base))
}

/// The dialect of the container's systemd.
fn dialect(container: &Container) -> Dialect {
    let text = container.sh_ok("systemctl --version");
    let version = text.split_whitespace().nth(1).and_then(|word| word.parse().ok());
    assert!(version.is_some(), "{text}");
    Dialect::of_version(version)
}

fn read(bytes: &[u8], dialect: Dialect) -> EnvFile {
    env_file::parse(&SourceFile::new(FileId(0), "/cases/x.env", bytes), dialect)
}

/// The first way in which systemd and the reader do not agree.
fn disagreement(
    bytes: &[u8],
    dialect: Dialect,
    base: &Environment,
    seen: &Measured,
) -> Option<String> {
    let file = read(bytes, dialect);
    let Some(environment) = &seen.environment else {
        return file.fatal.is_none().then(|| format!("does not start: {:?}", seen.messages));
    };
    if let Some(fault) = file.fatal {
        return Some(format!("starts, in spite of {fault:?}"));
    }
    let expected: Environment = file
        .effective()
        .map(|a| (a.name.value.clone().into_bytes(), a.value.expose().to_vec()))
        .collect();
    let mut actual = environment.clone();
    actual.retain(|name, _| expected.contains_key(name) || !base.contains_key(name));
    if actual != expected {
        let text = |environment: &Environment| {
            environment
                .iter()
                .map(|(n, v)| format!("{}={:?}", n.escape_ascii(), v.escape_ascii().to_string()))
                .collect::<Vec<_>>()
                .join(", ")
        };
        return Some(format!("\n  systemd {}\n  reader  {}", text(&actual), text(&expected)));
    }
    // systemd logs the last of several lines with one wrong name.
    let wrong: BTreeSet<&[u8]> = file
        .ignored
        .iter()
        .filter(|ignored| ignored.logged)
        .map(|ignored| &bytes[ignored.name_span.start as usize..ignored.name_span.end as usize])
        .map(|name| if name.starts_with(b"=") { b"".as_slice() } else { name })
        .collect();
    let logged = seen.messages.iter().filter(|message| message.contains(IGNORING)).count();
    (logged != wrong.len()).then(|| format!("{logged} logged, {} expected", wrong.len()))
}

/// One row of the table: the file, what the process gets, what systemd logs.
type Row = (&'static [u8], &'static [(&'static str, &'static str)], &'static str);

const TABLE: &[Row] = &[
    (b"A = x\n", &[("A", "x")], ""),
    (b"export A=1\nB=2\n", &[("B", "2")], IGNORING),
    (b"FOO BAR=x\nB=2\n", &[("B", "2")], IGNORING),
    (b"1A=x\nB=2\n", &[("B", "2")], IGNORING),
    (b"FOO-BAR=x\nB=2\n", &[("B", "2")], IGNORING),
    (b"foo.bar=x\nB=2\n", &[("B", "2")], IGNORING),
    (b"\xef\xbb\xbfA=1\nB=2\n", &[("B", "2")], IGNORING),
    (b"FOO\nB=2\n", &[("B", "2")], ""),
    (b"A: 1\nB=2\n", &[("B", "2")], ""),
    (b"[x]\nB=2\n", &[("B", "2")], ""),
    (b"=x\nB=2\n", &[("B", "2")], ""),
    (b"A=x # c\n", &[("A", "x # c")], ""),
    (b"A=\"x\" # c\n", &[("A", "x# c")], ""),
    (b"A=ab\\cd\n", &[("A", "abcd")], ""),
    (b"A=\"a\\nb\"\n", &[("A", "a\\nb")], ""),
    (b"A='a\\n'\n", &[("A", "a\\n")], ""),
    (b"A=x\"y z\"w\n", &[("A", "x\"y z\"w")], ""),
    (b"A=\"x\"y z\n", &[("A", "xy z")], ""),
    (b"B=$A ${A} $(id) %n\n", &[("B", "$A ${A} $(id) %n")], ""),
    (b"A=\"x\nB=1\nC=2\n", &[("A", "x\nB=1\nC=2\n")], ""),
    (b"A=it's\nB=2\n", &[("A", "it's"), ("B", "2")], ""),
    (b"A=l1\\\nl2\n", &[("A", "l1l2")], ""),
    (b"A=l1\\\r\nl2\r\n", &[("A", "l1")], ""),
    (b"# c \\\nA=1\nB=2\n", &[("B", "2")], ""),
    (b"A=1\nA=2\n", &[("A", "2")], ""),
    (b"A=1\r\n; c\r\n# c\r\nB=\"2\r\n3\"\r\n", &[("A", "1"), ("B", "2\r\n3")], ""),
    (b"A='1\n2'\n", &[("A", "1\n2")], ""),
];

/// Files with which the unit does not start.
const FATAL: &[(&[u8], FaultKind, &str)] = &[
    (b"A=\xff\n", FaultKind::NonUtf8, "Failed to load environment files: Invalid argument"),
    (b"\xffA=1\n", FaultKind::NonUtf8, "Failed to load environment files: Invalid argument"),
    (b"A=\xef\xbf\xbf\n", FaultKind::NonUtf8, "Failed to load environment files: Invalid argument"),
    (b"A=1\0\n", FaultKind::Nul, "Failed to load environment files: Bad message"),
];

#[test]
fn every_row_of_the_table_is_what_a_service_gets() {
    for (container, base) in booted("env-table") {
        let dialect = dialect(&container);
        let rows = TABLE.iter().map(|row| row.0).chain(FATAL.iter().map(|row| row.0));
        let mut cases: BTreeMap<String, Vec<u8>> = rows
            .enumerate()
            .map(|(index, bytes)| (format!("row{index}"), bytes.to_vec()))
            .collect();
        // `NAME=` and the final NUL count too.
        for length in [131_068, 131_069, 131_070, 131_071] {
            cases.insert(
                format!("long{length}"),
                format!("A={}\n", "x".repeat(length)).into_bytes(),
            );
        }
        for length in [2_097_148, 2_097_149, 2_097_150, 3_000_000] {
            cases.insert(
                format!("long{length}"),
                format!("A={}\n", "x".repeat(length)).into_bytes(),
            );
        }
        let (long, longer) = ("x".repeat(200_000), "x".repeat(3_000_000));
        cases.insert("shorter-last".into(), format!("A={long}\nA=1\n").into_bytes());
        cases.insert("longer-last".into(), format!("A=1\nA={longer}\nB=1").into_bytes());
        cases.insert("longer-first".into(), format!("A={longer}\nA=1\n").into_bytes());
        cases.insert("control".into(), b"A=\x01\x07\x1b\x7f\tx\n".to_vec());
        cases.insert("comment".into(), b"# \xff\nFOO\xff\nA=1\n".to_vec());
        let measured = measure(&container, &cases);
        for (index, (bytes, expected, log)) in TABLE.iter().enumerate() {
            let seen = &measured[&format!("row{index}")];
            let row = bytes.escape_ascii().to_string();
            let mut environment = seen.environment.clone().unwrap_or_else(|| panic!("{row}"));
            environment.retain(|name, _| !base.contains_key(name));
            let expected: Environment =
                expected.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect();
            if dialect == Dialect::Before254 || !row.contains("# c ") {
                assert_eq!(environment, expected, "{row}");
            }
            let logged = seen.messages.iter().any(|message| message.contains(IGNORING));
            assert_eq!(logged, !log.is_empty(), "{row}: {:?}", seen.messages);
        }
        for (index, (bytes, kind, log)) in FATAL.iter().enumerate() {
            let seen = &measured[&format!("row{}", TABLE.len() + index)];
            let row = bytes.escape_ascii().to_string();
            assert!(seen.environment.is_none(), "{row}");
            assert!(seen.messages.iter().any(|m| m.contains(log)), "{row}: {:?}", seen.messages);
            assert_eq!(read(bytes, dialect).fatal.map(|fault| fault.kind), Some(*kind), "{row}");
        }
        agree(&cases, &measured, dialect, &base);
    }
}

/// With `EnvironmentFile=-…` a file that cannot be read is ignored, whole and without a word; an
/// assignment that is too long still keeps the unit from starting.
#[test]
fn a_leading_dash_ignores_a_bad_file_whole() {
    for (container, base) in booted("env-dash") {
        let unit = UNIT.replace("EnvironmentFile=", "EnvironmentFile=-");
        fs::write(container.root().join("etc/systemd/system/envtest@.service"), unit).unwrap();
        container.sh_ok("systemctl daemon-reload");
        let mut cases: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        for (index, (bytes, ..)) in FATAL.iter().enumerate() {
            cases.insert(format!("bad{index}"), [b"B=1\n", *bytes].concat());
        }
        let mut measured = measure(&container, &cases);
        for (name, bytes) in &cases {
            assert!(read(bytes, Dialect::Since254).fatal.is_some(), "{name}");
            let seen = measured.remove(name).unwrap();
            assert!(
                seen.messages.iter().all(|m| !m.contains("environment")),
                "{:?}",
                seen.messages
            );
            let mut environment = seen.environment.unwrap();
            environment.retain(|name, _| !base.contains_key(name));
            assert_eq!(environment, Environment::new(), "{name}");
        }
        let long = BTreeMap::from([(
            "long".to_owned(),
            format!("A={}\n", "x".repeat(131_072)).into_bytes(),
        )]);
        let seen = measure(&container, &long).remove("long").unwrap();
        assert!(seen.environment.is_none());
        let fault = read(&long["long"], Dialect::Since254).fatal.unwrap();
        assert_eq!(fault.kind, FaultKind::TooLong);
        assert!(
            seen.messages.iter().any(|message| message.contains("status=203/EXEC")),
            "{:?}",
            seen.messages
        );
    }
}

/// Fails with every case in which systemd and the reader differ.
fn agree(
    cases: &BTreeMap<String, Vec<u8>>,
    measured: &HashMap<String, Measured>,
    dialect: Dialect,
    base: &Environment,
) {
    let differences: Vec<String> = cases
        .iter()
        .filter_map(|(name, bytes)| {
            let difference = disagreement(bytes, dialect, base, &measured[name])?;
            let head = &bytes[..bytes.len().min(300)];
            Some(format!("{name} {}: {difference:.2000}", head.escape_ascii()))
        })
        .collect();
    let count = differences.len();
    assert!(count == 0, "{count} of {} differ:\n{}", cases.len(), differences.join("\n"));
}

#[test]
fn a_thousand_generated_files_are_read_as_systemd_reads_them() {
    for (container, base) in booted("env-generated") {
        let cases: BTreeMap<String, Vec<u8>> =
            (0..1000).map(|seed| (format!("g{seed}"), generated(seed))).collect();
        let measured = measure(&container, &cases);
        let started = measured.values().filter(|seen| seen.environment.is_some()).count();
        assert!((800..1000).contains(&started), "{started} of 1000 start: not a fair sample");
        agree(&cases, &measured, dialect(&container), &base);
    }
}

#[test]
fn real_files_are_read_as_systemd_reads_them() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus/env");
    let Ok(entries) = fs::read_dir(&directory) else {
        return support::skip(format!("{} does not exist", directory.display()));
    };
    let cases: BTreeMap<String, Vec<u8>> = entries
        .enumerate()
        .map(|(index, entry)| (format!("c{index}"), fs::read(entry.unwrap().path()).unwrap()))
        .collect();
    assert!(cases.len() > 20, "only {} files", cases.len());
    for (container, base) in booted("env-corpus") {
        let measured = measure(&container, &cases);
        agree(&cases, &measured, dialect(&container), &base);
    }
}
