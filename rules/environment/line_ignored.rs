use crate::facts::environment::{Ignored, IgnoredKind, ReadFile};
use crate::facts::{App, Why};
use crate::rule::prelude::{Span, Spanned};
use crate::rule::{Edit, Safety, Severity, Sink};

crate::rule! {
    /// A variable is not set, because systemd drops its line without a word.
    ///
    /// An `EnvironmentFile=` looks like a shell script and is none. systemd takes `NAME=value` and
    /// nothing else: `export NAME=value`, a name with a dash or a dot or a digit at its start,
    /// `NAME: value`, and the first line of a file that begins with a byte order mark are all
    /// passed over. The unit starts all the same; what misses the variable is the application: at
    /// the next reload its workers do not boot. For a bad name there is a line `Ignoring invalid
    /// environment assignment` in the journal, for `NAME: value` and a line without `=` there is
    /// nothing. (Measured on systemd 252 and 257.)
    ///
    /// Proved by `environment-export`: the variable never arrived, the application broke
    /// off with KeyError at its start, and every request got 502.
    ///
    /// ```env,bad
    /// export SECRET_KEY=9f2c1b7e5d8a4f03b6c7d1e2a5f4988c
    /// DATABASE_URL=sqlite:////srv/myapp/shared/myapp.db
    /// ```
    /// ```env,fixed
    /// SECRET_KEY=9f2c1b7e5d8a4f03b6c7d1e2a5f4988c
    /// DATABASE_URL=sqlite:////srv/myapp/shared/myapp.db
    /// ```
    /// Blanks round `=`, comments, blank lines and quotes are all right:
    /// ```env,good
    /// # export is not needed here
    /// ; nor here
    ///
    /// SECRET_KEY = "9f2c1b7e5d8a4f03b6c7d1e2a5f4988c"
    ///   DATABASE_URL='sqlite:////srv/myapp/shared/myapp.db'
    /// ```
    /// A name with a dash is no name:
    /// ```env,bad
    /// SECRET_KEY=9f2c1b7e5d8a4f03b6c7d1e2a5f4988c
    /// DATABASE_URL=sqlite:////srv/myapp/shared/myapp.db
    /// MAIL-SERVER=localhost
    /// ```
    /// YAML is no environment file:
    /// ```env,bad
    /// SECRET_KEY=9f2c1b7e5d8a4f03b6c7d1e2a5f4988c
    /// DATABASE_URL=sqlite:////srv/myapp/shared/myapp.db
    /// MAIL_SERVER: localhost
    /// ```
    /// ```env,fixed
    /// SECRET_KEY=9f2c1b7e5d8a4f03b6c7d1e2a5f4988c
    /// DATABASE_URL=sqlite:////srv/myapp/shared/myapp.db
    /// MAIL_SERVER=localhost
    /// ```
    E401 "line-ignored" {
        severity: Error, impact: Outage, fix: Some(Safe), item: Environment, hop: Release,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    for read in app.environment.read_files() {
        for line in &read.content.ignored {
            report(app, read, line, out);
        }
    }
    Ok(())
}

fn report(app: &App, read: &ReadFile, line: &Ignored, out: &mut Sink) {
    let path = read.place.path.display();
    let number = line.lines.start();
    let meant = read.meant(line);
    let name = meant.as_ref().map(|name| name.value.as_str());
    let (cause, repair) = words(line.kind, name.unwrap_or("NAME"));
    let message = match name {
        Some(name) => format!("{name} is not set from {path}: systemd drops the line, {cause}"),
        None => format!("systemd drops line {number} of {path}: {cause}"),
    };
    let set_elsewhere = name.is_some_and(|name| app.environment.variables.contains_key(name));
    // How long a hidden line is, is hidden too: without a name, its start alone is pointed at.
    let start = Span { end: line.span.start + 1, ..line.span };
    let span = meant.as_ref().map_or(start, |name| name.span);
    let finding = out.report(message).at(span, short(line.kind)).help(repair);
    match name {
        Some(name) => finding.subject(name),
        // The text may be a part of a secret: it is told apart by its number among such lines.
        None => finding.subject(format!("{:?}", line.kind)),
    };
    // Nothing is known to be lost where no name can be made out, or where another line sets it.
    if name.is_none() || set_elsewhere {
        finding.severity(Severity::Warning);
    }
    let title = match (line.kind, name) {
        (IgnoredKind::Export, Some(name)) => format!("take `export` away before {name}"),
        (IgnoredKind::Bom, _) => "take the byte order mark away".to_owned(),
        (IgnoredKind::Colon, Some(name)) => format!("write `{name}=` in place of `{name}:`"),
        _ => return,
    };
    let edit = match line.kind {
        IgnoredKind::Export => without_export(read, line, meant.as_ref()),
        IgnoredKind::Bom => without_mark(read, line),
        _ => with_equals(read, line, meant.as_ref()),
    };
    let safety = match edit {
        None => Safety::Manual,
        // What another line set is then what this one says.
        Some(_) if set_elsewhere => Safety::Unsafe,
        Some(_) => Safety::Safe,
    };
    // A line that is dropped has no comment in its value.
    finding.fix(safety, title).uncovers_rules(&["E403"]).edits(edit);
}

/// `export ` goes, as long as a shell would have exported this one variable and no more.
fn without_export(read: &ReadFile, line: &Ignored, name: Option<&Spanned<String>>) -> Option<Edit> {
    let name = name?.span;
    let before = Span { end: name.start, ..line.name_span };
    let rest = read.source.slice(Span { start: name.end, ..line.span });
    let alone = read.source.slice(before).trim_ascii() == b"export" && !sets_another(rest);
    alone.then(|| Edit::replace(before, ""))
}

/// Does another word with a `=` in it follow behind `=value`?
fn sets_another(rest: &[u8]) -> bool {
    let value = rest.strip_prefix(b"=").unwrap_or(rest);
    // In quotes blanks belong to the value.
    if matches!(value.first(), Some(b'"' | b'\'')) {
        return false;
    }
    let words = value.split(u8::is_ascii_whitespace).skip(1);
    words.take_while(|word| !word.starts_with(b"#")).any(|word| word.contains(&b'='))
}

/// The byte order mark goes, with the `export` behind it.
fn without_mark(read: &ReadFile, line: &Ignored) -> Option<Edit> {
    let mark: &[u8] = b"\xef\xbb\xbf";
    let rest = read.source.bytes.strip_prefix(mark)?;
    let blanks = |text: &[u8]| text.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
    let export = match rest.strip_prefix(b"export").map(blanks) {
        Some(count @ 1..) => b"export".len() + count,
        _ => 0,
    };
    Some(Edit::replace(Span::new(line.span.file, 0, mark.len() + export), ""))
}

/// `NAME: value` as YAML has it becomes `NAME=value`, as long as the value is plain in both.
fn with_equals(read: &ReadFile, line: &Ignored, name: Option<&Spanned<String>>) -> Option<Edit> {
    let name = name?.span;
    let text = read.source.slice(Span { start: name.end, ..line.span });
    let blanks = |text: &[u8]| text.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
    let colon = blanks(text);
    let behind = text.get(colon..)?.strip_prefix(b":")?;
    let length = colon + 1 + blanks(behind);
    let value = text.get(length..)?.trim_ascii_end();
    // Lists, blocks, references and escapes mean something else there.
    let mut quotes = value.iter().filter(|byte| matches!(byte, b'"' | b'\''));
    let closes = match value {
        [open @ (b'"' | b'\''), .., end] => open == end && quotes.count() == 2,
        _ => quotes.next().is_none(),
    };
    let plain = closes
        && !value.contains(&b'\\')
        && !value.contains(&b'\n')
        && !matches!(
            value.first(),
            Some(b'|' | b'>' | b'[' | b'{' | b'&' | b'*' | b'!' | b'/' | b'@' | b'`')
        );
    let end = name.end.checked_add(u32::try_from(length).ok()?)?;
    plain.then(|| Edit::replace(Span { start: name.end, end, ..name }, "="))
}

/// The cause, and what to type.
fn words(kind: IgnoredKind, name: &str) -> (&'static str, String) {
    let again = "then restart the unit: workers keep the old environment over a reload";
    match kind {
        IgnoredKind::Export => ("it knows no `export`", format!("write: {name}=…\n{again}")),
        IgnoredKind::Bom => (
            "the file starts with a byte order mark that belongs to the name",
            format!(
                "save the file as UTF-8 without BOM (sed -i '1s/^\\xef\\xbb\\xbf//' FILE)\n{again}"
            ),
        ),
        IgnoredKind::Colon => {
            ("`:` assigns nothing, only `=` does", format!("write: {name}=…\n{again}"))
        }
        IgnoredKind::Section => {
            ("an environment file has no sections", "delete the line".to_owned())
        }
        IgnoredKind::EmptyName => {
            ("there is no name before the `=`", "write the name, or delete the line".to_owned())
        }
        IgnoredKind::BadName => (
            "a name is made of letters, digits and `_`, and starts with no digit",
            format!("rename it here and where the code reads it\n{again}"),
        ),
        IgnoredKind::NoEquals => (
            "there is no `=` in it",
            "write NAME=value; quote a value of several lines, or delete the line".to_owned(),
        ),
        IgnoredKind::TooLong => (
            "it is longer than systemd reads",
            "put the value into a file and only its path here".to_owned(),
        ),
    }
}

fn short(kind: IgnoredKind) -> &'static str {
    match kind {
        IgnoredKind::Export => "`export` is the shell's",
        IgnoredKind::Bom => "a byte order mark stands before it",
        IgnoredKind::Colon => "should be `=`",
        IgnoredKind::Section => "no section here",
        IgnoredKind::EmptyName => "no name",
        IgnoredKind::BadName => "not a name",
        IgnoredKind::NoEquals => "no `=`",
        IgnoredKind::TooLong => "too long",
    }
}
