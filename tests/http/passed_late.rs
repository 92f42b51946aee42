//! One layer value above and below what takes the credentials off, where the lower service is made late, or is a clone of
//! the upper one.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex, OnceLock},
};

use axum::{
    Extension, Router,
    body::Body,
    extract::Request,
    handler::Handler,
    middleware::{Next, from_fn},
    response::Response,
    routing::get,
};
use http_body_util::BodyExt;
use tokio::task::yield_now;
use tower::{
    Layer, Service, ServiceBuilder, ServiceExt, service_fn,
    util::{BoxCloneService, BoxCloneSyncService},
};
use tower_singleflight::{
    HttpSingleflightLayer,
    http::{Coalesced, HttpGroup, Rule},
};

#[derive(Clone)]
struct User(String);

/// Takes off what tells users apart.
fn known(mut request: Request) -> Request {
    let user = request.headers_mut().remove("authorization");
    let user = user.map_or_else(|| "nobody".to_owned(), |user| user.to_str().unwrap().to_owned());
    request.extensions_mut().insert(User(user));
    request
}

async fn page(user: String) -> String {
    for _ in 0..5 {
        yield_now().await;
    }
    user
}

async fn me(Extension(User(user)): Extension<User>) -> String {
    page(user).await
}

async fn answer(request: Request) -> Result<Response, Infallible> {
    let user = request.extensions().get::<User>().expect("who asks is known").0.clone();
    Ok(Response::new(Body::from(page(user).await)))
}

fn asks(user: &str) -> Request {
    Request::get("http://a/me").header("authorization", user).body(Body::empty()).unwrap()
}

/// Two users ask at once: each must get its own page.
async fn two_users_never_share<S, B>(service: S)
where
    S: Service<Request, Response = http::Response<B>, Error = Infallible> + Clone,
    B: http_body::Body<Error: std::fmt::Debug>,
{
    let (mut one, mut other) = (service.clone(), service);
    let answers = tokio::join!(one.call(asks("ann")), other.call(asks("bob")));
    for (answer, user) in [(answers.0, "ann"), (answers.1, "bob")] {
        assert_eq!(answer.unwrap().into_body().collect().await.unwrap().to_bytes(), user);
    }
}

#[tokio::test]
async fn s02_a_handlers_layer_makes_its_service_when_the_first_request_is_there() {
    let layer = HttpSingleflightLayer::new();
    let app = Router::new().route("/me", get(me.layer(layer.clone())));
    let app: Router = app.layer(from_fn(async |request, next: Next| next.run(known(request)).await));
    two_users_never_share(layer.layer(app)).await;
}

/// In a task of its own, where no thread-local of the upper service's poll is seen.
#[tokio::test]
async fn s02_a_handlers_layer_below_a_task_of_its_own() {
    let layer = HttpSingleflightLayer::new();
    let app = Router::new().route("/me", get(me.layer(layer.clone())));
    let app: Router = app.layer(from_fn(async |request, next: Next| {
        tokio::spawn(next.run(known(request))).await.expect("it does not panic")
    }));
    two_users_never_share(layer.layer(app)).await;
}

#[tokio::test]
async fn s02_the_lower_service_is_made_by_the_first_request() {
    type Lower = BoxCloneSyncService<Request, Response, Infallible>;
    let layer = HttpSingleflightLayer::new();
    let (below, lower) = (layer.clone(), Arc::<OnceLock<Lower>>::default());
    let backend = service_fn(move |request: Request| {
        let made = lower.get_or_init(|| {
            let answers = ServiceBuilder::new().map_response(|answer: http::Response<_>| answer.map(Body::new));
            BoxCloneSyncService::new(answers.layer(below.clone()).service(service_fn(answer)))
        });
        made.clone().oneshot(known(request))
    });
    two_users_never_share(layer.layer(backend)).await;
}

#[tokio::test]
async fn s02_a_service_calls_a_clone_of_itself() {
    type Itself = BoxCloneService<Request, Response, Infallible>;
    let itself = Arc::<Mutex<Option<Itself>>>::default();
    let inner = Arc::clone(&itself);
    let backend = service_fn(move |request: Request| {
        let again = inner.lock().unwrap().clone().expect("it was put there");
        async move {
            if request.headers().contains_key("authorization") {
                let answer = again.oneshot(known(request)).await?;
                let coalesced = answer.extensions().get::<Coalesced>();
                assert_eq!(coalesced.and_then(|coalesced| coalesced.rule), Some(Rule::S2Inside));
                return Ok(answer);
            }
            answer(request).await
        }
    });
    let answers = ServiceBuilder::new().map_response(|answer: http::Response<_>| answer.map(Body::new));
    let service = BoxCloneService::new(answers.layer(HttpSingleflightLayer::new()).service(backend));
    *itself.lock().unwrap() = Some(service.clone());
    two_users_never_share(service).await;
    *itself.lock().unwrap() = None;
}

/// The upper service has marked the request, since somebody might make another service of the group; below nobody might any
/// more.
#[tokio::test]
async fn s02_a_mark_is_seen_below_though_nobody_else_has_the_group_any_more() {
    type Itself = BoxCloneService<Request, Response, Infallible>;
    let (itself, group) = (Arc::<Mutex<Option<Itself>>>::default(), HttpGroup::new());
    let (inner, held) = (Arc::clone(&itself), Arc::new(Mutex::new(Some(group.clone()))));
    let backend = service_fn(move |request: Request| {
        let (again, held) = (inner.lock().unwrap().clone().expect("it was put there"), Arc::clone(&held));
        async move {
            if request.headers().contains_key("authorization") {
                drop(held.lock().unwrap().take());
                return again.oneshot(known(request)).await;
            }
            answer(request).await
        }
    });
    let answers = ServiceBuilder::new().map_response(|answer: http::Response<_>| answer.map(Body::new));
    let layer = HttpSingleflightLayer::new().group(group);
    let service = BoxCloneService::new(answers.layer(layer).service(backend));
    *itself.lock().unwrap() = Some(service.clone());
    two_users_never_share(service).await;
    *itself.lock().unwrap() = None;
}
