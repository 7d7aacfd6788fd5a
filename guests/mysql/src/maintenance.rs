//! Statements and transactions of applications that take longer than the operator lets them.
//!
//! A statement is ended; a transaction, which may do nothing for long and yet be about to commit,
//! is told of once, or ended if the operator says so.

use tenon_guest::mysql::{LongWork, Remedy};
use tenon_guest::{Call, Error, Maintenance, Result, Task, log};

use crate::{MySql, instance, settings};

const STATEMENTS: &str = "long-statements";
const TRANSACTIONS: &str = "long-transactions";

impl Maintenance for MySql {
    /// Often, as a limit may be a second. Without a limit, no server is asked.
    fn tasks() -> Vec<Task> {
        let task = |name: &str| Task { name: name.to_owned(), every_seconds: 1 };
        vec![task(STATEMENTS), task(TRANSACTIONS)]
    }

    fn run(cx: &Call<'_>, task: &str) -> Result<()> {
        match task {
            STATEMENTS => end_statements(cx),
            TRANSACTIONS => look_at_transactions(cx),
            _ => Err(Error::invalid_input(0, format!("no such task: {task:?}"))),
        }
    }
}

fn end_statements(cx: &Call<'_>) -> Result<()> {
    let Some(limit) = settings::max_long_query(cx)? else { return Ok(()) };
    on_every_server(cx, |version| {
        let ended = instance::server(cx, version)?.long_statements(limit, Remedy::End)?;
        report("ended a statement", &ended, ended.len());
        Ok(())
    })
}

fn look_at_transactions(cx: &Call<'_>) -> Result<()> {
    let Some(limit) = settings::max_long_transaction(cx)? else { return Ok(()) };
    let remedy = settings::long_transaction_remedy(cx)?;
    on_every_server(cx, |version| {
        let found = instance::server(cx, version)?.long_transactions(limit, remedy)?;
        match remedy {
            Remedy::End => report("ended a transaction", &found, found.len()),
            Remedy::Tell => {
                let new = not_told_of(cx, version, &found)?;
                report("a transaction is open", &new, found.len());
            }
        }
        Ok(())
    })
}

/// A server that is away hinders the work on no other.
fn on_every_server(cx: &Call<'_>, mut work: impl FnMut(&str) -> Result<()>) -> Result<()> {
    let mut result = Ok(());
    for version in settings::versions(cx)? {
        result = work(&version).and(result);
    }
    result
}

/// One line for each, with the number of all that are there now.
fn report(what: &str, works: &[LongWork], all: usize) {
    for LongWork { database, user, seconds, .. } in works {
        log::warn(format_args!("{what} of {user} in {database} after {seconds} s ({all} now)"));
    }
}

/// Those of `found` that the last run had not; this run's are kept for the next one.
fn not_told_of(cx: &Call<'_>, version: &str, found: &[LongWork]) -> Result<Vec<LongWork>> {
    let key = format!("{TRANSACTIONS}/{version}");
    let entry = cx.state().get(&key)?;
    let told = entry.map(|entry| entry.value).unwrap_or_default();
    let told = String::from_utf8_lossy(&told);
    let is_new = |work: &&LongWork| !told.lines().any(|id| id == work.id);
    let new: Vec<LongWork> = found.iter().filter(is_new).cloned().collect();
    let ids: Vec<&str> = found.iter().map(|work| work.id.as_str()).collect();
    let ids = ids.join("\n");
    if ids.is_empty() && !told.is_empty() {
        cx.state().delete(&key)?;
    } else if ids != told {
        cx.state().put(&key, ids.as_bytes())?;
    }
    Ok(new)
}
