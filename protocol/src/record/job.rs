//! The record of a job: written by the gateway, carried on by the node.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clock::Millis;
use crate::id::{Generation, InstanceId, JobId, NodeId, RequestId, ServiceName, SnapshotId};
use crate::job::{JobStatus, JobView};
use crate::link::Linked;
use crate::secret::Secret;

/// What a job does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum JobKind {
    /// Take a snapshot under this id.
    CreateSnapshot {
        /// Its id.
        snapshot: SnapshotId,
        /// The user's name for it; `None` makes one of the date.
        name: Option<String>,
        /// Most snapshots that the instance may have; `None` is no limit.
        quota: Option<usize>,
    },
    /// Replace the instance's data by this snapshot.
    RollbackSnapshot {
        /// Its id.
        snapshot: SnapshotId,
    },
    /// Remove this snapshot.
    DeleteSnapshot {
        /// Its id.
        snapshot: SnapshotId,
    },
    /// Make the package of this snapshot that users download.
    CreateSerializedUrl {
        /// Its id.
        snapshot: SnapshotId,
        /// Who offers the service, for the package's manifest.
        provider: String,
    },
    /// Fetch a package, and let it be a snapshot under this id.
    ImportFromUrl {
        /// Its id.
        snapshot: SnapshotId,
        /// Where the package is; it often holds a token. `None` once the job has ended.
        url: Option<Secret>,
        /// What of the store the URL leads to; `None` when the package is somewhere else.
        #[serde(flatten)]
        linked: Option<Linked>,
        /// The user's name for it; `None` makes one of the date.
        name: Option<String>,
        /// Most snapshots that the instance may have; `None` is no limit.
        quota: Option<usize>,
    },
    /// Remove all snapshots of an instance that is gone.
    ForgetSnapshots,
}

/// `job.<service>.<node>.<id>` in the bucket that gateways and nodes share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobRecord {
    /// [`super::RECORD_VERSION`] of the writer.
    pub v: u32,
    /// The job.
    pub id: JobId,
    /// The offering's service name.
    pub service: ServiceName,
    /// The node that does it.
    pub node: NodeId,
    /// The instance that it is about.
    pub instance: InstanceId,
    /// The instance's generation when the job was ordered.
    pub generation: Generation,
    /// What it does.
    #[serde(flatten)]
    pub kind: JobKind,
    /// How far it is.
    pub status: JobStatus,
    /// How often a node started it.
    #[serde(default)]
    pub attempts: u32,
    /// 0 to 100, as the guest tells.
    #[serde(default)]
    pub progress: u8,
    /// When it was ordered.
    pub created: Millis,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed: Option<Millis>,
    /// What came of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
    /// The platform's name for the request that ordered it, for the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestId>,
}

impl JobKind {
    /// The snapshot that comes of the job.
    #[must_use]
    pub const fn makes(&self) -> Option<&SnapshotId> {
        match self {
            Self::CreateSnapshot { snapshot, .. } | Self::ImportFromUrl { snapshot, .. } => {
                Some(snapshot)
            }
            Self::RollbackSnapshot { .. }
            | Self::DeleteSnapshot { .. }
            | Self::CreateSerializedUrl { .. }
            | Self::ForgetSnapshots => None,
        }
    }
}

impl JobRecord {
    /// Ends the job with `status` and `result`, and forgets what only its work needed to know.
    pub fn end(&mut self, status: JobStatus, result: Option<Value>, now: Millis) {
        self.status = status;
        self.result = result;
        self.completed = Some(now);
        match &mut self.kind {
            // It often holds a token.
            JobKind::ImportFromUrl { url, .. } => *url = None,
            JobKind::CreateSnapshot { .. }
            | JobKind::RollbackSnapshot { .. }
            | JobKind::DeleteSnapshot { .. }
            | JobKind::CreateSerializedUrl { .. }
            | JobKind::ForgetSnapshots => {}
        }
    }

    /// The job as the classic API shows it.
    #[must_use]
    pub fn view(&self) -> JobView {
        JobView {
            job_id: self.id.clone(),
            status: self.status,
            start_time: self.created.to_ruby(),
            // The original fills a missing description with this word.
            description: Some("None".to_owned()),
            complete_time: self.completed.map(Millis::to_ruby),
            result: self.result.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::download::Download;
    use crate::upload::UploadId;

    fn record(kind: JobKind) -> JobRecord {
        JobRecord {
            v: 1,
            id: JobId::new("0123456789abcdef0123456789abcdef").unwrap(),
            service: ServiceName::new("MyaaS").unwrap(),
            node: NodeId::new("n1").unwrap(),
            instance: InstanceId::new("d1").unwrap(),
            generation: Generation::FIRST,
            kind,
            status: JobStatus::Queued,
            attempts: 0,
            progress: 0,
            created: Millis::from_millis(1_373_444_130_000),
            completed: None,
            result: None,
            request: None,
        }
    }

    #[test]
    fn p32_a_job_that_has_ended_does_not_remember_where_it_fetched_from() {
        let url = Some(Secret::new("http://a/b?token=hunter2".to_owned()));
        let snapshot = SnapshotId::from(9);
        let kind = JobKind::ImportFromUrl { snapshot, url, linked: None, name: None, quota: None };
        let mut record = record(kind);
        assert!(!format!("{record:?}").contains("hunter2"));
        assert!(serde_json::to_string(&record).unwrap().contains("hunter2"));
        record.end(JobStatus::Failed, None, Millis::from_millis(1));
        assert!(!serde_json::to_string(&record).unwrap().contains("hunter2"));
        assert_eq!(record.completed, Some(Millis::from_millis(1)));
    }

    #[test]
    fn a_record_of_an_import_names_what_of_the_store_it_takes() {
        let instance = InstanceId::new("d1").unwrap();
        let service = ServiceName::new("MyaaS").unwrap();
        let package = Download { service, instance, snapshot: SnapshotId::from(7) };
        let upload = "1000-0123456789abcdef0123456789abcdef";
        for (linked, more) in [
            // A node that does not know the field yet fetches from the URL.
            (None, String::new()),
            (
                Some(Linked::Upload(UploadId::new(upload).unwrap())),
                format!(r#""upload":"{upload}","#),
            ),
            (
                Some(Linked::Download(package)),
                r#""download":{"service":"MyaaS","instance":"d1","snapshot":"7"},"#.to_owned(),
            ),
        ] {
            let text = format!(
                r#"{{"kind":"import_from_url","snapshot":"9","url":"http://a",{more}"name":null,"quota":null}}"#
            );
            let url = Some(Secret::new("http://a".to_owned()));
            let snapshot = SnapshotId::from(9);
            let kind = JobKind::ImportFromUrl { snapshot, url, linked, name: None, quota: None };
            assert_eq!(serde_json::to_string(&kind).unwrap(), text);
            let record = record(kind);
            let text = serde_json::to_string(&record).unwrap();
            assert_eq!(serde_json::from_str::<JobRecord>(&text).unwrap(), record);
        }
    }

    #[test]
    fn a_job_is_shown_as_the_original_showed_it() {
        let record = record(JobKind::RollbackSnapshot { snapshot: SnapshotId::from(2) });
        let view = serde_json::to_string(&record.view()).unwrap();
        assert_eq!(
            view,
            r#"{"job_id":"0123456789abcdef0123456789abcdef","status":"queued","start_time":"2013-07-10 08:15:30 +0000","description":"None"}"#
        );
        let text = serde_json::to_string(&record).unwrap();
        assert!(text.contains(r#""kind":"rollback_snapshot","snapshot":"2""#), "{text}");
        assert_eq!(serde_json::from_str::<JobRecord>(&text).unwrap(), record);
    }
}
