//! Recovery codes in the settings: how many are left, and ten new ones, to which the phone agrees. The old ones die in
//! the commit that makes the new.

use axum::body::Body;
use http::{Response, StatusCode};

use super::{Answer, Here, Portal, refused};
use crate::audit::{Entry, Event};
use crate::auth::recovery::Claimant;
use crate::domain::approval::Purpose;
use crate::domain::recovery::FEW;
use crate::notify::{self, About};
use crate::sign_in::codes::{Look, Shown};
use crate::sign_in::questions::{Question, Turn, Waiting, Way};
use crate::sign_in::with_cookie;
use crate::store::{Revision, table};
use crate::web::form::Form;
use crate::web::page::{Head, see_other};
use crate::web::pages::recovery::Left;
use crate::web::pages::{Moment, Page as _};

impl Portal {
    /// The page that comes next.
    pub(super) async fn recovery(&self, here: &Here<'_>) -> Answer {
        if let Some(page) = self.codes_page(here, false) {
            return Ok(page);
        }
        match self.parts.questions.turn(&waiting(here), Purpose::RecoveryCodes).await? {
            Turn::Unasked => self.codes_left(here).await,
            Turn::Show(page) => Ok(page),
            Turn::Approved(question) => self.codes_anew(here, &question).await,
        }
    }

    /// Takes a form of these pages.
    pub(super) async fn recovery_taken(&self, here: &Here<'_>, doing: &str, form: &Form) -> Answer {
        match doing {
            "ask" | "again" => {
                if self.parts.questions.has_phone(here.certificate) {
                    self.parts.questions.ask(&waiting(here), Purpose::RecoveryCodes).await?;
                }
                Ok(see_other(RECOVERY))
            }
            "cancel" => {
                self.parts.questions.withdraw(here.session.session(), here.visit.now).await?;
                Ok(see_other(HOME))
            }
            "file" => match self.parts.recovery.shown(here.session.token()) {
                Some(sheet) => Ok(look(here, &sheet, false).file()),
                None => Ok(see_other(RECOVERY)),
            },
            "kept" if form.has("away") => {
                self.parts.recovery.put_away(&claimant(here)).await?;
                Ok(see_other(HOME))
            }
            "kept" => Ok(self.codes_page(here, true).unwrap_or_else(|| see_other(RECOVERY))),
            _ => Err(crate::domain::Reason::NotFound),
        }
    }

    /// Tells the waiting page when the phone has answered.
    pub(super) fn recovery_events(&self, here: &Here<'_>, seen: Option<Revision>) -> Response<Body> {
        let approvals = table::approvals(here.certificate.tenant(), here.certificate.person_id());
        let watched = vec![approvals, table::session(here.session.token())];
        self.parts.questions.events(watched, seen, here.cancel)
    }

    fn codes_page(&self, here: &Here<'_>, untold: bool) -> Option<Response<Body>> {
        let sheet = self.parts.recovery.shown(here.session.token())?;
        Some(look(here, &sheet, untold).page(RECOVERY))
    }

    async fn codes_left(&self, here: &Here<'_>) -> Answer {
        let one = here.certificate;
        let codes = self.parts.recovery.of(one.tenant(), one.person_id()).await?.map(|read| read.record);
        let left = codes.as_ref().map(|codes| codes.left());
        Ok(Left {
            page: Head::of(here.visit),
            csrf: here.csrf.clone(),
            left,
            made: codes.as_ref().map(|codes| Moment::new(codes.made, here.visit.now)),
            put_away: codes.as_ref().is_some_and(|codes| codes.put_away.is_some()),
            few: left.is_some_and(|left| left <= FEW),
            has_phone: self.parts.questions.has_phone(one),
            action: format!("{RECOVERY}ask"),
        }
        .response(StatusCode::OK))
    }

    /// The phone agreed: one commit makes the ten, lets the older die, and gives the session another token, so that
    /// the approval, which was this token's, is used up.
    async fn codes_anew(&self, here: &Here<'_>, question: &Question) -> Answer {
        let Some(approved) = self.parts.questions.taken(here.session.session(), question).await? else {
            return Ok(see_other(RECOVERY));
        };
        let one = here.certificate;
        let older = self.parts.recovery.of(one.tenant(), one.person_id()).await?;
        let (codes, sheet) = self.parts.recovery.make(one.tenant(), one.person_id());
        let step = self.parts.sessions.step(here.session.token(), &[], &here.visit.tenant).await;
        let (begun, mut writes) = step.map_err(refused)?;
        writes.push(approved.unchanged);
        writes.push(match &older {
            Some(read) => table::replace(read, &codes),
            None => table::create(&codes),
        });
        let about = About::RecoveryCodesMade { anew: older.is_some() };
        writes.extend(notify::queue(&self.parts.world, &here.visit.tenant, one.person(), about));
        let entry = Entry::new(here.actor(), Event::RecoveryCodesMade)
            .tenant(one.tenant())
            .whom(one.device_id().as_str())
            .whence(here.visit.address)
            .detail("approval", question.id.as_str());
        self.parts.ledger.record(entry, writes).await.map_err(refused)?;
        self.parts.recovery.show(&begun.session.token, sheet);
        Ok(with_cookie(see_other(RECOVERY), &begun))
    }
}

fn look<'a>(here: &'a Here<'_>, sheet: &'a crate::auth::recovery::Sheet, untold: bool) -> Look<'a> {
    let (person, csrf) = (here.certificate.person(), here.csrf.as_str());
    Look { visit: here.visit, person, sheet, shown: Shown::Settings, csrf, untold }
}

fn claimant<'a>(here: &'a Here<'_>) -> Claimant<'a> {
    let one = here.certificate;
    Claimant {
        tenant: one.tenant(),
        person: one.person_id(),
        device: one.device_id(),
        session: here.session.token(),
        address: here.visit.address,
    }
}

fn waiting<'a>(here: &'a Here<'_>) -> Waiting<'a> {
    let way = Way { again: AGAIN, cancel: CANCEL, events: EVENTS };
    let (certificate, token) = (here.certificate, here.session.token());
    Waiting { visit: here.visit, certificate, token, csrf: &here.csrf, way }
}

const HOME: &str = "/.portcullis/settings/";
/// Where the codes are.
pub(super) const RECOVERY: &str = "/.portcullis/settings/recovery/";
const AGAIN: &str = "/.portcullis/settings/recovery/again";
const CANCEL: &str = "/.portcullis/settings/recovery/cancel";
const EVENTS: &str = "/.portcullis/settings/recovery/events";
