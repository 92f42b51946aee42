//! A report as a table for a terminal.

use std::fmt;

use super::{Colour, Report, RouteReport};
use crate::http::{
    dry_run::inputs::{Input, remedies},
    one_line::one_line,
};

/// How wide the column of routes is at least, in letters.
const NARROWEST: usize = 5;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let totals = &self.totals;
        let (n, m) = totals.sample;
        let (saved, time) = (self.saved(), self.saved_time().as_secs_f64());
        writeln!(f, "dry run of {:.0} s: {} requests, keys watched {n} in {m}", totals.seconds, totals.requests)?;
        writeln!(f, "of those watched, {saved} calls would have been saved, and {time:.3} s of their time")?;
        let width = self.routes.iter().map(|route| route.route().chars().count()).max().unwrap_or_default();
        let width = width.max(NARROWEST);
        writeln!(
            f,
            "\n{:<7} {:<width$} {:>9} {:>9} {:>10} {:>9} {:>9}",
            "", "route", "requests", "saved", "seconds", "same", "different"
        )?;
        for route in &self.routes {
            let (requests, saved, time) = (route.requests(), route.saved(), route.saved_time().as_secs_f64());
            writeln!(
                f,
                "{:<7} {:<width$} {requests:>9} {saved:>9} {time:>10.3} {:>9} {:>9}",
                route.colour().name(),
                one_line(route.route()),
                route.same(),
                route.different()
            )?;
            route.notes(f)?;
        }
        let notes = [
            (totals.full, "requests were not watched: there was no place for them"),
            (totals.panicked, "times a function of the application panicked"),
            (totals.forgotten, "routes were seen less than those of the table, and have left it"),
            (u64::from(totals.is_off), "on_difference panicked, and is called no more"),
        ];
        for (count, note) in notes.iter().filter(|(count, _)| *count > 0) {
            writeln!(f, "{count} {note}")?;
        }
        Ok(())
    }
}

impl RouteReport {
    /// Writes what is behind a route's line.
    fn notes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for cause in self.causes() {
            let ((different, pairs), (same, others)) = (cause.different(), cause.same());
            let exactly = if cause.is_exact() { "exactly " } else { "" };
            let (input, rule) = (cause.input(), cause.input().rule());
            let remedies = remedies(std::iter::once(input)).join(" or ");
            let (input, remedies) = (one_line(&input.name()), one_line(&remedies));
            writeln!(
                f,
                "        answers differ {exactly}where {input} differs ({different} of {pairs}, and {same} of {others} \
                 that are the same), by {rule}: {remedies}"
            )?;
        }
        if self.colour() == Colour::Yellow {
            write!(f, "        answers differ, and no visible input differs that would explain it")?;
            if !self.suspects().is_empty() {
                let suspects: Vec<_> = self.suspects().iter().map(Input::name).collect();
                write!(f, "; it cannot be told whether {} matters", one_line(&suspects.join(", ")))?;
            }
            writeln!(
                f,
                "\n        a clock, a nonce, a write in between, or what no request shows (S25): {}",
                one_line(&self.remedies().join(" or "))
            )?;
        }
        let (not_compared, cut) = self.not_compared();
        let (left, leader_left) = self.left();
        let counts = [
            (not_compared, "not compared"),
            (cut, "cut"),
            (left, "left"),
            (leader_left, "leader left"),
            (self.not_read(), "content not read"),
            (self.limited(), "over a limit"),
        ];
        let counts = counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{what} {count}"));
        let rules = self.alone().iter().map(|(rule, count)| format!("alone by {rule} {count}"));
        let counts: Vec<_> = counts.chain(rules).collect();
        if counts.is_empty() { Ok(()) } else { writeln!(f, "        {}", counts.join(", ")) }
    }
}
