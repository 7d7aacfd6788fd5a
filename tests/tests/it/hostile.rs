//! Guests that misbehave: each is contained, with its blame, while its neighbour is served.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use futures_util::future::{join, join_all};
use reqwest::Method;
use serde_json::json;
use tenon_protocol::message::ServiceResponse;
use tenon_tests::{Classic, HarnessError, Options, Platform, wait_until};
use tokio::time::Instant;

use crate::bus::Bus;
use crate::settings;

const NODE: &str = "node-1";

/// Callers of the neighbour at the same time.
const NEIGHBOURS: usize = 2;

/// Endless loops at the same time: more than a small machine has cores.
const LOOPS: usize = 4;

/// A second of computing for each loop, and a gateway waits five seconds in all.
const LONGEST_ANSWER: Duration = Duration::from_secs(6);

/// What was begun is undone after the answer.
const UNDO_DEADLINE: Duration = Duration::from_secs(30);

/// What a node may need more, after all of this: less than one call may have.
const MOST_GROWTH_KIB: u64 = 64 << 10;

/// A hundred megabytes are logged, of which one call's share is kept.
const MOST_LOGGED_BYTES: usize = 200 << 10;

/// Tells a hostile guest what to do.
struct Hostile {
    platform: Platform,
    classic: Classic,
}

impl Hostile {
    async fn told_to(&self, deed: &str) -> Result<ServiceResponse, HarnessError> {
        let mut order = self.classic.order();
        order["plan_option"] = json!({ "do": deed });
        let began = Instant::now();
        let answer = self.classic.send(Method::POST, "/gateway/v1/configurations", &order).await;
        assert!(began.elapsed() < LONGEST_ANSWER, "{deed}: {:?}", began.elapsed());
        answer
    }

    /// Checks what the client is told, and what the node logs meanwhile.
    async fn check(&self, deed: &str, told: &str, logged: &[&str]) {
        let before = self.platform.log(NODE).len();
        let answer = self.told_to(deed).await;
        let answer = answer.map(|_| ()).map_err(|error| error.to_string());
        assert_eq!(answer, Err(told.to_owned()), "{deed}");
        let log = self.platform.log(NODE).split_off(before);
        for text in logged {
            assert!(log.contains(text), "{deed}: no {text} in\n{log}");
        }
    }

    /// Waits until nothing of the offering is on the node.
    async fn is_clean(&self) {
        let bus = Bus::open(&self.platform, "hostile").await;
        wait_until("nothing is left behind", UNDO_DEADLINE, async || {
            let page = bus.inventory().await;
            (page.instances.is_empty() && page.strangers.is_empty()).then_some(())
        })
        .await
        .unwrap();
        let records = self.platform.records().await.unwrap();
        let living = records.living_instances_of("HostileaaS").await.unwrap();
        assert_eq!(living, Vec::<String>::new());
    }

    fn pid(&self) -> u32 {
        self.platform.dev_file().unwrap().pids[NODE]
    }

    fn resident_kib(&self) -> u64 {
        let proc = format!("/proc/{}", self.pid());
        let dir = Dir::open_ambient_dir(proc, ambient_authority()).unwrap();
        let status = dir.read_to_string("status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

async fn start(offerings: &[&str]) -> Hostile {
    let platform = Platform::start(Options::of(offerings)).await.unwrap();
    let classic = platform.classic("hostile").unwrap();
    Hostile { platform, classic }
}

/// The service beside, and how it is served.
struct Neighbour {
    classic: Classic,
    instance: String,
    served: AtomicUsize,
    is_over: AtomicBool,
}

impl Neighbour {
    async fn arrive(platform: &Platform) -> Self {
        let classic = platform.classic("echo").unwrap();
        let instance = classic.provision().await.unwrap().service_id;
        let (served, is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
        Self { classic, instance, served, is_over }
    }

    fn served(&self) -> usize {
        self.served.load(Ordering::Relaxed)
    }

    /// Binds and unbinds until it is over. No call may fail.
    async fn live(&self) {
        while !self.is_over.load(Ordering::Relaxed) {
            let binding = self.classic.bind(&self.instance).await.unwrap();
            self.classic.unbind(&self.instance, &binding.service_id).await.unwrap();
            self.served.fetch_add(2, Ordering::Relaxed);
        }
    }
}

#[tokio::test]
async fn p38_a_misdeed_gets_a_number_and_a_neighbour_is_served_meanwhile() {
    let hostile = start(&["hostile", "echo"]).await;
    let neighbour = Neighbour::arrive(&hostile.platform).await;
    let (pid, before) = (hostile.pid(), hostile.resident_kib());
    let lives = join_all((0..NEIGHBOURS).map(|_| neighbour.live()));
    let misdeeds = async {
        all_misdeeds(&hostile, &neighbour).await;
        neighbour.is_over.store(true, Ordering::Relaxed);
    };
    join(lives, misdeeds).await;
    assert!(neighbour.served() > 0);
    hostile.is_clean().await;
    assert_eq!(hostile.pid(), pid);
    let growth = hostile.resident_kib().saturating_sub(before);
    assert!(growth < MOST_GROWTH_KIB, "{growth} KiB");
}

async fn all_misdeeds(hostile: &Hostile, neighbour: &Neighbour) {
    let served = neighbour.served();
    let told = "500 / 30512: The service used up its CPU budget";
    let logged = [r#""blame":"Guest""#, "the guest used up its CPU budget"];
    join_all((0..LOOPS).map(|_| hostile.check("loop", told, &logged))).await;
    assert!(neighbour.served() > served, "nobody else was served");

    let told = "500 / 30512: The service reached its memory ceiling";
    let logged = [r#""blame":"Guest""#, "the guest reached its memory ceiling"];
    hostile.check("hog", told, &logged).await;
    hostile.check("huge-result", told, &logged).await;

    let told = "500 / 30512: The service failed";
    let logged = [r#""blame":"Guest""#, "call stack exhausted"];
    hostile.check("recurse", told, &logged).await;
    let logged = [r#""blame":"Guest""#, "unreachable", "told to panic"];
    hostile.check("panic", told, &logged).await;

    hostile.check("state-hog", "500 / 30512: state of the service is full", &[]).await;
}

/// With room and time for what only the host's own bounds end: the 100 MB are made, and do not
/// come out.
async fn generous() -> Hostile {
    let hostile = start(&["hostile"]).await;
    let room = "memory_mib = 512\ncpu_budget_ms = 4000";
    settings::set(&hostile.platform, NODE, "[guests]", room).await;
    hostile
}

/// Talking too much is no crime: the call succeeds, and the rest of the talk is dropped.
#[tokio::test]
async fn a_flood_of_log_lines_is_cut_and_counted() {
    let hostile = generous().await;
    let before = hostile.platform.log(NODE).len();
    let instance = hostile.told_to("log-flood").await.unwrap();
    let log = hostile.platform.log(NODE).split_off(before);
    assert!(log.len() < MOST_LOGGED_BYTES, "{} bytes", log.len());
    assert!(log.contains(r#""message":"log lines dropped""#), "{log}");
    hostile.classic.unprovision(&instance.service_id).await.unwrap();
    hostile.is_clean().await;
}

#[tokio::test]
async fn a_result_that_fits_into_the_guest_and_not_through_the_door_is_refused() {
    let hostile = generous().await;
    let before = hostile.resident_kib();
    let logged = [r#""blame":"Guest""#, "fuel"];
    hostile.check("huge-result", "500 / 30512: The service failed", &logged).await;
    hostile.is_clean().await;
    let growth = hostile.resident_kib().saturating_sub(before);
    assert!(growth < MOST_GROWTH_KIB, "{growth} KiB");
}
