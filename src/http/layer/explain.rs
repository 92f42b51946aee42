//! Why did these two not share?

use super::HttpSingleflightLayer;
use crate::http::{
    content::HttpContent,
    explain::{Asked, Explanation},
};

impl<C: HttpContent> HttpSingleflightLayer<C> {
    /// Explains whether the second request would join the flight that the first one leads, and if not, why.
    ///
    /// It decides as a call does, by the same code, and does nothing else: no request is sent or marked, and nothing is
    /// remembered. What the application is asked about a request, it is asked here too (`coalesce_if`, `identity`,
    /// `key_fn`, `content_if`). The requests are those that come to the layer, taken above it.
    ///
    /// # Panics
    ///
    /// A panic of a function of the application's is the caller's.
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
        let (coalescer, max) = (self.coalescer(), self.content.max());
        let [first, second] = [first.into(), second.into()].map(|asked| coalescer.explain(&asked, max));
        Explanation::of(first, second)
    }
}
