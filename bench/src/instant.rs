//! A node of ours, as gateways see it, that answers everything at once: what is left is the gateway.

use std::error::Error;

use async_nats::{Client, ConnectOptions, Message};
use futures_util::StreamExt;
use tenon_protocol::order::header;
use tokio::task::JoinSet;

use crate::Result;

/// Prefix of its subjects.
pub(crate) const SERVICE: &str = "BenchaaS";
/// The node.
const NODE: &str = "instant";
/// What is removed needs no words.
const REMOVED: &str = r#"{"success":true}"#;

/// It answers until it is dropped.
pub(crate) struct InstantNode(
    #[expect(dead_code, reason = "dropped, it ends the node")] JoinSet<()>,
);

impl InstantNode {
    /// Listens on `url`, and announces itself to whoever looks for nodes.
    pub(crate) async fn start(url: &str, login: (&str, &str)) -> Result<Self> {
        let options = ConnectOptions::new().user_and_password(login.0.into(), login.1.into());
        let client = options.connect(url).await?;
        let mut commands = client.subscribe(format!("{SERVICE}.*.{NODE}")).await?;
        let mut discovers = client.subscribe(format!("{SERVICE}.discover")).await?;
        client.flush().await?;
        let mut answering = JoinSet::new();
        let bus = client.clone();
        answering.spawn(async move {
            while let Some(command) = commands.next().await {
                report(answer(&bus, command).await);
            }
        });
        answering.spawn(async move {
            while discovers.next().await.is_some() {
                report(announce(&client).await);
            }
        });
        Ok(Self(answering))
    }
}

async fn answer(bus: &Client, command: Message) -> Result<()> {
    let Some(reply) = command.reply else {
        return Ok(());
    };
    let operation = command.subject.split('.').nth(1).unwrap_or_default();
    let headers = command.headers.as_ref();
    let instance = headers.and_then(|headers| headers.get(header::INSTANCE));
    let text = match (operation, instance) {
        ("provision" | "bind", Some(instance)) => made(instance.as_str()),
        _ => REMOVED.to_owned(),
    };
    Ok(bus.publish(reply, text.into()).await?)
}

/// Credentials as long as those of a database.
fn made(instance: &str) -> String {
    format!(
        r#"{{"success":true,"credentials":{{"name":"{instance}","hostname":"127.0.0.1","host":"127.0.0.1","port":3306,"user":"u0123456789abcdef","username":"u0123456789abcdef","password":"p0123456789abcdef","uri":"mysql://u0123456789abcdef:p0123456789abcdef@127.0.0.1:3306/{instance}"}}}}"#
    )
}

async fn announce(bus: &Client) -> Result<()> {
    const FREE: u32 = 100_000_000;
    let text = format!(
        r#"{{"available_capacity":{FREE},"max_capacity":{FREE},"capacity_unit":1,"id":"{NODE}","plan":"free","supported_versions":["1.0"]}}"#
    );
    Ok(bus.publish(format!("{SERVICE}.announce.{NODE}"), text.into()).await?)
}

fn report(done: Result<()>) {
    if let Err(error) = done {
        let error: &dyn Error = error.as_ref();
        eprintln!("tenon-bench: the instant node: {error}");
    }
}
