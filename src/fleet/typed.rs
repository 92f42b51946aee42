//! A fleet as a group or a layer has it: with what encodes its keys and outcomes. The work of one key asks it before it runs.

use std::{
    hash::Hash,
    panic::resume_unwind,
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytes::Bytes;
use serde::Serialize;

use super::{
    Codec, Fleet,
    ask::Course,
    elsewhere::{BeganElsewhere, elsewhere},
    landing::Landing,
    lead::Lead,
    message::{Kind, Message},
    role::FleetReason,
};
use crate::{
    Group,
    context::Context,
    group::{BoxedWork, Closure, ShareIf},
    panic::{catch, discard, quietly},
};

/// How long the flights of a name run without the fleet after its outcome could not be had: each would wait in vain.
const REMEMBERED: Duration = Duration::from_secs(1);

/// A fleet, and how keys and outcomes of these types are encoded.
pub(crate) struct TypedFleet<K, T> {
    fleet: Fleet,
    encode_key: fn(&K) -> Option<Vec<u8>>,
    codec: Arc<dyn Codec<T>>,
}

/// What the work of one key needs to ask the fleet.
pub(crate) struct KeyedFleet<K, T> {
    fleet: TypedFleet<K, T>,
    key: K,
    group: Group<K, T>,
    /// Lets nobody join the flight any more whose work is being polled.
    forget: fn(&Group<K, T>, &K),
    /// When another process began to run the same work, if one does.
    began: BeganElsewhere,
}

impl<K, T> TypedFleet<K, T> {
    pub(crate) fn new(fleet: Fleet, codec: Arc<dyn Codec<T>>) -> Self
    where
        K: Serialize,
    {
        Self { fleet, encode_key: |key| postcard::to_allocvec(key).ok(), codec }
    }

    /// Returns what the work of this key needs to ask the fleet; boxed, since the work is moved about.
    pub(crate) fn of(&self, key: K, group: &Group<K, T>) -> Box<KeyedFleet<K, T>>
    where
        K: Hash + Eq,
    {
        let Self { fleet, encode_key, codec } = self;
        let fleet = Self { fleet: fleet.clone(), encode_key: *encode_key, codec: Arc::clone(codec) };
        let (group, began) = (group.clone(), BeganElsewhere::wanted(&group.limits()));
        Box::new(KeyedFleet { fleet, key, group, forget: Group::forget_current, began })
    }
}

impl<K, T> KeyedFleet<K, T>
where
    K: Send + Sync + 'static,
    T: Clone + Send + Sync + 'static,
{
    /// Boxes work that asks the fleet first; `share_if`: which outcomes reach others, of this process and of other ones.
    pub(crate) fn boxed<F, Fut>(
        self: Box<Self>,
        start: F,
        share_if: Option<ShareIf<T>>,
        context: Context,
    ) -> BoxedWork<T>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = T> + Send + 'static,
    {
        let began = self.began.clone();
        let share = share_if.map(|share_if| Arc::new(AskedOnce { share_if, said: OnceLock::new() }));
        let as_it_lands = share.clone().map(|share| Arc::new(move |value: &T| share.ask(value)) as ShareIf<T>);
        elsewhere(Closure::boxed(move || self.run(start, share), as_it_lands, context), began)
    }

    /// Gets the outcome of another process, or runs the work and lets other processes have its outcome.
    async fn run<F, Fut>(self: Box<Self>, start: F, share_if: Option<Arc<AskedOnce<T>>>) -> T
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = T> + Send + 'static,
    {
        let codec = Arc::clone(&self.fleet.codec);
        let lead = match self.ask(share_if.as_deref()).await {
            Found::Outcome(value) => return value,
            Found::Lead(lead) => lead,
            Found::Nothing => return start().await,
        };
        let (value, lead) = lead.run(async { start().await }).await;
        // F3: before anybody has the outcome.
        if let Some(landing) = lead.close().await {
            tell_others(landing, &value, share_if.as_deref(), codec);
        }
        value
    }

    /// Asks the fleet, and waits for the outcome of another process if one runs the same.
    ///
    /// # Panics
    ///
    /// A panic of `share_if` is raised again: it counts as that of the work whose outcome this flight has got.
    async fn ask(self: Box<Self>, share_if: Option<&AskedOnce<T>>) -> Found<T> {
        let Self { fleet: TypedFleet { fleet, encode_key, codec }, key, group, forget, began } = *self;
        // A key that cannot be encoded cannot be that of another process's flight.
        let Some(bytes) = unless_it_panics(|| encode_key(&key)) else { return Found::Nothing };
        let name = fleet.domain().name(fleet.domain().scope(&[b"key", &bytes]), &bytes);
        let mut ask = fleet.ask(name, group.limits(), REMEMBERED, began, move || forget(&group, &key));
        let message = match ask.take().await {
            Course::Lead(lead) => return Found::Lead(lead),
            Course::Local(_) => return Found::Nothing,
            Course::Message(message) => message,
        };
        let value = match message.kind {
            Kind::Shared => unless_it_panics(|| codec.decode(&message.payload)),
            _ => None,
        };
        // F5: a message that cannot be decoded is no reason to fail.
        let Some(value) = value else {
            ask.unreadable();
            return Found::Nothing;
        };
        match catch(|| share_if.is_none_or(|share_if| share_if.takes(&value))) {
            Ok(true) => {
                ask.followed();
                Found::Outcome(value)
            }
            Ok(false) => {
                ask.declined(FleetReason::NotShareable);
                Found::Nothing
            }
            Err(payload) => {
                ask.followed();
                resume_unwind(payload);
            }
        }
    }
}

/// What work finds when it asks the fleet.
enum Found<T> {
    /// The outcome of another process.
    Outcome(T),
    /// Nobody runs the same: this process leads.
    Lead(Lead),
    /// No outcome that it may have, and no lead: it runs without the fleet.
    Nothing,
}

/// Lets the processes that wait have the outcome of the work, if they may.
///
/// # Panics
///
/// A panic of `share_if` is raised again: it counts as the work's.
fn tell_others<T>(landing: Landing, value: &T, share_if: Option<&AskedOnce<T>>, codec: Arc<dyn Codec<T>>)
where
    T: Clone + Send + Sync + 'static,
{
    match catch(|| share_if.is_none_or(|share_if| share_if.ask(value))) {
        // A value whose clone panics is for the callers of this process alone, as it would be without the fleet (F5).
        Ok(true) => match unless_it_panics(|| Some(value.clone())) {
            Some(value) => landing.land(encoded(codec, value)),
            None => landing.refuse(Kind::NotShareable),
        },
        Ok(false) => landing.refuse(Kind::NotShareable),
        // It would panic in one process after the other.
        Err(payload) => {
            landing.refuse(Kind::Failed);
            resume_unwind(payload);
        }
    }
}

/// Asks `share_if` once of the outcome that a flight lands with, for other processes and for the followers of this one.
struct AskedOnce<T> {
    share_if: ShareIf<T>,
    said: OnceLock<bool>,
}

impl<T> AskedOnce<T> {
    /// Returns whether others may have what the flight lands with.
    fn ask(&self, value: &T) -> bool {
        *self.said.get_or_init(|| (self.share_if)(value))
    }

    /// Returns whether the flight may land with the outcome of another process; if not, it lands with one of its own.
    fn takes(&self, value: &T) -> bool {
        let takes = (self.share_if)(value);
        if takes {
            let _ = self.said.set(true);
        }
        takes
    }
}

/// Runs code of the user's that encodes or decodes. What it panics on is not shared, and fails nobody (F5).
fn unless_it_panics<V>(code: impl FnOnce() -> Option<V>) -> Option<V> {
    quietly(code).flatten()
}

/// Encodes a value that another process waits for (F4).
async fn encoded<T: 'static>(codec: Arc<dyn Codec<T>>, value: T) -> Message {
    let encoded: Option<Bytes> = unless_it_panics(|| codec.encode(&value));
    discard(value);
    match encoded {
        Some(bytes) => Message::shared(bytes.into()),
        None => Message::bare(Kind::NotShareable),
    }
}
