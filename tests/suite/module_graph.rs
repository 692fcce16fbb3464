//! Which file names which: the `use` trees and the paths of Rust's modules, followed through
//! re-exports to the file that has the item, and the circles among these files.

use std::collections::{BTreeMap, BTreeSet};

/// A module's path below the crate's root: `["facts", "nginx"]`.
pub type Path = Vec<String>;

/// A file: its module's path, and its text.
pub struct File {
    pub module: Path,
    pub text: String,
}

/// What one module, a file's or one in braces within a file, names.
#[derive(Default)]
struct Module {
    /// The module of the file that it stands in.
    file: Path,
    /// What a name means here by a `use`, private or public.
    names: BTreeMap<String, Path>,
    /// Each path that is written here, with its line.
    paths: Vec<(Path, usize)>,
}

/// The files, and which of them names which: not those above or below it.
#[derive(Default)]
pub struct Graph {
    modules: BTreeMap<Path, Module>,
    /// For each file those that it names, with the line of the first time.
    pub named: BTreeMap<Path, BTreeMap<Path, usize>>,
}

impl Graph {
    pub fn of(files: &[File]) -> Self {
        let mut graph = Self::default();
        for file in files {
            graph.read(file);
        }
        let mut named: BTreeMap<Path, BTreeMap<Path, usize>> = BTreeMap::new();
        for (at, module) in &graph.modules {
            let edges = named.entry(module.file.clone()).or_default();
            for (path, line) in &module.paths {
                let Some(target) = graph.absolute(at, path, 0) else { continue };
                let target = &graph.modules[&target].file;
                if !target.starts_with(&module.file) && !module.file.starts_with(target) {
                    edges.entry(target.clone()).or_insert(*line);
                }
            }
        }
        graph.named = named;
        graph
    }

    fn read(&mut self, file: &File) {
        let tokens = tokens(&file.text);
        let word = |at: usize| tokens.get(at).map_or("", |token| token.word);
        // The modules in braces that we are in, each with the depth of its braces.
        let mut within: Vec<usize> = Vec::new();
        let (mut here, mut depth, mut at) = (file.module.clone(), 0, 0);
        let new = || Module { file: file.module.clone(), ..Module::default() };
        self.modules.insert(here.clone(), new());
        while at < tokens.len() {
            let module = self.modules.entry(here.clone()).or_insert_with(new);
            match word(at) {
                "{" => depth += 1,
                "}" => {
                    if within.last() == Some(&depth) {
                        within.pop();
                        here.pop();
                    }
                    depth -= 1;
                }
                "mod" if word(at + 2) == "{" => {
                    here.push(word(at + 1).to_owned());
                    depth += 1;
                    within.push(depth);
                    at += 2;
                }
                // `impl Trait + use<'a>` is no path.
                "use" if word(at + 1) != "<" => {
                    at += 1;
                    tree(&tokens, &mut at, &[], module);
                    continue;
                }
                first if is_name(first) && word(at + 1) == "::" && is_name(word(at + 2)) => {
                    let line = tokens[at].line;
                    let mut path = vec![first.to_owned()];
                    while word(at + 1) == "::" && is_name(word(at + 2)) {
                        at += 2;
                        path.push(word(at).to_owned());
                    }
                    module.paths.push((path, line));
                }
                _ => {}
            }
            at += 1;
        }
    }

    /// The module that has what a path means in a module; `None` if it is not of this crate.
    fn absolute(&self, module: &[String], path: &[String], followed: usize) -> Option<Path> {
        let first = path.first()?;
        let mut up = module.to_vec();
        match first.as_str() {
            "crate" => self.target(&[], &path[1..], followed),
            "self" => self.target(module, &path[1..], followed),
            "super" => {
                let ups = path.iter().take_while(|part| *part == "super").count();
                up.truncate(module.len().checked_sub(ups)?);
                self.target(&up, &path[ups..], followed)
            }
            _ => {
                up.push(first.clone());
                let known = self.modules.contains_key(&up)
                    || self.modules.get(module)?.names.contains_key(first);
                if known { self.target(module, path, followed) } else { None }
            }
        }
    }

    /// The module that has what a path below a module means.
    fn target(&self, module: &[String], path: &[String], followed: usize) -> Option<Path> {
        let mut at = module.to_vec();
        for (number, part) in path.iter().enumerate() {
            at.push(part.clone());
            if self.modules.contains_key(&at) {
                continue;
            }
            at.pop();
            // A name that stands for itself (`use clap;`) would be followed for ever.
            if let Some(meant) = self.modules.get(&at)?.names.get(part).filter(|_| followed < 16) {
                let path = [meant.as_slice(), &path[number + 1..]].concat();
                return self.absolute(&at, &path, followed + 1);
            }
            break;
        }
        self.modules.contains_key(&at).then_some(at)
    }

    /// The circles: each the modules of files of which every one leads to every other.
    pub fn circles(&self) -> Vec<BTreeSet<Path>> {
        let mut back: BTreeMap<&Path, Vec<&Path>> = BTreeMap::new();
        for (from, targets) in &self.named {
            for to in targets.keys() {
                back.entry(to).or_default().push(from);
            }
        }
        let forward = |at: &Path| self.named.get(at).into_iter().flatten().map(|(to, _)| to);
        let (mut seen, mut order) = (BTreeSet::new(), Vec::new());
        for start in self.named.keys() {
            visit(start, &forward, &mut seen, &mut order);
        }
        // Kosaraju: from the last that was left, all that leads to it is in its circle.
        let backward = |at: &Path| back.get(at).into_iter().flatten().copied();
        let (mut seen, mut circles) = (BTreeSet::new(), Vec::new());
        for start in order.into_iter().rev() {
            let mut circle = Vec::new();
            visit(start, &backward, &mut seen, &mut circle);
            if circle.len() > 1 {
                circles.push(circle.into_iter().cloned().collect());
            }
        }
        circles.sort();
        circles
    }
}

/// Goes everywhere from a module, and takes down each that is left.
fn visit<'a, I: Iterator<Item = &'a Path>>(
    at: &'a Path,
    next: &impl Fn(&'a Path) -> I,
    seen: &mut BTreeSet<&'a Path>,
    order: &mut Vec<&'a Path>,
) {
    if seen.insert(at) {
        next(at).for_each(|to| visit(to, next, seen, order));
        order.push(at);
    }
}

/// What follows `use`, or a part of its braces: each path of it, and the name that it gets.
fn tree(tokens: &[Token], at: &mut usize, before: &[String], module: &mut Module) {
    let mut path = before.to_vec();
    let line = tokens.get(*at).map_or(0, |token| token.line);
    let mut name = None;
    loop {
        match tokens.get(*at).map_or(";", |token| token.word) {
            "{" => {
                *at += 1;
                while tokens.get(*at).is_some_and(|token| !["}", ";"].contains(&token.word)) {
                    match tokens[*at].word {
                        "," => *at += 1,
                        _ => tree(tokens, at, &path, module),
                    }
                }
                *at += 1;
                return;
            }
            "," | "}" | ";" => break,
            "as" => {
                *at += 1;
                name = tokens.get(*at).map(|token| token.word.to_owned());
            }
            // What a glob brings is not told one by one: the module it stands for is named.
            "*" => name = Some("*".to_owned()),
            "self" if !path.is_empty() => {}
            word if is_name(word) => path.push(word.to_owned()),
            _ => {}
        }
        *at += 1;
    }
    if let Some(name) = name.or_else(|| path.last().cloned()) {
        module.names.insert(name, path.clone());
        module.paths.push((path, line));
    }
}

struct Token<'a> {
    word: &'a str,
    line: usize,
}

fn is_name(word: &str) -> bool {
    word.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// The names and signs of a Rust text, without comments and what stands in quotes.
fn tokens(text: &str) -> Vec<Token<'_>> {
    let (mut found, mut line, mut rest) = (Vec::new(), 1, text);
    while let Some(first) = rest.chars().next() {
        let part = part(rest, first);
        let (word, after) = rest.split_at(part.min(rest.len()));
        let is_sign = word == "::" || word.len() == 1 && first.is_ascii_punctuation();
        if is_sign || is_name(word) && !word.contains('"') {
            found.push(Token { word, line });
        }
        line += word.matches('\n').count();
        rest = after;
    }
    found
}

/// How many bytes the first name, sign, comment or quote of a text has.
fn part(rest: &str, first: char) -> usize {
    let until = |from: usize, end: &str| {
        rest.get(from..).and_then(|text| text.find(end)).map_or(rest.len(), |at| from + at)
    };
    if rest.starts_with("//") {
        return until(2, "\n");
    }
    if rest.starts_with("/*") {
        return until(2, "*/") + 2;
    }
    if rest.starts_with("::") {
        return 2;
    }
    if first == '"' {
        return closed(rest, '"');
    }
    if first == '\'' {
        // A lifetime has no second quote behind its first character.
        let mut after = rest.chars().skip(1);
        return match (after.next(), after.next()) {
            (Some('\\'), _) | (_, Some('\'')) => closed(rest, '\''),
            _ => 1,
        };
    }
    if !is_name(rest) {
        return first.len_utf8();
    }
    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
    if ["r", "br"].contains(&&rest[..end]) {
        let hashes = rest[end..].len() - rest[end..].trim_start_matches('#').len();
        if rest[end + hashes..].starts_with('"') {
            let close = format!("\"{}", "#".repeat(hashes));
            return until(end + hashes + 1, &close) + close.len();
        }
    }
    end
}

/// How many bytes a quoted text has, with both quotes.
fn closed(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    rest.len()
}
