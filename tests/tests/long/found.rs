//! Looks at what is there: records, nodes, servers, disks, logs, and behind every pair of credentials.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cap_std::fs::Dir;
use futures_util::StreamExt;
use reqwest::Method;
use serde_json::Value;
use tenon::dev::{DevFile, NodeEntry};
use tenon_protocol::clock::Millis;
use tenon_protocol::message::{Announcement, Object};
use tenon_protocol::record::Phase;
use tenon_tests::{Platform, Records, Server, wait_until};
use tokio::time::Instant;

use super::bus::Bus;
use super::data::{self, Trouble};
use super::told::Told;
use super::verdict::{Entered, Found, NodeFound, Numbered};

/// A lease runs out, and a record that failed before rests as long again.
const REST: Duration = Duration::from_secs(120);
/// A check asks every node of both offerings.
const CHECK: Duration = Duration::from_secs(30);
/// Nodes announce themselves when they are asked to.
const ANNOUNCEMENT: Duration = Duration::from_secs(30);

/// The node's own accounts for databases that are there; no other has so many connections.
const HELPERS: &str = "SELECT COUNT(DISTINCT u.User) FROM mysql.user u JOIN mysql.db d USING (User)
    WHERE u.max_user_connections = 8
    AND REPLACE(d.Db, '\\\\', '') IN (SELECT SCHEMA_NAME FROM information_schema.SCHEMATA)";

/// Waits until nobody works on a record any more; `false` when somebody still does.
async fn come_to_rest(platform: &Platform, records: &Records) -> bool {
    let operators = [1, 2].map(|number| platform.operator(number).unwrap());
    let settled = async || {
        // What failed a moment ago is not waited for.
        for operator in &operators {
            operator.ask(Method::POST, "/reconcile", &Value::Null).await.ok()?;
        }
        let unfinished =
            unfinished_jobs(records).await.len() + unfinished_moves(records).await.len();
        (records.are_settled().await.ok()? && unfinished == 0).then_some(())
    };
    wait_until("the records come to rest", REST, settled).await.is_ok()
}

/// Looks at everything.
pub(crate) async fn look(platform: &Platform, told: &Told) -> Found {
    let file = platform.dev_file().unwrap();
    let records = platform.records().await.unwrap();
    let began = Instant::now();
    let rests = come_to_rest(platform, &records).await;
    eprintln!("at rest: {rests}, after {:?}", began.elapsed());
    let mut nodes = Vec::new();
    for offering in ["mysql", "files"] {
        let buses = Bus::all(platform, offering).await;
        let entries = file.nodes.iter().filter(|node| node.offering == offering);
        for (bus, entry) in buses.iter().zip(entries) {
            nodes.push(node(platform, &file, bus, entry).await);
        }
    }
    let (files, shelves) = store(platform);
    Found {
        recorded: recorded(&records).await,
        nodes,
        entered: enter(told).await,
        unfinished_jobs: unfinished_jobs(&records).await,
        unfinished_moves: unfinished_moves(&records).await,
        snapshots: snapshots(&records).await,
        files,
        shelves,
        reported: reported(platform).await,
        handles: handles(platform).await,
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

async fn unfinished_jobs(records: &Records) -> Vec<String> {
    let jobs = records.jobs().await.unwrap().into_iter();
    let unfinished = jobs.filter(|job| !job.status.is_final());
    unfinished.map(|job| format!("{} of {}: {:?}", job.id, job.instance, job.status)).collect()
}

async fn unfinished_moves(records: &Records) -> Vec<String> {
    let moves = records.moves().await.unwrap().into_iter();
    let unfinished = moves.filter(|one| !one.step.is_final());
    unfinished.map(|one| format!("{}: {:?}", one.instance, one.step)).collect()
}

async fn snapshots(records: &Records) -> BTreeMap<Numbered, String> {
    let snapshots = records.snapshots().await.unwrap().into_iter();
    snapshots.map(|one| ((one.instance.to_string(), one.id.to_string()), one.name)).collect()
}

/// Files in the store of snapshots, and instances that have something there.
fn store(platform: &Platform) -> (BTreeSet<Numbered>, BTreeSet<String>) {
    let (mut files, mut shelves) = (BTreeSet::new(), BTreeSet::new());
    let dir = platform.dir().unwrap();
    for service in names(&dir, "snapshots") {
        for instance in names(&dir, &format!("snapshots/{service}")) {
            let all = names(&dir, &format!("snapshots/{service}/{instance}"));
            // A directory with nothing in it is nobody's data.
            if all.is_empty() {
                continue;
            }
            for file in all.into_iter().filter(|file| !file.starts_with("move.")) {
                let number = file.trim_end_matches(".data").trim_end_matches(".zip");
                files.insert((instance.clone(), number.to_owned()));
            }
            shelves.insert(instance);
        }
    }
    (files, shelves)
}

fn names(dir: &Dir, path: &str) -> Vec<String> {
    let entries = dir.read_dir(path).into_iter().flatten();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// What a check calls orphans, strangers or missing, and what keeps it from telling.
async fn reported(platform: &Platform) -> Vec<String> {
    let operator = platform.operator(1).unwrap();
    let reports = wait_until("a report of each offering", REST, async || {
        let begun = Millis::now().as_millis();
        operator.ask(Method::POST, "/orphans/check", &Value::Null).await.ok()?;
        let is_new = |report: &Value| report["begun"].as_u64().is_some_and(|at| at >= begun);
        let reports = wait_until("the reports of this check", CHECK, async || {
            let reports = operator.ask(Method::GET, "/orphans", &Value::Null).await.ok()?;
            let reports = reports.as_object()?.clone();
            (reports.len() == 2 && reports.values().all(is_new)).then_some(reports)
        });
        let reports = reports.await.ok()?;
        let is_whole = |report: &Value| report["problems"].as_array().is_some_and(Vec::is_empty);
        reports.values().all(is_whole).then_some(reports)
    });
    let lists = ["orphan_instances", "orphan_bindings", "strangers", "missing_instances"];
    let reports = match reports.await {
        Ok(reports) => reports,
        Err(error) => return vec![error.to_string()],
    };
    let found = reports.values().flat_map(|report| {
        lists.map(|list| (list, report[list].clone())).into_iter().filter(|(_, all)| has_any(all))
    });
    found.map(|(list, all)| format!("{list}: {all}")).collect()
}

fn has_any(list: &Value) -> bool {
    list.as_object().is_some_and(|all| !all.is_empty())
        || list.as_array().is_some_and(|all| !all.is_empty())
}

/// What the cloud controller keeps.
async fn handles(platform: &Platform) -> BTreeMap<String, Object> {
    let known = platform.control().unwrap().handles().await.unwrap();
    let by_label = known.as_object().unwrap().values();
    let all = by_label.flat_map(|handles| handles.as_object().unwrap());
    all.map(|(id, handle)| (id.clone(), handle["credentials"].as_object().unwrap().clone()))
        .collect()
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

/// What there is of instances, whatever the node says: directories or databases, and what tells
/// which operation replaced the content of one last; and accounts.
async fn outside(
    platform: &Platform,
    file: &DevFile,
    entry: &NodeEntry,
) -> (BTreeSet<String>, Option<usize>) {
    let dir = platform.dir().unwrap();
    if entry.offering == "files" {
        let all = names(&dir, &format!("{}/files/files", entry.id)).into_iter();
        return (all.map(|name| name.trim_start_matches(".replaced-").to_owned()).collect(), None);
    }
    let server = file.mysql.iter().find(|server| server.node == entry.id).unwrap();
    let server = Server::new(server);
    let mut databases: BTreeSet<String> = server.databases().await.unwrap().into_iter().collect();
    let left = names(&dir, &format!("{}/scratch/mysql", entry.id));
    let loads = left.iter().filter_map(|name| name.strip_suffix(".last")?.rsplit('-').next());
    databases.extend(loads.map(str::to_owned));
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
        Err(Trouble::Away(why)) => {
            eprintln!("a server is away in the end: {why}");
            Entered::ShutOut
        }
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
