//! The body of an upload, as it is given to a reader of forms: that one takes all that there is
//! before it looks at it, so it is given one chunk at a time, and what it holds is counted.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use axum::body::{Body, BodyDataStream, Bytes};
use futures_util::Stream;

use super::rest::discard;

/// Bytes that the reader may hold: heads of fields, and what it has not given out yet.
const MAX_HELD: usize = 256 << 10;

/// A body. All clones are the same one.
#[derive(Clone)]
pub(super) struct Paced(Arc<Mutex<Inner>>);

struct Inner {
    body: BodyDataStream,
    turn: Turn,
    held: usize,
}

/// Whose turn it is.
enum Turn {
    /// The body's: to give a chunk.
    Body,
    /// The reader's: to look at what it got.
    Reader,
}

/// Why there is no more of a body.
#[derive(Debug, thiserror::Error)]
pub(super) enum PacedError {
    /// The connection broke.
    #[error("the body broke off")]
    Broken(#[source] axum::Error),
    /// What comes is not what is wanted.
    #[error("the form has too much beside the file")]
    Held,
}

impl Paced {
    /// `body`, a chunk at a time.
    pub(super) fn new(body: Body) -> Self {
        let body = body.into_data_stream();
        Self(Arc::new(Mutex::new(Inner { body, turn: Turn::Body, held: 0 })))
    }

    /// The reader gave out `length` bytes.
    pub(super) fn given_out(&self, length: usize) {
        let mut inner = self.lock();
        inner.held = inner.held.saturating_sub(length);
    }

    /// Reads some of what is left, and throws it away.
    pub(super) async fn discard(self) {
        let chunk = move |cx: &mut Context<'_>| Pin::new(&mut self.lock().body).poll_next(cx);
        discard(futures_util::stream::poll_fn(chunk)).await;
    }

    // Nothing is done in between that could panic.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stream for Paced {
    type Item = Result<Bytes, PacedError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut inner = self.lock();
        match inner.turn {
            Turn::Reader => {
                inner.turn = Turn::Body;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Turn::Body => {
                let chunk = ready!(Pin::new(&mut inner.body).poll_next(cx));
                inner.turn = Turn::Reader;
                Poll::Ready(chunk.map(|chunk| {
                    let chunk = chunk.map_err(PacedError::Broken)?;
                    inner.held += chunk.len();
                    if inner.held > MAX_HELD { Err(PacedError::Held) } else { Ok(chunk) }
                }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;

    use super::*;

    fn body(chunks: usize) -> Body {
        let chunks = std::iter::repeat_n(Bytes::from_static(&[7; 64 << 10]), chunks);
        Body::from_stream(futures_util::stream::iter(chunks).map(Ok::<_, std::io::Error>))
    }

    #[tokio::test]
    async fn a_reader_gets_a_chunk_and_then_has_to_look() {
        let mut paced = Paced::new(body(2));
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let mut next = || matches!(paced.poll_next_unpin(&mut cx), Poll::Ready(Some(Ok(_))));
        assert_eq!([next(), next(), next(), next()], [true, false, true, false]);
    }

    #[tokio::test]
    async fn a_reader_that_gives_out_goes_on_and_one_that_hoards_does_not() {
        let mut paced = Paced::new(body(100));
        for _ in 0..100 {
            let chunk = paced.next().await.unwrap().unwrap();
            paced.given_out(chunk.len());
        }
        assert!(paced.next().await.is_none());

        let mut paced = Paced::new(body(100));
        let mut taken = 0;
        while paced.next().await.unwrap().is_ok() {
            taken += 1;
        }
        assert_eq!(taken, 4);
        paced.clone().discard().await;
        assert!(paced.next().await.is_none(), "the rest was thrown away");
    }
}
