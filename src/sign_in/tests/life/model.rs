//! The model: what there is of a life, and which of its certificates live. Knows nothing of the house.

use std::time::Duration;

use super::GRACE;
use crate::domain::Time;
use crate::domain::certificate::Certificate;
use crate::domain::device::Device;
use crate::domain::person::Person;
use crate::enrolment::revocation::Scope;
use crate::store::table::Stored;

/// One life: persons, devices, certificates, in a world that goes on.
#[derive(Default)]
pub(super) struct Life {
    pub(super) persons: Vec<Person>,
    pub(super) locked: Vec<bool>,
    pub(super) devices: Vec<(Stored<Device>, usize, bool)>,
    pub(super) certificates: Vec<Known>,
}

/// What the model knows of a certificate.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) record: Certificate,
    pub(super) device: usize,
    pub(super) superseded: Option<Time>,
    pub(super) revoked: bool,
}

impl Life {
    pub(super) fn nth(&self, which: usize) -> Option<usize> {
        (!self.certificates.is_empty()).then(|| which % self.certificates.len())
    }

    /// The model: all there is to know of whether a certificate lives.
    pub(super) fn lives(&self, at: usize, now: Time) -> bool {
        let one = &self.certificates[at];
        let (_, person, retired) = &self.devices[one.device];
        !one.revoked
            && one.superseded.is_none_or(|at| now < at)
            && one.record.not_before <= now
            && now <= one.record.not_after.plus(Duration::from_millis(999))
            && !retired
            && !self.locked[*person]
    }

    /// It has signed in: those before it on the device have a while left. One that lost its own place takes none.
    pub(super) fn supersede(&mut self, at: usize, now: Time) {
        let (device, superseded) = (self.certificates[at].device, self.certificates[at].superseded);
        if superseded.is_some() {
            return;
        }
        let older = self.certificates[..at].iter_mut().filter(|one| one.device == device && !one.revoked);
        for one in older {
            one.superseded.get_or_insert(now.plus(Duration::from_secs(GRACE)));
        }
    }

    pub(super) fn fell(&mut self, scope: &Scope) {
        for (device, _, retired) in &mut self.devices {
            let device = &device.record;
            *retired |= match scope {
                Scope::Certificate(_) | Scope::Key(_) => false,
                Scope::Device(_, _, id) => *id == device.id,
                Scope::Person(_, person) => *person == device.person,
                Scope::Tenant(_) => true,
            };
        }
        for one in &mut self.certificates {
            let named = matches!(scope, Scope::Certificate(serial) if *serial == one.record.serial);
            one.revoked |= named || self.devices[one.device].2;
        }
    }
}

impl Known {
    pub(super) const fn of(record: Certificate, device: usize) -> Self {
        Self { record, device, superseded: None, revoked: false }
    }
}
