//! What the fleet adds to a flight that nobody joins, beside two PINGs of the same connection.

use std::time::Instant;

use tower_singleflight::{
    Group,
    fleet::{Fleet, PostcardCodec},
};
use tower_singleflight_redis::{RedisEngine, redis};

use super::process::Fault;

fn median(mut times: Vec<u128>) -> u128 {
    times.sort_unstable();
    times[times.len() / 2]
}

/// Says the times in ns, and how many commands a flight takes.
pub(crate) async fn run(url: &str, flights: u64) -> Result<(), Fault> {
    let client = redis::Client::open(url)?;
    // Without an inbox: what is measured needs none.
    let mut connection = client.get_connection_manager().await?;
    let fleet = Fleet::new(RedisEngine::from_manager(connection.clone()).await?, [8; 32]);
    let (with, without) = (Group::new(), Group::new());
    let before = commands(&mut connection).await?;
    let (mut pings, mut led, mut bare) = (Vec::new(), Vec::new(), Vec::new());
    // By turns, so that whatever slows the machine slows all three.
    for key in 0..flights {
        let began = Instant::now();
        for _ in 0..2 {
            redis::cmd("PING").exec_async(&mut connection).await?;
        }
        pings.push(began.elapsed().as_nanos());
        let began = Instant::now();
        fleet.call(&with, key, PostcardCodec::new(), || std::future::ready(1_u8)).await;
        led.push(began.elapsed().as_nanos());
        let began = Instant::now();
        without.call(key, || std::future::ready(1_u8)).await;
        bare.push(began.elapsed().as_nanos());
    }
    let commands = (commands(&mut connection).await? - before) as f64 / flights as f64;
    let [pings, led, bare] = [pings, led, bare].map(median);
    println!("lone pings={pings} added={} commands={commands}", led.saturating_sub(bare));
    Ok(())
}

/// How many scripts the server was told to run.
async fn commands(connection: &mut redis::aio::ConnectionManager) -> Result<u64, Fault> {
    let stats: String = redis::cmd("INFO").arg("commandstats").query_async(connection).await?;
    let calls = |line: &str| line.split("calls=").nth(1)?.split(',').next()?.parse::<u64>().ok();
    Ok(stats.lines().filter(|line| line.starts_with("cmdstat_eval")).filter_map(calls).sum())
}
