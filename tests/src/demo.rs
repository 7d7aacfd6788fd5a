//! The story of `cargo xtask demo`: every step is done on real servers, told, and checked.

mod crash;
mod database;
mod farewell;
mod narrator;
mod swap;

use crate::error::HarnessError;
use crate::options::Options;
use crate::platform::Platform;

use self::database::Tenant;
use self::narrator::{Narrator, Told};

/// Why the story is not told to its end.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// A step could not be done.
    #[error(transparent)]
    Harness(#[from] HarnessError),
    /// A step was done, and what came of it is not what the story says.
    #[error("not as told: {0}")]
    NotAsTold(String),
}

impl From<mysql_async::Error> for DemoError {
    fn from(error: mysql_async::Error) -> Self {
        HarnessError::from(error).into()
    }
}

/// Tells the story on standard output.
///
/// # Errors
///
/// [`DemoError`] names the first step that is not as told; the platform's files stay, and the
/// terminal says where.
pub async fn tell() -> Result<(), DemoError> {
    let mut narrator = Narrator::new();
    narrator.title("Tenon: a service gateway, a node, and services in WebAssembly");
    let started = narrator.step("Start everything on this machine", start()).await;
    let mut platform = started?;
    let result = scenes(&mut narrator, &platform).await;
    match &result {
        Ok(()) => narrator.end("As told."),
        Err(_) => {
            let root = platform.keep_files();
            narrator.note(&format!("logs: {}", root.join("log").display()));
        }
    }
    result
}

async fn scenes(narrator: &mut Narrator, platform: &Platform) -> Result<(), DemoError> {
    let mut tenant = Tenant::arrive(narrator, platform).await?;
    tenant.lose_and_regain_data(narrator).await?;
    let files = swap::under_load(narrator, platform).await?;
    crash::during_provisions(narrator, platform, &tenant).await?;
    farewell::leave(narrator, platform, tenant, files).await
}

async fn start() -> Result<Told<Platform>, DemoError> {
    let platform = Platform::start(Options::of(&["mysql", "files"])).await?;
    let file = platform.dev_file()?;
    let mut told = Told::new(platform);
    told.line(format!("gateway  {}", file.gateway.url));
    for node in file.nodes.iter().filter(|node| node.offering == "mysql") {
        told.line(format!("node     {} (process {})", node.id, node.pid));
    }
    for mysql in &file.mysql {
        told.line(format!("MariaDB  {}:{} ({})", mysql.host, mysql.port, mysql.version));
    }
    told.line(format!("NATS     {}", file.nats.url));
    Ok(told)
}
