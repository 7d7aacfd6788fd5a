//! Whom MariaDB's server runs as: as root it is wanted by nobody.

use cap_std::ambient_authority;
use cap_std::fs::{Dir, PermissionsExt};

use super::Account;
use crate::dev::directory::{Directory, SystemUser};

/// The user that MariaDB's package makes.
const NAME: &str = "mysql";

/// Others may pass through a directory.
const OTHERS_PASS: u32 = 0o001;

/// The account for a server with its files in `directory`.
pub(super) fn server_account(directory: &Directory) -> Account {
    if !rustix::process::geteuid().is_root() {
        return Account::Ours;
    }
    let users = Dir::open_ambient_dir("/etc", ambient_authority())
        .and_then(|etc| etc.read_to_string("passwd"))
        .unwrap_or_default();
    match find_user(&users, NAME) {
        Some(user) if is_reachable(directory) => Account::Mysql(user),
        Some(_) | None => Account::Root,
    }
}

/// Whether every directory above lets others pass; the last one is ours to change.
fn is_reachable(directory: &Directory) -> bool {
    directory.path().ancestors().skip(1).all(|above| {
        let metadata = Dir::open_ambient_dir(above, ambient_authority())
            .and_then(|above| above.dir_metadata());
        metadata.is_ok_and(|metadata| metadata.permissions().mode() & OTHERS_PASS != 0)
    })
}

/// The user of that name in the text of `/etc/passwd`.
fn find_user(users: &str, name: &str) -> Option<SystemUser> {
    let user = users.lines().find(|line| line.split(':').next() == Some(name))?;
    let mut numbers = user.split(':').skip(2);
    Some(SystemUser { uid: numbers.next()?.parse().ok()?, gid: numbers.next()?.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_its_whole_name() {
        let users = "root:x:0:0:root:/root:/bin/bash\nmysqlx:x:1:1::/:\nmysql:x:101:104:MySQL:/:/bin/false\n";
        assert_eq!(find_user(users, "mysql"), Some(SystemUser { uid: 101, gid: 104 }));
        assert_eq!(find_user(users, "sql"), None);
        assert_eq!(find_user("mysql:x:many:4", "mysql"), None);
    }
}
