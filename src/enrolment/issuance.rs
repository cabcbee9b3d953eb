//! Certificates issued on a grant: the one way from a permission to a certificate on record, whoever asks for
//! it. Knows no page and no command, and not by what right the grant was made.

use std::sync::Arc;
use std::time::Duration;

use crate::audit::{Entry, Event, Ledger, RecordError};
use crate::ca::{
    Authority, CaError, Encoding, IssueError, Issued, NewKey, P12, ProvenKey, Subject, chain, p12,
};
use crate::domain::certificate::{Certificate, CertificateState};
use crate::domain::device::Device;
use crate::domain::grant::{Allows, Grant, GrantSecret};
use crate::domain::person::Person;
use crate::domain::tenant::Tenant;
use crate::domain::{GrantId, Secret};
use crate::notify::{self, About};
use crate::store::Write;
use crate::store::table::{self, Stored};
use crate::world::World;

/// Makes grants and turns them into certificates.
pub struct Issuance {
    ledger: Arc<Ledger>,
    authority: Option<Arc<Authority>>,
    world: World,
}

/// For whom, and in whose name.
#[derive(Clone, Copy)]
pub struct Order<'a> {
    /// Whose client.
    pub tenant: &'a Tenant,
    /// Whose.
    pub person: &'a Person,
    /// On which device.
    pub device: &'a Device,
    /// Who asks (an actor as in the audit trail).
    pub by: &'a str,
    /// Where from: a network address, or nothing.
    pub whence: &'a str,
    /// What it is in the trail: [`Event::CertificateIssued`] or [`Event::CertificateRenewed`].
    pub event: Event,
}

/// Why no certificate was issued; nothing was used up.
#[derive(Debug, thiserror::Error)]
pub enum NotIssued {
    /// The keys of the CA are not open on this node.
    #[error("the keys of the CA are not open here")]
    NoAuthority,
    /// The CA said no.
    #[error(transparent)]
    Ca(#[from] IssueError),
    /// A name that no certificate can hold.
    #[error(transparent)]
    Subject(#[from] crate::ca::BadSubject),
    /// The key is one of a certificate that was revoked, or of another device.
    #[error("the key of the request stands already in a certificate that was revoked or is another device's")]
    KeyKnown,
    /// Somebody else was faster, or the store failed.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The machine could not do the work.
    #[error("the work was broken off")]
    BrokenOff,
}

impl Issuance {
    /// Over the ledger; `authority` where the keys of the CA are open.
    #[must_use]
    pub const fn new(ledger: Arc<Ledger>, authority: Option<Arc<Authority>>, world: World) -> Self {
        Self { ledger, authority, world }
    }

    /// The CA, where its keys are open.
    ///
    /// # Errors
    /// [`NotIssued::NoAuthority`].
    pub fn authority(&self) -> Result<&Arc<Authority>, NotIssued> {
        self.authority.as_ref().ok_or(NotIssued::NoAuthority)
    }

    /// A grant for one certificate of a device, not yet on record. `evidence` says on what it was given.
    #[must_use]
    pub fn grant(
        &self,
        order: &Order<'_>,
        evidence: impl Into<String>,
        secret: Option<GrantSecret>,
        lives: Duration,
    ) -> Grant {
        let profile = if order.tenant.id.is_staff() { "staff" } else { "device" };
        Grant {
            id: GrantId::from_bits(self.world.bytes()),
            allows: Allows::Issue {
                tenant: order.tenant.id.clone(),
                person: order.person.id.clone(),
                device: order.device.id.clone(),
                profile: profile.to_owned(),
            },
            evidence: evidence.into(),
            by: order.by.to_owned(),
            secret,
            expires: self.world.now().plus(lives),
        }
    }

    /// What tells the owner, where a device is to have another certificate: whoever has it made, the owner hears of
    /// it. It goes into the commit that puts the certificate on record.
    ///
    /// # Errors
    /// [`NotIssued`], where there could be no certificate either.
    pub fn notice(&self, order: &Order<'_>, grant: &Stored<Grant>) -> Result<Option<Write>, NotIssued> {
        if order.event != Event::CertificateRenewed {
            return Ok(None);
        }
        let until = self.authority()?.until(&grant.record, self.world.now())?;
        let about = About::CertificateRenewed { device: order.device.name.clone(), until };
        Ok(notify::queue(&self.world, order.tenant, order.person, about))
    }

    /// Puts a grant that is used in the same breath on record, with what else belongs into the commit; only
    /// where the certificate can then be made.
    ///
    /// # Errors
    /// [`NotIssued`]; then nothing was written.
    pub async fn open(
        &self,
        order: &Order<'_>,
        evidence: impl Into<String>,
        entry: Entry,
        mut also: Vec<Write>,
    ) -> Result<Stored<Grant>, NotIssued> {
        self.authority()?;
        Subject::of(order.tenant, order.person, order.device)?;
        let grant = self.grant(order, evidence, None, USED_AT_ONCE);
        also.push(table::create(&grant));
        let revision = self.ledger.record(entry, also).await?;
        Ok(Stored { record: grant, revision })
    }

    /// Makes a key here and now, certifies it, and wraps both under `password`, or under one drawn here. The
    /// grant is used up and `also` written in the commit that puts the certificate on record; until then
    /// nothing leaves.
    ///
    /// # Errors
    /// [`NotIssued`].
    pub async fn p12(
        &self,
        order: &Order<'_>,
        grant: &Stored<Grant>,
        encoding: Encoding,
        password: Option<Secret>,
        also: Vec<Write>,
    ) -> Result<(Certificate, P12), NotIssued> {
        let authority = Arc::clone(self.authority()?);
        let subject = Subject::of(order.tenant, order.person, order.device)?;
        let (grant, by, world) = (grant.clone(), order.by.to_owned(), self.world.clone());
        // Key, signature and the many rounds of the file's password: milliseconds that no I/O thread should spend.
        let made = tokio::task::spawn_blocking(move || {
            let key = NewKey::make().map_err(IssueError::from)?;
            let proven = key.prove().map_err(IssueError::from)?;
            let issued = authority.issue(proven, &grant, &subject, &by, world.now())?;
            let file = match password {
                Some(password) => p12::wrap_under(key, &issued, encoding, password),
                None => p12::wrap(key, &issued, encoding, &world),
            };
            Ok::<(Issued, P12), IssueError>((issued, file.map_err(IssueError::from)?))
        });
        let (issued, file) = made.await.map_err(|_| NotIssued::BrokenOff)??;
        let entry = issued_entry(order, &issued.certificate)
            .detail("way", "p12")
            .detail("encoding", encoding.as_str());
        let certificate = self.put_on_record(issued, entry, also).await?.certificate;
        Ok((certificate, file))
    }

    /// Certifies a key whose possession was proved: `way` says by what (`csr`, `est`). A key that others have
    /// held, or that fell with a certificate, gets no other.
    ///
    /// # Errors
    /// [`NotIssued`].
    pub async fn certify(
        &self,
        order: &Order<'_>,
        grant: &Stored<Grant>,
        key: ProvenKey,
        way: &str,
        also: Vec<Write>,
    ) -> Result<Issued, NotIssued> {
        let subject = Subject::of(order.tenant, order.person, order.device)?;
        self.unknown_elsewhere(&key, order.device)?;
        let issued = self.authority()?.issue(key, grant, &subject, order.by, self.world.now())?;
        let entry = issued_entry(order, &issued.certificate).detail("way", way);
        self.put_on_record(issued, entry, also).await
    }

    /// Whether a key may be certified for a device.
    ///
    /// # Errors
    /// [`NotIssued::KeyKnown`].
    pub fn unknown_elsewhere(&self, key: &ProvenKey, device: &Device) -> Result<(), NotIssued> {
        let known = self.ledger.view().certificate_where(|one| {
            let fallen = matches!(one.state, CertificateState::Revoked { .. });
            let others = one.device != device.id || one.tenant != device.tenant;
            (fallen || others) && chain::holds(&one.der, key.point())
        });
        if known.is_some() { Err(NotIssued::KeyKnown) } else { Ok(()) }
    }

    async fn put_on_record(
        &self,
        mut issued: Issued,
        entry: Entry,
        also: Vec<Write>,
    ) -> Result<Issued, NotIssued> {
        let mut writes = std::mem::take(&mut issued.writes);
        writes.extend(also);
        self.ledger.record(entry, writes).await?;
        Ok(issued)
    }
}

impl Order<'_> {
    /// An entry of the trail about this order.
    #[must_use]
    pub fn entry(&self, event: Event) -> Entry {
        let entry = Entry::new(self.by, event)
            .tenant(&self.tenant.id)
            .whom(format!("device:{}", self.device.id))
            .detail("person", self.person.id.as_str())
            .detail("name", &self.device.name);
        if self.whence.is_empty() { entry } else { entry.whence(self.whence) }
    }
}

impl From<CaError> for NotIssued {
    fn from(error: CaError) -> Self {
        Self::Ca(error.into())
    }
}

fn issued_entry(order: &Order<'_>, certificate: &Certificate) -> Entry {
    order.entry(order.event).detail("serial", &certificate.serial)
}

/// For a machine that is very slow.
const USED_AT_ONCE: Duration = Duration::from_secs(60);
