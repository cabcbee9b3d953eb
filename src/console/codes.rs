//! The desk's first page and the way of a code: typed, looked at, released or turned away.

use axum::body::Body;
use http::{Response, StatusCode};

use super::doings::may;
use super::second::LOST_PHONE;
use super::{Answer, Console, Here};
use crate::domain::enrolment::{EndedWhy, Enrolment, EnrolmentKind, EnrolmentState};
use crate::domain::person::Role;
use crate::domain::{PersonId, Reason, TenantId};
use crate::enrolment::first_visit::DeskRefusal;
use crate::web::form::Form;
use crate::web::page::{see_other, telephone_link};
use crate::web::pages::desk::{CodeResult, Home, Mark, Tone, Waiting};
use crate::web::pages::{Moment, Page as _};
use crate::web::sse;

impl Console {
    pub(super) async fn home(&self, here: &Here<'_>, refused: &str) -> Answer {
        let verifies = [Role::Owner, Role::Support].iter().any(|role| here.person.roles.contains(role));
        let mut queue = if verifies { self.queue(here).await? } else { vec![] };
        let frozen = if verifies { self.frozen(here) } else { vec![] };
        queue.sort_by(|a, b| a.since.machine.cmp(&b.since.machine));
        let status = if refused.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
        Ok(Home {
            desk: self.desk(here, "/"),
            frozen,
            queue,
            refused: refused.to_owned(),
            code_action: "/codes/check".to_owned(),
            search_action: "/people/".to_owned(),
            events: sse::waits_at(EVENTS, here.seen),
        }
        .response(status))
    }

    /// The code that a named caller reads out.
    pub(super) async fn check_code(&self, here: &Here<'_>, form: &Form) -> Answer {
        let Some((tenant, person)) = form.text("caller").split_once('/') else {
            return self.home(here, "Please choose first whom you speak with, then type the code.").await;
        };
        let (tenant, person) = ids(tenant, person)?;
        let Some(digits) = form.digits("code", 6) else {
            return self.again(here, &tenant, &person, "A code has six digits. Please type all six.").await;
        };
        let agent = self.agent(here);
        match self.acts.first_visits.check_code(&agent, &tenant, &person, &digits).await {
            Ok(found) => Ok(see_other(&href(&found.enrolment))),
            Err(refusal) => {
                let words = words(&refusal)?;
                self.again(here, &tenant, &person, &words).await
            }
        }
    }

    async fn again(&self, here: &Here<'_>, tenant: &TenantId, person: &PersonId, refused: &str) -> Answer {
        self.person(here, tenant.as_str(), person.as_str(), refused).await
    }

    /// The caller's case, once the code was right.
    pub(super) async fn code(
        &self,
        here: &Here<'_>,
        (tenant, person, number): (&str, &str, &str),
        refused: &str,
    ) -> Answer {
        let (tenant, person) = ids(tenant, person)?;
        let agent = self.agent(here);
        let found = self.acts.first_visits.look(&agent, &tenant, &person, number).await;
        let found = found.map_err(|_| Reason::NotFound)?;
        let (word, word_right) = match &found.enrolment.state {
            EnrolmentState::CodeRight { agent: who, word, .. } if *who == agent.actor => {
                (word.clone(), false)
            }
            EnrolmentState::WordRight { agent: who, word } if *who == agent.actor => (word.clone(), true),
            EnrolmentState::Ended { why: EndedWhy::WrongWord } => {
                return Ok(self.outcome(
                    here,
                    Tone::Bad,
                    "The caller chose another word",
                    "The person at the screen did not hear your word. Somebody may be listening in: end the \
                     call, and ring the recorded number.",
                    ("Back to the codes", "/"),
                ));
            }
            EnrolmentState::AwaitingSecond { .. } => return self.second(here, &found, refused),
            EnrolmentState::Released { .. } => {
                return Ok(self.released(here, &found.device.name, found.enrolment.kind));
            }
            _ => return Err(Reason::NotFound),
        };
        let view = &self.acts.view;
        let whose = view.tenant(&tenant).ok_or(Reason::NotFound)?;
        let caller = view.person(&tenant, &person).ok_or(Reason::NotFound)?;
        let telephone = caller.telephone.clone().unwrap_or_default();
        let mut alarms = vec![];
        if found.enrolment.alarm {
            alarms.push(
                match found.enrolment.kind {
                    EnrolmentKind::FirstVisit => {
                        "The same certificate came from another browser before this one."
                    }
                    EnrolmentKind::LostPhone => "Another browser asked for the same at that time.",
                    EnrolmentKind::Expired => {
                        "Another browser asks for this person’s new certificate at the same time."
                    }
                }
                .to_owned(),
            );
        }
        let renewal = found.enrolment.kind == EnrolmentKind::Expired;
        if renewal {
            alarms.push(RENEWAL.to_owned());
        }
        let lost_phone = found.enrolment.kind == EnrolmentKind::LostPhone;
        if lost_phone {
            alarms.push(LOST_PHONE.to_owned());
        }
        if telephone.is_empty() {
            alarms.push("No telephone number is recorded for this person.".to_owned());
        }
        let may_not = if found.own {
            "You issued or handed over this device, so a colleague must release it."
        } else {
            ""
        };
        let status = if refused.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
        let at = href(&found.enrolment);
        Ok(CodeResult {
            desk: self.desk(here, "/"),
            person: caller.name.clone(),
            tenant: whose.name.clone(),
            telephone_link: telephone_link(&telephone),
            telephone,
            device: found.device.name.clone(),
            browser: found.enrolment.browser.clone(),
            place: found.enrolment.address.clone(),
            since: Moment::new(found.enrolment.started, here.visit.now),
            number: found.enrolment.number.clone(),
            alarms,
            identified_on_incoming_call: whose.identified_on_incoming_call,
            word,
            word_right,
            checklist: checklist(found.enrolment.kind),
            may_not: may_not.to_owned(),
            refused: refused.to_owned(),
            release: if lost_phone {
                format!("Agree: a colleague must confirm it for {}", caller.name)
            } else {
                format!("Release {} of {}", found.device.name, caller.name)
            },
            release_action: format!("{at}/release"),
            reject_action: format!("{at}/reject"),
            events: sse::waits_at(EVENTS, here.seen),
        }
        .response(status))
    }

    pub(super) async fn release(
        &self,
        here: &Here<'_>,
        (tenant, person, number): (&str, &str, &str),
        form: &Form,
    ) -> Answer {
        let (whose, who) = ids(tenant, person)?;
        let checked =
            (0..CHECKLIST.len()).all(|line| form.all("check").any(|value| value == line.to_string()));
        let agent = self.agent(here);
        let asked = self.acts.first_visits.look(&agent, &whose, &who, number).await;
        if asked.is_ok_and(|found| found.enrolment.kind == EnrolmentKind::LostPhone) {
            // Two of support must not make of themselves an owner.
            may(here.person, &whose, &who)?;
        }
        match self.acts.first_visits.release(&agent, &whose, &who, number, checked).await {
            Ok(()) => {
                let name =
                    self.acts.view.person(&whose, &who).map(|one| one.name.clone()).unwrap_or_default();
                let found = self.acts.first_visits.look(&agent, &whose, &who, number).await;
                if let Ok(found) = &found
                    && matches!(found.enrolment.state, EnrolmentState::AwaitingSecond { .. })
                {
                    return Ok(see_other(&href(&found.enrolment)));
                }
                let kind = found.map(|found| found.enrolment.kind).unwrap_or_default();
                Ok(self.released(here, &name, kind))
            }
            Err(refusal) => {
                let words = words(&refusal)?;
                self.code(here, (tenant, person, number), &words).await
            }
        }
    }

    pub(super) async fn reject(
        &self,
        here: &Here<'_>,
        (tenant, person, number): (&str, &str, &str),
        form: &Form,
    ) -> Answer {
        let (whose, who) = ids(tenant, person)?;
        let (agent, why) = (self.agent(here), form.text("why"));
        match self.acts.first_visits.reject(&agent, &whose, &who, number, why).await {
            Ok(()) => Ok(self.outcome(
                here,
                Tone::Bad,
                "Turned away",
                "The device stays outside. The person's page says so and asks to call again.",
                ("Back to the codes", "/"),
            )),
            Err(refusal) => {
                let words = words(&refusal)?;
                self.code(here, (tenant, person, number), &words).await
            }
        }
    }

    fn released(&self, here: &Here<'_>, whom: &str, kind: EnrolmentKind) -> Response<Body> {
        let what = match kind {
            EnrolmentKind::FirstVisit => "the device is released",
            EnrolmentKind::LostPhone => "a new phone may be paired",
            EnrolmentKind::Expired => "the renewal is released; password and phone come next",
        };
        self.outcome(
            here,
            Tone::Good,
            &format!("{whom}: {what}"),
            "The person's page moves on by itself. Every address of the person is told by e-mail.",
            ("Back to the codes", "/"),
        )
    }

    async fn queue(&self, here: &Here<'_>) -> Result<Vec<Waiting>, Reason> {
        let queue = self.acts.first_visits.queue().await.map_err(|_| Reason::Internal)?;
        Ok(queue.iter().filter_map(|one| self.waiting(here, one)).collect())
    }

    /// A first visit under way, as a row.
    pub(super) fn waiting(&self, here: &Here<'_>, one: &Enrolment) -> Option<Waiting> {
        let view = &self.acts.view;
        let person = view.person(&one.tenant, &one.person)?;
        let device = view.device(&one.tenant, &one.person, &one.device)?;
        let own = self.agent(here).actor;
        let (text, tone, mine) = match &one.state {
            EnrolmentState::Waiting => ("code on screen", Tone::Waiting, false),
            EnrolmentState::CodeRight { agent, .. } => ("choosing the word", Tone::Waiting, *agent == own),
            EnrolmentState::WordRight { agent, .. } => ("word was right", Tone::Good, *agent == own),
            EnrolmentState::AwaitingSecond { .. } => ("waits for a second agent", Tone::Waiting, true),
            EnrolmentState::Ended { .. } => ("wrong word", Tone::Bad, false),
            EnrolmentState::Released { .. } => ("released", Tone::Good, false),
        };
        Some(Waiting {
            caller: format!("{}/{}", one.tenant, one.person),
            person: person.name.clone(),
            tenant: view.tenant(&one.tenant).map(|tenant| tenant.name.clone()).unwrap_or_default(),
            device: match one.kind {
                EnrolmentKind::FirstVisit => device.name.clone(),
                EnrolmentKind::Expired => format!("{}: expired, no device is shown", device.name),
                EnrolmentKind::LostPhone => format!("{}: lost phone", device.name),
            },
            browser: one.browser.clone(),
            address: one.address.clone(),
            since: Moment::new(one.started, here.visit.now),
            stage: Mark { text: text.to_owned(), tone },
            alarm: one.alarm,
            href: if mine { href(one) } else { format!("/people/{}/{}", one.tenant, one.person) },
        })
    }
}

/// Reads the ids in a path or a form.
pub(super) fn ids(tenant: &str, person: &str) -> Result<(TenantId, PersonId), Reason> {
    match (TenantId::parse(tenant), PersonId::parse(person)) {
        (Ok(tenant), Ok(person)) => Ok((tenant, person)),
        _ => Err(Reason::NotFound),
    }
}

pub(super) fn href(one: &Enrolment) -> String {
    format!("/codes/{}/{}/{}", one.tenant, one.person, one.number)
}

/// What the agent is told.
pub(super) fn words(refusal: &DeskRefusal) -> Result<String, Reason> {
    Ok(match refusal {
        DeskRefusal::WrongCode => {
            "That code is not right for this person. Ask for it again, digit by digit: after five wrong tries \
             it is dead."
        }
        DeskRefusal::NobodyWaits => "No code of this person is waiting. Ask the caller to load the page again.",
        DeskRefusal::MovedOn => "This moved on meanwhile: a colleague, the caller or time was faster.",
        DeskRefusal::WordFirst => "The caller has not chosen your word yet. Say it, and wait for the page.",
        DeskRefusal::FourEyes => "You issued or handed over this device, so a colleague must release it.",
        DeskRefusal::Checklist => "Please check every line of the list first, and tick it.",
        DeskRefusal::Refused(Reason::TooMany { .. }) => "Too quick after a wrong code: wait a few seconds, then type it again.",
        DeskRefusal::Refused(Reason::Blocked) => {
            "Five wrong codes in a row: this device takes no more. If the caller is who they say, unlock the \
             person and ask for a new code."
        }
        DeskRefusal::Refused(reason) => return Err(reason.clone()),
    }
    .to_owned())
}

/// Where the desk's pages hear that something changed.
pub(super) const EVENTS: &str = "/codes/events";

/// What an agent must know of a renewal: the code proves less than on a first visit.
const RENEWAL: &str = "This is the renewal of an expired certificate: no device is shown. The caller has shown us \
                       nothing but an e-mail address, and your release stands in for the certificate.";

fn checklist(kind: EnrolmentKind) -> Vec<String> {
    let mut lines = CHECKLIST;
    match kind {
        EnrolmentKind::FirstVisit => {}
        EnrolmentKind::Expired => {
            lines[2] =
                "The caller asks for a new certificate for this device, because the old one has expired.";
        }
        EnrolmentKind::LostPhone => {
            lines[2] = "The caller has lost their phone, has a new one in hand, and is sitting in front of this device.";
        }
    }
    lines.map(str::to_owned).to_vec()
}

/// What an agent checks before a release.
const CHECKLIST: [&str; 3] = [
    "I rang the recorded number, or identified the caller as this tenant allows.",
    "The caller named something that only this person knows.",
    "The caller expects this device, and is sitting in front of it.",
];
