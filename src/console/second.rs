//! The second agent's page for a lost phone: what the first released, looked at by somebody else and confirmed.

use http::StatusCode;

use super::codes::{EVENTS, href, ids, words};
use super::doings::may;
use super::{Answer, Console, Here};
use crate::domain::Reason;
use crate::domain::enrolment::EnrolmentState;
use crate::enrolment::first_visit::{DeskRefusal, Found};
use crate::web::form::Form;
use crate::web::page::telephone_link;
use crate::web::pages::desk::{Second, Tone};
use crate::web::pages::{Moment, Page as _};
use crate::web::sse;

impl Console {
    /// What a first agent released, for the second and, to look at, for the first.
    pub(super) fn second(&self, here: &Here<'_>, found: &Found, refused: &str) -> Answer {
        let EnrolmentState::AwaitingSecond { first } = &found.enrolment.state else {
            return Err(Reason::NotFound);
        };
        let (view, enrolment) = (&self.acts.view, &found.enrolment);
        let tenant = view.tenant(&enrolment.tenant).ok_or(Reason::NotFound)?;
        let person = view.person(&enrolment.tenant, &enrolment.person).ok_or(Reason::NotFound)?;
        let telephone = person.telephone.clone().unwrap_or_default();
        let mut alarms = vec![LOST_PHONE.to_owned()];
        if enrolment.alarm {
            alarms.push("Another browser asked for the same at that time.".to_owned());
        }
        if telephone.is_empty() {
            alarms.push("No telephone number is recorded for this person.".to_owned());
        }
        let may_not = if *first == self.agent(here).actor {
            "You released it, so somebody else of support must confirm it. It stands in everybody’s queue."
        } else if found.own {
            "You issued or handed over this device, so somebody else must confirm it."
        } else {
            ""
        };
        let status = if refused.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
        let at = href(enrolment);
        Ok(Second {
            desk: self.desk(here, "/"),
            person: person.name.clone(),
            first: self.named(first),
            tenant: tenant.name.clone(),
            telephone_link: telephone_link(&telephone),
            telephone,
            phones: view
                .phones(&enrolment.tenant, &enrolment.person)
                .iter()
                .map(|phone| phone.name.clone())
                .collect(),
            device: found.device.name.clone(),
            browser: enrolment.browser.clone(),
            place: enrolment.address.clone(),
            since: Moment::new(enrolment.started, here.visit.now),
            number: enrolment.number.clone(),
            person_href: format!("/people/{}/{}", enrolment.tenant, enrolment.person),
            alarms,
            checklist: CHECKLIST.map(str::to_owned).to_vec(),
            may_not: may_not.to_owned(),
            refused: refused.to_owned(),
            confirm_action: format!("{at}/second"),
            reject_action: format!("{at}/reject"),
            events: sse::waits_at(EVENTS, here.seen),
        }
        .response(status))
    }

    /// The second agent confirms.
    pub(super) async fn confirm_second(
        &self,
        here: &Here<'_>,
        (tenant, person, number): (&str, &str, &str),
        form: &Form,
    ) -> Answer {
        let (whose, who) = ids(tenant, person)?;
        // Two of support must not make of themselves an owner.
        may(here.person, &whose, &who)?;
        let checked =
            (0..CHECKLIST.len()).all(|line| form.all("check").any(|value| value == line.to_string()));
        let agent = self.agent(here);
        let refusal = match self
            .acts
            .first_visits
            .confirm_release(&agent, &whose, &who, number, checked, None)
            .await
        {
            Ok(()) => {
                let name =
                    self.acts.view.person(&whose, &who).map(|one| one.name.clone()).unwrap_or_default();
                return Ok(self.outcome(
                        here,
                        Tone::Good,
                        &format!("{name}: a new phone may be paired"),
                        "The person's page shows the square now. The old phone ends when the new one is paired, and \
                         every address of the person is told by e-mail.",
                        ("Back to the codes", "/"),
                    ));
            }
            Err(refusal) => refusal,
        };
        let why = match refusal {
            DeskRefusal::FourEyes => {
                "You released it, or issued the device: somebody else of support must confirm it.".to_owned()
            }
            other => words(&other)?,
        };
        self.code(here, (tenant, person, number), &why).await
    }

    /// "Sam Support", from the actor of the audit trail.
    fn named(&self, actor: &str) -> String {
        let of = actor.strip_prefix("person:").and_then(|of| of.split_once('/'));
        let person = of.and_then(|(tenant, person)| {
            let (tenant, person) = ids(tenant, person).ok()?;
            self.acts.view.person(&tenant, &person)
        });
        person.map_or_else(|| actor.to_owned(), |person| person.name.clone())
    }
}

/// What both agents must know.
pub(super) const LOST_PHONE: &str = "This is a lost phone: what you release replaces all phones of this person. Whoever \
                                     pairs the new one approves their sign-ins from then on.";

/// What a second agent checks.
const CHECKLIST: [&str; 2] = [
    "I asked my colleague how they identified the caller: by the recorded number, or as this site allows.",
    "Nothing on the person’s page speaks against it: no other call just now, no “not me”.",
];
