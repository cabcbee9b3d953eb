//! The second lock: passwords by the rules of SP 800-63B-4 3.1.1.2, hashed with Argon2id under a
//! pepper that is kept apart from the store. Knows no person beyond an id and the words to forbid.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

use crate::crypto::Pepper;
use crate::domain::{PersonId, Reason, Secret, TenantId, Time};
use crate::store::table::{self, Key, Record};
use crate::world::World;

/// A person's password, apart from the person, so that reading a person reads no hash.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Password {
    /// Whose tenant.
    pub tenant: TenantId,
    /// Whose.
    pub person: PersonId,
    /// Argon2id, PHC string.
    pub hash: String,
    /// The ones before, newest first.
    pub history: Vec<String>,
    /// When it was set.
    pub set: Time,
}

impl Record for Password {
    const TABLE: u8 = b'w';
    fn key(&self) -> Key {
        table::password(&self.tenant, &self.person)
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Password of {}", self.person)
    }
}

/// Checks and makes passwords, on a bounded pool of its own.
pub struct Passwords {
    pepper: Arc<Pepper>,
    world: World,
    settings: Settings,
    workers: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    decoy: tokio::sync::OnceCell<String>,
    hashed: Arc<AtomicU64>,
}

/// What hashing may cost.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Argon2 memory of one hash, in KiB.
    pub memory_kib: u32,
    /// Argon2 passes.
    pub passes: u32,
    /// Hashes at once; each takes a core and its memory.
    pub workers: usize,
    /// Requests that may wait for a worker before the gate says it is busy.
    pub waiting_max: usize,
}

impl Default for Settings {
    /// m = 46 MiB, t = 1, p = 1 (ASVS 5 appendix C); one worker a core; half a minute of waiting.
    fn default() -> Self {
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        Self { memory_kib: 46 * 1024, passes: 1, workers, waiting_max: workers * 500 }
    }
}

/// Why a new password was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Too short.
    #[error("It has {0} characters. Please use at least {least}.", least = LENGTH_MIN)]
    Short(usize),
    /// Too long.
    #[error("It is longer than {most} characters. Please use a shorter one.", most = LENGTH_MAX)]
    Long,
    /// Easy to guess; the text says why.
    #[error("{0}")]
    Guessable(String),
    /// Used before.
    #[error("You have used this password before. Please choose one you have not used here.")]
    UsedBefore,
}

/// Why a password could not be set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotSet {
    /// The rules say no; the person may try again.
    Unfit(Unfit),
    /// The gate can't just now.
    Refused(Reason),
}

impl Passwords {
    /// Under a pepper.
    #[must_use]
    pub fn new(pepper: Arc<Pepper>, world: World, settings: Settings) -> Self {
        Self {
            pepper,
            world,
            settings,
            workers: Arc::new(Semaphore::new(settings.workers)),
            waiting: Arc::new(Semaphore::new(settings.waiting_max)),
            decoy: tokio::sync::OnceCell::new(),
            hashed: Arc::default(),
        }
    }

    /// How many times Argon2 was computed.
    #[must_use]
    pub fn hashed(&self) -> u64 {
        self.hashed.load(Ordering::Relaxed)
    }

    /// Whether `typed` is the password. Where none is set the same work is done and the answer is
    /// no.
    ///
    /// # Errors
    /// [`Reason::Busy`] where too many wait already.
    pub async fn verify(&self, stored: Option<&Password>, typed: &Secret) -> Result<bool, Reason> {
        let hash = match stored {
            Some(stored) => stored.hash.clone(),
            None => self.decoy().await?,
        };
        let right = self.matches(vec![hash], normal(typed)).await?;
        Ok(right && stored.is_some())
    }

    /// Makes the record of a new password, by the rules.
    ///
    /// `forbidden` are words that a guesser would try first: names, addresses, the site.
    ///
    /// # Errors
    /// [`NotSet::Unfit`] with the reason for the person.
    pub async fn make(
        &self,
        tenant: &TenantId,
        person: &PersonId,
        old: Option<&Password>,
        typed: &Secret,
        forbidden: &[&str],
    ) -> Result<Password, NotSet> {
        let typed = normal(typed);
        check(&typed, forbidden).map_err(NotSet::Unfit)?;
        let mut history: Vec<String> = old.map(|old| old.history.clone()).unwrap_or_default();
        if let Some(old) = old {
            history.insert(0, old.hash.clone());
            history.truncate(HISTORY);
        }
        if self.matches(history.clone(), typed.clone()).await.map_err(NotSet::Refused)? {
            return Err(NotSet::Unfit(Unfit::UsedBefore));
        }
        let hash = self.hash(typed).await.map_err(NotSet::Refused)?;
        Ok(Password { tenant: tenant.clone(), person: person.clone(), hash, history, set: self.world.now() })
    }

    async fn hash(&self, typed: Zeroizing<String>) -> Result<String, Reason> {
        let (pepper, settings, salt) = (Arc::clone(&self.pepper), self.settings, self.world.bytes::<16>());
        let hashed = Arc::clone(&self.hashed);
        self.work(move || {
            let argon2 = argon2(&pepper, settings)?;
            hashed.fetch_add(1, Ordering::Relaxed);
            let hash: PasswordHash =
                argon2.hash_password_with_salt(typed.as_bytes(), &salt).map_err(|_| Reason::Internal)?;
            Ok(hash.to_string())
        })
        .await
    }

    async fn matches(&self, hashes: Vec<String>, typed: Zeroizing<String>) -> Result<bool, Reason> {
        if hashes.is_empty() {
            return Ok(false);
        }
        let (pepper, settings) = (Arc::clone(&self.pepper), self.settings);
        let hashed = Arc::clone(&self.hashed);
        self.work(move || {
            let argon2 = argon2(&pepper, settings)?;
            Ok(hashes.iter().any(|hash| {
                hashed.fetch_add(1, Ordering::Relaxed);
                argon2.verify_password(typed.as_bytes(), hash.as_str()).is_ok()
            }))
        })
        .await
    }

    async fn decoy(&self) -> Result<String, Reason> {
        let make = || self.hash(Zeroizing::new(data_encoding::HEXLOWER.encode(&self.world.bytes::<16>())));
        self.decoy.get_or_try_init(make).await.cloned()
    }

    async fn work<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> Result<T, Reason> + Send + 'static,
    ) -> Result<T, Reason> {
        let _place = Arc::clone(&self.waiting).try_acquire_owned().map_err(|_| Reason::Busy)?;
        let worker = Arc::clone(&self.workers).acquire_owned().await.map_err(|_| Reason::Busy)?;
        let job = move || {
            let _worker = worker;
            job()
        };
        tokio::task::spawn_blocking(job).await.map_err(|_| Reason::Internal)?
    }
}

fn argon2(pepper: &Pepper, settings: Settings) -> Result<Argon2<'_>, Reason> {
    let params = Params::new(settings.memory_kib, settings.passes, 1, None).map_err(|_| Reason::Internal)?;
    Argon2::new_with_secret(pepper.expose(), Algorithm::Argon2id, Version::V0x13, params)
        .map_err(|_| Reason::Internal)
}

/// Unicode NFC, and nothing else: no trimming, no case folding. What is too long to be a password
/// is cut before it costs anything.
fn normal(typed: &Secret) -> Zeroizing<String> {
    Zeroizing::new(typed.expose().chars().take(LENGTH_MAX * 2).nfc().collect())
}

fn check(typed: &str, forbidden: &[&str]) -> Result<(), Unfit> {
    let length = typed.chars().count();
    if length < LENGTH_MIN {
        return Err(Unfit::Short(length));
    }
    if length > LENGTH_MAX {
        return Err(Unfit::Long);
    }
    // The estimate costs more with length and says no more.
    let start: String = typed.chars().take(72).collect();
    let estimate = zxcvbn::zxcvbn(&start, forbidden);
    if estimate.score() >= zxcvbn::Score::Three {
        return Ok(());
    }
    let why = estimate
        .feedback()
        .and_then(|feedback| feedback.warning())
        .map_or_else(|| "It is easy to guess.".to_owned(), |warning| warning.to_string());
    Err(Unfit::Guessable(format!(
        "{why} Please choose another: three or four unrelated words are easy to keep."
    )))
}

/// At least 8 beside two other factors (SP 800-63B-4 3.1.1.2).
pub const LENGTH_MIN: usize = 8;

/// At least 128 are to be accepted; more than this is no password but an attack.
pub const LENGTH_MAX: usize = 256;

/// How many old ones are remembered.
const HISTORY: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn passwords() -> Passwords {
        let settings = Settings { memory_kib: 64, passes: 1, workers: 2, waiting_max: 8 };
        Passwords::new(Arc::new(Pepper::new([1; 32])), World::real(), settings)
    }

    fn ids() -> (TenantId, PersonId) {
        (TenantId::parse("bank").unwrap(), PersonId::parse("anna").unwrap())
    }

    #[tokio::test]
    async fn right_is_right_whatever_the_unicode_form() {
        let (tenant, person) = ids();
        let passwords = passwords();
        let made = passwords
            .make(&tenant, &person, None, &Secret::new("Zu\u{308}rich quartz 41 otter"), &[])
            .await
            .unwrap();
        assert!(passwords.verify(Some(&made), &Secret::new("Z\u{fc}rich quartz 41 otter")).await.unwrap());
        assert!(!passwords.verify(Some(&made), &Secret::new("z\u{fc}rich quartz 41 otter")).await.unwrap());
        assert!(!passwords.verify(None, &Secret::new("z\u{fc}rich quartz 41 otter")).await.unwrap());
        // The same work whether there is a password or not, once the decoy is made.
        for stored in [Some(&made), None] {
            let before = passwords.hashed();
            assert!(!passwords.verify(stored, &Secret::new("something else")).await.unwrap());
            assert_eq!(passwords.hashed() - before, 1);
        }
    }

    #[tokio::test]
    async fn a_hash_is_worth_nothing_under_another_pepper() {
        let (tenant, person) = ids();
        let made = passwords()
            .make(&tenant, &person, None, &Secret::new("quartz otter 41 lamp"), &[])
            .await
            .unwrap();
        let other = Passwords { pepper: Arc::new(Pepper::new([2; 32])), ..passwords() };
        assert!(!other.verify(Some(&made), &Secret::new("quartz otter 41 lamp")).await.unwrap());
    }

    #[tokio::test]
    async fn ten_old_ones_are_not_taken_again() {
        let (tenant, person) = ids();
        let passwords = passwords();
        let text = |n: usize| Secret::new(format!("quartz otter lamp river {n}"));
        let mut old: Option<Password> = None;
        for n in 0..12 {
            old = Some(passwords.make(&tenant, &person, old.as_ref(), &text(n), &[]).await.unwrap());
        }
        let again = passwords.make(&tenant, &person, old.as_ref(), &text(3), &[]).await;
        assert_eq!(again, Err(NotSet::Unfit(Unfit::UsedBefore)));
        assert!(passwords.make(&tenant, &person, old.as_ref(), &text(0), &[]).await.is_ok(), "eleventh back");
    }

    #[test]
    fn what_a_guesser_tries_first_is_refused_with_the_reason() {
        assert_eq!(check("short7!", &[]), Err(Unfit::Short(7)));
        assert_eq!(check(&"xy".repeat(200), &[]), Err(Unfit::Long));
        for bad in ["password1", "12345678", "annamuster", "qwertyuiop"] {
            assert!(matches!(check(bad, &["anna", "muster"]), Err(Unfit::Guessable(_))), "{bad}");
        }
        assert_eq!(check(&"correct horse battery staple ".repeat(5)[..128], &[]), Ok(()));
    }
}
