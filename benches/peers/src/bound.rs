//! A peer that hangs, or panics, costs its own figures only.

use std::{sync::mpsc, thread, time::Duration};

/// How long one measurement of one peer may take.
pub const LIMIT: Duration = Duration::from_secs(30);

/// Runs a measurement in a thread of its own; says why there is no figure.
///
/// The thread of one that hangs is left behind, and may slow down what is measured after it.
pub fn bounded<R: Send + 'static>(measure: impl FnOnce() -> R + Send + 'static) -> Result<R, String> {
    let (sender, receiver) = mpsc::sync_channel(1);
    thread::spawn(move || drop(sender.send(measure())));
    receiver.recv_timeout(LIMIT).map_err(|error| match error {
        mpsc::RecvTimeoutError::Timeout => format!("not done after {} s", LIMIT.as_secs()),
        mpsc::RecvTimeoutError::Disconnected => "panicked".to_owned(),
    })
}
