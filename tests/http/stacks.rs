//! The generic layer in the stacks that people have, over real sockets, with tower's and tower-http's layers above and
//! below: what each order means, and the line that makes it work where something is in the way.

mod cases;
mod hold;
mod origin;
mod retry;
mod seen;
mod wire;

mod axum;
mod framing;
mod hyper_client;
mod hyper_server;
mod reqwest;
mod tonic_client;
mod tonic_server;
