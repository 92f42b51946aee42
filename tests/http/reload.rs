//! Requests that reload share the run that begins after they came (S13). Time is paused: calls are counted, and waits are as
//! long as the origin makes them.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::join_all;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Empty, Full};
use tokio::time::{Instant, sleep, sleep_until};
use tower::{Layer, Service, service_fn, util::BoxCloneSyncService};
use tower_singleflight::{
    HttpSingleflightLayer, Role,
    http::{Coalesced, HttpGroup, Rule},
};

const MS: Duration = Duration::from_millis(1);

type Reload = Request<Empty<Bytes>>;

/// What a client has got.
struct Got {
    text: String,
    headers: HeaderMap,
    coalesced: Coalesced,
    waited: Duration,
}

/// An origin that takes its time, and numbers its answers.
#[derive(Clone)]
struct Origin {
    calls: Arc<AtomicUsize>,
    running: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
    takes: Duration,
    /// Until when every call hangs.
    well: Option<Instant>,
    said: &'static [(&'static str, &'static str)],
}

impl Origin {
    fn new(takes: Duration) -> Self {
        Self { calls: Arc::default(), running: Arc::default(), most: Arc::default(), takes, well: None, said: &[] }
    }

    async fn answer(self) -> Result<Response<Full<Bytes>>, Infallible> {
        let number = self.calls.fetch_add(1, SeqCst) + 1;
        self.most.fetch_max(self.running.fetch_add(1, SeqCst) + 1, SeqCst);
        match self.well.filter(|well| Instant::now() < *well) {
            Some(_) => std::future::pending().await,
            None => sleep(self.takes).await,
        }
        self.running.fetch_sub(1, SeqCst);
        let mut response = Response::builder();
        for (name, value) in self.said {
            response = response.header(*name, *value);
        }
        Ok(response.body(Full::from(number.to_string())).unwrap())
    }

    fn calls(&self) -> usize {
        self.calls.load(SeqCst)
    }
}

type Client = BoxCloneSyncService<Reload, Response<tower_singleflight::SharedBody<Full<Bytes>>>, Infallible>;

fn client(layer: HttpSingleflightLayer, origin: &Origin) -> (Client, HttpGroup) {
    let (origin, group) = (origin.clone(), HttpGroup::new());
    let service = layer.group(group.clone()).layer(service_fn(move |_: Reload| origin.clone().answer()));
    (BoxCloneSyncService::new(service), group)
}

fn reload(fields: &[(&str, &str)]) -> Reload {
    let mut request = Request::get("http://a.example/x");
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(Empty::new()).unwrap()
}

/// Sends a request when it is time.
async fn ask(client: &Client, at: Instant, request: Reload) -> Got {
    let mut client = client.clone();
    sleep_until(at).await;
    let called = Instant::now();
    let response = client.call(request).await.unwrap();
    let (head, body) = response.into_parts();
    let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
    let coalesced = *head.extensions.get::<Coalesced>().unwrap();
    Got { text, headers: head.headers, coalesced, waited: called.elapsed() }
}

const RELOADS: [(&str, &str); 3] =
    [("cache-control", "no-cache"), ("cache-control", "max-age=0"), ("pragma", "no-cache")];

/// A hundred clients within 50 ms.
async fn herd(client: &Client, field: (&str, &str)) -> Vec<Got> {
    let start = Instant::now();
    join_all((0..100).map(|number| ask(client, start + MS * number / 2, reload(&[field])))).await
}

#[tokio::test(start_paused = true)]
async fn s13_a_herd_that_reloads_takes_two_calls() {
    for field in RELOADS {
        let origin = Origin::new(200 * MS);
        let (client, group) = client(HttpSingleflightLayer::new().cache_status("here"), &origin);
        let got = herd(&client, field).await;
        assert_eq!((origin.calls(), origin.most.load(SeqCst)), (2, 1));
        assert!(got.iter().all(|got| got.waited <= 400 * MS && got.coalesced.rule.is_none()));
        assert_eq!(got.iter().filter(|got| got.text == "1").count(), 1, "who came first leads");
        let said: Vec<_> = got.iter().map(|got| got.headers["cache-status"].to_str().unwrap()).collect();
        assert_eq!(said.iter().filter(|said| **said == "here; fwd=uri-miss; detail=fresh").count(), 2);
        assert_eq!(said.iter().filter(|said| **said == "here; fwd=uri-miss; collapsed; detail=fresh").count(), 98);
        assert!(group.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn s13_ordinary_requests_join_the_run_that_reloads_lead_and_reloads_none_from_before_them() {
    let origin = Origin::new(200 * MS);
    let (client, group) = client(HttpSingleflightLayer::new(), &origin);
    let start = Instant::now();
    let fields: [&[_]; 5] = [&[], &RELOADS[..1], &[], &RELOADS[1..2], &[]];
    let at = [0, 10, 20, 30, 250];
    let asked = fields.iter().zip(at).map(|(fields, at)| ask(&client, start + MS * at, reload(fields)));
    let texts: Vec<_> = join_all(asked).await.into_iter().map(|got| got.text).collect();
    assert_eq!(texts, ["1", "2", "1", "2", "2"]);
    assert!(group.is_empty());
}

/// Each client has its own answer in two rounds, and the next burst does not wait at all.
#[tokio::test(start_paused = true)]
async fn s13_d3_reloads_of_a_private_page_are_released_as_the_first_answer_is_there() {
    for said in [&[("cache-control", "private")][..], &[("cache-control", "no-store")], &[("vary", "*")]] {
        let origin = Origin { said, ..Origin::new(200 * MS) };
        let (client, group) = client(HttpSingleflightLayer::new(), &origin);
        for most in [400 * MS, 200 * MS] {
            let before = origin.calls();
            let got = herd(&client, RELOADS[0]).await;
            assert_eq!(origin.calls() - before, 100, "{said:?}");
            let mut texts: Vec<_> = got.iter().map(|got| &got.text).collect();
            texts.sort();
            texts.dedup();
            assert_eq!(texts.len(), 100, "{said:?}");
            assert!(got.iter().all(|got| got.waited <= most), "{said:?}");
            // The first two lead; the others are told why they went alone.
            assert!(got.iter().skip(2).all(|got| got.coalesced.rule.is_some()), "{said:?}");
        }
        assert!(group.is_empty());
    }
}

/// Nobody would drive the run that its leader has left, were its followers set loose: it takes its turn.
#[tokio::test(start_paused = true)]
async fn s13_d3_a_run_whose_leader_has_left_takes_its_turn_behind_a_private_answer() {
    let origin = Origin { said: &[("cache-control", "private")], ..Origin::new(200 * MS) };
    let (client, group) = client(HttpSingleflightLayer::new(), &origin);
    let (start, asked) = (Instant::now(), || reload(&RELOADS[..1]));
    let leaves = tokio::time::timeout_at(start + 30 * MS, ask(&client, start + 10 * MS, asked()));
    let (first, left, last) =
        tokio::join!(ask(&client, start, asked()), leaves, ask(&client, start + 20 * MS, asked()));
    assert_eq!((first.text.as_str(), left.is_err(), last.text.as_str()), ("1", true, "3"));
    assert_eq!((first.waited, last.waited), (200 * MS, 580 * MS));
    assert!(group.is_empty());
}

/// What may be due to the request of one caller, or was a failure, says nothing of the next run.
#[tokio::test(start_paused = true)]
async fn s13_d9_a_failure_does_not_set_loose_those_who_wait_for_the_next_run() {
    for status in [503, 429, 401] {
        let origin = Origin::new(200 * MS);
        let first = origin.clone();
        let group = HttpGroup::new();
        let service = service_fn(move |_: Reload| {
            let origin = first.clone();
            async move {
                let mut response = origin.answer().await?;
                if response.body().clone().collect().await?.to_bytes() == "1" {
                    *response.status_mut() = http::StatusCode::from_u16(status).unwrap();
                }
                Ok::<_, Infallible>(response)
            }
        });
        let client = Client::new(HttpSingleflightLayer::new().group(group.clone()).layer(service));
        let got = herd(&client, RELOADS[0]).await;
        assert_eq!(origin.calls(), 2, "{status}");
        assert_eq!(got.iter().filter(|got| got.text == "2").count(), 99, "{status}");
        assert!(group.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn s13_alone_if_the_layer_is_told_so() {
    let origin = Origin::new(200 * MS);
    let (client, group) = client(HttpSingleflightLayer::new().reload_alone(), &origin);
    let got = herd(&client, RELOADS[0]).await;
    assert_eq!(origin.calls(), 100);
    assert_eq!(got.iter().filter(|got| got.coalesced.rule == Some(Rule::S13Reload)).count(), 99);
    assert!(group.is_empty());
}

/// What browsers send when they reload a page that had an ETag (S12).
#[tokio::test(start_paused = true)]
async fn s12_s13_reloads_with_a_validator_share_where_validators_are_in_the_key() {
    for (keyed, calls) in [(true, 2), (false, 100)] {
        let origin = Origin::new(200 * MS);
        let layer = HttpSingleflightLayer::new();
        let (client, group) = client(if keyed { layer.key_validators() } else { layer }, &origin);
        let start = Instant::now();
        let fields = [RELOADS[1], ("if-none-match", "\"v1\"")];
        join_all((0..100).map(|number| ask(&client, start + MS * number / 2, reload(&fields)))).await;
        assert_eq!(origin.calls(), calls);
        assert!(group.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn s13_requests_that_the_application_names_are_fresh_too() {
    let origin = Origin::new(200 * MS);
    let layer = HttpSingleflightLayer::new().fresh_if(|parts| parts.headers.contains_key("x-fresh"));
    let layer = layer.ignore_headers(["x-fresh"]);
    let (client, group) = client(layer, &origin);
    let start = Instant::now();
    let fields: [&[_]; 4] = [&[], &[], &[("x-fresh", "1")], &[("x-fresh", "1")]];
    let asked = fields.iter().zip(0..).map(|(fields, at)| ask(&client, start + MS * at, reload(fields)));
    let texts: Vec<_> = join_all(asked).await.into_iter().map(|got| got.text).collect();
    assert_eq!(texts, ["1", "1", "2", "2"]);
    assert!(group.is_empty());
}

/// One more run each second, whoever waits; those who came later than the hang are answered when the origin is well.
#[tokio::test(start_paused = true)]
async fn s13_reloads_of_a_page_that_hangs_begin_one_more_run_each_second() {
    const SECONDS: u32 = 5;
    let start = Instant::now();
    let origin = Origin { well: Some(start + SECONDS * 1000 * MS), ..Origin::new(200 * MS) };
    let (client, group) = client(HttpSingleflightLayer::new(), &origin);
    let tasks: Vec<_> = (0..100)
        .map(|number| {
            let client = client.clone();
            tokio::spawn(async move { ask(&client, start + number * 60 * MS, reload(&RELOADS[..1])).await })
        })
        .collect();
    for second in 1..=SECONDS {
        sleep_until(start + second * 1000 * MS - MS).await;
        assert!(origin.calls() <= second as usize + 1, "{} calls in {second} s", origin.calls());
    }
    sleep_until(start + 7 * 1000 * MS).await;
    let answered = tasks.iter().filter(|task| task.is_finished()).count();
    // The last run that hangs began with the turn of those who had come by then.
    assert!(answered >= 100 - 84, "{answered} of those who came when the origin was well again");
    assert!(origin.calls() <= 12, "{} calls", origin.calls());
    for task in tasks {
        task.abort();
        drop(task.await);
    }
    assert!(group.is_empty());
}

/// A thousand a second for ten seconds, at an origin of 20 ms.
#[tokio::test(start_paused = true)]
async fn s13_however_many_reload_one_call_is_under_way_at_a_time() {
    let origin = Origin::new(20 * MS);
    let (client, group) = client(HttpSingleflightLayer::new(), &origin);
    let start = Instant::now();
    let got = join_all((0..10_000).map(|number| ask(&client, start + number * MS, reload(&RELOADS[..1])))).await;
    assert!(origin.calls() <= 510, "{} calls in ten seconds", origin.calls());
    assert_eq!(origin.most.load(SeqCst), 1);
    assert!(got.iter().all(|got| got.waited <= 50 * MS));
    assert!(got.iter().all(|got| matches!(got.coalesced.role, Role::Leader | Role::Follower)));
    assert!(group.is_empty());
}
