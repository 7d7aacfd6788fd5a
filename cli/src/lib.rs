//! The command line of Tenon. A library too, because tests start the same servers one by one.

pub mod dev;
