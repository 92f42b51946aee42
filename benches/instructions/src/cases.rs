//! The cases: what is counted, and what is subtracted.

mod group;
mod http;
#[cfg(feature = "watched")]
mod watched;

/// Does something as often as it is told.
pub(crate) type Run = fn(u64);

/// A figure: the instructions of a run over those of the same without the layer, or of what comes before it.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) bare: &'static str,
    pub(crate) title: &'static str,
}

const fn case(name: &'static str, bare: &'static str, title: &'static str) -> Case {
    Case { name, bare, title }
}

pub(crate) const CASES: &[Case] = &[
    case("solo", "solo-bare", "a call that has its flight to itself"),
    case("join", "nothing", "joining a flight, and parking"),
    case("landing", "join", "having the outcome of a flight"),
    case("lone", "lone-bare", "an HTTP request that nobody shares"),
    case("routed", "routed-bare", "one on a router, where it is marked"),
    case("browser", "browser-bare", "one with the 14 fields of a browser"),
    case("post", "post-bare", "a POST without content, which goes alone"),
    case("authorized", "authorized-bare", "a GET with Authorization, which goes alone"),
    case("applied", "nothing", "applying the HTTP layer to a service"),
    #[cfg(feature = "watched")]
    case("observed", "solo", "more, if one observes it and does nothing"),
    #[cfg(feature = "watched")]
    case("metered", "solo", "more, if it is counted by `Metered`"),
    #[cfg(feature = "watched")]
    case("lone-observed", "lone", "more, if one observes an HTTP request"),
    #[cfg(feature = "watched")]
    case("lone-metered", "lone", "more, if it is counted by `Metered`"),
    #[cfg(feature = "watched")]
    case("unwatched", "lone-bare", "an HTTP request that a dry run lets pass"),
];

/// Returns the run of this name.
pub(crate) fn find(name: &str) -> Option<Run> {
    Some(match name {
        "nothing" => |_| {},
        "solo" => group::solo,
        "solo-bare" => group::solo_bare,
        "join" => group::join,
        "landing" => group::landing,
        "lone" => |times| http::layered(times, http::lone),
        "lone-bare" => |times| http::bare(times, http::lone),
        "browser" => |times| http::layered(times, http::browser),
        "browser-bare" => |times| http::bare(times, http::browser),
        "post" => |times| http::layered(times, http::post),
        "post-bare" => |times| http::bare(times, http::post),
        "authorized" => |times| http::layered(times, http::authorized),
        "authorized-bare" => |times| http::bare(times, http::authorized),
        "routed" => http::routed,
        "routed-bare" => |times| http::bare(times, http::on_a_router),
        "applied" => http::applied,
        #[cfg(feature = "watched")]
        "observed" => watched::observed,
        #[cfg(feature = "watched")]
        "metered" => watched::metered,
        #[cfg(feature = "watched")]
        "lone-observed" => watched::lone_observed,
        #[cfg(feature = "watched")]
        "lone-metered" => watched::lone_metered,
        #[cfg(feature = "watched")]
        "unwatched" => watched::unwatched,
        _ => return None,
    })
}
