//! What a store holds after a crash, read by type, and the sums that show half a commit: every change has its
//! line in the trail and every line its change. Knows no crash and no engine.

use std::collections::BTreeSet;

use portcullis::audit::{self, Event, Numbered};
use portcullis::auth::password::Password;
use portcullis::domain::approval::{Approval, ApprovalState};
use portcullis::domain::certificate::{Certificate, CertificateState};
use portcullis::domain::device::Device;
use portcullis::domain::enrolment::Enrolment;
use portcullis::domain::person::Person;
use portcullis::domain::phone::{Pairing, Phone};
use portcullis::domain::session::Session;
use portcullis::domain::throttle::Throttle;
use portcullis::store::{Record, Store, table};

use crate::facts::token;

/// All records that a life touches.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) lines: Vec<Numbered>,
    pub(crate) certificates: Vec<Certificate>,
    pub(crate) persons: Vec<Person>,
    pub(crate) devices: Vec<Device>,
    pub(crate) enrolments: Vec<Enrolment>,
    pub(crate) pairings: Vec<Pairing>,
    pub(crate) phones: Vec<Phone>,
    pub(crate) passwords: Vec<Password>,
    pub(crate) approvals: Vec<Approval>,
    pub(crate) sessions: Vec<Session>,
    pub(crate) throttles: Vec<Throttle>,
}

impl State {
    /// Reads all of it, and goes over the whole trail.
    pub(crate) async fn read(store: &dyn Store) -> Self {
        let report = audit::verify(store).await.unwrap();
        assert!(report.first_bad.is_none() && report.entries > 0, "{report:?}");
        let lines: Vec<Numbered> = all(store).await;
        assert_eq!(lines.len() as u64, report.entries);
        Self {
            lines,
            certificates: all(store).await,
            persons: all(store).await,
            devices: all(store).await,
            enrolments: all(store).await,
            pairings: all(store).await,
            phones: all(store).await,
            passwords: all(store).await,
            approvals: all(store).await,
            sessions: all(store).await,
            throttles: all(store).await,
        }
    }

    pub(crate) fn certificate(&self, serial: &str) -> Option<&Certificate> {
        self.certificates.iter().find(|one| one.serial == serial)
    }

    pub(crate) fn has_session(&self, cookie: &str) -> bool {
        let token = token(cookie);
        self.sessions.iter().any(|one| one.token == token)
    }

    fn told(&self, event: Event) -> usize {
        self.lines.iter().filter(|line| line.what == event).count()
    }

    fn released(&self) -> usize {
        self.devices.iter().filter(|one| one.released_by.is_some()).count()
    }

    fn approved(&self) -> usize {
        self.approvals.iter().filter(|one| matches!(one.state, ApprovalState::Approved { .. })).count()
    }

    fn revoked(&self) -> BTreeSet<&str> {
        let revoked = |one: &&Certificate| matches!(one.state, CertificateState::Revoked { .. });
        self.certificates.iter().filter(revoked).map(|one| one.serial.as_str()).collect()
    }

    /// What the trail says was revoked.
    fn told_revoked(&self) -> BTreeSet<&str> {
        let told = self.lines.iter().filter(|line| line.what == Event::CertificateRevoked);
        told.flat_map(|line| line.details["serials"].split(' ')).collect()
    }

    /// As many of each as the trail tells of, counted from what there was before.
    pub(crate) fn must_balance(&self, before: &Self) {
        for (what, held, event) in [
            ("certificates", [before, self].map(|state| state.certificates.len()), Event::CertificateIssued),
            ("releases", [before, self].map(Self::released), Event::DeviceReleased),
            ("phones", [before, self].map(|state| state.phones.len()), Event::PairingConfirmed),
            ("approvals", [before, self].map(Self::approved), Event::ApprovalApproved),
        ] {
            let told = [before, self].map(|state| state.told(event));
            assert_eq!(held[1] - held[0], told[1] - told[0], "{what} and lines in the trail");
        }
        assert_eq!(self.revoked(), self.told_revoked(), "certificates revoked, and told in the trail");
        let before_it = self.lines.iter().zip(&before.lines);
        assert!(self.lines.len() >= before.lines.len(), "the trail is shorter than before the life");
        assert!(before_it.clone().all(|(now, then)| now == then), "the trail began otherwise before");
    }
}

async fn all<R: Record>(store: &dyn Store) -> Vec<R> {
    let read = table::list::<R>(store, &table::all::<R>()).await.unwrap();
    read.into_iter().map(|one| one.record).collect()
}
