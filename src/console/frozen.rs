//! Who said "not me" on the phone: a line each at the top of the desk, and the page on which support lets them
//! in again once they have spoken. What ends and opens is the command's to do.

use super::command::which::WhichPerson;
use super::command::{Command, person};
use super::doings::{may, status, told};
use super::{Answer, Console, Here};
use crate::domain::Reason;
use crate::domain::person::{Frozen, Person};
use crate::web::form::Form;
use crate::web::page::{see_other, telephone_link};
use crate::web::pages::desk::{FrozenRow, Unfreeze};
use crate::web::pages::{Moment, Page as _};

impl Console {
    /// Those whom this agent may help, the one who waits longest first.
    pub(super) fn frozen(&self, here: &Here<'_>) -> Vec<FrozenRow> {
        let view = &self.acts.view;
        let people = view.tenants().into_iter().flat_map(|tenant| view.persons(&tenant.id));
        let mine = people.filter(|one| may(here.person, &one.tenant, &one.id).is_ok());
        let mut rows: Vec<FrozenRow> =
            mine.filter_map(|one| Some(self.frozen_row(here, &one, one.frozen()?))).collect();
        rows.sort_by(|a, b| a.since.machine.cmp(&b.since.machine));
        rows
    }

    /// The page on which support lets somebody in again.
    pub(super) fn ask_unfreeze(
        &self,
        here: &Here<'_>,
        one: &Person,
        frozen: &Frozen,
        refused: &str,
    ) -> Answer {
        let back = format!("/people/{}/{}", one.tenant, one.id);
        Ok(Unfreeze {
            desk: self.desk(here, "/people/"),
            row: self.frozen_row(here, one, frozen),
            checklist: CHECKLIST.map(str::to_owned).to_vec(),
            refused: refused.to_owned(),
            action: format!("{back}/unlock"),
            back,
        }
        .response(status(refused)))
    }

    /// Lets them in again, by the same command as on the machine.
    pub(super) async fn unfreeze(&self, here: &Here<'_>, one: &Person, form: &Form) -> Answer {
        let frozen = one.frozen().ok_or(Reason::NotFound)?;
        let checked =
            (0..CHECKLIST.len()).all(|line| form.all("check").any(|value| value == line.to_string()));
        if !checked {
            return self.ask_unfreeze(
                here,
                one,
                frozen,
                "Please check every line of the list first, and tick it.",
            );
        }
        let why: String = form.text("why").trim().chars().take(WHY_CHARS_MAX).collect();
        if why.is_empty() {
            return self.ask_unfreeze(here, one, frozen, "Please write down what came of it.");
        }
        let which = WhichPerson { tenant: one.tenant.clone(), person: one.id.clone() };
        let command = Command::Person(person::Command::Unlock { person: which, why: Some(why) });
        match self.acts.run(&self.agent(here).actor, command).await {
            Ok(_) => Ok(see_other(&format!("/people/{}/{}", one.tenant, one.id))),
            Err(error) => self.ask_unfreeze(here, one, frozen, &told(error)?),
        }
    }

    fn frozen_row(&self, here: &Here<'_>, one: &Person, frozen: &Frozen) -> FrozenRow {
        let telephone = one.telephone.clone().unwrap_or_default();
        FrozenRow {
            person: one.name.clone(),
            tenant: self.acts.view.tenant(&one.tenant).map(|it| it.name.clone()).unwrap_or_default(),
            device: frozen.device.clone(),
            browser: frozen.browser.clone(),
            address: frozen.address.clone(),
            place: frozen.place.clone(),
            asked: Moment::new(frozen.asked, here.visit.now),
            since: Moment::new(frozen.at, here.visit.now),
            telephone_link: telephone_link(&telephone),
            telephone,
            href: format!("/people/{}/{}", one.tenant, one.id),
        }
    }
}

/// What an agent checks before somebody comes in again.
const CHECKLIST: [&str; 3] = [
    "I rang the recorded number, or identified the person as this tenant allows, and spoke with them.",
    "We looked together at what was asked: the device, the place and the time.",
    "Whatever may be in other hands (a device, a phone, the password) is switched off or changed.",
];

/// Two or three sentences.
const WHY_CHARS_MAX: usize = 300;
