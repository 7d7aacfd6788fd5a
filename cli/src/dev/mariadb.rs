//! A private MariaDB: its files, its start and its end. Knows no offering.

mod account;
mod command_line;

use std::path::PathBuf;
use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder};
use tenon_protocol::Secret;

use self::account::server_account;
use self::command_line::{init_file, install_arguments, server_arguments};
use super::directory::{Directory, DirectoryError, Passage, SystemUser};
use super::process::{End, Launch, Process, ProcessError};
use super::tools::MariadbPrograms;

/// The files of an empty server take half a second, a busy machine some seconds.
const INSTALL_DEADLINE: Duration = Duration::from_secs(120);

/// An empty one answers after 0.4 s; after a crash it recovers first.
const READY_DEADLINE: Duration = Duration::from_secs(60);

/// What to start.
#[derive(Debug, Clone)]
pub struct MariadbLaunch {
    /// For its folder, log and messages.
    pub name: String,
    /// MariaDB's programs.
    pub programs: MariadbPrograms,
    /// TCP on the loopback address.
    pub port: u16,
    /// Of `root`; letters and digits.
    pub password: Secret,
    /// `setpriv`, where there is one.
    pub setpriv: Option<PathBuf>,
}

/// It cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum MariadbError {
    /// Its files cannot be written.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// It does not run.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// Its first files were not made.
    #[error("{name} could not be installed; the end of {log}:\n{tail}", log = log.display())]
    Install {
        /// The server.
        name: String,
        /// Where the installer wrote.
        log: PathBuf,
        /// What it wrote last.
        tail: String,
    },
}

/// A running server. Dropped, it is killed, which it survives.
#[derive(Debug)]
pub struct Mariadb {
    pub(crate) process: Process,
    port: u16,
}

impl Mariadb {
    /// Starts a server whose files are in `folder`, and waits until `root` can log in.
    ///
    /// # Errors
    ///
    /// [`MariadbError`] when its files cannot be made, or when it ends or does not answer.
    pub async fn start(folder: PathBuf, launch: MariadbLaunch) -> Result<Self, MariadbError> {
        Self::start_in(&Directory::open(&folder)?, launch).await
    }

    pub(crate) async fn start_in(
        directory: &Directory,
        launch: MariadbLaunch,
    ) -> Result<Self, MariadbError> {
        let MariadbLaunch { name, programs, port, password, setpriv } = launch;
        let account = server_account(directory);
        prepare(directory, &name, account)?;
        if !directory.has(&format!("{name}/data")) {
            install(directory, &name, &programs, account).await?;
        }
        write_for(directory, &format!("{name}/init.sql"), &init_file(&password), account)?;

        let mut process = Launch {
            log: directory.at(format!("log/{name}.log")),
            program: programs.server,
            arguments: server_arguments(&directory.at(&name), port, account),
            crash_at: None,
            user: account.system_user(),
            setpriv,
            name,
        }
        .start()?;
        process.ready(READY_DEADLINE, async || can_log_in(port, &password).await).await?;
        Ok(Self { process, port })
    }

    /// TCP on 127.0.0.1; the user is `root`.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Stops it, and kills it when it has not stopped after `deadline`.
    pub async fn stop(self, deadline: Duration) {
        match self.process.stop(deadline).await {
            End::Orderly | End::Killed => (),
        }
    }
}

/// Whom the server runs as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Account {
    /// Whoever runs us.
    Ours,
    /// We are root, and it runs as the user that its package made.
    Mysql(SystemUser),
    /// We are root, and nobody else can reach the directory.
    Root,
}

impl Account {
    fn system_user(self) -> Option<SystemUser> {
        match self {
            Self::Mysql(user) => Some(user),
            Self::Ours | Self::Root => None,
        }
    }
}

fn prepare(directory: &Directory, name: &str, account: Account) -> Result<(), DirectoryError> {
    directory.create_dir("log")?;
    for below in ["tmp", "import"] {
        directory.create_dir(&format!("{name}/{below}"))?;
    }
    if let Account::Mysql(user) = account {
        directory.set_passage(".", Passage::Through)?;
        directory.set_passage(name, Passage::Through)?;
        directory.give_to(&format!("{name}/tmp"), user)?;
        directory.give_to(&format!("{name}/import"), user)?;
    }
    Ok(())
}

/// Makes the server's first files.
async fn install(
    directory: &Directory,
    name: &str,
    programs: &MariadbPrograms,
    account: Account,
) -> Result<(), MariadbError> {
    let aside = format!("{name}/data.new");
    directory.remove_dir(&aside)?;
    directory.create_dir(&aside)?;
    if let Account::Mysql(user) = account {
        directory.give_to(&aside, user)?;
    }
    let log = directory.at(format!("log/{name}-install.log"));
    let installer = Launch {
        name: format!("{name}-install"),
        program: programs.install.clone(),
        arguments: install_arguments(&directory.at(&aside), account),
        log: log.clone(),
        crash_at: None,
        user: account.system_user(),
        setpriv: None,
    };
    if !installer.start()?.succeeds(INSTALL_DEADLINE).await {
        let tail = super::process::tail(&log);
        return Err(MariadbError::Install { name: name.to_owned(), log, tail });
    }
    // Renamed when whole: a killed installation leaves nothing that looks finished.
    Ok(directory.rename(&aside, &format!("{name}/data"))?)
}

fn write_for(
    directory: &Directory,
    name: &str,
    content: &str,
    account: Account,
) -> Result<(), DirectoryError> {
    directory.write(name, content.as_bytes())?;
    match account {
        Account::Mysql(user) => directory.give_to(name, user),
        Account::Ours | Account::Root => Ok(()),
    }
}

async fn can_log_in(port: u16, password: &Secret) -> bool {
    let options = OptsBuilder::default()
        .ip_or_hostname("127.0.0.1")
        .tcp_port(port)
        .user(Some("root"))
        .pass(Some(password.reveal()))
        // The server's socket is not what is asked for.
        .prefer_socket(false);
    let Ok(mut connection) = Conn::new(options).await else {
        return false;
    };
    let is_well = connection.query_drop("SELECT 1").await.is_ok();
    // What matters was said; a connection that breaks now is no news.
    connection.disconnect().await.ok();
    is_well
}
