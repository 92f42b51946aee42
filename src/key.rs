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

    /// Returns whether the request may not have the outcome of a run that began before it came
    /// ([`Group::call_fresh`](crate::Group::call_fresh)). By default none.
    fn is_fresh(&self, _request: &Request) -> bool {
        false
    }
}

/// A key function, and which requests are fresh; made by
/// [`SingleflightLayer::fresh_if`](crate::SingleflightLayer::fresh_if).
#[derive(Clone, Copy, Debug)]
pub struct FreshIf<F, P> {
    key_fn: F,
    fresh_if: P,
}

impl<F, P> FreshIf<F, P> {
    pub(crate) const fn new(key_fn: F, fresh_if: P) -> Self {
        Self { key_fn, fresh_if }
    }
}

#[diagnostic::do_not_recommend]
impl<F, P, Request> KeyFn<Request> for FreshIf<F, P>
where
    F: KeyFn<Request>,
    P: Fn(&Request) -> bool,
{
    type Key = F::Key;

    fn key(&self, request: &Request) -> Option<F::Key> {
        self.key_fn.key(request)
    }

    fn is_fresh(&self, request: &Request) -> bool {
        (self.fresh_if)(request) || self.key_fn.is_fresh(request)
    }
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
