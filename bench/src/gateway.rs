//! Row (i): what a gateway takes by itself, beside what its bus can write down.
//!
//! A real gateway and a real nats-server; the node answers at once. An order is two records that
//! are on the disk before the next step, and one question to a node: the limit is the same two
//! writes and the question without a gateway.

use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions};
use serde_json::json;
use tempfile::TempDir;
use tenon::dev::{NatsConfig, NatsLaunch, NatsServer, NatsUser, Permissions, Surroundings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

use crate::instant::{InstantNode, SERVICE};
use crate::process::cpu_ms;
use crate::report::{Report, median};
use crate::writes::Writes;
use crate::{Arguments, Result};

/// How long one turn takes.
const TURN: Duration = Duration::from_secs(3);
/// The gateway has found its node by then.
const START: Duration = Duration::from_secs(30);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(50);
/// Of everything here: nothing is secret.
const PASSWORD: &str = "bench";
/// Key of the gateway's records.
const SEAL_KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/// What runs. Dropped, all of it is gone.
struct Rig {
    gateway: Child,
    nats_pid: u32,
    address: String,
    url: String,
    _node: InstantNode,
    _nats: NatsServer,
    _home: TempDir,
}

/// Row (i).
pub(crate) async fn measure(arguments: &Arguments, report: &mut Report) -> Result<()> {
    let rig = Rig::start().await?;
    let writes = Writes::open(&rig.url, ("all", PASSWORD)).await?;
    let gateway = rig.gateway.id().ok_or("the gateway ended")?;
    for in_flight in [1_usize, 8, 32] {
        let (mut rates, mut limits, mut own, mut bus) = (vec![], vec![], vec![], vec![]);
        for _ in 0..arguments.rounds {
            let before = (cpu_ms(gateway)?, cpu_ms(rig.nats_pid)?);
            let (made, rate) = turn(&rig.address, in_flight).await?;
            own.push((cpu_ms(gateway)? - before.0) / made);
            bus.push((cpu_ms(rig.nats_pid)? - before.1) / made);
            rates.push(rate);
            limits.push(writes.turn(in_flight, TURN).await?);
        }
        let (rate, limit) = (median(rates), median(limits));
        let (own, bus) = (median(own), median(bus));
        report.add(
            "i",
            format!("gateway, instant node, {in_flight} in flight: rate, limit of its bus"),
            format!("{rate:.0}/s, {limit:.0}/s"),
            if in_flight == 8 { ">= 10,000/s; original 408/s, nothing durable" } else { "" },
            json!({"per_second": rate, "limit_per_second": limit, "in_flight": in_flight}),
        );
        report.add(
            "i",
            format!("gateway, instant node, {in_flight} in flight: CPU gateway, nats-server"),
            format!("{own:.3}, {bus:.3} ms"),
            "",
            json!({"gateway_ms": own, "nats_ms": bus, "in_flight": in_flight}),
        );
    }
    Ok(())
}

/// How many orders were carried out, and how many of them in a second.
async fn turn(address: &str, in_flight: usize) -> Result<(f64, f64)> {
    let made = Arc::new(AtomicU64::new(0));
    let started = Instant::now();
    let mut platforms = JoinSet::new();
    for _ in 0..in_flight {
        let (address, made) = (address.to_owned(), Arc::clone(&made));
        platforms.spawn(async move { orders(&address, &made, started + TURN).await });
    }
    while let Some(done) = platforms.join_next().await {
        done??;
    }
    let made = made.load(Ordering::Relaxed) as f64;
    Ok((made, made / started.elapsed().as_secs_f64()))
}

/// Orders one after the other until `end`. Written by hand: a general client would be the bottleneck.
async fn orders(address: &str, made: &AtomicU64, end: Instant) -> Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let request = order(address);
    let mut buffer = vec![0; 16 << 10];
    while Instant::now() < end {
        stream.write_all(request.as_bytes()).await?;
        // An answer is small and comes whole.
        let read = stream.read(&mut buffer).await?;
        let answer = buffer.get(..read).unwrap_or_default();
        if !answer.starts_with(b"HTTP/1.1 200") {
            return Err(String::from_utf8_lossy(answer).into_owned().into());
        }
        made.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

fn order(address: &str) -> String {
    let body = r#"{"label":"bench-1.0","unique_id":"core_bench_free","name":"mine","email":"user@example.org","plan":"free","version":"1.0"}"#;
    let length = body.len();
    format!(
        "POST /gateway/v1/configurations HTTP/1.1\r\nHost: {address}\r\n\
         Content-Type: application/json\r\nX-VCAP-Service-Token: {PASSWORD}\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
}

impl Rig {
    async fn start() -> Result<Self> {
        let home = tempfile::Builder::new().prefix("tenon-bench-").tempdir()?;
        let surroundings = surroundings()?;
        let nats = start_nats(home.path(), &surroundings).await?;
        let node = InstantNode::start(nats.url(), ("all", PASSWORD)).await?;
        let address = format!("127.0.0.1:{}", free_port()?);
        let gateway = start_gateway(home.path(), &surroundings, nats.url(), &address)?;
        serves(&address).await?;
        let url = nats.url().to_owned();
        let nats_pid = nats.pid();
        Ok(Self { gateway, nats_pid, address, url, _node: node, _nats: nats, _home: home })
    }
}

async fn start_nats(home: &Path, surroundings: &Surroundings) -> Result<NatsServer> {
    let all = vec![">".to_owned()];
    let user = NatsUser {
        name: "all".to_owned(),
        password: tenon_protocol::Secret::new(PASSWORD.to_owned()),
        permissions: Permissions { publish: all.clone(), subscribe: all, responses: true },
    };
    let launch = NatsLaunch {
        name: "nats".to_owned(),
        program: surroundings.nats_server(None).await?,
        config: NatsConfig { port: free_port()?, monitor_port: free_port()?, users: vec![user] },
        setpriv: surroundings.setpriv(),
    };
    Ok(NatsServer::start(home.to_owned(), launch).await?)
}

fn start_gateway(
    home: &Path,
    surroundings: &Surroundings,
    nats: &str,
    address: &str,
) -> Result<Child> {
    let dir = Dir::open_ambient_dir(home, ambient_authority())?;
    let config = format!(
        r#"
[http]
listen = "{address}"
[admin]
listen = "127.0.0.1:0"
token = "{PASSWORD}"
[nats]
url = "{nats}"
user = "all"
password = "{PASSWORD}"
[state]
seal_key = "{SEAL_KEY}"
replicas = 1
reconcile_interval_seconds = 3600
[[offerings]]
label = "bench"
version = "1.0"
service = "{SERVICE}"
token = "{PASSWORD}"
provider = "core"
description = "Nothing"
supported_versions = ["1.0"]
default_plan = "free"
[[offerings.plans]]
name = "free"
unique_id = "core_bench_free"
"#
    );
    dir.write("gateway.toml", config)?;
    let log = dir.open_with("gateway.log", OpenOptions::new().create(true).append(true))?;
    let child = Command::new(surroundings.host("tenon-gateway")?)
        .arg("--config")
        .arg(home.join("gateway.toml"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log.into_std())
        .kill_on_drop(true)
        .spawn()?;
    Ok(child)
}

/// Waits until an order is carried out.
async fn serves(address: &str) -> Result<()> {
    let give_up = Instant::now() + START;
    loop {
        let first = AtomicU64::new(0);
        let tried = orders(address, &first, Instant::now() + PAUSE).await;
        if first.load(Ordering::Relaxed) > 0 {
            return Ok(());
        }
        if Instant::now() > give_up {
            tried?;
            return Err("the gateway does not serve".into());
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

#[expect(clippy::disallowed_methods, reason = "cargo xtask says where the servers are")]
fn variable(name: &str) -> Option<std::ffi::OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// What the environment says, in the words of `tenon dev`.
fn surroundings() -> Result<Surroundings> {
    let executables = std::env::current_exe()?.parent().ok_or("no directory")?.to_owned();
    let cache = variable("XDG_CACHE_HOME")
        .map(Into::into)
        .or_else(|| Some(Path::new(&variable("HOME")?).join(".cache")));
    Ok(Surroundings {
        search_path: variable("PATH").unwrap_or_default(),
        cache: cache.map(|cache: std::path::PathBuf| cache.join("tenon")),
        nats_server: variable("TENON_NATS_SERVER").map(Into::into),
        guests_dir: None,
        executables,
    })
}
