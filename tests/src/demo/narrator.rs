//! Prints the story: a numbered title for each step, what came of it, how long it took.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use tenon_protocol::chain;
use tokio::time::Instant;

use super::DemoError;

/// Column at which durations stand.
const TITLE_WIDTH: usize = 64;

/// What a step has to tell.
pub(super) struct Told<T> {
    value: T,
    lines: Vec<String>,
}

impl<T> Told<T> {
    pub(super) fn new(value: T) -> Self {
        Self { value, lines: Vec::new() }
    }

    pub(super) fn line(&mut self, line: impl Display) {
        self.lines.push(line.to_string());
    }

    /// The same with one more line.
    pub(super) fn with(mut self, line: impl Display) -> Self {
        self.line(line);
        self
    }
}

/// Tells one step after the other.
pub(super) struct Narrator {
    began: Instant,
    steps: u32,
    paint: Paint,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Paint {
    Colours,
    Plain,
}

impl Paint {
    fn wrap(self, code: u32, text: &str) -> String {
        match self {
            Self::Colours => format!("\x1b[{code}m{text}\x1b[0m"),
            Self::Plain => text.to_owned(),
        }
    }
}

impl Narrator {
    pub(super) fn new() -> Self {
        let is_terminal = io::stdout().is_terminal();
        let paint = if is_terminal { Paint::Colours } else { Paint::Plain };
        Self { began: Instant::now(), steps: 0, paint }
    }

    pub(super) fn title(&self, title: &str) {
        print(&format!("\n{}\n\n", self.bold(title)));
    }

    /// Tells a step: its title at once, the rest when it is done.
    pub(super) async fn step<T>(
        &mut self,
        title: &str,
        deed: impl Future<Output = Result<Told<T>, DemoError>>,
    ) -> Result<T, DemoError> {
        self.steps += 1;
        let title = format!("{:>2}  {title:<TITLE_WIDTH$}", self.steps);
        print(&self.bold(&title));
        let began = Instant::now();
        let result = deed.await;
        let duration = shown(began.elapsed());
        match result {
            Ok(Told { value, lines }) => {
                print(&format!(" {}\n", self.paint.wrap(32, &duration)));
                for line in lines {
                    print(&format!("    {line}\n"));
                }
                Ok(value)
            }
            Err(error) => {
                print(&format!(" {}\n", self.paint.wrap(31, &format!("{duration}  FAILED"))));
                print(&format!("    {}\n", self.paint.wrap(31, &chain(&error).to_string())));
                Err(error)
            }
        }
    }

    pub(super) fn note(&self, note: &str) {
        print(&format!("    {note}\n"));
    }

    pub(super) fn end(&self, verdict: &str) {
        let duration = shown(self.began.elapsed());
        print(&format!("\n{} {duration}\n", self.bold(verdict)));
    }

    fn bold(&self, text: &str) -> String {
        self.paint.wrap(1, text)
    }
}

fn shown(duration: Duration) -> String {
    match duration.as_millis() {
        millis @ 0..1_000 => format!("{millis:>4} ms"),
        _ => format!("{:>5.1} s", duration.as_secs_f64()),
    }
}

/// What was behind it all, in its own words.
pub(super) fn root_cause(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.last().map(ToString::to_string).unwrap_or_default()
}

fn print(text: &str) {
    let mut out = io::stdout().lock();
    // Nobody listens any more: the checks go on, and the exit code tells.
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_told_in_the_unit_that_fits() {
        assert_eq!(shown(Duration::from_millis(7)), "   7 ms");
        assert_eq!(shown(Duration::from_millis(999)), " 999 ms");
        assert_eq!(shown(Duration::from_millis(12_340)), " 12.3 s");
    }

    #[tokio::test]
    async fn a_step_that_fails_fails_the_story() {
        let deed = async { Err::<Told<()>, _>(DemoError::NotAsTold("rain".to_owned())) };
        let result = Narrator::new().step("Sunshine", deed).await;
        assert_eq!(result.unwrap_err().to_string(), "not as told: rain");
    }
}
