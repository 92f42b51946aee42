//! The command line.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand};

/// Sends a herd of HTTP clients at a server on a database, without the layer and with it, and shows what comes of it; with
/// several processes, also with a fleet that shares its flights through Redis.
#[derive(Parser)]
pub(crate) struct Options {
    /// How many callers there are, 1 to 100000
    #[arg(long, default_value_t = 1_000, value_parser = in_range::<usize, 1, 100_000>)]
    pub(crate) herd: usize,
    /// How many different reports they ask for, 1 to 10000
    #[arg(long, default_value_t = 20, value_parser = in_range::<u32, 1, 10_000>)]
    pub(crate) keys: u32,
    /// How unevenly they ask for them: the exponent of a Zipf law, 0 (all alike) to 10
    #[arg(long, default_value_t = 1.1, value_parser = skew, allow_negative_numbers = true)]
    pub(crate) skew: f64,
    /// The seed of keys and arrivals: the same seed makes the same herd
    #[arg(long, default_value_t = 7)]
    pub(crate) seed: u64,
    /// How many processes serve, each with connections of its own to the one database, 1 to 16
    #[arg(long, default_value_t = 1, value_parser = in_range::<usize, 1, 16>)]
    pub(crate) processes: usize,
    /// The Redis or Valkey through which they share flights; without it, a server is started if one is installed
    #[arg(long, value_name = "URL")]
    pub(crate) redis: Option<String>,
    /// Serve a live page of the herd with the layer at this loopback address, until the program is stopped
    #[arg(long, value_parser = loopback, value_name = "ADDRESS:PORT", conflicts_with = "processes")]
    pub(crate) status: Option<SocketAddr>,
    /// The file that the picture is written to
    #[arg(long, default_value = "stampede.svg")]
    pub(crate) svg: PathBuf,
    #[command(subcommand)]
    pub(crate) part: Option<Part>,
}

/// What the program tells the processes that it starts.
#[derive(Subcommand)]
pub(crate) enum Part {
    /// One of the processes, as the program starts them
    #[command(hide = true)]
    Serve(Serve),
}

/// What one process is.
#[derive(Args, Clone)]
pub(crate) struct Serve {
    /// Where the database lies
    #[arg(long)]
    pub(crate) database: PathBuf,
    /// With the layer
    #[arg(long)]
    pub(crate) layer: bool,
    /// In a fleet through this server
    #[arg(long)]
    pub(crate) redis: Option<String>,
}

fn in_range<N: TryFrom<u64>, const LOW: u64, const HIGH: u64>(text: &str) -> Result<N, String> {
    let number = text.parse().ok().filter(|number| (LOW..=HIGH).contains(number));
    number
        .and_then(|number| N::try_from(number).ok())
        .ok_or_else(|| format!("a whole number from {LOW} to {HIGH} is allowed"))
}

/// Only loopback, since the page has no login.
fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address = text.parse().ok().filter(|address: &SocketAddr| address.ip().is_loopback());
    address.ok_or_else(|| "an address of loopback and a port are wanted, such as 127.0.0.1:9000".to_owned())
}

fn skew(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number| (0.0..=10.0).contains(number));
    number.ok_or_else(|| "a number from 0 to 10 is allowed".to_owned())
}
