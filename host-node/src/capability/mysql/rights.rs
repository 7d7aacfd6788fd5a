//! What accounts may do in their database.
//!
//! Privileges are named, never `ALL`: a new server version may know more of them. Nothing here
//! leads out of one database, and none is `GRANT OPTION`.

use crate::guest::bindings::tenon::host::mysql::Access;

/// An application's. `EVENT` is left out: it would run on without a connection that counts.
const READ_WRITE: [&str; 17] = [
    "SELECT",
    "INSERT",
    "UPDATE",
    "DELETE",
    "CREATE",
    "DROP",
    "REFERENCES",
    "INDEX",
    "ALTER",
    "CREATE TEMPORARY TABLES",
    "LOCK TABLES",
    "EXECUTE",
    "CREATE VIEW",
    "SHOW VIEW",
    "CREATE ROUTINE",
    "ALTER ROUTINE",
    "TRIGGER",
];

const READ_ONLY: [&str; 2] = ["SELECT", "SHOW VIEW"];

/// Worth nothing without `SELECT`. It says whose account it is, when all else is taken away.
const NOTHING: [&str; 1] = ["LOCK TABLES"];

/// The node's own account restores events that a dump has.
const HELPER_TOO: &str = "EVENT";

/// What `access` has; `None` is what remains of an account that is shut off.
pub(super) fn granted(access: Option<Access>) -> &'static [&'static str] {
    match access {
        Some(Access::ReadWrite) => &READ_WRITE,
        Some(Access::ReadOnly) => &READ_ONLY,
        None => &NOTHING,
    }
}

/// What an account with `access` must not have of what it had before.
pub(super) fn revoked(access: Option<Access>) -> Vec<&'static str> {
    let granted = granted(access);
    READ_WRITE.into_iter().filter(|right| !granted.contains(right)).collect()
}

/// What the node's own account for a database has.
pub(super) fn of_helper() -> Vec<&'static str> {
    READ_WRITE.into_iter().chain([HELPER_TOO]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_granted_and_what_is_revoked_make_the_whole() {
        for access in [Some(Access::ReadWrite), Some(Access::ReadOnly), None] {
            let mut all = revoked(access);
            all.extend(granted(access));
            all.sort_unstable();
            let mut expected = READ_WRITE.to_vec();
            expected.sort_unstable();
            assert_eq!(all, expected);
        }
    }

    #[test]
    fn nothing_leads_out_of_the_database() {
        let all = [of_helper(), granted(None).to_vec(), READ_ONLY.to_vec()].concat();
        for right in ["ALL", "GRANT OPTION", "FILE", "SUPER", "PROCESS", "RELOAD", "CREATE USER"] {
            assert!(!all.contains(&right), "{right}");
        }
    }
}
