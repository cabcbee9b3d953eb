//! Why a door's TLS configuration cannot be made. Reads nothing.

use crate::domain::Time;

/// Why a TLS configuration cannot be made. The text never holds a part of a key.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{file} cannot be read as PEM ({why}): check the path, its rights, and that it is PEM")]
    Unreadable {
        /// Which.
        file: String,
        /// Why.
        why: String,
    },
    /// No certificate in the file.
    #[error("{0} holds no certificate: put the door's certificate there, leaf first")]
    Empty(String),
    /// The leaf does not name a host of the door.
    #[error("the certificate in {file} is not for {host}: have one issued that names it as a DNS name")]
    WrongName {
        /// Which file.
        file: String,
        /// The host that is missing.
        host: String,
    },
    /// It would take the place of one that still counts.
    #[error("the certificate in {file} ended on {}: put a new one there", .until.day())]
    Ended {
        /// Which file.
        file: String,
        /// When.
        until: Time,
    },
    /// A CA certificate for the hints cannot be read.
    #[error("a CA certificate that clients are to be asked for cannot be read: check `portcullis ca show`")]
    BadCa,
    /// rustls says no.
    #[error("{file} cannot be used: {why}")]
    Unusable {
        /// Which file.
        file: String,
        /// What rustls says.
        why: String,
    },
}
