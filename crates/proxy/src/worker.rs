//! One thread per core, each with its own runtime and its own connections to clients and upstream. All share their
//! flights.
//!
//! So a request that nobody shares is served on one thread, as in nginx. Only a shared flight crosses threads: its work
//! runs where its second caller is.

use std::{future::Future, io, iter, pin::pin, sync::Arc, thread, time::Duration};

use tokio::{
    net::TcpListener,
    runtime::Builder,
    sync::{Barrier, Semaphore, mpsc},
    time::{Instant, sleep},
};
use tokio_util::task::TaskTracker;
use tower_singleflight::{fleet::Fleet, http::HttpSingleflight};

use crate::{
    accepted::Accepted,
    options::Options,
    server::{BACKLOG, Server},
    upstream::Upstream,
};

/// How many files the proxy needs for other things than connections.
const OTHER_FILES: u64 = 64;

/// Returns how many clients may be inside. Each may need a file for an upstream connection of its own, so half of the
/// files are kept for those.
fn places(options: &Options) -> usize {
    let clients = options.clients.map_or_else(
        || match rlimit::increase_nofile_limit(u64::MAX) {
            Ok(files) => files.saturating_sub(OTHER_FILES.min(files / 2)) / 2,
            Err(_) => 256,
        },
        u64::from,
    );
    usize::try_from(clients).unwrap_or(usize::MAX).clamp(1, Semaphore::MAX_PERMITS)
}

/// Threads that serve clients.
pub(crate) struct Workers {
    /// One for each worker. A worker ends when its sender is gone and what is under way has ended.
    clients: Vec<mpsc::UnboundedSender<Accepted>>,
    /// Closed once all have ended.
    ended: mpsc::Receiver<()>,
    /// For clients.
    places: Arc<Semaphore>,
}

impl Workers {
    /// Starts `count` workers.
    pub(crate) fn start(
        options: &Options,
        service: Option<&HttpSingleflight<Upstream>>,
        fleet: Option<Fleet>,
        count: usize,
    ) -> io::Result<Self> {
        let (alive, ended) = mpsc::channel(1);
        let last = Arc::new(Barrier::new(count));
        let clients = (0..count).map(|_| {
            let (sender, clients) = mpsc::unbounded_channel();
            let (options, service, fleet) = (options.clone(), service.cloned(), fleet.clone());
            let worker = Worker { options, service, fleet, clients, alive: alive.clone() };
            worker.start(Arc::clone(&last))?;
            Ok(sender)
        });
        Ok(Self {
            clients: clients.collect::<io::Result<_>>()?,
            ended,
            places: Arc::new(Semaphore::new(places(options))),
        })
    }

    /// Takes clients in, and hands them to the workers in turn, until told to stop; then waits for the workers to end.
    pub(crate) async fn serve(self, listener: TcpListener, stop: impl Future<Output = ()>) {
        let Self { clients, mut ended, places } = self;
        let mut stop = pin!(stop);
        for worker in clients.iter().cycle() {
            let accepted = tokio::select! {
                biased;
                () = &mut stop => break,
                accepted = accept(&listener, &places) => accepted,
            };
            // If the worker's thread has died, its clients are closed.
            let _ = worker.send(accepted);
        }
        // Clients not taken in yet may have sent a request. The bound is there since more may come meanwhile.
        let arrived = arrived(listener, &places).take(BACKLOG as usize);
        for (accepted, worker) in arrived.zip(clients.iter().cycle()) {
            let _ = worker.send(accepted);
        }
        drop(clients);
        ended.recv().await;
    }
}

/// Takes the next client in, once there is a place for it. Cancel safe.
async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> Accepted {
    // The semaphore is never closed; if it were, nobody could come in.
    let Ok(place) = Arc::clone(places).acquire_owned().await else { return std::future::pending().await };
    loop {
        match listener.accept().await.and_then(|(stream, address)| Ok((stream.into_std()?, address))) {
            Ok((stream, address)) => return Accepted { stream, address, place },
            // As a rule there are no more files; some connection will close.
            Err(_) => sleep(Duration::from_millis(10)).await,
        }
    }
}

/// Takes in the clients that have come, as far as there are places, and closes the listener.
fn arrived(listener: TcpListener, places: &Arc<Semaphore>) -> impl Iterator<Item = Accepted> {
    // The runtime may not have been told yet of all who have come; the system knows.
    let listener = listener.into_std();
    iter::from_fn(move || {
        let place = Arc::clone(places).try_acquire_owned().ok()?;
        let (stream, address) = listener.as_ref().ok()?.accept().ok()?;
        stream.set_nonblocking(true).ok()?;
        Some(Accepted { stream, address, place })
    })
}

/// What one thread needs.
struct Worker {
    options: Options,
    service: Option<HttpSingleflight<Upstream>>,
    fleet: Option<Fleet>,
    clients: mpsc::UnboundedReceiver<Accepted>,
    alive: mpsc::Sender<()>,
}

impl Worker {
    /// Starts the thread, which nobody joins. It serves until its clients have ended. Then it drives its upstream
    /// connections until the other workers' clients have ended too: they may be reading what comes over these.
    fn start(self, last: Arc<Barrier>) -> io::Result<()> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let work = move || {
            runtime.block_on(async {
                self.serve().await;
                last.wait().await;
            });
        };
        thread::Builder::new().name("worker".to_owned()).spawn(work).map(drop)
    }

    async fn serve(self) {
        let Self { options, service, fleet, clients, alive } = self;
        let (server, connections) = (Server::new(&options), TaskTracker::new());
        let upstream = Upstream::new(&options, connections.clone());
        let until = match service {
            Some(mut service) => {
                // Each thread has connections of its own.
                *service.get_mut() = upstream;
                server.serve(clients, service, connections).await
            }
            None => server.serve(clients, upstream, connections).await,
        };
        // Answers of this proxy's flights may not have reached those who wait for them at other proxies.
        if let Some(fleet) = fleet {
            fleet.drain(until.saturating_duration_since(Instant::now())).await;
        }
        drop(alive);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::ready,
        io::{Read, Write},
        net::TcpStream,
        time::Duration,
    };

    use tower_singleflight::{
        Group,
        fleet::{MemoryEngine, PostcardCodec},
    };

    use super::*;
    use crate::server::listen;

    #[tokio::test]
    async fn clients_that_nobody_has_taken_in_yet_are_answered_as_far_as_there_are_places() {
        for (places, answered) in [("600", 20), ("3", 3)] {
            let options = ["proxy", "--quiet", "--upstream", "http://a", "--grace", "600000", "--clients", places];
            let options = Options::read(options.map(Into::into)).unwrap();
            let listener = listen(([127, 0, 0, 1], 0).into()).unwrap();
            let address = listener.local_addr().unwrap();
            let clients = (0..20).map(|_| {
                let mut client = TcpStream::connect(address).unwrap();
                client.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
                client.write_all(b"OPTIONS * HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n").unwrap();
                client
            });
            let clients: Vec<_> = clients.collect();
            // Stopped before it has begun.
            Workers::start(&options, None, None, 2).unwrap().serve(listener, ready(())).await;
            let answers = clients.into_iter().filter_map(|mut client| {
                let mut answer = String::new();
                client.read_to_string(&mut answer).ok().filter(|_| answer.starts_with("HTTP/1.1 200 OK\r\n"))
            });
            assert_eq!(answers.count(), answered);
        }
    }

    /// The client hangs in its request, and the engine in an operation that began long ago.
    #[tokio::test(start_paused = true)]
    async fn connections_and_the_fleet_have_one_grace_time_together() {
        let upstream = listen(([127, 0, 0, 1], 0).into()).unwrap();
        let url = format!("http://{}", upstream.local_addr().unwrap());
        let options = ["proxy", "--quiet", "--upstream", &url, "--grace", "10000", "--idle", "600000"];
        let options = Options::read(options.map(Into::into)).unwrap();
        let engine = MemoryEngine::new();
        let fleet = Fleet::new(engine.clone(), [7; 32]);
        engine.stop();
        fleet.call(&Group::new(), 7, PostcardCodec::new(), || ready(())).await;

        let listener = listen(([127, 0, 0, 1], 0).into()).unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        let (sender, clients) = mpsc::unbounded_channel();
        sender.send(accept(&listener, &Arc::new(Semaphore::new(1))).await).unwrap();
        drop(sender);
        let (alive, _ended) = mpsc::channel(1);
        let stopped = Instant::now();
        Worker { options, service: None, fleet: Some(fleet), clients, alive }.serve().await;
        assert_eq!(stopped.elapsed().as_secs(), 10);
    }
}
