//! Connections to the bus: how one is made, kept and given up. Knows no message.

use std::time::Duration;

use async_nats::{Client, ConnectOptions, Event, ServerError};
use tenon_protocol::chain;
use tokio::sync::watch;

use crate::config::NatsConfig;

/// A partition is noticed after two of these.
const PING_INTERVAL: Duration = Duration::from_secs(5);
/// How long one attempt to connect may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a start waits for a server that is not there yet.
const START_TIMEOUT: Duration = Duration::from_secs(10);
/// Pause between attempts at start.
const START_PAUSE: Duration = Duration::from_millis(250);
/// Longest pause between attempts to connect again.
const RECONNECT_MAX: Duration = Duration::from_secs(4);
/// Where replies go. Nodes need no right to listen there.
const INBOX: &str = "_INBOX_gw";

/// A connection, and how often it was established.
#[derive(Clone)]
pub(crate) struct Connection {
    pub(crate) client: Client,
    pub(crate) connects: watch::Receiver<u64>,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    /// Nobody answers, or the login is refused.
    #[error("cannot connect to nats-server at {url}")]
    Connect {
        url: String,
        #[source]
        source: async_nats::ConnectError,
    },
}

impl Connection {
    /// Connects under `name`, which the server's monitoring shows; waits for a server that is just
    /// starting.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] when there is none after ten seconds.
    pub(crate) async fn establish(config: &NatsConfig, name: &str) -> Result<Self, ConnectError> {
        let give_up = tokio::time::Instant::now() + START_TIMEOUT;
        loop {
            let (connected, connects) = watch::channel(0);
            let servers: Vec<&str> = config.url.split(',').map(str::trim).collect();
            match options(config, name, connected).connect(&servers[..]).await {
                Ok(client) => return Ok(Self { client, connects }),
                Err(source) if tokio::time::Instant::now() > give_up => {
                    return Err(ConnectError::Connect { url: config.url.clone(), source });
                }
                Err(error) => {
                    tracing::warn!(error = %chain(&error), connection = name, "nats-server is not there yet");
                    tokio::time::sleep(START_PAUSE).await;
                }
            }
        }
    }

    /// A connection that is never up.
    #[cfg(test)]
    pub(crate) async fn nowhere() -> Self {
        let options = ConnectOptions::new().retry_on_initial_connect();
        // Port 9 discards, where it is served at all.
        let client = options.connect("nats://127.0.0.1:9").await;
        let client = client.expect("the first attempt is not waited for");
        Self { client, connects: watch::channel(0).1 }
    }

    /// Whether something sent now reaches the server. What is sent while disconnected is delivered
    /// later, when nobody waits any more; so it is not sent.
    pub(crate) fn is_up(&self) -> bool {
        self.client.connection_state() == async_nats::connection::State::Connected
    }
}

fn options(config: &NatsConfig, name: &str, connected: watch::Sender<u64>) -> ConnectOptions {
    let connection = name.to_owned();
    let options = ConnectOptions::new()
        .name(format!("tenon-gateway {name}"))
        .ping_interval(PING_INTERVAL)
        .connection_timeout(CONNECT_TIMEOUT)
        .custom_inbox_prefix(INBOX)
        .reconnect_delay_callback(reconnect_delay)
        .event_callback(move |event| {
            note(&connection, &event);
            if matches!(event, Event::Connected) {
                connected.send_modify(|count| *count += 1);
            }
            std::future::ready(())
        });
    match &config.login {
        Some((user, password)) => {
            options.user_and_password(user.clone(), password.reveal().to_owned())
        }
        None => options,
    }
}

/// Doubles from 50 ms, with a jitter of half: a thousand peers must not come back at once.
fn reconnect_delay(attempts: usize) -> Duration {
    let doublings = u32::try_from(attempts.min(16)).unwrap_or(16);
    let base = Duration::from_millis(25).saturating_mul(1 << doublings).min(RECONNECT_MAX);
    base.mul_f64(rand::random_range(0.5..1.5))
}

fn note(connection: &str, event: &Event) {
    match event {
        Event::Connected => tracing::info!(connection, "connected to nats-server"),
        Event::Disconnected => tracing::warn!(connection, "disconnected from nats-server"),
        Event::LameDuckMode => tracing::info!(connection, "nats-server is about to stop"),
        Event::Draining | Event::Closed => tracing::debug!(connection, %event, "closing"),
        Event::SlowConsumer(_) => tracing::warn!(connection, %event, "messages were dropped"),
        // Also how a missing permission shows itself: the call that lacked it said Ok.
        Event::ServerError(ServerError::AuthorizationViolation | ServerError::Other(_)) => {
            tracing::error!(connection, %event, "nats-server refused something");
        }
        Event::ServerError(ServerError::SlowConsumer(_)) => {
            tracing::warn!(connection, %event, "nats-server found us slow");
        }
        Event::ClientError(_) => tracing::warn!(connection, %event, "the connection has trouble"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_between_attempts_grows_to_a_bound() {
        for attempts in [0, 1, 5, 40, usize::MAX] {
            assert!(reconnect_delay(attempts) <= RECONNECT_MAX.mul_f64(1.5), "{attempts}");
        }
        assert!(reconnect_delay(1) < Duration::from_millis(100));
        assert!(reconnect_delay(40) >= RECONNECT_MAX.mul_f64(0.5));
    }
}
