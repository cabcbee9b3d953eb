//! The lane of those whose certificate ended: password and phone, and then a new certificate, and nothing else.
//! Two doors lead in: the portal's, where the ended certificate itself is shown, and the public one, where an
//! e-mail address is named and the desk releases. Knows no session: a renewal is a record of its own.

mod begin;
mod issue;
mod pages;
mod program;
mod steps;

use std::sync::Arc;

use axum::body::Body;
use http::{HeaderMap, HeaderValue, Request, Response, header};
use tokio_util::sync::CancellationToken;

use crate::audit::{Ledger, RecordError};
use crate::auth::on_screen::OnScreen;
use crate::auth::password::Passwords;
use crate::auth::phone::Approvals;
use crate::auth::throttle::Throttles;
use crate::crypto::{self, Pepper};
use crate::domain::renewal::{Renewal, RenewalWay};
use crate::domain::session::TokenHash;
use crate::domain::{ApprovalId, Reason, Secret, TenantId, Time};
use crate::enrolment::first_visit::FirstVisits;
use crate::enrolment::issuance::Issuance;
use crate::policy::{Permit, Policy};
use crate::store::Revision;
use crate::store::table::{self, Stored};
use crate::store::view::View;
use crate::web::page::see_other;
use crate::web::routes::{self, Routes};
use crate::web::{Visit, form, page, refusal, sse};
use crate::world::World;

/// What the room is made of.
pub struct Parts {
    /// Writes.
    pub ledger: Arc<Ledger>,
    /// Reads.
    pub view: Arc<View>,
    /// Time and chance.
    pub world: World,
    /// For short secrets.
    pub pepper: Arc<Pepper>,
    /// Says whether the desk must release.
    pub policy: Arc<Policy>,
    /// Passwords.
    pub passwords: Arc<Passwords>,
    /// Counts tries.
    pub throttles: Arc<Throttles>,
    /// Codes and releases.
    pub first_visits: Arc<FirstVisits>,
    /// Questions to the phone.
    pub approvals: Arc<Approvals>,
    /// Makes certificates.
    pub issuance: Arc<Issuance>,
    /// `https://phone.example.com`, with the port where the world sees one.
    pub phone_origin: String,
}

/// The room.
pub struct RenewalRoom {
    parts: Parts,
    questions: OnScreen<Question>,
    import_passwords: OnScreen<Secret>,
}

/// Every route on the portal's door, open to an ended certificate and to nothing else.
pub const ROUTES: Routes = &[
    ("GET", "/.portcullis/renew/"),
    ("GET", "/.portcullis/renew/events"),
    ("POST", "/.portcullis/renew/password"),
    ("POST", "/.portcullis/renew/phone"),
    ("POST", "/.portcullis/renew/cancel"),
    ("POST", "/.portcullis/renew/certificate"),
];

/// One request of somebody whose renewal is under way.
struct Here<'a> {
    visit: &'a Visit,
    /// Where the room's paths begin: `/expired/bank/`.
    base: &'a str,
    renewal: &'a Stored<Renewal>,
    cancel: &'a CancellationToken,
    /// The view's revision before anything was read for the page.
    seen: Revision,
}

/// A question to the phone, with the digits that stand on the screen.
#[derive(Clone)]
struct Question {
    id: ApprovalId,
    digits: Secret,
    asked: Time,
    until: Time,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Code, word, waiting for the desk.
    Call,
    /// The password.
    Password,
    /// Six digits on the phone.
    Phone,
    /// The new certificate.
    Certificate,
}

type Answer = Result<Response<Body>, Reason>;

impl RenewalRoom {
    /// From its parts.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self { parts, questions: OnScreen::default(), import_passwords: OnScreen::default() }
    }

    /// Serves the room's paths on a portal's door.
    pub async fn serve(&self, permit: Permit, visit: Visit, request: Request<Body>) -> Response<Body> {
        let answer = self.shown(&permit, &visit, request).await;
        answer.unwrap_or_else(|reason| refusal::respond(&reason, &visit))
    }

    async fn shown(&self, permit: &Permit, visit: &Visit, request: Request<Body>) -> Answer {
        let ended = permit.evidence().ended().ok_or(Reason::NotFound)?;
        let seen = self.parts.view.revision();
        let path = request.uri().path().to_owned();
        let method = routes::listed(ROUTES, request.method().as_str(), &path)?;
        let found = self.found(request.headers(), &visit.tenant.id, RenewalWay::Shown).await?;
        let found = found.filter(|read| read.record.fingerprint == ended.certificate().fingerprint);
        let doing = path.strip_prefix(BASE).unwrap_or_default();
        if program::is_one(request.headers()) {
            let renewal = match found {
                Some(found) => (found, None),
                None => {
                    let (renewal, begun) = self.begin_shown(ended, visit).await?;
                    (renewal, Some(begun))
                }
            };
            let here = Here { visit, base: BASE, renewal: &renewal.0, cancel: permit.cancel(), seen };
            let answer = self.program(&here, method, doing, request).await?;
            // A step that was taken has set a newer one.
            let fresh = renewal.1.filter(|_| !answer.headers().contains_key(header::SET_COOKIE));
            return Ok(match fresh {
                Some(begun) => self.with_cookie(answer, &begun),
                None => answer,
            });
        }
        let Some(renewal) = found else {
            if method != "GET" {
                return Err(Reason::CrossSite);
            }
            page::only_navigations(request.headers())?;
            let (_, begun) = self.begin_shown(ended, visit).await?;
            return Ok(self.with_cookie(see_other(BASE), &begun));
        };
        let here = Here { visit, base: BASE, renewal: &renewal, cancel: permit.cancel(), seen };
        self.browser(&here, method, doing, request).await
    }

    /// A browser's request, once its renewal is known.
    async fn browser(&self, here: &Here<'_>, method: &str, doing: &str, request: Request<Body>) -> Answer {
        match (method, doing) {
            ("GET", "") => {
                page::only_navigations(request.headers())?;
                self.page(here, "").await
            }
            ("GET", "events") => Ok(self.events(here, sse::seen(request.uri()))),
            (_, doing) => {
                let form = form::read(request, here.visit, &self.csrf(&here.renewal.record.token)).await?;
                self.take(here, doing, &form).await
            }
        }
    }

    async fn take(&self, here: &Here<'_>, doing: &str, form: &form::Form) -> Answer {
        let stage = self.stage(here).await?;
        match (doing, stage) {
            ("code", Stage::Call) => {
                self.count_asking(here.visit, &here.renewal.record.person).await?;
                self.code(here, true).await.map(|_| see_other(here.base))
            }
            ("word", Stage::Call) => {
                let word = Some(form.text("word")).filter(|word| *word != "none");
                self.choose_word(here, word).await?;
                Ok(see_other(here.base))
            }
            ("password", Stage::Password) => {
                let typed = form.secret("password").unwrap_or_else(|| Secret::new(""));
                match self.password(here, &typed).await? {
                    Some(next) => Ok(self.with_cookie(see_other(here.base), &next)),
                    None => self.page(here, steps::WRONG_PASSWORD).await,
                }
            }
            ("phone", Stage::Phone) => {
                self.ask_phone(here).await?;
                Ok(see_other(here.base))
            }
            ("cancel", _) => {
                self.give_up(here).await?;
                Ok(clear_cookie(see_other(here.base)))
            }
            ("certificate", Stage::Certificate) => self.download(here, form.text("encoding")).await,
            _ => Ok(see_other(here.base)),
        }
    }

    /// The renewal that the request's cookie names, where it is this tenant's and began this way.
    async fn found(
        &self,
        headers: &HeaderMap,
        tenant: &TenantId,
        way: RenewalWay,
    ) -> Result<Option<Stored<Renewal>>, Reason> {
        let Some(token) = read_cookie(headers) else { return Ok(None) };
        let read = table::get::<Renewal>(&**self.parts.ledger.store(), &table::renewal(&token)).await;
        let now = self.parts.world.now();
        Ok(read.map_err(|_| Reason::Internal)?.filter(|read| {
            let one = &read.record;
            one.tenant == *tenant && one.way == way && one.is_live(now)
        }))
    }

    /// What a form must send back (ASVS 3.5.1).
    fn csrf(&self, token: &TokenHash) -> String {
        data_encoding::BASE64URL_NOPAD.encode(&self.parts.pepper.mac("renewal csrf", &[token]))
    }

    fn with_cookie(&self, mut response: Response<Body>, begun: &steps::Begun) -> Response<Body> {
        if let Ok(mut value) = HeaderValue::from_str(begun.set_cookie.expose()) {
            value.set_sensitive(true);
            response.headers_mut().append(header::SET_COOKIE, value);
        }
        response
    }

    /// A new token, and the cookie that carries it.
    fn new_token(&self) -> (TokenHash, Secret) {
        let bits: [u8; 32] = self.parts.world.bytes();
        let value = data_encoding::BASE64URL_NOPAD.encode(&bits);
        let cookie = format!("{COOKIE}={value}; Path=/; Secure; HttpOnly; SameSite=Strict");
        (crypto::sha256(&bits), Secret::new(cookie))
    }
}

/// Hash of the one token among the cookies; two of the name, or anything but 256 bits, is none.
fn read_cookie(headers: &HeaderMap) -> Option<TokenHash> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let mut values = pairs.filter(|(name, _)| *name == COOKIE).map(|(_, value)| value);
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let bits: [u8; 32] = data_encoding::BASE64URL_NOPAD.decode(value.as_bytes()).ok()?.try_into().ok()?;
    Some(crypto::sha256(&bits))
}

fn clear_cookie(mut response: Response<Body>) -> Response<Body> {
    let value = HeaderValue::from_static(CLEARED);
    response.headers_mut().append(header::SET_COOKIE, value);
    response
}

fn refused(error: RecordError) -> Reason {
    match error {
        RecordError::Conflict => Reason::BadRequest("this moved on meanwhile; load the page again"),
        RecordError::Store(_) => Reason::Internal,
    }
}

/// Name of the cookie; apart from the session's, so that neither is ever read as the other.
pub const COOKIE: &str = "__Host-portcullis-renewal";

const CLEARED: &str = "__Host-portcullis-renewal=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0";

/// The room's first page on a portal's door; the others lie below it.
const BASE: &str = "/.portcullis/renew/";
