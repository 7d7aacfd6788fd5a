//! The interface as a guest sees it, on a real MariaDB, with tenants that mean harm.
//!
//! `cargo test --package tenon-node --lib --features server-tests`

mod accounts;
mod away;
mod databases;
mod interrupted_loads;
mod limits;
mod loads;
mod long_work;
mod mariadb;
mod sessions;
mod site;
mod sql;
