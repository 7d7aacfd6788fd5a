//! An offering as a component of a platform of 2013: it registers on the bus, and serves
//! `/healthz` and `/varz` to whoever has the password that it registered. Reference, section 4.5.
//!
//! The bus carries that password in clear, as it did then; so only what has original peers
//! registers unless it is told to.

pub(crate) mod handles;
mod shown;
mod varz;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, Response, StatusCode};
use axum::response::IntoResponse;
use axum::routing::get;
use futures_util::StreamExt;
use hyper_util::service::TowerToHyperService;
use tenon_protocol::Secret;
use tenon_protocol::chain;
use tenon_protocol::message::Component;
use tenon_protocol::subject::{COMPONENT_ANNOUNCE, COMPONENT_DISCOVER};
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::config::{ComponentConfig, OfferingConfig, Peers};
use crate::http::{Limits, serve};
use crate::metrics::Metrics;
use crate::operations::Operations;

/// Collectors that look at once.
pub(crate) const CONNECTIONS: usize = 16;

/// An offering that registers, its page bound.
pub(crate) struct Registered {
    listener: TcpListener,
    component: Arc<Component>,
    offering: Arc<OfferingConfig>,
    index: u32,
}

/// What the page shows.
struct Page {
    component: Arc<Component>,
    authorization: Secret,
    started: Instant,
    index: u32,
    offering: Arc<OfferingConfig>,
    ops: Arc<Operations>,
    metrics: Arc<Metrics>,
}

type Shared = State<Arc<Page>>;

/// Binds the pages of those among `offerings` that register.
///
/// # Errors
///
/// The address that cannot be bound, and why.
pub(crate) async fn bind(
    config: &ComponentConfig,
    offerings: &[Arc<OfferingConfig>],
) -> Result<Vec<Registered>, (SocketAddr, std::io::Error)> {
    let mut all = Vec::new();
    let registering = offerings.iter().filter(|one| registers(config, one));
    for (offering, number) in registering.zip(0u16..) {
        let mut listen = config.listen;
        if listen.port() != 0 {
            listen.set_port(listen.port().saturating_add(number));
        }
        let bound = async {
            let listener = TcpListener::bind(listen).await?;
            let address = listener.local_addr()?;
            Ok((listener, address))
        };
        let (listener, address) = bound.await.map_err(|error| (listen, error))?;
        all.push(Registered {
            listener,
            component: Arc::new(component(config, offering, address)),
            offering: Arc::clone(offering),
            index: config.index,
        });
    }
    Ok(all)
}

fn registers(config: &ComponentConfig, offering: &OfferingConfig) -> bool {
    config.announce.unwrap_or(match offering.peers {
        Peers::Original => true,
        Peers::Native => false,
    })
}

fn component(
    config: &ComponentConfig,
    offering: &OfferingConfig,
    address: SocketAddr,
) -> Component {
    let host = config.public_host.clone().unwrap_or_else(|| address.ip().to_string());
    let host = format!("{host}:{}", address.port());
    let login = [config.user.clone().map(Secret::new), config.password.clone()];
    Component::of(format!("{}-Provisioner", offering.service), config.index, host, login)
}

impl Registered {
    /// Serves the page, and registers with each connection to the bus, until `limits` end it.
    pub(crate) async fn serve(self, ops: Arc<Operations>, metrics: Arc<Metrics>, limits: Limits) {
        let page = Arc::new(Page {
            authorization: self.component.authorization(),
            component: self.component,
            started: Instant::now(),
            index: self.index,
            offering: self.offering,
            ops,
            metrics,
        });
        let router = Router::new()
            .route("/healthz", get(healthz))
            .route("/varz", get(varz))
            .with_state(Arc::clone(&page));
        let stop = limits.stop.clone();
        let registered = async {
            if let Err(error) = register(&page).await {
                tracing::error!(error = %chain(error.as_ref()), "a component cannot register");
            }
            std::future::pending::<()>().await;
        };
        let served = serve(self.listener, TowerToHyperService::new(router), limits);
        tokio::select! {
            () = stop.cancelled() => {}
            () = served => {}
            () = registered => {}
        }
    }
}

/// Tells who it is with each connection, and whenever it is asked.
async fn register(page: &Page) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let connection = page.ops.bus.connection();
    let (client, mut connects) = (&connection.client, connection.connects.clone());
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
async fn healthz(State(page): Shared, headers: HeaderMap) -> Response<Body> {
    page.admit(&headers).unwrap_or_else(|| json("ok\n".into()))
}

async fn varz(State(page): Shared, headers: HeaderMap) -> Response<Body> {
    match page.admit(&headers) {
        Some(refusal) => refusal,
        None => json(varz::text(&page).await),
    }
}

fn json(body: Vec<u8>) -> Response<Body> {
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}

impl Page {
    /// The refusal of whoever has not the password; `None` lets in.
    fn admit(&self, headers: &HeaderMap) -> Option<Response<Body>> {
        let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        if given.is_some_and(|given| self.authorization.matches(given)) {
            return None;
        }
        let head = [(CONTENT_TYPE, "text/plain"), (WWW_AUTHENTICATE, "Basic realm=\"\"")];
        Some((StatusCode::UNAUTHORIZED, head).into_response())
    }
}
