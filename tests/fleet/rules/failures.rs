//! Failures, and second tries: D4, D9.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{
    harness::{Traffic, as_in_one, equal, fault, get, of_each, ok, status},
    site::{Asked, Spread, Told, until},
};

fn plain() -> Told {
    Told::heads(|layer| layer)
}

/// T44: failures that are answers are everybody's who had joined, also if they say what error pages say out of habit.
#[tokio::test(start_paused = true)]
async fn d4_failures_that_are_answers_are_shared_in_every_process() {
    for code in [500, 501, 502, 503, 504, 599] {
        for said in ["no-store", "no-cache", "max-age=0, no-store", "public"] {
            let reply = move |_: &Asked| status(code).field("cache-control", said);
            let play = Traffic::of(equal(4)).answered(reply).as_in_one().await;
            assert_eq!((play.calls, play.bodies()), (1, vec!["for 0"; 4]), "{code} {said}");
        }
        for (name, value) in [("cache-control", "private"), ("set-cookie", "a=1")] {
            let reply = move |_: &Asked| status(code).field(name, value);
            assert_eq!(Traffic::of(equal(4)).answered(reply).as_in_one().await.calls, 4, "{code} {value}");
        }
        let strict = Traffic::of(equal(4)).told(|layer| layer.share_server_errors(false));
        assert_eq!(strict.answered(move |_| status(code)).as_in_one().await.calls, 4, "{code}");
    }
}

/// T42: an error has no bytes. Each process has its own.
#[tokio::test(start_paused = true)]
async fn d4_errors_are_shared_within_each_process() {
    let traffic = Traffic::of(equal(4)).answered(|_| fault());
    assert_eq!(traffic.calls().await, [1, 2, 4]);
    for spread in Spread::ALL {
        assert!(traffic.in_spread(spread).await.got.iter().all(|got| got.body() == "down"), "{spread:?}");
    }
    let strict = Traffic::of(equal(4)).told(|layer| layer.share_server_errors(false)).answered(|_| fault());
    assert_eq!(strict.calls().await, [4, 4, 4]);
}

/// T36: a panic is raised in the callers of its process; those elsewhere make their own call, and do not panic one after the other.
#[tokio::test(start_paused = true)]
async fn d4_a_panic_is_that_of_its_process() {
    for (spread, panics) in of_each(Spread::ALL, &plain(), async |site| {
        let mut calls = Vec::new();
        for caller in 0..4 {
            calls.push(site.call(caller, get(&[])).await);
        }
        site.next().await.panic();
        sleep(Duration::from_millis(300)).await;
        site.all().await.into_iter().for_each(|asked| ok().give(asked));
        let mut panics = 0;
        for call in calls {
            panics += usize::from(call.await.is_err());
        }
        panics
    })
    .await
    {
        assert_eq!(panics, if Spread::ACROSS.contains(&spread) { 1 } else { 4 }, "{spread:?}");
    }
}

/// What may be due to the leader's own request is asked once more, by one for all, and what that brings is final.
#[tokio::test(start_paused = true)]
async fn d9_a_second_try_is_made_by_one_for_all() {
    let first = [400, 401, 403, 407, 408, 411, 412, 413, 414, 415, 416, 417, 421, 425, 426, 428, 429, 431, 505, 508];
    for code in first {
        let once = move |asked: &Asked| if asked.whose() == 0 { status(code) } else { ok() };
        let play = Traffic::of(equal(4)).answered(once);
        for spread in Spread::ALL {
            let play = play.in_spread(spread).await;
            let statuses: Vec<_> = play.got.iter().filter_map(|got| got.seen.status).collect();
            assert_eq!((play.calls, &statuses[..]), (2, &[code, 200, 200, 200][..]), "{spread:?}");
        }
        // Where every answer is such a one, each has its own in the end, unless it may be shared.
        let always = |said: &'static str| {
            Traffic::of(equal(4)).answered(move |_| status(code).field("x-said", said).field("cache-control", said))
        };
        let shares = matches!(code, 400 | 411..=417 | 428);
        for spread in Spread::ALL {
            let play = always("public").in_spread(spread).await;
            assert_eq!(play.calls, if shares { 2 } else { 4 }, "{code} {spread:?}");
        }
    }
}

/// Who came late to a failing call does not inherit its time-out; who did not has a share in it.
#[tokio::test(start_paused = true)]
async fn d9_who_came_late_to_a_failure_tries_again_in_every_process() {
    let fails_once = |asked: &Asked| if asked.whose() == 0 { status(503) } else { ok() };
    // The call takes 400 ms; two come early, two late.
    for (at, calls) in [([0, 10, 20, 30], 1), ([0, 10, 350, 360], 2), ([0, 350, 360, 370], 2), ([0, 150, 250, 260], 2)]
    {
        let traffic = Traffic::of(equal(4)).at(&at, 400).answered(fails_once);
        for spread in [Spread::One, Spread::Lone, Spread::Two, Spread::Each] {
            let play = traffic.in_spread(spread).await;
            let statuses: Vec<_> = play.got.iter().filter_map(|got| got.seen.status).collect();
            let expected: Vec<_> = at.iter().map(|at| if *at < 200 { 503 } else { 200 }).collect();
            assert_eq!((play.calls, statuses), (calls, expected), "{spread:?} {at:?}");
        }
    }
}

/// How long the error page takes to come says nothing of who came late.
#[tokio::test(start_paused = true)]
async fn d9_a_failure_whose_content_comes_slowly_makes_nobody_late_or_early() {
    for (joins, tries_again) in [(10, false), (350, true)] {
        let got = as_in_one(&plain(), async |site| {
            if site.spread == Spread::Looking {
                return if tries_again { (2, Some(200)) } else { (1, Some(503)) };
            }
            let start = Instant::now();
            let first = site.call(0, get(&[])).await;
            until(start, joins).await;
            let second = site.call(1, get(&[])).await;
            until(start, 400).await;
            let (frames, mut response) = crate::pair::origin::streamed();
            *response.status_mut() = http::StatusCode::SERVICE_UNAVAILABLE;
            site.next().await.answer(response);
            sleep(Duration::from_millis(500)).await;
            drop(frames);
            for asked in site.all().await {
                ok().give(asked);
            }
            drop(first.await.unwrap());
            (site.calls, second.await.unwrap().seen.status)
        })
        .await;
        assert_eq!(got, if tries_again { (2, Some(200)) } else { (1, Some(503)) }, "{joins}");
    }
}
