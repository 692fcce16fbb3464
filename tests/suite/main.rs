//! Everything that needs no running systemd: one binary, so that a changed line links once.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../support/mod.rs"]
mod support;

mod accounts;
mod alembic_read;
mod bad_input;
mod cases_environment;
mod cases_fix_environment;
mod cases_fix_gunicorn;
mod cases_fix_nginx;
mod cases_fix_unit;
mod cases_gunicorn;
mod cases_nginx;
mod cases_release_database;
mod cases_unit;
mod cli;
mod corpus;
mod dependencies;
mod docs;
mod endpoints;
mod env_file;
mod false_alarms;
mod fix_cli;
mod fix_transaction;
mod fix_transaction_crash;
mod fix_transaction_hostile;
mod follow;
mod gunicorn_launcher;
mod init;
mod layers;
mod manifest_read;
mod nginx_model;
mod python_reading;
mod readme;
mod requirements_read;
mod rules;
mod secrets;
mod tree;
mod trees;
mod unit_exec;
mod unit_known;
mod unit_spans;
mod venv_read;
