//! A plugin is replaced again and again while its node works: no call is lost.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::{join, join_all};
use tenon_protocol::clock::Millis;
use tenon_protocol::message::{BindRequest, CredentialsReply, Object, Reply, UnbindRequest};
use tenon_protocol::subject::Operation;
use tenon_protocol::{BindingId, Generation, InstanceId, OperationId, Order};
use tenon_tests::{Options, Platform, plugin_states, wait_until, with_custom_section};

use crate::bus::Bus;
use crate::settings;

/// Calls at the same time.
const WORKERS: usize = 16;

/// Longer than any call may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A twentieth of all calls is made by then.
const LOAD_DEADLINE: Duration = Duration::from_secs(120);

/// Who calls the node, and how often it did.
struct Load {
    bus: Bus,
    instance: InstanceId,
    calls: AtomicUsize,
    is_over: AtomicBool,
}

impl Load {
    fn order(&self, binding: &BindingId, generation: u64) -> Order {
        let (operation, generation) = (OperationId::random(), Generation::new(generation));
        let deadline = Millis::now().after(PATIENCE);
        let order = Order::of(self.instance.clone(), operation, generation, deadline);
        Order { binding: Some(binding.clone()), ..order }
    }

    /// Binds and unbinds until it is over. Each call is made once: there is nobody to repeat it.
    async fn work(&self) {
        while !self.is_over.load(Ordering::Relaxed) {
            let binding = BindingId::random();
            let body = BindRequest {
                name: self.instance.to_string(),
                bind_opts: Some(Object::new()),
                credentials: None,
            };
            let order = self.order(&binding, 1);
            let made: CredentialsReply =
                self.bus.command(Operation::Bind, &order, &body).await.unwrap();
            let credentials = made.into_result().unwrap();
            let (order, body) = (self.order(&binding, 2), UnbindRequest { credentials });
            let gone: Reply = self.bus.command(Operation::Unbind, &order, &body).await.unwrap();
            gone.into_result().unwrap();
            self.calls.fetch_add(2, Ordering::Relaxed);
        }
    }

    async fn reaches(&self, calls: usize) {
        let what = format!("{calls} calls");
        wait_until(&what, LOAD_DEADLINE, async || (self.calls() >= calls).then_some(()))
            .await
            .unwrap();
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }
}

async fn sha256(platform: &Platform) -> String {
    let file = platform.dev_file().unwrap();
    let states = plugin_states(&file.nodes[0].health).await.unwrap();
    states[0].sha256.clone().unwrap()
}

/// Replaces the plugin `swaps` times while `calls` calls are made, in equal shares.
async fn check_swaps(platform: &Platform, swaps: usize, calls: usize) {
    let classic = platform.classic("echo").unwrap();
    let instance = classic.provision().await.unwrap().service_id;
    let load = Load {
        bus: Bus::open(platform, "echo").await,
        instance: InstanceId::new(instance.as_str()).unwrap(),
        calls: AtomicUsize::new(0),
        is_over: AtomicBool::new(false),
    };
    let component = platform.component("echo").unwrap();
    let swapping = async {
        let mut served = BTreeSet::from([sha256(platform).await]);
        for number in 1..=swaps {
            let other = with_custom_section(&component, &format!("build {number}"));
            platform.swap("echo", &other).await.unwrap();
            served.insert(sha256(platform).await);
            load.reaches(calls * number / swaps).await;
        }
        load.is_over.store(true, Ordering::Relaxed);
        served.len()
    };
    let (_, served) = join(join_all((0..WORKERS).map(|_| load.work())), swapping).await;
    assert_eq!(served, swaps + 1);
    assert!(load.calls() >= calls, "{}", load.calls());
    let left = load.bus.inventory().await.instances;
    assert!(left.iter().all(|instance| instance.bindings.is_empty()), "{left:?}");
    classic.unprovision(&instance).await.unwrap();
}

#[tokio::test]
async fn none_of_ten_thousand_calls_is_lost_across_twenty_swaps() {
    let platform = Platform::start(Options::of(&["echo"])).await.unwrap();
    check_swaps(&platform, 20, 10_000).await;
}

#[tokio::test]
async fn a_call_that_is_cut_off_by_a_swap_is_made_again() {
    let platform = Platform::start(Options::of(&["echo"])).await.unwrap();
    settings::set(&platform, "node-1", "[guests]", "drain_seconds = 0").await;
    check_swaps(&platform, 5, 500).await;
}
