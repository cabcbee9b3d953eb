//! What was asked lately, as the app is told it.

use super::*;

#[tokio::test]
async fn the_last_questions_are_told_with_how_they_ended() {
    let house = House::new().await;
    let session = house.rig.session(1).await;
    let (anna, bert) = (house.rig.paired("anna").await, house.rig.paired("bert").await);
    let (first, digits) = house.rig.ask(&session).await;
    assert_eq!(history(&house, &anna).await, json!([]), "what waits is no history");
    assert_eq!(house.approve(&anna, &first, &digits).await.0, StatusCode::OK);
    house.rig.wait(1);
    let (second, _) = house.rig.ask(&session).await;
    house.rig.wait(1);
    let (third, _) = house.rig.ask(&session).await;
    house.rig.wait(3600);

    let told = history(&house, &anna).await;
    let ends: Vec<_> = told.as_array().unwrap().iter().map(|it| (&it["id"], &it["end"])).collect();
    let id = |it: &Approval| json!(it.id.as_str());
    let (first_id, second_id, third_id) = (id(&first), id(&second), id(&third));
    let (expired, superseded, approved) = (json!("expired"), json!("superseded"), json!("approved"));
    assert_eq!(ends, [(&third_id, &expired), (&second_id, &superseded), (&first_id, &approved)]);
    assert_eq!(told[2]["this_phone"], true);
    assert_eq!(told[2]["at"], first.created.millis());
    assert_eq!(told[2]["device"], first.shown.device);
    assert!(told[2].get("nonce").is_none());
    assert_eq!(history(&house, &bert).await, json!([]));
}

#[tokio::test]
async fn this_was_not_me_is_heard_long_afterwards() {
    let house = House::new().await;
    let session = house.rig.session(1).await;
    let (anna, bert) = (house.rig.paired("anna").await, house.rig.paired("bert").await);
    let (shown, digits) = house.rig.ask(&session).await;
    assert_eq!(house.approve(&anna, &shown, &digits).await.0, StatusCode::OK);
    house.rig.wait(3 * 3600);
    house.rig.session(2).await;

    let path = format!("/api/history/{}/not-me", shown.id);
    let (status, problem) = house.call(&bert, "POST", &path, json!({})).await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("unknown")));
    assert_eq!(house.call(&anna, "POST", &path, json!({})).await.0, StatusCode::OK);
    assert_eq!(house.rig.sessions().await, 0);
}

async fn history(house: &House, hand: &Hand) -> Value {
    let (status, answer) = house.call(hand, "GET", "/api/history", Value::Null).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    answer["history"].clone()
}
