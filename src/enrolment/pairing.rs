//! Pairing a phone: a secret in a square on the desktop, spent by the first phone that brings it,
//! two words on both screens, a yes on the desktop. Knows no page, and not who may pair.

mod error;
mod ground;
mod standing;
mod steps;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use data_encoding::BASE32_NOPAD;

use crate::audit::{Entry, Event, Ledger, Outcome, RecordError};
use crate::auth::phone::proof::ProvedKey;
use crate::auth::phone::webauthn::RelyingParty;
use crate::crypto::{self, Pepper};
use crate::domain::person::Person;
use crate::domain::phone::{self, OfflineKey, Pairing, PairingState, Phone, RemovedBy};
use crate::domain::session::TokenHash;
use crate::domain::{PairingId, PersonId, PhoneId, Secret, TenantId, words};
use crate::enrolment::phones;
use crate::store::table::{self, Stored};
use crate::store::{StoreError, Write};
use crate::world::World;

pub use error::PairingError;
use ground::entry;
pub use ground::{Ground, agreed_by};
pub use standing::Standing;
use standing::is_of;
pub use steps::{Begun, Claimed, Made, Opening, Verdict};

/// Opens pairings and leads them to their end.
pub struct Pairings {
    ledger: Arc<Ledger>,
    pepper: Arc<Pepper>,
    party: RelyingParty,
    world: World,
}

impl Pairings {
    /// Over a ledger. `party` is the phone door.
    #[must_use]
    pub fn new(ledger: Arc<Ledger>, pepper: Arc<Pepper>, party: RelyingParty, world: World) -> Self {
        Self { ledger, pepper, party, world }
    }

    /// Opens a pairing; an unfinished one of the same person gives way. Returns the secret half of
    /// the square, which is kept nowhere.
    ///
    /// # Errors
    /// [`PairingError::HasPhone`] where the person has one: replacing it is recovery. The store's.
    pub async fn open(&self, opening: Opening) -> Result<(Pairing, Secret), PairingError> {
        self.making_way(&opening.ground, &opening.tenant, &opening.person).await?;
        for _ in 0..TRIES_MAX {
            let now = self.world.now();
            let secret =
                Secret::new(BASE32_NOPAD.encode(&self.world.bytes::<SECRET_BYTES>()).to_ascii_lowercase());
            let id = PairingId::from_bits(self.world.bytes());
            let pairing = Pairing {
                secret_mac: self.secret_mac(&id, secret.expose()),
                id,
                tenant: opening.tenant.clone(),
                person: opening.person.clone(),
                device: opening.device.clone(),
                session: opening.session,
                challenge: self.world.bytes(),
                expires: now.plus(STEP_LASTS),
                state: PairingState::Open,
            };
            let mut writes: Vec<Write> =
                self.unfinished(&opening.tenant, &opening.person).await?.iter().map(table::consume).collect();
            writes.push(table::create(&pairing));
            match self.record(Event::PairingOpened, "gate", &pairing, opening.from, writes).await {
                Err(PairingError::Busy) => {}
                result => return result.map(|()| (pairing, secret)),
            }
        }
        Err(PairingError::Busy)
    }

    /// What the square holds: the pairing and its secret in the fragment, which browsers send to
    /// no server and write to no log.
    #[must_use]
    pub fn link(&self, pairing: &Pairing, secret: &Secret) -> Secret {
        Secret::new(format!("{}/pair#{}.{}", self.party.origin, pairing.id, secret.expose()))
    }

    /// A phone brings the secret, which is spent by it. Another phone that brings the same secret
    /// later ends the pairing for both.
    ///
    /// # Errors
    /// [`PairingError::Gone`], [`PairingError::Contested`], the store's.
    pub async fn begin(
        &self,
        id: &PairingId,
        secret: &Secret,
        call: &ProvedKey,
        from: IpAddr,
    ) -> Result<Begun, PairingError> {
        for _ in 0..TRIES_MAX {
            let found = self.find(id).await?.ok_or(PairingError::Gone)?;
            let pairing = &found.record;
            let secret = secret.expose().trim().to_ascii_lowercase();
            if !crypto::same(&self.secret_mac(id, &secret), &pairing.secret_mac) {
                return Err(PairingError::Gone);
            }
            let result = match &pairing.state {
                PairingState::Open => {
                    let state = PairingState::Begun { api_key: call.key().to_vec() };
                    self.step(&found, state, Event::PairingBegun, "phone:new", from).await
                }
                // The answer was lost on its way, and the same phone asks again.
                PairingState::Begun { api_key } if api_key.as_slice() == call.key() => Ok(()),
                PairingState::Begun { .. } | PairingState::Claimed { .. } => self
                    .step(&found, PairingState::Contested, Event::PairingContested, "phone:new", from)
                    .await
                    .and(Err(PairingError::Contested)),
                PairingState::Contested => Err(PairingError::Contested),
                PairingState::Confirmed | PairingState::Refused => Err(PairingError::Gone),
            };
            match result {
                Ok(()) => {
                    return Ok(Begun {
                        tenant: pairing.tenant.clone(),
                        person: pairing.person.clone(),
                        challenge: pairing.challenge,
                        user: self.user(&pairing.tenant, &pairing.person),
                        expires: pairing.expires,
                    });
                }
                Err(PairingError::Busy) => {}
                Err(error) => return Err(error),
            }
        }
        Err(PairingError::Busy)
    }

    /// The same phone brings its credential. Both screens show two words from now on.
    ///
    /// # Errors
    /// [`PairingError::Gone`] for any other phone, [`PairingError::Credential`], the store's.
    pub async fn finish(
        &self,
        id: &PairingId,
        call: &ProvedKey,
        made: Made<'_>,
        from: IpAddr,
    ) -> Result<Claimed, PairingError> {
        let found = self.find(id).await?.ok_or(PairingError::Gone)?;
        let pairing = &found.record;
        match &pairing.state {
            PairingState::Begun { api_key } if api_key.as_slice() == call.key() => {}
            PairingState::Contested => return Err(PairingError::Contested),
            PairingState::Claimed { phone, words } if phone.api_key.as_slice() == call.key() => {
                return Ok(Claimed { words: words.clone(), phone: phone.as_ref().clone() });
            }
            _ => return Err(PairingError::Gone),
        }
        let credential = self.party.registered(&pairing.challenge, made.client_data, made.attestation)?;
        if credential.backup_eligible() && !self.takes_copied_keys(&pairing.tenant).await? {
            return Err(PairingError::Synced);
        }
        let phone = Phone {
            tenant: pairing.tenant.clone(),
            person: pairing.person.clone(),
            id: PhoneId::from_bits(self.world.bytes()),
            name: phone::name(made.name),
            credential_id: credential.id().to_vec(),
            credential_key: credential.key().to_vec(),
            api_key: call.key().to_vec(),
            offline_key: made.offline_key.map(|key| OfflineKey(key.to_vec())),
            backup_eligible: credential.backup_eligible(),
            sign_count: credential.sign_count(),
            paired: self.world.now(),
            released_by: None,
            used: None,
        };
        let words = words::pair(|bound| self.world.below(bound));
        let state = PairingState::Claimed { phone: Box::new(phone.clone()), words: words.clone() };
        self.step(&found, state, Event::PairingClaimed, &format!("phone:{}", phone.id), from).await?;
        Ok(Claimed { words, phone })
    }

    /// The desktop's answer to the two words, from the session that shows the square. A yes makes
    /// the phone's record.
    ///
    /// # Errors
    /// [`PairingError::Gone`] for another session or another step; [`PairingError::HasPhone`];
    /// [`PairingError::Busy`] where anything changed meanwhile, what `also` holds among it.
    pub async fn confirm(
        &self,
        id: &PairingId,
        session: &TokenHash,
        verdict: Verdict,
        from: IpAddr,
    ) -> Result<Option<Phone>, PairingError> {
        let found = self.find(id).await?.ok_or(PairingError::Gone)?;
        let pairing = &found.record;
        if !crypto::same(&pairing.session, session) {
            return Err(PairingError::Gone);
        }
        let actor = format!("person:{}/{}", pairing.tenant, pairing.person);
        match (&pairing.state, verdict) {
            (PairingState::Claimed { phone, .. }, Verdict::Yes { released_by, also, ground }) => {
                let paired = self.world.now();
                let phone = Phone { paired, released_by, ..phone.as_ref().clone() };
                let old = self.making_way(&ground, &pairing.tenant, &pairing.person).await?;
                let person = table::person(&pairing.tenant, &pairing.person);
                let person = table::get::<Person>(self.ledger.store().as_ref(), &person).await?;
                let person = person.filter(|it| !it.record.shut_out(self.world.now()));
                let person = person.ok_or(PairingError::Gone)?;
                let confirmed = self.next(pairing, PairingState::Confirmed);
                let mut writes = vec![
                    table::replace(&found, &confirmed),
                    table::create(&phone),
                    // Written anew, so that of two desktops that pair a first phone at once one falls through.
                    table::replace(&person, &person.record),
                ];
                writes.extend(old.iter().flat_map(|old| phones::ending(old, RemovedBy::Replaced, paired)));
                writes.extend(also);
                let entry = ground.noted(entry(ground.event(), &actor, &confirmed, from), &old);
                self.commit(entry, writes).await?;
                Ok(Some(phone))
            }
            (PairingState::Open | PairingState::Begun { .. } | PairingState::Claimed { .. }, Verdict::No) => {
                self.step(&found, PairingState::Refused, Event::PairingRefused, &actor, from).await?;
                Ok(None)
            }
            (PairingState::Contested, _) => Err(PairingError::Contested),
            _ => Err(PairingError::Gone),
        }
    }

    /// The phone says that the words differ.
    ///
    /// # Errors
    /// [`PairingError::Gone`] for any other phone; the store's.
    pub async fn refuse(&self, id: &PairingId, call: &ProvedKey, from: IpAddr) -> Result<(), PairingError> {
        let found = self.find(id).await?.ok_or(PairingError::Gone)?;
        if !is_of(&found.record, call) {
            return Err(PairingError::Gone);
        }
        self.step(&found, PairingState::Refused, Event::PairingRefused, "phone:new", from).await
    }

    async fn find(&self, id: &PairingId) -> Result<Option<Stored<Pairing>>, StoreError> {
        let found = table::get::<Pairing>(self.ledger.store().as_ref(), &table::pairing(id)).await?;
        Ok(found.filter(|it| self.world.now() < it.record.expires))
    }

    async fn all(&self) -> Result<Vec<Stored<Pairing>>, StoreError> {
        let now = self.world.now();
        let all = table::list::<Pairing>(self.ledger.store().as_ref(), &table::all::<Pairing>()).await?;
        Ok(all.into_iter().filter(|it| now < it.record.expires).collect())
    }

    async fn unfinished(
        &self,
        tenant: &TenantId,
        person: &PersonId,
    ) -> Result<Vec<Stored<Pairing>>, StoreError> {
        let mut all = self.all().await?;
        all.retain(|it| it.record.tenant == *tenant && it.record.person == *person);
        all.retain(|it| it.record.state != PairingState::Confirmed);
        Ok(all)
    }

    fn next(&self, pairing: &Pairing, state: PairingState) -> Pairing {
        let expires = match &state {
            PairingState::Open | PairingState::Begun { .. } => pairing.expires,
            _ => self.world.now().plus(STEP_LASTS),
        };
        Pairing { state, expires, ..pairing.clone() }
    }

    async fn step(
        &self,
        found: &Stored<Pairing>,
        state: PairingState,
        event: Event,
        actor: &str,
        from: IpAddr,
    ) -> Result<(), PairingError> {
        let next = self.next(&found.record, state);
        self.record(event, actor, &next, from, vec![table::replace(found, &next)]).await
    }

    async fn record(
        &self,
        event: Event,
        actor: &str,
        pairing: &Pairing,
        from: IpAddr,
        writes: Vec<Write>,
    ) -> Result<(), PairingError> {
        let mut entry = entry(event, actor, pairing, from);
        if event == Event::PairingContested {
            entry = entry
                .outcome(Outcome::Refused("a second phone came with the same square".to_owned()))
                .detail("alarm", "somebody else may have seen the square");
        }
        self.commit(entry, writes).await
    }

    async fn commit(&self, entry: Entry, writes: Vec<Write>) -> Result<(), PairingError> {
        match self.ledger.record(entry, writes).await {
            Ok(_) => Ok(()),
            Err(RecordError::Conflict) => Err(PairingError::Busy),
            Err(RecordError::Store(error)) => Err(error.into()),
        }
    }

    fn secret_mac(&self, id: &PairingId, secret: &str) -> [u8; 32] {
        self.pepper.mac("pairing secret", &[id.as_str().as_bytes(), secret.as_bytes()])
    }

    fn user(&self, tenant: &TenantId, person: &PersonId) -> [u8; 32] {
        self.pepper.mac("webauthn user", &[tenant.as_str().as_bytes(), person.as_str().as_bytes()])
    }
}

/// 160 random bits, more than the 128 of SP 800-63B-4 4.1.2.2.
const SECRET_BYTES: usize = 20;
/// How long a step may take (the same).
pub const STEP_LASTS: Duration = Duration::from_secs(5 * 60);
/// A pairing has five steps; more conflicts than this are no race.
const TRIES_MAX: usize = 16;

#[cfg(test)]
mod tests;
