//! The last report of each offering, which are being made, and what is staged for them.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tenon_protocol::ServiceName;
use tokio_util::sync::CancellationToken;

use super::{Report, Stage};

/// Shared by all who check and all who look.
#[derive(Debug, Clone, Default)]
pub(crate) struct OrphanReports {
    all: Arc<Mutex<Reports>>,
    stop: CancellationToken,
}

#[derive(Debug, Default)]
struct Reports {
    last: BTreeMap<ServiceName, Report>,
    running: HashSet<ServiceName>,
    stages: BTreeMap<ServiceName, Stage>,
}

/// Whether a check may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    Yours,
    /// One runs already.
    Taken,
}

impl OrphanReports {
    /// Begins a check of `service`.
    pub(crate) fn begin(&self, service: &ServiceName) -> Turn {
        if self.lock().running.insert(service.clone()) { Turn::Yours } else { Turn::Taken }
    }

    /// Ends it.
    pub(crate) fn end(&self, service: &ServiceName, report: Report) {
        let mut reports = self.lock();
        reports.running.remove(service);
        reports.last.insert(service.clone(), report);
    }

    /// The last report of each offering.
    pub(crate) fn all(&self) -> BTreeMap<ServiceName, Report> {
        self.lock().last.clone()
    }

    /// What original nodes of `service` reported.
    pub(crate) fn with_stage<T>(
        &self,
        service: &ServiceName,
        work: impl FnOnce(&mut Stage) -> T,
    ) -> T {
        work(self.lock().stages.entry(service.clone()).or_default())
    }

    /// Checks under way are given up: a second look would keep the gateway from stopping.
    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }

    /// Returns once [`Self::stop`] was called.
    pub(crate) async fn stopped(&self) {
        self.stop.cancelled().await;
    }

    // A panic while it is held leaves whole values behind.
    fn lock(&self) -> MutexGuard<'_, Reports> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_check_of_an_offering_runs_at_once() {
        let reports = OrphanReports::default();
        let service = ServiceName::new("MyaaS").unwrap();
        assert_eq!(reports.begin(&service), Turn::Yours);
        assert_eq!(reports.begin(&service), Turn::Taken);
        reports.end(&service, Report::begin());
        assert_eq!(reports.begin(&service), Turn::Yours);
        assert_eq!(reports.all().len(), 1);
    }
}
