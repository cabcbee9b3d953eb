//! Sample data for the pages of recovery codes and of a lost phone.

use super::{html, text};
use crate::domain::Time;
use crate::web::Head;
use crate::web::page::Step;
use crate::web::pages::Moment;
use crate::web::pages::recovery::{Call, Codes, Left, LostPhone, Pair, Second};
use crate::web::pages::sign_in::qr;
use crate::web::visit::tests::visit;

const SETTINGS: &str = "/.portcullis/settings/recovery/";
const LOST: &str = "/.portcullis/sign-in/lost-phone/";

pub(super) fn recovery_pages(show: &mut impl FnMut(&str, String)) {
    let (head, csrf) = (|| Head::of(&visit()), || text("token"));
    for (name, settings, untold) in [
        ("recovery-codes", false, false),
        ("recovery-codes-untold", false, true),
        ("recovery-codes-settings", true, false),
    ] {
        let codes = Codes {
            page: if settings { head() } else { head().at(Step::Done) },
            csrf: csrf(),
            person: text("Anna Muster"),
            made: text("28 November 2026"),
            codes: (0..10)
                .map(|n| format!("k7wd-m2qp-x4{n}t-zc3h").replace(['0', '1', '8', '9'], "b"))
                .collect(),
            settings,
            anew: settings,
            untold,
            file_action: format!("{SETTINGS}file"),
            done_action: format!("{SETTINGS}kept"),
        };
        show(name, html(codes));
    }
    let now = visit().now;
    for (name, left, put_away, has_phone) in [
        ("recovery-left", Some(9), true, true),
        ("recovery-few", Some(1), true, true),
        ("recovery-not-kept", Some(10), false, true),
        ("recovery-none", None, false, false),
    ] {
        let left = Left {
            page: head(),
            csrf: csrf(),
            left,
            made: left.map(|_| Moment::new(Time::from_secs(now.secs() - 86_400 * 20), now)),
            put_away,
            few: left.is_some_and(|left| left <= 3),
            has_phone,
            action: format!("{SETTINGS}ask"),
        };
        show(name, html(left));
    }
    for (name, refused) in
        [("lost-phone", ""), ("lost-phone-refused", "That is none of your codes, or one that was used.")]
    {
        let lost = LostPhone {
            page: head(),
            csrf: csrf(),
            phones: vec![text("Android phone")],
            refused: text(refused),
            code_action: format!("{LOST}code"),
            call_action: format!("{LOST}call"),
            back: text("/.portcullis/sign-in/"),
        };
        show(name, html(lost));
    }
    let call = Call {
        page: head(),
        csrf: csrf(),
        digits: text("482913"),
        other_browser: false,
        left_secs: 412,
        total_secs: 600,
        renew_action: format!("{LOST}again"),
        stop_action: format!("{LOST}stop"),
        events: text("/.portcullis/sign-in/events"),
    };
    show("lost-phone-call", html(call));
    let events = text("/.portcullis/sign-in/events");
    show(
        "lost-phone-second",
        html(Second {
            page: head(),
            csrf: csrf(),
            number: text("48213"),
            stop_action: format!("{LOST}stop"),
            events,
        }),
    );
    let link = "https://phone.localhost:8443/pair#mfrggzdfmztwq2lknnwg23tpoa.mfrggzdfmztwq2lknnwg23tpoa";
    let pair = Pair {
        page: head(),
        csrf: csrf(),
        square: qr(link).unwrap(),
        link: text(link),
        phone_host: text("phone.localhost:8443"),
        phones: vec![text("Android phone"), text("tablet")],
        left_secs: 271,
        total_secs: 300,
        renew_action: text("/.portcullis/sign-in/square"),
        stop_action: format!("{LOST}stop"),
        events: text("/.portcullis/sign-in/events"),
    };
    show("lost-phone-pair", html(pair));
}
