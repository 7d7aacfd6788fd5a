//! A tenant with a database on one node of two, and the steps that bring it to the other.

use std::time::Duration;

use serde_json::{Value, json};
use tenon_protocol::clock::Millis;
use tenon_protocol::message::{
    BindRequest, CredentialsReply, Handle, HandlePair, Object, ProvisionRequest, Reply,
    UnprovisionRequest, UpdateReply,
};
use tenon_protocol::subject::Operation;
use tenon_protocol::{BindingId, Generation, InstanceId, OperationId, Order};
use tenon_tests::{HarnessError, Login, Platform};

use crate::bus::Bus;

/// An instance and two bindings, one of which only reads.
pub(crate) struct Tenant {
    pub(crate) pair: HandlePair,
}

impl Tenant {
    /// Orders all of it from `node`, as our gateway does, and writes three letters.
    pub(crate) async fn of(platform: &Platform, node: &Bus) -> Self {
        Self::ordered(platform, |order, operation, body| async move {
            node.command(operation, &order, &body).await.unwrap()
        })
        .await
    }

    /// The same, as an original gateway does.
    pub(crate) async fn of_2013(platform: &Platform, node: &Bus) -> Self {
        Self::ordered(platform, |_order, operation, body| async move {
            node.ask(operation, &body).await
        })
        .await
    }

    async fn ordered<A: Future<Output = CredentialsReply>>(
        platform: &Platform,
        ask: impl Fn(Order, Operation, Value) -> A,
    ) -> Self {
        let file = platform.dev_file().unwrap();
        let entry = file.nodes.iter().find(|entry| entry.offering == "mysql").unwrap();
        let version = entry.versions.first().unwrap().clone();
        let request = ProvisionRequest {
            plan: entry.plan.clone(),
            credentials: None,
            version: Some(version.clone()),
        };
        let mut order = first_order();
        let made = ask(order.clone(), Operation::Provision, json!(request)).await;
        let credentials = made.into_result().unwrap();
        let name = credentials["name"].as_str().unwrap().to_owned();
        let configuration = json!({"plan": entry.plan, "version": version, "data": {}});
        let instance = handle(&name, &configuration, credentials);
        let mut bindings = Vec::new();
        for (id, privileges) in [("b-1", "FULL"), ("b-2", "READ_ONLY")] {
            let options = json!({"privileges": [privileges]});
            let request = BindRequest {
                name: name.clone(),
                bind_opts: options.as_object().cloned(),
                credentials: None,
            };
            order.operation = OperationId::random();
            order.binding = Some(BindingId::new(id).unwrap());
            let made = ask(order.clone(), Operation::Bind, json!(request)).await;
            let mut configuration = configuration.clone();
            configuration["data"]["binding_options"] = options;
            bindings.push(handle(id, &configuration, made.into_result().unwrap()));
        }
        let tenant = Self { pair: HandlePair(instance, bindings) };
        let owner = tenant.logins().remove(0);
        owner.execute("CREATE TABLE letters (id INT PRIMARY KEY)").await.unwrap();
        owner.execute("INSERT INTO letters VALUES (1), (2), (3)").await.unwrap();
        tenant
    }

    pub(crate) fn name(&self) -> &str {
        &self.pair.0.service_id
    }

    /// The owner's way in, and those of the bindings.
    pub(crate) fn logins(&self) -> Vec<Login> {
        logins(&self.handles())
    }

    pub(crate) fn handles(&self) -> Vec<Handle> {
        let HandlePair(instance, bindings) = &self.pair;
        [instance].into_iter().chain(bindings).cloned().collect()
    }

    pub(crate) fn unprovision(&self) -> UnprovisionRequest {
        let bindings = self.pair.1.iter().map(|handle| handle.credentials.clone());
        UnprovisionRequest { name: self.name().to_owned(), bindings: bindings.collect() }
    }
}

/// What our gateway orders: the same operation and generation for every attempt at a step.
pub(crate) struct Orders {
    instance: InstanceId,
    operation: OperationId,
}

impl Orders {
    pub(crate) fn of(tenant: &Tenant) -> Self {
        let instance = InstanceId::new(tenant.name()).unwrap();
        Self { instance, operation: OperationId::random() }
    }

    pub(crate) fn at(&self, generation: u64) -> Order {
        let (instance, operation) = (self.instance.clone(), self.operation.clone());
        Order::of(instance, operation, Generation::new(generation), Millis::now())
    }
}

/// The first order of an instance, by somebody who waits for it.
fn first_order() -> Order {
    let deadline = Millis::now().after(Duration::from_secs(60));
    Order::of(InstanceId::random(), OperationId::random(), Generation::FIRST, deadline)
}

fn handle(id: &str, configuration: &Value, credentials: Object) -> Handle {
    let configuration = serde_json::from_value(configuration.clone()).unwrap();
    Handle { service_id: id.to_owned(), configuration, credentials }
}

pub(crate) fn logins(handles: &[Handle]) -> Vec<Login> {
    handles.iter().map(|handle| Login::read(&handle.credentials).unwrap()).collect()
}

/// The letters are there; the first two may write, the last may not.
pub(crate) async fn check_serves(logins: &[Login]) {
    for login in logins {
        let count = login.number("SELECT COUNT(*) FROM letters").await.unwrap();
        assert_eq!(count, Some(3), "{}", login.user);
    }
    let [owner, full, read_only] = logins else { panic!("{} logins", logins.len()) };
    for login in [owner, full] {
        login.execute("INSERT INTO letters VALUES (9)").await.unwrap();
        login.execute("DELETE FROM letters WHERE id = 9").await.unwrap();
    }
    let refused = read_only.execute("INSERT INTO letters VALUES (9)").await;
    assert!(matches!(refused, Err(HarnessError::Mysql(_))), "{}", read_only.user);
}

/// Nobody is let in.
pub(crate) async fn check_shut_out(logins: &[Login]) {
    for login in logins {
        assert!(matches!(login.connect().await, Err(HarnessError::Mysql(_))), "{}", login.user);
    }
}

/// One step, as an original gateway takes it.
pub(crate) async fn take(node: &Bus, step: Operation, pair: &HandlePair) {
    let reply: Reply = node.ask(step, pair).await;
    assert_eq!(reply.into_result(), Ok(()), "{step:?}");
}

/// The handles after `update_instance`, as an original gateway hears of them.
pub(crate) async fn update(node: &Bus, pair: &HandlePair) -> Vec<Handle> {
    let reply: UpdateReply = node.ask(Operation::UpdateInstance, pair).await;
    reply.into_result().unwrap()
}
