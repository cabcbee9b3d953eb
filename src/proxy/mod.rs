//! The way to the backend: a permitted request goes out as HTTP/1.1 or HTTP/2, its answer comes back,
//! both streaming. Knows nothing of doors, sessions, rules or pages: what went wrong is a
//! [`crate::domain::Reason`] that the caller shows.
//!
//! - `destination`: a route as it is used: which of its backends gets a request, how long each step may take
//! - `balance`: the choice itself, pure
//! - `member`, `fleet`: what is known of each backend, and of all
//! - `health`: asks them whether they are well
//! - `total`: answers that must end in time
//! - `forward`: one request, told from top to bottom
//! - `sending`: to which backend, and whether once more
//! - `errand`: one request over one connection
//! - `headers`: what may not pass, in either direction
//! - `names`: of headers that would say who is calling
//! - `hints`: what is said before an answer
//! - `ours`: what the gate says itself
//! - `identity`: who the caller is, as the backend can verify it
//! - `confirmed`: requests that a backend wants confirmed
//! - `memory`: what comes out the same at each request of a connection
//! - `keep`: requests read whole, to be sent once more
//! - `wanted`: what a backend wants confirmed before it acts
//! - `receipt`: what it gets with the confirmed request
//! - `h1`: HTTP/1.1 towards a backend
//! - `upstream`: connections to backends, kept alive by each runtime for itself
//! - `socket`: what a connection runs over
//! - `trailers`: what may follow a body
//! - `body`: bodies under way, cut when the permit ends
//! - `upgrade`: WebSocket
//! - `lasting`: how long one lasts, for the log
//! - `windows`: room in those of HTTP/2
//! - `vouch`: what another proxy is to tell a backend
//! - `whereto`: which backend it was, for the log

mod balance;
mod body;
mod confirmed;
mod destination;
mod errand;
mod fleet;
mod forward;
mod h1;
mod headers;
mod health;
mod hints;
mod identity;
mod keep;
mod lasting;
mod member;
mod memory;
mod names;
mod ours;
mod receipt;
mod sending;
mod socket;
mod total;
mod trailers;
mod upgrade;
mod upstream;
mod vouch;
mod wanted;
mod whereto;
mod windows;

#[cfg(test)]
pub(crate) mod tests;

pub use confirmed::Tried;
pub use destination::Destination;
pub use fleet::Seen;
pub use forward::{Origin, Proxy, Settings};
pub use headers::one_end;
pub use hints::Hints;
pub use keep::Kept;
pub use lasting::Lasting;
pub use memory::Memory;
pub use receipt::evidence_sha256;
pub use upgrade::{Joined, Stream};
pub use upstream::{Backend, BadBackend, Ca, Reach, Reaching, Trust, TrustError};
pub use wanted::{Asked, asks};
pub use whereto::Whereto;
pub use windows::poll_room;
