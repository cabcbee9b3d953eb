//! Questions to a person's phones as a page waits for them: asked, shown with their digits, and how they
//! ended. Signing in and the settings share it. Knows not what an answer opens.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::{Response, StatusCode};
use tokio_util::sync::CancellationToken;

use crate::auth::evidence::ProvedCertificate;
use crate::auth::on_screen::OnScreen;
use crate::auth::phone::Approvals;
use crate::auth::phone::approvals::{self, Approved, AskError, Asking};
use crate::domain::approval::{Matter, Purpose, Shown};
use crate::domain::session::{Session, TokenHash};
use crate::domain::{ApprovalId, Reason, Secret, Time};
use crate::store::view::View;
use crate::store::{Key, Revision};
use crate::web::Visit;
use crate::web::page::Head;
use crate::web::pages::{Page as _, sign_in as pages};
use crate::web::sse::{self, Happening};

/// Asks phones and shows how it stands. One for the whole house, so that a session has one question at most.
pub struct Questions {
    approvals: Arc<Approvals>,
    view: Arc<View>,
    phone_origin: String,
    shown: OnScreen<Question>,
}

/// A question to the phone, with the digits that stand on the screen.
#[derive(Clone)]
pub struct Question {
    /// Which.
    pub id: ApprovalId,
    /// What it is about: it opens nothing else.
    pub matter: Matter,
    digits: Secret,
    pub(super) asked: Time,
    pub(super) until: Time,
}

/// Whose page waits.
#[derive(Clone, Copy)]
pub struct Waiting<'a> {
    /// The request.
    pub visit: &'a Visit,
    /// The device that asks.
    pub certificate: &'a ProvedCertificate,
    /// The browser session that waits.
    pub token: &'a TokenHash,
    /// Token of the page's forms.
    pub csrf: &'a str,
    /// Where the page's forms go and its events come from.
    pub way: Way<'a>,
}

/// Where a waiting page's forms go and its events come from.
#[derive(Clone, Copy)]
pub struct Way<'a> {
    /// A new question.
    pub again: &'a str,
    /// Given up.
    pub cancel: &'a str,
    /// The stream that tells the page to load itself again.
    pub events: &'a str,
}

/// What the page of a question has come to.
pub enum Turn {
    /// Nothing of the purpose was asked, or something else since.
    Unasked,
    /// This is to be shown.
    Show(Response<Body>),
    /// The phone approved: take it up.
    Approved(Question),
}

impl Questions {
    /// `phone_origin` is `https://phone.example.com`, with the port where the world sees one.
    #[must_use]
    pub fn new(approvals: Arc<Approvals>, view: Arc<View>, phone_origin: String) -> Self {
        Self { approvals, view, phone_origin, shown: OnScreen::default() }
    }

    /// The question on a session's screen, where there is one.
    pub(super) fn question_of(&self, token: &TokenHash, now: Time) -> Option<Question> {
        self.shown.get(token, now)
    }

    /// Whether anybody could answer.
    #[must_use]
    pub fn has_phone(&self, of: &ProvedCertificate) -> bool {
        !self.view.phones(of.tenant(), of.person_id()).is_empty()
    }

    /// Host of the phone app.
    #[must_use]
    pub fn phone_host(&self) -> &str {
        self.phone_origin.trim_start_matches("https://")
    }

    /// How a question of this purpose stands on this session's screen.
    ///
    /// # Errors
    /// The store's.
    pub async fn turn(&self, who: &Waiting<'_>, purpose: Purpose) -> Result<Turn, Reason> {
        self.turn_where(who, |asked| asked.purpose == purpose).await
    }

    /// The same for a question of this purpose and reason: what was asked for another reason opens nothing here.
    ///
    /// # Errors
    /// The store's.
    pub async fn turn_about(&self, who: &Waiting<'_>, matter: &Matter) -> Result<Turn, Reason> {
        self.turn_where(who, |asked| asked.purpose == matter.purpose && asked.reason == matter.reason).await
    }

    async fn turn_where(&self, who: &Waiting<'_>, is: impl Fn(&Matter) -> bool) -> Result<Turn, Reason> {
        let (now, seen) = (who.visit.now, self.view.revision());
        let Some(question) = self.shown.get(who.token, now).filter(|shown| is(&shown.matter)) else {
            return Ok(Turn::Unasked);
        };
        let purpose = question.matter.purpose;
        let (tenant, person) = (who.certificate.tenant(), who.certificate.person_id());
        let standing = self.approvals.state(tenant, person, &question.id).await;
        let unanswered = |why| {
            let (page, csrf) = (Head::of(who.visit), who.csrf.to_owned());
            let (about, again_action) = (about(purpose), who.way.again.to_owned());
            pages::Unanswered { page, csrf, why, about, again_action }.response(StatusCode::OK)
        };
        Ok(Turn::Show(match standing.map_err(|_| Reason::Internal)? {
            approvals::Standing::Waiting => self.waiting_page(who, &question, seen),
            approvals::Standing::Approved => return Ok(Turn::Approved(question)),
            approvals::Standing::Denied => not_me(who.visit),
            approvals::Standing::WrongDigits => unanswered(pages::UnansweredWhy::WrongDigits),
            approvals::Standing::Superseded => unanswered(pages::UnansweredWhy::Superseded),
            approvals::Standing::Withdrawn => unanswered(pages::UnansweredWhy::Withdrawn),
            approvals::Standing::Expired => unanswered(pages::UnansweredWhy::Expired),
        }))
    }

    /// Which question stands on this session's screen.
    #[must_use]
    pub fn on_screen(&self, token: &TokenHash, now: Time) -> Option<ApprovalId> {
        self.shown.get(token, now).map(|question| question.id)
    }

    /// Asks the phone, in place of what was asked before. The page that waits is led to next, and not shown at
    /// once: it must have seen the question.
    ///
    /// # Errors
    /// [`Reason::TooMany`], and the store's.
    pub async fn ask(&self, who: &Waiting<'_>, matter: impl Into<Matter>) -> Result<Question, Reason> {
        let (visit, certificate, matter) = (who.visit, who.certificate, matter.into());
        let asking = Asking {
            tenant: certificate.tenant().clone(),
            person: certificate.person_id().clone(),
            device: certificate.device_id().clone(),
            fingerprint: *certificate.fingerprint(),
            session: *who.token,
            purpose: matter.purpose,
            shown: Shown {
                site: visit.tenant.name.clone(),
                host: visit.host.clone(),
                person: certificate.person().name.clone(),
                device: certificate.device().name.clone(),
                browser: visit.browser.clone(),
                address: visit.address.to_string(),
                place: String::new(),
                reason: matter.reason.clone(),
                rows: matter.rows.clone(),
            },
            bound: matter.bound,
            from: visit.address,
        };
        let (approval, digits) = self.approvals.ask(asking).await.map_err(|error| match error {
            AskError::TooMany { until } => Reason::TooMany { until },
            AskError::Blocked => Reason::PhoneBlocked,
            AskError::Busy => Reason::Busy,
            AskError::Store(_) => Reason::Internal,
        })?;
        let question =
            Question { id: approval.id, matter, digits, asked: approval.created, until: approval.expires };
        // Kept past its end, so that the page can say how it ended.
        let until = approval.expires.plus(Duration::from_secs(ENDED_SHOWN_SECS));
        self.shown.put(who.token, visit.now, until, question.clone());
        Ok(question)
    }

    /// The page where the phone may not be asked just now.
    #[must_use]
    pub fn too_often(&self, who: &Waiting<'_>, purpose: Purpose) -> Response<Body> {
        let (page, csrf) = (Head::of(who.visit), who.csrf.to_owned());
        let (why, about, again_action) =
            (pages::UnansweredWhy::TooOften, about(purpose), who.way.again.to_owned());
        let page = pages::Unanswered { page, csrf, why, about, again_action };
        page.response(StatusCode::TOO_MANY_REQUESTS)
    }

    /// The approval, for what it was asked for and nothing else. It must go into a commit that also ends this
    /// session's token: then nobody takes it up again.
    ///
    /// # Errors
    /// The store's.
    pub async fn taken(&self, session: &Session, question: &Question) -> Result<Option<Approved>, Reason> {
        let approved = self.approvals.approved(session, &question.id).await;
        let approved = approved.map_err(|_| Reason::Internal)?;
        Ok(approved.filter(|approved| approved.purpose == question.matter.purpose))
    }

    /// The desktop gave up: the phone need not answer any more.
    ///
    /// # Errors
    /// The store's.
    pub async fn withdraw(&self, session: &Session, now: Time) -> Result<(), Reason> {
        let Some(question) = self.shown.get(&session.token, now) else { return Ok(()) };
        self.shown.forget(&session.token);
        self.approvals.withdraw(session, &question.id).await.map_err(|_| Reason::Internal)
    }

    /// The page after "not me", where that ended the session of this token.
    ///
    /// # Errors
    /// The store's.
    pub async fn denied(
        &self,
        certificate: &ProvedCertificate,
        token: &TokenHash,
        visit: &Visit,
    ) -> Result<Option<Response<Body>>, Reason> {
        let Some(question) = self.shown.get(token, visit.now) else { return Ok(None) };
        let standing =
            self.approvals.state(certificate.tenant(), certificate.person_id(), &question.id).await;
        let denied = matches!(standing.map_err(|_| Reason::Internal)?, approvals::Standing::Denied);
        Ok(denied.then(|| not_me(visit)))
    }

    /// Tells a page to load itself again when anything under `watched` has changed since what it has `seen`.
    pub fn events(
        &self,
        watched: Vec<Key>,
        seen: Option<Revision>,
        cancel: &CancellationToken,
    ) -> Response<Body> {
        sse::watch(&self.view, watched, seen, Happening::Moved, cancel.clone())
    }

    fn waiting_page(&self, who: &Waiting<'_>, question: &Question, seen: Revision) -> Response<Body> {
        let phones = self.view.phones(who.certificate.tenant(), who.certificate.person_id());
        let since = who.visit.now.since(question.asked).as_secs();
        pages::Wait {
            page: Head::of(who.visit),
            csrf: who.csrf.to_owned(),
            digits: question.digits.expose().to_owned(),
            phones: phones.iter().map(|phone| phone.name.clone()).collect(),
            about: about(question.matter.purpose),
            reason: question.matter.reason.clone(),
            rows: question.matter.rows.iter().map(|row| (row.name.clone(), row.value.clone())).collect(),
            device: who.certificate.device().name.clone(),
            phone_host: self.phone_host().to_owned(),
            left_secs: question.until.since(who.visit.now).as_secs(),
            total_secs: question.until.since(question.asked).as_secs(),
            again_after_secs: AGAIN_AFTER_SECS.saturating_sub(since),
            again_action: who.way.again.to_owned(),
            cancel_action: who.way.cancel.to_owned(),
            offline_action: self.offline_action(who, &question.matter),
            events: sse::waits_at(who.way.events, seen),
        }
        .response(StatusCode::OK)
    }
}

impl Questions {
    /// Where the page leads when a phone has no network, for what such an answer opens.
    fn offline_action(&self, who: &Waiting<'_>, matter: &Matter) -> String {
        let (tenant, person) = (who.certificate.tenant(), who.certificate.person_id());
        let able = approvals::offline::opens(matter.purpose, matter.bound)
            && !self.approvals.offline_phones(tenant, person).is_empty();
        if able { super::offline::ASK.to_owned() } else { String::new() }
    }
}

const fn about(purpose: Purpose) -> pages::Matter {
    match purpose {
        Purpose::SignIn => pages::Matter::SignIn,
        Purpose::ResumeFirstVisit => pages::Matter::Resume,
        Purpose::NewDevice => pages::Matter::NewDevice,
        Purpose::RenewCertificate | Purpose::RenewExpired => pages::Matter::Renewal,
        Purpose::StepUp | Purpose::PairPhone | Purpose::RemovePhone | Purpose::RecoveryCodes => {
            pages::Matter::Other
        }
        Purpose::Confirm => pages::Matter::Confirm,
    }
}

fn not_me(visit: &Visit) -> Response<Body> {
    pages::NotMe { page: Head::of(visit) }.response(StatusCode::OK)
}

/// A question may be sent again after this.
const AGAIN_AFTER_SECS: u64 = 30;

/// How an answered question ended is still told this long after.
const ENDED_SHOWN_SECS: u64 = 600;
