//! Why did these two not share?

use std::sync::Arc;

use http::response;

use super::HttpSingleflightLayer;
use crate::http::{
    content::HttpContent,
    explain::{Asked, Explanation, ResponseExplanation, Side},
};

impl<C: HttpContent> HttpSingleflightLayer<C> {
    /// Explains whether the second request would join the flight that the first one leads, and if not, why.
    ///
    /// It decides as a call does, by the same code, and does nothing else: no request is sent or marked, and nothing is
    /// remembered. What the application is asked about a request, it is asked here too (`coalesce_if`, `identity`,
    /// `key_fn`, `content_if`). The requests are those that come to the layer, taken above it. Both are explained as if
    /// asked from outside (S2), and without regard to `dry_run(..)`.
    ///
    /// # Panics
    ///
    /// A panic of one of the application's functions is raised in the caller.
    ///
    /// # Trade-offs
    ///
    /// Of keys that cannot be shared (D3) it knows what [`get_group`](Self::get_group) remembers. What a service
    /// remembers of requests that do not show the URI they were asked for is not seen, unless one
    /// [`group`](Self::group) was given for all.
    ///
    /// # Examples
    ///
    /// ```
    /// use http::{HeaderName, Request};
    /// use tower_singleflight::{HttpSingleflightLayer, http::{Difference, Rule}};
    ///
    /// let parts = |name: &str, value: &str| {
    ///     Request::get("/report/7").header(name, value).body(()).unwrap().into_parts().0
    /// };
    /// let layer = HttpSingleflightLayer::new();
    /// let explanation = layer.explain(&parts("accept-language", "en"), &parts("accept-language", "de"));
    /// assert!(!explanation.would_share());
    /// let differs = [Difference::Field(HeaderName::from_static("accept-language"))];
    /// assert_eq!(explanation.differences(), differs);
    ///
    /// let explanation = layer.explain(&parts("accept", "*/*"), &parts("cookie", "sid=1"));
    /// assert_eq!(explanation.rules(), [None, Some(Rule::S6Cookie)]);
    /// println!("{explanation}"); // says this in words, and what to do about it
    /// ```
    pub fn explain<'a>(&self, first: impl Into<Asked<'a>>, second: impl Into<Asked<'a>>) -> Explanation {
        let [first, second] = self.sides([first.into(), second.into()]);
        Explanation::of(first, second)
    }

    /// Explains with whom the answer to a request would be shared, and by which rule not. It goes by the head of the
    /// answer, and by what `Content-Length` says of the rest.
    ///
    /// Like [`explain`](Self::explain) it decides as a call does, and nothing is done or remembered.
    /// [`Explanation::answered`] tells what two requests would make of the answer.
    ///
    /// # Panics
    ///
    /// A panic of one of the application's functions is raised in the caller.
    ///
    /// # Examples
    ///
    /// ```
    /// use http::{Request, Response, header};
    /// use tower_singleflight::{HttpSingleflightLayer, http::Rule};
    ///
    /// let (request, ()) = Request::get("/report/7").body(()).unwrap().into_parts();
    /// let answer = |name: &str, value: &str| {
    ///     Response::builder().header(name, value).body(()).unwrap().into_parts().0
    /// };
    /// let layer = HttpSingleflightLayer::new();
    /// let private = layer.explain_response(&request, &answer("cache-control", "private"));
    /// assert_eq!(private.rules(), [None, Some(Rule::S8CacheControl)]);
    /// let varies = layer.explain_response(&request, &answer("vary", "accept, user-agent"));
    /// assert!(varies.would_be_shared());
    /// assert_eq!(varies.compared(), [header::USER_AGENT]); // `accept` is in the key
    /// ```
    pub fn explain_response<'a>(
        &self,
        request: impl Into<Asked<'a>>,
        response: &response::Parts,
    ) -> ResponseExplanation {
        let [request] = self.sides([request.into()]);
        ResponseExplanation::of(&request, response)
    }

    fn sides<const N: usize>(&self, asked: [Asked<'_>; N]) -> [Side; N] {
        let (coalescer, max) = (Arc::new(self.coalescer()), self.content.max());
        asked.map(|asked| coalescer.explain(&asked, max))
    }
}
