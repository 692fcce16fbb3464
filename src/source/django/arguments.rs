//! The arguments of a call.

use ruff_python_ast::{Expr, ExprCall};

use super::expression::text;

/// The arguments of a call, by position or keyword.
pub(super) struct Arguments<'a>(&'a ExprCall);

impl<'a> Arguments<'a> {
    pub(super) fn of(call: &'a ExprCall) -> Self {
        Self(call)
    }

    pub(super) fn at(&self, position: usize, keyword: &str) -> Option<&'a Expr> {
        let arguments = &self.0.arguments;
        let starred = arguments.args.iter().any(Expr::is_starred_expr);
        self.keyword(keyword).or_else(|| arguments.args.get(position).filter(|_| !starred))
    }

    pub(super) fn keyword(&self, name: &str) -> Option<&'a Expr> {
        let mut keywords = self.0.arguments.keywords.iter();
        let is = |k: &&ruff_python_ast::Keyword| k.arg.as_ref().is_some_and(|a| a.as_str() == name);
        keywords.find(is).map(|keyword| &keyword.value)
    }

    /// Whether `*rest` or `**rest` may pass more arguments.
    pub(super) fn open(&self) -> bool {
        let arguments = &self.0.arguments;
        arguments.args.iter().any(Expr::is_starred_expr)
            || arguments.keywords.iter().any(|keyword| keyword.arg.is_none())
    }

    pub(super) fn text(&self, position: usize, keyword: &str) -> Option<String> {
        self.at(position, keyword).and_then(text).map(str::to_owned)
    }
}
