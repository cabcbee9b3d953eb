//! Attacks on the phone's yes: without its number, played again, altered, with another's key. The oracle is what
//! the trail says was approved.

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use futures_util::future::join_all;
use http_body_util::BodyExt as _;
use portcullis::notify::Notice;
use serde_json::{Value, json};

use crate::support::PASSWORD;
use crate::support::browser::{Browser, program as as_program};
use crate::support::desk::*;
use crate::support::faketime::Faketime;
use crate::support::gate::Gate;
use crate::support::page::Page;
use crate::support::phone::text;
use crate::support::program::{Program, Start};

/// Up to the page with the digits.
async fn waits(client: &Browser) -> Page {
    client.send(client.posting("/.portcullis/sign-out", &[])).await;
    let page = client.open("/").await;
    client.submit(&page, "/password", &[("password", PASSWORD)]).await
}

fn told(program: &Program) -> [usize; 4] {
    ["approval.approved", "approval.wrong-digits", "approval.bad-signature", "approval.denied"]
        .map(|event| program.told_of(event))
}

/// Without the digits that stand on the screen there is no yes, whatever is sent in their place; and no
/// answer, event, message or log line of ours tells them.
#[tokio::test(flavor = "multi_thread")]
async fn no_yes_without_the_digits_on_the_screen() {
    let gate = Gate::open().await;
    let (client, phone, laptop) = anna_inside(&gate).await;
    let loud = vec![("PORTCULLIS_LOG".to_owned(), "trace".to_owned())];
    let start = Start { environment: loud, ..Start::default() };
    let mut program = Program::started_so(gate, start).await;
    let first = waits(&client).await.digits();
    let question = phone.question().await;
    let told_before = told(&program);

    // Nothing in their place, or something that is no six digits: not heard, not counted.
    let honest = phone.signed_yes(&question, &first).await;
    let spaced = format!("{} {}", &first[..3], &first[3..]);
    for instead in [
        json!(""),
        json!("12345"),
        json!("1234567"),
        json!("abcdef"),
        json!("      "),
        json!("+12345"),
        json!("-12345"),
        json!("12345\u{0}"),
        json!("\u{ff11}23456"),
        json!("%"),
        json!("*"),
        json!(null),
        json!(true),
        json!(123456),
        json!([first]),
        json!({ "is": first }),
        json!(spaced),
        json!(format!("{first}\n")),
    ] {
        let mut body = honest.clone();
        body["digits"] = instead.clone();
        let (status, answer) = phone.answer(text(&question, "id"), &body).await;
        assert!(status == 400 || status == 422, "{instead}: {status} {answer}");
    }
    let mut without = honest.clone();
    without.as_object_mut().unwrap().remove("digits");
    assert_eq!(phone.answer(text(&question, "id"), &without).await.0, 400);
    // The right digits beside a signature over others, and the reverse.
    let mut crossed = phone.signed_yes(&question, "000000").await;
    crossed["digits"] = json!(first);
    assert_eq!(phone.answer(text(&question, "id"), &crossed).await.0, 401);
    assert_eq!(told(&program), [told_before[0], told_before[1], told_before[2] + 1, told_before[3]]);

    // A new question, by the same screen and by another: the digits of one are no other's.
    let page = client.open("/.portcullis/sign-in/").await;
    let again = page.form("/phone");
    client.send(client.posting(&again.action, &again.hidden)).await;
    let second = client.open("/.portcullis/sign-in/").await.digits();
    let newer = phone.question().await;
    assert_ne!(text(&newer, "id"), text(&question, "id"));
    assert_eq!(phone.approve(&question, &first).await.0, 409, "an old question with its own digits");
    if first != second {
        assert_eq!(phone.approve(&newer, &first).await.0, 422, "a new question with old digits");
    }
    let elsewhere = program.browser("bank", &laptop);
    let page = elsewhere.open("/").await;
    let third = elsewhere.submit(&page, "/password", &[("password", PASSWORD)]).await.digits();
    let newest = phone.question().await;
    assert_eq!(phone.approve(&newer, &second).await.0, 409, "superseded");

    // Three wrong ones end it, the right ones after them too.
    let wrong = |digits: &str| format!("{:06}", (digits.parse::<u32>().unwrap() + 1) % 1_000_000);
    // The delay grows over the questions: one wrong number was typed for another.
    for (left, pause_secs) in [(2, 0), (1, 2), (0, 4)] {
        if pause_secs > 0 {
            let early = phone.approve(&newest, &third).await;
            assert_eq!((early.0.as_u16(), &early.1["code"]), (429, &json!("too-soon")), "{}", early.1);
        }
        tokio::time::sleep(Duration::from_millis(pause_secs * 1000 + 100)).await;
        let (status, answer) = phone.approve(&newest, &wrong(&third)).await;
        assert_eq!((status.as_u16(), answer["left"].as_i64()), (422, Some(left)), "{answer}");
    }
    assert_eq!(phone.approve(&newest, &third).await.0, 409);
    assert_eq!(program.told_of("approval.approved"), told_before[0], "somebody was let in");
    for browser in [&client, &elsewhere] {
        assert_eq!(browser.send(as_program("/accounts")).await.status, 401);
    }

    // What the phone, the mailbox and the log get.
    let request = phone.signed("GET", "/api/events", "");
    let mut sender = program.wire.bare().h1("phone.localhost").await;
    let mut events = sender.send_request(request).await.unwrap().into_body();
    let event =
        tokio::time::timeout(crate::support::PATIENCE, events.frame()).await.unwrap().unwrap().unwrap();
    drop(events);
    drop(sender);
    let event = String::from_utf8_lossy(event.data_ref().unwrap()).into_owned();
    let log = program.log();
    assert!(log.contains("DEBUG") && log.len() > 1_000, "the log is silent");
    assert_eq!(program.stop(), Some(0));
    let notices = format!("{:?}", program.kept::<Notice>().await);
    let shown = [&question, &newer, &newest].map(Value::to_string).concat();
    for digits in [&first, &second, &third] {
        for (name, told) in [("question", &shown), ("event", &event), ("notice", &notices), ("log", &log)] {
            assert!(!stands_alone(told, digits), "{digits} stand in the {name}");
        }
    }
}

/// Whether digits stand there as such: not inside of a longer number, a hash or the fraction of a second.
fn stands_alone(text: &str, digits: &str) -> bool {
    text.match_indices(digits).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + digits.len()..].chars().next();
        let part = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.');
        !part(before) && !part(after)
    })
}

/// A yes is good once, for its own question, by its own phone, over what was shown, within its time.
#[tokio::test(flavor = "multi_thread")]
async fn a_yes_is_good_once_and_for_one_thing() {
    let gate = Gate::open().await;
    let (client, phone, laptop) = anna_inside(&gate).await;
    let agent = sam_again(&gate).await;
    gate.person("bank", "berta", "Berta Beispiel", &[]).await;
    let hers = gate.device("bank", "berta", "laptop").await;
    let (_, hers) = first_visit(&gate, &agent, &hers).await;
    let Some(time) = Faketime::within(gate.folder.path(), "A-12") else { return };
    let program = Program::started_so(gate, time.start()).await;

    let page = waits(&client).await;
    let digits = page.digits();
    let question = phone.question().await;
    let id = text(&question, "id").to_owned();
    let before = told(&program);

    // Altered in what was shown: the gate builds the text from its own record.
    for name in [
        "id",
        "purpose",
        "site",
        "host",
        "tenant",
        "person",
        "device",
        "certificate",
        "browser",
        "address",
        "asked",
        "until",
        "nonce",
    ] {
        let mut altered = question.clone();
        altered[name] = json!(format!("{}x", text(&question, name)));
        let body = phone.signed_yes(&altered, &digits).await;
        let (status, answer) = phone.answer(&id, &body).await;
        assert_eq!((status.as_u16(), text(&answer, "code")), (401, "signature"), "{name}: {answer}");
    }
    // Altered on the way.
    let honest = phone.signed_yes(&question, &digits).await;
    for name in ["client_data", "authenticator_data", "signature"] {
        let mut bytes = BASE64URL_NOPAD.decode(text(&honest, name).as_bytes()).unwrap();
        for at in [0, bytes.len() / 2, bytes.len() - 1] {
            bytes[at] ^= 1;
            let mut body = honest.clone();
            body[name] = json!(BASE64URL_NOPAD.encode(&bytes));
            let (status, answer) = phone.answer(&id, &body).await;
            assert!(status == 401 || status == 400, "{name} at {at}: {answer}");
            bytes[at] ^= 1;
        }
    }
    // By others: another person's phone, in its own name and in Anna's; a phone that was never paired.
    let (status, answer) = hers.answer(&id, &honest).await;
    assert_eq!((status.as_u16(), text(&answer, "code")), (409, "unknown"), "{answer}");
    assert_eq!(hers.approve(&question, &digits).await.0, 409);
    assert_eq!(hers.not_me(&question).await.0, 409, "nor may she say no");
    let unpaired = program.phone();
    unpaired.pretends_to_be(&phone);
    let (status, answer) = unpaired.answer(&id, &honest).await;
    assert_eq!((status.as_u16(), text(&answer, "code")), (401, "signature"), "{answer}");
    let (status, _) = unpaired
        .call_as(
            "bank.anna.00000000000000000000000000",
            "POST",
            &format!("/api/approvals/{id}/approve"),
            &honest.to_string(),
        )
        .await;
    assert_eq!(status, 401);
    let path = format!("/api/approvals/{id}/approve");
    let body = honest.to_string();
    let proof = phone.proof(&phone.handle(), "POST", &path, &body);
    for wrong in [
        proof.replace("phone=bank", "phone=other"),
        proof.replace("time=1", "time=2"),
        proof.replace("nonce=", "nonce=A"),
        format!("{proof};x=y"),
        String::new(),
    ] {
        assert_eq!(sends(&program, &path, &wrong, &body).await, 401, "{wrong}");
    }
    assert_eq!(sends(&program, &format!("{path}?x"), &proof, &body).await, 401, "another path");
    assert_eq!(sends(&program, &path, &proof, &body.replace(&digits, "000000")).await, 401, "another body");
    let after = told(&program);
    assert_eq!(
        (after[0], after[1], after[3]),
        (before[0], before[1], before[3]),
        "nothing of it was an answer"
    );

    // The real one, many times at once, then byte by byte and signed anew.
    let calls = (0..20).map(|_| sends(&program, &path, &proof, &body));
    let answers = join_all(calls).await;
    assert_eq!(answers.iter().filter(|status| **status == 200).count(), 1, "{answers:?}");
    assert_eq!(sends(&program, &path, &proof, &body).await, 401, "the same call again");
    let (status, answer) = phone.answer(&id, &honest).await;
    assert_eq!((status.as_u16(), text(&answer, "code")), (409, "answered"), "{answer}");
    assert_eq!(phone.approve(&question, &digits).await.0, 409);
    assert_eq!(told(&program)[0], before[0] + 1, "one yes");

    // It is the waiting browser's alone, and once taken up nobody's.
    let thief = program.browser("bank", &laptop);
    assert_eq!(thief.send(as_program("/accounts")).await.status, 401);
    let waiting = client.cookie().unwrap();
    client.open("/.portcullis/sign-in/").await.must_say("the bank's own page");
    thief.set_cookie(crate::support::browser::COOKIE, &waiting);
    thief.open("/.portcullis/sign-in/").await.must_say("Your password");
    assert_eq!(program.told_of("session.stepped"), 1);

    // The old yes for a new question; then a question that is withdrawn, and one that is too old.
    let page = waits(&client).await;
    let newer = phone.question().await;
    let (status, answer) = phone.answer(text(&newer, "id"), &honest).await;
    assert_eq!((status.as_u16(), text(&answer, "code")), (401, "signature"), "{answer}");
    let late = phone.signed_yes(&newer, &page.digits()).await;
    let form = page.form("/cancel");
    client.send(client.posting(&form.action, &form.hidden)).await;
    assert_eq!(phone.answer(text(&newer, "id"), &late).await.0, 409, "withdrawn");
    let page = waits(&client).await;
    let oldest = phone.question().await;
    let late = phone.signed_yes(&oldest, &page.digits()).await;
    time.pass(&program, None, 121).await;
    let (status, answer) = phone.answer(text(&oldest, "id"), &late).await;
    assert_eq!((status.as_u16(), text(&answer, "code")), (409, "expired"), "{answer}");
    assert_eq!(told(&program)[0], before[0] + 1, "one yes in all");
}

/// One call as it stands. Its status.
async fn sends(program: &Program, path: &str, proof: &str, body: &str) -> u16 {
    let request = http::Request::post(path)
        .header("portcullis-proof", proof)
        .header("content-type", "application/json")
        .body(axum::body::Body::from(body.to_owned()))
        .unwrap();
    program.wire.bare().send(&program.host("phone"), request).await.status.as_u16()
}

/// Sam is made by `anna_inside`; this is a colleague.
async fn sam_again(gate: &Gate) -> Browser {
    staff(gate, "sue", "Sue Support", &[portcullis::domain::person::Role::Support]).await
}
