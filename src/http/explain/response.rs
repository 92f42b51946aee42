//! With whom an answer would be shared.

use std::{
    convert::Infallible,
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderName, response};
use http_body::{Body, Frame};

use super::{remedy, side::Side};
use crate::http::{
    answer::Audience,
    judge::{AtHead, Until},
    policy::Again,
    requester::Requester,
    rule::Rule,
};

/// With whom an answer would be shared; made by
/// [`HttpSingleflightLayer::explain_response`](crate::HttpSingleflightLayer::explain_response).
///
/// It prints some lines for a terminal, and no values.
#[must_use]
pub struct ResponseExplanation {
    /// The rule that sends the request alone.
    request: Option<Rule>,
    /// `None`: the request can have no key, and nobody asks about its answer.
    judged: Option<Judged>,
}

/// An answer as its head has it.
pub(super) struct Judged {
    pub(super) audience: Audience,
    /// The fields in which followers are compared with the leader, less those in the key.
    compared: Vec<HeaderName>,
    again: Again,
    /// The rest of the verdict lies in the body.
    until: Until,
}

/// A body of which nothing is known but what the head says.
struct Unseen;

impl Body for Unseen {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(None)
    }
}

impl Judged {
    /// Judges the answer to a caller as if others waited for it, and remembers nothing.
    pub(super) fn of(requester: &Requester, head: &response::Parts) -> Self {
        let AtHead { verdict, has_length, until, .. } = AtHead::of(requester, head, &Unseen, |_| true);
        let again = verdict.again;
        let mut audience = requester.audience(verdict, has_length, None);
        // Not if all of the body is there with its first frame, which is not known here.
        if let Until::Whole(_) = until {
            audience.rule = Some(Rule::LargeBody);
        }
        let compared = audience.terms.as_ref().map(|terms| terms.names.clone()).unwrap_or_default();
        Self { audience, compared, again, until }
    }

    pub(super) fn compared(&self) -> &[HeaderName] {
        &self.compared
    }

    pub(super) fn is_open(&self) -> bool {
        self.until == Until::Message
    }
}

impl ResponseExplanation {
    pub(in crate::http) fn of(side: &Side, head: &response::Parts) -> Self {
        let judged = side.requester.as_ref().map(|requester| Judged::of(requester, head));
        Self { request: side.alone(), judged }
    }

    /// Returns whether followers would have the answer, or those of them that agree with the leader in the fields that are
    /// [compared](Self::compared).
    pub fn would_be_shared(&self) -> bool {
        self.rules() == [None, None]
    }

    /// Returns the rule that sends the request alone, and the one that keeps its answer from others.
    pub fn rules(&self) -> [Option<Rule>; 2] {
        [self.request, self.judged.as_ref().and_then(|judged| judged.audience.rule)]
    }

    /// Returns the request fields in which followers are compared with the leader: those that `Vary` names, and what
    /// else the answer depends on (S5, S9, S20), less those that are in the key. A follower that differs in one of them
    /// asks again, among those that agree with it.
    pub fn compared(&self) -> &[HeaderName] {
        self.judged.as_ref().map_or(&[], Judged::compared)
    }
}

impl fmt::Display for ResponseExplanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [request, response] = self.rules();
        let shared = if self.would_be_shared() { "would be shared" } else { "would not be shared" };
        writeln!(f, "The answer {shared}.")?;
        if let Some(rule) = request {
            remedy::write("The request goes alone", rule, f)?;
        }
        if let Some(rule) = response {
            remedy::write("The answer stays with its leader", rule, f)?;
        }
        let Some(judged) = &self.judged else { return Ok(()) };
        if !judged.compared.is_empty() {
            writeln!(f, "Followers are compared with the leader in:")?;
            judged.compared.iter().try_for_each(|name| writeln!(f, "  field {name}"))?;
        }
        match judged.again {
            Again::Never => {}
            Again::Always => writeln!(f, "Followers ask once more among themselves before they go alone (D9).")?,
            Again::IfLate => writeln!(f, "Followers who came late ask once more among themselves (D9).")?,
        }
        if judged.is_open() {
            writeln!(f, "The rest of the verdict lies in its first message or its trailers (S28).")?;
        }
        Ok(())
    }
}

impl fmt::Debug for ResponseExplanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseExplanation")
            .field("rules", &self.rules())
            .field("compared", &self.compared())
            .finish_non_exhaustive()
    }
}
