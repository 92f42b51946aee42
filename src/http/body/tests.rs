//! Every reader of a body, however late, shared or looked into, is told what the body itself would have told it.

use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header::ETAG};
use http_body::{Body, Frame, SizeHint};
use proptest::prelude::*;
use tokio_test::{assert_ready, task};

use super::{Ahead, BodyError, ReadAhead, SharedBody};

#[derive(Debug)]
struct Fault;

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("fault")
    }
}

impl std::error::Error for Fault {}

#[derive(Clone, Debug, PartialEq)]
enum Item {
    Data(usize),
    Trailers,
    Fail,
}

#[derive(Clone, Debug)]
enum Size {
    /// Counts down what comes.
    Right,
    Unknown,
    /// Wrong by so much, or unknown at first.
    Wrong(i64),
    Range,
}

/// Ready at once, but for a pending poll before each item that is told to wait.
#[derive(Clone, Debug)]
struct Shape {
    items: VecDeque<Item>,
    size: Size,
    says_so: bool,
}

impl Shape {
    fn left(&self) -> u64 {
        self.items.iter().map(|item| if let Item::Data(length) = item { *length as u64 } else { 0 }).sum()
    }

    fn is_true(&self) -> bool {
        !matches!(self.size, Size::Wrong(by) if self.left().saturating_add_signed(by) != self.left())
    }
}

impl Body for Shape {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        Poll::Ready(self.items.pop_front().map(|item| match item {
            Item::Data(length) => Ok(Frame::data(Bytes::from(vec![b'x'; length]))),
            Item::Trailers => Ok(Frame::trailers(HeaderMap::from_iter([(ETAG, HeaderValue::from_static("1"))]))),
            Item::Fail => Err(Fault),
        }))
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = SizeHint::new();
        match self.size {
            Size::Right => hint.set_exact(self.left()),
            Size::Unknown => {}
            Size::Wrong(by) => hint.set_exact(self.left().saturating_add_signed(by)),
            Size::Range => {
                hint.set_lower(self.left() / 2);
                hint.set_upper(self.left() + 7);
            }
        }
        hint
    }

    fn is_end_stream(&self) -> bool {
        self.says_so && self.items.is_empty()
    }
}

/// What a reader is told before each frame, and the frame.
#[derive(Clone, Debug, PartialEq)]
struct Told {
    size: (u64, Option<u64>),
    is_end_stream: bool,
    frame: Option<Result<Item, String>>,
}

fn tell<B>(body: &mut task::Spawn<B>) -> Told
where
    B: Body<Data = Bytes, Error: fmt::Display> + Unpin,
{
    let (size, is_end_stream) = (body.size_hint(), body.is_end_stream());
    let mut frame = body.enter(|cx, body| body.poll_frame(cx));
    // Before an error it is pending once, and wakes its task.
    if frame.is_pending() && body.is_woken() {
        frame = body.enter(|cx, body| body.poll_frame(cx));
    }
    let frame = assert_ready!(frame).map(|frame| match frame.map(Frame::into_data) {
        Ok(Ok(data)) => Ok(Item::Data(data.len())),
        Ok(Err(_)) => Ok(Item::Trailers),
        Err(error) => Err(error.to_string()),
    });
    Told { size: (size.lower(), size.upper()), is_end_stream, frame }
}

/// All that a body tells, up to its end.
fn tell_all<B>(body: &mut task::Spawn<B>) -> Vec<Told>
where
    B: Body<Data = Bytes, Error: fmt::Display> + Unpin,
{
    let mut all = Vec::new();
    while all.last().is_none_or(|told: &Told| matches!(told.frame, Some(Ok(_)))) {
        all.push(tell(body));
    }
    all
}

fn shape() -> impl Strategy<Value = Shape> {
    let sizes =
        prop_oneof![Just(Size::Right), Just(Size::Unknown), Just(Size::Range), (-3..4_i64).prop_map(Size::Wrong)];
    let end = prop_oneof![Just(vec![]), Just(vec![Item::Trailers]), Just(vec![Item::Fail])];
    let data = prop::collection::vec((0..5_usize).prop_map(Item::Data), 0..5);
    (data, end, sizes, any::<bool>()).prop_map(|(data, end, size, says_so)| Shape {
        items: data.into_iter().chain(end).collect(),
        size,
        says_so,
    })
}

/// Checks that a reader of a shared body was told what the body itself tells, unless that is not true (S16).
fn check(shape: &Shape, told: &[Told], lone: &[Told], announced: Option<u64>) {
    let whole = lone.last().is_none_or(|last| last.frame.is_none());
    let kept = announced.is_none_or(|announced| announced == shape.left());
    if shape.is_true() && kept {
        // A reader that has an error to come is not at its end, even if the body says so.
        let agrees = |(told, lone): (&Told, &Told)| {
            told.size == lone.size
                && told.frame == lone.frame
                && (told.is_end_stream == lone.is_end_stream || (!whole && !told.is_end_stream))
        };
        assert!(told.len() == lone.len() && told.iter().zip(lone).all(agrees), "{told:?} is not {lone:?}");
    } else {
        let last = told.last().expect("an end");
        assert!(matches!(last.frame, Some(Err(_))), "{told:?} does not end in an error");
        assert!(told.iter().all(|told| !told.is_end_stream));
        for (told, lone) in told[..told.len() - 1].iter().zip(lone) {
            assert_eq!((&told.size, &told.frame), (&lone.size, &lone.frame));
        }
    }
}

/// After an error a body is not at its end, whenever it is asked; after a clean end it is.
fn check_after(reader: &mut task::Spawn<SharedBody<Shape>>, told: &[Told]) {
    let failed = told.last().is_some_and(|last| last.frame.is_some());
    for _ in 0..2 {
        assert_eq!(reader.is_end_stream(), !failed);
        assert_eq!(reader.size_hint().exact(), (!failed).then_some(0));
        assert!(assert_ready!(reader.enter(|cx, body| body.poll_frame(cx))).is_none());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_reader_is_told_what_the_body_itself_would_have_told_it(
        shape in shape(),
        ahead in 0..8_usize,
        lateness in prop::collection::vec(0..8_usize, 1..4),
        announced in prop::option::of(-2..3_i64),
    ) {
        let announced = announced.map(|by| shape.left().saturating_add_signed(by));
        let lone = tell_all(&mut task::spawn(shape.clone()));
        let mut reading = task::spawn(ReadAhead::new(shape.clone(), announced));
        for ahead in 0..ahead {
            let found = &lone[ahead.min(lone.len() - 1)].frame;
            reading.enter(|cx, mut reading| match (assert_ready!(reading.poll_next(cx)), found) {
                (Ahead::Data(data), Some(Ok(Item::Data(length)))) => assert_eq!(data.len(), *length),
                (Ahead::Trailers(trailers), Some(Ok(Item::Trailers))) => assert_eq!(trailers[ETAG], "1"),
                (Ahead::Failed, Some(Err(_))) | (Ahead::End, None) => {}
                (ahead, found) => panic!("{ahead:?} is not {found:?}"),
            });
        }
        let source = reading.into_inner().into_source();
        let mut readers: Vec<_> = lateness.iter().map(|_| task::spawn(source.clone().into_reader())).collect();
        let mut first = task::spawn(source.into_reader());
        let mut told: Vec<_> = lateness.iter().map(|_| Vec::new()).collect();
        // The first reads to the end; each of the others begins when the first has had some frames.
        let mut firsts: Vec<Told> = Vec::new();
        while firsts.last().is_none_or(|told| matches!(told.frame, Some(Ok(_)))) {
            for ((reader, told), late) in readers.iter_mut().zip(&mut told).zip(&lateness) {
                if firsts.len() >= *late {
                    told.push(tell(reader));
                }
            }
            firsts.push(tell(&mut first));
        }
        check(&shape, &firsts, &lone, announced);
        check_after(&mut first, &firsts);
        for (reader, mut told) in readers.iter_mut().zip(told) {
            if told.last().is_none_or(|told| matches!(told.frame, Some(Ok(_)))) {
                told.extend(tell_all(reader));
            }
            let end = told.iter().position(|told| !matches!(told.frame, Some(Ok(_)))).expect("an end");
            check(&shape, &told[..=end], &lone, announced);
            check_after(reader, &told[..=end]);
        }
    }

    #[test]
    fn a_lone_reader_of_a_body_that_was_looked_into_is_the_body_itself(shape in shape(), ahead in 0..8_usize) {
        let lone = tell_all(&mut task::spawn(shape.clone()));
        let mut reading = task::spawn(ReadAhead::new(shape.clone(), Some(0)));
        for _ in 0..ahead {
            reading.enter(|cx, mut reading| assert!(reading.poll_next(cx).is_ready()));
        }
        let source = reading.into_inner().into_source();
        drop(source.clone());
        assert_eq!(tell_all(&mut task::spawn(source.into_reader())), lone);
    }
}

/// A pending poll has read nothing, and the readers' wakers replace that of the reader that looked.
#[test]
fn a_body_that_was_pending_when_it_was_looked_into_wakes_its_readers() {
    let (sender, body) = channel();
    let mut reading = task::spawn(ReadAhead::new(body, None));
    reading.enter(|cx, mut reading| assert!(reading.poll_next(cx).is_pending()));
    let source = reading.into_inner().into_source();
    let mut readers = [source.clone(), source].map(|claim| task::spawn(claim.into_reader()));
    for reader in &mut readers {
        assert!(reader.enter(|cx, body| body.poll_frame(cx)).is_pending());
    }
    sender.send("abc").expect("a reader");
    for reader in &mut readers {
        assert!(reader.is_woken());
        let frame = assert_ready!(reader.enter(|cx, body| body.poll_frame(cx)));
        assert_eq!(frame.expect("a frame").expect("no error").into_data().expect("data"), "abc");
    }
}

#[test]
fn a_panic_of_a_body_that_is_looked_into_unwinds() {
    struct Panics;
    impl Body for Panics {
        type Data = Bytes;
        type Error = Fault;
        fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
            std::panic::resume_unwind(Box::new("boom"))
        }
    }
    let mut reading = task::spawn(ReadAhead::new(Panics, None));
    let look = || reading.enter(|cx, mut reading| reading.poll_next(cx).is_ready());
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(look)).is_err());
}

type Sender = tokio::sync::mpsc::UnboundedSender<&'static str>;

struct Channel(tokio::sync::mpsc::UnboundedReceiver<&'static str>);

fn channel() -> (Sender, Channel) {
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
    (sender, Channel(receiver))
}

impl Body for Channel {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.0.poll_recv(cx).map(|text| text.map(|text| Ok(Frame::data(Bytes::from_static(text.as_bytes())))))
    }
}
