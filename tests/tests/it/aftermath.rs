//! What has to be true after a crash, wherever it happened: nothing that was promised is lost,
//! nothing that was given back lives, and nothing is there that no record names.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use tenon_protocol::message::{Object, ServiceResponse};
use tenon_protocol::record::Phase;
use tenon_tests::{Login, Platform, Records, wait_until};

use crate::bus::Bus;

/// A lease of ten seconds runs out, and a record that failed before rests as long again.
const REST_DEADLINE: Duration = Duration::from_secs(90);

/// What clients of one offering were told.
#[derive(Debug, Default)]
pub(crate) struct Promises {
    instances: BTreeMap<String, Object>,
    bindings: BTreeMap<String, Object>,
    gone: BTreeSet<String>,
}

impl Promises {
    /// A client has an instance.
    pub(crate) fn instance(&mut self, answer: &ServiceResponse) {
        let id = answer.service_id.clone();
        self.instances.insert(id, answer.credentials.clone());
    }

    /// A client has a binding.
    pub(crate) fn binding(&mut self, answer: &ServiceResponse) {
        let id = answer.service_id.clone();
        self.bindings.insert(id, answer.credentials.clone());
    }

    /// A client was told that this is no more.
    pub(crate) fn gone(&mut self, id: &str) {
        self.instances.remove(id);
        self.bindings.remove(id);
        self.gone.insert(id.to_owned());
    }
}

/// Waits until nobody works on a record any more.
pub(crate) async fn come_to_rest(records: &Records) {
    wait_until("the records come to rest", REST_DEADLINE, async || {
        let settled = records.are_settled().await.unwrap();
        settled.then_some(())
    })
    .await
    .unwrap();
}

/// Compares what clients were told, what the records say, and what is there.
pub(crate) async fn check_aftermath(platform: &Platform, offering: &str, promises: &Promises) {
    let records = platform.records().await.unwrap();
    come_to_rest(&records).await;
    let recorded = recorded(platform, &records, offering).await;
    let found = found(platform, offering).await;
    assert_eq!(recorded, found, "left: in the records; right: on the node");
    check_outside(platform, offering, &recorded).await;
    check_promises(&recorded, promises);
    for credentials in promises.instances.values().chain(promises.bindings.values()) {
        check_credentials(offering, credentials).await;
    }
}

fn check_promises(recorded: &Existing, promises: &Promises) {
    let ids = |promised: &BTreeMap<String, Object>| promised.keys().cloned().collect();
    let lost: BTreeSet<String> = ids(&promises.instances);
    let lost: Vec<_> = lost.difference(&recorded.instances).collect();
    assert!(lost.is_empty(), "instances were promised and lost: {lost:?}");
    let lost: BTreeSet<String> = ids(&promises.bindings);
    let lost: Vec<_> = lost.difference(&recorded.bindings).collect();
    assert!(lost.is_empty(), "bindings were promised and lost: {lost:?}");
    let living: BTreeSet<_> = recorded.instances.union(&recorded.bindings).collect();
    let zombies: Vec<_> = promises.gone.iter().filter(|id| living.contains(id)).collect();
    assert!(zombies.is_empty(), "were given back and live: {zombies:?}");
}

/// Ids of what exists, for somebody.
#[derive(Debug, PartialEq, Eq)]
struct Existing {
    instances: BTreeSet<String>,
    bindings: BTreeSet<String>,
}

/// What the gateways believe.
async fn recorded(platform: &Platform, records: &Records, offering: &str) -> Existing {
    let file = platform.dev_file().unwrap();
    let service = file.nodes.iter().find(|node| node.offering == offering);
    let service = &service.unwrap().service;
    let instances = records.instances().await.unwrap().into_values();
    let bindings = records.bindings().await.unwrap().into_values();
    Existing {
        instances: instances
            .filter(|record| record.service.as_str() == service)
            .filter(|record| record.life.phase == Phase::Ready)
            .map(|record| record.id.to_string())
            .collect(),
        bindings: bindings
            .filter(|record| record.service.as_str() == service)
            .filter(|record| record.life.phase == Phase::Ready)
            .map(|record| record.id.to_string())
            .collect(),
    }
}

/// What the node believes.
async fn found(platform: &Platform, offering: &str) -> Existing {
    let page = Bus::open(platform, offering).await.inventory().await;
    assert_eq!(page.strangers, Vec::<String>::new());
    let bindings = page.instances.iter().flat_map(|instance| &instance.bindings);
    Existing {
        bindings: bindings.map(|binding| binding.id.to_string()).collect(),
        instances: page.instances.iter().map(|instance| instance.id.to_string()).collect(),
    }
}

/// Looks for what is there, past all records.
async fn check_outside(platform: &Platform, offering: &str, recorded: &Existing) {
    match offering {
        "mysql" => {
            let server = platform.server(1).unwrap();
            let databases: BTreeSet<_> = server.databases().await.unwrap().into_iter().collect();
            assert_eq!(databases, recorded.instances, "left: on the server");
            let accounts = server.accounts().await.unwrap();
            let expected = recorded.instances.len() + recorded.bindings.len();
            assert_eq!(
                accounts.len(),
                expected,
                "an account for each of\n{recorded:?}: {accounts:?}"
            );
        }
        "files" => {
            let entries = platform.dir().unwrap().read_dir("node-1/files/files").unwrap();
            let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
            assert_eq!(names.collect::<BTreeSet<_>>(), recorded.instances, "left: on the disk");
        }
        // It makes nothing.
        "echo" => {}
        other => panic!("nobody knows what {other} leaves behind"),
    }
}

async fn check_credentials(offering: &str, credentials: &Object) {
    match offering {
        "mysql" => {
            let login = Login::read(credentials).unwrap();
            login.connect().await.unwrap().disconnect().await.unwrap();
        }
        "files" => {
            let path = credentials["internal"]["local_path"].as_str().unwrap();
            Dir::open_ambient_dir(Path::new(path), ambient_authority()).unwrap();
        }
        "echo" => assert!(!credentials.is_empty()),
        other => panic!("nobody knows what to do with credentials of {other}"),
    }
}
