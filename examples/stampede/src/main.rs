//! A herd of HTTP clients at a server on a real database, without the layer and with it.
//!
//! `cargo run --release -p stampede -- --help`

mod chart;
mod database;
mod herd;
mod options;
mod server;

use std::{error::Error, process::ExitCode, time::Duration};

use axum::Router;
use clap::Parser;
use comfy_table::{Table, presets::UTF8_FULL_CONDENSED};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::net::TcpListener;

use crate::{herd::Run, options::Options};

fn main() -> ExitCode {
    let options = match Options::try_parse() {
        Ok(options) => options,
        Err(error) if error.use_stderr() => {
            let text = error.to_string();
            eprintln!("{}", text.lines().next().unwrap_or("error: bad options"));
            return ExitCode::from(2);
        }
        Err(help) => {
            print!("{help}");
            return ExitCode::SUCCESS;
        }
    };
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run(options: &Options) -> Result<(), Box<dyn Error + Send + Sync>> {
    open_files(options.herd)?;
    let (mut layer, mut page) = (server::layer(), None);
    if let Some(address) = options.status {
        let (observed, shown) = layer.status_page();
        let listener = TcpListener::bind(address).await.map_err(|error| format!("{address}: {error}"))?;
        println!("The live page is at http://{}/", listener.local_addr()?);
        let shown = Router::new().fallback_service(shown.only_hosts::<String>([]));
        (layer, page) = (observed, Some(tokio::spawn(axum::serve(listener, shown).into_future())));
    }
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("orders.sqlite");
    let bar = bar("filling the database", 100)?;
    database::fill(&path, options.keys, |percent| bar.set_position(percent.into()))?;
    bar.finish();

    let bar = self::bar("the herd, without the layer", options.herd as u64)?;
    let without = herd::run(options, &path, None, &bar).await?;
    bar.finish();
    let bar = self::bar("the herd, with the layer", options.herd as u64)?;
    let with = herd::run(options, &path, Some(&layer), &bar).await?;
    bar.finish();

    println!("{}", table(&without, &with));
    chart::draw(&options.svg, &without, &with).map_err(|error| format!("{}: {error}", options.svg.display()))?;
    println!("The picture is in {}", options.svg.display());
    if let Some(page) = page {
        println!("The live page is there until ctrl-c.");
        page.await??;
    }
    Ok(())
}

/// Sees to it that there may be two sockets for each client.
fn open_files(herd: usize) -> Result<(), String> {
    let (wanted, allowed) = (2 * herd as u64 + 64, rlimit::increase_nofile_limit(u64::MAX).unwrap_or(u64::MAX));
    match wanted <= allowed {
        true => Ok(()),
        false => Err(format!("a herd of {herd} takes {wanted} open files, and {allowed} are allowed (ulimit -n)")),
    }
}

fn bar(what: &'static str, length: u64) -> Result<ProgressBar, Box<dyn Error + Send + Sync>> {
    let style = ProgressStyle::with_template("{prefix} {bar:12} {percent:>3}% {elapsed} {wide_msg}")?;
    Ok(ProgressBar::new(length).with_style(style).with_prefix(what))
}

fn table(without: &Run, with: &Run) -> Table {
    let ms = |time: Duration| format!("{:.0} ms", time.as_secs_f64() * 1e3);
    let less = |without: f64, with: f64| format!("{:.1} % less", 100.0 * (1.0 - with / without));
    let mut table = Table::new();
    table.load_preset(UTF8_FULL_CONDENSED).set_header(["", "without the layer", "with the layer", "saving"]);
    table.add_row([
        "queries run".to_owned(),
        without.queries.to_string(),
        with.queries.to_string(),
        less(without.queries as f64, with.queries as f64),
    ]);
    for (what, share) in
        [("half of the callers waited up to (p50)", 0.5), ("99 % waited up to (p99)", 0.99), ("the worst wait", 1.0)]
    {
        let (without, with) = (wait(without, share), wait(with, share));
        table.add_row([what.to_owned(), ms(without), ms(with), less(without.as_secs_f64(), with.as_secs_f64())]);
    }
    let saving = less(without.cpu.as_secs_f64(), with.cpu.as_secs_f64());
    table.add_row(["CPU time".to_owned(), ms(without.cpu), ms(with.cpu), saving]);
    table
}

/// Returns how long this share of the callers waited at most.
fn wait(run: &Run, share: f64) -> Duration {
    let mut waits: Vec<_> = run.lines.iter().map(|line| line.answered.saturating_sub(line.arrived)).collect();
    waits.sort_unstable();
    let rank = (waits.len() as f64 * share).ceil() as usize;
    waits.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}
