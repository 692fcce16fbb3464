//! How nginx is started, and so which file its configuration is: `-c`, `-p` and `-g` of the master
//! that runs, or of `nginx.service` where none is seen.

use std::path::{Path, PathBuf};

use crate::facts::processes::Table;
use crate::facts::shell::{base_name, quoted};
use crate::facts::{Known, Machine, Origin, Service, Why, environment};
use crate::source::Sources;
use crate::source::nginx::{self, Model};
use crate::source::unit::{Unit, expand};

/// The configuration of the packages, which nginx reads without `-c`.
const USUAL: &str = "/etc/nginx/nginx.conf";
/// Directives of `-g` in every distribution's unit: nothing of the configuration depends on them.
const ORDINARY: [&str; 2] = ["daemon", "master_process"];

/// How nginx is started.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// The file that its configuration begins with.
    pub file: Known<PathBuf>,
    /// The words that `nginx -t` needs to test that file; none for the packages' own.
    pub options: Vec<String>,
    /// The directives of `-g`, where they are more than how it runs.
    pub directives: Option<String>,
}

impl Invocation {
    /// As the packages start it.
    pub fn usual() -> Self {
        let file = Known::Observed(PathBuf::from(USUAL), "nginx's packages");
        Self { file, options: Vec::new(), directives: None }
    }

    /// The test of the configuration, as a line to type.
    pub fn test(&self) -> String {
        let words = ["nginx", "-t"].into_iter().chain(self.options.iter().map(String::as_str));
        words.map(quoted).collect::<Vec<_>>().join(" ")
    }

    fn unknown(why: Why) -> Self {
        Self { file: Known::Unknown(why), ..Self::usual() }
    }
}

/// Of the master of `nginx.service`, or of the unit.
pub(super) fn read(
    sources: &Sources,
    machine: &Machine,
    unit: Option<&Unit>,
    table: Option<&Table<'_>>,
) -> Invocation {
    let running = table.and_then(|table| of_masters(&super::running::masters(table)));
    match (running, unit) {
        (Some(started), _) => started,
        (None, Some(unit)) => of_unit(sources, machine, unit),
        (None, None) => Invocation::usual(),
    }
}

/// A master's title has its command line behind it, joined with spaces.
fn of_masters(titles: &[(u32, String)]) -> Option<Invocation> {
    let mut found = titles.iter().map(|(_, title)| options(&words_of_title(title)));
    let first = found.next()?;
    let started = match found.all(|other| other == first) {
        true => first.started(|path| Known::Observed(path, "nginx's command line")),
        false => Invocation::unknown(Why::not_understood(
            "nginx.service has several masters with different command lines",
        )),
    };
    Some(started)
}

/// The text of `-g` is several words of the title: it ends at the next option.
fn words_of_title(title: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut text = false;
    for word in title.split_whitespace().skip_while(|word| *word != "process").skip(2) {
        text &= !(word.starts_with('-') && words.last().is_some_and(|last| last.ends_with(';')));
        match words.last_mut().filter(|last| text && last.as_str() != "-g") {
            Some(last) => {
                last.push(' ');
                last.push_str(word);
            }
            None => words.push(word.to_owned()),
        }
        text |= word == "-g";
    }
    words
}

/// `ExecStart=` of its unit, drop-ins included.
fn of_unit(sources: &Sources, machine: &Machine, unit: &Unit) -> Invocation {
    if unit.masked {
        return Invocation::usual();
    }
    let service = Service::read(sources, machine, unit.clone(), Vec::new());
    let Some(command) = service.exec_start.last() else { return Invocation::usual() };
    let line = &command.line;
    let program = line.program.text.as_str();
    if !base_name(program).contains("nginx") {
        return Invocation::unknown(Why::not_understood(format!(
            "nginx.service starts nginx by {program}: which configuration it reads is not known"
        )));
    }
    let has_variables = line.arguments.iter().any(|word| !word.variables.is_empty());
    let environment = match has_variables {
        true => environment::read(sources, machine, &service, &[], &mut Vec::new()),
        false => environment::Environment::default(),
    };
    let systemd = machine.systemd.ok().copied();
    let words = expand(line, |name| environment.lookup_in_exec(name, systemd));
    if let Some(why) = words.iter().find_map(|word| word.unknown.as_deref()) {
        let why = Why::depends(why).about("ExecStart= of nginx.service");
        return Invocation::unknown(why);
    }
    let text = |secret: bool| {
        let words = words.iter().skip(1).filter(move |word| secret || !word.secret);
        words.map(|word| word.written.as_str().to_owned()).collect::<Vec<_>>()
    };
    let all = options(&text(true));
    // What a variable contains is shown nowhere, so nothing but the usual file can come from one.
    if words.iter().any(|word| word.secret)
        && (all.file.as_deref().is_some_and(|file| file != USUAL)
            || all.prefix.is_some()
            || all.more_directives().is_some())
        && all != options(&text(false))
    {
        return Invocation::unknown(Why::depends(
            "a variable in ExecStart= of nginx.service says which configuration nginx reads",
        ));
    }
    all.started(|path| Known::Value(path, Origin::text(line.span)))
}

/// The options that decide what nginx reads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Switches {
    file: Option<String>,
    prefix: Option<String>,
    directives: Option<String>,
}

/// Reads them as nginx does (`ngx_get_options`): single letters may share a word, a value is the
/// rest of the word or the next word, and the last one counts.
fn options(words: &[String]) -> Switches {
    let mut found = Switches::default();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let Some(letters) = word.strip_prefix('-') else { continue };
        for (at, letter) in letters.char_indices() {
            if !matches!(letter, 'c' | 'p' | 'g' | 'e' | 's') {
                continue;
            }
            let rest = letters.get(at + letter.len_utf8()..).unwrap_or_default();
            let value = if rest.is_empty() { words.next().cloned() } else { Some(rest.to_owned()) };
            match letter {
                'c' => found.file = value,
                'p' => found.prefix = value,
                'g' => found.directives = value,
                _ => {}
            }
            break;
        }
    }
    found
}

impl Switches {
    /// What `-g` says besides how nginx runs.
    fn more_directives(&self) -> Option<String> {
        let text = self.directives.as_deref()?;
        let ordinary = |line: &str| {
            let name = line.split_whitespace().next();
            name.is_none_or(|name| ORDINARY.contains(&name))
        };
        (!text.split(';').all(ordinary)).then(|| text.trim().to_owned())
    }

    fn started(self, known: impl FnOnce(PathBuf) -> Known<PathBuf>) -> Invocation {
        let directives = self.more_directives();
        let prefix = self.prefix.as_deref().map(Path::new);
        let file = match self.file.as_deref().map(Path::new) {
            None => {
                return Invocation {
                    options: self.words(&directives),
                    directives,
                    ..Invocation::usual()
                };
            }
            Some(path) if path.is_absolute() => known(path.into()),
            Some(path) => match prefix.filter(|prefix| prefix.is_absolute()) {
                Some(prefix) => known(prefix.join(path)),
                None => Known::Unknown(Why::depends(format!(
                    "nginx is started with `-c {}`, which counts from a directory that is \
                     compiled into it",
                    path.display()
                ))),
            },
        };
        Invocation { file, options: self.words(&directives), directives }
    }

    fn words(&self, directives: &Option<String>) -> Vec<String> {
        let file = self.file.clone().filter(|file| file != USUAL);
        let all = [("-c", &file), ("-p", &self.prefix), ("-g", directives)];
        let given =
            all.into_iter().filter_map(|(name, value)| Some([name.to_owned(), value.clone()?]));
        given.flatten().collect()
    }
}

/// The directives of `-g` as a configuration of their own.
pub(super) fn model_of(sources: &Sources, directives: &str) -> Model {
    Model::new(nginx::parse(sources, "nginx -g", directives.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(title: &str) -> Switches {
        options(&words_of_title(&format!("nginx: master process {title}")))
    }

    #[test]
    fn a_title_has_the_options_behind_it() {
        let file = |options: Switches| options.file;
        assert_eq!(file(of("/usr/sbin/nginx -g daemon on; master_process on;")), None);
        let found = of("nginx -g daemon on; user web; -c /srv/n.conf -p /srv");
        assert_eq!(found.file.as_deref(), Some("/srv/n.conf"));
        assert_eq!(found.prefix.as_deref(), Some("/srv"));
        assert_eq!(found.more_directives().as_deref(), Some("daemon on; user web;"));
        assert_eq!(file(of("nginx -c/srv/n.conf")).as_deref(), Some("/srv/n.conf"));
        assert_eq!(file(of("nginx -qc /a -c /srv/n.conf")).as_deref(), Some("/srv/n.conf"));
        assert_eq!(file(of("nginx -c")), None);
        assert_eq!(of("nginx -g daemon on;").more_directives(), None);
    }

    #[test]
    fn the_test_names_what_it_tests() {
        let started = |title: &str| of(title).started(|path| Known::Observed(path, "test"));
        assert_eq!(started("nginx -c /etc/nginx/nginx.conf").test(), "nginx -t");
        let own = started("nginx -c conf/n.conf -p /srv/x -g user web;");
        assert_eq!(own.test(), "nginx -t -c conf/n.conf -p /srv/x -g 'user web;'");
        assert_eq!(own.file.ok().map(PathBuf::as_path), Some(Path::new("/srv/x/conf/n.conf")));
        assert!(started("nginx -c n.conf").file.ok().is_none());
    }
}
