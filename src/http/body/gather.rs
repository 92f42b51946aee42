//! All of a shared body, for another process.

use std::{
    error::Error,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::Body;

use super::{part::BodyPart, source::BodySource};

/// A claim that reads a shared body to its end. It holds no reader up, and cuts none: when the window is full, it gives up.
pub(in crate::http) struct Gather<B> {
    claim: BodySource<B>,
    read: Vec<Bytes>,
    /// How many bytes may still come.
    room: usize,
    trailers: Option<HeaderMap>,
}

/// What came of reading a body to its end.
#[derive(Debug)]
pub(in crate::http) enum Gathered {
    /// All of the body, in pieces.
    Whole(Vec<Bytes>, Option<HeaderMap>),
    /// It has more bytes than were wanted, or other readers are so far behind that the window is full.
    TooLarge,
    /// It broke off.
    Failed,
}

impl<B: Body> Gather<B> {
    /// Claims a body beside the one who has it already; at most `max` bytes of it are wanted.
    pub(in crate::http) fn beside(source: &BodySource<B>, max: usize) -> Self {
        let mut claim = source.clone();
        claim.yields();
        Self { claim, read: Vec::new(), room: max, trailers: None }
    }
}

impl<B> Gather<B>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    pub(in crate::http) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Gathered> {
        loop {
            let frame = match ready!(Pin::new(&mut self.claim).poll_frame(cx)) {
                Some(Ok(frame)) => frame,
                Some(Err(error)) if error.is_lagged() => return Poll::Ready(Gathered::TooLarge),
                Some(Err(_)) => return Poll::Ready(Gathered::Failed),
                None => {
                    let read = std::mem::take(&mut self.read);
                    return Poll::Ready(Gathered::Whole(read, self.trailers.take()));
                }
            };
            match BodyPart::new(frame) {
                Some(BodyPart::Data(data)) => {
                    let Some(room) = self.room.checked_sub(data.len()) else {
                        return Poll::Ready(Gathered::TooLarge);
                    };
                    self.room = room;
                    self.read.push(data);
                }
                Some(BodyPart::Trailers(trailers)) => self.trailers = Some(std::sync::Arc::unwrap_or_clone(trailers)),
                None => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body::Frame;
    use http_body_util::{BodyExt, Full, StreamBody};
    use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
    use tokio_test::{assert_pending, assert_ready, task};

    use super::*;
    use crate::http::SharedBody;

    type Item = Result<Frame<Bytes>, &'static str>;

    /// A body that is fed.
    fn fed() -> (UnboundedSender<Item>, BodySource<impl Body<Data = Bytes, Error = &'static str> + Send + Unpin>) {
        let (feed, mut items) = unbounded_channel::<Item>();
        let stream = futures_util::stream::poll_fn(move |cx| items.poll_recv(cx));
        (feed, BodySource::new(StreamBody::new(stream)))
    }

    fn data(text: &'static str) -> Item {
        Ok(Frame::data(Bytes::from_static(text.as_bytes())))
    }

    fn poll<B>(gather: &mut Gather<B>) -> Poll<Gathered>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let mut task = task::spawn(());
        let polled = task.enter(|cx, _| gather.poll(cx));
        // Before an error its reader is pending once, and wakes its task.
        if task.is_woken() { task.enter(|cx, _| gather.poll(cx)) } else { polled }
    }

    fn read<B>(reader: &mut SharedBody<B>) -> Poll<Option<Bytes>>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let polled = task::spawn(()).enter(|cx, _| Pin::new(reader).poll_frame(cx));
        polled.map(|frame| frame.map(|frame| frame.expect("no error").into_data().expect("data")))
    }

    #[test]
    fn all_of_a_body_comes_with_its_trailers_though_the_others_have_left() {
        let (feed, source) = fed();
        let mut gather = Gather::beside(&source, 6);
        let mut reader = source.into_reader();
        feed.send(data("abc")).unwrap();
        assert_eq!(read(&mut reader), Poll::Ready(Some("abc".into())));
        assert_pending!(poll(&mut gather));
        drop(reader);
        feed.send(data("def")).unwrap();
        let trailers: HeaderMap = [(http::header::ETAG, "x".parse().unwrap())].into_iter().collect();
        feed.send(Ok(Frame::trailers(trailers.clone()))).unwrap();
        drop(feed);
        let Gathered::Whole(pieces, found) = assert_ready!(poll(&mut gather)) else { panic!("all of it") };
        assert_eq!((pieces.concat(), found), (b"abcdef".to_vec(), Some(trailers)));
    }

    #[test]
    fn a_body_that_is_larger_than_wanted_is_given_up() {
        let (feed, source) = fed();
        let mut gather = Gather::beside(&source, 5);
        feed.send(data("abc")).unwrap();
        feed.send(data("def")).unwrap();
        assert!(matches!(assert_ready!(poll(&mut gather)), Gathered::TooLarge));
        drop(source);
    }

    #[test]
    fn s16_a_body_that_breaks_off_is_never_whole() {
        for announced in [None, Some(4)] {
            let (feed, source) = fed();
            let source = source.announced(announced);
            let mut gather = Gather::beside(&source, 100);
            feed.send(data("abc")).unwrap();
            if announced.is_none() {
                feed.send(Err("cut")).unwrap();
            }
            drop(feed);
            assert!(matches!(assert_ready!(poll(&mut gather)), Gathered::Failed), "{announced:?}");
        }
    }

    #[test]
    fn who_gathers_and_is_not_polled_holds_no_reader_up() {
        let (feed, source) = fed();
        let source = source.window(3);
        let mut gather = Gather::beside(&source, 100);
        let mut reader = source.into_reader();
        for text in ["abc", "def", "ghi"] {
            feed.send(data(text)).unwrap();
            assert_eq!(read(&mut reader), Poll::Ready(Some(text.into())));
        }
        assert!(matches!(assert_ready!(poll(&mut gather)), Gathered::TooLarge));
    }

    #[test]
    fn who_gathers_gives_up_before_a_slow_reader_is_cut() {
        let (feed, source) = fed();
        let source = source.window(3);
        let mut gather = Gather::beside(&source, 100);
        let mut slow = source.into_reader();
        for text in ["abc", "def", "ghi"] {
            feed.send(data(text)).unwrap();
        }
        assert!(matches!(assert_ready!(poll(&mut gather)), Gathered::TooLarge));
        for text in ["abc", "def", "ghi"] {
            assert_eq!(read(&mut slow), Poll::Ready(Some(text.into())));
        }
    }

    #[test]
    fn a_fast_reader_that_waits_for_a_slow_one_does_not_cut_who_gathers() {
        let (feed, source) = fed();
        // Full with two frames.
        let source = source.window(100);
        let mut gather = Gather::beside(&source, 100);
        let mut slow = source.clone().into_reader();
        let mut fast = source.into_reader();
        feed.send(data("abc")).unwrap();
        assert_eq!(read(&mut fast), Poll::Ready(Some("abc".into())));
        assert_pending!(poll(&mut gather));
        for text in ["def", "ghi"] {
            feed.send(data(text)).unwrap();
        }
        assert_eq!(read(&mut fast), Poll::Ready(Some("def".into())));
        assert_pending!(read(&mut fast));
        assert_eq!(read(&mut slow), Poll::Ready(Some("abc".into())));
        assert_eq!(read(&mut fast), Poll::Ready(Some("ghi".into())));
        drop((fast, slow, feed));
        let Gathered::Whole(pieces, None) = assert_ready!(poll(&mut gather)) else { panic!("all of it") };
        assert_eq!(pieces.concat(), b"abcdefghi");
    }

    /// Its readers are told what those of the body itself were told.
    #[tokio::test]
    async fn a_body_that_came_as_a_whole_says_what_it_is_and_can_be_shared() {
        for (text, trailers) in [("", false), ("rows", false), ("", true), ("rows", true)] {
            let trailers = trailers.then(|| [(http::header::ETAG, "x".parse().unwrap())].into_iter().collect());
            let source = BodySource::<Full<Bytes>>::whole(text.into(), trailers.clone());
            let other = source.clone();
            for reader in [source.into_reader(), other.into_reader()] {
                let exact = trailers.is_none().then_some(text.len() as u64);
                assert_eq!((reader.size_hint().exact(), reader.size_hint().lower()), (exact, text.len() as u64));
                assert_eq!(reader.is_end_stream(), text.is_empty() && trailers.is_none());
                let collected = reader.collect().await.unwrap();
                assert_eq!(collected.trailers(), trailers.as_ref());
                assert_eq!(collected.to_bytes(), text);
            }
            let lone = BodySource::<Full<Bytes>>::whole(text.into(), trailers.clone()).into_reader();
            assert_eq!(lone.size_hint().exact().is_some(), trailers.is_none());
            assert_eq!(lone.collect().await.unwrap().to_bytes(), text);
        }
    }
}
