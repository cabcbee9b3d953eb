//! Who is at the other end of a connection: what the handshake showed, once per connection.
//!
//! Knows nothing of trust: a chain here proved possession of its leaf's key and no more.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio_util::sync::CancellationToken;

use super::beside::{Errand, Told};
use super::door::Door;
use super::live::{Guard, Live};
use crate::auth::certificate::Presented;
use crate::domain::certificate::Fingerprint;
use crate::domain::session::TokenHash;
use crate::proxy::Memory;

/// The other end of a connection.
#[derive(Debug)]
pub struct Peer {
    /// The door it knocked at, by SNI.
    pub door: Arc<Door>,
    /// The certificates it showed, DER, leaf first; empty where it showed none. It holds the leaf's key.
    pub chain: Arc<Vec<Vec<u8>>>,
    /// What that chain is worth, read at the first request.
    pub presented: OnceLock<Presented>,
    /// SHA-256 over the leaf.
    pub fingerprint: Option<Fingerprint>,
    /// Where it comes from.
    pub address: SocketAddr,
    /// Cancelled when the connection must be cut: hang tunnels and streams on it, or on a child of it.
    pub cancel: CancellationToken,
    /// Cancelled when the house begins to close: streams without end may say goodbye.
    pub draining: CancellationToken,
    /// Whether it speaks HTTP/2.
    pub http2: bool,
    /// Which TLS: `TLSv1.3`.
    pub tls: &'static str,
    /// The name it asked for in the handshake, lower case.
    pub sni: String,
    /// What is done for its requests.
    pub errand: Errand,
    /// The refusal of its request that is written down already, where another proxy fetches its page.
    pub told: Option<Told>,
    /// Its certificate's place in the register, where the connection is another proxy's and carries many.
    pub held: Option<Arc<Guard>>,
    /// Its place among the requests of the session that it named last.
    pub attended: Mutex<Option<(TokenHash, Arc<Guard>)>>,
    /// What the proxy need not work out again at each of its requests.
    pub memory: Memory,
}

impl Peer {
    /// The place of this connection's requests in the register of what is open, as long as they are of one session:
    /// they end together, and a new place is taken where they have.
    pub fn attend(&self, live: &Arc<Live>, session: &TokenHash) -> Arc<Guard> {
        let mut attended = self.attended.lock().unwrap_or_else(PoisonError::into_inner);
        match &*attended {
            Some((known, guard)) if known == session && !guard.token().is_cancelled() => Arc::clone(guard),
            _ => {
                let guard = live.attend(*session, &self.cancel).beneath(self.held.clone());
                let guard = Arc::new(guard);
                *attended = Some((*session, Arc::clone(&guard)));
                guard
            }
        }
    }
}
