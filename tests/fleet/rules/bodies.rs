//! Bodies: S16, S18, and how large they may be.

use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tokio::time::sleep;
use tower_singleflight::fleet::{FleetReason, FleetRole};

use super::{
    harness::{Reply, Traffic, as_in_one, equal, get, of_each, ok, request, status},
    play::{Part, read_answer},
    site::{Asked, Spread, Told, settle},
};
use crate::pair::origin::{Fault, streamed};

fn plain() -> Told {
    Told::heads(|layer| layer)
}

/// T46. In one process every reader gets what came before it broke off, and an error. Those elsewhere, who would see none of it,
/// make the call that they would have made by themselves: one of them for all.
#[tokio::test(start_paused = true)]
async fn s16_a_body_that_breaks_off_never_looks_whole_to_anybody() {
    let short = || ok().field("content-length", "50").streamed();
    let long = || ok().field("content-length", "2").streamed();
    let cases: [fn() -> Reply; 5] =
        [|| ok().cut(&[]), || ok().cut(&["half "]), || ok().cut(&["half ", "of "]), short, long];
    for broken in cases {
        let reply = move |asked: &Asked| if asked.whose() == 0 { broken() } else { ok() };
        let traffic = Traffic::of(equal(4)).answered(reply);
        for spread in Spread::ALL {
            let play = traffic.in_spread(spread).await;
            assert!(!play.got[0].seen.whole, "{spread:?}");
            let across = Spread::ACROSS.contains(&spread);
            assert_eq!(play.calls, if across { 2 } else { 1 }, "{spread:?}");
            for got in &play.got[1..] {
                assert_eq!(got.seen.whole, across, "{spread:?}");
                if across {
                    assert_eq!(got.seen.body, play.got[1].seen.body, "{spread:?}");
                    assert_ne!(got.seen.body, "for 0", "{spread:?}");
                } else {
                    assert_eq!(got.seen.body, play.got[0].seen.body);
                }
            }
        }
    }
}

/// Each process breaks off in turn; who is left gets an error, if its own does.
#[tokio::test(start_paused = true)]
async fn s16_where_every_body_breaks_off_nobody_has_a_whole_one() {
    let traffic = Traffic::of(equal(4)).answered(|_| ok().cut(&["half "]));
    for spread in Spread::ALL {
        let play = traffic.in_spread(spread).await;
        assert!(play.got.iter().all(|got| !got.seen.whole && got.seen.status == Some(200)), "{spread:?}");
    }
    assert_eq!(traffic.calls().await, [1, 2, 4]);
}

/// T48.
#[tokio::test(start_paused = true)]
async fn s18_trailers_reach_everybody_as_trailers() {
    let replies: [fn() -> Reply; 3] = [
        || ok().trailer("x-sum", "1").trailer("x-sum", "2").trailer("server-timing", "db;dur=5"),
        || ok().without_content().trailer("x-sum", "1"),
        || status(404).field("trailer", "x-sum").trailer("x-sum", "1"),
    ];
    for reply in replies {
        let traffic = Traffic::of(equal(4)).answered(move |_| reply());
        let play = traffic.as_in_one().await;
        assert_eq!(play.calls, 1);
        for got in play.got.iter().chain(&traffic.in_spread(Spread::Two).await.got) {
            assert!(!got.seen.trailers.is_empty());
            // Over HTTP/1.1 there would be none behind a known length.
            assert!(!got.has_length);
            assert_eq!(got.field("x-sum"), None);
        }
    }
}

/// T48: a unary call, whose status is behind its message.
#[tokio::test(start_paused = true)]
async fn s18_a_grpc_status_reaches_everybody() {
    let call = |message: &'static str| {
        let request =
            request("POST", "http://site/pkg.Service/Get", &[("content-type", "application/grpc"), ("te", "trailers")]);
        request.map(|_| http_body_util::Full::new(Bytes::from_static(message.as_bytes())))
    };
    let told = |traffic: Traffic| traffic.told_of_contents(|layer| layer.grpc(["/pkg.Service/Get"]));
    for code in ["0", "5", "9", "12"] {
        let requests = [call("a"), call("a"), call("b"), call("a")];
        let play = told(Traffic::of(requests)).answered(move |_| ok().trailer("grpc-status", code)).as_in_one().await;
        assert_eq!(play.bodies(), ["for 0", "for 0", "for 2", "for 0"], "{code}");
        assert!(play.got.iter().all(|got| got.seen.trailers == [("grpc-status".to_owned(), code.to_owned())]));
        // Without a message.
        let play = told(Traffic::of([call("a"), call("a"), call("a")]));
        let play = play.answered(move |_| ok().without_content().trailer("grpc-status", code)).as_in_one().await;
        assert_eq!(play.calls, 1, "{code}");
        // In the head.
        let play = told(Traffic::of([call("a"), call("a"), call("a")]));
        let play = play.answered(move |_| ok().without_content().field("grpc-status", code)).as_in_one().await;
        assert_eq!(play.calls, 1, "{code}");
    }
    // About one caller: the others ask once more, and then each for itself.
    for code in ["1", "4", "7", "8", "16"] {
        let play = told(Traffic::of([call("a"), call("a"), call("a")]));
        let play = play.answered(move |_| ok().without_content().trailer("grpc-status", code)).as_in_one().await;
        assert_eq!(play.calls, 3, "{code}");
    }
}

/// T52.
#[tokio::test(start_paused = true)]
async fn s18_answers_without_content_end_at_once_for_everybody() {
    let cases =
        [("GET", status(204)), ("GET", ok().without_content()), ("HEAD", ok().field("content-length", "5000000"))];
    for (method, reply) in cases {
        let requests = (0..3).map(|_| request(method, "http://site/", &[]));
        let play = Traffic::of(requests).answered(move |_| reply.clone()).as_in_one().await;
        assert_eq!((play.calls, play.bodies(), play.got[2].has_length), (1, vec![""; 3], true), "{method}");
    }
}

/// T45: those of the leader's process have each frame when it does; those elsewhere have all of them at the end.
#[tokio::test(start_paused = true)]
async fn s16_frames_reach_the_callers_of_one_process_one_by_one_and_those_elsewhere_at_the_end() {
    for (spread, rest) in of_each([Spread::One, Spread::Two], &plain(), async |site| {
        let calls = [0, 1].map(|caller| tokio::spawn(site.start(caller, get(&[]))));
        let asked = site.next().await;
        let (frames, response) = streamed();
        asked.answer(response);
        let [leader, other] = calls;
        let mut leader = leader.await.unwrap().unwrap();
        frames.send(Ok(Frame::data(Bytes::from_static(b"one ")))).unwrap();
        assert_eq!(leader.frame().await.unwrap().unwrap().into_data().unwrap(), "one ");
        settle().await;
        assert_eq!(other.is_finished(), site.spread == Spread::One);
        frames.send(Ok(Frame::data(Bytes::from_static(b"two")))).unwrap();
        drop(frames);
        assert_eq!(leader.collect().await.unwrap().to_bytes(), "two");
        (site.calls, read_answer(other.await.unwrap().unwrap()).await.seen.body)
    })
    .await
    {
        assert_eq!(rest, (1, "one two".to_owned()), "{spread:?}");
    }
}

/// T51, as far as it goes across: what is larger than a message, or than the window while somebody is slow, stays.
#[tokio::test(start_paused = true)]
async fn s26_what_is_larger_than_a_message_is_shared_within_each_process() {
    let play = async |spread: Spread| {
        let traffic = Traffic::of(equal(4)).answered(|_| ok().streamed());
        let mut plays = of_each([spread], &traffic.told, async |site| {
            site.settings = site.settings.clone().max_message(4);
            traffic.play_in(site).await
        })
        .await;
        plays.remove(0).1
    };
    assert_eq!(play(Spread::One).await.calls, 1);
    let two = play(Spread::Two).await;
    assert_eq!((two.calls, two.bodies()), (2, vec!["for 0", "for 1", "for 1", "for 1"]));
    assert_eq!(two.fleets()[1], Some(FleetRole::Local(FleetReason::TooLarge)));
    assert_eq!(two.parts()[1], Part::Released);
}

/// T33: who is left has all of it, wherever it is.
#[tokio::test(start_paused = true)]
async fn s16_a_leader_that_stops_reading_cuts_nobody_elsewhere() {
    let got = as_in_one(&plain(), async |site| {
        let first = tokio::spawn(site.start(0, get(&[])));
        let asked = site.next().await;
        let others = [site.call(1, get(&[])).await, site.call(2, get(&[])).await];
        let (frames, response) = streamed();
        asked.answer(response);
        let mut leader = first.await.unwrap().unwrap();
        frames.send(Ok(Frame::data(Bytes::from_static(b"one ")))).unwrap();
        drop(leader.frame().await);
        drop(leader);
        sleep(Duration::from_millis(5)).await;
        frames.send(Ok(Frame::data(Bytes::from_static(b"two")))).unwrap();
        drop(frames);
        let mut got = Vec::new();
        for other in others {
            got.push(other.await.unwrap().seen);
        }
        (site.calls, got)
    })
    .await;
    assert_eq!(got.0, 1);
    assert!(got.1.iter().all(|seen| seen.body == "one two" && seen.whole));
}

/// A body that panics when it is read does so for those of its process.
#[tokio::test(start_paused = true)]
async fn s16_a_body_that_panics_looks_whole_to_nobody() {
    let told = plain();
    let bodies = of_each(Spread::ACROSS, &told, async |site| {
        let mut calls = Vec::new();
        for caller in 0..3 {
            calls.push(site.call(caller, get(&[])).await);
        }
        let stream = futures_util::stream::poll_fn(|_| -> std::task::Poll<Option<Result<Frame<Bytes>, Fault>>> {
            panic!("a body that panics")
        });
        site.next().await.answer(Response::new(StreamBody::new(stream).boxed_unsync()));
        let mut found = Vec::new();
        while !calls.iter().all(tokio::task::JoinHandle::is_finished) {
            for asked in site.all().await {
                ok().give(asked);
            }
        }
        for call in calls {
            found.push(call.await.ok().filter(|got| got.seen.whole).map(|got| got.seen.body));
        }
        found
    });
    for (spread, found) in bodies.await {
        assert_eq!(found[0], None, "{spread:?}");
        assert!(
            found[1..].iter().all(|body| body.as_ref().is_some_and(|body| body != "for 0")),
            "{spread:?} {found:?}"
        );
    }
}
