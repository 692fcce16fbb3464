//! Shell scripts in `-c`: cut into simple commands, as far as one can without being a shell
//! (POSIX, "Shell Command Language", 2.3 and 2.9).

use crate::source::unit::exec::{ExecCommand, Word};

/// The shells that take `-c`.
const SHELLS: [&str; 7] = ["sh", "bash", "dash", "ash", "ksh", "zsh", "mksh"];

/// The last component of a path.
pub fn base_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Is this the program of a shell?
pub fn is_shell(program: &str) -> bool {
    SHELLS.contains(&base_name(program))
}

/// The script of the first `sh -c SCRIPT` in a command (`env bash -lc SCRIPT` too), and the shell.
pub fn script(command: &ExecCommand) -> Option<(&Word, &Word)> {
    let words: Vec<&Word> = std::iter::once(&command.program).chain(&command.arguments).collect();
    let at = words.iter().position(|word| is_shell(word.text.as_str()))?;
    let rest = words.get(at + 1..)?;
    let option = rest.iter().position(|word| {
        let text = word.text.as_str();
        text.starts_with('-') && !text.starts_with("--") && text.ends_with('c')
    })?;
    Some((words[at], rest.get(option + 1)?))
}

/// The simple commands of a script in order, quotes taken off, redirections left out. What a
/// substitution stands for is left as written.
pub fn simple_commands(script: &str) -> Vec<Vec<String>> {
    let mut cutter = Cutter::default();
    let mut characters = script.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\'' => cutter.quoted(&mut characters, '\''),
            '"' => cutter.quoted(&mut characters, '"'),
            '`' => cutter.substitution(&mut characters, '`'),
            '\\' => {
                if let Some(next) = characters.next().filter(|next| *next != '\n') {
                    cutter.push(next);
                }
            }
            '$' if characters.peek() == Some(&'(') => {
                characters.next();
                cutter.push('$');
                cutter.substitution(&mut characters, '(');
            }
            '#' if cutter.word.is_none() => while characters.next_if(|c| *c != '\n').is_some() {},
            '>' | '<' => {
                // `2>&1`, `>>file`: the descriptor before it is no word of the command.
                if cutter.word.as_ref().is_some_and(|w| w.chars().all(|c| c.is_ascii_digit())) {
                    cutter.word = None;
                }
                cutter.end_word();
                while characters.next_if(|c| matches!(c, '>' | '<' | '&' | '|')).is_some() {}
                while characters.next_if(|c| matches!(c, ' ' | '\t')).is_some() {}
                cutter.redirected = true;
            }
            ' ' | '\t' => cutter.end_word(),
            ';' | '&' | '|' | '\n' | '(' | ')' => cutter.end_command(),
            other => cutter.push(other),
        }
    }
    cutter.end_command();
    cutter.commands
}

#[derive(Default)]
struct Cutter {
    commands: Vec<Vec<String>>,
    command: Vec<String>,
    word: Option<String>,
    redirected: bool,
}

type Characters<'s> = std::iter::Peekable<std::str::Chars<'s>>;

impl Cutter {
    fn push(&mut self, character: char) {
        self.word.get_or_insert_default().push(character);
    }

    fn quoted(&mut self, characters: &mut Characters, quote: char) {
        let word = self.word.get_or_insert_default();
        while let Some(character) = characters.next() {
            match character {
                '\\' if quote == '"' => word.extend(characters.next()),
                character if character == quote => return,
                character => word.push(character),
            }
        }
    }

    fn substitution(&mut self, characters: &mut Characters, open: char) {
        let word = self.word.get_or_insert_default();
        word.push(open);
        let mut depth = 1u32;
        for character in characters.by_ref() {
            word.push(character);
            match (open, character) {
                ('`', '`') => return,
                ('(', '(') => depth += 1,
                ('(', ')') => {
                    depth -= 1;
                    if depth == 0 {
                        return;
                    }
                }
                _ => {}
            }
        }
    }

    fn end_word(&mut self) {
        let Some(word) = self.word.take() else { return };
        if std::mem::take(&mut self.redirected) {
            return;
        }
        self.command.push(word);
    }

    fn end_command(&mut self) {
        self.end_word();
        self.redirected = false;
        let keyword = |word: &String| {
            ["{", "}", "if", "then", "else", "fi", "do", "done", "while", "!", "exec"]
                .contains(&word.as_str())
        };
        let start = self.command.iter().take_while(|word| keyword(word)).count();
        let command = self.command.split_off(start);
        self.command.clear();
        if !command.is_empty() {
            self.commands.push(command);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::simple_commands;

    #[test]
    fn scripts_are_cut_as_a_shell_cuts_them() {
        let cut = |script: &str| -> Vec<String> {
            simple_commands(script).iter().map(|words| words.join("|")).collect()
        };
        assert_eq!(cut("cd /srv && exec gunicorn -w 3"), ["cd|/srv", "gunicorn|-w|3"]);
        assert_eq!(cut("kill -HUP \"$MAINPID\" >/dev/null 2>&1; echo 'a b'"), [
            "kill|-HUP|$MAINPID",
            "echo|a b"
        ]);
        assert_eq!(cut("kill -s HUP $(cat /run/x.pid; true) # no"), [
            "kill|-s|HUP|$(cat /run/x.pid; true)"
        ]);
        assert_eq!(cut("kill `cat p`|tee log"), ["kill|`cat p`", "tee|log"]);
    }
}
