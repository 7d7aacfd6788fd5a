//! The `mysql` capability over [`crate::fake::Server`].

use std::ops::Bound;

use super::{blob, secrets};
use crate::bindings::imports::tenon::host::mysql::Writes;
use crate::fake::server::{self, PREFIX, Running};
use crate::fake::world;
use crate::mysql::{Access, Failure, FoundAccount, LongWork, Remedy, Session, Value};

pub(crate) use crate::bindings::imports::tenon::host::mysql::Account;

const MAX_PAGE: u32 = 1_000;

/// First bytes of a dump, so that garbage can be told from one.
const DUMP: &[u8] = b"fake dump\n";

pub(crate) fn open(version: &str) -> Result<Server, Failure> {
    let found = world().servers.borrow().get(version).cloned();
    found.map(Server).ok_or(Failure::NotFound)
}

pub(crate) struct Server(server::Server);

impl Server {
    pub(crate) fn create_database(&self, label: &str) -> Result<Database, Failure> {
        let name = name_of(label)?;
        self.0.up()?.databases.entry(name.clone()).or_default();
        Ok(Database { server: self.0.clone(), name })
    }

    pub(crate) fn database(&self, label: &str) -> Result<Database, Failure> {
        let name = name_of(label)?;
        if !self.0.up()?.databases.contains_key(&name) {
            return Err(Failure::NotFound);
        }
        Ok(Database { server: self.0.clone(), name })
    }

    pub(crate) fn drop_database(&self, label: &str) -> Result<(), Failure> {
        let name = name_of(label)?;
        let mut contents = self.0.up()?;
        contents.databases.remove(&name);
        contents.accounts.retain(|_, account| account.database != name);
        Ok(())
    }

    pub(crate) fn list(&self, after: Option<&str>, limit: u32) -> Result<Vec<String>, Failure> {
        let after = after.map(|label| format!("{PREFIX}{label}"));
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        Ok(self
            .0
            .up()?
            .databases
            .range((start, Bound::Unbounded))
            .filter_map(|(name, _)| name.strip_prefix(PREFIX))
            .take(limit.min(MAX_PAGE) as usize)
            .map(str::to_owned)
            .collect())
    }

    pub(crate) fn accounts(
        &self,
        after: Option<&FoundAccount>,
        limit: u32,
    ) -> Result<Vec<FoundAccount>, Failure> {
        let mut found: Vec<(String, String)> = self
            .0
            .up()?
            .accounts
            .iter()
            .map(|(user, account)| (account.database.clone(), user.clone()))
            .collect();
        found.sort();
        let after = after.map(|one| (one.database.clone(), one.user.clone()));
        Ok(found
            .into_iter()
            .filter(|one| after.as_ref().is_none_or(|after| one > after))
            .take(limit.min(MAX_PAGE) as usize)
            .map(|(database, user)| FoundAccount { database, user })
            .collect())
    }

    pub(crate) fn long_statements(
        &self,
        seconds: u32,
        remedy: Remedy,
    ) -> Result<Vec<LongWork>, Failure> {
        Ok(long(&mut self.0.up()?.statements, seconds, remedy))
    }

    pub(crate) fn long_transactions(
        &self,
        seconds: u32,
        remedy: Remedy,
    ) -> Result<Vec<LongWork>, Failure> {
        Ok(long(&mut self.0.up()?.transactions, seconds, remedy))
    }
}

pub(crate) struct Database {
    server: server::Server,
    name: String,
}

impl Database {
    pub(crate) fn name(&self) -> String {
        self.name.clone()
    }

    pub(crate) fn create_account(
        &self,
        label: &str,
        access: Access,
        max_connections: u32,
    ) -> Result<Account, Failure> {
        let user = self.account_user(label)?;
        self.set_account(&user, &secrets::random_password(24), access, max_connections)
    }

    pub(crate) fn account_user(&self, label: &str) -> Result<String, Failure> {
        if !(1..=64).contains(&label.len()) {
            return Err(Failure::BadName("an account's label has 1 to 64 bytes".to_owned()));
        }
        Ok(user_of(&self.name, label))
    }

    pub(crate) fn adopt_account(
        &self,
        user: &str,
        password: &str,
        access: Access,
        max_connections: u32,
    ) -> Result<Account, Failure> {
        let plain = user.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !plain || !(1..=32).contains(&user.len()) {
            return Err(Failure::BadName("a user has 1 to 32 letters and digits".to_owned()));
        }
        self.set_account(user, password, access, max_connections)
    }

    fn set_account(
        &self,
        user: &str,
        password: &str,
        access: Access,
        max_connections: u32,
    ) -> Result<Account, Failure> {
        let mut contents = self.server.up()?;
        if contents.accounts.get(user).is_some_and(|found| found.database != self.name) {
            return Err(Failure::BadName("the user belongs to another database".to_owned()));
        }
        let account = server::Account {
            database: self.name.clone(),
            password: password.to_owned(),
            access: Some(access),
            max_connections,
        };
        contents.accounts.insert(user.to_owned(), account);
        Ok(Account {
            host: "db.example".to_owned(),
            port: 3306,
            database: self.name.clone(),
            user: user.to_owned(),
            password: password.to_owned(),
        })
    }

    pub(crate) fn set_access(&self, user: &str, access: Option<Access>) -> Result<(), Failure> {
        let mut contents = self.server.up()?;
        match contents.accounts.get_mut(user) {
            Some(account) if account.database == self.name => account.access = access,
            _ => return Err(Failure::NotFound),
        }
        Ok(())
    }

    pub(crate) fn drop_account(&self, user: &str) -> Result<(), Failure> {
        let name = &self.name;
        self.server
            .up()?
            .accounts
            .retain(|other, account| other != user || account.database != *name);
        Ok(())
    }

    /// Nobody ever connects to a fake.
    pub(crate) fn sessions(&self) -> Result<Vec<Session>, Failure> {
        self.server.up()?;
        Ok(Vec::new())
    }

    pub(crate) fn kill_sessions(&self, _id: Option<u64>) -> Result<u32, Failure> {
        self.server.up()?;
        Ok(0)
    }

    pub(crate) fn size_bytes(&self) -> Result<u64, Failure> {
        Ok(self.content()?.len() as u64)
    }

    pub(crate) fn limit_writes(&self, writes: Writes) -> Result<u32, Failure> {
        let mut contents = self.server.up()?;
        let accounts = contents.accounts.values().filter(|account| {
            account.database == self.name && account.access == Some(Access::ReadWrite)
        });
        let accounts = u32::try_from(accounts.count()).unwrap_or(u32::MAX);
        let database = contents.databases.get_mut(&self.name).ok_or(Failure::NotFound)?;
        let before = std::mem::replace(&mut database.writes, writes);
        Ok(if before == writes { 0 } else { accounts })
    }

    pub(crate) fn execute(&self, statement: &str, params: &[Value]) -> Result<u64, Failure> {
        Ok(self.query(statement, params)?.len() as u64)
    }

    pub(crate) fn query(
        &self,
        statement: &str,
        _params: &[Value],
    ) -> Result<Vec<Vec<Value>>, Failure> {
        let contents = self.server.up()?;
        contents.answers.get(statement).cloned().ok_or_else(|| {
            let text = "the fake knows no SQL but what `Server::answer` told it".to_owned();
            Failure::Sql((1064, "42000".to_owned(), text))
        })
    }

    pub(crate) fn dump(&self, out: &blob::Sink) -> Result<u64, Failure> {
        let dump = [DUMP, &self.content()?].concat();
        out.write(&dump).map_err(|failure| Failure::Limit(failure.to_string()))?;
        Ok(dump.len() as u64)
    }

    pub(crate) fn load(&self, input: &blob::Source) -> Result<u64, Failure> {
        let dump = input.rest();
        let Some(content) = dump.strip_prefix(DUMP) else {
            return Err(Failure::Corrupt("it does not start like one".to_owned()));
        };
        let mut contents = self.server.up()?;
        let database = contents.databases.get_mut(&self.name).ok_or(Failure::NotFound)?;
        database.content = content.to_vec();
        Ok(dump.len() as u64)
    }

    fn content(&self) -> Result<Vec<u8>, Failure> {
        let contents = self.server.up()?;
        let database = contents.databases.get(&self.name).ok_or(Failure::NotFound)?;
        Ok(database.content.clone())
    }
}

impl server::Server {
    /// The contents, if it answers.
    fn up(&self) -> Result<std::cell::RefMut<'_, server::Contents>, Failure> {
        let contents = self.0.borrow_mut();
        match contents.running {
            Running::Yes => Ok(contents),
            Running::No => Err(Failure::Unavailable("connection refused".to_owned())),
        }
    }
}

/// Work that has taken so long; ended, it is gone.
fn long(all: &mut Vec<LongWork>, seconds: u32, remedy: Remedy) -> Vec<LongWork> {
    let is_long = |work: &LongWork| work.seconds >= u64::from(seconds);
    let found = all.iter().filter(|work| is_long(work)).cloned().collect();
    if remedy == Remedy::End {
        all.retain(|work| !is_long(work));
    }
    found
}

fn name_of(label: &str) -> Result<String, Failure> {
    let plain = label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    if !plain || !(1..=40).contains(&label.len()) {
        return Err(Failure::BadName("a label has 1 to 40 of a-z and 0-9".to_owned()));
    }
    Ok(format!("{PREFIX}{label}"))
}

/// Always the same for the same names, and short enough for any server: FNV-1a.
fn user_of(database: &str, label: &str) -> String {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in database.bytes().chain([0]).chain(label.bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    format!("u{hash:016x}")
}
