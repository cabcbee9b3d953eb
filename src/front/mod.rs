//! The front: listeners, TLS, doors, connections, and the register of those that are open.
//!
//! Knows no page, no rule and no backend: it hands each request, with what its connection
//! proved, to the one [`Handler`] that `way` is.

pub mod accept;
pub mod activity;
mod answering;
mod arrival;
mod bell;
pub mod beside;
mod bodies;
mod call;
mod calm;
mod connection;
mod descriptors;
pub mod door;
pub mod house;
mod http2;
mod kept;
pub mod limits;
mod listening;
pub mod live;
pub mod meters;
pub mod ops;
pub mod outside;
pub mod peer;
pub mod plain;
mod relayed;
mod seldom;
mod stream;
pub mod tls;
mod turns;
pub mod way;

pub use accept::{Front, Handler};
pub use door::{Door, Doors, Host, Room, Target};
pub use limits::Settings;
pub use live::Live;
pub use peer::Peer;
