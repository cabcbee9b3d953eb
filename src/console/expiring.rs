//! What ends, at the desk: months with how many end on each day, and the list of a day or of the next sixty.

use std::collections::HashMap;

use axum::body::Body;
use http::{Response, StatusCode};
use jiff::ToSpan as _;
use jiff::civil::Date;

use super::{Console, Here};
use crate::domain::Time;
use crate::enrolment::reminders::{self, Ending, Left, TOLD_BEFORE_DAYS};
use crate::web::form;
use crate::web::pages::desk::{Day, Expiring, ExpiringRow, Mark, Month, Place, Tone};
use crate::web::pages::{Moment, Page as _};

impl Console {
    pub(super) fn expiring(&self, here: &Here<'_>, query: &str) -> Response<Body> {
        let now = here.visit.now;
        let today = date(now);
        let chosen = form::query(query, "day").parse::<Date>().ok().filter(|day| near(*day, today));
        let from = format!("{}-01", form::query(query, "from")).parse::<Date>().ok();
        let from = from.filter(|from| near(*from, today)).or(chosen).unwrap_or(today).first_of_month();
        let end = from.saturating_add(MONTHS.months());
        let within = (end - today).get_days().max(TOLD_BEFORE_DAYS.cast_signed());
        let ending = reminders::ending(&self.acts.view, within.unsigned_abs(), now);
        let mut counts: HashMap<Date, usize> = HashMap::new();
        for one in &ending {
            *counts.entry(date(one.certificate.not_after)).or_default() += 1;
        }
        let months = (0..MONTHS).map(|n| month(from.saturating_add(n.months()), today, chosen, &counts));
        let listed: Vec<&Ending> = ending
            .iter()
            .filter(|one| match chosen {
                Some(day) => date(one.certificate.not_after) == day,
                None => one.left.days() <= TOLD_BEFORE_DAYS,
            })
            .collect();
        let place = |label: &str, href: String| Place { label: label.to_owned(), href, here: false };
        let at = |from: Date| format!("{PATH}?from={}", from.strftime("%Y-%m"));
        Expiring {
            desk: self.desk(here, "/certificates/"),
            months: months.collect(),
            onward: vec![
                place("Months before", at(from.saturating_sub(MONTHS.months()))),
                place("Months after", at(end)),
            ],
            listed: chosen.map_or_else(
                || format!("Within {TOLD_BEFORE_DAYS} days, and what ended lately"),
                |day| format!("On {}", day.strftime("%-d %B %Y")),
            ),
            all: chosen.map(|_| place("All within 60 days", at(from))),
            total: listed.len(),
            rows: listed.into_iter().take(ROWS_MAX).map(|one| row(one, now)).collect(),
        }
        .response(StatusCode::OK)
    }
}

fn month(first: Date, today: Date, chosen: Option<Date>, counts: &HashMap<Date, usize>) -> Month {
    let before = usize::try_from(first.weekday().to_monday_zero_offset()).unwrap_or_default();
    let mut days = vec![Day::default(); before];
    for number in 1..=first.days_in_month() {
        let Ok(day) = Date::new(first.year(), first.month(), number) else { continue };
        let count = counts.get(&day).copied().unwrap_or_default();
        let ends = if count == 1 { "certificate ends" } else { "certificates end" };
        days.push(Day {
            number: number.to_string(),
            count,
            said: format!("{}: {count} {ends}", day.strftime("%-d %B %Y")),
            href: format!("{PATH}?day={day}#list"),
            today: day == today,
            chosen: chosen == Some(day),
        });
    }
    days.resize(days.len().next_multiple_of(7), Day::default());
    Month { name: first.strftime("%B %Y").to_string(), weeks: days.chunks(7).map(<[Day]>::to_vec).collect() }
}

fn row(one: &Ending, now: Time) -> ExpiringRow {
    let of = &one.certificate;
    let tone = match one.left {
        Left::Ended => Tone::Bad,
        Left::Days(0..=14) => Tone::Waiting,
        Left::Days(_) => Tone::Plain,
    };
    ExpiringRow {
        until: Moment::new(of.not_after, now),
        day: of.not_after.day(),
        left: Mark { text: one.left.said(), tone },
        person: one.person.name.clone(),
        href: format!("/people/{}/{}", of.tenant, of.person),
        tenant: of.tenant.to_string(),
        device: one.device.name.clone(),
        serial: of.serial.clone(),
        detail: format!("/certificates/{}", of.serial),
    }
}

/// In UTC, as everything about the end of a certificate.
fn date(time: Time) -> Date {
    jiff::Timestamp::from_millisecond(time.millis())
        .map_or(Date::ZERO, |moment| moment.to_zoned(jiff::tz::TimeZone::UTC).date())
}

/// No certificate lives so long, and no page must be made for the year 9999.
fn near(day: Date, today: Date) -> bool {
    (i32::from(day.year()) - i32::from(today.year())).abs() <= 12
}

const PATH: &str = "/certificates/expiring/";

/// As many fit beside each other.
const MONTHS: i32 = 3;

const ROWS_MAX: usize = 500;
