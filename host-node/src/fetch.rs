//! Fetches a file from a URL that a user named. What the user could not reach, a node does not
//! reach for them (P33): schemes, addresses, redirects, size and time are all bounded.
//!
//! A name is looked up here, its addresses are looked at, and the connection goes to one of these
//! and to nothing else: a name that means something else a moment later gains nothing.

mod address;

use std::fs::File;
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;
use reqwest::header::{ACCEPT_ENCODING, HeaderValue, LOCATION};
use reqwest::{Client, Response, Url, redirect};
use tenon_protocol::{Fault, Secret};

use crate::package::Meter;

/// Of a name, and of a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A server that sends nothing for this long is given up.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// What a fetch keeps to.
#[derive(Debug, Clone)]
pub(crate) struct FetchLimits {
    pub(crate) max_bytes: u64,
    pub(crate) max_redirects: u32,
    pub(crate) timeout: Duration,
    /// Networks that may be reached although they are not public.
    pub(crate) networks: Vec<IpNet>,
}

/// Why there is no file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    /// Caller's fault.
    #[error("the URL is none of http or https")]
    BadUrl,
    /// Caller's fault: an address of the operator's own, or of nobody.
    #[error("{0} is no public address")]
    Forbidden(IpAddr),
    /// The name has no address.
    #[error("the name cannot be looked up")]
    Name(#[source] io::Error),
    /// Caller's fault.
    #[error("it has {size} bytes, at most {most} are fetched")]
    TooLarge { size: u64, most: u64 },
    /// Caller's fault.
    #[error("it leads on more than {0} times")]
    TooManyRedirects(u32),
    /// The server says so.
    #[error("the server answers {0}")]
    Status(u16),
    /// The server, or the way to it.
    #[error("it cannot be fetched")]
    Http(#[source] reqwest::Error),
    /// The server is too slow.
    #[error("it takes longer than {} seconds", .0.as_secs())]
    TimedOut(Duration),
    /// The disk.
    #[error("what was fetched cannot be written")]
    Disk(#[source] io::Error),
}

impl FetchError {
    /// What the user is told about `url`.
    pub(crate) fn to_fault(&self, url: &Secret) -> Fault {
        let shown = shown(url.reveal());
        match self {
            Self::TooLarge { size, most } => Fault::package_too_large(&shown, *size, *most),
            Self::TooManyRedirects(most) => Fault::too_many_redirects(&shown, *most),
            Self::Disk(_) => Fault::unavailable(),
            Self::BadUrl
            | Self::Forbidden(_)
            | Self::Name(_)
            | Self::Status(_)
            | Self::Http(_)
            | Self::TimedOut(_) => Fault::package_invalid(&shown),
        }
    }
}

/// A URL without what may be secret in it: login, query and fragment.
pub(crate) fn shown(url: &str) -> String {
    const LONGEST: usize = 200;
    let plain = url.split(['?', '#']).next().unwrap_or_default();
    let (scheme, rest) = plain.split_once("://").unwrap_or(("", plain));
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit('@').next().unwrap_or_default();
    let text = format!("{scheme}://{host}{path}");
    text.chars().filter(|c| !c.is_control()).take(LONGEST).collect()
}

/// Where names are looked up.
trait Resolve: Sync {
    /// All addresses of a host.
    fn look_up(
        &self,
        host: &str,
        port: u16,
    ) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send;
}

/// Where the machine does it.
struct System;

impl Resolve for System {
    async fn look_up(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(tokio::net::lookup_host((host, port)).await?.collect())
    }
}

/// Fetches `url` into `out`; bytes written.
///
/// # Errors
///
/// [`FetchError`].
pub(crate) async fn fetch(
    url: &Secret,
    limits: &FetchLimits,
    out: File,
    meter: &Meter,
) -> Result<u64, FetchError> {
    fetch_by((&System, limits), url, out, meter).await
}

async fn fetch_by(
    (names, limits): (&impl Resolve, &FetchLimits),
    url: &Secret,
    out: File,
    meter: &Meter,
) -> Result<u64, FetchError> {
    let fetching = fetch_patiently((names, limits), url, out, meter);
    let fetched = tokio::time::timeout(limits.timeout, fetching).await;
    fetched.unwrap_or(Err(FetchError::TimedOut(limits.timeout)))
}

async fn fetch_patiently(
    (names, limits): (&impl Resolve, &FetchLimits),
    url: &Secret,
    out: File,
    meter: &Meter,
) -> Result<u64, FetchError> {
    let mut url = parse(url.reveal())?;
    for _redirect in 0..=limits.max_redirects {
        let response = get(&url, names, &limits.networks).await?;
        if !response.status().is_redirection() {
            return receive(response, limits.max_bytes, out, meter).await;
        }
        url = next(&url, &response)?;
    }
    Err(FetchError::TooManyRedirects(limits.max_redirects))
}

fn parse(text: &str) -> Result<Url, FetchError> {
    let url = Url::parse(text).map_err(|_no_url| FetchError::BadUrl)?;
    checked(url)
}

fn checked(url: Url) -> Result<Url, FetchError> {
    let good = matches!(url.scheme(), "http" | "https") && url.host_str().is_some();
    if good { Ok(url) } else { Err(FetchError::BadUrl) }
}

/// Where a redirect leads: looked at as closely as the first URL.
fn next(url: &Url, response: &Response) -> Result<Url, FetchError> {
    let status = response.status().as_u16();
    let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    let location = location.ok_or(FetchError::Status(status))?;
    checked(url.join(location).map_err(|_no_url| FetchError::BadUrl)?)
}

/// One request, to an address that was looked at.
async fn get(url: &Url, names: &impl Resolve, networks: &[IpNet]) -> Result<Response, FetchError> {
    let host = url.host_str().ok_or(FetchError::BadUrl)?;
    let addresses = addresses(url, host, names, networks).await?;
    let client = Client::builder()
        .no_proxy()
        .redirect(redirect::Policy::none())
        .referer(false)
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(READ_TIMEOUT)
        .user_agent("tenon-node")
        .resolve_to_addrs(host, &addresses)
        .build();
    let request = client.map_err(http)?.get(url.clone());
    let request = request.header(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    request.send().await.map_err(http)
}

/// The addresses of a host that may be reached.
async fn addresses(
    url: &Url,
    host: &str,
    names: &impl Resolve,
    networks: &[IpNet],
) -> Result<Vec<SocketAddr>, FetchError> {
    let port = url.port_or_known_default().ok_or(FetchError::BadUrl)?;
    let found: Vec<SocketAddr> = match host.trim_matches(['[', ']']).parse::<IpAddr>() {
        Ok(address) => vec![SocketAddr::new(address, port)],
        Err(_name) => {
            let found = tokio::time::timeout(CONNECT_TIMEOUT, names.look_up(host, port)).await;
            let found = found.unwrap_or_else(|_elapsed| Err(io::ErrorKind::TimedOut.into()));
            found.map_err(FetchError::Name)?
        }
    };
    let first = found
        .first()
        .copied()
        .ok_or_else(|| FetchError::Name(io::Error::new(io::ErrorKind::NotFound, "no address")))?;
    let good: Vec<SocketAddr> =
        found.into_iter().filter(|one| address::is_allowed(one.ip(), networks)).collect();
    if good.is_empty() { Err(FetchError::Forbidden(first.ip())) } else { Ok(good) }
}

/// Writes a body, of which neither the announced nor the received size may be too much.
async fn receive(
    mut response: Response,
    most: u64,
    mut out: File,
    meter: &Meter,
) -> Result<u64, FetchError> {
    if !response.status().is_success() {
        return Err(FetchError::Status(response.status().as_u16()));
    }
    let announced = response.content_length();
    if let Some(size) = announced.filter(|size| *size > most) {
        return Err(FetchError::TooLarge { size, most });
    }
    let mut received = 0;
    while let Some(chunk) = response.chunk().await.map_err(http)? {
        received += chunk.len() as u64;
        if received > most {
            return Err(FetchError::TooLarge { size: received, most });
        }
        let write = move || out.write_all(&chunk).map(|()| out);
        let written = tokio::task::spawn_blocking(write).await;
        out = written.unwrap_or_else(|panic| Err(panic.into())).map_err(FetchError::Disk)?;
        meter.tell(received, announced.unwrap_or(most), "fetching");
    }
    Ok(received)
}

/// The error without its URL, which often holds a token.
fn http(error: reqwest::Error) -> FetchError {
    FetchError::Http(error.without_url())
}

#[cfg(test)]
mod tests;
