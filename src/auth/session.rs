//! Sessions: an opaque token in a cookie, stored hashed, bound to the certificate it was made with.
//! What the token is good for is `policy`'s to say.

use std::sync::Arc;
use std::time::Duration;

use subtle::ConstantTimeEq;

use super::evidence::{CertificateEvidence, ProvedCertificate, ProvedSession};
use crate::audit::{Entry, Event, Ledger, RecordError};
use crate::crypto::{self, Pepper};
use crate::domain::session::{Session, TokenHash};
use crate::domain::tenant::Tenant;
use crate::domain::{Reason, Secret, Time};
use crate::store::Write;
use crate::store::table::{self, Stored};
use crate::store::view::View;
use crate::world::World;

/// Name of the cookie (RFC 6265bis 4.1.3.2: host only, secure, path `/`).
pub const COOKIE: &str = "__Host-portcullis";

/// Makes, finds, advances and ends sessions.
pub struct Sessions {
    ledger: Arc<Ledger>,
    view: Arc<View>,
    world: World,
    pepper: Arc<Pepper>,
}

/// A session just made: the token goes to the browser and nowhere else.
#[derive(Debug)]
pub struct Begun {
    /// The record, not yet committed.
    pub session: Session,
    /// Value of a `Set-Cookie` header.
    pub set_cookie: Secret,
}

/// What a step in signing in proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// The password.
    Password,
    /// An approval on the phone, or its pairing.
    Phone,
}

impl Sessions {
    /// Over the house's ledger and view.
    #[must_use]
    pub const fn new(ledger: Arc<Ledger>, view: Arc<View>, world: World, pepper: Arc<Pepper>) -> Self {
        Self { ledger, view, world, pepper }
    }

    /// The session that the request's cookies name.
    ///
    /// # Errors
    /// [`Reason::SessionElsewhere`] where it was made with another certificate: the session is
    /// ended and the audit trail told. [`Reason::Internal`] where the store does not answer.
    pub async fn resume<'a>(
        &self,
        cookies: impl Iterator<Item = &'a str>,
        certificate: &CertificateEvidence,
        now: Time,
    ) -> Result<Option<ProvedSession>, Reason> {
        let Some(token) = read_cookie(cookies) else { return Ok(None) };
        // As it nearly always is; what else there may be has its room in a box.
        if let (Some(session), CertificateEvidence::Proved(proved)) = (self.view.session(&token), certificate)
            && session.is_live(now)
            && bool::from(proved.fingerprint().ct_eq(&session.fingerprint))
        {
            return Ok(Some(ProvedSession::new(session)));
        }
        Box::pin(self.resume_otherwise(token, certificate, now)).await
    }

    async fn resume_otherwise(
        &self,
        token: TokenHash,
        certificate: &CertificateEvidence,
        now: Time,
    ) -> Result<Option<ProvedSession>, Reason> {
        let found = self.view.session_or_read(&token).await.map_err(|_| Reason::Internal)?;
        let Some(session) = found.filter(|session| session.is_live(now)) else { return Ok(None) };
        let bound = match certificate {
            CertificateEvidence::Proved(proved) => {
                bool::from(proved.fingerprint().ct_eq(&session.fingerprint))
            }
            // Never the certificate that the session was made with.
            CertificateEvidence::Absent
            | CertificateEvidence::Rejected {
                reason: Reason::ForeignIssuer | Reason::WrongPurpose | Reason::WrongTenant,
                ..
            } => false,
            // Its own certificate, which ended or was switched off since: its page says so. Another's is a thief's.
            CertificateEvidence::Ended(ended) => {
                if bool::from(ended.certificate().fingerprint.ct_eq(&session.fingerprint)) {
                    return Ok(None);
                }
                false
            }
            CertificateEvidence::Rejected { fingerprint, .. } => {
                if bool::from(fingerprint.ct_eq(&session.fingerprint)) {
                    return Ok(None);
                }
                false
            }
        };
        if bound {
            return Ok(Some(ProvedSession::new(session)));
        }
        let entry =
            Entry::new(format!("person:{}/{}", session.tenant, session.person), Event::SessionElsewhere)
                .tenant(&session.tenant)
                .whom(session.device.as_str());
        let gone = self.ledger.record(entry, vec![table::delete(table::session(&token))]).await;
        match gone {
            Ok(_) | Err(RecordError::Conflict) => Err(Reason::SessionElsewhere),
            Err(RecordError::Store(_)) => Err(Reason::Internal),
        }
    }

    /// A pre-session for a browser that has proved its certificate and nothing else. The caller
    /// commits the record.
    #[must_use]
    pub fn begin(&self, certificate: &ProvedCertificate, return_to: Option<String>) -> Begun {
        let now = self.world.now();
        let (token, set_cookie) = self.new_token(None);
        let session = Session {
            token,
            tenant: certificate.tenant().clone(),
            person: certificate.person_id().clone(),
            device: certificate.device_id().clone(),
            serial: certificate.certificate().serial.clone(),
            fingerprint: *certificate.fingerprint(),
            password: None,
            phone: None,
            created: now,
            last_seen: now,
            idle_secs: 0,
            absolute_end: now.plus(PRE_SESSION),
            return_to,
        };
        Begun { session, set_cookie }
    }

    /// The next session after a proof: a new token, the old one dead, in one commit (ASVS 7.2.4).
    /// Returns what to commit beside the caller's own writes.
    ///
    /// # Errors
    /// [`RecordError::Conflict`] where the old session is gone; the store's.
    pub async fn step(
        &self,
        old: &TokenHash,
        proofs: &[Proof],
        tenant: &Tenant,
    ) -> Result<(Begun, Vec<Write>), RecordError> {
        let read: Stored<Session> =
            table::get(&**self.ledger.store(), &table::session(old)).await?.ok_or(RecordError::Conflict)?;
        let now = self.world.now();
        let mut session = read.record.clone();
        for proof in proofs {
            match proof {
                Proof::Password => session.password = Some(now),
                Proof::Phone => session.phone = Some(now),
            }
        }
        if read.record.is_pre_session() {
            session.created = now;
            session.absolute_end = now.plus(Duration::from_secs(tenant.profile.absolute_secs()));
        }
        session.idle_secs = tenant.profile.idle_secs();
        session.last_seen = now;
        let (token, set_cookie) = self.new_token(Some(session.absolute_end.since(now)));
        session.token = token;
        let writes = vec![table::consume(&read), table::create(&session)];
        Ok((Begun { session, set_cookie }, writes))
    }

    /// Marks a navigation or an unsafe request, at most every 30 s a session. The one write
    /// without a trace.
    pub async fn touch(&self, session: &ProvedSession, now: Time) {
        let session = session.session();
        if !session.is_pre_session() && now.since(session.last_seen) >= TOUCH_EVERY {
            Box::pin(self.write_touch(session, now)).await;
        }
    }

    async fn write_touch(&self, session: &Session, now: Time) {
        let Ok(Some(read)) =
            table::get::<Session>(&**self.ledger.store(), &table::session(&session.token)).await
        else {
            return;
        };
        let touched = Session { last_seen: now.max(read.record.last_seen), ..read.record.clone() };
        if let Err(error) = self.ledger.untraced(vec![table::replace(&read, &touched)]).await {
            tracing::debug!(%error, "last-seen was not written");
        }
    }

    /// Ends a session.
    ///
    /// # Errors
    /// The store's.
    pub async fn end(&self, session: &Session, why: &str, address: &str) -> Result<(), RecordError> {
        let entry = Entry::new(format!("person:{}/{}", session.tenant, session.person), Event::SessionEnded)
            .tenant(&session.tenant)
            .whom(session.device.as_str())
            .whence(address)
            .detail("why", why);
        self.ledger.record(entry, vec![table::delete(table::session(&session.token))]).await.map(drop)
    }

    /// What a form of this session must send back (ASVS 3.5.1).
    #[must_use]
    pub fn csrf(&self, token: &TokenHash) -> String {
        data_encoding::BASE64URL_NOPAD.encode(&self.pepper.mac("csrf", &[token]))
    }

    /// `Set-Cookie` that takes the cookie away.
    #[must_use]
    pub fn clearing_cookie() -> String {
        format!("{COOKIE}=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0")
    }

    fn new_token(&self, lives: Option<Duration>) -> (TokenHash, Secret) {
        let bits: [u8; 32] = self.world.bytes();
        let value = data_encoding::BASE64URL_NOPAD.encode(&bits);
        let age = lives.map(|lives| format!("; Max-Age={}", lives.as_secs())).unwrap_or_default();
        let set_cookie =
            Secret::new(format!("{COOKIE}={value}; Path=/; Secure; HttpOnly; SameSite=Lax{age}"));
        (crypto::sha256(&bits), set_cookie)
    }
}

/// Hash of the one token among `Cookie` headers. Two of the name, or anything but 256 bits in
/// base64url, is no session (H-08).
#[must_use]
pub fn read_cookie<'a>(headers: impl Iterator<Item = &'a str>) -> Option<TokenHash> {
    let mut values = headers
        .flat_map(|header| header.split(';'))
        .filter_map(|pair| pair.trim().strip_prefix(COOKIE)?.strip_prefix('='));
    let value = values.next()?;
    if values.next().is_some() {
        return None;
    }
    let bits: [u8; 32] = data_encoding::BASE64URL_NOPAD.decode(value.as_bytes()).ok()?.try_into().ok()?;
    Some(crypto::sha256(&bits))
}

/// A first visit, with its telephone call, may take this long.
const PRE_SESSION: Duration = Duration::from_secs(2 * 3600);

/// Last-seen is written no more often than this; idle ends are at least five minutes.
const TOUCH_EVERY: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_whole_cookie_counts() {
        let value = data_encoding::BASE64URL_NOPAD.encode(&[9; 32]);
        let good = format!("a=b; {COOKIE}={value}; c=d");
        assert_eq!(read_cookie([good.as_str()].into_iter()), Some(crypto::sha256(&[9; 32])));
        assert_eq!(read_cookie([good.as_str(), good.as_str()].into_iter()), None, "tossed");
        for bad in ["", "x", &value[1..], &format!("{value}A"), &format!("\"{value}\""), "%00"] {
            assert_eq!(read_cookie([format!("{COOKIE}={bad}").as_str()].into_iter()), None, "{bad}");
        }
        assert_eq!(read_cookie([format!("__host-portcullis={value}").as_str()].into_iter()), None);
    }
}
