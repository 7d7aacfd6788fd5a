//! What anybody may ask a gateway of 2013 on the bus: `S.handles`, and `S.update_service_handle`.
//!
//! Only beside original peers: between Tenon's own nobody needs them, and the bus does not tell who
//! asks (P15, P16). No answer has a secret in it. Decides nothing.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use async_nats::Message;
use futures_util::StreamExt;
use futures_util::stream::select_all;
use serde_json::Value;
use tenon_protocol::chain;
use tenon_protocol::message::Handle;
use tenon_protocol::subject;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, info_span};

use crate::component::handles;
use crate::config::{HandleUpdates, OfferingConfig, Peers};
use crate::operations::update_handle::update_handle;
use crate::operations::{Operations, shown};

/// Pause before a broken subscription is made again.
const PAUSE: Duration = Duration::from_secs(1);
/// Questions that are answered at once; more wait.
const AT_ONCE: usize = 8;

/// A message, and what its subject asks.
enum Question {
    Handles(Message),
    Update(Message),
}

/// Answers for `offering` until `stop`.
pub(crate) async fn answer(
    ops: Arc<Operations>,
    offering: Arc<OfferingConfig>,
    stop: CancellationToken,
) {
    if offering.peers == Peers::Native {
        return;
    }
    let answering = async {
        loop {
            if let Err(error) = answer_all(&ops, &offering).await {
                tracing::warn!(error = %chain(&*error), "nobody can ask for handles");
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = answering => {}
    }
}

async fn answer_all(
    ops: &Arc<Operations>,
    offering: &Arc<OfferingConfig>,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let client = &ops.bus.connection().client;
    let handles = client.subscribe(subject::handles(&offering.service)).await?;
    let mut questions = vec![handles.map(Question::Handles).boxed()];
    match offering.handle_updates {
        HandleUpdates::Accept => {
            let updates = client.subscribe(subject::update_service_handle(&offering.service));
            questions.push(updates.await?.map(Question::Update).boxed());
        }
        HandleUpdates::Ignore => {}
    }
    select_all(questions)
        .for_each_concurrent(AT_ONCE, |question| one(ops, offering, question))
        .await;
    Err("the subscription ended".into())
}

async fn one(ops: &Arc<Operations>, offering: &Arc<OfferingConfig>, question: Question) {
    let (reply, answer) = match question {
        Question::Handles(message) => {
            let answer = handles_for(ops, offering, &message.payload).await;
            (message.reply, answer)
        }
        Question::Update(message) => {
            let answer = Value::Bool(updated(ops, offering, &message.payload).await);
            (message.reply, answer)
        }
    };
    let Some(reply) = reply else { return };
    let answer = serde_json::to_vec(&answer).unwrap_or_default();
    if let Err(error) = ops.bus.tell(reply.to_string(), answer.into()).await {
        tracing::debug!(error = %chain(&error), "a question could not be answered");
    }
}

/// An instance's bindings, or for an empty question all handles: without secrets, a bounded number,
/// and no more than a message holds.
async fn handles_for(ops: &Operations, offering: &OfferingConfig, asked: &[u8]) -> Value {
    let found = if asked.is_empty() {
        let all = handles::all(ops, offering).await;
        all.map(|all| Value::Object(all.shown.into_iter().collect()))
    } else {
        // What is no id is the id of nothing.
        let id = String::from_utf8_lossy(asked);
        handles::of_instance(ops, offering, &id).await.map(Value::Array)
    };
    let found = found.unwrap_or_else(|error| {
        tracing::warn!(error = %chain(&error), "a question for handles has no answer");
        Value::Array(Vec::new())
    });
    fitting(found, ops.bus.max_payload())
}

/// The first of `handles` that fit into `limit` bytes: an answer that is longer reaches nobody.
fn fitting(handles: Value, limit: usize) -> Value {
    // The brackets; and each has a comma, or with an id quotes and a colon besides.
    let mut left = limit.saturating_sub(2);
    let mut fits = |bytes| {
        let rest = left.checked_sub(bytes);
        left = rest.unwrap_or(0);
        rest.is_some()
    };
    match handles {
        Value::Array(all) => {
            let shown = all.into_iter().take_while(|one| fits(length(one) + 1));
            Value::Array(shown.collect())
        }
        Value::Object(all) => {
            let shown = all.into_iter().take_while(|(id, one)| fits(id.len() + length(one) + 4));
            Value::Object(shown.collect())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => handles,
    }
}

fn length(handle: &Value) -> usize {
    serde_json::to_vec(handle).map_or(0, |json| json.len())
}

async fn updated(ops: &Arc<Operations>, offering: &Arc<OfferingConfig>, body: &[u8]) -> bool {
    let label = offering.label.as_str();
    let instance = tracing::field::Empty;
    let span = info_span!("operation", operation = "update_handle", offering = label, instance);
    let work = async {
        let handle: Handle = match serde_json::from_slice(body) {
            Ok(handle) => handle,
            Err(error) => {
                // The class only: the text may show a part of a credential.
                tracing::warn!(class = ?error.classify(), "an update of a handle is malformed");
                return false;
            }
        };
        match update_handle(ops, offering, &handle).await {
            Ok(()) => {
                tracing::info!(service_id = shown(&handle.service_id), "a tool updated a handle");
                true
            }
            Err(error) => {
                tracing::warn!(error = %chain(&error), "a handle was not updated");
                false
            }
        }
    };
    work.instrument(span).await
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check_fitting(handles: Value, limit: usize, expected: &Value) {
        let fitting = fitting(handles, limit);
        assert_eq!(&fitting, expected, "{limit}");
        assert!(length(&fitting) <= limit, "{limit}");
    }

    #[test]
    fn no_more_handles_are_told_than_a_message_holds() {
        let list = || json!([{"a": 1}, {"b": 2}, {"c": 3}]);
        check_fitting(list(), 100, &list());
        check_fitting(list(), 20, &json!([{"a": 1}, {"b": 2}]));
        check_fitting(list(), 5, &json!([]));
        let by_id = || json!({"i1": {"a": 1}, "i2": {"b": 2}});
        check_fitting(by_id(), 100, &by_id());
        check_fitting(by_id(), 25, &json!({"i1": {"a": 1}}));
        check_fitting(by_id(), 3, &json!({}));
    }
}
