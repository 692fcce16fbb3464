//! What a living host answers, in a rule's example: `text,bad,command=systemctl show` (the text is
//! the command's output; `status=1`), `command=import` (what the preflight's script says) and
//! `probe=URL` (lines `TARGET 200`, `TARGET refused`); with `version=TEXT,without=3` three of ten
//! answers do not contain the text. `room=PATH`: how much is left there.

#![allow(dead_code)] // each test binary uses a part of it

use std::time::Duration;

use deploy_doctor::facts::{self, Deployment};
use deploy_doctor::host::{HttpAnswer, HttpError, MemoryHost, Output, Room};
use deploy_doctor::rule::Example;
use deploy_doctor::source::Sources;

fn option<'a>(example: &'a Example, name: &str) -> Option<&'a str> {
    example.options.iter().find_map(|option| option.strip_prefix(name))
}

/// What the example is the answer to, if it is one.
pub fn answers(example: &Example) -> Option<String> {
    ["command=", "probe=", "room="]
        .into_iter()
        .find_map(|name| option(example, name))
        .map(str::to_owned)
}

/// Lets the host answer so.
pub fn answer(example: &Example, host: &mut MemoryHost) {
    let text = example.text.as_str();
    if let Some(command) = option(example, "command=") {
        let status = option(example, "status=").map_or(0, |status| status.parse().unwrap());
        let output = output(status, text);
        match command {
            "import" => host.imports(Ok(output)),
            _ => host.command(command, Ok(output)),
        };
        return;
    }
    if let Some(path) = option(example, "room=") {
        host.has_room(path, room(text));
        return;
    }
    for line in text.lines() {
        let (target, word) = line.rsplit_once(' ').unwrap();
        let answer = match word {
            "refused" => Err(HttpError::Refused),
            "silent" => Err(HttpError::TimedOut),
            status => Ok(HttpAnswer { status: status.parse().unwrap(), took: Duration::ZERO }),
        };
        host.answer(target, answer);
    }
}

/// `size=1073741824 left=4096 files=65536 files-left=60000 read-only`
fn room(text: &str) -> Room {
    let number = |key: &str| {
        let word = text.split_whitespace().find_map(|word| word.strip_prefix(key));
        word.map_or(0, |word| word.parse().unwrap())
    };
    Room {
        size: number("size="),
        left: number("left="),
        files: number("files="),
        files_left: number("files-left="),
        read_only: text.contains("read-only"),
    }
}

/// What a command says that ends with this status.
pub fn output(status: i32, text: &str) -> Output {
    Output { status: Some(status), stdout: text.into(), ..Output::default() }
}

/// Asks what only options ask for, where a case answers it.
pub fn ask(case: &[Example], sources: &Sources, deployment: &mut Deployment) {
    for example in case {
        if option(example, "command=") == Some("import") {
            facts::preflight::run(sources, deployment);
        }
        if let Some(url) = option(example, "probe=") {
            let question = facts::probe::Question { url: url.to_owned(), app: None };
            facts::probe::run(sources, deployment, &[question], None).unwrap();
            if let (Some(expected), Some(without)) =
                (option(example, "version="), option(example, "without="))
            {
                let without = without.parse().unwrap();
                let (expected, with) = (expected.to_owned(), 10 - without);
                let version = facts::probe::Version { expected, with, without };
                facts::probe::look_for(deployment, url, &version);
            }
        }
    }
}
