//! The first visit, up to the release: a code on the client's screen, read out on the telephone,
//! typed by an agent, who then says a word that the client must find on the screen. The renewal of a certificate
//! that ended goes the same way where nothing is shown but an e-mail address.
//!
//! The code proves only that the caller sees that screen; who the caller is, the agent establishes.
//! The word is no defence against somebody who relays the call live.

mod desk;
mod second;

use std::sync::Arc;
use std::time::Duration;

use crate::audit::{Entry, Event, Ledger, RecordError};
use crate::auth::evidence::ProvedCertificate;
use crate::auth::on_screen::OnScreen;
use crate::auth::throttle::{Subject, Throttles};
use crate::crypto::{self, Pepper};
use crate::domain::device::{Device, DeviceState};
use crate::domain::enrolment::{EndedWhy, Enrolment, EnrolmentKind, EnrolmentState};
use crate::domain::session::TokenHash;
use crate::domain::throttle::Guarded;
use crate::domain::{DeviceId, PersonId, Reason, Secret, TenantId, Time};
use crate::store::Write;
use crate::store::table::{self, Stored};
use crate::store::view::View;
use crate::world::World;

pub use desk::{Agent, DeskRefusal, Found, let_in};

/// First visits, from the first code to the release.
pub struct FirstVisits {
    ledger: Arc<Ledger>,
    view: Arc<View>,
    world: World,
    pepper: Arc<Pepper>,
    throttles: Arc<Throttles>,
    shown: OnScreen<(Time, Secret)>,
}

/// What the client's page shows.
#[derive(Debug)]
pub enum Screen {
    /// A code to read out.
    Code {
        /// Six digits.
        digits: Secret,
        /// They are void after this.
        expires: Time,
        /// The same certificate came from another browser before.
        other_browser: bool,
        /// Made just now: a page that waits for what becomes of it is loaded anew first.
        fresh: bool,
    },
    /// The code was right: which word did the agent say?
    Word {
        /// Three to choose from.
        words: [String; 3],
        /// Number of the visit, as the desk sees it.
        number: String,
    },
    /// The word was right; the agent decides. Number of the visit.
    Deciding(String),
    /// The agent agreed, and a second one must. Number of the visit.
    Second(String),
    /// Let in.
    Released,
    /// Turned away, or ended. Number of the visit.
    Ended(EndedWhy, String),
}

/// Who waits for the desk, and for what.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    /// Whose tenant.
    pub tenant: &'a TenantId,
    /// Who, as far as is known.
    pub person: &'a PersonId,
    /// For which device.
    pub device: &'a DeviceId,
    /// For what.
    pub kind: EnrolmentKind,
}

impl<'a> From<&'a ProvedCertificate> for Caller<'a> {
    fn from(proved: &'a ProvedCertificate) -> Self {
        let (tenant, person, device) = (proved.tenant(), proved.person_id(), proved.device_id());
        Self { tenant, person, device, kind: EnrolmentKind::FirstVisit }
    }
}

impl Caller<'_> {
    /// As the audit trail names them: who shows nothing may be anybody.
    fn actor(&self) -> String {
        match self.kind {
            EnrolmentKind::FirstVisit | EnrolmentKind::LostPhone => actor(self.tenant, self.person),
            EnrolmentKind::Expired => "stranger".to_owned(),
        }
    }
}

impl FirstVisits {
    /// Over the house's ledger.
    #[must_use]
    pub fn new(
        ledger: Arc<Ledger>,
        view: Arc<View>,
        world: World,
        pepper: Arc<Pepper>,
        throttles: Arc<Throttles>,
    ) -> Self {
        Self { ledger, view, world, pepper, throttles, shown: OnScreen::default() }
    }

    /// The enrolment of a browser session, as it stands.
    ///
    /// # Errors
    /// [`Reason::Internal`] where the store does not answer.
    pub async fn of_session(
        &self,
        caller: impl Into<Caller<'_>>,
        session: &TokenHash,
    ) -> Result<Option<Stored<Enrolment>>, Reason> {
        let caller = caller.into();
        let prefix = table::enrolments_of_device(caller.tenant, caller.person, caller.device);
        let all = table::list::<Enrolment>(&**self.ledger.store(), &prefix).await;
        let mut all = all.map_err(|_| Reason::Internal)?.into_iter();
        Ok(all.find(|read| read.record.session == *session && read.record.kind == caller.kind))
    }

    /// What the page of this browser shows now; begins an enrolment, or a new code, where one is due.
    ///
    /// # Errors
    /// [`Reason::Blocked`] where too many wrong codes were tried for this device.
    pub async fn screen(
        &self,
        caller: impl Into<Caller<'_>>,
        session: &TokenHash,
        browser: &str,
        address: &str,
        renew: bool,
    ) -> Result<Screen, Reason> {
        let caller = caller.into();
        let found = self.of_session(caller, session).await?;
        let in_time = |enrolment: &Enrolment| enrolment.in_time(self.world.now());
        if let Some(read) = &found {
            let number = || read.record.number.clone();
            match &read.record.state {
                EnrolmentState::CodeRight { .. }
                | EnrolmentState::WordRight { .. }
                | EnrolmentState::AwaitingSecond { .. }
                    if !in_time(&read.record) => {}
                EnrolmentState::Released { .. }
                    if read.record.kind == EnrolmentKind::LostPhone && !in_time(&read.record) => {}
                EnrolmentState::CodeRight { words, .. } => {
                    return Ok(Screen::Word { words: words.clone(), number: number() });
                }
                EnrolmentState::WordRight { .. } => return Ok(Screen::Deciding(number())),
                EnrolmentState::AwaitingSecond { .. } => return Ok(Screen::Second(number())),
                EnrolmentState::Released { .. } => return Ok(Screen::Released),
                EnrolmentState::Ended { why } if !renew => return Ok(Screen::Ended(*why, number())),
                EnrolmentState::Waiting if !renew => {
                    self.not_blocked(caller).await?;
                    if let Some(screen) = self.still_shown(&read.record) {
                        return Ok(screen);
                    }
                }
                EnrolmentState::Waiting | EnrolmentState::Ended { .. } => {}
            }
        }
        self.new_code(caller, session, browser, address, found).await
    }

    fn still_shown(&self, enrolment: &Enrolment) -> Option<Screen> {
        let (expires, digits) = self.shown.get(&enrolment.session, self.world.now())?;
        if expires != enrolment.code_expires {
            return None;
        }
        Some(Screen::Code {
            digits,
            expires: enrolment.code_expires,
            other_browser: enrolment.alarm,
            fresh: false,
        })
    }

    async fn new_code(
        &self,
        caller: Caller<'_>,
        session: &TokenHash,
        browser: &str,
        address: &str,
        found: Option<Stored<Enrolment>>,
    ) -> Result<Screen, Reason> {
        let Caller { tenant, person, device, kind } = caller;
        self.not_blocked(caller).await?;
        let now = self.world.now();
        let all = table::list::<Enrolment>(&**self.ledger.store(), &table::enrolments(tenant, person)).await;
        let all = all.map_err(|_| Reason::Internal)?;
        let (digits, number) = (self.new_digits(&all)?, self.new_number(&all)?);
        let others: Vec<_> = all
            .into_iter()
            .filter(|read| read.record.device == *device && read.record.session != *session)
            .filter(|read| {
                read.record.kind == kind && (kind != EnrolmentKind::Expired || read.record.in_time(now))
            })
            .filter(|read| !matches!(read.record.state, EnrolmentState::Ended { .. }))
            .collect();
        let enrolment = Enrolment {
            tenant: tenant.clone(),
            person: person.clone(),
            device: device.clone(),
            session: *session,
            number: found.as_ref().map_or(number, |read| read.record.number.clone()),
            code_mac: Some(self.code_mac(tenant, device.as_str(), session, digits.expose())),
            code_expires: now.plus(CODE_LIVES),
            browser: browser.to_owned(),
            address: address.to_owned(),
            alarm: !others.is_empty() || found.as_ref().is_some_and(|read| read.record.alarm),
            started: now,
            state: EnrolmentState::Waiting,
            kind,
        };
        let mut writes = vec![match &found {
            Some(read) => table::replace(read, &enrolment),
            None => table::create(&enrolment),
        }];
        // One live code a device: the newest. The desk sees the alarm on it. Who shows nothing ends nobody's code.
        let replaced = others.iter().filter(|_| kind != EnrolmentKind::Expired);
        writes.extend(replaced.map(|read| {
            let why = EndedWhy::Replaced;
            table::replace(
                read,
                &Enrolment { code_mac: None, state: EnrolmentState::Ended { why }, ..read.record.clone() },
            )
        }));
        writes.extend(self.awaiting(caller).await?);
        let replaces = kind != EnrolmentKind::Expired && !others.is_empty();
        let event = if replaces { Event::EnrolmentReplaced } else { Event::CodeShown };
        let entry = Entry::new(caller.actor(), event)
            .tenant(tenant)
            .whom(device.as_str())
            .whence(address)
            .detail("enrolment", &enrolment.number)
            .detail("for", kind.as_str());
        self.ledger.record(entry, writes).await.map_err(refused)?;
        let expires = enrolment.code_expires;
        self.shown.put(session, now, expires, (expires, digits.clone()));
        let other_browser = enrolment.alarm;
        Ok(Screen::Code { digits, expires, other_browser, fresh: true })
    }

    /// The count of wrong tries survives a new code; past it no code is shown, the old one neither.
    async fn not_blocked(&self, caller: Caller<'_>) -> Result<(), Reason> {
        let device = Subject::Device(caller.device.clone());
        match self.throttles.check(caller.tenant, Guarded::Code, &device).await {
            Err(Reason::TooMany { .. }) => Ok(()),
            checked => checked,
        }
    }

    async fn awaiting(&self, caller: Caller<'_>) -> Result<Option<Write>, Reason> {
        let device = self.view.device(caller.tenant, caller.person, caller.device);
        let Some(device) = device.filter(|device| device.state == DeviceState::Issued) else {
            return Ok(None);
        };
        let read = self.device(&device).await?;
        let awaiting = Device { state: DeviceState::AwaitingCode, ..read.record.clone() };
        Ok((read.record.state == DeviceState::Issued).then(|| table::replace(&read, &awaiting)))
    }

    /// The client says which word the agent said; `None` is "none of these". A wrong one ends the
    /// enrolment and alarms the desk.
    ///
    /// # Errors
    /// [`Reason::Internal`]; a word that is not asked for is [`Reason::BadRequest`].
    pub async fn choose_word(
        &self,
        caller: impl Into<Caller<'_>>,
        session: &TokenHash,
        chosen: Option<&str>,
        address: &str,
    ) -> Result<(), Reason> {
        let caller = caller.into();
        let read = self.of_session(caller, session).await?.ok_or(Reason::BadRequest("nothing is asked"))?;
        let EnrolmentState::CodeRight { agent, word, .. } = &read.record.state else {
            return Err(Reason::BadRequest("no word is asked for"));
        };
        if !read.record.in_time(self.world.now()) {
            return Err(Reason::BadRequest("the time for the word is over; load the page again"));
        }
        let right = chosen.is_some_and(|chosen| crypto::same(chosen.as_bytes(), word.as_bytes()));
        let (event, state) = if right {
            (Event::WordRight, EnrolmentState::WordRight { agent: agent.clone(), word: word.clone() })
        } else {
            (Event::WordWrong, EnrolmentState::Ended { why: EndedWhy::WrongWord })
        };
        let entry = self.entry(&caller.actor(), event, &read.record, address);
        let writes = vec![table::replace(&read, &Enrolment { state, ..read.record.clone() })];
        self.ledger.record(entry, writes).await.map_err(refused).map(drop)
    }

    async fn device(&self, device: &Device) -> Result<Stored<Device>, Reason> {
        let key = table::device(&device.tenant, &device.person, &device.id);
        table::get(&**self.ledger.store(), &key).await.ok().flatten().ok_or(Reason::Internal)
    }

    fn entry(&self, who: &str, event: Event, enrolment: &Enrolment, address: &str) -> Entry {
        Entry::new(who, event)
            .tenant(&enrolment.tenant)
            .whom(enrolment.device.as_str())
            .whence(address)
            .detail("enrolment", &enrolment.number)
            .detail("for", enrolment.kind.as_str())
    }

    fn code_mac(&self, tenant: &TenantId, device: &str, session: &TokenHash, digits: &str) -> [u8; 32] {
        let parts: [&[u8]; 4] = [tenant.as_str().as_bytes(), device.as_bytes(), session, digits.as_bytes()];
        self.pepper.mac("enrolment code", &parts)
    }

    fn is_code_of(&self, one: &Enrolment, digits: &str) -> bool {
        let mac = self.code_mac(&one.tenant, one.device.as_str(), &one.session, digits);
        one.code_mac.is_some_and(|kept| crypto::same(&kept, &mac))
    }

    /// Digits that no other screen of this person shows: the desk names the person, not the device.
    fn new_digits(&self, all: &[Stored<Enrolment>]) -> Result<Secret, Reason> {
        let mut drawn = (0..DRAWS_MAX).map(|_| Secret::new(self.world.six_digits()));
        let taken = |digits: &Secret| all.iter().any(|read| self.is_code_of(&read.record, digits.expose()));
        drawn.find(|digits| !taken(digits)).ok_or(Reason::Busy)
    }

    /// A number that no other first visit of this person has.
    fn new_number(&self, all: &[Stored<Enrolment>]) -> Result<String, Reason> {
        let mut drawn = (0..DRAWS_MAX).map(|_| format!("{:05}", self.world.below(100_000)));
        let taken = |number: &String| all.iter().any(|read| read.record.number == *number);
        drawn.find(|number| !taken(number)).ok_or(Reason::Busy)
    }
}

/// As the audit trail names a person.
#[must_use]
pub fn actor(tenant: &TenantId, person: &PersonId) -> String {
    format!("person:{tenant}/{person}")
}

fn refused(error: RecordError) -> Reason {
    match error {
        // Somebody else changed it in the same moment: the page, loaded again, shows how it stands.
        RecordError::Conflict => Reason::BadRequest("this moved on meanwhile; load the page again"),
        RecordError::Store(_) => Reason::Internal,
    }
}

/// A million codes and a hundred thousand numbers for the few devices of one person: more draws than this
/// are no chance.
const DRAWS_MAX: usize = 32;

/// 10 minutes at most (SP 800-63B-4 3.1.3.2).
const CODE_LIVES: Duration = Duration::from_secs(600);
