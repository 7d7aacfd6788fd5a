//! Which store of records a gateway speaks for, so that a node notices another one, or an older
//! copy of its own: what such records do not know must not be removed.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Millis;
use crate::id::StoreEpoch;

/// Clocks of gateways may differ by so much before a mark looks older than it is.
const SKEW: Duration = Duration::from_secs(60);

/// Where a store was when a gateway last drew from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreMark {
    /// Written once, when the store was made.
    pub epoch: StoreEpoch,
    /// A number that the store gives once, each larger than the one before.
    pub position: u64,
    /// When it was drawn, by the gateway's clock.
    pub drawn: Millis,
}

/// What a node knows of the store.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct KnownStore {
    /// The store that it obeys; `None` before it heard of one.
    pub trusted: Option<StoreMark>,
    /// What it heard of since that cannot be that store, later. Stays until an operator accepts it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doubted: Option<StoreMark>,
}

impl KnownStore {
    /// What is known once `mark` was heard: the first store is trusted, and the same one later.
    /// Another one, or a copy from before, is doubted.
    #[must_use]
    pub fn heard(&self, mark: &StoreMark) -> Self {
        let Some(trusted) = &self.trusted else {
            return Self { trusted: Some(mark.clone()), doubted: None };
        };
        let mut known = self.clone();
        if mark.epoch != trusted.epoch || went_back(trusted, mark) {
            known.doubted.get_or_insert_with(|| mark.clone());
        } else if mark.position > trusted.position {
            known.trusted = Some(mark.clone());
        }
        known
    }

    /// What is known once `epoch` was heard, without a position.
    #[must_use]
    pub fn heard_epoch(&self, epoch: &StoreEpoch) -> Self {
        match &self.trusted {
            Some(trusted) if trusted.epoch == *epoch => self.clone(),
            Some(_) | None => {
                let drawn = Millis::default();
                self.heard(&StoreMark { epoch: epoch.clone(), position: 0, drawn })
            }
        }
    }

    /// What is known once an operator accepted the store of `mark`.
    #[must_use]
    pub fn accepted(mark: StoreMark) -> Self {
        Self { trusted: Some(mark), doubted: None }
    }

    /// Whether what the trusted store does not know may be removed.
    #[must_use]
    pub const fn is_trusted(&self) -> bool {
        self.doubted.is_none()
    }
}

/// Drawn later, and yet a smaller number: the store was set back. Messages that overtake each
/// other do not look so.
fn went_back(trusted: &StoreMark, mark: &StoreMark) -> bool {
    mark.position < trusted.position && mark.drawn > trusted.drawn.after(SKEW)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(epoch: &str, position: u64, seconds: u64) -> StoreMark {
        let epoch = StoreEpoch::new(epoch).unwrap();
        StoreMark { epoch, position, drawn: Millis::from_millis(seconds * 1_000) }
    }

    fn check(heard: &[StoreMark], trusted: &StoreMark, doubted: Option<&StoreMark>) {
        let known = heard.iter().fold(KnownStore::default(), |known, mark| known.heard(mark));
        assert_eq!((known.trusted.as_ref(), known.doubted.as_ref()), (Some(trusted), doubted));
        assert_eq!(known.is_trusted(), doubted.is_none());
    }

    #[test]
    fn the_first_store_is_trusted_and_followed() {
        let (one, two) = (mark("a", 5, 0), mark("a", 9, 100));
        check(&[one.clone(), two.clone()], &two, None);
        check(std::slice::from_ref(&one), &one, None);
    }

    #[test]
    fn another_store_is_doubted_until_it_is_accepted() {
        let (one, other) = (mark("a", 5, 0), mark("b", 9, 100));
        check(&[one.clone(), other.clone(), mark("a", 6, 200)], &mark("a", 6, 200), Some(&other));
        assert!(KnownStore::accepted(other).is_trusted());
        let known = KnownStore::default().heard(&one);
        assert!(known.heard_epoch(&one.epoch).is_trusted());
        assert!(!known.heard_epoch(&StoreEpoch::new("b").unwrap()).is_trusted());
    }

    #[test]
    fn a_store_that_was_set_back_is_doubted_even_when_it_has_grown_again() {
        let (late, back) = (mark("a", 90, 1_000), mark("a", 40, 2_000));
        check(&[late.clone(), back.clone()], &late, Some(&back));
        let grown = mark("a", 95, 3_000);
        check(&[late, back.clone(), grown.clone()], &grown, Some(&back));
    }

    #[test]
    fn messages_that_overtake_each_other_raise_no_doubt() {
        let (first, second) = (mark("a", 10, 1_000), mark("a", 11, 1_001));
        check(&[second.clone(), first], &second, None);
        let skewed = mark("a", 10, 1_050);
        check(&[second.clone(), skewed], &second, None);
    }
}
