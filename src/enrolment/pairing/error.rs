//! Why a pairing does not go on, in words that end with the next step.

use crate::auth::phone::webauthn;
use crate::domain::Reason;
use crate::store::StoreError;

/// Why a pairing does not go on.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PairingError {
    /// No such pairing, too old, a wrong secret, another step: nothing more is said.
    #[error("this square is too old or was used already: show a new one on the computer")]
    Gone,
    /// Two phones came with one square.
    #[error("two phones came with the same square, so neither is paired: call support, then show a new one")]
    Contested,
    /// The person has a phone.
    #[error("a phone is paired already: replacing it goes through support")]
    HasPhone,
    /// The person has as many as anybody may have.
    #[error("there are five phones already: remove one first")]
    TooMany,
    /// This site takes no key that may be copied to other devices.
    #[error("this site takes only a key that stays in one phone")]
    Synced,
    /// The authenticator's answer does not count.
    #[error("the phone's new key could not be taken: {0}")]
    Credential(#[from] webauthn::Refused),
    /// Something changed meanwhile.
    #[error("the pairing changed meanwhile: try again")]
    Busy,
    /// The store's.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a page of a pairing says: whoever came first has moved it on.
impl From<PairingError> for Reason {
    fn from(error: PairingError) -> Self {
        match error {
            PairingError::Store(_) => Self::Internal,
            _ => Self::BadRequest("this moved on meanwhile; load the page again"),
        }
    }
}
