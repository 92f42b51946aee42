//! Several processes behind one database, and a server through which they are a fleet.

use std::{env, net::SocketAddr, process::Stdio, time::Duration};

use cpu_time::ProcessTime;
use redis_servers::{Kind, Server};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines, stdin},
    net::TcpListener,
    process::{Child, ChildStdin, ChildStdout, Command},
};
use tower_singleflight::fleet::{Fleet, FleetSettings};
use tower_singleflight_redis::RedisEngine;

use crate::{
    options::Serve,
    server::{self, Reports},
};

type Fault = Box<dyn std::error::Error + Send + Sync>;

/// Not one for production, where it is 32 random bytes that nobody else knows.
const SECRET: [u8; 32] = *b"the stampede is no secret at all";

/// The default is meant for a server with a processor of its own. Here the herd, the queries and Redis share the
/// processors.
const BUDGET: Duration = Duration::from_millis(500);

/// The server that a fleet meets at: the user's, or one that was started and ends with this.
pub(crate) struct Meeting {
    pub(crate) url: String,
    _server: Option<Server>,
}

impl Meeting {
    pub(crate) async fn at(url: Option<&str>) -> Result<Self, Fault> {
        if let Some(url) = url {
            // Better to know now than after the herd without it what is wrong with the server.
            RedisEngine::connect(url).await?;
            return Ok(Self { url: url.to_owned(), _server: None });
        }
        let missing = "no redis-server is installed: `apt-get install redis-server`, or give one with --redis URL";
        let kind = Kind::ALL.into_iter().find(|kind| kind.find().is_some()).ok_or(missing)?;
        let server = Server::start(kind).ok_or("the redis-server does not start")?;
        println!("A {kind:?} server of our own runs at {}", server.url());
        Ok(Self { url: server.url(), _server: Some(server) })
    }
}

/// One process that serves; it ends with this.
pub(crate) struct Process {
    pub(crate) address: SocketAddr,
    input: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    _child: Child,
}

impl Process {
    /// Starts one, and waits until it serves.
    pub(crate) async fn start(serve: &Serve) -> Result<Self, Fault> {
        let mut command = Command::new(env::current_exe()?);
        command.arg("serve").arg("--database").arg(&serve.database);
        if serve.layer {
            command.arg("--layer");
        }
        if let Some(url) = &serve.redis {
            command.args(["--redis", url]);
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
        let (input, output) = (child.stdin.take().ok_or("no input")?, child.stdout.take().ok_or("no output")?);
        let mut lines = BufReader::new(output).lines();
        let address = lines.next_line().await?.ok_or("a process does not start")?.parse()?;
        Ok(Self { address, input, lines, _child: child })
    }

    /// Returns how many queries it has run, and the CPU time that it took.
    pub(crate) async fn spent(&mut self) -> Result<(u64, Duration), Fault> {
        self.input.write_all(b"\n").await?;
        let line = self.lines.next_line().await?.ok_or("a process has ended")?;
        let (queries, cpu) = line.split_once(' ').ok_or("what does it say?")?;
        Ok((queries.parse()?, Duration::from_micros(cpu.parse()?)))
    }
}

/// Serves until its input ends, and says what it has spent for each line there.
pub(crate) async fn serve(serve: &Serve) -> Result<(), Fault> {
    let reports = Reports::open(&serve.database)?;
    let layer = match &serve.redis {
        Some(url) => {
            let settings = FleetSettings::new().budget(BUDGET);
            let fleet = Fleet::with_settings(RedisEngine::connect(url).await?, SECRET, settings)?;
            Some(server::layer_of(fleet))
        }
        None => serve.layer.then(server::layer),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    let cpu = ProcessTime::now();
    tokio::spawn(server::serve(listener, reports.clone(), layer));
    let mut lines = BufReader::new(stdin()).lines();
    while lines.next_line().await?.is_some() {
        println!("{} {}", reports.queries(), cpu.elapsed().as_micros());
    }
    Ok(())
}
