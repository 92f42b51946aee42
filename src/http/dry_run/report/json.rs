//! A report as JSON.

use serde_json::{Map, Value, json};

use super::{Report, RouteReport};
use crate::http::dry_run::{cause::Cause, inputs::Input};

impl Report {
    /// Returns the report as JSON: what it prints, by name.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_singleflight::{HttpSingleflightLayer, http::DryRun};
    ///
    /// let layer = HttpSingleflightLayer::new().dry_run(DryRun::new());
    /// let report: serde_json::Value = serde_json::from_str(&layer.dry_run_report().to_json()).unwrap();
    /// assert_eq!(report["saved"], 0);
    /// assert!(report["routes"].as_array().unwrap().is_empty());
    /// ```
    pub fn to_json(&self) -> String {
        let totals = &self.totals;
        json!({
            "seconds": totals.seconds,
            "sample": [totals.sample.0, totals.sample.1],
            "requests": totals.requests,
            "unwatched": totals.unwatched,
            "full": totals.full,
            "panicked": totals.panicked,
            "on_difference_off": totals.is_off,
            "forgotten_routes": totals.forgotten,
            "flights": totals.flights,
            "watched": totals.watched,
            "saved": self.saved(),
            "saved_seconds": self.saved_time().as_secs_f64(),
            "routes": self.routes.iter().map(RouteReport::json).collect::<Vec<_>>(),
        })
        .to_string()
    }
}

impl RouteReport {
    fn json(&self) -> Value {
        let alone: Map<_, _> =
            self.alone().iter().map(|(rule, count)| (rule.name().to_owned(), json!(count))).collect();
        let (not_compared, cut) = self.not_compared();
        let (left, leader_left) = self.left();
        json!({
            "route": self.route(),
            "colour": self.colour().name(),
            "requests": self.requests(),
            "led": self.led(),
            "followed": self.followed(),
            "saved": self.saved(),
            "saved_seconds": self.saved_time().as_secs_f64(),
            "same": self.same(),
            "different": self.different(),
            "not_compared": not_compared,
            "cut": cut,
            "left": left,
            "leader_left": leader_left,
            "not_read": self.not_read(),
            "limited": self.limited(),
            "alone": alone,
            "causes": self.causes().iter().map(cause).collect::<Vec<_>>(),
            "remedies": self.remedies(),
            "suspects": self.suspects().iter().map(Input::name).collect::<Vec<_>>(),
        })
    }
}

fn cause(cause: &Cause) -> Value {
    let ((different, pairs), (same, others)) = (cause.different(), cause.same());
    json!({
        "input": cause.input().name(),
        "rule": cause.input().rule(),
        "remedy": cause.input().remedy(),
        "exact": cause.is_exact(),
        "different": [different, pairs],
        "same": [same, others],
    })
}
