//! Switching off at the desk: a certificate, a device, all of a person, all of a site. What falls stands on the
//! page, as the dry run found it; a name is typed; and a whole site falls only by who has just signed in.

use std::sync::Arc;
use std::time::Duration;

use super::codes::ids;
use super::command::revoke::{Revoke, Which};
use super::command::which::{WhichDevice, WhichPerson};
use super::command::{Command, certificate};
use super::doings::{TYPE_THE_NAME, may, status, told};
use super::{Answer, Console, Here};
use crate::domain::certificate::RevocationReason;
use crate::domain::{DeviceId, PersonId, Reason, TenantId, Time};
use crate::enrolment::revocation::{Falls, Revocation, Scope};
use crate::policy::Permit;
use crate::web::form::Form;
use crate::web::page::see_other;
use crate::web::pages::Page as _;
use crate::web::pages::desk::{Confirm, Tone};

/// What is to fall, found and named.
pub(super) struct Falling {
    scope: Scope,
    which: Which,
    /// Whose it is; none where it is a whole site's.
    owner: Option<(TenantId, PersonId)>,
    title: String,
    name: String,
    at: String,
    back: String,
}

impl Console {
    /// The certificate of this serial number.
    pub(super) fn falling_certificate(&self, serial: &str) -> Result<Falling, Reason> {
        let one = self.acts.view.certificate(serial).ok_or(Reason::NotFound)?;
        let person = self.acts.view.person(&one.tenant, &one.person).ok_or(Reason::NotFound)?;
        let device = self.acts.view.device(&one.tenant, &one.person, &one.device).ok_or(Reason::NotFound)?;
        Ok(Falling {
            scope: Scope::Certificate(one.serial.clone()),
            which: Which::Serial(one.serial.clone()),
            title: format!("Switch off a certificate of {}, {}", person.name, device.name),
            name: device.name.clone(),
            at: format!("/certificates/{}/revoke", one.serial),
            back: format!("/certificates/{}", one.serial),
            owner: Some((one.tenant.clone(), one.person.clone())),
        })
    }

    /// This device.
    pub(super) fn falling_device(&self, (whose, who, which): (&str, &str, &str)) -> Result<Falling, Reason> {
        let (tenant, person) = ids(whose, who)?;
        let id = DeviceId::parse(which).map_err(|_| Reason::NotFound)?;
        let one = self.acts.view.person(&tenant, &person).ok_or(Reason::NotFound)?;
        let device = self.acts.view.device(&tenant, &person, &id).ok_or(Reason::NotFound)?;
        let of = WhichPerson { tenant: tenant.clone(), person: person.clone() };
        Ok(Falling {
            scope: Scope::Device(tenant.clone(), person.clone(), id.clone()),
            which: Which::Device(WhichDevice { person: of, device: id.to_string() }),
            title: format!("Switch off {} of {}", device.name, one.name),
            name: device.name.clone(),
            at: format!("/devices/{tenant}/{person}/{id}/revoke"),
            back: format!("/people/{tenant}/{person}"),
            owner: Some((tenant, person)),
        })
    }

    /// Every device of this person.
    pub(super) fn falling_person(&self, (whose, who): (&str, &str)) -> Result<Falling, Reason> {
        let (tenant, person) = ids(whose, who)?;
        let one = self.acts.view.person(&tenant, &person).ok_or(Reason::NotFound)?;
        Ok(Falling {
            scope: Scope::Person(tenant.clone(), person.clone()),
            which: Which::Person(WhichPerson { tenant: tenant.clone(), person: person.clone() }),
            title: format!("Switch off every device of {}", one.name),
            name: one.name.clone(),
            at: format!("/devices/{tenant}/{person}/revoke"),
            back: format!("/people/{tenant}/{person}"),
            owner: Some((tenant, person)),
        })
    }

    /// Every device of this site.
    pub(super) fn falling_tenant(&self, whose: &str) -> Result<Falling, Reason> {
        let id = TenantId::parse(whose).map_err(|_| Reason::NotFound)?;
        let tenant = self.acts.view.tenant(&id).ok_or(Reason::NotFound)?;
        Ok(Falling {
            scope: Scope::Tenant(id.clone()),
            which: Which::Tenant(id.clone()),
            title: format!("Switch off every device of {}", tenant.name),
            name: tenant.name.clone(),
            at: format!("/tenants/{id}/revoke"),
            back: "/tenants/".to_owned(),
            owner: None,
        })
    }

    /// The page before it falls.
    pub(super) async fn ask_revoke(&self, here: &Here<'_>, falling: &Falling, refused: &str) -> Answer {
        let revocation = Revocation::new(Arc::clone(&self.acts.ledger), self.acts.world.clone());
        let falls = revocation.falls(&falling.scope).await.map_err(|_| Reason::Internal)?;
        let mut too = None;
        if let Scope::Certificate(serial) = &falling.scope {
            let with_key =
                revocation.falls(&Scope::Key(serial.clone())).await.map_err(|_| Reason::Internal)?;
            too = line_of_key(with_key.certificates().saturating_sub(falls.certificates()));
        }
        if falls.is_empty() && too.is_none() {
            let text = "What was switched off stays switched off, with the day and the reason of then.";
            let onward = ("Back", falling.back.as_str());
            return Ok(self.outcome(here, Tone::Plain, "It is switched off already", text, onward));
        }
        let reasons = RevocationReason::ALL
            .map(|reason| (reason.as_str().to_owned(), reason.as_str().replace('-', " ")));
        Ok(Confirm {
            desk: self.desk(here, if falling.owner.is_some() { "/people/" } else { "/tenants/" }),
            title: falling.title.clone(),
            falls: lines(&falls).into_iter().chain(too).collect(),
            name: falling.name.clone(),
            reasons: reasons.to_vec(),
            refused: refused.to_owned(),
            button: "Switch off".to_owned(),
            action: falling.at.clone(),
            back: falling.back.clone(),
        }
        .response(status(refused)))
    }

    pub(super) async fn revoke(&self, here: &Here<'_>, falling: &Falling, form: &Form) -> Answer {
        match &falling.owner {
            Some((tenant, person)) => may(here.person, tenant, person)?,
            None => may_all(&falling.scope)?,
        }
        if falling.owner.is_none() && !just_signed_in(here.permit, here.visit.now) {
            return self.ask_revoke(here, falling, SIGN_IN_AGAIN).await;
        }
        if form.text("name") != falling.name {
            return self.ask_revoke(here, falling, TYPE_THE_NAME).await;
        }
        let reason = RevocationReason::parse(form.text("reason")).unwrap_or(RevocationReason::Unspecified);
        let revoke = Revoke { which: falling.which.clone(), reason, dry_run: false, yes: true };
        let command = Command::Certificate(certificate::Command::Revoke(revoke));
        match self.acts.run(&self.agent(here).actor, command).await {
            Ok(_) => Ok(see_other(&falling.back)),
            Err(error) => self.ask_revoke(here, falling, &told(error)?).await,
        }
    }
}

/// All of a site is more than a stolen session may do: the phone must have approved within minutes, or the
/// password been typed where the desk's rule asks for no phone. Who is somewhere without a session has no such proof.
pub(super) fn just_signed_in(permit: &Permit, now: Time) -> bool {
    let session = permit.session().map(|session| session.session());
    let proved = session.and_then(|session| session.phone.or(session.password));
    proved.is_some_and(|at| now.since(at) < JUST_SIGNED_IN)
}

/// All of the staff are those who stand at the desk: nobody acts on themselves, nor on all.
pub(super) fn may_all(scope: &Scope) -> Result<(), Reason> {
    match scope {
        Scope::Tenant(tenant) if tenant.is_staff() => Err(Reason::PolicyDenied { rule: None }),
        _ => Ok(()),
    }
}

/// "1 certificate stops working, for good." and what else.
fn lines(falls: &Falls) -> Vec<String> {
    let some = |number: usize, one: &str, more: &str| match number {
        0 => None,
        1 => Some(format!("1 {one}")),
        _ => Some(format!("{number} {more}")),
    };
    [
        some(
            falls.certificates(),
            "certificate stops working, for good.",
            "certificates stop working, for good.",
        ),
        some(
            falls.sessions(),
            "session ends now, and every connection with it.",
            "sessions end now, and every connection with them.",
        ),
        some(falls.retired(), "device cannot be used again.", "devices cannot be used again."),
        some(falls.people(), "person is told by e-mail.", "people are told by e-mail."),
        some(
            falls.already,
            "certificate was switched off before: its day and reason stay.",
            "certificates were switched off before: their day and reason stay.",
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What has the same key or came by it, which the reason decides about.
fn line_of_key(more: usize) -> Option<String> {
    let words = match more {
        0 => return None,
        1 => "1 other certificate has its key, or was renewed with it: it falls".to_owned(),
        _ => format!("{more} other certificates have its key, or were renewed with it: they fall"),
    };
    Some(format!("{words} too where the reason is key compromise."))
}

const JUST_SIGNED_IN: Duration = Duration::from_secs(5 * 60);

const SIGN_IN_AGAIN: &str =
    "This switches off a whole site. Sign out, sign in again, and do it within five minutes.";
