//! Any readers of any body, at any pace, and readers on two threads.

use std::{task::Poll, time::Duration};

use bytes::Bytes;
use proptest::prelude::*;
use tokio::time::advance;
use tokio_test::task;
use tower_singleflight::http::BodySource;

use crate::inner::{Fault, Item, PollFrame, Polled, Reader, body};

#[derive(Clone, Debug)]
enum Step {
    Feed(Item),
    Poll(usize),
    Drop(usize),
    Advance,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..40_usize).prop_map(|length| Step::Feed(Item::Data(Bytes::from(vec![length as u8; length])))),
        8 => (0..8_usize).prop_map(Step::Poll),
        1 => (0..8_usize).prop_map(Step::Drop),
        1 => Just(Step::Advance),
    ]
}

fn last() -> impl Strategy<Value = Vec<Item>> {
    prop_oneof![Just(vec![Item::End]), Just(vec![Item::Trailers, Item::End]), Just(vec![Item::Fail]),]
}

/// What one reader has had so far.
#[derive(Default)]
struct Seen {
    items: Vec<Item>,
    ended: bool,
}

impl Seen {
    fn take(&mut self, polled: Polled) -> bool {
        match polled {
            Poll::Pending => return false,
            Poll::Ready(Some(Ok(frame))) => self.items.push(match frame.into_data() {
                Ok(data) => Item::Data(data),
                Err(_) => Item::Trailers,
            }),
            Poll::Ready(Some(Err(error))) if error.is_lagged() => self.ended = true,
            Poll::Ready(Some(Err(error))) => {
                assert_eq!(error.downcast_ref(), Some(&Fault));
                self.items.push(Item::Fail);
                self.ended = true;
            }
            Poll::Ready(None) => {
                self.items.push(Item::End);
                self.ended = true;
            }
        }
        true
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Every reader sees a prefix of the same frames, and the right end if it gets there; nobody hangs; no more than
    /// the window is read ahead; the body is dropped in the end.
    #[test]
    fn any_readers_of_any_body_see_the_same(
        count in 1..8_usize,
        window in 1..200_usize,
        steps in prop::collection::vec(step(), 0..120),
        last in last(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let stall = Duration::from_secs(5);
            let (feed, inner) = body(None);
            let source = BodySource::new(inner).window(window).stall(stall);
            let mut claims: Vec<_> = (1..count).map(|_| Some(source.clone())).collect();
            claims.push(Some(source));
            let mut readers: Vec<Option<Reader>> = (0..count).map(|_| None).collect();
            let mut seen: Vec<_> = (0..count).map(|_| Seen::default()).collect();
            let mut all = Vec::new();
            // Then somebody may have been cut, and does not know it yet.
            let mut advanced = false;
            for step in steps {
                match step {
                    Step::Feed(item) => {
                        all.push(item.clone());
                        feed.send(item);
                    }
                    Step::Poll(which) => {
                        let which = which % count;
                        if let Some(claim) = claims[which].take() {
                            readers[which] = Some(task::spawn(claim.into_reader()));
                        }
                        if let (Some(reader), false) = (&mut readers[which], seen[which].ended) {
                            seen[which].take(reader.frame());
                        }
                    }
                    Step::Drop(which) => {
                        claims[which % count] = None;
                        readers[which % count] = None;
                    }
                    Step::Advance => {
                        advanced = true;
                        advance(Duration::from_secs(3)).await;
                    }
                }
                // Read ahead of the slowest: at most the window and the frame that went over it, in bytes, and as many
                // frames as if each had 64.
                let taken = all.len() - feed.unread();
                let holds = |which: usize| claims[which].is_some() || readers[which].is_some();
                let waits = |which: &usize| !seen[*which].ended && holds(*which);
                if let Some(slowest) = (0..count).filter(waits).map(|which| seen[which].items.len()).min() {
                    let ahead: Vec<_> = all[slowest.min(taken)..taken].iter().map(|item| match item {
                        Item::Data(data) => data.len(),
                        _ => 0,
                    }).collect();
                    let over = ahead.last().copied().unwrap_or(0).max(64);
                    let weight = ahead.iter().sum::<usize>().max(ahead.len() * 64);
                    let lone = (0..count).filter(waits).count() == 1;
                    let kept = weight <= window + over || ahead.len() <= 1;
                    assert!(advanced || lone || kept, "{weight} bytes kept for a window of {window}");
                }
            }
            all.extend(last.clone());
            last.into_iter().for_each(|item| feed.send(item));
            // All who are left read on to the end, and get there.
            for _ in 0..1000 {
                for which in 0..count {
                    if let Some(claim) = claims[which].take() {
                        readers[which] = Some(task::spawn(claim.into_reader()));
                    }
                    if let (Some(reader), false) = (&mut readers[which], seen[which].ended) {
                        seen[which].take(reader.frame());
                    }
                }
            }
            for (reader, seen) in readers.iter().zip(&seen) {
                assert!(reader.is_none() || seen.ended, "a reader hangs");
                assert_eq!(seen.items[..], all[..seen.items.len()]);
            }
            drop((claims, readers));
            assert!(feed.is_dropped());
        });
    }
}

/// Eight readers on two threads, and a ninth that comes and goes.
#[test]
fn readers_on_two_threads_all_get_there() {
    const FRAMES: usize = 20_000;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let (feed, inner) = body(None);
        let source = BodySource::new(inner).window(1000);
        let mut tasks = tokio::task::JoinSet::new();
        for reader in 0..8 {
            let mut body = source.clone().into_reader();
            tasks.spawn(async move {
                let mut frames = 0;
                while let Some(frame) = http_body_util::BodyExt::frame(&mut body).await {
                    assert_eq!(frame.unwrap().into_data().unwrap(), frames.to_string());
                    frames += 1;
                    if reader == 0 && frames == FRAMES / 2 {
                        return FRAMES;
                    }
                }
                frames
            });
        }
        drop(source);
        for frame in 0..FRAMES {
            feed.send(Item::Data(Bytes::from(frame.to_string())));
            if frame % 64 == 0 {
                tokio::task::yield_now().await;
            }
        }
        feed.send(Item::End);
        while let Some(frames) = tasks.join_next().await {
            assert_eq!(frames.unwrap(), FRAMES);
        }
        assert!(feed.is_dropped());
    });
}
