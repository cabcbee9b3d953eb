//! Finds the secrets the configuration names, and refuses files that others may read. Knows
//! places and permissions, not what a secret opens.

use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use zeroize::{Zeroize, Zeroizing};

use super::{Environment, Secrets};
use crate::domain::Secret;

/// A passphrase and where it came from, for `doctor`.
#[derive(Clone, Debug)]
pub struct Passphrase {
    /// The passphrase.
    pub secret: Secret,
    /// "the file /etc/portcullis/passphrase", "PORTCULLIS_PASSPHRASE".
    pub source: String,
}

/// Why a secret cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// Others may read it.
    #[error("{file} may be read by others than its owner: type `chmod 600 {file}`", file = .0.display())]
    OpenToOthers(PathBuf),
    /// It cannot be read.
    #[error("{file} cannot be read: {source}; check that it exists and belongs to the user that runs Portcullis", file = .file.display())]
    Unreadable {
        /// Which.
        file: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It holds something else.
    #[error("{file} does not hold {wanted}: restore it from your backup", file = .file.display())]
    Broken {
        /// Which.
        file: PathBuf,
        /// What it should hold.
        wanted: &'static str,
    },
    /// There is none.
    #[error(
        "there is no passphrase for the keys of the CA: name its file in `[secrets] passphrase_file`, \
         set PORTCULLIS_PASSPHRASE, or let systemd hand over the credential `passphrase`"
    )]
    NoPassphrase,
}

impl Secrets {
    /// The passphrase: from the file where one is named, else the systemd credential, else the
    /// environment.
    ///
    /// # Errors
    /// Where there is none, it is empty, or its file may be read by others.
    pub fn passphrase(&self, environment: &Environment) -> Result<Passphrase, SecretError> {
        if let Some(file) = &self.passphrase_file {
            return from_file(file);
        }
        if let Some(folder) = &environment.credentials {
            let file = folder.join("passphrase");
            if file.exists() {
                // systemd lays credentials 0440 into a folder that only the service enters.
                return read_passphrase(&file, "the systemd credential `passphrase`".to_owned());
            }
        }
        match &environment.passphrase {
            Some(secret) => {
                Ok(Passphrase { secret: secret.clone(), source: "PORTCULLIS_PASSPHRASE".to_owned() })
            }
            None => Err(SecretError::NoPassphrase),
        }
    }

    /// The 32 bytes of the pepper.
    ///
    /// # Errors
    /// Where the file is missing, open to others, or holds something else.
    pub fn pepper(&self) -> Result<Zeroizing<[u8; 32]>, SecretError> {
        let file = &self.pepper_file;
        let text = read(file)?;
        let broken = || SecretError::Broken { file: file.clone(), wanted: "64 hexadecimal digits" };
        let bytes = Zeroizing::new(
            data_encoding::HEXLOWER_PERMISSIVE.decode(text.trim().as_bytes()).map_err(|_| broken())?,
        );
        let mut pepper = Zeroizing::new([0; 32]);
        if bytes.len() != pepper.len() {
            return Err(broken());
        }
        pepper.copy_from_slice(&bytes);
        Ok(pepper)
    }

    /// The key that signs what the backend is told, PKCS #8 DER.
    ///
    /// # Errors
    /// Where the file is missing, open to others, or holds something else.
    pub fn jwt_key(&self) -> Result<Zeroizing<Vec<u8>>, SecretError> {
        let file = &self.jwt_key_file;
        let text = read(file)?;
        let block = pem::parse(text.as_bytes()).ok().filter(|block| block.tag() == "PRIVATE KEY");
        match block {
            Some(block) => Ok(Zeroizing::new(block.into_contents())),
            None => Err(SecretError::Broken { file: file.clone(), wanted: "a P-256 key as PKCS #8 in PEM" }),
        }
    }
}

/// A passphrase from a file that only its owner may read.
///
/// # Errors
/// Where the file is missing, empty, or open to others.
pub fn from_file(file: &Path) -> Result<Passphrase, SecretError> {
    check_mode(file)?;
    read_passphrase(file, format!("the file {}", file.display()))
}

/// Refuses a file that others than its owner may read. One that is missing passes: the one who
/// opens it says so.
///
/// # Errors
/// [`SecretError::OpenToOthers`].
pub fn check_mode(file: &Path) -> Result<(), SecretError> {
    match std::fs::metadata(file) {
        Ok(found) if found.permissions().mode() & 0o077 != 0 => {
            Err(SecretError::OpenToOthers(file.to_owned()))
        }
        _ => Ok(()),
    }
}

/// Writes a new file that only its owner may read; never over another.
///
/// # Errors
/// Those of the file system.
pub fn write_new(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    let mut handle = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    handle.write_all(bytes)?;
    handle.sync_all()
}

fn read(file: &Path) -> Result<Zeroizing<String>, SecretError> {
    check_mode(file)?;
    std::fs::read_to_string(file)
        .map(Zeroizing::new)
        .map_err(|source| SecretError::Unreadable { file: file.to_owned(), source })
}

fn read_passphrase(file: &Path, source: String) -> Result<Passphrase, SecretError> {
    let mut text = std::fs::read_to_string(file)
        .map_err(|source| SecretError::Unreadable { file: file.to_owned(), source })?;
    let secret = Secret::new(text.trim_end_matches(['\r', '\n']));
    text.zeroize();
    if secret.expose().is_empty() {
        return Err(SecretError::Broken { file: file.to_owned(), wanted: "a passphrase" });
    }
    Ok(Passphrase { secret, source })
}
