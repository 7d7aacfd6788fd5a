//! `[offerings.mysql]`: how the names of an offering begin on its servers.

use serde::Deserialize;

/// `[offerings.mysql]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MysqlNamesConfig {
    /// Of databases.
    pub database_prefix: String,
    /// Of accounts.
    pub account_prefix: String,
}

impl Default for MysqlNamesConfig {
    fn default() -> Self {
        Self { database_prefix: "d".to_owned(), account_prefix: "u".to_owned() }
    }
}
