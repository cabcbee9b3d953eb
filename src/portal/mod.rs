//! The client's room on the portal's door, and the staff's on the console's: settings, signing out, and the
//! keys that verify whom the backend is told of.

mod certificates;
pub mod confirmations;
mod lost;
mod pairing;
mod phones;
mod recovery;
mod renewal;

use std::sync::Arc;

use axum::body::Body;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use tokio_util::sync::CancellationToken;

use self::phones::Change;
use self::renewal::Renewal;
use crate::audit::{Ledger, RecordError};
use crate::auth::evidence::{ProvedCertificate, ProvedSession};
use crate::auth::on_screen::OnScreen;
use crate::auth::recovery::Recovery;
use crate::auth::session::Sessions;
use crate::domain::{PairingId, Reason, Secret};
use crate::enrolment::issuance::Issuance;
use crate::enrolment::pairing::Pairings;
use crate::enrolment::phones::Phones;
use crate::enrolment::revocation::Revocation;
use crate::policy::Permit;
use crate::sign_in::questions::Questions;
use crate::store::Revision;
use crate::store::view::View;
use crate::web::page::{Head, only_navigations};
use crate::web::pages::settings::Home;
use crate::web::pages::{Page as _, sign_in::SignedOut};
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
    /// Sessions.
    pub sessions: Arc<Sessions>,
    /// Recovery codes.
    pub recovery: Arc<Recovery>,
    /// Questions to the phone.
    pub questions: Arc<Questions>,
    /// Grants and certificates.
    pub issuance: Arc<Issuance>,
    /// Pairings.
    pub pairings: Arc<Pairings>,
}

/// The room.
pub struct Portal {
    parts: Parts,
    revocation: Arc<Revocation>,
    /// What each session is making, with the password that stands on its screen.
    renewals: OnScreen<Renewal>,
    handsets: Phones,
    /// What each session is changing on its owner's phones.
    changes: OnScreen<Change>,
    /// The square on each session's screen.
    squares: OnScreen<(PairingId, Secret)>,
    jwks: String,
}

/// Every route of the room.
pub const ROUTES: Routes = &[
    ("GET", "/.portcullis/jwks.json"),
    ("GET", "/.portcullis/settings/"),
    ("GET", "/.portcullis/settings/certificates/"),
    ("GET", "/.portcullis/settings/certificates/new/"),
    ("GET", "/.portcullis/settings/certificates/new/events"),
    ("POST", "/.portcullis/settings/certificates/new/ask"),
    ("POST", "/.portcullis/settings/certificates/new/again"),
    ("POST", "/.portcullis/settings/certificates/new/cancel"),
    ("POST", "/.portcullis/settings/certificates/new/download"),
    ("POST", "/.portcullis/settings/certificates/new/done"),
    ("GET", "/.portcullis/settings/certificates/of/*/forget"),
    ("POST", "/.portcullis/settings/certificates/of/*/forget"),
    ("GET", "/.portcullis/settings/certificates/of/*/lost"),
    ("POST", "/.portcullis/settings/certificates/of/*/lost"),
    ("GET", "/.portcullis/settings/recovery/"),
    ("GET", "/.portcullis/settings/recovery/events"),
    ("POST", "/.portcullis/settings/recovery/ask"),
    ("POST", "/.portcullis/settings/recovery/again"),
    ("POST", "/.portcullis/settings/recovery/cancel"),
    ("POST", "/.portcullis/settings/recovery/file"),
    ("POST", "/.portcullis/settings/recovery/kept"),
    ("GET", "/.portcullis/settings/phones/"),
    ("GET", "/.portcullis/settings/phones/new"),
    ("POST", "/.portcullis/settings/phones/new"),
    ("GET", "/.portcullis/settings/phones/change/"),
    ("GET", "/.portcullis/settings/phones/change/events"),
    ("POST", "/.portcullis/settings/phones/change/again"),
    ("POST", "/.portcullis/settings/phones/change/cancel"),
    ("GET", "/.portcullis/settings/phones/pair/"),
    ("POST", "/.portcullis/settings/phones/pair/square"),
    ("POST", "/.portcullis/settings/phones/pair/words"),
    ("GET", "/.portcullis/settings/phones/of/*/rename"),
    ("POST", "/.portcullis/settings/phones/of/*/rename"),
    ("GET", "/.portcullis/settings/phones/of/*/remove"),
    ("POST", "/.portcullis/settings/phones/of/*/remove"),
    ("POST", "/.portcullis/sign-out"),
];

/// One request in the settings, with what it was let in on.
struct Here<'a> {
    visit: &'a Visit,
    certificate: &'a ProvedCertificate,
    session: &'a ProvedSession,
    cancel: &'a CancellationToken,
    csrf: String,
    /// The view's revision before anything was read for the page.
    seen: Revision,
}

type Answer = Result<Response<Body>, Reason>;

impl Portal {
    /// With the key set that the proxy signs by.
    #[must_use]
    pub fn new(parts: Parts, jwks: &serde_json::Value) -> Self {
        let revocation = Arc::new(Revocation::new(Arc::clone(&parts.ledger), parts.world.clone()));
        let handsets = Phones::new(Arc::clone(&parts.ledger), parts.world.clone());
        Self {
            parts,
            revocation,
            renewals: OnScreen::default(),
            handsets,
            changes: OnScreen::default(),
            squares: OnScreen::default(),
            jwks: jwks.to_string(),
        }
    }

    /// Serves the room's own paths.
    pub async fn serve(&self, permit: Permit, visit: Visit, request: Request<Body>) -> Response<Body> {
        let method = routes::listed(ROUTES, request.method().as_str(), request.uri().path());
        let answer = match method {
            Err(reason) => Err(reason),
            Ok(method) => match request.uri().path().strip_prefix(SETTINGS) {
                Some(rest) => {
                    let rest = rest.to_owned();
                    self.settings(&permit, &visit, method, &rest, request).await
                }
                None if method == "POST" => self.sign_out(&permit, &visit, request.headers()).await,
                None => Ok(self.keys()),
            },
        };
        answer.unwrap_or_else(|reason| refusal::respond(&reason, &visit))
    }

    async fn settings(
        &self,
        permit: &Permit,
        visit: &Visit,
        method: &str,
        rest: &str,
        request: Request<Body>,
    ) -> Answer {
        let certificate = permit.certificate().ok_or(Reason::NoCertificate)?;
        // Whatever the rules let in by certificate alone: settings are for whoever has signed in.
        let session = permit.session().filter(|session| !session.session().is_pre_session());
        let session = session.ok_or(Reason::SignInFirst)?;
        let csrf = self.parts.sessions.csrf(session.token());
        let (cancel, seen) = (permit.cancel(), self.parts.view.revision());
        let here = Here { visit, certificate, session, cancel, csrf, seen };
        let path: Vec<&str> = rest.split('/').collect();
        if method == "POST" {
            let form = form::read(request, visit, &here.csrf).await?;
            return match path.as_slice() {
                ["certificates", "new", doing] => self.renewal_taken(&here, doing, &form).await,
                ["certificates", "of", serial, "forget"] => self.forget(&here, serial).await,
                ["certificates", "of", serial, "lost"] => self.lost(&here, serial, &form).await,
                ["phones", "new"] => self.new_phone_wanted(&here, &form).await,
                ["phones", "change", doing] => self.change_taken(&here, doing).await,
                ["phones", "pair", doing] => self.pairing_taken(&here, doing, &form).await,
                ["phones", "of", which, doing] => self.phone_wanted(&here, which, doing, &form).await,
                ["recovery", doing] => self.recovery_taken(&here, doing, &form).await,
                _ => Err(Reason::NotFound),
            };
        }
        if path == ["certificates", "new", "events"] {
            return Ok(self.renewal_events(&here, sse::seen(request.uri())));
        }
        if path == ["phones", "change", "events"] {
            return Ok(self.change_events(&here, sse::seen(request.uri())));
        }
        if path == ["recovery", "events"] {
            return Ok(self.recovery_events(&here, sse::seen(request.uri())));
        }
        only_navigations(request.headers())?;
        match path.as_slice() {
            [""] => Ok(self.home(&here)),
            ["phones", ""] => Ok(self.phones(&here, "")),
            ["phones", "new"] => Ok(self.new_phone(&here)),
            ["phones", "change", ""] => self.change(&here).await,
            ["phones", "pair", ""] => self.pairing(&here).await,
            ["phones", "of", which, doing] => self.ask_phone(&here, which, doing),
            ["recovery", ""] => self.recovery(&here).await,
            ["certificates", ""] => self.certificates(&here).await,
            ["certificates", "new", ""] => self.renewal(&here).await,
            ["certificates", "of", serial, "forget"] => self.ask_forget(&here, serial).await,
            ["certificates", "of", serial, "lost"] => self.ask_lost(&here, serial, "").await,
            _ => Err(Reason::NotFound),
        }
    }

    fn home(&self, here: &Here<'_>) -> Response<Body> {
        let person = here.certificate.person().name.clone();
        let device = here.certificate.device().name.clone();
        Home {
            page: Head::of(here.visit),
            csrf: here.csrf.clone(),
            person,
            device,
            certificates: LIST.to_owned(),
            phones: phones::PHONES.to_owned(),
            recovery: recovery::RECOVERY.to_owned(),
        }
        .response(StatusCode::OK)
    }

    /// Ends the session, and with it everything that is open in it. The button may stand on the
    /// backend's pages, which know no token of ours: their origin is what speaks for them.
    async fn sign_out(&self, permit: &Permit, visit: &Visit, headers: &HeaderMap) -> Answer {
        form::own_origin(headers, visit)?;
        let mut device = String::new();
        if let Some(session) = permit.session() {
            self.renewals.forget(session.token());
            let address = visit.address.to_string();
            let ended = self.parts.sessions.end(session.session(), "signed out", &address).await;
            ended.map_err(|_| Reason::Internal)?;
        }
        if let Some(certificate) = permit.certificate() {
            device.clone_from(&certificate.device().name);
        }
        let page = SignedOut { page: Head::of(visit), device, again: "/".to_owned() };
        Ok(signed_out(page.response(StatusCode::OK)))
    }

    fn keys(&self) -> Response<Body> {
        let mut response = Response::new(Body::from(self.jwks.clone()));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/jwk-set+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        response
    }
}

impl Here<'_> {
    fn actor(&self) -> String {
        crate::enrolment::first_visit::actor(self.certificate.tenant(), self.certificate.person_id())
    }
}

/// Takes the browser's cookie away.
fn signed_out(mut response: Response<Body>) -> Response<Body> {
    if let Ok(cookie) = HeaderValue::from_str(&Sessions::clearing_cookie()) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

fn refused(error: RecordError) -> Reason {
    match error {
        RecordError::Conflict => Reason::BadRequest("this moved on meanwhile; load the page again"),
        RecordError::Store(_) => Reason::Internal,
    }
}

const SETTINGS: &str = "/.portcullis/settings/";
const LIST: &str = "/.portcullis/settings/certificates/";
