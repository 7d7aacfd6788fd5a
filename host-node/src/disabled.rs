//! The disabled file: while it is there, this node takes no new instances, and what it has is
//! served on. Looks; what that means is decided by whoever asks the offering.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tenon_protocol::chain;

use crate::offering::Offering;

/// How often it is looked: its going is announced within this time.
const LOOK: Duration = Duration::from_millis(500);

/// Looks for ever, and tells every offering of a change.
pub(crate) async fn watch(file: PathBuf, offerings: Arc<Vec<Arc<Offering>>>) {
    loop {
        look(&file, &offerings).await;
        tokio::time::sleep(LOOK).await;
    }
}

/// Looks once: before the node serves, so that a start is not announced in between.
pub(crate) async fn look(file: &PathBuf, offerings: &[Arc<Offering>]) {
    let there = match tokio::fs::try_exists(file).await {
        Ok(there) => there,
        Err(error) => {
            tracing::warn!(error = %chain(&error), file = %file.display(), "cannot see whether the node is disabled");
            return;
        }
    };
    for offering in offerings {
        if offering.disabled.swap(there, Ordering::Relaxed) != there {
            let (label, file) = (&offering.config.label, file.display());
            if there {
                tracing::warn!(offering = label, %file, "disabled: no new instances are taken");
            } else {
                tracing::info!(offering = label, %file, "enabled: new instances are taken");
            }
            offering.changed.notify_one();
        }
    }
}
