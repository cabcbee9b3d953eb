//! The answer of policy. A [`Permit`] can be made only here and is what the proxy and every
//! room take before they serve.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::auth::evidence::{Evidence, ProvedCertificate, ProvedSession};
use crate::domain::{Reason, TenantId, Time};

/// What is asked of policy.
#[derive(Clone, Debug)]
pub struct Ask<'a> {
    /// Whose door.
    pub tenant: &'a TenantId,
    /// Which of its parts.
    pub area: Area,
    /// Host name of the door.
    pub host: &'a str,
    /// Raw path, as the backend will see it.
    pub path: &'a str,
    /// Method.
    pub method: &'a http::Method,
    /// Cancelled when the connection must be cut.
    pub cancel: &'a CancellationToken,
}

/// Which part of a door is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Area {
    /// Judged by the tenant's rules: the backend, settings, the desk.
    Guarded,
    /// The gate's own pages of a first visit and of signing in: a certificate of ours is needed,
    /// nothing else can be yet.
    SignIn,
    /// A machine's renewal of the certificate it shows (RFC 7030 4.2.2), where the tenant lets machines do so:
    /// a certificate of a released device, and nothing else, since a machine has neither password nor phone.
    Reenrol,
    /// The renewal of a certificate that ended: open to exactly such a certificate.
    Renewal,
    /// What anybody may see: style sheets, the phone app, the JWKS.
    Open,
}

/// What policy says.
#[derive(Debug)]
pub enum Decision {
    /// Go on.
    Permit(Permit),
    /// Go on once this is proved.
    Ask(Missing),
    /// No.
    Refuse(Reason),
}

/// The first thing that is missing, in the order of the locks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    /// Support has not released the device.
    Release,
    /// The password.
    Password(Option<Again>),
    /// An approval on the phone.
    Phone(Option<Again>),
}

/// Why a factor is asked for that was proved in this session: a rule wants it fresher.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Again {
    /// Name of the rule.
    pub rule: Arc<str>,
    /// Younger than this, the rule says.
    pub within: Duration,
    /// When it was proved.
    pub proved: Time,
}

/// Leave to serve one request. Only `policy` makes one.
#[derive(Clone, Debug)]
pub struct Permit {
    rule: Arc<str>,
    evidence: Evidence,
    cancel: CancellationToken,
    kept: Option<Arc<dyn std::any::Any + Send + Sync>>,
}

impl Permit {
    /// By a rule of the tenant.
    pub(in crate::policy) fn by(rule: &Arc<str>, evidence: &Evidence, cancel: &CancellationToken) -> Self {
        Self { rule: Arc::clone(rule), evidence: evidence.clone(), cancel: cancel.clone(), kept: None }
    }

    /// By the rule, built in, that a certificate of ours opens the pages of signing in.
    pub(in crate::policy) fn sign_in(evidence: &Evidence, cancel: &CancellationToken) -> Self {
        static NAME: LazyLock<Arc<str>> = LazyLock::new(|| Arc::from("sign in"));
        Self::by(&NAME, evidence, cancel)
    }

    /// By the rule, built in, that a released machine renews its own certificate.
    pub(in crate::policy) fn reenrol(evidence: &Evidence, cancel: &CancellationToken) -> Self {
        static NAME: LazyLock<Arc<str>> = LazyLock::new(|| Arc::from("re-enrol"));
        Self::by(&NAME, evidence, cancel)
    }

    /// By the rule, built in, that a certificate which ended opens its own renewal.
    pub(in crate::policy) fn renewal(evidence: &Evidence, cancel: &CancellationToken) -> Self {
        static NAME: LazyLock<Arc<str>> = LazyLock::new(|| Arc::from("renewal"));
        Self::by(&NAME, evidence, cancel)
    }

    /// By the rule, built in, that some things are for anybody.
    pub(in crate::policy) fn open(evidence: &Evidence, cancel: &CancellationToken) -> Self {
        static NAME: LazyLock<Arc<str>> = LazyLock::new(|| Arc::from("open"));
        Self::by(&NAME, evidence, cancel)
    }

    /// A permit for tests of rooms that take one.
    #[cfg(test)]
    #[must_use]
    pub(crate) fn for_tests(evidence: &Evidence, cancel: &CancellationToken) -> Self {
        Self::by(&Arc::from("test"), evidence, cancel)
    }

    /// Keeps something as long as this permit lives: its place in the register of what is open.
    #[must_use]
    pub fn keeping(mut self, kept: Option<Arc<dyn std::any::Any + Send + Sync>>) -> Self {
        self.kept = kept;
        self
    }

    /// The same, keeping nothing.
    #[must_use]
    pub fn letting_go(&self) -> Self {
        Self { kept: None, ..self.clone() }
    }

    /// Whether a backend would be told the same of both callers: they stand on the very same records, and the same
    /// factors were proved at the same times.
    #[must_use]
    pub fn has_caller_of(&self, other: &Self) -> bool {
        let factors = |permit: &Self| (permit.evidence.password(), permit.evidence.phone());
        match (self.certificate(), other.certificate()) {
            (Some(own), Some(others)) => own.is_same(others) && factors(self) == factors(other),
            (Some(_) | None, _) => false,
        }
    }

    /// Name of the rule that gave it.
    #[must_use]
    pub fn rule(&self) -> &str {
        &self.rule
    }

    /// What it was given on.
    #[must_use]
    pub const fn evidence(&self) -> &Evidence {
        &self.evidence
    }

    /// The certificate, where the rule asked for one.
    #[must_use]
    pub const fn certificate(&self) -> Option<&ProvedCertificate> {
        self.evidence.proved()
    }

    /// The session, where there is one.
    #[must_use]
    pub const fn session(&self) -> Option<&ProvedSession> {
        self.evidence.session()
    }

    /// Done when the connection must be cut: revoked, signed out, locked.
    #[must_use]
    pub const fn cancel(&self) -> &CancellationToken {
        &self.cancel
    }
}
