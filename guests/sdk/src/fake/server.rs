//! A database server: who may do what in which database, and contents that it does not look into.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use crate::bindings::imports::tenon::host::mysql::Writes;
use crate::mysql::{Access, LongWork, Value};

/// What the node puts in front of a label.
pub(crate) const PREFIX: &str = "d";

/// A server as its administrator sees it. `Display` lists databases and accounts.
#[derive(Clone, Default)]
pub struct Server(pub(crate) Rc<RefCell<Contents>>);

#[derive(Default)]
pub(crate) struct Contents {
    pub(crate) running: Running,
    pub(crate) databases: BTreeMap<String, Database>,
    pub(crate) accounts: BTreeMap<String, Account>,
    pub(crate) answers: BTreeMap<String, Vec<Vec<Value>>>,
    pub(crate) statements: Vec<LongWork>,
    pub(crate) transactions: Vec<LongWork>,
}

#[derive(Default, PartialEq)]
pub(crate) enum Running {
    #[default]
    Yes,
    No,
}

pub(crate) struct Database {
    pub(crate) content: Vec<u8>,
    pub(crate) writes: Writes,
}

impl Default for Database {
    fn default() -> Self {
        Self { content: Vec::new(), writes: Writes::Allowed }
    }
}

pub(crate) struct Account {
    pub(crate) database: String,
    pub(crate) password: String,
    pub(crate) access: Option<Access>,
    pub(crate) max_connections: u32,
}

impl Server {
    /// It does not answer from now on.
    pub fn stop(&self) {
        self.0.borrow_mut().running = Running::No;
    }

    /// It answers again, and has everything that it had.
    pub fn start(&self) {
        self.0.borrow_mut().running = Running::Yes;
    }

    /// What is in a database; `None` when there is none of that name.
    pub fn content(&self, database: &str) -> Option<Vec<u8>> {
        self.0.borrow().databases.get(database).map(|found| found.content.clone())
    }

    /// Puts something into a database, which is made if it is not there.
    pub fn set_content(&self, database: &str, content: &[u8]) {
        let mut contents = self.0.borrow_mut();
        contents.databases.entry(database.to_owned()).or_default().content = content.to_vec();
    }

    /// An application runs a statement, until it is ended.
    pub fn run_statement(&self, work: LongWork) {
        self.0.borrow_mut().statements.push(work);
    }

    /// An application keeps a transaction open, until it is ended.
    pub fn open_transaction(&self, work: LongWork) {
        self.0.borrow_mut().transactions.push(work);
    }

    /// What to answer to a statement; all others are syntax errors.
    pub fn answer(&self, statement: &str, rows: Vec<Vec<Value>>) {
        self.0.borrow_mut().answers.insert(statement.to_owned(), rows);
    }

    /// Whether `user` could log in to `database` with `password`, and what it may do there.
    pub fn login(&self, database: &str, user: &str, password: &str) -> Option<Access> {
        let contents = self.0.borrow();
        let account = contents.accounts.get(user)?;
        let fits = account.database == database && account.password == password;
        if fits { account.access } else { None }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let contents = self.0.borrow();
        for (name, database) in &contents.databases {
            let limit = match database.writes {
                Writes::Allowed => "",
                Writes::Blocked => ", takes no new data",
            };
            writeln!(out, "{name}: {} bytes{limit}", database.content.len())?;
            for (user, account) in &contents.accounts {
                if account.database != *name {
                    continue;
                }
                let access = match account.access {
                    Some(Access::ReadOnly) => "reads",
                    Some(Access::ReadWrite) => "reads and writes",
                    None => "is locked out",
                };
                writeln!(out, "  {user} {access}, connections: {}", account.max_connections)?;
            }
        }
        Ok(())
    }
}
