//! The CA in one file: sealed keys, issuers, every certificate's record. The file is encrypted under the
//! passphrase in the age format, so that the `age` tool reads it too; inside is JSON. Knows no store.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use data_encoding::BASE64;
use serde::{Deserialize, Serialize};

use super::CaError;
use super::folder::KeyFolder;
use super::sealed::{self, Opener};
use crate::domain::certificate::{Certificate, Issuer};
use crate::domain::{Secret, Time};
use crate::store::StoreError;
use crate::store::table::{self, Record};

/// What a backup holds.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backup {
    format: String,
    /// When it was made: what was revoked later is not in it.
    pub made: String,
    /// Sealed keys by name, as in their files.
    keys: BTreeMap<String, String>,
    issuers: Vec<String>,
    certificates: Vec<String>,
    /// What the gate was configured with, as whoever wrote the file put it there.
    #[serde(default)]
    pub house: serde_json::Value,
}

impl Backup {
    /// Reads a file.
    ///
    /// # Errors
    /// A wrong passphrase, and what is no backup.
    pub fn unlock(file: &[u8], passphrase: &Secret, from: &Path) -> Result<Self, CaError> {
        let mut identity = age::scrypt::Identity::new(passphrase.expose().to_owned().into());
        identity.set_max_work_factor(WORK_MAX);
        let broken = || CaError::NoBackup(from.to_owned());
        let plain = match age::decrypt(&identity, file) {
            Ok(plain) => zeroize::Zeroizing::new(plain),
            Err(age::DecryptError::NoMatchingKeys | age::DecryptError::DecryptionFailed) => {
                return Err(CaError::WrongPassphrase(from.to_owned()));
            }
            Err(_) => return Err(broken()),
        };
        let backup: Self = serde_json::from_slice(&plain).map_err(|_| broken())?;
        if backup.format == FORMAT { Ok(backup) } else { Err(broken()) }
    }

    /// Encrypts it under the passphrase.
    ///
    /// # Errors
    /// Where the cryptography refuses.
    pub fn lock(&self, passphrase: &Secret) -> Result<Vec<u8>, CaError> {
        let plain = serde_json::to_vec(self).map_err(|_| CaError::Crypto("wrote the backup"))?;
        let mut recipient = age::scrypt::Recipient::new(passphrase.expose().to_owned().into());
        recipient.set_work_factor(WORK);
        age::encrypt(&recipient, &plain).map_err(|_| CaError::Crypto("encrypted the backup"))
    }

    /// The issuers' records.
    ///
    /// # Errors
    /// A record of another release.
    pub fn issuers(&self) -> Result<Vec<Issuer>, StoreError> {
        records(&self.issuers)
    }

    /// The certificates' records.
    ///
    /// # Errors
    /// A record of another release.
    pub fn certificates(&self) -> Result<Vec<Certificate>, StoreError> {
        records(&self.certificates)
    }

    /// Whether the passphrase opens the keys in it.
    ///
    /// # Errors
    /// It does not.
    pub fn opens(&self, passphrase: &Secret, from: &Path) -> Result<(), CaError> {
        let mut opener = Opener::new(passphrase)?;
        for (name, text) in &self.keys {
            opener.open_text(text, name, from)?;
        }
        Ok(())
    }
}

impl KeyFolder {
    /// The keys that lie here, with the records of the store; each key opens with the passphrase.
    ///
    /// # Errors
    /// A wrong passphrase, and what the file system refuses.
    pub fn backup(
        &self,
        passphrase: &Secret,
        issuers: &[Issuer],
        certificates: &[Certificate],
        now: Time,
    ) -> Result<Backup, CaError> {
        let mut opener = Opener::new(passphrase)?;
        let mut keys = BTreeMap::new();
        for entry in fs::read_dir(&self.dir).map_err(CaError::file("read", &self.dir))? {
            let path = entry.map_err(CaError::file("read", &self.dir))?.path();
            if path.extension().is_none_or(|ending| ending != "key") {
                continue;
            }
            let Some(name) = path.file_stem().and_then(|name| name.to_str()) else { continue };
            let text = fs::read_to_string(&path).map_err(CaError::file("read", &path))?;
            opener.open_text(&text, name, &path)?;
            keys.insert(name.to_owned(), text);
        }
        Ok(Backup {
            format: FORMAT.to_owned(),
            made: now.to_string(),
            keys,
            issuers: issuers.iter().map(|one| BASE64.encode(&table::encode(one))).collect(),
            certificates: certificates.iter().map(|one| BASE64.encode(&table::encode(one))).collect(),
            house: serde_json::Value::Null,
        })
    }

    /// Lays the keys of a backup out in this folder, which is new.
    ///
    /// # Errors
    /// Where there is a key already, and what the file system refuses.
    pub fn restore(&self, backup: &Backup) -> Result<(), CaError> {
        use std::os::unix::fs::DirBuilderExt as _;
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.dir)
            .map_err(CaError::file("made", &self.dir))?;
        for (name, text) in &backup.keys {
            // A name in a file from elsewhere is no path.
            if !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-') {
                return Err(CaError::NoBackup(name.into()));
            }
            sealed::write_new(&sealed::path(&self.dir, name), text.as_bytes())?;
        }
        self.sync()
    }
}

fn records<R: Record>(encoded: &[String]) -> Result<Vec<R>, StoreError> {
    let key = table::all::<R>();
    let unreadable =
        || StoreError::Unreadable { key: format!("{key:?}"), why: "it is not base64".to_owned() };
    encoded
        .iter()
        .map(|text| {
            let bytes = BASE64.decode(text.as_bytes()).map_err(|_| unreadable())?;
            table::decode(&key, &bytes)
        })
        .collect()
}

const FORMAT: &str = "portcullis ca backup 1";

/// As the `age` tool: 256 MiB and a second for each guess.
const WORK: u8 = 18;

/// No file can ask for more than four times that.
const WORK_MAX: u8 = 20;
