//! The clients that look at the page: a bounded number at a time.

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::Instant;

use crate::sync::{Mutex, lock};

/// How many there are at most.
const MOST: usize = 64;

/// How long a client may read nothing before another one may take its place.
const SILENT: Duration = Duration::from_secs(10);

#[derive(Default)]
pub(super) struct Clients {
    /// A leaf lock.
    all: Mutex<Vec<Weak<Client>>>,
}

/// A client that looks at the page, until it is dropped.
pub(super) struct Client {
    /// When it took something last. A leaf lock, which only its own task and newcomers without a place take.
    took: Mutex<Instant>,
    /// Another has its place.
    replaced: AtomicBool,
}

impl Client {
    /// Says that it takes something; `false` if its place has gone to another.
    pub(super) fn takes(&self) -> bool {
        *lock(&self.took) = Instant::now();
        !self.replaced.load(Relaxed)
    }
}

impl Clients {
    /// Lets one more in, if there is a place, or the place of one that reads nothing.
    pub(super) fn enter(&self) -> Option<Arc<Client>> {
        let client = Arc::new(Client { took: Mutex::new(Instant::now()), replaced: AtomicBool::new(false) });
        let mut all = lock(&self.all);
        all.retain(|client| client.strong_count() > 0);
        if all.len() >= MOST {
            let silent = all
                .iter()
                .position(|client| client.upgrade().is_none_or(|client| lock(&client.took).elapsed() > SILENT))?;
            if let Some(client) = all.swap_remove(silent).upgrade() {
                client.replaced.store(true, Relaxed);
            }
        }
        all.push(Arc::downgrade(&client));
        Some(client)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_client_that_reads_nothing_makes_room() {
        let clients = Clients::default();
        let mut inside: Vec<_> = (0..MOST).map(|_| clients.enter().unwrap()).collect();
        assert!(clients.enter().is_none(), "there is no place");
        inside.pop();
        inside.push(clients.enter().unwrap());

        advance(2 * SILENT).await;
        assert!(inside[1..].iter().all(|client| client.takes()));
        let newcomer = clients.enter().unwrap();
        assert!(newcomer.takes() && !inside[0].takes());
        assert!(inside[1..].iter().all(|client| client.takes()));
        assert!(clients.enter().is_none());
    }
}
