//! What each form of signing in does, once it is known to come from our page: prove, count, go one
//! step on. Knows no page.

use std::sync::Arc;
use std::time::Duration;

use crate::audit::{Entry, Event, Ledger, Outcome, RecordError};
use crate::auth::evidence::{ProvedCertificate, ProvedSession};
use crate::auth::password::{NotSet, Password, Passwords, Unfit};
use crate::auth::recovery::Recovery;
use crate::auth::session::{Begun, Proof, Sessions};
use crate::auth::throttle::{Subject, Throttles};
use crate::domain::certificate::{Certificate, CertificateState, LastUse};
use crate::domain::device::{Device, DeviceState};
use crate::domain::person::{Person, Standing};
use crate::domain::session::Session;
use crate::domain::tenant::Tenant;
use crate::domain::throttle::Guarded;
use crate::domain::{Reason, Secret, Time};
use crate::enrolment::first_visit::actor;
use crate::notify::{self, About};
use crate::store::table::{self, Stored};
use crate::store::{Revision, Write};
use crate::world::World;

/// The parts that the steps work with.
pub(crate) struct Steps {
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) passwords: Arc<Passwords>,
    pub(crate) throttles: Arc<Throttles>,
    pub(crate) recovery: Arc<Recovery>,
    pub(crate) world: World,
}

/// Who takes a step, where from.
pub(crate) struct Walker<'a> {
    pub(crate) tenant: &'a Tenant,
    pub(crate) certificate: &'a ProvedCertificate,
    pub(crate) session: &'a ProvedSession,
    pub(crate) address: std::net::IpAddr,
}

impl Walker<'_> {
    fn entry(&self, event: Event) -> Entry {
        Entry::new(actor(self.certificate.tenant(), self.certificate.person_id()), event)
            .tenant(self.certificate.tenant())
            .whom(self.certificate.device_id().as_str())
            .whence(self.address.to_string())
    }
}

impl Steps {
    /// The password record of a person.
    pub(crate) async fn password_of(&self, of: &ProvedCertificate) -> Result<Option<Password>, Reason> {
        let key = table::password(of.tenant(), of.person_id());
        let read = table::get::<Password>(&**self.ledger.store(), &key).await;
        Ok(read.map_err(|_| Reason::Internal)?.map(|read| read.record))
    }

    /// Checks the password. `None`: it was wrong, and counted.
    pub(crate) async fn password(&self, who: &Walker<'_>, typed: &Secret) -> Result<Option<Begun>, Reason> {
        let subjects = vec![
            Subject::Person(who.certificate.person_id().clone()),
            Subject::Device(who.certificate.device_id().clone()),
            Subject::Address(who.address),
        ];
        let (tenant, guarded) = (&who.tenant.id, Guarded::SignIn);
        let counted = self.throttles.attempt(tenant, guarded, subjects.clone()).await?;
        let stored = self.password_of(who.certificate).await?;
        let right = match self.passwords.verify(stored.as_ref(), typed).await {
            Ok(right) => right,
            Err(busy) => {
                for subject in &subjects {
                    self.throttles.ease(tenant, guarded, subject).await;
                }
                return Err(busy);
            }
        };
        if !right {
            let entry =
                who.entry(Event::PasswordWrong).outcome(Outcome::Refused("wrong password".to_owned()));
            self.ledger.record(entry, vec![]).await.map_err(refused)?;
            return Ok(None);
        }
        let entry = who.entry(Event::PasswordRight);
        let begun = self.advance(who, &[Proof::Password], entry, counted.succeeded()).await?;
        self.throttles.ease(tenant, guarded, &Subject::Address(who.address)).await;
        Ok(Some(begun))
    }

    /// Sets the first password, and makes the recovery codes that the browser shows next.
    pub(crate) async fn choose_password(
        &self,
        who: &Walker<'_>,
        typed: &Secret,
    ) -> Result<Result<Begun, Unfit>, Reason> {
        let person = who.certificate.person();
        let mut forbidden: Vec<&str> = vec![&who.tenant.name, "portcullis"];
        forbidden.extend(person.name.split_whitespace());
        forbidden.extend(person.emails.iter().flat_map(|email| email.split(['@', '.'])));
        let made = self.passwords.make(&who.tenant.id, &person.id, None, typed, &forbidden).await;
        let made = match made {
            Ok(made) => made,
            Err(NotSet::Unfit(unfit)) => return Ok(Err(unfit)),
            Err(NotSet::Refused(reason)) => return Err(reason),
        };
        // Replacing a password is recovery, never enrolment: it must not be there yet.
        let mut writes = vec![table::create(&made)];
        writes.extend(notify::queue(&self.world, who.tenant, person, About::PasswordSet));
        let mut entry = who.entry(Event::PasswordSet);
        // With the phone, which was paired just now, come the codes that stand in for it.
        let has_codes = self.recovery.of(&who.tenant.id, &person.id).await?.is_some();
        let sheet = if who.session.session().phone.is_some() && !has_codes {
            let (codes, sheet) = self.recovery.make(&who.tenant.id, &person.id);
            entry = entry.detail("recovery_codes", codes.codes.len().to_string());
            writes.push(table::create(&codes));
            let about = About::RecoveryCodesMade { anew: false };
            writes.extend(notify::queue(&self.world, who.tenant, person, about));
            Some(sheet)
        } else {
            None
        };
        let begun = self.advance(who, &[Proof::Password], entry, writes).await?;
        if let Some(sheet) = sheet {
            self.recovery.show(&begun.session.token, sheet);
        }
        Ok(Ok(begun))
    }

    /// A new session token after a proof; the device and the person become active with the last one.
    pub(crate) async fn advance(
        &self,
        who: &Walker<'_>,
        proofs: &[Proof],
        mut entry: Entry,
        mut writes: Vec<Write>,
    ) -> Result<Begun, Reason> {
        let (begun, step, notes) = self.stepped(who, proofs).await?;
        writes.extend(step);
        for (name, value) in notes {
            entry = entry.detail(name, value);
        }
        self.ledger.record(entry, writes).await.map_err(refused)?;
        Ok(begun)
    }

    /// The session after these proofs, what else comes with the last of them, and what the trail is told of it.
    pub(super) async fn stepped(
        &self,
        who: &Walker<'_>,
        proofs: &[Proof],
    ) -> Result<(Begun, Vec<Write>, Vec<(String, String)>), Reason> {
        let (begun, mut writes) =
            self.sessions.step(who.session.token(), proofs, who.tenant).await.map_err(refused)?;
        let mut notes = Vec::new();
        if begun.session.password.is_some() && begun.session.phone.is_some() {
            let now = self.world.now();
            let grace = Duration::from_secs(who.tenant.certificates.supersede_grace_secs);
            writes.push(table::put(&LastUse { serial: begun.session.serial.clone(), at: now }));
            writes.extend(self.activate(&begun.session).await?);
            if let Some((newest, older)) = self.older_certificates(&begun.session).await? {
                let at = now.plus(grace);
                for old in &older {
                    notes.push((format!("superseded {}", old.record.serial), at.to_string()));
                    let state = CertificateState::Superseded { at };
                    writes.push(table::replace(old, &Certificate { state, ..old.record.clone() }));
                }
                // One that is switched off at this moment takes nobody's place.
                writes.push(table::unchanged(&newest));
                let device = who.certificate.device().name.clone();
                let about = About::CertificateSuperseded { device, at };
                writes.extend(notify::queue(&self.world, who.tenant, who.certificate.person(), about));
            }
        }
        Ok((begun, writes, notes))
    }

    /// The session's next step after a pairing, to commit with the phone's record.
    pub(crate) async fn with_phone(&self, who: &Walker<'_>) -> Result<(Begun, Vec<Write>), Reason> {
        let (begun, mut writes) =
            self.sessions.step(who.session.token(), &[Proof::Phone], who.tenant).await.map_err(refused)?;
        let about = About::PhonePaired { phone: "A phone".to_owned() };
        writes.extend(notify::queue(&self.world, who.tenant, who.certificate.person(), about));
        Ok((begun, writes))
    }

    async fn activate(&self, session: &Session) -> Result<Vec<Write>, Reason> {
        let store = &**self.ledger.store();
        let mut writes = Vec::new();
        let key = table::device(&session.tenant, &session.person, &session.device);
        let device = table::get::<Device>(store, &key).await.map_err(|_| Reason::Internal)?;
        if let Some(read) = device.filter(|read| read.record.state == DeviceState::Released) {
            let active = Device { state: DeviceState::Active, ..read.record.clone() };
            writes.push(table::replace(&read, &active));
        }
        let key = table::person(&session.tenant, &session.person);
        let person = table::get::<Person>(store, &key).await.map_err(|_| Reason::Internal)?;
        if let Some(read) = person.filter(|read| read.record.standing == Standing::Invited) {
            let active = Person { standing: Standing::Active, ..read.record.clone() };
            writes.push(table::replace(&read, &active));
        }
        Ok(writes)
    }

    /// The certificate that has now signed in, and those that the device had before it, whose place it takes.
    /// None where it takes no place: the old one retires nothing, and neither does one that was itself
    /// replaced and lives on for a while.
    async fn older_certificates(&self, session: &Session) -> Result<Option<Superseding>, Reason> {
        let (store, view) = (&**self.ledger.store(), self.ledger.view());
        let mut active = Vec::new();
        for one in view.certificates_of(&session.tenant, &session.device) {
            let read = table::get::<Certificate>(store, &table::certificate(&one.serial)).await;
            let read = read.map_err(|_| Reason::Internal)?;
            active.extend(read.filter(|read| read.record.state == CertificateState::Active));
        }
        let own = active.iter().position(|read| read.record.serial == session.serial);
        let Some(newest) = own.map(|at| active.swap_remove(at)) else { return Ok(None) };
        active.retain(|read| age(read) < age(&newest));
        Ok((!active.is_empty()).then_some((newest, active)))
    }
}

/// What takes a place, and those whose place it takes.
type Superseding = (Stored<Certificate>, Vec<Stored<Certificate>>);

/// Which of two certificates was made first. Dates have whole seconds; of two made in the same one, the record
/// tells: while it is active, nobody has written it again.
fn age(read: &Stored<Certificate>) -> (Time, Revision) {
    (read.record.not_before, read.revision)
}

pub(crate) fn refused(error: RecordError) -> Reason {
    match error {
        RecordError::Conflict => Reason::BadRequest("this moved on meanwhile; load the page again"),
        RecordError::Store(_) => Reason::Internal,
    }
}
