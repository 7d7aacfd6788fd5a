//! The arguments of `tenon dev`.

use std::path::PathBuf;

use clap::Args;

use super::offering::Choice;
use super::stand_in::Api;

/// What `tenon dev` is asked for.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  tenon dev --dir ./d                       MySQL and files; Ctrl-C stops all of it
  tenon dev --dir ./d                       again: the instances are still there
  tenon dev --dir ./e --offerings files     without any database
  tenon dev --dir ./g --cc v2               with a version 2 cloud controller and its UAA
  tenon dev --dir ./f --plugins ./my-plugins --offerings shop=my-shop

D/dev.json says how to reach each part; docs/reference/dev-json.md explains it.")]
pub struct Arguments {
    /// Where everything is kept: data, configuration, logs, dev.json
    #[arg(long, value_name = "D")]
    pub dir: PathBuf,

    /// What can be ordered; each is a component of that name, or LABEL=COMPONENT
    #[arg(long, value_name = "LABEL,...", value_delimiter = ',', default_value = "mysql,files")]
    pub offerings: Vec<Choice>,

    /// Folder of components; default: `TENON_GUESTS_DIR`, or what `cargo xtask guests` built
    #[arg(long, value_name = "DIR")]
    pub plugins: Option<PathBuf>,

    /// nats-server 2.12 or newer; default: `TENON_NATS_SERVER`, the PATH, or what was fetched
    #[arg(long, value_name = "PATH")]
    pub nats_server: Option<PathBuf>,

    /// Node processes; each serves every offering, and has a database server of its own
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=9))]
    pub nodes: u32,

    /// Gateway processes
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=9))]
    pub gateways: u32,

    /// Which cloud controller the stand-in is
    #[arg(long, value_name = "API", value_enum, default_value_t)]
    pub cc: Api,

    /// Start a gateway or node again when it ends by itself
    #[arg(long)]
    pub restart: bool,

    /// Print dev.json instead of the table, and nothing else, on standard output
    #[arg(long)]
    pub json: bool,
}
