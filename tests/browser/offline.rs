//! A phone without a network, in real browsers: the camera reads the square, the computer takes what the phone shows.

use serde_json::json;

use crate::demo::Demo;
use crate::device::camera_sees;
use crate::looks::judge;
use crate::walk::{self, client, first_visit, sign_in_agent};

#[tokio::test]
async fn a_phone_without_a_network_answers_by_its_camera() {
    let demo = Demo::start();
    let client_ = client(&demo, "client.p12").await;
    let agent = sign_in_agent(&demo).await;
    let phone = first_visit(&demo, &client_, &agent, false).await;
    client_.click("form[action='/.portcullis/sign-out'] button").await;
    client_.sees("You are signed out").await;
    client_.open(&demo.url("bank", "/?from=offline")).await;
    client_.type_into("#password", walk::PASSWORD).await;

    phone.cdp("Network.enable", json!({})).await;
    let nothing = json!({"offline": true, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1});
    phone.cdp("Network.emulateNetworkConditions", nothing).await;
    phone.sees("This phone is offline").await;
    client_.press("Continue").await;
    client_.sees("Type this number on your phone").await;
    client_.click("details:has(#offline) summary").await;
    client_.click("#offline").await;
    client_.sees("Let your phone read this square").await;
    judge(&client_, "offline-square").await;
    let square = client_.find("#square").await.screenshot_as_png().await.expect("a picture of the square");
    camera_sees(&square, &client_.home().join("camera.y4m"));

    phone.click("#offline").await;
    phone.sees("Are you signing in to").await;
    judge(&phone, "phone-offline-question").await;
    phone.click("#approve").await;
    phone.sees("Type this on your computer").await;
    judge(&phone, "phone-offline-answer").await;
    let answer = phone.find(".answer").await.text().await.expect("an answer");
    client_.type_into("#answer", "0000 0000").await;
    client_.press("Continue").await;
    client_.sees("other characters").await;
    judge(&client_, "offline-wrong").await;
    client_.type_into("#answer", &answer.to_lowercase()).await;
    client_.press("Continue").await;
    client_.sees("Good day, Anna Muster").await;
    let at = client_.driver.current_url().await.unwrap();
    assert_eq!(at.query(), Some("from=offline"), "it lands on the page first asked for");
    demo.command(&["audit", "verify"]);
    for device in [client_, agent, phone] {
        device.close().await;
    }
}
