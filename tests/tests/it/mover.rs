//! A tenant with a database behind gateways and a cloud controller, and the operator who moves it.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tenon_protocol::message::{Handle, ServiceResponse};
use tenon_protocol::record::MoveStep;
use tenon_tests::{Classic, Control, HarnessError, Login, Platform, wait_until};

use crate::crash::insist;
use crate::moving::{check_serves, check_shut_out, logins};

/// Longer than a move with a death in it takes.
const MOVE_DEADLINE: Duration = Duration::from_secs(120);

/// An instance and two bindings, as the platform knows them.
pub(crate) struct Moved {
    pub(crate) id: String,
    control: Control,
    /// Before the move; the instance's first.
    before: Vec<Handle>,
}

impl Moved {
    /// Orders all of it through `classic`, tells the cloud controller, and writes three letters.
    pub(crate) async fn order(platform: &Platform, classic: &Classic) -> Self {
        let instance = insist(async || classic.provision().await).await.unwrap();
        let id = instance.service_id.clone();
        let mut before = vec![handle(instance)];
        for privileges in ["FULL", "READ_ONLY"] {
            let options = json!({ "privileges": [privileges] });
            let bind = async || classic.bind_with(&id, &options).await;
            before.push(handle(insist(bind).await.unwrap()));
        }
        let control = platform.control().unwrap();
        for handle in &before {
            control.put_handle("mysql", handle).await.unwrap();
        }
        let moved = Self { id, control, before };
        let owner = moved.logins_before().remove(0);
        owner.execute("CREATE TABLE letters (id INT PRIMARY KEY)").await.unwrap();
        owner.execute("INSERT INTO letters VALUES (1), (2), (3)").await.unwrap();
        moved
    }

    pub(crate) fn logins_before(&self) -> Vec<Login> {
        logins(&self.before)
    }

    /// The node that had it, and the other one.
    pub(crate) fn nodes(&self) -> (&'static str, &'static str) {
        match self.before[0].credentials["node_id"].as_str() {
            Some("node-1") => ("node-1", "node-2"),
            Some("node-2") => ("node-2", "node-1"),
            other => panic!("it is on {other:?}"),
        }
    }

    /// What the cloud controller knows now.
    async fn known(&self) -> Vec<Handle> {
        let known = self.control.handles().await.unwrap();
        let of = |handle: &Handle| known["mysql"][&handle.service_id].clone();
        let handles = self.before.iter().map(|handle| serde_json::from_value(of(handle)));
        handles.collect::<Result<_, _>>().unwrap()
    }

    /// The ways in that the platform knows now.
    pub(crate) async fn logins_now(&self) -> Vec<Login> {
        logins(&self.known().await)
    }

    /// It serves on the other node, under its names and passwords, and the platform knows.
    pub(crate) async fn check_moved(&self, point: &str) {
        let after = self.known().await;
        assert_eq!(after[0].credentials["node_id"], self.nodes().1, "{point}");
        for (before, after) in self.before.iter().zip(&after) {
            assert_eq!(before.configuration, after.configuration, "{point}");
            for kept in ["name", "user", "password"] {
                assert_eq!(before.credentials[kept], after.credentials[kept], "{point}: {kept}");
            }
        }
        check_serves(&logins(&after)).await;
        check_shut_out(&self.logins_before()).await;
    }

    /// It serves where it was, and the platform knows nothing else.
    pub(crate) async fn check_stayed(&self, point: &str) {
        let after = self.known().await;
        let same = self.before.iter().zip(&after).all(|(before, after)| before == after);
        assert!(same, "{point}");
        check_serves(&self.logins_before()).await;
    }
}

fn handle(made: ServiceResponse) -> Handle {
    let ServiceResponse { service_id, configuration, credentials, .. } = made;
    Handle { service_id, configuration, credentials }
}

/// An operator at the admin interface of one gateway.
pub(crate) struct Operator {
    http: reqwest::Client,
    base: String,
    token: String,
}

impl Operator {
    pub(crate) fn at(platform: &Platform, gateway: usize) -> Self {
        let file = platform.dev_file().unwrap();
        let base = file.gateways[gateway - 1].admin_url.clone();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { http, base, token: file.admin.token.reveal().to_owned() }
    }

    /// Asks for a move. Whoever dies meanwhile, it may have begun.
    pub(crate) async fn order_move(&self, id: &str, to: &str) -> Result<Value, HarnessError> {
        self.send(Method::POST, id, &json!({ "to": to })).await
    }

    /// Waits for the end of a move, which is asked for until it has begun.
    pub(crate) async fn moved(&self, id: &str, to: &str) -> MoveStep {
        let what = format!("the end of the move of {id} to {to}");
        wait_until(&what, MOVE_DEADLINE, async || {
            let step = self.step_of(id).await;
            if step.is_none() {
                // None yet: it died before it was written.
                let _begun = self.order_move(id, to).await;
            }
            step.filter(|step| step.is_final())
        })
        .await
        .unwrap()
    }

    /// How far the last move of an instance is; `None` when it never moved, or nobody answers.
    pub(crate) async fn step_of(&self, id: &str) -> Option<MoveStep> {
        let record = self.send(Method::GET, id, &json!({})).await.ok()?;
        serde_json::from_value(record["step"].clone()).ok()
    }

    async fn send(&self, method: Method, id: &str, body: &Value) -> Result<Value, HarnessError> {
        let url = format!("{}/instances/{id}/move", self.base);
        let request = self.http.request(method, url).bearer_auth(&self.token).json(body);
        let response = request.send().await?.error_for_status()?;
        Ok(response.json().await?)
    }
}
