//! A person's phones, from the desk: shown, and removed where there is another. Replacing the last is recovery.

use serde_json::json;

use super::output::{Output, columns};
use super::which::WhichPerson;
use super::{Acts, CommandError, Kind};
use crate::audit::{Entry, Event, RecordError};
use crate::domain::PhoneId;
use crate::domain::phone::RemovedBy;
use crate::enrolment::phones::{NotChanged, Phones};

impl Acts {
    pub(super) async fn list_phones(&self, which: &WhichPerson) -> Result<Output, CommandError> {
        self.find_person(which).await?;
        let phones = self.view.phones(&which.tenant, &which.person);
        let rows: Vec<[String; 5]> = phones
            .iter()
            .map(|it| {
                let key = if it.backup_eligible { "may be copied" } else { "in this phone only" };
                let used = it.used.map_or_else(|| "not yet".to_owned(), |at| at.minute());
                [it.id.to_string(), it.name.clone(), it.paired.minute(), used, key.to_owned()]
            })
            .collect();
        let none = format!("`{which}` has no phone: one is paired on the first visit");
        let lines = columns(["phone", "name", "paired (UTC)", "last yes (UTC)", "its key is"], &rows, &none);
        let shown: Vec<_> = phones
            .iter()
            .map(|it| {
                json!({
                    "id": it.id.as_str(),
                    "name": it.name,
                    "paired": it.paired.to_string(),
                    "used": it.used.map(|at| at.to_string()),
                    "synced": it.backup_eligible,
                    "released_by": it.released_by,
                })
            })
            .collect();
        Ok(Output::new(json!({ "phones": shown }), lines))
    }

    pub(super) async fn remove_phone(
        &self,
        actor: &str,
        which: &WhichPerson,
        phone: &PhoneId,
        why: &str,
    ) -> Result<Output, CommandError> {
        let tenant = self.find_tenant(&which.tenant).await?.record;
        if why.trim().is_empty() {
            return Err(CommandError::new(Kind::Refused, "nobody has said why", "say it: --why REASON"));
        }
        let entry = Entry::new(actor, Event::PhoneRemoved)
            .tenant(&which.tenant)
            .whom(format!("person:{which}"))
            .detail("phone", phone.as_str())
            .detail("by", RemovedBy::Support.as_str())
            .detail("why", why.trim());
        let phones = Phones::new(std::sync::Arc::clone(&self.ledger), self.world.clone());
        let removed =
            phones.remove(&tenant, (&which.person, phone), RemovedBy::Support, entry, Vec::new()).await;
        match removed {
            Ok(phone) => Ok(Output::line(
                json!({ "removed": phone.id.as_str() }),
                format!("\"{}\" of `{which}` is removed: it can answer nothing any more.", phone.name),
            )),
            Err(NotChanged::Gone) => Err(CommandError::new(
                Kind::NotFound,
                format!("`{which}` has no phone `{phone}`"),
                format!("see which there are: `portcullis person phones {which}`"),
            )),
            Err(NotChanged::Last) => Err(CommandError::new(
                Kind::Refused,
                format!("it is the only phone of `{which}`, and a new one takes its place by recovery alone"),
                format!("keep the person out until then: `portcullis person lock {which} --why REASON`"),
            )),
            Err(NotChanged::Record(RecordError::Conflict)) => Err(CommandError::new(
                Kind::Refused,
                "the phones changed meanwhile",
                "look again, then repeat",
            )),
            Err(NotChanged::Record(error)) => Err(error.into()),
        }
    }
}
