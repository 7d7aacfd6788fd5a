//! What is said of requests that are refused: each is counted, and the log says what was wrong and
//! who sent it, once an hour for the same number and peer.
//!
//! Says nothing of what a body or a token is.

use std::fmt::Display;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tenon_protocol::complaints::Complaints;
use tenon_protocol::{Fault, RequestId};

use crate::metrics::Metrics;
use crate::sender::{Peer, Sender};

/// Characters of a reason that are told: a caller's own words may be in it.
const LONGEST: usize = 300;

/// Counts and log of what is refused.
pub(crate) struct Refusals {
    metrics: Arc<Metrics>,
    told: Mutex<Complaints<(Option<Peer>, u32)>>,
}

impl Refusals {
    /// Counts in `metrics`.
    pub(crate) fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics, told: Mutex::default() }
    }

    /// A request of `sender` became no operation, because of `why`.
    pub(super) fn at_the_door(&self, sender: &Sender, fault: &Fault, why: &dyn Display) {
        self.metrics.refused(fault.msg.code);
        self.tell(sender, fault, why);
    }

    /// Says that the caller made a mistake. Beyond the first one as `debug`.
    pub(super) fn tell(&self, sender: &Sender, fault: &Fault, why: &dyn Display) {
        let code = fault.msg.code;
        let is_due = {
            // A panic while it is held leaves whole complaints behind.
            let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
            told.is_due((sender.peer, code), Instant::now())
        };
        if is_due {
            let peer = sender.peer.map(|Peer(address)| tracing::field::display(address));
            let request_id = sender.request.as_ref().map(RequestId::as_str);
            let why: String = why.to_string().chars().take(LONGEST).collect();
            tracing::warn!(code, peer, request_id, why, "refused");
        } else {
            tracing::debug!(code, %why, "refused");
        }
    }
}
