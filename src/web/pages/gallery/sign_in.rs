//! Sample data for the pages of signing in.

use super::{html, text};
use crate::web::Head;
use crate::web::page::Step;
use crate::web::pages::sign_in::{
    Code, CodeNews, Ended, EndedWhy, Matter, NotMe, Offline, Pair, Password, SetPassword, SignedOut,
    TwoWords, Unanswered, UnansweredWhy, Wait, Word, qr, qr_of_much,
};
use crate::web::visit::tests::visit;

pub(super) fn sign_in_pages(show: &mut impl FnMut(&str, String)) {
    let head = || Head::of(&visit());
    let code = |news, left_secs| Code {
        page: head().at(Step::Call),
        csrf: text("token"),
        digits: text("482913"),
        news,
        left_secs,
        total_secs: 600,
        device: text("laptop"),
        renew_action: text("/.portcullis/sign-in/code/renew"),
        events: text("/.portcullis/sign-in/events"),
    };
    show("code", html(code(CodeNews::First, 412)));
    show("code-other-browser", html(code(CodeNews::OtherBrowser, 598)));
    show("code-wrong-tries", html(code(CodeNews::WrongTries, 598)));
    show("code-ended", html(code(CodeNews::Renewed, 0)));
    for (name, chosen) in [("word", false), ("word-chosen", true)] {
        let word = Word {
            page: head().at(Step::Call),
            csrf: text("token"),
            words: [text("harbour"), text("lantern"), text("meadow")],
            number: text("48213"),
            action: text("/.portcullis/sign-in/word"),
            chosen,
            events: text("/.portcullis/sign-in/events"),
        };
        show(name, html(word));
    }
    for (name, why) in [
        ("rejected", EndedWhy::Rejected),
        ("wrong-word", EndedWhy::WrongWord),
        ("replaced", EndedWhy::Replaced),
        ("wrong-tries", EndedWhy::WrongTries),
        ("other-words", EndedWhy::OtherWords),
        ("other-words-further", EndedWhy::OtherWordsFurther),
    ] {
        let again_action = text("/.portcullis/sign-in/begin");
        let ended = Ended {
            page: head().at(Step::Call),
            csrf: text("token"),
            why,
            number: text("48213"),
            again_action,
            stop_action: text("/stop"),
        };
        show(&format!("ended-{name}"), html(ended));
    }
    let link = "https://phone.localhost:8443/pair#mfrggzdfmztwq2lknnwg23tpoa.mfrggzdfmztwq2lknnwg23tpoa";
    let phones = "/.portcullis/settings/phones/";
    for (name, left_secs, back) in [("pair", 271, ""), ("pair-ended", 0, ""), ("pair-further", 271, phones)] {
        let pair = Pair {
            page: head().at(Step::Phone),
            csrf: text("token"),
            square: qr(link).unwrap(),
            link: text(link),
            phone_host: text("phone.localhost:8443"),
            left_secs,
            total_secs: 300,
            renew_action: text("/.portcullis/sign-in/pair/renew"),
            events: text("/.portcullis/sign-in/events"),
            back: text(back),
        };
        show(name, html(pair));
    }
    for (name, refused) in [("offline", ""), ("offline-refused", "Your phone shows other characters.")] {
        let offline = Offline {
            page: head(),
            csrf: text("token"),
            square: qr_of_much(&link.repeat(8)).unwrap(),
            phone: text("Anna’s phone"),
            others: vec![(text("phone-2"), text("Anna’s old phone"))],
            left_secs: 104,
            total_secs: 120,
            refused: text(refused),
            action: text("/.portcullis/sign-in/offline/answer"),
            other_action: text("/.portcullis/sign-in/offline"),
            back: text("/.portcullis/sign-in/"),
            events: text("/.portcullis/sign-in/events"),
        };
        show(name, html(offline));
    }
    let two_words = TwoWords {
        page: head().at(Step::Phone),
        csrf: text("token"),
        words: [text("river"), text("lantern")],
        phone: text("Anna’s phone"),
        action: text("/.portcullis/sign-in/pair/confirm"),
    };
    show("two-words", html(two_words));
    let refusals =
        vec![text("It is among passwords that are known to be stolen."), text("It holds your name.")];
    for (name, refused) in [("set-password", Vec::new()), ("set-password-refused", refusals)] {
        let set_password = SetPassword {
            page: head().at(Step::Password),
            csrf: text("token"),
            person: text("Anna Muster"),
            username: text("anna@example.com"),
            chars_min: 8,
            refused,
            action: text("/.portcullis/sign-in/password/new"),
        };
        show(name, html(set_password));
    }
    let away = "You were away for more than five minutes, so we closed the door behind you. You come back to the same page.";
    for (name, why, refused) in [
        ("password", "", ""),
        ("password-alone", "", ""),
        ("password-idle", away, ""),
        (
            "password-refused",
            "",
            "That was not the password of Anna Muster. Capital letters count: look whether Caps Lock is on.",
        ),
    ] {
        let password = Password {
            page: head(),
            csrf: text("token"),
            person: text("Anna Muster"),
            device: text("laptop"),
            username: text("anna@example.com"),
            why: text(why),
            refused: text(refused),
            phone_follows: name != "password-alone",
            action: text("/.portcullis/sign-in/password"),
        };
        show(name, html(password));
    }
    for (name, about) in [
        ("wait", Matter::SignIn),
        ("wait-resume", Matter::Resume),
        ("wait-new-device", Matter::NewDevice),
        ("wait-renewal", Matter::Renewal),
        ("wait-other", Matter::Other),
        ("wait-confirm", Matter::Confirm),
    ] {
        let wait = Wait {
            page: head(),
            csrf: text("token"),
            digits: text("204775"),
            phones: vec![text("Anna’s phone")],
            about,
            reason: text(if about == Matter::Confirm { "Make a payment" } else { "Remove a phone" }),
            rows: match about {
                Matter::Other => vec![(text("Phone"), text("Anna’s old phone"))],
                Matter::Confirm => super::confirm::rows(),
                Matter::SignIn | Matter::Resume | Matter::NewDevice | Matter::Renewal => vec![],
            },
            device: text("tablet"),
            phone_host: text("phone.localhost:8443"),
            left_secs: 104,
            total_secs: 120,
            again_after_secs: 30,
            again_action: text("/.portcullis/sign-in/phone/again"),
            cancel_action: text("/.portcullis/sign-in/cancel"),
            offline_action: text("/.portcullis/sign-in/offline"),
            events: text("/.portcullis/sign-in/events"),
        };
        show(name, html(wait));
    }
    for (name, why) in [
        ("expired", UnansweredWhy::Expired),
        ("wrong-digits", UnansweredWhy::WrongDigits),
        ("superseded", UnansweredWhy::Superseded),
    ] {
        let again_action = text("/.portcullis/sign-in/phone/again");
        show(
            &format!("unanswered-{name}"),
            html(Unanswered { page: head(), csrf: text("token"), why, about: Matter::SignIn, again_action }),
        );
    }
    show("not-me", html(NotMe { page: head() }));
    show("signed-out", html(SignedOut { page: head(), device: text("laptop"), again: text("/") }));
}
