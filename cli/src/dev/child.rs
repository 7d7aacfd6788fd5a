//! Names of the children: `nats`, `mysql-1`, `gateway-1`, `node-1`.

use std::fmt;
use std::str::FromStr;

/// What a child is; in the order in which they are started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Nats,
    Mysql,
    Gateway,
    Node,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Nats, Self::Mysql, Self::Gateway, Self::Node];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Nats => "nats",
            Self::Mysql => "mysql",
            Self::Gateway => "gateway",
            Self::Node => "node",
        }
    }
}

/// One child; numbers begin at 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ChildId {
    pub(crate) kind: Kind,
    pub(crate) number: u32,
}

impl ChildId {
    pub(crate) const NATS: Self = Self { kind: Kind::Nats, number: 1 };

    pub(crate) const fn new(kind: Kind, number: u32) -> Self {
        Self { kind, number }
    }
}

impl fmt::Display for ChildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            // There is one for all.
            Kind::Nats => f.write_str(self.kind.as_str()),
            Kind::Mysql | Kind::Gateway | Kind::Node => {
                write!(f, "{}-{}", self.kind.as_str(), self.number)
            }
        }
    }
}

/// A text that names no kind.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no {0:?} here; there are nats, mysql, gateway, node")]
pub(crate) struct KindError(String);

impl FromStr for Kind {
    type Err = KindError;

    fn from_str(text: &str) -> Result<Self, KindError> {
        let found = Self::ALL.into_iter().find(|kind| kind.as_str() == text);
        found.ok_or_else(|| KindError(text.to_owned()))
    }
}
