//! The desk's long lists: tenants, the audit trail.

use askama::Template;

use super::{Desk, Doing, Mark};
use crate::web::pages::Moment;

/// All tenants.
#[derive(Template)]
#[template(path = "desk/tenants.html")]
pub struct Tenants {
    /// Around it.
    pub desk: Desk,
    /// Rows.
    pub tenants: Vec<TenantRow>,
}

/// A tenant in a list.
#[derive(Clone, Debug)]
pub struct TenantRow {
    /// "bank".
    pub id: String,
    /// "Bank Muster & Cie".
    pub name: String,
    /// Hosts of its door.
    pub hosts: String,
    /// Support's number.
    pub telephone: String,
    /// "strict: 12 hours, 5 minutes idle".
    pub sessions: String,
    /// How many people.
    pub people: usize,
    /// When it was made.
    pub created: Moment,
    /// What may be done with it.
    pub doings: Vec<Doing>,
}

/// The audit trail, latest first.
///
/// Forms: GET `verify_action`, which changes nothing.
#[derive(Template)]
#[template(path = "desk/audit.html")]
pub struct Audit {
    /// Around it.
    pub desk: Desk,
    /// Entries.
    pub entries: Vec<AuditRow>,
    /// What the last verification found.
    pub verified: Option<Mark>,
    /// Where verification is asked for.
    pub verify_action: String,
    /// Page with older entries; empty at the end.
    pub older: String,
}

/// An audit entry in a list.
#[derive(Clone, Debug)]
pub struct AuditRow {
    /// Node and number: "one/1042".
    pub number: String,
    /// When.
    pub when: Moment,
    /// Who.
    pub who: String,
    /// "device.released".
    pub what: String,
    /// About whom or what.
    pub whom: String,
    /// Whence.
    pub whence: String,
    /// How it ended.
    pub outcome: Mark,
    /// The rest: "reason: lost".
    pub detail: String,
}
