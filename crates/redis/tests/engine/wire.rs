//! What lies between a process and its server: a load balancer, a tunnel, a name that comes to mean another machine.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering::Relaxed},
};

use redis_servers::Server;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy},
    net::{TcpListener, TcpStream},
};

/// Passes on what clients and a server say, until it is told otherwise.
pub(crate) struct Wire {
    port: u16,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// Where new connections lead.
    to: AtomicU16,
    /// New connections are refused, in the words of a server that has too many.
    refuses: AtomicBool,
    connections: AtomicUsize,
    /// Up to this one the server's answers are lost, though the connections stay.
    silent: AtomicUsize,
}

impl Wire {
    pub(crate) async fn to(server: &Server) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let wire = Self { port: listener.local_addr().unwrap().port(), state: Arc::default() };
        wire.lead_to(server);
        let state = Arc::clone(&wire.state);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(Arc::clone(&state).pass(client));
            }
        });
        wire
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// Lets new connections lead there.
    pub(crate) fn lead_to(&self, server: &Server) {
        self.state.to.store(server.port(), Relaxed);
    }

    /// Loses the answers on all connections that there are now.
    pub(crate) fn silence(&self) {
        self.state.silent.store(self.connections(), Relaxed);
    }

    /// Lets new connections be refused, or not.
    pub(crate) fn refuse(&self, refuses: bool) {
        self.state.refuses.store(refuses, Relaxed);
    }

    /// How many connections there have been.
    pub(crate) fn connections(&self) -> usize {
        self.state.connections.load(Relaxed)
    }
}

impl State {
    async fn pass(self: Arc<Self>, mut client: TcpStream) {
        let number = self.connections.fetch_add(1, Relaxed) + 1;
        if self.refuses.load(Relaxed) {
            let _ = client.write_all(b"-ERR max number of clients reached\r\n").await;
            return;
        }
        let Ok(server) = TcpStream::connect(("127.0.0.1", self.to.load(Relaxed))).await else { return };
        let (mut asked, mut answered) = client.into_split();
        let (mut answers, mut asks) = server.into_split();
        let asking = tokio::spawn(async move { copy(&mut asked, &mut asks).await });
        let mut bytes = [0; 4096];
        while let Ok(read @ 1..) = answers.read(&mut bytes).await {
            if number > self.silent.load(Relaxed) && answered.write_all(&bytes[..read]).await.is_err() {
                break;
            }
        }
        asking.abort();
    }
}
