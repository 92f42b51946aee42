//! What the origin sends: every kind of body.

use Step::{Data, Fail, Trailers};
use http::{HeaderMap, Response};

use crate::origin::OriginBody;

pub(super) const DATE: &str = "Mon, 23 Nov 2026 12:00:00 GMT";

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Step {
    Data(&'static str),
    Trailers,
    Fail,
}

impl Step {
    pub(super) fn send(self, frames: &crate::origin::Frames) {
        match self {
            Data(data) => frames.data(data),
            Trailers => frames.trailers(HeaderMap::from_iter([("x-sum".parse().unwrap(), "1".parse().unwrap())])),
            Fail => frames.fail("cut"),
        }
    }
}

/// What the origin sends.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    pub(super) method: &'static str,
    pub(super) status: u16,
    /// `Content-Length`, whatever the frames are.
    announced: Option<u64>,
    /// The body is there at once, and knows its length.
    full: bool,
    pub(super) steps: Vec<Step>,
}

impl Shape {
    /// The head of the answer, and its body with the end to send it by.
    pub(super) fn response(&self) -> (Option<crate::origin::Frames>, Response<OriginBody>) {
        let mut head = Response::builder().status(self.status).header("date", DATE).header("trailer", "x-sum");
        if let Some(length) = self.announced {
            head = head.header("content-length", length);
        }
        if let (true, [Data(data)]) = (self.full, &self.steps[..]) {
            return (None, head.body(OriginBody::full(*data)).unwrap());
        }
        let (frames, body) = OriginBody::streamed();
        (Some(frames), head.body(body).unwrap())
    }

    pub(super) fn data(&self) -> String {
        self.steps.iter().filter_map(|step| if let Data(data) = step { Some(*data) } else { None }).collect()
    }

    pub(super) fn is_too_long(&self) -> bool {
        self.method != "HEAD" && self.announced.is_some_and(|announced| announced < self.data().len() as u64)
    }

    /// Returns whether its end is not a clean one.
    pub(super) fn breaks_off(&self) -> bool {
        let length = self.data().len() as u64;
        self.method != "HEAD" && (self.steps.contains(&Fail) || self.announced.is_some_and(|it| it != length))
    }

    pub(super) fn has_length(&self) -> bool {
        self.full || self.announced.is_some() || self.method == "HEAD" || self.status == 204
    }
}

fn shape(announced: Option<u64>, steps: &[Step]) -> Shape {
    Shape { method: "GET", status: 200, announced, full: false, steps: steps.to_vec() }
}

fn full(data: &'static str) -> Shape {
    Shape { full: true, ..shape(None, &[Data(data)]) }
}

pub(super) fn shapes() -> Vec<Shape> {
    const LONG: &str = concat!("sixteen bytes, 16", "sixteen bytes, 16", "sixteen bytes, 16", "sixteen bytes, 16");
    let whole = [Data("one"), Data("two"), Data("three")];
    let mut shapes = vec![
        full(""),
        full("x"),
        full(LONG),
        shape(None, &[]),
        shape(None, &[Data("x")]),
        shape(None, &whole),
        shape(None, &[Data(""), Data("x"), Data("")]),
        shape(None, &[Data("0\r\n\r\n")]),
        shape(Some(0), &[]),
        shape(Some(1), &[Data("x")]),
        shape(Some(11), &whole),
        shape(Some(68), &[Data(LONG)]),
        // Wrong both ways.
        shape(Some(12), &whole),
        shape(Some(1000), &whole),
        shape(Some(1), &[]),
        shape(Some(10), &whole),
        shape(Some(3), &whole),
        shape(Some(4), &whole),
        shape(Some(0), &[Data("x")]),
        // Trailers.
        shape(None, &[Trailers]),
        shape(None, &[Data("x"), Trailers]),
        shape(None, &[Data("one"), Data("two"), Data("three"), Trailers]),
        shape(Some(1), &[Data("x"), Trailers]),
        shape(Some(2), &[Data("x"), Trailers]),
    ];
    // Breaking off at each frame, announced and not.
    for announced in [None, Some(11)] {
        for frames in 0..=whole.len() {
            let mut steps = whole[..frames].to_vec();
            steps.push(Fail);
            shapes.push(shape(announced, &steps));
        }
    }
    for announced in [None, Some(0), Some(11)] {
        shapes.push(Shape { method: "HEAD", ..shape(announced, &[]) });
    }
    shapes.push(Shape { method: "HEAD", ..shape(Some(11), &whole) });
    shapes.push(Shape { method: "HEAD", ..full(LONG) });
    shapes.push(Shape { status: 204, ..shape(None, &[]) });
    shapes.push(Shape { status: 204, ..full("") });
    shapes.push(Shape { status: 404, ..full("none") });
    shapes.push(Shape { status: 404, ..shape(None, &whole) });
    shapes.push(Shape { status: 503, ..shape(None, &[Data("x"), Fail]) });
    shapes.push(Shape { status: 301, ..full("") });
    shapes
}
