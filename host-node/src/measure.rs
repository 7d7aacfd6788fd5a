//! Figures of sandboxes for `cargo xtask bench`: the node's own path, without bus and gateway.
//!
//! Not for production. It is public because benchmarks are a program of their own.

use std::collections::BTreeMap;
use std::error::Error;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use tokio::runtime::Handle;

use crate::config::Capability;
use crate::guest::{Bind, Bounds, CallFacts, Compiler, Describe, Grants, GuestEngine, Guests};
use crate::guest::{Plugin, Provision, Reused, Watched, wit};
use crate::ledger::Ledger;

/// What goes wrong in a benchmark is shown to whoever runs it.
type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Which call is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// `describe`: the guest calls nothing.
    NoHostCalls,
    /// `bind` of the counter: two reads and two writes of its state.
    FourHostCalls,
}

/// A plugin in a directory of its own, ready to be called.
pub struct Bench {
    watched: Watched,
}

impl Bench {
    /// Opens everything under `dir`; `program` is the `tenon-node` that compiles, `runtime` the
    /// one that guests run on. The plugin is `<label>.wasm` in `plugins`.
    ///
    /// # Errors
    ///
    /// Whatever does not work, as text.
    pub fn open(
        dir: &Path,
        program: &Path,
        plugins: &Path,
        label: &str,
        runtime: Handle,
    ) -> Result<Self> {
        let compiled = dir.join("compiled");
        Dir::create_ambient_dir_all(&compiled, ambient_authority())?;
        let ledger = Ledger::open(&dir.join("ledger.redb"))?;
        let engine = GuestEngine::new(64, 64 << 20).map_err(|error| error.to_string())?;
        let bounds = Bounds {
            calls: 64,
            cpu: Duration::from_secs(10),
            call: Duration::from_secs(10),
            job: Duration::from_secs(10),
        };
        let grants = Grants {
            plugin: label.to_owned(),
            capabilities: vec![Capability::State, Capability::Secrets, Capability::Blob],
            settings: Arc::new(BTreeMap::new()),
            secrets: BTreeMap::new(),
            mysql: None,
            files: None,
            ledger: ledger.clone(),
        };
        let compiler = Compiler {
            program: program.to_owned(),
            dir: Arc::new(Dir::open_ambient_dir(&compiled, ambient_authority())?),
            path: compiled,
            ledger,
        };
        let watched = Watched {
            plugin: Arc::new(Plugin::new(label)),
            grants: Arc::new(grants),
            guests: Guests::new(engine, runtime, bounds),
            compiler,
            dir: Arc::new(Dir::open_ambient_dir(plugins, ambient_authority())?),
            patience: Duration::from_secs(10),
        };
        Ok(Self { watched })
    }

    /// Loads the plugin: compiled by a child process the first time, from the cache later.
    ///
    /// # Errors
    ///
    /// Why it was refused.
    pub async fn load(&mut self) -> Result<Duration> {
        self.watched.plugin = Arc::new(Plugin::new(self.watched.plugin.label()));
        let started = Instant::now();
        self.watched.change().await?;
        Ok(started.elapsed())
    }

    /// Provisions the instance that [`Work::FourHostCalls`] binds.
    ///
    /// # Errors
    ///
    /// The guest's refusal.
    pub async fn prepare(&self) -> Result<()> {
        let Watched { plugin, grants, guests, .. } = &self.watched;
        let instance = bind().binding.instance;
        let call = Provision { instance, parameters: Vec::new(), reuse: None };
        let called = guests.call(plugin, grants, &CallFacts::internal("bench"), call).await?;
        let writes = called.writes;
        grants.ledger.update(move |book| book.apply_state(&writes)).await?;
        Ok(())
    }

    /// `calls` calls, one after the other, each in a fresh store, without the hop to the guests'
    /// runtime.
    ///
    /// # Errors
    ///
    /// The first call that fails.
    pub async fn fresh(&self, work: Work, calls: u32) -> Result<Duration> {
        let Watched { plugin, grants, guests, .. } = &self.watched;
        let facts = CallFacts::internal("bench");
        let started = Instant::now();
        for _ in 0..calls {
            match work {
                Work::NoHostCalls => {
                    black_box(guests.call_here(plugin, grants, &facts, Describe).await?);
                }
                Work::FourHostCalls => {
                    black_box(guests.call_here(plugin, grants, &facts, bind()).await?);
                }
            }
        }
        Ok(started.elapsed())
    }

    /// `calls` calls as the node makes them: slot, task on the guests' runtime, time limit.
    ///
    /// # Errors
    ///
    /// The first call that fails.
    pub async fn dispatched(&self, work: Work, calls: u32) -> Result<Duration> {
        let Watched { plugin, grants, guests, .. } = &self.watched;
        let facts = CallFacts::internal("bench");
        let started = Instant::now();
        for _ in 0..calls {
            match work {
                Work::NoHostCalls => {
                    black_box(guests.call(plugin, grants, &facts, Describe).await?.output);
                }
                Work::FourHostCalls => {
                    black_box(guests.call(plugin, grants, &facts, bind()).await?.output);
                }
            }
        }
        Ok(started.elapsed())
    }

    /// `calls` calls in one store, as no node makes them: the price of freshness is the rest.
    ///
    /// # Errors
    ///
    /// The first call that fails.
    pub async fn reused(&self, work: Work, calls: u32) -> Result<Duration> {
        let Watched { plugin, grants, guests, .. } = &self.watched;
        let mut store = Reused::open(guests, plugin, grants).await?;
        let started = Instant::now();
        for _ in 0..calls {
            match work {
                Work::NoHostCalls => drop(black_box(store.call(Describe).await?)),
                Work::FourHostCalls => drop(black_box(store.call(bind()).await?)),
            }
        }
        Ok(started.elapsed())
    }

    /// Replaces the serving generation by itself `times` times while `callers` tasks call it.
    ///
    /// # Errors
    ///
    /// Whatever does not work, as text.
    pub async fn swaps(&self, times: u32, callers: u32) -> Result<Swaps> {
        let stop = tokio_util::sync::CancellationToken::new();
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..callers {
            let (watched, stop) = (self.watched.clone(), stop.clone());
            tasks.spawn(async move { call_until(&watched, &stop).await });
        }
        let mut swaps = Swaps::default();
        for _ in 0..times {
            let started = Instant::now();
            let next = self.watched.reload().await?;
            swaps.load.push(started.elapsed());
            let started = Instant::now();
            swaps.ended += self.watched.plugin.swap(next, self.watched.patience).await;
            swaps.drain.push(started.elapsed());
        }
        stop.cancel();
        while let Some(done) = tasks.join_next().await {
            let (calls, lost, slowest) = done?;
            swaps.calls += calls;
            swaps.lost += lost;
            swaps.slowest = swaps.slowest.max(slowest);
        }
        Ok(swaps)
    }
}

/// What [`Bench::swaps`] saw.
#[derive(Debug, Default)]
pub struct Swaps {
    /// Calls that were answered.
    pub calls: u64,
    /// Calls that failed.
    pub lost: u64,
    /// Calls that were ended by a drain, and made again.
    pub ended: usize,
    /// From file to a generation that may serve, precompiled.
    pub load: Vec<Duration>,
    /// From the change of the pointer until the old generation had no calls.
    pub drain: Vec<Duration>,
    /// The longest call.
    pub slowest: Duration,
}

async fn call_until(
    watched: &Watched,
    stop: &tokio_util::sync::CancellationToken,
) -> (u64, u64, Duration) {
    let facts = CallFacts::internal("bench");
    let (mut calls, mut lost, mut slowest) = (0, 0, Duration::ZERO);
    while !stop.is_cancelled() {
        let started = Instant::now();
        let called = watched.guests.call(&watched.plugin, &watched.grants, &facts, Describe).await;
        slowest = slowest.max(started.elapsed());
        calls += 1;
        lost += u64::from(called.is_err());
    }
    (calls, lost, slowest)
}

fn bind() -> Bind {
    let instance = wit::InstanceRef {
        id: "dbench".to_owned(),
        plan: "free".to_owned(),
        version: "1.0".to_owned(),
    };
    let binding = wit::BindingRef { id: "b".to_owned(), instance };
    Bind { binding, parameters: Vec::new(), reuse: None }
}

/// The native twin of a guest: what a call costs without a sandbox.
pub trait Native {
    /// As `describe`.
    fn describe(&self) -> (String, String);
    /// As `bind`, with its four host calls on `state`.
    fn bind(&self, state: &mut BTreeMap<String, Vec<u8>>) -> String;
}

/// A service behind a trait object, as it would be without guests.
pub struct NativeCounter;

impl Native for NativeCounter {
    fn describe(&self) -> (String, String) {
        ("counter".to_owned(), "Draw a number".to_owned())
    }

    fn bind(&self, state: &mut BTreeMap<String, Vec<u8>>) -> String {
        let ticket = state.get("ticket/dbench/b").cloned();
        let next = state.get("counter/dbench").map_or(0, |value| value.len() as u64 + 1);
        state.insert("counter/dbench".to_owned(), next.to_string().into_bytes());
        state.insert("ticket/dbench/b".to_owned(), ticket.unwrap_or_else(|| vec![b'1']));
        next.to_string()
    }
}

/// `calls` calls of the native twin.
#[must_use]
pub fn native(work: Work, calls: u32) -> Duration {
    let service: Box<dyn Native> = black_box(Box::new(NativeCounter));
    let mut state = BTreeMap::new();
    let started = Instant::now();
    for _ in 0..calls {
        match work {
            Work::NoHostCalls => drop(black_box(service.describe())),
            Work::FourHostCalls => drop(black_box(service.bind(&mut state))),
        }
    }
    started.elapsed()
}
