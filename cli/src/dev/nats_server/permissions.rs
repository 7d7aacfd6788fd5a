//! Who may say what on the bus. Allow-lists: what is not named is denied.
//!
//! Source: reference, NATS section 7. A node's id is believed because of these lists: nobody else
//! may announce it, and nobody else hears what is asked of it.

use tenon_protocol::record::key::{self, JOBS_BUCKET, JOBS_STREAM};
use tenon_protocol::{NodeId, ServiceName, subject};

/// Subjects, with wildcards.
pub type Subjects = Vec<String>;

/// What one user may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permissions {
    /// Subjects that it may publish to.
    pub publish: Subjects,
    /// Subjects that it may subscribe to.
    pub subscribe: Subjects,
    /// Whether it may answer a request that reached it.
    pub responses: bool,
}

/// A node: it hears what is asked of it, announces itself, and works on its own jobs.
#[must_use]
pub fn of_node(node: &NodeId, services: &[ServiceName]) -> Permissions {
    let mut publish = vec!["$JS.API.INFO".to_owned()];
    publish.push(format!("$JS.API.STREAM.INFO.KV_{JOBS_BUCKET}"));
    let mut subscribe = vec![format!("_INBOX_{node}.>")];
    for service in services {
        publish.extend([
            subject::announce(service, node),
            subject::node_handles(service, node),
            subject::identity(service, node),
            format!("$KV.{JOBS_BUCKET}.job.{service}.{node}.>"),
            format!("$KV.{JOBS_BUCKET}.snap.{service}.{node}.>"),
        ]);
        publish.extend(jobs_of(service, node));
        subscribe.extend([
            format!("{service}.*.{node}"),
            subject::discover(service),
            subject::check_orphan(service),
            subject::inventory(service, node),
            subject::orphans(service, node),
            subject::identity(service, node),
        ]);
    }
    Permissions { publish, subscribe, responses: true }
}

/// What a node needs of JetStream's own subjects to take its own jobs and to read their records.
///
/// A record may hold what lets its reader in somewhere, such as the URL of an import: it is read by
/// its key, which the subject shows, and by nothing else. Snapshots are counted on all nodes.
fn jobs_of(service: &ServiceName, node: &NodeId) -> Subjects {
    let consumer = key::jobs_consumer(service, node);
    let read = format!("$JS.API.DIRECT.GET.KV_{JOBS_BUCKET}.$KV.{JOBS_BUCKET}");
    let filter = subject::jobs_of(service, node);
    vec![
        format!("$JS.API.CONSUMER.CREATE.{JOBS_STREAM}.{consumer}.{filter}"),
        format!("$JS.API.CONSUMER.INFO.{JOBS_STREAM}.{consumer}"),
        format!("$JS.API.CONSUMER.MSG.NEXT.{JOBS_STREAM}.{consumer}"),
        format!("$JS.ACK.{JOBS_STREAM}.{consumer}.>"),
        format!("{read}.job.{service}.{node}.>"),
        format!("{read}.snap.{service}.>"),
    ]
}

/// A gateway: it speaks for the platform to every node of its services, and keeps the records.
#[must_use]
pub fn of_gateway(services: &[ServiceName]) -> Permissions {
    let shared = ["tenon.>", "$JS.>", "$KV.>"].map(str::to_owned);
    let mut publish: Subjects = services.iter().map(|service| format!("{service}.>")).collect();
    publish.extend(shared);
    let mut subscribe = publish.clone();
    // Its own, and the usual one of tools that look in with its password.
    subscribe.extend(["_INBOX_gw.>", "_INBOX.>"].map(str::to_owned));
    Permissions { publish, subscribe, responses: true }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    fn service(name: &str) -> ServiceName {
        ServiceName::new(name).unwrap()
    }

    fn shown(permissions: &Permissions) -> String {
        format!(
            "publish\n  {}\nsubscribe\n  {}",
            permissions.publish.join("\n  "),
            permissions.subscribe.join("\n  ")
        )
    }

    #[test]
    fn a_node_may_do_nothing_in_the_name_of_another() {
        let node = NodeId::new("node-1").unwrap();
        let permissions = of_node(&node, &[service("MyaaS")]);
        expect![[r#"
            publish
              $JS.API.INFO
              $JS.API.STREAM.INFO.KV_tenon_jobs
              MyaaS.announce.node-1
              MyaaS.node_handles.node-1
              tenon.identity.MyaaS.node-1
              $KV.tenon_jobs.job.MyaaS.node-1.>
              $KV.tenon_jobs.snap.MyaaS.node-1.>
              $JS.API.CONSUMER.CREATE.TENON_JOBS.MyaaS-node-1.tenon.jobs.MyaaS.node-1.>
              $JS.API.CONSUMER.INFO.TENON_JOBS.MyaaS-node-1
              $JS.API.CONSUMER.MSG.NEXT.TENON_JOBS.MyaaS-node-1
              $JS.ACK.TENON_JOBS.MyaaS-node-1.>
              $JS.API.DIRECT.GET.KV_tenon_jobs.$KV.tenon_jobs.job.MyaaS.node-1.>
              $JS.API.DIRECT.GET.KV_tenon_jobs.$KV.tenon_jobs.snap.MyaaS.>
            subscribe
              _INBOX_node-1.>
              MyaaS.*.node-1
              MyaaS.discover
              MyaaS.check_orphan
              tenon.inventory.MyaaS.node-1
              tenon.orphans.MyaaS.node-1
              tenon.identity.MyaaS.node-1"#]]
        .assert_eq(&shown(&permissions));
    }

    #[test]
    fn a_node_of_two_services_has_what_each_of_them_needs() {
        let node = NodeId::new("node-1").unwrap();
        let services = ["MyaaS", "files-aas"].map(service);
        let both = of_node(&node, &services);
        for one in services.map(|service| of_node(&node, &[service])) {
            assert!(one.publish.iter().all(|subject| both.publish.contains(subject)));
            assert!(one.subscribe.iter().all(|subject| both.subscribe.contains(subject)));
        }
        let consumer = "$JS.API.CONSUMER.INFO.TENON_JOBS.files-aas@node-1".to_owned();
        assert!(both.publish.contains(&consumer));
    }

    #[test]
    fn a_gateway_has_its_services_and_the_records() {
        let permissions = of_gateway(&[service("MyaaS")]);
        expect![[r#"
            publish
              MyaaS.>
              tenon.>
              $JS.>
              $KV.>
            subscribe
              MyaaS.>
              tenon.>
              $JS.>
              $KV.>
              _INBOX_gw.>
              _INBOX.>"#]]
        .assert_eq(&shown(&permissions));
    }
}
