//! The pages of recovery codes and of a lost phone. Each form posts to the `action` it is given, with `csrf` as its
//! hidden field.

use askama::Template;

use super::sign_in::{Square, apart};
use super::{Moment, time_left};
use crate::web::page::{Head, grouped};

/// "Keep these ten codes."
///
/// Forms: POST `file_action` {csrf}, POST `done_action` {csrf, away}.
#[derive(Template)]
#[template(path = "recovery/codes.html")]
pub struct Codes {
    /// Around it; `Head::at(Step::Done)` on a first visit.
    pub page: Head,
    /// Token of the forms.
    pub csrf: String,
    /// "Anna Muster", for the paper.
    pub person: String,
    /// "28 November 2026", for the paper.
    pub made: String,
    /// The ten, in order.
    pub codes: Vec<String>,
    /// Whether it belongs to the settings.
    pub settings: bool,
    /// Whether older codes died by these.
    pub anew: bool,
    /// Whether somebody wanted to go on without the tick.
    pub untold: bool,
    /// Where the file comes from.
    pub file_action: String,
    /// Where the tick goes.
    pub done_action: String,
}

/// "Recovery codes", in the settings.
///
/// Forms: POST `action` {csrf}.
#[derive(Template)]
#[template(path = "recovery/left.html")]
pub struct Left {
    /// Around it.
    pub page: Head,
    /// Token of the form.
    pub csrf: String,
    /// How many are left; `None` where none were ever made.
    pub left: Option<usize>,
    /// When they were made.
    pub made: Option<Moment>,
    /// Whether their owner has said that they are put away.
    pub put_away: bool,
    /// Whether so few are left that new ones should be made.
    pub few: bool,
    /// Whether a phone could agree.
    pub has_phone: bool,
    /// Where new ones are asked for.
    pub action: String,
}

/// "You do not have your phone?"
///
/// Forms: POST `code_action` {csrf, code}, POST `call_action` {csrf}.
#[derive(Template)]
#[template(path = "recovery/lost_phone.html")]
pub struct LostPhone {
    /// Around it.
    pub page: Head,
    /// Token of the forms.
    pub csrf: String,
    /// Names of the phones that are paired now.
    pub phones: Vec<String>,
    /// What was not right with the last code; empty at first.
    pub refused: String,
    /// Where a recovery code goes.
    pub code_action: String,
    /// Where a call is begun.
    pub call_action: String,
    /// Where it goes back to.
    pub back: String,
}

/// "Call us and read out this number", for a lost phone.
///
/// Forms: POST `renew_action` {csrf}, POST `stop_action` {csrf}. Events: `moved`.
#[derive(Template)]
#[template(path = "recovery/call.html")]
pub struct Call {
    /// Around it.
    pub page: Head,
    /// Token of the forms.
    pub csrf: String,
    /// The six digits.
    pub digits: String,
    /// Another browser came with the same certificate and password.
    pub other_browser: bool,
    /// Seconds the digits are still good for.
    pub left_secs: u64,
    /// Seconds they were good for in all.
    pub total_secs: u64,
    /// Where a new number is asked for.
    pub renew_action: String,
    /// Where it is given up.
    pub stop_action: String,
    /// Address of the event stream.
    pub events: String,
}

/// "A second colleague is looking at it."
///
/// Forms: POST `stop_action` {csrf}. Events: `moved`.
#[derive(Template)]
#[template(path = "recovery/second.html")]
pub struct Second {
    /// Around it.
    pub page: Head,
    /// Token of the form.
    pub csrf: String,
    /// Number of the visit, as the desk sees it.
    pub number: String,
    /// Where it is given up.
    pub stop_action: String,
    /// Address of the event stream.
    pub events: String,
}

/// "Point your new phone's camera at this square."
///
/// Forms: POST `renew_action` {csrf}, POST `stop_action` {csrf}. Events: `moved`.
#[derive(Template)]
#[template(path = "recovery/pair.html")]
pub struct Pair {
    /// Around it.
    pub page: Head,
    /// Token of the forms.
    pub csrf: String,
    /// The link's square.
    pub square: Square,
    /// The same link, for a person who reads this page on the phone itself.
    pub link: String,
    /// Host of the phone app.
    pub phone_host: String,
    /// Phones whose key ends.
    pub phones: Vec<String>,
    /// Seconds left.
    pub left_secs: u64,
    /// Seconds in all.
    pub total_secs: u64,
    /// Where a new square is asked for.
    pub renew_action: String,
    /// Where it is given up.
    pub stop_action: String,
    /// Address of the event stream.
    pub events: String,
}

impl Call {
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
}
