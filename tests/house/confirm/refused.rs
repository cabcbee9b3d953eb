//! Whoever may not, and whatever is not what was shown: nothing of it reaches the cashier with a receipt.

use http::HeaderValue;
use portcullis::audit::{Event, Outcome};
use portcullis::domain::approval::Row;
use portcullis::domain::confirmation::{Confirmation, ConfirmationState, KeptLately, NotSent};
use portcullis::domain::person::Person;
use portcullis::domain::route::Rules;
use serde_json::{Value, json};

use super::on_record;
use crate::support::cashier::{Cashier, invoice, route_to};
use crate::support::desk::*;
use crate::support::gate::Gate;
use crate::support::page::Page;
use crate::support::payment::*;

async fn not_sent(gate: &Gate, cashier: &Cashier, why: NotSent) {
    let record = on_record(gate).await;
    let ConfirmationState::Refused { why: told, .. } = record.state else { panic!("{:?}", record.state) };
    assert_eq!(told, why);
    assert!(record.sealed.is_empty(), "what is not sent is not kept");
    assert!(cashier.confirmed().is_empty(), "{:?}", cashier.confirmed());
    let trail = gate.trail().await;
    let line = trail.iter().find(|line| line.what == Event::ConfirmationRefused).expect("a line");
    assert_eq!(line.outcome, Outcome::Refused(why.as_str().to_owned()));
    gate.must_verify().await;
}

/// Another session of the same certificate, another device, another person, nobody.
#[tokio::test(flavor = "multi_thread")]
async fn a_confirmation_is_nobody_elses() {
    let gate = Gate::open().await;
    let (client, phone, laptop) = anna_inside(&gate).await;
    let cashier = gate.cashier().await;
    let waiting = pays(&client).await;
    let other_session = gate.browser("bank", &laptop);
    other_session.set_cookie(crate::support::browser::COOKIE, &session_of(&gate, &laptop.serial).await);
    let tablet = gate.device("bank", "anna", "tablet").await;
    let other_device = gate.signed_in("bank", &tablet).await;
    gate.person("bank", "bert", "Bert Other", &[]).await;
    let berts = gate.device("bank", "bert", "laptop").await;
    let other_person = gate.signed_in("bank", &berts).await;
    let thief = client.stolen_by(Some(&tablet.identity));
    approves(&phone, &waiting).await;
    let form = client.open(&waiting.path).await.form("/send");
    for (who, browser) in [("session", &other_session), ("device", &other_device), ("person", &other_person)]
    {
        let page = browser.open(&waiting.path).await;
        assert_eq!(page.status, 404, "{who}: {}", page.words());
        let answer = browser.send(looked_at(&format!("{}outcome", waiting.path))).await;
        assert_eq!(answer.status, 404, "{who}");
        for doing in ["send", "again", "cancel"] {
            let action = format!("{}{doing}", waiting.path);
            let answer = browser.send(browser.posting(&action, &form.hidden)).await;
            // The token is of the certificate; whose session it is decides all the same.
            let status = if who == "session" { 404 } else { 403 };
            assert_eq!(answer.status, status, "{who} {doing}");
        }
    }
    assert_eq!(thief.send(looked_at(&format!("{}outcome", waiting.path))).await.status, 401);
    assert!(cashier.confirmed().is_empty());
    gate.must_verify().await;
}

async fn session_of(gate: &Gate, serial: &str) -> String {
    let all = gate.all::<portcullis::domain::certificate::Certificate>().await;
    gate.session_for(all.iter().find(|one| one.serial == serial).unwrap()).await
}

/// Unanswered, wrong digits, "not me", given up, too late.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_right_answer_in_time_nothing_is_sent() {
    let gate = Gate::open().await;
    let (client, phone, _) = anna_inside(&gate).await;
    let cashier = gate.cashier().await;
    // Unanswered: the form of a page that was never shown.
    let waiting = pays(&client).await;
    let form = waiting.form("/cancel");
    let send = format!("{}send", waiting.path);
    let answer = client.send(client.posting(&send, &form.hidden)).await;
    assert_eq!(answer.header("location"), waiting.path);
    client.open(&waiting.path).await.must_say("Type this number on your phone");
    // Wrong digits, three times; then another number, right.
    let question = phone.question().await;
    let wrong = format!("{:06}", (waiting.digits().parse::<u32>().unwrap() + 1) % 1_000_000);
    for _ in 0..3 {
        assert_eq!(phone.approve(&question, &wrong).await.1["code"], "wrong-digits");
        // Longer than the delay between two of them.
        gate.wait(9);
    }
    let stopped = client.open(&waiting.path).await;
    stopped.must_say("The number typed on the phone was another one").must_say("Nothing was sent");
    client.send(client.posting(&send, &form.hidden)).await;
    assert!(cashier.confirmed().is_empty());
    // Given up.
    client.submit(&waiting, "/cancel", &[]).await.must_say("It was given up before it was confirmed");
    not_sent(&gate, &cashier, NotSent::Cancelled).await;
}

/// "Not me" after the approval, before it is sent: it wins.
#[tokio::test(flavor = "multi_thread")]
async fn not_me_stops_it_even_after_the_approval() {
    let gate = Gate::open().await;
    let (client, phone, _) = anna_inside(&gate).await;
    let cashier = gate.cashier().await;
    let waiting = pays(&client).await;
    let question = approves(&phone, &waiting).await;
    let confirmed = client.open(&waiting.path).await;
    assert_eq!(phone.not_me(&question).await.0, 200);
    let answer = sends(&client, &confirmed).await;
    assert_ne!(answer.header("location"), "/payments/paid", "{}", answer.status);
    gate.started().house.confirmations.sweep().await.unwrap();
    not_sent(&gate, &cashier, NotSent::NotMe).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn too_late_is_too_late() {
    let gate = Gate::open().await;
    let (client, phone, _) = anna_inside(&gate).await;
    let cashier = gate.cashier().await;
    let mut hasty = invoice();
    hasty["expires_in"] = json!(30);
    cashier.wants(hasty);
    let waiting = pays(&client).await;
    approves(&phone, &waiting).await;
    let confirmed = client.open(&waiting.path).await;
    gate.wait(30);
    sends(&client, &confirmed).await;
    client.open(&waiting.path).await.must_say("The time to confirm it is over").must_say("Nothing was sent");
    assert!(cashier.confirmed().is_empty());
    assert_eq!(gate.told(Event::ConfirmationExpired).await, 1);
}

/// Certificate, session and rules count as they are when it is sent.
#[tokio::test(flavor = "multi_thread")]
async fn what_changed_meanwhile_counts() {
    type Change = fn(Rules) -> Rules;
    let hours: Change = |rules| {
        Rules {
        text: "[[rule]]\nname = \"Portal\"\npaths = [\"/.portcullis/**\"]\nneed = [\"certificate\", \"password\", \
               \"phone\"]\nwho = [\"group:clients\"]\n"
            .to_owned(),
        revision: rules.revision + 1,
        ..rules
    }
    };
    let gate = Gate::open().await;
    let (client, phone, _) = anna_inside(&gate).await;
    let cashier = gate.cashier().await;
    let waiting = pays(&client).await;
    approves(&phone, &waiting).await;
    let confirmed = client.open(&waiting.path).await;
    let rules = gate.all::<Rules>().await.into_iter().find(|one| one.tenant.as_str() == "bank").unwrap();
    gate.put(&hours(rules)).await;
    // Asked by what keeps nothing: until the rules are in force it is answered.
    eventually(async || client.open("/accounts").await.status == 403).await;
    sends(&client, &confirmed).await;
    client.open(&waiting.path).await.must_say("It was not sent: it is not allowed just now");
    not_sent(&gate, &cashier, NotSent::Policy).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_certificate_or_a_locked_person_sends_nothing() {
    for revoked in [true, false] {
        let gate = Gate::open().await;
        let (client, phone, laptop) = anna_inside(&gate).await;
        let cashier = gate.cashier().await;
        let waiting = pays(&client).await;
        approves(&phone, &waiting).await;
        let confirmed = client.open(&waiting.path).await;
        if revoked {
            crate::ca_life::revoked(&gate, &laptop).await;
        } else {
            let anna = gate.all::<Person>().await.into_iter().find(|one| one.id.as_str() == "anna").unwrap();
            let standing =
                portcullis::domain::person::Standing::Locked { until: None, why: "a test".to_owned() };
            gate.put(&Person { standing, ..anna }).await;
        }
        let answer = sends(&client, &confirmed).await;
        assert!([401, 403].contains(&answer.status.as_u16()), "{} {}", answer.status, answer.text());
        assert!(cashier.confirmed().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_that_keeps_nothing_any_more_sends_nothing() {
    let gate = Gate::open().await;
    let (client, phone, _) = anna_inside(&gate).await;
    let cashier = gate.cashier().await;
    let waiting = pays(&client).await;
    approves(&phone, &waiting).await;
    let confirmed = client.open(&waiting.path).await;
    gate.put(&route_to(&cashier)).await;
    sends(&client, &confirmed).await;
    not_sent(&gate, &cashier, NotSent::Route).await;
}

/// Any change of one byte of what is kept, before the phone is asked or after: nothing is sent.
#[tokio::test(flavor = "multi_thread")]
async fn one_changed_byte_of_rows_or_body_invalidates() {
    type Flip = fn(&mut Confirmation);
    let flips: [(&str, Flip); 14] = [
        ("value", |it| it.wanted.rows[0].value = "CHF 1’200.01".to_owned()),
        ("label", |it| it.wanted.rows[0].name.push('s')),
        ("row less", |it| drop(it.wanted.rows.pop())),
        ("row more", |it| it.wanted.rows.push(Row { name: "a".to_owned(), value: "b".to_owned() })),
        ("rows' order", |it| it.wanted.rows.swap(0, 1)),
        ("title", |it| it.wanted.title.push('s')),
        ("stake", |it| it.wanted.stake.push('s')),
        ("method", |it| it.method = "PUT".to_owned()),
        ("path", |it| it.path.push('x')),
        ("query", |it| it.query = None),
        ("body's hash", |it| it.body_sha256[31] ^= 1),
        ("body", |it| *it.sealed.last_mut().unwrap() ^= 1),
        ("sealed", |it| it.sealed[20] ^= 1),
        ("route", |it| it.route = "portal".to_owned()),
    ];
    for (what, flip) in flips {
        for approved in [false, true] {
            let gate = Gate::open().await;
            let (client, phone, _) = anna_inside(&gate).await;
            let cashier = gate.cashier().await;
            let waiting = pays(&client).await;
            let mut changed = on_record(&gate).await;
            flip(&mut changed);
            if approved {
                approves(&phone, &waiting).await;
                gate.put(&changed).await;
            } else {
                gate.put(&changed).await;
                approves(&phone, &waiting).await;
            }
            let form = waiting.form("/cancel");
            let send = format!("{}send", waiting.path);
            client.send(client.posting(&send, &form.hidden)).await;
            client.open(&waiting.path).await.must_say("We have stopped it, to keep you safe");
            assert!(cashier.confirmed().is_empty(), "{what}");
            not_sent(&gate, &cashier, NotSent::Changed).await;
        }
    }
}

/// A backend that wants something shown that a screen could show otherwise: nobody is asked.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_shown_as_it_is_is_the_backends_fault() {
    let gate = Gate::open().await;
    let (client, phone, _) = anna_inside(&gate).await;
    let cashier = gate.cashier().await;
    for change in [
        (|it: &mut Value| it["rows"][0]["value"] = json!("CHF \u{202e}00.1")) as fn(&mut Value),
        |it| it["rows"] = json!([]),
        |it| it["more"] = json!(1),
        |it| it["expires_in"] = json!(3600),
        |it| it["title"] = json!("x".repeat(81)),
    ] {
        let mut bad = invoice();
        change(&mut bad);
        cashier.wants(bad);
        let page = Page::of(TARGET, client.send(client.posting(TARGET, &fields())).await);
        assert_eq!(page.status, 502, "{}", page.words());
        assert_eq!(client.send(scripted(&client, TARGET, "{}")).await.status, 502);
    }
    assert!(gate.all::<Confirmation>().await.is_empty());
    assert!(phone.questions().await.is_empty());
}

/// No client says that it has confirmed.
#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_of_the_clients_own_does_not_pass() {
    let gate = Gate::open().await;
    let (client, phone, _) = anna_inside(&gate).await;
    let cashier = gate.cashier().await;
    let (_, _) = pays_and_confirms(&client, &phone).await;
    let stolen = cashier.confirmed()[0].headers["portcullis-confirmation"].clone();
    cashier.forget();
    for name in [
        "Portcullis-Confirmation",
        "portcullis_confirmation",
        "X-Portcullis-Confirmation",
        "HTTP_PORTCULLIS_CONFIRMATION",
    ] {
        let mut request = scripted(&client, TARGET, "{}");
        let name = http::HeaderName::try_from(name).unwrap();
        request.headers_mut().append(name.clone(), stolen.clone());
        request.headers_mut().append(name.clone(), HeaderValue::from_static("x"));
        assert_eq!(client.send(request).await.status, 428, "{name}");
        let arrived = cashier.arrived().pop().unwrap();
        assert!(!format!("{:?}", arrived.headers).contains(stolen.to_str().unwrap()), "{name}");
    }
}

/// Nobody fills the store: of many that are never confirmed, the last few are kept, also of those sent at once.
#[tokio::test(flavor = "multi_thread")]
async fn few_are_kept_at_once() {
    let gate = Gate::open().await;
    let (client, _, _) = anna_inside(&gate).await;
    gate.cashier().await;
    for _ in 0..9 {
        fetches(&client).await;
    }
    let kept = async || gate.all::<Confirmation>().await.iter().filter(|one| !one.sealed.is_empty()).count();
    assert_eq!((gate.all::<Confirmation>().await.len(), kept().await), (9, 5));
    futures_util::future::join_all((0..20).map(|_| fetches(&client))).await;
    assert_eq!((gate.all::<Confirmation>().await.len(), kept().await), (29, 5));
    gate.must_verify().await;
}

/// A page in a loop: within an hour so many are kept of a person, however many come at once, and no more.
#[tokio::test(flavor = "multi_thread")]
async fn only_so_many_are_kept_within_an_hour() {
    let gate = Gate::open().await;
    let (client, phone, _) = anna_inside(&gate).await;
    let cashier = gate.cashier().await;
    let sent = (0..80).map(|_| {
        let mut request = scripted(&client, TARGET, "{}");
        request.headers_mut().insert("accept", HeaderValue::from_static("application/json"));
        client.send(request)
    });
    let answers = futures_util::future::join_all(sent).await;
    let taken = answers.iter().filter(|answer| answer.status == 428).count();
    let late: Vec<_> = answers.iter().filter(|answer| answer.status == 429).collect();
    assert_eq!((taken, late.len()), (KeptLately::TIMES_MAX, 80 - KeptLately::TIMES_MAX));
    assert_eq!(gate.all::<Confirmation>().await.len(), KeptLately::TIMES_MAX);
    assert_eq!(gate.told(Event::ConfirmationKept).await, KeptLately::TIMES_MAX);
    for answer in late {
        let secs: u64 = answer.header("retry-after").parse().unwrap();
        assert!((3500..=3600).contains(&secs), "{secs}");
        assert_eq!(answer.problem()["type"], "urn:portcullis:refusal:kept-too-many");
    }
    let page = Page::of(TARGET, client.send(client.posting(TARGET, &fields())).await);
    assert_eq!(page.status, 429);
    page.must_say("was not carried out").must_say("60 minutes").must_say("+41 44 555 01 77");

    // Others are not held up by it, nor is what needs no confirming; and an hour later it goes on.
    assert_eq!(client.open("/payments/list").await.status, 200);
    gate.person("bank", "bert", "Bert Other", &[]).await;
    let berts = gate.device("bank", "bert", "laptop").await;
    fetches(&gate.signed_in("bank", &berts).await).await;
    gate.wait(3601);
    let laptop = gate.device("bank", "anna", "second laptop").await;
    let client = gate.signed_in("bank", &laptop).await;
    pays_and_confirms(&client, &phone).await;
    assert_eq!(cashier.confirmed().len(), 1);
    gate.must_verify().await;
}
