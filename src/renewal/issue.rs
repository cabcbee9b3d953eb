//! The end of a renewal: one certificate, for a key made here or for one whose possession was proved. All that
//! it stands on is read again, and the commit falls through where any of it has changed.

use axum::body::Body;
use http::{HeaderValue, Response, header};
use zeroize::Zeroizing;

use super::{Answer, Here, RenewalRoom};
use crate::audit::Event;
use crate::ca::{Encoding, Issued, P12, ProvenKey};
use crate::domain::approval::{Approval, ApprovalState};
use crate::domain::certificate::Certificate;
use crate::domain::device::Device;
use crate::domain::grant::Grant;
use crate::domain::person::Person;
use crate::domain::renewal::RenewalWay;
use crate::domain::tenant::Tenant;
use crate::domain::{Reason, Secret};
use crate::enrolment::first_visit::actor;
use crate::enrolment::issuance::{NotIssued, Order};
use crate::store::Write;
use crate::store::table::{self, Key, Record, Stored};

/// Everything a certificate stands on, as it was read.
struct Ground {
    tenant: Tenant,
    person: Stored<Person>,
    device: Stored<Device>,
    ended: Stored<Certificate>,
    approval: Stored<Approval>,
}

impl RenewalRoom {
    /// The file, as a browser saves it, under the password that its page showed.
    pub(super) async fn download(&self, here: &Here<'_>, encoding: &str) -> Answer {
        let encoding =
            Encoding::parse(encoding).ok_or(Reason::BadRequest("the kind of file is none of ours"))?;
        let token = &here.renewal.record.token;
        let password = self.import_passwords.get(token, here.visit.now);
        let password =
            password.ok_or(Reason::BadRequest("the password on the page has run out; load it again"))?;
        let (certificate, file) = self.p12(here, encoding, password).await?;
        self.import_passwords.forget(token);
        let mut response = Response::new(Body::from(axum::body::Bytes::from_owner(Wiped(file.bytes))));
        let headers = response.headers_mut();
        let name = format!("attachment; filename=\"{}\"", file_name(&certificate));
        if let Ok(name) = HeaderValue::from_str(&name) {
            headers.insert(header::CONTENT_DISPOSITION, name);
        }
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-pkcs12"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        Ok(super::clear_cookie(response))
    }

    /// A key made here, wrapped under `password`.
    pub(super) async fn p12(
        &self,
        here: &Here<'_>,
        encoding: Encoding,
        password: Secret,
    ) -> Result<(Certificate, P12), Reason> {
        let ground = self.ground(here).await?;
        let (by, whence) = (self.by(here), here.visit.address.to_string());
        let order = ground.order(&by, &whence);
        let grant = self.grant(here, &ground, &order).await?;
        let also = self.also(here, &ground, &order, &grant)?;
        self.parts.issuance.p12(&order, &grant, encoding, Some(password), also).await.map_err(not_issued)
    }

    /// A key whose possession the request proved.
    pub(super) async fn certify(&self, here: &Here<'_>, key: ProvenKey) -> Result<Issued, Reason> {
        let ground = self.ground(here).await?;
        let (by, whence) = (self.by(here), here.visit.address.to_string());
        let order = ground.order(&by, &whence);
        let grant = self.grant(here, &ground, &order).await?;
        let also = self.also(here, &ground, &order, &grant)?;
        self.parts.issuance.certify(&order, &grant, key, "csr", also).await.map_err(not_issued)
    }

    fn by(&self, here: &Here<'_>) -> String {
        actor(&here.renewal.record.tenant, &here.renewal.record.person)
    }

    async fn ground(&self, here: &Here<'_>) -> Result<Ground, Reason> {
        let renewal = &here.renewal.record;
        let (tenant, person, device) = (&renewal.tenant, &renewal.person, &renewal.device);
        let phone = renewal.phone.as_ref().ok_or(Reason::SignInFirst)?;
        let released = renewal.released_by.is_some() || !self.release_needed(here);
        if renewal.password.is_none() || !released {
            return Err(Reason::SignInFirst);
        }
        let ground = Ground {
            tenant: self.read::<Tenant>(&table::tenant(tenant)).await?.record,
            person: self.read(&table::person(tenant, person)).await?,
            device: self.read(&table::device(tenant, person, device)).await?,
            ended: self.read(&table::certificate(&renewal.serial)).await?,
            approval: self.read(&table::approval(tenant, person, &phone.approval)).await?,
        };
        let now = self.parts.world.now();
        let grace = ground.tenant.certificates.expired_grace();
        let (ended, approval) = (&ground.ended.record, &ground.approval.record);
        if ended.fingerprint != renewal.fingerprint || !ended.ended_within(grace, now) {
            return Err(Reason::CertificateExpired { on: ended.not_after, renews: false });
        }
        if ground.person.record.shut_out(now) {
            return Err(Reason::PersonLocked);
        }
        if !ground.device.record.state.is_released() {
            return Err(Reason::UnknownDevice);
        }
        // "Not me" overrules an approval until its time is over.
        if !matches!(approval.state, ApprovalState::Approved { .. }) {
            return Err(Reason::SignInFirst);
        }
        Ok(ground)
    }

    async fn read<R: Record>(&self, key: &Key) -> Result<Stored<R>, Reason> {
        let read = table::get::<R>(&**self.parts.ledger.store(), key).await;
        read.map_err(|_| Reason::Internal)?.ok_or(Reason::UnknownDevice)
    }

    async fn grant(
        &self,
        here: &Here<'_>,
        ground: &Ground,
        order: &Order<'_>,
    ) -> Result<Stored<Grant>, Reason> {
        let renewal = &here.renewal.record;
        let first = match (&renewal.way, &renewal.released_by) {
            (RenewalWay::Shown, _) => format!("certificate {} shown", renewal.serial),
            (RenewalWay::Asked, Some(by)) => format!("released by {by}"),
            (RenewalWay::Asked, None) => "an address named".to_owned(),
        };
        let evidence = format!("{first}; password; phone, approval {}", ground.approval.record.id);
        let entry = order.entry(Event::GrantMade).detail("evidence", &evidence);
        let also = vec![table::unchanged(here.renewal), table::unchanged(&ground.approval)];
        self.parts.issuance.open(order, evidence, entry, also).await.map_err(not_issued)
    }

    /// What the certificate's commit holds fast, uses up and tells.
    fn also(
        &self,
        here: &Here<'_>,
        ground: &Ground,
        order: &Order<'_>,
        grant: &Stored<Grant>,
    ) -> Result<Vec<Write>, Reason> {
        let mut also = vec![
            table::consume(here.renewal),
            table::unchanged(&ground.ended),
            table::unchanged(&ground.device),
            table::unchanged(&ground.person),
            table::unchanged(&ground.approval),
        ];
        also.extend(self.parts.issuance.notice(order, grant).map_err(not_issued)?);
        Ok(also)
    }
}

impl Ground {
    fn order<'a>(&'a self, by: &'a str, whence: &'a str) -> Order<'a> {
        Order {
            tenant: &self.tenant,
            person: &self.person.record,
            device: &self.device.record,
            by,
            whence,
            event: Event::CertificateRenewed,
        }
    }
}

/// Bytes that are wiped once they are sent.
struct Wiped(Zeroizing<Vec<u8>>);

impl AsRef<[u8]> for Wiped {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// `laptop-2028-11.p12`, in letters that every system takes.
fn file_name(certificate: &Certificate) -> String {
    format!("certificate-{}.p12", certificate.not_after.format("%Y-%m"))
}

fn not_issued(error: NotIssued) -> Reason {
    match error {
        NotIssued::Record(error) => super::refused(error),
        error => {
            tracing::error!(%error, "a renewal was not issued");
            Reason::Internal
        }
    }
}
