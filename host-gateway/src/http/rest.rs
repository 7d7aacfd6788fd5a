//! What is left of a body after a refusal: a connection that is closed while its peer writes may
//! take the answer with it.

use std::pin::pin;
use std::time::Duration;

use axum::body::Bytes;
use futures_util::{Stream, StreamExt};

/// So much is read and thrown away; whoever sends more may not see the answer.
const MAX: usize = 16 << 20;
/// And so long.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Reads some of what is left of `body`, and throws it away.
pub(super) async fn discard<E>(body: impl Stream<Item = Result<Bytes, E>>) {
    let mut body = pin!(body);
    let rest = async {
        let mut read = 0;
        while read < MAX
            && let Some(Ok(bytes)) = body.next().await
        {
            read += bytes.len();
        }
    };
    if tokio::time::timeout(TIMEOUT, rest).await.is_err() {
        tracing::debug!("the rest of a body is not waited for");
    }
}
