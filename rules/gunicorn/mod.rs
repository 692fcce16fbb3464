//! Rules of the area `gunicorn`.

/// The area's rules, by code.
pub static RULES: &[&crate::rule::Rule] = &[];
