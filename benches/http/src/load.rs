//! Requests for keys that nobody else asks for meanwhile, on connections kept alive, as many as the server can answer.

use std::{io::Write, net::SocketAddr, process::Command, thread::available_parallelism, time::Duration};

use tempfile::NamedTempFile;
use tokio::{task::JoinSet, time::Instant};

use crate::{Fault, client::Client, process};

/// Each thread asks for paths of its own, each once.
const SCRIPT: &str = r#"
local threads = 0
function setup(thread) threads = threads + 1; thread:set("number", threads) end
local requests = 0
function request()
  requests = requests + 1
  return wrk.format("GET", "/items/" .. number .. "-" .. requests)
end
"#;

/// A source of such requests.
pub(crate) struct Load {
    connections: u32,
    seconds: u64,
    /// What wrk asks for, if it is there; else clients of our own do.
    wrk: Option<NamedTempFile>,
}

impl Load {
    pub(crate) fn new(connections: u32, seconds: u64) -> Result<Self, Fault> {
        let mut wrk = None;
        if process::installed("wrk", "wrk") {
            let mut script = NamedTempFile::new()?;
            script.write_all(SCRIPT.as_bytes())?;
            wrk = Some(script);
        }
        Ok(Self { connections, seconds, wrk })
    }

    /// Returns how many requests were answered, and how many a second.
    pub(crate) async fn run(&self, address: SocketAddr) -> Result<(u64, f64), Fault> {
        match &self.wrk {
            Some(script) => self.wrk(address, script),
            None => self.own(address).await,
        }
    }

    fn wrk(&self, address: SocketAddr, script: &NamedTempFile) -> Result<(u64, f64), Fault> {
        // It wants a connection for each thread.
        let threads = available_parallelism()?.get().min(self.connections as usize);
        let output = Command::new("wrk")
            .args(["--threads", &threads.to_string(), "--connections", &self.connections.to_string()])
            .args(["--duration", &format!("{}s", self.seconds), "--script"])
            .arg(script.path())
            .arg(format!("http://{address}"))
            .output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let bad = text.lines().find(|line| line.contains("Non-2xx") || line.contains("Socket errors"));
        if let Some(bad) = bad {
            return Err(format!("wrk: {}", bad.trim()).into());
        }
        let requests = text.lines().find_map(|line| line.trim().split_once(" requests in ")?.0.parse().ok());
        let rate = text.lines().find_map(|line| line.strip_prefix("Requests/sec:")?.trim().parse().ok());
        match requests.zip(rate) {
            Some(answered) if output.status.success() => Ok(answered),
            _ => Err(format!("wrk: {}", String::from_utf8_lossy(&output.stderr).trim()).into()),
        }
    }

    async fn own(&self, address: SocketAddr) -> Result<(u64, f64), Fault> {
        let time = Duration::from_secs(self.seconds);
        let mut clients = Vec::new();
        for _ in 0..self.connections {
            clients.push(Client::connect(address).await?);
        }
        let start = Instant::now();
        let mut tasks = JoinSet::new();
        for (number, mut client) in clients.into_iter().enumerate() {
            tasks.spawn(async move {
                let mut requests = 0_u64;
                while start.elapsed() < time {
                    let answer = client.get(&format!("/items/{number}-{requests}")).await?;
                    if answer.status != 200 {
                        return Err(Fault::from(format!("status {}", answer.status)));
                    }
                    requests += 1;
                }
                Ok(requests)
            });
        }
        let mut requests = 0;
        while let Some(task) = tasks.join_next().await {
            requests += task??;
        }
        Ok((requests, requests as f64 / start.elapsed().as_secs_f64()))
    }
}
