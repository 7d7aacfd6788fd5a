//! The recording of the original, read into exchanges.

use serde::Deserialize;

const RECORDED: &str = include_str!("../../golden/classic-v1.jsonl");

/// One line of the recording.
#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Event {
    Nats { step: String, op: Op, subject: String, reply: Option<String>, payload: String },
    Http { step: String, peer: String, request: String, response: String },
}

/// What the node did on its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Op {
    /// It got a message.
    Msg,
    /// It sent one.
    Pub,
}

/// A request to a node, and what it answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NodeExchange {
    pub(crate) step: String,
    pub(crate) subject: String,
    pub(crate) payload: String,
    /// `None`: nothing came.
    pub(crate) reply: Option<String>,
}

/// An HTTP request, and what was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HttpExchange {
    pub(crate) step: String,
    pub(crate) request: HttpRequest,
    pub(crate) status: u16,
    pub(crate) reply: String,
    /// What the gateway asked the node for it.
    pub(crate) commands: Vec<NodeExchange>,
}

/// An HTTP request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HttpRequest {
    pub(crate) method: String,
    pub(crate) path: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

/// Who called whom over HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Caller {
    CloudController,
    Gateway,
}

/// Requests to the node, in their order.
pub(crate) fn node_exchanges() -> Vec<NodeExchange> {
    let events = events();
    events.iter().filter_map(|event| node_exchange(event, &events)).collect()
}

/// What the node announced by itself.
pub(crate) fn announcements() -> Vec<String> {
    let announced = |event| match event {
        Event::Nats { op: Op::Pub, subject, payload, .. } if subject == "MyaaS.announce" => {
            Some(payload)
        }
        Event::Nats { .. } | Event::Http { .. } => None,
    };
    events().into_iter().filter_map(announced).collect()
}

/// Requests of `caller`, in their order.
pub(crate) fn http_exchanges(caller: Caller) -> Vec<HttpExchange> {
    let name = match caller {
        Caller::CloudController => "cloud_controller->gateway",
        Caller::Gateway => "gateway->cloud_controller",
    };
    let events = events();
    let mut exchanges: Vec<HttpExchange> = Vec::new();
    for event in &events {
        match event {
            Event::Http { step, peer, request, response } if peer == name => {
                exchanges.push(HttpExchange::parse(step, request, response));
            }
            // A request is recorded when it comes, and what it leads to after it.
            Event::Nats { .. } | Event::Http { .. } => {
                let command = node_exchange(event, &events);
                if let (Some(command), Some(last)) = (command, exchanges.last_mut())
                    && command.step == last.step
                {
                    last.commands.push(command);
                }
            }
        }
    }
    exchanges
}

fn node_exchange(event: &Event, all: &[Event]) -> Option<NodeExchange> {
    let Event::Nats { op: Op::Msg, step, subject, reply: Some(inbox), payload } = event else {
        return None;
    };
    let reply = all.iter().find_map(|event| match event {
        Event::Nats { op: Op::Pub, subject, payload, .. } if subject == inbox => {
            Some(payload.clone())
        }
        Event::Nats { .. } | Event::Http { .. } => None,
    });
    Some(NodeExchange {
        step: step.clone(),
        subject: subject.clone(),
        payload: payload.clone(),
        reply,
    })
}

impl HttpExchange {
    fn parse(step: &str, request: &str, response: &str) -> Self {
        let (head, reply) = split(response);
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        Self {
            step: step.to_owned(),
            request: HttpRequest::parse(request),
            status: status.expect("a status"),
            reply: reply.to_owned(),
            commands: Vec::new(),
        }
    }

    /// Method, path and body.
    pub(crate) fn name(&self) -> String {
        let request = &self.request;
        format!("{} {} {}", request.method, request.path, request.body).trim_end().to_owned()
    }
}

impl HttpRequest {
    /// Reads a whole request.
    pub(crate) fn parse(text: &str) -> Self {
        let (head, body) = split(text);
        let mut lines = head.split("\r\n");
        let mut words = lines.next().unwrap_or_default().split(' ').map(str::to_owned);
        let header = |line: &str| {
            let (name, value) = line.split_once(": ")?;
            Some((name.to_lowercase(), value.to_owned()))
        };
        Self {
            method: words.next().unwrap_or_default(),
            path: words.next().unwrap_or_default(),
            headers: lines.filter_map(header).collect(),
            body: body.to_owned(),
        }
    }

    /// The value of the header `name`, in lower case; `None` when it is not there.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }
}

fn events() -> Vec<Event> {
    let event = |line| serde_json::from_str(line).expect("a line of the recording");
    RECORDED.lines().map(event).collect()
}

/// Head and body of a request or response.
fn split(text: &str) -> (&str, &str) {
    text.split_once("\r\n\r\n").expect("a head ends with an empty line")
}

#[test]
fn requests_to_the_node_are_read_with_their_replies() {
    let all = node_exchanges();
    assert_eq!(all.len(), 41);
    let first = all.first().expect("the first one");
    assert_eq!(first.subject, "MyaaS.provision.mysql_node_free_1");
    assert_eq!(first.payload, r#"{"plan":"free","version":"5.5"}"#);
    let reply = first.reply.as_ref().expect("the node answered");
    assert!(reply.contains("d0202c6a3935447298320f96c18e61597"), "{reply}");
    let silent = all.iter().filter(|exchange| exchange.reply.is_none());
    let silent: Vec<&str> = silent.map(|exchange| exchange.payload.as_str()).collect();
    assert_eq!(silent, [r#"{"plan":"other"}"#, "{bad"]);
    assert_eq!(announcements().len(), 2);
}

#[test]
fn http_requests_are_read_with_their_answers() {
    let all = http_exchanges(Caller::CloudController);
    assert_eq!(all.len(), 44);
    let first = all.first().expect("the first one");
    assert_eq!((first.request.method.as_str(), first.status), ("POST", 400));
    assert_eq!(first.request.header("x-vcap-service-token"), Some("0xdeadbeef"));
    assert_eq!(first.request.header("content-type"), Some("text/plain"));
    assert_eq!(first.reply, r#"{"code":30000,"description":"Invalid Content-Type"}"#);
    let commands: usize = all.iter().map(|exchange| exchange.commands.len()).sum();
    assert_eq!(commands, 12);
    let own = http_exchanges(Caller::Gateway);
    let paths: Vec<&str> = own.iter().map(|exchange| exchange.request.path.as_str()).collect();
    let expected = ["/services/v1/offerings", "/services/v1/offerings/mysql-5.5/handles"];
    assert_eq!(paths, expected);
}
