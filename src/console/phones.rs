//! A person's phone is removed at the desk: what falls is said first, and the person's name is typed.

use super::codes::ids;
use super::command::which::WhichPerson;
use super::command::{Command, person};
use super::doings::{TYPE_THE_NAME, may, status, told};
use super::{Answer, Console, Here};
use crate::domain::{PhoneId, Reason};
use crate::web::form::Form;
use crate::web::page::see_other;
use crate::web::pages::Page as _;
use crate::web::pages::desk::Confirm;

impl Console {
    pub(super) fn ask_remove_phone(
        &self,
        here: &Here<'_>,
        (tenant, who, phone): (&str, &str, &str),
        refused: &str,
    ) -> Answer {
        let (tenant, who) = ids(tenant, who)?;
        let view = &self.acts.view;
        let one = view.person(&tenant, &who).ok_or(Reason::NotFound)?;
        let phones = view.phones(&tenant, &who);
        let phone = phones.iter().find(|it| it.id.as_str() == phone).ok_or(Reason::NotFound)?;
        let back = format!("/people/{tenant}/{who}");
        Ok(Confirm {
            desk: self.desk(here, "/people/"),
            title: format!("Remove “{}” of {}", phone.name, one.name),
            falls: vec![
                "Its key ends now: it can answer nothing any more, and its app says so.".to_owned(),
                "Every address of this person is told by e-mail.".to_owned(),
            ],
            name: one.name.clone(),
            reasons: REASONS.map(|(value, label)| (value.to_owned(), label.to_owned())).to_vec(),
            refused: refused.to_owned(),
            button: "Remove".to_owned(),
            action: format!("{back}/phones/{}/remove", phone.id),
            back,
        }
        .response(status(refused)))
    }

    pub(super) async fn remove_phone(
        &self,
        here: &Here<'_>,
        (tenant, who, phone): (&str, &str, &str),
        form: &Form,
    ) -> Answer {
        let (whose, id) = ids(tenant, who)?;
        may(here.person, &whose, &id)?;
        let one = self.acts.view.person(&whose, &id).ok_or(Reason::NotFound)?;
        if form.text("name") != one.name {
            return self.ask_remove_phone(here, (tenant, who, phone), TYPE_THE_NAME);
        }
        let why = REASONS.iter().find(|(value, _)| *value == form.text("reason"));
        let Some((_, why)) = why else {
            return self.ask_remove_phone(here, (tenant, who, phone), "Please choose why.");
        };
        let command = person::Command::RemovePhone {
            person: WhichPerson { tenant: whose, person: id },
            phone: PhoneId::parse(phone).map_err(|_| Reason::NotFound)?,
            why: (*why).to_owned(),
        };
        match self.acts.run(&self.agent(here).actor, Command::Person(command)).await {
            Ok(_) => Ok(see_other(&format!("/people/{tenant}/{who}"))),
            Err(error) => self.ask_remove_phone(here, (tenant, who, phone), &told(error)?),
        }
    }
}

/// Why a phone is removed.
const REASONS: [(&str, &str); 4] = [
    ("lost", "It is lost or stolen"),
    ("given-away", "It was given away or sold"),
    ("strange", "The person does not know it"),
    ("asked", "The person asked for it"),
];
