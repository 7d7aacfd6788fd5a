//! A child of the platform dies in the middle of a request, and comes back; the client asks again.

use std::future::Future;
use std::time::Duration;

use futures_util::future::join;
use tenon_protocol::message::ServiceResponse;
use tenon_tests::{Classic, HarnessError, Platform, wait_until};

use crate::aftermath::Promises;
use crate::settings;

/// A request that is told to come back is made again for this long.
pub(crate) const INSISTENCE: Duration = Duration::from_secs(90);

/// "No node of plan ... is there".
const NO_NODE: u64 = 30601;

/// The crash points in a host's `crash.rs`: the texts of its list.
pub(crate) fn points(source: &'static str) -> Vec<&'static str> {
    let list = source.split("&[&str] = &[").nth(1).unwrap();
    let list = list.split("];").next().unwrap();
    list.split('"').skip(1).step_by(2).collect()
}

/// What is done at a point: `bind` at `bind.called`.
pub(crate) fn operation(point: &str) -> &str {
    point.split('.').next().unwrap()
}

/// Has a gateway ask again, and give up, sooner than it would: a test has many deaths to die.
pub(crate) async fn hurry(platform: &Platform, gateway: &str) {
    settings::set(platform, gateway, "[[offerings]]", "node_timeout_seconds = 2").await;
}

/// Has `child` die at `point` in the middle of `request`, and starts it again, while the request is
/// on its way. Returns what the client was answered.
pub(crate) async fn dies_at<T>(
    platform: &Platform,
    child: &str,
    point: &str,
    request: impl Future<Output = T>,
) -> T {
    let control = platform.control().unwrap();
    let told = |error: HarnessError| -> () { panic!("{child} at {point}: {error}") };
    let before = kills(platform, child);
    control.stop(child).await.unwrap_or_else(told);
    control.start(child, Some(point)).await.unwrap_or_else(told);
    let back = async {
        platform.is_gone(child).await.unwrap_or_else(told);
        control.start(child, None).await.unwrap_or_else(told);
    };
    let (answer, ()) = join(request, back).await;
    assert_eq!(kills(platform, child), before + 1, "{child} at {point}");
    answer
}

/// How often `child` died as by `kill -9`.
fn kills(platform: &Platform, child: &str) -> usize {
    platform.output().matches(&format!("{child} ended with signal: 9")).count()
}

/// Asks until there is an answer that is not "come back later", as platforms do.
pub(crate) async fn insist<T>(
    ask: impl AsyncFn() -> Result<T, HarnessError>,
) -> Result<T, HarnessError> {
    wait_until("a final answer", INSISTENCE, async || match ask().await {
        Err(HarnessError::Refused(refusal)) if refusal.status >= 503 => None,
        // The gateway is not there, or went away.
        Err(HarnessError::Http(_)) => None,
        answer => Some(answer),
    })
    .await?
}

/// An order, once the gateway knows of a node: one that has just begun has yet to hear of it.
async fn placed(classic: &Classic) -> Result<ServiceResponse, HarnessError> {
    wait_until("a node is known", INSISTENCE, async || match classic.provision().await {
        Err(HarnessError::Refused(refusal)) if refusal.code == NO_NODE => None,
        answer => Some(answer),
    })
    .await?
}

/// Somebody with instances and bindings, whose requests are interrupted.
pub(crate) struct Tenant<'a> {
    pub(crate) platform: &'a Platform,
    /// Where the request goes that is interrupted.
    pub(crate) classic: Classic,
    /// Where it is made again.
    pub(crate) again: Classic,
    /// Who dies.
    pub(crate) child: &'static str,
    /// What this tenant was told.
    pub(crate) promises: Promises,
}

impl Tenant<'_> {
    /// Has the child die at `point` in the middle of what happens there.
    pub(crate) async fn suffer(&mut self, point: &str) {
        match operation(point) {
            "provision" => self.provision(point).await,
            "bind" => self.bind(point).await,
            "unbind" => self.unbind(point).await,
            "unprovision" => self.unprovision(point).await,
            other => panic!("no request is made of {other}"),
        }
    }

    /// An instance without ado.
    pub(crate) async fn own(&mut self) -> String {
        let made = insist(async || self.again.provision().await).await.unwrap();
        self.promises.instance(&made);
        made.service_id
    }

    async fn own_binding(&mut self, instance: &str) -> String {
        let made = insist(async || self.again.bind(instance).await).await.unwrap();
        self.promises.binding(&made);
        made.service_id
    }

    async fn provision(&mut self, point: &str) {
        let answer = self.dies_at(point, placed(&self.classic)).await;
        if let Some(made) = answered(point, answer) {
            self.promises.instance(&made);
        }
        self.own().await;
    }

    async fn bind(&mut self, point: &str) {
        let instance = self.own().await;
        let answer = self.dies_at(point, self.classic.bind(&instance)).await;
        if let Some(made) = answered(point, answer) {
            self.promises.binding(&made);
        }
        self.own_binding(&instance).await;
    }

    async fn unbind(&mut self, point: &str) {
        let instance = self.own().await;
        let binding = self.own_binding(&instance).await;
        let request = self.classic.unbind(&instance, &binding);
        answered(point, self.dies_at(point, request).await);
        let again = async || self.again.unbind(&instance, &binding).await;
        is_gone(point, insist(again).await);
        self.promises.gone(&binding);
    }

    async fn unprovision(&mut self, point: &str) {
        let instance = self.own().await;
        let binding = self.own_binding(&instance).await;
        let request = self.classic.unprovision(&instance);
        answered(point, self.dies_at(point, request).await);
        let again = async || self.again.unprovision(&instance).await;
        is_gone(point, insist(again).await);
        self.promises.gone(&binding);
        self.promises.gone(&instance);
    }

    async fn dies_at<T>(&self, point: &str, request: impl Future<Output = T>) -> T {
        dies_at(self.platform, self.child, point, request).await
    }
}

/// The answer, if there was one. Only a gateway that dies, or a node that is away, is no answer.
fn answered<T>(point: &str, answer: Result<T, HarnessError>) -> Option<T> {
    match answer {
        Ok(answer) => Some(answer),
        Err(HarnessError::Http(_)) => None,
        Err(HarnessError::Refused(refusal)) if refusal.status >= 503 => None,
        Err(error) => panic!("{point}: {error}"),
    }
}

fn is_gone(point: &str, answer: Result<(), HarnessError>) {
    match answer {
        Ok(()) => {}
        Err(HarnessError::Refused(refusal)) if refusal.status == 404 => {}
        Err(error) => panic!("{point}, asked again: {error}"),
    }
}
