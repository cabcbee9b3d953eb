//! Enrolments: what waits for the desk's release, from the code on the screen to the word that was said.

use serde::{Deserialize, Serialize};

use super::session::TokenHash;
use super::{DeviceId, PersonId, TenantId, Time};

/// A first visit of one device in one browser session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrolment {
    /// Whose tenant.
    pub tenant: TenantId,
    /// Whose device.
    pub person: PersonId,
    /// Which device.
    pub device: DeviceId,
    /// The pre-session it is bound to; another browser gets another enrolment.
    pub session: TokenHash,
    /// Short number to read to support when something goes wrong; no secret.
    pub number: String,
    /// HMAC of the six digits on the screen; `None` once the code was used or died.
    pub code_mac: Option<[u8; 32]>,
    /// After this the code is void: 10 minutes from its making (SP 800-63B-4 3.1.3.2).
    pub code_expires: Time,
    /// "Chrome on Linux".
    pub browser: String,
    /// Network address it came from.
    pub address: String,
    /// Another browser came with the same certificate before: the desk is warned.
    pub alarm: bool,
    /// When it began.
    pub started: Time,
    /// How far it has come.
    pub state: EnrolmentState,
    /// What is to be released.
    #[serde(default)]
    pub kind: EnrolmentKind,
}

/// What the desk is asked to release.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EnrolmentKind {
    /// A device that has never been in, and shows its certificate.
    #[default]
    FirstVisit,
    /// The renewal of a certificate that ended: nothing is shown but an e-mail address.
    Expired,
    /// A new phone in place of one that is lost: certificate and password are proved, and two agents must agree.
    LostPhone,
}

impl EnrolmentKind {
    /// In lists and the audit trail.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FirstVisit => "first visit",
            Self::Expired => "expired certificate",
            Self::LostPhone => "lost phone",
        }
    }
}

impl Enrolment {
    /// Whether its code, or what the code led to, may still be used. A clock that was set back over a restart
    /// stands before its beginning: that extends nothing.
    #[must_use]
    pub fn in_time(&self, now: Time) -> bool {
        self.started <= now && now < self.code_expires
    }
}

/// How far an enrolment has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EnrolmentState {
    /// The code is on the screen.
    Waiting,
    /// An agent typed the right code; the client is asked which word the agent said.
    CodeRight {
        /// Actor as in the audit trail.
        agent: String,
        /// The word the agent says.
        word: String,
        /// The three the client chooses from.
        words: [String; 3],
    },
    /// The client chose the right word; the agent may release.
    WordRight {
        /// Actor as in the audit trail.
        agent: String,
        /// The word that was said.
        word: String,
    },
    /// An agent released it; another must confirm.
    AwaitingSecond {
        /// The first, as in the audit trail.
        first: String,
    },
    /// Let in.
    Released {
        /// Actor as in the audit trail.
        by: String,
    },
    /// Turned away by the agent, or ended by a wrong word.
    Ended {
        /// For the desk.
        why: EndedWhy,
    },
}

/// Why an enrolment ended without a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EndedWhy {
    /// The agent turned it away.
    Rejected,
    /// The client chose another word than the agent said.
    WrongWord,
    /// A newer enrolment of the same device took its place.
    Replaced,
}
