//! The pages of "My settings". Each form posts to the `action` it is given, with `csrf` as its hidden field.

mod phones;

pub use phones::{PhoneNew, PhoneRemove, PhoneRename, PhoneRow, Phones};

use askama::Template;

use super::guide::{Guide, Picture};
use super::{Moment, time_left};
use crate::web::page::Head;

/// "My settings".
#[derive(Template)]
#[template(path = "settings/home.html")]
pub struct Home {
    /// Around it.
    pub page: Head,
    /// Token of its forms.
    pub csrf: String,
    /// "Anna Muster".
    pub person: String,
    /// "laptop".
    pub device: String,
    /// Where the certificates are.
    pub certificates: String,
    /// Where the phones are.
    pub phones: String,
    /// Where the recovery codes are.
    pub recovery: String,
}

/// "Your certificates".
#[derive(Template)]
#[template(path = "settings/certificates.html")]
pub struct Certificates {
    /// Around it.
    pub page: Head,
    /// Token of its forms.
    pub csrf: String,
    /// Those of the person, the one this browser shows first.
    pub rows: Vec<Row>,
    /// Where a new one is made.
    pub renew: String,
    /// Said at the top where this browser's certificate ends soon.
    pub ends: Option<Ends>,
    /// Said at the top where this browser's certificate has taken an older one's place.
    pub took_place: Option<TookPlace>,
}

/// A certificate that ends soon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ends {
    /// "3 November 2028".
    pub day: String,
    /// Whole days left.
    pub days: u64,
}

/// A certificate that has taken an older one's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TookPlace {
    /// "laptop".
    pub device: String,
    /// When the old one stops, where it has not yet.
    pub until: Option<String>,
}

/// A certificate in the list.
#[derive(Clone, Debug)]
pub struct Row {
    /// "laptop".
    pub device: String,
    /// Grouped, to be compared with what a program shows.
    pub serial: String,
    /// First day.
    pub from: String,
    /// Last day.
    pub until: String,
    /// Last full sign-in.
    pub used: Option<Moment>,
    /// "active", "ends in 12 days".
    pub state: String,
    /// Colour of the state: `good`, `waiting`, `bad` or none.
    pub tone: &'static str,
    /// Whether this browser shows it.
    pub here: bool,
    /// Where it is taken off the list, where it no longer counts.
    pub forget: String,
    /// Where its device is reported lost, while it counts.
    pub lost: String,
}

/// "Create a new certificate".
///
/// Forms: POST `action` {csrf, platform, form}.
#[derive(Template)]
#[template(path = "settings/choose.html")]
pub struct Choose {
    /// Around it.
    pub page: Head,
    /// Token of its forms.
    pub csrf: String,
    /// "laptop".
    pub device: String,
    /// Platforms: value, name, whether recognised.
    pub platforms: Vec<(&'static str, &'static str, bool)>,
    /// "Chrome on Linux".
    pub browser: String,
    /// Whether a phone is paired.
    pub has_phone: bool,
    /// Where it goes.
    pub action: String,
    /// Back to the list.
    pub back: String,
}

/// "Your new certificate is ready".
///
/// Forms: POST `download` {csrf}; POST `done` {csrf}.
#[derive(Template)]
#[template(path = "settings/ready.html")]
pub struct Ready {
    /// Around it.
    pub page: Head,
    /// Token of its forms.
    pub csrf: String,
    /// "laptop".
    pub device: String,
    /// Groups of the import password.
    pub groups: Vec<String>,
    /// Each group as it is read out.
    pub spoken: Vec<String>,
    /// "laptop.p12".
    pub file_name: String,
    /// Whether it was downloaded already.
    pub made: bool,
    /// "Windows: Chrome, Edge".
    pub platform: String,
    /// What was chosen, in words.
    pub form: String,
    /// How it is installed.
    pub guide: Guide,
    /// Seconds left.
    pub left_secs: u64,
    /// Seconds in all.
    pub total_secs: u64,
    /// Where the file comes from.
    pub download: String,
    /// Where the page ends.
    pub done: String,
}

/// A page that says one thing and leads on.
#[derive(Template)]
#[template(path = "settings/told.html")]
pub struct Told {
    /// Around it.
    pub page: Head,
    /// Token of its forms.
    pub csrf: String,
    /// In one sentence.
    pub title: String,
    /// Below it.
    pub text: String,
    /// What the button says.
    pub label: String,
    /// Where it leads.
    pub href: String,
}

/// "I lost this device".
///
/// Forms: POST `action` {csrf, name}.
#[derive(Template)]
#[template(path = "settings/lost.html")]
pub struct Lost {
    /// Around it.
    pub page: Head,
    /// Token of its forms.
    pub csrf: String,
    /// "laptop".
    pub device: String,
    /// What will fall.
    pub falls: Vec<String>,
    /// Whether it is the device that this browser runs on.
    pub here: bool,
    /// Why what was typed was not taken.
    pub refused: String,
    /// Where it goes.
    pub action: String,
    /// Back to the list.
    pub back: String,
}

/// "Take this certificate off your list".
///
/// Forms: POST `action` {csrf}.
#[derive(Template)]
#[template(path = "settings/forget.html")]
pub struct Forget {
    /// Around it.
    pub page: Head,
    /// Token of its forms.
    pub csrf: String,
    /// "laptop".
    pub device: String,
    /// "3 November 2028".
    pub until: String,
    /// "switched off on ...".
    pub state: String,
    /// Where it goes.
    pub action: String,
    /// Back to the list.
    pub back: String,
}

/// The page of a device that is being switched off under the browser that reads it: its end is written once
/// that is done, for the connection ends with the certificate.
#[derive(Template)]
#[template(path = "settings/gone.html")]
pub struct Gone {
    /// Around it.
    pub page: Head,
    /// Token of its forms.
    pub csrf: String,
    /// "laptop".
    pub device: String,
}

impl Ready {
    fn left(&self) -> String {
        time_left(self.left_secs)
    }
}
