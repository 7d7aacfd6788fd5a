//! A node: what it has, what its ledger says, and what it does about a command.
//!
//! The rules are those of `host-node/src/operations/{provision,unprovision,resume}.rs`. A command
//! is one step here, because a node does one at a time for each instance, but the node may die in
//! the middle of it. Intents are only *noted*: they reach the disk with the next transaction, or
//! are lost with the process, or when the disk refuses. Results are on the disk before the answer.

use super::record::Place;
use super::rules::Rules;

/// Most copies that are counted.
const MANY: u8 = 3;

/// One node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Node {
    /// Whether its process runs. What is not there cannot be asked, and the bus says so.
    pub(crate) up: bool,
    /// What its ledger says of the instance, noted or written.
    pub(crate) entry: Option<Entry>,
    /// What is on the disk.
    pub(crate) written: Option<Entry>,
    /// How many times the instance is really there.
    pub(crate) copies: u8,
}

/// The ledger's entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Entry {
    pub(crate) phase: EntryPhase,
    /// The fence.
    pub(crate) generation: u8,
}

/// `InstancePhase` of the node's ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum EntryPhase {
    Provisioning,
    Present,
    Removing,
    Gone,
}

/// What a command asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Deed {
    Provision,
    Unprovision,
}

/// A command, as it is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Command {
    pub(crate) node: Place,
    pub(crate) deed: Deed,
    pub(crate) generation: u8,
}

/// How a command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Outcome {
    /// As it should.
    Well,
    /// A new instance is refused: the node is full.
    Full,
    /// The guest fails; what it did is undone at once.
    Undone,
    /// The guest fails, and undoing fails as well.
    Failed,
    /// The process dies after the intent is noted.
    DiedBegun,
    /// The process dies after the guest has done its work, and before the result is written.
    DiedDone,
}

/// Outcomes that happen once at most, each kind by its own.
pub(crate) const REFUSALS: [Outcome; 3] = [Outcome::Full, Outcome::Undone, Outcome::Failed];
pub(crate) const DEATHS: [Outcome; 2] = [Outcome::DiedBegun, Outcome::DiedDone];

/// What the node answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Reply {
    Done,
    /// It is not done now, and another node may be asked: "full", or "unavailable", which may come
    /// after a part of it was done.
    Elsewhere,
    /// It is not done, and another node is not to be asked.
    Refused,
    /// It died.
    Nothing,
}

/// What the ledger's entry says about a command.
enum Decision {
    Repeat,
    Refuse,
    Start,
}

impl Node {
    /// A node that never heard of the instance.
    pub(crate) const EMPTY: Self = Self { up: true, entry: None, written: None, copies: 0 };

    /// What becomes of the node when `command` reaches it and ends as `outcome` says. `None` when
    /// the command cannot end so.
    pub(crate) fn obey(
        self,
        command: Command,
        outcome: Outcome,
        rules: Rules,
    ) -> Option<(Self, Reply)> {
        if !self.up {
            return None;
        }
        match (command.deed, self.decide(command, rules), outcome) {
            (_, Decision::Repeat, Outcome::Well) => Some((self, Reply::Done)),
            (_, Decision::Refuse, Outcome::Well) => Some((self, Reply::Refused)),
            (_, Decision::Repeat | Decision::Refuse, _) => None,
            (Deed::Provision, Decision::Start, _) => self.provision(command, outcome, rules),
            (Deed::Unprovision, Decision::Start, _) => self.unprovision(command, outcome, rules),
        }
    }

    /// The process dies between two commands.
    pub(crate) fn killed(self) -> Option<Self> {
        self.up.then_some(Self { up: false, ..self })
    }

    /// What was noted is lost: the process died, or the disk refused. That it may not be lost any
    /// more needs no step of its own: there, it never is.
    pub(crate) fn noted_lost(self) -> Option<Self> {
        (self.entry != self.written).then_some(Self { entry: self.written, ..self })
    }

    /// The process starts again.
    pub(crate) fn restarted(self) -> Option<Self> {
        (!self.up).then_some(Self { up: true, ..self })
    }

    /// The node goes on with a removal that is left. An unfinished provision it leaves: the
    /// gateway has a record of it.
    pub(crate) fn resumed(self, rules: Rules) -> Option<Self> {
        let entry = self.entry.filter(|entry| entry.phase == EntryPhase::Removing)?;
        self.up.then(|| self.removed(entry.generation, rules))
    }

    /// Whether the node has work left.
    pub(crate) fn is_busy(self) -> bool {
        !self.up || self.entry.is_some_and(|entry| entry.phase == EntryPhase::Removing)
    }

    fn decide(self, command: Command, rules: Rules) -> Decision {
        match command.deed {
            Deed::Provision => self.decide_provision(command.generation, rules),
            Deed::Unprovision => self.decide_unprovision(command.generation, rules),
        }
    }

    fn decide_provision(self, generation: u8, rules: Rules) -> Decision {
        let Some(entry) = self.entry else {
            return Decision::Start;
        };
        if !rules.has_fence() {
            return match entry.phase {
                EntryPhase::Present => Decision::Repeat,
                EntryPhase::Removing => Decision::Refuse,
                EntryPhase::Provisioning | EntryPhase::Gone => Decision::Start,
            };
        }
        if generation < entry.generation {
            return Decision::Refuse;
        }
        let newer = generation > entry.generation;
        match entry.phase {
            EntryPhase::Present if newer || !rules.is_idempotent() => Decision::Start,
            EntryPhase::Present => Decision::Repeat,
            EntryPhase::Provisioning => Decision::Start,
            EntryPhase::Removing => Decision::Refuse,
            EntryPhase::Gone if newer => Decision::Start,
            EntryPhase::Gone => Decision::Refuse,
        }
    }

    fn decide_unprovision(self, generation: u8, rules: Rules) -> Decision {
        let Some(entry) = self.entry else {
            // Not known: it may be a provision that is still on its way. The fence stops it.
            return if rules.has_fence() { Decision::Start } else { Decision::Repeat };
        };
        if rules.has_fence() && generation < entry.generation {
            return Decision::Refuse;
        }
        match entry.phase {
            EntryPhase::Gone if generation == entry.generation => Decision::Repeat,
            EntryPhase::Gone
            | EntryPhase::Provisioning
            | EntryPhase::Present
            | EntryPhase::Removing => Decision::Start,
        }
    }

    fn provision(self, command: Command, outcome: Outcome, rules: Rules) -> Option<(Self, Reply)> {
        let generation = command.generation;
        let is_new = self.entry.is_none_or(|entry| entry.phase == EntryPhase::Gone);
        let begun = self.with(EntryPhase::Provisioning, generation);
        let done = begun.made(rules);
        let recorded = done.with(EntryPhase::Present, generation).durable(rules);
        Some(match outcome {
            Outcome::Well => (recorded, Reply::Done),
            Outcome::Full if is_new => (self, Reply::Elsewhere),
            Outcome::Full => return None,
            Outcome::Undone => (done.removed(generation, rules), Reply::Elsewhere),
            Outcome::Failed => (done.with(EntryPhase::Removing, generation), Reply::Elsewhere),
            Outcome::DiedBegun => begun.died(),
            Outcome::DiedDone => done.died(),
        })
    }

    fn unprovision(
        self,
        command: Command,
        outcome: Outcome,
        rules: Rules,
    ) -> Option<(Self, Reply)> {
        let fence = self.entry.map_or(0, |entry| entry.generation).max(command.generation);
        let begun = self.with(EntryPhase::Removing, fence);
        let recorded = begun.removed(fence, rules);
        let done = Self { copies: recorded.copies, ..begun };
        Some(match outcome {
            Outcome::Well => (recorded, Reply::Done),
            Outcome::Failed => (begun, Reply::Refused),
            Outcome::Full | Outcome::Undone => return None,
            Outcome::DiedBegun => begun.died(),
            Outcome::DiedDone => done.died(),
        })
    }

    fn with(self, phase: EntryPhase, generation: u8) -> Self {
        Self { entry: Some(Entry { phase, generation }), ..self }
    }

    fn durable(self, rules: Rules) -> Self {
        let written = if rules.writes_results() { self.entry } else { self.written };
        Self { written, ..self }
    }

    /// The guest creates by name: what is there is not made again.
    fn made(self, rules: Rules) -> Self {
        let copies = if rules.is_idempotent() { 1 } else { (self.copies + 1).min(MANY) };
        Self { copies, ..self }
    }

    fn removed(self, generation: u8, rules: Rules) -> Self {
        let copies = if rules.is_idempotent() { 0 } else { self.copies.saturating_sub(1) };
        Self { copies, ..self.with(EntryPhase::Gone, generation).durable(rules) }
    }

    fn died(self) -> (Self, Reply) {
        (Self { up: false, ..self }, Reply::Nothing)
    }
}
