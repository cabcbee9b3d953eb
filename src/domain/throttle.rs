//! Throttles: failures in a row, and until when the next try must wait.

use serde::{Deserialize, Serialize};

use super::{TenantId, Time};

/// Failures in a row of one subject. Lives longer than what it guards; set back only by
/// success or by the desk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Throttle {
    /// Whose door.
    pub tenant: TenantId,
    /// What is guarded.
    pub purpose: Guarded,
    /// Who is counted: `person:ID`, `stranger:ID`, `mailbox:HASH`, `device:ID`, `phone:ID`,
    /// `address:IP`, `agent:ID`.
    pub subject: String,
    /// Failures in a row.
    pub failures: u32,
    /// The next try is refused before this.
    pub until: Time,
    /// Whether only success elsewhere or the desk opens it again.
    pub blocked: bool,
}

impl Throttle {
    /// How the subject of a typed e-mail address begins.
    pub const OF_MAILBOX: &str = "mailbox:";
    /// How the subject of a network address begins.
    pub const OF_ADDRESS: &str = "address:";
}

/// What a throttle guards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Guarded {
    /// The six digits read out on the telephone.
    Code,
    /// Password and phone of a person who holds a known certificate.
    SignIn,
    /// One-time secrets of EST, and a machine's renewals.
    Enrol,
    /// Recovery codes of a lost phone.
    Recovery,
    /// New codes, new pairings, new questions to the phone.
    Requests,
    /// The six digits typed on a phone.
    Digits,
}

impl Guarded {
    /// All of them.
    pub const ALL: &[Self] =
        &[Self::Code, Self::SignIn, Self::Enrol, Self::Recovery, Self::Requests, Self::Digits];

    /// In keys and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::SignIn => "sign-in",
            Self::Enrol => "enrol",
            Self::Recovery => "recovery",
            Self::Requests => "requests",
            Self::Digits => "digits",
        }
    }
}
