//! A client that costs next to nothing: bytes written, a head and its Content-Length read.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::Instant,
};

use crate::Fault;

/// A connection that is kept alive.
pub(crate) struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Result<Self, Fault> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(1024) })
    }

    /// Sends a request without content.
    pub(crate) async fn send(&mut self, path: &str) -> Result<(), Fault> {
        let request = format!("GET {path} HTTP/1.1\r\nhost: bench\r\naccept: */*\r\nuser-agent: bench\r\n\r\n");
        Ok(self.stream.write_all(request.as_bytes()).await?)
    }

    pub(crate) async fn get(&mut self, path: &str) -> Result<Answer, Fault> {
        self.send(path).await?;
        self.first(Instant::now()).await?;
        self.rest().await
    }

    /// Reads the first bytes of an answer, and stops the time.
    pub(crate) async fn first(&mut self, start: Instant) -> Result<Duration, Fault> {
        self.buffer.clear();
        self.read().await?;
        Ok(start.elapsed())
    }

    /// Reads an answer that has begun, and has a Content-Length.
    pub(crate) async fn rest(&mut self) -> Result<Answer, Fault> {
        let end = loop {
            if let Some(end) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
            self.read().await?;
        };
        let head = String::from_utf8_lossy(&self.buffer[..end]).to_ascii_lowercase();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or("no status")?;
        let length =
            head.lines().find_map(|line| line.strip_prefix("content-length:")).and_then(|it| it.trim().parse().ok());
        let length: usize = length.ok_or("no Content-Length")?;
        while self.buffer.len() < end + length {
            self.read().await?;
        }
        Ok(Answer { status, head, body: self.buffer[end..end + length].to_vec() })
    }

    async fn read(&mut self) -> Result<(), Fault> {
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            _ => Ok(()),
        }
    }
}
