//! The pages of a first visit and of signing in. Each form posts to the `action` it is given,
//! with `csrf` as its hidden field.

mod offline;
mod waiting;

use askama::Template;

use super::time_left;
use crate::web::page::{Head, grouped};

pub use offline::Offline;
pub use waiting::{Matter, Unanswered, UnansweredWhy, Wait};

/// "Call us and read out this number."
///
/// Forms: POST `renew_action` {csrf}. Events: `moved`.
#[derive(Template)]
#[template(path = "sign_in/code.html")]
pub struct Code {
    /// Around it; `Head::at(Step::Call)`.
    pub page: Head,
    /// Token of the form.
    pub csrf: String,
    /// The six digits; empty once they ended.
    pub digits: String,
    /// Why there is a code now.
    pub news: CodeNews,
    /// Seconds the digits are still good for; 0 once they ended.
    pub left_secs: u64,
    /// Seconds they were good for in all.
    pub total_secs: u64,
    /// "laptop".
    pub device: String,
    /// Where a new number is asked for.
    pub renew_action: String,
    /// Address of the event stream.
    pub events: String,
}

/// Why there is a code now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeNews {
    /// The first on this device.
    First,
    /// The person asked for a new one, or the time was over.
    Renewed,
    /// The same certificate came before from another browser: that number is void, and support
    /// is told.
    OtherBrowser,
    /// The one before died of wrong tries.
    WrongTries,
}

/// "Which word did our colleague say to you?"
///
/// Forms: POST `action` {csrf, word}, where word is one of the three or `none`.
#[derive(Template)]
#[template(path = "sign_in/word.html")]
pub struct Word {
    /// Around it; `Head::at(Step::Call)`.
    pub page: Head,
    /// Token of the form.
    pub csrf: String,
    /// The three words.
    pub words: [String; 3],
    /// Number of the visit, as the desk sees it.
    pub number: String,
    /// Where the choice goes.
    pub action: String,
    /// Whether the right word was chosen and support has yet to release.
    pub chosen: bool,
    /// Address of the event stream.
    pub events: String,
}

/// A first visit that ended without a release.
#[derive(Template)]
#[template(path = "sign_in/ended.html")]
pub struct Ended {
    /// Around it; `Head::at(Step::Call)`.
    pub page: Head,
    /// Token of the form.
    pub csrf: String,
    /// Why.
    pub why: EndedWhy,
    /// Number of the visit, as the desk sees it and the trail has it; empty where there was none.
    pub number: String,
    /// Where a new first visit is asked for; empty where only support can.
    pub again_action: String,
    /// Where one goes back to another way in; empty where there is none.
    pub stop_action: String,
}

/// Why a first visit ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndedWhy {
    /// Support turned it away.
    Rejected,
    /// The person chose another word than the agent said.
    WrongWord,
    /// Another browser took its place.
    Replaced,
    /// Five wrong tries.
    WrongTries,
    /// The two screens showed different words: the pairing was taken back.
    OtherWords,
    /// The same of one more phone, in the settings of somebody who is in.
    OtherWordsFurther,
}

/// "Point your phone's camera at this square."
///
/// Forms: POST `renew_action` {csrf}. Events: `moved`.
#[derive(Template)]
#[template(path = "sign_in/pair.html")]
pub struct Pair {
    /// Around it; `Head::at(Step::Phone)`.
    pub page: Head,
    /// Token of the form.
    pub csrf: String,
    /// The link's square, from [`qr`]; empty once the time is over.
    pub square: Square,
    /// The same link, for a person who reads this page on the phone itself.
    pub link: String,
    /// Host of the phone app, as the person will see it: "phone.example.com".
    pub phone_host: String,
    /// Seconds left.
    pub left_secs: u64,
    /// Seconds in all.
    pub total_secs: u64,
    /// Where a new square is asked for.
    pub renew_action: String,
    /// Address of the event stream.
    pub events: String,
    /// Where somebody goes back to who is in and pairs one more; empty on a first visit.
    pub back: String,
}

/// "Do both screens show river and lantern?"
///
/// Forms: POST `action` {csrf, same=yes|no}.
#[derive(Template)]
#[template(path = "sign_in/two_words.html")]
pub struct TwoWords {
    /// Around it; `Head::at(Step::Phone)`.
    pub page: Head,
    /// Token of the form.
    pub csrf: String,
    /// The two words.
    pub words: [String; 2],
    /// What the phone calls itself: "Anna's phone".
    pub phone: String,
    /// Where the answer goes.
    pub action: String,
}

/// "Choose a password only you know."
///
/// Forms: POST `action` {csrf, username (to be ignored), password}.
#[derive(Template)]
#[template(path = "sign_in/set_password.html")]
pub struct SetPassword {
    /// Around it; `Head::at(Step::Password)`.
    pub page: Head,
    /// Token of the form.
    pub csrf: String,
    /// "Anna Muster".
    pub person: String,
    /// What a password manager files it under: e-mail address or id.
    pub username: String,
    /// Shortest accepted, in characters.
    pub chars_min: usize,
    /// Why the last one was refused, one sentence each; empty at first.
    pub refused: Vec<String>,
    /// Where it goes.
    pub action: String,
}

/// "Your password."
///
/// Forms: POST `action` {csrf, username (to be ignored), password}.
#[derive(Template)]
#[template(path = "sign_in/password.html")]
pub struct Password {
    /// Around it.
    pub page: Head,
    /// Token of the form.
    pub csrf: String,
    /// "Anna Muster".
    pub person: String,
    /// "laptop".
    pub device: String,
    /// What a password manager files it under.
    pub username: String,
    /// Why we ask: "You were away for 5 minutes, ..."; empty at an ordinary visit.
    pub why: String,
    /// What was not right with the last try, one uniform sentence; empty at first.
    pub refused: String,
    /// Whether the phone is asked next.
    pub phone_follows: bool,
    /// Where it goes.
    pub action: String,
}

/// "We have stopped it. Nobody is signed in."
#[derive(Template)]
#[template(path = "sign_in/not_me.html")]
pub struct NotMe {
    /// Around it.
    pub page: Head,
}

/// "You are signed out on this device."
#[derive(Template)]
#[template(path = "sign_in/signed_out.html")]
pub struct SignedOut {
    /// Around it.
    pub page: Head,
    /// "laptop"; empty where nobody knows any more.
    pub device: String,
    /// Where signing in begins.
    pub again: String,
}

/// A QR code as the dark modules of a square.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Square {
    /// Modules along one side, with the quiet zone of four on each.
    pub side: usize,
    /// SVG path of the dark ones.
    pub path: String,
}

/// The square of `link`; `None` where it is too long for one.
#[must_use]
pub fn qr(link: &str) -> Option<Square> {
    square(link, qrcode::EcLevel::M)
}

/// The square of a long text, on a screen that has no scratches: its modules are as large as can be.
#[must_use]
pub fn qr_of_much(text: &str) -> Option<Square> {
    square(text, qrcode::EcLevel::L)
}

fn square(text: &str, level: qrcode::EcLevel) -> Option<Square> {
    let code = qrcode::QrCode::with_error_correction_level(text, level).ok()?;
    let width = code.width();
    let mut path = String::new();
    for (row, line) in code.to_colors().chunks(width).enumerate() {
        let mut column = 0;
        while column < width {
            let run = line[column..].iter().take_while(|colour| **colour == qrcode::Color::Dark).count();
            if run > 0 {
                let (x, y) = (column + QUIET, row + QUIET);
                path.push_str(&format!("M{x} {y}h{run}v1h-{run}z"));
            }
            column += run.max(1);
        }
    }
    Some(Square { side: width + 2 * QUIET, path })
}

impl Code {
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

impl Pair {
    fn left(&self) -> String {
        time_left(self.left_secs)
    }

    const fn further(&self) -> bool {
        !self.back.is_empty()
    }

    const fn whose(&self) -> &'static str {
        if self.further() { "your new phone’s" } else { "your phone’s" }
    }
}

impl Ended {
    const fn title(&self) -> &'static str {
        match self.why {
            EndedWhy::Rejected => "Our colleague could not let this device in",
            EndedWhy::WrongWord => "We have stopped this visit, to keep you safe",
            EndedWhy::Replaced => "This visit goes on in another browser",
            EndedWhy::WrongTries => "This number was told wrongly too often",
            EndedWhy::OtherWords | EndedWhy::OtherWordsFurther => "We have taken the pairing back",
        }
    }

    const fn text(&self) -> &'static str {
        match self.why {
            EndedWhy::Rejected => {
                "Something did not fit together during the call. Nobody is signed in, and your account is as it was."
            }
            EndedWhy::WrongWord => {
                "The word was not the one our colleague said. It may be a slip, or somebody else was on the telephone. \
                 Please call us yourself, on this number, and not one that somebody gave you."
            }
            EndedWhy::Replaced => {
                "Another browser came with the same certificate, and was shown a newer number. \
                 If that was not you, call us now."
            }
            EndedWhy::WrongTries => {
                "To keep strangers out, we hear no more numbers for a while. Please call us, and we will look together."
            }
            EndedWhy::OtherWords => {
                "The two screens did not show the same words, so no phone was paired. \
                 If a phone showed other words, somebody else may have read the square: call us."
            }
            EndedWhy::OtherWordsFurther => {
                "The two screens did not show the same words, so the new phone was not paired. Your phones are as they \
                 were, and you are still signed in. If the new phone showed other words, somebody else may have read the \
                 square: call us."
            }
        }
    }

    const fn again(&self) -> &'static str {
        match self.why {
            EndedWhy::OtherWords | EndedWhy::OtherWordsFurther => "Show a new square",
            _ => "Begin again",
        }
    }

    const fn further(&self) -> bool {
        matches!(self.why, EndedWhy::OtherWordsFurther)
    }
}

/// "4 8 2 9 1 3": a screen reader says digits, not a number.
pub(super) fn apart(digits: &str) -> String {
    let digits: Vec<String> = digits.chars().map(String::from).collect();
    digits.join(" ")
}

/// ISO/IEC 18004: four modules of quiet around a QR code.
const QUIET: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_makes_a_square() {
        let square = qr("https://phone.localhost:8443/pair#abc.def").unwrap();
        assert!(square.side >= 29 && square.path.starts_with("M4 4h7"));
        assert!(qr(&"x".repeat(5000)).is_none());
    }
}
