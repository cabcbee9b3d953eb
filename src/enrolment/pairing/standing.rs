//! How a pairing stands, for the desktop that shows the square and for the phone that scanned it.
//! Changes nothing.

use super::{PairingError, Pairings};
use crate::auth::phone::proof::ProvedKey;
use crate::domain::phone::{Pairing, PairingState};
use crate::domain::session::TokenHash;
use crate::domain::{PairingId, Time};

/// How a pairing stands, for either screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The square is on the screen.
    Open {
        /// Until when it may be scanned.
        until: Time,
    },
    /// A phone scanned it and is making its key.
    Begun,
    /// Both screens show the words.
    Claimed {
        /// The words.
        words: [String; 2],
        /// What the phone calls itself.
        phone: String,
        /// Until when the desktop may say yes.
        until: Time,
    },
    /// The phone is paired.
    Confirmed,
    /// The desktop or the phone said no.
    Refused,
    /// A second phone came with the same square: neither is paired.
    Contested,
    /// Too old, or replaced by a newer square.
    Expired,
}

impl Pairings {
    /// How a pairing stands, for the desktop that shows it.
    ///
    /// # Errors
    /// The store's.
    pub async fn state(&self, id: &PairingId) -> Result<Standing, PairingError> {
        Ok(self.find(id).await?.map_or(Standing::Expired, |found| standing(&found.record)))
    }

    /// The newest unfinished or just finished pairing that a browser session shows.
    ///
    /// # Errors
    /// The store's.
    pub async fn of_session(&self, session: &TokenHash) -> Result<Option<Pairing>, PairingError> {
        let all = self.all().await?.into_iter().map(|it| it.record);
        Ok(all.filter(|it| it.session == *session).max_by_key(|it| it.expires))
    }

    /// How a pairing stands, for the phone that began it; `Expired` for every other.
    ///
    /// # Errors
    /// The store's.
    pub async fn state_for_phone(&self, id: &PairingId, call: &ProvedKey) -> Result<Standing, PairingError> {
        let found = self.find(id).await?;
        Ok(match found {
            Some(found) if is_of(&found.record, call) => standing(&found.record),
            // Its key went with the step that ended it; the id alone, 128 random bits, tells as much.
            Some(found) if matches!(found.record.state, PairingState::Refused | PairingState::Contested) => {
                standing(&found.record)
            }
            Some(found) if found.record.state == PairingState::Confirmed => {
                let phones = self.phones(&found.record.tenant, &found.record.person).await?;
                let paired = phones.iter().any(|it| it.record.api_key.as_slice() == call.key());
                if paired { Standing::Confirmed } else { Standing::Expired }
            }
            _ => Standing::Expired,
        })
    }
}

fn standing(pairing: &Pairing) -> Standing {
    match &pairing.state {
        PairingState::Open => Standing::Open { until: pairing.expires },
        PairingState::Begun { .. } => Standing::Begun,
        PairingState::Claimed { phone, words } => {
            Standing::Claimed { words: words.clone(), phone: phone.name.clone(), until: pairing.expires }
        }
        PairingState::Confirmed => Standing::Confirmed,
        PairingState::Refused => Standing::Refused,
        PairingState::Contested => Standing::Contested,
    }
}

/// Whether the phone that calls is the one that began it.
pub(super) fn is_of(pairing: &Pairing, call: &ProvedKey) -> bool {
    match &pairing.state {
        PairingState::Begun { api_key } => api_key.as_slice() == call.key(),
        PairingState::Claimed { phone, .. } => phone.api_key.as_slice() == call.key(),
        _ => false,
    }
}
