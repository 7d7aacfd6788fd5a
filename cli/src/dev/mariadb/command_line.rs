//! What MariaDB's programs are told. Source of the server's flags: reference, mysql.md 4.5.

use std::ffi::OsString;
use std::path::Path;

use tenon_protocol::Secret;

use super::Account;

/// The installer's arguments, for a data directory that is there and empty.
pub(super) fn install_arguments(data: &Path, account: Account) -> Vec<OsString> {
    let mut arguments = vec![
        // First, or it does not count.
        "--no-defaults".into(),
        with_path("--datadir=", data),
        // A server that starts removes temporary tables from its tmpdir, those of others too.
        with_path("--tmpdir=", data),
        "--auth-root-authentication-method=normal".into(),
        "--skip-test-db".into(),
        "--skip-name-resolve".into(),
        SMALL_REDO_LOG.into(),
    ];
    arguments.extend(user_argument(account));
    arguments
}

/// 96 MiB by default, for each server of each test.
const SMALL_REDO_LOG: &str = "--innodb-log-file-size=32M";

/// The server's arguments; `home` has `data`, `tmp`, `import` and `init.sql`.
pub(super) fn server_arguments(home: &Path, port: u16, account: Account) -> Vec<OsString> {
    let mut arguments = vec![
        "--no-defaults".into(),
        with_path("--datadir=", &home.join("data")),
        with_path("--tmpdir=", &home.join("tmp")),
        with_path("--init-file=", &home.join("init.sql")),
        format!("--port={port}").into(),
    ];
    arguments.extend(
        [
            "--bind-address=127.0.0.1",
            // Below the data directory: an absolute path may be longer than a socket's may be.
            "--socket=mariadbd.sock",
            "--pid-file=mariadbd.pid",
            "--character-set-server=utf8mb4",
            "--collation-server=utf8mb4_unicode_ci",
            "--innodb-buffer-pool-size=128M",
            SMALL_REDO_LOG,
            // Temporary tables are outside every quota.
            "--innodb-temp-data-file-path=ibtmp1:12M:autoextend:max:1G",
            "--max-allowed-packet=64M",
            "--max-connections=500",
            // A tenant could place a table anywhere by DATA DIRECTORY.
            "--skip-symbolic-links",
            "--enforce-storage-engine=InnoDB",
            "--skip-name-resolve",
            "--local-infile=0",
        ]
        .map(OsString::from),
    );
    arguments.push(with_path("--secure-file-priv=", &home.join("import")));
    arguments.extend(user_argument(account));
    arguments
}

/// Statements that the server runs before it listens, one a line.
pub(super) fn init_file(password: &Secret) -> String {
    let password = password.reveal();
    [
        format!("ALTER USER 'root'@'localhost' IDENTIFIED BY '{password}';"),
        format!(
            "GRANT ALL PRIVILEGES ON *.* TO 'root'@'127.0.0.1' IDENTIFIED BY '{password}' WITH \
             GRANT OPTION;"
        ),
        // The installer makes a root without a password for every name of this machine.
        "DELETE FROM mysql.global_priv WHERE User = 'root' AND Host NOT IN ('localhost', '127.0.0.1');"
            .to_owned(),
        "FLUSH PRIVILEGES;\n".to_owned(),
    ]
    .join("\n")
}

/// Both programs refuse to run as root unless told that it is meant.
fn user_argument(account: Account) -> Option<OsString> {
    match account {
        Account::Root => Some("--user=root".into()),
        Account::Ours | Account::Mysql(_) => None,
    }
}

fn with_path(option: &str, path: &Path) -> OsString {
    let mut argument = OsString::from(option);
    argument.push(path);
    argument
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dev::directory::SystemUser;

    fn check_has(arguments: &[OsString], expected: &str) {
        assert!(arguments.iter().any(|argument| argument == expected), "{arguments:?}");
    }

    #[test]
    fn the_server_listens_here_alone_and_keeps_tenants_inside() {
        let arguments = server_arguments(Path::new("/d/mysql-1"), 3306, Account::Ours);
        assert_eq!(arguments.first().unwrap(), "--no-defaults");
        for expected in [
            "--datadir=/d/mysql-1/data",
            "--secure-file-priv=/d/mysql-1/import",
            "--port=3306",
            "--bind-address=127.0.0.1",
            "--skip-symbolic-links",
            "--local-infile=0",
        ] {
            check_has(&arguments, expected);
        }
    }

    #[test]
    fn root_is_named_only_when_it_is_meant() {
        let user = Account::Mysql(SystemUser { uid: 1, gid: 1 });
        for (account, expected) in [(Account::Ours, false), (user, false), (Account::Root, true)] {
            let arguments = install_arguments(Path::new("/d"), account);
            let has = arguments.iter().any(|argument| argument == "--user=root");
            assert_eq!(has, expected, "{account:?}");
        }
    }

    #[test]
    fn the_init_file_has_one_statement_a_line() {
        let text = init_file(&Secret::new("secret".to_owned()));
        assert!(text.lines().all(|line| line.ends_with(';')), "{text}");
        assert_eq!(text.lines().count(), 4);
    }
}
