//! Who sent the request that is being worked on, for the log and for whoever is asked next.
//!
//! It belongs to the task, as a span does. No decision depends on it.

use std::future::Future;
use std::net::IpAddr;

use axum::http::{HeaderName, Request};
use tenon_protocol::RequestId;
use tokio::task::futures::TaskLocalFuture;
use tracing::Instrument;
use tracing::instrument::Instrumented;

/// The header in which a platform names its requests, since August 2013.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-vcap-request-id");

/// Where a request came from. Its connection knows it, and adds it to each request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Peer(pub(crate) IpAddr);

tokio::task_local! {
    static SENDER: Sender;
}

/// What is known of whoever sent a request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sender {
    /// `None` when no request is behind it.
    pub(crate) peer: Option<Peer>,
    /// The platform's name for the request; `None` when it gave none, or one that is no id.
    pub(crate) request: Option<RequestId>,
}

impl Sender {
    /// Who sent `request`.
    pub(crate) fn of<B>(request: &Request<B>) -> Self {
        let text = request.headers().get(REQUEST_ID).and_then(|value| value.to_str().ok());
        let named = text.and_then(|text| RequestId::new(text).ok());
        Self { peer: request.extensions().get().copied(), request: named }
    }

    /// Who sent the request that this task works on; nobody, when none did.
    pub(crate) fn current() -> Self {
        SENDER.try_with(Self::clone).unwrap_or_default()
    }

    /// `work` for this sender.
    pub(crate) fn scope<F: Future>(self, work: F) -> TaskLocalFuture<Self, F> {
        SENDER.scope(self, work)
    }
}

/// `work` in a task of its own, for the same sender and in the same span as this one.
pub(crate) fn going_on<F: Future>(work: F) -> Instrumented<TaskLocalFuture<Sender, F>> {
    Sender::current().scope(work).in_current_span()
}

#[cfg(test)]
mod tests {
    use tokio_util::task::TaskTracker;

    use super::*;

    fn check_request(value: &[u8], expected: Option<&str>) {
        let request = Request::builder().header(REQUEST_ID, value).body(()).unwrap();
        let sender = Sender::of(&request);
        assert_eq!(sender.request.as_ref().map(RequestId::as_str), expected);
    }

    #[test]
    fn a_request_has_a_bounded_name_of_visible_characters_or_none() {
        check_request(b"6b2e0b4f::9d1c", Some("6b2e0b4f::9d1c"));
        check_request(&[b'x'; 256], Some(&"x".repeat(256)));
        for wrong in [&b""[..], b"a b", b"a\tb", "\u{e9}".as_bytes(), &[b'x'; 257]] {
            check_request(wrong, None);
        }
        assert_eq!(Sender::of(&Request::new(())).request, None);
    }

    #[tokio::test]
    async fn work_that_goes_on_has_the_same_sender() {
        let request = RequestId::new("r1").ok();
        let work = async {
            let work = going_on(async { Sender::current().request });
            TaskTracker::new().spawn(work).await.unwrap()
        };
        assert_eq!(Sender { peer: None, request: request.clone() }.scope(work).await, request);
        assert_eq!(Sender::current().request, None);
    }
}
