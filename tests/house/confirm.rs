//! Payments confirmed on the phone, through the whole house. The oracle is what the cashier received, what the
//! phone was shown, and what the trail holds.

mod ends;
mod refused;
mod stepped_up;

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use portcullis::audit::Event;
use portcullis::auth::phone::RelyingParty;
use portcullis::auth::phone::webauthn::{Assertion, Known};
use portcullis::crypto::{Pepper, sha256, verify_es256_fixed};
use portcullis::domain::approval::{Answer, Approval, ApprovalState};
use portcullis::domain::confirmation::{Confirmation, ConfirmationState};
use portcullis::domain::phone::Phone as Paired;
use portcullis::domain::session::Session;
use serde_json::{Value, json};

use crate::support::cashier::{CONFIRM, Doing, invoice, route_to};
use crate::support::desk::*;
use crate::support::gate::Gate;
use crate::support::payment::*;

/// The one confirmation that is on record.
async fn on_record(gate: &Gate) -> Confirmation {
    let mut all = gate.all::<Confirmation>().await;
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

/// What a receipt says, once the key set has verified it, as a backend or an auditor would.
fn receipt(gate: &Gate, jws: &str) -> Value {
    let parts: Vec<&str> = jws.split('.').collect();
    let decode = |part: &str| BASE64URL_NOPAD.decode(part.as_bytes()).unwrap();
    let head: Value = serde_json::from_slice(&decode(parts[0])).unwrap();
    assert_eq!((&head["alg"], &head["typ"]), (&json!("ES256"), &json!("portcullis-confirmation+jwt")));
    let keys = gate.started().jwks["keys"].as_array().unwrap().clone();
    let key = keys.iter().find(|key| key["kid"] == head["kid"]).unwrap();
    let coordinate = |name: &str| decode(key[name].as_str().unwrap());
    let point = [vec![4], coordinate("x"), coordinate("y")].concat();
    let signed = format!("{}.{}", parts[0], parts[1]);
    verify_es256_fixed(&point, signed.as_bytes(), &decode(parts[2])).unwrap();
    serde_json::from_slice(&decode(parts[1])).unwrap()
}

fn b64(hash: [u8; 32]) -> String {
    BASE64URL_NOPAD.encode(&hash)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_is_shown_confirmed_and_sent_once_with_its_receipt() {
    let gate = Gate::open().await;
    let (client, phone, laptop) = anna_inside(&gate).await;
    let cashier = gate.cashier().await;

    // The page shows the cashier's rows, and so does the phone: these and no others.
    let waiting = pays(&client).await;
    waiting.must_say("Type this number on your phone").must_say("Pay an invoice");
    let question = phone.question().await;
    assert_eq!(question["reason"], "Pay an invoice");
    let wanted = invoice();
    let mut shown: Vec<(Value, Value)> = wanted["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["label"].clone(), row["value"].clone()))
        .collect();
    shown.push((json!("At stake"), wanted["stake"].clone()));
    let rows = question["rows"].as_array().unwrap().iter();
    assert_eq!(rows.map(|row| (row["name"].clone(), row["value"].clone())).collect::<Vec<_>>(), shown);
    for (name, value) in &shown {
        waiting.must_say(name.as_str().unwrap());
        let value = value.as_str().unwrap();
        assert!(waiting.words().contains(value), "{value}: {}", waiting.words());
    }
    assert_eq!(client.cookie_of("basket").as_deref(), Some("7"), "the cashier's cookie came with its answer");
    assert_eq!(question["bound"], b64(sha256(on_record(&gate).await.canonical_text().as_bytes())));
    assert!(cashier.confirmed().is_empty());

    // Waiting pages ask the phone once, however often they are loaded.
    client.open(&waiting.path).await.must_say("Type this number on your phone");
    assert_eq!(phone.question().await["id"], question["id"]);

    approves(&phone, &waiting).await;
    assert!(cashier.confirmed().is_empty(), "nothing goes before the page sends it");
    let confirmed = client.open(&waiting.path).await;
    confirmed.must_say("Your phone has confirmed it").must_say("CHF 1’200.00");
    assert!(!confirmed.html.contains("data-wait"), "a page that loads itself again would lose the answer");
    let answer = sends(&client, &confirmed).await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (303, "/payments/paid"));

    // The request is the one that was sent first, to the byte, with a receipt of all that was seen.
    let [first, second] = <[_; 2]>::try_from(cashier.arrived()).unwrap();
    assert_eq!((&first.method, &first.target, &first.body), (&second.method, &second.target, &second.body));
    assert_eq!(second.target, TARGET);
    for name in
        ["content-type", "accept", "user-agent", "host", "origin", "portcullis-assertion", "client-cert"]
    {
        assert_eq!(first.headers.contains_key(name), second.headers.contains_key(name), "{name}");
    }
    assert!(!first.headers.contains_key("portcullis-confirmation"));
    let jws = second.headers["portcullis-confirmation"].to_str().unwrap().to_owned();
    let claims = receipt(&gate, &jws);
    let record = on_record(&gate).await;
    let ConfirmationState::Done { status: 303, .. } = record.state else { panic!("{:?}", record.state) };
    assert_eq!(claims["iss"], client.origin());
    assert_eq!(claims["aud"], "bank/payments");
    assert_eq!((&claims["sub"], &claims["tenant"]), (&json!("anna"), &json!("bank")));
    assert_eq!(claims["jti"], record.id.as_str());
    assert_eq!((&claims["method"], &claims["path"]), (&json!("POST"), &json!("/payments/new")));
    assert_eq!(claims["query"], "from=lake&from=%C3%A9");
    assert_eq!(claims["body_sha256"], b64(sha256(&second.body)));
    assert_eq!(
        (&claims["title"], &claims["stake"], &claims["rows"]),
        (&wanted["title"], &wanted["stake"], &wanted["rows"])
    );
    assert_eq!(claims["approval"]["id"], question["id"]);
    assert_eq!(claims["cnf"]["x5t#S256"], b64(sha256(&laptop.identity.chain[0])));
    assert_eq!(claims["bound"], question["bound"]);

    // A page that is loaded again, and a form that is sent again, tell how it ended.
    client.open(&waiting.path).await.must_say("It was sent, and taken").must_say(record.id.as_str());
    let again = sends(&client, &confirmed).await;
    assert_eq!((again.status.as_u16(), again.header("location")), (303, waiting.path.as_str()));
    assert_eq!(cashier.confirmed().len(), 1);
    gate.must_verify().await;
}

/// Years later: the trail and the record prove what was shown, signed and sent, by the public keys alone.
#[tokio::test(flavor = "multi_thread")]
async fn the_trail_holds_the_evidence_and_it_verifies() {
    let gate = Gate::open().await;
    let (client, phone, _) = anna_inside(&gate).await;
    let cashier = gate.cashier().await;
    pays_and_confirms(&client, &phone).await;
    let trail = gate.trail().await;
    let line =
        |event: Event| trail.iter().find(|line| line.what == event).unwrap_or_else(|| panic!("{event:?}"));
    let detail = |event: Event, name: &str| line(event).details[name].clone();
    let order: Vec<Event> = trail
        .iter()
        .map(|line| line.what)
        .filter(|what| what.as_str().starts_with("confirmation."))
        .collect();
    assert_eq!(
        order,
        [
            Event::ConfirmationKept,
            Event::ConfirmationAsked,
            Event::ConfirmationApproved,
            Event::ConfirmationSent,
            Event::ConfirmationDone,
        ]
    );
    assert_eq!(detail(Event::ConfirmationDone, "status"), "303");
    assert_eq!(line(Event::ConfirmationSent).whom.as_deref(), Some("person:bank/anna"));

    // The receipt in the trail is the one that was sent, and the key set verifies it.
    let jws = detail(Event::ConfirmationSent, "receipt");
    assert_eq!(jws, cashier.confirmed()[0].headers["portcullis-confirmation"].to_str().unwrap());
    assert_eq!(detail(Event::ConfirmationSent, "receipt_sha256"), b64(sha256(jws.as_bytes())));
    let claims = receipt(&gate, &jws);
    assert_eq!(claims["approval"]["evidence_sha256"], detail(Event::ConfirmationApproved, "evidence_sha256"));
    assert_eq!(claims["approval"]["text_sha256"], detail(Event::ConfirmationApproved, "text_sha256"));
    assert_eq!(claims["bound"], detail(Event::ConfirmationSent, "bound"));

    // The record keeps what the phone signed, and the phone's key verifies that; the body is gone.
    let record = on_record(&gate).await;
    assert!(record.sealed.is_empty());
    assert_eq!(record.receipt.as_deref(), Some(jws.as_str()));
    let approval: Approval = *record.evidence.clone().unwrap();
    let ApprovalState::Approved { evidence, .. } = &approval.state else { panic!() };
    assert_eq!(claims["approval"]["evidence_sha256"], b64(portcullis::proxy::evidence_sha256(evidence)));
    assert_eq!(approval.bound, Some(sha256(record.canonical_text().as_bytes())));
    let digits = digits_of(&gate, &approval);
    let text = approval.canonical_text(Answer::Approve(&digits));
    let key = gate.all::<Paired>().await.remove(0).credential_key;
    let party = RelyingParty::at("phone.localhost", gate.port);
    let assertion = Assertion {
        client_data: evidence.client_data.clone(),
        authenticator_data: evidence.authenticator_data.clone(),
        signature: evidence.signature.clone(),
    };
    let known = Known { key: &key, sign_count: 0 };
    assert!(party.asserted(&sha256(text.as_bytes()), known, &assertion).is_ok());
    let other = text.replace("1’200.00", "9’200.00");
    assert_ne!(other, text, "the amount stands in what was signed");
    assert!(party.asserted(&sha256(other.as_bytes()), known, &assertion).is_err());
    gate.must_verify().await;
}

/// Who holds the pepper finds the digits by trying.
fn digits_of(gate: &Gate, approval: &Approval) -> String {
    let pepper = Pepper::new(*gate.config.secrets.pepper().unwrap());
    let fixed = [approval.tenant.as_str(), approval.person.as_str(), approval.id.as_str()].map(str::as_bytes);
    let found = (0..1_000_000).map(|n| format!("{n:06}")).find(|digits| {
        let parts = [fixed[0], fixed[1], fixed[2], digits.as_bytes()];
        pepper.mac("approval digits", &parts) == approval.digits_mac
    });
    found.expect("six digits")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_is_told_where_to_go_and_brings_the_answer_home() {
    let gate = Gate::open().await;
    let (client, phone, _) = anna_inside(&gate).await;
    let cashier = gate.cashier().await;
    let problem = fetches(&client).await;
    let path =
        |name: &str| problem[name].as_str().unwrap().strip_prefix(&client.origin()).unwrap().to_owned();
    let token = problem["token"].as_str().unwrap();
    let outcome = async || said(&client.send(looked_at(&path("outcome"))).await);
    assert_eq!(outcome().await["state"], "waiting");
    let early = client.send(posted(&client, &path("send"), token)).await;
    assert_eq!((early.status.as_u16(), &said(&early)["state"]), (409, &json!("waiting")));

    let waiting = client.open(&path("confirm")).await;
    approves(&phone, &waiting).await;
    assert_eq!(outcome().await["state"], "approved");
    client.open(&path("confirm")).await.must_say("the page that you came from sends it now");
    for (bad, why) in [("", "no token"), ("x", "another token")] {
        let answer = client.send(posted(&client, &path("send"), bad)).await;
        assert_eq!(answer.status, 403, "{why}");
    }
    cashier.does(Doing::Says(201));
    let answer = client.send(posted(&client, &path("send"), token)).await;
    assert_eq!((answer.status.as_u16(), answer.text()), (201, "the cashier has spoken".to_owned()));
    assert_eq!(answer.header("portcullis-receipt"), problem["id"]);
    assert_eq!(outcome().await["state"], "done");
    assert_eq!(outcome().await["status"], 201);
    let claims = receipt(&gate, cashier.confirmed()[0].headers["portcullis-confirmation"].to_str().unwrap());
    assert_eq!(claims["jti"], problem["id"]);
    assert_eq!(cashier.confirmed()[0].body, b"{\"amount\":\"1200.00\"}");
    let late = client.send(posted(&client, &path("send"), token)).await;
    assert_eq!((late.status.as_u16(), &said(&late)["state"]), (409, &json!("done")));
    client.open(&path("confirm")).await.must_say("You can close this window");
    assert_eq!(cashier.confirmed().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn elsewhere_a_428_passes_and_only_what_can_be_kept_is_taken() {
    let gate = Gate::open().await;
    let (client, _, _) = anna_inside(&gate).await;
    let cashier = gate.cashier().await;

    // At most 256 KiB, told or not; the cashier sees none of more.
    let most = "x".repeat(Confirmation::BODY_BYTES_MAX);
    let answer = client.send(scripted(&client, "/payments/new", &most)).await;
    assert_eq!(answer.status, 428);
    assert_eq!(cashier.arrived()[0].body.len(), Confirmation::BODY_BYTES_MAX);
    cashier.forget();
    for chunked in [false, true] {
        let mut request = scripted(&client, "/payments/new", &format!("{most}x"));
        if chunked {
            let pieces = [Ok::<_, std::io::Error>(most.clone()), Ok("x".to_owned())];
            *request.body_mut() = axum::body::Body::from_stream(futures_util::stream::iter(pieces));
        }
        let answer = client.send(request).await;
        assert_eq!(answer.status, 413, "{chunked}");
    }
    assert!(cashier.arrived().is_empty(), "{:?}", cashier.arrived());
    let form = client.posting("/payments/new", &[("a".to_owned(), most.clone() + "x")]);
    let page = crate::support::page::Page::of("/payments/new", client.send(form).await);
    assert_eq!(page.status, 413);
    page.must_say("+41 44 555 01 77");

    // A route that keeps nothing lets a 428 through as it is, whatever its size.
    gate.put(&route_to(&cashier)).await;
    let answer = client.send(scripted(&client, "/payments/new", &format!("{most}x"))).await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (428, CONFIRM));
    assert_eq!(serde_json::from_slice::<Value>(&answer.body).unwrap(), invoice());
    assert_eq!(gate.told(Event::ConfirmationKept).await, 1);
}

/// What lies in the store is of no use to whoever copies it.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_is_sealed_and_goes_in_time() {
    let gate = Gate::open().await;
    let (client, _, _) = anna_inside(&gate).await;
    gate.cashier().await;
    client.set_cookie("theirs", "canary-of-a-cookie");
    let waiting = pays(&client).await;
    let record = on_record(&gate).await;
    let bytes = portcullis::store::table::encode(&record);
    for canary in ["the-canary-of-the-body", "canary-of-a-cookie", &client.cookie().unwrap()] {
        assert!(!String::from_utf8_lossy(&bytes).contains(canary), "{canary}");
    }
    assert!(record.sealed.len() > 100);
    // Nobody looks at it any more; the watch ends it all the same, and the request goes.
    gate.wait(301);
    gate.started().house.confirmations.sweep().await.unwrap();
    let record = on_record(&gate).await;
    assert!(matches!(record.state, ConfirmationState::Expired { .. }), "{:?}", record.state);
    assert!(record.sealed.is_empty());
    assert_eq!(gate.told(Event::ConfirmationExpired).await, 1);
    drop(waiting);
}

/// A rule asks for a fresh approval: the one that confirms is one, for this request and no other.
#[tokio::test(flavor = "multi_thread")]
async fn the_confirming_approval_is_fresh_for_its_request_alone() {
    let rules = "[[rule]]\nname = \"Payments\"\npaths = [\"/payments/**\"]\nwho = [\"group:clients\"]\n\
                 need = [\"certificate\", \"password\", \"phone < 1m\"]\n\n[[rule]]\nname = \"Portal\"\n\
                 paths = [\"/**\"]\nwho = [\"group:clients\"]\nneed = [\"certificate\", \"password\", \"phone\"]\n";
    let gate = Gate::with(|plan| plan.portal = rules.to_owned()).await;
    let (client, phone, _) = anna_inside(&gate).await;
    let cashier = gate.cashier().await;
    let waiting = pays(&client).await;
    gate.wait(70);
    approves(&phone, &waiting).await;
    let confirmed = client.open(&waiting.path).await;
    let answer = sends(&client, &confirmed).await;
    assert_eq!((answer.status.as_u16(), cashier.confirmed().len()), (303, 1));
    // The session has not become fresher by it.
    client.open("/payments/paid").await.must_say("Type this number on your phone");
    let sessions = gate.all::<Session>().await;
    let now = gate.world.now();
    assert!(sessions.iter().all(|one| one.phone.is_none_or(|at| now.since(at) >= Duration::from_secs(70))));
}
