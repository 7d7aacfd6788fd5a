//! The text of nats-server's configuration file.

use std::fmt::Write;
use std::path::Path;

use tenon_protocol::Secret;

use super::permissions::{Permissions, Subjects};

/// A reply is allowed for as long as the slowest call may take.
const REPLY_SECONDS: u32 = 120;

/// What a server is told. It listens on the loopback address alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NatsConfig {
    /// For clients.
    pub port: u16,
    /// For monitoring over HTTP.
    pub monitor_port: u16,
    /// Who may connect; nobody else.
    pub users: Vec<NatsUser>,
}

/// One who may connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NatsUser {
    /// For a node: its id.
    pub name: String,
    /// Hex or another text without quotes.
    pub password: Secret,
    /// What is not allowed is denied.
    pub permissions: Permissions,
}

impl NatsConfig {
    /// For clients.
    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// For monitoring.
    #[must_use]
    pub fn monitor_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.monitor_port)
    }

    /// The file. `store` is where JetStream keeps its streams.
    ///
    /// One setting a line: two on one line are an error of syntax.
    pub(super) fn text(&self, store: &Path) -> String {
        let users: String = self.users.iter().map(user).collect();
        format!(
            r#"listen: "127.0.0.1:{port}"
http: "127.0.0.1:{monitor_port}"
server_name: tenon-dev
jetstream {{
  store_dir: {store}
  # An acknowledged record survives a power cut.
  sync_interval: always
}}
accounts {{
  TENON {{
    jetstream: enabled
    users: [
{users}    ]
  }}
}}
"#,
            port = self.port,
            monitor_port = self.monitor_port,
            store = quoted(&store.to_string_lossy()),
        )
    }
}

fn user(user: &NatsUser) -> String {
    let Permissions { publish, subscribe, responses } = &user.permissions;
    let mut text = format!(
        "      {{
        user: {name}
        password: {password}
        permissions: {{
          publish: {{ allow: [{publish}] }}
          subscribe: {{ allow: [{subscribe}] }}
",
        name = quoted(&user.name),
        password = quoted(user.password.reveal()),
        publish = list(publish),
        subscribe = list(subscribe),
    );
    if *responses {
        // Writing to a String cannot fail.
        writeln!(text, "          allow_responses: {{ max: 1, expires: \"{REPLY_SECONDS}s\" }}")
            .ok();
    }
    text.push_str("        }\n      }\n");
    text
}

fn list(subjects: &Subjects) -> String {
    subjects.iter().map(|subject| quoted(subject)).collect::<Vec<_>>().join(", ")
}

fn quoted(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{escaped}\"")
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn the_file_is_durable_and_denies_what_it_does_not_name() {
        let user = NatsUser {
            name: "node-1".to_owned(),
            password: Secret::new("pass".to_owned()),
            permissions: Permissions {
                publish: vec!["S.announce.node-1".to_owned(), "$JS.API.INFO".to_owned()],
                subscribe: vec!["S.*.node-1".to_owned()],
                responses: true,
            },
        };
        let config = NatsConfig { port: 4222, monitor_port: 8222, users: vec![user] };
        expect![[r#"
            listen: "127.0.0.1:4222"
            http: "127.0.0.1:8222"
            server_name: tenon-dev
            jetstream {
              store_dir: "/d/\"nats"
              # An acknowledged record survives a power cut.
              sync_interval: always
            }
            accounts {
              TENON {
                jetstream: enabled
                users: [
                  {
                    user: "node-1"
                    password: "pass"
                    permissions: {
                      publish: { allow: ["S.announce.node-1", "$JS.API.INFO"] }
                      subscribe: { allow: ["S.*.node-1"] }
                      allow_responses: { max: 1, expires: "120s" }
                    }
                  }
                ]
              }
            }
        "#]]
        .assert_eq(&config.text(Path::new("/d/\"nats")));
    }
}
