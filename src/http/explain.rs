//! Why two requests would share a flight, or would not: the same decisions as for a call, and nothing is done.

mod asked;
mod remedy;
mod shown;
mod side;

use std::fmt;

pub use self::asked::Asked;
use self::{
    shown::{Shown, name},
    side::Side,
};
use super::{key::Difference, plan::Plan, rule::Rule};

/// Why two requests would share a flight, or would not; made by
/// [`HttpSingleflightLayer::explain`](crate::HttpSingleflightLayer::explain).
///
/// It prints some lines for a terminal: the rule that sends a request alone, if one does, with what would let it share,
/// and the parts in which the keys differ. Names are printed, and no values, until [`reveal`](Self::reveal) asks for them.
#[must_use]
pub struct Explanation {
    first: Side,
    second: Side,
    differences: Vec<Difference>,
    revealed: bool,
}

impl Explanation {
    pub(super) fn of(first: Side, second: Side) -> Self {
        let mut differences = Vec::new();
        if first.place != second.place {
            differences.push(Difference::Group);
        }
        if let (Some(a), Some(b)) = (&first.key, &second.key) {
            differences.extend(a.differences(b));
        }
        Self { first, second, differences, revealed: false }
    }

    /// Returns whether the second request would join the flight that the first one leads, if it comes before the head of
    /// its answer and no limit is reached.
    pub fn would_share(&self) -> bool {
        self.rules() == [None, None] && self.differences.is_empty()
    }

    /// Returns the rules that keep the first and the second request from sharing, whatever the other one asks for; it is
    /// what [`Coalesced`](crate::http::Coalesced) would say.
    ///
    /// A reload leads a flight that others join, and joins none: only the second has `S13Reload`.
    pub fn rules(&self) -> [Option<Rule>; 2] {
        let joins = match self.second.plan {
            Ok(Plan::Lead) => Some(Rule::S13Reload),
            _ => self.second.alone(),
        };
        [self.first.alone(), joins]
    }

    /// Returns in which parts the keys of the two differ. Where a rule sends one of them alone, it is the key that it
    /// would have without the rule; if it has none then either, nothing is found.
    pub fn differences(&self) -> &[Difference] {
        &self.differences
    }

    /// Lets values be printed too: those in which the keys differ, credentials among them. They are cut, and what does not
    /// belong on a terminal is escaped.
    pub fn reveal(mut self) -> Self {
        self.revealed = true;
        self
    }

    fn difference(&self, difference: &Difference, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "  {}", name(difference))?;
        let (Some(a), Some(b)) = (&self.first.key, &self.second.key) else { return writeln!(f) };
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
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shares =
            if self.would_share() { "The two requests would share." } else { "The two requests would not share." };
        writeln!(f, "{shares}")?;
        for (which, rule) in ["first", "second"].into_iter().zip(self.rules()) {
            let Some(rule) = rule else { continue };
            writeln!(f, "The {which} goes alone, by {rule}. {}", rule.sentence())?;
            let (look_at, remedy) = remedy::of(rule);
            writeln!(f, "  Look at {look_at}.")?;
            if let Some(remedy) = remedy {
                writeln!(f, "  To share all the same: {remedy}.")?;
            }
        }
        if !self.differences.is_empty() {
            writeln!(f, "They differ in:")?;
        }
        self.differences.iter().try_for_each(|difference| self.difference(difference, f))
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
