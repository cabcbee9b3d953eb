//! Certificates that have ended, and those who renew them: programs that show one, and strangers who show nothing.

use std::time::Duration;

use axum::body::Body;
use http::{Request, header};
use portcullis::domain::certificate::Certificate;
use portcullis::store::table;
use serde_json::{Value, json};

use super::browser::Browser;
use super::desk::{releases, types_code, word_of};
use super::gate::{Gate, Handed};
use super::page::Page;
use super::phone::Phone;
use super::wire::{Answer, Identity};

/// Where a program renews.
pub(crate) const RENEW: &str = "/.portcullis/renew/";

/// A certificate of this device that ended so many seconds ago, on record.
pub(crate) async fn ended(gate: &Gate, of: &Handed, seconds_ago: u64) -> (Identity, Certificate) {
    let now = u64::try_from(gate.world.now().secs()).unwrap();
    let (identity, record) = gate.old_ca.leaf(of, |params| {
        params.not_after = rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(now - seconds_ago);
    });
    gate.put(&record).await;
    (identity, record)
}

/// The same, in place of every other certificate of the device.
pub(crate) async fn only_ended(gate: &Gate, of: &Handed, seconds_ago: u64) -> (Handed, Certificate) {
    let others = gate.all::<Certificate>().await.into_iter().filter(|one| one.device == of.device);
    gate.write(others.map(|one| table::delete(table::certificate(&one.serial))).collect()).await;
    let (identity, record) = ended(gate, of, seconds_ago).await;
    (Handed { identity, serial: record.serial.clone(), ..of.clone() }, record)
}

/// What a program sends to the lane.
pub(crate) async fn call(browser: &Browser, method: &str, path: &str, kind: &str, body: Vec<u8>) -> Answer {
    let request = Request::builder().method(method).uri(path).header(header::ACCEPT, "application/json");
    let request = request.header(header::CONTENT_TYPE, kind).body(Body::from(body)).unwrap();
    browser.send(request).await
}

/// The same with JSON, in and out.
pub(crate) async fn json(browser: &Browser, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let answer = call(browser, method, path, "application/json", body.to_string().into_bytes()).await;
    let told = serde_json::from_str(&answer.text()).unwrap_or_else(|_| panic!("no JSON: {}", answer.text()));
    (answer.status.as_u16(), told)
}

/// Password and phone, as a program does it. Ends where the certificate may be asked for.
pub(crate) async fn proves_both(browser: &Browser, phone: &Phone, password: &str) {
    let (status, told) =
        json(browser, "POST", "/.portcullis/renew/password", &json!({ "password": password })).await;
    assert_eq!((status, &told["stage"]), (200, &json!("phone")), "{told}");
    let (status, answer) = phone.approve(&phone.question().await, told["digits"].as_str().unwrap()).await;
    assert_eq!(status, 200, "{answer}");
    let (status, told) = json(browser, "GET", RENEW, &json!({})).await;
    assert_eq!((status, &told["stage"]), (200, &json!("certificate")), "{told}");
}

/// Names an address on the public door, and sees the code.
pub(crate) async fn asks(stranger: &Browser, tenant: &str, email: &str) -> Page {
    let page = stranger.open(&format!("/expired/{tenant}/")).await;
    page.must_say("close the browser completely and open it again");
    let page = stranger.submit(&page, "/ask", &[("email", email)]).await;
    page.must_say("Call us and read out this number");
    page
}

/// From the code to the desk's release. Returns the page after it.
pub(crate) async fn is_released(agent: &Browser, stranger: &Browser, page: &Page, who: &str) -> Page {
    let case = types_code(agent, who, &page.digits()).await;
    case.must_say("The code was right").must_say("renewal of an expired certificate: no device is shown");
    let word = word_of(&case);
    let page = stranger.open(&page.path).await;
    page.must_say("Which word did our colleague say to you?");
    stranger.submit(&page, "/word", &[("word", &word)]).await.must_say("That is the right word");
    let case = agent.open(&case.path_of_case()).await;
    releases(agent, &case).await.must_say("the renewal is released");
    stranger.open(&page.path).await
}

/// The import password that a page shows.
pub(crate) fn import_password(page: &Page) -> String {
    let rest = page.html.split_once("id=\"import-password\">").expect("an import password").1;
    rest.split_once("</p>").unwrap().0.replace("<span>", "").replace("</span>", "")
}
