//! What is known of a caller when its answer is judged, and the verdict on that.

use std::sync::Arc;

use http::{HeaderName, StatusCode, response};
use tokio::time::Instant;

use super::{
    answer::{Answer, Audience, JudgedBody, Terms},
    body::BodySource,
    coalescer::{Coalescer, WhichGroup},
    group::HttpGroup,
    key::HttpKey,
    membership::{FleetPart, Wish},
    policy::{Again, AnswerHead, RequestFacts, Verdict},
    rule::Rule,
    storm::ReadUnderWay,
    unshareable::Evidence,
};

/// What is known of a caller when its answer is judged.
#[derive(Clone)]
pub(super) struct Requester {
    pub(super) coalescer: Arc<Coalescer>,
    pub(super) place: WhichGroup,
    pub(super) key: HttpKey,
    pub(super) facts: RequestFacts,
    /// It is a unary gRPC call: its answer is judged at its first message or its trailers (S28).
    pub(super) unary: bool,
    /// Whether it asks the fleet.
    pub(super) fleet: Wish,
    /// The request was marked as one that has passed.
    pub(super) marked: bool,
    /// It has waited for an answer that it may not have (D3).
    pub(super) released: bool,
    /// `Some` if what it asks for was ever written to (S21).
    #[expect(dead_code, reason = "it is counted until the requester is dropped")]
    pub(super) read: Option<Arc<ReadUnderWay>>,
}

impl Requester {
    #[inline]
    pub(super) fn group(&self) -> &HttpGroup {
        self.coalescer.group(self.place)
    }

    /// Returns the policy's verdict on the head of an answer.
    #[inline]
    pub(super) fn verdict(&self, head: &response::Parts, has_length: bool) -> Verdict {
        self.coalescer.config.policy.verdict(self.facts, AnswerHead { head, has_length })
    }

    /// Returns the rule by which this caller's own layer keeps an answer from it that its leader's layer shares.
    #[inline]
    pub(super) fn declines<RB, E>(&self, answer: &Answer<RB, E>) -> Option<Rule> {
        if !self.group().layers().differ() {
            return None;
        }
        self.judge_all_again(answer)
    }

    #[cold]
    fn judge_all_again<RB, E>(&self, Answer { result, audience }: &Answer<RB, E>) -> Option<Rule> {
        // This layer came later. The terms lack what the leader's keys hold, and this layer's keys may lack it too
        // (S9).
        if audience.alike && !self.group().layers().is_first(&self.coalescer.config) {
            return Some(Rule::S9Vary);
        }
        let is_large =
            |body: &BodySource<RB>| body.length().is_some_and(|length| self.coalescer.config.is_large(length));
        if !audience.whole && result.as_ref().is_ok_and(|(_, body)| is_large(body)) {
            return Some(Rule::LargeBody);
        }
        let head = result.as_ref().ok().map(|(head, _)| head);
        let body = audience.terms.as_ref().and_then(|terms| terms.body.as_ref()).filter(|_| self.unary);
        self.judge_again(head, audience.has_length).or_else(|| self.judge_body_again(body?))
    }

    /// Judges again what a body has brought beside the head.
    fn judge_body_again(&self, body: &JudgedBody) -> Option<Rule> {
        let (policy, facts) = (&self.coalescer.config.policy, self.facts.of_one_who_waited());
        match body {
            JudgedBody::Trailers(trailers) => policy.verdict_on_trailers(facts, trailers)?.rule,
            JudgedBody::Failed => policy.verdict_on_error(facts).share.err(),
        }
    }

    /// Judges the head of an answer again, by this caller's own layer; `None` stands for the head of an error.
    #[cold]
    pub(super) fn judge_again(&self, head: Option<&response::Parts>, has_length: bool) -> Option<Rule> {
        // S28: its own deadline was not the leader's.
        let (policy, facts) = (&self.coalescer.config.policy, self.facts.of_one_who_waited());
        let verdict = match head {
            Some(head) => policy.verdict(facts, AnswerHead { head, has_length }),
            None => policy.verdict_on_error(facts),
        };
        verdict.share.err()
    }

    /// Returns the claim to a body, with the layer's settings for bodies.
    #[inline(always)]
    pub(super) fn source<RB>(&self, body: BodySource<RB>) -> BodySource<RB> {
        body.settings(Arc::clone(self.coalescer.body_settings()))
    }

    /// Judges an error of the wrapped service.
    pub(super) fn judge_error(&self, began: Option<Instant>) -> Audience {
        let verdict = self.coalescer.config.policy.verdict_on_error(self.facts);
        self.audience(verdict, true, began)
    }

    /// Turns the verdict on an answer into the terms for its followers. Remembers the key of an answer that could not
    /// be shared, and forgets that of one that could (D3).
    #[inline]
    pub(super) fn judge(
        &self,
        verdict: Verdict,
        status: StatusCode,
        has_length: bool,
        began: Option<Instant>,
    ) -> Audience {
        let Self { key, coalescer, .. } = self;
        let config = &coalescer.config;
        let unshareable = self.group().unshareable();
        match verdict.share {
            Ok(()) => unshareable.clear(key),
            Err(_) if !self.released => {}
            // A failing or overloaded origin is no reason to send it the next burst (D4), and what one caller brought
            // says nothing of others.
            Err(Rule::S28Deadline | Rule::S30Http10) => {}
            Err(_) if verdict.fails || status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429 | 499) => {
            }
            Err(rule) => {
                // A server hands a session to a caller that has none, and a refusal may be due to one request (D9): both say
                // more of the caller than of the page.
                let is_weak = rule == Rule::S7Personal || verdict.again == Again::Always;
                let evidence = if is_weak { Evidence::Weak } else { Evidence::Strong };
                unshareable.remember(key, config.remember, evidence);
            }
        }
        self.audience(verdict, has_length, began)
    }

    /// Turns a verdict into the same terms, and remembers nothing.
    #[inline]
    pub(super) fn audience(&self, verdict: Verdict, has_length: bool, began: Option<Instant>) -> Audience {
        let Verdict { share, mut names, again, .. } = verdict;
        let (rule, fleet, alike) = (share.err(), FleetPart::default(), !self.group().layers().differ());
        // As with most answers, there is nothing to compare.
        if names.is_empty() && again == Again::Never {
            return Audience { rule, has_length, alike, whole: false, fleet, terms: None };
        }
        // Only where all layers are alike: another layer may leave out of its keys what is in this one.
        if alike {
            names.retain(|name: &HeaderName| !self.coalescer.config.recipe.covers(name));
        }
        let compared = !names.is_empty() || again != Again::Never;
        let terms = compared.then(|| Arc::new(self.terms(names, again, began)));
        Audience { rule, has_length, alike, whole: false, fleet, terms }
    }

    fn terms(&self, names: Vec<HeaderName>, again: Again, began: Option<Instant>) -> Terms {
        let answered = Instant::now();
        Terms { names, leader: self.key.clone(), again, began: began.unwrap_or(answered), answered, body: None }
    }

    /// Keeps what a verdict was made of beside the head, for the layers of followers.
    pub(super) fn keep_body(&self, audience: &mut Audience, body: JudgedBody, began: Option<Instant>) {
        let terms = audience.terms.get_or_insert_with(|| Arc::new(self.terms(Vec::new(), Again::Never, began)));
        Arc::make_mut(terms).body = Some(body);
    }
}
