//! Why two requests would share a flight, or would not: decided as for a call, but nothing is done.

mod asked;
mod remedy;
mod response;
mod shown;
mod side;

use std::fmt;

use http::{HeaderName, response::Parts};
use tokio::time::Instant;

pub(super) use self::side::Side;
pub use self::{asked::Asked, response::ResponseExplanation};
use self::{
    response::Judged,
    shown::{Names, Shown, name},
};
use super::{
    answer::{Step, Tried},
    coalescer::WhichGroup,
    key::Difference,
    rule::Rule,
};

/// How many differences are printed: clients make as many of them as they like.
const MOST_DIFFERENCES: usize = 32;

/// Why two requests would share a flight, or would not; made by
/// [`HttpSingleflightLayer::explain`](crate::HttpSingleflightLayer::explain).
///
/// The first request leads, and the second one comes while its flight is under way.
///
/// It prints some lines for a terminal: the rule that sends a request alone, if one does, with what would let it share;
/// the parts in which the keys differ; and what may keep the two apart all the same. Names are printed, and no values, until
/// [`reveal`](Self::reveal) asks for them.
#[must_use]
pub struct Explanation {
    first: Side,
    second: Side,
    differences: Vec<Difference>,
    /// Fields in which the two differ, and which are in neither key.
    besides: Vec<HeaderName>,
    /// The answer to the first one, and what the second one would do with it.
    answer: Option<(Judged, Step)>,
    revealed: bool,
}

impl Explanation {
    pub(super) fn of(first: Side, second: Side) -> Self {
        let (mut differences, mut besides) = (Vec::new(), Vec::new());
        if first.place != second.place {
            differences.push(Difference::Group);
        }
        if let (Some(a), Some(b)) = (first.key(), second.key()) {
            differences.extend(a.differences(b));
            besides = a.differing_besides(b);
        }
        Self { first, second, differences, besides, answer: None, revealed: false }
    }

    /// Assumes that the first request is answered with this head, and says whether the second one would have that
    /// answer. The length of the body is what `Content-Length` says.
    ///
    /// # Examples
    ///
    /// ```
    /// use http::{Request, Response, header};
    /// use tower_singleflight::HttpSingleflightLayer;
    ///
    /// let parts = |agent| Request::get("/").header("user-agent", agent).body(()).unwrap().into_parts().0;
    /// let answer = |vary| Response::builder().header("vary", vary).body(()).unwrap().into_parts().0;
    /// let explain = || HttpSingleflightLayer::new().explain(&parts("curl"), &parts("wget"));
    /// assert!(explain().would_share());
    /// assert!(explain().answered(&answer("accept")).would_share());
    /// let apart = explain().answered(&answer("user-agent"));
    /// assert!(!apart.would_share());
    /// assert_eq!(apart.regrouped_by(), [header::USER_AGENT]);
    /// ```
    pub fn answered(mut self, head: &Parts) -> Self {
        if let (Some(first), Some(second)) = (&self.first.requester, &self.second.requester) {
            let joined = Instant::now();
            let judged = Judged::of(first, head);
            let step = judged.audience.step(&second.key, second.facts.http10, joined, Tried::default());
            self.answer = Some((judged, step));
        }
        self
    }

    /// Returns whether the second request would join the flight that the first one leads, if it comes before the head of
    /// its answer and no limit is reached; and whether it would have the answer, if there [is one](Self::answered).
    pub fn would_share(&self) -> bool {
        let takes = self.answer.as_ref().is_none_or(|(_, step)| matches!(step, Step::Take));
        takes && self.rules() == [None, None] && self.differences.is_empty()
    }

    /// Returns the rules that keep the first and the second request from sharing, whatever the other one asks for: what
    /// [`Coalesced`](crate::http::Coalesced) would say of each.
    ///
    /// A reload leads a flight that others join, and joins none that is under way, but waits for the next run with others that
    /// reload: only the second has `S13Reload`.
    pub fn rules(&self) -> [Option<Rule>; 2] {
        let (leaders, followers) = match &self.answer {
            Some((judged, Step::Alone(rule))) => (judged.audience.rule, Some(*rule)),
            Some((judged, Step::Regroup(_))) => (judged.audience.rule, Some(Rule::S9Vary)),
            Some((judged, Step::Again)) => (judged.audience.rule, judged.audience.rule),
            Some((_, Step::Take)) | None => (None, None),
        };
        [self.first.alone().or(leaders), self.second.joins_none().or(followers)]
    }

    /// Returns in which parts the keys of the two differ. Where a rule sends one of them alone, it is the key that it
    /// would have without the rule; if it would have none even then, no difference is found.
    pub fn differences(&self) -> &[Difference] {
        &self.differences
    }

    /// Returns the fields by which the [answer](Self::answered) tells the two requests apart, though their keys do not:
    /// the second one asks again among those that agree with it (S9).
    pub fn regrouped_by(&self) -> Vec<HeaderName> {
        let (Some(a), Some(b), Some((judged, Step::Regroup(_)))) = (self.first.key(), self.second.key(), &self.answer)
        else {
            return Vec::new();
        };
        judged.compared().iter().filter(|name| !a.agrees(b, std::slice::from_ref(*name))).cloned().collect()
    }

    /// Returns whether the second request asks once more for itself in place of having the [answer](Self::answered), which
    /// may be due to the first one's own request (D9).
    pub fn asks_again(&self) -> bool {
        matches!(self.answer, Some((_, Step::Again)))
    }

    /// Lets values be printed too: those in which the keys differ, even credentials. They are cut, and what does not
    /// belong on a terminal is escaped.
    ///
    /// # Examples
    ///
    /// ```
    /// use http::Request;
    /// use tower_singleflight::HttpSingleflightLayer;
    ///
    /// let parts = |tenant| Request::get("/").header("x-tenant", tenant).body(()).unwrap().into_parts().0;
    /// let explain = || HttpSingleflightLayer::new().explain(&parts("red"), &parts("blue"));
    /// assert!(explain().to_string().contains("x-tenant") && !explain().to_string().contains("red"));
    /// assert!(explain().reveal().to_string().contains("red"));
    /// ```
    pub fn reveal(mut self) -> Self {
        self.revealed = true;
        self
    }

    fn write_difference(&self, difference: &Difference, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "  {}", name(difference))?;
        let (Some(a), Some(b)) = (self.first.key(), self.second.key()) else { return writeln!(f) };
        let [a, b] = [a, b].map(|key| key.values(difference));
        match (a.is_empty(), b.is_empty()) {
            (true, true) => writeln!(f),
            (false, false) if self.revealed => writeln!(f, ": {} | {}", Shown(&a), Shown(&b)),
            (false, true) if self.revealed => writeln!(f, ": only the first has it, {}", Shown(&a)),
            (true, false) if self.revealed => writeln!(f, ": only the second has it, {}", Shown(&b)),
            (false, false) => writeln!(f),
            (false, true) => writeln!(f, ": only the first has it"),
            (true, false) => writeln!(f, ": only the second has it"),
        }
    }

    /// Writes what became of the answer.
    fn write_answer(&self, judged: &Judged, step: &Step, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match step {
            Step::Take | Step::Alone(_) => {}
            Step::Again => {
                writeln!(f, "The second asks once more for itself: the answer may be due to the first (D9).")?
            }
            Step::Regroup(_) => {
                let names = self.regrouped_by();
                writeln!(f, "The second asks again, among those that agree with it in {}.", Names(&names))?;
            }
        }
        if judged.is_open() {
            writeln!(f, "The rest of the verdict lies in the first message of the answer, or its trailers (S28).")?;
        }
        Ok(())
    }

    /// Writes what may keep the two apart all the same.
    fn write_conditions(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.would_share() {
            write!(f, "They meet only if the second comes before the head of the first's answer")?;
            match self.first.join_window {
                Some(window) => writeln!(f, ", and within {window:?} of the first's call (`join_window`).")?,
                None => writeln!(f, ".")?,
            }
        }
        if self.answer.is_none() && !self.besides.is_empty() {
            writeln!(f, "They differ in what does not count, too: {}.", Names(&self.besides))?;
            writeln!(f, "  An answer whose `Vary` names one of these is not for both (S9).")?;
        }
        for (side, which) in [(&self.first, "first"), (&self.second, "second")] {
            if side.is_http10() {
                writeln!(f, "The {which} speaks HTTP/1.0: only an answer of known length is shared with it (S30).")?;
            }
        }
        if (self.first.place, self.second.place) == (WhichGroup::Own, WhichGroup::Own) {
            writeln!(
                f,
                "Neither shows the URI it was asked for: they share within one `layer()` call only, or a `group(..)`."
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let not = if self.would_share() { "" } else { " not" };
        writeln!(f, "The two requests would{not} share.")?;
        let [first, second] = self.rules();
        if let Some(rule) = first {
            let done = if self.first.alone().is_some() { "The first goes alone" } else { "The first keeps its answer" };
            remedy::write(done, rule, f)?;
        }
        // What is said of the answer once need not be said again.
        if let Some(rule) = second.filter(|rule| self.second.joins_none().is_some() || first != Some(*rule)) {
            let alone = self.second.alone().is_some();
            remedy::write(if alone { "The second goes alone" } else { "The second does not share" }, rule, f)?;
        }
        if !self.differences.is_empty() {
            writeln!(f, "They differ, where it counts, in:")?;
        }
        for difference in self.differences.iter().take(MOST_DIFFERENCES) {
            self.write_difference(difference, f)?;
        }
        if let more @ 1.. = self.differences.len().saturating_sub(MOST_DIFFERENCES) {
            writeln!(f, "  and {more} more")?;
        }
        if let Some((judged, step)) = &self.answer {
            self.write_answer(judged, step, f)?;
        }
        self.write_conditions(f)
    }
}

/// Prints no values, revealed or not.
impl fmt::Debug for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Explanation")
            .field("would_share", &self.would_share())
            .field("rules", &self.rules())
            .field("differences", &self.differences)
            .finish_non_exhaustive()
    }
}
