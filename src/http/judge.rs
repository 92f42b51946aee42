//! Judging an answer: at its head as a rule; some of its body is read ahead where the head does not tell.

use std::{
    error::Error,
    mem::take,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header, response};
use http_body::Body;
use tokio::time::Instant;

use super::{
    answer::{Answer, JudgedBody},
    body::{Ahead, ReadAhead},
    grpc_web::{self, Trailers},
    key::HttpKey,
    policy::{Again, GrpcVerdict, Verdict},
    requester::Requester,
    rule::Rule,
};

/// What the head of an answer says, and how far into its body the rest of the verdict lies.
pub(super) struct AtHead {
    pub(super) verdict: Verdict,
    /// How long the content is said to be, in bytes; `None` also where there is none.
    pub(super) announced: Option<u64>,
    /// Its length is known beforehand, or it has no content.
    pub(super) has_length: bool,
    pub(super) until: Until,
    /// The part of the body that the verdict depends on comes in pieces.
    in_pieces: bool,
}

/// How much of the body is read before the verdict stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    /// Nothing.
    Head,
    /// Its first message or its trailers, of a unary gRPC call (S28).
    Message,
    /// Its first frame, if that is there at once: if it is the whole body, of this length in bytes, the body is in
    /// memory anyway.
    Whole(u64),
}

impl AtHead {
    /// Judges by the head; `others_wait` says whether somebody follows.
    #[inline]
    pub(super) fn of<RB: Body<Data = Bytes>>(
        requester: &Requester,
        head: &response::Parts,
        body: &RB,
        others_wait: impl FnOnce(&HttpKey) -> bool,
    ) -> Self {
        let empty = requester.facts.head || matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let announced = if empty { None } else { announced(head, body) };
        let has_length = empty || announced.is_some() || body.is_end_stream();
        let mut said = Self {
            verdict: requester.verdict(head, has_length),
            announced,
            has_length,
            until: Until::Head,
            in_pieces: false,
        };
        let Verdict { share: share @ Ok(()), .. } = &mut said.verdict else { return said };
        let large = large(requester, announced);
        if requester.unary && head.status == StatusCode::OK && !body.is_end_stream() {
            said.until = Until::Message;
        } else if let Some(length) = large {
            if others_wait(&requester.key) {
                said.until = Until::Whole(length);
            } else {
                // Nobody waits yet. A caller that comes before the landing is released then.
                *share = Err(Rule::LargeBody);
            }
        }
        said
    }
}

/// The next part of a body that is read ahead for a verdict.
#[derive(Clone, Copy)]
pub(super) enum Brought<'a> {
    Data(&'a Bytes),
    Trailers(&'a HeaderMap),
    End,
    Failed,
}

impl AtHead {
    /// Corrects the verdict by the next part of the body. The verdict stands once `until` is [`Until::Head`].
    pub(super) fn correct(&mut self, requester: &Requester, brought: Brought<'_>) {
        let policy = &requester.coalescer.config.policy;
        let mut is_cut = false;
        let found = match (self.until, brought) {
            (Until::Head, _) => return,
            (Until::Whole(length), brought) => {
                let whole = matches!(brought, Brought::Data(data) if data.len() as u64 == length);
                if !whole {
                    self.verdict.share = Err(Rule::LargeBody);
                }
                None
            }
            (Until::Message, Brought::Data(data)) if data.is_empty() => return,
            (Until::Message, Brought::Data(data)) => {
                let length = large(requester, self.announced);
                is_cut = length.is_some_and(|length| self.in_pieces || length != data.len() as u64);
                match grpc_web::trailers(data) {
                    Some(Trailers::Read(trailers)) => policy.verdict_on_trailers(requester.facts, &trailers),
                    Some(Trailers::Unread) => return self.keep_unread(),
                    None => None,
                }
            }
            (Until::Message, Brought::Trailers(trailers)) => policy.verdict_on_trailers(requester.facts, trailers),
            (Until::Message, Brought::End) => None,
            // The call has failed (D4), by its deadline perhaps (S28).
            (Until::Message, Brought::Failed) => {
                let failed = policy.verdict_on_error(requester.facts);
                Some(GrpcVerdict { rule: failed.share.err(), again: failed.again, fails: true })
            }
        };
        self.until = Until::Head;
        if let Some(GrpcVerdict { rule, again, fails }) = found {
            let verdict = &mut self.verdict;
            (verdict.share, verdict.again, verdict.fails) = (rule.map_or(Ok(()), Err), again, fails);
        }
        if is_cut && self.verdict.share.is_ok() {
            self.verdict.share = Err(Rule::LargeBody);
        }
    }

    /// Keeps an answer for its leader, since trailers may come that nobody can read: they may hand out anything (S7).
    fn keep_unread(&mut self) {
        self.until = Until::Head;
        (self.verdict.share, self.verdict.again) = (Err(Rule::S7Personal), Again::Never);
    }

    /// Returns whether this is the beginning of trailers in place of a message, of which more has to come (gRPC-Web).
    fn begins_trailers(&self, data: &[u8]) -> bool {
        self.until == Until::Message && grpc_web::are_cut(data)
    }

    /// Returns what the verdict is to be corrected by, once it is there: the next part of the body, or the frame of
    /// trailers that ends in it.
    pub(super) fn gather<'a>(&mut self, begun: &'a mut Begun, brought: Brought<'a>) -> Option<Brought<'a>> {
        begun.parts += 1;
        match brought {
            Brought::Data(_) if begun.parts > MOST_FRAMES || begun.bytes.len() > MOST_TRAILERS => {
                self.keep_unread();
                return None;
            }
            Brought::Data(data) if !begun.bytes.is_empty() || self.begins_trailers(data) => {
                begun.bytes.extend_from_slice(data);
                if grpc_web::are_cut(&begun.bytes) {
                    self.in_pieces = true;
                    return None;
                }
            }
            // It broke off within the frame.
            Brought::End if !begun.bytes.is_empty() => {}
            brought => return Some(brought),
        }
        begun.whole = take(&mut begun.bytes).into();
        Some(Brought::Data(&begun.whole))
    }
}

/// What has come of a body whose verdict does not stand.
#[derive(Default)]
pub(super) struct Begun {
    /// The beginning of a frame of trailers of gRPC-Web, which may come in pieces.
    bytes: Vec<u8>,
    /// That frame, once all of it is there.
    whole: Bytes,
    /// How many parts have come.
    parts: usize,
}

/// An answer of which some body is read ahead.
pub(super) struct Judging<RB> {
    /// `None` once it has been judged.
    answer: Option<(response::Parts, ReadAhead<RB>)>,
    said: AtHead,
    begun: Begun,
    /// What the layers of followers judge again.
    judged: Option<JudgedBody>,
}

/// How much of a frame of trailers is read ahead at most, in bytes, before the next frame of the body.
const MOST_TRAILERS: usize = 64 << 10;

/// How many frames of the body are read ahead at most. They are empty, or pieces of a frame of trailers, and are kept
/// for the readers.
const MOST_FRAMES: usize = 256;

impl<RB: Body> Judging<RB> {
    pub(super) fn new(head: response::Parts, body: RB, said: AtHead) -> Self {
        let answer = Some((head, ReadAhead::new(body, said.announced)));
        Self { answer, said, begun: Begun::default(), judged: None }
    }
}

impl<RB> Judging<RB>
where
    RB: Body<Data = Bytes> + Send + 'static,
    RB::Error: Into<Box<dyn Error + Send + Sync>>,
{
    pub(super) fn poll<E>(
        &mut self,
        requester: &Requester,
        began: Option<Instant>,
        cx: &mut Context<'_>,
    ) -> Poll<Answer<RB, E>> {
        let Self { answer: Some((_, body)), said, begun, judged } = self else { panic!("an answer is judged once") };
        while said.until != Until::Head {
            let brought = match body.poll_next(cx) {
                Poll::Ready(ahead) => ahead.into(),
                // It is not there at once.
                Poll::Pending if said.until != Until::Message => Brought::End,
                Poll::Pending => return Poll::Pending,
            };
            let Some(brought) = said.gather(begun, brought) else { continue };
            if said.until == Until::Message && requester.group().layers().differ() {
                *judged = brought.to_judge();
            }
            said.correct(requester, brought);
        }
        let Some((head, body)) = self.answer.take() else { unreachable!("it was there a moment ago") };
        let mut audience = requester.judge(self.said.verdict.clone(), head.status, self.said.has_length, began);
        audience.whole = audience.rule.is_none() && large(requester, self.said.announced).is_some();
        if let Some(judged) = self.judged.take() {
            requester.keep_body(&mut audience, judged, began);
        }
        Poll::Ready(Answer { result: Ok((head, requester.source(body.into_source()))), audience })
    }
}

impl Brought<'_> {
    /// Returns the part of it that the verdict takes into account, if it comes in place of a message.
    fn to_judge(self) -> Option<JudgedBody> {
        match self {
            Self::Trailers(trailers) => Some(JudgedBody::Trailers(trailers.clone())),
            Self::Data(data) => match grpc_web::trailers(data)? {
                Trailers::Read(trailers) => Some(JudgedBody::Trailers(trailers)),
                Trailers::Unread => None,
            },
            Self::Failed => Some(JudgedBody::Failed),
            Self::End => None,
        }
    }
}

impl<'a> From<Ahead<'a>> for Brought<'a> {
    fn from(ahead: Ahead<'a>) -> Self {
        match ahead {
            Ahead::Data(data) => Self::Data(data),
            Ahead::Trailers(trailers) => Self::Trailers(trailers),
            Ahead::End => Self::End,
            Ahead::Failed => Self::Failed,
        }
    }
}

/// Returns the length of an answer that is so large that it is shared only if all of it is there at once.
#[inline]
fn large(requester: &Requester, announced: Option<u64>) -> Option<u64> {
    announced.filter(|length| requester.coalescer.config.is_large(*length))
}

/// Returns how long the content is said to be, in bytes.
fn announced(head: &response::Parts, body: &impl Body) -> Option<u64> {
    if let Some(length) = body.size_hint().exact() {
        return Some(length);
    }
    head.headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
