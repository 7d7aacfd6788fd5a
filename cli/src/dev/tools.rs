//! Finds the programs that `tenon dev` runs. Installs nothing: says what to type instead.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use tokio::process::Command;

use super::version::Version;

/// Older ones lose acknowledged writes or break compare-and-set in clusters.
const OLDEST_NATS_SERVER: Version = Version { major: 2, minor: 12 };

/// Where Debian keeps servers, and where an ordinary user's PATH does not look.
const SERVER_DIRECTORIES: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/// What the environment of the process says; read by `main`, a plain value here.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// `PATH`.
    pub search_path: OsString,
    /// Where `cargo xtask setup` keeps what it fetched.
    pub cache: Option<PathBuf>,
    /// `TENON_NATS_SERVER`.
    pub nats_server: Option<PathBuf>,
    /// `TENON_GUESTS_DIR`.
    pub guests_dir: Option<PathBuf>,
    /// The directory of `tenon`, `tenon-gateway` and `tenon-node`.
    pub executables: PathBuf,
}

/// MariaDB's programs, and the version of all of them.
#[derive(Debug, Clone)]
pub struct MariadbPrograms {
    /// `mariadbd`.
    pub server: PathBuf,
    /// `mariadb-install-db`.
    pub install: PathBuf,
    /// `mariadb`.
    pub client: PathBuf,
    /// `mariadb-dump`.
    pub dump: PathBuf,
    /// For example `10.11`.
    pub version: Version,
}

/// A program that is needed is not there.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// Neither named, nor on the PATH, nor fetched.
    #[error("there is no nats-server {OLDEST_NATS_SERVER} or newer; type: cargo xtask setup")]
    NoNatsServer,
    /// The named one is none, or too old.
    #[error(
        "{0} is no nats-server {OLDEST_NATS_SERVER} or newer; type: cargo xtask setup, and leave \
         out --nats-server and TENON_NATS_SERVER"
    )]
    BadNatsServer(PathBuf),
    /// A program of MariaDB is missing.
    #[error(
        "there is no {0}; type: apt-get install mariadb-server mariadb-client, or do without a \
         database: tenon dev --offerings files"
    )]
    NoMariadb(&'static str),
    /// The server does not say its version.
    #[error("{0} --version prints no version; is it MariaDB's server?")]
    BadMariadb(PathBuf),
    /// A binary of this workspace is missing.
    #[error("there is no {0}; type: cargo build --workspace --bins")]
    NoHost(PathBuf),
}

impl Surroundings {
    /// The nats-server to run: `named`, or one on the PATH, or the fetched one.
    ///
    /// # Errors
    ///
    /// [`ToolError`] when there is none that is new enough.
    pub async fn nats_server(&self, named: Option<&Path>) -> Result<PathBuf, ToolError> {
        if let Some(program) = named.or(self.nats_server.as_deref()) {
            let good = is_new_nats_server(program).await;
            return if good {
                Ok(program.into())
            } else {
                Err(ToolError::BadNatsServer(program.into()))
            };
        }
        let fetched = self.cache.as_ref().map(|cache| cache.join("nats-server/nats-server"));
        for program in [self.find("nats-server"), fetched].into_iter().flatten() {
            if is_new_nats_server(&program).await {
                return Ok(program);
            }
        }
        Err(ToolError::NoNatsServer)
    }

    /// MariaDB's programs from the PATH or where Debian keeps servers.
    ///
    /// # Errors
    ///
    /// [`ToolError`] names the first that is missing.
    pub async fn mariadb(&self) -> Result<MariadbPrograms, ToolError> {
        let find = |name| self.find(name).ok_or(ToolError::NoMariadb(name));
        let server = find("mariadbd")?;
        let printed = version_text(&server).await;
        let version =
            Version::after(&printed, "Ver ").ok_or(ToolError::BadMariadb(server.clone()))?;
        Ok(MariadbPrograms {
            server,
            install: find("mariadb-install-db")?,
            client: find("mariadb")?,
            dump: find("mariadb-dump")?,
            version,
        })
    }

    /// A binary of this workspace, such as `tenon-node`.
    ///
    /// # Errors
    ///
    /// [`ToolError::NoHost`] when it is not beside this one.
    pub fn host(&self, name: &str) -> Result<PathBuf, ToolError> {
        let program = self.executables.join(name);
        if program.is_file() { Ok(program) } else { Err(ToolError::NoHost(program)) }
    }

    /// `setpriv` of util-linux: ties a child's life to ours. `None` where there is none.
    #[must_use]
    pub fn setpriv(&self) -> Option<PathBuf> {
        self.find("setpriv")
    }

    fn find(&self, program: &str) -> Option<PathBuf> {
        directories(&self.search_path)
            .map(|directory| directory.join(program))
            .find(|path| path.is_file())
    }
}

fn directories(search_path: &OsStr) -> impl Iterator<Item = PathBuf> {
    std::env::split_paths(search_path).chain(SERVER_DIRECTORIES.map(PathBuf::from))
}

async fn is_new_nats_server(program: &Path) -> bool {
    let printed = version_text(program).await;
    Version::after(&printed, "nats-server: v").is_some_and(|version| version >= OLDEST_NATS_SERVER)
}

/// What the program prints when asked for its version; nothing when it does not run.
async fn version_text(program: &Path) -> String {
    let output = Command::new(program).arg("--version").output().await;
    output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_program_that_is_no_nats_server_is_refused_by_its_path() {
        let error = Surroundings::default().nats_server(Some(Path::new("/bin/true"))).await;
        let text = error.unwrap_err().to_string();
        assert!(text.starts_with("/bin/true is no nats-server 2.12 or newer"), "{text}");
    }

    #[test]
    fn a_missing_host_binary_names_the_command_that_builds_it() {
        let error = Surroundings::default().host("tenon-nothing").unwrap_err();
        assert_eq!(
            error.to_string(),
            "there is no tenon-nothing; type: cargo build --workspace --bins"
        );
    }
}
