//! `cargo xtask bench`: ratios measured side by side, in one run, on this machine.
//!
//! Each row pairs what Tenon does with what it could at best be (bare SQL, a bare request on the
//! bus, a native call), in turns, so that a busy machine slows both. Nothing here asserts a time.

mod gateway;
mod handles;
mod instant;
mod memory;
mod operations;
mod orphans;
mod platform;
mod process;
mod refused;
mod report;
mod sandbox;
mod sql;
mod writes;

use std::error::Error;
use std::process::ExitCode;

use clap::Parser;

use crate::platform::Platforms;
use crate::report::Report;

/// What goes wrong is shown to whoever runs it.
type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Measures Tenon against its own limits.
#[derive(Debug, Clone, Parser)]
struct Arguments {
    /// Rows to measure, of a to i and o.
    #[arg(long, value_delimiter = ',', default_value = "a,b,c,d,e,f,g,h,i,o")]
    rows: Vec<char>,
    /// Turns of each pair; the median is shown.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Operations for the memory row.
    #[arg(long, default_value_t = 5_000)]
    operations: u32,
    /// Handles for the row of the cloud controller.
    #[arg(long, default_value_t = 100_000)]
    handles: u32,
    /// Only the JSON, without the table.
    #[arg(long)]
    json: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments).await {
        Ok(report) => {
            report.print(arguments.json);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("tenon-bench: error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<Report> {
    let wants = |row: char| arguments.rows.contains(&row);
    let mut report = Report::default();
    if wants('a') || wants('f') || wants('g') {
        sandbox::measure(arguments, &mut report).await?;
    }
    if wants('i') {
        gateway::measure(arguments, &mut report).await?;
    }
    if wants('b') || wants('c') || wants('d') || wants('e') {
        let platforms = Platforms::start().await?;
        if wants('e') {
            memory::at_start(&platforms, &mut report)?;
        }
        if wants('b') {
            operations::against_sql(arguments, &platforms, &mut report).await?;
        }
        if wants('c') {
            operations::against_bus(arguments, &platforms, &mut report).await?;
        }
        if wants('d') {
            refused::measure(arguments, &platforms, &mut report).await?;
        }
        if wants('e') {
            memory::after(arguments, &platforms, &mut report).await?;
        }
    }
    if wants('h') {
        handles::measure(arguments, &mut report).await?;
    }
    if wants('o') {
        orphans::measure(arguments, &mut report).await?;
    }
    Ok(report)
}
