//! Which inputs explain that answers differ: counts over the pairs of requests that were compared.

use std::{cmp::Ordering, collections::BTreeMap};

use super::inputs::Input;

/// How many inputs are counted on a route: those that differ first.
const INPUTS: usize = 64;

/// The least chi-squared at which an input and the answers count as going together, and not by chance. Not asked where
/// they go together exactly.
const BY_CHANCE: f64 = 20.0;

/// What the pairs of a route say.
#[derive(Clone, Debug, Default)]
pub(super) struct Pairs {
    /// How many there are whose answers differ, and whose answers are the same.
    different: u64,
    same: u64,
    /// In how many of these each input differs.
    inputs: BTreeMap<Input, (u64, u64)>,
}

/// An input that goes together with the answers: it differs where they do.
#[derive(Clone, Debug)]
pub struct Cause {
    input: Input,
    /// Pairs of requests whose answers differ: those that differ in it, and all.
    different: (u64, u64),
    /// Likewise, those whose answers are the same.
    same: (u64, u64),
}

/// What explains the answers of a route.
#[derive(Clone, Debug, Default)]
pub(super) struct Explained {
    /// The best explanation first; empty: what requests show explains nothing.
    pub(super) causes: Vec<Cause>,
    /// Inputs that may matter too; it cannot be told.
    pub(super) suspects: Vec<Input>,
}

impl Cause {
    /// Returns the input.
    pub fn input(&self) -> &Input {
        &self.input
    }

    /// Returns in how many pairs of requests with different answers the input differs too, and how many such pairs were
    /// looked at.
    pub fn different(&self) -> (u64, u64) {
        self.different
    }

    /// Returns in how many pairs of requests with the same answer the input differs all the same, and how many such
    /// pairs were looked at.
    pub fn same(&self) -> (u64, u64) {
        self.same
    }

    /// Returns whether answers differ exactly where the input differs.
    pub fn is_exact(&self) -> bool {
        self.different.0 == self.different.1 && self.same.0 == 0
    }

    /// How much more often it differs where answers do: from -1 to 1.
    fn weight(&self) -> f64 {
        let share = |(some, all): (u64, u64)| if all == 0 { 0.0 } else { some as f64 / all as f64 };
        share(self.different) - share(self.same)
    }

    /// Returns whether it goes together with the answers, and not by chance.
    fn goes_together(&self) -> bool {
        let ((d, different), (c, same)) = (self.different, self.same);
        let [a, b, c, d] = [same - c, different - d, c, d].map(|count| count as f64);
        let sums = (a + b) * (c + d) * (a + c) * (b + d);
        sums > 0.0 && a * d > b * c && (a + b + c + d) * (a * d - b * c).powi(2) / sums >= BY_CHANCE
    }
}

impl Pairs {
    /// Notes a pair that differs in these inputs.
    pub(super) fn note(&mut self, unequal: &[Input], is_same: bool) {
        *(if is_same { &mut self.same } else { &mut self.different }) += 1;
        for input in unequal.iter().filter(|input| !input.is_of_one_call()) {
            if self.inputs.len() < INPUTS || self.inputs.contains_key(input) {
                let (different, same) = self.inputs.entry(input.clone()).or_default();
                *(if is_same { same } else { different }) += 1;
            }
        }
    }

    /// Finds the inputs that explain the answers.
    ///
    /// An input that differs exactly where answers do is the cause, and one that differs elsewhere too is none. If
    /// there is no such input, something else makes answers differ, perhaps by itself; then the causes are the inputs
    /// that go together with the answers more than by chance. Where answers are never the same no input does, since
    /// they differ whatever is asked.
    pub(super) fn explain(&self) -> Explained {
        let cause = |(input, (different, same)): (&Input, &(u64, u64))| Cause {
            input: input.clone(),
            different: (*different, self.different),
            same: (*same, self.same),
        };
        let mut causes: Vec<_> = self.inputs.iter().map(cause).filter(|cause| cause.weight() > 0.0).collect();
        causes.sort_by(|one, other| other.weight().partial_cmp(&one.weight()).unwrap_or(Ordering::Equal));
        let has_exact = causes.iter().any(Cause::is_exact);
        let explains = |cause: &Cause| cause.is_exact() || (!has_exact && cause.goes_together());
        let (causes, rest): (Vec<_>, Vec<_>) = causes.into_iter().partition(explains);
        let suspects = if causes.is_empty() { rest.into_iter().map(|cause| cause.input).collect() } else { Vec::new() };
        Explained { causes, suspects }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(noted: &[(&[&str], bool)]) -> Pairs {
        let mut pairs = Pairs::default();
        for (names, is_same) in noted {
            pairs.note(&names.iter().map(|name| Input::field(name)).collect::<Vec<_>>(), *is_same);
        }
        pairs
    }

    fn explained(pairs: &Pairs) -> [Vec<String>; 2] {
        let Explained { causes, suspects } = pairs.explain();
        let names = |inputs: Vec<Input>| inputs.iter().map(Input::name).collect();
        [names(causes.into_iter().map(|cause| cause.input).collect()), names(suspects)]
    }

    #[test]
    fn what_differs_exactly_where_answers_do_is_the_cause() {
        let pairs = pairs(&[(&["user-agent", "x-tenant"], false), (&["user-agent"], true), (&["x-tenant"], false)]);
        assert_eq!(explained(&pairs), [vec!["x-tenant".to_owned()], vec![]]);
        assert!(pairs.explain().causes[0].is_exact());
    }

    /// The statistic is 17.6 for three pairs of the same answer, and 20.3 for two.
    #[test]
    fn what_may_be_chance_is_no_cause() {
        let noted = |differs: usize| {
            let half = [(&["x-plan"][..], false), (&[], false)].repeat(20);
            let same = (0..40).map(|number| if number < differs { (&["x-plan"][..], true) } else { (&[][..], true) });
            pairs(&half.into_iter().chain(same).collect::<Vec<_>>())
        };
        assert_eq!(explained(&noted(3)), [vec![], vec!["x-plan".to_owned()]]);
        let cause = &noted(2).explain().causes[0];
        assert_eq!((cause.different(), cause.same(), cause.is_exact()), ((20, 40), (2, 40), false));
    }

    #[test]
    fn two_causes_are_both_named_once_there_are_pairs_enough() {
        let mut some = vec![(&["x-plan"][..], false), (&["x-tenant"], false), (&["user-agent"], true), (&[], true)];
        assert_eq!(explained(&pairs(&some)), [vec![], vec!["x-plan".to_owned(), "x-tenant".to_owned()]]);
        some = some.repeat(40);
        assert_eq!(explained(&pairs(&some)), [vec!["x-plan".to_owned(), "x-tenant".to_owned()], vec![]]);
    }

    #[test]
    fn answers_that_always_differ_blame_nothing_and_name_what_cannot_be_told() {
        let noted = [(&["user-agent"][..], false), (&["traceparent"], false)].repeat(100);
        assert_eq!(explained(&pairs(&noted)), [vec![], vec!["user-agent".to_owned()]]);
    }

    #[test]
    fn a_cause_is_found_beside_a_write_now_and_then() {
        let mut noted = [(&["x-tenant"][..], false), (&["user-agent"], true)].repeat(100);
        noted.push((&["user-agent"], false));
        assert_eq!(explained(&pairs(&noted)), [vec!["x-tenant".to_owned()], vec![]]);
    }

    #[test]
    fn a_trace_is_never_a_cause() {
        assert_eq!(
            explained(&pairs(&[(&["traceparent", "x-request-id"], false)])),
            [vec![], vec![]] as [Vec<String>; 2]
        );
    }

    #[test]
    fn only_so_many_inputs_are_counted() {
        let mut pairs = Pairs::default();
        (0..1000).for_each(|number| pairs.note(&[Input::field(&format!("x-{number}"))], number % 2 == 0));
        assert_eq!((pairs.inputs.len(), pairs.same + pairs.different), (INPUTS, 1000));
    }
}
