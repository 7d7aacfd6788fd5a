//! `tenon dev`: everything on one machine, below one directory, gone when it ends.
//!
//! Claims the directory, draws the blueprint, starts the children in order, writes `dev.json`,
//! minds the children until it is asked to stop, and stops them in order. Each of these steps is
//! a module; this one is their order.

mod arguments;
mod blueprint;
mod child;
mod children;
mod configs;
mod control;
mod dev_file;
mod directory;
mod gateway_config;
mod http;
mod kept;
mod mariadb;
mod minder;
mod nats_server;
mod node_config;
mod offering;
mod plugins;
mod process;
mod roll_call;
mod signals;
mod stale;
mod stand_in;
mod survey;
mod table;
mod terminal;
mod tools;
mod version;

use std::collections::BTreeSet;
use std::io;
use std::net::Ipv4Addr;

use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

pub use self::arguments::Arguments;
pub use self::blueprint::BlueprintError;
pub use self::children::ChildError;
pub use self::dev_file::{
    AdminEntry, CloudControllerEntry, ControlEntry, DevFile, GatewayEntry, GatewayProcess,
    MysqlEntry, NatsEntry, NodeEntry,
};
pub use self::directory::DirectoryError;
pub use self::kept::KeptError;
pub use self::mariadb::{Mariadb, MariadbError, MariadbLaunch};
pub use self::nats_server::{
    NatsConfig, NatsError, NatsLaunch, NatsServer, NatsUser, Permissions, Subjects, of_gateway,
    of_node,
};
pub use self::offering::{Choice, ChoiceError, Label};
pub use self::plugins::PluginError;
pub use self::process::ProcessError;
pub use self::stand_in::Api;
pub use self::stand_in::book::BookError;
pub use self::tools::{MariadbPrograms, Surroundings, ToolError};
pub use self::version::Version;

use self::blueprint::{Blueprint, Counts, Wanted};
use self::children::{Children, Programs};
use self::directory::{Directory, Passage};
use self::kept::Kept;
use self::minder::{Minder, Restart};
use self::offering::needs_database;
use self::signals::StopSignals;
use self::stand_in::book::Book;
use self::terminal::Terminal;

/// What tools and tests read.
const DEV_FILE: &str = "dev.json";

/// Why `tenon dev` does not run.
#[derive(Debug, thiserror::Error)]
pub enum DevError {
    /// D cannot be used.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// A program is missing.
    #[error(transparent)]
    Tool(#[from] ToolError),
    /// A component is missing.
    #[error(transparent)]
    Plugin(#[from] PluginError),
    /// Ports, secrets or names cannot be had.
    #[error(transparent)]
    Blueprint(#[from] BlueprintError),
    /// What an earlier run kept cannot be read.
    #[error(transparent)]
    Kept(#[from] KeptError),
    /// A configuration file cannot be written as TOML.
    #[error("a configuration cannot be written")]
    Config(#[from] toml::ser::Error),
    /// A child did not start.
    #[error(transparent)]
    Child(#[from] ChildError),
    /// The stand-in cloud controller's handles cannot be read.
    #[error(transparent)]
    Book(#[from] BookError),
    /// The stand-in cloud controller cannot listen, or signals cannot be heard.
    #[error("{what} failed")]
    System {
        /// What was tried.
        what: &'static str,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

/// Runs everything until SIGINT or SIGTERM; a second signal ends the patience.
///
/// # Errors
///
/// [`DevError`] when something cannot be started; what was started is stopped again.
pub async fn run(arguments: &Arguments, surroundings: &Surroundings) -> Result<(), DevError> {
    let began = Instant::now();
    let terminal = Terminal::new(arguments);
    let mut signals = StopSignals::listen().map_err(system("listening for signals"))?;
    let directory = claim(arguments)?;
    let _lock = directory.lock()?;
    let mut children = prepare(arguments, surroundings, directory, &terminal).await?;
    let mut tasks = JoinSet::new();
    let orders = serve(&children, &mut tasks).await?;

    let mut minder = Minder::new(&mut children, orders, Restart::of(arguments), &terminal);
    let result = tokio::select! {
        result = minder.play(began) => result,
        () = signals.asked() => Ok(()),
    };
    let end = tokio::select! {
        end = stop(&mut children, &terminal) => end,
        () = signals.asked() => {
            terminal.say("Killed what still ran.");
            Ok(())
        }
    };
    result.and(end)
}

/// Opens D, and refuses a directory that has something else in it.
fn claim(arguments: &Arguments) -> Result<Directory, DevError> {
    let directory = Directory::open(&arguments.dir)?;
    directory.check_ours()?;
    directory.set_passage(".", Passage::Closed)?;
    Ok(directory)
}

/// Everything before the first child: programs, components, ports, secrets, configuration files.
async fn prepare(
    arguments: &Arguments,
    surroundings: &Surroundings,
    directory: Directory,
    terminal: &Terminal,
) -> Result<Children, DevError> {
    directory.remove(DEV_FILE)?;
    let stale = stale::end(directory.path()).await;
    if stale > 0 {
        terminal.say(&format!("Ended {stale} processes that a killed tenon dev had left."));
    }
    let choices = distinct(&arguments.offerings);
    let needs_database = choices.iter().any(|choice| needs_database(&choice.label));
    let mariadb = if needs_database { Some(surroundings.mariadb().await?) } else { None };
    let programs = Programs {
        nats_server: surroundings.nats_server(arguments.nats_server.as_deref()).await?,
        gateway: surroundings.host("tenon-gateway")?,
        node: surroundings.host("tenon-node")?,
        setpriv: surroundings.setpriv(),
    };
    plugins::copy(&directory, &choices, arguments.plugins.as_deref(), surroundings)?;

    let mut kept = Kept::load(&directory)?;
    let counts = Counts { gateways: arguments.gateways, nodes: arguments.nodes };
    let wanted = Wanted { choices: &choices, counts, api: arguments.cc };
    let root = directory.path().to_owned();
    let blueprint = Blueprint::draw(root, wanted, mariadb, &mut kept)?;
    kept.save(&directory)?;
    configs::write(&directory, &blueprint)?;
    Ok(Children::new(directory, blueprint, programs, kept.release_ports()))
}

/// Each offering once, in the order in which they were given.
fn distinct(choices: &[Choice]) -> Vec<Choice> {
    let mut labels = BTreeSet::new();
    choices.iter().filter(|choice| labels.insert(&choice.label)).cloned().collect()
}

/// The stand-in cloud controller and the control routes, on one listener.
async fn serve(
    children: &Children,
    tasks: &mut JoinSet<io::Result<()>>,
) -> Result<mpsc::Receiver<control::Request>, DevError> {
    let blueprint = children.blueprint();
    let tokens = blueprint
        .offerings
        .iter()
        .map(|plan| (plan.offering.label.as_str().to_owned(), plan.token.clone()));
    let uaa = blueprint.uaa_secret.clone();
    let book = Book::open(Directory::open(children.directory().path())?, tokens.collect(), uaa)?;
    let (control, orders) = control::router(blueprint.control_token.clone());
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, blueprint.stand_in_port)).await;
    let listener = listener.map_err(system("listening as a cloud controller"))?;
    let router = stand_in::router(book, blueprint.api).merge(control);
    tasks.spawn(axum::serve(listener, router).into_future());
    Ok(orders)
}

/// Takes `dev.json` away, so that nobody comes any more, and stops the children.
async fn stop(children: &mut Children, terminal: &Terminal) -> Result<(), DevError> {
    let removed = children.directory().remove(DEV_FILE);
    terminal.say("Stopping ...");
    for id in children.stop_all().await {
        terminal.say(&format!("{id} did not stop in time and was killed."));
    }
    terminal.say("Stopped.");
    Ok(removed?)
}

fn system(what: &'static str) -> impl FnOnce(io::Error) -> DevError {
    move |source| DevError::System { what, source }
}
