//! The recordings of the original, read into exchanges.

use serde::Deserialize;

/// One of the recordings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recording {
    /// With a v1 cloud controller.
    V1,
    /// With a v2 one.
    V2,
    /// With Redis and a worker beside the node.
    Snapshots,
}

impl Recording {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::V1, Self::V2, Self::Snapshots];

    /// Its file in `tests/golden/`.
    pub(crate) const fn file(self) -> &'static str {
        match self {
            Self::V1 => "v1.jsonl",
            Self::V2 => "v2.jsonl",
            Self::Snapshots => "snapshots.jsonl",
        }
    }

    const fn text(self) -> &'static str {
        match self {
            Self::V1 => include_str!("../../golden/v1.jsonl"),
            Self::V2 => include_str!("../../golden/v2.jsonl"),
            Self::Snapshots => include_str!("../../golden/snapshots.jsonl"),
        }
    }

    fn lines(self) -> impl Iterator<Item = Line> {
        let parse = |line| serde_json::from_str(line).expect("a line of the recording");
        self.text().lines().map(parse)
    }

    /// The names of its steps, in their order.
    pub(crate) fn steps(self) -> Vec<String> {
        let mut steps: Vec<String> = self.lines().map(|line| line.step).collect();
        steps.dedup();
        steps
    }

    /// What was said in `steps`.
    pub(crate) fn part(self, steps: &[&str]) -> Part {
        let lines: Vec<Line> = self.lines().collect();
        let unknown = steps.iter().find(|step| lines.iter().all(|line| line.step != **step));
        assert_eq!(unknown, None, "{} has no such step", self.file());
        let is_in = |line: &Line| steps.contains(&&*line.step);
        Part { lines: lines.into_iter().filter(is_in).collect() }
    }
}

/// Steps of a recording.
pub(crate) struct Part {
    lines: Vec<Line>,
}

/// One line of a recording.
#[derive(Debug, Deserialize)]
struct Line {
    step: String,
    #[serde(flatten)]
    event: Event,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Event {
    /// A message, as its sender or its receiver saw it.
    Nats {
        client: Client,
        op: Op,
        subject: String,
        reply: Option<String>,
        payload: String,
    },
    Http {
        peer: String,
        request: String,
        response: String,
    },
    /// What who recorded saw on the database server.
    Sql {
        result: String,
    },
    /// Where a step begins, what a store held, what who recorded asked or noted.
    #[serde(other)]
    Beside,
}

/// Whose connection a message was seen on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Client {
    Gateway,
    Node,
    Driver,
}

/// What a client did on its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Op {
    /// It got a message.
    Msg,
    /// It sent one.
    Pub,
}

/// A request to a node, and what it answered; or what a node was told, which nobody waits for.
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
    MonitorOfGateway,
    MonitorOfNode,
}

impl Caller {
    const fn peer(self) -> &'static str {
        match self {
            Self::CloudController => "cloud_controller->gateway",
            Self::Gateway => "gateway->cloud_controller",
            Self::MonitorOfGateway => "monitor->MyaaS-Provisioner",
            Self::MonitorOfNode => "monitor->MyaaS-Node",
        }
    }
}

impl Part {
    /// Requests to nodes and what they were told, in their order.
    pub(crate) fn node_exchanges(&self) -> Vec<NodeExchange> {
        self.lines.iter().filter_map(|line| self.node_exchange(line)).collect()
    }

    /// What nodes announced by themselves.
    pub(crate) fn announcements(&self) -> Vec<String> {
        self.published(Client::Node, "MyaaS.announce")
    }

    /// What `by` sent on the subject `on`.
    pub(crate) fn published(&self, by: Client, on: &str) -> Vec<String> {
        let published = |line: &Line| match &line.event {
            Event::Nats { client, op: Op::Pub, subject, payload, .. }
                if *client == by && subject == on =>
            {
                Some(payload.clone())
            }
            Event::Nats { .. } | Event::Http { .. } | Event::Sql { .. } | Event::Beside => None,
        };
        self.lines.iter().filter_map(published).collect()
    }

    /// What was on the database server.
    pub(crate) fn on_the_server(&self) -> Vec<String> {
        let seen = |line: &Line| match &line.event {
            Event::Sql { result } => Some(result.clone()),
            Event::Nats { .. } | Event::Http { .. } | Event::Beside => None,
        };
        self.lines.iter().filter_map(seen).collect()
    }

    /// What gateway and nodes said when a collector looked for components.
    pub(crate) fn answers_of_components(&self) -> Vec<String> {
        let answered = |line: &Line| match &line.event {
            Event::Nats { op: Op::Pub, subject, payload, .. } if subject.starts_with("_INBOX.") => {
                Some(payload.clone())
            }
            Event::Nats { .. } | Event::Http { .. } | Event::Sql { .. } | Event::Beside => None,
        };
        self.lines.iter().filter_map(answered).collect()
    }

    /// Requests of `caller`, in their order.
    pub(crate) fn http_exchanges(&self, caller: Caller) -> Vec<HttpExchange> {
        let mut exchanges: Vec<HttpExchange> = Vec::new();
        for line in &self.lines {
            match &line.event {
                Event::Http { peer, request, response } if peer == caller.peer() => {
                    exchanges.push(HttpExchange::parse(&line.step, request, response));
                }
                // A request is recorded when it comes, and what it leads to after it.
                Event::Nats { .. } => {
                    let command = self.node_exchange(line);
                    if let (Some(command), Some(last)) = (command, exchanges.last_mut())
                        && command.step == last.step
                        && command.subject != "MyaaS.discover"
                    {
                        last.commands.push(command);
                    }
                }
                Event::Http { .. } | Event::Sql { .. } | Event::Beside => {}
            }
        }
        exchanges
    }

    fn node_exchange(&self, line: &Line) -> Option<NodeExchange> {
        let Event::Nats { client, op: Op::Msg, subject, reply: inbox, payload } = &line.event
        else {
            return None;
        };
        // What all nodes hear and nobody waits for is no command.
        let is_command = inbox.is_some() || subject.split('.').count() == 3;
        if *client != Client::Node || subject.starts_with("vcap.") || !is_command {
            return None;
        }
        Some(NodeExchange {
            step: line.step.clone(),
            subject: subject.clone(),
            payload: payload.clone(),
            reply: inbox
                .as_ref()
                .and_then(|inbox| self.published(Client::Node, inbox).into_iter().next()),
        })
    }
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

    /// Status and body of the answer.
    pub(crate) fn answer(&self) -> String {
        format!("{} {}", self.status, self.reply)
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

    /// `active` in the body of an offering notice; `None` when it says nothing of it.
    pub(crate) fn says_active(&self) -> Option<bool> {
        super::differences::value(&self.body).get("active")?.as_bool()
    }

    /// The value of the header `name`, in lower case; `None` when it is not there.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// Head and body of a request or response.
fn split(text: &str) -> (&str, &str) {
    text.split_once("\r\n\r\n").expect("a head ends with an empty line")
}

#[test]
fn requests_to_the_node_are_read_with_their_replies() {
    let part = Recording::V1.part(super::steps::LIFE);
    let all = part.node_exchanges();
    assert_eq!(all.len(), 41);
    let first = all.first().expect("the first one");
    assert_eq!(first.subject, "MyaaS.provision.mysql_node_free_1");
    assert_eq!(first.payload, r#"{"plan":"free","version":"5.5"}"#);
    let reply = first.reply.as_ref().expect("the node answered");
    assert!(reply.contains("d0202c6a3935447298320f96c18e61597"), "{reply}");
    let silent = all.iter().filter(|exchange| exchange.reply.is_none());
    let silent: Vec<&str> = silent.map(|exchange| exchange.payload.as_str()).collect();
    assert_eq!(silent, [r#"{"plan":"other"}"#, "{bad"]);
    assert_eq!(part.announcements().len(), 2);
}

#[test]
fn http_requests_are_read_with_their_answers() {
    let part = Recording::V1.part(super::steps::LIFE);
    let all = part.http_exchanges(Caller::CloudController);
    assert_eq!(all.len(), 44);
    let first = all.first().expect("the first one");
    assert_eq!((first.request.method.as_str(), first.status), ("POST", 400));
    assert_eq!(first.request.header("x-vcap-service-token"), Some("0xdeadbeef"));
    assert_eq!(first.request.header("content-type"), Some("text/plain"));
    assert_eq!(first.reply, r#"{"code":30000,"description":"Invalid Content-Type"}"#);
    let commands: usize = all.iter().map(|exchange| exchange.commands.len()).sum();
    assert_eq!(commands, 12);
    let own = part.http_exchanges(Caller::Gateway);
    let paths: Vec<&str> = own.iter().map(|exchange| exchange.request.path.as_str()).collect();
    let expected = ["/services/v1/offerings", "/services/v1/offerings/mysql-5.5/handles"];
    assert_eq!(paths, expected);
}
