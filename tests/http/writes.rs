//! Reading what one has written: what the answers to writes fence (S21).

use http::Method;
use tower_singleflight::{HttpSingleflightLayer, Role};

use crate::origin::{Answer, Call, Held, Plain, RequestBody, bench, get, get_with, ok, request, status, text};

/// What becomes of a write.
#[derive(Clone, Copy, Debug)]
enum End<'a> {
    Answered(u16, &'a [(&'a str, &'a str)]),
    Failed,
    HungUp,
}

/// Lets a write end while a read of this URI is under way; returns whether the next read of it is kept from that flight.
async fn fences(method: &str, fields: &[(&str, &str)], end: End<'_>, read: &str) -> bool {
    // Two places may have one epoch by chance, each group by its own seed: not in three groups.
    for _ in 0..3 {
        if !fences_once(method, fields, end, read).await {
            return false;
        }
    }
    true
}

async fn fences_once(method: &str, fields: &[(&str, &str)], end: End<'_>, read: &str) -> bool {
    let mut bench: Plain = bench(HttpSingleflightLayer::new());
    let before = bench.call(get(read));
    let reading = bench.next().await;
    let write = bench.call(request(method, "http://a/items/", fields));
    let writing = bench.next().await;
    match end {
        End::Answered(code, said) => {
            writing.answer(status(code, said, ""));
            write.await.unwrap();
        }
        End::Failed => {
            writing.fail("broken");
            write.await.unwrap_err();
        }
        End::HungUp => drop(write),
    }
    let after = bench.call(get(read));
    let fenced = bench.count().await == 3;
    reading.answer(ok(&[], "old"));
    if fenced {
        bench.next().await.answer(ok(&[], "new"));
    }
    assert_eq!(text(before.await.unwrap()).await, "old");
    assert_eq!(text(after.await.unwrap()).await, if fenced { "new" } else { "old" });
    assert!(bench.group.is_empty());
    fenced
}

/// Answers a read that nobody joins any more, and then the one that began after that: each caller has its own answer.
pub(crate) async fn get_old_and_new<F>(bench: &mut Plain, reading: Held<RequestBody>, [before, after]: [Call<F>; 2])
where
    F: Future<Output = Answer>,
{
    reading.answer(ok(&[], "old"));
    bench.next().await.answer(ok(&[], "new"));
    assert_eq!(text(before.await.unwrap()).await, "old");
    assert_eq!(text(after.await.unwrap()).await, "new");
    assert!(bench.group.is_empty());
}

/// It is told nothing any more, and is counted once; what it was told of is as without it.
#[tokio::test]
async fn s21_a_write_fences_and_is_answered_though_inspect_panics() {
    let layer = HttpSingleflightLayer::new().inspect(|role, _| assert!(!matches!(role, Role::Alone(_)), "told"));
    let mut bench: Plain = bench(layer);
    let before = bench.call(get("/items"));
    let reading = bench.next().await;
    let write = tokio::spawn(bench.call(request("PUT", "/items", &[])));
    bench.next().await.answer(ok(&[], "done"));
    write.await.unwrap().unwrap();
    let after = bench.call(get("/items"));
    bench.next().await.answer(ok(&[], "new"));
    reading.answer(ok(&[], "old"));
    assert_eq!(text(before.await.unwrap()).await, "old");
    assert_eq!(text(after.await.unwrap()).await, "new");
    assert_eq!(bench.group.stats().observers_off, 1);
}

/// The kind: every status but 4xx, of every unsafe method.
#[tokio::test]
async fn s21_an_answer_or_an_error_fences_and_a_refusal_or_a_hang_up_does_not() {
    let own = "http://a/items/";
    for method in ["PUT", "POST", "DELETE", "PATCH", "PURGE"] {
        for code in [200, 201, 204, 303, 308, 500, 503] {
            assert!(fences(method, &[], End::Answered(code, &[]), own).await, "{method} {code}");
        }
        assert!(fences(method, &[], End::Failed, own).await, "{method}");
        for code in [400, 401, 403, 404, 405, 409, 412, 429] {
            assert!(!fences(method, &[], End::Answered(code, &[]), own).await, "{method} {code}");
        }
        assert!(!fences(method, &[], End::HungUp, own).await, "{method}");
    }
    for method in ["OPTIONS", "TRACE", "QUERY"] {
        assert!(!fences(method, &[], End::Answered(200, &[]), own).await, "{method} is safe");
    }
    // With any query, and nothing else.
    assert!(fences("PUT", &[], End::Answered(200, &[]), "http://a/items/?page=2").await);
    assert!(!fences("PUT", &[], End::Answered(200, &[]), "http://a/other").await);
    assert!(!fences("PUT", &[], End::Answered(200, &[]), "http://b/items/").await);
}

/// The port that goes without saying may be said (RFC 9110, section 4.2.3).
#[tokio::test]
async fn s21_a_write_fences_under_the_default_port_too() {
    for (read, expected) in
        [("http://a:80/items/", true), ("https://a:443/items/", true), ("http://a:8080/items/", false)]
    {
        assert_eq!(fences("PUT", &[], End::Answered(200, &[]), read).await, expected, "{read}");
    }
    let located = [("location", "http://a:80/items/7")];
    assert!(fences("PUT", &[], End::Answered(201, &located), "http://a/items/7").await);
}

#[tokio::test]
async fn s21_what_the_answer_locates_is_fenced_on_the_same_authority() {
    for name in ["location", "content-location"] {
        for (reference, read, expected) in [
            ("/items/7", "http://a/items/7", true),
            ("7", "http://a/items/7", true),
            ("./7", "http://a/items/7", true),
            ("../items/7", "http://a/items/7", true),
            ("http://a/items/7", "http://a/items/7", true),
            ("HTTP://A/items/7?x=1#y", "http://a/items/7", true),
            ("http://a/items/../items/./7", "http://a/items/7", true),
            ("//ann@a/items/7", "http://a/items/7", true),
            ("http://a:/items/7", "http://a/items/7", true),
            ("//a/items/7", "http://a/items/7", true),
            ("/items/%37", "http://a/items/7", true),
            ("/items/a%3ab", "http://a/items/a:b", true),
            ("/items/a:b", "http://a/items/a%3Ab", true),
            ("/items/%38", "http://a/items/7", false),
            ("http://b/items/7", "http://b/items/7", false),
            ("http://b/items/7", "http://a/items/7", false),
            ("/items/7", "http://a/items/8", false),
        ] {
            let said = [(name, reference)];
            assert_eq!(
                fences("POST", &[], End::Answered(201, &said), read).await,
                expected,
                "{name}: {reference}, {read}"
            );
            assert!(!fences("POST", &[], End::Answered(409, &said), read).await, "refused: {reference}");
        }
    }
}

/// The kind: forms of one path that most servers take for the same. The write's own, and one that its answer names as it is.
#[tokio::test]
async fn s21_a_path_is_fenced_in_every_encoding() {
    for (written, located, read) in [
        ("http://a/%61", None, "http://a/a"),
        ("http://a/a", None, "http://a/%61?x"),
        ("http://a/%c3%a9", None, "http://a/%C3%A9"),
        ("http://a/", Some("/\u{e9}"), "http://a/%C3%A9"),
    ] {
        let mut bench: Plain = bench(HttpSingleflightLayer::new());
        let before = bench.call(get(read));
        let reading = bench.next().await;
        let write = bench.call(request("PUT", written, &[]));
        let mut answer = ok(&[], "");
        if let Some(located) = located {
            let located = http::HeaderValue::from_bytes(located.as_bytes()).unwrap();
            answer.headers_mut().insert("content-location", located);
        }
        bench.next().await.answer(answer);
        write.await.unwrap();
        let after = bench.call(get(read));
        assert_eq!(bench.count().await, 3, "{written}, {located:?}, {read}");
        get_old_and_new(&mut bench, reading, [before, after]).await;
    }
}

/// The kind: all three names, with `_` for any `-`.
#[tokio::test]
async fn s21_s30_a_method_override_counts_as_a_write() {
    for name in [
        "x-http-method-override",
        "x-method-override",
        "x-http-method",
        "x_http_method_override",
        "x_method_override",
        "x_http_method",
        "x-http_method",
    ] {
        assert!(fences("GET", &[(name, "DELETE")], End::Answered(200, &[]), "http://a/items/").await, "{name}");
    }
}

#[tokio::test]
async fn s21_a_write_that_panics_fences() {
    let mut bench: Plain = bench(HttpSingleflightLayer::new());
    let before = bench.call(get("/x"));
    let reading = bench.next().await;
    let write = tokio::spawn(bench.call(request("PUT", "/x", &[])).into_inner());
    bench.next().await.panic();
    assert!(write.await.unwrap_err().is_panic());
    let after = bench.call(get("/x"));
    assert_eq!(bench.count().await, 3);
    get_old_and_new(&mut bench, reading, [before, after]).await;
}

/// An entry is deleted, and its list is read.
#[tokio::test]
async fn s21_a_fence_by_hand_is_for_one_authority_or_for_all() {
    for (authority, expected) in [(None, [true, true]), (Some("a"), [true, false]), (Some("B"), [false, true])] {
        let mut fenced = [true; 2];
        // As above: in one group two places may have one epoch by chance.
        for _ in 0..3 {
            let once = fenced_by_hand(authority).await;
            fenced = [fenced[0] && once[0], fenced[1] && once[1]];
        }
        assert_eq!(fenced, expected, "{authority:?}");
    }
}

/// Fences a list by hand while it is read under two authorities; returns for which of them the next read is kept from that flight.
async fn fenced_by_hand(authority: Option<&str>) -> [bool; 2] {
    let mut bench: Plain = bench(HttpSingleflightLayer::new());
    let lists = ["http://a/entries?page=1", "http://b/entries"];
    let before = lists.map(|list| bench.call(get(list)));
    let reading = [bench.next().await, bench.next().await];
    let delete = bench.call(request("DELETE", "http://a/entries/7", &[]));
    bench.next().await.answer(status(204, &[], ""));
    delete.await.unwrap();
    bench.group.fence(authority, "/entries");
    let (mut fenced, mut after) = ([false; 2], Vec::new());
    for (list, fenced) in lists.into_iter().zip(&mut fenced) {
        let calls = bench.count().await;
        after.push(bench.call(get(list)));
        *fenced = bench.count().await > calls;
    }
    reading.into_iter().for_each(|held| held.answer(ok(&[], "old")));
    for _ in fenced.iter().filter(|fenced| **fenced) {
        bench.next().await.answer(ok(&[], "new"));
    }
    for call in before {
        assert_eq!(text(call.await.unwrap()).await, "old");
    }
    for (call, fenced) in after.into_iter().zip(fenced) {
        assert_eq!(text(call.await.unwrap()).await, if fenced { "new" } else { "old" });
    }
    assert!(bench.group.is_empty());
    fenced
}

/// 600 of them, refused and hung up in turn, among 100 reads.
#[tokio::test]
async fn s21_refused_and_hung_up_writes_do_not_keep_reads_from_sharing() {
    let mut bench: Plain = bench(HttpSingleflightLayer::new());
    let mut reads = vec![bench.call(get("/x"))];
    let reading = bench.next().await;
    for number in 1..=600 {
        let write = bench.call(request("PUT", "/x", &[]));
        let writing = bench.next().await;
        if number % 2 == 0 {
            writing.answer(status(403, &[], ""));
            write.await.unwrap();
        } else {
            drop(write);
        }
        if number % 6 == 0 && reads.len() < 100 {
            reads.push(bench.call(get("/x")));
        }
    }
    assert_eq!(bench.count().await, 601);
    reading.answer(ok(&[], "rows"));
    for read in reads {
        assert_eq!(text(read.await.unwrap()).await, "rows");
    }
    assert!(bench.group.is_empty());
}

#[tokio::test]
async fn s21_a_write_over_http_1_is_of_its_host() {
    // As above: by chance, one epoch may be that of both hosts.
    assert!(!(a_write_fences_another_host().await && a_write_fences_another_host().await));
}

/// Writes to one host while two are read over HTTP/1; returns whether the next read of the other is kept from its flight.
async fn a_write_fences_another_host() -> bool {
    let mut bench: Plain = bench(HttpSingleflightLayer::new());
    let of = |host| get_with("/x", &[("host", host)]);
    let before = [bench.call(of("a")), bench.call(of("b"))];
    let write = bench.call(request("PUT", "/x", &[("host", "a")]));
    let reading = [bench.next().await, bench.next().await];
    bench.next().await.answer(ok(&[], ""));
    write.await.unwrap();
    let own = bench.call(of("a"));
    assert_eq!(bench.count().await, 4);
    let others = bench.call(of("b"));
    let fenced = bench.count().await == 5;
    reading.into_iter().for_each(|held| held.answer(ok(&[], "old")));
    for _ in 0..1 + usize::from(fenced) {
        bench.next().await.answer(ok(&[], "new"));
    }
    let expected = ["old", "old", "new", if fenced { "new" } else { "old" }];
    for (call, expected) in before.into_iter().chain([own, others]).zip(expected) {
        assert_eq!(text(call.await.unwrap()).await, expected);
    }
    assert!(bench.group.is_empty());
    fenced
}

#[tokio::test]
async fn s21_a_method_that_may_coalesce_elsewhere_fences_where_it_may_not() {
    let layer = HttpSingleflightLayer::new()
        .methods([Method::POST])
        .coalesce_if(|parts| parts.method == Method::GET || parts.uri.path() == "/graphql");
    let mut bench = bench(layer);
    let before = bench.call(get("/orders"));
    let write = bench.call(request("POST", "/orders", &[]));
    let (reading, writing) = (bench.next().await, bench.next().await);
    writing.answer(ok(&[], "ordered"));
    write.await.unwrap();
    let after = bench.call(get("/orders"));
    assert_eq!(bench.count().await, 3);
    drop((before, reading, after));
}

/// Two paths that the application's key takes for one, one of which was written to more often.
#[tokio::test]
async fn s21_epochs_of_two_paths_are_not_taken_for_each_other() {
    let mut bench: Plain = bench(HttpSingleflightLayer::new().key_fn(|_| Some("all")));
    let put = async |bench: &mut Plain, uri: &str| {
        let write = bench.call(request("PUT", uri, &[]));
        bench.next().await.answer(ok(&[], ""));
        write.await.unwrap();
    };
    put(&mut bench, "http://a/one").await;
    let before = bench.call(get("http://a/one"));
    let old = bench.next().await;
    put(&mut bench, "http://a/two").await;
    let after = bench.call(get("http://a/two"));
    bench.next().await.answer(ok(&[], "new"));
    old.answer(ok(&[], "old"));
    assert_eq!(text(before.await.unwrap()).await, "old");
    assert_eq!(text(after.await.unwrap()).await, "new");
    assert!(bench.group.is_empty());
}
