//! Sample data for the page of a second agent.

use super::{html, text};
use crate::web::pages::Moment;
use crate::web::pages::desk::{Desk, Second};

pub(super) fn second_pages(show: &mut impl FnMut(&str, String), desk: impl Fn() -> Desk, since: &Moment) {
    for (name, may_not) in [("desk-second", ""), ("desk-second-first", "You released it.")] {
        let second = Second {
            desk: desk(),
            person: text("Anna Muster"),
            first: text("Sue Support"),
            tenant: text("Bank Muster & Cie"),
            telephone: text("+41 79 555 01 23"),
            telephone_link: text("+41795550123"),
            phones: vec![text("Android phone")],
            device: text("laptop"),
            browser: text("Chrome on Linux"),
            place: text("192.0.2.17"),
            since: since.clone(),
            number: text("04821"),
            person_href: text("/people/bank/anna"),
            alarms: vec![text("This is a lost phone: what you release replaces all phones of this person.")],
            checklist: vec![text("I asked my colleague how they identified the caller.")],
            may_not: text(may_not),
            refused: String::new(),
            confirm_action: text("/codes/second"),
            reject_action: text("/codes/reject"),
            events: text("/codes/events"),
        };
        show(name, html(second));
    }
}
