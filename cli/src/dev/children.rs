//! Starts and stops the children, each by its name. Owns their processes.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use futures_util::future::join_all;

use super::blueprint::{Blueprint, MysqlPlan};
use super::child::{ChildId, Kind};
use super::directory::{Directory, DirectoryError};
use super::kept::Claims;
use super::mariadb::{Mariadb, MariadbError, MariadbLaunch};
use super::nats_server::{NatsError, NatsLaunch, NatsServer};
use super::process::{End, Launch, Process, ProcessError, tail};

/// A node compiles its plugins first; a debug build takes its time over that.
const HOST_READY_DEADLINE: Duration = Duration::from_secs(180);

/// The programs that are not found through the blueprint.
#[derive(Debug, Clone)]
pub(crate) struct Programs {
    pub(crate) nats_server: PathBuf,
    pub(crate) gateway: PathBuf,
    pub(crate) node: PathBuf,
    pub(crate) setpriv: Option<PathBuf>,
}

/// A child cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum ChildError {
    /// There is none of that name.
    #[error("there is no {0} here")]
    Unknown(String),
    /// It does not run.
    #[error("{0} does not run")]
    Stopped(String),
    /// It runs already.
    #[error("{0} runs already")]
    Running(String),
    /// The bus.
    #[error(transparent)]
    Nats(#[from] NatsError),
    /// A database server.
    #[error(transparent)]
    Mariadb(#[from] MariadbError),
    /// A gateway or node.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// The disk refuses.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
}

/// Which child to start, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Start {
    pub(crate) id: ChildId,
    /// The point at which a gateway or node kills itself; `None` is nowhere.
    pub(crate) crash_at: Option<String>,
}

impl From<ChildId> for Start {
    fn from(id: ChildId) -> Self {
        Self { id, crash_at: None }
    }
}

/// A child that ended without being asked to.
#[derive(Debug)]
pub(crate) struct Loss {
    pub(crate) id: ChildId,
    pub(crate) status: ExitStatus,
    pub(crate) log: PathBuf,
    pub(crate) tail: String,
}

/// The children that run.
pub(crate) struct Children {
    directory: Directory,
    blueprint: Blueprint,
    programs: Programs,
    running: BTreeMap<ChildId, Process>,
    /// Until all of it has ended.
    #[expect(dead_code, reason = "held, not read")]
    claims: Claims,
}

impl Children {
    pub(crate) fn new(
        directory: Directory,
        blueprint: Blueprint,
        programs: Programs,
        claims: Claims,
    ) -> Self {
        Self { directory, blueprint, programs, running: BTreeMap::new(), claims }
    }

    pub(crate) fn directory(&self) -> &Directory {
        &self.directory
    }

    pub(crate) fn blueprint(&self) -> &Blueprint {
        &self.blueprint
    }

    /// All that the blueprint names, in groups: each needs those before it.
    pub(crate) fn groups(&self) -> [Vec<ChildId>; 3] {
        let mut servers = vec![ChildId::NATS];
        let nodes: Vec<ChildId> =
            (1..).zip(&self.blueprint.nodes).map(|(n, _)| ChildId::new(Kind::Node, n)).collect();
        if self.blueprint.mariadb.is_some() {
            servers.extend(nodes.iter().map(|node| ChildId::new(Kind::Mysql, node.number)));
        }
        let gateways = (1..).zip(&self.blueprint.gateways);
        let gateways = gateways.map(|(n, _)| ChildId::new(Kind::Gateway, n)).collect();
        [servers, gateways, nodes]
    }

    /// Starts several at once, and waits until all are ready.
    pub(crate) async fn start(&mut self, starts: &[Start]) -> Result<(), ChildError> {
        let launches = starts.iter().map(|start| self.launch(start));
        let mut failed = None;
        for (start, result) in starts.iter().zip(join_all(launches).await) {
            match result {
                Ok(process) => _ = self.running.insert(start.id, process),
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(()), Err)
    }

    async fn launch(&self, start: &Start) -> Result<Process, ChildError> {
        let id = start.id;
        if self.running.contains_key(&id) {
            return Err(ChildError::Running(id.to_string()));
        }
        if !self.groups().iter().flatten().any(|known| *known == id) {
            return Err(ChildError::Unknown(id.to_string()));
        }
        match id.kind {
            Kind::Nats => Ok(NatsServer::start_in(&self.directory, self.nats(id)).await?.process),
            Kind::Mysql => {
                let launch = self.mysql(id).ok_or_else(|| ChildError::Unknown(id.to_string()))?;
                Ok(Mariadb::start_in(&self.directory, launch).await?.process)
            }
            Kind::Gateway => self.host(&self.programs.gateway, start).await,
            Kind::Node => self.host(&self.programs.node, start).await,
        }
    }

    fn nats(&self, id: ChildId) -> NatsLaunch {
        NatsLaunch {
            name: id.to_string(),
            program: self.programs.nats_server.clone(),
            config: self.blueprint.nats.clone(),
            setpriv: self.programs.setpriv.clone(),
        }
    }

    fn mysql(&self, id: ChildId) -> Option<MariadbLaunch> {
        let is_meant = |mysql: &&MysqlPlan| mysql.id == id.to_string();
        let plan = self.blueprint.nodes.iter().find_map(|n| n.mysql.as_ref().filter(is_meant))?;
        Some(MariadbLaunch {
            name: plan.id.clone(),
            programs: self.blueprint.mariadb.clone()?,
            port: plan.port,
            password: plan.password.clone(),
            setpriv: self.programs.setpriv.clone(),
        })
    }

    /// A gateway or node: ready when it has written the file that it was told of.
    async fn host(&self, program: &Path, start: &Start) -> Result<Process, ChildError> {
        let name = start.id.to_string();
        let config = format!("{name}.toml");
        let ready = format!("run/{name}.json");
        self.directory.remove(&ready)?;
        let mut arguments = vec![OsString::from("--config"), self.directory.at(&config).into()];
        arguments.extend(["--ready-file".into(), self.directory.at(&ready).into()]);
        let mut process = Launch {
            log: self.log(start.id),
            name,
            program: program.to_path_buf(),
            arguments,
            crash_at: start.crash_at.clone(),
            user: None,
            setpriv: self.programs.setpriv.clone(),
        }
        .start()?;
        process.ready(HOST_READY_DEADLINE, async || self.directory.has(&ready)).await?;
        Ok(process)
    }

    /// Where a child writes.
    pub(crate) fn log(&self, id: ChildId) -> PathBuf {
        self.directory.at(format!("log/{id}.log"))
    }

    /// Whether a child was started and has not ended.
    pub(crate) fn runs(&self, id: ChildId) -> bool {
        self.running.contains_key(&id)
    }

    /// The process of a child; 0 while it does not run.
    pub(crate) fn pid(&self, id: ChildId) -> u32 {
        self.running.get(&id).map_or(0, Process::pid)
    }

    /// All that run, by name.
    pub(crate) fn pids(&self) -> BTreeMap<String, u32> {
        self.running.iter().map(|(id, process)| (id.to_string(), process.pid())).collect()
    }

    /// Those that ended by themselves since the last time.
    pub(crate) fn losses(&mut self) -> Vec<Loss> {
        let ended: Vec<(ChildId, ExitStatus)> = self
            .running
            .iter_mut()
            .filter_map(|(id, process)| process.ended().map(|status| (*id, status)))
            .collect();
        for (id, _) in &ended {
            self.running.remove(id);
        }
        let loss = |(id, status)| {
            let log = self.log(id);
            Loss { id, status, tail: tail(&log), log }
        };
        ended.into_iter().map(loss).collect()
    }

    /// Stops one child; `None` when it does not run.
    pub(crate) async fn stop(&mut self, id: ChildId) -> Option<End> {
        let process = self.running.remove(&id)?;
        Some(process.stop(patience(id.kind)).await)
    }

    /// Stops all: first who asks, then who answers. Returns those that had to be killed.
    pub(crate) async fn stop_all(&mut self) -> Vec<ChildId> {
        let mut killed = Vec::new();
        for kind in [Kind::Gateway, Kind::Node, Kind::Nats, Kind::Mysql] {
            let ids: Vec<ChildId> =
                self.running.keys().copied().filter(|id| id.kind == kind).collect();
            let stopping = ids.iter().filter_map(|id| self.running.remove(id).map(|p| (*id, p)));
            let stopping: Vec<_> = stopping
                .map(async |(id, process)| (id, process.stop(patience(kind)).await))
                .collect();
            let ends = join_all(stopping).await;
            killed
                .extend(ends.into_iter().filter(|(_, end)| *end == End::Killed).map(|(id, _)| id));
        }
        killed
    }
}

/// How long a child may take to stop.
const fn patience(kind: Kind) -> Duration {
    match kind {
        Kind::Nats => Duration::from_secs(5),
        // Both finish the calls in flight.
        Kind::Gateway => Duration::from_secs(15),
        Kind::Node => Duration::from_secs(20),
        Kind::Mysql => Duration::from_secs(30),
    }
}
