//! The pages of a delivery, at the desk and behind the link.

use super::{html, text};
use crate::domain::Time;
use crate::web::pages::desk::{
    Delivered, Desk, IssueDevice, IssueMany, Issued, IssuedMany, MadeRow, Place, Ways,
};
use crate::web::pages::guide::guides;
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
    many_pages(show);
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
        guides: guides(Platform::Windows),
    };
    show("deliver", html(deliver("", "")));
    show("deliver-wrong", html(deliver("g5xkq2m7", "That is not the password we told you.")));
    show("no-such-link", html(NoSuchLink { page: Head::of(&visit()) }));
}

fn many_pages(show: &mut impl FnMut(&str, String)) {
    let many = |sheet: &str, bad: Vec<(u64, String)>| IssueMany {
        desk: desk(),
        sheet: text(sheet),
        refused: String::new(),
        bad,
        minutes: [("", "the site’s own time, as for a single link"), ("480", "8 hours")]
            .map(|(value, said)| (text(value), text(said), value.is_empty()))
            .to_vec(),
        skip_bad: false,
        mails: true,
        action: text("/devices/many"),
        back: text("/people/"),
    };
    show("desk-issue-many", html(many("", vec![])));
    let sheet = "tenant,name,email,device\nbank,Anna Muster,anna@example.com,laptop\nbnak,Berta,,phone\n";
    let bad = vec![
        (3, text("email is missing: somebody new needs an address that notices can go to")),
        (3, text("there is no tenant `bnak`: see `portcullis tenant list`")),
    ];
    show("desk-issue-many-bad", html(many(sheet, bad)));
    let link = "https://start.localhost:8443/deliver/bank#g5xkq2m7wz4ya6t3hfplnbrcde";
    let row = |line, person: &str, mailed_to: &str, not_mailed: &str, link: &str| MadeRow {
        line,
        person: text(person),
        href: text("/people/bank/anna"),
        tenant: text("bank"),
        device: text("laptop"),
        mailed_to: text(mailed_to),
        not_mailed: text(not_mailed),
        link: text(link),
        ends: text("2026-11-25 21:15 UTC"),
        password: text("k7pmq-x2fd3-9qrth-h4wse"),
    };
    let made = vec![
        row(2, "Anna Muster", "anna@example.com", "", ""),
        row(3, "Berta Beispiel", "", "the mail server did not take it", link),
        row(4, "Carl Contoso", "", "", link),
    ];
    let failed = vec![(5, text("Dora is kept out; let them in first: `portcullis person unlock bank/dora`"))];
    let left_out = vec![(6, text("device is missing: write how its owner calls it, such as laptop"))];
    let back = text("/people/");
    show("desk-issued-many", html(IssuedMany { desk: desk(), made, failed, left_out, back }));
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
