//! Two answers that would have been one, and are not alike.

use std::{fmt, sync::Arc};

use super::inputs::{Input, remedies};
use crate::http::one_line::one_line;

/// Is told of each difference; see [`DryRun::on_difference`](crate::http::dry_run::DryRun::on_difference).
pub(super) type OnDifference = Arc<dyn Fn(&Difference) + Send + Sync>;

/// Two answers that would have been one, and are not alike; given to
/// [`DryRun::on_difference`](crate::http::dry_run::DryRun::on_difference). It has names and digests, and no values.
#[derive(Clone, Debug)]
pub struct Difference {
    pub(super) route: Arc<str>,
    pub(super) parts: Vec<Part>,
    pub(super) inputs: Vec<Input>,
    pub(super) digests: (u64, u64),
}

/// A part of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Part {
    /// One of them is an error of the service.
    Failure,
    /// The status.
    Status,
    /// The field of this name.
    Field(Box<str>),
    /// The content.
    Body,
    /// The trailers.
    Trailers,
}

impl Difference {
    /// Returns the route, as the report names it.
    pub fn route(&self) -> &str {
        &self.route
    }

    /// Returns what differs in the answers.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Returns what differs in the requests and is not in their key, less what names one call only (a trace, say).
    pub fn inputs(&self) -> impl Iterator<Item = &Input> {
        self.inputs.iter().filter(|input| !input.is_of_one_call())
    }

    /// Returns which options of the layer would keep two such requests apart: for each of the [`inputs`](Self::inputs) its
    /// own, or `identity(..)` where there is none; and `coalesce_if(..)`, which keeps the route alone.
    ///
    /// One pair of requests does not tell which input matters: the report does, of all pairs of the route.
    pub fn remedies(&self) -> Vec<String> {
        remedies(self.inputs())
    }

    /// Returns the digests of the two bodies, the leader's first, as far as they were compared. They are keyed at random,
    /// for the life of the layer value.
    pub fn digests(&self) -> (u64, u64) {
        self.digests
    }
}

/// One line for a log: what differs in the answers and in the requests, with the rules, and which options keep such requests
/// apart.
impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<_> = self.parts.iter().map(Part::to_string).collect();
        let inputs: Vec<_> = self.inputs().map(|input| format!("{input} ({})", input.rule())).collect();
        let inputs = if inputs.is_empty() { "no visible input (S25)".to_owned() } else { inputs.join(", ") };
        let (route, parts, remedies) = (&*self.route, parts.join(", "), self.remedies().join(" or "));
        let line = format!("{route}: answers differ in {parts}, and requests in {inputs}: {remedies}");
        f.write_str(&one_line(&line))
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Failure => "failure",
            Self::Status => "status",
            Self::Field(name) => name,
            Self::Body => "body",
            Self::Trailers => "trailers",
        })
    }
}
