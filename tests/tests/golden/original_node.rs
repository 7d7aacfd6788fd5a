//! Nodes of 2013, as far as the recording goes: the first announces itself on the shared subject,
//! and each answers what it is told to expect.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use async_nats::{Client, Message};
use futures_util::StreamExt;
use tokio::task::JoinSet;

use super::differences::value;
use super::recording::{NodeExchange, Recording};
use super::rig::Rig;

/// It plays until it is dropped.
pub(crate) struct OriginalNode {
    script: Arc<Mutex<Script>>,
    _playing: JoinSet<()>,
}

#[derive(Default)]
struct Script {
    expected: VecDeque<NodeExchange>,
    came: Vec<(NodeExchange, String)>,
    unlike: Vec<String>,
}

impl OriginalNode {
    /// Listens to commands, and to who is looking for nodes.
    pub(crate) async fn start(rig: &Rig) -> Self {
        let commands = rig.listen("MyaaS.*.*").await;
        let discovers = rig.listen("MyaaS.discover").await;
        let messages = futures_util::stream::select(commands, discovers);
        let script = Arc::new(Mutex::new(Script::default()));
        let mut playing = JoinSet::new();
        playing.spawn(messages.for_each({
            let (bus, script) = (rig.bus.clone(), Arc::clone(&script));
            move |message| answer(bus.clone(), Arc::clone(&script), message)
        }));
        Self { script, _playing: playing }
    }

    /// The commands that are to come, and what it answers to them.
    pub(crate) fn expect(&self, commands: impl IntoIterator<Item = NodeExchange>) {
        let mut script = self.script.lock().expect("nobody panics with it");
        script.expected.extend(commands);
    }

    /// What came where it was expected, beside what was expected there.
    pub(crate) fn came(&self) -> Vec<(NodeExchange, String)> {
        let mut script = self.script.lock().expect("nobody panics with it");
        std::mem::take(&mut script.came)
    }

    /// What came besides, or did not come.
    pub(crate) fn unlike(&self) -> Vec<String> {
        let mut script = self.script.lock().expect("nobody panics with it");
        let missing: Vec<String> =
            script.expected.drain(..).map(|command| format!("{command:?} did not come")).collect();
        script.unlike.extend(missing);
        std::mem::take(&mut script.unlike)
    }
}

async fn answer(bus: Client, script: Arc<Mutex<Script>>, message: Message) {
    if message.subject.as_str() == "MyaaS.discover" {
        let announcement = Recording::V1.part(&["startup"]).announcements().into_iter().next();
        let announcement = announcement.expect("the first one");
        send(&bus, "MyaaS.announce".to_owned(), announcement).await;
        return;
    }
    let reply = script.lock().expect("nobody panics with it").reply_to(&message);
    if let (Some(inbox), Some(reply)) = (message.reply, reply) {
        send(&bus, inbox.to_string(), reply).await;
    }
}

impl Script {
    /// The reply to a bind with credentials that has come before. Who recovers an instance may
    /// repeat it: reference, section 5.5.
    fn again(&self, subject: &str, payload: &str) -> Option<String> {
        if !subject.contains(".bind.") || value(payload).get("credentials").is_none() {
            return None;
        }
        let same = |(command, came): &&(NodeExchange, String)| {
            command.subject == subject && value(came) == value(payload)
        };
        self.came.iter().find(same)?.0.reply.clone()
    }

    fn reply_to(&mut self, message: &Message) -> Option<String> {
        let payload = String::from_utf8_lossy(&message.payload);
        if let Some(reply) = self.again(&message.subject, &payload) {
            return Some(reply);
        }
        let Some(expected) = self.expected.pop_front() else {
            self.unlike.push(format!("{} {payload} came besides", message.subject));
            return None;
        };
        if message.subject.as_str() != expected.subject {
            self.unlike.push(format!("{expected:?} became {} {payload}", message.subject));
        }
        if message.headers.is_some() {
            self.unlike.push(format!("{} has headers, which it cannot know", message.subject));
        }
        let reply = expected.reply.clone();
        self.came.push((expected, payload.into_owned()));
        reply
    }
}

async fn send(bus: &Client, subject: String, payload: String) {
    let sent = bus.publish(subject, payload.into()).await;
    sent.expect("the bus is there");
}
