//! What each step of a renewal does, once it is known to come from our page or a program: count, prove, go one
//! step on. Knows no page.

use std::time::Duration;

use super::{Here, Question, RenewalRoom, Stage, refused};
use crate::audit::{Entry, Event, Outcome};
use crate::auth::password::Password;
use crate::auth::phone::approvals::{AskError, Asking, Standing, Waiter};
use crate::auth::throttle::Subject;
use crate::domain::approval::{Purpose, Shown};
use crate::domain::enrolment::{EnrolmentKind, EnrolmentState};
use crate::domain::renewal::{PhoneSaidYes, Renewal, RenewalWay};
use crate::domain::throttle::Guarded;
use crate::domain::{Reason, Secret};
use crate::enrolment::first_visit::{Caller, Screen, actor};
use crate::store::table;

/// A token just made: the cookie goes to the browser and nowhere else.
pub(super) struct Begun {
    pub(super) set_cookie: Secret,
}

/// How the question to the phone stands.
pub(super) enum Phone {
    /// It waits.
    Waiting(Question),
    /// It approved, and the renewal went on.
    Next(Begun),
    /// "Not me".
    Denied,
    /// It ended without a right answer.
    Ended(Standing),
}

impl RenewalRoom {
    /// What comes next.
    pub(super) async fn stage(&self, here: &Here<'_>) -> Result<Stage, Reason> {
        let renewal = &here.renewal.record;
        let released = renewal.released_by.is_some() || self.released(here).await?.is_some();
        Ok(if self.release_needed(here) && !released {
            Stage::Call
        } else if renewal.password.is_none() {
            Stage::Password
        } else if renewal.phone.is_none() {
            Stage::Phone
        } else {
            Stage::Certificate
        })
    }

    /// Whether the desk has a say: never where the certificate itself was shown.
    pub(super) fn release_needed(&self, here: &Here<'_>) -> bool {
        let tenant = &here.visit.tenant;
        here.renewal.record.way == RenewalWay::Asked
            && self.parts.policy.release_needed(&tenant.id, tenant.certificates.expired_needs_release)
    }

    /// Who released this very browser.
    async fn released(&self, here: &Here<'_>) -> Result<Option<String>, Reason> {
        if here.renewal.record.way == RenewalWay::Shown {
            return Ok(None);
        }
        let found = self.parts.first_visits.of_session(caller(here), &here.renewal.record.token).await?;
        Ok(found.and_then(|read| match read.record.state {
            EnrolmentState::Released { by } => Some(by),
            _ => None,
        }))
    }

    /// The code, or what it led to.
    pub(super) async fn code(&self, here: &Here<'_>, renew: bool) -> Result<Screen, Reason> {
        let (visit, token) = (here.visit, &here.renewal.record.token);
        let address = visit.address.to_string();
        self.parts.first_visits.screen(caller(here), token, &visit.browser, &address, renew).await
    }

    pub(super) async fn choose_word(&self, here: &Here<'_>, word: Option<&str>) -> Result<(), Reason> {
        let (token, address) = (&here.renewal.record.token, here.visit.address.to_string());
        self.parts.first_visits.choose_word(caller(here), token, word, &address).await
    }

    /// Checks the password. `None`: it was wrong, and counted. Who shows the certificate shares the owner's
    /// counters; who shows nothing has those of a stranger.
    pub(super) async fn password(&self, here: &Here<'_>, typed: &Secret) -> Result<Option<Begun>, Reason> {
        let renewal = &here.renewal.record;
        let from = Subject::Address(here.visit.address);
        let subjects = match renewal.way {
            RenewalWay::Shown => {
                vec![Subject::Person(renewal.person.clone()), Subject::Device(renewal.device.clone()), from]
            }
            RenewalWay::Asked => vec![Subject::Stranger(renewal.person.clone()), from],
        };
        let (tenant, guarded) = (&renewal.tenant, Guarded::SignIn);
        let counted = self.parts.throttles.attempt(tenant, guarded, subjects.clone()).await?;
        let key = table::password(tenant, &renewal.person);
        let stored = table::get::<Password>(&**self.parts.ledger.store(), &key).await;
        let stored = stored.map_err(|_| Reason::Internal)?.map(|read| read.record);
        let right = match self.parts.passwords.verify(stored.as_ref(), typed).await {
            Ok(right) => right,
            Err(busy) => {
                for subject in &subjects {
                    self.parts.throttles.ease(tenant, guarded, subject).await;
                }
                return Err(busy);
            }
        };
        if !right {
            let wrong = Outcome::Refused("wrong password".to_owned());
            let entry = self.entry(here, Event::PasswordWrong).outcome(wrong);
            self.parts.ledger.record(entry, vec![]).await.map_err(refused)?;
            return Ok(None);
        }
        let released_by = self.released(here).await?;
        let password = Some(self.parts.world.now());
        let next = Renewal { password, released_by, ..renewal.clone() };
        let entry = self.entry(here, Event::PasswordRight);
        let begun = self.advance(here, next, entry, counted.succeeded()).await?;
        self.parts.throttles.ease(tenant, guarded, &Subject::Address(here.visit.address)).await;
        Ok(Some(begun))
    }

    /// Asks every phone of the person.
    pub(super) async fn ask_phone(&self, here: &Here<'_>) -> Result<Question, Reason> {
        let (visit, renewal, view) = (here.visit, &here.renewal.record, &self.parts.view);
        let person = view.person(&renewal.tenant, &renewal.person).ok_or(Reason::UnknownDevice)?;
        let device = view.device(&renewal.tenant, &renewal.person, &renewal.device);
        let device = device.ok_or(Reason::UnknownDevice)?;
        if view.phones(&renewal.tenant, &renewal.person).is_empty() {
            let ended = view.certificate(&renewal.serial).ok_or(Reason::UnknownDevice)?;
            return Err(Reason::CertificateExpired { on: ended.not_after, renews: false });
        }
        let asking = Asking {
            tenant: renewal.tenant.clone(),
            person: renewal.person.clone(),
            device: renewal.device.clone(),
            fingerprint: renewal.fingerprint,
            session: renewal.token,
            purpose: Purpose::RenewExpired,
            shown: Shown {
                site: visit.tenant.name.clone(),
                host: visit.host.clone(),
                person: person.name.clone(),
                device: device.name.clone(),
                browser: visit.browser.clone(),
                address: visit.address.to_string(),
                place: String::new(),
                reason: Purpose::RenewExpired.reason().to_owned(),
                rows: Vec::new(),
            },
            bound: None,
            from: visit.address,
        };
        let (approval, digits) = self.parts.approvals.ask(asking).await.map_err(|error| match error {
            AskError::TooMany { until } => Reason::TooMany { until },
            AskError::Blocked => Reason::PhoneBlocked,
            AskError::Busy => Reason::Busy,
            AskError::Store(_) => Reason::Internal,
        })?;
        let question = Question { id: approval.id, digits, asked: approval.created, until: approval.expires };
        // Kept past its end, so that it can be said how it ended.
        let until = approval.expires.plus(ENDED_SHOWN);
        self.questions.put(&renewal.token, visit.now, until, question.clone());
        Ok(question)
    }

    /// How the phone's answer stands; asks where nothing was asked, takes it up where it approved.
    pub(super) async fn phone(&self, here: &Here<'_>) -> Result<Phone, Reason> {
        let renewal = &here.renewal.record;
        let Some(question) = self.questions.get(&renewal.token, here.visit.now) else {
            let question = self.ask_phone(here).await?;
            return Ok(Phone::Waiting(question));
        };
        let standing = self.parts.approvals.state(&renewal.tenant, &renewal.person, &question.id).await;
        Ok(match standing.map_err(|_| Reason::Internal)? {
            Standing::Waiting => Phone::Waiting(question),
            Standing::Approved => match self.take_up(here, &question).await? {
                Some(begun) => Phone::Next(begun),
                None => Phone::Ended(Standing::Expired),
            },
            Standing::Denied => Phone::Denied,
            ended => Phone::Ended(ended),
        })
    }

    async fn take_up(&self, here: &Here<'_>, question: &Question) -> Result<Option<Begun>, Reason> {
        let renewal = &here.renewal.record;
        let Renewal { tenant, person, device, fingerprint, token, .. } = renewal;
        let waiter = Waiter { tenant, person, device, fingerprint, token };
        let approved = self.parts.approvals.approved_for(&waiter, &question.id).await;
        let approved = approved.map_err(|_| Reason::Internal)?;
        let Some(approved) = approved.filter(|one| one.purpose == Purpose::RenewExpired) else {
            return Ok(None);
        };
        let now = self.parts.world.now();
        let phone = Some(PhoneSaidYes { approval: question.id.clone(), at: now });
        let next = Renewal { phone, expires: now.plus(Renewal::MADE_WITHIN), ..renewal.clone() };
        let entry = self.entry(here, Event::RenewalStepped).detail("approval", question.id.as_str());
        self.advance(here, next, entry, vec![approved.unchanged]).await.map(Some)
    }

    /// A new token after a proof; the old one is dead in the same commit (ASVS 7.2.4).
    async fn advance(
        &self,
        here: &Here<'_>,
        next: Renewal,
        entry: Entry,
        mut writes: Vec<crate::store::Write>,
    ) -> Result<Begun, Reason> {
        let (token, set_cookie) = self.new_token();
        writes.push(table::consume(here.renewal));
        writes.push(table::create(&Renewal { token, ..next }));
        self.parts.ledger.record(entry, writes).await.map_err(refused)?;
        Ok(Begun { set_cookie })
    }

    /// Ends it.
    pub(super) async fn give_up(&self, here: &Here<'_>) -> Result<(), Reason> {
        self.questions.forget(&here.renewal.record.token);
        let entry = self.entry(here, Event::RenewalGivenUp);
        self.parts.ledger.record(entry, vec![table::consume(here.renewal)]).await.map_err(refused).map(drop)
    }

    pub(super) fn entry(&self, here: &Here<'_>, event: Event) -> Entry {
        let renewal = &here.renewal.record;
        // Who shows nothing is nobody until the password was right.
        let who = match (renewal.way, renewal.password, event) {
            (RenewalWay::Asked, None, Event::PasswordRight) | (RenewalWay::Shown, _, _) | (_, Some(_), _) => {
                actor(&renewal.tenant, &renewal.person)
            }
            (RenewalWay::Asked, None, _) => "stranger".to_owned(),
        };
        Entry::new(who, event)
            .tenant(&renewal.tenant)
            .whom(renewal.device.as_str())
            .whence(here.visit.address)
            .detail("for", EnrolmentKind::Expired.as_str())
    }
}

pub(super) fn caller<'a>(here: &'a Here<'_>) -> Caller<'a> {
    let Renewal { tenant, person, device, .. } = &here.renewal.record;
    Caller { tenant, person, device, kind: EnrolmentKind::Expired }
}

pub(super) const WRONG_PASSWORD: &str =
    "That was not right. Please try again; after five tries in a row only our support can open it again.";

/// How an answered question ended is still told this long after.
const ENDED_SHOWN: Duration = Duration::from_secs(600);
