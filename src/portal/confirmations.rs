//! Requests that their backend wants confirmed on the phone: kept, shown, asked about, judged again, and sent at
//! most once with a receipt. From the commit that says so a request counts as sent, whatever happens to the gate.
//!
//! - `keep`: a backend asks for it
//! - `show`: the pages, and what scripts are told
//! - `take`: the phone's approval is taken up
//! - `send`: judged again and sent
//! - `ends`: how it ended, and the ends that nobody waits for

mod ends;
mod keep;
mod send;
mod show;
mod take;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Body;
use http::{Request, Response};
use tokio_util::sync::CancellationToken;

use crate::audit::{Entry, Event, Ledger, RecordError};
use crate::auth::evidence::{ProvedCertificate, ProvedSession};
use crate::auth::phone::Approvals;
use crate::auth::session::Sessions;
use crate::crypto::{Pepper, sha256};
use crate::domain::approval::{Approval, Matter, Purpose};
use crate::domain::certificate::Fingerprint;
use crate::domain::confirmation::Confirmation;
use crate::domain::{ConfirmationId, PersonId, Reason, TenantId};
use crate::policy::{Permit, Policy};
use crate::proxy::{Destination, Memory, Origin, Proxy, Tried};
use crate::sign_in::questions::{Questions, Waiting, Way};
use crate::store::table::{self, Stored};
use crate::store::view::View;
use crate::store::{Revision, Write};
use crate::web::page::only_navigations;
use crate::web::routes::{self, Routes};
use crate::web::{Visit, form, refusal, sse};
use crate::world::World;

/// What the room is made of.
pub struct Parts {
    /// Writes.
    pub ledger: Arc<Ledger>,
    /// Reads.
    pub view: Arc<View>,
    /// Time and chance.
    pub world: World,
    /// Seals what is kept.
    pub pepper: Arc<Pepper>,
    /// Judges again.
    pub policy: Arc<Policy>,
    /// The way to the backend.
    pub proxy: Arc<Proxy>,
    /// Sessions.
    pub sessions: Arc<Sessions>,
    /// Answers of phones.
    pub approvals: Arc<Approvals>,
    /// Questions to phones, and the pages that wait for them.
    pub questions: Arc<Questions>,
}

/// The room.
pub struct Confirmations {
    parts: Parts,
    open: Mutex<Open>,
}

/// What is not over, as this node knows it.
#[derive(Default)]
struct Open {
    /// Those whose end somebody must write down, with whose they are.
    waiting: HashMap<ConfirmationId, (TenantId, PersonId)>,
    /// Those that this node is sending just now, by how many of its requests try to.
    sending: HashMap<ConfirmationId, usize>,
}

impl Open {
    fn begins(&mut self, id: &ConfirmationId) {
        *self.sending.entry(id.clone()).or_default() += 1;
    }

    fn ends(&mut self, id: &ConfirmationId) {
        let left = self.sending.get_mut(id).map(|count| {
            *count -= 1;
            *count
        });
        if left == Some(0) {
            self.sending.remove(id);
        }
    }
}

/// Every route of the room.
pub const ROUTES: Routes = &[
    ("GET", "/.portcullis/confirm/*/"),
    ("GET", "/.portcullis/confirm/*/events"),
    ("GET", "/.portcullis/confirm/*/outcome"),
    ("POST", "/.portcullis/confirm/*/again"),
    ("POST", "/.portcullis/confirm/*/cancel"),
    ("POST", "/.portcullis/confirm/*/send"),
];

/// One request about one confirmation, with what it was let in on.
struct Here<'a> {
    visit: &'a Visit,
    permit: &'a Permit,
    certificate: &'a ProvedCertificate,
    session: &'a ProvedSession,
    cancel: &'a CancellationToken,
    id: ConfirmationId,
    csrf: String,
    /// The view's revision before anything was read for the page.
    seen: Revision,
    /// Where its forms go and its events come from.
    way: [String; 3],
    /// Whether a window asks, and not a script.
    window: bool,
}

type Answer = Result<Response<Body>, Reason>;
type Found = Stored<Confirmation>;

impl Confirmations {
    /// A room that knows of nothing yet; [`Confirmations::settle`] tells it what was left open.
    #[must_use]
    pub fn new(parts: Parts) -> Arc<Self> {
        Arc::new(Self { parts, open: Mutex::default() })
    }

    /// Forwards a request of a route that keeps them.
    ///
    /// # Errors
    /// What the caller must show.
    pub async fn forward(
        &self,
        permit: Permit,
        route: &Destination,
        visit: &Visit,
        request: Request<Body>,
    ) -> Answer {
        let manner = show::manner(request.headers(), visit);
        let origin = Origin {
            host: &visit.host,
            address: visit.address,
            request_id: &visit.request_id,
            memory: &Memory::default(),
        };
        match self.parts.proxy.forward_kept(permit.clone(), route, origin, request).await? {
            Tried::Answered(answer) => Ok(answer),
            Tried::Asked { kept, asked, cookies } => {
                let kept = self.keep(&permit, route, visit, manner, &kept, asked).await?;
                Ok(show::sent_on(visit, &kept, &self.token(&kept.id, &kept.fingerprint), cookies))
            }
        }
    }

    /// Serves the room's own paths.
    pub async fn serve(
        self: &Arc<Self>,
        permit: Permit,
        visit: Visit,
        request: Request<Body>,
    ) -> Response<Body> {
        let answer = match routes::listed(ROUTES, request.method().as_str(), request.uri().path()) {
            Ok(method) => self.listed(&permit, &visit, method, request).await,
            Err(reason) => Err(reason),
        };
        answer.unwrap_or_else(|reason| refusal::respond(&reason, &visit))
    }

    async fn listed(
        self: &Arc<Self>,
        permit: &Permit,
        visit: &Visit,
        method: &str,
        request: Request<Body>,
    ) -> Answer {
        let certificate = permit.certificate().ok_or(Reason::NoCertificate)?;
        let session = permit.session().filter(|session| !session.session().is_pre_session());
        let session = session.ok_or(Reason::SignInFirst)?;
        let path = request.uri().path().to_owned();
        let (id, doing) =
            path.strip_prefix(BASE).and_then(|rest| rest.split_once('/')).ok_or(Reason::NotFound)?;
        let id = ConfirmationId::parse(id).map_err(|_| Reason::NotFound)?;
        let here = Here {
            csrf: self.token(&id, certificate.fingerprint()),
            way: ["again", "cancel", "events"].map(|doing| format!("{BASE}{id}/{doing}")),
            window: show::is_window(request.headers(), visit),
            cancel: permit.cancel(),
            seen: self.parts.view.revision(),
            visit,
            permit,
            certificate,
            session,
            id,
        };
        if method == "POST" {
            form::read(request, visit, &here.csrf).await?;
            return match doing {
                "again" => self.again(&here).await,
                "cancel" => self.cancel(&here).await,
                "send" => self.send(&here).await,
                _ => Err(Reason::NotFound),
            };
        }
        match doing {
            "events" => Ok(self.events(&here, sse::seen(request.uri()))),
            "outcome" => {
                show::own_script(request.headers())?;
                self.outcome(&here).await
            }
            "" => {
                only_navigations(request.headers())?;
                self.page(&here).await
            }
            _ => Err(Reason::NotFound),
        }
    }

    /// The confirmation that this request is about, if it is this person's, of this certificate.
    async fn find(&self, here: &Here<'_>) -> Result<Found, Reason> {
        let key = table::confirmation(here.certificate.tenant(), here.certificate.person_id(), &here.id);
        let found = table::get::<Confirmation>(&**self.parts.ledger.store(), &key).await;
        let found = found.map_err(|_| Reason::Internal)?.ok_or(Reason::NotFound)?;
        let its = &found.record;
        let own = its.device == *here.certificate.device_id()
            && its.fingerprint == *here.certificate.fingerprint()
            && its.host == here.visit.host;
        if own { Ok(found) } else { Err(Reason::NotFound) }
    }

    /// What a form, or a script of the backend, must send back: good for this confirmation with this certificate. It
    /// outlives the session, so that a script can go on after a step-up; what it may do is judged by the session.
    fn token(&self, id: &ConfirmationId, certificate: &Fingerprint) -> String {
        let mac = self.parts.pepper.mac("confirmation form", &[id.as_str().as_bytes(), certificate]);
        data_encoding::BASE64URL_NOPAD.encode(&mac)
    }

    /// Whether one is on its way to its backend, or its outcome is still to be written down.
    #[must_use]
    pub fn is_sending(&self) -> bool {
        !self.open().sending.is_empty()
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the next state in place of the one that was read; false where somebody else came first.
    async fn change(&self, entry: Entry, found: &Found, next: &Confirmation) -> Result<bool, Reason> {
        self.write(entry, vec![table::replace(found, next)]).await
    }

    /// Writes all of it, or nothing; false where somebody else came first.
    async fn write(&self, entry: Entry, writes: Vec<Write>) -> Result<bool, Reason> {
        match self.parts.ledger.record(entry, writes).await {
            Ok(_) => Ok(true),
            Err(RecordError::Conflict) => Ok(false),
            Err(RecordError::Store(_)) => Err(Reason::Internal),
        }
    }
}

impl<'a> Here<'a> {
    fn waiting(&'a self) -> Waiting<'a> {
        let way = Way { again: &self.way[0], cancel: &self.way[1], events: &self.way[2] };
        let (certificate, token) = (self.certificate, self.session.token());
        Waiting { visit: self.visit, certificate, token, csrf: &self.csrf, way }
    }
}

/// What the phone is asked.
fn matter(of: &Confirmation) -> Matter {
    let bound = Some(bound(of));
    Matter { purpose: Purpose::Confirm, reason: of.wanted.title.clone(), rows: of.shown(), bound }
}

/// What the phone's signature stands for.
fn bound(of: &Confirmation) -> [u8; 32] {
    sha256(of.canonical_text().as_bytes())
}

/// A line of the trail about a confirmation.
fn entry(event: Event, of: &Confirmation) -> Entry {
    let person = crate::enrolment::first_visit::actor(&of.tenant, &of.person);
    Entry::new("gate", event)
        .tenant(&of.tenant)
        .whom(person)
        .detail("confirmation", of.id.as_str())
        .detail("route", &of.route)
        .detail("bound", data_encoding::BASE64URL_NOPAD.encode(&bound(of)))
}

/// Reads an approval.
async fn approval(
    ledger: &Ledger,
    of: &Confirmation,
    id: &crate::domain::ApprovalId,
) -> Result<Option<Stored<Approval>>, Reason> {
    let key = table::approval(&of.tenant, &of.person, id);
    table::get(&**ledger.store(), &key).await.map_err(|_| Reason::Internal)
}

/// Where a confirmation's page is.
fn page_of(id: &ConfirmationId) -> String {
    format!("{BASE}{id}/")
}

const BASE: &str = "/.portcullis/confirm/";

/// Each conflict means that another request about the same confirmation came through.
const TRIES_MAX: usize = 64;
