//! Offerings whose handles have not been taken over yet: of their instances nothing is known.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tenon_protocol::ServiceName;

use crate::config::OfferingConfig;
use crate::state::{Records, StateError};

/// Which offerings wait for the handles of a cloud controller. By default none does.
#[derive(Debug, Default)]
pub(crate) struct Adoptions(HashMap<ServiceName, AtomicBool>);

impl Adoptions {
    /// Those of `offerings` of which `records` do not say that it was done.
    ///
    /// # Errors
    ///
    /// [`StateError`] when the store cannot tell.
    pub(crate) async fn read(
        records: &Records,
        offerings: &[Arc<OfferingConfig>],
    ) -> Result<Self, StateError> {
        let mut pending = HashMap::new();
        for offering in offerings {
            let known = records.platform(&offering.service).await?;
            pending.insert(offering.service.clone(), AtomicBool::new(known.is_none()));
        }
        Ok(Self(pending))
    }

    /// Whether the handles of `service` have still to be taken over.
    pub(crate) fn is_pending(&self, service: &ServiceName) -> bool {
        self.0.get(service).is_some_and(|pending| pending.load(Ordering::Acquire))
    }

    /// How many offerings wait.
    pub(crate) fn pending(&self) -> usize {
        self.0.keys().filter(|service| self.is_pending(service)).count()
    }

    /// They were taken over, by this gateway or another one.
    pub(crate) fn done(&self, service: &ServiceName) {
        if let Some(pending) = self.0.get(service) {
            pending.store(false, Ordering::Release);
        }
    }
}
