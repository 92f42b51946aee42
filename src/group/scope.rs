//! What is put round the work of a group's flights.

use futures_util::future::BoxFuture;

use super::Group;
use crate::context::Scope;

impl<K, T> Group<K, T> {
    /// Sets what is put round the work of flights led through this handle and its clones: for task-locals and contexts,
    /// which would be missing once the work has moved to the flight's task.
    ///
    /// Called at the work's first poll, in the leader's task, with the work (the call of the closure included); the
    /// future that it returns has to drive that to its end. Work that runs alone stays in its caller's task, and is not
    /// scoped; that of [`spawn`](Self::spawn) is scoped in the task that is spawned.
    ///
    /// When a second caller joins before the leader was polled, the flight's task waits for that poll as long as the
    /// leader is there, but no longer than 10 ms, and not at all where tokio has no timers; then the scope is called in
    /// the flight's task, where a task-local of the leader's cannot be seen.
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
