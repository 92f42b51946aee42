//! Writes, and who may have what: S21 to S23, D1.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use tokio::time::sleep;

use super::{
    harness::{Reply, as_in_one, fault, get, of_each, ok, request, status},
    site::{Asked, Sent, Site, Spread, Told},
};

fn plain() -> Told {
    Told::heads(|layer| layer)
}

/// What becomes of a write.
#[derive(Clone)]
enum Write {
    Answered(Reply),
    Panics,
    HungUp,
}

/// One reads, another writes in between, and a third reads: all in processes of their own, if it may be. Returns whether the third
/// had the answer to the first, and how often the origin was asked to read.
async fn read_write_read(site: &mut Site, write: &Sent, ends: &Write) -> (bool, usize) {
    let before = site.call(0, get(&[])).await;
    let held = site.next().await;
    let writer = site.call(1, write.clone()).await;
    let written = site.next().await;
    match ends.clone() {
        Write::Answered(reply) => {
            reply.give(written);
            drop(writer.await.unwrap());
        }
        Write::Panics => {
            written.panic();
            assert!(writer.await.unwrap_err().is_panic());
        }
        Write::HungUp => {
            writer.abort();
            assert!(writer.await.unwrap_err().is_cancelled());
        }
    }
    // Nobody waits for the store to be told of a panic.
    let mut asked = site.all().await;
    assert!(asked.is_empty());
    let after = site.call(2, get(&[])).await;
    asked.extend(site.all().await);
    let reads = 1 + asked.len();
    ok().give(held);
    asked.into_iter().for_each(|asked| ok().give(asked));
    assert_eq!(before.await.unwrap().body(), "for 0");
    (after.await.unwrap().body() == "for 0", reads)
}

#[tokio::test(start_paused = true)]
async fn s21_whatever_becomes_of_a_write_holds_in_every_process() {
    let write = |method: &str, uri: &str| request(method, uri, &[]);
    let posts = || write("POST", "http://site/rows");
    let overridden = |method: &str, name: &str| request(method, "http://site/rows", &[(name, "PUT")]);
    let found = |name: &'static str, value: &str| Write::Answered(status(201).field(name, value));
    let cases: Vec<(Sent, Write, bool)> = vec![
        // What may have changed something ends the flights from before it.
        (posts(), Write::Answered(ok()), true),
        (posts(), Write::Answered(status(204)), true),
        (posts(), Write::Answered(status(302)), true),
        (posts(), Write::Answered(status(500)), true),
        (posts(), Write::Answered(status(503)), true),
        (posts(), Write::Answered(fault()), true),
        (posts(), Write::Panics, true),
        (write("PUT", "http://site/rows"), Write::Answered(ok()), true),
        (write("DELETE", "http://site/rows"), Write::Answered(ok()), true),
        (write("PATCH", "http://site/rows"), Write::Answered(ok()), true),
        (write("PURGE", "http://site/rows"), Write::Answered(ok()), true),
        (write("POST", "http://site/rows?any=1"), Write::Answered(ok()), true),
        (overridden("GET", "x-http-method-override"), Write::Answered(ok()), true),
        (overridden("POST", "x_http_method"), Write::Answered(ok()), true),
        (write("POST", "http://site/"), found("location", "/rows"), true),
        (write("POST", "http://site/"), found("content-location", "http://site/rows"), true),
        (write("POST", "http://site/a/b"), found("location", "../rows"), true),
        // What changed nothing there does not.
        (posts(), Write::Answered(status(400)), false),
        (posts(), Write::Answered(status(409)), false),
        (posts(), Write::Answered(status(429)), false),
        (posts(), Write::HungUp, false),
        (write("OPTIONS", "http://site/rows"), Write::Answered(ok()), false),
        (write("TRACE", "http://site/rows"), Write::Answered(ok()), false),
        (write("QUERY", "http://site/rows"), Write::Answered(ok()), false),
        (write("POST", "http://site/other"), Write::Answered(ok()), false),
        (write("POST", "http://site/"), found("location", "http://other/rows"), false),
        (write("POST", "http://site/"), found("location", "/elsewhere"), false),
    ];
    for (write, ends, fences) in cases {
        let what = format!("{} {} {:?}", write.method(), write.uri(), write.headers());
        for spread in Spread::ALL {
            let expected = if fences { (false, 2) } else { (true, 1) };
            assert_eq!(by_chance(spread, &write, &ends, expected).await, expected, "{spread:?}: {what}");
        }
    }
}

/// Two of the 1,024 places that a process keeps may be one by chance, which costs a flight: that is not so three times.
async fn by_chance(spread: Spread, write: &Sent, ends: &Write, expected: (bool, usize)) -> (bool, usize) {
    let mut outcome = (false, 0);
    for _ in 0..3 {
        let played = of_each([spread], &plain(), async |site| read_write_read(site, write, ends).await).await;
        outcome = played[0].1;
        if outcome == expected {
            break;
        }
    }
    outcome
}

/// Across machines a path is fenced under every authority: that costs a flight, and no store holds names of hosts.
#[tokio::test(start_paused = true)]
async fn s21_a_write_under_another_host_costs_other_processes_a_flight() {
    let write = request("POST", "http://other/rows", &[]);
    let ends = Write::Answered(ok());
    for spread in Spread::ALL {
        let expected = if Spread::ACROSS.contains(&spread) { (false, 2) } else { (true, 1) };
        assert_eq!(by_chance(spread, &write, &ends, expected).await, expected, "{spread:?}");
    }
}

fn grpc(method: &str) -> Sent {
    let request =
        request("POST", &format!("http://site/pkg.Service/{method}"), &[("content-type", "application/grpc")]);
    request.map(|_| Full::new(Bytes::from_static(b"m")))
}

#[tokio::test(start_paused = true)]
async fn s21_a_grpc_call_fences_its_service_by_its_status_in_every_process() {
    let told = Told::contents(|layer| layer.grpc_reads(["/pkg.Service/List"]).grpc(["/pkg.Service/Get"]));
    let fences = ["0", "1", "2", "4", "8", "10", "13", "14", "15"].map(|code| ("Put", code, true));
    let refuses = ["3", "5", "6", "7", "9", "11", "12", "16"].map(|code| ("Put", code, false));
    let cases = fences.into_iter().chain(refuses).chain([("List", "0", false)]);
    for (method, code, fences) in cases {
        for in_head in [false, true] {
            let reply = |code: &'static str| {
                if in_head {
                    ok().without_content().field("grpc-status", code)
                } else {
                    ok().trailer("grpc-status", code)
                }
            };
            let outcome = as_in_one(&told, async |site| {
                let before = site.call(0, grpc("Get")).await;
                let held = site.next().await;
                let write = site.call(1, grpc(method)).await;
                reply(code).give(site.next().await);
                drop(write.await.unwrap());
                // A fence that is raised by trailers is told in passing.
                super::site::settle().await;
                let after = site.call(2, grpc("Get")).await;
                let again = site.all().await;
                reply("0").give(held);
                again.into_iter().for_each(|asked| reply("0").give(asked));
                drop(before.await.unwrap());
                drop(after.await.unwrap());
                site.calls
            })
            .await;
            assert_eq!(outcome, if fences { 3 } else { 2 }, "{method} {code} {in_head}");
        }
    }
}

/// With a flight of its own machine from before the write, a reader has that one at most.
#[tokio::test(start_paused = true)]
async fn s21_who_joins_a_flight_of_its_own_machine_has_that_one_at_most() {
    for (spread, (calls, body)) in of_each([Spread::Two], &plain(), async |site| {
        let before = [site.call(1, get(&[])).await, site.call(2, get(&[])).await];
        let held = site.next().await;
        // Written through the other machine.
        let write = site.call(0, request("POST", "http://site/rows", &[])).await;
        ok().give(site.next().await);
        drop(write.await.unwrap());
        let after = site.call(3, get(&[])).await;
        ok().give(held);
        for call in before {
            assert_eq!(call.await.unwrap().body(), "for 1");
        }
        let body = after.await.unwrap().seen.body;
        // Once that flight has landed nobody has it any more.
        let newest = site.call(4, get(&[])).await;
        ok().give(site.next().await);
        assert_eq!(newest.await.unwrap().body(), "for 4");
        (site.calls, body)
    })
    .await
    {
        assert_eq!((calls, &*body), (3, "for 1"), "{spread:?}");
    }
}

/// T02, and the moment until which one can join: that of the head (D1).
#[tokio::test(start_paused = true)]
async fn s22_d1_who_asks_when_the_head_is_there_starts_anew_in_every_process() {
    let outcome = as_in_one(&plain(), async |site| {
        let first = site.call(0, get(&[])).await;
        let second = site.call(1, get(&[])).await;
        let (frames, response) = crate::pair::origin::streamed();
        site.next().await.answer(response);
        // Those elsewhere look at a flight four times a second.
        sleep(Duration::from_millis(300)).await;
        // The body has not ended: it can be joined no more all the same.
        let late = site.call(2, get(&[])).await;
        let asked = site.next().await;
        drop(frames);
        ok().give(asked);
        let got = [first.await.unwrap(), second.await.unwrap(), late.await.unwrap()].map(|got| got.seen.body);
        // And nobody has what somebody had before it asked.
        let last = site.call(3, get(&[])).await;
        ok().give(site.next().await);
        (site.calls, got, last.await.unwrap().seen.body)
    })
    .await;
    assert_eq!(outcome, (3, ["", "", "for 2"].map(str::to_owned), "for 3".to_owned()));
}

/// Those who have learnt that their leader elsewhere has closed end the time to join of their own flight, and of no other.
#[tokio::test(start_paused = true)]
async fn s22_a_flight_that_has_replaced_one_whose_leader_has_closed_can_be_joined() {
    let mut site = Site::new(Spread::Two, plain());
    let first = site.call(0, get(&[])).await;
    let second = site.call(1, get(&[])).await;
    let (frames, response) = crate::pair::origin::streamed();
    site.next().await.answer(response);
    // Before the second caller's flight looks at the first's again, it is replaced.
    let group = site.group(1);
    assert_eq!(group.forget_where(|_| true), 1);
    let third = site.call(1, get(&[("x-request-id", "2")])).await;
    let held = site.next().await;
    assert_eq!(group.in_flight(), 1);
    sleep(Duration::from_millis(300)).await;
    assert_eq!(group.in_flight(), 1, "the successor has been forgotten");
    let fourth = site.call(1, get(&[("x-request-id", "3")])).await;
    assert!(site.all().await.is_empty());
    drop(frames);
    ok().give(held);
    let bodies = [first, second, third, fourth];
    let mut got = Vec::new();
    for call in bodies {
        got.push(call.await.unwrap().seen.body);
    }
    assert_eq!(got, ["", "", "for 2", "for 2"]);
    site.rest().await;
}

/// Of a unary gRPC call it is that of the first message, or of the trailers.
#[tokio::test(start_paused = true)]
async fn d1_a_unary_grpc_call_can_be_joined_until_its_first_message() {
    let told = Told::contents(|layer| layer.grpc(["/pkg.Service/Get"]));
    let calls = as_in_one(&told, async |site| {
        let first = site.call(0, grpc("Get")).await;
        let (frames, response) = crate::pair::origin::streamed();
        site.next().await.answer(response);
        super::site::settle().await;
        let second = site.call(1, grpc("Get")).await;
        assert!(site.all().await.is_empty());
        frames.send(Ok(http_body::Frame::data(Bytes::from_static(b"m")))).unwrap();
        sleep(Duration::from_millis(300)).await;
        let late = site.call(2, grpc("Get")).await;
        let asked = site.next().await;
        drop(frames);
        ok().give(asked);
        let got = [first.await.unwrap(), second.await.unwrap(), late.await.unwrap()].map(|got| got.seen.body);
        assert_eq!(got, ["m", "m", "for 2"]);
        site.calls
    });
    assert_eq!(calls.await, 2);
}

/// Whatever becomes of a leader, whoever takes over sends a request of its own: `Site::all` looks at each scenario, and this one
/// at those in which most is sent.
#[tokio::test(start_paused = true)]
async fn s23_no_request_is_sent_twice_whoever_takes_over() {
    let ends: [fn(Asked); 5] = [
        |asked| ok().cut(&["half"]).give(asked),
        Asked::fail,
        Asked::panic,
        |asked| status(503).give(asked),
        |asked| status(429).give(asked),
    ];
    for end in ends {
        for (spread, sent) in of_each(Spread::ALL, &plain(), async |site| {
            let mut calls = Vec::new();
            for caller in 0..5 {
                calls.push(site.call(caller, get(&[])).await);
            }
            let mut sent = Vec::new();
            while !calls.iter().all(tokio::task::JoinHandle::is_finished) {
                for asked in site.all().await {
                    sent.push(asked.whose());
                    end(asked);
                }
            }
            sent
        })
        .await
        {
            let mut once = sent.clone();
            once.sort_unstable();
            once.dedup();
            assert_eq!(once.len(), sent.len(), "{spread:?}: {sent:?}");
        }
    }
}
