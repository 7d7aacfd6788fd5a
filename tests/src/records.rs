//! The gateway's records, read past the gateway: what it believes, for comparison with what is.

use std::collections::BTreeMap;
use std::slice;

use async_nats::ConnectOptions;
use async_nats::jetstream::{self, kv};
use futures_util::TryStreamExt;
use serde::de::DeserializeOwned;
use tenon::dev::NatsEntry;
use tenon_protocol::InstanceId;
use tenon_protocol::record::key::{self, JOBS_BUCKET, SHARDS, records_bucket};
use tenon_protocol::record::{
    BindingRecord, InstanceRecord, JobRecord, MoveRecord, Phase, SnapshotRecord,
};

use crate::error::HarnessError;

/// A reader of the records.
#[derive(Debug, Clone)]
pub struct Records {
    shards: Vec<kv::Store>,
    jobs: kv::Store,
}

impl Records {
    /// Connects as the gateway does.
    ///
    /// # Errors
    ///
    /// [`HarnessError::Bus`] when the bus is away or has no records yet.
    pub async fn open(entry: &NatsEntry) -> Result<Self, HarnessError> {
        let options = ConnectOptions::with_user_and_password(
            entry.user.clone(),
            entry.password.reveal().to_owned(),
        );
        // Boxed: it is a large future, and its caller's would be larger.
        let client = Box::pin(options.connect(&entry.url)).await.map_err(bus("connecting"))?;
        let context = jetstream::new(client);
        let mut stores = Vec::new();
        for shard in 0..SHARDS {
            let store = context.get_key_value(records_bucket(shard)).await;
            stores.push(store.map_err(bus("opening a bucket"))?);
        }
        let jobs = context.get_key_value(JOBS_BUCKET).await.map_err(bus("opening a bucket"))?;
        Ok(Self { shards: stores, jobs })
    }

    /// All instances by id, with those that are gone and remembered.
    ///
    /// # Errors
    ///
    /// [`HarnessError::Bus`] when the bus is away; [`HarnessError::Form`] for a damaged record.
    pub async fn instances(&self) -> Result<BTreeMap<String, InstanceRecord>, HarnessError> {
        let records: Vec<InstanceRecord> = all(&self.shards, "inst.").await?;
        Ok(records.into_iter().map(|record| (record.id.to_string(), record)).collect())
    }

    /// All bindings by id, with those that are gone and remembered.
    ///
    /// # Errors
    ///
    /// As [`Self::instances`].
    pub async fn bindings(&self) -> Result<BTreeMap<String, BindingRecord>, HarnessError> {
        let records: Vec<BindingRecord> = all(&self.shards, "bind.").await?;
        Ok(records.into_iter().map(|record| (record.id.to_string(), record)).collect())
    }

    /// Ids of the instances that exist, or that somebody is working on.
    ///
    /// # Errors
    ///
    /// As [`Self::instances`].
    pub async fn living_instances(&self) -> Result<Vec<String>, HarnessError> {
        let records = self.instances().await?.into_iter();
        Ok(records.filter(|(_, record)| lives(record.life.phase)).map(|(id, _)| id).collect())
    }

    /// Those of one service, such as `MyaaS`.
    ///
    /// # Errors
    ///
    /// As [`Self::instances`].
    pub async fn living_instances_of(&self, service: &str) -> Result<Vec<String>, HarnessError> {
        let records = self.instances().await?.into_iter();
        let is_meant = |record: &InstanceRecord| {
            record.service.as_str() == service && lives(record.life.phase)
        };
        Ok(records.filter(|(_, record)| is_meant(record)).map(|(id, _)| id).collect())
    }

    /// Ids of the bindings that exist, or that somebody is working on.
    ///
    /// # Errors
    ///
    /// As [`Self::instances`].
    pub async fn living_bindings(&self) -> Result<Vec<String>, HarnessError> {
        let records = self.bindings().await?.into_iter();
        Ok(records.filter(|(_, record)| lives(record.life.phase)).map(|(id, _)| id).collect())
    }

    /// Whether no record is on its way to somewhere else.
    ///
    /// # Errors
    ///
    /// As [`Self::instances`].
    pub async fn are_settled(&self) -> Result<bool, HarnessError> {
        let instances = self.instances().await?;
        let bindings = self.bindings().await?;
        let mut lives = instances.values().map(|record| &record.life);
        let mut binding_lives = bindings.values().map(|record| &record.life);
        let is_settled = |phase, garbage: bool| match phase {
            Phase::Ready => !garbage,
            Phase::Tomb => true,
            Phase::Intent | Phase::Moving | Phase::Deleting => false,
        };
        Ok(lives.all(|life| is_settled(life.phase, !life.garbage.is_empty()))
            && binding_lives.all(|life| is_settled(life.phase, !life.garbage.is_empty())))
    }

    /// The last move of each instance that ever moved.
    ///
    /// # Errors
    ///
    /// As [`Self::instances`].
    pub async fn moves(&self) -> Result<Vec<MoveRecord>, HarnessError> {
        all(&self.shards, "move.").await
    }

    /// All jobs, with those that have ended.
    ///
    /// # Errors
    ///
    /// As [`Self::instances`].
    pub async fn jobs(&self) -> Result<Vec<JobRecord>, HarnessError> {
        all(slice::from_ref(&self.jobs), "job.").await
    }

    /// All snapshots.
    ///
    /// # Errors
    ///
    /// As [`Self::instances`].
    pub async fn snapshots(&self) -> Result<Vec<SnapshotRecord>, HarnessError> {
        all(slice::from_ref(&self.jobs), "snap.").await
    }

    /// Loses the record of an instance, as nothing of ours ever does.
    ///
    /// # Errors
    ///
    /// [`HarnessError::Bus`] when the bus is away.
    pub async fn lose(&self, id: &InstanceId) -> Result<(), HarnessError> {
        let shard = usize::try_from(key::shard_of(id)).unwrap_or_default();
        let missing = || HarnessError::NotRunning(format!("bucket {shard}"));
        let store = self.shards.get(shard).ok_or_else(missing)?;
        store.delete(key::instance(id)).await.map_err(bus("losing a record"))
    }
}

async fn all<T: DeserializeOwned>(
    stores: &[kv::Store],
    prefix: &str,
) -> Result<Vec<T>, HarnessError> {
    let mut records = Vec::new();
    for store in stores {
        let keys = store.keys().await.map_err(bus("listing keys"))?;
        let keys: Vec<String> = keys.try_collect().await.map_err(bus("listing keys"))?;
        for key in keys.into_iter().filter(|key| key.starts_with(prefix)) {
            // Removed between listing and reading: it is gone.
            let Some(value) = store.get(&key).await.map_err(bus("reading a record"))? else {
                continue;
            };
            let record = serde_json::from_slice(&value);
            records.push(record.map_err(|error| HarnessError::Form(key, error))?);
        }
    }
    Ok(records)
}

fn lives(phase: Phase) -> bool {
    match phase {
        Phase::Intent | Phase::Ready | Phase::Moving | Phase::Deleting => true,
        Phase::Tomb => false,
    }
}

fn bus<E: std::error::Error + Send + Sync + 'static>(
    what: &'static str,
) -> impl Fn(E) -> HarnessError {
    move |source| HarnessError::Bus { what, source: Box::new(source) }
}
