//! P29: where a secret must not be seen: in logs, command lines, environments, and on pages.

use std::collections::BTreeSet;
use std::path::PathBuf;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use reqwest::Client;
use serde_json::{Value, json};
use tenon_protocol::message::Object;
use tenon_tests::{Options, Platform};

use crate::settings;

/// Everything in `credentials` that opens something.
fn passwords(credentials: &Object) -> Vec<String> {
    let of = |key: &str| credentials.get(key)?.as_str().map(str::to_owned);
    ["password", "uri"].into_iter().filter_map(of).collect()
}

/// What is secret in the files that the processes were started with.
fn configured(platform: &Platform) -> BTreeSet<String> {
    const KEYS: [&str; 4] = ["password", "token", "upload_token", "seal_key"];
    let mut found = BTreeSet::new();
    for child in ["gateway-1", "node-1"] {
        for line in settings::read(platform, child).lines() {
            let Some((key, value)) = line.split_once(" = ") else { continue };
            if KEYS.contains(&key) {
                found.insert(value.trim_matches('"').to_owned());
            }
        }
    }
    assert!(found.len() >= 5, "the files are not read as they should be");
    found
}

/// All that others can look at, by where it is. What `tenon dev` tells whoever started it is not.
async fn visible(platform: &Platform) -> Vec<(String, String)> {
    let file = platform.dev_file().unwrap();
    let mut texts = Vec::new();
    for child in file.logs.keys() {
        texts.push((format!("log of {child}"), platform.log(child)));
    }
    for (child, pid) in &file.pids {
        let process =
            Dir::open_ambient_dir(PathBuf::from(format!("/proc/{pid}")), ambient_authority());
        let process = process.unwrap();
        for shown in ["cmdline", "environ"] {
            let text = process.read(shown).unwrap();
            texts
                .push((format!("{shown} of {child}"), String::from_utf8_lossy(&text).into_owned()));
        }
    }
    let http = Client::builder().no_proxy().build().unwrap();
    let node = &file.nodes.first().unwrap().health;
    for page in ["/healthz", "/metrics", "/plugins"] {
        let response = http.get(format!("{}{page}", node)).send().await;
        texts.push((format!("{page} of the node"), response.unwrap().text().await.unwrap()));
    }
    for page in ["/healthz", "/metrics", "/nodes", "/orphans"] {
        let request = http.get(format!("{}{page}", file.admin.url));
        let response = request.bearer_auth(file.admin.token.reveal()).send().await.unwrap();
        texts.push((format!("{page} of the gateway"), response.text().await.unwrap()));
    }
    texts
}

#[tokio::test]
async fn p29_no_secret_is_in_a_log_a_command_line_or_on_a_page() {
    let platform = Platform::start(Options::of(&["mysql"])).await.unwrap();
    let classic = platform.classic("mysql").unwrap();
    let instance = classic.provision().await.unwrap();
    let binding = classic.bind(&instance.service_id).await.unwrap();
    let job = classic.take_snapshot(&instance.service_id).await.unwrap();
    classic.completed(&instance.service_id, &job).await.unwrap();
    // Mistakes are logged too: what a caller sends by mistake may be a secret.
    let mistake = json!({"service_id": instance.service_id, "credentials": instance.credentials});
    let url = format!("{}/gateway/v1/configurations", platform.dev_file().unwrap().gateway.url);
    let token = platform.dev_file().unwrap().gateway.tokens["mysql"].reveal().to_owned();
    let http = Client::builder().no_proxy().build().unwrap();
    let request = http.post(&url).header("X-VCAP-Service-Token", token).json(&mistake);
    assert_eq!(request.send().await.unwrap().status(), 400);
    malformed_bind(&platform, &instance.credentials).await;
    classic.unbind(&instance.service_id, &binding.service_id).await.unwrap();

    let mut secrets = configured(&platform);
    secrets.extend(passwords(&instance.credentials));
    secrets.extend(passwords(&binding.credentials));
    for (place, text) in visible(&platform).await {
        for secret in &secrets {
            assert!(!text.contains(secret.as_str()), "{place} shows a secret");
        }
    }
}

/// The node gets credentials where it expects none.
async fn malformed_bind(platform: &Platform, credentials: &Object) {
    let service = platform.dev_file().unwrap().nodes.first().unwrap().service.clone();
    let bus = crate::node_stand_in::connect(platform).await;
    let body = json!({"name": 1, "bind_opts": credentials, "credentials": credentials});
    let subject = format!("{service}.bind.node-1");
    let answer = bus.request(subject, body.to_string().into()).await.unwrap();
    let answer: Value = serde_json::from_slice(&answer.payload).unwrap();
    assert_eq!(answer["error"]["msg"]["code"], 30001, "{answer}");
}
