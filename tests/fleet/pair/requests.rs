//! Which requests leave their process.

use http::Request;
use http_body_util::Full;
use tower_singleflight::fleet::{FleetReason, FleetRole};

use super::origin::{Got, Site, answer, get};

/// Makes one request of each of two processes whose layers are told this; returns how often the origin was asked, and what
/// the fleet did with them.
macro_rules! two {
    ($told:expr, $request:expr) => {{
        let mut site = Site::new();
        let processes = [site.process($told), site.process($told)];
        let calls = processes.each_ref().map(|process| process.send($request));
        let asked = site.all().await;
        let runs = asked.len();
        asked.into_iter().for_each(|asked| asked.answer(answer(&[], "rows")));
        let mut roles = Vec::new();
        for call in calls {
            let Got { body, fleet, .. } = call.await.unwrap().unwrap();
            assert_eq!(body.as_deref(), Some("rows"));
            roles.push(fleet);
        }
        let seen = site.engine.commands();
        site.rest().await;
        (runs, roles, seen)
    }};
}

const LED: Option<FleetRole> = Some(FleetRole::Led);
const FOLLOWED: Option<FleetRole> = Some(FleetRole::Followed);
const PRIVATE: Option<FleetRole> = Some(FleetRole::Local(FleetReason::Private));

fn with(fields: &[(&str, &str)]) -> Request<Full<bytes::Bytes>> {
    let mut request = get("/rows?page=2");
    for (name, value) in fields {
        request.headers_mut().append(name.parse::<http::HeaderName>().unwrap(), value.parse().unwrap());
    }
    request
}

#[tokio::test(start_paused = true)]
async fn what_browsers_and_grpc_clients_send_on_every_request_travels() {
    let fields = [
        ("accept", "text/html"),
        ("accept-encoding", "gzip"),
        ("accept-language", "en"),
        ("user-agent", "Mozilla/5.0"),
        ("sec-fetch-mode", "navigate"),
        ("sec-ch-ua-mobile", "?0"),
        ("dnt", "1"),
        ("upgrade-insecure-requests", "1"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-for", "192.0.2.7"),
        ("x-request-id", "7"),
    ];
    let (runs, roles, _) = two!(|layer| layer, with(&fields));
    assert_eq!((runs, &roles[..]), (1, &[LED, FOLLOWED][..]));
}

#[tokio::test(start_paused = true)]
async fn s27_a_field_that_is_not_on_the_list_keeps_its_request_in_the_process_unless_it_is_named() {
    for field in ["x-api-key", "x-tenant", "forwarded", "x-user", "baggage"] {
        let request = || with(&[(field, if field == "forwarded" { "host=a" } else { "k=7" })]);
        let (runs, roles, seen) = two!(|layer| layer, request());
        assert_eq!((runs, &roles[..], seen), (2, &[PRIVATE, PRIVATE][..], 0), "{field}");
        let (runs, ..) = two!(|layer| layer.fleet_headers([field]), request());
        assert_eq!(runs, 1, "{field}");
    }
}

#[tokio::test(start_paused = true)]
async fn s27_an_odd_value_of_a_field_that_does_not_count_keeps_its_request_in_the_process() {
    let (runs, roles, _) = two!(|layer| layer, with(&[("user-agent", "<script>")]));
    assert_eq!((runs, &roles[..]), (2, &[PRIVATE, PRIVATE][..]));
}

#[tokio::test(start_paused = true)]
async fn s5_s6_credentials_and_cookies_leave_the_process_only_if_they_are_told_to() {
    for field in ["authorization", "cookie"] {
        let request = || with(&[(field, "a=1")]);
        let (runs, roles, seen) = two!(|layer| layer, request());
        assert_eq!((runs, &roles[..], seen), (2, &[None, None][..], 0), "{field}: it goes alone");
        let (runs, roles, seen) = two!(|layer| layer.per_credential(), request());
        assert_eq!((runs, &roles[..], seen), (2, &[PRIVATE, PRIVATE][..], 0), "{field}");
        let (runs, roles, _) = two!(|layer| layer.per_credential().fleet_private(), request());
        assert_eq!((runs, &roles[..]), (1, &[LED, FOLLOWED][..]), "{field}");
    }
}

#[tokio::test(start_paused = true)]
async fn s25_an_identity_and_a_key_of_the_applications_own_stay_in_their_process() {
    let (runs, roles, seen) = two!(|layer| layer.identity(|_| Some(7)), get("/rows"));
    assert_eq!((runs, &roles[..], seen), (2, &[PRIVATE, PRIVATE][..], 0));
    let (runs, roles, _) = two!(|layer| layer.key_fn(|_| Some(7)), get("/rows"));
    assert_eq!((runs, &roles[..]), (2, &[PRIVATE, PRIVATE][..]));
}
