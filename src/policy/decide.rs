//! The rules of every tenant, and the decision about a request: evidence in, a permit out.
//! Knows no store and no HTTP message; whoever follows the store loads the rules.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use foldhash::fast::RandomState;

use super::judge::{Facts, Holder, Lacking, Verdict, judge, judge_canonical};
use super::mistakes::Mistakes;
use super::path::{Canonical, canonical};
use super::permit::{Again, Area, Ask, Decision, Missing, Permit};
use super::rules::{self, Effect, Freshness, Need, Rule, RuleSet};
use crate::auth::evidence::{CertificateEvidence, Evidence};
use crate::domain::route::Rules;
use crate::domain::{Reason, TenantId, Time};

/// The rules in force, by tenant.
#[derive(Debug, Default)]
pub struct Policy {
    tenants: ArcSwap<HashMap<TenantId, InForce, RandomState>>,
}

#[derive(Clone, Debug)]
struct InForce {
    set: Arc<RuleSet>,
    revision: u64,
}

impl Policy {
    /// No rules, so everything guarded is refused.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// Puts a tenant's rules in force, at once and for every request from now on. Older rules than
    /// those in force change nothing, so that loads may overtake each other.
    ///
    /// # Errors
    /// The mistakes of the file; then the rules that were in force stay so.
    pub fn load(&self, rules: &Rules) -> Result<(), Mistakes> {
        let set = Arc::new(rules::parse(&rules.file, &rules.text)?);
        let new = InForce { set, revision: rules.revision };
        self.tenants.rcu(|tenants| {
            let mut tenants = HashMap::clone(tenants);
            let newer = tenants.get(&rules.tenant).is_none_or(|old| old.revision <= new.revision);
            if newer {
                tenants.insert(rules.tenant.clone(), new.clone());
            }
            tenants
        });
        Ok(())
    }

    /// Takes a tenant's rules away; everything guarded is refused from now on.
    pub fn unload(&self, tenant: &TenantId) {
        self.tenants.rcu(|tenants| {
            let mut tenants = HashMap::clone(tenants);
            tenants.remove(tenant);
            tenants
        });
    }

    /// The rules in force for a tenant.
    #[must_use]
    pub fn rules(&self, tenant: &TenantId) -> Option<Arc<RuleSet>> {
        self.tenants.load().get(tenant).map(|in_force| Arc::clone(&in_force.set))
    }

    /// Whether the desk must release a renewal that comes without a certificate: wherever three factors are asked
    /// for it must, whatever `set` the tenant's terms have, and where no rules are in force.
    #[must_use]
    pub fn release_needed(&self, tenant: &TenantId, set: bool) -> bool {
        set || self.rules(tenant).is_none_or(|rules| rules.asks_three_factors())
    }

    /// Decides about one request. Allocates nothing.
    ///
    /// A path with more than one meaning is refused at every area.
    #[must_use]
    pub fn decide(&self, ask: &Ask<'_>, evidence: &Evidence, now: Time) -> Decision {
        let path = match canonical(ask.path) {
            Ok(path) => path,
            Err(spelling) => return Decision::Refuse(Reason::BadRequest(spelling.as_str())),
        };
        match ask.area {
            Area::Open => Decision::Permit(Permit::open(evidence, ask.cancel)),
            Area::SignIn => match evidence.certificate() {
                CertificateEvidence::Proved(_) => Decision::Permit(Permit::sign_in(evidence, ask.cancel)),
                CertificateEvidence::Absent
                | CertificateEvidence::Rejected { .. }
                | CertificateEvidence::Ended(_) => without_certificate(evidence),
            },
            Area::Renewal => match evidence.certificate() {
                CertificateEvidence::Ended(_) => Decision::Permit(Permit::renewal(evidence, ask.cancel)),
                // Whose certificate is in force renews it in the settings.
                CertificateEvidence::Proved(_) => Decision::Refuse(Reason::NotFound),
                CertificateEvidence::Absent | CertificateEvidence::Rejected { .. } => {
                    without_certificate(evidence)
                }
            },
            Area::Reenrol => match evidence.proved() {
                Some(proved) if proved.is_released() => {
                    Decision::Permit(Permit::reenrol(evidence, ask.cancel))
                }
                // There is no page to lead a machine to.
                Some(_) => Decision::Refuse(Reason::PolicyDenied { rule: None }),
                None => without_certificate(evidence),
            },
            Area::Guarded => self.guard(ask, path, evidence, now),
        }
    }

    /// Whether the phone is what is asked for once the password is proved.
    #[must_use]
    pub fn phone_follows(&self, ask: &Ask<'_>, evidence: &Evidence, now: Time) -> bool {
        let Some(rules) = self.rules(ask.tenant) else { return false };
        let proved = Facts { password: Some(now), ..facts(ask, evidence, now) };
        matches!(judge(&rules, &proved), Verdict::Lacking(_, Lacking::Phone))
    }

    fn guard(&self, ask: &Ask<'_>, path: Canonical<'_>, evidence: &Evidence, now: Time) -> Decision {
        let tenants = self.tenants.load();
        let Some(in_force) = tenants.get(ask.tenant) else {
            // Whose certificate does not count here is not told to be known.
            return match evidence.proved() {
                Some(_) => Decision::Refuse(Reason::PolicyDenied { rule: None }),
                None => without_certificate(evidence),
            };
        };
        let refused_by = |rule: &str| Decision::Refuse(Reason::PolicyDenied { rule: Some(rule.to_owned()) });
        match judge_canonical(&in_force.set, path, &facts(ask, evidence, now)) {
            Verdict::Permit(rule) => Decision::Permit(Permit::by(&rule.name, evidence, ask.cancel)),
            Verdict::Lacking(_, Lacking::Certificate) => without_certificate(evidence),
            Verdict::Lacking(_, Lacking::Release) => Decision::Ask(Missing::Release),
            Verdict::Lacking(rule, Lacking::Password) => {
                Decision::Ask(Missing::Password(again(rule, |need| need.password, evidence.password())))
            }
            Verdict::Lacking(rule, Lacking::Phone) => {
                Decision::Ask(Missing::Phone(again(rule, |need| need.phone, evidence.phone())))
            }
            Verdict::Deny(rule) => refused_by(rule.name()),
            Verdict::NoRule => Decision::Refuse(Reason::PolicyDenied { rule: None }),
            Verdict::OutsideHours(_) => Decision::Refuse(Reason::OutsideHours),
            Verdict::Ambiguous(spelling) => Decision::Refuse(Reason::BadRequest(spelling.as_str())),
        }
    }
}

fn facts<'a>(ask: &Ask<'a>, evidence: &'a Evidence, now: Time) -> Facts<'a> {
    let holder = evidence.proved().map(|proved| {
        let person = proved.person();
        Holder {
            person: &person.id,
            groups: &person.groups,
            roles: &person.roles,
            released: proved.is_released(),
        }
    });
    Facts {
        host: ask.host,
        path: ask.path,
        method: ask.method,
        address: evidence.address(),
        holder,
        password: evidence.password(),
        phone: evidence.phone(),
        now,
    }
}

/// Why a factor that was proved is asked for once more.
fn again(rule: &Rule, factor: fn(Need) -> Freshness, proved: Option<Time>) -> Option<Again> {
    match (rule.effect, proved) {
        (Effect::Allow(need), Some(proved)) => match factor(need) {
            Freshness::Within(within) => Some(Again { rule: Arc::clone(&rule.name), within, proved }),
            Freshness::Unasked | Freshness::Session => None,
        },
        _ => None,
    }
}

fn without_certificate(evidence: &Evidence) -> Decision {
    Decision::Refuse(match evidence.certificate() {
        CertificateEvidence::Rejected { reason, .. } => reason.clone(),
        CertificateEvidence::Ended(ended) => Reason::CertificateExpired { on: ended.on(), renews: true },
        CertificateEvidence::Absent | CertificateEvidence::Proved(_) => Reason::NoCertificate,
    })
}

#[cfg(test)]
mod tests;
