//! Where a phone wants to be woken, as it says so and takes it back.

use super::*;

/// As the browser gives it.
fn subscribing(house: &House) -> Value {
    json!({
        "endpoint": "https://push.example.net/wpush/v1/very-secret",
        "keys": { "p256dh": b64(crate::crypto::OneAgreement::begin().unwrap().public()), "auth": b64(&[7; 16]) },
        "key": house.room.pusher.keys().newest().unwrap().public_text(),
    })
}

#[tokio::test]
async fn a_phone_says_where_it_wants_to_be_woken_and_takes_it_back() {
    let house = House::new().await;
    let hand = house.rig.paired("anna").await;
    let (status, state) = house.call(&hand, "GET", "/api/push", Value::Null).await;
    assert_eq!(
        (status, &state["subscribed"], &state["endpoint"]),
        (StatusCode::OK, &json!(false), &Value::Null)
    );
    let wanted = subscribing(&house);
    assert_eq!(state["key"], wanted["key"]);
    for _ in 0..2 {
        let (status, answer) = house.call(&hand, "PUT", "/api/push", wanted.clone()).await;
        assert_eq!((status, &answer["subscribed"]), (StatusCode::OK, &json!(true)));
    }
    let (_, state) = house.call(&hand, "GET", "/api/push", Value::Null).await;
    let hash = b64(&crate::crypto::sha256(b"https://push.example.net/wpush/v1/very-secret"));
    assert_eq!((&state["endpoint"], &state["with"]), (&json!(hash), &wanted["key"]));
    assert!(!state.to_string().contains("very-secret"), "the address is told to nobody");
    let (status, answer) = house.call(&hand, "DELETE", "/api/push", Value::Null).await;
    assert_eq!((status, &answer["subscribed"]), (StatusCode::OK, &json!(false)));
    let (status, _) = house.call(&hand, "DELETE", "/api/push", Value::Null).await;
    assert_eq!(status, StatusCode::OK);
    let (_, state) = house.call(&hand, "GET", "/api/push", Value::Null).await;
    assert_eq!(state["subscribed"], false);
    let trail = audit::latest(&**house.rig.ledger.store(), 100).await.unwrap();
    for what in [Event::PushSubscribed, Event::PushDropped] {
        assert_eq!(
            trail.iter().filter(|line| line.what == what).count(),
            1,
            "{what}: once, and what changes"
        );
    }
    assert!(!format!("{trail:?}").contains("very-secret"));
}

/// what a phone names is not gone to unless it lies on the open internet and its keys are keys.
#[tokio::test]
async fn a_subscription_that_cannot_be_used_is_not_kept() {
    let house = House::new().await;
    let hand = house.rig.paired("anna").await;
    let with = |name: &str, value: Value| {
        let mut asked = subscribing(&house);
        match name.split_once('.') {
            Some((outer, inner)) => asked[outer][inner] = value,
            None => asked[name] = value,
        }
        asked
    };
    for (asked, status, code) in [
        (with("endpoint", json!("https://127.0.0.1/x")), 422, "push-subscription"),
        (with("endpoint", json!("https://169.254.169.254/latest")), 422, "push-subscription"),
        (with("endpoint", json!("http://push.example.net/x")), 422, "push-subscription"),
        (with("endpoint", json!(null)), 400, "malformed"),
        (with("keys.p256dh", json!(b64(&[4; 65]))), 422, "push-subscription"),
        (with("keys.p256dh", json!("!")), 400, "malformed"),
        (with("keys.auth", json!(b64(&[7; 15]))), 422, "push-subscription"),
        (with("key", json!(b64(&[4; 65]))), 409, "push-key"),
    ] {
        let (found, problem) = house.call(&hand, "PUT", "/api/push", asked.clone()).await;
        assert_eq!((found.as_u16(), &problem["code"]), (status, &json!(code)), "{asked}");
        assert!(!problem.to_string().contains("169.254"), "{problem}");
    }
    let unsigned = request("PUT", "/api/push", None, subscribing(&house).to_string());
    assert_eq!(house.send(unsigned).await.0, StatusCode::UNAUTHORIZED);
    let (_, state) = house.call(&hand, "GET", "/api/push", Value::Null).await;
    assert_eq!(state["subscribed"], false);
}
