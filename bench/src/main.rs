//! Measures the release server against the bounds of the work it cannot avoid; `cargo xtask bench` builds and runs it.
//!
//! Bound and path take turns within each round, because only ratios of figures taken in one run mean anything.

mod bare;
mod bound;
mod chart;
mod clock;
mod driver;
mod fill;
mod load;
mod machine;
mod path;
mod report;
mod server;
mod stage;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(about = "Measures the release server; see docs/benchmarks.md")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure
    Run(Options),
    /// Serve the bare handlers that the server is compared with
    Bare,
    /// List the paths
    List,
}

#[derive(Debug, Clone, Args)]
pub struct Options {
    /// The server to measure
    #[arg(long)]
    program: PathBuf,
    /// Where the table and the chart go
    #[arg(long)]
    docs: PathBuf,
    /// In a minute: shorter and fewer rounds; writes nothing
    #[arg(long)]
    quick: bool,
    /// Measure these paths only, and write nothing (may be given several times, or separated by commas)
    #[arg(long, value_name = "PATH", value_delimiter = ',')]
    only: Vec<String>,
    /// Also with so many accounts, such as 100k or 10M, in a thousandth as many tenants
    #[arg(long, value_name = "ACCOUNTS", value_parser = fill::count)]
    scale: Option<i64>,
    /// Also on PostgreSQL: the URL of a server where databases may be made
    #[arg(long, value_name = "URL")]
    postgres: Option<String>,
    /// Rounds of each path
    #[arg(long)]
    rounds: Option<usize>,
    /// Seconds of each measurement
    #[arg(long)]
    seconds: Option<f64>,
    /// Folder on the disk to measure on; the system's temporary folder without it
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Sign-ins after which memory is looked at
    #[arg(long, default_value_t = 10_000)]
    sign_ins: u64,
    /// Write the documents although only a part was measured
    #[arg(long)]
    write: bool,
}

fn main() -> Result<()> {
    match Cli::parse().command {
        Command::Run(options) => stage::run(options),
        Command::Bare => bare::serve(),
        Command::List => {
            for path in path::ALL {
                println!("{:16} {}", path.name, path.about);
            }
            Ok(())
        }
    }
}
