//! Rules of the area `unit`.

/// The area's rules, by code.
pub static RULES: &[&crate::rule::Rule] = &[];
