//! One line of the audit trail: who did what to whom, from where, when, and what came of it.
//! Knows no chain and no store: `Ledger` numbers and links the lines.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::event::Event;
use crate::domain::{TenantId, Time};

/// What a caller says of an act; the ledger adds when, the number and the link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    who: String,
    what: Event,
    tenant: Option<TenantId>,
    whom: Option<String>,
    whence: Option<String>,
    outcome: Outcome,
    details: BTreeMap<String, String>,
}

impl Entry {
    /// What happened.
    pub(super) const fn event(&self) -> Event {
        self.what
    }

    /// `actor` is `person:TENANT/ID`, `local:UID`, `phone:ID` or `gate`.
    #[must_use]
    pub fn new(actor: impl Into<String>, what: Event) -> Self {
        Self {
            who: cleaned(actor.into()),
            what,
            tenant: None,
            whom: None,
            whence: None,
            outcome: Outcome::Done,
            details: BTreeMap::new(),
        }
    }

    /// Whose door.
    #[must_use]
    pub fn tenant(mut self, tenant: &TenantId) -> Self {
        self.tenant = Some(tenant.clone());
        self
    }

    /// To whom or what it was done, in the words of an actor: `person:bank/anna`, `device:...`.
    #[must_use]
    pub fn whom(mut self, whom: impl Into<String>) -> Self {
        self.whom = Some(cleaned(whom.into()));
        self
    }

    /// The network address it came from.
    #[must_use]
    #[allow(clippy::needless_pass_by_value, reason = "callers hand over an address or a text alike")]
    pub fn whence(mut self, whence: impl ToString) -> Self {
        self.whence = Some(cleaned(whence.to_string()));
        self
    }

    /// What came of it; without this, it was done.
    #[must_use]
    pub fn outcome(mut self, outcome: Outcome) -> Self {
        self.outcome = match outcome {
            Outcome::Refused(why) => Outcome::Refused(cleaned(why)),
            Outcome::Done => Outcome::Done,
        };
        self
    }

    /// Anything else worth knowing. Never a secret.
    #[must_use]
    pub fn detail(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.details.insert(cleaned(name.into()), cleaned(value.into()));
        self
    }

    /// A token that is evidence itself, and so is kept whole: a receipt in ASCII without blanks.
    #[must_use]
    pub fn evidence(mut self, name: &str, token: &str) -> Self {
        let whole = token.len() <= EVIDENCE_BYTES_MAX && token.bytes().all(|b| b.is_ascii_graphic());
        let token = if whole { token.to_owned() } else { cleaned(token.to_owned()) };
        self.details.insert(name.to_owned(), token);
        self
    }

    /// The line, once its place in the trail is known.
    pub(super) fn numbered(self, node: &str, sequence: u64, previous: [u8; 32], when: Time) -> Numbered {
        Numbered {
            node: node.to_owned(),
            sequence,
            previous,
            when,
            who: self.who,
            what: self.what,
            tenant: self.tenant,
            whom: self.whom,
            whence: self.whence,
            outcome: self.outcome,
            details: self.details,
        }
    }
}

/// A line in its place in the trail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Numbered {
    /// Which node wrote it.
    pub node: String,
    /// Counts from 1 on each node, without a gap.
    pub sequence: u64,
    /// SHA-256 of the bytes of the line before it; zeros for the first.
    pub previous: [u8; 32],
    /// When.
    pub when: Time,
    /// Who: an actor.
    pub who: String,
    /// What.
    pub what: Event,
    /// Whose door.
    pub tenant: Option<TenantId>,
    /// To whom or what.
    pub whom: Option<String>,
    /// From which network address.
    pub whence: Option<String>,
    /// What came of it.
    pub outcome: Outcome,
    /// Anything else worth knowing.
    pub details: BTreeMap<String, String>,
}

/// What came of an act.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// It was done.
    Done,
    /// It was refused, and why.
    Refused(String),
}

/// One line of readable text: what could forge a second line, move the cursor or turn the
/// direction of writing becomes a space; what is longer than a line is cut.
fn cleaned(text: String) -> String {
    let harmful = |c: char| {
        c.is_control()
            || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if text.len() <= TEXT_BYTES_MAX && !text.contains(harmful) {
        return text;
    }
    let mut clean = String::with_capacity(text.len().min(TEXT_BYTES_MAX));
    for c in text.chars() {
        let c = if harmful(c) { ' ' } else { c };
        if clean.len() + c.len_utf8() > TEXT_BYTES_MAX {
            break;
        }
        clean.push(c);
    }
    clean
}

/// Room for any identifier, address or reason of ours, and too little to fill the disk with.
const TEXT_BYTES_MAX: usize = 512;

/// What a receipt may have in all: more would fit no header of a common backend.
const EVIDENCE_BYTES_MAX: usize = 8 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_cannot_forge_a_second_line() {
        let entry = Entry::new("person:bank/anna\r\n{\"who\":\"gate\"}", Event::DeviceReleased)
            .whom("\u{1b}[2J\u{202e}device")
            .outcome(Outcome::Refused("a\nb".to_owned()))
            .detail("agent\0", "x".repeat(10_000));
        assert_eq!(entry.who, "person:bank/anna  {\"who\":\"gate\"}");
        assert_eq!(entry.whom.as_deref(), Some(" [2J device"));
        assert_eq!(entry.outcome, Outcome::Refused("a b".to_owned()));
        assert_eq!(entry.details["agent "].len(), TEXT_BYTES_MAX);
        let token = "a.b-_".repeat(1000);
        assert_eq!(entry.clone().evidence("receipt", &token).details["receipt"], token);
        assert_eq!(entry.evidence("receipt", "a\nb").details["receipt"], "a b");
    }
}
