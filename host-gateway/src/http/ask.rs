//! A request about something that its path names: whose it is, and how its answer is made.

use std::future::Future;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::body::{Caller, Names, RequestId};
use super::{Answer, Front};
use crate::config::OfferingConfig;
use crate::metrics::Verb;
use crate::operations::{Blamed, Operations};

/// A request, and the front that answers it.
pub(super) struct Ask<N> {
    front: Arc<Front>,
    asked: Asked<N>,
}

/// What an operation needs of a request, besides its body.
pub(super) struct Asked<N> {
    pub(super) ops: Arc<Operations>,
    pub(super) offering: Arc<OfferingConfig>,
    /// The names in the path.
    pub(super) names: N,
    request_id: Option<String>,
}

impl<N> Asked<N> {
    /// The platform's name for the request.
    pub(super) fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }
}

impl<N> Ask<N> {
    /// Answers with what `work` results in, as JSON.
    pub(super) async fn answer<W, F, T, E>(self, verb: Verb, work: W) -> Answer
    where
        W: FnOnce(Asked<N>) -> F,
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: Serialize,
        E: Blamed + Send + 'static,
    {
        let Self { front, asked } = self;
        let offering = Arc::clone(&asked.offering);
        let work = work(asked);
        let told = |_ops, _offering| async move { work.await.map(|done| Answer::of(&done)) };
        front.run(verb, offering, told).await
    }
}

impl<N: DeserializeOwned + Send> FromRequestParts<Arc<Front>> for Ask<N> {
    type Rejection = Answer;

    async fn from_request_parts(parts: &mut Parts, front: &Arc<Front>) -> Result<Self, Answer> {
        let Caller(offering) = Caller::from_request_parts(parts, front).await?;
        let Names(names) = Names::from_request_parts(parts, front).await?;
        let RequestId(request_id) = RequestId::from_request_parts(parts, front).await?;
        let asked = Asked { ops: Arc::clone(&front.ops), offering, names, request_id };
        Ok(Self { front: Arc::clone(front), asked })
    }
}
