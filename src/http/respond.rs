//! A caller's own response, of what its flight or its own call came to.

use std::task::Poll;

use http::Response;

use super::{
    answer::Answer,
    body::SharedBody,
    coalescer::Coalescer,
    policy::Forwarded,
    rule::{Coalesced, Rule},
    watch::HttpWatch,
};
use crate::{Outcome, rare::Rare};

/// Makes a caller's own response of what its flight, or its own call, came to. Inlined, since an answer is large: a
/// call moved it twice more, for 58 instructions.
#[inline(always)]
pub(super) fn respond<RB, E>(
    mut outcome: Outcome<Answer<RB, E>>,
    rule: Option<Rule>,
    forwarded: Forwarded,
    coalescer: &Coalescer,
    watch: &mut Rare<HttpWatch>,
) -> Poll<Result<Response<SharedBody<RB>>, E>> {
    let role = outcome.role;
    if watch.is_some() {
        HttpWatch::answered(watch, role, outcome.callers);
    }
    coalescer.inspected(role, outcome.callers);
    if let Ok((head, _)) = &mut outcome.value.result {
        coalescer.head(head, Coalesced::new(role, rule, outcome.value.audience.fleet), forwarded);
    }
    Poll::Ready(match outcome.value.result {
        Ok((head, body)) => Ok(Response::from_parts(head, body.into_reader())),
        Err(error) => Err(error),
    })
}
