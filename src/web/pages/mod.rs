//! Every page of ours as a struct of plain strings and a template beside it. Knows no entity:
//! the rooms fill the fields.

pub mod confirm;
pub mod desk;
pub mod guide;
pub mod public;
pub mod recovery;
pub mod refused;
pub mod renewal;
pub mod settings;
pub mod sign_in;

#[cfg(test)]
mod gallery;

use askama::Template;
use axum::body::Body;
use http::{Response, StatusCode};

use crate::domain::Time;
use crate::web::page::{self, Head};

/// A page that can be sent.
pub trait Page: Template + Sized {
    /// What stands around it.
    fn head(&self) -> &Head;

    /// The page with the headers of [`page::secure`].
    fn response(self, status: StatusCode) -> Response<Body> {
        match self.render() {
            Ok(html) => page::respond(status, html, &self.head().host),
            Err(error) => {
                let request = self.head().request.as_str();
                tracing::error!(%error, request, "a page of ours could not be written");
                let text = format!("Something of ours went wrong. Please call us and name {request}.");
                page::respond(StatusCode::INTERNAL_SERVER_ERROR, text, &self.head().host)
            }
        }
    }
}

macro_rules! page {
    ($($name:ty: $($field:ident).+),* $(,)?) => {
        $(impl Page for $name {
            fn head(&self) -> &Head {
                &self.$($field).+
            }
        })*
    };
}

page! {
    confirm::Confirmed: page,
    confirm::Sending: page,
    confirm::Ended: page,
    refused::Refused: page,
    public::Start: page,
    public::Deliver: page,
    public::NoSuchLink: page,
    renewal::Ask: page,
    renewal::Code: page,
    renewal::Password: page,
    renewal::Ready: page,
    recovery::Codes: page,
    recovery::Left: page,
    recovery::LostPhone: page,
    recovery::Call: page,
    recovery::Second: page,
    recovery::Pair: page,
    sign_in::Code: page,
    sign_in::Word: page,
    sign_in::Ended: page,
    sign_in::Pair: page,
    sign_in::TwoWords: page,
    sign_in::SetPassword: page,
    sign_in::Password: page,
    sign_in::Wait: page,
    sign_in::Offline: page,
    sign_in::Unanswered: page,
    sign_in::NotMe: page,
    sign_in::SignedOut: page,
    settings::Home: page,
    settings::Phones: page,
    settings::PhoneRename: page,
    settings::PhoneRemove: page,
    settings::PhoneNew: page,
    settings::Certificates: page,
    settings::Choose: page,
    settings::Ready: page,
    settings::Told: page,
    settings::Lost: page,
    settings::Forget: page,
    settings::Gone: page,
    desk::Home: desk.page,
    desk::People: desk.page,
    desk::Unfreeze: desk.page,
    desk::Person: desk.page,
    desk::CodeResult: desk.page,
    desk::Second: desk.page,
    desk::IssueMany: desk.page,
    desk::IssuedMany: desk.page,
    desk::Outcome: desk.page,
    desk::Confirm: desk.page,
    desk::Certificates: desk.page,
    desk::Expiring: desk.page,
    desk::CertificateDetail: desk.page,
    desk::Tenants: desk.page,
    desk::Audit: desk.page,
    desk::IssueDevice: desk.page,
    desk::Issued: desk.page,
    desk::Delivered: desk.page,
    desk::Request: desk.page,
    desk::Certified: desk.page,
}

/// A moment as pages show it: how long ago, and exactly on hover.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// "3 minutes ago", "in 2 years".
    pub relative: String,
    /// "2026-11-21 20:17 UTC".
    pub exact: String,
    /// RFC 3339, for programs and sorting.
    pub machine: String,
}

impl Moment {
    /// `time`, seen from `now`.
    #[must_use]
    pub fn new(time: Time, now: Time) -> Self {
        let (ahead, distance) = (time > now, time.since(now).max(now.since(time)).as_secs());
        let (count, unit) = match distance {
            0..60 => (0, "moment"),
            60..3_600 => (distance / 60, "minute"),
            3_600..86_400 => (distance / 3_600, "hour"),
            86_400..5_184_000 => (distance / 86_400, "day"),
            5_184_000..63_072_000 => (distance / 2_628_000, "month"),
            _ => (distance / 31_536_000, "year"),
        };
        let plural = if count == 1 { "" } else { "s" };
        let relative = match (count, ahead) {
            (0, _) => "now".to_owned(),
            (_, true) => format!("in {count} {unit}{plural}"),
            (_, false) => format!("{count} {unit}{plural} ago"),
        };
        Self { relative, exact: format!("{} UTC", time.minute()), machine: time.to_string() }
    }
}

/// "7 minutes left", "45 seconds left".
#[must_use]
pub fn time_left(secs: u64) -> String {
    let (count, unit) = if secs >= 60 { (secs.div_ceil(60), "minute") } else { (secs, "second") };
    format!("{count} {unit}{} left", if count == 1 { "" } else { "s" })
}

/// A group of a password as it is said on the telephone: "k as in Kilo, 7".
#[must_use]
pub fn spoken(group: &str) -> String {
    let words: Vec<String> = group.chars().map(spoken_character).collect();
    words.join(", ")
}

fn spoken_character(character: char) -> String {
    let lower = character.to_ascii_lowercase();
    let word = ALPHABET.iter().find(|word| word.starts_with(lower.to_ascii_uppercase()));
    match word {
        Some(word) if character.is_ascii_uppercase() => format!("capital {character} as in {word}"),
        Some(word) => format!("{character} as in {word}"),
        None => character.to_string(),
    }
}

/// The spelling alphabet of ICAO.
const ALPHABET: [&str; 26] = [
    "Alfa", "Bravo", "Charlie", "Delta", "Echo", "Foxtrot", "Golf", "Hotel", "India", "Juliett", "Kilo",
    "Lima", "Mike", "November", "Oscar", "Papa", "Quebec", "Romeo", "Sierra", "Tango", "Uniform", "Victor",
    "Whiskey", "X-ray", "Yankee", "Zulu",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_told_as_people_tell_them() {
        let now = Time::from_secs(1_795_292_244);
        let told = |secs: i64| Moment::new(Time::from_secs(now.secs() + secs), now).relative;
        assert_eq!(told(-30), "now");
        assert_eq!(told(-61), "1 minute ago");
        assert_eq!(told(-7200), "2 hours ago");
        assert_eq!(told(86_400 * 3), "in 3 days");
        assert_eq!(told(86_400 * 730), "in 2 years");
        assert_eq!(Moment::new(now, now).exact, "2026-11-21 20:17 UTC");
    }

    #[test]
    fn passwords_are_spelt() {
        assert_eq!(spoken("k7Pm"), "k as in Kilo, 7, capital P as in Papa, m as in Mike");
    }

    #[test]
    fn time_left_is_said_in_words() {
        assert_eq!(time_left(600), "10 minutes left");
        assert_eq!(time_left(361), "7 minutes left");
        assert_eq!(time_left(60), "1 minute left");
        assert_eq!(time_left(1), "1 second left");
    }
}
