//! How a module itself changes the environment: `os.environ`, `load_dotenv()` and similar calls.

use ruff_python_ast::{Arguments, Expr, Stmt};
use ruff_text_size::Ranged;

use super::super::walk::Place;
use super::super::{Span, span_of};
use super::{EnvironmentWrite, Meaning, Scan, WriteKind, keyword, literal};

impl Scan<'_> {
    /// `os.environ["X"] = …`, `del os.environ["X"]`, `os.environ |= …`.
    pub(super) fn writes(&mut self, statement: &Stmt, place: Place) {
        let span = span_of(self.module.file, statement.range());
        match statement {
            Stmt::Assign(node) => {
                for target in &node.targets {
                    self.write_to(target, WriteKind::Set, span, place);
                }
            }
            Stmt::AugAssign(node) if self.meaning(&node.target) == Some(Meaning::Environ) => {
                self.write_all(Some(&node.value), span, place);
            }
            Stmt::AugAssign(node) => self.write_to(&node.target, WriteKind::Set, span, place),
            Stmt::For(node) => self.write_to(&node.target, WriteKind::Set, span, place),
            Stmt::Delete(node) => {
                for target in &node.targets {
                    self.write_to(target, WriteKind::Remove, span, place);
                }
            }
            _ => {}
        }
    }

    fn write_to(&mut self, target: &Expr, kind: WriteKind, span: Span, place: Place) {
        let items: &[Expr] = match target {
            Expr::Tuple(node) => &node.elts,
            Expr::List(node) => &node.elts,
            one => std::slice::from_ref(one),
        };
        for target in items {
            if let Expr::Subscript(node) = target
                && self.meaning(&node.value) == Some(Meaning::Environ)
            {
                self.write(literal(&node.slice), kind, span, place);
            }
        }
    }

    fn write(&mut self, name: Option<&str>, kind: WriteKind, span: Span, place: Place) {
        if let (Some(name), WriteKind::Set | WriteKind::Fill) = (name, kind) {
            self.out.sets.insert(name.to_owned());
        }
        // A function that is called at import counts as a function too, because the evaluation of a
        // configuration file does not follow calls.
        let (name, in_function) = (name.map(str::to_owned), place.function || place.called);
        self.out.writes.push(EnvironmentWrite { name, kind, span, in_function });
    }

    /// Records all names in a dictionary; if it is not written out, one write of unknown names.
    fn write_all(&mut self, from: Option<&Expr>, span: Span, place: Place) {
        match from {
            Some(Expr::Dict(dict)) => {
                for item in &dict.items {
                    self.write(item.key.as_ref().and_then(literal), WriteKind::Set, span, place);
                }
            }
            Some(_) => self.write(None, WriteKind::Set, span, place),
            None => {}
        }
    }

    /// Records a method of `os.environ` that changes the environment.
    pub(super) fn write_by_method(
        &mut self,
        name: &str,
        arguments: &Arguments,
        span: Span,
        place: Place,
    ) {
        let first = arguments.args.first();
        match name {
            "setdefault" => self.write(first.and_then(literal), WriteKind::Fill, span, place),
            "pop" => self.write(first.and_then(literal), WriteKind::Remove, span, place),
            "clear" | "popitem" => self.write(None, WriteKind::Remove, span, place),
            "update" => {
                self.write_all(first, span, place);
                for keyword in &arguments.keywords {
                    let name = keyword.arg.as_ref().map(|name| name.as_str());
                    self.write(name, WriteKind::Set, span, place);
                }
            }
            _ => {}
        }
    }

    /// Records a call that sets variables from a file.
    pub(super) fn load(&mut self, arguments: &Arguments, place: Place, whole: &Expr) {
        let span = self.span(whole);
        self.out.loads_file.push(span);
        let keeps = ["override", "overwrite"].iter().all(|name| {
            keyword(arguments, name)
                .is_none_or(|value| matches!(value, Expr::BooleanLiteral(node) if !node.value))
        });
        // The fourth argument of `load_dotenv` is `override` too, and `**options` may contain it.
        let keeps = keeps
            && arguments.args.len() < 4
            && arguments.keywords.iter().all(|keyword| keyword.arg.is_some());
        let kind = if keeps { WriteKind::Fill } else { WriteKind::Set };
        self.write(None, kind, span, place);
    }
}
