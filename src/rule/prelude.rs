//! What a rule's file begins with: `use crate::rule::prelude::*;`. The types of a check, and the
//! helpers that one would write again because one cannot know of them.
//!
//! - [`nearest`], [`is_slip`]: "did you mean", the name that is a slip of the hand away;
//! - [`placeholder`]: is a template's `{{ x }}` in it? Then nobody knows the value, and no rule
//!   guesses;
//! - [`show`]: text of files made fit to be shown;
//! - [`Known::get`] with `?`: a value that is not known skips the rule with its reason;
//! - [`App::link_named_at`], [`Gunicorn::started_at`], [`Service::defined_at`]: places for what has
//!   none of its own.

pub use super::{Draft, Edit, EvidenceKind, Finding, Fix, Hand, Safety, Severity, Sink, Value};
pub use crate::facts::{
    App, Bound, Deployment, Endpoint, Gunicorn, Identity, Known, Origin, Passing, Place, Service,
    State, TcpHost, Want, Why,
};
pub use crate::source::similar::{apart, is_slip, nearest, nearest_within};
pub use crate::source::unit::time::TimeSpan;
pub use crate::source::{FileId, Span, Spanned, Text, placeholder, show};
