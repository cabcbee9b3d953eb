//! A phone that is woken: by a question and nothing else, whatever its push service does. The oracle is what came to a
//! push service of the test's, and what the trail says.

use std::sync::Arc;
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use http::StatusCode;
use portcullis::audit::Event;
use portcullis::config::Push;
use portcullis::crypto::verify_es256_fixed;
use portcullis::domain::approval::{Approval, ApprovalState};
use portcullis::domain::phone::Phone as Paired;
use portcullis::domain::push::Subscription;
use portcullis::domain::{ApprovalId, PhoneId};
use serde_json::{Value, json};

use crate::support::PASSWORD;
use crate::support::browser::Browser;
use crate::support::desk::*;
use crate::support::gate::Gate;
use crate::support::page::Page;
use crate::support::phone::Phone;
use crate::support::push_service::{BrowserSide, Proxy, PushService, Says};

/// A gate that may push to the test's service.
async fn gate_to(service: &PushService, proxy: Option<&Proxy>) -> Gate {
    let push = Push {
        contact: Some("mailto:gate@bank.example".to_owned()),
        proxy: proxy.map(|proxy| proxy.address.clone()),
        ca_file: Some(service.ca_file()),
        private_services: true,
    };
    Gate::with(|plan| plan.push = push).await
}

async fn subscribes(phone: &Phone, endpoint: &str) -> BrowserSide {
    let (status, state) = phone.call("GET", "/api/push", "").await;
    assert_eq!(status, 200, "{state}");
    let side = BrowserSide::new();
    let body = side.subscription(endpoint, state["key"].as_str().unwrap());
    let (status, answer) = phone.call("PUT", "/api/push", &body.to_string()).await;
    assert_eq!((status, &answer["subscribed"]), (StatusCode::OK, &json!(true)), "{answer}");
    side
}

/// Up to the page with the digits: the phone is asked.
async fn asks(client: &Browser) -> Page {
    client.send(client.posting("/.portcullis/sign-out", &[])).await;
    let page = client.open("/").await;
    client.submit(&page, "/password", &[("password", PASSWORD)]).await
}

async fn says_yes(client: &Browser, phone: &Phone, page: &Page) {
    let (status, answer) = phone.approve(&phone.question().await, &page.digits()).await;
    assert_eq!(status, 200, "{answer}");
    let inside = client.open("/.portcullis/sign-in/").await;
    assert_eq!(inside.status, 200, "{}", inside.words());
}

/// The same question again, as if it were put anew: past the limit of questions.
async fn asked_again(gate: &Gate) -> Approval {
    let mut all = gate.all::<Approval>().await;
    let mut question = all.pop().expect("a question was put before");
    question.id = ApprovalId::from_bits(gate.world.bytes());
    question.state = ApprovalState::Pending;
    question.created = gate.world.now();
    question.expires = gate.world.now().plus(Duration::from_secs(120));
    gate.put(&question).await;
    question
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let begun = std::time::Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < crate::support::PATIENCE, "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A-11: what is sent, and what stands in it: no digits, no name but the site's.
#[tokio::test(flavor = "multi_thread")]
async fn a_question_wakes_the_phone_and_tells_nothing_but_the_site() {
    let service = PushService::start().await;
    let gate = gate_to(&service, None).await;
    let (client, phone, _) = anna_inside(&gate).await;
    let side = subscribes(&phone, &service.endpoint("anna")).await;
    assert!(service.heard("anna").is_empty());
    let page = asks(&client).await;
    let pushed = service.hears("anna", 1).await.remove(0);
    let header = |name: &str| pushed.headers[name].to_str().unwrap();
    assert_eq!((header("ttl"), header("urgency"), header("content-encoding")), ("60", "high", "aes128gcm"));
    let (token, key) = header("authorization").strip_prefix("vapid t=").unwrap().split_once(", k=").unwrap();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let raw = |text: &str| BASE64URL_NOPAD.decode(text.as_bytes()).unwrap();
    assert_eq!(verify_es256_fixed(&raw(key), signed.as_bytes(), &raw(signature)), Ok(()));
    let claims: Value = serde_json::from_slice(&raw(signed.split_once('.').unwrap().1)).unwrap();
    assert_eq!(claims["aud"], json!(format!("https://localhost:{}", service.port)));
    assert_eq!(claims["sub"], json!("mailto:gate@bank.example"));
    let left = claims["exp"].as_i64().unwrap() - gate.world.now().secs();
    assert!(left > 0 && left <= 24 * 3600, "{left}");
    assert_eq!(side.opens(&pushed), r#"{"site":"Bank Muster & Cie"}"#);
    assert!(!format!("{:?}", pushed.headers).contains(&page.digits()));

    // What changes on a question that was rung for rings no second time.
    let wrong = format!("{:06}", (page.digits().parse::<u32>().unwrap() + 1) % 1_000_000);
    phone.approve(&phone.question().await, &wrong).await;
    // A newer one takes the place of the older in the queue of the push service.
    let page = asks(&client).await;
    let again = service.hears("anna", 2).await;
    assert_eq!(again[0].headers["topic"], again[1].headers["topic"]);
    assert_ne!(again[0].body, again[1].body);
    says_yes(&client, &phone, &page).await;
    assert_eq!(service.heard("anna").len(), 2);
    assert_eq!(gate.told(Event::PushSubscribed).await, 1);
    gate.must_verify().await;
}

/// A-27: whatever a push service does, signing in goes on, and what is gone is dropped.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_the_push_service_does_signing_in_goes_on() {
    let service = PushService::start().await;
    let gate = gate_to(&service, None).await;
    let (client, phone, _) = anna_inside(&gate).await;
    subscribes(&phone, &service.endpoint("anna")).await;

    // It takes the connection and never answers.
    service.will_say(&[Says::Nothing]);
    let page = asks(&client).await;
    service.hears("anna", 1).await;
    says_yes(&client, &phone, &page).await;

    // Too much, broken, then taken: tried again each time, not before it asked for.
    service.will_say(&[Says::After(429, "1"), Says::Status(503), Says::Status(201)]);
    let begun = std::time::Instant::now();
    let question = asked_again(&gate).await;
    service.hears("anna", 4).await;
    assert!(begun.elapsed() > Duration::from_secs(1), "{:?}", begun.elapsed());
    gate.put(&Approval { state: ApprovalState::Superseded, ..question }).await;

    // A redirect is not followed, and what is refused is not said again.
    service.will_say(&[Says::MovedTo("/elsewhere")]);
    asked_again(&gate).await;
    service.hears("anna", 5).await;
    service.will_say(&[Says::Status(403)]);
    asked_again(&gate).await;
    service.hears("anna", 6).await;

    // Once the question is over, nothing more is tried.
    service.will_say(&[Says::Status(500)]);
    let question = asked_again(&gate).await;
    service.hears("anna", 7).await;
    gate.put(&Approval { state: ApprovalState::Superseded, ..question }).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(service.heard("anna").len(), 7);
    assert!(service.heard("elsewhere").is_empty());
    assert_eq!(gate.all::<Subscription>().await.len(), 1);

    for (status, path) in [(404, "gone-404"), (410, "gone-410")] {
        subscribes(&phone, &service.endpoint(path)).await;
        service.will_say(&[Says::Status(status)]);
        asked_again(&gate).await;
        until("dropped", async || gate.all::<Subscription>().await.is_empty()).await;
        assert_eq!(service.heard(path).len(), 1);
    }
    assert_eq!(gate.told(Event::PushDropped).await, 2);
    let page = asks(&client).await;
    says_yes(&client, &phone, &page).await;
    gate.must_verify().await;
}

/// All that goes out goes through the proxy; one that refuses stops nobody from signing in.
#[tokio::test(flavor = "multi_thread")]
async fn pushes_go_through_the_proxy_that_the_operator_named() {
    let service = PushService::start().await;
    let proxy = Proxy::to(Some(service.port)).await;
    let gate = gate_to(&service, Some(&proxy)).await;
    let (client, phone, _) = anna_inside(&gate).await;
    // A name that this machine cannot resolve: the proxy can.
    let side = subscribes(&phone, "https://push.example.net/anna").await;
    let page = asks(&client).await;
    let pushed = service.hears("anna", 1).await.remove(0);
    assert_eq!(proxy.asked(), ["CONNECT push.example.net:443 HTTP/1.1"]);
    assert_eq!(pushed.headers["host"], "push.example.net");
    assert!(side.opens(&pushed).contains("Bank Muster"));
    says_yes(&client, &phone, &page).await;

    let refusing = Proxy::to(None).await;
    let gate = gate_to(&service, Some(&refusing)).await;
    let (client, phone, _) = anna_inside(&gate).await;
    subscribes(&phone, "https://push.example.net/bert").await;
    let page = asks(&client).await;
    until("asked", async || !refusing.asked().is_empty()).await;
    says_yes(&client, &phone, &page).await;
    assert!(service.heard("bert").is_empty());
}

/// A-27: a phone chooses where it is woken, and reaches nothing inside by it.
#[tokio::test(flavor = "multi_thread")]
async fn a_phone_cannot_send_the_gate_to_an_address_inside() {
    let service = PushService::start().await;
    let push = Push { ca_file: Some(service.ca_file()), ..Push::default() };
    let gate = Gate::with(|plan| plan.push = push).await;
    let (client, phone, _) = anna_inside(&gate).await;
    let (_, state) = phone.call("GET", "/api/push", "").await;
    let side = BrowserSide::new();
    let own_door = format!("https://{}/x", gate.host("bank"));
    for endpoint in
        [&service.endpoint("inside"), &own_door, "https://127.0.0.1/x", "http://push.example.net/x"]
    {
        let body = side.subscription(endpoint, state["key"].as_str().unwrap());
        let (status, problem) = phone.call("PUT", "/api/push", &body.to_string()).await;
        assert_eq!((status.as_u16(), &problem["code"]), (422, &json!("push-subscription")), "{endpoint}");
    }
    // One that got in all the same, as from a gate that was set otherwise once, is not gone to either.
    let keys = &side.subscription(&service.endpoint("inside"), "")["keys"];
    let raw = |value: &Value| BASE64URL_NOPAD.decode(value.as_str().unwrap().as_bytes()).unwrap();
    let paired = gate.all::<Paired>().await.remove(0);
    gate.put(&Subscription {
        tenant: paired.tenant,
        person: paired.person,
        phone: paired.id,
        endpoint: service.endpoint("inside"),
        p256dh: raw(&keys["p256dh"]),
        auth: raw(&keys["auth"]),
        key: raw(&state["key"]),
        since: gate.world.now(),
    })
    .await;
    let page = asks(&client).await;
    says_yes(&client, &phone, &page).await;
    assert!(service.heard("inside").is_empty());
}

/// What belongs to a phone that is not paired any more, or was made with a key that ended, is dropped when it is met.
#[tokio::test(flavor = "multi_thread")]
async fn subscriptions_that_are_good_for_nothing_are_dropped_when_met() {
    let service = PushService::start().await;
    let gate = gate_to(&service, None).await;
    let (client, phone, _) = anna_inside(&gate).await;
    subscribes(&phone, &service.endpoint("anna")).await;
    let mine = gate.all::<Subscription>().await.remove(0);
    let other = PhoneId::from_bits(gate.world.bytes());
    gate.put(&Subscription { phone: other, endpoint: service.endpoint("other"), ..mine.clone() }).await;
    gate.put(&Subscription { key: vec![4; 65], endpoint: service.endpoint("old-key"), ..mine.clone() }).await;
    let page = asks(&client).await;
    until("both dropped", async || gate.all::<Subscription>().await.is_empty()).await;
    assert_eq!(gate.told(Event::PushDropped).await, 2);
    assert!(service.heard("other").is_empty() && service.heard("old-key").is_empty());
    says_yes(&client, &phone, &page).await;
    let _: Arc<Phone> = phone;
}
