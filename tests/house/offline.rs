//! A phone without a network: the question as a square, eight characters typed on the desktop.

use portcullis::audit::Event;
use portcullis::domain::phone::Phone;
use portcullis::domain::tenant::{SyncedPasskeys, Tenant};

use crate::support::PASSWORD;
use crate::support::browser::{Browser, navigation};
use crate::support::desk::*;
use crate::support::gate::Gate;
use crate::support::page::Page;

/// Signs out, and comes back as far as the page that waits for the phone.
async fn waits(client: &Browser) -> Page {
    client.send(client.posting("/.portcullis/sign-out", &[])).await;
    let page = client.open("/accounts").await;
    client.submit(&page, "/password", &[("password", PASSWORD)]).await
}

fn other(answer: &str) -> String {
    let first = if answer.starts_with('7') { '8' } else { '7' };
    format!("{first}{}", &answer[1..])
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_characters_from_the_phone_let_the_waiting_session_in() {
    let gate = Gate::open().await;
    let (client, phone, laptop) = anna_inside(&gate).await;
    let waiting = waits(&client).await;
    waiting.must_say("My phone is offline");
    let page = client.submit(&waiting, "/offline", &[]).await;
    page.must_say("Let your phone read this square");
    let question = phone.question().await;
    let square = page.square();
    assert!(square.contains(question["id"].as_str().unwrap()) && !square.contains(&waiting.digits()));
    let answer = phone.reads(&square);
    assert!(!page.html.contains(&answer), "the answer stands on the phone alone");

    // Not what a phone shows: said, not counted.
    let page = client.submit(&page, "/answer", &[("answer", "1234")]).await;
    page.must_say("all eight characters");
    // Another session of the same certificate takes nothing up.
    let elsewhere = gate.browser("bank", &laptop);
    let theirs = elsewhere.open("/").await;
    let theirs = elsewhere.submit(&theirs, "/password", &[("password", PASSWORD)]).await;
    assert_ne!(theirs.digits(), waiting.digits());
    client.open("/.portcullis/sign-in/").await.must_say("A newer question took this one’s place");
    let again = client.open("/.portcullis/sign-in/").await;
    let waiting = client.submit(&again, "/phone", &[]).await;
    let page = client.submit(&waiting, "/offline", &[]).await;
    assert!(!page.square().contains(question["id"].as_str().unwrap()));

    // An answer is for its own question: the one read before opens nothing here.
    let wrong = client.submit(&page, "/answer", &[("answer", &answer)]).await;
    wrong.must_say("other characters");
    assert_eq!(gate.told(Event::ApprovalWrongDigits).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_right_answer_is_taken_however_it_is_typed_and_once() {
    let gate = Gate::open().await;
    let (client, phone, _) = anna_inside(&gate).await;
    let waiting = waits(&client).await;
    let page = client.submit(&waiting, "/offline", &[]).await;
    let answer = phone.reads(&page.square()).to_lowercase();
    let typed = format!("{} {}", &answer[..4], &answer[4..]);
    let form = page.form("/answer");
    let pairs = [form.hidden.clone(), vec![("answer".to_owned(), typed)]].concat();
    let tries = (0..20).map(|_| client.send(client.posting(&form.action, &pairs)));
    futures_util::future::join_all(tries).await;
    client.open("/.portcullis/sign-in/").await.must_say("the bank's own page at /accounts");
    let approved = gate.trail().await.into_iter().filter(|one| one.what == Event::ApprovalApproved);
    let offline = approved.filter(|one| one.details.iter().any(|(name, _)| name == "way")).count();
    assert_eq!(offline, 1, "of twenty at once one counts");
    gate.must_verify().await;
}

/// three tries a question, five in a row, whichever questions they are for.
#[tokio::test(flavor = "multi_thread")]
async fn guesses_are_counted_over_questions() {
    let gate = Gate::open().await;
    let (client, phone, _) = anna_inside(&gate).await;
    let mut page = client.submit(&waits(&client).await, "/offline", &[]).await;
    let answer = phone.reads(&page.square());
    for said in ["other characters", "other characters", "was another one"] {
        gate.wait(4);
        page = client.submit(&page, "/answer", &[("answer", &other(&answer))]).await;
        page.must_say(said);
    }
    let again = client.submit(&page, "/phone", &[]).await;
    page = client.submit(&again, "/offline", &[]).await;
    for said in ["other characters", "Your phone is blocked"] {
        gate.wait(8);
        page = client.submit(&page, "/answer", &[("answer", &other(&answer))]).await;
        if said.starts_with("Your") {
            page = client
                .submit(
                    &client.open("/.portcullis/sign-in/offline/").await,
                    "/answer",
                    &[("answer", &answer)],
                )
                .await;
        }
        page.must_say(said);
    }
    // The phone itself still answers, and a right answer of it opens both ways again.
    let waiting = client.open("/.portcullis/sign-in/").await;
    assert_eq!(phone.approve(&phone.question().await, &waiting.digits()).await.0, 200);
    client.open("/.portcullis/sign-in/").await.must_say("the bank's own page at /accounts");
    let page = client.submit(&waits(&client).await, "/offline", &[]).await;
    page.must_say("Let your phone read this square");
}

/// No other session's question, no payment, nobody without the password.
#[tokio::test(flavor = "multi_thread")]
async fn a_square_is_shown_to_the_session_that_asked() {
    let gate = Gate::open().await;
    let (client, _, laptop) = anna_inside(&gate).await;
    let page = client.submit(&waits(&client).await, "/offline", &[]).await;
    page.must_say("Let your phone read this square");
    let stranger = gate.browser("bank", &laptop);
    stranger.open("/").await.must_say("Your password");
    let answer = stranger.send(navigation("/.portcullis/sign-in/offline/")).await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (303, "/.portcullis/sign-in/"));
}

/// What lasts is not opened so: the settings' own questions have no square, whoever asks for one.
#[tokio::test(flavor = "multi_thread")]
async fn a_square_opens_nothing_that_lasts() {
    let gate = Gate::open().await;
    let (client, phone, _) = anna_inside(&gate).await;
    let page = client.open("/.portcullis/settings/recovery/").await;
    let waiting = client.submit(&page, "/ask", &[]).await;
    waiting.must_say("Type this number on your phone");
    assert!(!waiting.html.contains("/sign-in/offline"), "no way to a square");
    assert_eq!(phone.question().await["purpose"], "recovery-codes");
    let csrf = waiting.form("/cancel").hidden;
    let asked = client.send(client.posting("/.portcullis/sign-in/offline", &csrf)).await;
    assert_eq!((asked.status.as_u16(), asked.header("location")), (303, "/.portcullis/sign-in/"));
    assert_eq!(gate.told(Event::ApprovalOffline).await, 0);
}

/// Where a tenant refuses keys that may be copied, such a phone answers nothing, without a network neither.
#[tokio::test(flavor = "multi_thread")]
async fn a_phone_that_is_refused_has_no_square() {
    let gate = Gate::open().await;
    let (client, _, _) = anna_inside(&gate).await;
    let phone = gate.all::<Phone>().await.into_iter().find(|one| one.person.as_str() == "anna").unwrap();
    gate.put(&Phone { backup_eligible: true, ..phone }).await;
    let waiting = waits(&client).await;
    let csrf = waiting.form("/offline").hidden;
    let bank = gate.all::<Tenant>().await.into_iter().find(|one| one.id.as_str() == "bank").unwrap();
    gate.put(&Tenant { synced_passkeys: SyncedPasskeys::Refuse, ..bank }).await;
    client.send(client.posting("/.portcullis/sign-in/offline", &csrf)).await;
    assert_eq!(gate.told(Event::ApprovalOffline).await, 0);
    assert!(!client.open("/.portcullis/sign-in/").await.html.contains("/sign-in/offline"));
}
