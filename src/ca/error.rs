//! What can go wrong in the CA, each with the next step and none with a secret.
//! Knows no HTTP.

use std::path::{Path, PathBuf};

use super::chain::ChainFault;
use super::crl::kept::NoList;
use super::offline::OfflineError;
use super::profile::ProfileError;
use crate::domain::certificate::IssuerKind;
use crate::domain::{IssuerId, Time};

/// Why the CA could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    /// Nothing, or only blanks.
    #[error(
        "the passphrase of the CA keys is empty: give one by a file, the environment or a systemd credential"
    )]
    NoPassphrase,
    /// The passphrase is another, or the file was changed.
    #[error(
        "the passphrase does not open the CA keys ({0}): give the one that `portcullis init` was given; \
         if it is that one, the file was changed: restore it from a backup"
    )]
    WrongPassphrase(PathBuf),
    /// `init` found a key.
    #[error("there is a CA already ({0}): to begin anew, move that folder away first")]
    AlreadyThere(PathBuf),
    /// The file system refused.
    #[error("{path} could not be {attempted}: {source}; check the folder, its owner and its space")]
    File {
        /// "read", "written".
        attempted: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Not a sealed key.
    #[error("the CA key {path} is broken: {why}; restore it from a backup")]
    KeyFile {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        why: &'static str,
    },
    /// The key opens and belongs to another certificate.
    #[error(
        "the key {path} does not belong to the CA certificate {issuer}: \
         restore the CA folder and the store from the same backup"
    )]
    OtherKey {
        /// Which file.
        path: PathBuf,
        /// Which issuer.
        issuer: IssuerId,
    },
    /// A CA certificate that is not what it should be.
    #[error("the CA certificate {issuer} cannot be used: {source}")]
    Chain {
        /// Which.
        issuer: IssuerId,
        /// Why.
        source: ChainFault,
    },
    /// A root that cannot sign.
    #[error("the root cannot be used: {0}")]
    Root(#[source] ChainFault),
    /// The root was taken away, as it should be.
    #[error(
        "the root's key is not on this machine ({path}): write a request with `portcullis ca rotate {kind} --request \
         FILE`, have it signed where the root is with `portcullis ca sign-intermediate`, and take the certificate up \
         with `portcullis ca rotate {kind} --certificate FILE`", kind = .kind.as_str(), path = .path.display()
    )]
    RootNotHere {
        /// What was to be signed.
        kind: IssuerKind,
        /// Where its key was looked for.
        path: PathBuf,
    },
    /// Roots, requests and certificates that do not fit.
    #[error(transparent)]
    Offline(#[from] OfflineError),
    /// The file system cannot change two folders' places.
    #[error(
        "the file system of {0} cannot let two folders change places, so the keys cannot be sealed anew all at once: \
         move the data folder to ext4, xfs, btrfs or tmpfs, and repeat it there"
    )]
    NoExchange(PathBuf),
    /// Not a backup.
    #[error("{0} is no backup of a CA: name the file that `portcullis ca backup` wrote")]
    NoBackup(PathBuf),
    /// A profile.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// Nobody signs that.
    #[error("no CA for {} is here: issue on a desk node, or run `portcullis init`", .0.as_str())]
    NoIssuer(IssuerKind),
    /// The CA has ended, or has not begun.
    #[error(
        "the CA {issuer} is not in force (it ends on {}): check the machine's clock, or make a new CA",
        .until.day()
    )]
    IssuerNotInForce {
        /// Which.
        issuer: IssuerId,
        /// When it ends.
        until: Time,
    },
    /// A name that a certificate of a door, or a root, cannot hold.
    #[error("{0:?} is no host name or address that a certificate can hold: write it as `gate.example`")]
    BadName(String),
    /// Where revocation lists are found.
    #[error("{0:?} cannot be the address of revocation lists: write it as `http://HOST:PORT`")]
    BadCrlUrl(String),
    /// An import password that some systems could not take.
    #[error("the import password must be visible ASCII characters, and not empty: choose another")]
    BadImportPassword,
    /// The .p12 could not be written.
    #[error("the .p12 could not be written ({0}): try again; if it stays so, report it")]
    P12(#[from] p12_keystore::error::Error),
    /// A message of certificates.
    #[error("the certificates could not be put into a message ({0}): restore the store from a backup")]
    Message(#[source] der::Error),
    /// A certificate's serial in the store cannot be read.
    #[error("the serial {0:?} of a revoked certificate is no number: restore the store from a backup")]
    BadSerial(String),
    /// What the gate itself wrote there was changed.
    #[error(
        "the last revocation list {} cannot be believed: {why}. It says what was revoked should the store be put back \
         to an older state: restore it, or, where no store was put back, move it away and start again", path.display()
    )]
    KeptList {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        why: NoList,
    },
    /// What stands in the store is not known now.
    #[error(
        "nothing was heard from the store of late, or a record of it cannot be read, so that nobody knows what \
         is revoked: see `portcullis doctor`"
    )]
    Stale,
    /// The cryptography refused.
    #[error("the cryptographic step failed that {0}: try again; if it stays so, see `portcullis doctor`")]
    Crypto(&'static str),
    /// rcgen refused.
    #[error("the certificate could not be made ({0}): try again; if it stays so, report it")]
    Made(#[from] rcgen::Error),
}

impl CaError {
    pub(super) fn file(attempted: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::File { attempted, path: path.to_owned(), source }
    }
}
