//! Grafana's dashboard asks for nothing that is not there.

use std::{collections::BTreeSet, future::pending, panic::AssertUnwindSafe, time::Duration};

use futures_util::FutureExt;
use metrics::with_local_recorder;
use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::Value;
use tokio::runtime::Builder;
use tower_singleflight::{
    Group, Limits,
    http::{HttpEvent, HttpObserver},
    metrics::Metered,
};

const DASHBOARD: &str = include_str!("../../../docs/grafana.json");

/// Returns the dashboard's queries.
fn queries() -> Vec<String> {
    fn collect(value: &Value, queries: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    match value {
                        Value::String(query) if name == "expr" || name == "query" => queries.push(query.clone()),
                        value => collect(value, queries),
                    }
                }
            }
            Value::Array(values) => values.iter().for_each(|value| collect(value, queries)),
            _ => {}
        }
    }
    let mut queries = Vec::new();
    collect(&serde_json::from_str(DASHBOARD).unwrap(), &mut queries);
    queries
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
}

/// Returns Prometheus' text after a call of each kind.
fn exported() -> String {
    let recorder =
        PrometheusBuilder::new().with_recommended_naming(true).set_buckets(&[0.1, 1.0]).unwrap().build_recorder();
    let text = recorder.handle();
    let run = async {
        let group: Group<&str, u32> = Group::with_limits(Limits::new().max_wait(Duration::from_millis(1)));
        let group = group.observed(Metered::new("g").per_route());
        let (leader, late) = (group.call("a", pending), group.call("a", || async { 2 }));
        assert_eq!(late.await.value, 2);
        drop(leader);
        assert!(AssertUnwindSafe(group.call("b", || async { panic!("on purpose") })).catch_unwind().await.is_err());
        assert_eq!(group.call("c", || async { 3 }).await.value, 3);
        Metered::new("g").on_http(&HttpEvent::BodyEnded { readers: 2 });
    };
    with_local_recorder(&recorder, || Builder::new_current_thread().enable_time().build().unwrap().block_on(run));
    text.render()
}

#[test]
fn every_query_names_a_metric_that_exists_and_every_metric_is_in_a_query() {
    let text = exported();
    let exported: BTreeSet<&str> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| words(line).next().filter(|name| !name.is_empty()))
        .collect();
    let queries = queries();
    assert!(queries.len() > 10, "{queries:?}");
    let asked: BTreeSet<&str> =
        queries.iter().flat_map(|query| words(query)).filter(|word| word.starts_with("singleflight")).collect();
    for name in &asked {
        assert!(exported.contains(name), "{name} is not exported: {exported:?}");
    }
    let kind = |name: &str| {
        ["_bucket", "_sum", "_count"].iter().fold(name.to_owned(), |n, end| n.trim_end_matches(end).to_owned())
    };
    let asked: BTreeSet<_> = asked.into_iter().map(kind).collect();
    for name in exported {
        assert!(asked.contains(&kind(name)), "{name} is in no query");
    }
}

#[test]
fn labels_in_queries_are_those_of_the_figures() {
    let known = ["group", "role", "why", "end", "le", "route"];
    for query in queries() {
        for by in query.split(" by (").skip(1) {
            let (labels, _) = by.split_once(')').unwrap();
            for label in labels.split(", ") {
                assert!(known.contains(&label), "{label} in {query}");
            }
        }
    }
}
