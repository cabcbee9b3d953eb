//! The pages of the desk. Each form posts to the `action` it is given, with the desk's `csrf`
//! as its hidden field; a row's `href` leads to the page of what the row is about.

mod bulk;
mod certificates;
mod expiring;
mod frozen;
mod lists;
mod people;
mod requests;

pub use bulk::{IssueMany, IssuedMany, MadeRow};
pub use certificates::{CertificateDetail, CertificateRow, Certificates};
pub use expiring::{Day, Expiring, ExpiringRow, Month};
pub use frozen::{FrozenRow, Unfreeze};
pub use lists::{Audit, AuditRow, TenantRow, Tenants};
pub use people::{
    Delivered, DeviceRow, IssueDevice, Issued, People, Person, PersonRow, PhoneRow, SessionRow, Ways,
};
pub use requests::{Certified, Request};

use askama::Template;

use super::Moment;
use crate::web::page::Head;

/// What stands around every page of the desk.
#[derive(Clone, Debug)]
pub struct Desk {
    /// Around it.
    pub page: Head,
    /// Who sits there: "Sam Support".
    pub agent: String,
    /// "support, auditor".
    pub roles: String,
    /// Places to go, with the one we are in marked.
    pub places: Vec<Place>,
    /// A rule that everybody at this desk must know, as the demo's; empty where there is none.
    pub rule: String,
    /// Token of all forms of the page.
    pub csrf: String,
    /// Where signing out goes.
    pub sign_out_action: String,
}

/// A place to go.
#[derive(Clone, Debug)]
pub struct Place {
    /// "Codes".
    pub label: String,
    /// Where.
    pub href: String,
    /// Whether we are there.
    pub here: bool,
}

/// A word about how something stands, and its colour.
#[derive(Clone, Debug, Default)]
pub struct Mark {
    /// "active".
    pub text: String,
    /// Its colour.
    pub tone: Tone,
}

/// A colour's meaning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// Nothing to say.
    #[default]
    Plain,
    /// Done, in force.
    Good,
    /// Waits for somebody.
    Waiting,
    /// Switched off, refused, dangerous.
    Bad,
}

impl Tone {
    /// Class in the style sheet.
    #[must_use]
    pub const fn class(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Good => "good",
            Self::Waiting => "waiting",
            Self::Bad => "bad",
        }
    }
}

/// The desk's first page: an empty field of six, and the queue.
///
/// Forms: POST `code_action` {csrf, caller (a row's `caller`), code}; GET `search_action` {q}.
/// Events: `changed`.
#[derive(Template)]
#[template(path = "desk/home.html")]
pub struct Home {
    /// Around it.
    pub desk: Desk,
    /// Who said "not me" and waits for a call, longest first.
    pub frozen: Vec<FrozenRow>,
    /// Devices that wait for a release, longest first.
    pub queue: Vec<Waiting>,
    /// What was not right with the last code; empty at first.
    pub refused: String,
    /// Where the code goes.
    pub code_action: String,
    /// Where the search goes.
    pub search_action: String,
    /// Address of the event stream.
    pub events: String,
}

/// A device that waits for a release.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// What the form sends to say whom the agent speaks with: the room's own name for it.
    pub caller: String,
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
    /// Since when.
    pub since: Moment,
    /// How far: "code on screen", "word chosen".
    pub stage: Mark,
    /// Another browser came with the same certificate.
    pub alarm: bool,
    /// The person's page, or the code's once it was right.
    pub href: String,
}

/// Something that may be done, on a page of its own.
#[derive(Clone, Debug)]
pub struct Doing {
    /// "Lock".
    pub label: String,
    /// The page that asks.
    pub href: String,
    /// Whether something falls by it.
    pub danger: bool,
}

/// A right code: who calls, and what the agent does now.
///
/// Forms: POST `release_action` {csrf, check (one per item, value its number from 0)} and POST
/// `reject_action` {csrf, why}. Events: `changed`.
#[derive(Template)]
#[template(path = "desk/code_result.html")]
pub struct CodeResult {
    /// Around it.
    pub desk: Desk,
    /// "Anna Muster".
    pub person: String,
    /// "Bank Muster & Cie".
    pub tenant: String,
    /// Recorded number, to ring; empty where there is none.
    pub telephone: String,
    /// The same for a `tel:` link.
    pub telephone_link: String,
    /// "laptop".
    pub device: String,
    /// "Chrome on Linux".
    pub browser: String,
    /// Network address, and the place where it is known.
    pub place: String,
    /// Since when the code was on the screen.
    pub since: Moment,
    /// Short number of this first visit.
    pub number: String,
    /// What makes this case suspicious, one sentence each.
    pub alarms: Vec<String>,
    /// Whether the caller may be identified on this call, instead of being rung back.
    pub identified_on_incoming_call: bool,
    /// The word the agent says.
    pub word: String,
    /// Whether the person chose it.
    pub word_right: bool,
    /// What to check, one question each.
    pub checklist: Vec<String>,
    /// Why this agent may not release; empty where it may.
    pub may_not: String,
    /// What was not right with the last try; empty at first.
    pub refused: String,
    /// "Release laptop of Anna Muster".
    pub release: String,
    /// Where the release goes.
    pub release_action: String,
    /// Where the rejection goes.
    pub reject_action: String,
    /// Address of the event stream.
    pub events: String,
}

/// A lost phone that a first agent released: the second looks, and confirms.
///
/// Forms: POST `confirm_action` {csrf, check (one per item, value its number from 0)} and POST `reject_action` {csrf,
/// why}. Events: `changed`.
#[derive(Template)]
#[template(path = "desk/second.html")]
pub struct Second {
    /// Around it.
    pub desk: Desk,
    /// "Anna Muster".
    pub person: String,
    /// Who released it first: "Sam Support".
    pub first: String,
    /// "Bank Muster & Cie".
    pub tenant: String,
    /// Recorded number; empty where there is none.
    pub telephone: String,
    /// The same for a `tel:` link.
    pub telephone_link: String,
    /// Phones whose key ends.
    pub phones: Vec<String>,
    /// "laptop".
    pub device: String,
    /// "Chrome on Linux".
    pub browser: String,
    /// Network address.
    pub place: String,
    /// Since when.
    pub since: Moment,
    /// Short number of the visit.
    pub number: String,
    /// The person's page.
    pub person_href: String,
    /// What to be careful of, one sentence each.
    pub alarms: Vec<String>,
    /// What to check.
    pub checklist: Vec<String>,
    /// Why this agent may not confirm; empty where it may.
    pub may_not: String,
    /// What was not right with the last try; empty at first.
    pub refused: String,
    /// Where the confirmation goes.
    pub confirm_action: String,
    /// Where the rejection goes.
    pub reject_action: String,
    /// Address of the event stream.
    pub events: String,
}

/// What came of it.
#[derive(Template)]
#[template(path = "desk/outcome.html")]
pub struct Outcome {
    /// Around it.
    pub desk: Desk,
    /// Good or bad.
    pub tone: Tone,
    /// One large sentence: "Anna Muster is released".
    pub title: String,
    /// What happens next.
    pub text: String,
    /// Where to go on.
    pub onward: Place,
}

/// Before something falls: what falls, and the name typed.
///
/// Forms: POST `action` {csrf, name}, with `reasons` also {reason}.
#[derive(Template)]
#[template(path = "desk/confirm.html")]
pub struct Confirm {
    /// Around it.
    pub desk: Desk,
    /// "Revoke the certificate of laptop".
    pub title: String,
    /// What falls: "3 sessions end now", "1 certificate stops working".
    pub falls: Vec<String>,
    /// The name that must be typed.
    pub name: String,
    /// Reasons to choose from: value and label; empty where none is asked for.
    pub reasons: Vec<(String, String)>,
    /// What was not right with the last try; empty at first.
    pub refused: String,
    /// "Revoke".
    pub button: String,
    /// Where it goes.
    pub action: String,
    /// Where to go back.
    pub back: String,
}
