//! Rules of the area `environment`.

/// The area's rules, by code.
pub static RULES: &[&crate::rule::Rule] = &[];
