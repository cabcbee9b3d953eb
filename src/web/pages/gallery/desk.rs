//! Sample data for the pages of the desk.

use super::{html, text};
use crate::domain::Time;
use crate::web::pages::Moment;
use crate::web::pages::desk::{
    Audit, AuditRow, CertificateDetail, CertificateRow, Certificates, CodeResult, Confirm, Day, Desk,
    DeviceRow, Doing, Expiring, ExpiringRow, FrozenRow, Home, Mark, Month, Outcome, People, Person,
    PersonRow, PhoneRow, Place, SessionRow, TenantRow, Tenants, Tone, Unfreeze, Waiting,
};
use crate::web::visit::tests::visit;
use crate::web::{Head, assets, brand};

pub(super) fn desk_pages(show: &mut impl FnMut(&str, String)) {
    let now = visit().now;
    let ago = |secs: i64| Moment::new(Time::from_secs(now.secs() - secs), now);
    let mark = |words: &str, tone| Mark { text: words.to_owned(), tone };
    let doing = |label: &str, danger| Doing { label: label.to_owned(), href: text("/x"), danger };
    let desk = |here: &str| {
        let mut page = Head::of(&visit());
        page.tenant = text("Portcullis desk");
        page.monogram = text("P");
        page.host = text("console.localhost:8443");
        page.brand = assets::href(&brand::asset_name(None));
        let places = ["Codes", "People", "Certificates", "Sites", "Audit"].map(|label| Place {
            label: text(label),
            href: format!("/{label}"),
            here: label == here,
        });
        Desk {
            page,
            agent: text("Sam Support"),
            roles: text("support"),
            places: places.to_vec(),
            rule: text(
                "Demo: this desk asks for certificate and password only. The shipped rule asks for the phone too.",
            ),
            csrf: text("token"),
            sign_out_action: text("/.portcullis/sign-out"),
        }
    };
    let waiting = |person: &str, alarm| Waiting {
        caller: format!("bank/{}", person.to_lowercase()),
        person: text(person),
        tenant: text("Bank Muster & Cie"),
        device: text("laptop"),
        browser: text("Chrome on Linux"),
        address: text("192.0.2.17"),
        since: ago(190),
        stage: mark("code on screen", Tone::Waiting),
        alarm,
        href: text("/people/bank/anna"),
    };
    let home = |queue, refused: &str| Home {
        desk: desk("Codes"),
        frozen: Vec::new(),
        queue,
        refused: text(refused),
        code_action: text("/codes"),
        search_action: text("/people"),
        events: text("/events"),
    };
    let queue =
        vec![waiting("Anna Muster", false), waiting("Beat Keller", true), waiting("Chiara Rossi", false)];
    show("desk-home", html(home(queue, "")));
    show("desk-home-empty", html(home(Vec::new(), "")));
    let refused =
        "That is not the number on Anna Muster’s screen. 4 tries are left; ask for it again, digit by digit.";
    show("desk-home-refused", html(home(vec![waiting("Anna Muster", false)], refused)));
    let frozen = || FrozenRow {
        person: text("Anna Muster"),
        tenant: text("Bank Muster & Cie"),
        device: text("laptop"),
        browser: text("Chrome on Linux"),
        address: text("203.0.113.77"),
        place: text("near Lagos, Nigeria"),
        asked: ago(260),
        since: ago(240),
        telephone: text("+41 79 555 01 23"),
        telephone_link: text("+41795550123"),
        href: text("/people/bank/anna"),
    };
    let alarmed = Home { frozen: vec![frozen()], ..home(vec![waiting("Beat Keller", false)], "") };
    show("desk-home-not-me", html(alarmed));
    let unfreeze = Unfreeze {
        desk: desk("People"),
        row: frozen(),
        checklist: vec![
            text(
                "I rang the recorded number, or identified the person as this tenant allows, and spoke with them.",
            ),
            text("We looked together at what was asked: the device, the place and the time."),
            text(
                "Whatever may be in other hands (a device, a phone, the password) is switched off or changed.",
            ),
        ],
        refused: String::new(),
        action: text("/people/bank/anna/unlock"),
        back: text("/people/bank/anna"),
    };
    show("desk-unfreeze", html(unfreeze));
    let certificate = |person: &str, device: &str, state| CertificateRow {
        serial: text("5f3a 90c1 77de 0b12 4e6f a8d3 1c55 9e04"),
        person: text(person),
        device: text(device),
        tenant: text("bank"),
        state,
        from: ago(86_400 * 3),
        until: ago(-86_400 * 727),
        href: text("/people/bank/anna"),
        detail: text("/certificates/5f3a90c1"),
        doings: vec![doing("Revoke", true)],
    };
    let people = |query: &str, names: &[&str]| People {
        issues: true,
        desk: desk("People"),
        query: text(query),
        search_action: text("/people"),
        people: names
            .iter()
            .map(|name| PersonRow {
                name: text(name),
                tenant: text("bank"),
                email: text("somebody@example.com"),
                telephone: text("+41 79 555 01 23"),
                standing: mark("active", Tone::Good),
                holds: text("2 devices, 1 phone"),
                href: text("/people/bank/anna"),
            })
            .collect(),
    };
    show("desk-people", html(people("", &["Anna Muster", "Beat Keller", "Chiara Rossi"])));
    show("desk-people-none", html(people("xaver", &[])));
    let person = |waiting, full: bool| Person {
        desk: desk("People"),
        name: text("Anna Muster"),
        id: text("anna"),
        tenant: text("Bank Muster & Cie"),
        standing: mark("active", Tone::Good),
        emails: vec![text("anna@example.com"), text("a.muster@example.org")],
        telephone: text("+41 79 555 01 23"),
        telephone_link: text("+41795550123"),
        groups: text("clients"),
        roles: String::new(),
        waiting,
        refused: String::new(),
        code_action: text("/codes"),
        devices: if full {
            vec![DeviceRow {
                name: text("laptop"),
                state: mark("active", Tone::Good),
                issued_by: text("person:staff/olga"),
                released_by: text("person:staff/sam"),
                created: ago(86_400 * 3),
                doings: vec![doing("Renew", false), doing("Retire", true)],
            }]
        } else {
            Vec::new()
        },
        phones: if full {
            vec![PhoneRow {
                name: text("Anna’s phone"),
                paired: ago(86_400),
                key: text("in this phone only"),
                used: Some(ago(4000)),
                doings: vec![doing("Remove", true)],
            }]
        } else {
            Vec::new()
        },
        certificates: if full {
            vec![
                certificate("Anna Muster", "laptop", mark("active", Tone::Good)),
                certificate("Anna Muster", "old laptop", mark("revoked", Tone::Bad)),
            ]
        } else {
            Vec::new()
        },
        sessions: if full {
            vec![SessionRow {
                device: text("laptop"),
                proved: text("certificate, password, phone"),
                began: ago(900),
                seen: ago(20),
                ends: ago(-42_000),
            }]
        } else {
            Vec::new()
        },
        doings: vec![doing("Issue a device", false), doing("Lock", true)],
    };
    show("desk-person", html(person(None, true)));
    show("desk-person-waiting", html(person(Some(waiting("Anna Muster", true)), false)));
    let result = |word_right, alarms: Vec<String>, may_not: &str| CodeResult {
        desk: desk("Codes"),
        person: text("Anna Muster"),
        tenant: text("Bank Muster & Cie"),
        telephone: text("+41 79 555 01 23"),
        telephone_link: text("+41795550123"),
        device: text("laptop"),
        browser: text("Chrome on Linux"),
        place: text("192.0.2.17, near Zürich"),
        since: ago(190),
        number: text("V-4821"),
        alarms,
        identified_on_incoming_call: false,
        word: text("lantern"),
        word_right,
        checklist: vec![
            text("I rang the recorded number, and the person answered."),
            text("The person told me full name and date of birth."),
            text("The person says that the device is theirs and in their hands."),
        ],
        may_not: text(may_not),
        refused: String::new(),
        release: text("Release laptop of Anna Muster"),
        release_action: text("/codes/release"),
        reject_action: text("/codes/reject"),
        events: text("/codes/events"),
    };
    show("desk-code", html(result(false, Vec::new(), "")));
    show("desk-code-right", html(result(true, Vec::new(), "")));
    let alarms =
        vec![text("Another browser came with the same certificate 2 minutes ago, from 203.0.113.9.")];
    show(
        "desk-code-alarm",
        html(result(true, alarms, "You issued it. Whoever issued a device cannot release it.")),
    );
    super::second::second_pages(show, || desk("Codes"), &ago(420));
    let outcome = Outcome {
        desk: desk("Codes"),
        tone: Tone::Good,
        title: text("Anna Muster’s laptop is let in"),
        text: text(
            "Her screen moves on by itself and asks for the phone next. Every address of hers is told.",
        ),
        onward: Place { label: text("Back to the codes"), href: text("/"), here: false },
    };
    show("desk-outcome", html(outcome));
    let confirm = Confirm {
        desk: desk("People"),
        title: text("Revoke the certificate of Anna Muster’s laptop"),
        falls: vec![text("3 sessions end now"), text("1 certificate stops working, for ever")],
        name: text("laptop"),
        reasons: vec![
            (text("lost"), text("The device is lost")),
            (text("replaced"), text("It was replaced")),
        ],
        refused: String::new(),
        button: text("Revoke"),
        action: text("/certificates/x/revoke"),
        back: text("/people/bank/anna"),
    };
    show("desk-confirm", html(confirm));
    let rows = |count: usize| {
        (0..count)
            .map(|n| certificate(&format!("Person {n}"), "laptop", mark("active", Tone::Good)))
            .collect::<Vec<_>>()
    };
    let place = |label: &str| Place { label: text(label), href: text("/x"), here: false };
    let certificates = |count, total, query: &str| Certificates {
        desk: desk("Certificates"),
        query: text(query),
        states: vec![(text(""), text("any"), true), (text("ends-soon"), text("ends within 60 days"), false)],
        narrowed: !query.is_empty(),
        search_action: text("/certificates/"),
        certificates: rows(count),
        total,
        onward: if count < total { vec![place("Those before"), place("Those after")] } else { vec![] },
        exports: if total > 0 { vec![place("Take these away as CSV"), place("as JSON")] } else { vec![] },
    };
    show("desk-certificates", html(certificates(30, 812, "")));
    show("desk-certificates-none", html(certificates(0, 0, "")));
    show("desk-certificates-not-found", html(certificates(0, 0, "zacharias")));
    expiring(show, desk("Certificates"));
    let line = |n: i64, what: &str| AuditRow {
        number: format!("one/{n}"),
        when: ago(n * 4000),
        who: text("local:1000"),
        what: text(what),
        whom: text("device:laptop"),
        whence: text(""),
        outcome: mark("done", Tone::Plain),
        detail: text("serial: 4f2a9c, way: p12"),
    };
    show(
        "desk-certificate",
        html(CertificateDetail {
            desk: desk("Certificates"),
            row: certificate("Anna Muster", "laptop", mark("revoked", Tone::Bad)),
            sha256: ["4f2a"; 16].join(" "),
            issuer: text("devices"),
            profile: text("device"),
            issued_by: text("local:1000"),
            last_used: Some(ago(86_400)),
            steps: vec![
                (ago(86_400 * 300), text("issued by local:1000, from devices")),
                (ago(86_400), text("signed in last")),
                (ago(4000), text("revoked: key-compromise")),
            ],
            others: vec![certificate("Anna Muster", "laptop", mark("superseded", Tone::Plain))],
            trail: vec![line(12, "certificate.issued"), line(47, "certificate.revoked")],
            back: text("/certificates/"),
        }),
    );
    let tenant = TenantRow {
        id: text("bank"),
        name: text("Bank Muster & Cie"),
        hosts: text("bank.localhost"),
        telephone: text("+41 44 555 01 77"),
        sessions: text("strict: 12 hours, 5 minutes idle"),
        people: 812,
        created: ago(86_400 * 400),
        doings: vec![doing("Switch off every device", true)],
    };
    show("desk-tenants", html(Tenants { desk: desk("Sites"), tenants: vec![tenant] }));
    let entry = |n: i64, what: &str, outcome| AuditRow {
        number: format!("one/{}", 1000 - n),
        when: ago(n * 400),
        who: text("person:staff/sam"),
        what: text(what),
        whom: text("bank/anna/laptop"),
        whence: text("192.0.2.17"),
        outcome,
        detail: text("browser: Chrome on Linux"),
    };
    let audit = Audit {
        desk: desk("Audit"),
        entries: vec![
            entry(1, "device.released", mark("done", Tone::Good)),
            entry(2, "code.tried", mark("refused: wrong code", Tone::Bad)),
            entry(3, "device.issued", mark("done", Tone::Good)),
        ],
        verified: Some(mark("1000 entries, the chain is whole", Tone::Good)),
        verify_action: text("/audit/verify"),
        older: text("/audit?before=970"),
    };
    show("desk-audit", html(audit));
    super::requests::request_pages(show, &desk("People"));
}

/// A month with three busy days, and the list of one of them.
fn expiring(show: &mut impl FnMut(&str, String), desk: Desk) {
    let now = visit().now;
    let day = |number: usize| Day {
        number: if (3..34).contains(&number) { (number - 2).to_string() } else { String::new() },
        count: if [6, 18, 19].contains(&number) { number } else { 0 },
        said: format!("{} December 2026: {number} certificates end", number.saturating_sub(2)),
        href: text("/x"),
        today: number == 9,
        chosen: number == 18,
    };
    let month = |name: &str| Month {
        name: text(name),
        weeks: (0..5).map(|week| (1..=7).map(|at| day(week * 7 + at)).collect()).collect(),
    };
    let row = |person: &str, left: &str, tone| ExpiringRow {
        until: Moment::new(Time::from_secs(now.secs() + 86_400 * 14), now),
        day: text("16 December 2026"),
        left: Mark { text: text(left), tone },
        person: text(person),
        href: text("/x"),
        tenant: text("bank"),
        device: text("laptop"),
        serial: text("5f3a90c177de0b124e6fa8d31c559e04"),
        detail: text("/x"),
    };
    let place = |label: &str| Place { label: text(label), href: text("/x"), here: false };
    show(
        "desk-expiring",
        html(Expiring {
            desk,
            months: vec![month("November 2026"), month("December 2026"), month("January 2027")],
            onward: vec![place("Months before"), place("Months after")],
            listed: text("On 16 December 2026"),
            all: Some(place("All within 60 days")),
            rows: vec![
                row("Anna Muster", "ends in 14 days", Tone::Waiting),
                row("Beat Keller", "has ended", Tone::Bad),
            ],
            total: 18,
        }),
    );
}
