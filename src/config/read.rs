//! Converts TOML to [`Config`]: every value with its position, every fault with its line. No fault
//! quotes a value, because somebody may have written a secret where it does not belong.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;

use globset::GlobBuilder;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::keys::{APP, FILE, IGNORE, Kind, Table};
use super::{AppConfig, Config, ConfigError, FailOn, Places};
use crate::engine::{Day, Ignore, IgnoredFile, Named, Selection};
use crate::facts::{Endpoint, Given, TcpHost, probe};
use crate::rule::Severity;
use crate::source::similar::nearest;
use crate::source::unit::name_of_file;
use crate::source::{FileId, SourceFile, show};

type Value<'t> = Spanned<DeValue<'t>>;

/// Reads the whole file.
pub(super) fn config(bytes: &[u8], places: Places<'_>) -> Result<Config, Vec<ConfigError>> {
    let file = SourceFile::new(FileId(0), places.shown, bytes);
    let mut reader = ConfigReader { file: &file, places, errors: Vec::new(), lines: Vec::new() };
    let config = reader.config(bytes);
    match config {
        Some(config) if reader.errors.is_empty() => Ok(config),
        _ => {
            reader.errors.sort_by_key(|error| error.line);
            Err(reader.errors)
        }
    }
}

struct ConfigReader<'a> {
    file: &'a SourceFile,
    places: Places<'a>,
    errors: Vec<ConfigError>,
    /// The files named in the current table, and their lines.
    lines: Vec<(PathBuf, usize)>,
}

impl ConfigReader<'_> {
    fn fault(&mut self, range: &Range<usize>, message: impl Into<String>) {
        let line = self.line(range);
        self.errors.push(ConfigError {
            path: self.places.shown.to_path_buf(),
            line,
            message: message.into(),
        });
    }

    fn line(&self, range: &Range<usize>) -> usize {
        self.file.position(u32::try_from(range.start).unwrap_or(u32::MAX)).line
    }

    fn config(&mut self, bytes: &[u8]) -> Option<Config> {
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => {
                let at = error.valid_up_to();
                self.fault(&(at..at), "is not UTF-8, as TOML has to be");
                return None;
            }
        };
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in &errors {
            let range = error.span().unwrap_or(0..0);
            self.fault(&range, format!("is not TOML: {}", error.message()));
        }
        if !errors.is_empty() {
            return None;
        }
        let table = table.get_ref();
        self.check_keys(table, &FILE);
        let fail_on = self.fail_on(table);
        let severities = self.severities(table);
        let apps: Vec<AppConfig> =
            self.tables(table, &APP).into_iter().filter_map(|(t, at)| self.app(t, &at)).collect();
        self.each_once(&apps);
        self.lines.clear();
        let baseline = self.path(table, "baseline");
        let baseline_line = self.lines.first().map(|(_, line)| *line);
        let ignores = self
            .tables(table, &IGNORE)
            .into_iter()
            .filter_map(|(t, at)| self.ignore(t, &at))
            .collect();
        Some(Config {
            path: self.places.shown.to_path_buf(),
            text: bytes.to_vec(),
            fail_on,
            baseline,
            baseline_line: baseline_line.unwrap_or(1),
            severities,
            apps,
            ignores,
        })
    }

    /// Checks that every key is known and has a value of its kind.
    fn check_keys(&mut self, table: &DeTable<'_>, known: &Table) {
        let place = match known.name {
            "" => String::new(),
            name => format!(" in [[{name}]]"),
        };
        for (key, value) in table {
            let name: &str = key.get_ref();
            let Some((_, kind)) = known.keys.iter().find(|(known, _)| *known == name) else {
                let near = nearest(name, known.keys.iter().map(|(known, _)| *known));
                let says = match near {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => {
                        let all: Vec<&str> = known.keys.iter().map(|(known, _)| *known).collect();
                        format!("it has {}", all.join(", "))
                    }
                };
                let name = show::line(name);
                self.fault(&key.span(), format!("no such key{place}: `{name}`; {says}"));
                continue;
            };
            if let Some(wanted) = wrong(*kind, value.get_ref()) {
                self.fault(&value.span(), format!("`{name}`{place} is {wanted}"));
            }
        }
    }

    /// The tables under a key, checked. `[app]` in place of `[[app]]` was reported already.
    fn tables<'b, 't>(
        &mut self,
        table: &'b DeTable<'t>,
        known: &Table,
    ) -> Vec<(&'b DeTable<'t>, Range<usize>)> {
        let all = table.get(known.name).and_then(|value| value.get_ref().as_array());
        let tables: Vec<_> = all
            .into_iter()
            .flatten()
            .filter_map(|value| Some((value.get_ref().as_table()?, value.span())))
            .collect();
        for (table, _) in &tables {
            self.check_keys(table, known);
        }
        tables
    }

    fn fail_on(&mut self, table: &DeTable<'_>) -> Option<FailOn> {
        let (word, range) = text(table, "fail-on")?;
        let level = match word {
            "never" => Some(FailOn::Never),
            word => Severity::named(word).map(FailOn::Severity),
        };
        if level.is_none() {
            self.fault(&range, "`fail-on` is \"error\", \"warning\", \"info\" or \"never\"");
        }
        level
    }

    fn severities(&mut self, table: &DeTable<'_>) -> BTreeMap<&'static str, Severity> {
        let rules = crate::rules::all();
        let mut named_by_each = Vec::new();
        let entries = table.get("severity").and_then(|value| value.get_ref().as_table());
        for (key, value) in entries.into_iter().flatten() {
            let word: &str = key.get_ref();
            let named = match Selection::new(rules, &[word.to_owned()], &[]) {
                Ok(named) => named,
                Err(error) => {
                    self.fault(&key.span(), format!("in [severity] {error}"));
                    continue;
                }
            };
            let Some(level) = value.get_ref().as_str().and_then(Severity::named) else {
                self.fault(&value.span(), "a severity is \"error\", \"warning\" or \"info\"");
                continue;
            };
            let mine = rules.iter().filter(|rule| named.includes(rule));
            named_by_each.push(mine.map(|rule| (rule.code, level)).collect::<Vec<_>>());
        }
        // A table has no order, so the name that matches fewer rules takes precedence.
        named_by_each.sort_by_key(|named| std::cmp::Reverse(named.len()));
        named_by_each.into_iter().flatten().collect()
    }

    fn app(&mut self, table: &DeTable<'_>, at: &Range<usize>) -> Option<AppConfig> {
        let Some((name, range)) = text(table, "name") else {
            if !table.contains_key("name") {
                self.fault(
                    at,
                    "[[app]] has no `name`: write the unit's name, with or without \
                                .service",
                );
            }
            return None;
        };
        let named = self.named(name);
        if named.is_none() {
            self.fault(&range, "`name` in [[app]] is not a unit name");
        }
        self.lines.clear();
        let files = Given {
            units: self.paths(table, "unit"),
            nginx: self.paths(table, "nginx"),
            env_files: self.paths(table, "env-file"),
            app_dir: self.path(table, "app-dir"),
            gunicorn_conf: self.path(table, "gunicorn-conf"),
            requirements: self.path(table, "requirements"),
            venv: self.path(table, "venv"),
            each: Vec::new(),
            ..Given::default()
        };
        let is_it = |path: &PathBuf| {
            named
                .as_ref()
                .is_some_and(|named| named.is(&name_of_file(path).to_string(), Some(path)))
        };
        if !files.units.is_empty() && !files.units.iter().any(is_it) {
            let at = table.get("unit").map_or(range.clone(), Spanned::span);
            self.fault(&at, format!("`unit` in [[app]] names no file of the unit {name}"));
        }
        Some(AppConfig {
            named: named?,
            name: name.to_owned(),
            line: self.line(&range),
            files,
            lines: std::mem::take(&mut self.lines),
            required: self.variables(table),
            upstream: self.upstream(table),
            probes: self.probes(table),
        })
    }

    fn named(&self, word: &str) -> Option<Named> {
        Named::new(word, self.places.base, self.places.working)
    }

    /// Checks that each application has only one entry: with two, it would not be clear which
    /// counts.
    fn each_once(&mut self, apps: &[AppConfig]) {
        for (at, app) in apps.iter().enumerate() {
            let before = apps.iter().take(at).find(|other| other.named.is_same(&app.named));
            if let Some(before) = before {
                let name = show::line(&app.name);
                let message = format!(
                    "[[app]] {name} is in line {} already: merge the two, or, for two units of the \
                     same name, give their paths",
                    before.line
                );
                let path = self.places.shown.to_path_buf();
                self.errors.push(ConfigError { path, line: app.line, message });
            }
        }
    }

    fn variables(&mut self, table: &DeTable<'_>) -> Vec<(String, Range<usize>)> {
        let mut names = Vec::new();
        for (name, range) in texts(table, "required-variables") {
            let mut letters = name.chars();
            let begins = letters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
            if begins && letters.all(|c| c.is_ascii_alphanumeric() || c == '_') {
                names.push((name.to_owned(), range));
            } else {
                // The text may contain a value.
                self.fault(
                    &range,
                    "`required-variables` in [[app]] is a list of names, without \
                                    values",
                );
            }
        }
        names
    }

    fn upstream(&mut self, table: &DeTable<'_>) -> Option<(Endpoint, Range<usize>)> {
        let (word, range) = text(table, "expected-upstream")?;
        let endpoint = match word.strip_prefix("unix:") {
            Some(path) if path.starts_with('/') => Some(Endpoint::unix(path.as_ref())),
            Some(_) => None,
            None => word.rsplit_once(':').and_then(|(host, port)| {
                let port = port.parse().ok()?;
                let named = !host.is_empty() && !host.contains('/');
                named.then(|| Endpoint::Tcp { host: TcpHost::parse(host), port })
            }),
        };
        if endpoint.is_none() {
            let message = "`expected-upstream` in [[app]] is unix:/run/x.sock or 127.0.0.1:8000";
            self.fault(&range, message);
        }
        Some((endpoint?, range))
    }

    fn probes(&mut self, table: &DeTable<'_>) -> Vec<String> {
        let mut urls = Vec::new();
        for (url, range) in texts(table, "probe") {
            if probe::parse(url).is_ok() {
                urls.push(url.to_owned());
            } else {
                let message = "`probe` in [[app]] takes URLs: http://host/path, https://host/path \
                               or unix:/run/x.sock, without user and password";
                self.fault(&range, message);
            }
        }
        urls
    }

    fn ignore(&mut self, table: &DeTable<'_>, at: &Range<usize>) -> Option<Ignore> {
        for needed in ["rule", "reason"] {
            if !table.contains_key(needed) {
                let why = if needed == "rule" { "which findings?" } else { "write why" };
                self.fault(at, format!("[[ignore]] has no `{needed}`: {why}"));
            }
        }
        let (rule, rule_at) = text(table, "rule")?;
        let (reason, reason_at) = text(table, "reason")?;
        if reason.trim().is_empty() {
            self.fault(&reason_at, "`reason` in [[ignore]] is empty: write why");
        }
        let rules = match Selection::new(crate::rules::all(), &[rule.to_owned()], &[]) {
            Ok(rules) => rules,
            Err(error) => {
                self.fault(&rule_at, format!("in [[ignore]] {error}"));
                return None;
            }
        };
        let app = text(table, "app");
        let named = app.as_ref().and_then(|(app, _)| self.named(app));
        if let (Some((_, range)), None) = (&app, &named) {
            self.fault(range, "`app` in [[ignore]] is not a unit name");
        }
        let file = text(table, "file").and_then(|(pattern, range)| {
            let file = self.ignored_file(pattern);
            if file.is_none() {
                self.fault(&range, "`file` in [[ignore]] is not a path or pattern");
            }
            file
        });
        let until = table.get("until").and_then(|value| {
            let day = day(value.get_ref());
            if day.is_none() && wrong(Kind::Day, value.get_ref()).is_none() {
                self.fault(&value.span(), "`until` in [[ignore]] is not a date: write 2026-05-01");
            }
            day
        });
        Some(Ignore {
            rules,
            rule: rule.to_owned(),
            app: named,
            file,
            reason: show::line(reason.trim()),
            until,
            place: (self.places.shown.to_path_buf(), self.line(at)),
        })
    }

    fn ignored_file(&self, pattern: &str) -> Option<IgnoredFile> {
        let pattern = pattern.strip_prefix("./").unwrap_or(pattern);
        let glob = GlobBuilder::new(pattern).literal_separator(true).build().ok()?;
        Some(IgnoredFile {
            pattern: glob.compile_matcher(),
            base: self.places.base.to_path_buf(),
            working: self.places.working.to_path_buf(),
        })
    }

    /// Reads a path, which is relative to the directory of the file. The result is relative to the
    /// working directory if the path is below that.
    fn path(&mut self, table: &DeTable<'_>, key: &str) -> Option<PathBuf> {
        let (path, range) = text(table, key)?;
        self.placed(path, &range, key)
    }

    fn paths(&mut self, table: &DeTable<'_>, key: &str) -> Vec<PathBuf> {
        let all = texts(table, key);
        all.into_iter().filter_map(|(path, range)| self.placed(path, &range, key)).collect()
    }

    fn placed(&mut self, path: &str, range: &Range<usize>, key: &str) -> Option<PathBuf> {
        if path.is_empty() || path.contains('\0') {
            self.fault(range, format!("`{key}` names no file"));
            return None;
        }
        let path = crate::host::tidy(&self.places.base.join(path));
        let path = match path.strip_prefix(self.places.working) {
            Ok(here) if here.as_os_str().is_empty() => PathBuf::from("."),
            Ok(below) => below.to_path_buf(),
            Err(_) => path,
        };
        self.lines.push((path.clone(), self.line(range)));
        Some(path)
    }
}

/// What a value must be, if it is something else.
fn wrong(kind: Kind, value: &DeValue<'_>) -> Option<String> {
    let all = |fits: fn(&DeValue<'_>) -> bool| {
        value.as_array().is_some_and(|array| array.iter().all(|value| fits(value.get_ref())))
    };
    let (fits, wanted) = match kind {
        Kind::Text => (value.is_str(), "a string".to_owned()),
        Kind::Texts => (all(|value| value.is_str()), "a list of strings".to_owned()),
        Kind::Day => (value.is_str() || value.is_datetime(), "a day: 2026-05-01".to_owned()),
        Kind::Map => (value.is_table(), "a table: U107 = \"error\"".to_owned()),
        Kind::Tables(name) => {
            (all(|value| value.is_table()), format!("a list of tables, written [[{name}]]"))
        }
    };
    (!fits).then_some(wanted)
}

fn text<'b>(table: &'b DeTable<'_>, key: &str) -> Option<(&'b str, Range<usize>)> {
    let value = table.get(key)?;
    Some((value.get_ref().as_str()?, value.span()))
}

fn texts<'b>(table: &'b DeTable<'_>, key: &str) -> Vec<(&'b str, Range<usize>)> {
    let array = table.get(key).and_then(|value| value.get_ref().as_array());
    let one = |value: &'b Value<'_>| Some((value.get_ref().as_str()?, value.span()));
    array.into_iter().flatten().filter_map(one).collect()
}

/// Reads a day: a valid calendar date without a time.
fn day(value: &DeValue<'_>) -> Option<Day> {
    let moment: toml::value::Datetime = match value {
        DeValue::Datetime(moment) => *moment,
        DeValue::String(text) => text.parse().ok()?,
        _ => return None,
    };
    if moment.time.is_some() || moment.offset.is_some() {
        return None;
    }
    let date = moment.date?;
    Some(Day(format!("{:04}-{:02}-{:02}", date.year, date.month, date.day)))
}
