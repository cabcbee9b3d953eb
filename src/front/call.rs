//! One request, as far as is known before anything is decided about it. Costs next to nothing: what a page needs is
//! worked out where there is one.

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Body;
use http::Request;

use super::door::Host;
use super::house::House;
use super::peer::Peer;
use crate::domain::Time;
use crate::domain::tenant::Tenant;
use crate::public::est;
use crate::web::Visit;
use crate::web::visit::{RequestNumber, Seen};

/// One request.
pub(super) struct Call {
    /// Whose door.
    pub(super) tenant: Arc<Tenant>,
    pub(super) host: Host,
    pub(super) number: RequestNumber,
    pub(super) now: Time,
    address: IpAddr,
    seen: Seen,
    signed_in: bool,
    known: bool,
}

impl Call {
    pub(super) fn of(house: &House, peer: &Peer, host: Host, request: &Request<Body>) -> Self {
        let tenant = match peer.door.tenant() {
            // A door whose tenant is not there is no other one's: what others have must not count there.
            Some(id) => house.view.tenant(id).unwrap_or_else(|| Arc::new(Tenant::unknown(id.clone()))),
            None => Arc::clone(&house.nobody),
        };
        let number = peer.told.map_or_else(|| house.numbers.next(), |told| told.number);
        let now = house.world.now();
        Self {
            tenant,
            host,
            number,
            now,
            address: peer.address.ip(),
            seen: Seen::of(request),
            signed_in: false,
            known: false,
        }
    }

    /// With a session in which the password was right.
    pub(super) const fn signed_in(&mut self, signed_in: bool) {
        self.signed_in = signed_in;
    }

    /// By a certificate that we issued.
    pub(super) const fn known(&mut self, known: bool) {
        self.known = known;
    }

    /// As our own pages see it.
    pub(super) fn visit(&self, house: &House) -> Visit {
        let (tenant, seen) = (Arc::clone(&self.tenant), &self.seen);
        let mut visit =
            Visit::new(tenant, self.host.as_str(), seen, self.address, self.number.as_str(), self.now);
        visit.json |= est::is_path(seen.path());
        visit.signed_in = self.signed_in;
        visit.known = self.known || self.signed_in;
        visit.beside(house.public_origin.clone())
    }
}
