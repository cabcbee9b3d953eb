//! One connection from its place to its end: whom a balancer names, the handshake, what it showed, then its requests.
//! Takes nothing in.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::accept::{Front, Handler};
use super::beside::Errand;
use super::connection::{self, Shared};
use super::limits::{Place, Settings};
use super::live::Guard;
use super::peer::Peer;
use super::relayed::{self, Relayed};
use super::tls::{self, HandshakeError};
use super::turns::Turns;
use crate::domain::network;
use crate::proxy::Memory;

impl Front {
    /// Lets a balancer say who its client is, before the client says anything.
    pub(super) async fn hear_of_client(
        &self,
        mut stream: TcpStream,
        balancer: SocketAddr,
        mut place: Place,
        until: Instant,
    ) -> Option<(TcpStream, SocketAddr, Place)> {
        let meters = &self.meters;
        let read = tokio::time::timeout_at(until, relayed::read(&mut stream));
        let address = match self.unless_closing(read).await? {
            Ok(Ok(Relayed::Client(address))) => address,
            Ok(Ok(Relayed::Balancer)) => balancer,
            Ok(Err(error)) => {
                meters.handshakes_failed.up();
                self.complaints.tell(balancer, &error);
                return None;
            }
            Err(_) => {
                meters.cut_slow.up();
                return None;
            }
        };
        if let Err(full) = place.belongs_to(address.ip()) {
            meters.refused_full.up();
            tracing::debug!(%address, ?full, "closed a connection at once");
            return None;
        }
        Some((stream, address, place))
    }

    /// Shakes hands, and serves the connection until it ends.
    pub(super) async fn attend<H: Handler>(
        self,
        stream: TcpStream,
        address: SocketAddr,
        place: Place,
        until: Instant,
        turns: Turns,
        handler: H,
    ) {
        let meters = &self.meters;
        let shared = Shared { network: Some(network(address.ip())), ..self.shared() };
        made_ready(&stream, &shared.settings);
        let doors = self.doors().load_full();
        // What only the handshake needs lies in a box, and is given back before the connection lies idle.
        let shaking = async {
            let relayed = relayed::begins(&stream).await;
            (tls::shake(stream, &doors).await, relayed)
        };
        let shaken = tokio::time::timeout_at(until, turns.taken_by(shaking));
        let shaken = match Box::pin(self.unless_closing(shaken)).await {
            Some(Ok((Ok(shaken), _))) => shaken,
            Some(Ok((Err(error), relayed))) => {
                if relayed {
                    self.complaints.tell_unnamed(address);
                }
                match error {
                    HandshakeError::UnknownName(_) => meters.unknown_names.up(),
                    HandshakeError::Broken(_) => meters.handshakes_failed.up(),
                }
                tracing::debug!(%address, %error, "no connection");
                return;
            }
            Some(Err(_)) => {
                meters.handshakes_slow.up();
                return meters.cut_slow.up();
            }
            None => return,
        };
        meters.handshakes.up();
        let guard = shaken.chain.first().map(|leaf| {
            meters.certificates.up();
            self.live.enter(leaf, &self.cut)
        });
        let cancel = guard.as_ref().map_or_else(|| self.cut(), |guard| guard.token().clone());
        let peer = Arc::new(Peer {
            door: shaken.door,
            fingerprint: guard.as_ref().and_then(Guard::fingerprint),
            chain: Arc::new(shaken.chain),
            presented: OnceLock::new(),
            address,
            cancel: cancel.clone(),
            draining: self.draining().clone(),
            http2: shaken.http2,
            tls: shaken.version,
            sni: shaken.sni,
            errand: Errand::Serve,
            told: None,
            held: None,
            attended: Mutex::default(),
            memory: Memory::default(),
        });
        let handle = move |request| handler.clone().handle(Arc::clone(&peer), request);
        // A kilobyte, which each future that it is handed on to would hold once more.
        let stream = Box::new(shaken.stream);
        connection::serve(stream, shaken.http2, (place, guard), &cancel, &shared, handle).await;
    }
}

/// What the system is to do for a client's socket, wherever we have its listener from.
fn made_ready(stream: &TcpStream, settings: &Settings) {
    // Answers are written whole; waiting for more only delays them.
    let _ = stream.set_nodelay(true);
    // A client that only takes its time is left to our own clocks.
    let unanswered = settings.write_stall().max(UNANSWERED_MAX);
    let _ = SockRef::from(stream).set_tcp_user_timeout(Some(unanswered));
}

/// A machine that acknowledges nothing for so long went away without a word (RFC 5482).
const UNANSWERED_MAX: Duration = Duration::from_secs(120);

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http::{Request, Response};
    use tokio::net::TcpListener;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::front::door::Doors;
    use crate::front::live::Live;
    use crate::world::World;

    #[tokio::test]
    async fn a_connection_that_lies_idle_keeps_no_room_for_its_handshake() {
        let (doors, stop) = (Doors::new([]).unwrap(), CancellationToken::new());
        let front = Front::new(doors, Live::new(), Settings::default(), World::real().clock, &stop);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stream = TcpStream::connect(address).await.unwrap();
        let place = front.caps.admit(address.ip()).unwrap();
        let handler = |_: Arc<Peer>, _: Request<Body>| async {
            let room = [0_u8; 32 * 1024];
            tokio::task::yield_now().await;
            Response::new(Body::from(room.to_vec()))
        };
        let attending = front.attend(stream, address, place, Instant::now(), Turns::new(), handler);
        let size = size_of_val(&attending);
        assert!(size <= IDLE_BYTES_MAX, "{size} bytes for each connection, however idle");
    }

    #[tokio::test]
    async fn a_machine_that_acknowledges_nothing_is_given_up_after_all_who_are_slow() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        for (write_stall_ms_max, seconds) in [(30_000, 120), (300_000, 300)] {
            made_ready(&stream, &Settings { write_stall_ms_max, ..Settings::default() });
            let given_up = SockRef::from(&stream).tcp_user_timeout().unwrap();
            assert_eq!(given_up, Some(Duration::from_secs(seconds)));
        }
        assert!(stream.nodelay().unwrap());
    }

    /// It was 23 KiB before the handshake had a box of its own.
    const IDLE_BYTES_MAX: usize = 6 * 1024;
}
