//! What a measurement means.

use crate::guest::{Writes, wit};
use crate::ledger::QuotaPhase;

/// Where an instance goes from `before` when `usage` was measured; `None` is "within its quota".
///
/// `allow_below_percent` of the limit is where it is well below: until then it stays where it is.
pub(super) fn decide(
    before: Option<QuotaPhase>,
    usage: &wit::Usage,
    allow_below_percent: u8,
) -> Option<QuotaPhase> {
    let well_below = is_well_below(usage, allow_below_percent);
    match before {
        None | Some(QuotaPhase::Allowing) if usage.over_quota => Some(QuotaPhase::Blocking),
        None | Some(QuotaPhase::Allowing) => before,
        Some(QuotaPhase::Blocking | QuotaPhase::Blocked) if well_below => {
            Some(QuotaPhase::Allowing)
        }
        Some(QuotaPhase::Blocking | QuotaPhase::Blocked) => before,
    }
}

fn is_well_below(usage: &wit::Usage, percent: u8) -> bool {
    let free = usage.bytes_limit == 0;
    let share = u128::from(usage.bytes_limit) * u128::from(percent);
    !usage.over_quota && (free || u128::from(usage.bytes_used) * 100 < share)
}

/// What is to be enforced.
pub(super) const fn writes(phase: Option<QuotaPhase>) -> Writes {
    match phase {
        Some(QuotaPhase::Blocking | QuotaPhase::Blocked) => Writes::Blocked,
        Some(QuotaPhase::Allowing) | None => Writes::Allowed,
    }
}

/// Where it is when that was enforced.
pub(super) const fn settled(phase: Option<QuotaPhase>) -> Option<QuotaPhase> {
    match phase {
        Some(QuotaPhase::Blocking | QuotaPhase::Blocked) => Some(QuotaPhase::Blocked),
        Some(QuotaPhase::Allowing) | None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use QuotaPhase::{Allowing, Blocked, Blocking};

    fn check(before: Option<QuotaPhase>, bytes_used: u64, expected: Option<QuotaPhase>) {
        check_of(before, bytes_used, 100, expected);
    }

    fn check_of(before: Option<QuotaPhase>, used: u64, limit: u64, expected: Option<QuotaPhase>) {
        let over_quota = limit > 0 && used >= limit;
        let usage = wit::Usage { bytes_used: used, bytes_limit: limit, connections: 0, over_quota };
        assert_eq!(decide(before, &usage, 90), expected, "{before:?} {usage:?}");
    }

    #[test]
    fn p27_an_instance_at_its_limit_does_not_go_back_and_forth() {
        for used in [0, 89, 90, 99] {
            check(None, used, None);
            check(Some(Allowing), used, Some(Allowing));
        }
        for used in [90, 95, 99, 100, 500] {
            check(Some(Blocked), used, Some(Blocked));
            check(Some(Blocking), used, Some(Blocking));
        }
        for used in [100, 101] {
            check(None, used, Some(Blocking));
            check(Some(Allowing), used, Some(Blocking));
        }
        for used in [0, 89] {
            check(Some(Blocked), used, Some(Allowing));
            check(Some(Blocking), used, Some(Allowing));
        }
    }

    #[test]
    fn a_limit_that_is_taken_away_or_raised_frees_at_once() {
        check_of(Some(Blocked), 100, 0, Some(Allowing));
        check_of(Some(Blocked), 100, 1_000, Some(Allowing));
        check_of(None, u64::MAX, 0, None);
        check_of(Some(Blocked), u64::MAX - 1, u64::MAX, Some(Blocked));
    }

    #[test]
    fn what_was_enforced_is_settled() {
        for (phase, is_blocked, after) in [
            (None, false, None),
            (Some(Blocking), true, Some(Blocked)),
            (Some(Blocked), true, Some(Blocked)),
            (Some(Allowing), false, None),
        ] {
            assert_eq!((writes(phase) == Writes::Blocked, settled(phase)), (is_blocked, after));
        }
    }
}
