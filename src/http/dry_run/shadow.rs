//! What a dry-running service does with a request beside sending it: it watches it.

use std::{mem::replace, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, header, request, response};
use http_body::Body;
use tokio::time::Instant;

use super::{
    answer::{Ending, Head},
    body::{Open, Passing},
    content::{ContentQuestion, Reading, WaitingForContent},
    inputs::Inputs,
    member::{Answered, Id, Judged, Member, Stage},
    route::route_of,
    table::Way,
    watcher::Watcher,
};
use crate::http::{
    answer::Tried,
    body::Watch,
    coalescer::Coalescer,
    config::{Config, Kind},
    content::{ContentBody, RequestContent},
    group::HttpGroup,
    judge::{AtHead, Begun, Until},
    plan::Plan,
    policy::is_unsafe,
    requester::Requester,
    write::Write,
};

/// What the services of a dry-running layer have in common.
#[derive(Clone)]
pub(in crate::http) struct Shadow {
    watcher: Watcher,
    /// Has the layer's settings, but groups of its own, beside the layer's: no real flight is ever in them.
    coalescer: Arc<Coalescer>,
}

/// A request that goes alone, and what is watched of it. If it is dropped before the answer is there, its caller has
/// left.
pub(in crate::http) struct Watched {
    shadow: Shadow,
    /// `None`: nothing is to be learnt from it.
    id: Option<Id>,
    requester: Option<Arc<Requester>>,
    /// What the answer will fence (S21).
    pub(super) write: Option<Write>,
    called: Instant,
    /// When the call was polled first, if it did not answer at once.
    began: Option<Instant>,
    /// The call has been polled.
    polled: bool,
}

impl Watcher {
    /// Returns the shadow of a service of the layer: `given` and `routes` are the layer's groups.
    pub(in crate::http) fn shadow(
        &self,
        config: &Arc<Config>,
        given: Option<&HttpGroup>,
        routes: &HttpGroup,
    ) -> Shadow {
        let (given, routes) = (given.map(|given| self.beside(given)), self.beside(routes));
        let coalescer = Arc::new(Coalescer::new(Arc::clone(config), given, routes));
        coalescer.enter();
        Shadow { watcher: self.clone(), coalescer }
    }
}

impl Shadow {
    /// Returns whether a request passes without a look at it, since its target is not in the sample. Of the requests
    /// for a target that have no content, all are watched or none. Requests that may change something are always looked
    /// at, since they fence (S21).
    pub(in crate::http) fn passes<B>(&self, request: &Request<B>) -> bool {
        let uri = request.uri();
        let query = uri.query().filter(|_| self.coalescer.config.recipe.ignored_query.is_empty());
        is_sampled_by_target(request.method(), request.headers()) && self.watcher.passes(&(uri.path(), query))
    }

    /// Watches a request that does not pass without a look at it; `content`: what is known of its content.
    pub(in crate::http) fn watch(&self, parts: &request::Parts, content: impl FnOnce() -> RequestContent) -> Watched {
        let mut watched = Watched::unwatched(self.clone());
        self.watcher.guarded(|| {
            let kind = self.coalescer.config.kind(parts);
            watched.start(parts, kind, &content(), is_sampled_by_target(&parts.method, &parts.headers));
        });
        watched
    }

    /// Watches a request whose content is in the key, up to `max` bytes: it is digested as the service reads it.
    pub(in crate::http) fn watch_content<B>(
        &self,
        parts: &request::Parts,
        body: B,
        max: usize,
    ) -> (Watched, ContentBody<B>)
    where
        B: Body<Data = Bytes>,
    {
        let mut watched = Watched::unwatched(self.clone());
        let watch = self.watcher.guarded(|| {
            let kind = self.coalescer.config.kind(parts);
            if body.is_end_stream() || !self.coalescer.reads_content(parts, kind, body.size_hint().lower(), max) {
                let by_target = body.is_end_stream() && is_sampled_by_target(&parts.method, &parts.headers);
                watched.start(parts, kind, &RequestContent::of(&body), by_target);
                return None;
            }
            watched.start_reading(parts, kind, max)
        });
        let body = ContentBody::whole(body);
        let watch = watch.flatten().map(|watch| Box::new(watch) as Box<dyn Watch>);
        (watched, if let Some(watch) = watch { body.watched(watch) } else { body })
    }
}

impl Watched {
    fn unwatched(shadow: Shadow) -> Self {
        Self { shadow, id: None, requester: None, write: None, called: Instant::now(), began: None, polled: false }
    }

    /// Decides as the layer would. With `by_target` the request's target is in the sample, so the request is watched;
    /// otherwise it is watched if its key is in the sample.
    fn start(&mut self, parts: &request::Parts, kind: Kind, content: &RequestContent, by_target: bool) {
        let Shadow { watcher, .. } = self.shadow.clone();
        watcher.count_request();
        let Some((plan, requester)) = self.decide(parts, kind, content, by_target) else { return };
        let sampled = if by_target { Some(watcher.hash(&requester.key)) } else { watcher.samples(&requester.key) };
        let Some(hash) = sampled else { return };
        let way = way(plan);
        if let Some(id) = self.insert(parts, requester, hash) {
            watcher.join(id, way);
        }
    }

    /// Decides the same about a request whose content is still to be read.
    fn start_reading(&mut self, parts: &request::Parts, kind: Kind, max: usize) -> Option<Reading> {
        let Shadow { watcher, coalescer } = self.shadow.clone();
        watcher.count_request();
        let (plan, requester) = self.decide(parts, kind, &RequestContent::Digested, false)?;
        let content_if = coalescer.config.content_if.clone();
        let content_if =
            content_if.map(|content_if| ContentQuestion { content_if, parts: parts.clone(), content: None });
        let id = self.insert(parts, requester.clone(), 0)?;
        let way = way(plan);
        let announced = parts.headers.get_all(header::CONTENT_LENGTH).iter().cloned().collect();
        let route = route_of(&coalescer, parts);
        let waiting = WaitingForContent { id, route, requester, way, max, announced, content_if };
        Some(Reading::new(watcher, waiting))
    }

    fn decide(
        &mut self,
        parts: &request::Parts,
        kind: Kind,
        content: &RequestContent,
        by_target: bool,
    ) -> Option<(Plan, Requester)> {
        let Shadow { watcher, coalescer } = &self.shadow;
        let place = coalescer.place(parts);
        match coalescer.decide(parts, kind, content, place, None) {
            Ok((plan, key)) => Some((plan, coalescer.requester(parts, kind, place, key, true, None))),
            Err(rule) => {
                self.write = coalescer.write(parts, kind, place, rule);
                if by_target || watcher.samples(parts.uri.path()).is_some() {
                    watcher.alone(route_of(coalescer, parts), rule);
                }
                None
            }
        }
    }

    fn insert(&mut self, parts: &request::Parts, requester: Requester, hash: u64) -> Option<Id> {
        let Shadow { watcher, coalescer } = &self.shadow;
        let requester = Arc::new(requester);
        let inputs = Inputs::of(parts, &coalescer.config.recipe, watcher.digester());
        let size = size_of::<Member>() + size_of::<Requester>() + requester.key.size() + inputs.size();
        let member = Member {
            requester: Arc::clone(&requester),
            hash,
            route: route_of(coalescer, parts),
            joined: self.called,
            since: self.called,
            tried: Tried::default(),
            fresh: false,
            begun: false,
            stage: Stage::Reading,
            inputs,
            size,
            answered: None,
            record: None,
        };
        self.id = watcher.insert(member);
        self.requester = self.id.map(|_| requester);
        self.id
    }

    /// The call is about to be polled.
    pub(super) fn polling(&mut self) {
        if let (false, Some(id)) = (replace(&mut self.polled, true), self.id) {
            let watcher = &self.shadow.watcher;
            watcher.guarded(|| watcher.begins(id));
        }
    }

    /// The call has not answered at once.
    pub(super) fn pending(&mut self) {
        if self.began.is_none() {
            self.began = Some(Instant::now());
        }
    }

    /// The head of the answer is there; returns what is to be told of the body, if anything is.
    pub(super) fn head<RB>(&mut self, head: &response::Parts, body: &RB) -> Option<Box<dyn Watch>>
    where
        RB: Body<Data = Bytes>,
    {
        let watcher = self.shadow.watcher.clone();
        watcher.guarded(|| self.look_at(head, body)).flatten()
    }

    fn look_at<RB>(&mut self, head: &response::Parts, body: &RB) -> Option<Box<dyn Watch>>
    where
        RB: Body<Data = Bytes>,
    {
        let (id, requester) = self.id.take().zip(self.requester.take())?;
        let watcher = &self.shadow.watcher;
        let said = AtHead::of(&requester, head, body, |_| watcher.others_wait(id));
        let (announced, is_open) = (said.announced, said.until != Until::Head);
        let judged = if is_open { Judged::Open } else { Judged::of(&said, head.status) };
        let config = &requester.coalescer.config;
        let compared = Head::of(head, &config.policy, &watcher.told().ignored, watcher.digester());
        let again = requester.group().layers().differ().then(|| Arc::new(copy(head)));
        watcher.answered(id, self.answered(Some(compared), judged, again));
        if !watcher.is_watched(id) {
            return None;
        }
        let open = is_open.then(|| Open { requester, said, begun: Begun::default(), status: head.status });
        let passing = Box::new(Passing::new(watcher.clone(), id, announced, open));
        if body.is_end_stream() {
            passing.end(None);
            return None;
        }
        Some(passing)
    }

    fn answered(&self, head: Option<Head>, judged: Judged, again: Option<Arc<response::Parts>>) -> Answered {
        Answered { head, judged, again, began: self.began, took: self.called.elapsed() }
    }

    /// The service has failed.
    pub(super) fn failed(&mut self) {
        let Some(id) = self.id.take() else { return };
        let watcher = &self.shadow.watcher;
        watcher.guarded(|| {
            watcher.answered(id, self.answered(None, Judged::Failed, None));
            watcher.ended(id, Ending::Failed);
        });
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if let Some(id) = self.id.take() {
            let watcher = &self.shadow.watcher;
            watcher.guarded(|| watcher.ended(id, Ending::Left));
        }
    }
}

/// Returns whether the target decides if a request without content is in the sample: one that is not needs no key then.
fn is_sampled_by_target(method: &Method, headers: &HeaderMap) -> bool {
    matches!(*method, Method::GET | Method::HEAD) && !is_unsafe(method, headers)
}

/// Returns what a layer judges of a head: without extensions, which are the application's.
fn copy(head: &response::Parts) -> response::Parts {
    let (mut copy, ()) = Response::new(()).into_parts();
    (copy.status, copy.headers) = (head.status, head.headers.clone());
    copy
}

fn way(plan: Plan) -> Way {
    match plan {
        Plan::Fly => Way::Fly,
        Plan::Fresh => Way::Fresh,
        Plan::Lead => Way::Lead,
        Plan::Unshareable => Way::Alone,
    }
}
