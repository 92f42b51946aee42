//! What is compared, and what the report says of it.

use std::sync::{Arc, Mutex};

use tower_singleflight::{
    HttpSingleflightLayer,
    http::dry_run::{Colour, DryRun},
};

use crate::{
    herd::{herd, texts},
    origin::{Plain, bench, get, get_with, ok, text},
};

#[tokio::test]
async fn equal_answers_are_counted_as_saved() {
    let mut bench: Plain = bench(HttpSingleflightLayer::new().dry_run(DryRun::new()));
    let herd = herd(&mut bench, 100);
    assert_eq!(bench.count().await, 100);
    for _ in 0..100 {
        bench.next().await.answer(ok(&[], "rows"));
    }
    assert_eq!(texts(herd).await, vec!["rows"; 100]);
    let report = bench.layer.dry_run_report();
    let route = &report.routes()[0];
    assert_eq!((route.route(), route.colour(), route.requests()), ("other", Colour::Green, 100));
    assert_eq!((route.led(), route.followed(), route.saved(), route.same()), (1, 99, 99, 16));
    assert_eq!(report.under_way(), (0, 0));
    println!("{report}");
}

#[tokio::test]
async fn answers_that_differ_by_a_field_that_is_left_out_are_red_and_name_it() {
    let layer = HttpSingleflightLayer::new().ignore_headers(["x-tenant"]);
    let mut bench: Plain = bench(layer.dry_run(DryRun::new()));
    let calls = ["a", "b", "a", "b"].map(|tenant| bench.call(get_with("/x", &[("x-tenant", tenant)])));
    for tenant in ["a", "b", "a", "b"] {
        bench.next().await.answer(ok(&[], tenant));
    }
    for call in calls {
        text(call.await.unwrap()).await;
    }
    let report = bench.layer.dry_run_report();
    let route = &report.routes()[0];
    assert_eq!((route.colour(), route.same(), route.different()), (Colour::Red, 1, 2));
    assert_eq!(route.causes()[0].input().name(), "x-tenant");
    assert!(route.causes()[0].is_exact());
    println!("{report}");
}

/// What stands in a query without a name is a value, be it that it ends in `=` as a token in Base64 does.
#[tokio::test]
async fn what_has_no_name_in_a_query_is_told_of_and_not_shown() {
    for (before, behind) in [("", ""), ("page=1&", ""), ("", "="), ("", "==")] {
        let lines = Arc::new(Mutex::new(String::new()));
        let log = Arc::clone(&lines);
        let dry_run = DryRun::new().on_difference(move |difference| {
            let said = format!("{difference} {difference:?} {:?}", difference.remedies());
            log.lock().unwrap().push_str(&said);
        });
        let layer = HttpSingleflightLayer::new().key_fn(|parts| Some(parts.uri.path().to_owned())).dry_run(dry_run);
        let mut bench: Plain = bench(layer);
        let tokens = ["hunter1", "hunter2", "hunter1", "hunter2"];
        let calls = tokens.map(|token| bench.call(get(&format!("/x?{before}{token}{behind}"))));
        for token in tokens {
            bench.next().await.answer(ok(&[], token));
        }
        for call in calls {
            text(call.await.unwrap()).await;
        }
        let report = bench.layer.dry_run_report();
        let route = &report.routes()[0];
        assert_eq!((route.colour(), route.causes()[0].input().name()), (Colour::Red, "query".to_owned()));
        assert_eq!(route.remedies(), ["key_fn(..) that has it", "coalesce_if(..)"]);
        let said = lines.lock().unwrap().clone();
        assert!(said.contains("answers differ in body, and requests in query (S2)"), "{said}");
        let all = format!("{report} {report:?} {} {said}", report.to_json());
        assert!(!all.contains("hunter"), "{all}");
    }
}
