//! Records: what a gateway writes down before it acts, one for each object.
//!
//! Pure values and their transitions; where they are kept is the gateway's business. The protocol
//! around them (intent, compare-and-set, fence, idempotent node, tombstone) is checked by the
//! model in `tests/`.

mod binding;
mod instance;
mod job;
pub mod key;
mod life;
mod moving;
mod platform;
mod restore;
mod snapshot;
mod store;

pub use binding::BindingRecord;
pub use instance::InstanceRecord;
pub use job::{JobKind, JobRecord};
pub use life::{Abandon, Life, LifeError, Phase};
pub use moving::{MoveKind, MoveRecord, MoveStep};
pub use platform::PlatformRecord;
pub use restore::RestoreRecord;
pub use snapshot::{Package, SnapshotOrder, SnapshotRecord};
pub use store::{KnownStore, StoreMark};

/// Version of the form of records. A reader accepts unknown fields, and refuses a higher version.
pub const RECORD_VERSION: u32 = 1;
