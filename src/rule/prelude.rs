//! What every rule's file imports: `use crate::rule::prelude::*;`. These are the types of a check,
//! and helpers that authors who do not know them would otherwise write again.
//!
//! - [`nearest`], [`is_slip`]: "did you mean", the name that is a typo away;
//! - [`placeholder`]: whether a text contains a template's `{{ x }}`, so that its value is not
//!   known and no rule may guess;
//! - [`show`]: text of files made safe to show;
//! - [`Known::get`] with `?`: a value that is not known skips the rule with its reason;
//! - [`App::link_named_at`], [`Gunicorn::started_at`], [`Service::defined_at`]: locations for
//!   findings that have none of their own.

pub use super::{Draft, Edit, EvidenceKind, Finding, Fix, Hand, Safety, Severity, Sink, Value};
pub use crate::facts::{
    App, Bound, Deployment, Endpoint, Gunicorn, Identity, Known, Origin, Passing, Place, Service,
    State, TcpHost, Want, Why,
};
pub use crate::source::similar::{apart, is_slip, nearest, nearest_within};
pub use crate::source::unit::time::TimeSpan;
pub use crate::source::{FileId, Span, Spanned, Text, placeholder, show};
