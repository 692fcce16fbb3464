//! A module for each language.

pub mod alembic;
pub mod config;
pub mod env_file;
pub mod journal;
pub mod nginx;
pub mod proc;
pub mod python;
pub mod requirements;
pub mod unit;
