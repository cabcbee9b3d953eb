//! Phones in the settings and at the desk: seen, named anew, one more paired, removed; each change with a phone's yes.

use portcullis::audit::Event;
use portcullis::domain::phone::Phone as Paired;
use portcullis::notify::{About, Notice};
use serde_json::Value;

use crate::support::browser::Browser;
use crate::support::desk::*;
use crate::support::gate::Gate;
use crate::support::page::Page;
use crate::support::phone::Phone;

pub(crate) const PHONES: &str = "/.portcullis/settings/phones/";
const CHANGE: &str = "/.portcullis/settings/phones/change/";
const PAIR: &str = "/.portcullis/settings/phones/pair/";

async fn paired(gate: &Gate) -> Vec<Paired> {
    let mut all: Vec<Paired> =
        gate.all::<Paired>().await.into_iter().filter(|it| it.person.as_str() == "anna").collect();
    all.sort_by_key(|it| it.paired);
    all
}

/// The phone agrees to what the page waits for. Returns the question and the page after it.
async fn agrees(client: &Browser, phone: &Phone, waiting: &Page) -> (Value, Page) {
    waiting.must_say("Type this number on your phone");
    let question = phone.question().await;
    let (status, answer) = phone.approve(&question, &waiting.digits()).await;
    assert_eq!(status, 200, "{answer}");
    (question, client.open(CHANGE).await)
}

/// Asks for another phone, in place of one or beside it. Returns the page with the square.
async fn another(client: &Browser, phone: &Phone, replaces: &str) -> Page {
    let page = client.open(&format!("{PHONES}new")).await;
    let waiting = client.submit(&page, "/phones/new", &[("replaces", replaces)]).await;
    let (question, page) = agrees(client, phone, &waiting).await;
    assert_eq!(question["purpose"], "pair-phone", "{question}");
    page.must_say("Point your new phone’s camera at this square");
    assert!(!page.says("your call counts"), "{}", page.words());
    page.must_say("Nothing has changed: your phones are as they were");
    page
}

/// From the square to the list.
async fn pairs_here(client: &Browser, new: &std::sync::Arc<Phone>, page: &Page) -> Page {
    let words = new.scan(&page.pairing_link()).await;
    let page = client.open(PAIR).await;
    assert_eq!(page.pair_words(), words, "{}", page.words());
    let page = client.submit(&page, "/words", &[("same", "yes")]).await;
    assert_eq!(new.pairing_state().await, "confirmed");
    page.must_say("Your phones");
    page
}

async fn told(gate: &Gate, about: impl Fn(&About) -> bool) -> usize {
    gate.all::<Notice>().await.iter().filter(|one| about(&one.about)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_phone_is_paired_answers_and_removes_the_first() {
    let gate = Gate::open().await;
    let (client, first, _) = anna_inside(&gate).await;
    let list = client.open(PHONES).await;
    list.must_say("Android phone").must_say("may be copied to your other devices").must_say("not yet");
    let old = paired(&gate).await.remove(0);
    let page = client.open(&format!("{PHONES}of/{}/remove", old.id)).await;
    page.must_say("This is your only phone");

    gate.wait(1);
    let square = another(&client, &first, "").await;
    assert_eq!(paired(&gate).await.len(), 1, "nothing is paired before the words");
    let second = gate.phone();
    pairs_here(&client, &second, &square).await;
    assert_eq!(paired(&gate).await.len(), 2);
    assert_eq!(told(&gate, |about| matches!(about, About::PhonePaired { .. })).await, 2);
    assert_eq!(client.open(PAIR).await.must_say("Your phones").status, 200, "a yes is good for one phone");

    // Either phone answers; the question names what is changed.
    let page = client.open(&format!("{PHONES}of/{}/rename", old.id)).await;
    let waiting = client.submit(&page, "/rename", &[("name", "Old\nphone")]).await;
    assert_eq!(first.questions().await.len(), 1);
    let (question, page) = agrees(&client, &second, &waiting).await;
    assert_eq!(question["rows"][0]["value"], "Android phone", "{question}");
    assert_eq!(question["rows"][1]["value"], "Oldphone", "{question}");
    page.must_say("Oldphone");
    assert_eq!(gate.told(Event::PhoneRenamed).await, 1);

    let page = client.open(&format!("{PHONES}of/{}/remove", old.id)).await;
    page.must_say("Remove Oldphone");
    let waiting = client.submit(&page, "/remove", &[]).await;
    let (question, page) = agrees(&client, &second, &waiting).await;
    assert_eq!(
        (&question["purpose"], &question["rows"][0]["value"]),
        (&"remove-phone".into(), &"Oldphone".into())
    );
    assert!(!page.says("Oldphone"), "{}", page.words());
    assert_eq!(paired(&gate).await.len(), 1);
    let (status, answer) = first.call("GET", "/api/me", "").await;
    assert_eq!((status.as_u16(), answer["code"].as_str()), (401, Some("removed-owner")), "{answer}");
    assert!(answer["at"].is_i64(), "{answer}");
    assert_eq!(told(&gate, |about| matches!(about, About::PhoneRemoved { by_support: false, .. })).await, 1);

    client.send(client.posting("/.portcullis/sign-out", &[])).await;
    client.forget_cookies();
    later_visit(&client, &second, "/").await.must_say("the bank's own page");
    gate.must_verify().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_that_takes_anothers_place_ends_its_key_with_the_yes() {
    let gate = Gate::open().await;
    let (client, first, _) = anna_inside(&gate).await;
    let old = paired(&gate).await.remove(0);
    let square = another(&client, &first, old.id.as_str()).await;
    let second = gate.phone();
    let words = second.scan(&square.pairing_link()).await;
    assert_eq!(first.call("GET", "/api/me", "").await.0, 200, "it answers until the words are compared");
    let page = client.open(PAIR).await;
    assert_eq!(page.pair_words(), words);
    client.submit(&page, "/words", &[("same", "yes")]).await.must_say("Your phones");
    let now = paired(&gate).await;
    assert_eq!(now.len(), 1);
    assert_ne!(now[0].id, old.id);
    let (status, answer) = first.call("GET", "/api/me", "").await;
    assert_eq!((status.as_u16(), answer["code"].as_str()), (401, Some("removed-replaced")), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_words_of_a_further_phone_change_nothing() {
    let gate = Gate::open().await;
    let (client, first, _) = anna_inside(&gate).await;
    let square = another(&client, &first, "").await;
    gate.phone().scan(&square.pairing_link()).await;
    let page = client.open(PAIR).await;
    let page = client.submit(&page, "/words", &[("same", "no")]).await;
    page.must_say("the new phone was not paired")
        .must_say("you are still signed in")
        .must_say("Show a new square");
    assert!(page.html.contains("href=\"/.portcullis/settings/phones/\""), "{}", page.html);
    assert_eq!(paired(&gate).await.len(), 1);
    let square = client.submit(&page, "/square", &[]).await;
    pairs_here(&client, &gate.phone(), &square).await;
}

/// Nothing is there yet to recover by: support takes the phone off, and the first visit begins anew.
#[tokio::test(flavor = "multi_thread")]
async fn who_loses_the_phone_before_the_first_password_is_led_to_support() {
    let gate = Gate::open().await;
    let agent = sam(&gate).await;
    let laptop = anna(&gate).await;
    let client = gate.browser("bank", &laptop);
    let page = client.open("/").await;
    let page = calls_support(&agent, &client, &page).await;
    pairs(&client, &gate.phone(), &page).await.must_say("Choose a password only you know");
    client.forget_cookies();
    let waiting = client.open("/").await;
    waiting.must_say("Type this number on your phone");
    gate.wait(121);
    let late = client.open("/.portcullis/sign-in/").await;
    late.must_say("Your phone did not answer in time");
    for page in [&waiting, &late] {
        page.must_say("I do not have my phone")
            .must_say("we switch it off at once, and help you to pair another one");
        page.must_say("+41 44 555 01 77");
        assert!(!page.html.contains("/lost-phone/"), "it would lead back here: {}", page.html);
        assert_eq!(page.html.matches("I do not have my phone").count(), 1);
    }
    let lost = paired(&gate).await.remove(0);
    let page = agent.open(&format!("/people/bank/anna/phones/{}/remove", lost.id)).await;
    agent.submit(&page, "/remove", &[("name", "Anna Muster"), ("reason", "lost")]).await;
    assert!(paired(&gate).await.is_empty());
    let page = client.open("/.portcullis/sign-in/").await;
    page.must_say("Call us and read out this number");
    let page = calls_support(&agent, &client, &page).await;
    let page = pairs(&client, &gate.phone(), &page).await;
    chooses_password(&client, &page, crate::support::PASSWORD).await.must_say("the bank's own page");
    gate.must_verify().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn support_removes_a_phone_but_never_the_last() {
    let gate = Gate::open().await;
    let agent = sam(&gate).await;
    let laptop = anna(&gate).await;
    let (client, first) = first_visit(&gate, &agent, &laptop).await;
    let old = paired(&gate).await.remove(0);
    let at = format!("/people/bank/anna/phones/{}/remove", old.id);
    let page = agent.open(&at).await;
    let fields = [("name", "Anna Muster"), ("reason", "lost")];
    agent.submit(&page, "/remove", &fields).await.must_say("the only phone");
    assert_eq!(paired(&gate).await.len(), 1);

    let square = another(&client, &first, "").await;
    let second = gate.phone();
    pairs_here(&client, &second, &square).await;
    agent.open("/people/bank/anna").await.must_say("Remove").must_say("copied by its maker's cloud");
    let page = agent.open(&at).await;
    agent.submit(&page, "/remove", &[("name", "Anna"), ("reason", "lost")]).await.must_say("exactly");
    agent.submit(&page, "/remove", &fields).await;
    assert_eq!(paired(&gate).await.len(), 1);
    let (_, answer) = first.call("GET", "/api/me", "").await;
    assert_eq!(answer["code"], "removed-support", "{answer}");
    assert_eq!(told(&gate, |about| matches!(about, About::PhoneRemoved { by_support: true, .. })).await, 1);
    let line = gate.trail().await.into_iter().rfind(|line| line.what == Event::PhoneRemoved).unwrap();
    assert_eq!(line.who, "person:staff/sam");
    assert_eq!(line.details["why"], "It is lost or stolen");
    assert_eq!(second.call("GET", "/api/me", "").await.0, 200);
}
