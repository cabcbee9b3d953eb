//! Why a house does not open. Each text ends with the next step.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::auth::phone::place;
use crate::ca::CaError;
use crate::config::SecretError;
use crate::control;
use crate::domain::TenantId;
use crate::enrolment::revocation::Unfinished;
use crate::front::door::DoorError;
use crate::notify::{email, webpush};
use crate::proxy::TrustError;
use crate::store::StoreError;

/// Why the house could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The folder of the data, or what should lie in it; the text ends with the next step.
    #[error("{0}")]
    Ground(String),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The pepper, the passphrase or the signing key.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The CA.
    #[error(transparent)]
    Ca(#[from] CaError),
    /// A door.
    #[error(transparent)]
    Door(#[from] DoorError),
    /// An address.
    #[error(
        "{what} cannot listen at {address}: {source}; is another server there? Change [listen] in {file}"
    )]
    Listen {
        /// "TLS".
        what: &'static str,
        /// Which.
        address: SocketAddr,
        /// The configuration.
        file: String,
        /// The system's.
        source: std::io::Error,
    },
    /// A file.
    #[error("{path} cannot be written: {source}; look at the folder's owner and mode")]
    File {
        /// Which.
        path: PathBuf,
        /// The system's.
        source: std::io::Error,
    },
    /// The control socket.
    #[error(transparent)]
    Control(#[from] control::ListenError),
    /// The file of places.
    #[error(transparent)]
    Places(#[from] place::BadFile),
    /// The settings of mail.
    #[error(transparent)]
    Mail(#[from] email::BadSettings),
    /// The keys for push.
    #[error(transparent)]
    PushKeys(#[from] webpush::KeysError),
    /// The settings of push.
    #[error(transparent)]
    Push(#[from] webpush::BadSettings),
    /// The key that signs whom the backend is told of.
    #[error("the key in {0} is no P-256 key: make a new one with `openssl ecparam -genkey -name prime256v1`")]
    JwtKey(PathBuf),
    /// The system gave no thread or socket.
    #[error("the system gives no thread or socket: {0}")]
    System(#[source] std::io::Error),
    /// What the last lists tell could not be revoked again.
    #[error("what the last revocation list tells is not all revoked again ({0}): start it once more")]
    Unheeded(#[from] Unfinished),
    /// The files by which backends are believed.
    #[error(transparent)]
    Backends(#[from] TrustError),
    /// A tenant's rules.
    #[error("the rules of {tenant} cannot be used: {mistakes}")]
    Policy {
        /// Whose.
        tenant: TenantId,
        /// What is wrong.
        mistakes: String,
    },
}
