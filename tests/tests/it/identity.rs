//! Who is who on the bus: one process is a node, and nobody speaks in another's name.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use async_nats::{Client, ConnectOptions};
use futures_util::StreamExt;
use serde_json::json;
use tenon_tests::{Options, Platform};
use tokio::process::Command;
use tokio::time::timeout;

use crate::node_stand_in::{connect, nodes};
use crate::settings;

/// A second process waits for the first one no longer than that.
const REFUSED_BY: Duration = Duration::from_secs(60);

/// What `node-1` runs.
fn program(platform: &Platform) -> PathBuf {
    let pid = platform.dev_file().unwrap().pids["node-1"];
    PathBuf::from(format!("/proc/{pid}/exe")).read_link().unwrap()
}

#[tokio::test]
async fn p19_a_second_process_with_the_same_node_id_does_not_start() {
    let platform = Platform::start(Options::of(&["echo"])).await.unwrap();
    let classic = platform.classic("echo").unwrap();
    let before = classic.provision().await.unwrap();
    // The same node in every way, with a disk of its own.
    let home = platform.root().join("node-1");
    let text = settings::read(&platform, "node-1");
    let text = text.replace(home.to_str().unwrap(), &format!("{}-twin", home.display()));
    let text: Vec<&str> = text
        .lines()
        .map(|line| if line.starts_with("listen") { "listen = \"127.0.0.1:0\"" } else { line })
        .collect();
    platform.dir().unwrap().write("twin.toml", text.join("\n")).unwrap();
    let twin = Command::new(program(&platform))
        .arg("--config")
        .arg(platform.root().join("twin.toml"))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let ended = timeout(REFUSED_BY, twin.wait_with_output()).await;
    let ended = ended.expect("it gives up").unwrap();
    assert_eq!(ended.status.code(), Some(1));
    let said = String::from_utf8(ended.stderr).unwrap();
    assert!(said.contains("error: another process is node node-1 of "), "{said}");
    // The first one was not disturbed, and nothing was done twice.
    let binding = classic.bind(&before.service_id).await.unwrap();
    classic.unbind(&before.service_id, &binding.service_id).await.unwrap();
}

#[tokio::test]
async fn p19_a_killed_node_starts_again_at_once() {
    let platform = Platform::start(Options::of(&["echo"])).await.unwrap();
    let classic = platform.classic("echo").unwrap();
    let before = classic.provision().await.unwrap();
    platform.kill("node-1").await.unwrap();
    platform.control().unwrap().start("node-1", None).await.unwrap();
    assert!(!platform.log("node-1").contains("another process is it"));
    crate::crash::insist(async || classic.bind(&before.service_id).await).await.unwrap();
}

/// Connects with the login of `node-1`.
async fn as_node(platform: &Platform) -> Client {
    let config: toml::Table = settings::read(platform, "node-1").parse().unwrap();
    let login = |key: &str| config["nats"][key].as_str().unwrap().to_owned();
    let options = ConnectOptions::with_user_and_password(login("user"), login("password"));
    options.custom_inbox_prefix("_INBOX_node-1").connect(login("url")).await.unwrap()
}

/// The server has read what `client` sent.
async fn settled(client: &Client) {
    client.flush().await.unwrap();
    let nobody = client.request("$JS.API.INFO", "".into()).await;
    assert!(nobody.is_ok(), "a node may ask for that");
}

#[tokio::test]
async fn p15_a_node_cannot_speak_or_listen_in_the_name_of_another() {
    let options = Options { nodes: 2, ..Options::of(&["echo"]) };
    let platform = Platform::start(options).await.unwrap();
    let service = platform.dev_file().unwrap().nodes.first().unwrap().service.clone();
    let gateway = connect(&platform).await;
    let mut heard = gateway.subscribe(format!("{service}.>")).await.unwrap();
    gateway.flush().await.unwrap();
    let thief = as_node(&platform).await;
    let mut stolen = thief.subscribe(format!("{service}.provision.node-2")).await.unwrap();

    let forged = json!({
        "available_capacity": 1_000, "id": "node-2", "plan": "free", "supported_versions": ["1.0"],
    });
    for subject in ["announce.node-2", "announce", "unprovision.node-2", "node_handles.node-2"] {
        let subject = format!("{service}.{subject}");
        thief.publish(subject, forged.to_string().into()).await.unwrap();
    }
    thief.publish("tenon.inventory.x.node-2", "".into()).await.unwrap();
    settled(&thief).await;
    // What it may say arrives, and nothing of the rest did before it.
    thief.publish(format!("{service}.announce.node-1"), "mine".into()).await.unwrap();
    let mine = async {
        loop {
            let message = heard.next().await.unwrap();
            assert_ne!(message.payload, forged.to_string(), "{}", message.subject);
            if message.payload == "mine" {
                return;
            }
        }
    };
    timeout(REFUSED_BY, mine).await.unwrap();

    let classic = platform.classic("echo").unwrap();
    for _ in 0..20 {
        classic.provision().await.unwrap();
    }
    thief.flush().await.unwrap();
    let overheard = futures_util::FutureExt::now_or_never(stolen.next());
    assert!(!matches!(overheard, Some(Some(_))), "it heard what another node is asked");
    assert_eq!(nodes(&platform).await, ["node-1", "node-2"]);
}

#[tokio::test]
async fn p15_a_stranger_is_not_let_in() {
    let platform = Platform::start(Options::of(&["echo"])).await.unwrap();
    let url = platform.dev_file().unwrap().nats.url;
    assert!(async_nats::connect(&url).await.is_err());
    let options = ConnectOptions::with_user_and_password("gateway".into(), "guess".into());
    assert!(options.connect(&url).await.is_err());
}
