//! How a renewal begins: with the ended certificate shown, or with an e-mail address and nothing shown. An
//! address that nobody has goes the very same way, for somebody who does not exist.

use axum::body::Body;
use http::{Request, Response, StatusCode};

use super::steps::Begun;
use super::{Answer, Here, RenewalRoom, read_cookie, refused};
use crate::audit::{Entry, Event};
use crate::auth::evidence::EndedCertificate;
use crate::auth::throttle::Subject;
use crate::crypto;
use crate::domain::certificate::Certificate;
use crate::domain::renewal::{Renewal, RenewalWay};
use crate::domain::tenant::Tenant;
use crate::domain::throttle::Guarded;
use crate::domain::{DeviceId, PersonId, Reason, TenantId};
use crate::enrolment::first_visit::actor;
use crate::policy::Permit;
use crate::store::table::{self, Stored};
use crate::web::page::{self, Head, see_other};
use crate::web::pages::{Page as _, renewal as pages};
use crate::web::{Visit, form};

impl RenewalRoom {
    /// Serves the room's paths on the public door: `method` is the table's.
    ///
    /// # Errors
    /// Why not.
    pub async fn public(
        &self,
        permit: &Permit,
        visit: &Visit,
        method: &str,
        request: Request<Body>,
    ) -> Answer {
        let path = request.uri().path().to_owned();
        let mut parts = path.split('/').skip(2);
        let (name, doing) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let tenant = TenantId::parse(name).ok().filter(|id| !id.is_staff());
        let tenant = tenant.and_then(|id| self.parts.view.tenant(&id)).ok_or(Reason::NotFound)?;
        let base = format!("/expired/{}/", tenant.id);
        let visit = &Visit { tenant, ..visit.clone() };
        let seen = self.parts.view.revision();
        let found = self.found(request.headers(), &visit.tenant.id, RenewalWay::Asked).await?;
        match (found, doing) {
            // Somebody may begin anew at any time: another address, or a slip.
            (_, "ask") => self.ask(visit, &base, request).await,
            (Some(renewal), doing) => {
                let here = Here { visit, base: &base, renewal: &renewal, cancel: permit.cancel(), seen };
                self.browser(&here, method, doing, request).await
            }
            (None, "") => {
                page::only_navigations(request.headers())?;
                Ok(self.ask_page(visit, &base))
            }
            (None, _) => Ok(see_other(&base)),
        }
    }

    /// The page that asks for the address. Its token belongs to a cookie that names no renewal yet.
    fn ask_page(&self, visit: &Visit, base: &str) -> Response<Body> {
        let (token, set_cookie) = self.new_token();
        let page = pages::Ask {
            page: Head::of(visit),
            csrf: self.csrf(&token),
            grace_days: visit.tenant.certificates.expired_grace_days,
            site: site(&visit.tenant, visit),
            action: format!("{base}ask"),
        };
        self.with_cookie(page.response(StatusCode::OK), &Begun { set_cookie })
    }

    /// An address was typed. Known or not, the same is counted, written and answered.
    async fn ask(&self, visit: &Visit, base: &str, request: Request<Body>) -> Answer {
        let token = read_cookie(request.headers()).ok_or(Reason::CrossSite)?;
        let form = form::read(request, visit, &self.csrf(&token)).await?;
        let address = mailbox(form.text("email"));
        let nobody = self.nobody(&visit.tenant, &address);
        let hash = Subject::Mailbox(nobody.0.to_string());
        let from = Subject::Address(visit.address);
        let tenant = &visit.tenant.id;
        // Asking is no failure, and yet is counted as one: nobody learns from it, and each may cost a call.
        let _ = self.parts.throttles.attempt(tenant, Guarded::Requests, vec![hash, from]).await?;
        let ended = self.ended_of(&visit.tenant, &address);
        let now = self.parts.world.now();
        let (token, set_cookie) = self.new_token();
        let (person, device, serial, fingerprint) = match ended {
            Some(one) => (one.person.clone(), one.device.clone(), one.serial.clone(), one.fingerprint),
            None => (nobody.0, nobody.1, String::new(), [0; 32]),
        };
        let renewal = Renewal {
            token,
            tenant: tenant.clone(),
            person,
            device,
            serial,
            fingerprint,
            way: RenewalWay::Asked,
            released_by: None,
            password: None,
            phone: None,
            started: now,
            expires: now.plus(Renewal::LIVES),
        };
        let entry = Entry::new("stranger", Event::ExpiredAsked)
            .tenant(tenant)
            .whom(renewal.device.as_str())
            .whence(visit.address);
        self.parts.ledger.record(entry, vec![table::create(&renewal)]).await.map_err(refused)?;
        Ok(self.with_cookie(see_other(base), &Begun { set_cookie }))
    }

    /// A new code is counted like a new question: by where it comes from, and for whom.
    pub(super) async fn count_asking(&self, visit: &Visit, person: &PersonId) -> Result<(), Reason> {
        let subjects = vec![Subject::Mailbox(format!("again-{person}")), Subject::Address(visit.address)];
        self.parts.throttles.attempt(&visit.tenant.id, Guarded::Requests, subjects).await.map(drop)
    }

    /// Begins with the certificate itself.
    pub(super) async fn begin_shown(
        &self,
        ended: &EndedCertificate,
        visit: &Visit,
    ) -> Result<(Stored<Renewal>, Begun), Reason> {
        let certificate = ended.certificate();
        let now = self.parts.world.now();
        let (token, set_cookie) = self.new_token();
        let renewal = Renewal {
            token,
            tenant: certificate.tenant.clone(),
            person: certificate.person.clone(),
            device: certificate.device.clone(),
            serial: certificate.serial.clone(),
            fingerprint: certificate.fingerprint,
            way: RenewalWay::Shown,
            released_by: None,
            password: None,
            phone: None,
            started: now,
            expires: now.plus(Renewal::LIVES),
        };
        let entry = Entry::new(actor(&renewal.tenant, &renewal.person), Event::RenewalBegan)
            .tenant(&renewal.tenant)
            .whom(renewal.device.as_str())
            .whence(visit.address)
            .detail("serial", &renewal.serial);
        let writes = vec![table::create(&renewal)];
        let revision = self.parts.ledger.record(entry, writes).await.map_err(refused)?;
        Ok((Stored { record: renewal, revision }, Begun { set_cookie }))
    }

    /// The certificate of this address that ended last and may still be renewed this way. Looks at every
    /// certificate, whatever it finds, so that the time says nothing.
    fn ended_of(&self, tenant: &Tenant, address: &str) -> Option<std::sync::Arc<Certificate>> {
        let (view, now) = (&self.parts.view, self.parts.world.now());
        let grace = tenant.certificates.expired_grace();
        let ended = view.certificates().into_iter().filter(|one| {
            let renews = one.tenant == tenant.id && one.ended_within(grace, now);
            renews && self.is_of(one, address)
        });
        ended.max_by_key(|one| one.not_after)
    }

    /// Whether it belongs to somebody of this address who could renew it: let in once, with a phone, and welcome.
    fn is_of(&self, one: &Certificate, address: &str) -> bool {
        let (view, now) = (&self.parts.view, self.parts.world.now());
        let Some(person) = view.person(&one.tenant, &one.person) else { return false };
        let device = view.device(&one.tenant, &one.person, &one.device);
        let named = person.emails.iter().any(|email| mailbox(email) == address);
        let released = device.is_some_and(|device| device.state.is_released());
        named && released && !person.shut_out(now) && !view.phones(&one.tenant, &one.person).is_empty()
    }

    /// Who stands for an address: always the same nobody, so that tries of nobody's password are counted too.
    fn nobody(&self, tenant: &Tenant, address: &str) -> (PersonId, DeviceId) {
        let parts = [tenant.id.as_str().as_bytes(), address.as_bytes()];
        let mac = self.parts.pepper.mac("nobody", &parts);
        let mut bits = [0; 16];
        bits.copy_from_slice(&crypto::sha256(&mac)[..16]);
        (PersonId::from_bits(bits), DeviceId::from_bits(bits))
    }
}

/// An address as it is compared: without blanks around it, in lower case. What is too long to be one is cut.
fn mailbox(typed: &str) -> String {
    typed.trim().chars().take(MAILBOX_CHARS_MAX).collect::<String>().to_lowercase()
}

/// The tenant's own address, to come back to.
pub(super) fn site(tenant: &Tenant, visit: &Visit) -> String {
    let port = visit.host.split_once(':').map(|(_, port)| format!(":{port}")).unwrap_or_default();
    tenant.hosts.first().map(|host| format!("https://{host}{port}/")).unwrap_or_default()
}

/// RFC 5321 4.5.3.1.3.
const MAILBOX_CHARS_MAX: usize = 254;
