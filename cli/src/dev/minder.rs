//! Starts the children in order and minds them: reports who died, and obeys orders.

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use super::arguments::Arguments;
use super::child::{ChildId, Kind};
use super::children::{ChildError, Children, Loss, Start};
use super::control::{Order, Request};
use super::roll_call::{Absence, Why, roll_call};
use super::survey::survey;
use super::terminal::Terminal;
use super::{DEV_FILE, DevError, system};

/// Between a death and the next start: one that dies at once must not take a whole core.
const RESTART_DELAY: Duration = Duration::from_secs(1);

/// What is started again when it dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Restart {
    /// Gateways and nodes.
    Hosts,
    /// Nothing: tests kill, and look at what is left.
    Nothing,
}

impl Restart {
    pub(crate) fn of(arguments: &Arguments) -> Self {
        if arguments.restart { Self::Hosts } else { Self::Nothing }
    }
}

/// Holds the children while they run.
pub(crate) struct Minder<'a> {
    children: &'a mut Children,
    orders: mpsc::Receiver<Request>,
    restart: Restart,
    terminal: &'a Terminal,
}

impl<'a> Minder<'a> {
    pub(crate) fn new(
        children: &'a mut Children,
        orders: mpsc::Receiver<Request>,
        restart: Restart,
        terminal: &'a Terminal,
    ) -> Self {
        Self { children, orders, restart, terminal }
    }

    /// Starts all, shows it, and minds it for ever; returns only when something does not start.
    pub(crate) async fn play(&mut self, began: Instant) -> Result<(), DevError> {
        let mut deaths =
            signal(SignalKind::child()).map_err(system("listening for ended children"))?;
        for group in self.children.groups() {
            self.terminal.say(&format!("Starting {} ...", names(&group)));
            let group: Vec<Start> = group.into_iter().map(Start::from).collect();
            self.children.start(&group).await?;
        }
        self.call_roll().await;
        self.write_file()?;
        if let Some(file) = survey(self.children) {
            self.terminal.show(&file, self.children.directory().path(), began.elapsed());
        }
        loop {
            self.mind(&mut deaths).await?;
        }
    }

    async fn mind(&mut self, deaths: &mut Signal) -> Result<(), DevError> {
        tokio::select! {
            _ = deaths.recv() => {
                for loss in self.children.losses() {
                    self.report(&loss);
                    self.replace(loss.id).await;
                }
            }
            Some(Request { order, reply }) = self.orders.recv() => {
                let result = self.obey(order).await;
                // Before the answer, because who gets it reads the file.
                self.write_file()?;
                // Who asked may have gone.
                reply.send(result).ok();
                return Ok(());
            }
        }
        self.write_file()
    }

    /// Waits until what was started can be ordered, and says what cannot.
    async fn call_roll(&self) {
        for Absence { node, label, why } in roll_call(self.children).await {
            let log = self.children.log(node).display().to_string();
            let reason = match why {
                Why::Refused => "it refused the plugin",
                Why::Unannounced => "no gateway has heard of it",
            };
            self.terminal.say(&format!("{node} does not serve {label}: {reason}; see {log}"));
        }
    }

    fn report(&self, Loss { id, status, log, tail }: &Loss) {
        let log = log.display();
        self.terminal.say(&format!("{id} ended with {status}; the end of {log}:\n{tail}"));
    }

    async fn replace(&mut self, id: ChildId) {
        let is_host = matches!(id.kind, Kind::Gateway | Kind::Node);
        if self.restart == Restart::Nothing || !is_host {
            return;
        }
        sleep(RESTART_DELAY).await;
        match self.children.start(&[id.into()]).await {
            Ok(()) => self.terminal.say(&format!("{id} was started again.")),
            Err(error) => self.terminal.say(&format!("{id} was not started again: {error}")),
        }
    }

    async fn obey(&mut self, order: Order) -> Result<u32, ChildError> {
        // Its death may not have been reported yet.
        for loss in self.children.losses() {
            self.report(&loss);
        }
        match order {
            Order::Start(start) => {
                let id = start.id;
                self.children.start(&[start]).await?;
                self.call_roll().await;
                Ok(self.children.pid(id))
            }
            Order::Stop(id) => self.stop(id).await,
        }
    }

    async fn stop(&mut self, id: ChildId) -> Result<u32, ChildError> {
        let pid = self.children.pid(id);
        let end = self.children.stop(id).await;
        end.map(|_| pid).ok_or_else(|| ChildError::Stopped(id.to_string()))
    }

    /// Processes change; `dev.json` says which ones run now.
    fn write_file(&self) -> Result<(), DevError> {
        if let Some(file) = survey(self.children) {
            let content = serde_json::to_vec_pretty(&file).unwrap_or_default();
            self.children.directory().write(DEV_FILE, &content)?;
        }
        Ok(())
    }
}

fn names(ids: &[ChildId]) -> String {
    ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
