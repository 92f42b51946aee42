//! Grafana's dashboard asks for nothing that is not there, and for all that is; alerts ask for what is there.

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    future::pending,
    panic::AssertUnwindSafe,
    time::Duration,
};

use axum::http::{Request, Response};
use futures_util::FutureExt;
use metrics::with_local_recorder;
use metrics_exporter_prometheus::PrometheusBuilder;
use promql_parser::{
    label::MatchOp,
    parser::{Expr, VectorSelector, parse},
    util::visitor::{ExprVisitor, walk_expr},
};
use serde_json::Value;
use tokio::runtime::Builder;
use tower::{Layer, ServiceExt, service_fn};
use tower_singleflight::{
    Group, HttpSingleflightLayer, Limits,
    fleet::{Fleet, MemoryEngine, PostcardCodec},
    http::{HttpEvent, HttpObserver},
    metrics::Metered,
};

const DASHBOARD: &str = include_str!("../../../docs/grafana.json");
const OPERATING: &str = include_str!("../../../docs/operating.md");

/// Returns the expressions of the alerts on the page about operating.
fn alerts() -> Vec<String> {
    let (_, block) = OPERATING.split_once("```promql\n").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    block.lines().map(str::to_owned).collect()
}

/// Returns all texts of this name in the dashboard.
fn texts(name: &str) -> Vec<String> {
    fn collect(value: &Value, name: &str, texts: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                texts.extend(fields.get(name).and_then(Value::as_str).map(str::to_owned));
                fields.values().for_each(|value| collect(value, name, texts));
            }
            Value::Array(values) => values.iter().for_each(|value| collect(value, name, texts)),
            _ => {}
        }
    }
    let mut texts = Vec::new();
    collect(&serde_json::from_str(DASHBOARD).unwrap(), name, &mut texts);
    texts
}

/// What queries ask for.
#[derive(Default)]
struct Asked {
    metrics: BTreeSet<String>,
    /// The labels by which they select and group, and the value if it is one.
    labels: BTreeSet<(String, Option<String>)>,
}

impl Asked {
    /// Asks for what these queries do. Each asks for something.
    fn by(queries: &[String]) -> Self {
        let mut asked = Self::default();
        for query in queries {
            let metrics = std::mem::take(&mut asked.metrics);
            let expr =
                parse(&query.replace("$__rate_interval", "5m")).unwrap_or_else(|error| panic!("{query}: {error}"));
            let Ok(_) = walk_expr(&mut asked, &expr);
            assert!(!asked.metrics.is_empty(), "{query} asks for nothing");
            asked.metrics.extend(metrics);
        }
        asked
    }

    fn select(&mut self, selector: &VectorSelector) {
        self.metrics.extend(selector.name.clone());
        for matcher in &selector.matchers.matchers {
            let value = matches!(matcher.op, MatchOp::Equal).then(|| matcher.value.clone());
            self.labels.insert((matcher.name.clone(), value));
        }
    }
}

impl ExprVisitor for Asked {
    type Error = Infallible;

    fn pre_visit(&mut self, expr: &Expr) -> Result<bool, Infallible> {
        match expr {
            Expr::VectorSelector(selector) => self.select(selector),
            Expr::MatrixSelector(matrix) => self.select(&matrix.vs),
            Expr::Aggregate(aggregate) => {
                let by = aggregate.modifier.iter().flat_map(|modifier| &modifier.labels().labels);
                self.labels.extend(by.map(|label| (label.clone(), None)));
            }
            _ => {}
        }
        Ok(true)
    }
}

/// Returns Prometheus' text after a call of each kind.
fn text() -> String {
    let recorder =
        PrometheusBuilder::new().with_recommended_naming(true).set_buckets(&[0.1, 1.0]).unwrap().build_recorder();
    let text = recorder.handle();
    let run = async {
        let group: Group<&str, u32> = Group::with_limits(Limits::new().max_wait(Duration::from_millis(1)));
        let group = group.observed(Metered::new("g"));
        let (leader, late) = (group.call("a", pending), group.call("a", || async { 2 }));
        assert_eq!(late.await.value, 2);
        drop(leader);
        assert!(AssertUnwindSafe(group.call("b", || async { panic!("on purpose") })).catch_unwind().await.is_err());
        assert_eq!(group.call("c", || async { 3 }).await.value, 3);
        let routes =
            HttpSingleflightLayer::new().label(|_| Some("/rows".into())).observe(Metered::new("g").per_route());
        let rows = service_fn(|_| async { Ok::<_, Infallible>(Response::new(String::new())) });
        routes.layer(rows).oneshot(Request::new(String::new())).await.unwrap();
        let metered = Metered::new("g");
        metered.on_http(&HttpEvent::BodyEnded { readers: 2 });
        let fleet = Fleet::new(MemoryEngine::new(), [7; 32]).observed(metered.fleet());
        assert_eq!(fleet.call(&group, "d", PostcardCodec::new(), || async { 4 }).await.value, 4);
    };
    with_local_recorder(&recorder, || Builder::new_current_thread().enable_time().build().unwrap().block_on(run));
    text.render()
}

/// Returns what was exported: for each metric, its labels with their values.
fn exported() -> BTreeMap<String, BTreeSet<(String, String)>> {
    let mut exported = BTreeMap::<_, BTreeSet<_>>::new();
    for line in text().lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let (series, _) = line.rsplit_once(' ').unwrap();
        let (name, labels) = series.split_once('{').unwrap();
        let labels = labels.trim_end_matches('}').split(',').map(|label| label.split_once('=').unwrap());
        let labels = labels.map(|(label, value)| (label.to_owned(), value.trim_matches('"').to_owned()));
        exported.entry(name.to_owned()).or_default().extend(labels);
    }
    exported
}

#[test]
fn every_query_names_a_metric_that_exists_and_every_metric_is_in_a_query() {
    let (asked, exported) = (Asked::by(&texts("expr")).metrics, exported());
    for name in &asked {
        assert!(exported.contains_key(name), "{name} is not exported: {:?}", exported.keys());
    }
    let kind = |name: &String| {
        ["_bucket", "_sum", "_count"].iter().fold(name.clone(), |name, end| name.trim_end_matches(end).to_owned())
    };
    let asked: BTreeSet<_> = asked.iter().map(kind).collect();
    for name in exported.keys() {
        assert!(asked.contains(&kind(name)), "{name} is in no query");
    }
}

/// Returns the labels and values by which queries select and group, and which no figure has.
fn unknown_labels(asked: Asked) -> Vec<(String, Option<String>)> {
    let exported: BTreeSet<_> = exported().into_values().flatten().collect();
    let is_there = |(label, value): &(String, Option<String>)| {
        exported.iter().any(|(name, has)| name == label && value.as_ref().is_none_or(|value| value == has))
    };
    asked.labels.into_iter().filter(|label| !is_there(label)).collect()
}

#[test]
fn labels_in_queries_are_those_of_the_figures() {
    assert_eq!(unknown_labels(Asked::by(&texts("expr"))), []);
}

#[test]
fn alerts_ask_for_metrics_and_labels_that_exist() {
    let (alerts, exported) = (alerts(), exported());
    assert!(alerts.len() > 3, "{alerts:?}");
    let asked = Asked::by(&alerts);
    for name in &asked.metrics {
        assert!(exported.contains_key(name), "{name} is not exported: {:?}", exported.keys());
    }
    assert_eq!(unknown_labels(asked), []);
}

/// Grafana's own functions, which Prometheus does not know.
#[test]
fn the_variables_are_values_of_labels_that_exist() {
    let exported = exported();
    let variables = texts("query");
    assert!(variables.iter().any(|variable| variable.starts_with("label_values(")), "{variables:?}");
    for variable in variables {
        let Some(asked) = variable.strip_prefix("label_values(") else { continue };
        let (metric, label) = asked.trim_end_matches(')').split_once(", ").unwrap();
        assert!(exported[metric].iter().any(|(name, _)| name == label), "{variable}");
    }
}
