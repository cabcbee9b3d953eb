//! Attacks on the square that pairs a phone: stolen, guessed, too old, raced by a thief's phone. The oracle is which
//! phones the store holds in the end.

use futures_util::future::join_all;
use portcullis::domain::phone::Phone as PairedPhone;
use portcullis::notify::{About, Notice};
use serde_json::Value;

use crate::support::PASSWORD;
use crate::support::browser::Browser;
use crate::support::desk::*;
use crate::support::faketime::Faketime;
use crate::support::gate::{Gate, Handed};
use crate::support::page::Page;
use crate::support::phone::text;
use crate::support::program::Program;

/// Anna's laptop, released, with the square on its screen.
pub(crate) async fn square(program: &Program, agent: &Browser, laptop: &Handed) -> (Browser, Page) {
    let client = program.browser("bank", laptop);
    let page = client.open("/").await;
    let page = calls_support(agent, &client, &page).await;
    page.must_say("Point your phone’s camera");
    (client, page)
}

/// The answer's code, where it was refused.
pub(crate) fn code((status, answer): (http::StatusCode, Value)) -> String {
    if status == 200 { "yes".to_owned() } else { text(&answer, "code").to_owned() }
}

/// A square is good once and for five minutes; a second phone with it ends it for both; and a phone that
/// was faster than the owner's has nothing until the desktop has said yes to its two words.
#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_square_pairs_nothing() {
    let gate = Gate::open().await;
    let agent = sam(&gate).await;
    let laptop = anna(&gate).await;
    let Some(time) = Faketime::within(gate.folder.path(), "A-14") else { return };
    let mut program = Program::started_so(gate, time.start()).await;
    let (client, page) = square(&program, &agent, &laptop).await;
    let (phone, thief) = (program.phone(), program.phone());

    // Guessed: another secret does not even spoil it.
    let link = page.pairing_link();
    let (front, secret) = link.rsplit_once('.').unwrap();
    for n in 0..50 {
        assert_eq!(code(thief.begin(&format!("{front}.{}", rotated(secret, n + 1))).await), "gone");
    }
    // Too old.
    time.pass(&program, None, 301).await;
    assert_eq!(code(thief.begin(&link).await), "gone", "older than five minutes");
    let page = client.open("/.portcullis/sign-in/").await;
    let newer = page.pairing_link();
    assert_ne!(newer, link);
    // Replaced by a newer one.
    let page = client.submit(&page, "/square", &[]).await;
    assert_eq!(code(thief.begin(&newer).await), "gone", "replaced");

    // The thief first, up to the end; the owner's phone then tells on it, and neither is paired.
    let link = page.pairing_link();
    thief.scan(&link).await;
    let handle = thief.handle();
    assert_eq!(thief.call("GET", "/api/approvals", "").await.0, 401, "nothing before the yes");
    assert_eq!(code(phone.begin(&link).await), "contested");
    assert_eq!(thief.pairing_state().await, "contested");
    let page = client.open("/.portcullis/sign-in/").await;
    assert!(page.forms().iter().all(|form| !form.action.ends_with("/words")), "{}", page.words());
    let pairs = [page.form("/square").hidden, vec![("same".to_owned(), "yes".to_owned())]].concat();
    client.send(client.posting("/.portcullis/sign-in/words", &pairs)).await;
    assert_eq!((program.told_of("pairing.confirmed"), program.told_of("pairing.contested")), (0, 1));
    assert_eq!(thief.call_as(&handle, "GET", "/api/me", "").await.0, 401);

    // The owner first, the thief in between.
    let page = client.submit(&page, "/square", &[]).await;
    let link = page.pairing_link();
    assert_eq!(code(phone.begin(&link).await), "yes");
    assert_eq!(code(program.phone().begin(&link).await), "contested");
    assert_eq!(code(phone.begin(&link).await), "contested");

    // The thief alone: the words on the desktop are not those in the owner's hand, who says no.
    let page = client.open("/.portcullis/sign-in/").await;
    let page = client.submit(&page, "/square", &[]).await;
    let thief = program.phone();
    let words = thief.scan(&page.pairing_link()).await;
    let page = client.open("/.portcullis/sign-in/").await;
    assert_eq!(page.pair_words(), words);
    let page = client.submit(&page, "/words", &[("same", "no")]).await;
    assert_eq!(thief.pairing_state().await, "refused");
    assert_eq!(thief.call("GET", "/api/me", "").await.0, 401);

    // Nor can another browser with the same certificate say yes in the owner's place.
    let page = client.submit(&page, "/square", &[]).await;
    let thief = program.phone();
    thief.scan(&page.pairing_link()).await;
    let other = program.browser("bank", &laptop);
    let elsewhere = other.open("/").await;
    elsewhere.must_say("Call us and read out this number");
    let pairs = [elsewhere.form("/code").hidden, vec![("same".to_owned(), "yes".to_owned())]].concat();
    other.send(other.posting("/.portcullis/sign-in/words", &pairs)).await;
    assert_eq!(program.told_of("pairing.confirmed"), 0);
    assert_eq!(thief.call("GET", "/api/me", "").await.0, 401);
    assert_eq!(program.stop(), Some(0));
    assert_eq!(program.kept::<PairedPhone>().await.len(), 0);
}

fn rotated(secret: &str, by: usize) -> String {
    let letters = "abcdefghijklmnopqrstuvwxyz234567";
    let first = letters.find(&secret[..1]).unwrap();
    let last = letters.chars().nth((first + by) % 32).unwrap();
    if by.is_multiple_of(32) { format!("{}a", &secret[1..]) } else { format!("{last}{}", &secret[1..]) }
}

/// Who has a phone pairs no second one by a square; the yes counts once, however often it is said; the desk's
/// release stands beside the phone, and every address of its owner is told.
#[tokio::test(flavor = "multi_thread")]
async fn a_square_is_spent_by_one_yes() {
    let gate = Gate::open().await;
    let agent = sam(&gate).await;
    let laptop = anna(&gate).await;
    let mut program = Program::instead_of(gate).await;
    let (client, page) = square(&program, &agent, &laptop).await;
    let phone = program.phone();
    let link = page.pairing_link();
    phone.scan(&link).await;
    let page = client.open("/.portcullis/sign-in/").await;
    let form = page.form("/words");
    let pairs = [form.hidden, vec![("same".to_owned(), "yes".to_owned())]].concat();
    let says = (0..20).map(|_| client.wire.send(&client.host, dressed(&client, &form.action, &pairs)));
    let answers = join_all(says).await;
    let new: Vec<_> = answers.iter().filter(|answer| !answer.header("set-cookie").is_empty()).collect();
    assert_eq!(new.len(), 1, "one yes, one new session");
    client.take_up(new[0]);
    assert_eq!(program.told_of("pairing.confirmed"), 1);
    assert_eq!(phone.pairing_state().await, "confirmed");

    let thief = program.phone();
    assert_eq!(code(thief.begin(&link).await), "gone");
    let page = client.open("/.portcullis/sign-in/").await;
    page.must_say("Choose a password only you know");
    let hidden = page.form("/new-password").hidden;
    let opened = program.told_of("pairing.opened");
    for step in ["square", "words"] {
        client.send(client.posting(&format!("/.portcullis/sign-in/{step}"), &hidden)).await;
    }
    chooses_password(&client, &page, PASSWORD).await.must_say("the bank's own page");
    assert_eq!((program.told_of("pairing.opened"), program.told_of("pairing.confirmed")), (opened, 1));
    assert_eq!(program.stop(), Some(0));
    let paired = program.kept::<PairedPhone>().await;
    assert_eq!(paired.len(), 1, "{paired:?}");
    assert_eq!(paired[0].released_by.as_deref(), Some("person:staff/sam"));
    let told = program.kept::<Notice>().await;
    let of_phone: Vec<_> = told.iter().filter(|one| matches!(one.about, About::PhonePaired { .. })).collect();
    assert_eq!(of_phone.len(), 1, "{told:?}");
    assert_eq!(of_phone[0].to, ["anna@bank.example"]);
}

fn dressed(client: &Browser, action: &str, pairs: &[(String, String)]) -> http::Request<axum::body::Body> {
    let mut request = client.posting(action, pairs);
    client.dress(&mut request);
    request
}
