//! Row (o): an orphan check over a thousand nodes that only exist on the bus.
//!
//! One client answers for all of them, as fast as it can; gateway, nats-server and records are
//! real. What is measured is the check: asking every node, reading every record, comparing.

use std::time::{Duration, Instant};

use async_nats::jetstream::{self, kv};
use async_nats::{Client, ConnectOptions};
use futures_util::{StreamExt, stream};
use reqwest::Method;
use serde_json::{Value, json};
use tenon_protocol::clock::Millis;
use tenon_protocol::message::{Announcement, InventoryInstance, InventoryPage};
use tenon_protocol::record::{InstanceRecord, Life, RECORD_VERSION, key};
use tenon_protocol::{Generation, InstanceId, NodeId, SealKey, ServiceName, subject};
use tenon_tests::{Options, Platform};
use tokio::task::JoinSet;

use crate::process::resident_mib;
use crate::report::{Report, median};
use crate::{Arguments, Result};

const NODES: usize = 1_000;
const INSTANCES: usize = 100;
/// Of each node, in no record.
const ORPHANS: usize = 1;
/// Of each node, up to this one in a record. The others an original gateway ordered a moment ago:
/// they are judged, and need no record, which take long to write.
const RECORDED: usize = 10;
/// Records that are written at once.
const WRITERS: usize = 64;
/// Between two looks whether the report is there.
const POLL: Duration = Duration::from_millis(10);

/// Gateway and bus, with a client that may say what nodes say.
struct Rig {
    platform: Platform,
    bus: Client,
    service: ServiceName,
    http: reqwest::Client,
}

pub(crate) async fn measure(arguments: &Arguments, report: &mut Report) -> Result<()> {
    let rig = Rig::start().await?;
    let pid = rig.platform.dev_file()?.gateway.pid;
    let nodes: Vec<NodeId> = (0..NODES).map(node).collect::<Result<_>>()?;
    let mut answering = JoinSet::new();
    answering.spawn(answer(rig.bus.clone(), rig.service.clone()));
    rig.write_records(&nodes).await?;
    let mut seconds = Vec::new();
    let before = resident_mib(pid)?;
    let mut most = before.all;
    for _ in 0..arguments.rounds {
        rig.announce(&nodes).await?;
        let started = Instant::now();
        let look = || {
            most = most.max(resident_mib(pid)?.all);
            Ok(())
        };
        let found = rig.check(look).await?;
        seconds.push(started.elapsed().as_secs_f64());
        if found != NODES * ORPHANS {
            return Err(format!("{found} orphans were found").into());
        }
    }
    answering.shutdown().await;
    let (time, after) = (median(seconds), resident_mib(pid)?);
    report.add(
        "o",
        format!("orphan check, {NODES} nodes with {INSTANCES} instances each: time"),
        format!("{time:.2} s"),
        "",
        json!({"seconds": time, "nodes": NODES, "instances": NODES * INSTANCES,
            "records": NODES * (RECORDED - ORPHANS)}),
    );
    report.add(
        "o",
        "orphan check: resident memory of the gateway before, at most, after",
        format!("{:.0}, {most:.0}, {:.0} MiB", before.all, after.all),
        "",
        json!({"before_mib": before.all, "most_mib": most, "after_mib": after.all}),
    );
    Ok(())
}

fn node(number: usize) -> Result<NodeId> {
    Ok(NodeId::new(format!("simulated-{number:04}"))?)
}

fn instance(node: &NodeId, number: usize) -> Result<InstanceId> {
    Ok(InstanceId::new(format!("d{node}-{number:03}"))?)
}

/// Answers for every node that is simulated.
async fn answer(bus: Client, service: ServiceName) -> Result<()> {
    let mut requests = bus.subscribe(format!("tenon.inventory.{service}.*")).await?;
    while let Some(message) = requests.next().await {
        let asked = subject::node_of(&message.subject);
        let Some(node) = asked.filter(|node| node.as_str().starts_with("simulated")) else {
            continue;
        };
        let Some(reply) = message.reply else { continue };
        let seen = |number| {
            Ok(InventoryInstance {
                id: instance(&node, number)?,
                generation: Generation::new(u64::from(number < RECORDED)),
                created: Millis::now(),
                bindings: Vec::new(),
                quarantined: None,
            })
        };
        let instances = (0..INSTANCES).map(seen).collect::<Result<_>>()?;
        let page = InventoryPage { instances, ..InventoryPage::default() };
        bus.publish(reply, serde_json::to_vec(&page)?.into()).await?;
    }
    Ok(())
}

impl Rig {
    async fn start() -> Result<Self> {
        let platform = Platform::start(Options::of(&["echo"])).await?;
        let file = platform.dev_file()?;
        let login = (file.nats.user.clone(), file.nats.password.reveal().to_owned());
        let options = ConnectOptions::with_user_and_password(login.0, login.1);
        let bus = options.connect(&file.nats.url).await?;
        let first = file.nodes.first().ok_or("no node")?;
        let service = ServiceName::new(first.service.as_str())?;
        // The harness's own client installs the TLS primitives that every client needs.
        drop(platform.control()?);
        let http = reqwest::Client::builder().no_proxy().build()?;
        Ok(Self { platform, bus, service, http })
    }

    /// Records, as gateways write them.
    async fn write_records(&self, nodes: &[NodeId]) -> Result<()> {
        let context = jetstream::new(self.bus.clone());
        let mut buckets = Vec::new();
        for shard in 0..key::SHARDS {
            buckets.push(context.get_key_value(key::records_bucket(shard)).await?);
        }
        let seal_key = SealKey::from_hex(&SealKey::random_hex())?;
        let all = nodes.iter().flat_map(|node| (ORPHANS..RECORDED).map(move |n| (node, n)));
        let mut written = stream::iter(all)
            .map(|(node, number)| write(&buckets, &seal_key, (&self.service, node, number)))
            .buffer_unordered(WRITERS);
        while let Some(done) = written.next().await {
            done?;
        }
        Ok(())
    }

    async fn announce(&self, nodes: &[NodeId]) -> Result<()> {
        for node in nodes {
            let announcement = Announcement {
                available_capacity: 0,
                max_capacity: Some(100),
                capacity_unit: 1,
                id: node.clone(),
                plan: "free".to_owned(),
                supported_versions: vec!["1".to_owned()],
                snapshots: None,
                closing: false,
            };
            let subject = subject::announce(&self.service, node);
            self.bus.publish(subject, serde_json::to_vec(&announcement)?.into()).await?;
        }
        self.bus.flush().await?;
        while self.ask(Method::GET, "/nodes").await?.as_array().map_or(0, Vec::len) < nodes.len() {
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    /// How many orphans a check finds that begins now. `look` is called while it runs.
    async fn check(&self, mut look: impl FnMut() -> Result<()>) -> Result<usize> {
        let begun = Millis::now().as_millis();
        self.ask(Method::POST, "/orphans/check").await?;
        loop {
            tokio::time::sleep(POLL).await;
            look()?;
            let reports = self.ask(Method::GET, "/orphans").await?;
            let report = reports.get(self.service.as_str()).cloned().unwrap_or_default();
            let field = |name: &str| report.get(name).cloned().unwrap_or_default();
            if field("begun").as_u64().is_some_and(|at| at >= begun) {
                if field("problems") != json!([]) {
                    return Err(field("problems").to_string().into());
                }
                let by_node = field("orphan_instances").as_object().cloned().unwrap_or_default();
                return Ok(by_node.values().filter_map(Value::as_array).map(Vec::len).sum());
            }
        }
    }

    async fn ask(&self, method: Method, path: &str) -> Result<Value> {
        let admin = self.platform.dev_file()?.admin;
        let request = self.http.request(method, format!("{}{path}", admin.url));
        let answer = request.bearer_auth(admin.token.reveal()).send().await?;
        Ok(answer.error_for_status()?.json().await?)
    }
}

async fn write(
    buckets: &[kv::Store],
    seal_key: &SealKey,
    (service, node, number): (&ServiceName, &NodeId, usize),
) -> Result<()> {
    let id = instance(node, number)?;
    let place = key::instance(&id);
    let shard = usize::try_from(key::shard_of(&id))?;
    let sealed = seal_key.seal(&place, &json!({"name": id, "password": "x".repeat(32)}))?;
    let record = InstanceRecord {
        v: RECORD_VERSION,
        id,
        service: service.clone(),
        plan: "free".to_owned(),
        version: "1".to_owned(),
        parameters: String::new(),
        created: Millis::now(),
        life: Life::adopted(node.clone(), sealed),
    };
    let bucket = buckets.get(shard).ok_or("no such bucket")?;
    bucket.put(place, serde_json::to_vec(&record)?.into()).await?;
    Ok(())
}
