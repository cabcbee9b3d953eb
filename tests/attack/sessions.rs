//! Attacks on sessions: fixed beforehand, stolen, taken out of turn. The oracle is what the backend received
//! and what the trail says was proved.

use std::collections::BTreeSet;
use std::sync::Arc;

use portcullis::domain::certificate::{self, CertificateState, RevocationReason};

use crate::support::PASSWORD;
use crate::support::browser::{Browser, COOKIE, navigation, program as as_program};
use crate::support::ca::OldCa;
use crate::support::desk::*;
use crate::support::gate::{Gate, Handed};
use crate::support::phone::{Phone, text};
use crate::support::program::Program;

/// A cookie that was planted is never taken up, and each proof brings a new one of 256 bits; the old ones
/// open nothing.
#[tokio::test(flavor = "multi_thread")]
async fn each_proof_brings_a_new_cookie_and_a_planted_one_is_none() {
    let gate = Gate::open().await;
    let agent = sam(&gate).await;
    let laptop = anna(&gate).await;
    let program = Program::instead_of(gate).await;

    let client = program.browser("bank", &laptop);
    let planted = data_encoding::BASE64URL_NOPAD.encode(&[7; 32]);
    client.set_cookie(COOKIE, &planted);
    let page = client.open("/").await;
    let mut cookies = vec![planted, client.cookie().unwrap()];
    let page = calls_support(&agent, &client, &page).await;
    let phone = program.phone();
    let page = pairs(&client, &phone, &page).await;
    cookies.push(client.cookie().unwrap());
    chooses_password(&client, &page, PASSWORD).await.must_say("the bank's own page");
    cookies.push(client.cookie().unwrap());

    // The same on a later visit: pre-session, password, phone.
    client.send(client.posting("/.portcullis/sign-out", &[])).await;
    let page = client.open("/").await;
    cookies.push(client.cookie().unwrap());
    let page = client.submit(&page, "/password", &[("password", PASSWORD)]).await;
    cookies.push(client.cookie().unwrap());
    let (status, answer) = phone.approve(&phone.question().await, &page.digits()).await;
    assert_eq!(status, 200, "{answer}");
    client.open("/.portcullis/sign-in/").await.must_say("the bank's own page");
    let live = client.cookie().unwrap();

    let distinct: BTreeSet<_> = cookies.iter().chain([&live]).collect();
    assert_eq!(distinct.len(), 7, "each step has a cookie of its own");
    for cookie in &distinct {
        assert_eq!(data_encoding::BASE64URL_NOPAD.decode(cookie.as_bytes()).unwrap().len(), 32);
    }
    program.backend.forget();
    for old in &cookies {
        let thief = program.browser("bank", &laptop);
        thief.set_cookie(COOKIE, old);
        let mut asked = as_program("/accounts");
        asked.headers_mut().insert("cookie", format!("{COOKIE}={old}").parse().unwrap());
        assert_eq!(thief.send(asked).await.status, 401);
        thief.open("/accounts").await.must_say("Your password");
    }
    assert_eq!(program.backend.bytes(), 0, "an old cookie reached the backend: {}", program.backend.text());
    client.open("/").await.must_say("the bank's own page");
}

/// A live cookie shown with any other certificate of ours, a foreign one or none, at its own door or at another
/// that asks for certificates, ends the session and is in the trail.
#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_cookie_ends_the_session_wherever_it_is_shown() {
    let gate = Gate::open().await;
    let agent = sam(&gate).await;
    let laptop = anna(&gate).await;
    gate.person("bank", "berta", "Berta Beispiel", &[]).await;
    let berta = gate.device("bank", "berta", "laptop").await;
    let tablet = gate.device("bank", "anna", "tablet").await;
    gate.person("other", "otto", "Otto Other", &[]).await;
    let other = gate.device("other", "otto", "laptop").await;
    let staff = gate.device("staff", "sam", "tablet").await;
    // By a CA that calls itself ours.
    let identity = OldCa::like(&gate.issuers[0]).leaf(&laptop, |_| {}).0;
    let foreign = Handed { identity, ..laptop.clone() };
    // Berta's second certificate is expired, her third revoked: refused, and not the session's own either.
    let (identity, record) = gate.old_ca.leaf(&berta, |params| {
        params.not_after = rcgen::date_time_ymd(2025, 1, 1);
    });
    gate.put(&record).await;
    let expired = Handed { identity, ..berta.clone() };
    let (identity, record) = gate.old_ca.leaf(&berta, |_| {});
    let state = CertificateState::Revoked { reason: RevocationReason::KeyCompromise, at: gate.world.now() };
    gate.put(&certificate::Certificate { state, ..record }).await;
    let revoked = Handed { identity, ..berta.clone() };
    let (client, phone) = first_visit(&gate, &agent, &laptop).await;
    let program = Program::instead_of(gate).await;

    let thieves: [(&str, &str, Option<&Handed>); 11] = [
        ("another person's expired certificate", "bank", Some(&expired)),
        ("another person's revoked certificate", "bank", Some(&revoked)),
        ("another person's certificate", "bank", Some(&berta)),
        ("another device of the same person", "bank", Some(&tablet)),
        ("no certificate", "bank", None),
        ("another tenant's certificate", "bank", Some(&other)),
        ("staff's certificate", "bank", Some(&staff)),
        ("a foreign certificate", "bank", Some(&foreign)),
        ("another tenant's door", "other", Some(&other)),
        ("another tenant's door, no certificate", "other", None),
        ("the desk", "console", Some(&staff)),
    ];
    for (n, (name, door, certificate)) in thieves.iter().enumerate() {
        client.open("/").await.must_say("the bank's own page");
        program.backend.forget();
        let wire = match certificate {
            Some(handed) => program.wire.showing(&handed.identity),
            None => program.wire.bare(),
        };
        let thief = Browser::new(wire, program.host(door));
        thief.set_cookie(COOKIE, &client.cookie().unwrap());
        let page = thief.open("/accounts").await;
        assert_eq!(page.status, 401, "{name}: {}", page.words());
        page.must_say("Please sign in again on this device");
        assert_eq!(program.told_of("session.elsewhere"), n + 1, "{name}");
        assert_eq!(client.send(as_program("/accounts")).await.status, 401, "{name}: the session lives");
        assert_eq!(program.backend.bytes(), 0, "{name}: {}", program.backend.text());
        client.forget_cookies();
        later_visit(&client, &phone, "/").await.must_say("the bank's own page");
    }
    // Doors without certificates know no session; there the cookie is nothing.
    for door in ["phone", "start"] {
        let thief = program.stranger(door);
        thief.set_cookie(COOKIE, &client.cookie().unwrap());
        thief.open("/").await;
        assert_ne!(thief.send(as_program("/api/me")).await.status, 200);
    }
    assert_eq!(program.told_of("session.elsewhere"), thieves.len());
    client.open("/").await.must_say("the bank's own page");
}

/// The three locks, as an attacker may take them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lock {
    Certificate,
    Password,
    Phone,
}
use Lock::{Certificate, Password, Phone as Approval};

/// One who has what a client has.
struct Client {
    handed: Handed,
    phone: Arc<Phone>,
    password: String,
}

/// Of the six orders of the three locks one leads in, and only with all three of one person.
#[tokio::test(flavor = "multi_thread")]
async fn of_all_orders_and_mixtures_of_three_locks_one_leads_in() {
    let gate = Gate::open().await;
    let agent = sam(&gate).await;
    let laptop = anna(&gate).await;
    gate.person("bank", "berta", "Berta Beispiel", &[]).await;
    let hers = gate.device("bank", "berta", "laptop").await;
    let mut people = Vec::new();
    for handed in [laptop, hers] {
        let (_, phone) = first_visit(&gate, &agent, &handed).await;
        people.push(Client { password: password_of(&handed), handed, phone });
    }
    let program = Program::instead_of(gate).await;

    let orders = [
        [Certificate, Approval, Password],
        [Password, Certificate, Approval],
        [Password, Approval, Certificate],
        [Approval, Certificate, Password],
        [Approval, Password, Certificate],
        [Certificate, Password, Approval],
    ];
    let mut led_in = 0;
    for person in &people {
        for order in orders {
            let asked = program.told_of("approval.asked");
            let inside = takes(&program, order, [person; 3]).await;
            assert_eq!(inside, order == [Certificate, Password, Approval], "{order:?}");
            led_in += usize::from(inside);
            let rung = program.told_of("approval.asked") - asked;
            assert_eq!(rung, usize::from(inside), "{order:?}: a phone rings only after the two before it");
        }
    }
    assert_eq!(led_in, 2);

    // Anna's and Berta's locks mixed: whose certificate, whose password, whose phone. So ordered that nobody's wrong
    // tries add up.
    for mixture in [[0, 1, 0], [0, 0, 1], [0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 0], [1, 1, 1], [1, 0, 0]] {
        let order = [Certificate, Password, Approval];
        let inside = takes(&program, order, mixture.map(|who| &people[who])).await;
        assert_eq!(inside, mixture[0] == mixture[1] && mixture[1] == mixture[2], "{mixture:?}");
    }
}

/// Takes the locks in an order, each with what its owner has; between any two steps every door is tried. Whether
/// the backend was reached in the end.
async fn takes(program: &Program, order: [Lock; 3], owners: [&Client; 3]) -> bool {
    let [certificate, password, phone] = owners;
    program.backend.forget();
    let mut browser = program.stranger("bank");
    let mut digits = "000000".to_owned();
    for (n, lock) in order.into_iter().enumerate() {
        match lock {
            Certificate => browser = browser.stolen_by(Some(&certificate.handed.identity)),
            Password => {
                let page = browser.open("/.portcullis/sign-in/").await;
                let form = page.forms().into_iter().find(|form| form.action.ends_with("/password"));
                let mut pairs = form.map(|form| form.hidden).unwrap_or_default();
                pairs.push(("password".to_owned(), password.password.clone()));
                browser.send(browser.posting("/.portcullis/sign-in/password", &pairs)).await;
            }
            Approval => {
                let page = browser.open("/.portcullis/sign-in/").await;
                if page.html.contains("class=\"digits\"") {
                    digits = page.digits();
                }
                let hidden = page.forms().into_iter().next().map(|form| form.hidden).unwrap_or_default();
                if !page.html.contains("class=\"digits\"") {
                    browser.send(browser.posting("/.portcullis/sign-in/phone", &hidden)).await;
                }
                approves(&phone.phone, &certificate.phone, &digits).await;
            }
        }
        forces(program, &browser, n == 2).await;
    }
    if order[2] == Approval {
        browser.open("/.portcullis/sign-in/").await;
    }
    let inside = browser.send(as_program("/accounts")).await.status == 200;
    assert_eq!(inside, program.backend.text().contains("GET /accounts "), "{}", program.backend.text());
    inside
}

/// Approves what waits on the phone; where nothing does, somebody else's question.
async fn approves(phone: &Phone, other: &Phone, digits: &str) {
    let mut questions = phone.questions().await;
    if questions.is_empty() {
        questions = other.questions().await;
    }
    if let Some(question) = questions.first() {
        let before = phone.questions().await.len();
        let (status, answer) = phone.approve(question, digits).await;
        assert_eq!(status == 200, before == 1, "{answer}");
        if before == 0 {
            assert_eq!((status.as_u16(), text(&answer, "code")), (409, "unknown"));
        }
    }
}

/// Forced browsing: before the last step nothing but the sign-in is open.
async fn forces(program: &Program, browser: &Browser, last: bool) {
    if last {
        return;
    }
    for path in ["/", "/accounts", "/api", "/.portcullis/sign-in/../../accounts", "/.portcullis/../accounts"]
    {
        let cookie = browser.cookie();
        for request in [as_program(path), navigation(path)] {
            let answer = browser.send(request).await;
            assert_ne!(answer.status, 200, "{path}: {}", answer.text());
        }
        if let Some(cookie) = cookie {
            browser.set_cookie(COOKIE, &cookie);
        }
    }
    assert_eq!(program.backend.bytes(), 0, "{}", program.backend.text());
}
