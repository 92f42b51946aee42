//! An answer from another process, judged again: by this process's own rules, for this caller's own request.

use std::{error::Error, sync::Arc};

use bytes::Bytes;
use http_body::Body;
use tokio::time::Instant;

use super::message::{Received, SentTerms};
use crate::{
    fleet::{FleetReason, Kind, Message},
    http::{
        answer::{Answer, lets_again},
        body::BodySource,
        judge::{AtHead, Brought},
        policy::follower_head,
        requester::Requester,
        rule::Rule,
    },
};

/// What becomes of a message.
pub(super) enum Taken<RB, E> {
    Answer(Box<Answer<RB, E>>),
    /// The process asks once more, with its own request (D9).
    AskAgain,
    /// The answer is not for this caller, and that of the next flight may not be either.
    Declined(FleetReason),
    /// The answer is not for this caller, which says nothing of the next.
    NotNow,
    Malformed,
}

/// Takes what another process came to, if it is for this caller, which has waited since `since`.
pub(super) fn take<RB, E>(requester: &Requester, message: Message, since: Instant, tried_again: bool) -> Taken<RB, E>
where
    RB: Body<Data = Bytes> + Send + 'static,
    RB::Error: Into<Box<dyn Error + Send + Sync>>,
{
    if message.kind == Kind::Again {
        let Ok(terms) = SentTerms::decode(&message.payload) else { return Taken::Malformed };
        return match asks_again(requester, &terms, since, false) {
            Some(true) if !tried_again => Taken::AskAgain,
            Some(_) => Taken::NotNow,
            None => Taken::Declined(FleetReason::NotShareable),
        };
    }
    let Ok(Received { terms, mut head, content, trailers }) = Received::decode(message.payload) else {
        return Taken::Malformed;
    };
    match asks_again(requester, &terms, since, true) {
        // S9, S20.
        None => return Taken::Declined(FleetReason::NotShareable),
        Some(true) if !tried_again => return Taken::AskAgain,
        Some(_) => {}
    }
    let (began, answered) = times(&terms, since);
    let requester = &Requester { facts: requester.facts.of_one_who_waited(), ..requester.clone() };
    follower_head(&mut head, &requester.coalescer.config.policy.dropped);
    let source = BodySource::<RB>::whole(content.clone(), trailers.clone());
    let mut said = AtHead::of(requester, &head, &source, |_| true);
    if !content.is_empty() {
        said.correct(requester, Brought::Data(&content));
    }
    said.correct(requester, trailers.as_ref().map_or(Brought::End, Brought::Trailers));
    match said.verdict.share {
        Ok(()) => {}
        // It is this caller's connection that cannot have it (D3).
        Err(Rule::S30Http10) => return Taken::NotNow,
        Err(_) => return Taken::Declined(FleetReason::NotShareable),
    }
    let mut audience = requester.judge(said.verdict, head.status, said.has_length, Some(began));
    // Whoever came late to the call came late to it here, too (D9).
    if let Some(terms) = &mut audience.terms {
        Arc::make_mut(terms).answered = answered;
    }
    let source = requester.source(source.announced(said.announced));
    Taken::Answer(Box::new(Answer { result: Ok((head, source)), audience }))
}

/// Returns when the other process began its call, and when that was answered, as far as a caller that has waited since
/// `since` can say. It joined while the call was under way, and the message may have taken longer than the answer.
fn times(terms: &SentTerms, since: Instant) -> (Instant, Instant) {
    let answered = Instant::now().checked_sub(terms.read()).unwrap_or(since).max(since);
    (answered.checked_sub(terms.took()).map_or(since, |began| began.min(since)), answered)
}

/// Returns whether a caller that has waited since `since` may ask once more; `None` if it does not agree with the
/// leader in what the answer depends on.
fn asks_again(requester: &Requester, terms: &SentTerms, since: Instant, shared: bool) -> Option<bool> {
    let fleet = requester.coalescer.config.fleet.fleet()?;
    let agrees = terms.agree(&requester.key, |parts| fleet.domain().compared(parts));
    let waited = times(terms, since).1 - since;
    agrees.then(|| lets_again(terms.again(), terms.took(), waited, shared))
}
