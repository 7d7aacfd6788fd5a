//! What a replay between a cloud controller and our gateway has learned and found so far.

use super::cloud_controller::CloudController;
use super::compare::Learned;
use super::differences::{Declared, Difference, OF_NOTICES};
use super::recording::HttpExchange;

/// Whether we are to do what the original did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    AsRecorded,
    Otherwise,
}

/// One replay.
pub(crate) struct Replay {
    pub(crate) learned: Learned,
    declared: Declared,
    notices: Declared,
    unlike: Vec<String>,
}

impl Replay {
    pub(crate) fn new(differences: &'static [Difference]) -> Self {
        Self {
            learned: Learned::default(),
            declared: Declared::new(differences),
            notices: Declared::new(OF_NOTICES),
            unlike: Vec::new(),
        }
    }

    /// Compares what the gateway told a cloud controller by itself.
    pub(crate) async fn notices(&mut self, told: &CloudController, recorded: &[HttpExchange]) {
        for said in recorded {
            let found = told.compare(said, &mut self.learned, &mut self.notices).await;
            self.unlike.extend(found);
        }
    }

    /// Compares what the gateway answered, as status and body.
    pub(crate) fn answer(&mut self, exchange: &HttpExchange, ours: &str) -> Outcome {
        let recorded = exchange.answer();
        let instead = self.declared.instead(&exchange.name(), &recorded);
        let found = self.learned.compare_answers(instead.unwrap_or(&recorded), ours);
        self.found(exchange, found);
        if instead.is_some() { Outcome::Otherwise } else { Outcome::AsRecorded }
    }

    /// Keeps what is unlike in an exchange.
    pub(crate) fn found(&mut self, exchange: &HttpExchange, found: Vec<String>) {
        let tell = |field| format!("{} {}: {field}", exchange.step, exchange.name());
        self.unlike.extend(found.into_iter().map(tell));
    }

    /// Everything was like the recording, but for what is declared, and all of that was met.
    pub(crate) fn end(mut self, logs: &str) {
        self.unlike.extend(self.declared.unmet());
        self.unlike.extend(self.notices.unmet());
        assert!(self.unlike.is_empty(), "\n{}\n{logs}", self.unlike.join("\n"));
    }
}
