//! The desk's lists: tenants, the audit trail.

use axum::body::Body;
use http::{Response, StatusCode};

use super::{Answer, Console, Here};
use crate::audit::{self, Outcome};
use crate::domain::tenant::Tenant;
use crate::domain::{Reason, Time};
use crate::web::pages::desk::{Audit, AuditRow, Doing, Mark, TenantRow, Tenants, Tone};
use crate::web::pages::{Moment, Page as _};

impl Console {
    pub(super) fn tenants(&self, here: &Here<'_>) -> Response<Body> {
        let view = &self.acts.view;
        let tenants = view.tenants();
        let tenants = tenants.iter().map(|tenant| TenantRow {
            id: tenant.id.to_string(),
            name: tenant.name.clone(),
            hosts: tenant.hosts.join(", "),
            telephone: tenant.telephone.clone(),
            sessions: format!(
                "{} hours in all, {} minutes idle",
                tenant.profile.absolute_secs() / 3600,
                tenant.profile.idle_secs() / 60
            ),
            people: view.persons(&tenant.id).len(),
            created: Moment::new(tenant.created, here.visit.now),
            doings: tenant_doings(tenant),
        });
        Tenants { desk: self.desk(here, "/tenants/"), tenants: tenants.collect() }.response(StatusCode::OK)
    }

    pub(super) async fn audit(&self, here: &Here<'_>, verifies: bool) -> Answer {
        let store = &**self.acts.ledger.store();
        let entries = audit::latest(store, ROWS_MAX).await.map_err(|_| Reason::Internal)?;
        let verified = if verifies {
            let report = audit::verify(store).await.map_err(|_| Reason::Internal)?;
            Some(match &report.first_bad {
                None => {
                    Mark { text: format!("All {} entries are as written.", report.entries), tone: Tone::Good }
                }
                Some(bad) => Mark { text: format!("The trail was changed: {bad}"), tone: Tone::Bad },
            })
        } else {
            None
        };
        let entries = entries.iter().map(|line| audit_row(line, here.visit.now));
        Ok(Audit {
            desk: self.desk(here, "/audit/"),
            entries: entries.collect(),
            verified,
            verify_action: "/audit/verify".to_owned(),
            older: String::new(),
        }
        .response(StatusCode::OK))
    }
}

/// The staff's own are switched off one by one, or on the machine.
fn tenant_doings(tenant: &Tenant) -> Vec<Doing> {
    if tenant.id.is_staff() {
        return vec![];
    }
    let href = format!("/tenants/{}/revoke", tenant.id);
    vec![Doing { label: "Switch off every device".to_owned(), href, danger: true }]
}

/// A line of the trail as the desk shows it.
pub(super) fn audit_row(line: &audit::Numbered, now: Time) -> AuditRow {
    let (text, tone) = match &line.outcome {
        Outcome::Done => ("done".to_owned(), Tone::Plain),
        Outcome::Refused(why) => (why.clone(), Tone::Bad),
    };
    AuditRow {
        number: format!("{}/{}", line.node, line.sequence),
        when: Moment::new(line.when, now),
        who: line.who.clone(),
        what: line.what.as_str().to_owned(),
        whom: line.whom.clone().unwrap_or_default(),
        whence: line.whence.clone().unwrap_or_default(),
        outcome: Mark { text, tone },
        detail: line.details.iter().map(|(k, v)| format!("{k}: {}", short(v))).collect::<Vec<_>>().join(", "),
    }
}

/// A receipt is long; `portcullis audit list --json` has it whole.
fn short(value: &str) -> String {
    let mut chars = value.chars();
    let begin: String = chars.by_ref().take(DETAIL_CHARS_MAX).collect();
    if chars.next().is_some() { format!("{begin}…") } else { begin }
}

/// As much as a line of the list can show.
const DETAIL_CHARS_MAX: usize = 160;

const ROWS_MAX: usize = 500;
