//! Says to the backend who is calling, so that it can be verified: a signed JWT, and the
//! certificate where the route asks for it. Decides nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use data_encoding::{BASE64, BASE64URL_NOPAD};
use http::header::{HeaderName, HeaderValue};
use serde::Serialize;
use serde_json::json;

use super::memory::{Caller, Remembered};
use super::receipt;
use crate::crypto::{self, Signer};
use crate::domain::Reason;
use crate::domain::Time;
use crate::domain::approval::Approval;
use crate::domain::confirmation::Confirmation as Confirmed;
use crate::domain::person::Role;
use crate::domain::route::Route;
use crate::policy::Permit;
use crate::world::World;

/// Signs who is calling.
pub(super) struct Identity {
    world: World,
    signer: Signer,
    key_id: String,
    /// The first part of every token.
    header: String,
    /// The first part of every receipt.
    receipt_header: String,
    recent: Mutex<HashMap<String, Arc<Told>>>,
}

/// What a backend is told of a caller, and may be told again for a while.
pub(super) struct Told {
    token: HeaderValue,
    certificate: HeaderValue,
    signed: Time,
}

/// What a token says beside its times. The same for the same person, device, factors and
/// door: by it a recent token is found again, so that none outlives a change.
#[derive(Serialize)]
struct Claims<'a> {
    iss: String,
    aud: String,
    sub: &'a str,
    tenant: &'a str,
    name: &'a str,
    device: &'a str,
    device_name: &'a str,
    groups: Vec<&'a str>,
    roles: Vec<&'static str>,
    amr: Vec<&'static str>,
    auth_time: Option<i64>,
    cnf: Confirmation,
}

#[derive(Serialize)]
struct Confirmation {
    #[serde(rename = "x5t#S256")]
    thumbprint: String,
}

impl Identity {
    pub(super) fn new(world: World, signer: Signer) -> Self {
        let key_id = thumbprint(signer.public());
        let header = |kind: &str| {
            let header = json!({ "alg": "ES256", "kid": key_id, "typ": kind }).to_string();
            BASE64URL_NOPAD.encode(header.as_bytes())
        };
        let (header, receipt_header) = (header("JWT"), header(receipt::TYPE));
        Self { world, signer, key_id, header, receipt_header, recent: Mutex::default() }
    }

    /// The public key (RFC 7517, RFC 7518 6.2).
    pub(super) fn jwks(&self) -> serde_json::Value {
        let (x, y) = coordinates(self.signer.public());
        json!({ "keys": [{
            "kty": "EC", "crv": "P-256", "x": x, "y": y, "kid": self.key_id, "alg": "ES256", "use": "sig",
        }] })
    }

    /// Who is calling, as a backend of this route is told; nothing where no certificate was asked for.
    ///
    /// # Errors
    /// [`Reason::Internal`].
    pub(super) fn of(
        &self,
        remembered: &mut Remembered,
        permit: &Permit,
        route: &Route,
        host: &str,
    ) -> Result<Option<Arc<Told>>, Reason> {
        let now = self.world.now();
        if let Some(caller) = &remembered.caller
            && caller.told.is_usable(now)
            && caller.is(permit, route, host)
        {
            return Ok(Some(Arc::clone(&caller.told)));
        }
        let told = self.told(permit, route, host, now)?;
        // Who shows no certificate is nobody, at each request anew: what is said of them stays the same.
        if told.is_some() || remembered.caller.is_some() {
            remembered.said = None;
        }
        remembered.caller = told.as_ref().map(|told| Caller::of(permit, route, host, Arc::clone(told)));
        Ok(told)
    }

    /// Signed anew, or found among what was signed a moment ago for another connection.
    fn told(
        &self,
        permit: &Permit,
        route: &Route,
        host: &str,
        now: Time,
    ) -> Result<Option<Arc<Told>>, Reason> {
        let (Some(claims), Some(proved)) = (claims(permit, route, host), permit.certificate()) else {
            return Ok(None);
        };
        let claims = serde_json::to_string(&claims).map_err(|_| Reason::Internal)?;
        if let Some(told) = self.recent().get(&claims).filter(|told| told.is_usable(now)) {
            return Ok(Some(Arc::clone(told)));
        }
        // A byte sequence of RFC 8941, as RFC 9440 2.2 asks.
        let certificate = format!(":{}:", BASE64.encode(&proved.certificate().der));
        let value = |text: String| HeaderValue::try_from(text).map_err(|_| Reason::Internal);
        let token = value(self.sign(&claims, now)?)?;
        let told = Arc::new(Told { token, certificate: value(certificate)?, signed: now });
        let mut recent = self.recent();
        if recent.len() >= RECENT_MAX {
            recent.retain(|_, told| told.is_usable(now));
            if recent.len() >= RECENT_MAX {
                recent.clear();
            }
        }
        recent.insert(claims, Arc::clone(&told));
        Ok(Some(told))
    }

    fn sign(&self, claims: &str, now: Time) -> Result<String, Reason> {
        let issued = now.secs();
        let times = json!({
            "iat": issued,
            "nbf": issued,
            "exp": issued + LIFETIME_SECS,
            "jti": BASE64URL_NOPAD.encode(&self.world.bytes::<16>()),
        });
        // Both are objects that are not empty: one after the other they are one.
        let times = times.to_string();
        let payload =
            [claims.strip_suffix('}').unwrap_or(claims), times.strip_prefix('{').unwrap_or(&times)].join(",");
        self.signed(&self.header, &payload)
    }

    /// The receipt of a confirmed request.
    pub(super) fn receipt(&self, of: &Confirmed, approval: &Approval) -> Result<String, Reason> {
        let claims = receipt::claims(of, approval, self.world.now()).ok_or(Reason::Internal)?;
        self.signed(&self.receipt_header, &claims)
    }

    fn signed(&self, header: &str, payload: &str) -> Result<String, Reason> {
        let text = format!("{header}.{}", BASE64URL_NOPAD.encode(payload.as_bytes()));
        let signature = self.signer.sign(text.as_bytes()).map_err(|_| Reason::Internal)?;
        Ok(format!("{text}.{}", BASE64URL_NOPAD.encode(&signature)))
    }

    fn recent(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Told>>> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Told {
    /// The headers that say it.
    pub(super) fn lines(&self, route: &Route) -> impl Iterator<Item = (HeaderName, HeaderValue)> + use<> {
        let certificate = route.client_cert.then(|| (CLIENT_CERT, self.certificate.clone()));
        std::iter::once((ASSERTION, self.token.clone())).chain(certificate)
    }

    fn is_usable(&self, now: Time) -> bool {
        self.signed <= now && now.since(self.signed) < REUSE_MAX
    }
}

/// What is known of the caller; nothing where no certificate was asked for.
fn claims<'a>(permit: &'a Permit, route: &Route, host: &str) -> Option<Claims<'a>> {
    let proved = permit.certificate()?;
    let (password, phone) = (permit.evidence().password(), permit.evidence().phone());
    // RFC 8176: a software-secured key, a password, a second channel.
    let mut amr = vec!["swk"];
    amr.extend(password.map(|_| "pwd"));
    amr.extend(phone.map(|_| "mca"));
    if amr.len() > 1 {
        amr.push("mfa");
    }
    let person = proved.person();
    Some(Claims {
        iss: format!("https://{host}"),
        aud: format!("{}/{}", route.tenant, route.name),
        sub: proved.person_id().as_str(),
        tenant: proved.tenant().as_str(),
        name: &person.name,
        device: proved.device_id().as_str(),
        device_name: &proved.device().name,
        groups: person.groups.iter().map(String::as_str).collect(),
        roles: person.roles.iter().copied().map(Role::as_str).collect(),
        amr,
        auth_time: password.max(phone).map(Time::secs),
        cnf: Confirmation { thumbprint: BASE64URL_NOPAD.encode(proved.fingerprint()) },
    })
}

/// RFC 7638.
fn thumbprint(public: &[u8]) -> String {
    let (x, y) = coordinates(public);
    let canonical = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
    BASE64URL_NOPAD.encode(&crypto::sha256(canonical.as_bytes()))
}

/// Of a SEC1 uncompressed point: 4, x, y.
fn coordinates(public: &[u8]) -> (String, String) {
    let (x, y) = public.get(1..).unwrap_or_default().split_at(public.len().saturating_sub(1) / 2);
    (BASE64URL_NOPAD.encode(x), BASE64URL_NOPAD.encode(y))
}

const ASSERTION: HeaderName = HeaderName::from_static("portcullis-assertion");
const CLIENT_CERT: HeaderName = HeaderName::from_static("client-cert");

/// Every header that [`Told::lines`] may make.
#[cfg(test)]
pub(super) const NAMES: [HeaderName; 2] = [ASSERTION, CLIENT_CERT];

/// A backend verifies it on receipt; a minute would only serve thieves.
const LIFETIME_SECS: i64 = 30;

/// A signature costs 40 us, a page makes dozens of requests: for this long one token serves
/// them all. It leaves a backend 25 s.
const REUSE_MAX: Duration = Duration::from_secs(5);

/// About 4 MB.
const RECENT_MAX: usize = 4096;
