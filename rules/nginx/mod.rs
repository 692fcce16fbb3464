//! Rules of the area `nginx`.

/// The area's rules, by code.
pub static RULES: &[&crate::rule::Rule] = &[];
