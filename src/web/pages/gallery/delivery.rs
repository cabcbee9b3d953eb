//! The pages of a delivery, at the desk and behind the link.

use super::{html, text};
use crate::domain::Time;
use crate::web::pages::desk::{Delivered, Desk, IssueDevice, Issued, Place, Ways};
use crate::web::pages::guide::guide;
use crate::web::pages::public::{Deliver, NoSuchLink};
use crate::web::pages::{Moment, spoken};
use crate::web::platform::Platform;
use crate::web::visit::tests::visit;
use crate::web::{Head, assets, brand};

pub(super) fn delivery_pages(show: &mut impl FnMut(&str, String)) {
    let mail = Ways {
        chosen: text("link"),
        links: true,
        minutes: 15,
        mail_to: text("anna@example.com"),
        no_mail: String::new(),
    };
    let bare = Ways {
        chosen: text("hand"),
        mail_to: String::new(),
        no_mail: text("This gate has no mail server."),
        ..mail.clone()
    };
    let issue = |renews: &str, refused: &str, ways: &Ways| IssueDevice {
        desk: desk(),
        person: text("Anna Muster"),
        renews: text(renews),
        device: String::new(),
        refused: text(refused),
        ways: ways.clone(),
        action: text("/devices/bank/anna/new"),
        back: text("/people/bank/anna"),
    };
    show("desk-issue", html(issue("", "", &mail)));
    show("desk-issue-no-mail", html(issue("", "Anna Muster has a device \"laptop\" already", &bare)));
    show("desk-renew", html(issue("laptop", "", &mail)));
    let groups = vec![text("k7pmq"), text("x2fd3"), text("9qrth"), text("h4wse")];
    let issued = |not_mailed: &str| Issued {
        desk: desk(),
        person: text("Anna Muster"),
        device: text("laptop"),
        subject: text("Anna Muster, laptop, until 2028-11"),
        not_mailed: text(not_mailed),
        until: soon(86_400 * 730),
        file_name: text("anna-laptop.p12"),
        encoding: text("Modern encoding, for Windows 10 and later, Linux and Firefox"),
        p12_base64: text("MIIB"),
        password_spoken: groups.iter().map(|group| spoken(group)).collect(),
        password_groups: groups.clone(),
        back: text("/people/bank/anna"),
    };
    show("desk-issued", html(issued("")));
    show("desk-issued-not-mailed", html(issued("the mail server did not take it")));
    let delivered = |link: &str, mailed_to: &str, ends| Delivered {
        desk: desk(),
        person: text("Anna Muster"),
        device: text("laptop"),
        link: text(link),
        ends,
        mailed_to: text(mailed_to),
        not_mailed: String::new(),
        password_spoken: groups.iter().map(|group| spoken(group)).collect(),
        password_groups: groups.clone(),
        back: text("/people/bank/anna"),
    };
    let link = "https://start.localhost:8443/deliver/bank#g5xkq2m7wz4ya6t3hfplnbrcde";
    show("desk-link", html(delivered(link, "", Some(soon(900)))));
    show("desk-link-mailed", html(delivered("", "anna@example.com", Some(soon(900)))));
    show("desk-file-mailed", html(delivered("", "anna@example.com", None)));
    let deliver = |link: &str, refused: &str| Deliver {
        page: Head::of(&visit()),
        csrf: text("csrf"),
        action: text("/deliver/bank"),
        link: text(link),
        refused: text(refused),
        browser: text("Edge on Windows"),
        platforms: Platform::ALL.map(|one| (one.as_str(), one.name(), one == Platform::Windows)).to_vec(),
        recognised: "windows",
        door: text("https://bank.localhost:8443/"),
        guides: Platform::ALL
            .map(|one| (one.name(), guide(one.as_str(), false), one == Platform::Windows))
            .to_vec(),
    };
    show("deliver", html(deliver("", "")));
    show("deliver-wrong", html(deliver("g5xkq2m7", "That is not the password we told you.")));
    show("no-such-link", html(NoSuchLink { page: Head::of(&visit()) }));
}

fn soon(secs: i64) -> Moment {
    let now = visit().now;
    Moment::new(Time::from_secs(now.secs() + secs), now)
}

fn desk() -> Desk {
    let mut page = Head::of(&visit());
    page.tenant = text("Portcullis desk");
    page.monogram = text("P");
    page.host = text("console.localhost:8443");
    page.brand = assets::href(&brand::asset_name(None));
    let places = ["Codes", "People", "Certificates", "Sites", "Audit"].map(|label| Place {
        label: text(label),
        href: format!("/{label}"),
        here: label == "People",
    });
    Desk {
        page,
        agent: text("Olga Operator"),
        roles: text("operator"),
        places: places.to_vec(),
        rule: String::new(),
        csrf: text("csrf"),
        sign_out_action: text("/.portcullis/sign-out"),
    }
}
