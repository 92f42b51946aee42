//! (b) A herd on one key with a slow origin: through the proxy, nginx, Varnish and no proxy at all, in one run.

use std::{fs, net::SocketAddr, path::Path, process::Command, time::Duration};

use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::{
    Fault,
    client::Client,
    origin,
    process::{self, Process},
    stats::{millis, percentile, table, target},
};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Clients, each with a connection of its own.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(2..=10_000))]
    clients: u32,
    /// How long the origin takes, in ms.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    delay: u64,
    /// How many herds, with a key each; the table has the medians of their figures.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=101))]
    rounds: u32,
}

/// The yardstick: a server that need not ask anybody, and answers all at once.
const NO_PROXY: &str = "no proxy";

/// What one herd went through.
struct Herd {
    calls: u64,
    /// The client whose request went upstream, if the proxy tells.
    leader: Option<Duration>,
    first: Duration,
    median: Duration,
    late: Duration,
    last: Duration,
}

pub(crate) async fn run(options: Options) -> Result<(), Fault> {
    let (_origin, upstream) = origin::start(Duration::from_millis(options.delay)).await?;
    let dir = tempfile::tempdir()?;
    let mut rows = Vec::new();
    for kind in ["proxy", "nginx", "varnish", NO_PROXY] {
        let listen = process::free()?;
        let command = match kind {
            "nginx" if process::installed("nginx", "nginx") => nginx(dir.path(), listen, upstream, true)?,
            "varnish" if process::installed("varnishd", "varnish") => varnish(dir.path(), listen, upstream)?,
            "proxy" => process::proxy(listen, upstream)?,
            NO_PROXY => {
                let mut server = origin::command(listen, Duration::from_millis(options.delay))?;
                server.arg("--together");
                server
            }
            _ => continue,
        };
        let _proxy = Process::start(command, listen).await?;
        let mut herds = Vec::new();
        for round in 0..options.rounds {
            herds.push(
                herd(listen, upstream, options.clients, &format!("/herd/{kind}/{round}").replace(' ', "-")).await?,
            );
        }
        let of = |field: fn(&Herd) -> Duration| percentile(&herds.iter().map(field).collect::<Vec<_>>(), 0.5);
        let calls = herds.iter().map(|herd| herd.calls).max().unwrap_or_default();
        let leaders: Vec<_> = herds.iter().filter_map(|herd| herd.leader).collect();
        let leader = if leaders.is_empty() { of(|herd| herd.first) } else { percentile(&leaders, 0.5) };
        rows.push((kind, calls, leader, of(|herd| herd.median), of(|herd| herd.late), of(|herd| herd.last)));
    }
    let mut table = table(["", "upstream calls", "leader, ms", "p50, ms", "p99, ms", "worst, ms"]);
    for (kind, calls, leader, median, late, last) in &rows {
        let cells = [*leader, *median, *late, *last].map(millis);
        table.add_row([(*kind).to_owned(), calls.to_string()].into_iter().chain(cells));
    }
    println!(
        "{} clients, an origin of {} ms, time to first byte, medians of {} herds\n{table}",
        options.clients, options.delay, options.rounds
    );
    if let Some((_, calls, leader, median, late, _)) = rows.first() {
        let delay = Duration::from_millis(options.delay);
        target(*calls == 1, &format!("{calls} upstream call"));
        let behind = late.saturating_sub(*leader);
        target(
            behind <= Duration::from_millis(10),
            &format!("p99 is {} ms behind the leader, at most 10", millis(behind)),
        );
        target(
            *median <= delay.mul_f64(1.05),
            &format!("p50 is {} ms, at most 5 % over {}", millis(*median), options.delay),
        );
        for (kind, .., late_there, _) in &rows[1..] {
            let figures = format!("p99 is {} ms, {kind} {}", millis(*late), millis(*late_there));
            match *kind {
                NO_PROXY => println!("       {figures}: what {} answers take here", options.clients),
                _ => target(late <= late_there, &figures),
            }
        }
    }
    Ok(())
}

async fn herd(proxy: SocketAddr, upstream: SocketAddr, clients: u32, path: &str) -> Result<Herd, Fault> {
    let before = origin::calls(upstream).await?;
    let mut herd = Vec::new();
    for _ in 0..clients {
        herd.push(Client::connect(proxy).await?);
    }
    // Connections are accepted before the first request is sent.
    sleep(Duration::from_millis(200)).await;
    let start = Instant::now();
    for client in &mut herd {
        client.send(path).await?;
    }
    let mut answers = JoinSet::new();
    for mut client in herd {
        answers.spawn(async move { client.first(start).await.map(|first_byte| (client, first_byte)) });
    }
    // Answers are checked when all clients have theirs: checking would hold up those that come later.
    let begun = answers.join_all().await;
    let (mut leader, mut times) = (None, Vec::new());
    for answer in begun {
        let (mut client, first_byte) = answer?;
        let answer = client.rest().await?;
        if answer.status != 200 || answer.body != origin::BODY.as_bytes() {
            return Err(format!("status {} on {path}", answer.status).into());
        }
        if answer.head.lines().any(|line| line.starts_with("cache-status") && line.ends_with("fwd=uri-miss")) {
            leader = Some(first_byte);
        }
        times.push(first_byte);
    }
    let calls = origin::calls(upstream).await? - before;
    let of = |share| percentile(&times, share);
    Ok(Herd { calls, leader, first: of(0.0), median: of(0.5), late: of(0.99), last: of(1.0) })
}

/// A proxy with a lock on what it fetches, or a plain one.
pub(crate) fn nginx(dir: &Path, listen: SocketAddr, upstream: SocketAddr, lock: bool) -> Result<Command, Fault> {
    let home = dir.join("nginx");
    fs::create_dir_all(&home)?;
    let home = home.display();
    let caches = if lock { "proxy_cache herd; proxy_cache_lock on; proxy_cache_valid 200 1s;" } else { "" };
    let config = format!(
        "worker_processes auto; daemon off; master_process on; pid {home}/pid; error_log {home}/error.log crit;
         worker_rlimit_nofile 20000;
         events {{ worker_connections 8192; }}
         http {{ access_log off; keepalive_requests 1000000;
           client_body_temp_path {home}/body; proxy_temp_path {home}/proxy; fastcgi_temp_path {home}/f;
           uwsgi_temp_path {home}/u; scgi_temp_path {home}/s; proxy_cache_path {home}/cache keys_zone=herd:10m;
           upstream origin {{ server {upstream}; keepalive 64; }}
           server {{ listen {listen} backlog=4096; {caches}
             location / {{ proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection ''; }} }} }}"
    );
    let path = dir.join("nginx.conf");
    fs::write(&path, config)?;
    let mut command = Command::new("nginx");
    command.arg("-c").arg(path).arg("-e").arg(format!("{home}/error.log"));
    Ok(command)
}

fn varnish(dir: &Path, listen: SocketAddr, upstream: SocketAddr) -> Result<Command, Fault> {
    let config =
        format!("vcl 4.1; backend default {{ .host = \"{}\"; .port = \"{}\"; }}", upstream.ip(), upstream.port());
    let path = dir.join("default.vcl");
    fs::write(&path, config)?;
    let mut command = Command::new("varnishd");
    command.arg("-F").arg("-a").arg(listen.to_string()).arg("-f").arg(path).arg("-n").arg(dir.join("varnish"));
    command.args(["-s", "malloc,64m", "-p", "thread_pool_max=4000"]);
    Ok(command)
}
