//! Messages to people: queued in the commit that gives rise to them, sent afterwards.
//!
//! No message holds a code, a secret or a link that signs anybody in. What holds a key, or a link that opens
//! something, is never queued: `post` sends it while somebody waits.

pub mod email;
pub mod post;
pub mod webpush;

use serde::{Deserialize, Serialize};

use crate::domain::person::Person;
use crate::domain::tenant::Tenant;
use crate::domain::{NoticeId, TenantId, Time};
use crate::store::Write;
use crate::store::table::{self, Key, Record};
use crate::world::World;

/// A message waiting to be sent to every address of a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// Key of the record; ordered by time.
    pub id: NoticeId,
    /// Whose tenant.
    pub tenant: TenantId,
    /// Every e-mail address of the person.
    pub to: Vec<String>,
    /// What it says.
    pub about: About,
    /// "Bank Muster & Cie".
    pub site: String,
    /// "Anna Muster".
    pub name: String,
    /// Whom to call.
    pub telephone: String,
    /// When it happened.
    pub happened: Time,
    /// Sendings that did not succeed so far.
    pub failures: u32,
    /// Not to be tried before this.
    pub due: Time,
}

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum About {
    /// Support let a device in.
    DeviceReleased {
        /// "laptop".
        device: String,
        /// Where it came from.
        address: String,
    },
    /// A phone was paired.
    PhonePaired {
        /// "Android phone".
        phone: String,
    },
    /// A new phone took the place of all that were paired before.
    PhoneReplaced {
        /// "Android phone".
        phone: String,
        /// On which device it was done.
        device: String,
        /// Where it came from.
        address: String,
        /// By what: "a recovery code", "our support".
        by: String,
    },
    /// Ten recovery codes were made.
    RecoveryCodesMade {
        /// Whether older ones died by it.
        anew: bool,
    },
    /// A recovery code was used.
    RecoveryCodeUsed {
        /// So many are left.
        left: usize,
        /// On which device.
        device: String,
        /// Where it came from.
        address: String,
    },
    /// Somebody asks support for a new phone's pairing, and a first agent has agreed.
    LostPhoneAsked {
        /// On which device.
        device: String,
        /// Where it came from.
        address: String,
    },
    /// A phone was removed, and can approve nothing any more.
    PhoneRemoved {
        /// "Android phone".
        phone: String,
        /// Whether support did it, and not the person.
        by_support: bool,
    },
    /// The password was set.
    PasswordSet,
    /// Somebody answered "not me".
    NotMe {
        /// "laptop".
        device: String,
        /// Where it came from.
        address: String,
    },
    /// Support let a person in again who had answered "not me".
    Unfrozen,
    /// Another certificate was made for a device.
    CertificateRenewed {
        /// "laptop".
        device: String,
        /// Last day.
        until: Time,
    },
    /// A newer certificate of a device took the older one's place.
    CertificateSuperseded {
        /// "laptop".
        device: String,
        /// From when on the old one opens nothing.
        at: Time,
    },
    /// A device's certificate was switched off.
    CertificateRevoked {
        /// "laptop".
        device: String,
    },
    /// Somebody whose certificate ended asks for a new one.
    ExpiredAsked {
        /// "laptop".
        device: String,
        /// Where it came from.
        address: String,
    },
    /// A certificate ends soon, or has ended.
    CertificateEnds {
        /// "laptop".
        device: String,
        /// Last day.
        until: Time,
        /// Days left by the calendar; 0 on the last day, and once it has ended.
        days: u32,
    },
    /// The machine's owner let a member of staff in past the usual rule.
    BreakGlass {
        /// As the one who did it wrote it.
        reason: String,
    },
}

impl Record for Notice {
    const TABLE: u8 = b'n';
    fn key(&self) -> Key {
        Key::of(Self::TABLE, &[self.id.as_str().as_bytes()])
    }
}

/// What queues a message, to commit with what it tells of. A person without an address is told by
/// nobody: then there is nothing to write.
#[must_use]
pub fn queue(world: &World, tenant: &Tenant, person: &Person, about: About) -> Option<Write> {
    if person.emails.is_empty() {
        return None;
    }
    let now = world.now();
    Some(table::create(&Notice {
        id: NoticeId::from_bits(world.bytes()),
        tenant: tenant.id.clone(),
        to: person.emails.clone(),
        about,
        site: tenant.name.clone(),
        name: person.name.clone(),
        telephone: tenant.telephone.clone(),
        happened: now,
        failures: 0,
        due: now,
    }))
}
