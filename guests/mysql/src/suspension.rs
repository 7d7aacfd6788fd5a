//! Shutting an instance off: its accounts stay, and may do nothing.

use tenon_guest::mysql::{Access, Database, Failure, FoundAccount, Server};
use tenon_guest::{Binding, Call, Credential, Instance, Result, Suspension, log};

use crate::{MySql, account, instance};

/// Accounts asked for at once; the node gives no more.
const PAGE: u32 = 1_000;

impl Suspension for MySql {
    /// Every account that the database has, whether anybody named it or not.
    fn disable(
        cx: &Call<'_>,
        instance: &Instance,
        _owner: &Credential,
        _bindings: &[Binding],
    ) -> Result<()> {
        let server = instance::server(cx, &instance.version)?;
        let database = instance::open(cx, instance)?;
        for user in accounts(&server, &database.name())? {
            set(&database, &user, None)?;
        }
        database.kill_sessions(None)?;
        Ok(())
    }

    fn enable(
        cx: &Call<'_>,
        instance: &Instance,
        owner: &Credential,
        bindings: &[Binding],
    ) -> Result<()> {
        let database = instance::open(cx, instance)?;
        for binding in bindings {
            let access = account::access_asked_for(&binding.parameters()?)?;
            let user: String = binding.credential.require("user")?;
            set(&database, &user, Some(access))?;
        }
        // Last: bindings from before there were accounts for them share the owner's.
        set(&database, &owner.require::<String>("user")?, Some(Access::ReadWrite))
    }
}

/// An account that is gone has no access already, and cannot be given any.
fn set(database: &Database, user: &str, access: Option<Access>) -> Result<()> {
    match database.set_access(user, access) {
        Err(Failure::NotFound) => {
            log::info(format_args!("account {user} is gone"));
            Ok(())
        }
        set => Ok(set?),
    }
}

/// Users of all accounts of one database.
fn accounts(server: &Server, database: &str) -> Result<Vec<String>> {
    let mut users = Vec::new();
    let mut after = FoundAccount { database: database.to_owned(), user: String::new() };
    loop {
        let page = server.accounts(Some(&after), PAGE)?;
        let more = page.len() >= PAGE as usize;
        let of_it = page.into_iter().take_while(|found| found.database == database);
        let before = users.len();
        users.extend(of_it.map(|found| found.user));
        let whole_page = users.len() - before >= PAGE as usize;
        match users.last() {
            Some(last) if more && whole_page => after.user = last.clone(),
            Some(_) | None => return Ok(users),
        }
    }
}
