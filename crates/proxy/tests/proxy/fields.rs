//! Request fields that tell requests apart: all but those of the list (S27), as the layer's own tests have them, each of
//! them through the proxy.
//!
//! No field of the list of counted ones is left out. What the proxy does not pass on belongs to one hop, and stands in
//! [`ONE_HOP`]: two requests that differ in it alone are one request to the upstream, which sees neither.

#[path = "../../../../tests/http/fields/counted.rs"]
mod counted;

use counted::COUNTED;
use tokio::io::{AsyncBufReadExt, BufStream};

use super::*;

/// Fields that a proxy must not pass on (RFC 9110, section 7.6.1), with two values each.
const ONE_HOP: [(&str, &str, &str); 3] = [
    ("keep-alive", "timeout=5", "timeout=9"),
    ("proxy-connection", "keep-alive", "close"),
    // But for `trailers`, which the proxy says to the next hop in its own name.
    ("te", "gzip;q=0.5", "deflate"),
];

/// An origin that answers with the fields it has seen, and a proxy before it.
struct Bench {
    proxy: Proxy,
    arrivals: mpsc::UnboundedReceiver<()>,
    open: Arc<Semaphore>,
}

impl Bench {
    async fn new() -> Self {
        let (arrived, arrivals) = mpsc::unbounded_channel();
        let open = Arc::new(Semaphore::new(0));
        let gate = Arc::clone(&open);
        let address = origin(move |request| {
            arrived.send(()).unwrap();
            let gate = Arc::clone(&gate);
            async move {
                gate.acquire().await.unwrap().forget();
                let fields = request.headers().iter().map(|(name, value)| format!("[{name}: {value:?}]"));
                Response::new(Full::new(Bytes::from(fields.collect::<String>())).boxed_unsync())
            }
        })
        .await;
        Self { proxy: Proxy::start(address, &[]), arrivals, open }
    }

    /// Sends two requests that overlap, each with or without a value of this field, and returns how many reached the
    /// origin and how many clients got an answer that was made for another request.
    async fn pair(&mut self, clients: &mut [Wire; 2], name: &str, values: [Option<&str>; 2]) -> (usize, usize) {
        for (client, value) in clients.iter_mut().zip(values) {
            client.send(name, value).await;
        }
        let (group, key) = (&self.proxy.group, self.key(name, values[0]));
        let mut calls = 0;
        timeout(LONG, async {
            // Two calls, or one call and two who wait for it.
            while calls < 2 && !(calls == 1 && group.callers(&key) == 2) {
                calls += usize::from(self.arrivals.try_recv().is_ok());
                yield_now().await;
            }
        })
        .await
        .unwrap_or_else(|_| panic!("{name}: {values:?} stand still after {calls} calls"));
        self.open.add_permits(calls);
        let line = |value| format!("[{}: {value:?}]", name.to_ascii_lowercase());
        let others = values.iter().rev();
        let mut strangers = 0;
        for ((client, value), other) in clients.iter_mut().zip(values).zip(others) {
            let seen = client.answer().await;
            // Without a value it may be the proxy's own that is seen, as with `x-forwarded-host`.
            let its = value.map_or_else(
                || other.is_none_or(|other| !seen.contains(&line(other))),
                |value| seen.contains(&line(value)),
            );
            strangers += usize::from(!its);
        }
        assert!(self.arrivals.try_recv().is_err(), "{name}");
        (calls, strangers)
    }

    fn key(&self, name: &str, value: Option<&str>) -> HttpKey {
        let request =
            value.into_iter().fold(Request::get("/").header("host", "a"), |request, value| request.header(name, value));
        self.proxy.layer.as_ref().unwrap().key(&request.body(()).unwrap().into_parts().0).unwrap()
    }
}

/// A client that writes a field as it is spelt.
struct Wire(BufStream<TcpStream>);

impl Wire {
    async fn send(&mut self, name: &str, value: Option<&str>) {
        let field = value.map(|value| format!("{name}: {value}\r\n")).unwrap_or_default();
        self.0.write_all(format!("GET / HTTP/1.1\r\nHost: a\r\n{field}\r\n").as_bytes()).await.unwrap();
        self.0.flush().await.unwrap();
    }

    /// Returns the content of an answer.
    async fn answer(&mut self) -> String {
        let mut length = 0;
        loop {
            let mut line = String::new();
            timeout(LONG, self.0.read_line(&mut line)).await.unwrap().unwrap();
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
                length = value.trim().parse().unwrap();
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut content = vec![0; length];
        timeout(LONG, self.0.read_exact(&mut content)).await.unwrap().unwrap();
        String::from_utf8(content).unwrap()
    }
}

async fn clients(bench: &Bench) -> [Wire; 2] {
    let connect = async || Wire(BufStream::new(bench.proxy.connect().await));
    [connect().await, connect().await]
}

#[tokio::test]
async fn s27_requests_that_differ_in_any_field_that_counts_never_share() {
    let mut bench = Bench::new().await;
    let mut clients = clients(&bench).await;
    for name in COUNTED {
        let mixed = name.char_indices().map(|(at, c)| if at % 2 == 0 { c.to_ascii_uppercase() } else { c }).collect();
        for spelled in [name.to_owned(), mixed, name.to_ascii_uppercase(), name.replace('-', "_")] {
            for apart in [[Some("ann"), Some("bob")], [Some("ann"), None], [None, Some("ann")], [None, Some("")]] {
                let seen = bench.pair(&mut clients, &spelled, apart).await;
                assert_eq!(seen, (2, 0), "{spelled}: {apart:?}");
            }
            // Those that agree in it share, so it is this field that keeps the others apart.
            let seen = bench.pair(&mut clients, &spelled, [Some("ann"); 2]).await;
            assert_eq!(seen, (1, 0), "{spelled}");
        }
    }
}

#[tokio::test]
async fn fields_of_one_hop_reach_no_upstream_and_keep_nobody_apart() {
    let mut bench = Bench::new().await;
    let mut clients = clients(&bench).await;
    for (name, one, other) in ONE_HOP {
        for apart in [[Some(one), Some(other)], [Some(one), None]] {
            // The value of neither is in an answer.
            let seen = bench.pair(&mut clients, name, apart).await;
            assert_eq!(seen, (1, apart.into_iter().flatten().count()), "{name}: {apart:?}");
        }
    }
}
