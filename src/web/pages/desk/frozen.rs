//! Who said "not me", and the page on which support lets them in again.

use askama::Template;

use super::Desk;
use crate::web::pages::Moment;

/// Somebody who said "not me" and waits for a call.
#[derive(Clone, Debug)]
pub struct FrozenRow {
    /// "Anna Muster".
    pub person: String,
    /// "Bank Muster & Cie".
    pub tenant: String,
    /// "laptop".
    pub device: String,
    /// "Chrome on Linux".
    pub browser: String,
    /// Network address.
    pub address: String,
    /// "near Zürich"; empty where none is known.
    pub place: String,
    /// When the phone was asked.
    pub asked: Moment,
    /// When "not me" was said.
    pub since: Moment,
    /// Recorded number, to ring; empty where there is none.
    pub telephone: String,
    /// The same for a `tel:` link.
    pub telephone_link: String,
    /// The person's page.
    pub href: String,
}

/// Somebody who said "not me" is let in again.
///
/// Forms: POST `action` {csrf, check (one per item, value its number from 0), why}.
#[derive(Template)]
#[template(path = "desk/unfreeze.html")]
pub struct Unfreeze {
    /// Around it.
    pub desk: Desk,
    /// Who, and what they said it to.
    pub row: FrozenRow,
    /// What to check, one question each.
    pub checklist: Vec<String>,
    /// What was not right with the last try; empty at first.
    pub refused: String,
    /// Where it goes.
    pub action: String,
    /// The person's page.
    pub back: String,
}
