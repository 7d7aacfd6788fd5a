//! The rules of this repository that clippy cannot check. A new rule is a new row.
//!
//! - `tidy/imports.rs`: who depends on what, as in ARCHITECTURE.
//! - `tidy/sources.rs`: what no source file says, how long it is, what it is called.
//! - `tidy/pages.rs`: reference pages that list what the code has.
//!
//! Needs no server; looks at what git tracks, and at what it would track.

#[cfg(test)]
mod tidy {
    mod imports;
    mod pages;
    mod repository;
    mod sources;
}
