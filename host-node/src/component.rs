//! An offering as a component of a platform of 2013: it registers on the bus, and serves
//! `/healthz` and `/varz` to whoever has the password that it registered. Reference, section 4.5.
//!
//! The bus carries that password in clear, as it did then; so only what has original peers
//! registers unless it is told to.

mod varz;

use std::net::SocketAddr;
use std::sync::Arc;

use async_nats::Client;
use axum::Router;
use axum::extract::State;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::StreamExt;
use tenon_protocol::Secret;
use tenon_protocol::chain;
use tenon_protocol::message::Component;
use tenon_protocol::subject::{COMPONENT_ANNOUNCE, COMPONENT_DISCOVER};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::config::{ComponentConfig, Peers, SecretText};
use crate::offering::Offering;

/// An offering that registers, its page bound.
pub(crate) struct Registered {
    listener: TcpListener,
    page: Page,
}

/// What the page shows.
#[derive(Clone)]
struct Page {
    component: Arc<Component>,
    authorization: Arc<Secret>,
    started: Instant,
    offering: Arc<Offering>,
    config: Arc<varz::ConfigView>,
}

/// Binds the pages of those among `offerings` that register.
///
/// # Errors
///
/// The address that cannot be bound, and why.
pub(crate) async fn bind(
    config: &crate::config::Config,
    offerings: &[Arc<Offering>],
) -> Result<Vec<Registered>, (SocketAddr, std::io::Error)> {
    let mut all = Vec::new();
    let registering = offerings.iter().filter(|one| registers(&config.component, one));
    for (offering, number) in registering.zip(0u16..) {
        let mut listen = config.component.listen;
        if listen.port() != 0 {
            listen.set_port(listen.port().saturating_add(number));
        }
        let bound = async {
            let listener = TcpListener::bind(listen).await?;
            let address = listener.local_addr()?;
            Ok((listener, address))
        };
        let (listener, address) = bound.await.map_err(|error| (listen, error))?;
        let component = Arc::new(component(&config.component, offering, address));
        let page = Page {
            authorization: Arc::new(component.authorization()),
            component,
            started: Instant::now(),
            offering: Arc::clone(offering),
            config: Arc::new(varz::ConfigView::new(config, offering)),
        };
        all.push(Registered { listener, page });
    }
    Ok(all)
}

fn registers(config: &ComponentConfig, offering: &Offering) -> bool {
    config.announce.unwrap_or(match offering.config.peers {
        Peers::Original => true,
        Peers::Native => false,
    })
}

fn component(config: &ComponentConfig, offering: &Offering, address: SocketAddr) -> Component {
    let host = config.public_host.clone().unwrap_or_else(|| address.ip().to_string());
    let host = format!("{host}:{}", address.port());
    let login =
        [config.user.clone().map(Secret::new), config.password.as_ref().map(SecretText::secret)];
    Component::of(format!("{}-Node", offering.service()), config.index, host, login)
}

impl Registered {
    /// Serves the page, and registers with each connection to the bus, for ever.
    pub(crate) async fn serve(self, client: Client, connects: watch::Receiver<u64>) {
        let router = Router::new()
            .route("/healthz", get(healthz))
            .route("/varz", get(varz))
            .with_state(self.page.clone());
        let served = async move {
            if let Err(error) = axum::serve(self.listener, router).await {
                tracing::error!(error = %chain(&error), "a component's page stopped");
            }
        };
        let registered = async {
            if let Err(error) = register(&client, &self.page, connects).await {
                tracing::error!(error = %chain(error.as_ref()), "a component cannot register");
            }
        };
        tokio::join!(served, registered);
    }
}

/// Tells who it is with each connection, and whenever it is asked.
async fn register(
    client: &Client,
    page: &Page,
    mut connects: watch::Receiver<u64>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let mut asked = client.subscribe(COMPONENT_DISCOVER).await?;
    connects.mark_changed();
    loop {
        tokio::select! {
            changed = connects.changed() => {
                changed?;
                let record = serde_json::to_vec(&*page.component)?;
                client.publish(COMPONENT_ANNOUNCE, record.into()).await?;
            }
            message = asked.next() => {
                let Some(message) = message else { return Err("the subscription ended".into()) };
                let Some(reply) = message.reply else { continue };
                let record = page.component.up_for(page.started.elapsed());
                client.publish(reply, serde_json::to_vec(&record)?.into()).await?;
            }
        }
    }
}

/// `ok` while the process runs, as it was.
async fn healthz(State(page): State<Page>, headers: HeaderMap) -> Response {
    page.admit(&headers).unwrap_or_else(|| json("ok\n".into()))
}

async fn varz(State(page): State<Page>, headers: HeaderMap) -> Response {
    match page.admit(&headers) {
        Some(refusal) => refusal,
        None => json(varz::text(&page).await),
    }
}

fn json(body: Vec<u8>) -> Response {
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}

impl Page {
    /// The refusal of whoever has not the password; `None` lets in.
    fn admit(&self, headers: &HeaderMap) -> Option<Response> {
        let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        if given.is_some_and(|given| self.authorization.matches(given)) {
            return None;
        }
        let head = [(CONTENT_TYPE, "text/plain"), (WWW_AUTHENTICATE, "Basic realm=\"\"")];
        Some((StatusCode::UNAUTHORIZED, head).into_response())
    }
}
