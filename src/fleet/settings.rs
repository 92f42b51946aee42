//! The settings of a fleet, and what can be wrong with them.

use std::{error::Error, fmt, time::Duration};

/// The settings of a [`Fleet`](crate::fleet::Fleet). The defaults suit an engine in the same data centre.
///
/// All processes of a fleet should have the same settings. Times are tokio's, so paused test time works.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tower_singleflight::fleet::FleetSettings;
///
/// let settings = FleetSettings::new().namespace("shop, production").lease(Duration::from_secs(2));
/// assert_eq!(settings.budget, Duration::from_millis(50));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FleetSettings {
    /// Fleets meet only within one namespace: one for each application and environment (default `"default"`).
    pub namespace: String,
    /// How long a leader's flight can be joined before it must be renewed (default 5 s); it is renewed three times in
    /// each lease. If the leader's process dies, its followers wait for so long in vain.
    pub lease: Duration,
    /// How long a caller waits for the engine at a time: a leader at most twice, a follower once (default 50 ms).
    pub budget: Duration,
    /// How long a follower waits at most, all flights taken together; then it runs its own work (default 10 s).
    pub max_wait: Duration,
    /// How long a message lies in the engine, for followers that look late (default 2 s).
    pub keep: Duration,
    /// How large an outcome may be to be sent, in bytes; followers of a larger one run their own work (default 1 MiB).
    /// The head of an HTTP answer may have 64 KiB on top.
    pub max_message: usize,
    /// How many processes are told of one landing; those above that look by themselves (default 256).
    pub max_waiters: usize,
    /// How often a follower joins another flight after the one that it has waited for, at most (default 2).
    pub max_rejoins: u32,
    /// For how long a flight is renewed at most: one that is stuck is replaced (default 60 s). A write that the engine has
    /// not acknowledged is told again for as long.
    pub lead_limit: Duration,
    /// For tests: makes the pauses that spread processes the same in every run. Tokens stay random.
    pub jitter_seed: Option<u64>,
}

/// What is wrong with the settings of a fleet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FleetError(Wrong);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Wrong {
    Empty(&'static str),
    Short(&'static str),
    Long(&'static str),
    LeaseBelowBudget { lease: Duration, budget: Duration },
    LimitBelowLease { limit: Duration, lease: Duration },
    NoMessage,
    NoRandomness,
}

/// Engines are promised that no time is shorter.
const SHORTEST: Duration = Duration::from_millis(1);
/// Every clock can count twice as far as this.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

impl FleetSettings {
    /// Returns the defaults.
    pub fn new() -> Self {
        Self {
            namespace: "default".to_owned(),
            lease: Duration::from_secs(5),
            budget: Duration::from_millis(50),
            max_wait: Duration::from_secs(10),
            keep: Duration::from_secs(2),
            max_message: 1 << 20,
            max_waiters: 256,
            max_rejoins: 2,
            lead_limit: Duration::from_secs(60),
            jitter_seed: None,
        }
    }

    /// Checks the settings, as [`Fleet::with_settings`](crate::fleet::Fleet::with_settings) does.
    ///
    /// # Errors
    ///
    /// An empty namespace; a time below 1 ms, or above a year; a lease below the budget, or a lead limit below the lease; no
    /// bytes for messages.
    pub fn check(&self) -> Result<(), FleetError> {
        let Self { lease, budget, max_wait, keep, lead_limit, .. } = *self;
        check_name("namespace", &self.namespace)?;
        let times =
            [("lease", lease), ("budget", budget), ("max_wait", max_wait), ("keep", keep), ("lead_limit", lead_limit)];
        if let Some((name, _)) = times.into_iter().find(|(_, time)| *time < SHORTEST) {
            return Err(FleetError(Wrong::Short(name)));
        }
        if let Some((name, _)) = times.into_iter().find(|(_, time)| *time > LONGEST) {
            return Err(FleetError(Wrong::Long(name)));
        }
        if lease < budget {
            return Err(FleetError(Wrong::LeaseBelowBudget { lease, budget }));
        }
        if lead_limit < lease {
            return Err(FleetError(Wrong::LimitBelowLease { limit: lead_limit, lease }));
        }
        if self.max_message == 0 {
            return Err(FleetError(Wrong::NoMessage));
        }
        Ok(())
    }
}

macro_rules! setters {
    ($($name:ident: $type:ty),*) => {
        impl FleetSettings {
            /// Sets the [`namespace`](Self#structfield.namespace).
            #[must_use]
            pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
                self.namespace = namespace.into();
                self
            }

            $(
                #[doc = concat!("Sets [`", stringify!($name), "`](Self#structfield.", stringify!($name), ").")]
                #[must_use]
                pub const fn $name(mut self, $name: $type) -> Self {
                    self.$name = $name;
                    self
                }
            )*
        }
    };
}

setters!(
    lease: Duration, budget: Duration, max_wait: Duration, keep: Duration, max_message: usize, max_waiters: usize,
    max_rejoins: u32, lead_limit: Duration, jitter_seed: Option<u64>
);

impl Default for FleetSettings {
    fn default() -> Self {
        Self::new()
    }
}

/// Says what is wrong with a name: it is empty.
pub(super) fn check_name(what: &'static str, name: &str) -> Result<(), FleetError> {
    if name.trim().is_empty() { Err(FleetError(Wrong::Empty(what))) } else { Ok(()) }
}

impl FleetError {
    pub(super) const fn no_randomness() -> Self {
        Self(Wrong::NoRandomness)
    }
}

impl fmt::Display for FleetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Wrong::Empty(what) => write!(f, "the {what} of a fleet is empty"),
            Wrong::Short(what) => write!(f, "{what} of a fleet is below 1 ms"),
            Wrong::Long(what) => write!(f, "{what} of a fleet is above a year"),
            Wrong::LeaseBelowBudget { lease, budget } => {
                write!(f, "the lease of a fleet, {lease:?}, is below its budget, {budget:?}")
            }
            Wrong::LimitBelowLease { limit, lease } => {
                write!(f, "lead_limit of a fleet, {limit:?}, is below its lease, {lease:?}")
            }
            Wrong::NoMessage => f.write_str("max_message of a fleet is 0 bytes"),
            Wrong::NoRandomness => f.write_str("the system gives no random bytes"),
        }
    }
}

impl Error for FleetError {}
