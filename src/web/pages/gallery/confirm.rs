//! Sample data for the pages of a confirmation.

use super::{html, text};
use crate::web::Head;
use crate::web::pages::confirm::{Confirmed, End, Ended, Sending};
use crate::web::visit::tests::visit;

const EVENTS: &str = "/.portcullis/confirm/x/events";

pub(super) fn confirm_pages(show: &mut impl FnMut(&str, String)) {
    let head = || Head::of(&visit());
    for (name, by_itself) in [("confirm-sends", true), ("confirm-confirmed", false)] {
        let confirmed = Confirmed {
            page: head(),
            csrf: text("token"),
            title: text("Make a payment"),
            rows: rows(),
            by_itself,
            action: text("/.portcullis/confirm/x/send"),
            events: text(EVENTS),
        };
        show(name, html(confirmed));
    }
    show("confirm-sending", html(Sending { page: head(), events: text(EVENTS) }));
    for (name, end) in [
        ("taken", End::Taken),
        ("not-taken", End::NotTaken),
        ("unknown", End::Unknown),
        ("expired", End::Expired),
        ("not-me", End::NotMe),
        ("cancelled", End::Cancelled),
        ("no-phone", End::NoPhone),
        ("rules", End::Rules),
        ("changed", End::Changed),
        ("unreachable", End::Unreachable),
    ] {
        let ended = Ended {
            page: head(),
            end,
            title: text("Make a payment"),
            rows: rows(),
            receipt: text("5ygqzn5fk2o7v3hjt6dpm4qexa"),
            at: text("2026-11-21 20:17"),
            back: text("/"),
            closes: end == End::Taken,
        };
        show(&format!("confirm-{name}"), html(ended));
    }
}

pub(super) fn rows() -> Vec<(String, String)> {
    [
        ("Amount", "CHF 1’200.00"),
        ("To", "Müller & Söhne <AG>"),
        ("Account", "CH93 0076 2011 6238 5295 7"),
        ("At stake", "CHF 1’200.00 leave your private account today."),
    ]
    .map(|(name, value)| (text(name), text(value)))
    .to_vec()
}
