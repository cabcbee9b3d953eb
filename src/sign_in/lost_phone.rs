//! A lost phone: with the certificate and the password proved, a recovery code or two agents let a new phone take the
//! old one's place. Until its pairing is confirmed nothing changes.

use http::StatusCode;

use super::pages::CODE_SECS;
use super::replacing::Replacement;
use super::room::with_cookie;
use super::room::{Answer, HOME, Here, SignIn, action};
use super::stage::Stage;
use super::steps::Walker;
use crate::auth::recovery::Heard;
use crate::domain::enrolment::{EndedWhy, Enrolment, EnrolmentKind, EnrolmentState};
use crate::domain::phone::PairingState;
use crate::domain::recovery::RecoveryCodes;
use crate::domain::{PairingId, Reason, Secret, Time};
use crate::enrolment::first_visit::{Caller, Screen};
use crate::enrolment::pairing::{self, Ground, Verdict};
use crate::store::table::{self, Stored};
use crate::web::form::Form;
use crate::web::page::{Head, see_other};
use crate::web::pages::recovery::{Call, LostPhone, Pair, Second};
use crate::web::pages::{Page as _, sign_in as pages};
use crate::web::sse;

/// What lets a new phone take the place of the old one.
pub(super) enum Claim {
    /// A recovery code that this session has reserved.
    Code(Stored<RecoveryCodes>),
    /// Two agents' release of this session.
    Desk(Box<Stored<Enrolment>>),
}

impl SignIn {
    /// What this session has for it. Nothing counts without the password, proved in this very session.
    pub(super) async fn claim(&self, here: &Here<'_>) -> Result<Option<Claim>, Reason> {
        if here.evidence.password().is_none() {
            return Ok(None);
        }
        let (token, now) = (here.session.token(), here.visit.now);
        let released = self.parts.first_visits.of_session(caller(here), token).await?.filter(|read| {
            matches!(read.record.state, EnrolmentState::Released { .. }) && read.record.in_time(now)
        });
        if let Some(read) = released {
            return Ok(Some(Claim::Desk(Box::new(read))));
        }
        let codes = self.parts.recovery.of(here.certificate.tenant(), here.certificate.person_id()).await?;
        Ok(codes.filter(|read| read.record.reserved_by(token, now).is_some()).map(Claim::Code))
    }

    /// Whether the person has had a phone: then another is recovery, and never a first one.
    pub(super) async fn had_phone(&self, here: &Here<'_>) -> Result<bool, Reason> {
        let (tenant, person) = (here.certificate.tenant(), here.certificate.person_id());
        if self.parts.recovery.of(tenant, person).await?.is_some() {
            return Ok(true);
        }
        let asked = self.parts.ledger.store().get(&table::asked(tenant, person)).await;
        Ok(asked.map_err(|_| Reason::Internal)?.is_some())
    }

    /// The page of somebody who does not have their phone.
    pub(super) async fn lost_phone(&self, here: &Here<'_>, why: &str) -> Answer {
        if !self.may_recover(here).await? {
            return Ok(see_other(HOME));
        }
        let token = here.session.token();
        if self.parts.first_visits.of_session(caller(here), token).await?.is_some() {
            return self.lost_phone_call(here).await;
        }
        let status = if why.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
        Ok(LostPhone {
            page: Head::of(here.visit),
            csrf: self.csrf(here),
            phones: self.phones(here),
            refused: why.to_owned(),
            code_action: action("lost-phone/code"),
            call_action: action("lost-phone/call"),
            back: HOME.to_owned(),
        }
        .response(status))
    }

    /// Takes a form of these pages.
    pub(super) async fn lost_phone_taken(&self, here: &Here<'_>, doing: &str, form: &Form) -> Answer {
        let address = here.visit.address.to_string();
        let (token, browser) = (here.session.token(), &here.visit.browser);
        if doing == "stop" {
            self.parts.recovery.give_back(&self.claimant(here)).await?;
            self.parts.first_visits.give_up(caller(here), token, &address).await?;
            return Ok(see_other(HOME));
        }
        if !self.may_recover(here).await? {
            return Ok(see_other(HOME));
        }
        match doing {
            "code" => match self.parts.recovery.hear(&self.claimant(here), form.text("code")).await? {
                Heard::Right => {
                    // The old phone need not answer any more.
                    self.parts.questions.withdraw(here.session.session(), here.visit.now).await?;
                    Ok(see_other(HOME))
                }
                Heard::Wrong => self.lost_phone(here, WRONG_CODE).await,
                Heard::NoCode => self.lost_phone(here, NO_CODE).await,
            },
            "call" | "again" => {
                let visits = &self.parts.first_visits;
                visits.screen(caller(here), token, browser, &address, doing == "again").await?;
                Ok(see_other(LOST_PHONE))
            }
            "word" => {
                let word = Some(form.text("word")).filter(|word| *word != "none");
                self.parts.first_visits.choose_word(caller(here), token, word, &address).await?;
                Ok(see_other(LOST_PHONE))
            }
            _ => Err(Reason::NotFound),
        }
    }

    /// Certificate and password are proved, the phone alone is missing, and nothing stands for it yet.
    async fn may_recover(&self, here: &Here<'_>) -> Result<bool, Reason> {
        let stage = self.stage(here).await?;
        let missing = matches!(stage, Some(Stage::Phone(..) | Stage::LostPhone));
        Ok(missing && here.evidence.password().is_some())
    }

    /// The call under way, as it stands.
    async fn lost_phone_call(&self, here: &Here<'_>) -> Answer {
        let visit = here.visit;
        let (token, address) = (here.session.token(), visit.address.to_string());
        let screen =
            self.parts.first_visits.screen(caller(here), token, &visit.browser, &address, false).await;
        let (page, csrf) = (Head::of(visit), self.csrf(here));
        let events = sse::waits_at(&action("events"), here.seen);
        let stop_action = action("lost-phone/stop");
        let ended = |why, number, again_action| {
            pages::Ended {
                page: page.clone(),
                csrf: csrf.clone(),
                why,
                number,
                again_action,
                stop_action: stop_action.clone(),
            }
            .response(StatusCode::OK)
        };
        let word = |words, number, chosen| {
            let (page, csrf, events) = (page.clone(), csrf.clone(), events.clone());
            pages::Word { page, csrf, words, number, action: action("lost-phone/word"), chosen, events }
                .response(StatusCode::OK)
        };
        Ok(match screen {
            Err(Reason::Blocked) => ended(pages::EndedWhy::WrongTries, String::new(), String::new()),
            Err(reason) => return Err(reason),
            Ok(Screen::Code { fresh: true, .. }) => see_other(LOST_PHONE),
            Ok(Screen::Code { digits, expires, other_browser, .. }) => Call {
                page,
                csrf,
                digits: digits.expose().to_owned(),
                other_browser,
                left_secs: expires.since(visit.now).as_secs(),
                total_secs: CODE_SECS,
                renew_action: action("lost-phone/again"),
                stop_action,
                events,
            }
            .response(StatusCode::OK),
            Ok(Screen::Word { words, number }) => word(words, number, false),
            Ok(Screen::Deciding(number)) => word([String::new(), String::new(), String::new()], number, true),
            Ok(Screen::Second(number)) => {
                Second { page, csrf, number, stop_action, events }.response(StatusCode::OK)
            }
            Ok(Screen::Released) => see_other(HOME),
            Ok(Screen::Ended(why, number)) => {
                let why = match why {
                    EndedWhy::Rejected => pages::EndedWhy::Rejected,
                    EndedWhy::WrongWord => pages::EndedWhy::WrongWord,
                    EndedWhy::Replaced => pages::EndedWhy::Replaced,
                };
                ended(why, number, action("lost-phone/again"))
            }
        })
    }

    /// The square for the new phone.
    pub(super) fn replacing_page(
        &self,
        here: &Here<'_>,
        link: &Secret,
        until: Time,
    ) -> http::Response<axum::body::Body> {
        Pair {
            page: Head::of(here.visit),
            csrf: self.csrf(here),
            square: pages::qr(link.expose()).unwrap_or_default(),
            link: link.expose().to_owned(),
            phone_host: self.parts.questions.phone_host().to_owned(),
            phones: self.phones(here),
            left_secs: until.since(here.visit.now).as_secs(),
            total_secs: pairing::STEP_LASTS.as_secs(),
            renew_action: action("square"),
            stop_action: action("lost-phone/stop"),
            events: sse::waits_at(&action("events"), here.seen),
        }
        .response(StatusCode::OK)
    }

    /// Both screens show the words: one commit makes the new phone, ends the old ones and every other session, uses
    /// up what it stands on, and lets this session in.
    pub(super) async fn confirm_replacement(
        &self,
        here: &Here<'_>,
        walker: &Walker<'_>,
        pairing: &PairingId,
    ) -> Answer {
        let claim = self.claim(here).await?.ok_or(MOVED_ON)?;
        let token = here.session.token();
        let found = self.parts.pairings.of_session(token).await.map_err(Reason::from)?;
        let phone = match found.map(|found| found.state) {
            Some(PairingState::Claimed { phone, .. }) => phone.name,
            _ => return Err(MOVED_ON),
        };
        let (by, released_by, used, left) = match &claim {
            Claim::Code(read) => {
                let (used, left) = self.parts.recovery.used_up(read, token).ok_or(MOVED_ON)?;
                ("a recovery code", None, used, Some(left))
            }
            Claim::Desk(read) => {
                let by = match &read.record.state {
                    EnrolmentState::Released { by } => Some(by.clone()),
                    _ => return Err(MOVED_ON),
                };
                ("our support", by, table::consume(read), None)
            }
        };
        let replacement = Replacement { phone, by, left };
        let (begun, mut also, notes) = self.steps.with_new_phone(walker, &replacement).await?;
        also.push(used);
        let ground = Ground::Replaces { by: by.to_owned(), notes };
        let verdict = Verdict::Yes { released_by, also, ground };
        let from = here.visit.address;
        self.parts.pairings.confirm(pairing, token, verdict, from).await.map_err(Reason::from)?;
        Ok(with_cookie(see_other(HOME), &begun))
    }

    fn phones(&self, here: &Here<'_>) -> Vec<String> {
        let phones = self.parts.view.phones(here.certificate.tenant(), here.certificate.person_id());
        phones.iter().map(|phone| phone.name.clone()).collect()
    }
}

fn caller<'a>(here: &'a Here<'_>) -> Caller<'a> {
    Caller { kind: EnrolmentKind::LostPhone, ..Caller::from(here.certificate) }
}

/// Where somebody goes who does not have their phone.
pub(super) const LOST_PHONE: &str = "/.portcullis/sign-in/lost-phone/";

const WRONG_CODE: &str = "That is none of your codes, or one that was used. Please look at the paper again; after five \
                          tries in a row only our support can open it again.";

const NO_CODE: &str =
    "A recovery code has sixteen letters and digits, as abcd-efgh-ijkl-mnop. Please type all of it.";

const MOVED_ON: Reason = Reason::BadRequest("this moved on meanwhile; load the page again");
