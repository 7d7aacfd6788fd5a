//! What one offering's guests may do on servers.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use cap_std::fs::Dir;
use tenon_protocol::chain;

use super::error::MysqlError;
use super::journal::Journal;
use super::limit::Limits;
use super::name::Prefixes;
use super::option_file::Scratch;
use super::{Database, MysqlServers, Server};

/// What an operator grants one offering.
pub(crate) struct MysqlGrant {
    pub(crate) servers: Arc<MysqlServers>,
    /// Versions that the offering serves.
    pub(crate) versions: BTreeSet<String>,
    /// `[a-z]{1,8}` each; no two offerings share a beginning.
    pub(crate) database_prefix: String,
    pub(crate) account_prefix: String,
    /// A directory of the offering, for files of the moment and for the old content of a load;
    /// and its path, for the servers' programs.
    pub(crate) scratch: Dir,
    pub(crate) scratch_path: PathBuf,
}

/// What one offering's guests may do on servers. Cheap to clone.
#[derive(Clone)]
pub(crate) struct MysqlContext {
    shared: Arc<Shared>,
}

struct Shared {
    servers: Arc<MysqlServers>,
    versions: BTreeSet<String>,
    prefixes: Prefixes,
    scratch: Scratch,
    limits: Limits,
}

/// Why an offering cannot have databases.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MysqlGrantError {
    /// Operator's fault.
    #[error("prefixes must be [a-z]{{1,8}}, not {database:?} and {account:?}")]
    Prefix { database: String, account: String },
    /// The node's disk.
    #[error("scratch directory cannot be cleaned or read")]
    Scratch(#[source] std::io::Error),
}

impl MysqlContext {
    /// Asks no server. Made once per offering and process, as it removes what a crash left of
    /// files with passwords. Blocks.
    ///
    /// # Errors
    ///
    /// [`MysqlGrantError`] when a prefix is not allowed, or the directory cannot be cleaned.
    pub(crate) fn new(grant: MysqlGrant) -> Result<Self, MysqlGrantError> {
        let MysqlGrant { servers, versions, database_prefix, account_prefix, .. } = grant;
        let prefixes = Prefixes::new(&database_prefix, &account_prefix);
        let prefixes = prefixes.ok_or(MysqlGrantError::Prefix {
            database: database_prefix,
            account: account_prefix,
        })?;
        let scratch = Scratch { dir: Arc::new(grant.scratch), path: grant.scratch_path };
        scratch.clean().map_err(MysqlGrantError::Scratch)?;
        let limits = Limits::open(&scratch).map_err(MysqlGrantError::Scratch)?;
        let shared = Shared { servers, versions, prefixes, scratch, limits };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Ends loads that a crash interrupted: the old content comes back, accounts are let in. To be
    /// called after a start, and again as long as it does not answer 0: the server may be away.
    ///
    /// How many are left.
    pub(crate) async fn finish_interrupted_loads(&self) -> usize {
        let notes = match Journal::notes(&self.shared.scratch) {
            Ok(notes) => notes,
            Err(error) => {
                tracing::error!(error = %chain(&error), "the journals of loads cannot be read");
                return 1;
            }
        };
        let mut left = 0;
        for note in notes {
            let name = self.shared.prefixes.found_database(&note.database);
            let server = self.shared.servers.get(&note.version);
            let (Some(name), Some(server)) = (name, server) else {
                tracing::error!(note.database, note.version, "an interrupted load has no server");
                left += 1;
                continue;
            };
            let database = Database { context: self.clone(), server: Arc::clone(server), name };
            match database.finish_interrupted().await {
                // It goes on in this process, and finishes itself.
                Ok(()) | Err(MysqlError::Busy) => {}
                Err(error) => {
                    tracing::warn!(error = %chain(&error), note.database, "an interrupted load is not finished");
                    left += 1;
                }
            }
        }
        left
    }

    pub(super) fn prefixes(&self) -> &Prefixes {
        &self.shared.prefixes
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.shared.limits
    }

    pub(super) fn scratch(&self) -> &Scratch {
        &self.shared.scratch
    }

    pub(super) fn server(&self, version: &str) -> Result<Server, MysqlError> {
        let granted = self.shared.versions.contains(version);
        let server = self.shared.servers.get(version).filter(|_| granted);
        let server = Arc::clone(server.ok_or(MysqlError::NotFound)?);
        Ok(Server { context: self.clone(), server })
    }
}
