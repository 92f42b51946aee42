//! What belongs to the leader's task, and whether the work still has it when a second caller has joined.

use std::{
    convert::Infallible,
    future::pending,
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use futures_util::FutureExt;
use tokio::{sync::Notify, task::yield_now};
use tokio_test::{assert_pending, task::spawn};
use tower::{Layer, ServiceExt, service_fn};
use tower_singleflight::{Group, Limits, Reason, Role, SingleflightLayer};
use tracing::{Instrument, Span, instrument::WithSubscriber, span};
use tracing_subscriber::{Layer as _, Registry, layer::SubscriberExt, registry::LookupSpan};

tokio::task_local!(static USER: &'static str);

fn user() -> Option<&'static str> {
    USER.try_with(|user| *user).ok()
}

fn group() -> Group<&'static str, (Option<&'static str>, Option<&'static str>)> {
    Group::new()
}

/// Takes the task-local along.
fn scoped() -> Group<&'static str, (Option<&'static str>, Option<&'static str>)> {
    group().scope(|work| match user() {
        Some(user) => Box::pin(USER.scope(user, work)),
        None => work,
    })
}

/// Work that looks for the task-local when it begins, and again when it has waited.
async fn look_twice(go: Arc<Notify>) -> (Option<&'static str>, Option<&'static str>) {
    let first = user();
    go.notified().await;
    (first, user())
}

/// A leader with a task-local, joined in mid-work.
async fn joined_in_mid_work(
    group: Group<&'static str, (Option<&'static str>, Option<&'static str>)>,
) -> (Option<&'static str>, Option<&'static str>) {
    let go = Arc::new(Notify::new());
    let work = go.clone();
    let leading = group.clone();
    let mut leader = spawn(USER.scope("Ann", async move { leading.call("key", || look_twice(work)).await.value }));
    assert_pending!(leader.poll());
    let follower = group.call("key", || async { unreachable!("the leader's work runs") });
    go.notify_one();
    let (own, others) = tokio::join!(leader, follower);
    assert_eq!((own, others.callers), (others.value, 2));
    assert!(group.is_empty());
    own
}

#[tokio::test]
async fn a_scope_keeps_a_task_local_when_a_second_caller_joins() {
    assert_eq!(joined_in_mid_work(scoped()).await, (Some("Ann"), Some("Ann")));
}

#[tokio::test]
async fn a_scope_keeps_an_opentelemetry_context_when_a_second_caller_joins() {
    use opentelemetry::context::{Context, FutureExt};
    struct Tenant(&'static str);
    async fn look_twice(go: Arc<Notify>) -> [Option<&'static str>; 2] {
        let tenant = || Context::current().get::<Tenant>().map(|tenant| tenant.0);
        let first = tenant();
        go.notified().await;
        [first, tenant()]
    }
    let scoped = Group::new().scope(|work| Box::pin(work.with_context(Context::current())));
    for (group, last) in [(scoped, Some("blue")), (Group::new(), None)] {
        let go = Arc::new(Notify::new());
        let (leading, work) = (group.clone(), go.clone());
        let call = async move { leading.call("key", || look_twice(work)).await.value };
        let mut leader = spawn(call.with_context(Context::current_with_value(Tenant("blue"))));
        assert_pending!(leader.poll());
        let follower = group.call("key", || async { unreachable!("the leader's work runs") });
        go.notify_one();
        assert_eq!(follower.await.value, [Some("blue"), last]);
        assert_eq!(leader.await, [Some("blue"), last]);
        assert!(group.is_empty());
    }
}

#[tokio::test]
async fn without_a_scope_a_task_local_is_gone_in_the_flights_task() {
    assert_eq!(joined_in_mid_work(group()).await, (Some("Ann"), None));
}

#[tokio::test]
async fn a_scope_is_called_in_the_leaders_task_though_a_second_caller_joined_before() {
    let (group, go) = (scoped(), Arc::new(Notify::new()));
    let work = go.clone();
    let leader = USER.sync_scope("Ann", || group.call("key", || look_twice(work)));
    let mut leader = spawn(USER.scope("Ann", leader));
    let follower = group.call("key", || async { unreachable!("the leader's work runs") });
    // The flight's task comes first, and leaves the first poll to the leader.
    yield_now().await;
    assert_pending!(leader.poll());
    go.notify_one();
    assert_eq!(follower.await.value, (Some("Ann"), Some("Ann")));
    assert_eq!(leader.await.value, (Some("Ann"), Some("Ann")));
    assert!(group.is_empty());
}

#[tokio::test]
async fn a_scope_is_called_in_the_task_of_a_fresh_leader_whose_turn_has_come() {
    let (group, gone, go) = (scoped(), Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (before, work) = (gone.clone(), go.clone());
    let mut running = spawn(group.call("key", || look_twice(before)));
    assert_pending!(running.poll());
    let leader = USER.sync_scope("Ann", || group.call_fresh("key", || look_twice(work)));
    let mut leader = spawn(USER.scope("Ann", leader));
    let follower = group.call_fresh("key", || async { unreachable!("the leader's work runs") });
    gone.notify_one();
    assert_eq!(running.await.value, (None, None));
    // The flight's task comes first, and leaves the first poll to the leader.
    yield_now().await;
    assert_pending!(leader.poll());
    go.notify_one();
    assert_eq!(follower.await.value, (Some("Ann"), Some("Ann")));
    assert_eq!(leader.await.value, (Some("Ann"), Some("Ann")));
    assert!(group.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_is_never_polled_holds_up_a_scoped_flight_for_ten_milliseconds() {
    let (group, go) = (scoped(), Arc::new(Notify::new()));
    go.notify_one();
    let leader = group.call("key", || look_twice(go));
    let follower = group.call("key", || async { unreachable!("the leader's work runs") });
    let before = tokio::time::Instant::now();
    assert_eq!(follower.await.value, (None, None));
    assert!(before.elapsed().as_millis() <= 11, "{:?}", before.elapsed());
    drop(leader);
    assert!(group.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_leaves_before_its_first_poll_holds_up_nobody() {
    let (group, go) = (scoped(), Arc::new(Notify::new()));
    go.notify_one();
    let leader = group.call("key", || look_twice(go));
    let follower = group.call("key", || async { unreachable!("the leader's work runs") });
    yield_now().await;
    drop(leader);
    let before = tokio::time::Instant::now();
    assert_eq!(follower.await.value, (None, None));
    assert!(before.elapsed().is_zero());
    assert!(group.is_empty());
}

#[test]
fn a_scoped_flight_needs_no_timer() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let (group, go) = (scoped(), Arc::new(Notify::new()));
        go.notify_one();
        let leader = group.call("key", || look_twice(go));
        let follower = group.call("key", || async { unreachable!("the leader's work runs") });
        assert_eq!(follower.await.value, (None, None));
        drop(leader);
        assert!(group.is_empty());
    });
}

#[tokio::test]
async fn a_scope_whose_future_ends_early_is_a_panic_of_the_work() {
    let group: Group<&str, ()> = Group::new().scope(|_| Box::pin(async {}));
    let call = AssertUnwindSafe(group.call("key", pending::<()>)).catch_unwind();
    let text = *call.await.unwrap_err().downcast::<&str>().unwrap();
    assert_eq!(text, "the future that the scope returned ended without having driven the work to its end");
    assert!(group.is_empty());
}

#[tokio::test]
async fn the_layers_scope_goes_with_a_call_of_the_service() {
    let go = Arc::new(Notify::new());
    let work = go.clone();
    let service = service_fn(move |_: u8| look_twice(work.clone()).map(Ok::<_, Infallible>));
    let layer = SingleflightLayer::new(|id: &u8| Some(*id)).scope(|work| match user() {
        Some(user) => Box::pin(USER.scope(user, work)),
        None => work,
    });
    let service = layer.layer(service);
    let mut leader = spawn(USER.scope("Ann", service.clone().oneshot(7)));
    assert_pending!(leader.poll());
    let mut follower = spawn(service.clone().oneshot(7));
    assert_pending!(follower.poll());
    go.notify_one();
    assert_eq!(follower.await, Ok((Some("Ann"), Some("Ann"))));
    assert_eq!(leader.await, Ok((Some("Ann"), Some("Ann"))));
    assert!(service.group().is_empty());
}

/// The kind: every reason for which a spawned call goes alone behind a flight: it waited too long, the flight was lost.
#[tokio::test(start_paused = true)]
async fn a_spawned_call_that_goes_alone_after_a_flight_is_scoped() {
    let mut limits = Limits::new();
    limits.max_wait = Some(Duration::from_millis(10));
    let group = Group::with_limits(limits).scope(|work| Box::pin(USER.scope("the scope's", work)));
    let go = Arc::new(Notify::new());
    let work = go.clone();
    let leader = group.call("key", || async move {
        work.notified().await;
        None
    });
    let outcome = group.spawn("key", || async { user() }).await;
    assert_eq!((outcome.role, outcome.value), (Role::Alone(Reason::WaitedTooLong), Some("the scope's")));
    go.notify_one();
    assert_eq!(leader.await.value, None);
    assert!(group.is_empty());
}

/// Counts how often spans are entered.
struct Entered(Arc<AtomicUsize>);

impl<S: tracing::Subscriber + for<'a> LookupSpan<'a>> tracing_subscriber::Layer<S> for Entered {
    fn on_enter(&self, _: &span::Id, _: tracing_subscriber::layer::Context<'_, S>) {
        self.0.fetch_add(1, SeqCst);
    }
}

fn subscriber() -> (impl tracing::Subscriber + Send + Sync + 'static, Arc<AtomicUsize>) {
    let entered = Arc::<AtomicUsize>::default();
    (Registry::default().with(Entered(entered.clone()).boxed()), entered)
}

/// Work that tells the current span when it begins, and again when it has waited.
async fn spans(go: Arc<Notify>) -> [Option<span::Id>; 2] {
    let first = Span::current().id();
    go.notified().await;
    [first, Span::current().id()]
}

#[tokio::test]
async fn the_span_goes_with_the_work_when_a_second_caller_joins() {
    let (subscriber, _) = subscriber();
    let test = async {
        let (group, go) = (Group::new(), Arc::new(Notify::new()));
        let (leading, work) = (group.clone(), go.clone());
        let span = tracing::info_span!("request");
        let call = async move { leading.call("key", || spans(work)).await.value };
        let mut leader = spawn(call.instrument(span.clone()));
        assert_pending!(leader.poll());
        let follower = group.call("key", || async { unreachable!("the leader's work runs") });
        go.notify_one();
        assert_eq!(follower.await.value, [span.id(), span.id()]);
        assert_eq!(leader.await, [span.id(), span.id()]);
        assert!(span.id().is_some());
        assert!(group.is_empty());
    };
    let _guard = tracing::subscriber::set_default(subscriber);
    test.await;
}

#[tokio::test]
async fn work_that_starts_in_the_flights_task_has_the_span_of_its_call() {
    let (subscriber, _) = subscriber();
    let _guard = tracing::subscriber::set_default(subscriber);
    let (group, go) = (Group::new(), Arc::new(Notify::new()));
    go.notify_one();
    let span = tracing::info_span!("request");
    let leader = span.in_scope(|| group.call("key", || spans(go)));
    let follower = group.call("key", || async { unreachable!("the leader's work runs") });
    assert_eq!(follower.await.value, [span.id(), span.id()]);
    drop(leader);
    assert!(group.is_empty());
}

#[tokio::test]
async fn the_layer_takes_the_span_along() {
    let (subscriber, _) = subscriber();
    let _guard = tracing::subscriber::set_default(subscriber);
    let go = Arc::new(Notify::new());
    let work = go.clone();
    let service = service_fn(move |_: u8| spans(work.clone()).map(Ok::<_, Infallible>));
    let service = SingleflightLayer::new(|id: &u8| Some(*id)).layer(service);
    let span = tracing::info_span!("request");
    let mut leader = spawn(service.clone().oneshot(7).instrument(span.clone()));
    assert_pending!(leader.poll());
    let mut follower = spawn(service.clone().oneshot(7));
    assert_pending!(follower.poll());
    go.notify_one();
    assert_eq!(follower.await, Ok([span.id(), span.id()]));
    assert_eq!(leader.await, Ok([span.id(), span.id()]));
    assert!(service.group().is_empty());
}

#[tokio::test]
async fn a_solo_leader_enters_its_span_no_second_time() {
    let (subscriber, entered) = subscriber();
    let (group, go) = (Group::new(), Arc::new(Notify::new()));
    let (leading, work) = (group.clone(), go.clone());
    let call = async move {
        let span = tracing::info_span!("request");
        let mut leader = spawn(async move { leading.call("key", || spans(work)).await.value }.instrument(span));
        assert_pending!(leader.poll());
        go.notify_one();
        leader.await
    };
    let ids = call.with_subscriber(subscriber).await;
    assert!(ids[0].is_some() && ids[0] == ids[1]);
    // Two polls, and once more for the drop of what was instrumented.
    assert_eq!(entered.load(SeqCst), 3);
    assert!(group.is_empty());
}
