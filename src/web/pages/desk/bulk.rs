//! Devices issued by a sheet: the field for it, and what came of it.

use askama::Template;

use super::Desk;

/// The page that takes a sheet.
///
/// Forms: POST `action` {csrf, sheet, minutes, skip_bad}.
#[derive(Template)]
#[template(path = "desk/issue_many.html")]
pub struct IssueMany {
    /// Around it.
    pub desk: Desk,
    /// What was sent; empty at first.
    pub sheet: String,
    /// What is not right with the sheet as a whole, or with this gate; empty where nothing is.
    pub refused: String,
    /// Rows that cannot be issued, by their line.
    pub bad: Vec<(u64, String)>,
    /// Minutes that a link lives, with how they are said, and whether they are chosen.
    pub minutes: Vec<(String, String, bool)>,
    /// Whether bad rows are left out.
    pub skip_bad: bool,
    /// Whether this gate has a mail server.
    pub mails: bool,
    /// Where it goes.
    pub action: String,
    /// Where to go back.
    pub back: String,
}

/// The page after it, shown once.
#[derive(Template)]
#[template(path = "desk/issued_many.html")]
pub struct IssuedMany {
    /// Around it.
    pub desk: Desk,
    /// Whose links were made.
    pub made: Vec<MadeRow>,
    /// Rows that were not issued, by their line.
    pub failed: Vec<(u64, String)>,
    /// Rows that were left out, by their line.
    pub left_out: Vec<(u64, String)>,
    /// Where to go back.
    pub back: String,
}

/// A link that was made.
pub struct MadeRow {
    /// Line of the sheet.
    pub line: u64,
    /// "Anna Muster".
    pub person: String,
    /// Their page.
    pub href: String,
    /// "bank".
    pub tenant: String,
    /// "laptop".
    pub device: String,
    /// The address that the link went to; empty where it is shown.
    pub mailed_to: String,
    /// Why it could not be mailed; empty where it was, or where there is no mail.
    pub not_mailed: String,
    /// The link, where it was not mailed.
    pub link: String,
    /// The end of it, for people: "25 Nov 2026, 21:15 UTC".
    pub ends: String,
    /// The import password.
    pub password: String,
}
