//! Rows (a), (f) and (g): sandboxes, loading, swapping, on the node's own path.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;
use tenon_node::measure::{Bench, Work, native};

use crate::report::{Report, median};
use crate::{Arguments, Result};

/// Calls in one turn.
const CALLS: u32 = 2_000;

/// Swaps, and the callers meanwhile.
const SWAPS: u32 = 400;
const CALLERS: u32 = 16;

pub(crate) async fn measure(arguments: &Arguments, report: &mut Report) -> Result<()> {
    let home = tempfile::tempdir()?;
    let (program, plugins) = places()?;
    let runtime = tokio::runtime::Handle::current();
    let mut bench = Bench::open(home.path(), &program, &plugins, "counter", runtime)?;
    let cold = bench.load().await?;
    let warm = bench.load().await?;
    bench.prepare().await?;
    if arguments.rows.contains(&'f') {
        add_loads(arguments, &mut bench, cold, warm, report).await?;
    }
    if arguments.rows.contains(&'a') {
        add_calls(arguments, &bench, report).await?;
    }
    if arguments.rows.contains(&'g') {
        add_swaps(&bench, report).await?;
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "the benchmark is told where its parts are")]
fn places() -> Result<(PathBuf, PathBuf)> {
    let beside = std::env::current_exe()?;
    let beside = beside.parent().ok_or("this program is nowhere")?;
    let guests = std::env::var_os("TENON_GUESTS_DIR").ok_or("TENON_GUESTS_DIR is not set")?;
    Ok((beside.join("tenon-node"), PathBuf::from(guests)))
}

async fn add_calls(arguments: &Arguments, bench: &Bench, report: &mut Report) -> Result<()> {
    for (work, what) in [(Work::NoHostCalls, "0 host calls"), (Work::FourHostCalls, "4 host calls")]
    {
        let mut turns = [(); 4].map(|()| Vec::new());
        for _ in 0..arguments.rounds {
            turns[0].push(each(native(work, CALLS)));
            turns[1].push(each(bench.reused(work, CALLS).await?));
            turns[2].push(each(bench.fresh(work, CALLS).await?));
            turns[3].push(each(bench.dispatched(work, CALLS).await?));
        }
        let [native, reused, fresh, dispatched] = turns.map(median);
        report.add(
            "a",
            format!("one call, {what}: native : reused store : fresh store"),
            format!("1 : {:.0} : {:.0}", reused / native, fresh / native),
            "",
            json!({"native_us": native, "reused_us": reused, "fresh_us": fresh}),
        );
        report.add(
            "a",
            format!("one call, {what}: fresh store; with slot, task and time limit"),
            format!("{fresh:.1} us; {dispatched:.1} us"),
            if work == Work::FourHostCalls { "<= 10 us fresh" } else { "" },
            json!({"fresh_us": fresh, "dispatched_us": dispatched}),
        );
    }
    Ok(())
}

fn each(total: Duration) -> f64 {
    total.as_secs_f64() * 1e6 / f64::from(CALLS)
}

async fn add_loads(
    arguments: &Arguments,
    bench: &mut Bench,
    cold: Duration,
    warm: Duration,
    report: &mut Report,
) -> Result<()> {
    let mut loads = vec![warm.as_secs_f64() * 1e3];
    for _ in 0..arguments.rounds * 10 {
        loads.push(bench.load().await?.as_secs_f64() * 1e3);
    }
    let (warm, cold) = (median(loads), cold.as_secs_f64() * 1e3);
    report.add(
        "f",
        "plugin load: precompiled, with describe and health; cold, in a child",
        format!("{warm:.2} ms; {cold:.0} ms"),
        "<= 1 ms precompiled",
        json!({"precompiled_ms": warm, "cold_ms": cold}),
    );
    Ok(())
}

async fn add_swaps(bench: &Bench, report: &mut Report) -> Result<()> {
    let mut total = bench.swaps(SWAPS, CALLERS).await?;
    // The target counts calls too: more swaps until there are enough.
    while total.calls < 100_000 {
        let more = bench.swaps(SWAPS / 4, CALLERS).await?;
        total.calls += more.calls;
        total.lost += more.lost;
        total.load.extend(more.load);
        total.drain.extend(more.drain);
        total.slowest = total.slowest.max(more.slowest);
    }
    let ms = |durations: &[Duration]| {
        median(durations.iter().map(|one| one.as_secs_f64() * 1e3).collect())
    };
    let (load, drain) = (ms(&total.load), ms(&total.drain));
    let slowest = total.slowest.as_secs_f64() * 1e3;
    report.add(
        "g",
        format!("{} swaps under {CALLERS} callers: calls, lost", total.load.len()),
        format!("{}, {}", total.calls, total.lost),
        ">= 100,000 calls over >= 400 swaps, 0 lost",
        json!({"swaps": total.load.len(), "calls": total.calls, "lost": total.lost}),
    );
    report.add(
        "g",
        "swap pause: load, swap and drain; slowest call meanwhile",
        format!("{load:.2} + {drain:.2} ms; {slowest:.0} ms"),
        "load <= 1 ms precompiled",
        json!({"load_ms": load, "drain_ms": drain, "slowest_call_ms": slowest}),
    );
    Ok(())
}
