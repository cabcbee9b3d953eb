//! Hours of the week in a time zone: `Mon-Fri 07:00-19:00 Europe/Zurich`.
//! Knows no rule and asks no clock: the moment is handed in.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::Weekday;
use jiff::tz::TimeZone;

use crate::domain::Time;

/// A span of hours on some days of the week, by the wall clock of a place: it keeps its hours
/// through summer time.
#[derive(Clone, Debug)]
pub struct Hours {
    /// A bit for each day, Monday the lowest.
    days: u8,
    /// Minutes since midnight, the first.
    from: u16,
    /// Minutes since midnight, no longer.
    until: u16,
    zone: TimeZone,
    text: String,
}

impl Hours {
    /// Reads `DAYS HH:MM-HH:MM ZONE`; days are `Mon-Fri`, `Sat,Sun`, `Mon,Wed-Fri` or `daily`.
    ///
    /// # Errors
    /// What is wrong with it, and what to write.
    pub fn parse(text: &str) -> Result<Self, BadHours> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let [days, span, zone] = words.as_slice() else { return Err(BadHours::Shape) };
        let (from, until) = span.split_once('-').ok_or(BadHours::Shape)?;
        let (from, until) = (clock(from)?, clock(until)?);
        if from == until {
            return Err(BadHours::Empty);
        }
        if from > until {
            return Err(BadHours::PastMidnight);
        }
        let days = days_of(days)?;
        let zone = TimeZone::get(zone).map_err(|_| BadHours::Zone((*zone).to_owned()))?;
        Ok(Self { days, from, until, zone, text: words.join(" ") })
    }

    /// Whether `now` lies within. Allocates nothing.
    #[must_use]
    pub fn contain(&self, now: Time) -> bool {
        let Ok(moment) = Timestamp::from_millisecond(now.millis()) else { return false };
        let there = self.zone.to_datetime(moment);
        let minute = u16::from(there.hour().unsigned_abs()) * 60 + u16::from(there.minute().unsigned_abs());
        self.days & bit(there.weekday()) != 0 && (self.from..self.until).contains(&minute)
    }

    /// Whether every moment of `other` lies within this span too; only spans of one zone are compared.
    #[must_use]
    pub fn cover(&self, other: &Self) -> bool {
        let week = |hours: &Self| hours.days == EVERY_DAY && hours.from == 0 && hours.until == DAY;
        week(self)
            || (self.zone.iana_name() == other.zone.iana_name()
                && other.days & !self.days == 0
                && self.from <= other.from
                && other.until <= self.until)
    }
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Why a text names no hours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadHours {
    /// Not three words.
    #[error("hours are days, a span and a time zone")]
    Shape,
    /// No such day.
    #[error("{0:?} names no days (Mon, Tue, Wed, Thu, Fri, Sat, Sun, a span of them, or daily)")]
    Days(String),
    /// No such time.
    #[error("{0:?} is no time of day from 00:00 to 24:00")]
    Clock(String),
    /// No such zone.
    #[error("there is no time zone {0:?}")]
    Zone(String),
    /// Nothing lies within.
    #[error("the hours are empty: they end when they begin")]
    Empty,
    /// Over midnight.
    #[error(
        "the hours end before they begin: write two spans, one until 24:00 and one from 00:00 on the next day"
    )]
    PastMidnight,
}

fn clock(text: &str) -> Result<u16, BadHours> {
    let bad = || BadHours::Clock(text.to_owned());
    let (hours, minutes) = text.split_once(':').ok_or_else(bad)?;
    let number = |text: &str| {
        let two_digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        if two_digits { text.parse::<u16>().ok() } else { None }
    };
    let minute = number(hours).zip(number(minutes)).filter(|(_, minutes)| *minutes < 60);
    minute.map(|(hours, minutes)| hours * 60 + minutes).filter(|minute| *minute <= DAY).ok_or_else(bad)
}

fn days_of(text: &str) -> Result<u8, BadHours> {
    if text.eq_ignore_ascii_case("daily") {
        return Ok(EVERY_DAY);
    }
    let bad = || BadHours::Days(text.to_owned());
    let day = |name: &str| DAYS.iter().position(|day| day.eq_ignore_ascii_case(name)).ok_or_else(bad);
    let mut days = 0;
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (day(first)?, day(last)?);
        // Sat-Mon goes over the end of the week.
        let length = (last + 7 - first) % 7;
        for n in 0..=length {
            days |= 1 << ((first + n) % 7);
        }
    }
    Ok(days)
}

fn bit(day: Weekday) -> u8 {
    1 << day.to_monday_zero_offset().unsigned_abs()
}

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const EVERY_DAY: u8 = 0b111_1111;
/// Minutes of a day.
const DAY: u16 = 24 * 60;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Time {
        Time(text.parse::<Timestamp>().unwrap().as_millisecond())
    }

    #[test]
    fn hours_go_by_the_wall_clock_of_the_place() {
        let hours = Hours::parse("Mon-Fri 07:00-19:00 Europe/Zurich").unwrap();
        for (moment, within) in [
            ("2026-11-23T06:59:59+01:00", false),
            ("2026-11-23T07:00:00+01:00", true),
            ("2026-11-23T05:59:59Z", false),
            ("2026-11-23T06:00:00Z", true),
            ("2026-11-23T17:59:59Z", true),
            ("2026-11-23T18:00:00Z", false),
            // The same hour by UTC, in summer.
            ("2026-07-20T05:00:00Z", true),
            ("2026-07-20T17:00:00Z", false),
            // Saturday and Sunday.
            ("2026-11-21T10:00:00Z", false),
            ("2026-11-22T10:00:00Z", false),
        ] {
            assert_eq!(hours.contain(at(moment)), within, "{moment}");
        }
        assert!(!hours.contain(Time(i64::MAX)));
    }

    #[test]
    fn days_are_read_in_all_their_spellings() {
        let days = |text: &str| Hours::parse(&format!("{text} 00:00-24:00 UTC")).map(|hours| hours.days);
        assert_eq!(days("Mon"), Ok(1));
        assert_eq!(days("mon-fri"), Ok(0b1_1111));
        assert_eq!(days("Sat-Mon"), Ok(0b110_0001));
        assert_eq!(days("Mon,Wed-Thu"), Ok(0b1101));
        assert_eq!(days("daily"), Ok(EVERY_DAY));
        assert!(days("Mon-").is_err() && days("Mond").is_err() && days("").is_err());
    }

    #[test]
    fn hours_that_nothing_lies_in_are_refused() {
        assert_eq!(Hours::parse("Mon 07:00-07:00 UTC").err(), Some(BadHours::Empty));
        assert_eq!(Hours::parse("Mon 19:00-07:00 UTC").err(), Some(BadHours::PastMidnight));
        assert_eq!(Hours::parse("Mon 07:00-19:00").err(), Some(BadHours::Shape));
        for bad in ["7:00-19:00", "07:60-19:00", "07:00-24:01", "07:00-25:00", "0700-1900", "+7:00-19:00"] {
            assert!(matches!(Hours::parse(&format!("Mon {bad} UTC")), Err(BadHours::Clock(_))), "{bad}");
        }
        assert!(matches!(Hours::parse("Mon 07:00-19:00 Europe/Zürich"), Err(BadHours::Zone(_))));
    }

    #[test]
    fn wider_hours_cover_narrower_ones_of_the_same_zone() {
        let hours = |text: &str| Hours::parse(text).unwrap();
        let week = hours("Mon-Fri 07:00-19:00 Europe/Zurich");
        assert!(week.cover(&hours("Tue 08:00-19:00 Europe/Zurich")));
        assert!(!week.cover(&hours("Tue 08:00-19:00 UTC")));
        assert!(!week.cover(&hours("Sat 08:00-19:00 Europe/Zurich")));
        assert!(hours("daily 00:00-24:00 UTC").cover(&week));
    }
}
