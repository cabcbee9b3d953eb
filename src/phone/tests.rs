//! The room as the app meets it, and as somebody meets it who is not the app.

mod history;
mod push;

use data_encoding::BASE64URL_NOPAD;
use futures_util::StreamExt;
use http::StatusCode;
use http_body_util::BodyExt;
use serde_json::{Value, json};

use super::*;
use crate::audit::{self, Event};
use crate::auth::phone::rig::{FROM, Hand, Rig};
use crate::domain::approval::{Answer, Approval, ApprovalState};
use crate::domain::certificate::{Certificate, CertificateState};
use crate::domain::device::{Device, DeviceState};
use crate::domain::person::{Person, Standing};
use crate::domain::{DeviceId, IssuerId};
use crate::enrolment::pairing::{Ground, Opening, Verdict};
use crate::notify::webpush::{Before, Keys, Reach, Settings, Way};
use crate::store::table;

fn ends_in_two_weeks(rig: &Rig) -> (Device, Certificate) {
    let (tenant, person, id) = (&rig.tenant, &rig.anna, DeviceId::parse("laptop-9").unwrap());
    let device = Device {
        tenant: tenant.clone(),
        person: person.clone(),
        id: id.clone(),
        name: "laptop".to_owned(),
        state: DeviceState::Active,
        issued_by: "local:1000".to_owned(),
        delivered_by: None,
        released_by: None,
        created: rig.world.now(),
    };
    let days = |days: u64| std::time::Duration::from_secs(days * 86_400);
    let certificate = Certificate {
        serial: "ab12".to_owned(),
        tenant: tenant.clone(),
        person: person.clone(),
        device: id,
        issuer: IssuerId::parse("devices-1").unwrap(),
        profile: "device".to_owned(),
        der: vec![0x30],
        fingerprint: [5; 32],
        not_before: rig.world.now().minus(days(700)),
        not_after: rig.world.now().plus(days(14)),
        state: CertificateState::Active,
        issued_by: "local:1000".to_owned(),
    };
    (device, certificate)
}

/// With a key that goes with the test.
fn pusher(rig: &Rig) -> Arc<Pusher> {
    let folder = tempfile::tempdir().unwrap();
    let keys = Keys::open(&folder.path().join("push.key")).unwrap();
    keys.rotate(Before::Ends).unwrap();
    let settings = Settings {
        contact: "mailto:gate@bank.example".to_owned(),
        proxy: None,
        ca_file: None,
        reach: Reach::Public,
    };
    Arc::new(Pusher::new(
        Way::open(&settings).unwrap(),
        Arc::new(keys),
        rig.ledger.clone(),
        rig.world.clone(),
    ))
}

struct House {
    rig: Rig,
    room: PhoneRoom,
    cancel: CancellationToken,
}

impl House {
    async fn new() -> Self {
        let rig = Rig::new().await;
        let pairings =
            Pairings::new(rig.ledger.clone(), rig.pepper.clone(), rig.party.clone(), rig.world.clone());
        let room = PhoneRoom::new(
            rig.view.clone(),
            rig.approvals.clone(),
            Arc::new(pairings),
            pusher(&rig),
            rig.party.clone(),
            rig.world.clone(),
        );
        Self { rig, room, cancel: CancellationToken::new() }
    }

    async fn send(&self, request: Request<Body>) -> (StatusCode, Value) {
        let response = self.room.answer(&self.cancel, FROM, "QF-308-122", request).await;
        let status = response.status();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    async fn call(&self, hand: &Hand, method: &str, path: &str, body: Value) -> (StatusCode, Value) {
        self.send(self.signed(hand, method, path, &body)).await
    }

    fn signed(&self, hand: &Hand, method: &str, path: &str, body: &Value) -> Request<Body> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let header = hand.header(Call { method, path, body: body.as_bytes() }, self.rig.world.now());
        request(method, path, Some(&header), body)
    }

    async fn approve(&self, hand: &Hand, shown: &Approval, digits: &str) -> (StatusCode, Value) {
        let signed = hand.sign(shown, digits).await;
        let body = json!({
            "digits": digits,
            "client_data": b64(&signed.client_data),
            "authenticator_data": b64(&signed.authenticator_data),
            "signature": b64(&signed.signature),
        });
        self.call(hand, "POST", &format!("/api/approvals/{}/approve", shown.id), body).await
    }
}

fn request(method: &str, path: &str, header: Option<&str>, body: String) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path);
    if let Some(header) = header {
        request = request.header(Proof::HEADER, header);
    }
    request.body(Body::from(body)).unwrap()
}

fn b64(bytes: &[u8]) -> String {
    BASE64URL_NOPAD.encode(bytes)
}

#[tokio::test]
async fn a_phone_pairs_is_asked_and_answers() {
    let house = House::new().await;
    let session = house.rig.session(1).await;
    let opening = Opening {
        tenant: session.tenant.clone(),
        person: session.person.clone(),
        device: session.device.clone(),
        session: session.token,
        from: FROM,
        ground: Ground::First,
    };
    let (pairing, secret) = house.room.pairings.open(opening).await.unwrap();
    let hand = Hand::new(house.rig.party.clone());
    let api_key = b64(&hand.api_key());
    let which = json!({ "pairing": pairing.id.as_str(), "api_key": api_key });

    let begin = json!({ "pairing": pairing.id.as_str(), "api_key": api_key, "secret": secret.expose() });
    let (status, begun) = house.call(&hand, "POST", "/api/pair/begin", begin).await;
    assert_eq!(status, StatusCode::OK, "{begun}");
    assert_eq!(begun["site"], "Bank Muster & Cie");
    assert_eq!(begun["rp_id"], "phone.localhost");
    let challenge = BASE64URL_NOPAD.decode(begun["challenge"].as_str().unwrap().as_bytes()).unwrap();
    let new = hand.make(&challenge).await;
    let finish = json!({
        "pairing": pairing.id.as_str(),
        "api_key": api_key,
        "name": "Android phone",
        "client_data": b64(&new.client_data),
        "attestation": b64(&new.attestation),
    });
    let (status, claimed) = house.call(&hand, "POST", "/api/pair/finish", finish).await;
    assert_eq!(status, StatusCode::OK, "{claimed}");
    assert_eq!(claimed["words"].as_array().unwrap().len(), 2);
    let (_, state) = house.call(&hand, "POST", "/api/pair/state", which.clone()).await;
    assert_eq!(state["state"], "claimed");

    let yes = Verdict::Yes { released_by: None, also: Vec::new(), ground: Ground::First };
    let phone = house.room.pairings.confirm(&pairing.id, &session.token, yes, FROM).await.unwrap().unwrap();
    let (_, state) = house.call(&hand, "POST", "/api/pair/state", which).await;
    assert_eq!(state["state"], "confirmed");
    let hand = hand.paired_as(phone);
    let (status, me) = house.call(&hand, "GET", "/api/me", Value::Null).await;
    assert_eq!((status, &me["phone"]), (StatusCode::OK, &claimed["phone"]));
    assert_eq!(me["person"], "Anna Muster");

    assert_eq!(me["ending"], json!([]));
    let (laptop, certificate) = ends_in_two_weeks(&house.rig);
    house.rig.put(&laptop).await;
    house.rig.put(&certificate).await;
    let (_, me) = house.call(&hand, "GET", "/api/me", Value::Null).await;
    let until = certificate.not_after.millis();
    let ends = json!({ "device": "laptop", "until": until, "days": 14, "ended": false });
    assert_eq!(me["ending"], json!([ends]));

    let (_, empty) = house.call(&hand, "GET", "/api/approvals", Value::Null).await;
    assert_eq!(empty["approvals"], json!([]));
    let (shown, digits) = house.rig.ask(&session).await;
    let (_, list) = house.call(&hand, "GET", "/api/approvals", Value::Null).await;
    assert_eq!(list["approvals"][0]["id"], shown.id.as_str());
    assert!(!list.to_string().contains(&digits), "the digits never go to the phone");

    let wrong = if digits == "111111" { "222222" } else { "111111" };
    let (status, problem) = house.approve(&hand, &shown, wrong).await;
    assert_eq!((status, &problem["left"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!(2)));
    assert_eq!(problem["number"], "QF-308-122");
    let (status, answer) = house.approve(&hand, &shown, &digits).await;
    assert_eq!((status, answer), (StatusCode::OK, json!({ "state": "approved" })));
    let (status, problem) = house.approve(&hand, &shown, &digits).await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("answered")));
}

/// nothing of the API is answered to whoever does not sign.
#[tokio::test]
async fn an_unsigned_call_learns_and_changes_nothing() {
    let house = House::new().await;
    let (session, hand) = (house.rig.session(1).await, house.rig.paired("anna").await);
    let (shown, _) = house.rig.ask(&session).await;
    for (method, path) in ROUTES.iter().filter(|(_, path)| !path.starts_with("/api/pair/")) {
        let path = path.replace('*', shown.id.as_str());
        let good = house.signed(&hand, method, &path, &json!({}));
        let header = good.headers()[Proof::HEADER].to_str().unwrap().to_owned();
        let berts = house.rig.paired("bert").await;
        let as_anna = {
            let call = Call { method, path: &path, body: b"{}" };
            let forged = berts.header(call, house.rig.world.now());
            let tail = forged.split_once(';').unwrap().1.to_owned();
            format!("{};{tail}", header.split(';').next().unwrap())
        };
        for bad in [None, Some(""), Some("phone=new;time=1;nonce=;sig="), Some(as_anna.as_str())] {
            let (status, problem) = house.send(request(method, &path, bad, "{}".to_owned())).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{method} {path} {bad:?}");
            assert!(!problem.to_string().contains("Anna"), "{problem}");
        }
        // Another body, another path, another method under the same signature.
        let (status, _) = house.send(request(method, &path, Some(&header), "{ }".to_owned())).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
        let longer = format!("{path}?x=1");
        let (status, _) = house.send(request(method, &longer, Some(&header), "{}".to_owned())).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
    }
    let key = table::approval(&shown.tenant, &shown.person, &shown.id);
    assert_eq!(house.rig.read::<Approval>(&key).await.unwrap().state, ApprovalState::Pending);
}

#[tokio::test]
async fn a_call_heard_once_is_not_heard_again() {
    let house = House::new().await;
    let hand = house.rig.paired("anna").await;
    let one = house.signed(&hand, "GET", "/api/me", &Value::Null);
    let header = one.headers()[Proof::HEADER].to_str().unwrap().to_owned();
    assert_eq!(house.send(one).await.0, StatusCode::OK);
    let (status, problem) = house.send(request("GET", "/api/me", Some(&header), String::new())).await;
    assert_eq!((status, &problem["code"]), (StatusCode::UNAUTHORIZED, &json!("replayed")));

    // A clock that is off is told the time, and nothing else.
    let early = house.signed(&hand, "GET", "/api/me", &Value::Null);
    house.rig.wait(61);
    let (status, problem) = house.send(early).await;
    assert_eq!((status, &problem["code"]), (StatusCode::UNAUTHORIZED, &json!("clock")));
    assert_eq!(problem["now"], house.rig.world.now().millis());
}

#[tokio::test]
async fn not_me_and_another_persons_phone() {
    let house = House::new().await;
    let session = house.rig.session(1).await;
    let (anna, bert) = (house.rig.paired("anna").await, house.rig.paired("bert").await);
    let (shown, digits) = house.rig.ask(&session).await;
    let path = format!("/api/approvals/{}/deny", shown.id);
    let (status, problem) = house.call(&bert, "POST", &path, json!({})).await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("unknown")));
    assert_eq!(house.approve(&bert, &shown, &digits).await.0, StatusCode::CONFLICT);
    let (_, list) = house.call(&bert, "GET", "/api/approvals", Value::Null).await;
    assert_eq!(list["approvals"], json!([]));
    assert_eq!(house.rig.sessions().await, 1);
    assert_eq!(house.call(&anna, "POST", &path, json!({})).await.0, StatusCode::OK);
    assert_eq!(house.rig.sessions().await, 0);

    // While she is frozen her phone reads that, and nothing else is heard of it.
    let (status, me) = house.call(&anna, "GET", "/api/me", Value::Null).await;
    assert_eq!((status, &me["frozen"]), (StatusCode::OK, &json!(house.rig.world.now().millis())));
    let (status, problem) = house.call(&anna, "GET", "/api/approvals", Value::Null).await;
    assert_eq!((status, &problem["code"]), (StatusCode::FORBIDDEN, &json!("frozen")));
    assert_eq!(house.approve(&anna, &shown, &digits).await.0, StatusCode::FORBIDDEN);
    let request = house.signed(&anna, "GET", "/api/events", &Value::Null);
    let response = house.room.answer(&house.cancel, FROM, "1", request).await;
    let mut events = response.into_body().into_data_stream();
    assert!(events.next().await.unwrap().unwrap().starts_with(b"event: frozen\n"));
    let key = table::person(&house.rig.tenant, &house.rig.anna);
    let frozen: Person = house.rig.read(&key).await.unwrap();
    house.rig.put(&Person { standing: Standing::Active, ..frozen }).await;
    assert!(events.next().await.unwrap().unwrap().starts_with(b"event: approvals\n"));
    let (_, me) = house.call(&anna, "GET", "/api/me", Value::Null).await;
    assert_eq!(me["frozen"], Value::Null);
}

#[tokio::test]
async fn a_phone_unpaired_or_a_person_locked_is_shut_out_at_once() {
    let house = House::new().await;
    let hand = house.rig.paired("anna").await;
    let mut anna: Person = house.rig.read(&table::person(&house.rig.tenant, &house.rig.anna)).await.unwrap();
    anna.standing = Standing::Locked { until: None, why: "test".to_owned() };
    house.rig.put(&anna).await;
    assert_eq!(house.call(&hand, "GET", "/api/approvals", Value::Null).await.0, StatusCode::FORBIDDEN);
    anna.standing = Standing::Active;
    house.rig.put(&anna).await;
    assert_eq!(house.call(&hand, "GET", "/api/approvals", Value::Null).await.0, StatusCode::OK);
    let phone = hand.phone.clone().unwrap();
    house.rig.write(vec![table::delete(table::phone(&phone.tenant, &phone.person, &phone.id))]).await;
    let (status, problem) = house.call(&hand, "GET", "/api/approvals", Value::Null).await;
    assert_eq!((status, &problem["code"]), (StatusCode::UNAUTHORIZED, &json!("unpaired")));
}

#[tokio::test]
async fn an_open_app_hears_at_once_and_is_cut_when_it_must_be() {
    let house = House::new().await;
    let (session, hand) = (house.rig.session(1).await, house.rig.paired("anna").await);
    let open = || async {
        let request = house.signed(&hand, "GET", "/api/events", &Value::Null);
        house.room.answer(&house.cancel, FROM, "1", request).await
    };
    let mut events = open().await.into_body().into_data_stream();
    let mut next = async || {
        let event = events.next().await?.unwrap();
        Some(String::from_utf8(event.to_vec()).unwrap())
    };
    assert!(next().await.unwrap().contains("\"approvals\":[]"));
    let (shown, digits) = house.rig.ask(&session).await;
    let event = next().await.unwrap();
    assert!(event.starts_with("event: approvals\ndata: {") && event.ends_with("}\n\n"));
    assert!(event.contains(shown.id.as_str()) && !event.contains(&digits));
    assert_eq!(house.approve(&hand, &shown, &digits).await.0, StatusCode::OK);
    // The counter of the phone and the answer are one commit, but two touches.
    assert!(next().await.unwrap().contains("\"approvals\":[]"));

    // Five streams are one too many; a closed one gives its place back.
    let (second, third, fourth) = (open().await, open().await, open().await);
    assert_eq!(open().await.status(), StatusCode::TOO_MANY_REQUESTS);
    drop((second, third));
    assert_eq!(open().await.status(), StatusCode::OK);
    drop(fourth);

    let phone = hand.phone.clone().unwrap();
    house.rig.write(vec![table::delete(table::phone(&phone.tenant, &phone.person, &phone.id))]).await;
    let mut last = next().await;
    while last.as_ref().is_some_and(|event| event.contains("approvals")) {
        last = next().await;
    }
    assert!(last.unwrap().starts_with("event: unpaired"));
    assert_eq!(next().await, None);

    let other = house.rig.paired("anna").await;
    let request = house.signed(&other, "GET", "/api/events", &Value::Null);
    let mut cut = house.room.answer(&house.cancel, FROM, "1", request).await.into_body().into_data_stream();
    cut.next().await.unwrap().unwrap();
    house.cancel.cancel();
    assert!(cut.next().await.is_none());
}

#[tokio::test]
async fn the_list_of_routes_is_what_is_answered() {
    let house = House::new().await;
    for (method, path) in ROUTES {
        let path = path.replace('*', "x");
        let (status, _) = house.send(request(method, &path, None, String::new())).await;
        assert_ne!(status, StatusCode::NOT_FOUND, "{method} {path}");
        assert_ne!(status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
        let (status, _) = house.send(request("PATCH", &path, None, String::new())).await;
        assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED, "PATCH {path}");
    }
    for path in ["/api/", "/api/approvals/x", "/api/approvals/x/y", "/api/pair", "/api/me/", "/api//me"] {
        let (status, _) = house.send(request("GET", path, None, String::new())).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
    }
    let (status, _) = house.send(request("POST", "/api/pair/begin", None, "x".repeat(70_000))).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn what_the_app_is_given_is_what_the_text_is_built_from() {
    let house = House::new().await;
    let session = house.rig.session(1).await;
    let (shown, _) = house.rig.ask(&session).await;
    let one = &api::questions(Some(&shown), house.rig.world.now())["approvals"][0];
    let row = &shown.shown.rows[0];
    for line in shown.canonical_text(Answer::Approve("123456")).lines().skip(1) {
        let (name, value) = line.split_once(": ").unwrap();
        match name {
            "verdict" | "digits" => {}
            "rows" => assert_eq!(one["rows"].as_array().unwrap().len().to_string(), value),
            "name" => assert_eq!((&one["rows"][0]["name"], value), (&json!(row.name), row.name.as_str())),
            "value" => assert_eq!((&one["rows"][0]["value"], value), (&json!(row.value), row.value.as_str())),
            name => assert_eq!(one[name], value, "{name}"),
        }
    }
}
