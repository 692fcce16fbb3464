//! A small reader of POSIX shell text: simple commands joined by `&&`, `||`, `;`, `|` and line
//! ends, with quotes, escapes, variables, redirections and comments.
//!
//! What it does not follow (`if`, loops, functions, subshells, here documents) is an error with a
//! reason: the caller must not guess what such a script does. POSIX XCU chapter 2.

use crate::source::gunicorn::ArgumentWord;
use crate::source::{Lookup, Text, placeholder};

/// What is between two commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Joint {
    /// `;`, the end of a line, or the script's beginning or end.
    Sequence,
    /// `&&`
    And,
    /// `||`
    Or,
    /// `|`
    Pipe,
    /// `&`
    Background,
}

/// One simple command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// `NAME=value` before the words.
    pub assignments: Vec<(String, ArgumentWord)>,
    /// The words.
    pub words: Vec<ArgumentWord>,
    /// Its input or output goes elsewhere.
    pub redirected: bool,
    /// What is before it.
    pub before: Joint,
    /// What is after it.
    pub after: Joint,
}

/// A variable of the shell.
pub type Variable = Lookup<ShellValue>;

/// What a variable of the shell holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShellValue {
    /// Its text.
    pub text: String,
    /// It must not be shown.
    pub secret: bool,
}

impl ShellValue {
    /// Text that may be shown: it is in the script.
    pub fn shown(text: &str) -> Self {
        Self { text: text.to_owned(), secret: false }
    }
}

/// Reads commands one by one, so that an assignment is known to the words that come after it.
pub struct Reader<'t> {
    text: &'t Text,
    at: usize,
    joint: Joint,
}

/// Names that begin what this reader does not follow.
const RESERVED: [&str; 16] = [
    "if", "then", "else", "elif", "fi", "for", "while", "until", "do", "done", "case", "esac", "{",
    "}", "!", "function",
];

impl<'t> Reader<'t> {
    /// Starts at the text's beginning.
    pub fn new(text: &'t Text) -> Self {
        Self { text, at: 0, joint: Joint::Sequence }
    }

    fn rest(&self) -> &'t str {
        self.text.as_str().get(self.at..).unwrap_or_default()
    }

    /// The next command; none at the end; an error for what is not followed.
    pub fn next(&mut self, variable: &dyn Fn(&str) -> Variable) -> Result<Option<Command>, String> {
        loop {
            let mut command = Command {
                assignments: Vec::new(),
                words: Vec::new(),
                redirected: false,
                before: self.joint,
                after: Joint::Sequence,
            };
            let ended = self.command(&mut command, variable)?;
            let empty = command.words.is_empty() && command.assignments.is_empty();
            if empty && command.before != Joint::Sequence && !command.redirected && !ended {
                // `a &&` and the next line.
                self.joint = command.before;
                continue;
            }
            self.joint = command.after;
            if !empty || command.redirected {
                if self.only_blank() {
                    command.after = match command.after {
                        Joint::Background => Joint::Background,
                        _ => Joint::Sequence,
                    };
                }
                return Ok(Some(command));
            }
            if ended {
                return Ok(None);
            }
        }
    }

    /// Nothing but white space and comments is left.
    pub fn only_blank(&self) -> bool {
        let mut lines = self.rest().lines().map(str::trim_start);
        lines.all(|line| line.trim().is_empty() || line.starts_with('#'))
    }

    /// Reads up to the next joint; true at the end of the text.
    fn command(
        &mut self,
        command: &mut Command,
        variable: &dyn Fn(&str) -> Variable,
    ) -> Result<bool, String> {
        loop {
            self.blank();
            let rest = self.rest();
            let mut characters = rest.chars();
            let Some(first) = characters.next() else { return Ok(true) };
            let second = characters.next();
            match (first, second) {
                ('#', _) => self.at += rest.find('\n').unwrap_or(rest.len()),
                ('\n', _) => return Ok(self.joint(command, 1, Joint::Sequence)),
                (';', Some(';')) => return Err("a `case` in the script is not followed".into()),
                (';', _) => return Ok(self.joint(command, 1, Joint::Sequence)),
                ('&', Some('&')) => return Ok(self.joint(command, 2, Joint::And)),
                ('|', Some('|')) => return Ok(self.joint(command, 2, Joint::Or)),
                ('|', _) => {
                    let width = if second == Some('&') { 2 } else { 1 };
                    return Ok(self.joint(command, width, Joint::Pipe));
                }
                ('&', Some('>')) => {
                    self.at += 2;
                    self.redirection(command, variable)?;
                }
                ('&', _) => return Ok(self.joint(command, 1, Joint::Background)),
                ('(' | ')', _) => return Err("a subshell or function is not followed".into()),
                ('<' | '>', _) => self.redirection(command, variable)?,
                _ => self.word_of(command, variable)?,
            }
        }
    }

    fn joint(&mut self, command: &mut Command, width: usize, joint: Joint) -> bool {
        self.at += width;
        command.after = joint;
        false
    }

    fn blank(&mut self) {
        loop {
            let rest = self.rest();
            let blank = rest.len() - rest.trim_start_matches([' ', '\t', '\r']).len();
            self.at += blank;
            match self.rest().strip_prefix("\\\n") {
                Some(_) => self.at += 2,
                None => return,
            }
        }
    }

    fn redirection(
        &mut self,
        command: &mut Command,
        variable: &dyn Fn(&str) -> Variable,
    ) -> Result<(), String> {
        let rest = self.rest();
        if rest.starts_with("<<") {
            return Err("a here document is not followed".into());
        }
        if rest.starts_with("<(") || rest.starts_with(">(") {
            return Err("a process substitution is not followed".into());
        }
        self.at += rest.len() - rest.trim_start_matches(['<', '>', '&', '|']).len();
        self.blank();
        self.word(variable)?;
        command.redirected = true;
        Ok(())
    }

    fn word_of(
        &mut self,
        command: &mut Command,
        variable: &dyn Fn(&str) -> Variable,
    ) -> Result<(), String> {
        let start = self.at;
        // `2>file`: the number belongs to the redirection.
        let rest = self.rest();
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        if digits > 0 && rest.get(digits..).is_some_and(|r| r.starts_with(['<', '>'])) {
            self.at += digits;
            return self.redirection(command, variable);
        }
        let word = self.word(variable)?;
        let raw = self.text.as_str().get(start..self.at).unwrap_or_default();
        if command.words.is_empty() {
            if RESERVED.contains(&raw) || raw == "[[" {
                return Err(format!("`{raw}` in the script is not followed"));
            }
            if let Some(name) = assignment_name(raw) {
                let skip = name.len() + 1;
                let value = match &word.unknown {
                    None => {
                        let text = word.text.slice(skip..word.text.as_str().len());
                        ArgumentWord { span: word.text.span(), text, ..word.clone() }
                    }
                    Some(_) => word.clone(),
                };
                command.assignments.push((name.to_owned(), value));
                return Ok(());
            }
        }
        // A variable that is empty leaves no word behind.
        if word.many && word.unknown.is_none() && word.text.as_str().is_empty() {
            return Ok(());
        }
        command.words.push(ArgumentWord { many: word.many && word.unknown.is_some(), ..word });
        Ok(())
    }

    /// One word. `many` is set when all of it came from a bare variable.
    fn word(&mut self, variable: &dyn Fn(&str) -> Variable) -> Result<ArgumentWord, String> {
        let start = self.at;
        let mut out = Building::new(self.text, start);
        loop {
            let rest = self.rest();
            let Some(first) = rest.chars().next() else { break };
            match first {
                ' ' | '\t' | '\r' | '\n' | ';' | '&' | '|' | '<' | '>' | '(' | ')' => break,
                '\'' => {
                    let inner = rest.get(1..).unwrap_or_default();
                    let Some(end) = inner.find('\'') else {
                        return Err("a quote is not closed".into());
                    };
                    let piece = inner.get(..end).unwrap_or_default();
                    out.push(piece, self.at + 1, self.at + 1 + end);
                    self.at += end + 2;
                    out.quoted = true;
                }
                '"' => {
                    self.at += 1;
                    out.quoted = true;
                    self.double_quoted(&mut out, variable)?;
                }
                '\\' => {
                    let Some(next) = rest.chars().nth(1) else { break };
                    let width = 1 + next.len_utf8();
                    if next != '\n' {
                        out.push(rest.get(1..width).unwrap_or_default(), self.at, self.at + width);
                    }
                    self.at += width;
                    out.quoted = true;
                }
                '$' => self.expansion(&mut out, variable, false)?,
                '`' => return Err("a command substitution is not followed".into()),
                '{' if rest.starts_with("{{") => {
                    let end = rest.find("}}").map_or(rest.len(), |end| end + 2);
                    out.unknown("a template's placeholder");
                    self.at += end;
                }
                '*' | '?' => {
                    out.unknown("a file name pattern");
                    self.at += 1;
                }
                '~' if self.at == start => {
                    let whole = rest.chars().nth(1).is_none_or(|c| c == '/' || c.is_whitespace());
                    match (whole, variable("HOME")) {
                        (true, Lookup::Set(ShellValue { text: home, secret })) => {
                            out.push(&home, self.at, self.at + 1);
                            out.secret |= secret;
                        }
                        _ => out.unknown("the home directory is not known"),
                    }
                    self.at += 1;
                }
                other => {
                    let width = other.len_utf8();
                    out.push(rest.get(..width).unwrap_or_default(), self.at, self.at + width);
                    self.at += width;
                }
            }
        }
        Ok(out.finish(start, self.at))
    }

    fn double_quoted(
        &mut self,
        out: &mut Building<'_>,
        variable: &dyn Fn(&str) -> Variable,
    ) -> Result<(), String> {
        loop {
            let rest = self.rest();
            let Some(first) = rest.chars().next() else {
                return Err("a quote is not closed".into());
            };
            match first {
                '"' => {
                    self.at += 1;
                    return Ok(());
                }
                '\\' => {
                    let next = rest.chars().nth(1);
                    let escapes = matches!(next, Some('"' | '\\' | '$' | '`' | '\n'));
                    let piece = match next {
                        Some('\n') => "",
                        Some(_) if escapes => rest.get(1..2).unwrap_or_default(),
                        _ => "\\",
                    };
                    let width = if escapes { 2 } else { 1 };
                    out.push(piece, self.at, self.at + width);
                    self.at += width;
                }
                '$' => self.expansion(out, variable, true)?,
                '`' => return Err("a command substitution is not followed".into()),
                other => {
                    let width = other.len_utf8();
                    out.push(rest.get(..width).unwrap_or_default(), self.at, self.at + width);
                    self.at += width;
                }
            }
        }
    }

    /// `$NAME`, `${NAME}`, `${NAME:-default}`, `$(…)`.
    fn expansion(
        &mut self,
        out: &mut Building<'_>,
        variable: &dyn Fn(&str) -> Variable,
        quoted: bool,
    ) -> Result<(), String> {
        let rest = self.rest();
        let inner = rest.get(1..).unwrap_or_default();
        let start = self.at;
        if inner.starts_with('(') {
            return self.substitution(out, quoted);
        }
        let (name, fallback, width) = if let Some(braced) = inner.strip_prefix('{') {
            let Some(end) = braced.find('}') else { return Err("`${` is not closed".into()) };
            let body = braced.get(..end).unwrap_or_default();
            let length = name_length(body);
            let name = body.get(..length).unwrap_or_default();
            let tail = body.get(length..).unwrap_or_default();
            let fallback = match tail {
                "" => None,
                _ => match tail.strip_prefix(":-") {
                    Some(text)
                        if !name.is_empty() && !text.contains(['$', '"', '\'', '\\', '`']) =>
                    {
                        Some(text)
                    }
                    _ => {
                        out.unknown("an expansion that is not followed");
                        self.at += 3 + end;
                        return Ok(());
                    }
                },
            };
            (name, fallback, end + 3)
        } else {
            let length = name_length(inner);
            (inner.get(..length).unwrap_or_default(), None, length + 1)
        };
        if name.is_empty() {
            if matches!(
                inner.chars().next(),
                Some('@' | '*' | '#' | '?' | '$' | '!' | '-' | '0'..='9')
            ) {
                out.unknown("the script's own arguments");
                out.bare |= !quoted;
                self.at += 2;
            } else {
                out.push("$", start, start + 1);
                self.at += 1;
            }
            return Ok(());
        }
        self.at += width;
        let found = match (variable(name), fallback) {
            (Lookup::Set(value), Some(text)) if value.text.is_empty() => {
                Lookup::Set(ShellValue::shown(text))
            }
            (Lookup::Unset, Some(text)) => Lookup::Set(ShellValue::shown(text)),
            (found, _) => found,
        };
        match found {
            Lookup::Set(ShellValue { text: value, secret }) => {
                let splits = !quoted && value.contains([' ', '\t', '\n', '*', '?', '[']);
                out.secret |= secret;
                if splits {
                    out.unknown("a variable that the shell splits into words");
                    out.bare = true;
                } else {
                    out.push(&value, start, start + width);
                    out.bare |= !quoted && value.is_empty();
                }
            }
            Lookup::Unset => out.bare |= !quoted,
            Lookup::Unknown(why) => {
                out.unknown(&why);
                out.bare |= !quoted;
            }
        }
        Ok(())
    }

    /// `$(…)`: skipped by its brackets; what it gives is not known.
    fn substitution(&mut self, out: &mut Building<'_>, quoted: bool) -> Result<(), String> {
        let mut depth = 0_usize;
        for (at, character) in self.rest().char_indices() {
            match character {
                '(' => depth += 1,
                ')' => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        out.unknown("a command substitution");
                        out.bare |= !quoted;
                        self.at += at + 1;
                        return Ok(());
                    }
                }
                '\'' | '"' | '\\' if depth > 0 && !plain_quotes(self.rest()) => {
                    return Err("a command substitution is not followed".into());
                }
                _ => {}
            }
        }
        Err("`$(` is not closed".into())
    }
}

/// No bracket is inside quotes within the first line, so that counting brackets is right.
fn plain_quotes(text: &str) -> bool {
    !text.lines().next().unwrap_or_default().contains(['\'', '\\'])
}

/// A word under construction.
struct Building<'t> {
    source: &'t Text,
    text: Text,
    unknown: Option<String>,
    secret: bool,
    quoted: bool,
    /// A bare variable that may vanish or become several words is in it.
    bare: bool,
}

impl<'t> Building<'t> {
    fn new(source: &'t Text, at: usize) -> Self {
        let text = Text::empty(source.file(), source.offset(at) as usize);
        Self { source, text, unknown: None, secret: false, quoted: false, bare: false }
    }

    fn push(&mut self, piece: &str, start: usize, end: usize) {
        let span = self.source.span_of(start..end);
        self.text.push_str(piece, span.start as usize, span.end as usize);
    }

    fn unknown(&mut self, why: &str) {
        self.unknown.get_or_insert_with(|| why.to_owned());
    }

    fn finish(mut self, start: usize, end: usize) -> ArgumentWord {
        let raw = self.source.slice(start..end);
        if self.unknown.is_none() && placeholder::find(raw.as_str()).is_some() {
            self.unknown("a template's placeholder");
        }
        let many = self.bare && !self.quoted;
        let text = if self.unknown.is_some() { raw.clone() } else { self.text };
        let (secret, unknown) = (self.secret, self.unknown);
        ArgumentWord { text, span: raw.span(), secret, unknown, many }
    }
}

fn name_length(text: &str) -> usize {
    let first = text.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    let length = text.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
    if first { length } else { 0 }
}

/// `NAME` of `NAME=…`.
fn assignment_name(raw: &str) -> Option<&str> {
    let length = name_length(raw);
    (length > 0 && raw.as_bytes().get(length) == Some(&b'=')).then(|| raw.get(..length)).flatten()
}
