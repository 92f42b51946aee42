//! A herd of HTTP clients at servers on a real database: without the layer, with it, and with a fleet of them.
//!
//! `cargo run -p stampede -- --help`

mod chart;
mod database;
mod fleet;
mod herd;
mod options;
mod server;

use std::{error::Error, fs::OpenOptions, io, path::Path, process::ExitCode, time::Duration};

use axum::Router;
use clap::Parser;
use comfy_table::{Table, presets::UTF8_FULL_CONDENSED};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::net::TcpListener;
use tower_singleflight::HttpSingleflightLayer;

use crate::{
    fleet::Meeting,
    herd::Run,
    options::{Options, Part, Serve},
};

type Fault = Box<dyn Error + Send + Sync>;

/// What the herds went through, by their titles.
type Runs = Vec<(&'static str, Run)>;

fn main() -> ExitCode {
    let options = match Options::try_parse() {
        Ok(options) => options,
        Err(error) if error.use_stderr() => {
            let text = error.to_string();
            eprintln!("{}", text.lines().next().unwrap_or("error: bad options"));
            return ExitCode::from(2);
        }
        Err(help) => {
            let _ = help.print();
            return ExitCode::SUCCESS;
        }
    };
    let done = match &options.part {
        Some(Part::Serve(serve)) => serve_one(serve),
        None => run(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn serve_one(serve: &Serve) -> Result<(), Fault> {
    fleet::serve(serve).await
}

#[tokio::main]
async fn run(options: &Options) -> Result<(), Fault> {
    open_files(options.herd)?;
    let named = |error: io::Error| format!("{}: {error}", options.svg.display());
    // Better to know now than after the herds whether the picture can be written.
    OpenOptions::new().append(true).create(true).open(&options.svg).map_err(named)?;
    let (mut layer, mut page) = (server::layer(), None);
    if let Some(address) = options.status {
        let (observed, shown) = layer.status_page();
        let listener = TcpListener::bind(address).await.map_err(|error| format!("{address}: {error}"))?;
        println!("The live page is at http://{}/", listener.local_addr()?);
        let shown = Router::new().fallback_service(shown.only_hosts::<String>([]));
        (layer, page) = (observed, Some(tokio::spawn(axum::serve(listener, shown).into_future())));
    }
    // A server that is missing is known before the database is filled.
    let meeting = match (options.processes, &options.redis) {
        (1, None) => None,
        (_, url) => Some(Meeting::at(url.as_deref()).await?),
    };
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("orders.sqlite");
    let bar = bar("filling the database", 100)?;
    database::fill(&path, options.keys, |percent| bar.set_position(percent.into()))?;
    bar.finish();

    let [runs, reloads] = match &meeting {
        None => one(options, &path, &layer).await?,
        Some(meeting) => several(options, &path, meeting).await?,
    };
    println!("{}", table(&runs, &reloads));
    chart::draw(&options.svg, &runs).map_err(|error| format!("{}: {error}", options.svg.display()))?;
    println!("The picture is in {}", options.svg.display());
    if let Some(page) = page {
        println!("The live page is there until ctrl-c.");
        page.await??;
    }
    [runs, reloads].iter().try_for_each(saved)
}

/// Fails if a herd of which much could be saved made as many queries at the end as without the layer.
fn saved(runs: &Runs) -> Result<(), Fault> {
    let ((_, without), (how, with)) = (&runs[0], &runs[runs.len() - 1]);
    match with.has_equals() && with.queries >= without.queries {
        false => Ok(()),
        true => {
            Err(format!("{how} there were {} queries, and {} without the layer", with.queries, without.queries).into())
        }
    }
}

/// One process, without the layer and with it; first the herd, then one that reloads.
async fn one(options: &Options, path: &Path, layer: &HttpSingleflightLayer) -> Result<[Runs; 2], Fault> {
    let mut herds = [Runs::new(), Runs::new()];
    for (runs, reloads) in herds.iter_mut().zip([false, true]) {
        for (what, layer) in [("without the layer", None), ("with the layer", Some(layer))] {
            let bar = bar(what, options.herd as u64)?;
            runs.push((what, herd::run(options, path, layer, reloads, &bar).await?));
            bar.finish();
        }
    }
    Ok(herds)
}

/// The same with several processes: without the layer, each with the layer for itself, and as a fleet.
async fn several(options: &Options, path: &Path, meeting: &Meeting) -> Result<[Runs; 2], Fault> {
    let without = Serve { database: path.to_owned(), layer: false, redis: None };
    let alone = Serve { layer: true, ..without.clone() };
    let fleet = Serve { redis: Some(meeting.url.clone()), ..alone.clone() };
    let mut herds = [Runs::new(), Runs::new()];
    for (runs, reloads) in herds.iter_mut().zip([false, true]) {
        for (what, serve) in [("without the layer", &without), ("with the layer", &alone), ("with the fleet", &fleet)] {
            let bar = bar(what, options.herd as u64)?;
            runs.push((what, herd::run_at(options, serve, reloads, &bar).await?));
            bar.finish();
        }
    }
    Ok(herds)
}

/// Makes sure that there may be two sockets for each client.
fn open_files(herd: usize) -> Result<(), String> {
    let (wanted, allowed) = (2 * herd as u64 + 64, rlimit::increase_nofile_limit(u64::MAX).unwrap_or(u64::MAX));
    match wanted <= allowed {
        true => Ok(()),
        false => Err(format!("a herd of {herd} takes {wanted} open files, and {allowed} are allowed (ulimit -n)")),
    }
}

fn bar(what: &'static str, length: u64) -> Result<ProgressBar, Fault> {
    let style = ProgressStyle::with_template("{prefix} {bar:12} {percent:>3}% {elapsed} {wide_msg}")?;
    Ok(ProgressBar::new(length).with_style(style).with_prefix(what))
}

fn table(runs: &Runs, reloads: &Runs) -> Table {
    let ms = |time: Duration| format!("{:.0} ms", time.as_secs_f64() * 1e3);
    let mut table = Table::new();
    let header = [""].into_iter().chain(runs.iter().map(|(what, _)| *what)).chain(["saving"]);
    table.load_preset(UTF8_FULL_CONDENSED).set_header(header);
    let mut row = |runs: &Runs, what: &str, of: &dyn Fn(&Run) -> f64, show: &dyn Fn(&Run) -> String| {
        let (first, last) = (of(&runs[0].1), of(&runs[runs.len() - 1].1));
        let saving = format!("{:.1} % less", 100.0 * (1.0 - last / first));
        let shown = runs.iter().map(|(_, run)| show(run));
        table.add_row([what.to_owned()].into_iter().chain(shown).chain([saving]));
    };
    row(runs, "queries run", &|run| run.queries as f64, &|run| run.queries.to_string());
    for (what, share) in
        [("half of the callers waited up to (p50)", 0.5), ("99 % waited up to (p99)", 0.99), ("the worst wait", 1.0)]
    {
        row(runs, what, &|run| wait(run, share).as_secs_f64(), &|run| ms(wait(run, share)));
    }
    row(runs, "CPU time", &|run| run.cpu.as_secs_f64(), &|run| ms(run.cpu));
    row(reloads, "if all reload: queries run", &|run| run.queries as f64, &|run| run.queries.to_string());
    row(reloads, "if all reload: p99", &|run| wait(run, 0.99).as_secs_f64(), &|run| ms(wait(run, 0.99)));
    table
}

/// Returns how long this share of the callers waited at most.
fn wait(run: &Run, share: f64) -> Duration {
    let mut waits: Vec<_> = run.lines.iter().map(|line| line.answered.saturating_sub(line.arrived)).collect();
    waits.sort_unstable();
    let rank = (waits.len() as f64 * share).ceil() as usize;
    waits.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}
