//! What ends, at the desk: a calendar and a list.

use askama::Template;

use super::{Desk, Mark, Place};
use crate::web::pages::Moment;

/// Certificates that end, by day.
#[derive(Template)]
#[template(path = "desk/expiring.html")]
pub struct Expiring {
    /// Around it.
    pub desk: Desk,
    /// The months shown.
    pub months: Vec<Month>,
    /// Months before and after these.
    pub onward: Vec<Place>,
    /// What the list below holds: "24 December 2026", "the next 60 days".
    pub listed: String,
    /// Back from one day to all; none where all are listed.
    pub all: Option<Place>,
    /// Those that end.
    pub rows: Vec<ExpiringRow>,
    /// How many there are, where the list is cut.
    pub total: usize,
}

/// A month as a table of weeks.
#[derive(Clone, Debug)]
pub struct Month {
    /// "December 2026".
    pub name: String,
    /// Monday to Sunday; a day that is none of this month is empty.
    pub weeks: Vec<Vec<Day>>,
}

/// A day of a month.
#[derive(Clone, Debug, Default)]
pub struct Day {
    /// "24"; empty where it is another month's.
    pub number: String,
    /// How many end on it.
    pub count: usize,
    /// "24 December 2026: 3 certificates end".
    pub said: String,
    /// Where the list of the day is.
    pub href: String,
    /// Whether it is today.
    pub today: bool,
    /// Whether its list is shown.
    pub chosen: bool,
}

/// One that ends.
#[derive(Clone, Debug)]
pub struct ExpiringRow {
    /// Last moment.
    pub until: Moment,
    /// "24 December 2026".
    pub day: String,
    /// "ends in 14 days".
    pub left: Mark,
    /// "Anna Muster".
    pub person: String,
    /// The person's page.
    pub href: String,
    /// "bank".
    pub tenant: String,
    /// "laptop".
    pub device: String,
    /// Serial number.
    pub serial: String,
    /// The certificate's page.
    pub detail: String,
}
