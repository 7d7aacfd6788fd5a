//! A whole platform: a real `tenon dev` in a directory of its own, gone when it is dropped.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use rustix::process::Signal;
use tempfile::TempDir;
use tenon::dev::{DevFile, NodeEntry};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::classic::{Classic, Ordered};
use crate::control::Control;
use crate::error::HarnessError;
use crate::http;
use crate::mysql::Server;
use crate::options::Options;
use crate::processes::{send, wait_for_end};
use crate::programs;
use crate::records::Records;
use crate::wait::wait_until;

/// A debug build compiles its plugins without haste, and other tests run beside.
const START_DEADLINE: Duration = Duration::from_secs(240);
const STOP_DEADLINE: Duration = Duration::from_secs(90);

/// `tenon dev` has noticed a killed child by then.
const DEATH_DEADLINE: Duration = Duration::from_secs(10);

/// A line that is due is there by then.
const LOG_DEADLINE: Duration = Duration::from_secs(60);

/// What `tenon dev` prints goes there, beside its directory.
const OUTPUT: &str = "output";

/// A running platform.
///
/// Dropped, all of it is killed and its files are removed; if the test is panicking, the files
/// stay and the log says where.
#[derive(Debug)]
pub struct Platform {
    options: Options,
    home: Option<TempDir>,
    root: PathBuf,
    child: Child,
}

impl Platform {
    /// Starts it, and waits until all of it answers.
    ///
    /// # Errors
    ///
    /// [`HarnessError::NoProgram`] when it is not built; [`HarnessError::Ended`] with what it said.
    pub async fn start(options: Options) -> Result<Self, HarnessError> {
        http::install_tls();
        let disk = |source| HarnessError::Disk { path: "a temporary directory".into(), source };
        // MariaDB's own user passes through it.
        let home = tempfile::Builder::new()
            .prefix("tenon-")
            .permissions(Permissions::from_mode(0o711))
            .tempdir()
            .map_err(disk)?;
        let child = spawn(&options, home.path())?;
        let root = home.path().join("d");
        let mut platform = Self { options, home: Some(home), root, child };
        let answered = platform.answers().await;
        if answered.is_err() {
            // The error names a log.
            platform.keep_files();
        }
        answered.map(|()| platform)
    }

    /// Stops it in order and starts it again in the same directory.
    ///
    /// # Errors
    ///
    /// As [`Self::start`] and [`Self::stop`].
    pub async fn restart(&mut self) -> Result<(), HarnessError> {
        self.stop().await?;
        self.child = spawn(&self.options, &self.home_path())?;
        self.answers().await
    }

    /// Stops it in order; its files stay until it is dropped.
    ///
    /// # Errors
    ///
    /// [`HarnessError::TimedOut`] when it does not stop; [`HarnessError::Ended`] when it ends with
    /// an error.
    pub async fn stop(&mut self) -> Result<(), HarnessError> {
        send(self.child.id(), Signal::TERM);
        let status = timeout(STOP_DEADLINE, self.child.wait()).await;
        match status {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(self.ended(status)),
            Ok(Err(source)) => Err(HarnessError::Disk { path: self.root.clone(), source }),
            Err(_) => Err(HarnessError::TimedOut {
                what: "tenon dev stops".to_owned(),
                seconds: STOP_DEADLINE.as_secs(),
            }),
        }
    }

    async fn answers(&mut self) -> Result<(), HarnessError> {
        let root = self.root.clone();
        let child = &mut self.child;
        let ready =
            wait_until("tenon dev is ready", START_DEADLINE, async || match child.try_wait() {
                Ok(Some(status)) => Some(Err(status)),
                Ok(None) | Err(_) => read_dev_file(&root).map(|_| Ok(())),
            });
        ready.await?.map_err(|status| self.ended(status))
    }

    fn ended(&self, status: ExitStatus) -> HarnessError {
        HarnessError::Ended { status, output: self.output() }
    }

    /// D.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// D as a directory to work in.
    ///
    /// # Errors
    ///
    /// [`HarnessError::Disk`] when it is gone.
    pub fn dir(&self) -> Result<Dir, HarnessError> {
        let disk = |source| HarnessError::Disk { path: self.root.clone(), source };
        Dir::open_ambient_dir(&self.root, ambient_authority()).map_err(disk)
    }

    /// What runs now.
    ///
    /// # Errors
    ///
    /// [`HarnessError::NotRunning`] when `tenon dev` has stopped.
    pub fn dev_file(&self) -> Result<DevFile, HarnessError> {
        read_dev_file(&self.root).ok_or_else(|| HarnessError::NotRunning("tenon dev".to_owned()))
    }

    /// A cloud controller's client for one offering, of the first gateway.
    ///
    /// # Errors
    ///
    /// [`HarnessError::NotRunning`] when the offering was not started.
    pub fn classic(&self, offering: &str) -> Result<Classic, HarnessError> {
        self.classic_at(1, offering)
    }

    /// A cloud controller's client for one offering, of the gateway with that number.
    ///
    /// # Errors
    ///
    /// [`HarnessError::NotRunning`] when there is no such gateway or offering.
    pub fn classic_at(&self, gateway: usize, offering: &str) -> Result<Classic, HarnessError> {
        let file = self.dev_file()?;
        let missing = || HarnessError::NotRunning(offering.to_owned());
        let gateway = file.gateways.get(gateway.saturating_sub(1)).ok_or_else(missing)?;
        let node = file.nodes.iter().find(|node| node.offering == offering);
        let token = file.gateway.tokens.get(offering).ok_or_else(missing)?;
        Classic::new(gateway.url.clone(), token.clone(), ordered(node.ok_or_else(missing)?))
    }

    /// The database server of the node with that number.
    ///
    /// # Errors
    ///
    /// [`HarnessError::NotRunning`] when it has none.
    pub fn server(&self, node: usize) -> Result<Server, HarnessError> {
        let file = self.dev_file()?;
        let entry = file.mysql.get(node.saturating_sub(1));
        entry.map(Server::new).ok_or_else(|| HarnessError::NotRunning(format!("mysql-{node}")))
    }

    /// A reader of the gateway's records.
    ///
    /// # Errors
    ///
    /// [`HarnessError::Bus`] when the bus is away.
    pub async fn records(&self) -> Result<Records, HarnessError> {
        Records::open(&self.dev_file()?.nats).await
    }

    /// Orders to `tenon dev`.
    ///
    /// # Errors
    ///
    /// [`HarnessError::NotRunning`] when `tenon dev` has stopped.
    pub fn control(&self) -> Result<Control, HarnessError> {
        Control::new(self.dev_file()?)
    }

    /// Kills `node-1` or the like as `kill -9` does, and waits until it is gone.
    ///
    /// # Errors
    ///
    /// [`HarnessError::NotRunning`] when it does not run.
    pub async fn kill(&self, child: &str) -> Result<(), HarnessError> {
        let pid = self.dev_file()?.pids.get(child).copied();
        let pid = pid.ok_or_else(|| HarnessError::NotRunning(child.to_owned()))?;
        send(Some(pid), Signal::KILL);
        self.is_gone(child).await
    }

    /// Asks `node-1` or the like for a backup of everything, as an operator does.
    ///
    /// # Errors
    ///
    /// [`HarnessError::NotRunning`] when it does not run.
    pub fn back_up(&self, node: &str) -> Result<(), HarnessError> {
        let pid = self.dev_file()?.pids.get(node).copied();
        let pid = pid.ok_or_else(|| HarnessError::NotRunning(node.to_owned()))?;
        send(Some(pid), Signal::USR1);
        Ok(())
    }

    /// Waits until `node-1` or the like does not run any more, for example at its crash point.
    ///
    /// # Errors
    ///
    /// [`HarnessError::TimedOut`] when it goes on.
    pub async fn is_gone(&self, child: &str) -> Result<(), HarnessError> {
        let what = format!("the end of {child}");
        wait_until(&what, DEATH_DEADLINE, async || {
            let file = self.dev_file().ok()?;
            (!file.pids.contains_key(child)).then_some(())
        })
        .await
    }

    /// Kills `tenon dev` alone, as `kill -9` does.
    ///
    /// # Errors
    ///
    /// [`HarnessError::NotRunning`] when it has stopped.
    pub fn kill_tenon_dev(&self) -> Result<(), HarnessError> {
        let pid = self.child.id().ok_or(HarnessError::NotRunning("tenon dev".to_owned()))?;
        send(Some(pid), Signal::KILL);
        Ok(())
    }

    /// Waits until `node-1` or the like has logged `text`.
    ///
    /// # Errors
    ///
    /// [`HarnessError::TimedOut`] when it does not.
    pub async fn logs(&self, child: &str, text: &str) -> Result<(), HarnessError> {
        let what = format!("{child} logs {text:?}");
        wait_until(&what, LOG_DEADLINE, async || self.log(child).contains(text).then_some(())).await
    }

    /// What `node-1` or the like has logged so far; empty when it has no log.
    #[must_use]
    pub fn log(&self, child: &str) -> String {
        let dir = Dir::open_ambient_dir(self.root.join("log"), ambient_authority());
        dir.and_then(|dir| dir.read_to_string(format!("{child}.log"))).unwrap_or_default()
    }

    /// What `tenon dev` has printed so far.
    #[must_use]
    pub fn output(&self) -> String {
        let dir = Dir::open_ambient_dir(self.home_path(), ambient_authority());
        dir.and_then(|dir| dir.read_to_string(OUTPUT)).unwrap_or_default()
    }

    /// Keeps the files when the platform is dropped, and says where they are.
    pub fn keep_files(&mut self) -> PathBuf {
        if let Some(home) = self.home.take() {
            // Not removed any more.
            drop(home.keep());
        }
        self.root.clone()
    }

    fn home_path(&self) -> PathBuf {
        self.root.parent().map(Path::to_path_buf).unwrap_or_default()
    }

    fn kill_all(&mut self) {
        let pids = read_dev_file(&self.root).map(|file| file.pids).unwrap_or_default();
        send(self.child.id(), Signal::KILL);
        let all = pids.values().copied();
        for pid in all.clone() {
            send(Some(pid), Signal::KILL);
        }
        // A file that is written now would be left when the directory is removed.
        for pid in all {
            wait_for_end(pid);
        }
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        let has_stopped = matches!(self.child.try_wait(), Ok(Some(_)));
        if !has_stopped {
            self.kill_all();
        }
        if std::thread::panicking() {
            let root = self.keep_files();
            eprintln!("the platform's files stay in {}; logs are in its log/", root.display());
        }
    }
}

fn spawn(options: &Options, home: &Path) -> Result<Child, HarnessError> {
    let program = programs::tenon()?;
    let disk = |source| HarnessError::Disk { path: home.join(OUTPUT), source };
    let dir = Dir::open_ambient_dir(home, ambient_authority()).map_err(disk)?;
    let mut open = cap_std::fs::OpenOptions::new();
    let output = dir.open_with(OUTPUT, open.create(true).append(true)).map_err(disk)?;
    let errors = output.try_clone().map_err(disk)?;
    Command::new(&program)
        .args(options.arguments(&home.join("d")))
        .stdin(Stdio::null())
        .stdout(output.into_std())
        .stderr(errors.into_std())
        .kill_on_drop(true)
        .spawn()
        .map_err(|source| HarnessError::Disk { path: program, source })
}

fn read_dev_file(root: &Path) -> Option<DevFile> {
    let dir = Dir::open_ambient_dir(root, ambient_authority()).ok()?;
    serde_json::from_slice(&dir.read("dev.json").ok()?).ok()
}

fn ordered(node: &NodeEntry) -> Ordered {
    Ordered {
        label: node.offering.clone(),
        plan_unique_id: node.plan_unique_id.clone(),
        plan: node.plan.clone(),
        version: node.versions.first().cloned().unwrap_or_default(),
    }
}
