//! Looks at what is there: records, nodes, servers, disks, logs, and behind every pair of credentials.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::StreamExt;
use serde_json::Value;
use tenon::dev::{DevFile, NodeEntry};
use tenon_protocol::message::{Announcement, Object};
use tenon_protocol::record::Phase;
use tenon_tests::{Platform, Records, Server, wait_until};

use super::bus::Bus;
use super::data::{self, Trouble};
use super::told::Told;
use super::verdict::{Entered, Found, NodeFound};

/// A lease runs out, and a record that failed before rests as long again.
const REST: Duration = Duration::from_secs(120);
/// Nodes announce themselves when they are asked to.
const ANNOUNCEMENT: Duration = Duration::from_secs(30);

/// The node's own accounts for databases that are there; no other has so many connections.
const HELPERS: &str = "SELECT COUNT(DISTINCT u.User) FROM mysql.user u JOIN mysql.db d USING (User)
    WHERE u.max_user_connections = 8
    AND REPLACE(d.Db, '\\\\', '') IN (SELECT SCHEMA_NAME FROM information_schema.SCHEMATA)";

/// Waits until nobody works on a record any more.
pub(crate) async fn come_to_rest(records: &Records) {
    let settled = async || records.are_settled().await.ok()?.then_some(());
    wait_until("the records come to rest", REST, settled).await.unwrap();
}

/// Looks at everything.
pub(crate) async fn look(platform: &Platform, told: &Told) -> Found {
    let file = platform.dev_file().unwrap();
    let records = platform.records().await.unwrap();
    come_to_rest(&records).await;
    let mut nodes = Vec::new();
    for offering in ["mysql", "files"] {
        let buses = Bus::all(platform, offering).await;
        let entries = file.nodes.iter().filter(|node| node.offering == offering);
        for (bus, entry) in buses.iter().zip(entries) {
            nodes.push(node(platform, &file, bus, entry).await);
        }
    }
    Found {
        recorded: recorded(&records).await,
        nodes,
        entered: enter(told).await,
        unfinished_jobs: Vec::new(),
        leaks: leaks(platform, &file, told),
    }
}

async fn recorded(records: &Records) -> BTreeMap<String, String> {
    let instances = records.instances().await.unwrap().into_iter();
    let bindings = records.bindings().await.unwrap().into_iter();
    let lives = instances.map(|(id, record)| (id, record.life));
    let lives = lives.chain(bindings.map(|(id, record)| (id, record.life)));
    let ready = lives.filter(|(_, life)| life.phase == Phase::Ready);
    ready.map(|(id, life)| (id, life.node.to_string())).collect()
}

async fn node(platform: &Platform, file: &DevFile, bus: &Bus, entry: &NodeEntry) -> NodeFound {
    let page = bus.inventory().await;
    let ids = page.instances.iter().map(|instance| instance.id.to_string());
    let bindings = page.instances.iter().flat_map(|instance| &instance.bindings);
    let instances: BTreeSet<String> = ids.collect();
    let (outside, accounts) = outside(platform, file, entry).await;
    let announced = announced(file, entry, instances.len()).await;
    NodeFound {
        node: entry.id.clone(),
        offering: entry.offering.clone(),
        bindings: bindings.map(|binding| binding.id.to_string()).collect(),
        instances,
        strangers: page.strangers,
        outside,
        accounts,
        free: announced.available_capacity,
        capacity: announced.max_capacity.unwrap(),
    }
}

async fn outside(
    platform: &Platform,
    file: &DevFile,
    entry: &NodeEntry,
) -> (BTreeSet<String>, Option<usize>) {
    if entry.offering == "files" {
        let path = format!("{}/files/files", entry.id);
        let entries = platform.dir().unwrap().read_dir(path);
        let entries = entries.into_iter().flatten();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        return (names.collect(), None);
    }
    let server = file.mysql.iter().find(|server| server.node == entry.id).unwrap();
    let server = Server::new(server);
    let databases = server.databases().await.unwrap().into_iter().collect();
    let helpers = server.administrator().number(HELPERS).await.unwrap().unwrap_or_default();
    let accounts = server.accounts().await.unwrap().len();
    (databases, Some(accounts - usize::try_from(helpers).unwrap()))
}

/// What the node says it has room for, once it says that of `instances`, or at last.
async fn announced(file: &DevFile, entry: &NodeEntry, instances: usize) -> Announcement {
    let login = (file.nats.user.clone(), file.nats.password.reveal().to_owned());
    let options = async_nats::ConnectOptions::with_user_and_password(login.0, login.1);
    let client = Box::pin(options.connect(&file.nats.url)).await.unwrap();
    let subject = format!("{}.announce.{}", entry.service, entry.id);
    let mut announcements = client.subscribe(subject).await.unwrap();
    let mut last = None;
    let looking = async {
        loop {
            let discover = format!("{}.discover", entry.service);
            client.publish(discover, "".into()).await.unwrap();
            let message = announcements.next().await.unwrap();
            let announced: Announcement = serde_json::from_slice(&message.payload).unwrap();
            let taken = announced.max_capacity.unwrap() - announced.available_capacity;
            last = Some(announced);
            if taken == i64::try_from(instances).unwrap() {
                return;
            }
        }
    };
    // Whatever was said last is judged elsewhere.
    drop(tokio::time::timeout(ANNOUNCEMENT, looking).await);
    last.expect("a node announces itself")
}

async fn enter(told: &Told) -> BTreeMap<String, Entered> {
    let mut entered = BTreeMap::new();
    for (id, instance) in &told.living {
        entered.insert(id.clone(), try_to_enter(instance.offering, &instance.credentials).await);
        for (id, binding) in &instance.bindings {
            let tried = try_to_enter(instance.offering, &binding.credentials).await;
            entered.insert(id.clone(), tried);
        }
    }
    let places: Vec<_> = told.living.values().map(|it| place(&it.credentials)).collect();
    for (id, gone) in &told.gone {
        // A directory that a binding shared is its instance's.
        if gone.offering != "files" || !places.contains(&place(&gone.credentials)) {
            entered.insert(id.clone(), try_to_enter(gone.offering, &gone.credentials).await);
        }
    }
    entered
}

fn place(credentials: &Object) -> Option<&Value> {
    credentials.get("internal")?.get("local_path")
}

async fn try_to_enter(offering: &str, credentials: &Object) -> Entered {
    match data::read(offering, credentials).await {
        Ok(value) => Entered::Opens(value),
        Err(Trouble::ShutOut(_)) => Entered::ShutOut,
        Err(Trouble::Away(why)) => panic!("a server is away in the end: {why}"),
    }
}

/// Secrets that clients were given, and panics, in any log.
fn leaks(platform: &Platform, file: &DevFile, told: &Told) -> Vec<String> {
    let mut leaks = Vec::new();
    let tokens = file.gateway.tokens.values().chain([&file.admin.token, &file.nats.password]);
    let secrets: Vec<&str> =
        told.secrets.iter().map(String::as_str).chain(tokens.map(|token| token.reveal())).collect();
    for child in file.logs.keys() {
        let log = platform.log(child);
        let said = log.lines().filter(|line| line.contains("panicked"));
        leaks.extend(said.map(|line| format!("{child}: {line}")));
        for (number, line) in log.lines().enumerate() {
            if secrets.iter().any(|secret| line.contains(secret)) {
                leaks.push(format!("{child}, line {number}, has a secret"));
            }
        }
    }
    leaks
}
