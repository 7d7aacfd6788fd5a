//! The program `tenon-node`.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tenon_node::config::Config;
use tenon_node::{Environment, Node};
use tenon_protocol::chain;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// A node of Tenon: runs services for a gateway.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Arguments {
    /// Configuration file; docs/reference/config.md lists its keys.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Written when the node serves: {"health": url}.
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Compiles a component; the node calls itself for it.
    #[command(hide = true)]
    Compile { input: PathBuf, output: PathBuf, allocation: String, memory_bytes: usize },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match (arguments.command, arguments.config) {
        (Some(Command::Compile { input, output, allocation, memory_bytes }), _) => {
            tenon_node::compile_command(&input, &output, &allocation, memory_bytes)
                .map_err(Into::into)
        }
        (None, Some(config)) => serve(&config, arguments.ready_file.as_deref()),
        (None, None) => Err("give a configuration file: tenon-node --config FILE".into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tenon-node: error: {}", chain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

fn serve(path: &Path, ready_file: Option<&Path>) -> Result<(), Box<dyn Error>> {
    start_log();
    let mut config = Config::load(path)?;
    #[expect(clippy::disallowed_methods, reason = "main is where the environment ends")]
    {
        config.crash_at = std::env::var("TENON_CRASH_AT").ok();
    }
    let cores = std::thread::available_parallelism()?.get();
    // The bus hands on and waits; guests compute. More threads than cores only take turns.
    let main = runtime("bus", cores.div_ceil(2))?;
    let guests = runtime("guests", cores)?;
    let environment =
        Environment { guests: guests.handle().clone(), program: std::env::current_exe()? };
    let result = main.block_on(async {
        // First: unheeded, this signal would end the process.
        let mut backup = signal(SignalKind::user_defined1())?;
        let node = Node::build(config, environment).await?;
        let (stopper, backups) = (node.stopper(), node.backups());
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let address = node.health_address();
        let ready = || report_ready(ready_file, &address.to_string());
        let run = node.run(ready);
        tokio::pin!(run);
        loop {
            tokio::select! {
                ended = &mut run => return ended.map_err(Into::into),
                _ = backup.recv() => backups.take(),
                _ = terminate.recv() => break tracing::info!("SIGTERM: draining"),
                _ = interrupt.recv() => break tracing::info!("SIGINT: draining"),
            }
        }
        stopper.cancel();
        run.await.map_err(Into::into)
    });
    guests.shutdown_background();
    main.shutdown_background();
    result
}

fn runtime(name: &'static str, threads: usize) -> std::io::Result<Runtime> {
    Builder::new_multi_thread().worker_threads(threads).enable_all().thread_name(name).build()
}

/// Written aside and renamed: who waits for the file sees the whole of it.
#[expect(clippy::disallowed_methods, reason = "a path that the caller of the program gave")]
fn report_ready(file: Option<&Path>, address: &str) {
    let Some(file) = file else { return };
    let aside = file.with_extension("new");
    let text = format!("{{\"health\": \"http://{address}\"}}\n");
    let written = std::fs::write(&aside, text).and_then(|()| std::fs::rename(&aside, file));
    if let Err(error) = written {
        tracing::error!(error = %chain(&error), file = %file.display(), "the ready file cannot be written");
    }
}

fn start_log() {
    // wasmtime and the clients are quiet unless asked.
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_unset| EnvFilter::new("info,async_nats=warn,wasmtime=warn"));
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
}
