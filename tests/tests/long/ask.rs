//! A client that asks again until it knows, sometimes does not wait, and writes down what was wrong.

use std::time::Duration;

use tenon_protocol::job::JobView;
use tenon_tests::{Classic, HarnessError, Refusal};
use tokio::time::{Instant, sleep, timeout};

use super::dice::Dice;

/// Longer than a request may take: its node's time over all attempts, twice, and a pause of ours.
const ANSWER: Duration = Duration::from_secs(30);
/// Whoever was told to come back knows by then; a node that starts anew compiles its plugins first.
const INSISTENCE: Duration = Duration::from_secs(150);
/// Between two requests of one client.
const PAUSE: Duration = Duration::from_millis(100);
/// A client that does not wait goes after at most so many milliseconds.
const IMPATIENCE: usize = 250;

/// "Come back later", or the end of what one client may ask for.
const BUSY: u64 = 30807;
/// Numbers of errors that a client may see while things die.
const ALLOWED: [u64; 9] = [30300, 30301, 30502, 30510, 30600, 30601, 30602, 30700, BUSY];

/// How a request ended that was made until it ended.
pub(crate) enum End<T> {
    Done(T),
    /// The first attempt tells for certain; a later one may speak of what an earlier one did.
    Refused(Refusal, Attempt),
    /// Written down as a fault already.
    Unknown,
}

impl<T> End<T> {
    /// For people; without what was answered, which may be secret.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Done(_) => "done".to_owned(),
            Self::Refused(refusal, attempt) => format!("{refusal} ({attempt:?})"),
            Self::Unknown => "unknown".to_owned(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attempt {
    First,
    Later,
}

/// A client of all gateways.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) gateways: Vec<Classic>,
    pub(crate) dice: Dice,
    pub(crate) complaints: Vec<String>,
    pub(crate) answers: u64,
}

impl Client {
    pub(crate) fn new(gateways: Vec<Classic>, dice: Dice) -> Self {
        Self { gateways, dice, complaints: Vec::new(), answers: 0 }
    }

    /// Makes `call` of any gateway, as `request`, until there is an answer that is final.
    pub(crate) async fn asks<T>(
        &mut self,
        request: &str,
        call: impl AsyncFn(&Classic) -> Result<T, HarnessError>,
    ) -> End<T> {
        let end = Instant::now() + INSISTENCE;
        let mut attempt = Attempt::First;
        let mut last = String::new();
        while Instant::now() < end {
            let classic = self.dice.one_of(&self.gateways).asking_as(request);
            if attempt == Attempt::First && self.dice.falls(8) {
                attempt = Attempt::Later;
                let patience = Duration::from_millis(self.dice.below(IMPATIENCE) as u64);
                drop(timeout(patience, call(&classic)).await);
            }
            match timeout(ANSWER, call(&classic)).await {
                Ok(Ok(answer)) => {
                    self.answers += 1;
                    return End::Done(answer);
                }
                Ok(Err(HarnessError::Refused(refusal))) => {
                    self.answers += 1;
                    if !ALLOWED.contains(&refusal.code) {
                        self.complains(format!("{request}: {refusal}"));
                    }
                    if refusal.status < 503 && refusal.code != BUSY {
                        return End::Refused(refusal, attempt);
                    }
                    last = refusal.to_string();
                }
                // The gateway is not there, or went away.
                Ok(Err(HarnessError::Http(_))) => {}
                Ok(Err(error)) => self.complains(format!("{request}: {error}")),
                Err(_late) => self.complains(format!("{request}: no answer in {ANSWER:?}")),
            }
            attempt = Attempt::Later;
            sleep(PAUSE).await;
        }
        self.complains(format!("{request}: no final answer in {INSISTENCE:?}, last {last:?}"));
        End::Unknown
    }

    /// Waits for the end of a job; `None`, and a complaint, when it has none.
    pub(crate) async fn ended(&mut self, instance: &str, job: &JobView) -> Option<JobView> {
        let end = Instant::now() + INSISTENCE;
        while Instant::now() < end {
            let asked = self.asks("job", async |classic| classic.job(instance, &job.job_id).await);
            match asked.await {
                End::Done(view) if view.status.is_final() => return Some(view),
                End::Done(_) => sleep(PAUSE).await,
                End::Refused(refusal, _) => {
                    self.complains(format!("job {} of {instance}: {refusal}", job.job_id));
                    return None;
                }
                End::Unknown => return None,
            }
        }
        self.complains(format!("job {} of {instance} does not end", job.job_id));
        None
    }

    pub(crate) fn complains(&mut self, text: String) {
        eprintln!("COMPLAINT: {text}");
        self.complaints.push(text);
    }
}
