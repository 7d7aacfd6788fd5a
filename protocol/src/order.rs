//! What Tenon adds to a classic message, as NATS headers, which original peers ignore.

use crate::clock::Millis;
use crate::id::{BindingId, Generation, IdError, InstanceId, OperationId, RequestId};

/// Header names on the wire.
pub mod header {
    /// The operation, the same for every attempt.
    pub const OPERATION: &str = "Tenon-Operation";
    /// The generation of the object that the operation is about.
    pub const GENERATION: &str = "Tenon-Generation";
    /// Milliseconds since the epoch after which nobody waits any more.
    pub const DEADLINE: &str = "Tenon-Deadline";
    /// The id of the instance; the classic provision request has no place for it.
    pub const INSTANCE: &str = "Tenon-Instance";
    /// The id of the binding; classic requests name it by its credentials.
    pub const BINDING: &str = "Tenon-Binding";
    /// The user's parameters, a JSON object of at most 8 KiB.
    pub const PARAMETERS: &str = "Tenon-Parameters";
    /// The epoch of the records behind the order: a node notices when it becomes another one.
    pub const STORE: &str = "Tenon-Store";
    /// W3C trace context.
    pub const TRACEPARENT: &str = "traceparent";
    /// The platform's name for the request behind the order, for the log.
    pub const REQUEST: &str = "Tenon-Request";
}

/// Most bytes of JSON in [`header::PARAMETERS`]; beyond it the request is malformed.
pub const MAX_PARAMETERS: usize = 8 << 10;

/// One attempt at one operation on one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Repeating an operation repeats its answer.
    pub operation: OperationId,
    /// The object's generation: a node refuses one below what it has seen.
    pub generation: Generation,
    /// When nobody waits any more. Sheds load; no safety depends on it.
    pub deadline: Millis,
    /// The instance.
    pub instance: InstanceId,
    /// The binding, for bind and unbind.
    pub binding: Option<BindingId>,
    /// The user's parameters as JSON text; empty when there are none.
    pub parameters: String,
    /// W3C trace context; empty when there is none.
    pub traceparent: String,
    /// The platform's name for the request behind it, for the log.
    pub request: Option<RequestId>,
}

/// Why headers are not an order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// Some of Tenon's headers are there, this one is not.
    #[error("header {0} is missing")]
    Missing(&'static str),
    /// A header does not have its form.
    #[error("header {0} is not a number")]
    NotANumber(&'static str),
    /// A header is not an id.
    #[error("header {name} is not an id")]
    Id {
        /// Which header.
        name: &'static str,
        /// The rule that it breaks.
        #[source]
        source: IdError,
    },
    /// Parameters exceed [`MAX_PARAMETERS`].
    #[error("header {} is longer than {MAX_PARAMETERS} bytes", header::PARAMETERS)]
    TooLong,
}

impl Order {
    /// An order about an instance that nobody waits for beyond `deadline`; all that may be empty is.
    #[must_use]
    pub fn of(
        instance: InstanceId,
        operation: OperationId,
        generation: Generation,
        deadline: Millis,
    ) -> Self {
        Self {
            operation,
            generation,
            deadline,
            instance,
            binding: None,
            parameters: String::new(),
            traceparent: String::new(),
            request: None,
        }
    }

    /// The headers of this order, names and values.
    #[must_use]
    pub fn to_headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = vec![
            (header::OPERATION, self.operation.to_string()),
            (header::GENERATION, self.generation.to_string()),
            (header::DEADLINE, self.deadline.as_millis().to_string()),
            (header::INSTANCE, self.instance.to_string()),
        ];
        headers.extend(self.binding.as_ref().map(|id| (header::BINDING, id.to_string())));
        headers.extend(self.request.as_ref().map(|id| (header::REQUEST, id.to_string())));
        for (name, value) in
            [(header::PARAMETERS, &self.parameters), (header::TRACEPARENT, &self.traceparent)]
        {
            if !value.is_empty() {
                headers.push((name, value.clone()));
            }
        }
        headers
    }

    /// Reads an order from headers, looked up by name. `None` when there is no
    /// [`header::OPERATION`]: the sender is an original peer.
    ///
    /// # Errors
    ///
    /// [`OrderError`] when the sender is ours but a header is missing or wrong.
    pub fn from_headers<'a>(
        get: impl Fn(&str) -> Option<&'a str>,
    ) -> Result<Option<Self>, OrderError> {
        let Some(operation) = get(header::OPERATION) else {
            return Ok(None);
        };
        let need = |name: &'static str| get(name).ok_or(OrderError::Missing(name));
        let number = |name: &'static str| {
            need(name)?.parse().map_err(|_not_a_number| OrderError::NotANumber(name))
        };
        let parameters = get(header::PARAMETERS).unwrap_or_default();
        if parameters.len() > MAX_PARAMETERS {
            return Err(OrderError::TooLong);
        }
        Ok(Some(Self {
            operation: id(header::OPERATION, operation, OperationId::new)?,
            generation: Generation::new(number(header::GENERATION)?),
            deadline: Millis::from_millis(number(header::DEADLINE)?),
            instance: id(header::INSTANCE, need(header::INSTANCE)?, InstanceId::new)?,
            binding: get(header::BINDING)
                .map(|text| id(header::BINDING, text, BindingId::new))
                .transpose()?,
            parameters: parameters.to_owned(),
            traceparent: get(header::TRACEPARENT).unwrap_or_default().to_owned(),
            // Nothing depends on it: what is none is left out.
            request: get(header::REQUEST).and_then(|text| RequestId::new(text).ok()),
        }))
    }
}

fn id<T>(
    name: &'static str,
    text: &str,
    new: impl Fn(String) -> Result<T, IdError>,
) -> Result<T, OrderError> {
    new(text.to_owned()).map_err(|source| OrderError::Id { name, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order() -> Order {
        Order {
            operation: OperationId::new("op-1").unwrap(),
            generation: Generation::new(3),
            deadline: Millis::from_millis(1_700_000_000_000),
            instance: InstanceId::new("d1").unwrap(),
            binding: Some(BindingId::new("b1").unwrap()),
            parameters: r#"{"a":1}"#.to_owned(),
            traceparent: String::new(),
            request: None,
        }
    }

    fn read(headers: &[(&str, String)]) -> Result<Option<Order>, OrderError> {
        Order::from_headers(|name| {
            headers.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str())
        })
    }

    #[test]
    fn an_order_survives_its_headers() {
        assert_eq!(read(&order().to_headers()), Ok(Some(order())));
    }

    #[test]
    fn a_message_without_our_headers_comes_from_an_original_peer() {
        assert_eq!(read(&[("traceparent", "x".to_owned())]), Ok(None));
    }

    #[test]
    fn a_half_order_is_refused() {
        for name in [header::GENERATION, header::DEADLINE, header::INSTANCE] {
            let mut headers = order().to_headers();
            headers.retain(|(key, _)| *key != name);
            assert_eq!(read(&headers), Err(OrderError::Missing(name)));
        }
    }

    #[test]
    fn a_request_that_has_no_name_is_an_order_all_the_same() {
        let named = Order { request: RequestId::new("r::1").ok(), ..order() };
        assert_eq!(read(&named.to_headers()), Ok(Some(named)));
        let mut headers = order().to_headers();
        headers.push((header::REQUEST, "two words".to_owned()));
        assert_eq!(read(&headers), Ok(Some(order())));
    }

    #[test]
    fn a_wrong_header_is_named() {
        let mut headers = order().to_headers();
        headers.retain(|(key, _)| *key != header::GENERATION);
        headers.push((header::GENERATION, "-1".to_owned()));
        assert_eq!(read(&headers), Err(OrderError::NotANumber(header::GENERATION)));

        let mut long = order();
        long.parameters = "x".repeat(MAX_PARAMETERS + 1);
        assert_eq!(read(&long.to_headers()), Err(OrderError::TooLong));
    }
}
