//! A collector of 2013: finds components on the bus, and reads their pages.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt;
use reqwest::Client;
use serde_json::Value;
use tokio::time::timeout;

use super::differences::value;
use super::rig::Rig;

const PATIENCE: Duration = Duration::from_secs(30);

/// It has a login for no page but those that are told to it.
pub(crate) struct Collector {
    http: Client,
}

impl Collector {
    pub(crate) fn new() -> Self {
        Self { http: Client::builder().no_proxy().build().expect("a client") }
    }

    /// What the first `count` components say of themselves, by their type.
    pub(crate) async fn discover(&self, rig: &Rig, count: usize) -> BTreeMap<String, Value> {
        let inbox = rig.bus.new_inbox();
        let answers = rig.bus.subscribe(inbox.clone()).await.expect("the bus lets us listen");
        let asked = rig.bus.publish_with_reply("vcap.component.discover", inbox, "".into());
        asked.await.expect("the bus is there");
        let records = answers.map(|message| value(&String::from_utf8_lossy(&message.payload)));
        let records = timeout(PATIENCE, records.take(count).collect()).await;
        by_type(records.unwrap_or_else(|_late| panic!("not all answered:\n{}", rig.logs())))
    }

    /// Status and text of a page of the component that says `record` of itself.
    pub(crate) async fn page(
        &self,
        record: &Value,
        path: &str,
        login: Option<(&str, &str)>,
    ) -> (u16, String) {
        let host = record["host"].as_str().expect("an address");
        let mut request = self.http.get(format!("http://{host}{path}"));
        if let Some((user, password)) = login {
            request = request.basic_auth(user, Some(password));
        }
        let response = request.send().await.expect("the page is there");
        (response.status().as_u16(), response.text().await.expect("a whole body"))
    }
}

/// User and password of the page, as the component's record has them.
pub(crate) fn login(record: &Value) -> (&str, &str) {
    let word = |at: usize| record["credentials"][at].as_str().expect("a word");
    (word(0), word(1))
}

/// Records of components, by their type.
pub(crate) fn by_type(records: Vec<Value>) -> BTreeMap<String, Value> {
    let kind = |record: &Value| record["type"].as_str().unwrap_or_default().to_owned();
    records.into_iter().map(|record| (kind(&record), record)).collect()
}
