//! Pages to read; there is no code here. The [words](crate#the-words) are those of the crate's first page.
//!
//! | you want to | read |
//! |---|---|
//! | try the layer without risk, and see what it would do | [before_you_switch_it_on](before_you_switch_it_on/index.html) |
//! | put the layer on a route, or leave it off | [security](security/index.html): what is promised, what the key cannot see, five questions |
//! | know whether it goes above or below another layer | [placement](placement/index.html) |
//! | use it on your stack, test a route, share by user | [recipes](recipes/index.html) |
//! | see why two requests did not merge, or why callers hang | [troubleshooting](troubleshooting/index.html) |
//! | watch it in production, know what a number means, deploy and upgrade | [operating](operating/index.html) |
//! | watch it in a browser | `status_page`, with the feature `status`: how to mount the page safely, what it says |
//! | have many machines make one call | `many_machines`, with the feature `fleet`: when it pays, what is guaranteed |
//! | look up a rule by its number | [http_rules](http_rules/index.html), [excepted_fields](excepted_fields/index.html) |
//! | use it as you used Go's | [coming_from_go](coming_from_go/index.html) |
//! | change the crate, or find a fault in it | [architecture](architecture/index.html) |
//! | know what it costs | [benchmarks](benchmarks/index.html) |

/// Coming from Go.
///
#[doc = include_str!("../docs/coming-from-go.md")]
pub mod coming_from_go {}

/// How to try the HTTP layer without risk, and how to read what that finds.
///
#[cfg(feature = "http")]
#[doc = include_str!("../docs/before-you-switch-it-on.md")]
pub mod before_you_switch_it_on {}

/// Where the HTTP layer belongs.
///
#[cfg(feature = "http")]
#[doc = include_str!("../docs/placement.md")]
pub mod placement {}

/// What is promised, what the key cannot see, and how to check a route.
///
#[cfg(feature = "http")]
#[doc = include_str!("../docs/security.md")]
pub mod security {}

/// How to do what is often wanted.
///
#[cfg(feature = "http")]
#[doc = include_str!("../docs/recipes.md")]
pub mod recipes {}

/// How to watch it in production: what each number means, what to alert on, and what to do.
///
#[cfg(feature = "http")]
#[doc = include_str!("../docs/operating.md")]
pub mod operating {}

/// What the layers do just now, in a browser or a terminal.
///
#[cfg(feature = "status")]
#[doc = include_str!("../docs/status-page.md")]
///
/// # What it looks like
///
#[cfg_attr(
    doc,
    doc = "<img style=\"max-width: 100%\" alt=\"The live page: numbers, calls per second by role as an \
    area, tables of flights and routes\" src=\"data:image/png;base64,"
)]
#[cfg_attr(doc, doc = include_str!("../docs/status.png.base64"))]
#[cfg_attr(doc, doc = "\">")]
pub mod status_page {}

/// One run of the work for all processes of a service: when it pays, what is guaranteed, what to set up.
///
#[cfg(feature = "fleet")]
#[doc = include_str!("../docs/many-machines.md")]
pub mod many_machines {}

/// Why two requests did not merge, and what to do when it does not compile, hangs, is slow or panics.
///
#[cfg(feature = "http")]
#[doc = include_str!("../docs/troubleshooting.md")]
pub mod troubleshooting {}

/// The rules of sharing over HTTP, by their numbers.
///
#[cfg(feature = "http")]
#[doc = include_str!("../docs/http-rules.md")]
pub mod http_rules {}

/// How it works: a flight, the invariants, the way of a call and of a request.
///
#[cfg(feature = "http")]
#[doc = include_str!("../docs/architecture.md")]
pub mod architecture {}

/// What it costs, beside the alternatives.
///
#[cfg(feature = "http")]
#[doc = include_str!("../docs/benchmarks.md")]
pub mod benchmarks {}

/// Request fields that are no part of the key.
#[cfg(feature = "http")]
#[doc(inline)]
pub use crate::http::excepted_fields;
