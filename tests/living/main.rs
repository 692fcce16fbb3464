//! What is held against real systemd, nginx, gunicorn, Alembic and pip: one binary.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../support/mod.rs"]
mod support;

mod alembic_real;
mod ansible;
mod book;
mod capture_live;
mod container;
mod env_systemd;
mod fix_live;
mod fix_proofs;
mod formats;
mod guarded_reload;
mod gunicorn_real;
mod html_real;
mod imports_real;
mod init_real;
mod live_commands;
mod live_container;
mod live_cost;
mod live_django;
mod live_host;
mod live_migrations;
mod live_preflight;
mod live_processes;
mod neovim;
mod nginx_directives;
mod nginx_lossless;
mod nginx_others;
mod nginx_tokenizer;
mod nginx_variables;
mod packaged;
mod proofs;
mod reload_hidden;
mod reload_sick;
mod report_schema;
mod unit_fidelity;
mod unit_merge_fidelity;
mod unit_robustness;
mod venv_real;
