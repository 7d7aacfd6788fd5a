//! The bus: subscriptions, one task for each request, announcements.
//!
//! Speaks NATS and takes no decision. What a message means is in [`crate::dispatch`].

mod slots;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_nats::{Client, ConnectOptions, Event, Message, Subscriber};
use futures_util::stream::{BoxStream, SelectAll, StreamExt};
use rand::RngExt;
use tenon_protocol::chain;
use tenon_protocol::message::{Announcement, DiscoverRequest};
use tenon_protocol::subject::{self, Operation};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use self::slots::Slots;
use crate::complaints::complain;
use crate::config::{NatsConfig, Peers};
use crate::dispatch;
use crate::duties::Duty;
use crate::offering::Offering;

/// Changes within this time become one announcement.
const SETTLE: Duration = Duration::from_millis(100);

/// What gateways sent before they heard a farewell is here by then.
const LAST_REQUESTS: Duration = Duration::from_millis(100);

/// Longest pause between two attempts to connect.
const MAX_PAUSE: u64 = 4_000;

/// Why the node cannot serve on the bus.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// The server refused a subscription.
    #[error("cannot subscribe to {subject}")]
    Subscribe {
        /// What was refused.
        subject: String,
        /// Why.
        #[source]
        source: async_nats::SubscribeError,
    },
    /// Another process is this node.
    #[error("another process is node {node} of {service}, since {since}")]
    Taken {
        /// The offering.
        service: String,
        /// The node.
        node: String,
        /// When it came.
        since: String,
    },
    /// Another process turned out to be this node, and was first.
    #[error("stopped, because another process is this node")]
    Lost,
    /// The node was stopped before the server answered.
    #[error("stopped before the bus at {url} answered")]
    Stopped {
        /// The server.
        url: String,
    },
}

/// The bus, and how often it was found.
#[derive(Clone)]
pub(crate) struct Connection {
    pub(crate) client: Client,
    pub(crate) connects: watch::Receiver<u64>,
}

/// Connects, and goes on trying until it succeeds or `stop`.
///
/// # Errors
///
/// [`BusError::Stopped`].
pub(crate) async fn connect(
    config: &NatsConfig,
    name: &str,
    stop: &CancellationToken,
) -> Result<Connection, BusError> {
    loop {
        let (connected, connects) = watch::channel(0);
        match options(config, name, connected).connect(&config.url).await {
            Ok(client) => return Ok(Connection { client, connects }),
            Err(error) => {
                tracing::warn!(url = config.url, error = %chain(&error), "the bus does not answer yet")
            }
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
            () = stop.cancelled() => return Err(BusError::Stopped { url: config.url.clone() }),
        }
    }
}

fn options(config: &NatsConfig, name: &str, connected: watch::Sender<u64>) -> ConnectOptions {
    let mut options = ConnectOptions::new()
        .name(format!("tenon-node {name}"))
        // Its own prefix, so that the server's permissions can keep others from listening.
        .custom_inbox_prefix(format!("_INBOX_{name}"))
        .ping_interval(Duration::from_secs(5))
        .reconnect_delay_callback(|attempts| {
            let most = 2u64.saturating_pow(u32::try_from(attempts.min(12)).unwrap_or(12));
            // Jitter: all nodes of a platform lose the same server at the same moment.
            Duration::from_millis(rand::rng().random_range(1..=most.clamp(2, MAX_PAUSE)))
        })
        .event_callback(move |event| {
            report(&event);
            if matches!(event, Event::Connected) {
                connected.send_modify(|count| *count += 1);
            }
            std::future::ready(())
        });
    if let Some(user) = &config.user {
        let password = config.password.as_ref().map(|text| text.secret().reveal().to_owned());
        options = options.user_and_password(user.clone(), password.unwrap_or_default());
    }
    options
}

fn report(event: &Event) {
    match event {
        Event::Connected | Event::Closed | Event::LameDuckMode | Event::Draining => {
            tracing::info!(%event, "bus");
        }
        Event::Disconnected => tracing::warn!("bus: connection lost; trying again"),
        Event::SlowConsumer(_) => tracing::error!(%event, "bus: requests were dropped"),
        Event::ServerError(_) | Event::ClientError(_) => tracing::error!(%event, "bus"),
    }
}

/// A message, and what its subject says it is.
pub(crate) enum Incoming {
    Request(Operation, Message),
    Inventory(Message),
    Orphans(Message),
    Discover(Message),
    CheckOrphan,
}

/// All that is asked about one offering.
pub(crate) type Requests = SelectAll<BoxStream<'static, Incoming>>;

/// Subscribes to what is asked about an offering, and tells gateways that it can be asked.
///
/// # Errors
///
/// [`BusError::Subscribe`].
pub(crate) async fn open(client: &Client, offering: &Offering) -> Result<Requests, BusError> {
    let requests = subscribe(client, offering).await?;
    // After the subscriptions on the same connection: who hears it can reach us.
    announce(client, offering, None).await;
    if let Err(error) = client.flush().await {
        tracing::warn!(error = %chain(&error), "bus: the first announcement is late");
    }
    Ok(requests)
}

/// Serves one offering until `stop`. Requests run in `tasks`, which the caller waits for.
///
/// Stopping loses no request (P23): gateways are told, and what they sent before they heard it is
/// taken.
pub(crate) async fn serve(
    bus: Connection,
    mut incoming: Requests,
    offering: Arc<Offering>,
    tasks: TaskTracker,
    stop: CancellationToken,
) {
    let slots = Slots::new();
    let client = bus.client.clone();
    drop(tasks.spawn(keep_reporting(client.clone(), Arc::clone(&offering), stop.clone())));
    let closing = async {
        stop.cancelled().await;
        say_farewell(&client, &offering).await;
        tokio::time::sleep(LAST_REQUESTS).await;
    };
    let announcing = async {
        tokio::select! {
            () = stop.cancelled() => std::future::pending().await,
            () = keep_announcing(bus, &offering) => {}
        }
    };
    let requests = async {
        while let Some(message) = incoming.next().await {
            take(&client, &offering, &tasks, &slots, message).await;
        }
    };
    tokio::select! {
        () = closing => {}
        () = requests => tracing::error!("the bus ended all subscriptions"),
        () = announcing => {}
    }
}

/// Announces at each interval, soon after each change, and when the bus is back.
async fn keep_announcing(bus: Connection, offering: &Offering) {
    let Connection { client, mut connects } = bus;
    let interval = Duration::from_secs(offering.config.announce_interval_seconds);
    loop {
        // Nodes that were started together do not stay together.
        let pause = interval.mul_f64(rand::rng().random_range(0.8..1.2));
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = offering.changed.notified() => {
                tokio::time::sleep(SETTLE).await;
                if offering.disabled.load(Ordering::Relaxed) {
                    say_farewell(&client, offering).await;
                }
            }
            Ok(()) = connects.changed() => {}
        }
        announce(&client, offering, None).await;
        offering.duties.performed(Duty::Announce);
    }
}

/// Tells gateways of ours that nothing is to be placed here. Original ones would take it for an
/// announcement: they are told nothing, as they were.
async fn say_farewell(client: &Client, offering: &Offering) {
    match offering.config.peers {
        Peers::Native => {
            let subject = subject::announce(offering.service(), offering.node());
            send(client, subject.into(), encode(&offering.farewell())).await;
        }
        Peers::Original => {}
    }
}

async fn subscribe(client: &Client, offering: &Offering) -> Result<Requests, BusError> {
    let (service, node) = (offering.service(), offering.node());
    let mut all = SelectAll::new();
    for operation in Operation::ALL {
        let stream = listen(client, subject::operation(service, operation, node)).await?;
        all.push(stream.map(move |message| Incoming::Request(operation, message)).boxed());
    }
    let stream = listen(client, subject::inventory(service, node)).await?;
    all.push(stream.map(Incoming::Inventory).boxed());
    if offering.config.peers == Peers::Native {
        let stream = listen(client, subject::orphans(service, node)).await?;
        all.push(stream.map(Incoming::Orphans).boxed());
    }
    let stream = listen(client, subject::discover(service)).await?;
    all.push(stream.map(Incoming::Discover).boxed());
    let stream = listen(client, subject::check_orphan(service)).await?;
    all.push(stream.map(|_any_payload| Incoming::CheckOrphan).boxed());
    Ok(all)
}

async fn listen(client: &Client, subject: String) -> Result<Subscriber, BusError> {
    let subscribed = client.subscribe(subject.clone()).await;
    subscribed.map_err(|source| BusError::Subscribe { subject, source })
}

async fn take(
    client: &Client,
    offering: &Arc<Offering>,
    tasks: &TaskTracker,
    slots: &Slots,
    incoming: Incoming,
) {
    let incoming = match incoming {
        Incoming::Discover(message) => {
            if asks_for(offering, &message) {
                announce(client, offering, message.reply).await;
            }
            return;
        }
        Incoming::CheckOrphan => {
            offering.report_wanted.notify_one();
            return;
        }
        Incoming::Request(..) | Incoming::Inventory(_) | Incoming::Orphans(_) => incoming,
    };
    let slot = slots.take(&incoming);
    let (client, offering) = (client.clone(), Arc::clone(offering));
    drop(tasks.spawn(async move {
        let accepted = slot.is_some();
        let (reply, answer) = match incoming {
            Incoming::Request(operation, message) => {
                let answer = dispatch::request(&offering, operation, &message, accepted);
                let answer = answer.instrument(dispatch::span(&offering, operation)).await;
                let longest = client.server_info().max_payload;
                let answer = dispatch::sendable(&offering, answer, &message, longest);
                (message.reply, answer)
            }
            Incoming::Inventory(message) => {
                let answer = dispatch::inventory(&offering, &message, accepted).await;
                (message.reply, answer)
            }
            Incoming::Orphans(message) => {
                let answer = dispatch::orphans(&offering, &message, accepted).await;
                (message.reply, answer)
            }
            Incoming::Discover(_) | Incoming::CheckOrphan => return,
        };
        drop(slot);
        if let Some(reply) = reply {
            send(&client, reply, answer).await;
        }
    }));
}

/// Whether a discover is for this plan. What is no JSON is not answered, as in the original.
fn asks_for(offering: &Offering, message: &Message) -> bool {
    if message.payload.is_empty() {
        return true;
    }
    match serde_json::from_slice::<DiscoverRequest>(&message.payload) {
        Ok(request) => request.plan.is_none_or(|asked| asked == offering.config.plan),
        Err(_no_json) => {
            complain(offering, message, "it cannot be read");
            false
        }
    }
}

async fn announce(client: &Client, offering: &Offering, reply: Option<async_nats::Subject>) {
    let Some(announcement) = offering.announcement() else { return };
    let (service, node) = (offering.service(), offering.node());
    let subject = reply.unwrap_or_else(|| match offering.config.peers {
        Peers::Native => subject::announce(service, node).into(),
        Peers::Original => subject::announce_shared(service).into(),
    });
    send(client, subject, encode(&announcement)).await;
}

fn encode(announcement: &Announcement) -> Vec<u8> {
    serde_json::to_vec(announcement).unwrap_or_default()
}

/// Reports what is here whenever it was asked for. Who asks while a report is under way, however
/// often, gets the next one: all gateways read each.
async fn keep_reporting(client: Client, offering: Arc<Offering>, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = offering.report_wanted.notified() => {}
        }
        report_handles(&client, &offering).await;
    }
}

async fn report_handles(client: &Client, offering: &Offering) {
    let (service, node) = (offering.service(), offering.node());
    let subject = match offering.config.peers {
        Peers::Native => subject::node_handles(service, node),
        Peers::Original => subject::node_handles_shared(service),
    };
    let max_payload = client.server_info().max_payload;
    let reports = match crate::operations::check_orphan::reports(offering, max_payload) {
        Ok(reports) => reports,
        Err(fault) => {
            // Gateways wait for no answer: nobody else tells that they compare without this node.
            let offering = &offering.config.label;
            tracing::warn!(offering, %fault, "what this node has was not reported");
            return;
        }
    };
    for report in reports {
        send(client, subject.clone().into(), serde_json::to_vec(&report).unwrap_or_default()).await;
    }
}

async fn send(client: &Client, subject: async_nats::Subject, payload: Vec<u8>) {
    if let Err(error) = client.publish(subject, payload.into()).await {
        tracing::error!(error = %chain(&error), "an answer could not be sent");
    }
}
