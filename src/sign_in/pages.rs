//! The pages of the room, each from how things stand now.

use axum::body::Body;
use http::{HeaderMap, Response, StatusCode};

use super::again::why;
use super::questions::{Question, Turn, Waiting, Way};
use super::room::{Answer, HOME, Here, SignIn, action, with_cookie};
use super::steps::{Walker, refused};
use crate::audit::{Entry, Event};
use crate::auth::evidence::ProvedCertificate;
use crate::auth::password::LENGTH_MIN;
use crate::auth::session::{self, Begun, Proof};
use crate::domain::Reason;
use crate::domain::approval::Matter;
use crate::domain::enrolment::EndedWhy;
use crate::enrolment::first_visit::{Screen, actor};
use crate::enrolment::pairing::{self, Ground, Opening, Verdict};
use crate::policy::Again;
use crate::store::{Revision, table};
use crate::web::Visit;
use crate::web::page::{Head, Step, see_other};
use crate::web::pages::{Page as _, sign_in as pages};
use crate::web::sse;

impl SignIn {
    pub(super) async fn call_page(&self, here: &Here<'_>) -> Answer {
        let (visit, events) = (here.visit, sse::waits_at(&action("events"), here.seen));
        let address = visit.address.to_string();
        let screen = self
            .parts
            .first_visits
            .screen(here.certificate, here.session.token(), &visit.browser, &address, false)
            .await;
        let (page, csrf) = (Head::of(visit).at(Step::Call), self.csrf(here));
        let again_action = action("code");
        let ended = |why, number, again_action| {
            pages::Ended {
                page: page.clone(),
                csrf: csrf.clone(),
                why,
                number,
                again_action,
                stop_action: String::new(),
            }
            .response(StatusCode::OK)
        };
        Ok(match screen {
            Err(Reason::Blocked) => ended(pages::EndedWhy::WrongTries, String::new(), String::new()),
            Err(reason) => return Err(reason),
            Ok(Screen::Code { fresh: true, .. }) => see_other(HOME),
            Ok(Screen::Code { digits, expires, other_browser, .. }) => pages::Code {
                page,
                csrf,
                digits: digits.expose().to_owned(),
                news: if other_browser { pages::CodeNews::OtherBrowser } else { pages::CodeNews::First },
                left_secs: expires.since(visit.now).as_secs(),
                total_secs: CODE_SECS,
                device: here.certificate.device().name.clone(),
                renew_action: again_action,
                events,
            }
            .response(StatusCode::OK),
            Ok(Screen::Word { words, number }) => {
                pages::Word { page, csrf, words, number, action: action("word"), chosen: false, events }
                    .response(StatusCode::OK)
            }
            Ok(Screen::Deciding(number) | Screen::Second(number)) => {
                let words = [String::new(), String::new(), String::new()];
                pages::Word { page, csrf, words, number, action: action("word"), chosen: true, events }
                    .response(StatusCode::OK)
            }
            Ok(Screen::Released) => see_other(HOME),
            Ok(Screen::Ended(why, number)) => match why {
                EndedWhy::Rejected => ended(pages::EndedWhy::Rejected, number, again_action),
                EndedWhy::WrongWord => ended(pages::EndedWhy::WrongWord, number, again_action),
                EndedWhy::Replaced => ended(pages::EndedWhy::Replaced, number, again_action),
            },
        })
    }

    /// The square, the two words, or how it ended: for the first phone, or for one that `replaces` another.
    pub(super) async fn pair_page(&self, here: &Here<'_>, replaces: bool) -> Answer {
        let now = here.visit.now;
        let (page, csrf) = (Head::of(here.visit), self.csrf(here));
        let page = if replaces { page } else { page.at(Step::Phone) };
        let found = self.parts.pairings.of_session(here.session.token()).await.map_err(Reason::from)?;
        let standing = match &found {
            Some(found) => self.parts.pairings.state(&found.id).await.map_err(Reason::from)?,
            None => pairing::Standing::Expired,
        };
        let ended = |why| {
            let again_action = action("square");
            pages::Ended {
                page: page.clone(),
                csrf: csrf.clone(),
                why,
                number: String::new(),
                again_action,
                stop_action: String::new(),
            }
            .response(StatusCode::OK)
        };
        Ok(match standing {
            pairing::Standing::Claimed { words, phone, .. } => {
                pages::TwoWords { page, csrf, words, phone, action: action("words") }.response(StatusCode::OK)
            }
            pairing::Standing::Refused | pairing::Standing::Contested => ended(pages::EndedWhy::OtherWords),
            pairing::Standing::Confirmed => see_other(HOME),
            standing @ (pairing::Standing::Open { .. }
            | pairing::Standing::Begun
            | pairing::Standing::Expired) => {
                let shown = self.links.get(here.session.token(), now);
                let shown = shown.filter(|(id, _)| found.as_ref().is_some_and(|found| found.id == *id));
                let (link, until) = match (shown, standing, found) {
                    (Some((_, link)), pairing::Standing::Open { until }, _) => (link, until),
                    (Some((_, link)), pairing::Standing::Begun, Some(found)) => (link, found.expires),
                    _ => return self.open_pairing(here, replaces).await.map(|()| see_other(HOME)),
                };
                if replaces {
                    return Ok(self.replacing_page(here, &link, until));
                }
                let square = pages::qr(link.expose()).unwrap_or_default();
                pages::Pair {
                    page,
                    csrf,
                    square,
                    link: link.expose().to_owned(),
                    phone_host: self.parts.questions.phone_host().to_owned(),
                    left_secs: until.since(now).as_secs(),
                    total_secs: pairing::STEP_LASTS.as_secs(),
                    renew_action: action("square"),
                    events: sse::waits_at(&action("events"), here.seen),
                    back: String::new(),
                }
                .response(StatusCode::OK)
            }
        })
    }

    pub(super) async fn open_pairing(&self, here: &Here<'_>, replaces: bool) -> Result<(), Reason> {
        let ground =
            if replaces { Ground::Replaces { by: String::new(), notes: Vec::new() } } else { Ground::First };
        let opening = Opening {
            tenant: here.certificate.tenant().clone(),
            person: here.certificate.person_id().clone(),
            device: here.certificate.device_id().clone(),
            session: *here.session.token(),
            from: here.visit.address,
            ground,
        };
        let (pairing, secret) = self.parts.pairings.open(opening).await.map_err(Reason::from)?;
        let link = self.parts.pairings.link(&pairing, &secret);
        tracing::debug!(pairing = %pairing.id, "a square is on the screen");
        self.links.put(here.session.token(), here.visit.now, pairing.expires, (pairing.id, link));
        Ok(())
    }

    pub(super) async fn confirm_pairing(
        &self,
        here: &Here<'_>,
        walker: &Walker<'_>,
        same: bool,
        replaces: bool,
    ) -> Answer {
        let token = here.session.token();
        let found = self.parts.pairings.of_session(token).await.map_err(Reason::from)?;
        let Some(found) = found else { return Ok(see_other(HOME)) };
        let from = here.visit.address;
        if !same {
            let refused = self.parts.pairings.confirm(&found.id, token, Verdict::No, from).await;
            return refused.map(|_| see_other(HOME)).map_err(Reason::from);
        }
        if replaces {
            return self.confirm_replacement(here, walker, &found.id).await;
        }
        // The phone's record, the session's next step and the notice are one commit.
        let (begun, also) = self.steps.with_phone(walker).await?;
        let released_by = here.certificate.device().released_by.clone();
        let verdict = Verdict::Yes { released_by, also, ground: Ground::First };
        self.parts.pairings.confirm(&found.id, token, verdict, from).await.map_err(Reason::from)?;
        Ok(with_cookie(see_other(HOME), &begun))
    }

    pub(super) fn new_password_page(&self, here: &Here<'_>, refused: Vec<String>) -> Response<Body> {
        let status = if refused.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
        let person = here.certificate.person();
        pages::SetPassword {
            page: Head::of(here.visit).at(Step::Password),
            csrf: self.csrf(here),
            person: person.name.clone(),
            username: username(here.certificate),
            chars_min: LENGTH_MIN,
            refused,
            action: action("new-password"),
        }
        .response(status)
    }

    pub(super) fn password_page(
        &self,
        here: &Here<'_>,
        again: Option<&Again>,
        refused: &str,
    ) -> Response<Body> {
        let status = if refused.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
        pages::Password {
            page: Head::of(here.visit),
            csrf: self.csrf(here),
            person: here.certificate.person().name.clone(),
            device: here.certificate.device().name.clone(),
            username: username(here.certificate),
            why: again.map(|again| why(again, "password", here.visit.now)).unwrap_or_default(),
            refused: refused.to_owned(),
            phone_follows: self.phone_follows(here),
            action: action("password"),
        }
        .response(status)
    }

    /// Waits for the phone, or takes up its answer.
    pub(super) async fn phone_page(&self, here: &Here<'_>, matter: Matter) -> Answer {
        let csrf = self.csrf(here);
        let who = waiting(here, &csrf);
        match self.parts.questions.turn_about(&who, &matter).await? {
            Turn::Unasked => {
                let purpose = matter.purpose;
                match self.parts.questions.ask(&who, matter).await {
                    Err(Reason::TooMany { .. }) => Ok(self.parts.questions.too_often(&who, purpose)),
                    asked => asked.map(|_| see_other(HOME)),
                }
            }
            Turn::Show(page) => Ok(page),
            Turn::Approved(question) => self.take_up(here, &question).await,
        }
    }

    pub(super) async fn ask_phone(&self, here: &Here<'_>, matter: Matter) -> Result<(), Reason> {
        let csrf = self.csrf(here);
        self.parts.questions.ask(&waiting(here, &csrf), matter).await.map(drop)
    }

    async fn take_up(&self, here: &Here<'_>, question: &Question) -> Answer {
        let approved = self.parts.questions.taken(here.session.session(), question).await?;
        let Some(approved) = approved else { return Ok(see_other(HOME)) };
        let entry = self
            .entry(here.certificate, Event::SessionStepped, here.visit)
            .detail("approval", question.id.as_str());
        let walker = self.walker(here);
        let begun = self.steps.advance(&walker, &[Proof::Phone], entry, vec![approved.unchanged]).await?;
        Ok(with_cookie(see_other(HOME), &begun))
    }

    /// After "not me" the session is gone: the page that waited says so, once.
    pub(super) async fn after_not_me(
        &self,
        certificate: &ProvedCertificate,
        visit: &Visit,
        headers: &HeaderMap,
    ) -> Result<Option<Response<Body>>, Reason> {
        let cookies = headers.get_all(http::header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let Some(token) = session::read_cookie(cookies) else { return Ok(None) };
        // The cookie stays: the page may be loaded twice, and says the same both times.
        self.parts.questions.denied(certificate, &token, visit).await
    }

    /// Tells the page to load itself again when anything it waits for changed.
    pub(super) fn events(&self, here: &Here<'_>, seen: Option<Revision>) -> Response<Body> {
        let (tenant, person) = (here.certificate.tenant(), here.certificate.person_id());
        let mut watched = vec![
            table::enrolments_of_device(tenant, person, here.certificate.device_id()),
            table::approvals(tenant, person),
            table::phones(tenant, person),
            table::session(here.session.token()),
            table::recovery_codes(tenant, person),
        ];
        // The square on the screen, and nobody else's: also where it is gone meanwhile.
        let square = self.links.get(here.session.token(), here.visit.now);
        watched.extend(square.map(|(pairing, _)| table::pairing(&pairing)));
        self.parts.questions.events(watched, seen, here.cancel)
    }

    pub(super) async fn begin(
        &self,
        certificate: &ProvedCertificate,
        return_to: Option<String>,
        visit: &Visit,
    ) -> Result<Begun, Reason> {
        let begun = self.parts.sessions.begin(certificate, return_to);
        let entry = self.entry(certificate, Event::SessionBegan, visit);
        self.parts.ledger.record(entry, vec![table::create(&begun.session)]).await.map_err(refused)?;
        Ok(begun)
    }

    pub(super) fn entry(&self, certificate: &ProvedCertificate, event: Event, visit: &Visit) -> Entry {
        Entry::new(actor(certificate.tenant(), certificate.person_id()), event)
            .tenant(certificate.tenant())
            .whom(certificate.device_id().as_str())
            .whence(visit.address.to_string())
    }

    pub(super) fn walker<'a>(&self, here: &'a Here<'_>) -> Walker<'a> {
        Walker {
            tenant: &here.visit.tenant,
            certificate: here.certificate,
            session: here.session,
            address: here.visit.address,
        }
    }

    pub(super) fn csrf(&self, here: &Here<'_>) -> String {
        self.parts.sessions.csrf(here.session.token())
    }
}

fn waiting<'a>(here: &'a Here<'_>, csrf: &'a str) -> Waiting<'a> {
    let way = Way { again: AGAIN, cancel: CANCEL, events: EVENTS };
    Waiting { visit: here.visit, certificate: here.certificate, token: here.session.token(), csrf, way }
}

fn username(certificate: &ProvedCertificate) -> String {
    let person = certificate.person();
    person.emails.first().cloned().unwrap_or_else(|| person.id.to_string())
}

/// As `enrolment::first_visit` has it.
pub(super) const CODE_SECS: u64 = 600;

const AGAIN: &str = "/.portcullis/sign-in/phone";
const CANCEL: &str = "/.portcullis/sign-in/cancel";
const EVENTS: &str = "/.portcullis/sign-in/events";
