//! What an error shared by all callers of a flight looks like in a chain.

use std::{error::Error, fmt, io};

use futures_util::future::join_all;
use tower::{BoxError, Service, ServiceBuilder, service_fn};
use tower_singleflight::{SharedError, SingleflightLayer};

use crate::work::by_id;

#[derive(Debug)]
struct Failed(io::Error);

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("query failed")
    }
}

impl Error for Failed {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

fn shared() -> SharedError {
    SharedError::new(Failed(io::Error::other("disk on fire")))
}

#[test]
fn a_chain_shows_each_text_once() {
    let error = shared();
    let mut texts = vec![error.to_string()];
    let mut next = error.source();
    while let Some(error) = next {
        texts.push(error.to_string());
        next = error.source();
    }
    assert_eq!(texts, ["query failed", "disk on fire"]);
    assert_eq!(format!("{:#}", anyhow::Error::new(error)), "query failed: disk on fire");
}

#[test]
fn an_error_without_a_source_is_its_own_end_of_the_chain() {
    assert!(SharedError::new("plain").source().is_none());
}

#[test]
fn anyhow_finds_the_shared_error_and_through_it_the_original() {
    let error = anyhow::Error::new(shared()).context("while loading");
    assert!(error.downcast_ref::<Failed>().is_none());
    assert!(error.downcast_ref::<SharedError>().unwrap().downcast_ref::<Failed>().is_some());
    assert!(error.downcast_ref::<SharedError>().unwrap().get_ref().is::<Failed>());
    // Sources of the original are in the chain as they are.
    assert!(error.chain().any(|error| error.is::<io::Error>()));
}

#[tokio::test]
async fn a_shared_error_leads_to_the_original_through_a_boxed_one() {
    #[derive(Debug, PartialEq)]
    struct Down;
    impl std::fmt::Display for Down {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("down")
        }
    }
    impl std::error::Error for Down {}
    let mut service = ServiceBuilder::new()
        .layer(SingleflightLayer::new(by_id))
        .map_err(SharedError::new)
        .service(service_fn(|_: u64| async { Err::<u64, BoxError>(Box::new(Down)) }));
    let calls = [service.call(7), service.call(7)];
    for answer in join_all(calls).await {
        let error: BoxError = answer.unwrap_err().into();
        let shared = error.downcast_ref::<SharedError>().unwrap();
        assert_eq!(shared.downcast_ref(), Some(&Down));
    }
}
