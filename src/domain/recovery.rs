//! Recovery codes: ten secrets on paper that stand in for a lost phone, each of them once.

use serde::{Deserialize, Serialize};

use super::session::TokenHash;
use super::{PersonId, TenantId, Time};

/// A person's ten codes: one record, so that of two who come with codes at once one falls through.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoveryCodes {
    /// Whose tenant.
    pub tenant: TenantId,
    /// Whose.
    pub person: PersonId,
    /// 128 random bits, new with each ten: what fits one ten fits no other.
    pub set: [u8; 16],
    /// When they were made.
    pub made: Time,
    /// When their owner said that they are put away.
    pub put_away: Option<Time>,
    /// The ten.
    pub codes: Vec<RecoveryCode>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoveryCode {
    /// Its place on the paper, from 1.
    pub id: u8,
    /// HMAC of tenant, person, set, id and value.
    pub mac: [u8; 32],
    /// Whether it is still good.
    pub state: CodeState,
}

/// Whether a code is still good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CodeState {
    /// It is.
    Unused,
    /// Typed, and the new phone not paired yet: good in that session alone. A pairing that breaks off costs
    /// nobody a code.
    Reserved {
        /// Which session.
        session: TokenHash,
        /// After this it is unused again.
        until: Time,
    },
    /// A new phone came in on it.
    Used {
        /// When.
        at: Time,
    },
}

impl RecoveryCodes {
    /// How many have not been used.
    #[must_use]
    pub fn left(&self) -> usize {
        self.codes.iter().filter(|code| !matches!(code.state, CodeState::Used { .. })).count()
    }

    /// The code that a session has typed and not used up yet.
    #[must_use]
    pub fn reserved_by(&self, session: &TokenHash, now: Time) -> Option<&RecoveryCode> {
        self.codes.iter().find(|code| {
            matches!(&code.state, CodeState::Reserved { session: whose, until } if whose == session && now < *until)
        })
    }
}

impl RecoveryCode {
    /// Whether a session may use it at `now`.
    #[must_use]
    pub fn is_good_for(&self, session: &TokenHash, now: Time) -> bool {
        match &self.state {
            CodeState::Unused => true,
            CodeState::Reserved { session: whose, until } => whose == session || *until <= now,
            CodeState::Used { .. } => false,
        }
    }
}

/// So many are made at a time.
pub const CODES: u8 = 10;

/// With so few left, their owner is asked to make new ones.
pub const FEW: usize = 3;
