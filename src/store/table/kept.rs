//! Which record lies in which table, under which key, and until when.

use crate::domain::Time;
use crate::domain::approval::{Approval, ApprovalState, Asked};
use crate::domain::certificate::{Certificate, Forgotten, Issuer, LastUse};
use crate::domain::confirmation::{Confirmation, KeptLately};
use crate::domain::device::Device;
use crate::domain::enrolment::{Enrolment, EnrolmentKind};
use crate::domain::grant::Grant;
use crate::domain::person::Person;
use crate::domain::phone::{Pairing, Phone, RemovedPhone};
use crate::domain::push::Subscription;
use crate::domain::recovery::RecoveryCodes;
use crate::domain::reminder::Reminder;
use crate::domain::renewal::Renewal;
use crate::domain::route::{Route, Rules};
use crate::domain::session::Session;
use crate::domain::tenant::Tenant;
use crate::domain::throttle::Throttle;

use super::*;

impl Record for Tenant {
    const TABLE: u8 = b't';
    fn key(&self) -> Key {
        tenant(&self.id)
    }
}

impl Record for Person {
    const TABLE: u8 = b'p';
    fn key(&self) -> Key {
        person(&self.tenant, &self.id)
    }
}

impl Record for Device {
    const TABLE: u8 = b'd';
    fn key(&self) -> Key {
        device(&self.tenant, &self.person, &self.id)
    }
}

impl Record for Issuer {
    const TABLE: u8 = b'i';
    fn key(&self) -> Key {
        Key::of(Self::TABLE, &[self.id.as_str().as_bytes()])
    }
}

impl Record for Certificate {
    const TABLE: u8 = b'c';
    fn key(&self) -> Key {
        certificate(&self.serial)
    }
}

impl Record for LastUse {
    const TABLE: u8 = b'l';
    fn key(&self) -> Key {
        last_use(&self.serial)
    }
}

impl Record for Reminder {
    const TABLE: u8 = b'm';
    fn key(&self) -> Key {
        Key::of(Self::TABLE, &[self.serial.as_bytes(), self.stage.to_string().as_bytes()])
    }
    fn expires(&self) -> Option<Time> {
        Some(self.until)
    }
}

impl Record for Forgotten {
    const TABLE: u8 = b'x';
    fn key(&self) -> Key {
        forgotten(&self.serial)
    }
}

impl Record for Phone {
    const TABLE: u8 = b'f';
    fn key(&self) -> Key {
        phone(&self.tenant, &self.person, &self.id)
    }
}

impl Record for Subscription {
    const TABLE: u8 = b'j';
    fn key(&self) -> Key {
        subscription(&self.tenant, &self.person, &self.phone)
    }
}

impl Record for RemovedPhone {
    const TABLE: u8 = b'2';
    fn key(&self) -> Key {
        removed_phone(&self.tenant, &self.person, &self.id)
    }
    fn expires(&self) -> Option<Time> {
        Some(self.at.plus(REMOVED_KEPT))
    }
}

impl Record for Pairing {
    const TABLE: u8 = b'q';
    fn key(&self) -> Key {
        pairing(&self.id)
    }
    fn expires(&self) -> Option<Time> {
        Some(self.expires)
    }
}

impl Record for Enrolment {
    const TABLE: u8 = b'e';
    fn key(&self) -> Key {
        enrolment(&self.tenant, &self.person, &self.device, &self.session)
    }
    fn expires(&self) -> Option<Time> {
        Some(match self.kind {
            EnrolmentKind::FirstVisit | EnrolmentKind::LostPhone => self.started.plus(ENROLMENT_KEPT),
            // Anybody may begin one, and it is good for nothing without its renewal.
            EnrolmentKind::Expired => self.started.plus(Renewal::LIVES),
        })
    }
}

impl Record for RecoveryCodes {
    const TABLE: u8 = b'1';
    fn key(&self) -> Key {
        recovery_codes(&self.tenant, &self.person)
    }
}

impl Record for Grant {
    const TABLE: u8 = b'g';
    fn key(&self) -> Key {
        grant(&self.id)
    }
    fn expires(&self) -> Option<Time> {
        Some(self.expires)
    }
}

impl Record for Approval {
    const TABLE: u8 = b'a';
    fn key(&self) -> Key {
        approval(&self.tenant, &self.person, &self.id)
    }
    fn expires(&self) -> Option<Time> {
        let unanswered = matches!(
            self.state,
            ApprovalState::Pending | ApprovalState::Superseded | ApprovalState::Withdrawn
        );
        Some(self.expires.plus(if unanswered { QUESTION_KEPT } else { ANSWER_KEPT }))
    }
}

impl Record for Confirmation {
    const TABLE: u8 = b'b';
    fn key(&self) -> Key {
        confirmation(&self.tenant, &self.person, &self.id)
    }
    fn expires(&self) -> Option<Time> {
        // Nobody's agreement is evidence of nothing.
        Some(self.created.plus(if self.evidence.is_some() { Self::KEPT } else { QUESTION_KEPT }))
    }
}

impl Record for KeptLately {
    const TABLE: u8 = b'o';
    fn key(&self) -> Key {
        kept_lately(&self.tenant, &self.person)
    }
    fn expires(&self) -> Option<Time> {
        self.times.last().map(|last| last.plus(Self::WITHIN))
    }
}

impl Record for Asked {
    const TABLE: u8 = b'k';
    fn key(&self) -> Key {
        asked(&self.tenant, &self.person)
    }
}

impl Record for Session {
    const TABLE: u8 = b's';
    fn key(&self) -> Key {
        session(&self.token)
    }
    fn expires(&self) -> Option<Time> {
        Some(self.absolute_end)
    }
}

impl Record for Renewal {
    const TABLE: u8 = b'v';
    fn key(&self) -> Key {
        renewal(&self.token)
    }
    fn expires(&self) -> Option<Time> {
        Some(self.expires)
    }
}

impl Record for Throttle {
    const TABLE: u8 = b'h';
    fn key(&self) -> Key {
        throttle(&self.tenant, self.purpose.as_str(), &self.subject)
    }
    /// Strangers may type, and come from, any number of addresses: a count that only pauses is forgotten long after.
    fn expires(&self) -> Option<Time> {
        let of_strangers = [Throttle::OF_MAILBOX, Throttle::OF_ADDRESS];
        let pauses = of_strangers.iter().any(|kind| self.subject.starts_with(kind));
        pauses.then(|| self.until.plus(PAUSING_KEPT))
    }
}

impl Record for Route {
    const TABLE: u8 = b'r';
    fn key(&self) -> Key {
        route(&self.tenant, &self.name)
    }
}

impl Record for Rules {
    const TABLE: u8 = b'u';
    fn key(&self) -> Key {
        rules(&self.tenant)
    }
}

/// An enrolment outlives its code, so that a call that takes long can be taken up again.
const ENROLMENT_KEPT: std::time::Duration = std::time::Duration::from_secs(24 * 3600);

/// Many times the pause that too many tries bring.
const PAUSING_KEPT: std::time::Duration = std::time::Duration::from_secs(24 * 3600);

/// Who was asked sees for as long what was answered, and may still say that it was somebody else.
const ANSWER_KEPT: std::time::Duration = std::time::Duration::from_secs(90 * 24 * 3600);

/// Questions that nobody answered are of use for less long, and a stranger may cause many.
const QUESTION_KEPT: std::time::Duration = std::time::Duration::from_secs(7 * 24 * 3600);

/// A phone that was removed is told so for as long as somebody may find it in a drawer.
const REMOVED_KEPT: std::time::Duration = std::time::Duration::from_secs(366 * 24 * 3600);
