//! What is checked of every request, to unknown paths too, before anything else: content type,
//! token, readiness, in this order. Reference, section 1.0. Pure, and cheap.

use std::sync::Arc;

use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderName};
use tenon_protocol::Fault;

use super::Refusals;
use crate::config::OfferingConfig;
use crate::sender::Sender;

const TOKEN: HeaderName = HeaderName::from_static("x-vcap-service-token");

/// Whether an offering can be served, and why not.
type Ready = Result<(), &'static str>;

/// The checks.
pub(crate) struct Preflight {
    offerings: Vec<Arc<OfferingConfig>>,
    ready: Box<dyn Fn(&OfferingConfig) -> Ready + Send + Sync>,
    refusals: Arc<Refusals>,
}

impl Preflight {
    /// Checks for `offerings`; each can be ordered while `ready` says so of it.
    pub(crate) fn new(
        offerings: Vec<Arc<OfferingConfig>>,
        ready: impl Fn(&OfferingConfig) -> Ready + Send + Sync + 'static,
        refusals: Arc<Refusals>,
    ) -> Self {
        Self { offerings, ready: Box::new(ready), refusals }
    }

    /// The offering whose token the request of `sender` has.
    ///
    /// # Errors
    ///
    /// The first check that fails.
    pub(crate) fn check(
        &self,
        sender: &Sender,
        headers: &HeaderMap,
    ) -> Result<Arc<OfferingConfig>, Fault> {
        self.checked(headers).cloned().map_err(|(fault, why)| {
            self.refusals.at_the_door(sender, &fault, &why);
            fault
        })
    }

    fn checked(&self, headers: &HeaderMap) -> Result<&Arc<OfferingConfig>, (Fault, &'static str)> {
        if !is_json(headers) {
            return Err((Fault::invalid_content(), "the content type is not JSON"));
        }
        let offering = self.offering(headers).ok_or_else(|| {
            let has_one = headers.contains_key(TOKEN);
            let why = if has_one { "the token is no offering's" } else { "it has no token" };
            (Fault::not_authorized(), why)
        })?;
        (self.ready)(offering).map_err(|why| (Fault::unavailable(), why))?;
        Ok(offering)
    }

    fn offering(&self, headers: &HeaderMap) -> Option<&Arc<OfferingConfig>> {
        let token = only(headers, &TOKEN)?;
        // All are compared, so that the time does not tell which one was close.
        self.offerings.iter().fold(None, |found, offering| {
            if offering.admits(token) { Some(offering) } else { found }
        })
    }
}

/// The text of a header that is there once: of two nobody can say which one whoever is before us
/// looked at.
pub(super) fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        (Some(_) | None, _) => None,
    }
}

/// Parameters of the media type are ignored.
fn is_json(headers: &HeaderMap) -> bool {
    let text = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (media_type, _parameters) = text.split_once(';').unwrap_or((text, ""));
    media_type.trim().eq_ignore_ascii_case("application/json")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Config;

    fn check_preflight(content: &str, token: &str, ready: bool) -> Result<String, u32> {
        let text = include_str!("../../testdata/gateway.toml");
        let config = Config::parse(text, Path::new("gw.toml")).unwrap();
        let offerings = config.offerings.into_iter().map(Arc::new).collect();
        let refusals = Arc::new(Refusals::new(Arc::default()));
        let preflight =
            Preflight::new(offerings, move |_| if ready { Ok(()) } else { Err("away") }, refusals);
        let mut headers = HeaderMap::new();
        for (name, value) in [(CONTENT_TYPE, content), (TOKEN, token)] {
            if !value.is_empty() {
                headers.insert(name, value.parse().unwrap());
            }
        }
        let checked = preflight.check(&Sender::default(), &headers);
        checked.map(|offering| offering.label.clone()).map_err(|fault| fault.msg.code)
    }

    #[test]
    fn one_offering_is_served_while_another_is_not_ready() {
        let text = include_str!("../../testdata/gateway.toml");
        let config = Config::parse(text, Path::new("gw.toml")).unwrap();
        let offerings = config.offerings.into_iter().map(Arc::new).collect();
        let ready = |offering: &OfferingConfig| match offering.label.as_str() {
            "files" => Ok(()),
            _ => Err("not read yet"),
        };
        let refusals = Arc::new(Refusals::new(Arc::default()));
        let preflight = Preflight::new(offerings, ready, refusals);
        let check = |token: &str| {
            let headers = [(CONTENT_TYPE, JSON), (TOKEN, token)];
            let headers = headers.map(|(name, value)| (name, value.parse().unwrap()));
            let headers: HeaderMap = headers.into_iter().collect();
            let checked = preflight.check(&Sender::default(), &headers);
            checked.map(drop).map_err(|fault| fault.msg.code)
        };
        assert_eq!((check("files-secret"), check("mysql-secret")), (Ok(()), Err(30600)));
    }

    const JSON: &str = "application/json";

    #[test]
    fn the_token_selects_the_offering() {
        assert_eq!(check_preflight(JSON, "mysql-secret", true), Ok("mysql".to_owned()));
        assert_eq!(check_preflight(JSON, "files-secret", true), Ok("files".to_owned()));
    }

    #[test]
    fn two_tokens_are_none() {
        let text = include_str!("../../testdata/gateway.toml");
        let config = Config::parse(text, Path::new("gw.toml")).unwrap();
        let offerings = config.offerings.into_iter().map(Arc::new).collect();
        let refusals = Arc::new(Refusals::new(Arc::default()));
        let preflight = Preflight::new(offerings, |_| Ok(()), refusals);
        let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, JSON.parse().unwrap())]);
        for (token, expected) in [("mysql-secret", Ok(())), ("mysql-secret", Err(30100))] {
            headers.append(TOKEN, token.parse().unwrap());
            let checked = preflight.check(&Sender::default(), &headers);
            assert_eq!(checked.map(drop).map_err(|fault| fault.msg.code), expected);
        }
    }

    #[test]
    fn parameters_of_the_content_type_are_accepted() {
        for content in
            ["application/json; charset=utf-8", "Application/JSON;x", " application/json "]
        {
            assert!(check_preflight(content, "mysql-secret", true).is_ok(), "{content}");
        }
    }

    #[test]
    fn the_first_check_that_fails_is_answered() {
        for content in ["", "text/plain", "application/jsonp", "text/json; application/json"] {
            assert_eq!(check_preflight(content, "wrong", false), Err(30000), "{content}");
        }
        for token in ["", "wrong", "mysql-secre", "mysql-secret1", "MYSQL-SECRET"] {
            assert_eq!(check_preflight(JSON, token, false), Err(30100), "{token}");
        }
        assert_eq!(check_preflight(JSON, "mysql-secret", false), Err(30600));
    }
}
