//! The queue of jobs: whose jobs a node takes.

use async_nats::ConnectOptions;
use async_nats::jetstream::{self, consumer::pull};
use serde_json::json;
use tenon_protocol::JobId;
use tenon_protocol::record::key::JOBS_STREAM;
use tenon_tests::{Options, Platform};

use crate::shelf::Shelf;

/// What the node's consumer is called; and that of node `node-1` of a service `FilesystemaaS` was
/// called the same as that of node `1` of a service `FilesystemaaS-node`.
const CONSUMER: &str = "FilesystemaaS-node-1";

#[tokio::test]
async fn a_node_takes_no_jobs_of_another_whose_name_reads_like_its_own() {
    let platform = Platform::start(Options::of(&["files"])).await.unwrap();
    let file = platform.dev_file().unwrap();
    let login = (file.nats.user, file.nats.password.reveal().to_owned());
    let options = ConnectOptions::with_user_and_password(login.0, login.1);
    let context = jetstream::new(options.connect(&file.nats.url).await.unwrap());
    let control = platform.control().unwrap();
    control.stop("node-1").await.unwrap();

    let mut queue = context.get_stream(JOBS_STREAM).await.unwrap();
    queue.delete_consumer(CONSUMER).await.unwrap();
    let others = pull::Config {
        durable_name: Some(CONSUMER.to_owned()),
        filter_subject: "tenon.jobs.FilesystemaaS-node.1.>".to_owned(),
        ..pull::Config::default()
    };
    queue.create_consumer(others).await.unwrap();
    let job = json!({ "job": JobId::random() }).to_string();
    let kept = context.publish("tenon.jobs.FilesystemaaS-node.1.d1", job.into()).await.unwrap();
    kept.await.unwrap();

    control.start("node-1", None).await.unwrap();
    platform.logs("node-1", "takes tenon.jobs.FilesystemaaS-node.1.>").await.unwrap();
    assert_eq!(queue.info().await.unwrap().state.messages, 1);
    // Once an operator has removed it, the node works on its own.
    queue.delete_consumer(CONSUMER).await.unwrap();
    let classic = platform.classic("files").unwrap();
    let made = crate::crash::insist(async || classic.provision().await).await.unwrap();
    Shelf::of(&classic, &made.service_id).take().await;
    assert_eq!(queue.info().await.unwrap().state.messages, 1);
}
