//! What the fleet adds to a flight that nobody joins.

use redis_servers::{Kind, Server};

use super::Size;
use crate::{
    processes::{Said, Worker},
    worker::Options,
};

/// The most that the fleet adds to a flight: so many times the time of two PINGs on the same connection.
const MOST: f64 = 2.5;

/// Returns the medians of the times, `pings` and `added`, in ns, and `commands`.
///
/// # Panics
///
/// It takes other than two commands; or, where `strict`, it adds more than it may.
pub fn run(size: &Size, kind: Kind, flights: u64, strict: bool) -> Option<Said> {
    let server = Server::start(kind)?;
    let mut worker = Worker::start(&size.program, &Options::of(&[server.url()]));
    worker.say(&format!("lone {flights}"));
    let said = worker.expect("lone");
    // The first ones are sent twice, with the script.
    assert!((2.0..2.1).contains(&said.number("commands")), "{said:?}");
    let ratio = said.number("added") / said.number("pings");
    assert!(ratio <= if strict { MOST } else { 3.0 * MOST }, "{ratio}: {said:?}");
    Some(said)
}
