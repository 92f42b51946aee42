//! Which rule kept a request, or its answer, from being shared; and what every response says of that.

use std::fmt;

use super::membership::FleetPart;
use crate::Role;

/// What became of a request: an extension of every response of [`HttpSingleflight`](crate::http::HttpSingleflight), for an
/// outer layer or an access log to read.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use axum::body::Body;
/// use http::{Request, Response};
/// use tower::{Layer, ServiceExt, service_fn};
/// use tower_singleflight::{HttpSingleflightLayer, http::{Coalesced, Rule}};
///
/// let pages = service_fn(|_: Request<Body>| async { Ok::<_, std::convert::Infallible>(Response::new(Body::empty())) });
/// let request = Request::get("/").header("authorization", "Bearer ann").body(Body::empty()).unwrap();
/// let response = HttpSingleflightLayer::new().layer(pages).oneshot(request).await.unwrap();
/// let coalesced = response.extensions().get::<Coalesced>().unwrap();
/// assert_eq!(coalesced.rule, Some(Rule::S5Authorization));
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Coalesced {
    /// The part that the request had in a flight, or why it had none.
    pub role: Role,
    /// The rule that kept the request, or the answer that it got or waited for, from being shared; `None` if none did.
    pub rule: Option<Rule>,
    /// What the fleet did with the work of the request's flight; `None` if it was not asked.
    #[cfg(feature = "fleet")]
    pub fleet: Option<crate::fleet::FleetRole>,
}

impl Coalesced {
    pub(super) fn new(role: Role, rule: Option<Rule>, fleet: FleetPart) -> Self {
        // Without the feature there is nothing to say.
        #[cfg(not(feature = "fleet"))]
        let _: FleetPart = fleet;
        Self {
            role,
            rule,
            #[cfg(feature = "fleet")]
            fleet,
        }
    }

    /// Returns whether the answer is that of another process.
    pub(super) fn is_from_elsewhere(self) -> bool {
        #[cfg(feature = "fleet")]
        return self.fleet == Some(crate::fleet::FleetRole::Followed);
        #[cfg(not(feature = "fleet"))]
        false
    }
}

macro_rules! rules {
    ($($(#[doc = $doc:literal])+ $name:ident),+ $(,)?) => {
        /// A rule of sharing over HTTP, by its number on [the page of rules](crate::guide::http_rules).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Rule {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Rule {
            pub(super) const COUNT: usize = [$(Self::$name),+].len();

            /// All of them.
            #[cfg(test)]
            pub(super) const ALL: &[Self] = &[$(Self::$name),+];

            /// Says what the rule is about, in a sentence of plain text.
            pub(super) const fn sentence(self) -> &'static str {
                match self {
                    $(Self::$name => concat!($($doc),+).trim_ascii_start(),)+
                }
            }

            /// Returns the name of the rule, as `Cache-Status` has it in `detail`.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)+
                }
            }
        }
    };
}

rules! {
    /// The method is neither `GET` nor `HEAD`, and was not opted in.
    S1Method,
    /// The target is in doubt: `Host` is repeated, malformed, or at odds with the URI.
    S2Target,
    /// The request was made by the service that it comes to, which may have taken off what told users apart.
    S2Inside,
    /// The key function, or an identity, found nothing: there is no key.
    S3NoKey,
    /// The request carries `Authorization` or `Proxy-Authorization`.
    S5Authorization,
    /// The request carries a cookie.
    S6Cookie,
    /// The answer hands out a cookie, a session, a token or a nonce.
    S7Personal,
    /// The answer says `private`, `no-store` or `no-cache`, or its Cache-Control is not in order.
    S8CacheControl,
    /// The answer varies, by `*` or by a field in which the requests differ.
    S9Vary,
    /// The answer's status is about one request, or a part of something.
    S10Status,
    /// The request asks for a range.
    S11Range,
    /// The request has a condition.
    S12Condition,
    /// The request's Cache-Control says `no-store` or `only-if-cached`, or is not in order.
    S13CacheControl,
    /// The request reloads, and may not have the answer of a flight that began before it came.
    S13Reload,
    /// The request asks for an upgrade or an interim answer, or its `Connection` lists a field that the next hop takes out.
    S14Connection,
    /// The request may have content, which is not in the key.
    S15Content,
    /// The key is longer than the cap.
    S26KeyLength,
    /// A field that counts is not plain ASCII, or not in order.
    S27Field,
    /// The answer may be due to the deadline that the leader brought.
    S28Deadline,
    /// The answer is an event stream that does not say that it is for all.
    S29EventStream,
    /// The answer has no known length, and the caller speaks HTTP/1.0, where one that breaks off looks whole.
    S30Http10,
    /// A field overrides the method.
    S30MethodOverride,
    /// Of late, answers to the key could not be shared.
    D3Remembered,
    /// The answer is a failure, and `share_server_errors(false)` keeps these for the leader.
    D4Failure,
    /// `content_if` said no.
    D11Content,
    /// `coalesce_if` said no.
    Unwanted,
    /// The body is larger than the window, and a slow reader of it would hold up the others.
    LargeBody,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
