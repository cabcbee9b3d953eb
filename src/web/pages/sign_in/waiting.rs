//! The pages of a question to the phone: while it waits, and when it was not answered. Signing in and the
//! settings show them.

use askama::Template;

use super::{apart, time_left};
use crate::web::page::{Head, grouped};

/// "Type 204 775 on your phone."
///
/// Forms: POST `again_action` {csrf}, POST `cancel_action` {csrf}. Events: `moved`.
#[derive(Template)]
#[template(path = "sign_in/wait.html")]
pub struct Wait {
    /// Around it.
    pub page: Head,
    /// Token of the forms.
    pub csrf: String,
    /// The six digits.
    pub digits: String,
    /// Names of the phones asked.
    pub phones: Vec<String>,
    /// What the phone is asked about.
    pub about: Matter,
    /// The same in a line, as the phone shows it.
    pub reason: String,
    /// What the phone shows besides: name and value.
    pub rows: Vec<(String, String)>,
    /// "laptop".
    pub device: String,
    /// Host of the phone app: "phone.example.com".
    pub phone_host: String,
    /// Seconds left.
    pub left_secs: u64,
    /// Seconds in all.
    pub total_secs: u64,
    /// Seconds until the question may be sent again.
    pub again_after_secs: u64,
    /// Where a new question is asked for.
    pub again_action: String,
    /// Where it is given up.
    pub cancel_action: String,
    /// Where the square for a phone without a network is asked for; empty where there is none.
    pub offline_action: String,
    /// Address of the event stream.
    pub events: String,
}

/// The phone's answer did not come, or not rightly.
///
/// Forms: POST `again_action` {csrf}.
#[derive(Template)]
#[template(path = "sign_in/unanswered.html")]
pub struct Unanswered {
    /// Around it.
    pub page: Head,
    /// Token of the form.
    pub csrf: String,
    /// Why.
    pub why: UnansweredWhy,
    /// What the phone was asked about.
    pub about: Matter,
    /// Where a new question is asked for.
    pub again_action: String,
}

/// What a phone is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matter {
    /// Somebody signs in.
    SignIn,
    /// A first visit that broke off goes on: there is no password yet, and so no other way in than by a call.
    Resume,
    /// Somebody signs in on a device that has never been in.
    NewDevice,
    /// Another certificate is to be made.
    Renewal,
    /// A request is to be carried out.
    Confirm,
    /// What its reason says.
    Other,
}

impl Matter {
    /// Whether somebody waits who could come in another way.
    const fn signs_in(self) -> bool {
        matches!(self, Self::SignIn | Self::NewDevice)
    }

    /// What has not happened where the phone did not approve.
    const fn nothing(self) -> &'static str {
        match self {
            Self::SignIn | Self::Resume | Self::NewDevice => "Nobody is signed in.",
            Self::Renewal => "No certificate was made.",
            Self::Confirm => "Nothing was sent.",
            Self::Other => "Nothing was changed.",
        }
    }
}

/// Why there was no right answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnansweredWhy {
    /// The time was over.
    Expired,
    /// Three wrong digits.
    WrongDigits,
    /// The phone was asked something newer.
    Superseded,
    /// The person gave it up.
    Withdrawn,
    /// It was asked too often, and is not asked now.
    TooOften,
}

impl Wait {
    fn grouped(&self) -> String {
        grouped(&self.digits)
    }

    fn apart(&self) -> String {
        apart(&self.digits)
    }

    fn left(&self) -> String {
        time_left(self.left_secs)
    }
}

impl Unanswered {
    const fn title(&self) -> &'static str {
        match self.why {
            UnansweredWhy::Expired => "Your phone did not answer in time",
            UnansweredWhy::WrongDigits => "The number typed on the phone was another one",
            UnansweredWhy::Superseded => "A newer question took this one’s place",
            UnansweredWhy::Withdrawn => "This question to your phone was taken back",
            UnansweredWhy::TooOften => "Your phone has been asked often enough for now",
        }
    }

    const fn before(&self) -> &'static str {
        match self.why {
            UnansweredWhy::Expired | UnansweredWhy::Withdrawn => "",
            UnansweredWhy::TooOften => {
                "So that nobody can wear you down, it is asked three times in ten minutes at most."
            }
            UnansweredWhy::Superseded => {
                "Your phone shows the newer one alone. If you did not ask for it yourself, in another window or on \
                 another device, answer \u{201c}Not me\u{201d} on the phone."
            }
            UnansweredWhy::WrongDigits => "It was typed wrongly three times, so we stopped.",
        }
    }

    const fn after(&self) -> &'static str {
        match self.why {
            UnansweredWhy::TooOften => "Please wait some minutes, and ask it again.",
            UnansweredWhy::Expired => "Take your phone in your hand, open the app, and ask it again.",
            UnansweredWhy::WrongDigits | UnansweredWhy::Superseded | UnansweredWhy::Withdrawn => {
                "You can ask again with a new number."
            }
        }
    }
}
