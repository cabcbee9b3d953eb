//! Pages that move on by themselves: what changes between a page and the opening of its stream is told at once,
//! what the page has seen never is, and what concerns somebody else neither.

use std::time::Duration;

use http_body_util::BodyExt;

use crate::support::PATIENCE;
use crate::support::browser::{Browser, COOKIE, navigation};
use crate::support::desk::*;
use crate::support::gate::Gate;
use crate::support::lost::waits_for_the_phone;
use crate::support::page::Page;

/// The stream of a page, just opened.
struct Stream(hyper::body::Incoming);

impl Stream {
    async fn of(browser: &Browser, page: &Page) -> Self {
        Self::at(browser, &page.events()).await
    }

    async fn at(browser: &Browser, address: &str) -> Self {
        let mut request = navigation(address);
        browser.dress(&mut request);
        let sni = browser.host.split(':').next().unwrap();
        let response = browser.wire.h1(sni).await.send_request(request).await.unwrap();
        assert_eq!(response.status(), 200, "{address}");
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self(response.into_body())
    }

    /// What it tells next; `None` where it tells nothing for a while.
    async fn next(&mut self, patience: Duration) -> Option<String> {
        let frame = tokio::time::timeout(patience, self.0.frame()).await.ok()?;
        let data = frame.expect("the stream goes on").unwrap().into_data().unwrap();
        let text = String::from_utf8(data.to_vec()).unwrap();
        Some(text.lines().next()?.trim_start_matches("event: ").to_owned())
    }

    async fn must_tell(&mut self, what: &str) {
        assert_eq!(self.next(PATIENCE).await.as_deref(), Some(what));
    }

    async fn must_be_silent(&mut self) {
        assert_eq!(self.next(Duration::from_millis(300)).await, None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_that_is_faster_than_the_stream_moves_the_square_on() {
    let gate = Gate::open().await;
    let agent = sam(&gate).await;
    let handed = anna(&gate).await;
    let client = gate.browser("bank", &handed);
    let page = client.open("/").await;
    let square = calls_support(&agent, &client, &page).await;
    Stream::of(&client, &square).await.must_be_silent().await;

    let phone = gate.phone();
    let words = phone.scan(&square.pairing_link()).await;
    let without = square.events().split('?').next().unwrap().to_owned();
    Stream::at(&client, &without).await.must_be_silent().await;
    Stream::of(&client, &square).await.must_tell("moved").await;
    let page = client.open("/.portcullis/sign-in/").await;
    assert_eq!(page.pair_words(), words);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_square_that_is_gone_has_moved_and_another_person_s_has_nothing_to_do_with_it() {
    let gate = Gate::open().await;
    let agent = sam(&gate).await;
    let handed = anna(&gate).await;
    let client = gate.browser("bank", &handed);
    let page = client.open("/").await;
    let square = calls_support(&agent, &client, &page).await;
    let mut open = Stream::of(&client, &square).await;

    // Ben pairs his phone meanwhile, from the square to the yes.
    gate.person("bank", "ben", "Ben Muster", &[]).await;
    first_visit(&gate, &agent, &gate.device("bank", "ben", "desktop").await).await;
    open.must_be_silent().await;
    Stream::of(&client, &square).await.must_be_silent().await;

    // Anna has a new square made in another window: the record of the old one goes.
    let anew = client.submit(&square, "/square", &[]).await;
    assert_ne!(anew.pairing_link(), square.pairing_link());
    open.must_tell("moved").await;
    Stream::of(&client, &square).await.must_tell("moved").await;
    Stream::of(&client, &anew).await.must_be_silent().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_faster_than_the_stream_moves_the_page_on() {
    let gate = Gate::open().await;
    let (_, phone, handed) = anna_inside(&gate).await;
    let client = waits_for_the_phone(&gate, &handed).await;
    let waiting = client.open("/.portcullis/sign-in/").await;
    Stream::of(&client, &waiting).await.must_be_silent().await;
    let (status, answer) = phone.approve(&phone.question().await, &waiting.digits()).await;
    assert_eq!(status, 200, "{answer}");
    Stream::of(&client, &waiting).await.must_tell("moved").await;
    client.open("/.portcullis/sign-in/").await.must_say("the bank's own page at /accounts");

    // The same in the settings.
    let page = client.open("/.portcullis/settings/recovery/").await;
    let waiting = client.submit(&page, "/ask", &[]).await;
    Stream::of(&client, &waiting).await.must_be_silent().await;
    let (status, answer) = phone.approve(&phone.question().await, &waiting.digits()).await;
    assert_eq!(status, 200, "{answer}");
    Stream::of(&client, &waiting).await.must_tell("moved").await;
    client.open("/.portcullis/settings/recovery/").await.must_say("Keep these ten codes");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_page_of_each_step_has_seen_what_it_asked_itself() {
    let gate = Gate::open().await;
    let agent = sam(&gate).await;
    let handed = anna(&gate).await;
    let client = gate.browser("bank", &handed);
    let desk = agent.open("/").await;
    Stream::of(&agent, &desk).await.must_be_silent().await;

    let code = client.open("/").await;
    Stream::of(&client, &code).await.must_be_silent().await;
    Stream::of(&agent, &desk).await.must_tell("changed").await;
    let desk = agent.open("/").await;
    Stream::of(&agent, &desk).await.must_be_silent().await;
    types_code(&agent, "anna", &code.digits()).await.must_say("The code was right");
    Stream::of(&client, &code).await.must_tell("moved").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changed_before_a_restart_is_told_after_it() {
    let mut gate = Gate::open().await;
    let (_, phone, handed) = anna_inside(&gate).await;
    let client = waits_for_the_phone(&gate, &handed).await;
    let waiting = client.open("/.portcullis/sign-in/").await;
    let cookie = client.cookie().unwrap();
    let (status, answer) = phone.approve(&phone.question().await, &waiting.digits()).await;
    assert_eq!(status, 200, "{answer}");
    gate.restart().await;
    let client = gate.browser("bank", &handed);
    client.set_cookie(COOKIE, &cookie);
    Stream::of(&client, &waiting).await.must_tell("moved").await;
    let page = client.open("/.portcullis/sign-in/").await;
    page.must_say("Type this number on your phone");
    Stream::of(&client, &page).await.must_be_silent().await;
}
