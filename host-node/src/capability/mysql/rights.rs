//! What accounts may do in their database.
//!
//! Privileges are named, never `ALL`: a new server version may know more of them. Nothing here
//! leads out of one database, and none is `GRANT OPTION`.

use crate::guest::bindings::tenon::host::mysql::{Access, Writes};

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

/// What nobody has in a database that takes no new data. The rest is for making room: `ALTER` lets
/// a table give back what was deleted from it.
///
/// Source: section 5.7 of the original, which took the same three.
pub(super) const GROWING: [&str; 3] = ["INSERT", "UPDATE", "CREATE"];

/// What an account is to have: what it was given, in a database that takes new data or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rights {
    /// `None` is what remains of an account that is shut off.
    pub(super) access: Option<Access>,
    pub(super) writes: Writes,
}

impl Rights {
    pub(super) fn granted(self) -> Vec<&'static str> {
        let given: &[&str] = match self.access {
            Some(Access::ReadWrite) => &READ_WRITE,
            Some(Access::ReadOnly) => &READ_ONLY,
            None => &NOTHING,
        };
        allowed(given, self.writes)
    }

    /// What the account must not have of what it had before.
    pub(super) fn revoked(self) -> Vec<&'static str> {
        let granted = self.granted();
        READ_WRITE.into_iter().filter(|right| !granted.contains(right)).collect()
    }
}

/// What the node's own account for a database has. Routines that a load brought run in its name.
pub(super) fn of_helper(writes: Writes) -> Vec<&'static str> {
    let mut rights = allowed(&READ_WRITE, writes);
    rights.push(HELPER_TOO);
    rights
}

fn allowed(given: &[&'static str], writes: Writes) -> Vec<&'static str> {
    let blocked: &[&str] = match writes {
        Writes::Allowed => &[],
        Writes::Blocked => &GROWING,
    };
    given.iter().copied().filter(|right| !blocked.contains(right)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> impl Iterator<Item = Rights> {
        let accesses = [Some(Access::ReadWrite), Some(Access::ReadOnly), None];
        let both =
            |access| [Writes::Allowed, Writes::Blocked].map(|writes| Rights { access, writes });
        accesses.into_iter().flat_map(both)
    }

    #[test]
    fn what_is_granted_and_what_is_revoked_make_the_whole() {
        for rights in all() {
            let mut both = rights.revoked();
            both.extend(rights.granted());
            both.sort_unstable();
            let mut expected = READ_WRITE.to_vec();
            expected.sort_unstable();
            assert_eq!(both, expected, "{rights:?}");
        }
    }

    #[test]
    fn a_database_that_takes_no_new_data_can_be_read_and_emptied() {
        let rights = Rights { access: Some(Access::ReadWrite), writes: Writes::Blocked };
        for right in ["SELECT", "DELETE", "DROP", "ALTER", "INDEX"] {
            assert!(rights.granted().contains(&right), "{right}");
        }
        assert_eq!(rights.revoked(), GROWING);
        assert!(!of_helper(Writes::Blocked).contains(&"INSERT"));
        let reader = |writes| Rights { access: Some(Access::ReadOnly), writes }.granted();
        assert_eq!(reader(Writes::Blocked), reader(Writes::Allowed));
    }

    #[test]
    fn nothing_leads_out_of_the_database() {
        let mut granted: Vec<&str> = all().flat_map(Rights::granted).collect();
        granted.extend(of_helper(Writes::Allowed));
        for right in ["ALL", "GRANT OPTION", "FILE", "SUPER", "PROCESS", "RELOAD", "CREATE USER"] {
            assert!(!granted.contains(&right), "{right}");
        }
    }
}
