//! Which backups go: plain values in and out.

/// Seconds of a day.
const DAY: u64 = 86_400;

/// For so many days before today one backup of each day is kept.
const DAYS: u64 = 7;

/// For so many days all backups are kept of an instance that ended, and the newest so long after
/// its end.
const DAYS_AFTER_ITS_END: u64 = 10;

/// Whether there still is something to back up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Served {
    /// It is there, or nobody told this node that it ended: it may have moved, or the ledger that
    /// knew of it be lost.
    Yes,
    /// The instance was removed then, and its backups are some time later.
    Ended { since: u64 },
}

/// Those of `taken` that are not needed any more at `now`; seconds since the epoch.
///
/// Of an instance that is served all of today's are kept, the newest of each of the seven days
/// before, and the newest of all whenever it was. Days are those of UTC. Of one that ended
/// nothing is left after ten days.
///
/// Source: the rotator of vcap-services-base; reference, section 6.9.
pub(crate) fn surplus(taken: &[u64], now: u64, served: Served) -> Vec<u64> {
    let newest = taken.iter().max().copied();
    let over = |since: u64| now.saturating_sub(since) > DAYS_AFTER_ITS_END * DAY;
    let is_surplus = |&one: &u64| match served {
        Served::Ended { since } => over(one) && (Some(one) != newest || over(since)),
        Served::Yes if Some(one) == newest => false,
        Served::Yes => {
            let age = (now / DAY).saturating_sub(one / DAY);
            let later = |other: &u64| *other > one && other / DAY == one / DAY;
            age > DAYS || (age > 0 && taken.iter().any(later))
        }
    };
    taken.iter().copied().filter(is_surplus).collect()
}

/// Whether an instance wants a backup.
pub(crate) fn is_due(taken: &[u64], now: u64, every_seconds: u64) -> bool {
    taken.iter().max().is_none_or(|newest| now.saturating_sub(*newest) >= every_seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Noon of day 100.
    const NOW: u64 = 100 * DAY + DAY / 2;
    const HOUR: u64 = 3_600;

    /// Backups so many hours before noon; which of them go.
    fn check(served: Served, hours_ago: &[u64], expected: &[u64]) {
        let taken: Vec<u64> = hours_ago.iter().map(|ago| NOW - ago * HOUR).collect();
        let gone: Vec<u64> =
            surplus(&taken, NOW, served).iter().map(|one| (NOW - one) / HOUR).collect();
        assert_eq!(gone, expected, "{served:?} {hours_ago:?}");
    }

    #[test]
    fn all_of_today_is_kept_and_one_of_each_of_seven_days() {
        check(Served::Yes, &[], &[]);
        check(Served::Yes, &[0, 1, 2, 11, 12], &[]);
        // Yesterday: the last one before midnight stays.
        check(Served::Yes, &[0, 13, 14, 35], &[14, 35]);
        let daily: Vec<u64> = (0..10).map(|day| day * 24).collect();
        check(Served::Yes, &daily, &[8 * 24, 9 * 24]);
        // Taken in another order.
        check(Served::Yes, &[35, 14, 0, 13], &[35, 14]);
    }

    #[test]
    fn the_newest_stays_however_old_it_is() {
        check(Served::Yes, &[1_000], &[]);
        check(Served::Yes, &[1_000, 1_001], &[1_001]);
    }

    #[test]
    fn of_an_instance_that_ended_all_are_kept_for_ten_days() {
        let ended = |hours_ago: u64| Served::Ended { since: NOW - hours_ago * HOUR };
        check(ended(240), &[1_000], &[]);
        check(ended(0), &[1, 2, 26, 27, 239], &[]);
        check(ended(240), &[240, 264], &[264]);
        check(ended(241), &[241, 1_000], &[241, 1_000]);
        // Taken since, whoever took it.
        check(ended(1_000), &[239, 1_000], &[1_000]);
    }

    #[test]
    fn a_clock_that_went_back_removes_nothing_of_what_seems_to_come() {
        assert!(surplus(&[NOW + 5 * DAY, NOW], NOW, Served::Yes).is_empty());
        let ended = Served::Ended { since: 0 };
        assert!(surplus(&[NOW + 5 * DAY], NOW, ended).is_empty());
        let ended = Served::Ended { since: NOW + 5 * DAY };
        assert!(surplus(&[NOW - 90 * DAY], NOW, ended).is_empty());
    }

    #[test]
    fn a_backup_is_due_when_the_newest_is_old_enough() {
        for (hours_ago, due) in [(vec![], true), (vec![24, 30], true), (vec![23, 30], false)] {
            let taken: Vec<u64> = hours_ago.iter().map(|ago| NOW - ago * HOUR).collect();
            assert_eq!(is_due(&taken, NOW, 24 * HOUR), due, "{hours_ago:?}");
        }
    }
}
