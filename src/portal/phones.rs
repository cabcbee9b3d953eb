//! Phones in the settings: seen, named anew, removed, one more paired. Each change is asked of a phone first, and the
//! question names it; what was agreed to is then done once. Knows not what a square or two words are good for.

use std::time::Duration;

use axum::body::Body;
use http::{Response, StatusCode};

use super::{Answer, Here, Portal, refused};
use crate::audit::{Entry, Event, RecordError};
use crate::auth::session::Begun;
use crate::crypto;
use crate::domain::approval::{Matter, Purpose, Row};
use crate::domain::phone::{PHONES_MAX, Phone, RemovedBy, name};
use crate::domain::{ApprovalId, PhoneId, Reason, Time};
use crate::enrolment::phones::NotChanged;
use crate::sign_in::questions::{Question, Turn, Waiting, Way};
use crate::sign_in::with_cookie;
use crate::store::{Revision, Write, table};
use crate::web::form::Form;
use crate::web::page::{Head, see_other};
use crate::web::pages::settings::{PhoneNew, PhoneRemove, PhoneRename, PhoneRow, Phones};
use crate::web::pages::{Moment, Page as _};

/// What a session is changing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Another name; the phone is asked.
    Rename { phone: PhoneId, old: String, name: String },
    /// The phone is asked.
    Remove { phone: PhoneId, name: String },
    /// The phone is asked.
    Pair { replaces: Option<(PhoneId, String)> },
    /// A phone agreed to another one: the square is shown, for a while.
    Agreed(Agreed),
}

/// What a phone agreed to: one more phone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Agreed {
    pub(super) approval: ApprovalId,
    pub(super) replaces: Option<PhoneId>,
    pub(super) until: Time,
}

impl Change {
    /// What the phone is asked; nothing where it has answered. The hash binds the phones that are meant, whatever
    /// they are called.
    fn matter(&self) -> Option<Matter> {
        let row = |name: &str, value: &str| Row { name: name.to_owned(), value: value.to_owned() };
        let (purpose, reason, rows, bound) = match self {
            Self::Rename { phone, old, name } => {
                let rows = vec![row("Phone", old), row("New name", name)];
                (Purpose::StepUp, "Give a phone another name", rows, format!("rename\n{phone}\n{name}"))
            }
            Self::Remove { phone, name } => {
                (Purpose::RemovePhone, "Remove a phone", vec![row("Phone", name)], format!("remove\n{phone}"))
            }
            Self::Pair { replaces: None } => {
                (Purpose::PairPhone, "Pair another phone", Vec::new(), "pair".to_owned())
            }
            Self::Pair { replaces: Some((phone, name)) } => {
                let rows = vec![row("In place of", name)];
                (Purpose::PairPhone, "Pair a phone in place of another", rows, format!("pair\n{phone}"))
            }
            Self::Agreed(_) => return None,
        };
        let bound = crypto::sha256(format!("portcullis phones 1\n{bound}").as_bytes());
        Some(Matter { purpose, reason: reason.to_owned(), rows, bound: Some(bound) })
    }
}

impl Portal {
    /// "Your phones".
    pub(super) fn phones(&self, here: &Here<'_>, said: &str) -> Response<Body> {
        let phones = self.own_phones(here);
        let rows = phones.iter().map(|phone| PhoneRow {
            name: phone.name.clone(),
            paired: Moment::new(phone.paired, here.visit.now),
            used: phone.used.map(|at| Moment::new(at, here.visit.now)),
            synced: phone.backup_eligible,
            rename: format!("{PHONES}of/{}/rename", phone.id),
            remove: if phones.len() > 1 { format!("{PHONES}of/{}/remove", phone.id) } else { String::new() },
        });
        let status = if said.is_empty() { StatusCode::OK } else { StatusCode::CONFLICT };
        Phones {
            page: Head::of(here.visit),
            csrf: here.csrf.clone(),
            rows: rows.collect(),
            new: format!("{PHONES}new"),
            full: phones.len() >= PHONES_MAX,
            said: said.to_owned(),
        }
        .response(status)
    }

    /// The page before a change.
    pub(super) fn ask_phone(&self, here: &Here<'_>, which: &str, doing: &str) -> Answer {
        let phone = self.own_phone(here, which)?;
        let (page, csrf) = (Head::of(here.visit), here.csrf.clone());
        let (back, action) = (PHONES.to_owned(), format!("{PHONES}of/{}/{doing}", phone.id));
        Ok(match doing {
            "rename" => {
                PhoneRename { page, csrf, name: phone.name.clone(), action, back }.response(StatusCode::OK)
            }
            "remove" if self.own_phones(here).len() < 2 => self.phones(here, LAST),
            "remove" => {
                PhoneRemove { page, csrf, name: phone.name.clone(), action, back }.response(StatusCode::OK)
            }
            _ => return Err(Reason::NotFound),
        })
    }

    /// "Pair another phone".
    pub(super) fn new_phone(&self, here: &Here<'_>) -> Response<Body> {
        let phones = self.own_phones(here);
        PhoneNew {
            page: Head::of(here.visit),
            csrf: here.csrf.clone(),
            phones: phones.iter().map(|it| (it.id.to_string(), it.name.clone())).collect(),
            full: phones.len() >= PHONES_MAX,
            action: format!("{PHONES}new"),
            back: PHONES.to_owned(),
        }
        .response(StatusCode::OK)
    }

    /// A change is wanted: the phone is asked.
    pub(super) async fn phone_wanted(
        &self,
        here: &Here<'_>,
        which: &str,
        doing: &str,
        form: &Form,
    ) -> Answer {
        let phone = self.own_phone(here, which)?;
        let change = match doing {
            "rename" => {
                let (old, name) = (phone.name.clone(), name(form.text("name")));
                Change::Rename { phone: phone.id.clone(), old, name }
            }
            "remove" if self.own_phones(here).len() < 2 => return Ok(self.phones(here, LAST)),
            "remove" => Change::Remove { phone: phone.id.clone(), name: phone.name.clone() },
            _ => return Err(Reason::NotFound),
        };
        self.ask_change(here, change).await
    }

    /// Another phone is wanted: one that is paired is asked.
    pub(super) async fn new_phone_wanted(&self, here: &Here<'_>, form: &Form) -> Answer {
        let phones = self.own_phones(here);
        let replaces = form.text("replaces");
        let replaces = phones.iter().find(|it| it.id.as_str() == replaces);
        let replaces = replaces.map(|it| (it.id.clone(), it.name.clone()));
        if phones.is_empty() || (phones.len() >= PHONES_MAX && replaces.is_none()) {
            return Ok(self.new_phone(here));
        }
        self.ask_change(here, Change::Pair { replaces }).await
    }

    async fn ask_change(&self, here: &Here<'_>, change: Change) -> Answer {
        let Some(matter) = change.matter() else { return Ok(see_other(PHONES)) };
        self.parts.questions.ask(&waiting(here), matter).await?;
        let until = here.visit.now.plus(KEPT);
        self.changes.put(here.session.token(), here.visit.now, until, change);
        Ok(see_other(CHANGE))
    }

    /// Waits for the phone, and does what it agreed to.
    pub(super) async fn change(&self, here: &Here<'_>) -> Answer {
        let token = here.session.token();
        let Some(change) = self.changes.get(token, here.visit.now) else { return Ok(see_other(PHONES)) };
        let Some(matter) = change.matter() else { return Ok(see_other(PAIR)) };
        match self.parts.questions.turn(&waiting(here), matter.purpose).await? {
            Turn::Unasked => {
                self.changes.forget(token);
                Ok(see_other(PHONES))
            }
            Turn::Show(page) => Ok(page),
            // What was agreed to is what was asked last, and nothing else.
            Turn::Approved(question) if question.matter.bound == matter.bound => {
                self.agreed(here, change, &question).await
            }
            Turn::Approved(_) => Ok(see_other(PHONES)),
        }
    }

    /// "Again" and "cancel" on the page that waits.
    pub(super) async fn change_taken(&self, here: &Here<'_>, doing: &str) -> Answer {
        let token = here.session.token();
        match doing {
            "again" => match self.changes.get(token, here.visit.now) {
                Some(change) => self.ask_change(here, change).await,
                None => Ok(see_other(PHONES)),
            },
            "cancel" => {
                self.changes.forget(token);
                self.parts.questions.withdraw(here.session.session(), here.visit.now).await?;
                Ok(see_other(PHONES))
            }
            _ => Err(Reason::NotFound),
        }
    }

    /// Tells the waiting page when the phone has answered, or the pairing moved on.
    pub(super) fn change_events(&self, here: &Here<'_>, seen: Option<Revision>) -> Response<Body> {
        let (tenant, person) = (here.certificate.tenant(), here.certificate.person_id());
        let token = here.session.token();
        let mut watched = vec![table::approvals(tenant, person), table::session(token)];
        // The square on the screen, and nobody else's: also where it is gone meanwhile.
        watched.extend(self.squares.get(token, here.visit.now).map(|(pairing, _)| table::pairing(&pairing)));
        self.parts.questions.events(watched, seen, here.cancel)
    }

    /// The phone agreed. The session gets another token in the same commit, so that the approval, which was this
    /// token's, is used up.
    async fn agreed(&self, here: &Here<'_>, change: Change, question: &Question) -> Answer {
        let token = here.session.token();
        self.changes.forget(token);
        let Some(approved) = self.parts.questions.taken(here.session.session(), question).await? else {
            return Ok(see_other(PHONES));
        };
        let step = self.parts.sessions.step(token, &[], &here.visit.tenant).await;
        let (begun, mut also) = step.map_err(refused)?;
        also.push(approved.unchanged);
        let entry = |event| self.entry(here, event).detail("approval", question.id.as_str());
        let (tenant, person) = (here.certificate.tenant(), here.certificate.person_id());
        let done = match &change {
            Change::Rename { phone, old, name } => {
                let entry = entry(Event::PhoneRenamed).detail("from", old).detail("to", name);
                let entry = entry.detail("phone", phone.as_str());
                self.handsets.rename((tenant, person, phone), name, entry, also).await
            }
            Change::Remove { phone, .. } => {
                let entry = entry(Event::PhoneRemoved).detail("phone", phone.as_str());
                let entry = entry.detail("by", RemovedBy::Owner.as_str());
                let removed =
                    self.handsets.remove(&here.visit.tenant, (person, phone), RemovedBy::Owner, entry, also);
                removed.await.map(drop)
            }
            Change::Pair { replaces } => {
                let replaces = replaces.as_ref().map(|(id, _)| id.clone());
                return self.may_pair(here, question, replaces, begun, entry(Event::PhoneAgreed), also).await;
            }
            Change::Agreed(_) => return Ok(see_other(PAIR)),
        };
        match done {
            Ok(()) => Ok(with_cookie(see_other(PHONES), &begun)),
            Err(NotChanged::Last) => Ok(self.phones(here, LAST)),
            Err(NotChanged::Gone) => Ok(see_other(PHONES)),
            Err(NotChanged::Record(error)) => Err(refused(error)),
        }
    }

    async fn may_pair(
        &self,
        here: &Here<'_>,
        question: &Question,
        replaces: Option<PhoneId>,
        begun: Begun,
        entry: Entry,
        also: Vec<Write>,
    ) -> Answer {
        self.parts.ledger.record(entry, also).await.map_err(|error: RecordError| refused(error))?;
        let until = here.visit.now.plus(KEPT);
        let agreed = Agreed { approval: question.id.clone(), replaces, until };
        self.changes.put(&begun.session.token, here.visit.now, until, Change::Agreed(agreed));
        Ok(with_cookie(see_other(PAIR), &begun))
    }

    fn own_phones(&self, here: &Here<'_>) -> Vec<std::sync::Arc<Phone>> {
        self.parts.view.phones(here.certificate.tenant(), here.certificate.person_id())
    }

    fn own_phone(&self, here: &Here<'_>, which: &str) -> Result<std::sync::Arc<Phone>, Reason> {
        self.own_phones(here).into_iter().find(|it| it.id.as_str() == which).ok_or(Reason::NotFound)
    }

    pub(super) fn entry(&self, here: &Here<'_>, event: Event) -> Entry {
        let one = here.certificate;
        Entry::new(here.actor(), event)
            .tenant(one.tenant())
            .whom(format!("person:{}/{}", one.tenant(), one.person_id()))
            .whence(here.visit.address)
            .detail("device", one.device_id().as_str())
    }
}

fn waiting<'a>(here: &'a Here<'_>) -> Waiting<'a> {
    let way = Way { again: AGAIN, cancel: CANCEL, events: EVENTS };
    let (certificate, token) = (here.certificate, here.session.token());
    Waiting { visit: here.visit, certificate, token, csrf: &here.csrf, way }
}

const LAST: &str = "This is your only phone, so it cannot be removed here: nobody could answer any more. Pair another one \
                    first. If you have lost it, sign out, sign in again and choose “I do not have my phone”, or call us.";

/// Where the phones are.
pub(super) const PHONES: &str = "/.portcullis/settings/phones/";
/// Where the square is.
pub(super) const PAIR: &str = "/.portcullis/settings/phones/pair/";
const CHANGE: &str = "/.portcullis/settings/phones/change/";
const AGAIN: &str = "/.portcullis/settings/phones/change/again";
const CANCEL: &str = "/.portcullis/settings/phones/change/cancel";
pub(super) const EVENTS: &str = "/.portcullis/settings/phones/change/events";

/// Until the phone has answered, and for a square or two afterwards.
const KEPT: Duration = Duration::from_secs(10 * 60);
