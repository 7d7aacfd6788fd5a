//! Finds or installs MariaDB's server and clients, and zstd for its snapshots. Starts nothing.

use super::{apt, say};
use crate::process;
use crate::stop::Stop;

/// A program that tests or nodes run, and the package that has it.
const PROGRAMS: [(&str, &str); 5] = [
    // Not mariadb-server-core: the whole package makes the user that the server runs as under root.
    ("mariadbd", "mariadb-server"),
    ("mariadb-install-db", "mariadb-server"),
    ("mariadb-dump", "mariadb-client"),
    ("mariadb", "mariadb-client"),
    ("zstd", "zstd"),
];

/// The package enables its service for the next boot, which nobody asked for. No failure where
/// there is no systemd.
const DISABLE_SERVICE: &str =
    "! command -v systemctl >/dev/null || systemctl --quiet disable mariadb";

pub(super) fn ensure() -> Result<(), Stop> {
    let packages = missing_packages(|program| process::find(program).is_some());
    if packages.is_empty() {
        say("MariaDB", "ready");
        return Ok(());
    }
    if !apt::exists() {
        return Err(Stop::new(
            "MariaDB or zstd is missing, and there is no apt here: install MariaDB 10.11 or newer \
             (mariadbd, mariadb-install-db, mariadb-dump, mariadb) and zstd, and have them on the PATH",
        ));
    }
    let list = packages.join(" ");
    say(
        "MariaDB",
        &format!("installing {list} with apt, for databases to hand out; starts no service"),
    );
    apt::install(&packages)?;
    if packages.contains(&"mariadb-server") {
        apt::run_as_root(DISABLE_SERVICE, "systemctl disable mariadb")?;
    }
    match missing_packages(|program| process::find(program).is_some()).as_slice() {
        [] => Ok(()),
        missing => Err(Stop::new(format!(
            "apt installed {list}, but these lack programs: {}",
            missing.join(" ")
        ))),
    }
}

/// Packages of the programs that are not there, each once.
fn missing_packages(is_there: impl Fn(&str) -> bool) -> Vec<&'static str> {
    let mut packages: Vec<&str> = PROGRAMS
        .iter()
        .filter(|(program, _)| !is_there(program))
        .map(|(_, package)| *package)
        .collect();
    packages.dedup();
    packages
}

#[cfg(test)]
mod tests {
    use super::missing_packages;

    fn check_missing(there: &[&str], expected: &[&str]) {
        assert_eq!(missing_packages(|program| there.contains(&program)), expected);
    }

    #[test]
    fn only_packages_of_missing_programs_are_installed_and_each_once() {
        check_missing(&[], &["mariadb-server", "mariadb-client", "zstd"]);
        check_missing(&["mariadbd", "mariadb-install-db", "zstd"], &["mariadb-client"]);
        check_missing(&["mariadbd", "mariadb-install-db", "mariadb-dump", "mariadb", "zstd"], &[]);
    }
}
