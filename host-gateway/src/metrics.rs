//! Counters in the text form of Prometheus. Knows no HTTP.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;

/// Upper bounds of the buckets of durations, in milliseconds.
const BOUNDS_MS: [u32; 11] = [1, 2, 5, 10, 25, 50, 100, 250, 1_000, 2_500, 10_000];

/// Operations, as metrics and log lines name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verb {
    Provision,
    Unprovision,
    Bind,
    Unbind,
    CreateSnapshot,
    GetSnapshot,
    RenameSnapshot,
    RollbackSnapshot,
    DeleteSnapshot,
    ListSnapshots,
    CreateSnapshotV2,
    ListSnapshotsV2,
    CreateSerializedUrl,
    GetSerializedUrl,
    ImportFromUrl,
    DownloadSnapshot,
    UploadPackage,
    DownloadUpload,
    DeleteUpload,
    ShowJob,
    Restore,
    Recover,
    ListInstances,
    Migrate,
    CheckOrphan,
    PurgeOrphan,
}

impl Verb {
    /// The word in the label.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Provision => "provision",
            Self::Unprovision => "unprovision",
            Self::Bind => "bind",
            Self::Unbind => "unbind",
            Self::CreateSnapshot => "create_snapshot",
            Self::RollbackSnapshot => "rollback_snapshot",
            Self::ListSnapshots => "list_snapshots",
            Self::GetSnapshot => "get_snapshot",
            Self::RenameSnapshot => "rename_snapshot",
            Self::DeleteSnapshot => "delete_snapshot",
            Self::CreateSnapshotV2 => "create_snapshot_v2",
            Self::ListSnapshotsV2 => "list_snapshots_v2",
            Self::CreateSerializedUrl => "create_serialized_url",
            Self::GetSerializedUrl => "get_serialized_url",
            Self::ImportFromUrl => "import_from_url",
            Self::DownloadSnapshot => "download_snapshot",
            Self::UploadPackage => "upload_package",
            Self::DownloadUpload => "download_upload",
            Self::DeleteUpload => "delete_upload",
            Self::ShowJob => "show_job",
            Self::Restore => "restore",
            Self::Recover => "recover",
            Self::ListInstances => "list_instances",
            Self::Migrate => "migrate",
            Self::CheckOrphan => "check_orphan",
            Self::PurgeOrphan => "purge_orphan",
        }
    }
}

/// What a gateway does unasked, again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Duty {
    /// The platform was told of an offering, and has its catalog.
    Heartbeat,
    /// What the platform has of an offering was taken over.
    Handles,
    /// A pass over what is unfinished.
    Reconcile,
    /// All records were read anew.
    Reread,
    /// A check that began because it was due.
    CheckOrphan,
}

impl Duty {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Heartbeat => "heartbeat",
            Self::Handles => "handles",
            Self::Reconcile => "reconcile",
            Self::Reread => "reread",
            Self::CheckOrphan => "check_orphan",
        }
    }
}

/// All counters.
#[derive(Debug, Default)]
pub(crate) struct Metrics(Mutex<Counters>);

#[derive(Debug, Default)]
struct Counters {
    /// By operation and HTTP status.
    done: BTreeMap<(Verb, u16), u64>,
    /// By operation.
    took: BTreeMap<Verb, Histogram>,
    /// By number of the error.
    refused: BTreeMap<u32, u64>,
    /// By what was done to a record.
    reconciled: BTreeMap<&'static str, u64>,
    performed: BTreeMap<Duty, u64>,
    responses: Responses,
}

/// Answers of the classic front by class of their status, as `/varz` shows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub(crate) struct Responses {
    responses_xxx: u64,
    responses_2xx: u64,
    responses_3xx: u64,
    responses_4xx: u64,
    responses_5xx: u64,
}

#[derive(Debug, Default)]
struct Histogram {
    below: [u64; BOUNDS_MS.len()],
    count: u64,
    sum: Duration,
}

/// A value that is read when metrics are.
pub(crate) struct Gauge {
    pub(crate) name: &'static str,
    pub(crate) help: &'static str,
    pub(crate) value: u64,
}

impl Metrics {
    /// An operation ended with `status` after `took`.
    pub(crate) fn done(&self, verb: Verb, status: u16, took: Duration) {
        let mut counters = self.lock();
        *counters.done.entry((verb, status)).or_default() += 1;
        counters.took.entry(verb).or_default().add(took);
    }

    /// A request was refused before it became an operation.
    pub(crate) fn refused(&self, code: u32) {
        *self.lock().refused.entry(code).or_default() += 1;
    }

    /// The reconciler did `what` to `count` records.
    pub(crate) fn reconciled(&self, what: &'static str, count: u64) {
        *self.lock().reconciled.entry(what).or_default() += count;
    }

    /// The gateway did what is due at an interval.
    pub(crate) fn performed(&self, duty: Duty) {
        *self.lock().performed.entry(duty).or_default() += 1;
    }

    /// The classic front answered with `status`.
    pub(crate) fn responded(&self, status: u16) {
        let responses = &mut self.lock().responses;
        let count = match status / 100 {
            2 => &mut responses.responses_2xx,
            3 => &mut responses.responses_3xx,
            4 => &mut responses.responses_4xx,
            5 => &mut responses.responses_5xx,
            0 | 1 | 6.. => &mut responses.responses_xxx,
        };
        *count += 1;
    }

    /// How often it answered.
    pub(crate) fn responses(&self) -> Responses {
        self.lock().responses
    }

    /// All of it.
    pub(crate) fn render(&self, gauges: &[Gauge]) -> String {
        let counters = self.lock();
        let mut text = String::new();
        let done = counters.done.iter().map(|((verb, status), count)| {
            (format!("operation=\"{}\",status=\"{status}\"", verb.as_str()), *count)
        });
        counter(&mut text, "tenon_gateway_operations_total", "Operations that ended.", done);
        let refused = counters.refused.iter().map(|(code, n)| (format!("code=\"{code}\""), *n));
        counter(&mut text, "tenon_gateway_refused_total", "Requests refused at the door.", refused);
        let reconciled =
            counters.reconciled.iter().map(|(what, n)| (format!("what=\"{what}\""), *n));
        counter(
            &mut text,
            "tenon_gateway_reconciled_total",
            "Left-over work that was taken up.",
            reconciled,
        );
        let performed = counters.performed.iter();
        let performed = performed.map(|(duty, n)| (format!("duty=\"{}\"", duty.as_str()), *n));
        counter(&mut text, "tenon_gateway_duties_total", "What was done unasked.", performed);
        histograms(&mut text, &counters.took);
        for gauge in gauges {
            head(&mut text, gauge.name, gauge.help, "gauge");
            line(&mut text, format_args!("{} {}", gauge.name, gauge.value));
        }
        text
    }

    // A panic while it is held leaves whole numbers behind.
    fn lock(&self) -> MutexGuard<'_, Counters> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Histogram {
    fn add(&mut self, took: Duration) {
        self.count += 1;
        self.sum += took;
        for (below, bound) in self.below.iter_mut().zip(BOUNDS_MS) {
            if took <= Duration::from_millis(bound.into()) {
                *below += 1;
            }
        }
    }
}

fn counter(text: &mut String, name: &str, help: &str, values: impl Iterator<Item = (String, u64)>) {
    head(text, name, help, "counter");
    for (labels, value) in values {
        line(text, format_args!("{name}{{{labels}}} {value}"));
    }
}

fn histograms(text: &mut String, took: &BTreeMap<Verb, Histogram>) {
    const NAME: &str = "tenon_gateway_operation_seconds";
    head(text, NAME, "How long operations took.", "histogram");
    for (verb, histogram) in took {
        let verb = verb.as_str();
        for (below, bound) in histogram.below.iter().zip(BOUNDS_MS) {
            let bound = f64::from(bound) / 1000.0;
            let labels = format_args!("operation=\"{verb}\",le=\"{bound}\"");
            line(text, format_args!("{NAME}_bucket{{{labels}}} {below}"));
        }
        let count = histogram.count;
        line(text, format_args!("{NAME}_bucket{{operation=\"{verb}\",le=\"+Inf\"}} {count}"));
        let sum = histogram.sum.as_secs_f64();
        line(text, format_args!("{NAME}_sum{{operation=\"{verb}\"}} {sum}"));
        line(text, format_args!("{NAME}_count{{operation=\"{verb}\"}} {count}"));
    }
}

fn head(text: &mut String, name: &str, help: &str, kind: &str) {
    line(text, format_args!("# HELP {name} {help}\n# TYPE {name} {kind}"));
}

fn line(text: &mut String, content: std::fmt::Arguments<'_>) {
    writeln!(text, "{content}").expect("a string takes all that is written");
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn metrics_have_the_form_of_prometheus() {
        let metrics = Metrics::default();
        metrics.done(Verb::Provision, 200, Duration::from_millis(30));
        metrics.done(Verb::Provision, 504, Duration::from_secs(5));
        metrics.refused(30100);
        metrics.reconciled("undone", 2);
        metrics.performed(Duty::Heartbeat);
        let gauge = Gauge { name: "tenon_gateway_nodes", help: "Nodes alive.", value: 3 };
        expect![[r##"
            # HELP tenon_gateway_operations_total Operations that ended.
            # TYPE tenon_gateway_operations_total counter
            tenon_gateway_operations_total{operation="provision",status="200"} 1
            tenon_gateway_operations_total{operation="provision",status="504"} 1
            # HELP tenon_gateway_refused_total Requests refused at the door.
            # TYPE tenon_gateway_refused_total counter
            tenon_gateway_refused_total{code="30100"} 1
            # HELP tenon_gateway_reconciled_total Left-over work that was taken up.
            # TYPE tenon_gateway_reconciled_total counter
            tenon_gateway_reconciled_total{what="undone"} 2
            # HELP tenon_gateway_duties_total What was done unasked.
            # TYPE tenon_gateway_duties_total counter
            tenon_gateway_duties_total{duty="heartbeat"} 1
            # HELP tenon_gateway_operation_seconds How long operations took.
            # TYPE tenon_gateway_operation_seconds histogram
            tenon_gateway_operation_seconds_bucket{operation="provision",le="0.001"} 0
            tenon_gateway_operation_seconds_bucket{operation="provision",le="0.002"} 0
            tenon_gateway_operation_seconds_bucket{operation="provision",le="0.005"} 0
            tenon_gateway_operation_seconds_bucket{operation="provision",le="0.01"} 0
            tenon_gateway_operation_seconds_bucket{operation="provision",le="0.025"} 0
            tenon_gateway_operation_seconds_bucket{operation="provision",le="0.05"} 1
            tenon_gateway_operation_seconds_bucket{operation="provision",le="0.1"} 1
            tenon_gateway_operation_seconds_bucket{operation="provision",le="0.25"} 1
            tenon_gateway_operation_seconds_bucket{operation="provision",le="1"} 1
            tenon_gateway_operation_seconds_bucket{operation="provision",le="2.5"} 1
            tenon_gateway_operation_seconds_bucket{operation="provision",le="10"} 2
            tenon_gateway_operation_seconds_bucket{operation="provision",le="+Inf"} 2
            tenon_gateway_operation_seconds_sum{operation="provision"} 5.03
            tenon_gateway_operation_seconds_count{operation="provision"} 2
            # HELP tenon_gateway_nodes Nodes alive.
            # TYPE tenon_gateway_nodes gauge
            tenon_gateway_nodes 3
        "##]]
        .assert_eq(&metrics.render(&[gauge]));
    }
}
