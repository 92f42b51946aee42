//! How a request gets its key.

/// Gives a request its key: the name under which equal requests share one flight.
///
/// Every `Fn(&Request) -> Option<Key>` is one. `None` means that the request equals no other, and runs alone.
///
/// Requests with equal keys must be interchangeable: all that decides the response (the tenant, the user, the language)
/// belongs in the key.
///
/// # Panics
///
/// A panic of the key function is raised in its caller; no flight is touched.
///
/// # Examples
///
/// ```
/// use tower_singleflight::KeyFn;
///
/// struct Query { user: u64, cached: bool }
///
/// fn by_user(query: &Query) -> Option<u64> {
///     query.cached.then_some(query.user)
/// }
/// assert_eq!(by_user.key(&Query { user: 7, cached: true }), Some(7));
/// assert_eq!(by_user.key(&Query { user: 7, cached: false }), None);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not give a `{Request}` its key",
    label = "not a key function for `{Request}`",
    note = "a key function is a `Fn(&{Request}) -> Option<Key>`, for example `|request: &{Request}| Some(request.id)`",
    note = "`None` means that the request runs alone; wrap a key that is always there in `Some`"
)]
pub trait KeyFn<Request> {
    /// The key. Flights need it to be `Hash + Eq + Clone + Send + Sync + 'static`.
    type Key;

    /// Returns the key of the request, or `None` for one that runs alone.
    fn key(&self, request: &Request) -> Option<Self::Key>;
}

#[diagnostic::do_not_recommend]
impl<F, Request, K> KeyFn<Request> for F
where
    F: Fn(&Request) -> Option<K>,
{
    type Key = K;

    fn key(&self, request: &Request) -> Option<K> {
        self(request)
    }
}
