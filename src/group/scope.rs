//! What is put round the work of a group's flights.

use futures_util::future::BoxFuture;

use super::Group;
use crate::context::Scope;

impl<K, T> Group<K, T> {
    /// Sets what is put round the work of flights led through this handle and its clones: for task-locals and contexts,
    /// which would be missing once the work has moved to the flight's task.
    ///
    /// The scope is called at the work's first poll, in the leader's task. It is given the work, from the call of the
    /// closure on, and the future that it returns has to drive that work to its end. Work that runs alone stays in its
    /// caller's task and is not scoped; the work of [`spawn`](Self::spawn) is scoped in the spawned task.
    ///
    /// If a second caller joins before the leader has been polled, the flight's task leaves the first poll to the
    /// leader: for at most 10 ms, while the leader is there, and not at all where tokio has no timers. After that the
    /// scope is called in the flight's task, where the leader's task-locals cannot be seen.
    ///
    /// # Panics
    ///
    /// A panic of the scope counts as a panic of the work; so does a scope whose future ends before the work has.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use tower_singleflight::Group;
    ///
    /// tokio::task_local!(static USER: &'static str);
    ///
    /// let group = Group::new().scope(|work| match USER.try_get() {
    ///     Ok(user) => Box::pin(USER.scope(user, work)),
    ///     Err(_) => work,
    /// });
    /// let call = USER.scope("Ann", async { group.call("key", || async { USER.get() }).await.value });
    /// assert_eq!(call.await, "Ann");
    /// # }
    /// ```
    #[must_use]
    pub fn scope<F>(self, scope: F) -> Self
    where
        F: Fn(BoxFuture<'static, ()>) -> BoxFuture<'static, ()> + Send + Sync + 'static,
    {
        self.scoped(Scope::new(scope))
    }

    pub(crate) fn scoped(self, scope: Scope) -> Self {
        Self { scope: Some(scope), ..self }
    }
}
