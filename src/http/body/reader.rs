//! One reader: takes the frames there are, polls the inner body for the next, or waits.

mod disk;

use std::{
    error::Error,
    io,
    mem::replace,
    panic::resume_unwind,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::{task::JoinHandle, time::Instant};

use super::{
    checked::{Checked, Source},
    deferred::Deferred,
    end::BodyEnd,
    error::BodyError,
    origin::{Hints, Origin},
    part::BodyPart,
    spill::Spilling,
    stall::Stall,
    state::State,
    step::{Step, WaitFor},
    stream::{PanicGuard, Stream},
};
use crate::{
    panic::{catch, discard},
    sync::MutexGuard,
};

/// A reader, or the claim to one. It leaves the stream when it is dropped or has come to the end.
pub(super) struct Reader<B> {
    /// `None` after the end.
    seat: Option<Seat<B>>,
    /// The end was this error.
    failed: Option<BodyError>,
    /// The error has yet to be told: this reader is a clone of one that ended in it.
    untold: bool,
    /// For when this reader waits for room.
    stall: Stall,
    /// What it is reading from disk.
    reading: Option<JoinHandle<io::Result<Bytes>>>,
    /// It has given something since it was last pending, be it only the head, which may not have been sent yet.
    unsent: bool,
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
        Self { seat: Some(Seat { stream, place }), ..Self::at_end(None) }
    }

    /// Returns a reader that has come to the end, and was told so.
    pub(super) fn at_end(failed: Option<BodyError>) -> Self {
        Self { seat: None, failed, untold: false, stall: Stall::default(), reading: None, unsent: true }
    }

    /// Lets this reader be cut as soon as the window is full.
    #[cfg(feature = "fleet")]
    pub(super) fn yields(&self) {
        if let Some(seat) = &self.seat {
            seat.stream.lock().yields(seat.place);
        }
    }

    /// Returns the inner body if nobody else is left to read it, and nobody has.
    pub(super) fn into_lone(self) -> Result<Origin<B>, Self> {
        let lone = self.seat.as_ref().and_then(|seat| seat.stream.lock().take_fresh());
        lone.ok_or(self)
    }

    /// After an error a reader is not at its end, whenever it is asked.
    pub(super) fn is_end_stream(&self) -> bool {
        self.seat.as_ref().map_or(self.failed.is_none(), |seat| seat.stream.lock().is_over(seat.place))
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        match &self.seat {
            Some(seat) => seat.stream.lock().size_hint(seat.place),
            None if self.failed.is_some() => SizeHint::new(),
            None => SizeHint::with_exact(0),
        }
    }
}

impl<B> Reader<B>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    pub(super) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Item> {
        let polled = self.poll_next(cx);
        self.unsent = polled.is_ready();
        polled
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Item> {
        // A clone of the caller's waker, made outside the lock.
        let mut spare = None;
        // The runtime that was to read has shut down.
        let mut inline = false;
        loop {
            if let Some(reading) = &mut self.reading {
                let read = ready!(Pin::new(reading).poll(cx));
                self.reading = None;
                match read {
                    Ok(read) => match self.has_read(read) {
                        Some(read) => return Poll::Ready(Some(read.map(Frame::data))),
                        None => continue,
                    },
                    Err(_) => inline = true,
                }
            }
            let Some(Seat { stream, place }) = &self.seat else {
                return Poll::Ready(self.failed.clone().filter(|_| replace(&mut self.untold, false)).map(Err));
            };
            let mut state = stream.lock();
            let waits = match state.next(*place) {
                Step::Take(part, deferred) => {
                    drop(state);
                    stream.run(deferred);
                    return Poll::Ready(Some(Ok(part.into_frame())));
                }
                // An error makes hyper throw away what it has not sent yet, the head included, and it sends when the body is
                // pending. So was the inner body, as a rule, before it failed; a reader that comes late finds all at once.
                Step::End(Some(_)) if self.unsent => {
                    drop(state);
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Step::End(error) => {
                    drop(state);
                    return Poll::Ready(self.end(error));
                }
                Step::Poll(body) => {
                    drop(state);
                    match poll_body(stream, *place, body, || spare.take().unwrap_or_else(|| cx.waker().clone())) {
                        Poll::Ready(None) => continue,
                        Poll::Ready(Some(part)) => return Poll::Ready(Some(Ok(part.into_frame()))),
                        Poll::Pending => return Poll::Pending,
                    }
                }
                Step::Read(segment, at, bytes) => {
                    drop(state);
                    match self.read(move || segment.read(at, bytes), inline) {
                        Some(read) => return Poll::Ready(Some(read.map(Frame::data))),
                        None => continue,
                    }
                }
                Step::Spill(job) => {
                    drop(state);
                    Spilling::begin(stream, job);
                    continue;
                }
                Step::Wait(waits) => {
                    let cut = match waits {
                        WaitFor::Room => state.cut_yielding(*place),
                        WaitFor::Body => None,
                    };
                    if let Some(deferred) = cut {
                        drop(state);
                        stream.run(deferred);
                        continue;
                    }
                    waits
                }
            };
            let Some(waker) = spare.take() else {
                drop(state);
                spare = Some(cx.waker().clone());
                continue;
            };
            match park(state, *place, waits, waker) {
                Some(deadline) if self.stall.has_elapsed(deadline, cx) => {
                    let deferred = stream.lock().cut_due(Instant::now());
                    stream.run(deferred);
                }
                _ => return Poll::Pending,
            }
        }
    }
}

impl<B> Reader<B> {
    /// Leaves the stream at its end; returns the error, if the body ended in one.
    fn end(&mut self, error: Option<BodyError>) -> Item {
        self.failed.clone_from(&error);
        self.seat = None;
        self.stall = Stall::default();
        error.map(Err)
    }
}

/// Parks a reader, and releases the lock; returns until when it waits.
fn park<B>(mut state: MutexGuard<'_, State<B>>, place: usize, waits: WaitFor, waker: Waker) -> Option<Instant> {
    let old = state.park(place, waits, waker);
    let deadline = match waits {
        WaitFor::Body => None,
        WaitFor::Room => state.wait(Instant::now()),
    };
    drop(state);
    drop(old);
    deadline
}

/// Polls the inner body, which this reader has taken out, outside the lock (invariant 6). `Ready(None)`: it has ended. If the
/// reader is to wait, `waker` returns a waker of its task; should that panic, the body goes on for the others.
fn poll_body<B>(
    stream: &Arc<Stream<B>>,
    place: usize,
    mut body: Checked<B>,
    waker: impl FnOnce() -> Waker,
) -> Poll<Option<BodyPart>>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    // Armed before the body is dropped by unwinding (invariant 7).
    let polling = PanicGuard::new(stream);
    let polled = body.poll_part(&mut Context::from_waker(&Waker::from(Arc::clone(stream))));
    // After its end or an error the body is not asked: readers that have yet to come there are told what was true
    // before.
    let hints =
        if matches!(polled, Poll::Pending | Poll::Ready(Some(Ok(_)))) { body.hints() } else { Hints::default() };
    polling.done();
    let waker = polled.is_pending().then(|| catch(waker));
    let mut state = stream.lock();
    let (part, deferred) = match polled {
        Poll::Pending => {
            let mut deferred = Deferred::default();
            state.told(hints);
            state.source = Source::Begun(body);
            let (old, panic) = match waker {
                Some(Ok(waker)) => (state.park(place, WaitFor::Body, waker), None),
                Some(Err(panic)) => (None, Some(panic)),
                None => (None, None),
            };
            // Woken in mid-poll: whoever came meanwhile found no body to poll (invariant 4).
            if state.ready {
                state.take_wakers(WaitFor::Body, &mut deferred);
            }
            drop(state);
            stream.run(deferred);
            drop(old);
            if let Some(panic) = panic {
                resume_unwind(panic);
            }
            return Poll::Pending;
        }
        Poll::Ready(Some(Ok(part))) => {
            state.source = Source::Begun(body);
            let deferred = state.received(&part, hints, place);
            drop(state);
            (Some(part), deferred)
        }
        Poll::Ready(end) => {
            let deferred = state.finish(end.and_then(Result::err).map_or(BodyEnd::Clean, BodyEnd::Error));
            drop(state);
            (None, deferred)
        }
    };
    stream.run(deferred);
    Poll::Ready(part)
}

/// Claims another reader, which goes on from where this one is. After an error it ends in the same error.
impl<B> Clone for Reader<B> {
    fn clone(&self) -> Self {
        let seat = self.seat.as_ref().map(|Seat { stream, place }| {
            let place = stream.lock().enter(Some(*place));
            Seat { stream: Arc::clone(stream), place }
        });
        Self { seat, untold: self.failed.is_some(), ..Self::at_end(self.failed.clone()) }
    }
}

impl<B> Drop for Seat<B> {
    fn drop(&mut self) {
        let (place, deferred, source) = self.stream.lock().leave(self.place);
        self.stream.run(deferred);
        discard(place);
        drop(source);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::VecDeque,
        convert::Infallible,
        panic::{AssertUnwindSafe, catch_unwind},
        time::Duration,
    };

    use tokio_test::{assert_pending, task};

    use super::{
        super::{checked::Missing, spill::Log},
        *,
    };

    /// What each poll comes to. `None`: it is pending, and wakes its task in mid-poll.
    struct Scripted(VecDeque<Option<&'static str>>);

    impl Body for Scripted {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            let Some(next) = self.0.pop_front() else { return Poll::Ready(None) };
            if next.is_none() {
                cx.waker().wake_by_ref();
            }
            next.map_or(Poll::Pending, |text| Poll::Ready(Some(Ok(Frame::data(text.into())))))
        }
    }

    /// No waker of safe code panics as it is cloned, so the function that would clone it panics here.
    #[test]
    fn a_waker_that_panics_as_it_is_cloned_ends_the_body_for_nobody() {
        let (body, hints) = (Origin::new(Scripted([None, Some("abc")].into())), Hints::default());
        let missing = Missing::new(None, &hints);
        let state = State::new(body, missing, hints, Log::new(None), 1024, Duration::MAX);
        let one = Reader::first(Arc::new(Stream::new(state, None)));
        let mut other = task::spawn(one.clone());
        let Some(Seat { stream, place }) = &one.seat else { unreachable!("it has not ended") };
        let Step::Poll(body) = stream.lock().next(*place) else { panic!("it polls the body") };
        assert_pending!(other.enter(|cx, mut other| other.poll_frame(cx)));
        assert!(catch_unwind(AssertUnwindSafe(|| poll_body(stream, *place, body, || panic!("boom")))).is_err());
        assert!(other.is_woken());
        for mut reader in [other, task::spawn(one)] {
            let polled = reader.enter(|cx, mut reader| reader.poll_frame(cx));
            assert!(
                matches!(polled, Poll::Ready(Some(Ok(frame))) if frame.data_ref().is_some_and(|data| data == "abc"))
            );
        }
    }
}
