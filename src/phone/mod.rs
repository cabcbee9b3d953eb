//! The phone door: the app that a person installs on the phone, and the API that it alone may
//! call, each call signed. Knows no certificate and no cookie: neither means anything here.

mod api;
pub mod app;
mod events;
mod history;
mod not_me;
mod problem;
mod push;

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Body;
use http::{Method, Request, Response};
use tokio_util::sync::CancellationToken;

use crate::auth::phone::proof::{Call, Claim, Handle, Proof, ProvedCall, ProvedKey};
use crate::auth::phone::webauthn::RelyingParty;
use crate::auth::phone::{Approvals, Proofs, cose};
use crate::domain::person::Person;
use crate::domain::{ApprovalId, Reason, Time};
use crate::enrolment::pairing::Pairings;
use crate::notify::webpush::Pusher;
use crate::policy::Permit;
use crate::store::table;
use crate::store::view::View;
use crate::web::Visit;
use crate::web::routes::{self, Routes};
use crate::world::World;

use problem::Problem;

/// The room. One for all tenants: whose phone it is shows when it has signed.
pub struct PhoneRoom {
    view: Arc<View>,
    approvals: Arc<Approvals>,
    pairings: Arc<Pairings>,
    pusher: Arc<Pusher>,
    party: RelyingParty,
    proofs: Proofs,
    streams: Arc<events::Streams>,
    world: World,
}

/// What this room answers, beside the files of the app.
pub const ROUTES: Routes = &[
    ("POST", "/api/pair/begin"),
    ("POST", "/api/pair/finish"),
    ("POST", "/api/pair/state"),
    ("POST", "/api/pair/refuse"),
    ("GET", "/api/me"),
    ("GET", "/api/events"),
    ("GET", "/api/approvals"),
    ("POST", "/api/approvals/*/approve"),
    ("POST", "/api/approvals/*/deny"),
    ("GET", "/api/history"),
    ("POST", "/api/history/*/not-me"),
    ("GET", "/api/push"),
    ("PUT", "/api/push"),
    ("DELETE", "/api/push"),
];

impl PhoneRoom {
    /// Over the parts that it shares with the desktop's rooms. `party` is this door.
    #[must_use]
    pub fn new(
        view: Arc<View>,
        approvals: Arc<Approvals>,
        pairings: Arc<Pairings>,
        pusher: Arc<Pusher>,
        party: RelyingParty,
        world: World,
    ) -> Self {
        let (proofs, streams) = (Proofs::default(), Arc::default());
        Self { view, approvals, pairings, pusher, party, proofs, streams, world }
    }

    /// Serves one request: a file of the app, or a call of its API.
    pub async fn serve(&self, permit: Permit, visit: Visit, request: Request<Body>) -> Response<Body> {
        self.answer(permit.cancel(), visit.address, &visit.request_id, request).await
    }

    async fn answer(
        &self,
        cancel: &CancellationToken,
        from: IpAddr,
        number: &str,
        request: Request<Body>,
    ) -> Response<Body> {
        if !request.uri().path().starts_with("/api/") {
            return app::serve(&request);
        }
        match self.call(cancel, from, request).await {
            Ok(response) => response,
            Err(problem) => problem.response(number),
        }
    }

    async fn call(
        &self,
        cancel: &CancellationToken,
        from: IpAddr,
        request: Request<Body>,
    ) -> Result<Response<Body>, Problem> {
        let (parts, body) = request.into_parts();
        let method =
            routes::listed(ROUTES, parts.method.as_str(), parts.uri.path()).map_err(|why| match why {
                Reason::MethodNotAllowed => Problem::method(parts.method.as_str()),
                _ => Problem::not_found(),
            })?;
        let heard = Heard {
            now: self.world.now(),
            method: parts.method.clone(),
            path: parts.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
            proof: parts.headers.get(Proof::HEADER).and_then(|it| it.to_str().ok()).map(str::to_owned),
            body: api::body(body).await?,
        };
        let segments: Vec<&str> = parts.uri.path().split('/').skip(2).collect();
        match (method, segments.as_slice()) {
            ("POST", ["pair", "begin"]) => self.begin(&heard, from).await,
            ("POST", ["pair", "finish"]) => self.finish(&heard, from).await,
            ("POST", ["pair", "state"]) => self.pair_state(&heard).await,
            ("POST", ["pair", "refuse"]) => self.refuse(&heard, from).await,
            ("GET", ["me"]) => self.me(&self.recognise(&heard).await?),
            ("GET", ["approvals"]) => self.list(&self.prove(&heard).await?).await,
            ("GET", ["events"]) => self.events(&self.recognise(&heard).await?, cancel.clone()),
            ("GET", ["push"]) => self.push_state(&self.prove(&heard).await?).await,
            ("PUT", ["push"]) => self.subscribe(&self.prove(&heard).await?, &heard, from).await,
            ("DELETE", ["push"]) => self.unsubscribe(&self.prove(&heard).await?, from).await,
            ("POST", ["approvals", id, answer @ ("approve" | "deny")]) => {
                let call = self.prove(&heard).await?;
                let id = ApprovalId::parse(id).map_err(|_| Problem::unknown_question())?;
                if *answer == "approve" {
                    self.approve(&call, &id, &heard, from).await
                } else {
                    self.not_me(&call, &id, from).await
                }
            }
            ("GET", ["history"]) => self.history(&self.prove(&heard).await?).await,
            // The same as "not me" in time, and with the same consequences.
            ("POST", ["history", id, "not-me"]) => {
                let call = self.prove(&heard).await?;
                let id = ApprovalId::parse(id).map_err(|_| Problem::unknown_question())?;
                self.not_me(&call, &id, from).await
            }
            _ => Err(Problem::not_found()),
        }
    }

    /// Whose call it is, of somebody who may come in. Nothing that changes anything is served without it.
    async fn prove(&self, heard: &Heard) -> Result<ProvedCall, Problem> {
        let call = self.recognise(heard).await?;
        let person = self.view.person(&call.phone().tenant, &call.phone().person);
        if person.is_some_and(|it| it.frozen().is_some()) { Err(Problem::frozen()) } else { Ok(call) }
    }

    /// Whose call it is: one who is frozen may still read that they are. Nothing is served without it.
    async fn recognise(&self, heard: &Heard) -> Result<ProvedCall, Problem> {
        let proof = heard.proof()?;
        let Claim::Phone(handle) = &proof.claim else { return Err(Problem::unpaired()) };
        let phones = self.view.phones(&handle.tenant, &handle.person);
        let Some(phone) = phones.into_iter().find(|it| it.id == handle.phone) else {
            return Err(self.removed(&proof, handle, heard).await);
        };
        let call = self.proofs.prove(&proof, phone, heard.call(), heard.now);
        let call = call.map_err(|why| Problem::unproved(why, heard.now))?;
        // Told to the phone itself alone.
        let person = self.view.person(&handle.tenant, &handle.person);
        let heard_of = |it: &Arc<Person>| it.frozen().is_some() || !it.shut_out(heard.now);
        person.filter(heard_of).ok_or_else(Problem::shut_out)?;
        Ok(call)
    }

    /// Why a phone is not there: told to whoever holds the key of one that was removed, and to nobody else.
    async fn removed(&self, proof: &Proof, handle: &Handle, heard: &Heard) -> Problem {
        let key = table::removed_phone(&handle.tenant, &handle.person, &handle.phone);
        let found = self.approvals.removed(&key).await;
        let Ok(Some(removed)) = found else { return Problem::unpaired() };
        let Ok(key) = cose::point(&removed.api_key) else { return Problem::unpaired() };
        match self.proofs.prove_new(proof, key, heard.call(), heard.now) {
            Ok(_) => Problem::removed(removed.by, removed.at),
            Err(_) => Problem::unpaired(),
        }
    }

    /// A call of a phone that is being paired, by the key that its body names.
    fn prove_new(&self, heard: &Heard, api_key: &[u8]) -> Result<ProvedKey, Problem> {
        let proof = heard.proof()?;
        if proof.claim != Claim::New {
            return Err(Problem::malformed("the call must say phone=new"));
        }
        let key = cose::point(api_key).map_err(|_| Problem::malformed("api_key is no P-256 point"))?;
        self.proofs
            .prove_new(&proof, key, heard.call(), heard.now)
            .map_err(|why| Problem::unproved(why, heard.now))
    }
}

/// One call as it came, the body read.
struct Heard {
    now: Time,
    method: Method,
    path: String,
    proof: Option<String>,
    body: bytes::Bytes,
}

impl Heard {
    fn proof(&self) -> Result<Proof, Problem> {
        let header = self.proof.as_deref().unwrap_or_default();
        Proof::parse(header).map_err(|why| Problem::unproved(why, self.now))
    }

    fn call(&self) -> Call<'_> {
        Call { method: self.method.as_str(), path: &self.path, body: &self.body }
    }
}

#[cfg(test)]
mod tests;
