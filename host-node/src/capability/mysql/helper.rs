//! The node's own account for each database: it has that database's rights and no others.
//!
//! Whatever text is not the host's runs in its name: a guest's statements, and a dump. Views and
//! routines that a dump brings belong to it. Made when first needed; its password follows from a
//! key of the process, so that nothing keeps it.

use mysql_async::{Conn, OptsBuilder};
use sha2::{Digest, Sha256};
use tenon_protocol::Secret;

use super::Database;
use super::error::{MysqlError, code};
use super::name::AccountName;
use super::server::basic_opts;
use crate::guest::bindings::tenon::host::mysql::Writes;

/// Its name and password.
pub(super) struct Helper {
    pub(super) name: AccountName,
    pub(super) password: Secret,
}

impl Database {
    pub(super) fn helper(&self) -> Helper {
        let name = self.prefixes().helper(&self.name);
        let mut hasher = Sha256::new();
        hasher.update(self.server.key());
        hasher.update(name.as_str());
        let password = Secret::new(hex::encode(hasher.finalize()));
        Helper { name, password }
    }

    /// Makes the helper, or gives it this process's password, with the rights of `writes`.
    pub(super) async fn put_helper(&self, writes: Writes) -> Result<Helper, MysqlError> {
        let helper = self.helper();
        let mut admin = self.server.admin().await?;
        let Helper { name, password } = &helper;
        let flavour = admin.flavour();
        admin.run(flavour.put_helper(name, &self.name, password, writes)).await?;
        Ok(helper)
    }

    /// Connects as the helper. `opts` says how.
    pub(super) async fn connect_helper(
        &self,
        opts: impl Fn(OptsBuilder) -> OptsBuilder,
    ) -> Result<Conn, MysqlError> {
        match self.log_in(&self.helper(), &opts).await {
            Err(error) if is_not_made(&error) => {
                let helper = self.put_helper(self.writes()).await?;
                self.log_in(&helper, &opts).await
            }
            result => result,
        }
    }

    async fn log_in(
        &self,
        helper: &Helper,
        opts: impl Fn(OptsBuilder) -> OptsBuilder,
    ) -> Result<Conn, MysqlError> {
        let builder = basic_opts(&self.server.settings)
            .user(Some(helper.name.as_str()))
            .pass(Some(helper.password.reveal()))
            .db_name(Some(self.name.as_str()));
        let result = self.server.connect(opts(builder)).await;
        result.map_err(
            |error| {
                if error.is(code::NO_DATABASE) { MysqlError::NotFound } else { error }
            },
        )
    }
}

/// No such account, another process's password, or no rights.
fn is_not_made(error: &MysqlError) -> bool {
    error.is(code::ACCESS_DENIED) || error.is(code::NO_RIGHT_TO_DATABASE)
}
