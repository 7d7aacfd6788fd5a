//! Rows (b) and (c): whole operations through gateway and node against their limit.

#![expect(clippy::indexing_slicing, reason = "kinds and processes are small fixed arrays")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use serde_json::json;
use tenon_tests::Classic;
use tokio::task::JoinSet;

use crate::platform::Platforms;
use crate::process::cpu_ms;
use crate::report::{Report, median};
use crate::sql::Bare;
use crate::{Arguments, Result};

/// Operations of each kind in one turn, by how many are in flight.
const TURNS: [(usize, u32); 3] = [(1, 60), (8, 240), (32, 480)];

/// Kinds of operations, in the order of one life.
const KINDS: [&str; 4] = ["provision", "bind", "unbind", "unprovision"];

/// One side of a pair: how long each kind took, and how many failed.
#[derive(Default)]
struct Turn {
    took: [Duration; 4],
    errors: u32,
}

/// CPU milliseconds that each process used in a turn of Tenon's, by kind.
type Cpu = [[f64; 3]; 4];

/// Row (b).
pub(crate) async fn against_sql(
    arguments: &Arguments,
    platforms: &Platforms,
    report: &mut Report,
) -> Result<()> {
    let classic = platforms.classic("mysql")?;
    let bare = Bare::open(&platforms.server()?)?;
    warm_up(&classic, &bare).await?;
    for (in_flight, count) in TURNS {
        let mut ratios = [(); 4].map(|()| Vec::new());
        let mut rates = [(); 4].map(|()| Vec::new());
        let mut cpu: [Vec<[f64; 3]>; 4] = Default::default();
        let (mut errors, mut bare_errors) = (0, 0);
        for _ in 0..arguments.rounds {
            let (tenon, used) = turn_of_tenon(platforms, &classic, in_flight, count).await?;
            let limit = turn_of_sql(&bare, in_flight, count).await?;
            errors += tenon.errors;
            bare_errors += limit.errors;
            for (kind, used) in used.iter().enumerate() {
                let took = tenon.took[kind].as_secs_f64();
                ratios[kind].push(limit.took[kind].as_secs_f64() / took);
                rates[kind].push(f64::from(count) / took);
                cpu[kind].push(used.map(|ms| ms / f64::from(count)));
            }
        }
        for (kind, name) in KINDS.iter().enumerate() {
            let ratio = median(ratios[kind].clone());
            let rate = median(rates[kind].clone());
            let part = |index: usize| median(cpu[kind].iter().map(|ms| ms[index]).collect());
            let (gateway, node, mariadb) = (part(0), part(1), part(2));
            report.add(
                "b",
                format!("{name}, {in_flight} in flight: rate / rate of its bare SQL"),
                format!("{ratio:.2} ({rate:.0}/s, {errors} errors)"),
                target(name, in_flight),
                json!({"ratio": ratio, "per_second": rate, "errors": errors,
                    "bare_errors": bare_errors, "in_flight": in_flight}),
            );
            report.add(
                "b",
                format!("{name}, {in_flight} in flight: CPU gateway + node, MariaDB"),
                format!("{gateway:.2} + {node:.2}, {mariadb:.2} ms"),
                if in_flight == 1 { "gateway + node <= 0.7 ms; bind: MariaDB <= 3 ms" } else { "" },
                json!({"gateway_ms": gateway, "node_ms": node, "mariadb_ms": mariadb}),
            );
        }
    }
    Ok(())
}

fn target(kind: &str, in_flight: usize) -> &'static str {
    match (kind, in_flight) {
        ("provision", 1) => ">= 0.80, no errors",
        ("provision", _) => ">= 0.95, no errors",
        _ => "",
    }
}

async fn warm_up(classic: &Classic, bare: &Bare) -> Result<()> {
    for number in 0..5 {
        let instance = classic.provision().await?.service_id;
        classic.unprovision(&instance).await?;
        bare.provision(&format!("w{number}")).await?;
        bare.unprovision(&format!("w{number}")).await?;
    }
    Ok(())
}

async fn turn_of_tenon(
    platforms: &Platforms,
    classic: &Classic,
    in_flight: usize,
    count: u32,
) -> Result<(Turn, Cpu)> {
    let mut turn = Turn::default();
    let mut cpu = Cpu::default();
    let instances = Arc::new(std::sync::Mutex::new(Vec::new()));
    for (kind, _) in KINDS.iter().enumerate() {
        let before = used(platforms)?;
        let started = Instant::now();
        let (classic, instances) = (classic.clone(), Arc::clone(&instances));
        turn.errors += spread(in_flight, count, move |number| {
            let (classic, instances) = (classic.clone(), Arc::clone(&instances));
            async move { step(&classic, &instances, kind, number).await.is_ok() }
        })
        .await?;
        turn.took[kind] = started.elapsed();
        let after = used(platforms)?;
        for (index, ms) in cpu[kind].iter_mut().enumerate() {
            *ms = after[index] - before[index];
        }
    }
    Ok((turn, cpu))
}

/// One instance and its binding, once it has one.
type Made = Arc<std::sync::Mutex<Vec<(String, Option<String>)>>>;

async fn step(classic: &Classic, made: &Made, kind: usize, number: u32) -> Result<()> {
    let at = usize::try_from(number)?;
    let look = || made.lock().ok().and_then(|made| made.get(at).cloned()).ok_or("nothing made");
    match kind {
        0 => {
            let instance = classic.provision().await?.service_id;
            made.lock().map_err(|_poisoned| "poisoned")?.push((instance, None));
        }
        1 => {
            let (instance, _) = look()?;
            let binding = classic.bind(&instance).await?.service_id;
            if let Some(entry) = made.lock().map_err(|_poisoned| "poisoned")?.get_mut(at) {
                entry.1 = Some(binding);
            }
        }
        2 => {
            let (instance, binding) = look()?;
            classic.unbind(&instance, &binding.ok_or("not bound")?).await?;
        }
        _ => classic.unprovision(&look()?.0).await?,
    }
    Ok(())
}

async fn turn_of_sql(bare: &Bare, in_flight: usize, count: u32) -> Result<Turn> {
    let mut turn = Turn::default();
    for (kind, took) in turn.took.iter_mut().enumerate() {
        let started = Instant::now();
        let bare = bare.clone();
        turn.errors += spread(in_flight, count, move |number| {
            let (bare, name) = (bare.clone(), number.to_string());
            async move {
                let done = match kind {
                    0 => bare.provision(&name).await,
                    1 => bare.bind(&name).await,
                    2 => bare.unbind(&name).await,
                    _ => bare.unprovision(&name).await,
                };
                done.is_ok()
            }
        })
        .await?;
        *took = started.elapsed();
    }
    Ok(turn)
}

/// Runs `work` for 0 to `count`, `in_flight` at once; how many failed.
async fn spread<F, W>(in_flight: usize, count: u32, work: W) -> Result<u32>
where
    F: Future<Output = bool> + Send + 'static,
    W: Fn(u32) -> F + Clone + Send + 'static,
{
    let next = Arc::new(AtomicU32::new(0));
    let mut workers = JoinSet::new();
    for _ in 0..in_flight {
        let (next, work) = (Arc::clone(&next), work.clone());
        workers.spawn(async move {
            let mut failed = 0;
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return failed;
                }
                failed += u32::from(!work(number).await);
            }
        });
    }
    let mut failed = 0;
    while let Some(worker) = workers.join_next().await {
        failed += worker?;
    }
    Ok(failed)
}

fn used(platforms: &Platforms) -> Result<[f64; 3]> {
    Ok([cpu_ms(platforms.gateway)?, cpu_ms(platforms.node)?, cpu_ms(platforms.mariadb)?])
}

/// Row (c): a service without a backend against a bare request on the same bus.
pub(crate) async fn against_bus(
    arguments: &Arguments,
    platforms: &Platforms,
    report: &mut Report,
) -> Result<()> {
    let classic = platforms.classic("echo")?;
    let dev = platforms.dev()?;
    let client = bus(&dev).await?;
    let mut requests = client.subscribe("tenon.bench").await?;
    let answering = client.clone();
    let mut answerer = JoinSet::new();
    answerer.spawn(async move {
        while let Some(message) = requests.next().await {
            if let Some(reply) = message.reply {
                drop(answering.publish(reply, message.payload).await);
            }
        }
    });
    client.flush().await?;
    for in_flight in [1, 8, 32] {
        let count = 400;
        let mut ratios = Vec::new();
        let mut rates = Vec::new();
        for _ in 0..arguments.rounds {
            let tenon = echoes(&classic, in_flight, count).await?;
            let started = Instant::now();
            let one = client.clone();
            spread(in_flight, count, move |_| {
                let client = one.clone();
                async move { client.request("tenon.bench", "x".into()).await.is_ok() }
            })
            .await?;
            let bare = started.elapsed().as_secs_f64();
            ratios.push(tenon / bare);
            rates.push(f64::from(count) / tenon);
        }
        let (ratio, rate) = (median(ratios), median(rates));
        report.add(
            "c",
            format!("echo provision, {in_flight} in flight: time / bare NATS request"),
            format!("{ratio:.1} ({rate:.0}/s)"),
            "",
            json!({"ratio": ratio, "per_second": rate, "in_flight": in_flight}),
        );
    }
    answerer.shutdown().await;
    Ok(())
}

/// Seconds that `count` provisions took; what was made is removed afterwards.
async fn echoes(classic: &Classic, in_flight: usize, count: u32) -> Result<f64> {
    let made: Made = Arc::default();
    let run = |kind| {
        let (classic, made) = (classic.clone(), Arc::clone(&made));
        spread(in_flight, count, move |number| {
            let (classic, made) = (classic.clone(), Arc::clone(&made));
            async move { step(&classic, &made, kind, number).await.is_ok() }
        })
    };
    let started = Instant::now();
    let errors = run(0).await?;
    let took = started.elapsed().as_secs_f64();
    if errors > 0 || run(3).await? > 0 {
        return Err(format!("some of {count} lives of echo failed").into());
    }
    Ok(took)
}

async fn bus(dev: &tenon::dev::DevFile) -> Result<async_nats::Client> {
    let nats = &dev.nats;
    let options = async_nats::ConnectOptions::new();
    let options = options.user_and_password(nats.user.clone(), nats.password.reveal().to_owned());
    Ok(options.connect(&nats.url).await?)
}
