//! `tenon-gateway --config FILE`.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use tenon_gateway::config::Config;
use tenon_gateway::crash::Crash;
use tenon_gateway::gateway::{Drained, Gateway, write_ready_file};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// Takes the platform's requests, remembers them, and has nodes carry them out.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The configuration file; docs/reference/config.md, section "Gateway"
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Write the addresses to this file, as JSON, once the gateway serves
    #[arg(long, value_name = "PATH")]
    ready_file: Option<PathBuf>,
    /// What is logged, for example "info" or "debug"
    #[arg(long, value_name = "FILTER", default_value = "info,async_nats=warn")]
    log: String,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match start(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(error.as_ref());
            ExitCode::FAILURE
        }
    }
}

/// For people, and so not as JSON: what happens here happens before there is a gateway.
fn complain(error: &dyn Error) {
    eprintln!("error: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        eprintln!("  because: {error}");
        cause = error.source();
    }
}

fn start(arguments: &Arguments) -> Result<(), Box<dyn Error + Send + Sync>> {
    let filter = EnvFilter::try_new(&arguments.log)?;
    let log = tracing_subscriber::fmt().json().with_span_list(false);
    log.with_writer(std::io::stderr).with_env_filter(filter).init();
    let config = Config::read(&arguments.config)?;
    let crash = Crash::at(crash_point())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(run(config, crash, arguments.ready_file.as_deref()))
}

#[expect(clippy::disallowed_methods, reason = "a switch of tests, which no configuration may hold")]
fn crash_point() -> Option<String> {
    std::env::var("TENON_CRASH_AT").ok()
}

async fn run(
    config: Config,
    crash: Crash,
    ready_file: Option<&Path>,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let stop = CancellationToken::new();
    let mut signals = signals()?;
    let gateway = tokio::select! {
        gateway = Gateway::build(config, crash) => gateway?,
        // Stopped before it began.
        () = signals.wait() => return Ok(()),
    };
    if let Some(path) = ready_file {
        write_ready_file(path, gateway.addresses()).await?;
    }
    let stopping = async {
        signals.wait().await;
        stop.cancel();
        // A second signal does not wait.
        signals.wait().await;
    };
    tokio::select! {
        drained = gateway.run(stop.clone()) => match drained {
            Drained::Clean | Drained::CutOff => Ok(()),
        },
        () = stopping => Ok(()),
    }
}

struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

fn signals() -> std::io::Result<Signals> {
    use tokio::signal::unix::{SignalKind, signal};
    Ok(Signals {
        terminate: signal(SignalKind::terminate())?,
        interrupt: signal(SignalKind::interrupt())?,
    })
}

impl Signals {
    async fn wait(&mut self) {
        tokio::select! {
            _received = self.terminate.recv() => {}
            _received = self.interrupt.recv() => {}
        }
    }
}
