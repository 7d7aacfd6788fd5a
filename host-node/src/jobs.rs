//! Jobs: a pointer from the work queue, a record that this node carries on by compare-and-set.
//!
//! A job that a crash interrupted is delivered again, and starts again; each kind can be repeated,
//! as what must not be done twice is in the ledger.
//! The record is the truth, and its revision the fence: whoever lost it stops.

mod execute;
mod record;
mod running;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_nats::Client;
use async_nats::jetstream::consumer::{PullConsumer, pull};
use async_nats::jetstream::{self, AckKind, Message};
use futures_util::StreamExt;
use serde::Deserialize;
use serde_json::Value;
use tenon_protocol::chain;
use tenon_protocol::job::JobStatus;
use tenon_protocol::record::{JobRecord, key};
use tenon_protocol::{Code, Fault, JobId, RequestId, subject};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Instrument, Span, info_span};

use self::execute::execute;
use self::record::{Held, JobError, Records};
use self::running::Running;
use crate::capability::context::Progress;
use crate::offering::Offering;

/// A message not heard of for this long is given out again.
const ACK_WAIT: Duration = Duration::from_secs(30);

/// How often a working node says so.
const HEARTBEAT: Duration = Duration::from_secs(8);

/// Starts of one job; a job that was begun so often without an end has failed.
const MAX_ATTEMPTS: u32 = 5;

/// Pause before the queue is looked for again.
const PAUSE: Duration = Duration::from_millis(500);

/// Works on the offering's jobs until `stop`. Waits for the gateway to make the queue.
pub(crate) async fn work(
    client: Client,
    offering: Arc<Offering>,
    tasks: TaskTracker,
    stop: CancellationToken,
) {
    let jetstream = jetstream::new(client);
    let running = Running::new();
    let mut quiet = false;
    while !stop.is_cancelled() {
        let ended = tokio::select! {
            () = stop.cancelled() => return,
            ended = pull_jobs(&jetstream, &offering, &running, &tasks) => ended,
        };
        if let Err(error) = ended {
            // Once: without a gateway there is no queue yet, and that is no fault of this node.
            if !std::mem::replace(&mut quiet, true) {
                tracing::info!(error, "no jobs yet; looking again");
            }
        } else {
            quiet = false;
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

async fn pull_jobs(
    jetstream: &jetstream::Context,
    offering: &Arc<Offering>,
    running: &Running,
    tasks: &TaskTracker,
) -> Result<(), String> {
    let records = Records::open(jetstream).await.map_err(|error| chain(&error).to_string())?;
    let consumer = consumer(jetstream, offering).await?;
    let mut messages = consumer.messages().await.map_err(|error| chain(&error).to_string())?;
    loop {
        let Some(slot) = running.slot().await else { return Ok(()) };
        let Some(message) = messages.next().await else { return Ok(()) };
        let message = message.map_err(|error| chain(&error).to_string())?;
        let (offering, records, running) = (Arc::clone(offering), records.clone(), running.clone());
        drop(tasks.spawn(async move {
            handle(&offering, &records, &running, &message).await;
            drop(slot);
        }));
    }
}

async fn consumer(
    jetstream: &jetstream::Context,
    offering: &Offering,
) -> Result<PullConsumer, String> {
    let (service, node) = (offering.service(), offering.node());
    let (name, own) = (key::jobs_consumer(service, node), subject::jobs_of(service, node));
    let config = pull::Config {
        durable_name: Some(name.clone()),
        filter_subject: own.clone(),
        ack_wait: ACK_WAIT,
        max_ack_pending: 16,
        ..pull::Config::default()
    };
    let stream = jetstream.get_stream_no_info(key::JOBS_STREAM).await;
    let stream = stream.map_err(|error| chain(&error).to_string())?;
    match stream.get_or_create_consumer(&name, config).await {
        Ok(found) if takes(&found) == own => Ok(found),
        Ok(other) => Err(format!("consumer {name} takes {}, not {own}: remove it", takes(&other))),
        Err(error) => {
            // A queue gives a job to one consumer only: there may be one under its earlier name.
            let before = key::jobs_consumer_before(service, node);
            let earlier = stream.get_consumer::<pull::Config>(&before).await.ok();
            let earlier = earlier.filter(|earlier| takes(earlier) == own);
            earlier.ok_or_else(|| chain(&error).to_string())
        }
    }
}

/// The subjects whose messages a consumer gives out.
fn takes(consumer: &PullConsumer) -> &str {
    &consumer.cached_info().config.filter_subject
}

/// What the work queue holds.
#[derive(Deserialize)]
struct Pointer {
    job: JobId,
}

async fn handle(offering: &Offering, records: &Records, running: &Running, message: &Message) {
    let Ok(pointer) = serde_json::from_slice::<Pointer>(&message.payload) else {
        tracing::warn!(subject = %message.subject, "a job message is malformed, and dropped");
        acknowledge(message).await;
        return;
    };
    let Some(_entered) = running.enter(&pointer.job) else {
        // Left in the queue until its end is recorded.
        tracing::info!(job = %pointer.job, "a job goes on, and is not begun again");
        return;
    };
    match carry_on(offering, records, message, &pointer.job).await {
        Ok(()) => acknowledge(message).await,
        // Left in the queue: it is given out again after ACK_WAIT.
        Err(error) => {
            tracing::warn!(job = %pointer.job, error = %chain(&error), "a job is left for later")
        }
    }
}

async fn acknowledge(message: &Message) {
    if let Err(error) = message.double_ack().await {
        tracing::warn!(error = %chain(&*error), "a finished job could not be taken off the queue");
    }
}

/// Takes the job up where its record says it is, and brings it to an end.
async fn carry_on(
    offering: &Offering,
    records: &Records,
    message: &Message,
    id: &JobId,
) -> Result<(), JobError> {
    let Some(held) = records.job(offering.service(), offering.node(), id).await? else {
        tracing::warn!(job = %id, "a job has no record, and is dropped");
        return Ok(());
    };
    if held.record.status.is_final() {
        // It was ended from outside, perhaps while this node was away.
        return discard(offering, records, &held.record).await;
    }
    let span = span(offering, &held.record);
    bring_to_an_end(offering, records, message, held).instrument(span).await
}

fn span(offering: &Offering, job: &JobRecord) -> Span {
    info_span!(
        "job",
        job = job.id.as_str(),
        offering = offering.config.label.as_str(),
        request_id = job.request.as_ref().map(RequestId::as_str),
        instance = job.instance.as_str()
    )
}

async fn bring_to_an_end(
    offering: &Offering,
    records: &Records,
    message: &Message,
    mut held: Held,
) -> Result<(), JobError> {
    held.record.attempts += 1;
    let started = held.record.attempts <= MAX_ATTEMPTS;
    held.record.status = JobStatus::Working;
    records.update(&mut held).await?;
    let progress = Arc::new(Mutex::new(Progress::default()));
    let outcome = if started {
        let job = held.record.clone();
        // Boxed: it is a large future, and its callers' would be larger.
        let work = Box::pin(execute(offering, records, &job, Arc::clone(&progress)));
        keep_alive(records, &mut held, message, &progress, work).await?
    } else {
        let text = format!("Job was begun {MAX_ATTEMPTS} times without an end");
        Err(Fault::new(Code::INTERNAL, text))
    };
    finish(offering, records, held, outcome).await
}

/// Removes what is left of a job that failed and is not begun again: what it wrote aside, and what
/// it kept as a snapshot that no record lists.
async fn discard(offering: &Offering, records: &Records, job: &JobRecord) -> Result<(), JobError> {
    let Some(store) = &offering.snapshots else { return Ok(()) };
    store.discard(&job.service, &job.instance, &job.id);
    let made = job.kind.makes().filter(|_| job.status != JobStatus::Completed);
    if let Some(snapshot) = made
        && !records.is_listed(job, snapshot).await?
    {
        store.discard_snapshot(&job.service, &job.instance, snapshot);
    }
    Ok(())
}

/// Runs `work`, and meanwhile tells queue and record that it goes on.
async fn keep_alive(
    records: &Records,
    held: &mut Held,
    message: &Message,
    progress: &Mutex<Progress>,
    work: impl Future<Output = Result<Value, Fault>>,
) -> Result<Result<Value, Fault>, JobError> {
    tokio::pin!(work);
    let mut beat = tokio::time::interval(HEARTBEAT);
    beat.tick().await;
    loop {
        tokio::select! {
            outcome = &mut work => return Ok(outcome),
            _ = beat.tick() => {
                if let Err(error) = message.ack_with(AckKind::Progress).await {
                    tracing::warn!(error = %chain(&*error), "the queue was not told that a job goes on");
                }
                let now = progress.lock().unwrap_or_else(PoisonError::into_inner).clone();
                if now.percent != held.record.progress {
                    tracing::info!(job = %held.record.id, now.percent, now.note, "a job goes on");
                    held.record.progress = now.percent;
                    show_progress(records, held).await?;
                }
            }
        }
    }
}

/// Records how far a job is. While the bucket does not answer, the work goes on all the same.
async fn show_progress(records: &Records, held: &mut Held) -> Result<(), JobError> {
    match records.update(held).await {
        Err(JobError::Bucket(error)) => {
            tracing::warn!(job = %held.record.id, error, "nobody was told that a job goes on");
            Ok(())
        }
        told @ (Ok(()) | Err(JobError::Lost | JobError::Form(_) | JobError::Passing)) => told,
    }
}

async fn finish(
    offering: &Offering,
    records: &Records,
    mut held: Held,
    outcome: Result<Value, Fault>,
) -> Result<(), JobError> {
    let job = held.record.id.clone();
    let (status, result) = match outcome {
        // Passing: the queue gives it out again, until the attempts are used up.
        Err(fault) if fault.is(Code::UNAVAILABLE) && held.record.attempts < MAX_ATTEMPTS => {
            return Err(JobError::Passing);
        }
        Err(fault) => {
            let fault = in_words_of_a_job(offering, fault);
            tracing::warn!(%job, %fault, "a job failed");
            discard(offering, records, &held.record).await?;
            (JobStatus::Failed, serde_json::to_value(&fault.msg).ok())
        }
        Ok(result) => {
            tracing::info!(%job, "a job is done");
            held.record.progress = 100;
            (JobStatus::Completed, Some(result))
        }
    };
    held.record.end(status, result, tenon_protocol::clock::Millis::now());
    records.update(&mut held).await
}

/// A job that took too long has a number of its own.
fn in_words_of_a_job(offering: &Offering, fault: Fault) -> Fault {
    match &offering.snapshots {
        Some(store) if fault.is(Code::NODE_TIMEOUT) => Fault::job_ttl(store.job_ttl),
        Some(_) | None => fault,
    }
}
