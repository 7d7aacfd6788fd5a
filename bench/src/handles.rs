//! Row (h): a gateway starts, and its cloud controller has many handles for it.
//!
//! At the first start no record knows them, at the second start all are known.

use serde_json::{Value, json};
use tenon_tests::{Options, Platform, wait_until};

use crate::process::resident_mib;
use crate::report::Report;
use crate::{Arguments, Result};

/// For all of them to be written down, one by one, durably.
const DEADLINE: std::time::Duration = std::time::Duration::from_secs(1_800);
/// Where the stand-in cloud controller keeps handles.
const FILE: &str = "cloud-controller.json";
const LABEL: &str = "echo";

/// Half of the handles are instances, half are bindings, one of each.
pub(crate) async fn measure(arguments: &Arguments, report: &mut Report) -> Result<()> {
    let mut platform = Platform::start(Options::of(&[LABEL])).await?;
    let without = start(&platform).await?;
    platform.dir()?.write(FILE, serde_json::to_vec(&handles(arguments.handles / 2))?)?;
    // What the starts before it said stays in the log.
    let told = platform.log("gateway-1").len();
    platform.restart().await?;
    let first = fetched(&platform, told).await?;
    let second = start(&platform).await?;
    for (when, start) in [("unknown", &first), ("known", &second)] {
        let per_handle = |value: f64| value / f64::from(arguments.handles);
        let grown_bytes = (start.peak_mib - without.peak_mib) * f64::from(1 << 20);
        report.add(
            "h",
            format!("{} handles at start, all {when}", arguments.handles),
            format!(
                "{:.1} + {:.1} us, {:.0} bytes each",
                per_handle(start.fetch_seconds * 1e6),
                per_handle(start.adopt_seconds * 1e6),
                per_handle(grown_bytes),
            ),
            "fetch + compare; memory at most",
            json!({"handles": arguments.handles, "fetch_seconds": start.fetch_seconds,
                "adopt_seconds": start.adopt_seconds, "peak_mib": start.peak_mib,
                "peak_mib_without": without.peak_mib}),
        );
    }
    Ok(())
}

/// What one start of the gateway took.
struct Start {
    fetch_seconds: f64,
    adopt_seconds: f64,
    peak_mib: f64,
}

/// Starts the gateway anew.
async fn start(platform: &Platform) -> Result<Start> {
    let told = platform.log("gateway-1").len();
    let control = platform.control()?;
    control.stop("gateway-1").await?;
    control.start("gateway-1", None).await?;
    fetched(platform, told).await
}

/// What the gateway says of its handles after byte `told` of its log.
async fn fetched(platform: &Platform, told: usize) -> Result<Start> {
    let line: Value = wait_until("the handles are fetched", DEADLINE, async || {
        let log = platform.log("gateway-1");
        let line = log.get(told..)?.lines().rfind(|line| line.contains("handles fetched"))?;
        serde_json::from_str(line).ok()
    })
    .await?;
    let field = |name: &str| {
        let field = line.get("fields").and_then(|fields| fields.get(name));
        field.and_then(Value::as_f64).ok_or("the log has no such field")
    };
    let peak_mib = resident_mib(platform.dev_file()?.gateway.pid)?.peak;
    Ok(Start {
        fetch_seconds: field("fetch_seconds")?,
        adopt_seconds: field("adopt_seconds")?,
        peak_mib,
    })
}

/// By label and id, as the stand-in keeps them; about as long as those of a database.
fn handles(instances: u32) -> Value {
    let mut all = serde_json::Map::new();
    for number in 0..instances {
        let instance = format!("d{number:032x}");
        let credentials = json!({
            "name": instance, "hostname": "10.10.4.31", "host": "10.10.4.31", "port": 3307,
            "user": "uQ7wZ2kLm9XrT", "username": "uQ7wZ2kLm9XrT", "password": "pV4nB8sD1fGh2",
            "node_id": "node-1",
        });
        let binding = format!("3b0c8a52-6f7e-4d1b-9a53-{number:012x}");
        for id in [instance, binding] {
            let handle = json!({
                "service_id": id, "credentials": credentials,
                "configuration": { "plan": "free", "version": "1.0" },
            });
            all.insert(id, handle);
        }
    }
    json!({ LABEL: all })
}
