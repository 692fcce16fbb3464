//! Rules of the area `release`.

/// The area's rules, by code.
pub static RULES: &[&crate::rule::Rule] = &[];
