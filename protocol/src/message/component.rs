//! `vcap.component.announce`, `vcap.component.discover` and `/varz`: how a collector of 2013 finds
//! the processes of a platform, and what it reads from them. Reference, section 4.5.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::clock::Millis;
use crate::process::Figures;
use crate::secret::Secret;

/// One component: an offering in one process.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Component {
    /// `<S>-Node` or `<S>-Provisioner`.
    pub r#type: String,
    /// Its number among its like.
    pub index: u32,
    /// `<index>-<32 hex digits>`, new with each start.
    pub uuid: String,
    /// `address:port` of its page.
    pub host: String,
    /// User and password of the page. They travel in clear on the bus.
    pub credentials: [Secret; 2],
    /// When it was started, as the original wrote times.
    pub start: String,
    /// How long ago that was; not in the first announcement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uptime: Option<String>,
}

impl Component {
    /// A component that starts now; `host` is `address:port` of its page. A user or password that
    /// nobody configured is made up.
    #[must_use]
    pub fn of(r#type: String, index: u32, host: String, login: [Option<Secret>; 2]) -> Self {
        let word = || hex::encode(rand::random::<[u8; 16]>());
        Self {
            r#type,
            index,
            uuid: format!("{index}-{}", word()),
            host,
            credentials: login.map(|text| text.unwrap_or_else(|| Secret::new(word()))),
            start: Millis::now().to_ruby(),
            uptime: None,
        }
    }

    /// The record as an answer to a discover shows it.
    #[must_use]
    pub fn up_for(&self, uptime: Duration) -> Self {
        Self { uptime: Some(days_to_seconds(uptime)), ..self.clone() }
    }

    /// What the header `Authorization` must be to see the page.
    #[must_use]
    pub fn authorization(&self) -> Secret {
        let [user, password] = &self.credentials;
        let login = format!("{}:{}", user.reveal(), password.reveal());
        Secret::new(format!("Basic {}", STANDARD.encode(login)))
    }
}

/// `0d:0h:5m:12s`.
fn days_to_seconds(time: Duration) -> String {
    let seconds = time.as_secs();
    let (days, hours) = (seconds / 86_400, seconds / 3_600 % 24);
    format!("{days}d:{hours}h:{}m:{}s", seconds / 60 % 60, seconds % 60)
}

/// The page `/varz`, its fields in the original's order. `C` is the configuration without secrets,
/// `S` what this kind of component adds.
#[derive(Debug, Serialize, Deserialize)]
pub struct Varz<C, S> {
    /// Who it is.
    #[serde(flatten)]
    pub component: Component,
    /// Cores of the machine.
    pub num_cores: usize,
    /// How it is configured.
    pub config: C,
    /// Its own.
    #[serde(flatten)]
    pub own: S,
    /// How long it runs.
    pub uptime: String,
    /// What it and its machine use.
    #[serde(flatten)]
    pub figures: Figures,
}

impl<C, S> Varz<C, S> {
    /// The page of `component`, which runs for `uptime`.
    #[must_use]
    pub fn new(
        component: Component,
        uptime: Duration,
        (config, own): (C, S),
        figures: Figures,
    ) -> Self {
        let num_cores = std::thread::available_parallelism().map_or(1, usize::from);
        let uptime = days_to_seconds(uptime);
        Self { component, num_cores, config, own, uptime, figures }
    }
}

/// Capacities of a node, as both hosts show them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Capacities {
    /// Free.
    pub available_capacity: i64,
    /// When empty.
    pub max_capacity: i64,
    /// Not free.
    pub used_capacity: i64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn component() -> Component {
        Component {
            r#type: "MyaaS-Node".to_owned(),
            index: 0,
            uuid: "0-3f1d2c4b5a69788796a5b4c3d2e1f001".to_owned(),
            host: "10.10.4.31:35211".to_owned(),
            credentials: ["a1b2", "0f1e"].map(|word| Secret::new(word.to_owned())),
            start: Millis::from_millis(1_373_443_200_000).to_ruby(),
            uptime: None,
        }
    }

    #[test]
    fn a_component_is_written_in_the_original_order() {
        let announced = r#"{"type":"MyaaS-Node","index":0,"uuid":"0-3f1d2c4b5a69788796a5b4c3d2e1f001","host":"10.10.4.31:35211","credentials":["a1b2","0f1e"],"start":"2013-07-10 08:00:00 +0000""#;
        let text = serde_json::to_string(&component()).unwrap();
        assert_eq!(text, format!("{announced}}}"));
        let answer = component().up_for(Duration::from_secs(930));
        let text = serde_json::to_string(&answer).unwrap();
        assert_eq!(text, format!("{announced},\"uptime\":\"0d:0h:15m:30s\"}}"));
    }

    #[test]
    fn p29_the_password_of_a_page_is_not_shown_by_accident() {
        assert!(!format!("{:?}", component()).contains("0f1e"));
    }

    #[test]
    fn the_page_is_opened_by_basic_authorization() {
        let credentials = ["u", "p"].map(|word| Secret::new(word.to_owned()));
        let component = Component { credentials, ..component() };
        assert!(component.authorization().matches("Basic dTpw"));
    }

    #[test]
    fn a_long_time_is_told_in_days() {
        assert_eq!(days_to_seconds(Duration::from_secs(2 * 86_400 + 3_601)), "2d:1h:0m:1s");
    }

    #[test]
    fn uuids_and_words_are_new_each_time() {
        let new = || {
            let user = Some(Secret::new("u".to_owned()));
            Component::of("MyaaS-Node".to_owned(), 7, "10.0.0.1:1".to_owned(), [user, None])
        };
        let (one, other) = (new(), new());
        assert_ne!(one.uuid, other.uuid);
        assert!(one.uuid.len() == 2 + 32 && one.uuid.starts_with("7-"));
        let ([user, word], [_, another]) = (&one.credentials, &other.credentials);
        assert_eq!((user.reveal(), word.reveal().len()), ("u", 32));
        assert_ne!(word.reveal(), another.reveal());
    }

    #[test]
    fn a_page_has_the_original_fields_in_their_order() {
        let own = Capacities { available_capacity: 3, max_capacity: 5, used_capacity: 2 };
        let page = Varz::new(
            component(),
            Duration::from_secs(12),
            (json!({"plan": "free"}), own),
            Figures::default(),
        );
        let text = serde_json::to_string(&page).unwrap();
        let order = [
            "type",
            "index",
            "uuid",
            "host",
            "credentials",
            "start",
            "num_cores",
            "config",
            "available_capacity",
            "max_capacity",
            "used_capacity",
            "uptime",
            "mem",
            "cpu",
            "mem_used_bytes",
            "mem_free_bytes",
            "cpu_load_avg",
        ];
        let at = order.map(|field| text.find(&format!("\"{field}\":")).expect(field));
        assert!(at.is_sorted(), "{text}");
    }
}
