//! What the platform does while something that it needs is away, and when it is back: everything
//! is served again, and nothing was started anew for it.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use reqwest::Client;
use tempfile::TempDir;
use tenon_tests::{Availability, Classic, HarnessError, Options, Platform, Refusal, wait_until};
use tokio::process::{Child, Command};

use crate::aftermath::{Promises, check_aftermath};
use crate::crash::insist;
use crate::settings;

/// A busy machine starts a server by then.
const SERVER_DEADLINE: Duration = Duration::from_secs(20);

/// More than fits into the free pages of a new ledger.
const MOST_IN_LEDGER: usize = 1_000;

/// Status, number and `Retry-After` of an order of `offering`.
pub(crate) async fn refusal(platform: &Platform, offering: &str) -> (u16, u64, Option<String>) {
    let file = platform.dev_file().unwrap();
    let order = platform.classic(offering).unwrap().order();
    let client = Client::builder().no_proxy().build().unwrap();
    let request = client.post(format!("{}/gateway/v1/configurations", file.gateway.url));
    let token = file.gateway.tokens[offering].reveal();
    let response = request.header("X-VCAP-Service-Token", token).json(&order).send().await.unwrap();
    let status = response.status().as_u16();
    let retry = response.headers().get("retry-after");
    let retry = retry.map(|value| value.to_str().unwrap().to_owned());
    let body: serde_json::Value = response.json().await.unwrap();
    (status, body["code"].as_u64().unwrap_or_default(), retry)
}

pub(crate) fn unavailable() -> (u16, u64, Option<String>) {
    (503, 30600, Some("2".to_owned()))
}

/// The processes that may not have been started anew.
fn hosts(platform: &Platform) -> [u32; 2] {
    let pids = platform.dev_file().unwrap().pids;
    [pids["gateway-1"], pids["node-1"]]
}

#[tokio::test]
async fn p17_a_bus_that_comes_back_is_found_again() {
    let platform = Platform::start(Options::of(&["files"])).await.unwrap();
    let (classic, hosts_before) = (platform.classic("files").unwrap(), hosts(&platform));
    let control = platform.control().unwrap();
    let mut promises = Promises::default();
    let before = classic.provision().await.unwrap();
    promises.instance(&before);

    control.stop("nats").await.unwrap();
    assert_eq!(refusal(&platform, "files").await, unavailable());
    control.start("nats", None).await.unwrap();

    promises.instance(&insist(async || classic.provision().await).await.unwrap());
    let bind = async || classic.bind(&before.service_id).await;
    promises.binding(&insist(bind).await.unwrap());
    let job = insist(async || classic.take_snapshot(&before.service_id).await).await.unwrap();
    classic.completed(&before.service_id, &job).await.unwrap();
    assert_eq!(hosts(&platform), hosts_before);
    check_aftermath(&platform, "files", &promises).await;
}

/// The bus goes and comes while clients order: what was promised is there, and nothing besides.
#[tokio::test]
async fn p17_what_is_under_way_when_the_bus_goes_is_not_lost() {
    let platform = Platform::start(Options::of(&["files"])).await.unwrap();
    let (classic, hosts_before) = (platform.classic("files").unwrap(), hosts(&platform));
    let control = platform.control().unwrap();
    let clients = (0..4).map(async |_client| {
        let mut answers = Vec::new();
        for _ in 0..10 {
            answers.push(insist(async || classic.provision().await).await.unwrap());
        }
        answers
    });
    let outages = async {
        for _ in 0..2 {
            control.stop("nats").await.unwrap();
            control.start("nats", None).await.unwrap();
        }
    };
    let (answers, ()) = tokio::join!(futures_util::future::join_all(clients), outages);
    let mut promises = Promises::default();
    answers.iter().flatten().for_each(|answer| promises.instance(answer));
    assert_eq!(hosts(&platform), hosts_before);
    check_aftermath(&platform, "files", &promises).await;
}

#[tokio::test]
async fn a_database_server_that_comes_back_is_found_again() {
    let platform = Platform::start(Options::of(&["mysql"])).await.unwrap();
    let (classic, hosts_before) = (platform.classic("mysql").unwrap(), hosts(&platform));
    let control = platform.control().unwrap();
    let mut promises = Promises::default();
    let before = classic.provision().await.unwrap();
    promises.instance(&before);

    control.stop("mysql-1").await.unwrap();
    assert_eq!(refusal(&platform, "mysql").await, unavailable());
    let Err(HarnessError::Refused(refused)) = classic.bind(&before.service_id).await else {
        panic!("bound without a server");
    };
    assert_eq!((refused.status, refused.code), (503, 30600));
    control.start("mysql-1", None).await.unwrap();

    promises.instance(&insist(async || classic.provision().await).await.unwrap());
    let bind = async || classic.bind(&before.service_id).await;
    promises.binding(&insist(bind).await.unwrap());
    assert_eq!(hosts(&platform), hosts_before);
    check_aftermath(&platform, "mysql", &promises).await;
}

#[tokio::test]
async fn p04_without_its_cloud_controller_a_gateway_serves_what_its_records_know() {
    let platform = Platform::start(Options::of(&["files"])).await.unwrap();
    let classic = platform.classic("files").unwrap();
    let control = platform.control().unwrap();
    let mut promises = Promises::default();
    let before = classic.provision().await.unwrap();
    let gone = classic.provision().await.unwrap();
    promises.instance(&before);

    control.set_cloud_controller(Availability::Away).await.unwrap();
    control.stop("gateway-1").await.unwrap();
    control.start("gateway-1", None).await.unwrap();
    promises.binding(&classic.bind(&before.service_id).await.unwrap());
    classic.unprovision(&gone.service_id).await.unwrap();
    promises.gone(&gone.service_id);
    promises.instance(&insist(async || classic.provision().await).await.unwrap());

    control.set_cloud_controller(Availability::Serving).await.unwrap();
    platform.logs("gateway-1", "handles fetched").await.unwrap();
    check_aftermath(&platform, "files", &promises).await;
}

/// A nats-server that only passes messages on.
struct PlainBus {
    url: String,
    _child: Child,
    _home: TempDir,
}

impl PlainBus {
    async fn start(program: PathBuf) -> Self {
        let home = tempfile::tempdir().unwrap();
        let child = Command::new(program)
            .args(["--addr", "127.0.0.1", "--port", "-1", "--ports_file_dir"])
            .arg(home.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let dir = Dir::open_ambient_dir(home.path(), ambient_authority()).unwrap();
        let url = wait_until("nats-server says its port", SERVER_DEADLINE, async || {
            let entry = dir.entries().unwrap().next()?.unwrap();
            let ports: serde_json::Value =
                serde_json::from_slice(&dir.read(entry.file_name()).unwrap()).ok()?;
            Some(ports["nats"][0].as_str()?.to_owned())
        });
        Self { url: url.await.unwrap(), _child: child, _home: home }
    }
}

#[tokio::test]
async fn a_bus_that_keeps_no_streams_is_refused_with_what_to_do() {
    let platform = Platform::start(Options::of(&["echo"])).await.unwrap();
    let file = platform.dev_file().unwrap();
    let bus = PlainBus::start(program(file.nats.pid)).await;
    let text = settings::read(&platform, "gateway-1").replace(&file.nats.url, &bus.url);
    let text = text.lines().map(|line| {
        let listens = line.starts_with("listen");
        if listens { "listen = \"127.0.0.1:0\"" } else { line }
    });
    let text: Vec<&str> = text.collect();
    platform.dir().unwrap().write("plain.toml", text.join("\n")).unwrap();
    let gateway = Command::new(program(file.gateway.pid))
        .arg("--config")
        .arg(platform.root().join("plain.toml"))
        .output();
    let output = gateway.await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    let told = "nats-server keeps no streams: start it with JetStream (`nats-server -js`";
    assert!(said.contains(told), "{said}");
}

/// What a process runs.
fn program(pid: u32) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/exe")).read_link().unwrap()
}

/// A small disk of its own for a node's data. Dropped, it is taken away.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None`, loudly, where this is not allowed.
    async fn mount(path: PathBuf) -> Option<Self> {
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=6m,mode=700", "tmpfs"])
            .arg(&path)
            .status();
        if mount.await.is_ok_and(|status| status.success()) {
            return Some(Self(path));
        }
        eprintln!("NOT TESTED: a full disk; mounting a tmpfs takes root");
        None
    }

    fn dir(&self) -> Dir {
        Dir::open_ambient_dir(&self.0, ambient_authority()).unwrap()
    }

    /// Until not a byte fits.
    fn fill(&self) {
        let mut filler = self.dir().create("filler").unwrap();
        let page = [0; 4096];
        while std::io::Write::write_all(&mut filler, &page).is_ok() {}
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: the node may still run.
        let umount = std::process::Command::new("umount").arg("--lazy").arg(&self.0).status();
        assert!(umount.is_ok_and(|status| status.success()), "{} stays mounted", self.0.display());
    }
}

#[tokio::test]
async fn a_full_disk_below_the_ledger_refuses_and_serves_again_when_there_is_room() {
    let platform = Platform::start(Options::of(&["echo"])).await.unwrap();
    let control = platform.control().unwrap();
    control.stop("node-1").await.unwrap();
    let Some(disk) = SmallDisk::mount(platform.root().join("node-1")).await else { return };
    control.start("node-1", None).await.unwrap();
    let hosts_before = hosts(&platform);
    let classic = platform.classic("echo").unwrap();
    let mut promises = Promises::default();
    let before = insist(async || classic.provision().await).await.unwrap();
    promises.instance(&before);

    disk.fill();
    let refused = fill_ledger(&classic, &mut promises).await;
    assert_eq!((refused.status, refused.code), (503, 30600));
    assert_eq!(refusal(&platform, "echo").await, unavailable());
    disk.dir().remove_file("filler").unwrap();

    promises.instance(&insist(async || classic.provision().await).await.unwrap());
    let bind = async || classic.bind(&before.service_id).await;
    promises.binding(&insist(bind).await.unwrap());
    assert_eq!(hosts(&platform), hosts_before);
    check_aftermath(&platform, "echo", &promises).await;
}

/// Provisions until the ledger has no room: what is free inside of its file is used up first.
async fn fill_ledger(classic: &Classic, promises: &mut Promises) -> Refusal {
    for _ in 0..MOST_IN_LEDGER {
        match classic.provision().await {
            Ok(made) => promises.instance(&made),
            Err(HarnessError::Refused(refused)) => return refused,
            Err(error) => panic!("{error}"),
        }
    }
    panic!("the ledger takes everything");
}
