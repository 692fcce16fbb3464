//! Walks through the syntax tree without exhausting the stack: expressions are walked with an
//! explicit work list; statements nest at most as deeply as Python allows (100 indentations).

use ruff_python_ast::visitor::{self, Visitor};
use ruff_python_ast::{ExceptHandler, Expr, Identifier, Pattern, Stmt};

/// Does evaluating an expression evaluate all that is directly below it? Not in `a or b`, `a if b else c`
/// and comprehensions.
pub(super) fn evaluates_all_of(expression: &Expr) -> bool {
    !matches!(
        expression,
        Expr::BoolOp(_)
            | Expr::If(_)
            | Expr::ListComp(_)
            | Expr::SetComp(_)
            | Expr::DictComp(_)
            | Expr::Generator(_)
    )
}

/// Calls `look` on an expression and on all expressions below it, in no particular order; `look`
/// returns whether to descend further. The bodies of lambdas are left out, because they do not run
/// here.
pub(super) fn expressions<'a>(root: &'a Expr, look: &mut dyn FnMut(&'a Expr) -> bool) {
    let mut todo = vec![root];
    while let Some(expression) = todo.pop() {
        if !look(expression) || expression.is_lambda_expr() {
            continue;
        }
        let mut children = Children { found: Vec::new() };
        visitor::walk_expr(&mut children, expression);
        todo.extend(children.found.into_iter().rev());
    }
}

struct Children<'a> {
    found: Vec<&'a Expr>,
}

impl<'a> Visitor<'a> for Children<'a> {
    fn visit_expr(&mut self, expr: &'a Expr) {
        self.found.push(expr);
    }
}

/// The expressions that a statement itself evaluates, without those of its nested blocks.
pub(super) fn own_expressions(statement: &Stmt) -> Vec<&Expr> {
    match statement {
        Stmt::FunctionDef(def) => {
            let defaults = def.parameters.iter_non_variadic_params();
            let defaults = defaults.filter_map(|p| p.default.as_deref());
            def.decorator_list.iter().map(|d| &d.expression).chain(defaults).collect()
        }
        Stmt::ClassDef(def) => {
            let mut found: Vec<&Expr> = def.decorator_list.iter().map(|d| &d.expression).collect();
            if let Some(arguments) = &def.arguments {
                found.extend(arguments.args.iter());
                found.extend(arguments.keywords.iter().map(|k| &k.value));
            }
            found
        }
        Stmt::For(node) => vec![&node.iter],
        Stmt::While(node) => vec![&node.test],
        Stmt::If(node) => std::iter::once(&*node.test)
            .chain(node.elif_else_clauses.iter().filter_map(|clause| clause.test.as_ref()))
            .collect(),
        Stmt::With(node) => node.items.iter().map(|item| &item.context_expr).collect(),
        Stmt::Match(node) => std::iter::once(&*node.subject)
            .chain(node.cases.iter().filter_map(|case| case.guard.as_deref()))
            .collect(),
        Stmt::Try(_) => Vec::new(),
        simple => {
            let mut children = Children { found: Vec::new() };
            visitor::walk_stmt(&mut children, simple);
            children.found
        }
    }
}

/// Calls `look` on all expressions that a statement itself evaluates, and on all expressions below
/// them.
pub(super) fn evaluated<'a>(statement: &'a Stmt, look: &mut dyn FnMut(&'a Expr)) {
    for root in own_expressions(statement) {
        expressions(root, &mut |expression| {
            look(expression);
            true
        });
    }
}

/// The conditions under which a statement runs when the module is imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Place {
    /// Whether it is in a function's body, or under `if __name__ == "__main__"`, and so does not
    /// run at import.
    pub function: bool,
    /// Whether it is in the body of a class.
    pub class: bool,
    /// Whether it is in the body of a function that is called at import.
    pub called: bool,
    /// Whether it is under a condition, in a loop, or in an `except` branch.
    pub conditional: bool,
    /// Whether it is in a `try` that catches a missing key.
    pub catches_key: bool,
    /// Whether it is in a `try` that catches a failed import.
    pub catches_import: bool,
}

/// Calls `look` on every statement, in the order of the file.
pub(super) fn statements<'a>(
    block: &'a [Stmt],
    place: Place,
    look: &mut dyn FnMut(&'a Stmt, Place),
) {
    statements_run(block, place, &|_| false, look);
}

/// Like [`statements`], but the bodies of some functions of the module run at import too. What
/// follows a `return` that may be taken runs under a condition.
pub(super) fn statements_run<'a>(
    block: &'a [Stmt],
    mut place: Place,
    runs: &dyn Fn(&str) -> bool,
    look: &mut dyn FnMut(&'a Stmt, Place),
) {
    for statement in block {
        let maybe = Place { conditional: true, ..place };
        look(statement, place);
        match statement {
            Stmt::FunctionDef(def) => {
                let top = !place.function && !place.class && !place.conditional && !place.called;
                if top && runs(&def.name) {
                    let inside = Place { called: true, ..place };
                    statements_run(&def.body, inside, runs, look);
                } else {
                    let inside = Place { function: true, class: false, ..place };
                    statements_run(&def.body, inside, runs, look);
                }
            }
            Stmt::ClassDef(def) => {
                statements_run(&def.body, Place { class: true, ..place }, runs, look)
            }
            Stmt::For(node) => {
                statements_run(&node.body, maybe, runs, look);
                statements_run(&node.orelse, maybe, runs, look);
            }
            Stmt::While(node) => {
                statements_run(&node.body, maybe, runs, look);
                statements_run(&node.orelse, maybe, runs, look);
            }
            Stmt::If(node) => {
                let first = if never_at_import(&node.test) {
                    Place { function: true, ..place }
                } else {
                    maybe
                };
                statements_run(&node.body, first, runs, look);
                for clause in &node.elif_else_clauses {
                    statements_run(&clause.body, maybe, runs, look);
                }
            }
            Stmt::With(node) => {
                let suppress = node.items.iter().any(|item| suppresses(&item.context_expr));
                let inside = Place {
                    catches_key: place.catches_key || suppress,
                    catches_import: place.catches_import || suppress,
                    ..place
                };
                statements_run(&node.body, inside, runs, look);
            }
            Stmt::Match(node) => {
                for case in &node.cases {
                    statements_run(&case.body, maybe, runs, look);
                }
            }
            Stmt::Try(node) => {
                let catches = |names: &[&str]| node.handlers.iter().any(|h| handles(h, names));
                let inside = Place {
                    catches_key: place.catches_key || catches(&["KeyError", "LookupError"]),
                    catches_import: place.catches_import
                        || catches(&["ImportError", "ModuleNotFoundError"]),
                    ..place
                };
                statements_run(&node.body, inside, runs, look);
                for ExceptHandler::ExceptHandler(handler) in &node.handlers {
                    statements_run(&handler.body, maybe, runs, look);
                }
                statements_run(&node.orelse, inside, runs, look);
                statements_run(&node.finalbody, place, runs, look);
            }
            _ => {}
        }
        place.conditional |= place.called && may_return(statement);
    }
}

/// Whether a function may return in this statement.
pub(super) fn may_return(statement: &Stmt) -> bool {
    let mut found = false;
    statements(std::slice::from_ref(statement), Place::default(), &mut |inner, place| {
        found |= !place.function && matches!(inner, Stmt::Return(_));
    });
    found
}

/// Whether the condition is `__name__ == "__main__"` or `TYPE_CHECKING`.
pub(super) fn never_at_import(test: &Expr) -> bool {
    match test {
        Expr::Compare(compare) => {
            let is_name = |e: &Expr| matches!(e, Expr::Name(n) if n.id.as_str() == "__name__");
            let is_main =
                |e: &Expr| matches!(e, Expr::StringLiteral(s) if s.value.to_str() == "__main__");
            let one = match &*compare.comparators {
                [one] => one,
                _ => return false,
            };
            let equal = matches!(&*compare.ops, [ruff_python_ast::CmpOp::Eq]);
            equal
                && ((is_name(&compare.left) && is_main(one))
                    || (is_main(&compare.left) && is_name(one)))
        }
        Expr::Name(name) => name.id.as_str() == "TYPE_CHECKING",
        Expr::Attribute(attribute) => attribute.attr.as_str() == "TYPE_CHECKING",
        _ => false,
    }
}

/// Whether the handler catches one of these exceptions, or all.
pub(super) fn handles(handler: &ExceptHandler, names: &[&str]) -> bool {
    let ExceptHandler::ExceptHandler(handler) = handler;
    let Some(class) = handler.type_.as_deref() else { return true };
    let classes: Vec<&Expr> = match class {
        Expr::Tuple(tuple) => tuple.elts.iter().collect(),
        one => vec![one],
    };
    classes.iter().any(|class| match class {
        Expr::Name(name) => {
            let name = name.id.as_str();
            names.contains(&name) || matches!(name, "Exception" | "BaseException")
        }
        // A computed exception: the handler may catch one of these.
        _ => true,
    })
}

/// `contextlib.suppress(…)`.
fn suppresses(context: &Expr) -> bool {
    let Expr::Call(call) = context else { return false };
    match &*call.func {
        Expr::Name(name) => name.id.as_str() == "suppress",
        Expr::Attribute(attribute) => attribute.attr.as_str() == "suppress",
        _ => false,
    }
}

/// The names of `a.b.c`; `None` for any other expression.
pub(super) fn dotted(expression: &Expr) -> Option<Vec<&str>> {
    let mut names = Vec::new();
    let mut at = expression;
    loop {
        match at {
            Expr::Attribute(attribute) => {
                names.push(attribute.attr.as_str());
                at = &attribute.value;
            }
            Expr::Name(name) => {
                names.push(name.id.as_str());
                names.reverse();
                return Some(names);
            }
            _ => return None,
        }
    }
}

/// The names that a pattern of `match` binds.
pub(super) fn captured(pattern: &Pattern) -> impl Iterator<Item = &Identifier> {
    let mut todo = vec![pattern];
    std::iter::from_fn(move || {
        loop {
            let name = match todo.pop()? {
                Pattern::MatchAs(node) => {
                    todo.extend(node.pattern.as_deref());
                    node.name.as_ref()
                }
                Pattern::MatchStar(node) => node.name.as_ref(),
                Pattern::MatchMapping(node) => {
                    todo.extend(node.patterns.iter());
                    node.rest.as_ref()
                }
                Pattern::MatchSequence(node) => {
                    todo.extend(node.patterns.iter());
                    None
                }
                Pattern::MatchOr(node) => {
                    todo.extend(node.patterns.iter());
                    None
                }
                Pattern::MatchClass(node) => {
                    todo.extend(node.arguments.patterns.iter());
                    todo.extend(node.arguments.keywords.iter().map(|k| &k.pattern));
                    None
                }
                Pattern::MatchValue(_) | Pattern::MatchSingleton(_) => None,
            };
            if name.is_some() {
                return name;
            }
        }
    })
}
