//! What a payer does: sends a payment, looks at the page, approves on the phone, and goes on.

use axum::body::Body;
use http::Request;
use serde_json::Value;

use super::browser::Browser;
use super::page::Page;
use super::phone::Phone;
use super::wire::Answer;

/// Of the payment that is sent.
pub(crate) const TARGET: &str = "/payments/new?from=lake&from=%C3%A9";

/// Its form.
pub(crate) fn fields() -> Vec<(String, String)> {
    [("amount", "1200.00"), ("payee", "Müller & Söhne <AG>"), ("memo", "the-canary-of-the-body")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
}

/// Sends the form. Returns the page that comes.
pub(crate) async fn pays(client: &Browser) -> Page {
    let answer = client.send(client.posting(TARGET, &fields())).await;
    assert_eq!(answer.status, 303, "{}", answer.text());
    let page = answer.header("location").to_owned();
    assert!(page.starts_with("/.portcullis/confirm/"), "{page}");
    client.open(&page).await
}

/// Sends the form as a script does. Returns the problem.
pub(crate) async fn fetches(client: &Browser) -> Value {
    let answer = client.send(scripted(client, TARGET, "{\"amount\":\"1200.00\"}")).await;
    assert_eq!(answer.status, 428, "{}", answer.text());
    let problem = answer.problem();
    assert_eq!(problem["type"], "urn:portcullis:confirm", "{problem}");
    problem
}

/// A request as fetch() makes it.
pub(crate) fn scripted(client: &Browser, target: &str, body: &str) -> Request<Body> {
    Request::post(target)
        .header("origin", client.origin())
        .header("sec-fetch-site", "same-origin")
        .header("sec-fetch-mode", "cors")
        .header("sec-fetch-dest", "empty")
        .header("accept", "*/*")
        .header("content-type", "application/json")
        .body(Body::from(body.to_owned()))
        .unwrap()
}

/// What a script reads.
pub(crate) fn looked_at(path: &str) -> Request<Body> {
    Request::get(path)
        .header("sec-fetch-site", "same-origin")
        .header("sec-fetch-mode", "cors")
        .header("sec-fetch-dest", "empty")
        .header("accept", "application/json")
        .body(Body::empty())
        .unwrap()
}

/// A script's form.
pub(crate) fn posted(client: &Browser, path: &str, token: &str) -> Request<Body> {
    Request::post(path)
        .header("origin", client.origin())
        .header("sec-fetch-site", "same-origin")
        .header("sec-fetch-mode", "cors")
        .header("accept", "application/json")
        .header("content-type", "application/x-www-form-urlencoded;charset=UTF-8")
        .body(Body::from(format!("csrf={token}")))
        .unwrap()
}

/// The phone approves what the page waits for. Returns what it was asked.
pub(crate) async fn approves(phone: &Phone, waiting: &Page) -> Value {
    let question = phone.question().await;
    assert_eq!(question["purpose"], "confirm", "{question}");
    let (status, answer) = phone.approve(&question, &waiting.digits()).await;
    assert_eq!(status, 200, "{answer}");
    question
}

/// Sends the form of the page that says that the phone has confirmed.
pub(crate) async fn sends(client: &Browser, page: &Page) -> Answer {
    let form = page.form("/send");
    client.send(client.posting(&form.action, &form.hidden)).await
}

/// From the form to the backend's answer. Returns it with the page of the confirmation.
pub(crate) async fn pays_and_confirms(client: &Browser, phone: &Phone) -> (Answer, String) {
    let waiting = pays(client).await;
    approves(phone, &waiting).await;
    let confirmed = client.open(&waiting.path).await;
    confirmed.must_say("Your phone has confirmed it");
    (sends(client, &confirmed).await, waiting.path)
}

/// JSON of a script's answer.
pub(crate) fn said(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or_else(|_| panic!("{} {}", answer.status, answer.text()))
}

/// Waits until something is so.
pub(crate) async fn eventually(so: impl AsyncFn() -> bool) {
    let waits = async {
        while !so().await {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(super::PATIENCE, waits).await.expect("it comes about");
}
