//! What an HTTP layer tells those who watch it, beside what its group does.

use std::sync::Arc;

use super::{
    body::{BodyEvent, BodyObservers},
    rule::Rule,
};
use crate::{
    Observer,
    observe::{Observed, Observers},
    sync::{Mutex, lock},
};

/// Is told what happens to the flights and the requests of an HTTP layer: for metrics, logs and pages of one's own.
///
/// Given to [`HttpSingleflightLayer::observe`](crate::HttpSingleflightLayer::observe), which adds one. What is not
/// particular to HTTP it is told as an [`Observer`], with the same guarantees; events about one request come in order.
///
/// # Examples
///
/// ```
/// use tower_singleflight::{Event, HttpSingleflightLayer, Observer, http::{HttpEvent, HttpObserver}};
///
/// /// Says why requests went alone.
/// struct Log;
///
/// impl Observer for Log {
///     fn on(&self, _: &Event<'_>) {}
/// }
///
/// impl HttpObserver for Log {
///     fn on_http(&self, event: &HttpEvent<'_>) {
///         if let HttpEvent::Bypassed { rule, label } = event {
///             println!("{}: alone by {rule}", label.unwrap_or("other"));
///         }
///     }
/// }
///
/// let layer = HttpSingleflightLayer::new().observe(Log);
/// # drop(layer);
/// ```
pub trait HttpObserver: Observer {
    /// Is told one event.
    fn on_http(&self, event: &HttpEvent<'_>);
}

impl<O: HttpObserver + ?Sized> HttpObserver for Arc<O> {
    fn on_http(&self, event: &HttpEvent<'_>) {
        (**self).on_http(event);
    }
}

/// What happens to the requests of an HTTP layer, beside what [`Event`](crate::Event) says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HttpEvent<'a> {
    /// A rule sends a request alone, from the start; told after `Event::Alone`.
    Bypassed {
        /// The rule.
        rule: Rule,
        /// The layer's label for requests of this kind.
        label: Option<&'a str>,
    },
    /// A rule keeps an answer from a caller that waited for it, which goes alone; told after `Event::Released`.
    Released {
        /// The rule.
        rule: Rule,
        /// The layer's label for requests of this kind.
        label: Option<&'a str>,
    },
    /// A request that may have changed something was answered, or failed: flights from before, for what it may have
    /// changed, are joined no more (S21). Nothing is told of a write that was refused with a 4xx, or by a gRPC status that
    /// says so.
    ///
    /// Told after `Bypassed`, and before the caller has the answer; for a gRPC call as its status comes, which may be after
    /// `Event::Answered`. Neither `StatusPage` nor `metrics::Metered` counts it: each answered
    /// write fences, whether there is a flight or not, so a count of it says how much is written and not what was spared.
    Fenced {
        /// The layer's label for requests of this kind.
        label: Option<&'a str>,
    },
    /// Readers of a shared body were cut, since they held the others up for longer than
    /// [`stall`](crate::HttpSingleflightLayer::stall) lets them; their bodies end in an error.
    Lagged {
        /// How many were cut at once.
        readers: usize,
    },
    /// What shared bodies keep in memory for their slower readers has changed. The sum of these events is what they
    /// keep, except for what other threads are about to tell; at rest it is 0.
    Held {
        /// How many bytes came to it, with 64 for each frame; less than 0 if they left it.
        bytes: isize,
    },
    /// The last reader of a body that was shared has read it, or gone.
    BodyEnded {
        /// The most that read it at a time.
        readers: usize,
    },
}

/// An observer of a layer, to be given to its groups.
#[derive(Clone)]
pub(super) struct HttpObserved {
    flights: Arc<Observed<dyn Observer>>,
    http: Arc<Observed<dyn HttpObserver>>,
}

impl HttpObserved {
    pub(super) fn new(observer: impl HttpObserver) -> Self {
        // One and the same, so that an observer which panics in one part is told nothing in the other.
        let http = Observed::new(observer);
        Self { flights: http.clone(), http }
    }
}

/// The observers of an HTTP group.
#[derive(Default)]
pub(super) struct HttpObservers {
    flights: Arc<Observers>,
    http: Observers<dyn HttpObserver>,
    /// A leaf lock, held while one is added.
    adding: Mutex<()>,
}

impl HttpObservers {
    /// Adds an observer, unless it is there already. Both lists have the same observers, in the same order.
    pub(super) fn add(&self, observed: &HttpObserved) {
        let _adding = lock(&self.adding);
        self.http.add(&observed.http);
        self.flights.add(&observed.flights);
    }

    /// Returns whether there are any.
    #[inline]
    pub(super) fn any(&self) -> Option<&Self> {
        self.http.any().map(|_| self)
    }

    pub(super) fn of_flights(&self) -> &Arc<Observers> {
        &self.flights
    }

    pub(super) fn off(&self) -> usize {
        self.flights.off()
    }

    /// Tells as many of them, from the first on: those that were there when what the event is about began.
    #[cold]
    pub(super) fn tell(&self, first: usize, event: &HttpEvent<'_>) {
        self.http.each(first, |observer| observer.on_http(event));
    }
}

impl BodyObservers for HttpObservers {
    fn count(&self) -> usize {
        self.http.count()
    }

    fn tell(&self, first: usize, event: BodyEvent) {
        let event = match event {
            BodyEvent::Held(bytes) => HttpEvent::Held { bytes },
            BodyEvent::Cut(readers) => HttpEvent::Lagged { readers },
            BodyEvent::Ended(readers) => HttpEvent::BodyEnded { readers },
        };
        self.tell(first, &event);
    }
}
