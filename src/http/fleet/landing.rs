//! What other processes are told of an answer: made only if one of them follows (F4).

use std::{error::Error, future::poll_fn, sync::Arc};

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body::Body;
use tokio::time::Instant;

use super::message::{Head, SentTerms};
use crate::{
    fleet::{Kind, Landing, Message},
    http::{
        answer::Answer,
        body::{Gather, Gathered},
        grpc_web::{self, Trailers},
        policy::{Again, Policy, follower_head, is_event_stream},
        requester::Requester,
        rule::Rule,
    },
};

/// Lands the flight in the engine, if its answer is for others: a task reads the body to its end, beside its readers in
/// this process.
pub(super) fn land<RB, E>(landing: Landing, requester: &Requester, answer: &Answer<RB, E>)
where
    RB: Body<Data = Bytes> + Send + 'static,
    RB::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let config = &requester.coalescer.config;
    let Some(fleet) = config.fleet.fleet() else { return };
    let audience = &answer.audience;
    // D4: an error of the service's own is no answer that could be sent.
    let Ok((head, source)) = &answer.result else { return landing.refuse(Kind::Failed) };
    let terms = SentTerms::new(audience.terms.as_deref(), |parts| fleet.domain().compared(parts));
    if let Some(rule) = audience.rule {
        return match kept(rule, head.status, terms.again()) {
            Kind::Again => {
                let payload = terms.encode();
                landing.land(async move { Message { kind: Kind::Again, payload } })
            }
            kind => landing.refuse(kind),
        };
    }
    // S29: it has no end to wait for.
    if is_event_stream(&head.headers) {
        return landing.refuse(Kind::TooLarge);
    }
    // What the leader's own layer would take out for its followers (S17, S19); extensions go nowhere.
    let (mut sent, ()) = Response::new(()).into_parts();
    (sent.status, sent.version, sent.headers) = (head.status, head.version, head.headers.clone());
    follower_head(&mut sent, &config.policy.dropped);
    let (status, config) = (sent.status, Arc::clone(config));
    let is_web = grpc_web::is_type_of(&sent.headers);
    let head = Head::new(terms, sent);
    let answered = audience.terms.as_ref().map_or_else(Instant::now, |terms| terms.answered);
    let mut gather = Gather::beside(source, fleet.settings().max_message);
    landing.land(async move {
        match poll_fn(|cx| gather.poll(cx)).await {
            // S7: the readers of this process have the trailers, announced or not. Other processes have waited for the whole
            // answer, and get nothing of it.
            Gathered::Whole(_, Some(trailers)) if config.policy.hands_out(&trailers) => personal(status),
            Gathered::Whole(pieces, _) if is_web && hands_out_within(&config.policy, &pieces) => personal(status),
            Gathered::Whole(pieces, trailers) => match head.encode(&pieces, trailers, answered.elapsed()) {
                Ok(payload) => Message::shared(payload),
                Err(_) => Message::bare(Kind::Failed),
            },
            Gathered::TooLarge => Message::bare(Kind::TooLarge),
            // S16: one of those who wait takes over, with its own request.
            Gathered::Failed => Message::bare(Kind::Abandoned),
        }
    });
}

/// Returns what others are told of an answer whose trailers are for its leader alone.
fn personal(status: StatusCode) -> Message {
    Message::bare(kept(Rule::S7Personal, status, Again::Never))
}

/// Returns whether trailers that come within the content, behind the message (gRPC-Web), are for one caller.
fn hands_out_within(policy: &Policy, pieces: &[Bytes]) -> bool {
    match grpc_web::behind_messages(&pieces.concat()) {
        Some(Trailers::Read(trailers)) => policy.hands_out(&trailers),
        Some(Trailers::Unread) => true,
        None => false,
    }
}

/// Says what others are told of an answer that a rule keeps for its caller.
fn kept(rule: Rule, status: StatusCode, again: Again) -> Kind {
    if again != Again::Never {
        return Kind::Again;
    }
    match rule {
        Rule::LargeBody => Kind::TooLarge,
        // What one request brought on itself, and a failing or overloaded origin, say nothing of the next call (D3, D4).
        Rule::S28Deadline | Rule::S30Http10 => Kind::Failed,
        _ if status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429) => Kind::Failed,
        _ => Kind::NotShareable,
    }
}
