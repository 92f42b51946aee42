//! Whether a layer only tries what it would do: the one seam of the feature `dry-run`.

#[cfg(feature = "dry-run")]
pub(super) use super::dry_run::{Shadow, ShadowCall, Watched, Watcher};
#[cfg(not(feature = "dry-run"))]
pub(super) use off::{Shadow, ShadowCall, Watched, Watcher};

/// Without the feature there is no shadow, and what asks for one is compiled away.
#[cfg(not(feature = "dry-run"))]
mod off {
    use std::{
        convert::Infallible,
        marker::PhantomData,
        task::{Context, Poll},
    };

    use http::{Request, Response, request};

    use crate::http::{
        body::SharedBody,
        config::Config,
        content::{ContentBody, RequestContent},
        group::HttpGroup,
    };

    #[derive(Clone, Debug)]
    pub(in crate::http) struct Watcher(Infallible);

    #[derive(Clone)]
    pub(in crate::http) struct Shadow(Infallible);

    pub(in crate::http) struct Watched(Infallible);

    pub(in crate::http) struct ShadowCall<S, B>(Infallible, PhantomData<fn() -> (S, B)>);

    impl Watcher {
        pub(in crate::http) fn shadow(&self, _: &Config, _: Option<&HttpGroup>, _: &HttpGroup) -> Shadow {
            match self.0 {}
        }
    }

    impl Shadow {
        pub(in crate::http) fn passes<B>(&self, _: &Request<B>) -> bool {
            match self.0 {}
        }

        pub(in crate::http) fn watch(&self, _: &request::Parts, _: impl FnOnce() -> RequestContent) -> Watched {
            match self.0 {}
        }

        pub(in crate::http) fn watch_content<B: http_body::Body>(
            &self,
            _: &request::Parts,
            _: B,
            _: usize,
        ) -> (Watched, ContentBody<B>) {
            match self.0 {}
        }
    }

    impl<S, B> ShadowCall<S, B> {
        pub(in crate::http) fn new(_: S, _: Request<B>, watched: Option<Watched>) -> Self {
            match watched {
                None => unreachable!("there is no shadow that lets it pass"),
                Some(watched) => match watched.0 {},
            }
        }

        pub(in crate::http) fn poll<RB, E>(
            &mut self,
            _: &mut Context<'_>,
        ) -> Poll<Result<Response<SharedBody<RB>>, E>> {
            match self.0 {}
        }
    }
}
