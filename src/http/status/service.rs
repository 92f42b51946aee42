//! What the page answers.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    net::IpAddr,
    sync::Arc,
    task::{Context, Poll},
};

use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, header, uri::Authority};
use tower_service::Service;

use super::{StatusPage, body::StatusBody, page, plain};

impl<B> Service<Request<B>> for StatusPage {
    type Response = Response<StatusBody>;
    type Error = Infallible;
    type Future = Ready<Result<Response<StatusBody>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let mut response = self.answer(request.method(), request.uri(), request.headers());
        // RFC 9110, section 9.3.2. Servers leave content out over HTTP/1, but not over HTTP/2.
        if request.method() == Method::HEAD {
            *response.body_mut() = StatusBody::whole("");
        }
        ready(Ok(response))
    }
}

impl StatusPage {
    fn answer(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Response<StatusBody> {
        if let Some(names) = &self.hosts {
            if !is_ours(uri, headers, names) {
                return say(StatusCode::MISDIRECTED_REQUEST, "This page is not called so.\n");
            }
        }
        let (kind, body): (_, fn(&Self) -> Option<StatusBody>) = match uri.path() {
            "" | "/" => ("text/html; charset=utf-8", |_| Some(StatusBody::whole(page::HTML))),
            "/events" => ("text/event-stream", |page| {
                Some(StatusBody::events(Arc::clone(&page.shown), page.shown.clients.enter()?))
            }),
            "/plain" => ("text/plain; charset=utf-8", |page| {
                Some(StatusBody::whole(plain::text(&page.shown.latest().snapshot)))
            }),
            _ => return say(StatusCode::NOT_FOUND, "There is no such page.\n"),
        };
        let body = match *method {
            Method::GET => body(self),
            Method::HEAD => Some(StatusBody::whole("")),
            _ => {
                let mut response = say(StatusCode::METHOD_NOT_ALLOWED, "This page is only to be read.\n");
                response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
                return response;
            }
        };
        match body {
            Some(body) => respond(StatusCode::OK, kind, body),
            None => say(StatusCode::SERVICE_UNAVAILABLE, "Too many look at this page.\n"),
        }
    }
}

/// Returns whether all names that a request gives its server are the page's. An address always is: a stranger's name
/// that was made to lead here (DNS rebinding) is no address.
fn is_ours(uri: &Uri, headers: &HeaderMap, names: &[String]) -> bool {
    let is_known = |authority: &Authority| {
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        host.eq_ignore_ascii_case("localhost")
            || host.parse::<IpAddr>().is_ok()
            || names.iter().any(|name| name.eq_ignore_ascii_case(host))
    };
    let mut fields = headers.get_all(header::HOST).iter();
    let of_field = fields.next().map(|field| Authority::try_from(field.as_bytes()).ok());
    let asked = [of_field, uri.authority().cloned().map(Some)];
    let mut asked = asked.into_iter().flatten().peekable();
    asked.peek().is_some() && fields.next().is_none() && asked.all(|name| name.is_some_and(|name| is_known(&name)))
}

fn say(status: StatusCode, text: &'static str) -> Response<StatusBody> {
    respond(status, "text/plain; charset=utf-8", StatusBody::whole(text))
}

fn respond(status: StatusCode, kind: &'static str, body: StatusBody) -> Response<StatusBody> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_SECURITY_POLICY, page::POLICY),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    // nginx in front would keep events back.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}
