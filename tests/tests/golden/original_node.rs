//! Nodes of 2013, as far as the recording goes: they announce themselves and report what they have
//! on the shared subjects, and each answers what it is told to expect.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_nats::{Client, Message};
use futures_util::StreamExt;
use futures_util::stream::select_all;
use tenon_tests::wait_until;
use tokio::task::JoinSet;

use super::differences::value;
use super::recording::{self, NodeExchange, Part, Recording};
use super::rig::Rig;

/// What a gateway tells without waiting has come by then.
const DEADLINE: Duration = Duration::from_secs(30);

/// It plays until it is dropped.
pub(crate) struct OriginalNode {
    script: Arc<Mutex<Script>>,
    _playing: JoinSet<()>,
}

#[derive(Default)]
struct Script {
    /// What nodes say when somebody looks for them.
    announcements: Vec<String>,
    /// What they say when they are asked what they have.
    reports: Vec<String>,
    expected: VecDeque<NodeExchange>,
    came: Vec<(NodeExchange, String)>,
    unlike: Vec<String>,
}

impl OriginalNode {
    /// Listens to commands, and to who is looking for nodes. There is one, until they are told
    /// otherwise.
    pub(crate) async fn start(rig: &Rig) -> Self {
        let messages = select_all([
            rig.listen("MyaaS.*.*").await,
            rig.listen("MyaaS.discover").await,
            rig.listen("MyaaS.check_orphan").await,
        ]);
        let announcements = Recording::V1.part(&["startup"]).announcements();
        let announcements = announcements.into_iter().take(1).collect();
        let script = Arc::new(Mutex::new(Script { announcements, ..Script::default() }));
        let mut playing = JoinSet::new();
        playing.spawn(messages.for_each({
            let (bus, script) = (rig.bus.clone(), Arc::clone(&script));
            move |message| answer(bus.clone(), Arc::clone(&script), message)
        }));
        Self { script, _playing: playing }
    }

    /// From now on they say of themselves and of what they have what they said in `part`.
    pub(crate) fn are_as_in(&self, part: &Part) {
        let mut script = self.script.lock().expect("nobody panics with it");
        script.announcements = part.announcements();
        script.reports = part.published(recording::Client::Node, "MyaaS.node_handles");
    }

    /// The commands that are to come, and what it answers to them.
    pub(crate) fn expect(&self, commands: impl IntoIterator<Item = NodeExchange>) {
        let mut script = self.script.lock().expect("nobody panics with it");
        script.expected.extend(commands);
    }

    /// Waits until all that is to come came; what does not is told by [`Self::unlike`].
    pub(crate) async fn has_heard_all(&self) {
        let all = wait_until("all commands came", DEADLINE, async || {
            let script = self.script.lock().expect("nobody panics with it");
            script.expected.is_empty().then_some(())
        });
        all.await.ok();
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
    let (subject, texts) = {
        let mut script = script.lock().expect("nobody panics with it");
        match message.subject.as_str() {
            "MyaaS.discover" => ("MyaaS.announce".to_owned(), script.announcements.clone()),
            "MyaaS.check_orphan" => ("MyaaS.node_handles".to_owned(), script.reports.clone()),
            _ => match (script.reply_to(&message), message.reply) {
                (Some(reply), Some(inbox)) => (inbox.to_string(), vec![reply]),
                (_, None) | (None, _) => return,
            },
        }
    };
    for text in texts {
        bus.publish(subject.clone(), text.into()).await.expect("the bus is there");
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
