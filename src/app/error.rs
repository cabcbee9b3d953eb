//! Why a house does not open. Each text ends with the next step.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::auth::phone::place::BadFile;
use crate::ca::CaError;
use crate::config::{SecretError, place};
use crate::control;
use crate::domain::TenantId;
use crate::enrolment::revocation::Unfinished;
use crate::front::door::DoorError;
use crate::front::tls::TlsError;
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
        std::io::ErrorKind::AddrNotAvailable => format!(
            "this machine has no such address: write one that it has (`ip address` shows them), or 0.0.0.0 for all \
             of them, in [listen] of {file}"
        ),
        _ => format!("is another server there? Change [listen] in {file}"),
    }
}

/// What helps where a file cannot be written.
fn mend_file(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::NotFound => "make its folder, or correct the path",
        _ => "look at the folder's owner and mode",
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
    #[error("{path} cannot be written: {source}; {}", mend_file(.source))]
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
    Places(#[from] BadFile),
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
    /// Any of these about a file, with where the configuration names it.
    #[error("{place}: {source}")]
    Named {
        /// Line, key and section.
        place: String,
        /// What is wrong.
        source: Box<Self>,
    },
    /// A tenant's rules.
    #[error("the rules of {tenant} cannot be used: {mistakes}")]
    Policy {
        /// Whose.
        tenant: TenantId,
        /// What is wrong.
        mistakes: String,
    },
}

impl AppError {
    /// With the place of `config` that names the file it is about, where it is about one.
    #[must_use]
    pub fn named(self, config: &Path) -> Self {
        match self.file().and_then(|file| place(config, file)) {
            Some(place) => Self::Named { place, source: Box::new(self) },
            None => self,
        }
    }

    fn file(&self) -> Option<&Path> {
        match self {
            Self::File { path: file, .. }
            | Self::JwtKey(file)
            | Self::Places(BadFile { file, .. })
            | Self::Mail(email::BadSettings::Ca(file))
            | Self::Push(webpush::BadSettings::Ca(file))
            | Self::PushKeys(webpush::KeysError::File { file, .. } | webpush::KeysError::Broken(file))
            | Self::Secret(
                SecretError::OpenToOthers(file)
                | SecretError::Unreadable { file, .. }
                | SecretError::Broken { file, .. },
            ) => Some(file),
            Self::Door(DoorError::Tls {
                source:
                    TlsError::Unreadable { file, .. }
                    | TlsError::Empty(file)
                    | TlsError::WrongName { file, .. }
                    | TlsError::Unusable { file, .. },
                ..
            })
            | Self::Backends(TrustError::Unreadable { file, .. } | TrustError::Empty(file)) => {
                Some(Path::new(file))
            }
            _ => None,
        }
    }
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
        let elsewhere = told(std::io::ErrorKind::AddrNotAvailable);
        assert!(elsewhere.contains("`ip address`") && !elsewhere.contains("another server"), "{elsewhere}");
        assert!(told(std::io::ErrorKind::AddrInUse).contains("is another server there?"));
    }
}
