//! Which inputs explain that answers differ: a set operation over the pairs that were compared.

use std::collections::{BTreeMap, VecDeque};

use super::inputs::Input;

/// How many pairs are kept of a route, of each kind: those whose answers are the same, and those whose differ.
pub(super) const PAIRS: usize = 32;

/// The pairs of a route that were compared last.
#[derive(Clone, Debug, Default)]
pub(super) struct Pairs {
    same: VecDeque<Vec<Input>>,
    different: VecDeque<Vec<Input>>,
}

/// An input that explains why answers differ that one key would have made one.
#[derive(Clone, Debug)]
pub struct Cause {
    input: Input,
    different: (usize, usize),
    same: (usize, usize),
}

/// What the pairs of a route say.
#[derive(Clone, Debug, Default)]
pub(super) struct Explained {
    /// The best explanation first; empty: what a request shows explains nothing.
    pub(super) causes: Vec<Cause>,
    /// Inputs that may matter too, which cannot be told: answers differ whatever they are.
    pub(super) suspects: Vec<Input>,
}

impl Cause {
    /// Returns what differs.
    pub fn input(&self) -> &Input {
        &self.input
    }

    /// Returns in how many pairs of requests whose answers differ it differs too, and how many such pairs were looked at.
    pub fn different(&self) -> (usize, usize) {
        self.different
    }

    /// Returns in how many pairs of requests whose answers are the same it differs, and how many such pairs were looked at.
    pub fn same(&self) -> (usize, usize) {
        self.same
    }

    /// Returns whether answers differ exactly where it differs.
    pub fn is_exact(&self) -> bool {
        self.different.0 == self.different.1 && self.same.0 == 0
    }

    /// How much more often it differs where answers do: from -1 to 1.
    fn weight(&self) -> f64 {
        let share = |(some, all): (usize, usize)| if all == 0 { 0.0 } else { some as f64 / all as f64 };
        share(self.different) - share(self.same)
    }
}

impl Pairs {
    /// Notes a pair; the oldest of its kind leaves.
    pub(super) fn note(&mut self, unequal: Vec<Input>, is_same: bool) {
        let pairs = if is_same { &mut self.same } else { &mut self.different };
        if pairs.len() >= PAIRS {
            pairs.pop_front();
        }
        pairs.push_back(unequal);
    }

    /// Returns how many pairs differ in the answer, and in no input but what names one call.
    fn bare(&self) -> usize {
        self.different.iter().filter(|pair| pair.iter().all(Input::is_of_one_call)).count()
    }

    /// Finds the inputs that explain the answers.
    pub(super) fn explain(&self) -> Explained {
        let mut counts: BTreeMap<&Input, (usize, usize)> = BTreeMap::new();
        for input in self.different.iter().flatten().filter(|input| !input.is_of_one_call()) {
            counts.entry(input).or_default().0 += 1;
        }
        for input in self.same.iter().flatten() {
            if let Some((_, same)) = counts.get_mut(input) {
                *same += 1;
            }
        }
        let cause = |(input, (different, same)): (&Input, (usize, usize))| Cause {
            input: input.clone(),
            different: (different, self.different.len()),
            same: (same, self.same.len()),
        };
        let mut causes: Vec<_> = counts.into_iter().map(cause).collect();
        // The sort is stable: of equals, that comes first whose name does.
        causes.sort_by(|one, other| other.rank().partial_cmp(&one.rank()).unwrap_or(std::cmp::Ordering::Equal));
        // Answers that differ always, also where nothing else does, differ by themselves.
        if self.same.is_empty() && self.bare() > 0 {
            return Explained { causes: Vec::new(), suspects: causes.into_iter().map(|cause| cause.input).collect() };
        }
        // What differs also where answers are the same is no cause if another one explains all.
        let exact = causes.iter().any(Cause::is_exact);
        let explains = |cause: &Cause| if exact { cause.is_exact() } else { cause.weight() >= LEAST };
        let (causes, rest): (Vec<_>, Vec<_>) = causes.into_iter().partition(explains);
        let suspects = if exact { Vec::new() } else { rest.into_iter().map(|cause| cause.input).collect() };
        Explained { causes, suspects }
    }
}

/// From what weight on an input is a cause.
const LEAST: f64 = 0.25;

impl Cause {
    fn rank(&self) -> (bool, f64) {
        (self.same.0 == 0, self.weight())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &str) -> Input {
        Input::field(name)
    }

    fn names(inputs: impl IntoIterator<Item = Input>) -> Vec<String> {
        inputs.into_iter().map(|input| input.name()).collect()
    }

    fn causes(pairs: &Pairs) -> Vec<String> {
        names(pairs.explain().causes.into_iter().map(|cause| cause.input))
    }

    #[test]
    fn what_differs_exactly_where_answers_do_is_the_cause() {
        let mut pairs = Pairs::default();
        pairs.note(vec![field("user-agent"), field("x-tenant")], false);
        pairs.note(vec![field("user-agent")], true);
        pairs.note(vec![field("x-tenant")], false);
        assert_eq!(causes(&pairs), ["x-tenant"]);
        assert!(pairs.explain().causes[0].is_exact());
    }

    #[test]
    fn two_causes_are_both_named() {
        let mut pairs = Pairs::default();
        pairs.note(vec![field("x-plan")], false);
        pairs.note(vec![field("x-tenant")], false);
        pairs.note(vec![], true);
        assert_eq!(causes(&pairs), ["x-plan", "x-tenant"]);
    }

    #[test]
    fn answers_that_differ_by_themselves_blame_nothing_and_name_what_cannot_be_told() {
        let mut pairs = Pairs::default();
        pairs.note(vec![field("user-agent")], false);
        pairs.note(vec![field("traceparent")], false);
        assert_eq!(causes(&pairs), [""; 0]);
        assert_eq!(names(pairs.explain().suspects), ["user-agent"]);
    }

    #[test]
    fn a_trace_is_never_a_cause() {
        let mut pairs = Pairs::default();
        pairs.note(vec![field("traceparent"), field("x-request-id")], false);
        assert!(pairs.explain().causes.is_empty() && pairs.explain().suspects.is_empty());
    }

    #[test]
    fn only_so_many_pairs_are_kept() {
        let mut pairs = Pairs::default();
        (0..1000).for_each(|number| pairs.note(vec![field("x")], number % 2 == 0));
        assert_eq!((pairs.same.len(), pairs.different.len()), (PAIRS, PAIRS));
    }
}
