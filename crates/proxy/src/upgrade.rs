//! Upgraded connections, handed through both ways.

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional;
use tokio_util::task::TaskTracker;

/// Joins the client's connection and the upstream's once both have switched protocols. Until they end, `connections`
/// counts them as one.
pub(crate) fn join(connections: &TaskTracker, client: OnUpgrade, upstream: OnUpgrade) {
    connections.spawn(async move {
        if let Ok((client, upstream)) = tokio::try_join!(client, upstream) {
            // Either side may break off at any time; then both are done.
            let _ = copy_bidirectional(&mut TokioIo::new(client), &mut TokioIo::new(upstream)).await;
        }
    });
}
