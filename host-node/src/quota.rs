//! Quotas: what instances use is measured again and again, and writes are blocked beyond it.
//!
//! The ledger says first what is to be, then the guest is called to make it so, and again after
//! whatever might have given rights back. So no crash and no bind leaves anybody a right to write
//! into an instance that is over its quota. Between the limit, where writes are blocked, and a
//! share of it, below which they are allowed, nothing changes: an instance at its limit does not
//! go back and forth, and its sessions do not end each time.

mod decide;
mod enforce;
mod figures;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use rand::RngExt;
use tenon_protocol::InstanceId;
use tenon_protocol::chain;
use tokio_util::sync::CancellationToken;

use self::enforce::{Thorough, look_at};
pub(crate) use self::enforce::{hold, hold_all, hold_or_doubt};
pub(crate) use self::figures::Figures;
use self::figures::Round;
use crate::duties::Duty;
use crate::ledger::{InstancePhase, LedgerError};
use crate::offering::Offering;

/// Instances looked at together: a share of the slots that requests have as well.
const AT_ONCE: usize = 4;

/// Instances of the ledger read at once.
const PAGE: usize = 256;

/// Measures the offering's instances until `stop`, if its guest can; once more at once when
/// another generation serves.
pub(crate) async fn police(offering: Arc<Offering>, stop: CancellationToken) {
    let mut thorough = Thorough::Yes;
    loop {
        if offering.plugin.current().is_some_and(|guest| guest.offers_metering()) {
            if offering.figures.doubtful.swap(false, Ordering::Relaxed) {
                thorough = Thorough::Yes;
            }
            let ended = tokio::select! {
                () = stop.cancelled() => return,
                ended = round(&offering, thorough) => ended,
            };
            thorough = match ended {
                Ok(Ended::Complete) => Thorough::No,
                Ok(Ended::Early) => thorough,
                Err(error) => {
                    tracing::error!(error = %chain(&error), "the ledger cannot be read");
                    thorough
                }
            };
        } else {
            offering.figures.set(Round::default());
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause(offering.config.metering.interval_seconds)) => {}
            () = offering.plugin.changed() => thorough = Thorough::Yes,
        }
    }
}

/// A fifth more or less, so that nodes that share a server do not ask it together.
fn pause(interval_seconds: u64) -> Duration {
    Duration::from_secs(interval_seconds).mul_f64(rand::rng().random_range(0.8..1.2))
}

/// How a round ended.
enum Ended {
    Complete,
    /// The service is away: who asks on fills the log and the slots.
    Early,
}

/// Looks at each instance once.
async fn round(offering: &Arc<Offering>, thorough: Thorough) -> Result<Ended, LedgerError> {
    let mut seen = Round::default();
    let mut after = None;
    loop {
        let service = offering.service();
        let page = offering.ledger.read(|view| view.instances(service, after.as_ref(), PAGE))?;
        let present = page.iter().filter(|entry| entry.phase == InstancePhase::Present);
        let ids: Vec<InstanceId> = present.map(|entry| entry.id.clone()).collect();
        let looks = stream::iter(ids).map(|id| {
            let offering = Arc::clone(offering);
            async move { look_at(&offering, &id, thorough).await.map(|seen| (id, seen)) }
        });
        let mut looks = looks.buffer_unordered(AT_ONCE);
        while let Some(look) = looks.next().await {
            match look {
                Ok((id, Some(look))) => seen.add(id, look),
                Ok((_, None)) => {}
                Err(failure) if failure.is_passing() => return Ok(Ended::Early),
                // In the log already; of one instance.
                Err(_) => {}
            }
        }
        after = page.last().map(|last| last.id.clone());
        if page.len() < PAGE {
            offering.figures.set(seen);
            offering.duties.performed(Duty::Metering);
            return Ok(Ended::Complete);
        }
    }
}
