//! Functions of a module that certainly run while it is imported: `app = create_app()` at its top
//! level, and the functions that `create_app` calls in turn.

use std::collections::{BTreeSet, HashMap};

use ruff_python_ast::{Expr, Stmt, StmtFunctionDef};

use super::imports::{Import, ImportPlace};
use super::{Module, walk};

/// The most functions that are followed.
const LIMIT: usize = 50;

/// A function of another module that this module calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CalledElsewhere {
    /// The import that makes the function available.
    pub import: Import,
    /// The function's name in the other module.
    pub name: String,
}

impl Module {
    /// Records the functions that the top level certainly calls.
    pub(super) fn follow_calls(&mut self) {
        let names: Vec<String> = called(self.statements()).into_iter().map(str::to_owned).collect();
        self.run_all(names);
    }

    /// Records that a function is called from outside while a worker starts.
    pub fn runs(&mut self, name: &str) {
        self.run_all(vec![name.to_owned()]);
    }

    fn run_all(&mut self, mut queue: Vec<String>) {
        let mut run = std::mem::take(&mut self.run);
        if !queue.is_empty() {
            let functions = self.functions();
            while let Some(name) = queue.pop() {
                if run.len() >= LIMIT || run.contains(&name) {
                    continue;
                }
                let Some(Some(def)) = functions.get(name.as_str()) else { continue };
                if yields(&def.body) {
                    continue;
                }
                queue.extend(called(&def.body).into_iter().map(str::to_owned));
                run.insert(name);
            }
        }
        self.run = run;
    }

    /// The top-level functions whose body a call runs; `None` for a name with several definitions.
    fn functions(&self) -> HashMap<&str, Option<&StmtFunctionDef>> {
        let mut found: HashMap<&str, Option<&StmtFunctionDef>> = HashMap::new();
        for statement in self.statements() {
            let Stmt::FunctionDef(def) = statement else { continue };
            let plain = !def.is_async && def.decorator_list.is_empty();
            let entry = found.entry(def.name.as_str());
            entry.and_modify(|known| *known = None).or_insert(plain.then_some(def));
        }
        found
    }

    /// The functions of other modules that run when this one is imported.
    pub fn calls_elsewhere(&self) -> Vec<CalledElsewhere> {
        let functions = if self.run.is_empty() { HashMap::new() } else { self.functions() };
        let running = self.run.iter().filter_map(|name| *functions.get(name.as_str())?);
        let bodies = running.map(|def| &*def.body);
        let names: BTreeSet<&str> =
            std::iter::once(self.statements()).chain(bodies).flat_map(called).collect();
        let mut found = Vec::new();
        if names.is_empty() {
            return found;
        }
        let imports = self.imports(None);
        let sure = imports.iter().filter(|import| import.place == ImportPlace::TopLevel);
        // Renamed imports are rare, and left out.
        let brings: HashMap<&str, &Import> = sure
            .flat_map(|import| import.names.iter().map(move |name| (name.as_str(), import)))
            .collect();
        for name in names {
            found.extend(brings.get(name).map(|import| CalledElsewhere {
                import: (*import).clone(),
                name: name.to_owned(),
            }));
        }
        found
    }

    /// The last top-level import of a name that the module makes available to others.
    pub fn hands_on(&self, name: &str) -> Option<Import> {
        let imports = self.imports(None).into_iter();
        imports.rev().find(|import| {
            import.place == ImportPlace::TopLevel && import.names.iter().any(|one| one == name)
        })
    }
}

/// The names that a block certainly calls, in order.
fn called(block: &[Stmt]) -> Vec<&str> {
    let mut found = Vec::new();
    for statement in block {
        let value = match statement {
            Stmt::Assign(node) => Some(&*node.value),
            Stmt::AnnAssign(node) => node.value.as_deref(),
            Stmt::Expr(node) => Some(&*node.value),
            Stmt::Return(node) => node.value.as_deref(),
            _ => None,
        };
        if let Some(value) = value {
            walk::expressions(value, &mut |one| {
                if let Expr::Call(call) = one
                    && let Expr::Name(name) = &*call.func
                {
                    found.push(name.id.as_str());
                }
                // Only what is certain to be evaluated counts.
                walk::evaluates_all_of(one)
            });
        }
        if let Stmt::With(node) = statement {
            // `with app.app_context():` lets every exception through; other context managers may
            // swallow it.
            let plain = node.items.iter().all(|item| match &item.context_expr {
                Expr::Call(call) => walk::dotted(&call.func)
                    .is_some_and(|names| names.last() == Some(&"app_context")),
                _ => false,
            });
            if plain {
                found.extend(called(&node.body));
            }
        }
        if walk::may_return(statement) || matches!(statement, Stmt::Raise(_)) {
            break;
        }
    }
    found
}

/// Whether the function is a generator, whose body runs only when a value is requested.
pub(super) fn yields(body: &[Stmt]) -> bool {
    let mut found = false;
    walk::statements(body, walk::Place::default(), &mut |statement, place| {
        if place.function {
            return;
        }
        walk::evaluated(statement, &mut |one| {
            found |= matches!(one, Expr::Yield(_) | Expr::YieldFrom(_));
        });
    });
    found
}
