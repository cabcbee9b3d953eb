//! Recovery codes: made ten at a time, shown once, heard after they were counted, used up with what they open
//! (SP 800-63B-4 4.2). Knows not what they open, and asks no phone.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use data_encoding::BASE32_NOPAD;
use zeroize::Zeroizing;

use super::on_screen::OnScreen;
use super::throttle::{Subject, Throttles};
use crate::audit::{Entry, Event, Ledger, Outcome, RecordError};
use crate::crypto::{self, Pepper};
use crate::domain::recovery::{CODES, CodeState, RecoveryCode, RecoveryCodes};
use crate::domain::session::TokenHash;
use crate::domain::throttle::Guarded;
use crate::domain::{DeviceId, PersonId, Reason, Secret, TenantId};
use crate::store::Write;
use crate::store::table::{self, Stored};
use crate::world::World;

/// Makes recovery codes and hears them.
pub struct Recovery {
    ledger: Arc<Ledger>,
    world: World,
    pepper: Arc<Pepper>,
    throttles: Arc<Throttles>,
    shown: OnScreen<Sheet>,
}

/// The ten as they stand on the paper, in order. In memory only.
pub type Sheet = Arc<[Secret]>;

/// Who comes with a code: the certificate and the password are proved.
#[derive(Clone, Copy, Debug)]
pub struct Claimant<'a> {
    /// Whose tenant.
    pub tenant: &'a TenantId,
    /// Who.
    pub person: &'a PersonId,
    /// On which device.
    pub device: &'a DeviceId,
    /// In which browser session.
    pub session: &'a TokenHash,
    /// From where.
    pub address: IpAddr,
}

/// What was typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// No code by its form; not counted.
    NoCode,
    /// None of this person's codes, or one that was used: not told apart.
    Wrong,
    /// Right, and reserved for this session.
    Right,
}

impl Recovery {
    /// Over the house's ledger.
    #[must_use]
    pub fn new(ledger: Arc<Ledger>, world: World, pepper: Arc<Pepper>, throttles: Arc<Throttles>) -> Self {
        Self { ledger, world, pepper, throttles, shown: OnScreen::default() }
    }

    /// Ten new codes: the record to commit, and what the person is shown once.
    #[must_use]
    pub fn make(&self, tenant: &TenantId, person: &PersonId) -> (RecoveryCodes, Sheet) {
        let set = self.world.bytes();
        let mut codes = Vec::with_capacity(usize::from(CODES));
        let mut sheet = Vec::with_capacity(usize::from(CODES));
        for id in 1..=CODES {
            let bits = Zeroizing::new(self.world.bytes::<CODE_BYTES>());
            let plain = Zeroizing::new(BASE32_NOPAD.encode(&*bits).to_ascii_lowercase());
            let mac = self.mac((tenant, person), &set, id, &plain);
            codes.push(RecoveryCode { id, mac, state: CodeState::Unused });
            sheet.push(grouped(&plain));
        }
        let (tenant, person, made) = (tenant.clone(), person.clone(), self.world.now());
        (RecoveryCodes { tenant, person, set, made, put_away: None, codes }, sheet.into())
    }

    /// Puts codes just made on a session's screen, until it says that they are put away, or the time is over.
    pub fn show(&self, session: &TokenHash, sheet: Sheet) {
        let now = self.world.now();
        self.shown.put(session, now, now.plus(SHOWN), sheet);
    }

    /// What stands on a session's screen.
    #[must_use]
    pub fn shown(&self, session: &TokenHash) -> Option<Sheet> {
        self.shown.get(session, self.world.now())
    }

    /// The session's owner has put them away: they are shown never again.
    ///
    /// # Errors
    /// The store's.
    pub async fn put_away(&self, who: &Claimant<'_>) -> Result<(), Reason> {
        if self.shown(who.session).is_none() {
            return Ok(());
        }
        if let Some(read) = self.of(who.tenant, who.person).await? {
            let put_away = Some(self.world.now());
            let kept = table::replace(&read, &RecoveryCodes { put_away, ..read.record.clone() });
            let entry = entry(who, Event::RecoveryCodesKept);
            self.ledger.record(entry, vec![kept]).await.map_err(refused)?;
        }
        self.shown.forget(who.session);
        Ok(())
    }

    /// A person's codes.
    ///
    /// # Errors
    /// The store's.
    pub async fn of(
        &self,
        tenant: &TenantId,
        person: &PersonId,
    ) -> Result<Option<Stored<RecoveryCodes>>, Reason> {
        let key = table::recovery_codes(tenant, person);
        table::get(&**self.ledger.store(), &key).await.map_err(|_| Reason::Internal)
    }

    /// Hears a code. Counted before, whoever types it where; one that is right is reserved for this session.
    ///
    /// # Errors
    /// [`Reason::TooMany`] and [`Reason::Blocked`] unheard; the store's.
    pub async fn hear(&self, who: &Claimant<'_>, typed: &str) -> Result<Heard, Reason> {
        let Some(typed) = plain(typed) else { return Ok(Heard::NoCode) };
        let subjects = vec![
            Subject::Person(who.person.clone()),
            Subject::Device(who.device.clone()),
            Subject::Address(who.address),
        ];
        let counted = self.throttles.attempt(who.tenant, Guarded::Recovery, subjects).await?;
        let now = self.world.now();
        let read = self.of(who.tenant, who.person).await?;
        let fitting = self.fitting(who, read.as_ref().map(|read| &read.record), &typed);
        let good = read.as_ref().zip(fitting).filter(|(read, at)| {
            read.record.codes.get(*at).is_some_and(|code| code.is_good_for(who.session, now))
        });
        let Some((read, at)) = good else {
            let entry = entry(who, Event::RecoveryCodeWrong)
                .outcome(Outcome::Refused("wrong recovery code".to_owned()));
            self.ledger.record(entry, vec![]).await.map_err(refused)?;
            return Ok(Heard::Wrong);
        };
        let mut codes = read.record.codes.clone();
        for (n, code) in codes.iter_mut().enumerate() {
            // One a session: whoever types a second has the first back.
            match &code.state {
                _ if n == at => {
                    code.state = CodeState::Reserved { session: *who.session, until: now.plus(RESERVED) };
                }
                CodeState::Reserved { session, .. } if session == who.session => {
                    code.state = CodeState::Unused;
                }
                CodeState::Unused | CodeState::Reserved { .. } | CodeState::Used { .. } => {}
            }
        }
        let mut writes = counted.succeeded();
        writes.push(table::replace(read, &RecoveryCodes { codes, ..read.record.clone() }));
        let entry = entry(who, Event::RecoveryCodeRight).detail("code", (at + 1).to_string());
        self.ledger.record(entry, writes).await.map_err(refused)?;
        self.throttles.ease(who.tenant, Guarded::Recovery, &Subject::Address(who.address)).await;
        Ok(Heard::Right)
    }

    /// Uses up what a session has reserved: to commit with what it opens. And how many are left then.
    #[must_use]
    pub fn used_up(&self, read: &Stored<RecoveryCodes>, session: &TokenHash) -> Option<(Write, usize)> {
        let now = self.world.now();
        let id = read.record.reserved_by(session, now)?.id;
        let used = with(&read.record, id, CodeState::Used { at: now });
        let left = used.left();
        Some((table::replace(read, &used), left))
    }

    /// A session gives back what it has reserved: the phone was found.
    ///
    /// # Errors
    /// The store's.
    pub async fn give_back(&self, who: &Claimant<'_>) -> Result<(), Reason> {
        let Some(read) = self.of(who.tenant, who.person).await? else { return Ok(()) };
        let Some(code) = read.record.reserved_by(who.session, self.world.now()) else { return Ok(()) };
        let back = table::replace(&read, &with(&read.record, code.id, CodeState::Unused));
        self.ledger.record(entry(who, Event::RecoveryGivenUp), vec![back]).await.map_err(refused).map(drop)
    }

    /// Which of a person's codes fits. The same work is done for whatever is typed, and where there are none.
    fn fitting(&self, who: &Claimant<'_>, codes: Option<&RecoveryCodes>, typed: &str) -> Option<usize> {
        let set = codes.map_or([0; 16], |codes| codes.set);
        let mut fitting = None;
        for at in 0..usize::from(CODES) {
            let id = u8::try_from(at + 1).unwrap_or(u8::MAX);
            let mac = self.mac((who.tenant, who.person), &set, id, typed);
            let kept = codes.and_then(|codes| codes.codes.get(at)).map_or([0; 32], |code| code.mac);
            if crypto::same(&kept, &mac) {
                fitting = Some(at);
            }
        }
        fitting
    }

    fn mac(&self, (tenant, person): (&TenantId, &PersonId), set: &[u8; 16], id: u8, plain: &str) -> [u8; 32] {
        let parts: [&[u8]; 5] =
            [tenant.as_str().as_bytes(), person.as_str().as_bytes(), set, &[id], plain.as_bytes()];
        self.pepper.mac("recovery code", &parts)
    }
}

fn with(codes: &RecoveryCodes, id: u8, state: CodeState) -> RecoveryCodes {
    let mut next = codes.clone();
    for code in next.codes.iter_mut().filter(|code| code.id == id) {
        code.state = state;
    }
    next
}

fn entry(who: &Claimant<'_>, event: Event) -> Entry {
    Entry::new(format!("person:{}/{}", who.tenant, who.person), event)
        .tenant(who.tenant)
        .whom(who.device.as_str())
        .whence(who.address)
}

/// `abcd-efgh-ijkl-mnop`.
fn grouped(plain: &str) -> Secret {
    let mut text = String::with_capacity(CODE_CHARS + 3);
    for (at, c) in plain.chars().enumerate() {
        if at > 0 && at % 4 == 0 {
            text.push('-');
        }
        text.push(c);
    }
    Secret::new(text)
}

/// What was typed, as it was made: hyphens, blanks and capitals do not count, nor what a hand makes of letters
/// that look like digits. `None` where it is no code by its form.
fn plain(typed: &str) -> Option<Zeroizing<String>> {
    let mut plain = Zeroizing::new(String::with_capacity(CODE_CHARS));
    for c in typed.chars() {
        let c = match c.to_ascii_lowercase() {
            c if c.is_whitespace() || matches!(c, '-' | '\u{2010}'..='\u{2015}' | '.') => continue,
            '0' => 'o',
            '1' => 'l',
            '8' => 'b',
            c @ ('a'..='z' | '2'..='7') => c,
            _ => return None,
        };
        if plain.len() == CODE_CHARS {
            return None;
        }
        plain.push(c);
    }
    (plain.len() == CODE_CHARS).then_some(plain)
}

fn refused(error: RecordError) -> Reason {
    match error {
        RecordError::Conflict => Reason::BadRequest("this moved on meanwhile; load the page again"),
        RecordError::Store(_) => Reason::Internal,
    }
}

/// 80 bits: more than the 64 of SP 800-63B-4 4.2, and sixteen letters without a rest.
const CODE_BYTES: usize = 10;
const CODE_CHARS: usize = 16;

/// To find the phone, pair it and compare the words; then the code is unused again.
const RESERVED: Duration = Duration::from_secs(30 * 60);

/// For somebody who copies ten codes by hand.
const SHOWN: Duration = Duration::from_secs(60 * 60);

#[cfg(test)]
mod tests;
