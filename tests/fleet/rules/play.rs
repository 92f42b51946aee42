//! What a client sees, and what a scenario came to.

use http::{HeaderMap, Response};
use http_body::Body as _;
use http_body_util::BodyExt;
use tower_singleflight::{
    Reason, Role, SharedBody,
    fleet::{FleetReason, FleetRole},
    http::{Coalesced, Rule},
};

use crate::pair::origin::{Body, Fault};

/// An extension that the origin puts into each of its answers (S19).
#[derive(Clone, Copy)]
pub(super) struct Mark;

/// What a client sees of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// `None`: the call failed.
    pub(super) status: Option<u16>,
    pub(super) fields: Vec<(String, String)>,
    pub(super) body: String,
    /// It came to its end.
    pub(super) whole: bool,
    pub(super) trailers: Vec<(String, String)>,
    pub(super) marked: bool,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Led,
    /// It has the answer to the request of another.
    Followed,
    /// It waited for another's, and made its own call all the same; or would have waited in vain.
    Released,
    /// It went alone from the start.
    Alone,
    /// The call failed: nothing says what became of it.
    Failed,
}

/// What one caller got.
#[derive(Clone, Debug)]
pub(super) struct Got {
    pub(super) seen: Seen,
    /// Its length was known beforehand. From another process it is, unless there are trailers.
    pub(super) has_length: bool,
    pub(super) part: Part,
    pub(super) rule: Option<Rule>,
    pub(super) fleet: Option<FleetRole>,
}

impl Got {
    pub(super) fn body(&self) -> &str {
        &self.seen.body
    }

    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.seen.fields.iter().find(|(known, _)| known == name).map(|(_, value)| &**value)
    }
}

/// What a scenario came to.
#[derive(Clone, Debug)]
pub(super) struct Play {
    pub(super) calls: usize,
    pub(super) got: Vec<Got>,
}

impl Play {
    /// Returns what must be the same, however the callers are spread: what clients see, and who has another's answer.
    pub(super) fn outcome(&self) -> (usize, Vec<(Seen, bool)>) {
        let got = self.got.iter().map(|got| (got.seen.clone(), got.part == Part::Followed));
        (self.calls, got.collect())
    }

    pub(super) fn bodies(&self) -> Vec<&str> {
        self.got.iter().map(Got::body).collect()
    }

    pub(super) fn parts(&self) -> Vec<Part> {
        self.got.iter().map(|got| got.part).collect()
    }

    pub(super) fn rules(&self) -> Vec<Option<Rule>> {
        self.got.iter().map(|got| got.rule).collect()
    }

    pub(super) fn fleets(&self) -> Vec<Option<FleetRole>> {
        self.got.iter().map(|got| got.fleet).collect()
    }
}

pub(super) async fn read(call: impl Future<Output = Result<Response<SharedBody<Body>>, Fault>>) -> Got {
    match call.await {
        Ok(response) => read_answer(response).await,
        Err(Fault(fault)) => {
            let seen = Seen {
                status: None,
                fields: Vec::new(),
                body: fault.to_owned(),
                whole: false,
                trailers: Vec::new(),
                marked: false,
            };
            Got { seen, has_length: false, part: Part::Failed, rule: None, fleet: None }
        }
    }
}

/// Reads an answer to its end.
pub(super) async fn read_answer(response: Response<SharedBody<Body>>) -> Got {
    let (head, mut body) = response.into_parts();
    let coalesced = *head.extensions.get::<Coalesced>().expect("every answer says what became of its request");
    let has_length = body.size_hint().exact().is_some();
    let (mut data, mut trailers, mut whole) = (Vec::new(), HeaderMap::new(), true);
    while let Some(frame) = body.frame().await {
        match frame.map(http_body::Frame::into_data) {
            Ok(Ok(bytes)) => data.extend_from_slice(&bytes),
            Ok(Err(frame)) => trailers = frame.into_trailers().expect("trailers"),
            Err(_) => {
                whole = false;
                break;
            }
        }
    }
    let seen = Seen {
        status: Some(head.status.as_u16()),
        fields: flat(&head.headers),
        body: String::from_utf8(data).expect("text"),
        whole,
        trailers: flat(&trailers),
        marked: head.extensions.get::<Mark>().is_some(),
    };
    Got { seen, has_length, part: part(coalesced), rule: coalesced.rule, fleet: coalesced.fleet }
}

fn flat(fields: &HeaderMap) -> Vec<(String, String)> {
    let lines = fields.iter().map(|(name, value)| (name.to_string(), value.as_bytes().escape_ascii().to_string()));
    let mut lines: Vec<_> = lines.collect();
    lines.sort();
    lines
}

fn part(coalesced: Coalesced) -> Part {
    use FleetReason::{BadMessage, NotShareable, RejoinedTooOften, TooLarge, WaitedTooLong};
    match (coalesced.role, coalesced.fleet) {
        (Role::Leader, Some(FleetRole::Followed)) | (Role::Follower, _) => Part::Followed,
        // The leader of its process, which has followed elsewhere in vain.
        (
            Role::Leader,
            Some(FleetRole::Local(NotShareable | TooLarge | WaitedTooLong | BadMessage | RejoinedTooOften)),
        ) => Part::Released,
        (Role::Leader, _) => Part::Led,
        (Role::Alone(Reason::NotShareable | Reason::WaitedTooLong | Reason::Lost), _) => Part::Released,
        (Role::Alone(_), _) => Part::Alone,
        (role, _) => panic!("a role of no name here: {role:?}"),
    }
}
