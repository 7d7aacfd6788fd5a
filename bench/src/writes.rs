//! What the bus can write down: the limit of row (i).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_nats::ConnectOptions;
use async_nats::jetstream::context::Context;
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::{Config, StorageType};
use tokio::task::JoinSet;

use crate::Result;

/// As many as the records have buckets.
const STREAMS: u64 = 16;
/// About as long as a record.
const RECORD: usize = 500;

/// Streams like those of the records.
pub(crate) struct Writes {
    context: Context,
    next: Arc<AtomicU64>,
}

impl Writes {
    /// Makes them.
    pub(crate) async fn open(url: &str, login: (&str, &str)) -> Result<Self> {
        let options = ConnectOptions::new().user_and_password(login.0.into(), login.1.into());
        let context = async_nats::jetstream::new(options.connect(url).await?);
        for number in 0..STREAMS {
            let config = Config {
                name: format!("LIMIT_{number}"),
                subjects: vec![format!("limit.{number}.>")],
                storage: StorageType::File,
                max_messages_per_subject: 1,
                ..Config::default()
            };
            context.create_stream(config).await?;
        }
        Ok(Self { context, next: Arc::default() })
    }

    /// Pairs of writes in a second: nothing, and then what replaces it.
    pub(crate) async fn turn(&self, in_flight: usize, time: Duration) -> Result<f64> {
        let started = Instant::now();
        let done = Arc::new(AtomicU64::new(0));
        let mut writers = JoinSet::new();
        for _ in 0..in_flight {
            let (context, next) = (self.context.clone(), Arc::clone(&self.next));
            let done = Arc::clone(&done);
            writers.spawn(async move {
                while started.elapsed() < time {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let subject = format!("limit.{}.{number}", number % STREAMS);
                    let first = write(&context, &subject, 0).await?;
                    write(&context, &subject, first).await?;
                    done.fetch_add(1, Ordering::Relaxed);
                }
                crate::Result::Ok(())
            });
        }
        while let Some(writer) = writers.join_next().await {
            writer??;
        }
        Ok(done.load(Ordering::Relaxed) as f64 / started.elapsed().as_secs_f64())
    }
}

async fn write(context: &Context, subject: &str, replaces: u64) -> Result<u64> {
    let message = PublishMessage::build().payload(vec![b'x'; RECORD].into());
    let message = message.expected_last_subject_sequence(replaces);
    Ok(context.send_publish(subject.to_owned(), message).await?.await?.sequence)
}
