//! What is known of a caller when its answer is judged, and the verdict on that.

use std::sync::Arc;

use http::{HeaderName, response};
use tokio::time::Instant;

use super::{
    body::BodySource,
    key::HttpKey,
    landed::{Sharing, Terms},
    policy::{Again, Answer, Asked, Verdict},
    rule::Rule,
    shared::{Place, Shared},
    unshareable::Evidence,
};

/// What is known of a caller when its answer is judged.
pub(super) struct Asker {
    pub(super) shared: Arc<Shared>,
    pub(super) place: Place,
    pub(super) key: HttpKey,
    pub(super) asked: Asked,
    /// It is a unary gRPC call: its answer is judged at its first message or its trailers (S28).
    pub(super) unary: bool,
    /// It waited for an answer that it might not have (D3).
    pub(super) released: bool,
}

impl Asker {
    /// Returns the policy's verdict on the head of an answer.
    pub(super) fn verdict(&self, head: &response::Parts, has_length: bool) -> Verdict {
        self.shared.config.policy.verdict(self.asked, Answer { head, has_length })
    }

    /// Returns the claim to a body, as the layer was told to keep it.
    pub(super) fn source<RB>(&self, body: BodySource<RB>) -> BodySource<RB> {
        let config = &self.shared.config;
        body.window(config.window).stall(config.stall).spill(config.spill.clone())
    }

    /// Judges an error of the wrapped service.
    pub(super) fn judge_error(&self, began: Option<Instant>) -> Sharing {
        let verdict = self.shared.config.policy.verdict_on_error(self.asked);
        self.sharing(verdict, true, began)
    }

    /// Makes the terms of an answer for its followers of the verdict on it; keeps the memory of unshareable keys.
    pub(super) fn judge(
        &self,
        verdict: Verdict,
        head: &response::Parts,
        has_length: bool,
        began: Option<Instant>,
    ) -> Sharing {
        let Self { key, shared, .. } = self;
        let config = &shared.config;
        let unshareable = shared.group(self.place).unshareable();
        match verdict.share {
            Ok(()) => unshareable.clear(key),
            // A failing or overloaded origin is no reason to send it the next burst (D4), and what one caller brought
            // says nothing of others.
            Err(Rule::S28Deadline | Rule::S30Http10) => {}
            Err(_) if head.status.is_server_error() || matches!(head.status.as_u16(), 408 | 425 | 429) => {}
            // A session is handed out to who has none: that says more of the caller than of the page.
            Err(Rule::S7Personal) if self.released => unshareable.remember(key, config.remember, Evidence::Weak),
            Err(_) if self.released => unshareable.remember(key, config.remember, Evidence::Strong),
            Err(_) => {}
        }
        self.sharing(verdict, has_length, began)
    }

    fn sharing(&self, verdict: Verdict, has_length: bool, began: Option<Instant>) -> Sharing {
        let Verdict { share, mut names, again } = verdict;
        // As with most answers, there is nothing to compare.
        if names.is_empty() && again == Again::Never {
            return Sharing { rule: share.err(), has_length, terms: None };
        }
        names.retain(|name: &HeaderName| !self.shared.config.recipe.covers(name));
        let compared = !names.is_empty() || again != Again::Never;
        let terms = compared.then(|| {
            let answered = Instant::now();
            let began = began.unwrap_or(answered);
            Arc::new(Terms { names, leader: self.key.clone(), again, began, answered })
        });
        Sharing { rule: share.err(), has_length, terms }
    }
}
