//! What passes by of a request's content, where that is in the key: digested, never kept.

use blake3::Hasher;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, request};

use super::{answer::Ending, member::Id, route::Route, routes::Noted, table::Way, watcher::Watcher};
use crate::http::{body::Watch, config::ContentIf, policy::Content, requester::Requester, rule::Rule};

/// A request whose content is being read by the service that answers it.
pub(super) struct Reading {
    watcher: Watcher,
    /// `None` once it is known what becomes of the request.
    waiting: Option<WaitingForContent>,
    hasher: Hasher,
    length: usize,
}

/// What becomes of a request once its content is known.
pub(super) struct WaitingForContent {
    pub(super) id: Id,
    pub(super) route: Route,
    /// Its key lacks the content still.
    pub(super) requester: Requester,
    pub(super) way: Way,
    /// How much content a key has at most, in bytes.
    pub(super) max: usize,
    /// How long its `Content-Length` says that it is.
    pub(super) announced: Vec<HeaderValue>,
    /// Is asked of the content, if it came in one piece.
    pub(super) content_if: Option<ContentQuestion>,
}

/// What `content_if` is asked of: the request's head, and the only frame that has passed so far.
pub(super) struct ContentQuestion {
    pub(super) content_if: ContentIf,
    pub(super) parts: request::Parts,
    pub(super) content: Option<Bytes>,
}

impl Reading {
    pub(super) fn new(watcher: Watcher, waiting: WaitingForContent) -> Self {
        let hasher = watcher.digester().stream();
        Self { watcher, waiting: Some(waiting), hasher, length: 0 }
    }

    fn finish(&mut self) {
        let Some(waiting) = self.waiting.take() else { return };
        let WaitingForContent { id, route, mut requester, way, announced, content_if, .. } = waiting;
        let length = Content::Keyed(Some(self.length));
        if !announced.iter().all(|said| length.is_of_length(said)) {
            return self.give_up(id, Noted::Alone(route, Some(Rule::S15Content)));
        }
        match content_if {
            Some(ContentQuestion { content: None, .. }) if self.length > 0 => {
                return self.give_up(id, Noted::NotRead(route));
            }
            Some(ContentQuestion { content_if, parts, content })
                if !content_if(&parts, &content.as_ref().map_or_else(Bytes::new, Bytes::clone)) =>
            {
                return self.give_up(id, Noted::Alone(route, Some(Rule::D11Content)));
            }
            _ => {}
        }
        requester.key = requester.key.with_content(self.hasher.finalize().as_bytes());
        self.watcher.complete(id, requester, way);
    }

    fn stop(&mut self) {
        if let Some(WaitingForContent { id, route, .. }) = self.waiting.take() {
            self.give_up(id, Noted::Alone(route, Some(Rule::S15Content)));
        }
    }

    fn give_up(&self, id: Id, event: Noted) {
        self.watcher.ended(id, Ending::Left);
        self.watcher.note(event);
    }
}

impl Watch for Reading {
    fn data(&mut self, data: &Bytes) {
        let Some(waiting) = &mut self.waiting else { return };
        if data.len() > waiting.max - self.length {
            let watcher = self.watcher.clone();
            watcher.guarded(|| self.stop());
            return;
        }
        if let Some(asked) = &mut waiting.content_if {
            // A frame is held by reference until the content has ended, which most often is at once.
            asked.content = (self.length == 0).then(|| data.clone());
        }
        self.length += data.len();
        self.hasher.update(data);
    }

    fn end(mut self: Box<Self>, trailers: Option<&HeaderMap>) {
        let watcher = self.watcher.clone();
        watcher.guarded(|| if trailers.is_some() { self.stop() } else { self.finish() });
    }

    fn failed(mut self: Box<Self>) {
        let watcher = self.watcher.clone();
        watcher.guarded(|| self.stop());
    }
}
