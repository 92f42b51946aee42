//! What the generic dry run says would have been saved is what the layer saves, with the limits that it has: each schedule is run
//! through both. Time is paused.

use std::{convert::Infallible, time::Duration};

use tokio::{
    sync::{mpsc, oneshot},
    time::advance,
};
use tokio_test::task::spawn;
use tower::{Layer, Service, service_fn};
use tower_singleflight::{DryRunStats, Limits, SingleflightLayer};

const MS: Duration = Duration::from_millis(1);

/// What is to come: calls of one key (`p`) and of another (`q`), fresh ones of the two (`f`, `g`), and answers to all that are
/// under way (`!`), or to the latest first (`?`); each with the time that passes behind it.
type Schedule = Vec<(char, Duration)>;

async fn settle() {
    for _ in 0..64 {
        tokio::task::yield_now().await;
    }
}

/// Runs a schedule, and lets all be answered in the end; returns how many calls were made, and how many reached the service.
async fn run(limits: Limits, dry: bool, schedule: &Schedule) -> (u64, u64, DryRunStats) {
    let (sender, mut held) = mpsc::unbounded_channel::<oneshot::Sender<()>>();
    let backend = service_fn(move |_: char| {
        let (answer, answered) = oneshot::channel();
        sender.send(answer).unwrap();
        async move {
            answered.await.unwrap();
            Ok::<_, Infallible>(())
        }
    });
    let layer = SingleflightLayer::new(|asked: &char| Some(matches!(asked, 'p' | 'f')));
    let layer = layer.fresh_if(|asked: &char| matches!(asked, 'f' | 'g')).limits(limits);
    let layer = if dry { layer.dry_run(|_, _| true) } else { layer };
    let mut service = layer.layer(backend);
    let (mut tasks, mut reached) = (Vec::new(), 0);
    for (letter, passes) in schedule {
        if matches!(letter, '!' | '?') {
            let mut held: Vec<_> = std::iter::from_fn(|| held.try_recv().ok()).collect();
            reached += held.len() as u64;
            if *letter == '?' {
                held.reverse();
            }
            for held in held {
                held.send(()).unwrap();
                settle().await;
            }
        } else {
            let mut call = spawn(service.call(*letter));
            let _ = call.poll();
            tasks.push(tokio::spawn(call.into_inner()));
        }
        settle().await;
        if !passes.is_zero() {
            advance(*passes).await;
            settle().await;
        }
    }
    while let Ok(held) = held.try_recv() {
        reached += 1;
        held.send(()).unwrap();
        settle().await;
    }
    let calls = tasks.len() as u64;
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert!(service.group().is_empty());
    (calls, reached, layer.dry_run_stats())
}

/// Runs a schedule with the layer and with its dry run; returns how many calls both save.
async fn saved(limits: Limits, schedule: &Schedule) -> u64 {
    let (calls, reached, _) = run(limits, false, schedule).await;
    let (_, alone, stats) = run(limits, true, schedule).await;
    assert_eq!(alone, calls, "all go alone");
    assert_eq!(stats.saved, calls - reached, "{schedule:?}\n{limits:?}\n{stats:?}");
    assert_eq!(stats.led + stats.followed + stats.limited, calls, "{schedule:?}\n{limits:?}\n{stats:?}");
    assert_eq!(stats.saved + stats.waited_too_long, stats.followed, "{schedule:?}\n{limits:?}\n{stats:?}");
    assert_eq!(stats.same, stats.saved, "of few followers all are compared");
    stats.saved
}

fn schedule(letters: &str, passes: Duration) -> Schedule {
    letters.chars().map(|letter| (letter, passes)).collect()
}

#[tokio::test(start_paused = true)]
async fn each_limit_is_kept() {
    let new = Limits::new;
    for (limits, letters, passes, expected) in [
        (new(), "ppppqq", 0, 4),
        (new().max_followers(2), "ppppqq", 0, 3),
        (new().max_flights(1), "ppqqp", 0, 2),
        (new().max_flights(0), "pp", 0, 0),
        // Of the three that follow, the first has waited for 500 ms when its flight lands.
        (new().max_wait(450 * MS), "pppp", 125, 3),
        (new().max_wait(300 * MS), "pppp", 125, 2),
        (new().max_wait(Duration::ZERO), "pppp", 0, 0),
        // Those that have waited for too long make room.
        (new().max_wait(300 * MS).max_followers(1), "pppp", 200, 1),
        (new().join_window(300 * MS), "pppp", 125, 2),
        // Who is fresh waits for the next flight.
        (new(), "pffpf", 0, 3),
        (new().max_flights(1), "pffp", 0, 1),
        (new().max_wait(400 * MS), "pffff", 125, 3),
    ] {
        let schedule = schedule(letters, MS * passes);
        assert_eq!(saved(limits, &schedule).await, expected, "{letters}\n{limits:?}");
    }
}

/// A flight that waits no longer runs beside the one before it, and neither counts once it has landed.
#[tokio::test(start_paused = true)]
async fn whichever_of_two_lands_first_there_is_room_for_two_again() {
    let limits = Limits::new().max_wait(400 * MS + MS / 2).max_flights(2);
    for answers in ['!', '?'] {
        let schedule = [('p', 0), ('f', 500), (answers, 0), ('p', 0), ('q', 0), ('p', 0), ('q', 0)];
        let schedule = schedule.map(|(letter, passes)| (letter, MS * passes)).to_vec();
        assert_eq!(saved(limits, &schedule).await, 2, "{answers}");
    }
}

/// Schedules drawn by chance, the same each time.
#[tokio::test(start_paused = true)]
async fn all_limits_together_save_what_the_layer_saves() {
    let mut state = 7_u64;
    let mut draw = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    for number in 0..300 {
        // What waits for its turn is answered too soon if the service answers between.
        let letters = if number % 2 == 0 { "pppqffg" } else { "pppqqp!" };
        let mut schedule = Schedule::new();
        for _ in 0..4 + draw(8) {
            let letter = letters.as_bytes()[draw(letters.len() as u64) as usize];
            // Never as long as a limit, to the millisecond.
            schedule.push((char::from(letter), MS * (7 * draw(40)) as u32));
        }
        let mut limits = Limits::new();
        if draw(2) == 0 {
            limits = limits.max_wait(MS * (100 + 10 * draw(60)) as u32 + MS / 2);
        }
        if draw(2) == 0 {
            limits = limits.join_window(MS * (100 + 10 * draw(60)) as u32 + MS / 2);
        }
        if draw(2) == 0 {
            limits = limits.max_followers(draw(3) as usize);
        }
        if draw(3) == 0 {
            limits = limits.max_flights(1 + draw(2) as usize);
        }
        saved(limits, &schedule).await;
    }
}
