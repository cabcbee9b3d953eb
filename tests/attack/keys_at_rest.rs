//! The CA's keys where they lie: what a stolen disk or backup shows, and what a wrong passphrase learns.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use portcullis::ca::{Authority, CaError, Settings};
use portcullis::domain::Secret;
use portcullis::domain::certificate::Issuer;
use portcullis::world::World;

use crate::support::gate::Gate;
use crate::support::laid_out::{PASSPHRASE, lay_out};
use crate::support::program::Program;
use crate::support::sealed::{scalar, unsealed};

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            found.extend(files(&entry.path()));
        } else if kind.is_file() {
            found.push(entry.path());
        }
    }
    found
}

/// The ways in which bytes are written down.
fn spellings(secret: &[u8]) -> Vec<Vec<u8>> {
    let hex = data_encoding::HEXLOWER.encode(secret);
    let mut all = vec![secret.to_vec(), hex.to_uppercase().into_bytes(), hex.into_bytes()];
    for before in 0..3 {
        // Base64 of something in the midst of more, at each of its three places, without its ends.
        let text = data_encoding::BASE64.encode(&[&vec![0; before], secret].concat());
        all.push(text.as_bytes()[4..text.len() - 4].to_vec());
    }
    all
}

fn holds(file: &Path, secrets: &[Vec<u8>]) -> bool {
    let bytes = std::fs::read(file).unwrap();
    secrets.iter().any(|secret| memchr::memmem::find(&bytes, secret).is_some())
}

/// M-08, at rest: beside a running gate, after a rotation, with a backup and a bundle made.
#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_disk_or_backup_shows_no_key() {
    let gate = Gate::open().await;
    gate.person("bank", "anna", "Anna Muster", &[]).await;
    gate.device("bank", "anna", "laptop").await;
    let program = Program::instead_of(gate).await;
    program.json(&["ca", "rotate", "devices"]);
    program.json(&["ca", "backup", "--out", "ca.age"]);
    let keys = program.folder.path().join("data/ca");
    let names = ["devices", "devices-2", "staff", "server", "root", "server-root"];
    let secrets: Vec<Vec<u8>> = names
        .iter()
        .flat_map(|name| {
            let text = std::fs::read_to_string(keys.join(format!("{name}.key"))).unwrap();
            spellings(&scalar(&unsealed(&text, name, PASSPHRASE).unwrap()))
        })
        .chain(spellings(PASSPHRASE.as_bytes()))
        .collect();
    let moved = program.cli(&["ca", "init", "--offline-root", "root.pem"]);
    assert!(moved.status.success(), "{moved:?}");

    let all = files(program.folder.path());
    assert!(
        all.iter().any(|file| file.ends_with("ca.age")) && all.iter().any(|file| file.ends_with("root.pem"))
    );
    assert!(all.len() > 10, "{all:?}");
    for file in &all {
        assert!(!holds(file, &secrets), "{}", file.display());
    }
    // So that the search is known to find.
    let planted = program.folder.path().join("planted");
    for secret in &secrets {
        std::fs::write(&planted, [b"before".as_slice(), secret, b"after"].concat()).unwrap();
        assert!(holds(&planted, &secrets));
    }
    for file in all
        .iter()
        .filter(|file| file.starts_with(&keys) || file.ends_with("ca.age") || file.ends_with("root.pem"))
    {
        let mode = std::fs::metadata(file).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", file.display());
    }
    for folder in [keys.clone(), program.folder.path().join("data")] {
        assert_eq!(
            std::fs::metadata(&folder).unwrap().permissions().mode() & 0o777,
            0o700,
            "{}",
            folder.display()
        );
    }
    assert!(!keys.join("root.key").exists());
}

fn open(keys: &Path, passphrase: &str, issuers: &[Issuer]) -> Result<Authority, CaError> {
    let settings = Settings { crl_url_base: "http://start.localhost:8080".to_owned() };
    Authority::open(keys, &Secret::new(passphrase), issuers, World::real(), settings)
}

/// The least work of some tries, as CPU of this thread: what the machine does besides only adds.
fn least_work(mut work: impl FnMut()) -> Duration {
    let once = |work: &mut dyn FnMut()| {
        let begun = cpu();
        work();
        cpu() - begun
    };
    (0..5).map(|_| once(&mut work)).min().unwrap()
}

fn cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
}

/// M-08, a wrong passphrase: it opens nothing, and each file says the same after the same work, however near it is.
#[test]
fn a_wrong_passphrase_learns_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let issuers = lay_out(folder.path());
    let keys = folder.path().join("data/ca");
    let near = &PASSPHRASE[..PASSPHRASE.len() - 1];
    let mut times = Vec::new();
    let mut words = Vec::new();
    for issuer in &issuers {
        let file = keys.join(format!("{}.key", issuer.id)).display().to_string();
        for wrong in ["x", near, "a passphrase that is far longer than the one that would open these files"] {
            let told = || open(&keys, wrong, std::slice::from_ref(issuer)).err().unwrap();
            assert!(matches!(told(), CaError::WrongPassphrase(_)));
            words.push(told().to_string().replace(&file, "FILE"));
            times.push(least_work(|| drop(told())));
        }
        let issuer = std::slice::from_ref(issuer);
        times.push(least_work(|| drop(open(&keys, PASSPHRASE, issuer).unwrap())));
    }
    words.dedup();
    assert_eq!(words.len(), 1, "{words:?}");
    let (least, most) = (times.iter().min().unwrap(), times.iter().max().unwrap());
    println!("a passphrase is judged with {least:?} to {most:?} of work");
    assert!(*most < 3 * *least, "{times:?}");
    // Deriving the key is the cost of a guess.
    assert!(*least > Duration::from_millis(20), "{least:?}");
}

/// M-08, files that were cut off, exchanged or put in from elsewhere.
#[test]
fn a_damaged_or_exchanged_key_opens_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let issuers = lay_out(folder.path());
    let keys = folder.path().join("data/ca");
    let path = |name: &str| keys.join(format!("{name}.key"));
    let whole = std::fs::read(path("devices")).unwrap();
    let only = std::slice::from_ref(&issuers[0]);
    open(&keys, PASSPHRASE, only).unwrap();
    for length in (0..whole.len() - 1).step_by(16) {
        std::fs::write(path("devices"), &whole[..length]).unwrap();
        let refused = open(&keys, PASSPHRASE, only).err().unwrap();
        assert!(
            matches!(refused, CaError::KeyFile { .. } | CaError::WrongPassphrase(_)),
            "{length}: {refused}"
        );
        assert!(refused.to_string().contains("restore it from a backup"), "{refused}");
    }
    for other in ["staff", "root", "server", "server-root"] {
        std::fs::copy(path(other), path("devices")).unwrap();
        assert!(matches!(open(&keys, PASSPHRASE, only), Err(CaError::WrongPassphrase(_))), "{other}");
    }
    std::fs::write(path("devices"), &whole).unwrap();
    open(&keys, PASSPHRASE, &issuers).unwrap();
}
