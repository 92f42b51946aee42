//! One process of a fleet, which does what it reads line by line.

mod herd;
mod lone;
mod marred;
mod noted;
mod process;
mod soak;

use std::time::Duration;

use redis_servers::Kind;
use tokio::{
    io::{AsyncBufReadExt, BufReader, stdin},
    runtime::Builder,
};
use tower_singleflight::{
    Group,
    fleet::{Fleet, FleetSettings},
};
use tower_singleflight_redis::{RedisEngine, Settings};

use self::{
    marred::Marred,
    noted::{Noted, Notes},
    process::{Fault, Process},
};

/// How a process reaches the others.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// The servers, separated by commas; more than one is a cluster
    #[arg(long)]
    pub urls: String,
    /// Asks the server again and again, although it has pushes
    #[arg(long)]
    pub polling: bool,
    /// Loses every push
    #[arg(long)]
    pub deaf: bool,
    /// Dies between closing a flight and landing it
    #[arg(long)]
    pub dies_landing: bool,
    /// Runs all of its tasks on one thread
    #[arg(long)]
    pub one_thread: bool,
    /// How long a lease lasts, in milliseconds
    #[arg(long, default_value_t = 5_000)]
    pub lease: u64,
    /// For how long a flight is renewed at most, in milliseconds
    #[arg(long, default_value_t = 60_000)]
    pub lead_limit: u64,
    /// How long a caller waits for the server at a time, in milliseconds
    #[arg(long, default_value_t = 50)]
    pub budget: u64,
    /// How long a message lies in the server, in milliseconds
    #[arg(long, default_value_t = 2_000)]
    pub keep: u64,
}

impl Options {
    /// The defaults, on these servers.
    pub fn of(urls: &[String]) -> Self {
        Self {
            urls: urls.join(","),
            polling: false,
            deaf: false,
            dies_landing: false,
            one_thread: false,
            lease: 5_000,
            lead_limit: 60_000,
            budget: 50,
            keep: 2_000,
        }
    }

    /// As its command line takes them.
    pub fn arguments(&self) -> Vec<String> {
        let mut arguments: Vec<String> = ["--urls", &self.urls].map(str::to_owned).into();
        let flags = [
            ("--polling", self.polling),
            ("--deaf", self.deaf),
            ("--dies-landing", self.dies_landing),
            ("--one-thread", self.one_thread),
        ];
        arguments.extend(flags.into_iter().filter(|(_, is)| *is).map(|(flag, _)| flag.to_owned()));
        let times = [
            ("--lease", self.lease),
            ("--lead-limit", self.lead_limit),
            ("--budget", self.budget),
            ("--keep", self.keep),
        ];
        arguments.extend(times.into_iter().flat_map(|(option, time)| [option.to_owned(), time.to_string()]));
        arguments
    }

    async fn engine(&self) -> Result<Marred, Fault> {
        let settings = Settings::new();
        let settings = if self.polling { settings.polling() } else { settings };
        let urls: Vec<_> = self.urls.split(',').collect();
        let engine: RedisEngine = match urls[..] {
            [url] => settings.connect(url).await?,
            _ => settings.cluster(urls).await?,
        };
        Ok(Marred { engine, deaf: self.deaf, dies_landing: self.dies_landing })
    }
}

/// Runs one process until its input ends.
///
/// # Errors
///
/// The servers cannot be reached, or it is told what it does not know.
pub fn run(options: &Options) -> Result<(), Fault> {
    let mut runtime = if options.one_thread { Builder::new_current_thread() } else { Builder::new_multi_thread() };
    runtime.enable_all().build()?.block_on(serve(options))
}

async fn serve(options: &Options) -> Result<(), Fault> {
    let settings = FleetSettings::new()
        .lease(Duration::from_millis(options.lease))
        .lead_limit(Duration::from_millis(options.lead_limit))
        .budget(Duration::from_millis(options.budget))
        .keep(Duration::from_millis(options.keep));
    let notes = Notes::default();
    let engine = Noted { engine: options.engine().await?, notes: notes.clone() };
    let fleet = Fleet::with_settings(engine, [7; 32], settings)?;
    let process = Process { fleet, group: Group::new(), notes };
    println!("ready");
    let mut lines = BufReader::new(stdin()).lines();
    let mut herds = Vec::new();
    while let Some(line) = lines.next_line().await? {
        let words: Vec<_> = line.split(' ').collect();
        match words[..] {
            ["herd", at, key, callers, work] => {
                let herd = herd::run(process.clone(), at.parse()?, key.to_owned(), callers.parse()?, millis(work)?);
                herds.push(tokio::spawn(herd));
            }
            ["leave"] => {
                herds.drain(..).for_each(|herd| herd.abort());
                println!("left");
            }
            ["series", calls, key, work] => herd::series(&process, calls.parse()?, key, millis(work)?).await,
            ["soak", callers, calls, keys, work, seed] => {
                soak::run(&process, callers.parse()?, calls.parse()?, keys.parse()?, millis(work)?, seed.parse()?)
                    .await;
            }
            ["lone", flights] => lone::run(&options.urls, flights.parse()?).await?,
            ["stats"] => println!("stats {:?}", process.fleet.stats()),
            _ => return Err(format!("what is this? {line}").into()),
        }
    }
    process.fleet.drain(Duration::from_secs(5)).await;
    Ok(())
}

fn millis(text: &str) -> Result<Duration, Fault> {
    Ok(Duration::from_millis(text.parse()?))
}

/// The servers that there are, by their names.
pub fn kinds() -> impl Iterator<Item = Kind> {
    Kind::ALL.into_iter().filter(|kind| kind.find_or_say().is_some())
}
