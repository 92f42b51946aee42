//! An answer from another process, judged again: by this process's own rules, for this caller's own request.

use std::{error::Error, time::Duration};

use bytes::Bytes;
use http_body::Body;
use tokio::time::Instant;

use super::message::{Received, SentTerms};
use crate::{
    fleet::{FleetReason, Kind, Parcel},
    http::{
        answer::{Answer, lets_again},
        body::BodySource,
        judge::{AtHead, Brought},
        policy::follower_head,
        requester::Requester,
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

/// Takes what another process came to, if it is for this caller, which has waited since then.
pub(super) fn take<RB, E>(requester: &Requester, parcel: Parcel, since: Instant, tried_again: bool) -> Taken<RB, E>
where
    RB: Body<Data = Bytes> + Send + 'static,
    RB::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let waited = since.elapsed();
    if parcel.kind == Kind::Again {
        let Ok(terms) = SentTerms::decode(&parcel.payload) else { return Taken::Malformed };
        return match asks_again(requester, &terms, waited, false) {
            Some(true) if !tried_again => Taken::AskAgain,
            Some(_) => Taken::NotNow,
            None => Taken::Declined(FleetReason::NotShareable),
        };
    }
    let Ok(Received { terms, mut head, content, trailers }) = Received::decode(parcel.payload) else {
        return Taken::Malformed;
    };
    match asks_again(requester, &terms, waited, true) {
        // S9, S20.
        None => return Taken::Declined(FleetReason::NotShareable),
        Some(true) if !tried_again => return Taken::AskAgain,
        Some(_) => {}
    }
    follower_head(&mut head, &requester.coalescer.config.policy.dropped);
    let source = BodySource::<RB>::whole(content.clone(), trailers.clone());
    let mut said = AtHead::of(requester, &head, &source, |_| true);
    if !content.is_empty() {
        said.correct(requester, Brought::Data(&content));
    }
    said.correct(requester, trailers.as_ref().map_or(Brought::End, Brought::Trailers));
    if said.verdict.share.is_err() {
        return Taken::Declined(FleetReason::NotShareable);
    }
    let audience = requester.judge(said.verdict, head.status, said.has_length, Some(since));
    let source = requester.source(source.announced(said.announced));
    Taken::Answer(Box::new(Answer { result: Ok((head, source)), audience }))
}

/// Returns whether a caller that has waited so long may ask once more; `None` if it does not agree with the leader in what the
/// answer depends on.
fn asks_again(requester: &Requester, terms: &SentTerms, waited: Duration, shared: bool) -> Option<bool> {
    let fleet = requester.coalescer.config.fleet.fleet()?;
    let agrees = terms.agree(&requester.key, |parts| fleet.domain().compared(parts));
    agrees.then(|| lets_again(terms.again(), terms.took(), waited, shared))
}
