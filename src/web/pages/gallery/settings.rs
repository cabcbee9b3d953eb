//! Sample data for the pages of the settings.

use super::{html, text};
use crate::domain::Time;
use crate::web::Head;
use crate::web::pages::Moment;
use crate::web::pages::guide::guide;
use crate::web::pages::settings::{
    Certificates, Choose, Ends, Forget, Gone, Home, Lost, PhoneNew, PhoneRemove, PhoneRename, PhoneRow,
    Phones, Ready, Row, Told, TookPlace,
};
use crate::web::visit::tests::visit;

const LIST: &str = "/.portcullis/settings/certificates/";

pub(super) fn settings_pages(show: &mut impl FnMut(&str, String)) {
    let (head, csrf) = (|| Head::of(&visit()), || text("token"));
    let (person, device) = (text("Anna Muster"), text("laptop"));
    let home = Home {
        page: head(),
        csrf: csrf(),
        person,
        device,
        certificates: text(LIST),
        phones: text("/.portcullis/settings/phones/"),
        recovery: text("/.portcullis/settings/recovery/"),
    };
    show("settings", html(home));
    phone_pages(show);
    let certificates = |ends, took_place| Certificates {
        page: head(),
        csrf: csrf(),
        rows: rows(),
        renew: format!("{LIST}new/"),
        ends,
        took_place,
    };
    show("settings-certificates", html(certificates(None, None)));
    let ends = Ends { day: text("3 November 2028"), days: 12 };
    let took_place = TookPlace { device: text("laptop"), until: None };
    show("settings-certificates-news", html(certificates(Some(ends), Some(took_place))));
    for (name, has_phone) in [("settings-choose", true), ("settings-choose-no-phone", false)] {
        let choose = Choose {
            page: head(),
            csrf: csrf(),
            device: text("laptop"),
            platforms: vec![
                ("windows", "Windows: Chrome, Edge", false),
                ("mac", "Mac: Safari, Chrome", false),
                ("ios", "iPhone or iPad", false),
                ("linux", "Linux: Chrome", true),
                ("firefox", "Firefox, on any computer", false),
                ("android", "Android: Chrome", false),
            ],
            browser: text("Chrome on Linux"),
            has_phone,
            action: format!("{LIST}new/ask"),
            back: text(LIST),
        };
        show(name, html(choose));
    }
    for platform in ["windows", "mac", "ios", "linux", "firefox", "android"] {
        let ready = Ready {
            page: head(),
            csrf: csrf(),
            device: text("laptop"),
            groups: ["x7kd4", "m2qpa", "t9wzc", "r3fhn"].map(text).to_vec(),
            spoken: vec![text("x-ray seven kilo delta four"), text("mike two quebec papa alfa")],
            file_name: text(if platform == "ios" { "laptop.mobileconfig" } else { "laptop.p12" }),
            made: platform == "android",
            platform: text(platform),
            form: text("A .p12 file, modern encoding."),
            guide: guide(platform, platform == "ios"),
            left_secs: 540,
            total_secs: 600,
            download: format!("{LIST}new/download"),
            done: format!("{LIST}new/done"),
        };
        show(&format!("settings-ready-{platform}"), html(ready));
    }
    let told = Told {
        page: head(),
        csrf: csrf(),
        title: text("This file cannot be downloaded any more"),
        text: text("Each file is made once, and we keep no copy."),
        label: text("Create another"),
        href: text(LIST),
    };
    show("settings-told", html(told));
    for (name, here, refused) in [
        ("settings-lost", false, ""),
        ("settings-lost-here", true, ""),
        ("settings-lost-refused", false, "Please type the name exactly as it stands above."),
    ] {
        let lost = Lost {
            page: head(),
            csrf: csrf(),
            device: text("tablet"),
            falls: vec![
                text("1 certificate stops working, for good."),
                text("2 sessions end now, with all that is open in it."),
            ],
            here,
            refused: text(refused),
            action: format!("{LIST}of/7f3a/lost"),
            back: text(LIST),
        };
        show(name, html(lost));
    }
    let forget = Forget {
        page: head(),
        csrf: csrf(),
        device: text("laptop"),
        until: text("3 November 2028"),
        state: text("replaced on 21 November 2026"),
        action: format!("{LIST}of/7f3a/forget"),
        back: text(LIST),
    };
    show("settings-forget", html(forget));
    show("settings-gone", html(Gone { page: head(), csrf: csrf(), device: text("laptop") }));
}

fn rows() -> Vec<Row> {
    let now = visit().now;
    let row = |device: &str, state: &str, tone, here: bool, counts: bool| Row {
        device: text(device),
        serial: text("5C1E 93A0 7B44 21D8 0F6A E2B9 4D70 1C35"),
        from: text("21 November 2026"),
        until: text("21 November 2028"),
        used: here.then(|| Moment::new(Time::from_secs(now.secs() - 7_200), now)),
        state: text(state),
        tone,
        here,
        forget: if counts { String::new() } else { format!("{LIST}of/7f3a/forget") },
        lost: if counts { format!("{LIST}of/7f3a/lost") } else { String::new() },
    };
    vec![
        row("laptop", "ends in 12 days", "waiting", true, true),
        row("tablet", "active", "good", false, true),
        row("laptop", "replaced on 21 November 2026", "", false, false),
        row("old telephone", "switched off on 3 November 2026", "bad", false, false),
    ]
}

fn phone_pages(show: &mut impl FnMut(&str, String)) {
    let (head, csrf) = (|| Head::of(&visit()), || text("token"));
    let now = visit().now;
    let ago = |secs: i64| Moment::new(Time::from_secs(now.secs() - secs), now);
    let row = |name: &str, synced: bool| PhoneRow {
        name: text(name),
        paired: ago(86_400 * 40),
        used: synced.then(|| ago(3600)),
        synced,
        rename: text("/x"),
        remove: text("/y"),
    };
    let list = |rows, said: &str| Phones {
        page: head(),
        csrf: csrf(),
        rows,
        new: text("/n"),
        full: false,
        said: text(said),
    };
    show("settings-phones", html(list(vec![row("iPhone", true), row("Android phone", false)], "")));
    show("settings-phones-last", html(list(vec![row("iPhone", true)], "This is your only phone.")));
    let (action, back) = (|| text("/a"), || text("/.portcullis/settings/phones/"));
    let name = || text("Android phone");
    let rename = PhoneRename { page: head(), csrf: csrf(), name: name(), action: action(), back: back() };
    show("settings-phone-rename", html(rename));
    let remove = PhoneRemove { page: head(), csrf: csrf(), name: name(), action: action(), back: back() };
    show("settings-phone-remove", html(remove));
    let phones = vec![(text("a"), text("iPhone")), (text("b"), name())];
    let new = PhoneNew { page: head(), csrf: csrf(), phones, full: false, action: action(), back: back() };
    show("settings-phone-new", html(new));
}
