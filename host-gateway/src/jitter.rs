//! Intervals, each a little longer or shorter than configured.

use std::time::Duration;

use rand::random_range;

/// With a fifth more or less, so that gateways that were started together do not stay together.
pub(crate) fn jittered(interval: Duration) -> Duration {
    interval.mul_f64(random_range(0.8..1.2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_a_fifth_longer_or_shorter() {
        let interval = Duration::from_secs(300);
        let drawn: Vec<Duration> = (0..200).map(|_| jittered(interval)).collect();
        let allowed = Duration::from_secs(240)..Duration::from_secs(360);
        assert!(drawn.iter().all(|time| allowed.contains(time)), "{drawn:?}");
        assert!(drawn.iter().any(|time| *time < interval) && drawn.iter().any(|t| *t > interval));
    }
}
