//! What a middleware above the layer puts round a request, and whether the handler still has it when a second caller has
//! joined: here a task-local, a span and an OpenTelemetry context. Of their kind are all that live in the task or thread that
//! polls: Sentry's hub, a locale, `slog-scope`, a database transaction in a task-local.

use std::{fmt::Debug, sync::Arc};

use axum::{
    Router,
    body::Body,
    extract::Request,
    middleware::{Next, from_fn},
    response::Response,
    routing::get,
};
use http_body_util::BodyExt;
use opentelemetry::context::{Context, FutureExt};
use tokio::sync::Notify;
use tokio_test::{assert_pending, task::spawn};
use tower::ServiceExt;
use tower_singleflight::{HttpSingleflightLayer, http::HttpGroup};

tokio::task_local!(static USER: &'static str);

/// What OpenTelemetry calls a value of a context.
#[derive(Debug, PartialEq)]
struct Tenant(&'static str);

fn user() -> Option<&'static str> {
    USER.try_with(|user| *user).ok()
}

fn tenant() -> Option<&'static str> {
    Context::current().get::<Tenant>().map(|tenant| tenant.0)
}

async fn scope_the_user(request: Request, next: Next) -> Response {
    USER.scope("Ann", next.run(request)).await
}

async fn attach_the_tenant(request: Request, next: Next) -> Response {
    next.run(request).with_context(Context::current_with_value(Tenant("blue"))).await
}

/// Joins a request in mid-handler; returns what the handler saw when it began, and when it had waited.
async fn joined_in_mid_handler<T>(
    layer: HttpSingleflightLayer,
    above: impl FnOnce(Router) -> Router,
    look: fn() -> Option<T>,
) -> String
where
    T: Debug + 'static,
{
    joined_over(layer, |routes| routes, above, look).await
}

async fn joined_over<T>(
    layer: HttpSingleflightLayer,
    below: impl FnOnce(Router) -> Router,
    above: impl FnOnce(Router) -> Router,
    look: fn() -> Option<T>,
) -> String
where
    T: Debug + 'static,
{
    let (group, go) = (HttpGroup::new(), Arc::new(Notify::new()));
    let work = go.clone();
    let handler = move || async move {
        let first = format!("{:?}", look());
        work.notified().await;
        format!("{first}, {:?}", look())
    };
    let routes = below(Router::new().route("/report", get(handler)));
    let app = above(routes.layer(layer.group(group.clone())));
    let mut calls = [0, 1].map(|_| {
        let request = Request::get("/report").header("host", "a").body(Body::empty()).unwrap();
        spawn(app.clone().oneshot(request))
    });
    calls.iter_mut().for_each(|call| assert_pending!(call.poll()));
    // A second run of the handler would wait for ever.
    go.notify_one();
    let mut seen = Vec::new();
    for call in calls {
        let body = call.await.unwrap().into_body().collect().await.unwrap().to_bytes();
        seen.push(String::from_utf8(body.to_vec()).unwrap());
    }
    assert_eq!(seen[0], seen[1]);
    assert!(group.is_empty());
    seen.swap_remove(0)
}

#[tokio::test]
async fn d12_a_task_local_goes_along_with_a_scope() {
    let layer = HttpSingleflightLayer::new().scope(|work| match user() {
        Some(user) => Box::pin(USER.scope(user, work)),
        None => work,
    });
    let seen = joined_in_mid_handler(layer, |app| app.layer(from_fn(scope_the_user)), user).await;
    assert_eq!(seen, r#"Some("Ann"), Some("Ann")"#);
}

#[tokio::test]
async fn d12_without_a_scope_a_task_local_is_gone_once_a_second_caller_has_joined() {
    let layer = HttpSingleflightLayer::new();
    let seen = joined_in_mid_handler(layer, |app| app.layer(from_fn(scope_the_user)), user).await;
    assert_eq!(seen, r#"Some("Ann"), None"#);
}

#[tokio::test]
async fn d12_a_task_local_that_is_set_below_the_layer_needs_no_scope() {
    let (layer, below) = (HttpSingleflightLayer::new(), from_fn(scope_the_user));
    assert_eq!(joined_over(layer, |routes| routes.layer(below), |app| app, user).await, r#"Some("Ann"), Some("Ann")"#);
}

#[tokio::test]
async fn d12_an_opentelemetry_context_goes_along_with_a_scope() {
    let layer = HttpSingleflightLayer::new().scope(|work| Box::pin(work.with_context(Context::current())));
    let seen = joined_in_mid_handler(layer, |app| app.layer(from_fn(attach_the_tenant)), tenant).await;
    assert_eq!(seen, r#"Some("blue"), Some("blue")"#);
}

#[tokio::test]
async fn d12_without_a_scope_an_opentelemetry_context_is_gone_once_a_second_caller_has_joined() {
    let layer = HttpSingleflightLayer::new();
    let seen = joined_in_mid_handler(layer, |app| app.layer(from_fn(attach_the_tenant)), tenant).await;
    assert_eq!(seen, r#"Some("blue"), None"#);
}

#[cfg(feature = "tracing")]
#[tokio::test]
async fn d12_a_span_goes_along_without_further_ado() {
    use tracing::Instrument;
    async fn instrument(request: Request, next: Next) -> Response {
        next.run(request).instrument(tracing::info_span!("request")).await
    }
    let name = || tracing::Span::current().metadata().map(tracing::Metadata::name);
    let _guard = tracing::subscriber::set_default(tracing_subscriber::Registry::default());
    let layer = HttpSingleflightLayer::new();
    let seen = joined_in_mid_handler(layer, |app| app.layer(from_fn(instrument)), name).await;
    assert_eq!(seen, r#"Some("request"), Some("request")"#);
}

/// The task that makes the first poll has no span of its own; the one of the call is the request's.
#[cfg(feature = "tracing")]
#[tokio::test]
async fn d12_the_span_of_a_leader_that_was_never_polled_goes_along() {
    let _guard = tracing::subscriber::set_default(tracing_subscriber::Registry::default());
    let service = tower::service_fn(|_: http::Request<String>| async {
        let name = tracing::Span::current().metadata().map(tracing::Metadata::name);
        Ok::<_, std::convert::Infallible>(http::Response::new(format!("{name:?}")))
    });
    let mut service = tower::Layer::layer(&HttpSingleflightLayer::new(), service);
    let mut call = || tower::Service::call(&mut service, http::Request::default());
    let _leader = tracing::info_span!("request").in_scope(&mut call);
    let follower = tracing::info_span!("other").in_scope(&mut call);
    let body = follower.await.unwrap().into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, r#"Some("request")"#);
}
