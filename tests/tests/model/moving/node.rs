//! What a node does about the commands of a move.

use super::super::record::Place;
use super::Variant;

/// One node: what its ledger says, and what is really there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Node {
    entry: Entry,
    /// The fence.
    generation: u8,
    pub(crate) has_data: bool,
    /// Whether applications reach it.
    pub(crate) is_open: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Entry {
    Unknown,
    Present,
    Gone,
}

/// What a command asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Deed {
    Disable,
    Enable,
    Import,
    Update,
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
pub(crate) enum Ending {
    Well,
    /// The guest fails half way.
    Fails,
}

/// What the node answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Reply {
    Done,
    Refused,
}

impl Node {
    /// It has the instance.
    pub(crate) const SERVING: Self =
        Self { entry: Entry::Present, generation: 1, has_data: true, is_open: true };
    /// It never heard of it.
    pub(crate) const EMPTY: Self =
        Self { entry: Entry::Unknown, generation: 0, has_data: false, is_open: false };

    /// The same, shut off under `generation`.
    pub(crate) const fn shut(self, generation: u8) -> Self {
        Self { generation, is_open: false, ..self }
    }

    /// What becomes of it when `command` reaches it. `None` when the command cannot end so.
    pub(crate) fn obey(
        self,
        command: Command,
        ending: Ending,
        export: &mut Option<u8>,
        variant: Variant,
    ) -> Option<(Self, Reply)> {
        let generation = command.generation;
        let fenced = variant != Variant::NoFence && generation < self.generation;
        // A tomb is passed by a higher generation only.
        let buried = variant != Variant::NoFence
            && self.entry == Entry::Gone
            && generation == self.generation;
        let there = self.entry == Entry::Present;
        let refused = match command.deed {
            Deed::Disable | Deed::Enable | Deed::Update => fenced || !there,
            Deed::Import => fenced || buried || *export != Some(generation),
            Deed::Unprovision => fenced,
        };
        if refused {
            return (ending == Ending::Well).then_some((self, Reply::Refused));
        }
        let seen = Self { generation: generation.max(self.generation), ..self };
        Some(match (command.deed, ending) {
            (Deed::Disable, Ending::Well) => {
                *export = Some(generation);
                (Self { is_open: false, ..seen }, Reply::Done)
            }
            (Deed::Enable, Ending::Well) => (Self { is_open: true, ..seen }, Reply::Done),
            (Deed::Import, Ending::Well) => {
                let made = Self { entry: Entry::Present, has_data: true, ..seen };
                (made, Reply::Done)
            }
            (Deed::Update, Ending::Well) => (Self { is_open: true, ..seen }, Reply::Done),
            (Deed::Unprovision, Ending::Well) => {
                let gone = Self { entry: Entry::Gone, has_data: false, is_open: false, ..seen };
                (gone, Reply::Done)
            }
            // Shut, and nothing in the store.
            (Deed::Disable, Ending::Fails) => (Self { is_open: false, ..seen }, Reply::Refused),
            // Made, and a part of the data is there: what is there has to go.
            (Deed::Import, Ending::Fails) => {
                let half = Self { entry: Entry::Present, has_data: true, ..seen };
                (half, Reply::Refused)
            }
            (Deed::Update, Ending::Fails) => (seen, Reply::Refused),
            // Asked again until it succeeds.
            (Deed::Enable | Deed::Unprovision, Ending::Fails) => return None,
        })
    }
}
