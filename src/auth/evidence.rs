//! What has been proved about a request. Evidence can be made only inside `auth`; everybody
//! may read it, and `policy` decides by it alone.

use std::net::IpAddr;
use std::sync::Arc;

use crate::domain::approval::{Approval, ApprovalState};
use crate::domain::certificate::{Certificate, Fingerprint};
use crate::domain::device::Device;
use crate::domain::person::Person;
use crate::domain::session::{Session, TokenHash};
use crate::domain::{DeviceId, PersonId, Reason, TenantId, Time};

/// All that was proved about one request.
#[derive(Clone, Debug)]
pub struct Evidence {
    certificate: CertificateEvidence,
    session: Option<ProvedSession>,
    address: IpAddr,
}

/// The first lock.
#[derive(Clone, Debug)]
pub enum CertificateEvidence {
    /// The client showed none, or the door does not ask.
    Absent,
    /// It proved a key whose certificate does not count here, and why.
    Rejected {
        /// Why.
        reason: Reason,
        /// Of which certificate.
        fingerprint: Fingerprint,
    },
    /// A certificate of ours that ended a short while ago and is otherwise as good as it ever was: it opens
    /// its own renewal, and nothing else.
    Ended(EndedCertificate),
    /// A certificate of ours, in force, of a device and person we know, at the right door.
    Proved(ProvedCertificate),
}

/// A certificate of ours that ended within the tenant's grace period: neither revoked nor superseded, of a
/// released device, of a person who may come in. Not a [`ProvedCertificate`], and never made into one: whatever
/// asks for that cannot be given this.
#[derive(Clone, Debug)]
pub struct EndedCertificate {
    certificate: Arc<Certificate>,
    device: Arc<Device>,
    person: Arc<Person>,
    on: Time,
}

/// A certificate of ours in force, with the device and the person behind it.
#[derive(Clone, Debug)]
pub struct ProvedCertificate {
    certificate: Arc<Certificate>,
    device: Arc<Device>,
    person: Arc<Person>,
}

/// A session found by its cookie, live, and made with the certificate of this connection.
#[derive(Clone, Debug)]
pub struct ProvedSession {
    session: Arc<Session>,
}

impl Evidence {
    /// Puts together what the checks of one request returned.
    #[must_use]
    pub fn gather(certificate: CertificateEvidence, session: Option<ProvedSession>, address: IpAddr) -> Self {
        // A session is worth nothing beside another certificate, or none.
        let session = session.filter(|session| {
            matches!(&certificate, CertificateEvidence::Proved(proved)
                if proved.fingerprint() == &session.session.fingerprint)
        });
        Self { certificate, session, address }
    }

    /// What the first lock said.
    #[must_use]
    pub const fn certificate(&self) -> &CertificateEvidence {
        &self.certificate
    }

    /// The certificate, where it counts.
    #[must_use]
    pub const fn proved(&self) -> Option<&ProvedCertificate> {
        match &self.certificate {
            CertificateEvidence::Proved(proved) => Some(proved),
            CertificateEvidence::Absent
            | CertificateEvidence::Rejected { .. }
            | CertificateEvidence::Ended(_) => None,
        }
    }

    /// The certificate, where it ended and may still be renewed.
    #[must_use]
    pub const fn ended(&self) -> Option<&EndedCertificate> {
        match &self.certificate {
            CertificateEvidence::Ended(ended) => Some(ended),
            CertificateEvidence::Absent
            | CertificateEvidence::Rejected { .. }
            | CertificateEvidence::Proved(_) => None,
        }
    }

    /// The session, where there is one.
    #[must_use]
    pub const fn session(&self) -> Option<&ProvedSession> {
        self.session.as_ref()
    }

    /// When the password was proved in this session.
    #[must_use]
    pub fn password(&self) -> Option<Time> {
        self.session.as_ref().and_then(|session| session.session.password)
    }

    /// When the phone approved in this session.
    #[must_use]
    pub fn phone(&self) -> Option<Time> {
        self.session.as_ref().and_then(|session| session.session.phone)
    }

    /// The same, for the one request that the phone has just approved by itself: that approval was asked for by
    /// this very session and certificate, and is as good as one to sign in. Else as it was.
    #[must_use]
    pub fn confirmed_by(&self, approval: &Approval) -> Self {
        let ApprovalState::Approved { at, .. } = &approval.state else { return self.clone() };
        let own = self.session.as_ref().map(|proved| &proved.session).filter(|session| {
            approval.session == session.token
                && approval.fingerprint == session.fingerprint
                && approval.person == session.person
        });
        let Some(session) = own else { return self.clone() };
        let fresh = Session { phone: session.phone.max(Some(*at)), ..Session::clone(session) };
        Self { session: Some(ProvedSession::new(Arc::new(fresh))), ..self.clone() }
    }

    /// Network address of the client.
    #[must_use]
    pub const fn address(&self) -> IpAddr {
        self.address
    }
}

impl ProvedCertificate {
    /// For `auth::certificate` alone.
    pub(in crate::auth) const fn new(
        certificate: Arc<Certificate>,
        device: Arc<Device>,
        person: Arc<Person>,
    ) -> Self {
        Self { certificate, device, person }
    }

    /// A proof for tests of rooms that read one.
    #[cfg(test)]
    #[must_use]
    pub(crate) const fn for_tests(
        certificate: Arc<Certificate>,
        device: Arc<Device>,
        person: Arc<Person>,
    ) -> Self {
        Self::new(certificate, device, person)
    }

    /// Whether both stand on the very same records: nothing of them has changed in between.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.certificate, &other.certificate)
            && Arc::ptr_eq(&self.device, &other.device)
            && Arc::ptr_eq(&self.person, &other.person)
    }

    /// The certificate's record.
    #[must_use]
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// The device it is installed on.
    #[must_use]
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Whose it is.
    #[must_use]
    pub fn person(&self) -> &Person {
        &self.person
    }

    /// SHA-256 over its DER.
    #[must_use]
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.certificate.fingerprint
    }

    /// Whose client.
    #[must_use]
    pub fn tenant(&self) -> &TenantId {
        &self.certificate.tenant
    }

    /// Which person.
    #[must_use]
    pub fn person_id(&self) -> &PersonId {
        &self.certificate.person
    }

    /// Which device.
    #[must_use]
    pub fn device_id(&self) -> &DeviceId {
        &self.certificate.device
    }

    /// Whether support has let the device in.
    #[must_use]
    pub fn is_released(&self) -> bool {
        self.device.state.is_released()
    }
}

impl EndedCertificate {
    /// For `auth::certificate` alone.
    pub(in crate::auth) const fn new(
        certificate: Arc<Certificate>,
        device: Arc<Device>,
        person: Arc<Person>,
        on: Time,
    ) -> Self {
        Self { certificate, device, person, on }
    }

    /// A proof for tests of rooms that read one.
    #[cfg(test)]
    #[must_use]
    pub(crate) const fn for_tests(
        certificate: Arc<Certificate>,
        device: Arc<Device>,
        person: Arc<Person>,
        on: Time,
    ) -> Self {
        Self::new(certificate, device, person, on)
    }

    /// The certificate's record.
    #[must_use]
    pub const fn certificate(&self) -> &Arc<Certificate> {
        &self.certificate
    }

    /// The device it is installed on.
    #[must_use]
    pub const fn device(&self) -> &Arc<Device> {
        &self.device
    }

    /// Whose it is.
    #[must_use]
    pub const fn person(&self) -> &Arc<Person> {
        &self.person
    }

    /// When it ended.
    #[must_use]
    pub const fn on(&self) -> Time {
        self.on
    }
}

impl ProvedSession {
    /// For `auth::session` alone.
    pub(in crate::auth) const fn new(session: Arc<Session>) -> Self {
        Self { session }
    }

    /// A proof for tests of rooms that read one.
    #[cfg(test)]
    #[must_use]
    pub(crate) const fn for_tests(session: Arc<Session>) -> Self {
        Self::new(session)
    }

    /// Its record.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Hash of its token.
    #[must_use]
    pub fn token(&self) -> &TokenHash {
        &self.session.token
    }
}
