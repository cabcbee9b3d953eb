//! How a tenant's certificates are delivered, renewed and retired: its terms, changed one by one.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::output::Output;
use super::{Acts, CommandError, Kind};
use crate::audit::{Entry, Event};
use crate::domain::TenantId;
use crate::domain::tenant::{CertificateTerms, Tenant};
use crate::policy;
use crate::store::table;

/// What to change; what is left out stays.
#[derive(Clone, Default, Serialize, Deserialize, clap::Args)]
pub struct Terms {
    /// How long an old certificate still counts after the newer one first signed in, in minutes (0: not at all)
    #[arg(long, value_name = "MINUTES")]
    pub old_goes_on: Option<u64>,
    /// For how many days after its end a certificate still opens renewal, and nothing else (0: not at all)
    #[arg(long, value_name = "DAYS")]
    pub expired_grace: Option<u32>,
    /// Whether the desk releases a renewal without a certificate; with three factors it always does
    #[arg(long, value_name = "yes|no", value_parser = yes_or_no)]
    pub expired_release: Option<bool>,
    /// How long a one-time link for a .p12 may be used, in minutes (at most 24 hours)
    #[arg(long, value_name = "MINUTES")]
    pub delivery_link: Option<u64>,
    /// Whether programs may enrol and renew by EST (RFC 7030)
    #[arg(long, value_name = "yes|no", value_parser = yes_or_no)]
    pub est: Option<bool>,
}

impl Acts {
    pub(super) async fn set_terms(
        &self,
        actor: &str,
        id: &TenantId,
        change: &Terms,
    ) -> Result<Output, CommandError> {
        let read = self.find_tenant(id).await?;
        let terms = changed(read.record.certificates, change)?;
        let three = self.asks_three_factors(id);
        if three && change.expired_release == Some(false) {
            return Err(CommandError::new(
                Kind::Refused,
                format!(
                    "--expired-release no: the rules of {id} ask for certificate, password and phone, and without \
                     the certificate two factors would be left"
                ),
                "keep the desk's release, or let no rule of this tenant ask for all three",
            ));
        }
        if terms != read.record.certificates {
            let entry = Entry::new(actor, Event::TenantChanged).tenant(id);
            let entry =
                told(&terms).into_iter().fold(entry, |entry, (name, value)| entry.detail(name, value));
            let tenant = Tenant { certificates: terms, ..read.record.clone() };
            self.record(entry, vec![table::replace(&read, &tenant)]).await?;
        }
        let mut lines: Vec<_> =
            told(&terms).into_iter().map(|(name, value)| format!("{name:<28}{value}")).collect();
        if three && !terms.expired_needs_release {
            lines.push("The rules ask for three factors, so the desk releases all the same.".to_owned());
        }
        let needed = terms.expired_needs_release || three;
        let told = json!({ "tenant": id.as_str(), "certificates": terms, "expired_release_needed": needed });
        Ok(Output::new(told, lines))
    }

    /// Whether the rules in force ask for certificate, password and phone together anywhere; rules that cannot be
    /// read are taken to.
    fn asks_three_factors(&self, id: &TenantId) -> bool {
        self.view.rules(id).is_some_and(|rules| {
            policy::rules::parse(&rules.file, &rules.text).map_or(true, |set| set.asks_three_factors())
        })
    }
}

fn changed(mut terms: CertificateTerms, change: &Terms) -> Result<CertificateTerms, CommandError> {
    let refused = |what: String, next: &str| Err(CommandError::new(Kind::Usage, what, next));
    if let Some(minutes) = change.old_goes_on {
        terms.supersede_grace_secs = minutes.saturating_mul(60);
        if terms.supersede_grace_secs > CertificateTerms::SUPERSEDE_GRACE_SECS_MAX {
            return refused(
                format!("--old-goes-on {minutes} is longer than 30 days"),
                "give at most 43200 minutes: two certificates of one device should not live side by side",
            );
        }
    }
    if let Some(days) = change.expired_grace {
        terms.expired_grace_days = days;
        if days > CertificateTerms::EXPIRED_GRACE_DAYS_MAX {
            return refused(
                format!("--expired-grace {days} is longer than 90 days"),
                "give at most 90: after that, issue the device anew",
            );
        }
    }
    if let Some(minutes) = change.delivery_link {
        terms.delivery_secs = minutes.saturating_mul(60);
        if !(60..=CertificateTerms::DELIVERY_SECS_MAX).contains(&terms.delivery_secs) {
            return refused(
                format!("--delivery-link {minutes} is not between 1 minute and 24 hours"),
                "give 1 to 1440 minutes; 15 is usual",
            );
        }
    }
    terms.expired_needs_release = change.expired_release.unwrap_or(terms.expired_needs_release);
    terms.est = change.est.unwrap_or(terms.est);
    Ok(terms)
}

fn told(terms: &CertificateTerms) -> [(&'static str, String); 5] {
    let yes = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
    [
        ("old goes on", format!("{} minutes", terms.supersede_grace_secs / 60)),
        ("expired grace", format!("{} days", terms.expired_grace_days)),
        ("expired needs release", yes(terms.expired_needs_release)),
        ("delivery link", format!("{} minutes", terms.delivery_secs / 60)),
        ("est", yes(terms.est)),
    ]
}

fn yes_or_no(text: &str) -> Result<bool, String> {
    match text {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err("write yes or no".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_keep_their_bounds_and_leave_the_rest_alone() {
        let terms = CertificateTerms::default();
        let change = Terms { delivery_link: Some(60), ..Terms::default() };
        let longer = changed(terms, &change).unwrap();
        assert_eq!(longer, CertificateTerms { delivery_secs: 3600, ..terms });
        for bad in [
            Terms { delivery_link: Some(0), ..Terms::default() },
            Terms { delivery_link: Some(1441), ..Terms::default() },
            Terms { delivery_link: Some(u64::MAX), ..Terms::default() },
            Terms { expired_grace: Some(91), ..Terms::default() },
            Terms { old_goes_on: Some(43201), ..Terms::default() },
        ] {
            assert!(changed(terms, &bad).is_err());
        }
    }
}
