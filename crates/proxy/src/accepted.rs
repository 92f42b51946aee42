//! A client on its way from the listener to the worker that serves it.

use std::net::{SocketAddr, TcpStream};

use tokio::sync::OwnedSemaphorePermit;

/// A client that has been taken in.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) stream: TcpStream,
    pub(crate) address: SocketAddr,
    /// One of the places for clients; dropped with the connection.
    pub(crate) place: OwnedSemaphorePermit,
}
