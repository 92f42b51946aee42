//! Whatever the answer is: the second of two requests has it just if `answered` says so, and by the same rule not.

use http::{HeaderValue, Request, Response, Version, request::Parts, response};
use http_body_util::Full;
use proptest::prelude::*;
use tokio_test::task::spawn;
use tower::{Layer, Service};
use tower_singleflight::{HttpSingleflightLayer, http::Rule};

use crate::origin::{Held, Origin, OriginBody, RequestBody, coalesced, get_with};

/// Most of them are not in the key.
const ASKED: [(&str, &[&str]); 6] = [
    ("user-agent", &["curl", "wget"]),
    ("x-real-ip", &["192.0.2.1", "192.0.2.2"]),
    ("authorization", &["ann", "bob"]),
    ("request-timeout", &["1"]),
    ("if-none-match", &["\"1\""]),
    ("origin", &["https://a"]),
];

const ANSWERED: [(&str, &[&str]); 11] = [
    ("cache-control", &["public", "private", "no-store", "max-age=60", "s-maxage=0", "private, \u{7f}", "no-cache"]),
    ("cdn-cache-control", &["no-store"]),
    ("vary", &["user-agent", "accept, x-real-ip", "*", "authorization"]),
    ("set-cookie", &["sid=1"]),
    ("x-csrf-token", &["1"]),
    ("content-type", &["text/event-stream", "text/html", "multipart/byteranges"]),
    ("content-length", &["5", "5000000"]),
    ("content-range", &["bytes 0-1/2"]),
    ("access-control-allow-origin", &["*", "https://a"]),
    ("grpc-status", &["0", "4", "7", "13"]),
    ("trailer", &["x-csrf-token"]),
];

const STATUSES: [u16; 12] = [200, 200, 200, 200, 204, 206, 304, 401, 404, 408, 429, 503];

const OPTIONS: usize = 6;

type Fields = Vec<(usize, usize)>;

fn fields(known: usize, most: usize) -> impl Strategy<Value = Fields> {
    prop::collection::vec((0..known, 0..7_usize), 0..most)
}

fn parts(fields: &Fields, old: bool) -> Parts {
    let fields: Vec<_> =
        fields.iter().map(|(at, value)| (ASKED[*at].0, ASKED[*at].1[value % ASKED[*at].1.len()])).collect();
    let mut parts = get_with("/x", &fields).into_parts().0;
    parts.version = if old { Version::HTTP_10 } else { Version::HTTP_11 };
    parts
}

fn head(status: usize, fields: &Fields) -> response::Parts {
    let mut response = Response::builder().status(STATUSES[status]).body(()).expect("a response");
    for (name, value) in fields {
        let (name, values) = ANSWERED[*name];
        if let Ok(value) = HeaderValue::from_bytes(values[value % values.len()].as_bytes()) {
            response.headers_mut().append(name, value);
        }
    }
    response.into_parts().0
}

fn layer(options: [bool; OPTIONS]) -> HttpSingleflightLayer {
    let [by_response, leaders, streams, cookies, validators, own] = options;
    let mut layer = HttpSingleflightLayer::new().share_server_errors(!leaders);
    layer = if by_response { layer.share_authorized() } else { layer };
    layer = if streams { layer.share_event_streams() } else { layer };
    layer = if cookies { layer.strip_set_cookie() } else { layer };
    layer = if validators { layer.key_validators() } else { layer };
    if own { layer.key_fn(|parts| Some(parts.uri.path().to_owned())) } else { layer }
}

/// What became of two requests on one flight.
struct Seen {
    /// The second one had the answer to the first.
    shared: bool,
    /// What each response says, the second one's if it went alone.
    rules: [Option<Rule>; 2],
}

async fn send(layer: &HttpSingleflightLayer, asked: [&Parts; 2], head: &response::Parts) -> Option<Seen> {
    let (sender, mut held) = tokio::sync::mpsc::unbounded_channel::<Held<RequestBody>>();
    let mut service = layer.layer(Origin::new(sender));
    let mut call = |parts: &Parts| {
        let mut call = spawn(service.call(Request::from_parts(parts.clone(), Full::default())));
        assert!(call.poll().is_pending());
        call
    };
    let (mut first, mut second) = (call(asked[0]), call(asked[1]));
    let leaders = held.try_recv().expect("the first is sent");
    if held.try_recv().is_ok() {
        return None;
    }
    let mut frames = Vec::new();
    let mut answer = |held: Held<RequestBody>| {
        let (sender, body) = OriginBody::streamed();
        frames.push(sender);
        held.answer(Response::from_parts(head.clone(), body));
    };
    answer(leaders);
    for _ in 0..32 {
        tokio::task::yield_now().await;
    }
    let second_has_it = second.poll();
    let own = held.try_recv().ok();
    let shared = own.is_none();
    assert!(shared == second_has_it.is_ready());
    let response = match (second_has_it, own) {
        (std::task::Poll::Ready(response), _) => response,
        (std::task::Poll::Pending, own) => {
            answer(own.expect("it asks for itself"));
            second.await
        }
    };
    let std::task::Poll::Ready(leaders) = first.poll() else { panic!("the first was answered") };
    let [first, second] = [leaders, response].map(|response| coalesced(&response.expect("an answer")));
    let rules = [first.rule, second.rule];
    Some(Seen { shared, rules })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_second_has_the_answer_just_if_it_says_so(
        (common, one, two) in (fields(ASKED.len(), 2), fields(2, 2), fields(2, 2)),
        old in prop::array::uniform2(prop::bool::weighted(0.15)),
        (status, said) in (0..STATUSES.len(), fields(ANSWERED.len(), 3)),
        options in prop::array::uniform6(prop::bool::weighted(0.3)),
    ) {
        let layer = layer(options);
        let [one, two] = [(one, old[0]), (two, old[1])].map(|(own, old)| parts(&[common.clone(), own].concat(), old));
        let head = head(status, &said);
        // Its own time stands still: nobody comes late.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let _entered = runtime.enter();
        let before = layer.explain(&one, &two);
        let explanation = layer.explain(&one, &two).answered(&head);
        let of_response = layer.explain_response(&one, &head);
        let _ = format!("{explanation} {explanation:?} {of_response} {of_response:?}");
        let seen = runtime.block_on(send(&layer, [&one, &two], &head));
        prop_assert_eq!(seen.is_some(), before.would_share(), "{}", before);
        let Some(seen) = seen else { return Ok(()) };
        prop_assert_eq!(seen.shared, explanation.would_share(), "{}", explanation);
        let [leaders, followers] = explanation.rules();
        prop_assert_eq!(leaders, seen.rules[0], "{}", explanation);
        // Who asks again leads, and has no rule of its own yet.
        if explanation.regrouped_by().is_empty() && !explanation.asks_again() {
            prop_assert_eq!(followers, seen.rules[1], "{}", explanation);
        }
        prop_assert_eq!(of_response.rules(), [None, leaders]);
        let agree = of_response.compared().iter().all(|name| one.headers.get_all(name) == two.headers.get_all(name));
        prop_assert!(agree || !seen.shared);
        prop_assert_eq!(explanation.regrouped_by().is_empty(), agree || leaders.is_some(), "{}", explanation);
    }
}
