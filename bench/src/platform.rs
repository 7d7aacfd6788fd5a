//! The platforms that are measured: one with MySQL, echo and counter, as `tenon dev` starts it.

use tenon_tests::{Classic, Options, Platform, Server};

use crate::Result;

/// What runs.
pub(crate) struct Platforms {
    platform: Platform,
    /// Process ids, in the order of `dev.json`.
    pub(crate) gateway: u32,
    pub(crate) node: u32,
    pub(crate) mariadb: u32,
}

impl Platforms {
    pub(crate) async fn start() -> Result<Self> {
        let platform = Platform::start(Options::of(&["mysql", "echo"])).await?;
        let dev = platform.dev_file()?;
        let node = dev.nodes.first().ok_or("no node")?.pid;
        let mariadb = dev.mysql.first().ok_or("no MariaDB")?.pid;
        Ok(Self { gateway: dev.gateway.pid, node, mariadb, platform })
    }

    pub(crate) fn classic(&self, offering: &str) -> Result<Classic> {
        Ok(self.platform.classic(offering)?)
    }

    pub(crate) fn server(&self) -> Result<Server> {
        Ok(self.platform.server(0)?)
    }

    pub(crate) fn dev(&self) -> Result<tenon::dev::DevFile> {
        Ok(self.platform.dev_file()?)
    }
}
