//! A file as whoever asks has it: base64 where it travels, read where it is used.

use serde::{Deserialize, Serialize};

/// Bytes, PEM or DER or anything else.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Given(Vec<u8>);

impl Given {
    /// Whatever was given.
    #[must_use]
    pub const fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// It.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl TryFrom<String> for Given {
    type Error = data_encoding::DecodeError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        data_encoding::BASE64.decode(text.as_bytes()).map(Self)
    }
}

impl From<Given> for String {
    fn from(given: Given) -> Self {
        data_encoding::BASE64.encode(&given.0)
    }
}
