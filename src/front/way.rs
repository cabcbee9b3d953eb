//! The way of one request, from top to bottom. Each check returns what the next one takes: a step
//! that is left out does not compile.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::body::Body;
use futures_util::FutureExt as _;
use http::{HeaderValue, Request, Response, Version, header};

use super::beside::{Errand, Told};
use super::call::Call;
use super::door::{Room, Target};
use super::house::House;
use super::kept::Kept;
use super::outside::Trip;
use super::peer::Peer;
use crate::audit::{Entry, Event, Outcome};
use crate::auth::certificate::Presented;
use crate::auth::evidence::Evidence;
use crate::domain::certificate::Serial;
use crate::domain::{PersonId, Reason};
use crate::policy::methods::Methods;
use crate::policy::permit::Area;
use crate::policy::{Decision, Permit};
use crate::proxy::{self, Origin};
use crate::web::visit::prefers_json;
use crate::web::{Visit, assets, refusal};

/// Answers one request.
pub async fn walk(house: &House, peer: &Peer, mut request: Request<Body>) -> Response<Body> {
    let mut trip = Trip::begin(&house.outside, peer, &mut request);
    // In a box: it goes through many hands, each of which would have room for all of it.
    let answer = AssertUnwindSafe(answer(house, peer, &mut trip, Box::new(request))).catch_unwind().await;
    let mut response = answer.unwrap_or_else(|_| house.failed(peer, &mut trip));
    if peer.errand == Errand::Look {
        // Its head is all that is heard.
        *response.body_mut() = Body::empty();
    }
    trip.answered(response)
}

/// Marks the answer to a request in which the house itself failed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Failed;

async fn answer(
    house: &House,
    peer: &Peer,
    trip: &mut Trip<'_>,
    request: Box<Request<Body>>,
) -> Response<Body> {
    let version = request.version();
    let readable = proxy::one_end(&request).and_then(|()| Methods::one_meaning(request.method()));
    let host = match readable.and_then(|()| peer.door.matching(&request)) {
        Ok(host) => host,
        Err(reason) => return last(house.misdirected(peer, trip, &reason, &request), &reason, version),
    };
    let mut call = Call::of(house, peer, host, &request);
    trip.numbered(call.number.as_str());
    match house.go(peer, trip, &mut call, request).await {
        Ok(response) => response,
        Err(reason) => {
            let visit = call.visit(house);
            let presented = peer.presented.get();
            if let Some(whose) = presented.and_then(|one| house.judge.whose(one, &call.tenant.id)) {
                trip.belongs(&whose);
                // What a page explains was written down when its status was told.
                if peer.errand != Errand::Explain {
                    Box::pin(house.note(&reason, &visit, &whose)).await;
                }
            }
            let told = Told { number: call.number, key: refusal::manner(&reason).key };
            let mut response = match peer.told == Some(told) {
                true => refusal::explain(&reason, &visit),
                false => {
                    trip.refused(&reason);
                    refusal::respond(&reason, &visit)
                }
            };
            if peer.errand == Errand::Look {
                response.extensions_mut().insert(told);
            }
            last(response, &reason, version)
        }
    }
}

/// A request that can be read in two ways may end in two places: nothing behind it is heard on the same
/// connection (RFC 9112 6.3, 11.2).
fn last(mut response: Response<Body>, reason: &Reason, version: Version) -> Response<Body> {
    if matches!(reason, Reason::BadRequest(_)) && version < Version::HTTP_2 {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

impl House {
    /// Writes down the refusals that tell of an attack on somebody we know. Strangers, of whom there is no
    /// end, are in the log alone.
    async fn note(&self, reason: &Reason, visit: &Visit, (serial, person): &(Serial, Option<PersonId>)) {
        let manner = refusal::manner(reason);
        if manner.audit.is_none() {
            return;
        }
        let mut entry = Entry::new("gate", Event::RequestRefused)
            .tenant(&visit.tenant.id)
            .whence(visit.address)
            .outcome(Outcome::Refused(manner.key.to_owned()))
            .detail("request", visit.request_id.as_str())
            .detail("serial", serial);
        if let Some(person) = person {
            entry = entry.whom(format!("person:{}/{person}", visit.tenant.id));
        }
        if let Err(error) = self.ledger.record(entry, vec![]).await {
            tracing::error!(%error, "a refusal was not written down");
        }
    }

    async fn go(
        &self,
        peer: &Peer,
        trip: &mut Trip<'_>,
        call: &mut Call,
        request: Box<Request<Body>>,
    ) -> Result<Response<Body>, Reason> {
        let now = call.now;
        if self.view.age(now) > STALE_AFTER {
            return Err(Reason::StoreStale);
        }
        let presented = peer.presented.get_or_init(|| self.outside.shown(self.judge.read(&peer.chain)));
        call.known(matches!(presented, Presented::Ours(_)));
        let certificate = self.judge.stand(presented, &call.tenant.id, now);
        let est = call.tenant.certificates.est;
        let area = peer.door.area(request.uri().path(), est);
        let session = match area {
            // Renewal knows no session: what was proved there counts there.
            Area::Open | Area::Reenrol | Area::Renewal => None,
            Area::SignIn | Area::Guarded => {
                let cookies = request.headers().get_all(header::COOKIE);
                let cookies = cookies.iter().filter_map(|value| value.to_str().ok());
                self.sessions.resume(cookies, &certificate, now).await?
            }
        };
        // What hangs on a session is cut with it; without one, with the connection.
        let guard = match &session {
            Some(session) => Some(peer.attend(&self.live, session.token())),
            None => peer.held.clone(),
        };
        let cancel = guard.as_ref().map_or_else(|| peer.cancel.clone(), |guard| guard.token().clone());
        let evidence = Evidence::gather(certificate, session, peer.address.ip());
        trip.proved(&evidence);
        call.signed_in(evidence.password().is_some());
        let path = request.uri().path();
        let decision = {
            let ask = peer.door.ask(&call.host, request.method(), path, est, &cancel);
            self.policy.decide(&ask, &evidence, now)
        };
        match decision {
            Decision::Permit(permit) => {
                if let Some(session) = permit.session().filter(|_| is_activity(&request)) {
                    self.sessions.touch(session, now).await;
                }
                // What is open keeps its place in the register with the permit.
                let permit = permit.keeping(guard.clone().map(|guard| guard as Arc<_>));
                let target = peer.door.target(path, est);
                if peer.errand != Errand::Serve {
                    let visit = call.visit(self);
                    return self.vouch(peer.errand, (&permit, target), &visit, &request, trip);
                }
                match target {
                    Target::Backend => {
                        let answer = self.forward(permit, peer, trip, call, request).await;
                        trip.heard(&answer);
                        answer
                    }
                    Target::Own(room) => {
                        trip.enters(room);
                        let response = Box::pin(self.serve(permit, room, call, *request)).await?;
                        Ok(response.map(|body| Kept::with(body, guard)))
                    }
                }
            }
            Decision::Ask(_) if peer.errand == Errand::Look => Err(Reason::SignInFirst),
            Decision::Ask(missing) => {
                tracing::debug!(?missing, request = call.number.as_str(), "led to signing in");
                let visit = call.visit(self);
                Box::pin(self.sign_in.ask(&evidence, &visit, request.headers())).await
            }
            Decision::Refuse(reason) => Err(reason),
        }
    }

    async fn forward(
        &self,
        permit: Permit,
        peer: &Peer,
        trip: &mut Trip<'_>,
        call: &Call,
        request: Box<Request<Body>>,
    ) -> Result<Response<Body>, Reason> {
        let (tenant, path) = (&call.tenant.id, request.uri().path());
        let route = self.proxy.destination(tenant, &self.view.routes(tenant), call.host.as_str(), path)?;
        trip.asks(&route);
        if route.confirm {
            let visit = call.visit(self);
            return Box::pin(self.confirmations.forward(permit, &route, &visit, *request)).await;
        }
        let origin = Origin {
            host: call.host.as_str(),
            address: peer.address.ip(),
            request_id: call.number.as_str(),
            memory: &peer.memory,
        };
        self.proxy.forward(permit, &route, origin, request).await
    }

    async fn serve(
        &self,
        permit: Permit,
        room: Room,
        call: &Call,
        request: Request<Body>,
    ) -> Result<Response<Body>, Reason> {
        let visit = call.visit(self);
        Ok(match room {
            Room::Assets => asset(&request).ok_or(Reason::NotFound)?,
            Room::SignIn => self.sign_in.serve(permit, visit, request).await,
            Room::Renewal => self.renewal.serve(permit, visit, request).await,
            Room::Confirm => self.confirmations.serve(permit, visit, request).await,
            Room::Portal => self.portal.serve(permit, visit, request).await,
            Room::Phone => self.phone.serve(permit, visit, request).await,
            Room::Console => {
                let _at_work = Arc::clone(&self.desk_at_work);
                self.console.serve(permit, visit, request).await
            }
            Room::Est => self.est.serve(permit, visit, request).await,
            Room::Public => self.public.serve(permit, visit, request).await,
        })
    }

    /// A fault of ours has a page too, with a number to read out.
    fn failed(&self, peer: &Peer, trip: &mut Trip<'_>) -> Response<Body> {
        let number = self.numbers.next();
        trip.numbered(number.as_str());
        trip.refused(&Reason::Internal);
        let (address, now) = (peer.address.ip(), self.world.now());
        let mut response =
            refusal::respond_to_nobody(&Reason::Internal, number.as_str(), address, now, false);
        response.extensions_mut().insert(Failed);
        response
    }

    /// A request that names another host than the handshake did has no door, and so no page of a tenant.
    fn misdirected(
        &self,
        peer: &Peer,
        trip: &mut Trip<'_>,
        reason: &Reason,
        request: &Request<Body>,
    ) -> Response<Body> {
        let accept = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
        let json = prefers_json(accept.unwrap_or_default());
        let number = peer.told.map_or_else(|| self.numbers.next(), |told| told.number);
        trip.numbered(number.as_str());
        let (told, now) = (Told { number, key: refusal::manner(reason).key }, self.world.now());
        let mut response = match peer.told == Some(told) {
            true => refusal::explain_to_nobody(reason, number.as_str(), now, json),
            false => {
                trip.misdirected(reason);
                refusal::respond_to_nobody(reason, number.as_str(), peer.address.ip(), now, json)
            }
        };
        if peer.errand == Errand::Look {
            response.extensions_mut().insert(told);
        }
        response
    }
}

/// Only navigations and unsafe methods count as activity: a page that polls keeps nobody in.
fn is_activity(request: &Request<Body>) -> bool {
    const MODE: header::HeaderName = header::HeaderName::from_static("sec-fetch-mode");
    let mode = request.headers().get(MODE);
    mode.is_none_or(|mode| mode.as_bytes() == b"navigate") || !request.method().is_safe()
}

fn asset(request: &Request<Body>) -> Option<Response<Body>> {
    let name = request.uri().path().strip_prefix(assets::PATH)?;
    let version = request.uri().query().and_then(|query| query.strip_prefix("v="));
    assets::serve(name, version)
}

/// A node that has not heard from its store for so long fails closed (design: bounded staleness).
pub const STALE_AFTER: std::time::Duration = std::time::Duration::from_secs(10);
