//! Runs one operation for a request: bounded, in its own task, with a span, a log line and metrics.

use std::future::Future;
use std::sync::Arc;

use tenon_protocol::{Blame, Fault, RequestId, chain};
use tokio::time::Instant;
use tracing::field::Empty;
use tracing::{Instrument, info_span};

use super::{Answer, Front, Refusals};
use crate::config::OfferingConfig;
use crate::metrics::Verb;
use crate::operations::{Blamed, Operations};
use crate::sender::Sender;

impl Front {
    /// Runs `work` to its end, even if the caller goes away: then nobody reads the answer, but what
    /// was begun is finished.
    pub(super) async fn run<W, F, E>(
        &self,
        verb: Verb,
        offering: Arc<OfferingConfig>,
        work: W,
    ) -> Answer
    where
        W: FnOnce(Arc<Operations>, Arc<OfferingConfig>) -> F,
        F: Future<Output = Result<Answer, E>> + Send + 'static,
        E: Blamed + Send + 'static,
    {
        let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() else {
            let fault = Fault::unavailable();
            let why = "as much is under way as may be at once";
            self.refusals.at_the_door(&Sender::current(), &fault, &why);
            return fault.into();
        };
        let label = offering.label.as_str();
        let operation = verb.as_str();
        let sender = Sender::current();
        let request_id = sender.request.as_ref().map(RequestId::as_str);
        let span = info_span!(
            "operation",
            operation,
            offering = label,
            request_id,
            node = Empty,
            instance = Empty
        );
        let (metrics, refusals) = (Arc::clone(&self.metrics), Arc::clone(&self.refusals));
        let work = work(Arc::clone(&self.ops), offering);
        let task = async move {
            let _permit = permit;
            let begun = Instant::now();
            let outcome = work.await;
            metrics.done(verb, status(&outcome), begun.elapsed());
            answer(outcome, &refusals)
        };
        let task = self.ops.tasks.spawn(sender.scope(task).instrument(span));
        task.await.unwrap_or_else(|panicked| {
            tracing::error!(error = %chain(&panicked), operation, "an operation broke off");
            Fault::internal().into()
        })
    }
}

fn status<E: Blamed>(outcome: &Result<Answer, E>) -> u16 {
    match outcome {
        Ok(Answer::Done(_)) => 200,
        Ok(Answer::Refused(fault)) => fault.status,
        Err(error) => error.fault().status,
    }
}

/// The one place where an operation's error stops: it is logged here, with its whole chain.
fn answer<E: Blamed>(outcome: Result<Answer, E>, refusals: &Refusals) -> Answer {
    let error = match outcome {
        Ok(answer) => {
            tracing::info!("done");
            return answer;
        }
        Err(error) => error,
    };
    Answer::Refused(refusal(&error, refusals))
}

/// Logs an error that stops here, and says what the caller is told.
pub(super) fn refusal<E: Blamed>(error: &E, refusals: &Refusals) -> Fault {
    let fault = error.fault();
    let code = fault.msg.code;
    match error.blame() {
        Blame::Caller => refusals.tell(&Sender::current(), &fault, &chain(error)),
        Blame::Guest | Blame::Platform => tracing::warn!(code, error = %chain(error), "failed"),
        Blame::Host => tracing::error!(code, error = %chain(error), "failed"),
    }
    fault
}
