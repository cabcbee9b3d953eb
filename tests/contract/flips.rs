//! A store whose bytes another hand or a bad disk changed: it is refused with what to restore, or it
//! is as it was, every record and the whole trail. Never a wrong answer, a panic, a wait without end.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use portcullis::audit::{Entry, Event, Ledger, verify};
use portcullis::store::view::View;
use portcullis::store::{Condition, Item, Key, Outcome, StoreError, table};
use portcullis::world::{Entropy, SystemEntropy};

use super::samples::{self, bank};
use super::{Ground, Opened, each, put};

/// S-04.
#[test]
fn a_flipped_bit_is_refused_or_changes_nothing() {
    each(async |ground| {
        let trial = Trial::of(ground).await;
        let (flips, mut chance) = (if full() { 1000 } else { 300 }, Chance::new());
        let mut told = Told::default();
        for n in 0..flips {
            // Half of them as a stopped gate leaves its store, half as a killed one does.
            let (how, image) = if n % 2 == 0 { ("closed", &trial.closed) } else { ("killed", &trial.killed) };
            let (file, place) = chance.place(image, n % 4 == 3);
            let bit = chance.below(8);
            let mut changed = image.clone();
            changed.get_mut(&file).unwrap()[place] ^= 1 << bit;
            let what = format!("{how}: bit {bit} of byte {place} of {file:?}, seed {}", chance.seed);
            told.count(trial.judge(&changed, &what).await);
        }
        told.tell(&trial);
        assert!(told.refused > flips / 10 && told.unharmed > 0);
    });
}

/// S-04.
#[test]
fn each_bit_of_what_is_read_first_is_refused_or_changes_nothing() {
    each(async |ground| {
        let trial = Trial::of(ground).await;
        let mut told = Told::default();
        for (file, bytes) in &trial.killed {
            let places = if bytes.len() <= HEAD_BYTES { 0..bytes.len() } else { 0..HEAD_BYTES };
            let step = if full() { 1 } else { 7 };
            // The first bytes say which of its halves redb takes: each bit, always.
            for bit in (0..places.len() * 8).filter(|bit| *bit < 128 || bit % step == 0) {
                let mut changed = trial.killed.clone();
                changed.get_mut(file).unwrap()[bit / 8] ^= 1 << (bit % 8);
                told.count(trial.judge(&changed, &format!("bit {bit} of {file:?}")).await);
            }
        }
        told.tell(&trial);
        assert!(told.refused > 0);
    });
}

/// S-04.
#[test]
fn pages_cut_off_zeroed_swapped_and_files_taken_away_are_refused_or_change_nothing() {
    each(async |ground| {
        let trial = Trial::of(ground).await;
        let mut chance = Chance::new();
        let mut told = Told::default();
        for image in [&trial.closed, &trial.killed] {
            let (log, bytes) = image.iter().max_by_key(|(_, bytes)| bytes.len()).unwrap();
            let used: Vec<usize> =
                (0..bytes.len() / PAGE).filter(|n| page(bytes, *n).iter().any(|byte| *byte != 0)).collect();
            let with = |changed: Vec<u8>| {
                let mut image = image.clone();
                image.insert(log.clone(), changed);
                image
            };
            for n in 0..20 {
                let length = if n % 2 == 0 {
                    chance.below(bytes.len())
                } else {
                    chance.below(bytes.len() / PAGE) * PAGE
                };
                let what = format!("cut off at {length}, seed {}", chance.seed);
                told.count(trial.judge(&with(bytes[..length].to_vec()), &what).await);
            }
            for _ in 0..40 {
                let n = used[chance.below(used.len())];
                let mut changed = bytes.clone();
                changed[n * PAGE..(n + 1) * PAGE].fill(0);
                let what = format!("page {n} zeroed, seed {}", chance.seed);
                told.count(trial.judge(&with(changed), &what).await);
                let m = used[chance.below(used.len())];
                let mut changed = bytes.clone();
                changed[n * PAGE..(n + 1) * PAGE].copy_from_slice(page(bytes, m));
                changed[m * PAGE..(m + 1) * PAGE].copy_from_slice(page(bytes, n));
                let what = format!("pages {n} and {m} swapped, seed {}", chance.seed);
                told.count(trial.judge(&with(changed), &what).await);
            }
            for file in image.keys() {
                let mut without = image.clone();
                without.remove(file);
                // A store of one file, taken away, is no store: the next start makes one.
                if !without.is_empty() {
                    told.count(trial.judge(&without, &format!("{file:?} taken away")).await);
                }
                for other in [Vec::new(), b"not a store".repeat(1000), vec![0; image[file].len()]] {
                    let what = format!("{file:?} replaced by {} bytes", other.len());
                    let mut changed = image.clone();
                    changed.insert(file.clone(), other);
                    told.count(trial.judge(&changed, &what).await);
                }
            }
        }
        told.tell(&trial);
        assert!(told.refused > 100);
    });
}

/// The bytes of each file of a store, by its path within it.
type Image = BTreeMap<PathBuf, Vec<u8>>;

/// A store that a ledger wrote, and what must be read from it.
struct Trial {
    ground: Ground,
    good: Vec<(Key, Item)>,
    entries: u64,
    closed: Image,
    killed: Image,
}

impl Trial {
    async fn of(ground: Ground) -> Self {
        let store = ground.open();
        let view = View::follow(Arc::clone(&store), ground.world()).await.unwrap();
        let ledger =
            Ledger::open(Arc::clone(&store), Arc::clone(&view), ground.world(), "main").await.unwrap();
        for n in 0..200 {
            let mut person = samples::person();
            person.name = format!("Anna Muster {}", n % 100);
            let entry = Entry::new("gate", Event::SessionBegan).tenant(&bank()).detail("n", n.to_string());
            let writes = vec![table::put(&person), put(&n.to_string(), Condition::Any, &person.name)];
            ledger.record(entry, writes).await.unwrap();
        }
        let good = store.scan(&Key::everything()).await.unwrap();
        let entries = verify(&*store).await.unwrap().entries;
        assert_eq!(entries, 200);
        assert!(good.len() > 400, "{} records", good.len());
        let killed = image(&ground.path());
        drop((ledger, view, store));
        while let Err(StoreError::InUse(_)) = ground.try_open().map(drop) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let closed = image(&ground.path());
        let trial = Self { ground, good, entries, closed, killed };
        for (how, image) in [("closed", &trial.closed), ("killed", &trial.killed)] {
            assert_eq!(trial.judge(image, how).await, Ok(Judged::Unharmed), "{how}, nothing changed");
        }
        trial
    }

    /// What became of a changed store; an error where it is neither refused nor as it was.
    async fn judge(&self, image: &Image, what: &str) -> Result<Judged, String> {
        let path = self.ground.path();
        lay(&path, image);
        let (open, world) = (self.ground.engine.open, self.ground.world());
        let opening = tokio::task::spawn_blocking(move || open(&path, world));
        let opened = tokio::time::timeout(ENDLESS, opening).await;
        let opened = opened.map_err(|_| format!("{what}: the start does not end"))?;
        match opened.map_err(|error| format!("{what}: {error}"))? {
            Err(error @ (StoreError::Damaged { .. } | StoreError::Unreadable { .. }))
                if error.to_string().contains("restore") =>
            {
                Ok(Judged::Refused)
            }
            Err(error) => Err(format!("{what}: {error}")),
            Ok(store) => match tokio::time::timeout(ENDLESS, self.reads(&*store)).await {
                Ok(Ok(true)) => Ok(Judged::Unharmed),
                Ok(Ok(false)) => Err(format!("{what}: a silent wrong answer")),
                Ok(Err(error)) => Err(format!("{what}: it opened, and then: {error}")),
                Err(_) => Err(format!("{what}: reading does not end")),
            },
        }
    }

    async fn reads(&self, store: &dyn Opened) -> Result<bool, StoreError> {
        let report = verify(store).await?;
        let again = vec![put("0", Condition::Absent, "x")];
        Ok((report.entries, report.first_bad) == (self.entries, None)
            && store.scan(&Key::everything()).await? == self.good
            && store.commit(again).await? == Outcome::Conflict(0))
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Judged {
    Refused,
    Unharmed,
}

#[derive(Default)]
struct Told {
    refused: usize,
    unharmed: usize,
    faults: Vec<String>,
}

impl Told {
    fn count(&mut self, judged: Result<Judged, String>) {
        match judged {
            Ok(Judged::Refused) => self.refused += 1,
            Ok(Judged::Unharmed) => self.unharmed += 1,
            Err(fault) => self.faults.push(fault),
        }
    }

    fn tell(&self, trial: &Trial) {
        let (name, Self { refused, unharmed, faults }) = (trial.ground.engine.name, self);
        eprintln!("{name}: {refused} refused, {unharmed} unharmed, {} wrong", faults.len());
        assert!(faults.is_empty(), "{name}:\n{}", faults.join("\n"));
    }
}

fn image(path: &Path) -> Image {
    let files = super::embedded::everything(path).into_iter().filter(|file| file.is_file());
    files.map(|file| (file.strip_prefix(path).unwrap().to_owned(), std::fs::read(&file).unwrap())).collect()
}

fn lay(path: &Path, image: &Image) {
    if path.is_dir() {
        std::fs::remove_dir_all(path).unwrap();
    }
    for (name, bytes) in image {
        let single = name.as_os_str().is_empty();
        let file = if single { path.to_owned() } else { path.join(name) };
        if !single {
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::set_permissions(path, PermissionsExt::from_mode(0o700)).unwrap();
        }
        std::fs::write(file, bytes).unwrap();
    }
}

fn page(bytes: &[u8], n: usize) -> &[u8] {
    &bytes[n * PAGE..(n + 1) * PAGE]
}

/// Numbers that come again from the same seed.
struct Chance {
    seed: u64,
    state: u64,
}

impl Chance {
    #[allow(clippy::disallowed_methods, reason = "whoever repeats a run names its seed")]
    fn new() -> Self {
        let mut fresh = [0; 8];
        SystemEntropy.fill(&mut fresh);
        let named = std::env::var("PORTCULLIS_SEED").ok().map(|seed| seed.parse().unwrap());
        let seed = named.unwrap_or_else(|| u64::from_be_bytes(fresh));
        eprintln!("PORTCULLIS_SEED={seed}");
        Self { seed, state: seed }
    }

    /// SplitMix64.
    fn below(&mut self, bound: usize) -> usize {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % bound as u64).unwrap()
    }

    /// A byte of the image: of any file alike, or one that is not zero in the largest.
    fn place(&mut self, image: &Image, of_any_file: bool) -> (PathBuf, usize) {
        let files: Vec<_> = image.iter().filter(|(_, bytes)| !bytes.is_empty()).collect();
        if of_any_file {
            let (file, bytes) = files[self.below(files.len())];
            return (file.clone(), self.below(bytes.len()));
        }
        let (file, bytes) = files.iter().max_by_key(|(_, bytes)| bytes.len()).unwrap();
        loop {
            let place = self.below(bytes.len());
            if bytes[place] != 0 {
                return ((*file).clone(), place);
            }
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "whoever runs the test says how long it may take")]
fn full() -> bool {
    std::env::var_os("PORTCULLIS_FULL").is_some()
}

/// redb's header, and a segment's header with the first messages of sled.
const HEAD_BYTES: usize = 320;

const PAGE: usize = 4096;

/// Each start takes milliseconds.
const ENDLESS: Duration = Duration::from_secs(30);
