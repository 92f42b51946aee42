//! What passes by of an answer's body: digested, never kept.

use std::sync::Arc;

use blake3::Hasher;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use super::{
    answer::{Body, ComparedEnd, Ending},
    digest::short,
    member::{Id, Judged},
    watcher::Watcher,
};
use crate::http::{
    body::Watch,
    judge::{AtHead, Begun, Brought, Until},
    requester::Requester,
};

/// An answer whose body is being read by its caller.
pub(super) struct Passing {
    watcher: Watcher,
    id: Id,
    hasher: Hasher,
    /// How much was digested, and how much has passed, in bytes.
    digested: u64,
    passed: u64,
    /// How long the body is said to be, in bytes.
    announced: Option<u64>,
    /// `Some` until the body has said what the verdict depends on.
    open: Option<Open>,
    has_ended: bool,
}

/// A verdict that does not stand yet.
pub(super) struct Open {
    pub(super) requester: Arc<Requester>,
    pub(super) said: AtHead,
    pub(super) begun: Begun,
    pub(super) status: StatusCode,
}

impl Passing {
    pub(super) fn new(watcher: Watcher, id: Id, announced: Option<u64>, open: Option<Open>) -> Self {
        let hasher = watcher.digester().stream();
        Self { watcher, id, hasher, digested: 0, passed: 0, announced, open, has_ended: false }
    }

    fn brought(&mut self, brought: Brought<'_>) {
        let Some(Open { requester, said, begun, .. }) = &mut self.open else { return };
        if let Some(brought) = said.gather(begun, brought) {
            said.correct(requester, brought);
        }
        if said.until != Until::Head {
            return;
        }
        if let Some(Open { said, status, .. }) = self.open.take() {
            self.watcher.stands(self.id, Judged::of(&said, status));
        }
    }

    fn finish(&mut self, end: ComparedEnd) {
        self.has_ended = true;
        let end = if self.passed > self.digested && end != ComparedEnd::Cut { ComparedEnd::Over } else { end };
        let body = Body {
            length: if end == ComparedEnd::Cut { self.passed } else { self.digested },
            digest: short(&self.hasher),
            end,
        };
        self.watcher.ended(self.id, Ending::Body(body));
    }

    fn trailers(&self, trailers: &HeaderMap) -> u64 {
        let mut lines: Vec<_> = trailers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        // Lines of one name stay in order.
        lines.sort_by_key(|(name, _)| *name);
        self.watcher.digester().of(lines.into_iter().flat_map(|(name, value)| [name.as_bytes(), value]))
    }
}

impl Watch for Passing {
    fn data(&mut self, data: &Bytes) {
        let watcher = self.watcher.clone();
        watcher.guarded(|| self.brought(Brought::Data(data)));
        self.passed = self.passed.saturating_add(data.len() as u64);
        let room = watcher.told().compare.saturating_sub(self.digested);
        let part = usize::try_from(room).map_or(&data[..], |room| &data[..room.min(data.len())]);
        self.hasher.update(part);
        self.digested += part.len() as u64;
    }

    fn end(mut self: Box<Self>, trailers: Option<&HeaderMap>) {
        let watcher = self.watcher.clone();
        watcher.guarded(|| {
            self.brought(trailers.map_or(Brought::End, Brought::Trailers));
            let trailers = trailers.map(|trailers| self.trailers(trailers));
            self.finish(ComparedEnd::Whole(trailers));
        });
    }

    fn failed(mut self: Box<Self>) {
        let watcher = self.watcher.clone();
        watcher.guarded(|| {
            self.brought(Brought::Failed);
            self.finish(ComparedEnd::Cut);
        });
    }
}

/// Its caller has left, or needed no more than was announced.
impl Drop for Passing {
    fn drop(&mut self) {
        if self.has_ended {
            return;
        }
        let watcher = self.watcher.clone();
        watcher.guarded(|| {
            if self.announced == Some(self.passed) {
                self.brought(Brought::End);
                self.finish(ComparedEnd::Whole(None));
            } else if self.open.is_some() {
                watcher.ended(self.id, Ending::Left);
            } else {
                self.finish(ComparedEnd::Cut);
            }
        });
    }
}
