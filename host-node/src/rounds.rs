//! Work that is done once for all who want it: who comes while it runs shares the next round.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Mutex;

/// One kind of work, whose result is `T`.
#[derive(Debug)]
pub(crate) struct Rounds<T> {
    /// How many came so far.
    came: AtomicU64,
    last: Mutex<Last<T>>,
}

/// The last round.
#[derive(Debug)]
struct Last<T> {
    /// Who came by then has its result: it began later.
    serves: u64,
    result: Option<T>,
}

impl<T> Default for Rounds<T> {
    fn default() -> Self {
        Self { came: AtomicU64::new(0), last: Mutex::new(Last { serves: 0, result: None }) }
    }
}

impl<T: Clone> Rounds<T> {
    /// The result of a round that begins after this call: of `work`, or of another caller's.
    pub(crate) async fn join(&self, work: impl AsyncFnOnce() -> T) -> T {
        let number = self.came.fetch_add(1, Ordering::Relaxed) + 1;
        let mut last = self.last.lock().await;
        if last.serves >= number
            && let Some(result) = &last.result
        {
            return result.clone();
        }
        let serves = self.came.load(Ordering::Relaxed);
        let result = work().await;
        *last = Last { serves, result: (serves > number).then(|| result.clone()) };
        result
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test]
    async fn all_who_come_while_it_runs_share_the_next_round() {
        let rounds = Arc::new(Rounds::default());
        let (begun, may_end) = (Arc::new(AtomicU64::new(0)), Arc::new(Semaphore::new(0)));
        let mut callers = tokio::task::JoinSet::new();
        for _ in 0..100 {
            let (ours, ends) = (Arc::clone(&rounds), Arc::clone(&may_end));
            let count = Arc::clone(&begun);
            callers.spawn(async move {
                let work = async || {
                    let number = count.fetch_add(1, Ordering::Relaxed) + 1;
                    ends.acquire().await.unwrap().forget();
                    number
                };
                ours.join(work).await
            });
            // The first one has begun before the others come.
            while begun.load(Ordering::Relaxed) == 0 {
                tokio::task::yield_now().await;
            }
        }
        while rounds.came.load(Ordering::Relaxed) < 100 {
            tokio::task::yield_now().await;
        }
        may_end.add_permits(100);
        let mut results = callers.join_all().await;
        results.sort_unstable();
        assert_eq!(results.first(), Some(&1));
        assert!(results.iter().skip(1).all(|&round| round == 2), "{results:?}");
        assert_eq!(rounds.join(async || 9).await, 9, "a result is not kept for later");
    }

    #[tokio::test]
    async fn a_caller_that_goes_away_leaves_the_work_to_the_next() {
        let rounds = Rounds::default();
        let never = rounds.join(async || std::future::pending::<u64>().await);
        tokio::select! {
            biased;
            _ = never => unreachable!("it does not end"),
            () = std::future::ready(()) => {}
        }
        assert_eq!(rounds.join(async || 7).await, 7);
    }
}
