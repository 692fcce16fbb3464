//! deploy-doctor: what the next reload of a Flask + Gunicorn + Nginx + systemd site will do.
//!
//! The layers, each of which may use only those before it: host → source → facts → capture →
//! repository → rule → rules → engine → config, report, fix, scaffold → probe → reload → lsp → cli.

#![warn(missing_docs, clippy::unwrap_used, clippy::expect_used)]

pub mod capture;
pub mod cli;
pub mod config;
pub mod engine;
pub mod facts;
pub mod fix;
pub mod host;
pub mod lsp;
pub mod probe;
pub mod reload;
pub mod report;
pub mod repository;
#[macro_use]
pub mod rule;
#[path = "../rules/mod.rs"]
pub mod rules;
pub mod scaffold;
pub mod source;
