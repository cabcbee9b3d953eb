//! The pages of a confirmation after its phone was asked. Each form posts to the `action` it is given, with
//! `csrf` as its hidden field.

use askama::Template;

use crate::web::page::Head;

/// "Your phone has confirmed it".
///
/// Forms: POST `action` {csrf}. Events: `moved`.
#[derive(Template)]
#[template(path = "confirm/confirmed.html")]
pub struct Confirmed {
    /// Around it.
    pub page: Head,
    /// Token of the form.
    pub csrf: String,
    /// "Pay an invoice".
    pub title: String,
    /// What was confirmed: name and value.
    pub rows: Vec<(String, String)>,
    /// Whether this page sends it, and not the one that it was opened from.
    pub by_itself: bool,
    /// Where it is sent from.
    pub action: String,
    /// Address of the event stream.
    pub events: String,
}

/// "It is on its way".
///
/// Events: `moved`.
#[derive(Template)]
#[template(path = "confirm/sending.html")]
pub struct Sending {
    /// Around it.
    pub page: Head,
    /// Address of the event stream.
    pub events: String,
}

/// How it ended.
#[derive(Template)]
#[template(path = "confirm/ended.html")]
pub struct Ended {
    /// Around it.
    pub page: Head,
    /// How.
    pub end: End,
    /// "Pay an invoice".
    pub title: String,
    /// What it was about: name and value.
    pub rows: Vec<(String, String)>,
    /// Number of the receipt.
    pub receipt: String,
    /// "2026-11-21 20:17", in UTC.
    pub at: String,
    /// Where the site begins.
    pub back: String,
    /// Whether this window was opened beside the page that goes on.
    pub closes: bool,
}

/// How a confirmation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It was sent, and the site has taken it.
    Taken,
    /// It was sent, and the site would not take it.
    NotTaken,
    /// It was sent, and nobody here knows what became of it.
    Unknown,
    /// Nobody confirmed it in time.
    Expired,
    /// The phone said "not me".
    NotMe,
    /// The person gave up.
    Cancelled,
    /// No phone is paired.
    NoPhone,
    /// The rules refuse it by now.
    Rules,
    /// What was kept is not what was confirmed.
    Changed,
    /// The site could not be reached.
    Unreachable,
}

impl Ended {
    const fn heading(&self) -> &'static str {
        match self.end {
            End::Taken => "It was sent, and taken",
            End::NotTaken => "It was sent, but not taken",
            End::Unknown => "We do not know whether it was carried out",
            End::Expired => "The time to confirm it is over",
            End::NotMe => "We have stopped it",
            End::Cancelled => "It was not sent",
            End::NoPhone => "You have no phone to confirm it with",
            End::Rules => "It was not sent: it is not allowed just now",
            End::Changed => "We have stopped it, to keep you safe",
            End::Unreachable => "It was not sent: nobody answers there",
        }
    }

    const fn text(&self) -> &'static str {
        match self.end {
            End::Taken => "You confirmed it on your phone. It was sent once, and answered.",
            End::NotTaken => {
                "You confirmed it on your phone and it was sent once, but the answer was no. Look at your pages to \
                 see why; if you start again, your phone is asked again."
            }
            End::Unknown => {
                "You confirmed it on your phone and it was sent once, but no clear answer came back. It may have been \
                 carried out, or not. Please do not do it again yet: look at your pages first, or call us and read out \
                 the number of the receipt."
            }
            End::Expired => "It was not confirmed in time. Nothing was sent. You can start again.",
            End::NotMe => "Your phone said “Not me”. Nothing was sent. Please call us.",
            End::Cancelled => "It was given up before it was confirmed. Nothing was sent.",
            End::NoPhone => "Nothing was sent. Call us: we help you to pair a phone.",
            End::Rules => {
                "You confirmed it, but what you may do here has changed meanwhile, or you must sign in again first. \
                 Nothing was sent."
            }
            End::Changed => {
                "What was about to be sent is not what you confirmed on your phone. Nothing was sent. Please call us \
                 before you do it again."
            }
            End::Unreachable => {
                "You confirmed it, but no connection could be made, so nothing was sent. You can start again in a few \
                 minutes; your phone is asked again."
            }
        }
    }

    /// Whether somebody should be called before anything else.
    const fn alarms(&self) -> bool {
        matches!(self.end, End::Unknown | End::NotMe | End::NoPhone | End::Changed)
    }
}
