//! The frames between the fastest and the slowest reader, and who has taken which.
//!
//! # Invariants
//!
//! 1. A frame is kept while a reader that is not cut has yet to take it, and no longer.
//! 2. The inner body is polled by a reader that has taken all frames there are, whichever comes first; never by two.
//! 3. `ready` is false only if the inner body's last poll was pending, and its waker has not been called since.
//! 4. A reader that waits for the inner body is woken when it is ready, by a frame, or by its end; all are, so that it matters to
//!    none whether another is polled.
//! 5. A reader that waits for room is woken when there is some.
//! 6. User code (polling or dropping the inner body, waking or dropping a waker, dropping a frame or an error) never runs under
//!    the lock: it is taken out, and run or dropped once the lock is released.

use std::{collections::VecDeque, mem::take, pin::Pin, task::Waker};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Frame, SizeHint};
use slab::Slab;
use tokio::time::Instant;

use super::error::BodyError;

/// Guarded by the stream's lock.
pub(super) struct State<B> {
    /// `None` while a reader polls it, and after its end.
    pub(super) body: Option<Pin<Box<B>>>,
    pub(super) ready: bool,
    pub(super) end: Option<End>,
    /// What the inner body said of itself after its last poll.
    pub(super) hint: SizeHint,
    pub(super) is_end_stream: bool,
    /// Announced and not come yet.
    pub(super) missing: Option<u64>,
    frames: VecDeque<Kept>,
    /// The number of the first frame that is kept.
    first: u64,
    /// What the kept frames weigh, in bytes.
    weight: usize,
    window: usize,
    /// All data that came, in bytes.
    pub(super) came: u64,
    pub(super) readers: Slab<Place>,
    /// Readers that are not cut.
    live: usize,
    waiting: [Vec<usize>; 2],
    /// Since when the window has been full, with somebody waiting, and the slowest has taken nothing.
    full: Option<Instant>,
}

/// Where a reader is.
#[derive(Default)]
pub(super) struct Place {
    /// The number of the frame that it takes next.
    next: u64,
    /// In bytes.
    pub(super) taken: u64,
    /// It lagged; none of the frames is kept for it.
    cut: bool,
    waker: Option<Waker>,
}

struct Kept {
    frame: Part,
    /// How many readers have yet to take it.
    readers: usize,
}

/// A frame that can be cloned.
pub(super) enum Part {
    Data(Bytes),
    Trailers(HeaderMap),
}

pub(super) enum End {
    Clean,
    Error(BodyError),
}

/// What a reader waits for.
#[derive(Clone, Copy)]
pub(super) enum For {
    Body,
    Room,
}

/// What a reader is to do next.
pub(super) enum Next<B> {
    Take(Part, Freed),
    End(Option<BodyError>),
    /// Poll the inner body.
    Poll(Pin<Box<B>>),
    Wait(For),
}

/// What is to be woken and dropped once the lock is released.
#[derive(Default)]
pub(super) struct Freed {
    wakers: Vec<Waker>,
    frames: Vec<Part>,
    end: Option<End>,
}

/// What a frame weighs beside its data, in bytes, so that empty ones count too.
const FRAME: usize = 64;

impl Part {
    pub(super) fn new(frame: Frame<Bytes>) -> Option<Self> {
        match frame.into_data() {
            Ok(data) => Some(Self::Data(data)),
            Err(frame) => frame.into_trailers().ok().map(Self::Trailers),
        }
    }

    pub(super) fn into_frame(self) -> Frame<Bytes> {
        match self {
            Self::Data(data) => Frame::data(data),
            Self::Trailers(trailers) => Frame::trailers(trailers),
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Data(data) => data.len(),
            Self::Trailers(_) => 0,
        }
    }

    fn copy(&self) -> Self {
        match self {
            Self::Data(data) => Self::Data(data.clone()),
            Self::Trailers(trailers) => Self::Trailers(trailers.clone()),
        }
    }
}

impl Freed {
    pub(super) fn wake(self) {
        self.wakers.into_iter().for_each(Waker::wake);
    }
}

impl<B> State<B> {
    pub(super) fn new(body: Pin<Box<B>>, hint: SizeHint, is_end_stream: bool, window: usize) -> Self {
        Self {
            body: Some(body),
            ready: true,
            end: None,
            missing: hint.exact(),
            hint,
            is_end_stream,
            frames: VecDeque::new(),
            first: 0,
            weight: 0,
            window,
            came: 0,
            readers: Slab::new(),
            live: 0,
            waiting: [Vec::new(), Vec::new()],
            full: None,
        }
    }

    /// Adds a reader where another one is; the first at the start.
    pub(super) fn enter(&mut self, beside: Option<usize>) -> usize {
        let beside = beside.map(|reader| &self.readers[reader]);
        let place = beside.map_or_else(Place::default, |place| Place { waker: None, ..*place });
        if !place.cut {
            self.live += 1;
            let passed = self.passed(place.next);
            self.frames.iter_mut().skip(passed).for_each(|kept| kept.readers += 1);
        }
        self.readers.insert(place)
    }

    /// Takes a reader out. The last one takes the inner body with it.
    pub(super) fn leave(&mut self, reader: usize) -> (Place, Freed, Option<Pin<Box<B>>>) {
        let mut freed = Freed::default();
        let place = self.readers.remove(reader);
        if !place.cut {
            self.give_up(place.next, &mut freed);
        }
        let body = if self.live == 0 { self.body.take() } else { None };
        if self.readers.is_empty() {
            freed.end = self.end.take();
        }
        (place, freed, body)
    }

    /// Returns whether a reader was cut.
    pub(super) fn is_cut(&self, reader: usize) -> bool {
        self.readers[reader].cut
    }

    /// Says what a reader does next.
    pub(super) fn next(&mut self, reader: usize) -> Next<B> {
        let place = &mut self.readers[reader];
        if place.cut {
            return Next::End(Some(BodyError::lagged()));
        }
        let passed = place.next.saturating_sub(self.first);
        if let Some(kept) = usize::try_from(passed).ok().and_then(|passed| self.frames.get_mut(passed)) {
            place.next += 1;
            place.taken += kept.frame.len() as u64;
            kept.readers -= 1;
            let mut freed = Freed::default();
            // Who takes it last is behind all others, and the frame is the first.
            let part = if kept.readers == 0 { self.shift(&mut freed) } else { None };
            let part = part.unwrap_or_else(|| self.frames[passed as usize].frame.copy());
            return Next::Take(part, freed);
        }
        match &self.end {
            Some(End::Clean) => return Next::End(None),
            Some(End::Error(error)) => return Next::End(Some(error.clone())),
            None => {}
        }
        if self.weight >= self.window && !self.frames.is_empty() {
            return Next::Wait(For::Room);
        }
        match self.body.take_if(|_| self.ready) {
            Some(body) => {
                self.ready = false;
                Next::Poll(body)
            }
            None => Next::Wait(For::Body),
        }
    }

    /// Keeps a frame for all readers but the one that polled it, which gets it.
    pub(super) fn came(&mut self, part: &Part, reader: usize) -> Freed {
        let length = part.len() as u64;
        self.came += length;
        self.ready = true;
        let place = &mut self.readers[reader];
        place.next += 1;
        place.taken += length;
        let mut freed = Freed::default();
        if self.live > 1 {
            self.weight += part.len() + FRAME;
            self.frames.push_back(Kept { frame: part.copy(), readers: self.live - 1 });
            self.call(For::Body, &mut freed);
        } else {
            // Nobody else: passed through.
            self.first += 1;
        }
        freed
    }

    /// Parks a reader; returns the waker that this one replaces.
    pub(super) fn park(&mut self, reader: usize, waits: For, waker: Waker) -> Option<Waker> {
        let old = self.readers[reader].waker.replace(waker);
        if old.is_none() {
            self.waiting[waits as usize].push(reader);
        }
        old
    }

    /// Takes the wakers of all who wait for this.
    pub(super) fn call(&mut self, waits: For, freed: &mut Freed) {
        let mut waiting = take(&mut self.waiting[waits as usize]);
        let wakers = waiting.drain(..).filter_map(|reader| self.readers.get_mut(reader)?.waker.take());
        freed.wakers.extend(wakers);
        self.waiting[waits as usize] = waiting;
    }

    /// Returns since when the slowest has held the others up; from now on, if it has only just begun to.
    pub(super) fn full_since(&mut self, now: Instant) -> Instant {
        *self.full.get_or_insert(now)
    }

    /// Cuts those who have yet to take the first frame.
    pub(super) fn cut(&mut self) -> Freed {
        let mut freed = Freed::default();
        let first = self.first;
        let mut slowest = 0;
        for (_, place) in self.readers.iter_mut().filter(|(_, place)| !place.cut && place.next == first) {
            place.cut = true;
            slowest += 1;
            freed.wakers.extend(place.waker.take());
        }
        for _ in 0..slowest {
            self.give_up(first, &mut freed);
        }
        freed
    }

    /// Lets go of the frames from this one on, on behalf of one reader.
    fn give_up(&mut self, next: u64, freed: &mut Freed) {
        self.live -= 1;
        let passed = self.passed(next);
        self.frames.iter_mut().skip(passed).for_each(|kept| kept.readers -= 1);
        while self.frames.front().is_some_and(|kept| kept.readers == 0) {
            let part = self.shift(freed);
            freed.frames.extend(part);
        }
    }

    /// Takes out the first frame, which all have taken; the slowest has made progress.
    fn shift(&mut self, freed: &mut Freed) -> Option<Part> {
        let kept = self.frames.pop_front()?;
        self.first += 1;
        self.weight -= kept.frame.len() + FRAME;
        self.full = None;
        self.call(For::Room, freed);
        Some(kept.frame)
    }

    fn passed(&self, next: u64) -> usize {
        usize::try_from(next.saturating_sub(self.first)).unwrap_or(usize::MAX)
    }
}
