//! The room of the sign-in pages, on portal and console alike: shows the page that comes next and
//! takes its form. Serves only its own paths; whatever the browser first asked for waits in the session.

use std::sync::Arc;

use axum::body::Body;
use http::{HeaderMap, HeaderValue, Method, Request, Response, header};
use tokio_util::sync::CancellationToken;

use super::again::matter;
use super::lost_phone::LOST_PHONE;
use super::offline;
use super::questions::Questions;
use super::stage::{self, Stage};
use super::steps::{Steps, refused};
use crate::audit::{Event, Ledger};
use crate::auth::evidence::{Evidence, ProvedCertificate, ProvedSession};
use crate::auth::on_screen::OnScreen;
use crate::auth::password::Passwords;
use crate::auth::phone::Approvals;
use crate::auth::recovery::Recovery;
use crate::auth::session::{Begun, Sessions};
use crate::auth::throttle::Throttles;
use crate::domain::enrolment::EnrolmentState;
use crate::domain::session::Session;
use crate::domain::{PairingId, Reason, Secret};
use crate::enrolment::first_visit::FirstVisits;
use crate::enrolment::pairing::Pairings;
use crate::policy::permit::Area;
use crate::policy::{Ask, Decision, Missing, Permit, Policy};
use crate::store::view::View;
use crate::store::{Revision, table};
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
    /// Says what is missing.
    pub policy: Arc<Policy>,
    /// Sessions.
    pub sessions: Arc<Sessions>,
    /// Passwords.
    pub passwords: Arc<Passwords>,
    /// Counts tries.
    pub throttles: Arc<Throttles>,
    /// Codes and releases.
    pub first_visits: Arc<FirstVisits>,
    /// Recovery codes.
    pub recovery: Arc<Recovery>,
    /// Pairings.
    pub pairings: Arc<Pairings>,
    /// Questions to the phone.
    pub questions: Arc<Questions>,
    /// The same, as they are answered without a network.
    pub approvals: Arc<Approvals>,
}

/// The room of the sign-in pages.
pub struct SignIn {
    pub(super) parts: Parts,
    pub(super) steps: Steps,
    pub(super) links: OnScreen<(PairingId, Secret)>,
    pub(super) squares: OnScreen<offline::Square>,
}

/// Every route of the room.
pub const ROUTES: Routes = &[
    ("GET", "/.portcullis/sign-in/"),
    ("GET", "/.portcullis/sign-in/events"),
    ("POST", "/.portcullis/sign-in/code"),
    ("POST", "/.portcullis/sign-in/word"),
    ("POST", "/.portcullis/sign-in/square"),
    ("POST", "/.portcullis/sign-in/words"),
    ("POST", "/.portcullis/sign-in/new-password"),
    ("POST", "/.portcullis/sign-in/codes/file"),
    ("POST", "/.portcullis/sign-in/codes/kept"),
    ("POST", "/.portcullis/sign-in/password"),
    ("GET", "/.portcullis/sign-in/lost-phone/"),
    ("POST", "/.portcullis/sign-in/lost-phone/code"),
    ("POST", "/.portcullis/sign-in/lost-phone/call"),
    ("POST", "/.portcullis/sign-in/lost-phone/again"),
    ("POST", "/.portcullis/sign-in/lost-phone/word"),
    ("POST", "/.portcullis/sign-in/lost-phone/stop"),
    ("POST", "/.portcullis/sign-in/phone"),
    ("POST", "/.portcullis/sign-in/offline"),
    ("GET", "/.portcullis/sign-in/offline/"),
    ("POST", "/.portcullis/sign-in/offline/answer"),
    ("POST", "/.portcullis/sign-in/cancel"),
];

/// One request in this room, with what it was let in on.
pub(super) struct Here<'a> {
    pub(super) visit: &'a Visit,
    pub(super) evidence: &'a Evidence,
    pub(super) certificate: &'a ProvedCertificate,
    pub(super) session: &'a ProvedSession,
    pub(super) cancel: &'a CancellationToken,
    /// The view's revision before anything was read for the page.
    pub(super) seen: Revision,
}

pub(super) type Answer = Result<Response<Body>, Reason>;

impl SignIn {
    /// From its parts.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let steps = Steps {
            ledger: Arc::clone(&parts.ledger),
            sessions: Arc::clone(&parts.sessions),
            passwords: Arc::clone(&parts.passwords),
            throttles: Arc::clone(&parts.throttles),
            recovery: Arc::clone(&parts.recovery),
            world: parts.world.clone(),
        };
        Self { parts, steps, links: OnScreen::default(), squares: OnScreen::default() }
    }

    /// Something is missing for what was asked: a browser is led to the room, remembering where it
    /// wanted to go; a program is told.
    ///
    /// # Errors
    /// [`Reason::SignInFirst`] for programs.
    pub async fn ask(&self, evidence: &Evidence, visit: &Visit, headers: &HeaderMap) -> Answer {
        let Some(certificate) = evidence.proved() else { return Err(Reason::NoCertificate) };
        if visit.json || page::only_navigations(headers).is_err() {
            return Err(Reason::SignInFirst);
        }
        let return_to = Some(visit.again.clone());
        let Some(session) = evidence.session() else {
            if visit.again.starts_with(SETTINGS)
                && let Some(page) = self.after_not_me(certificate, visit, headers).await?
            {
                return Ok(page);
            }
            let begun = self.begin(certificate, return_to, visit).await?;
            return Ok(with_cookie(see_other(HOME), &begun));
        };
        if session.session().return_to != return_to {
            let key = table::session(session.token());
            let read = table::get::<Session>(&**self.parts.ledger.store(), &key).await;
            if let Some(read) = read.map_err(|_| Reason::Internal)? {
                let aimed = Session { return_to, ..read.record.clone() };
                let entry = self.entry(certificate, Event::SessionAimed, visit);
                self.parts
                    .ledger
                    .record(entry, vec![table::replace(&read, &aimed)])
                    .await
                    .map_err(refused)?;
            }
        }
        Ok(see_other(HOME))
    }

    /// Serves the room's own paths.
    pub async fn serve(&self, permit: Permit, visit: Visit, request: Request<Body>) -> Response<Body> {
        match self.answer(&permit, &visit, request).await {
            Ok(response) => response,
            Err(reason) => refusal::respond(&reason, &visit),
        }
    }

    async fn answer(&self, permit: &Permit, visit: &Visit, request: Request<Body>) -> Answer {
        let certificate = permit.certificate().ok_or(Reason::NoCertificate)?;
        let path = request.uri().path();
        let route = (routes::listed(ROUTES, request.method().as_str(), path)?, path);
        let Some(session) = permit.session() else {
            if route == ("GET", HOME)
                && let Some(page) = self.after_not_me(certificate, visit, request.headers()).await?
            {
                return Ok(page);
            }
            if route.0 != "GET" {
                return Err(Reason::CrossSite);
            }
            page::only_navigations(request.headers())?;
            let begun = self.begin(certificate, None, visit).await?;
            return Ok(with_cookie(see_other(HOME), &begun));
        };
        let here = Here {
            visit,
            evidence: permit.evidence(),
            certificate,
            session,
            cancel: permit.cancel(),
            seen: self.parts.view.revision(),
        };
        match route {
            ("GET", HOME) => {
                page::only_navigations(request.headers())?;
                self.page(&here).await
            }
            ("GET", LOST_PHONE) => {
                page::only_navigations(request.headers())?;
                self.lost_phone(&here, "").await
            }
            ("GET", "/.portcullis/sign-in/offline/") => {
                page::only_navigations(request.headers())?;
                self.square_page(&here).await
            }
            ("GET", "/.portcullis/sign-in/events") => Ok(self.events(&here, sse::seen(request.uri()))),
            (_, path) => {
                let path = path.to_owned();
                let form = form::read(request, visit, &self.csrf(&here)).await?;
                self.take(&here, &path, &form).await
            }
        }
    }

    async fn take(&self, here: &Here<'_>, path: &str, form: &form::Form) -> Answer {
        let walker = self.walker(here);
        let token = here.session.token();
        let address = here.visit.address.to_string();
        if let Some(doing) = path.strip_prefix(LOST_PHONE) {
            return self.lost_phone_taken(here, doing, form).await;
        }
        match path.strip_prefix(HOME).unwrap_or_default() {
            "code" => {
                let Some(Stage::Call) = self.stage(here).await? else { return Ok(see_other(HOME)) };
                let visits = &self.parts.first_visits;
                visits.screen(here.certificate, token, &here.visit.browser, &address, true).await?;
                Ok(see_other(HOME))
            }
            "word" => {
                let word = Some(form.text("word")).filter(|word| *word != "none");
                self.parts.first_visits.choose_word(here.certificate, token, word, &address).await?;
                Ok(see_other(HOME))
            }
            "square" => {
                let Some(replaces) = self.pairs(here).await? else { return Ok(see_other(HOME)) };
                self.open_pairing(here, replaces).await?;
                Ok(see_other(HOME))
            }
            "words" => {
                let Some(replaces) = self.pairs(here).await? else { return Ok(see_other(HOME)) };
                self.confirm_pairing(here, &walker, form.text("same") == "yes", replaces).await
            }
            "new-password" => {
                let Stage::ChoosePassword = self.stage(here).await?.ok_or(Reason::CrossSite)? else {
                    return Ok(see_other(HOME));
                };
                let typed = form.secret("password").unwrap_or_else(|| Secret::new(""));
                match self.steps.choose_password(&walker, &typed).await? {
                    Ok(begun) => Ok(with_cookie(see_other(HOME), &begun)),
                    Err(unfit) => Ok(self.new_password_page(here, vec![unfit.to_string()])),
                }
            }
            "codes/file" => Ok(self.codes_file(here)),
            "codes/kept" => self.codes_kept(here, form.has("away")).await,
            "password" => {
                let Some(Stage::Password(again)) = self.stage(here).await? else {
                    return Ok(see_other(HOME));
                };
                let typed = form.secret("password").unwrap_or_else(|| Secret::new(""));
                match self.steps.password(&walker, &typed).await? {
                    Some(begun) => Ok(with_cookie(see_other(HOME), &begun)),
                    None => Ok(self.password_page(here, again.as_ref(), WRONG_PASSWORD)),
                }
            }
            "phone" => {
                if let Some(Stage::Phone(purpose, again)) = self.stage(here).await? {
                    self.ask_phone(here, matter(purpose, again.as_ref(), here.visit.now)).await?;
                }
                Ok(see_other(HOME))
            }
            "offline" => self.make_square(here, form).await,
            "offline/answer" => self.square_answered(here, form).await,
            "cancel" => {
                self.parts.questions.withdraw(here.session.session(), self.parts.world.now()).await?;
                self.parts
                    .sessions
                    .end(here.session.session(), "given up", &address)
                    .await
                    .map_err(refused)?;
                Ok(clear_cookie(see_other("/")))
            }
            _ => Err(Reason::NotFound),
        }
    }

    /// What comes next for this browser; `None` once nothing is missing.
    pub(super) async fn stage(&self, here: &Here<'_>) -> Result<Option<Stage>, Reason> {
        let missing = match self.missing(here) {
            Decision::Permit(_) => return Ok(None),
            Decision::Refuse(reason) => return Err(reason),
            Decision::Ask(missing) => missing,
        };
        let certificate = here.certificate;
        let (tenant, person) = (certificate.tenant(), certificate.person_id());
        let enrolment = self.parts.first_visits.of_session(certificate, here.session.token()).await?;
        let phone_missing = matches!(missing, Missing::Phone(_));
        let standing = stage::Standing {
            device: certificate.device().state,
            has_phone: !self.parts.view.phones(tenant, person).is_empty(),
            has_password: self.steps.password_of(certificate).await?.is_some(),
            released_here: enrolment
                .is_some_and(|read| matches!(read.record.state, EnrolmentState::Released { .. })),
            phone_proved: here.evidence.phone().is_some(),
            had_phone: phone_missing && self.had_phone(here).await?,
            replaces_phone: phone_missing && self.claim(here).await?.is_some(),
        };
        Ok(Some(stage::next(missing, standing)))
    }

    /// Whether a phone is paired next, and whether it replaces another.
    async fn pairs(&self, here: &Here<'_>) -> Result<Option<bool>, Reason> {
        Ok(match self.stage(here).await? {
            Some(Stage::PairPhone) => Some(false),
            Some(Stage::ReplacePhone) => Some(true),
            _ => None,
        })
    }

    fn missing(&self, here: &Here<'_>) -> Decision {
        self.parts.policy.decide(&Self::wanted(here), here.evidence, here.visit.now)
    }

    /// Whether a phone of the person's is asked once the password is right.
    pub(super) fn phone_follows(&self, here: &Here<'_>) -> bool {
        let certificate = here.certificate;
        let phones = self.parts.view.phones(certificate.tenant(), certificate.person_id());
        !phones.is_empty()
            && self.parts.policy.phone_follows(&Self::wanted(here), here.evidence, here.visit.now)
    }

    /// What the person came for.
    fn wanted<'a>(here: &'a Here<'_>) -> Ask<'a> {
        let to = here.session.session().return_to.as_deref().unwrap_or("/");
        let path = to.split(['?', '#']).next().unwrap_or("/");
        let host = here.visit.host.split(':').next().unwrap_or_default();
        Ask {
            tenant: &here.visit.tenant.id,
            area: Area::Guarded,
            host,
            path,
            method: &Method::GET,
            cancel: here.cancel,
        }
    }

    async fn page(&self, here: &Here<'_>) -> Answer {
        if let Some(page) = self.codes_page(here, false) {
            return Ok(page);
        }
        match self.stage(here).await? {
            None => Ok(see_other(here.session.session().return_to.as_deref().unwrap_or("/"))),
            Some(Stage::Call) => self.call_page(here).await,
            Some(Stage::PairPhone) => self.pair_page(here, false).await,
            Some(Stage::ReplacePhone) => self.pair_page(here, true).await,
            Some(Stage::LostPhone) => self.lost_phone(here, "").await,
            Some(Stage::ChoosePassword) => Ok(self.new_password_page(here, vec![])),
            Some(Stage::Password(again)) => Ok(self.password_page(here, again.as_ref(), "")),
            Some(Stage::Phone(purpose, again)) => {
                self.phone_page(here, matter(purpose, again.as_ref(), here.visit.now)).await
            }
        }
    }
}

/// The room's first page; the others lie below it.
pub(super) const HOME: &str = "/.portcullis/sign-in/";

/// Where pages wait for the phone, too, and may find their session ended by "not me".
const SETTINGS: &str = "/.portcullis/settings/";

const WRONG_PASSWORD: &str = "That was not your password. Please try again; after five tries in a row only our support can open it again.";

pub(super) fn action(name: &str) -> String {
    format!("{HOME}{name}")
}

/// The answer with the session's new cookie.
#[must_use]
pub fn with_cookie(mut response: Response<Body>, begun: &Begun) -> Response<Body> {
    if let Ok(mut value) = HeaderValue::from_str(begun.set_cookie.expose()) {
        value.set_sensitive(true);
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    response
}

pub(super) fn clear_cookie(mut response: Response<Body>) -> Response<Body> {
    if let Ok(value) = HeaderValue::from_str(&Sessions::clearing_cookie()) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    response
}
