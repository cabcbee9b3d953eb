//! The issue history at the desk: certificates found, and one of them with all that is known of it.

use askama::Template;

use super::{AuditRow, Desk, Doing, Mark, Place};
use crate::web::pages::Moment;

/// A certificate in a list.
#[derive(Clone, Debug)]
pub struct CertificateRow {
    /// Serial number in hexadecimal.
    pub serial: String,
    /// "Anna Muster".
    pub person: String,
    /// "laptop".
    pub device: String,
    /// "bank".
    pub tenant: String,
    /// How it stands.
    pub state: Mark,
    /// From when.
    pub from: Moment,
    /// Until when.
    pub until: Moment,
    /// The person's page.
    pub href: String,
    /// The certificate's page.
    pub detail: String,
    /// What may be done with it.
    pub doings: Vec<Doing>,
}

/// Certificates that were looked for.
///
/// Forms: GET `search_action` {q, state}.
#[derive(Template)]
#[template(path = "desk/certificates.html")]
pub struct Certificates {
    /// Around it.
    pub desk: Desk,
    /// What was looked for.
    pub query: String,
    /// How they stand: value, label and whether it is chosen; the first is "any".
    pub states: Vec<(String, String, bool)>,
    /// Whether anything but all of them was looked for.
    pub narrowed: bool,
    /// Where the search goes.
    pub search_action: String,
    /// Rows.
    pub certificates: Vec<CertificateRow>,
    /// How many there are in all, where the list is cut.
    pub total: usize,
    /// The page before and the page after this one, and where what was found is taken away as a file.
    pub onward: Vec<Place>,
    /// Where what was found is taken away as a file.
    pub exports: Vec<Place>,
}

/// One certificate.
#[derive(Template)]
#[template(path = "desk/certificate.html")]
pub struct CertificateDetail {
    /// Around it.
    pub desk: Desk,
    /// It, as a row.
    pub row: CertificateRow,
    /// SHA-256, in groups of four.
    pub sha256: String,
    /// "devices".
    pub issuer: String,
    /// "device".
    pub profile: String,
    /// "local:1000".
    pub issued_by: String,
    /// When it last signed in.
    pub last_used: Option<Moment>,
    /// What happened to it, oldest first.
    pub steps: Vec<(Moment, String)>,
    /// Other certificates of its device.
    pub others: Vec<CertificateRow>,
    /// Lines of the audit trail about it.
    pub trail: Vec<AuditRow>,
    /// Where one goes back.
    pub back: String,
}
