//! A confirmed request goes out: certificate, session and rules are judged as they are now, and the commit that
//! says "sending" comes before the first byte, so that it is sent at most once.

use std::sync::Arc;

use axum::body::Body;
use http::{HeaderValue, Method, Response, StatusCode};

use super::ends::Fate;
use super::take::{Taken, stands_for};
use super::{Answer, Confirmations, Found, Here, entry, page_of};
use crate::audit::Event;
use crate::crypto::sha256;
use crate::domain::approval::{Approval, ApprovalState};
use crate::domain::confirmation::{Confirmation, ConfirmationState, Manner, NotSent};
use crate::domain::person::Person;
use crate::domain::{ConfirmationId, Reason};
use crate::policy::permit::Area;
use crate::policy::{Ask, Decision, Permit};
use crate::proxy::{self, Destination, Kept, Memory, Origin};
use crate::store::Write;
use crate::store::table;
use crate::web::page::see_other;

/// A request that may go out.
struct Ready {
    sending: Confirmation,
    permit: Permit,
    route: Arc<Destination>,
    kept: Kept,
    receipt: String,
    manner: Manner,
    origin: (String, std::net::IpAddr, String),
}

impl Confirmations {
    /// Sends it, and answers with the backend's answer; or says how it stands, where it is not to be sent.
    pub(super) async fn send(self: &Arc<Self>, here: &Here<'_>) -> Answer {
        for _ in 0..super::TRIES_MAX {
            let found = self.look(here).await?;
            match &found.record.state {
                ConfirmationState::Asked { approval } => match self.take_up(here, &found, approval).await? {
                    Taken::LookAgain => {}
                    Taken::NotYet => return self.told(here, &found.record),
                },
                ConfirmationState::Approved { .. } => {
                    if let Some(ready) = self.dispatch(here, &found).await? {
                        return self.go(ready).await;
                    }
                }
                _ => return self.told(here, &found.record),
            }
        }
        Err(Reason::Busy)
    }

    /// Judges all of it again and writes down that it goes. Of many who try, one gets it.
    async fn dispatch(&self, here: &Here<'_>, found: &Found) -> Result<Option<Ready>, Reason> {
        let its = &found.record;
        let refuse = async |why| self.refuse(found, why).await.map(|()| None);
        let approval = its.evidence.as_deref().filter(|approval| stands_for(approval, its));
        let (Some(approval), Some(kept)) = (approval, self.unseal(its)) else {
            tracing::error!(confirmation = %here.id, "what is kept is not what the phone approved: not sent");
            return refuse(NotSent::Changed).await;
        };
        let Some(route) = self.route(its) else { return refuse(NotSent::Route).await };
        let Some(permit) = self.judged(here, its, &kept.method, approval) else {
            return refuse(NotSent::Policy).await;
        };
        let receipt = self.parts.proxy.receipt(its, approval)?;
        let entry = entry(Event::ConfirmationSent, its)
            .whence(here.visit.address)
            .detail("rule", permit.rule())
            .detail("approval", approval.id.as_str())
            .evidence("receipt", &receipt)
            .detail("receipt_sha256", data_encoding::BASE64URL_NOPAD.encode(&sha256(receipt.as_bytes())));
        let sending = Confirmation {
            state: ConfirmationState::Sending { since: self.parts.world.now() },
            receipt: Some(receipt.clone()),
            sealed: Vec::new(),
            ..its.clone()
        };
        // "Not me", said since it was taken up, has the last word: these are as they were when it goes.
        let unchanged = self.still_agreed(its, approval).await?;
        let Some(mut writes) = unchanged else { return refuse(NotSent::NotMe).await };
        writes.push(table::replace(found, &sending));
        // Known as this node's own before anybody can read that it is under way.
        self.open().begins(&here.id);
        match self.write(entry, writes).await {
            Ok(true) => {}
            other => {
                self.open().ends(&here.id);
                return other.map(|_| None);
            }
        }
        let visit = here.visit;
        let origin = (visit.host.clone(), visit.address, visit.request_id.clone());
        Ok(Some(Ready { sending, permit, route, kept, receipt, manner: its.manner, origin }))
    }

    /// What must not change before the request goes: the approval, and the standing of who gave it. None where
    /// they have changed already.
    async fn still_agreed(
        &self,
        its: &Confirmation,
        approval: &Approval,
    ) -> Result<Option<Vec<Write>>, Reason> {
        let store = &**self.parts.ledger.store();
        let key = table::approval(&its.tenant, &its.person, &approval.id);
        let approved = table::get::<Approval>(store, &key).await.map_err(|_| Reason::Internal)?;
        let key = table::person(&its.tenant, &its.person);
        let person = table::get::<Person>(store, &key).await.map_err(|_| Reason::Internal)?;
        let (Some(approved), Some(person)) = (approved, person) else { return Ok(None) };
        let stands = matches!(approved.record.state, ApprovalState::Approved { .. })
            && !person.record.shut_out(self.parts.world.now());
        Ok(stands.then(|| vec![table::unchanged(&approved), table::unchanged(&person)]))
    }

    /// The route that the request's path has now, if it is still the one it came by.
    fn route(&self, its: &Confirmation) -> Option<Arc<Destination>> {
        let routes = self.parts.view.routes(&its.tenant);
        let found = self.parts.proxy.destination(&its.tenant, &routes, &its.host, &its.path).ok()?;
        (found.name == its.route && found.confirm).then_some(found)
    }

    /// What the rules say of the request itself, by what this connection and session have proved now.
    fn judged(
        &self,
        here: &Here<'_>,
        its: &Confirmation,
        method: &Method,
        approval: &Approval,
    ) -> Option<Permit> {
        let host = its.host.split(':').next().unwrap_or_default();
        let (tenant, path) = (&its.tenant, its.path.as_str());
        let ask = Ask { tenant, area: Area::Guarded, host, path, method, cancel: here.cancel };
        let evidence = here.permit.evidence().confirmed_by(approval);
        match self.parts.policy.decide(&ask, &evidence, self.parts.world.now()) {
            Decision::Permit(permit) => Some(permit),
            Decision::Ask(missing) => {
                tracing::warn!(?missing, confirmation = %its.id, "not sent: more must be proved by now");
                None
            }
            Decision::Refuse(reason) => {
                tracing::warn!(?reason, confirmation = %its.id, "not sent: the rules refuse it by now");
                None
            }
        }
    }

    /// Out it goes, in a task of its own: a browser that leaves does not leave its outcome unknown.
    async fn go(self: &Arc<Self>, ready: Ready) -> Answer {
        let this = Arc::clone(self);
        let (id, manner) = (ready.sending.id.clone(), ready.manner);
        let sent = tokio::spawn(async move {
            let Ready { sending, permit, route, kept, receipt, origin: (host, address, request_id), .. } =
                ready;
            let origin = Origin { host: &host, address, request_id: &request_id, memory: &Memory::default() };
            let answer = this.parts.proxy.send_confirmed(permit, &route, origin, &kept, &receipt).await;
            this.ended(&sending, &route, &Fate::of(&answer)).await;
            answer
        });
        let answer = sent.await.map_err(|_| Reason::Internal)?;
        match answer {
            // What was confirmed was something else.
            Ok(answer) if proxy::asks(&answer) => Ok(see_other(&page_of(&id))),
            Ok(answer) => Ok(delivered(answer, &id, manner)),
            Err(_) if manner == Manner::Navigation => Ok(see_other(&page_of(&id))),
            Err(reason) => Err(reason),
        }
    }
}

/// The backend's answer as the answer to our form.
fn delivered(mut answer: Response<Body>, id: &ConfirmationId, manner: Manner) -> Response<Body> {
    // A redirect that repeats the request would repeat our form.
    let repeats = [StatusCode::TEMPORARY_REDIRECT, StatusCode::PERMANENT_REDIRECT].contains(&answer.status());
    if repeats && manner == Manner::Navigation {
        *answer.status_mut() = StatusCode::SEE_OTHER;
    }
    if let Ok(id) = HeaderValue::from_str(id.as_str()) {
        answer.headers_mut().insert(RECEIPT, id);
    }
    answer
}

/// On the backend's answer to a confirmed request: its receipt's id, by which a script tells it from ours.
const RECEIPT: &str = "portcullis-receipt";
