//! Translates a line written for a shell into systemd's own settings, if that is certain.

use crate::facts::App;
use crate::facts::service::{Command, ExecCommand, ExecPrefixes, Word};
use crate::rule::Edit;
use crate::rules::shell_syntax::{is_shell_program, syntax};
use crate::rules::unit;

/// What the fix does, and how.
pub(super) type Repair = Option<(String, Vec<Edit>)>;

/// For a command in which this word is the first that only a shell reads.
pub(super) fn repair(app: &App, setting: &str, command: &ExecCommand, first: &Word) -> Repair {
    homes(app, command)
        .or_else(|| split(app, setting, command))
        .or_else(|| comment(app, command, first))
}

/// What is behind `#` becomes a comment, above the line.
fn comment(app: &App, command: &ExecCommand, first: &Word) -> Repair {
    let assignment = app.service.only_command(command)?;
    let text = first.span.to(command.arguments.last()?.span);
    let lift = Edit::Lift { statement: assignment.span, text };
    (app.is_one_line(text) && first.text.as_str().starts_with('#'))
        .then(|| ("move the comment to its own line".to_owned(), vec![lift]))
}

/// The words from this one on go; where they say where the output is meant to go, a setting says
/// it.
pub(super) fn without_effect(app: &App, command: &ExecCommand, first: &Word) -> Repair {
    app.service.only_command(command).filter(|_| app.service.exec_start.len() == 1)?;
    let service = &app.service.unit;
    let words = command.arguments.iter().skip_while(|word| word.span != first.span);
    let texts: Vec<&str> = words.map(|word| word.text.as_str()).collect();
    let last = command.arguments.last()?;
    if first.text.as_str().starts_with('#') {
        return comment(app, command, first);
    }
    let mut edits = vec![Edit::remove_word(first.span.to(last.span))];
    let log = log(&texts)?;
    let Some(output) = log.output else { return Some((String::new(), edits)) };
    let taken = ["StandardOutput", "StandardError"];
    if taken.iter().any(|key| service.last("Service", key).is_some()) {
        return None;
    }
    edits.push(Edit::set(service, "StandardOutput", format!("append:{output}")));
    // Without a word on it systemd sends both to the same place.
    if !log.errors_too {
        edits.push(Edit::set(service, "StandardError", "journal"));
    }
    Some((format!("StandardOutput=append:{output}"), edits))
}

/// Where redirections send the output.
struct Log<'a> {
    output: Option<&'a str>,
    errors_too: bool,
}

/// What the words ask for, if all of them are understood.
fn log<'a>(words: &[&'a str]) -> Option<Log<'a>> {
    let mut log = Log { output: None, errors_too: false };
    let mut words = words.iter().copied();
    while let Some(word) = words.next() {
        if word == "&" && words.len() == 0 {
            break;
        }
        if word == "2>&1" {
            log.errors_too = true;
            continue;
        }
        let both = word.strip_prefix("&>");
        let rest = both.or_else(|| word.strip_prefix('1').unwrap_or(word).strip_prefix('>'))?;
        let rest = rest.strip_prefix('>').unwrap_or(rest);
        let path = if rest.is_empty() { words.next()? } else { rest };
        if log.output.is_some() || !is_log(path) {
            return None;
        }
        log.output = Some(path);
        log.errors_too |= both.is_some();
    }
    Some(log)
}

/// systemd makes no directory for a log, and does not start the service without it. This one is
/// always there.
fn is_log(path: &str) -> bool {
    path.strip_prefix("/var/log/").is_some_and(|name| !name.contains('/') && unit::plain(name))
}

/// The home directory of the service's user.
pub(super) fn home(app: &App) -> Option<String> {
    let user = app.service.user.ok()?;
    let home = &app.machine.accounts.ok()?.user(&user.name)?.home;
    home.to_str().filter(|home| home.starts_with('/') && unit::plain(home)).map(str::to_owned)
}

/// Every `~` becomes the user's home directory, if nothing else is a shell's.
fn homes(app: &App, command: &ExecCommand) -> Repair {
    if is_shell_program(command.program.text.as_str()) || command.prefixes.full_privileges {
        return None;
    }
    let home = home(app)?;
    let mut edits = Vec::new();
    for word in &command.arguments {
        match syntax(app, word).as_deref() {
            None => {}
            Some("~") => {
                let at = app.tilde_in(word.span)?;
                edits.push(Edit::replace(at, home.clone()));
            }
            Some(_) => return None,
        }
    }
    (!edits.is_empty()).then(|| (format!("write {home} for ~"), edits))
}

/// `a && b` as two lines: systemd too runs the second only when the first went well.
fn split(app: &App, setting: &str, command: &ExecCommand) -> Repair {
    let assignment = app.service.only_command(command)?;
    let starts = setting == "ExecStart";
    let in_turn = ["ExecStartPre", "ExecStartPost", "ExecReload", "ExecStop", "ExecStopPost"];
    if !(starts || in_turn.contains(&setting)) || command.prefixes != ExecPrefixes::default() {
        return None;
    }
    let words: Vec<&Word> = std::iter::once(&command.program).chain(&command.arguments).collect();
    let parts: Vec<&[&Word]> = words.split(|word| word.text.as_str() == "&&").collect();
    if !parts.iter().all(|part| is_simple(app, part)) {
        return None;
    }
    // What comes before the start is to stay the last of it.
    let at = assignment.span;
    let last =
        |command: &Command| command.line.span.file == at.file && command.line.span.start < at.start;
    let service = &app.service;
    if starts && !(service.exec_start.len() == 1 && service.exec_start_pre.iter().all(last)) {
        return None;
    }
    let mut edits = Vec::new();
    let first = if starts { "ExecStartPre" } else { setting };
    if starts {
        edits.push(Edit::replace(assignment.key.span, first));
    }
    for (index, pair) in parts.windows(2).enumerate() {
        let [[.., left], [right, ..]] = pair else { return None };
        let key = if index + 2 == parts.len() { setting } else { first };
        edits.push(Edit::Split { left: left.span, right: right.span, key: key.to_owned() });
    }
    let title = match starts {
        true => "move the commands before gunicorn to ExecStartPre=".to_owned(),
        false => format!("write one {setting}= per command"),
    };
    Some((title, edits))
}

/// A program and its arguments, with nothing in them that only a shell reads.
fn is_simple(app: &App, part: &[&Word]) -> bool {
    let Some((program, arguments)) = part.split_first() else { return false };
    let path = program.text.as_str();
    let named = unit::plain(path) && (path.starts_with('/') || !path.contains('/'));
    named
        && !path.starts_with(['-', '@', ':', '+'])
        && !is_shell_program(path)
        && program.unknown.is_none()
        && arguments.iter().all(|word| syntax(app, word).is_none())
}
