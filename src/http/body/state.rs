//! The frames between the fastest and the slowest reader, and who has taken which.
//!
//! # Invariants
//!
//! 1. A frame is kept while a reader that is not cut has yet to take it, and no longer.
//! 2. The inner body is polled by a reader that has taken all frames there are, whichever comes first; never by two.
//! 3. `ready` is false only if the inner body's last poll was pending, and its waker has not been called since.
//! 4. A reader that waits for the inner body is woken when it is ready, by a frame, or by its end; all are, so that it
//!    matters to none whether another is polled.
//! 5. A reader that waits for room is woken when there is some.
//! 6. User code (polling, asking or dropping the inner body, waking or dropping a waker, dropping a frame or an error)
//!    never runs under the lock: it is taken out, and run or dropped once the lock is released.
//! 7. The end is published, and all who wait are woken, before the inner body is dropped: whatever its poll or its drop
//!    does, nobody is left waiting, and a body that broke off never looks complete.
//! 8. A reader is cut only if it is last of all and holds up a full window while somebody waits for room, and once such
//!    waits have taken the stall time in sum. Waits for any reader count, so a reader gains nothing by taking a frame
//!    now and then. No time counts while nobody waits, and a reader that was waited for only in passing is not cut.
//! 9. A frame is in memory until it is known to be written. What was spilled comes before the first frame that is kept,
//!    and a reader of what was spilled takes that frame next.
//! 10. A file is given back once all readers, but those that were cut, have passed it. No stall time counts while a
//!     write is waited for. A write that hangs counts as failed, and nothing more is written.

mod buffered;
mod hints;
mod pace;
mod spilled;
mod waiting;

use std::{collections::VecDeque, mem::replace, task::Waker, time::Duration};

use slab::Slab;
use tokio::time::Instant;

use self::buffered::{BufferedFrame, FRAME};
use super::{
    checked::{Checked, Missing, Source},
    deferred::Deferred,
    end::BodyEnd,
    error::BodyError,
    origin::{Hints, Origin},
    part::BodyPart,
    patience::Patience,
    spill::Log,
    step::{Step, WaitFor},
};

/// Guarded by the stream's lock.
pub(super) struct State<B> {
    /// The inner body, unless a reader has taken it out to poll it.
    pub(super) source: Source<B>,
    /// Whether polling the inner body may bring something (invariant 3).
    pub(super) ready: bool,
    /// `Some` once the inner body has ended.
    pub(super) end: Option<BodyEnd>,
    /// What was announced and has not come yet.
    missing: Missing,
    /// What the inner body said of itself last.
    hints: Hints,
    /// The frames that are kept, the oldest first.
    frames: VecDeque<BufferedFrame>,
    /// What was spilled, and comes before the first frame.
    log: Log,
    /// The number of the first frame that is kept.
    first: u64,
    /// What the kept frames weigh, in bytes.
    weight: usize,
    /// In bytes.
    window: usize,
    readers: Slab<Cursor>,
    /// Readers that are not cut.
    live: usize,
    /// The most that there have been at a time.
    most: usize,
    /// The one that is cut as soon as the window is full.
    yielding: Option<usize>,
    /// The readers with a waker, by what they wait for. A reader that has taken less than all frames has none.
    waiting: [Vec<usize>; 2],
    /// How long readers have waited for slower ones.
    patience: Patience,
}

/// Where a reader is.
#[derive(Default)]
pub(super) struct Cursor {
    /// The number of the frame that it takes next.
    next: u64,
    /// Its place in the log, while it reads from there; then `next` is the first frame that is kept. `None` once it has
    /// read all of the log.
    behind: Option<u64>,
    /// It lagged; none of the frames is kept for it.
    cut: bool,
    /// `Some` while it waits.
    waker: Option<Waker>,
    /// While it waits: for what, and its place in the list of those who wait for the same.
    waits: Option<(WaitFor, usize)>,
    /// How long others have waited for it.
    held: Duration,
}

/// This many frames may be kept even in a small window, once all that was announced is there.
const FEW_FRAMES: usize = 64;

impl<B> State<B> {
    pub(super) fn new(
        body: Origin<B>,
        missing: Missing,
        hints: Hints,
        log: Log,
        window: usize,
        stall: Duration,
    ) -> Self {
        Self {
            source: Source::Fresh(body),
            ready: true,
            end: None,
            missing,
            log,
            hints: missing.judge(hints),
            frames: VecDeque::new(),
            first: 0,
            weight: 0,
            window,
            readers: Slab::new(),
            live: 0,
            most: 0,
            yielding: None,
            waiting: [Vec::new(), Vec::new()],
            patience: Patience::new(stall),
        }
    }

    /// Adds a reader at the place of another one; the first reader at the start.
    pub(super) fn enter(&mut self, beside: Option<usize>) -> usize {
        let beside = beside.map(|reader| &self.readers[reader]);
        let place = beside.map_or_else(Cursor::default, |place| Cursor { waker: None, waits: None, ..*place });
        if !place.cut {
            self.live += 1;
            self.most = self.most.max(self.live);
            let passed = self.passed(place.next);
            self.frames.iter_mut().skip(passed).for_each(|kept| kept.readers += 1);
        }
        self.readers.insert(place)
    }

    /// Takes a reader out. The last one takes the inner body with it.
    pub(super) fn leave(&mut self, reader: usize) -> (Cursor, Deferred, Source<B>) {
        let mut deferred = Deferred::default();
        let place = self.readers.remove(reader);
        self.yielding = self.yielding.filter(|yielding| *yielding != reader);
        self.stop_waiting(&place);
        if !place.cut {
            self.give_up(place.next, &mut deferred);
            self.trim(&mut deferred);
        }
        let source = if self.live == 0 { replace(&mut self.source, Source::Out) } else { Source::Out };
        if self.readers.is_empty() {
            deferred.end = self.end.take();
            deferred.readers = self.most;
        }
        (place, deferred, source)
    }

    /// Takes the inner body out if nothing has been read and only one reader is left.
    pub(super) fn take_fresh(&mut self) -> Option<Origin<B>> {
        match replace(&mut self.source, Source::Out) {
            Source::Fresh(body) if self.live == 1 => Some(body),
            source => {
                self.source = source;
                None
            }
        }
    }

    /// Says what a reader does next.
    pub(super) fn next(&mut self, reader: usize) -> Step<B> {
        let place = &mut self.readers[reader];
        if place.cut {
            return Step::End(Some(BodyError::lagged()));
        }
        if let Some((segment, at, bytes)) = place.behind.and_then(|place| self.log.find(place)) {
            return Step::Read(segment, at, bytes);
        }
        let passed = place.next.saturating_sub(self.first);
        if let Some(kept) = usize::try_from(passed).ok().and_then(|passed| self.frames.get_mut(passed)) {
            place.next += 1;
            if passed == 0 && self.patience.is_waited_on() {
                place.held = self.patience.held(place.held, kept.frame.len(), Instant::now());
            }
            kept.readers -= 1;
            let mut deferred = Deferred::default();
            // The reader that takes it last is behind all others, so the frame is the first.
            let part = if kept.readers == 0 { self.shift(&mut deferred) } else { None };
            let part = part.unwrap_or_else(|| self.frames[passed as usize].frame.clone());
            return Step::Take(part, deferred);
        }
        match &self.end {
            Some(BodyEnd::Clean) => return Step::End(None),
            Some(BodyEnd::Error(error)) => return Step::End(Some(error.clone())),
            None => {}
        }
        // Where the inner body says that it is at its end, a reader need not wait for room to hear so: nothing more has
        // to be kept.
        if !self.hints.is_end_stream {
            if let Some(job) = self.plan() {
                return Step::Spill(job);
            }
            if self.is_full() {
                return Step::Wait(WaitFor::Room);
            }
        }
        if !self.ready {
            return Step::Wait(WaitFor::Body);
        }
        let body = match replace(&mut self.source, Source::Out) {
            Source::Fresh(body) => Checked::new(body.pinned(), self.missing),
            Source::Begun(body) => body,
            Source::Out => return Step::Wait(WaitFor::Body),
        };
        self.ready = false;
        Step::Poll(body)
    }

    /// Keeps a frame for all readers but the one that polled it, which gets it.
    /// `hints`: what the inner body says of itself now.
    pub(super) fn received(&mut self, part: &BodyPart, hints: Hints, reader: usize) -> Deferred {
        let before = replace(&mut self.hints, hints);
        self.missing.take(part);
        self.ready = true;
        let place = &mut self.readers[reader];
        place.next += 1;
        // This reader has caught up.
        place.held = Duration::ZERO;
        let mut deferred = Deferred::default();
        if self.live > 1 {
            let weight = BufferedFrame::weight_of(part);
            self.weight += weight;
            deferred.held += weight as isize;
            self.frames.push_back(BufferedFrame { frame: part.clone(), before, readers: self.live - 1 });
            self.take_wakers(WaitFor::Body, &mut deferred);
        } else {
            // There is nobody else, and the frame is passed through.
            self.first += 1;
        }
        deferred
    }

    /// Ends the body for all who have taken what there is (invariant 7).
    pub(super) fn finish(&mut self, end: BodyEnd) -> Deferred {
        let mut deferred = Deferred::default();
        self.end = Some(end);
        self.take_wakers(WaitFor::Body, &mut deferred);
        deferred
    }

    /// Lets go of the frames from this one on, on behalf of one reader.
    fn give_up(&mut self, next: u64, deferred: &mut Deferred) {
        self.live -= 1;
        let passed = self.passed(next);
        self.frames.iter_mut().skip(passed).for_each(|kept| kept.readers -= 1);
        while self.frames.front().is_some_and(|kept| kept.readers == 0) {
            let part = self.shift(deferred);
            deferred.frames.extend(part);
        }
    }

    /// Takes out the first frame, which all have taken; the slowest has made progress.
    fn shift(&mut self, deferred: &mut Deferred) -> Option<BodyPart> {
        let kept = self.frames.pop_front()?;
        self.first += 1;
        self.weight -= kept.weight();
        deferred.held -= kept.weight() as isize;
        self.take_wakers(WaitFor::Room, deferred);
        Some(kept.frame)
    }

    /// Returns whether there is no room for more. A body whose length fits the window fits, and nobody waits for
    /// anybody, unless its frames are tiny: frames count too, even empty ones, which may come after all data has.
    fn is_full(&self) -> bool {
        let frames = self.frames.len() * FRAME;
        if self.missing.is_over() {
            return frames > self.window.max(FEW_FRAMES * FRAME);
        }
        self.weight.saturating_sub(frames).max(frames) > self.window
    }

    fn passed(&self, next: u64) -> usize {
        usize::try_from(next.saturating_sub(self.first)).unwrap_or(usize::MAX)
    }
}
