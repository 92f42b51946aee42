//! One reader: takes the frames there are, polls the inner body for the next, or waits.

use std::{
    error::Error,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::{
    runtime::Handle,
    time::{Instant, Sleep, sleep_until},
};

use super::{
    error::BodyError,
    state::{End, For, Freed, Next, Part},
    stream::{Polling, Stream},
};

/// A reader or the claim to one; gone from the stream when it is dropped or has come to the end.
pub(super) struct Reader<B> {
    /// `None` after the end.
    seat: Option<Seat<B>>,
    /// Runs while this reader waits for room.
    stall: Option<Pin<Box<Sleep>>>,
}

struct Seat<B> {
    stream: Arc<Stream<B>>,
    place: usize,
}

type Item = Option<Result<Frame<Bytes>, BodyError>>;

impl<B> Reader<B> {
    /// Returns the first reader of a stream.
    pub(super) fn first(stream: Arc<Stream<B>>) -> Self {
        let place = stream.lock().enter(None);
        Self { seat: Some(Seat { stream, place }), stall: None }
    }

    pub(super) fn is_end_stream(&self) -> bool {
        self.seat.as_ref().is_none_or(|seat| {
            let state = seat.stream.lock();
            let all_taken = state.readers[seat.place].taken == state.came;
            // A cut reader has an error to come.
            all_taken && state.is_end_stream && !matches!(state.end, Some(End::Error(_))) && !state.is_cut(seat.place)
        })
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        let Some(seat) = &self.seat else { return SizeHint::with_exact(0) };
        let state = seat.stream.lock();
        let ahead = state.came - state.readers[seat.place].taken;
        let mut hint = SizeHint::new();
        hint.set_lower(state.hint.lower().saturating_add(ahead));
        if let Some(upper) = state.hint.upper() {
            hint.set_upper(upper.saturating_add(ahead));
        }
        hint
    }
}

impl<B> Reader<B>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    pub(super) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Item> {
        // A clone of the caller's waker, made outside the lock.
        let mut spare = None;
        loop {
            let Some(Seat { stream, place }) = &self.seat else { return Poll::Ready(None) };
            let mut state = stream.lock();
            let waits = match state.next(*place) {
                Next::Take(part, freed) => {
                    drop(state);
                    freed.wake();
                    self.stall = None;
                    return Poll::Ready(Some(Ok(part.into_frame())));
                }
                Next::End(error) => {
                    drop(state);
                    self.seat = None;
                    return Poll::Ready(error.map(Err));
                }
                Next::Poll(body) => {
                    drop(state);
                    self.stall = None;
                    let waker = spare.take().unwrap_or_else(|| cx.waker().clone());
                    match poll_body(stream, *place, body, waker) {
                        Poll::Ready(None) => continue,
                        Poll::Ready(Some(part)) => return Poll::Ready(Some(Ok(part.into_frame()))),
                        Poll::Pending => return Poll::Pending,
                    }
                }
                Next::Wait(waits) => waits,
            };
            let Some(waker) = spare.take() else {
                drop(state);
                spare = Some(cx.waker().clone());
                continue;
            };
            let old = state.park(*place, waits, waker);
            let deadline = match waits {
                For::Body => None,
                For::Room => state.full_since(Instant::now()).checked_add(stream.stall),
            };
            drop(state);
            drop(old);
            let Some(deadline) = deadline else {
                self.stall = None;
                return Poll::Pending;
            };
            ready!(self.poll_stall(deadline, cx));
        }
    }

    /// Waits until whoever holds this reader up has done so for too long, and cuts it.
    fn poll_stall(&mut self, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let (Some(Seat { stream, .. }), true) = (&self.seat, Handle::try_current().is_ok()) else {
            return Poll::Pending;
        };
        if self.stall.as_ref().is_none_or(|stall| stall.deadline() != deadline) {
            self.stall = Some(Box::pin(sleep_until(deadline)));
        }
        let Some(stall) = &mut self.stall else { return Poll::Pending };
        ready!(stall.as_mut().poll(cx));
        self.stall = None;
        let mut state = stream.lock();
        // The slowest may have moved meanwhile, or another reader may have cut it.
        let overdue =
            state.full_since(Instant::now()).checked_add(stream.stall).is_some_and(|due| due <= Instant::now());
        let freed = if overdue { state.cut() } else { Freed::default() };
        drop(state);
        freed.wake();
        Poll::Ready(())
    }
}

/// Polls the inner body, which this reader has taken out, outside the lock (invariant 6). `Ready(None)`: it has ended.
fn poll_body<B>(stream: &Arc<Stream<B>>, place: usize, mut body: Pin<Box<B>>, waker: Waker) -> Poll<Option<Part>>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let polling = Polling::new(stream);
    let polled = body.as_mut().poll_frame(&mut Context::from_waker(&Waker::from(Arc::clone(stream))));
    let hints = (body.size_hint(), body.is_end_stream());
    polling.done();
    let part = match polled {
        Poll::Pending => {
            let mut freed = Freed::default();
            let mut state = stream.lock();
            state.body = Some(body);
            let old = state.park(place, For::Body, waker);
            // Woken in mid-poll: whoever came meanwhile found no body to poll (invariant 4).
            if state.ready {
                state.call(For::Body, &mut freed);
            }
            drop(state);
            drop(old);
            freed.wake();
            return Poll::Pending;
        }
        Poll::Ready(None) => Err(None),
        Poll::Ready(Some(Err(error))) => Err(Some(BodyError::source_failed(error))),
        // A frame of a kind that is not known yet is nobody's.
        Poll::Ready(Some(Ok(frame))) => Part::new(frame).ok_or(Some(BodyError::excess())),
    };
    let mut state = stream.lock();
    let length = part.as_ref().map_or(0, |part| part.len() as u64);
    let missing = state.missing;
    let part = match (part, missing) {
        (Ok(Part::Data(_)), Some(missing)) if length > missing => Err(Some(BodyError::excess())),
        (Ok(Part::Trailers(_)) | Err(None), Some(missing)) if missing > 0 => Err(Some(BodyError::incomplete(missing))),
        (part, _) => part,
    };
    match part {
        Ok(part) => {
            state.missing = missing.map(|missing| missing - length);
            (state.hint, state.is_end_stream) = hints;
            state.body = Some(body);
            let freed = state.came(&part, place);
            drop(state);
            freed.wake();
            Poll::Ready(Some(part))
        }
        Err(error) => {
            (state.hint, state.is_end_stream) = (SizeHint::with_exact(0), true);
            drop(state);
            drop(body);
            stream.end(error.map_or(End::Clean, End::Error));
            Poll::Ready(None)
        }
    }
}

/// Claims another reader, beside this one.
impl<B> Clone for Reader<B> {
    fn clone(&self) -> Self {
        let seat = self.seat.as_ref().map(|Seat { stream, place }| {
            let place = stream.lock().enter(Some(*place));
            Seat { stream: Arc::clone(stream), place }
        });
        Self { seat, stall: None }
    }
}

impl<B> Drop for Seat<B> {
    fn drop(&mut self) {
        let left = self.stream.lock().leave(self.place);
        let (place, freed, body) = left;
        drop((place, body));
        freed.wake();
    }
}
