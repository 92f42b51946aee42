//! Work that a fleet is asked for before it runs: of a group, and of the generic layer.

use std::{
    fmt,
    hash::Hash,
    panic::resume_unwind,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use serde::Serialize;

use super::{
    Codec, Fleet,
    ask::Course,
    elsewhere::{BeganElsewhere, elsewhere},
    lead::Leading,
    message::{Kind, Parcel},
    role::FleetReason,
};
use crate::{
    Call, Group, Limits, Outcome,
    context::Context as CallContext,
    group::{BoxedWork, Closure, ShareIf, Work},
    panic::{catch, discard},
};

/// How long the flights of a name run without the fleet after its outcome could not be had: each would wait in vain.
const REMEMBERED: Duration = Duration::from_secs(1);

impl Fleet {
    /// [`Group::call`], whose work runs on one process of the fleet at a time.
    ///
    /// Callers of this process share a flight of the group as ever. The work of that flight asks the engine: if another
    /// process runs the same it waits for that, else `work` is run here. Keys are compared as `postcard` encodes them, so
    /// their type must be the same in all processes; give each kind of work a handle of its own, by
    /// [`named`](Self::named). What the codec does not encode, and what is larger than `max_message`, reaches the callers
    /// of one process only.
    ///
    /// The engine does not hear of [`Group::forget`]: a caller who comes after may join the forgotten flight again, through the
    /// engine. [`Group::call_fresh`] does not ask it.
    ///
    /// # Cancel safety
    ///
    /// Dropping the call leaves the local flight. When its last caller has left, those who wait in other processes are told,
    /// and one of them takes over.
    ///
    /// # Panics
    ///
    /// As [`Group::call`]: a panic in `Hash` or `Eq` of the key, or in its `Clone`, is the caller's. A panic of `work` reaches
    /// the callers of this process, and those of other processes run their own; one of the codec counts as a value that it
    /// does not encode.
    pub fn call<K, T, C, F, Fut>(&self, group: &Group<K, T>, key: K, codec: C, work: F) -> FleetCall<K, T, F>
    where
        K: Hash + Eq + Clone + Serialize + Send + Sync + 'static,
        T: Clone + Send + Sync + 'static,
        C: Codec<T>,
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = T> + Send + 'static,
    {
        let abroad = Abroad::new(self.clone(), Arc::new(codec)).of(key.clone(), group.limits());
        FleetCall { call: group.run_in_context(key, FleetWork { abroad, start: work }) }
    }
}

/// A call under way whose work may run in another process; made by [`Fleet::call`], and otherwise a [`Call`].
#[must_use = "a call waits only when it is awaited, and leaves its flight when it is dropped"]
pub struct FleetCall<K, T, F> {
    call: Call<K, T, FleetWork<K, T, F>>,
}

impl<K, T, F> FleetCall<K, T, F> {
    /// Returns whether this caller's flight is the one that asks the engine, and runs its work if no other process does.
    pub fn is_leader(&self) -> bool {
        self.call.is_leader()
    }
}

impl<K, T, F, Fut> Future for FleetCall<K, T, F>
where
    K: Eq + Send + Sync + 'static,
    T: Clone + Send + Sync + 'static,
    F: FnOnce() -> Fut + Send + 'static,
    Fut: Future<Output = T> + Send + 'static,
{
    type Output = Outcome<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome<T>> {
        self.call.poll_outcome(cx)
    }
}

impl<K, T, F> fmt::Debug for FleetCall<K, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FleetCall").field("call", &self.call).finish_non_exhaustive()
    }
}

/// What the flights of one kind have in common: the fleet, and how keys and values travel.
pub(crate) struct Abroad<K, T> {
    fleet: Fleet,
    encode_key: fn(&K) -> Option<Vec<u8>>,
    codec: Arc<dyn Codec<T>>,
}

impl<K, T> Abroad<K, T> {
    pub(crate) fn new(fleet: Fleet, codec: Arc<dyn Codec<T>>) -> Self
    where
        K: Serialize,
    {
        Self { fleet, encode_key: |key| postcard::to_allocvec(key).ok(), codec }
    }

    /// Returns what the work of one key takes along.
    pub(crate) fn of(&self, key: K, limits: Limits) -> KeyAbroad<K, T> {
        KeyAbroad { abroad: self.clone(), key, limits, began: BeganElsewhere::wanted(&limits), share_if: None }
    }
}

impl<K, T> Clone for Abroad<K, T> {
    fn clone(&self) -> Self {
        Self { fleet: self.fleet.clone(), encode_key: self.encode_key, codec: Arc::clone(&self.codec) }
    }
}

impl<K, T> KeyAbroad<K, T> {
    /// Sets which outcomes reach others, of this process and of other ones.
    pub(crate) fn share_if(self, share_if: Option<ShareIf<T>>) -> Self {
        Self { share_if, ..self }
    }

    /// Returns where it is told since when another process has run the same.
    pub(crate) fn began_elsewhere(&self) -> BeganElsewhere {
        self.began.clone()
    }
}

/// What the work of one key takes along.
pub(crate) struct KeyAbroad<K, T> {
    abroad: Abroad<K, T>,
    key: K,
    limits: Limits,
    began: BeganElsewhere,
    /// What the process itself says of an outcome that it could have.
    share_if: Option<ShareIf<T>>,
}

struct FleetWork<K, T, F> {
    abroad: KeyAbroad<K, T>,
    start: F,
}

impl<K, T, F, Fut> Work<T> for FleetWork<K, T, F>
where
    K: Send + Sync + 'static,
    T: Clone + Send + Sync + 'static,
    F: FnOnce() -> Fut + Send + 'static,
    Fut: Future<Output = T> + Send + 'static,
{
    fn boxed(self, context: CallContext) -> BoxedWork<T> {
        let Self { abroad, start } = self;
        let began = abroad.began_elsewhere();
        elsewhere(Closure::boxed(move || abroad.run(start), None, context), began)
    }

    fn boxed_alone(self, context: CallContext) -> BoxedWork<T> {
        Closure::boxed(self.start, None, context)
    }
}

impl<K, T> KeyAbroad<K, T>
where
    K: Send + Sync + 'static,
    T: Clone + Send + Sync + 'static,
{
    /// Gets the outcome of another process, or runs the work and lets other processes have its outcome.
    pub(crate) async fn run<F, Fut>(self, start: F) -> T
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = T> + Send + 'static,
    {
        let Self { abroad: Abroad { fleet, encode_key, codec }, key, limits, began, share_if } = self;
        // A key that cannot be encoded is none that others could have.
        let Some(bytes) = unless_it_panics(|| encode_key(&key)) else { return start().await };
        drop(key);
        let name = fleet.domain().name(fleet.domain().scope(&[b"key", &bytes]), &bytes);
        let mut ask = fleet.ask(name, limits, REMEMBERED, began);
        let lead = match ask.take().await {
            Course::Lead(lead) => lead,
            Course::Local(_) => return start().await,
            Course::Message(parcel) => {
                // F5: what it was sent is no reason to fail.
                let value = match parcel.kind {
                    Kind::Shared => unless_it_panics(|| codec.decode(&parcel.payload)),
                    _ => None,
                };
                let Some(value) = value else {
                    ask.unreadable();
                    return start().await;
                };
                if share_if.as_ref().is_none_or(|share_if| share_if(&value)) {
                    ask.followed();
                    return value;
                }
                ask.declined(FleetReason::NotShareable);
                return start().await;
            }
        };
        let (value, lead) = Leading::new(lead, async { start().await }).await;
        // F3: before anybody has the outcome.
        if let Some(landing) = lead.close().await {
            match catch(|| share_if.is_none_or(|share_if| share_if(&value)).then(|| value.clone())) {
                Ok(Some(value)) => landing.land(encoded(codec, value)),
                Ok(None) => landing.refuse(Kind::NotShareable),
                // One process after the other would come to the same.
                Err(payload) => {
                    landing.refuse(Kind::Failed);
                    resume_unwind(payload);
                }
            }
        }
        value
    }
}

/// Runs code of the user's that puts things into bytes and back: what cannot be is not shared, and fails nobody (F5).
fn unless_it_panics<V>(code: impl FnOnce() -> Option<V>) -> Option<V> {
    catch(code).unwrap_or_else(|payload| {
        discard(payload);
        None
    })
}

/// Encodes a value that somebody elsewhere waits for (F4).
async fn encoded<T: 'static>(codec: Arc<dyn Codec<T>>, value: T) -> Parcel {
    let encoded: Option<Bytes> = unless_it_panics(|| codec.encode(&value));
    discard(value);
    match encoded {
        Some(bytes) => Parcel::shared(bytes.into()),
        None => Parcel::bare(Kind::NotShareable),
    }
}
