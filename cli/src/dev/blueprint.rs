//! What is to run: every port, secret, offering and process, before anything is started.
//!
//! Plain values. The configuration files, `dev.json` and the table are read off it.

use std::path::PathBuf;

use super::kept::{Kept, KeptError};
use super::nats_server::{NatsConfig, NatsUser, of_gateway, of_node};
use super::offering::{Choice, Offering};
use super::stand_in::Api;
use super::tools::MariadbPrograms;
use tenon_protocol::{IdError, NodeId, Secret, ServiceName};

/// The gateway's user on the bus.
pub(crate) const GATEWAY_USER: &str = "gateway";

/// All of it.
#[derive(Debug, Clone)]
pub(crate) struct Blueprint {
    /// D.
    pub(crate) root: PathBuf,
    pub(crate) offerings: Vec<OfferingPlan>,
    pub(crate) gateways: Vec<GatewayPlan>,
    pub(crate) nodes: Vec<NodePlan>,
    pub(crate) nats: NatsConfig,
    pub(crate) gateway_nats_password: Secret,
    /// MariaDB's programs, when an offering needs them.
    pub(crate) mariadb: Option<MariadbPrograms>,
    pub(crate) stand_in_port: u16,
    /// Which cloud controller the stand-in is.
    pub(crate) api: Api,
    /// Of the gateway's client at the stand-in's UAA.
    pub(crate) uaa_secret: Secret,
    /// What uploads are allowed with.
    pub(crate) upload_token: Secret,
    pub(crate) control_token: Secret,
    pub(crate) admin_token: Secret,
    pub(crate) seal_key: Secret,
}

/// How many of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) gateways: u32,
    pub(crate) nodes: u32,
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) choices: &'a [Choice],
    pub(crate) counts: Counts,
    pub(crate) api: Api,
}

/// An offering and its token.
#[derive(Debug, Clone)]
pub(crate) struct OfferingPlan {
    pub(crate) offering: Offering,
    /// `X-VCAP-Service-Token`.
    pub(crate) token: Secret,
}

/// One gateway process.
#[derive(Debug, Clone)]
pub(crate) struct GatewayPlan {
    /// `gateway-1`.
    pub(crate) id: String,
    pub(crate) port: u16,
    pub(crate) admin_port: u16,
}

/// One node process; it serves every offering.
#[derive(Debug, Clone)]
pub(crate) struct NodePlan {
    /// `node-1`.
    pub(crate) id: NodeId,
    pub(crate) health_port: u16,
    pub(crate) nats_password: Secret,
    /// Its own database server: databases of one node are not another's to list or remove.
    pub(crate) mysql: Option<MysqlPlan>,
}

/// One database server.
#[derive(Debug, Clone)]
pub(crate) struct MysqlPlan {
    /// `mysql-1`.
    pub(crate) id: String,
    pub(crate) port: u16,
    pub(crate) password: Secret,
}

/// It cannot be drawn.
#[derive(Debug, thiserror::Error)]
pub enum BlueprintError {
    /// Ports or secrets cannot be had.
    #[error(transparent)]
    Kept(#[from] KeptError),
    /// A name that was made here is not good.
    #[error(transparent)]
    Id(#[from] IdError),
}

impl Blueprint {
    /// Draws the processes for what is wanted, with the ports and secrets of `kept`.
    pub(crate) fn draw(
        root: PathBuf,
        Wanted { choices, counts, api }: Wanted<'_>,
        mariadb: Option<MariadbPrograms>,
        kept: &mut Kept,
    ) -> Result<Self, BlueprintError> {
        let database = mariadb.as_ref().map(|programs| programs.version);
        let plan = |Choice { label, .. }: &Choice| OfferingPlan {
            offering: Offering::named(label, database),
            token: kept.secret(&format!("token.{}", label.as_str())),
        };
        let offerings: Vec<OfferingPlan> = choices.iter().map(plan).collect();
        let gateways = (1..=counts.gateways)
            .map(|number| GatewayPlan::draw(number, kept))
            .collect::<Result<Vec<_>, _>>()?;
        let nodes = (1..=counts.nodes)
            .map(|number| NodePlan::draw(number, mariadb.is_some(), kept))
            .collect::<Result<Vec<_>, _>>()?;
        let gateway_nats_password = kept.secret("nats.gateway");
        Ok(Self {
            root,
            nats: NatsConfig {
                port: kept.port("nats")?,
                monitor_port: kept.port("nats.monitor")?,
                users: bus_users(&offerings, &nodes, &gateway_nats_password)?,
            },
            offerings,
            gateways,
            nodes,
            gateway_nats_password,
            mariadb,
            stand_in_port: kept.port("cloud_controller")?,
            api,
            uaa_secret: kept.secret("uaa"),
            upload_token: kept.secret("uploads"),
            control_token: kept.secret("control"),
            admin_token: kept.secret("admin"),
            seal_key: kept.seal_key(),
        })
    }

    /// Where snapshots are kept, for all nodes.
    pub(crate) fn snapshots_dir(&self) -> PathBuf {
        self.root.join("snapshots")
    }

    /// Base of the stand-in cloud controller's routes.
    pub(crate) fn stand_in_url(&self) -> String {
        loopback_url(self.stand_in_port)
    }
}

impl GatewayPlan {
    fn draw(number: u32, kept: &mut Kept) -> Result<Self, BlueprintError> {
        let id = format!("gateway-{number}");
        let port = kept.port(&id)?;
        let admin_port = kept.port(&format!("{id}.admin"))?;
        Ok(Self { id, port, admin_port })
    }

    pub(crate) fn url(&self) -> String {
        loopback_url(self.port)
    }

    pub(crate) fn admin_url(&self) -> String {
        loopback_url(self.admin_port)
    }
}

impl NodePlan {
    fn draw(number: u32, has_database: bool, kept: &mut Kept) -> Result<Self, BlueprintError> {
        let id = format!("node-{number}");
        let mysql = has_database.then(|| MysqlPlan::draw(number, kept)).transpose()?;
        Ok(Self {
            health_port: kept.port(&format!("{id}.health"))?,
            nats_password: kept.secret(&format!("nats.{id}")),
            id: NodeId::new(id)?,
            mysql,
        })
    }

    pub(crate) fn health_url(&self) -> String {
        loopback_url(self.health_port)
    }
}

impl MysqlPlan {
    fn draw(number: u32, kept: &mut Kept) -> Result<Self, BlueprintError> {
        let id = format!("mysql-{number}");
        let port = kept.port(&id)?;
        let password = kept.secret(&id);
        Ok(Self { id, port, password })
    }
}

fn bus_users(
    offerings: &[OfferingPlan],
    nodes: &[NodePlan],
    gateway_password: &Secret,
) -> Result<Vec<NatsUser>, BlueprintError> {
    let services = offerings
        .iter()
        .map(|plan| ServiceName::new(plan.offering.service.clone()))
        .collect::<Result<Vec<_>, _>>()?;
    let gateway = NatsUser {
        name: GATEWAY_USER.to_owned(),
        password: gateway_password.clone(),
        permissions: of_gateway(&services),
    };
    let nodes = nodes.iter().map(|node| NatsUser {
        name: node.id.to_string(),
        password: node.nats_password.clone(),
        permissions: of_node(&node.id, &services),
    });
    Ok(std::iter::once(gateway).chain(nodes).collect())
}

fn loopback_url(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}
