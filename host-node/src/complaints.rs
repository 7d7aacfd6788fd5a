//! What is wrong with requests: told in the log, once for each sender, with its subject.
//!
//! Who does it may be an old gateway or a mistaken tool, and its answer may never be seen by anybody.

use std::sync::PoisonError;
use std::time::Instant;

use async_nats::Message;
use tenon_protocol::complaints::shown;

use crate::offering::Offering;

/// Tells that a request is refused because of `wrong`, which shows nothing of its body.
pub(crate) fn complain(offering: &Offering, message: &Message, wrong: &str) {
    let (subject, sender) = (shown(&message.subject), sender(message));
    let is_due = {
        // A panic while it is held leaves whole complaints behind.
        let mut told = offering.complaints.lock().unwrap_or_else(PoisonError::into_inner);
        told.is_due((format!("{sender} {subject}"), wrong.to_owned()), Instant::now())
    };
    if is_due {
        let offering = &offering.config.label;
        tracing::warn!(offering, subject, sender, wrong, "a request is refused");
    } else {
        tracing::debug!(subject, sender, wrong, "a request is refused");
    }
}

/// Who sent it, as far as the bus tells: where the answer is to go, which begins with the login's
/// name for our gateways, and is alike for all requests of one connection.
fn sender(message: &Message) -> String {
    match &message.reply {
        Some(reply) => {
            shown(reply.rsplit_once('.').map_or(reply.as_str(), |(connection, _)| connection))
        }
        None => "who waits for no answer".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_sender(reply: Option<&str>, expected: &str) {
        let message = Message {
            subject: "MyaaS.bind.n1".into(),
            reply: reply.map(Into::into),
            payload: bytes::Bytes::new(),
            headers: None,
            status: None,
            description: None,
            length: 0,
        };
        assert_eq!(sender(&message), expected);
    }

    #[test]
    fn a_sender_is_known_by_its_connection() {
        check_sender(Some("_INBOX_gateway-1.abc.7"), "_INBOX_gateway-1.abc");
        check_sender(Some("_INBOX_gateway-1.abc.8"), "_INBOX_gateway-1.abc");
        check_sender(Some("answers"), "answers");
        check_sender(None, "who waits for no answer");
    }
}
