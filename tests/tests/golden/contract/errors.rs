//! Errors as HTTP bodies and job results show them. Reference, section 7.

use serde::{Deserialize, Serialize};

/// From August 2013 on, with what P29 takes out again.
#[derive(Serialize, Deserialize)]
pub(crate) struct ErrorBody {
    code: u32,
    description: String,
    error: Option<Origin>,
}

#[derive(Serialize, Deserialize)]
struct Origin {
    backtrace: Option<Vec<String>>,
    types: Vec<String>,
}

/// One row of the catalogue.
#[derive(Serialize, Deserialize)]
pub(crate) struct CatalogueRow {
    pub(crate) code: u32,
    pub(crate) http_status: u16,
    pub(crate) template: String,
}
