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

/// What helps where an address cannot be had.
fn mend(error: &std::io::Error, file: &str) -> String {
    match error.kind() {
        std::io::ErrorKind::PermissionDenied => format!(
            "only root and whoever has CAP_NET_BIND_SERVICE may listen below port 1024: run as the service does \
             (portcullis.service gives it), or choose a port above 1023 in [listen] of {file}"
        ),
        _ => format!("is another server there? Change [listen] in {file}"),
    }
}

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
    #[error("{what} cannot listen at {address}: {source}; {}", mend(.source, .file))]
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_may_not_listen_is_not_sent_to_look_for_another_server() {
        let told = |kind: std::io::ErrorKind| {
            let address = SocketAddr::from(([0, 0, 0, 0], 443));
            let file = "portcullis.toml".to_owned();
            AppError::Listen { what: "TLS", address, file, source: kind.into() }.to_string()
        };
        let denied = told(std::io::ErrorKind::PermissionDenied);
        for says in ["0.0.0.0:443", "CAP_NET_BIND_SERVICE", "a port above 1023", "portcullis.toml"] {
            assert!(denied.contains(says), "{says}: {denied}");
        }
        assert!(!denied.contains("another server"), "{denied}");
        assert!(told(std::io::ErrorKind::AddrInUse).contains("is another server there?"));
    }
}
