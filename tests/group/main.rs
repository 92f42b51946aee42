//! `Group` and `SingleflightLayer`, polled by hand: what callers of any kind of work get, whatever they do.

mod recorder;
mod slow_drop;
mod stands;
#[path = "../told/told.rs"]
mod told;
mod work;

mod flight;
mod forget_where;
mod fresh;
mod fresh_model;
mod fresh_odd;
mod go;
mod grace;
mod hammer;
mod keys;
mod leaving;
mod limits;
mod midpoll;
mod nesting;
mod observe;
mod observe_odd;
mod observe_parted;
mod observe_slow;
mod panicking_drops;
mod panics;
mod runtimes;
mod stats;
mod told_and_counted;
mod tombstones;
mod try_call;
mod unlocked;
mod walk;

#[cfg(feature = "tracing")]
mod context;
#[cfg(feature = "dry-run")]
mod dry_run;
#[cfg(feature = "dry-run")]
mod dry_run_limits;
#[cfg(feature = "dry-run")]
mod dry_run_sample;
mod layer;
mod shared_error;
#[cfg(feature = "tracing")]
mod spans;
#[cfg(feature = "http")]
mod stack;
mod traits;
mod unshareable;
