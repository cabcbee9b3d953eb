//! What the desk does to people, by the same operations as the command line: lock, unlock. What falls is said
//! first, and a name is typed.

use http::StatusCode;

use super::codes::ids;
use super::command::{Command, CommandError, Kind, person};
use super::{Answer, Console, Here};
use crate::domain::person::{Person, Role};
use crate::domain::{PersonId, Reason, TenantId};
use crate::web::form::Form;
use crate::web::page::see_other;
use crate::web::pages::Page as _;
use crate::web::pages::desk::Confirm;

impl Console {
    /// The page before a person is locked or unlocked.
    pub(super) fn ask_person(
        &self,
        here: &Here<'_>,
        tenant: &str,
        who: &str,
        doing: &str,
        refused: &str,
    ) -> Answer {
        let (tenant, who) = ids(tenant, who)?;
        let one = self.acts.view.person(&tenant, &who).ok_or(Reason::NotFound)?;
        if let (Some(frozen), "unlock") = (one.frozen(), doing) {
            return self.ask_unfreeze(here, &one, frozen, refused);
        }
        let (title, falls, button) = match doing {
            "lock" => (
                format!("Keep {} out", one.name),
                vec![
                    "Every session of this person ends now.".to_owned(),
                    "Nobody gets in with their certificates.".to_owned(),
                ],
                "Lock",
            ),
            "unlock" => (
                format!("Let {} in again", one.name),
                vec!["Wrong tries are forgotten, on every device of this person.".to_owned()],
                "Unlock",
            ),
            _ => return Err(Reason::NotFound),
        };
        let back = format!("/people/{tenant}/{who}");
        Ok(Confirm {
            desk: self.desk(here, "/people/"),
            title,
            falls,
            name: one.name.clone(),
            reasons: vec![],
            refused: refused.to_owned(),
            button: button.to_owned(),
            action: format!("{back}/{doing}"),
            back,
        }
        .response(status(refused)))
    }

    pub(super) async fn do_person(
        &self,
        here: &Here<'_>,
        tenant: &str,
        who: &str,
        doing: &str,
        form: &Form,
    ) -> Answer {
        let (whose, id) = ids(tenant, who)?;
        may(here.person, &whose, &id)?;
        let one = self.acts.view.person(&whose, &id).ok_or(Reason::NotFound)?;
        if one.frozen().is_some() && doing == "unlock" {
            return self.unfreeze(here, &one, form).await;
        }
        if form.text("name") != one.name {
            return self.ask_person(here, tenant, who, doing, TYPE_THE_NAME);
        }
        let person = super::command::which::WhichPerson { tenant: whose, person: id };
        let command = match doing {
            "lock" => {
                let why = format!("locked at the desk by {}", here.person.name);
                person::Command::Lock { person, why, hours: None, yes: true }
            }
            "unlock" => person::Command::Unlock { person, why: None },
            _ => return Err(Reason::NotFound),
        };
        match self.acts.run(&self.agent(here).actor, Command::Person(command)).await {
            Ok(_) => Ok(see_other(&format!("/people/{tenant}/{who}"))),
            Err(error) => self.ask_person(here, tenant, who, doing, &told(error)?),
        }
    }
}

/// Nobody acts on themselves at the desk, and only owners act on the staff: rules see a path, not whom
/// it names.
pub(super) fn may(by: &Person, tenant: &TenantId, person: &PersonId) -> Result<(), Reason> {
    let oneself = by.tenant == *tenant && by.id == *person;
    let above = tenant.is_staff() && !by.roles.contains(&Role::Owner);
    if oneself || above { Err(Reason::PolicyDenied { rule: None }) } else { Ok(()) }
}

/// What the page says of a command that was not done; what failed inside is a page of its own.
pub(super) fn told(error: CommandError) -> Result<String, Reason> {
    if error.kind == Kind::Failed {
        tracing::error!(%error, "the desk's command failed");
        return Err(Reason::Internal);
    }
    Ok(error.to_string())
}

pub(super) fn status(refused: &str) -> StatusCode {
    if refused.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY }
}

pub(super) const TYPE_THE_NAME: &str = "Please type the name exactly as it stands above.";
