//! The desk's pages about people and what they hold.

use askama::Template;
use zeroize::Zeroize;

use super::{CertificateRow, Desk, Doing, Mark, Waiting};
use crate::web::pages::Moment;

/// What a search found.
///
/// Forms: GET `search_action` {q}.
#[derive(Template)]
#[template(path = "desk/people.html")]
pub struct People {
    /// Around it.
    pub desk: Desk,
    /// What was searched for; empty lists everybody.
    pub query: String,
    /// Where the search goes.
    pub search_action: String,
    /// Who was found.
    pub people: Vec<PersonRow>,
    /// Whether whoever looks may issue devices.
    pub issues: bool,
}

/// A person in a list.
#[derive(Clone, Debug)]
pub struct PersonRow {
    /// "Anna Muster".
    pub name: String,
    /// "bank".
    pub tenant: String,
    /// First e-mail address.
    pub email: String,
    /// As recorded.
    pub telephone: String,
    /// How the person stands.
    pub standing: Mark,
    /// "2 devices, 1 phone".
    pub holds: String,
    /// The person's page.
    pub href: String,
}

/// Everything about one person that the desk may see.
///
/// Forms: POST `code_action` {csrf, caller, code} while a device waits.
#[derive(Template)]
#[template(path = "desk/person.html")]
pub struct Person {
    /// Around it.
    pub desk: Desk,
    /// "Anna Muster".
    pub name: String,
    /// "anna".
    pub id: String,
    /// "Bank Muster & Cie".
    pub tenant: String,
    /// How the person stands.
    pub standing: Mark,
    /// Addresses.
    pub emails: Vec<String>,
    /// Recorded number, to ring; empty where there is none.
    pub telephone: String,
    /// The same for a `tel:` link.
    pub telephone_link: String,
    /// "clients".
    pub groups: String,
    /// "support"; empty for a client.
    pub roles: String,
    /// The first visit under way.
    pub waiting: Option<Waiting>,
    /// What was not right with the last code; empty at first.
    pub refused: String,
    /// Where the code goes.
    pub code_action: String,
    /// Devices.
    pub devices: Vec<DeviceRow>,
    /// Phones.
    pub phones: Vec<PhoneRow>,
    /// Certificates.
    pub certificates: Vec<CertificateRow>,
    /// Live sessions.
    pub sessions: Vec<SessionRow>,
    /// What may be done: links to pages (`Confirm`, `IssueDevice`).
    pub doings: Vec<Doing>,
}

/// A device in a list.
#[derive(Clone, Debug)]
pub struct DeviceRow {
    /// "laptop".
    pub name: String,
    /// How it stands.
    pub state: Mark,
    /// Who had its certificate issued.
    pub issued_by: String,
    /// Who let it in; empty before.
    pub released_by: String,
    /// When it was made.
    pub created: Moment,
    /// What may be done with it.
    pub doings: Vec<Doing>,
}

/// A phone in a list.
#[derive(Clone, Debug)]
pub struct PhoneRow {
    /// "Anna's phone".
    pub name: String,
    /// When it was paired.
    pub paired: Moment,
    /// "in this phone only", "copied by the maker's cloud".
    pub key: String,
    /// Its last yes, where there was one.
    pub used: Option<Moment>,
    /// What may be done with it.
    pub doings: Vec<Doing>,
}

/// A session in a list.
#[derive(Clone, Debug)]
pub struct SessionRow {
    /// "laptop".
    pub device: String,
    /// "certificate, password, phone".
    pub proved: String,
    /// When it began.
    pub began: Moment,
    /// When the person last did something.
    pub seen: Moment,
    /// When it ends at the latest.
    pub ends: Moment,
}

/// By which ways a .p12 may be handed over.
#[derive(Clone, Debug)]
pub struct Ways {
    /// `link`, `mail` or `hand`.
    pub chosen: String,
    /// Whether links lead anywhere.
    pub links: bool,
    /// How long a link may be used.
    pub minutes: u64,
    /// To whom mail would go; empty where it cannot.
    pub mail_to: String,
    /// Why it cannot; empty where it can.
    pub no_mail: String,
}

/// Asks for what a certificate needs, and how it reaches its owner.
///
/// Forms: POST `action` {csrf, device, way=link|mail|hand, mail_link, encoding=modern|compatible}.
#[derive(Template)]
#[template(path = "desk/issue_device.html")]
pub struct IssueDevice {
    /// Around it.
    pub desk: Desk,
    /// "Anna Muster".
    pub person: String,
    /// The device that gets another certificate; empty where one is made.
    pub renews: String,
    /// What was typed before.
    pub device: String,
    /// What was not right with it; empty at first.
    pub refused: String,
    /// How it may reach its owner.
    pub ways: Ways,
    /// Where it goes.
    pub action: String,
    /// Where to go back.
    pub back: String,
}

/// The .p12 and its import password, shown once.
#[derive(Template)]
#[template(path = "desk/issued.html")]
pub struct Issued {
    /// Around it.
    pub desk: Desk,
    /// "Anna Muster".
    pub person: String,
    /// "laptop".
    pub device: String,
    /// As the browser's picker will show it.
    pub subject: String,
    /// Why the file was not mailed although that was asked for; empty else.
    pub not_mailed: String,
    /// Until when.
    pub until: Moment,
    /// "anna-laptop.p12".
    pub file_name: String,
    /// "modern: for Windows 10 and later, Linux, Firefox".
    pub encoding: String,
    /// The file in base64; the page is the only place that holds it.
    pub p12_base64: String,
    /// The import password, in its groups.
    pub password_groups: Vec<String>,
    /// Each group as it is said on the telephone: "K as in Kilo, 7, ..."; as many as groups.
    pub password_spoken: Vec<String>,
    /// The person's page.
    pub back: String,
}

/// The import password of a file or a link that went by another way, shown once.
#[derive(Template)]
#[template(path = "desk/delivered.html")]
pub struct Delivered {
    /// Around it.
    pub desk: Desk,
    /// "Anna Muster".
    pub person: String,
    /// "laptop".
    pub device: String,
    /// The link, where the operator is to pass it on; else empty.
    pub link: String,
    /// Until when a link may be used; `None` where the file itself went.
    pub ends: Option<Moment>,
    /// To whom it went; empty where it was not mailed.
    pub mailed_to: String,
    /// Why it was not mailed although that was asked for; empty else.
    pub not_mailed: String,
    /// The import password, in its groups.
    pub password_groups: Vec<String>,
    /// Each group as it is said on the telephone.
    pub password_spoken: Vec<String>,
    /// The person's page.
    pub back: String,
}

impl Drop for Delivered {
    fn drop(&mut self) {
        self.link.zeroize();
        self.password_groups.zeroize();
        self.password_spoken.zeroize();
    }
}

impl Drop for Issued {
    fn drop(&mut self) {
        self.p12_base64.zeroize();
        self.password_groups.zeroize();
        self.password_spoken.zeroize();
    }
}
