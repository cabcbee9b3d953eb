//! What else can happen around a first visit: another device, another browser, a wrong word, a visit
//! that broke off, an agent who issued the device, a phone that says no.

use portcullis::audit::{Event, Outcome};
use portcullis::domain::device::{Device, DeviceState};

use crate::support::PASSWORD;
use crate::support::desk::*;
use crate::support::gate::Gate;

#[tokio::test(flavor = "multi_thread")]
async fn a_second_device_gets_neither_square_nor_new_password() {
    let gate = Gate::open().await;
    let agent = sam(&gate).await;
    let laptop = anna(&gate).await;
    let (_, phone) = first_visit(&gate, &agent, &laptop).await;
    let tablet = gate.device("bank", "anna", "tablet").await;
    let client = gate.browser("bank", &tablet);
    let page = client.open("/").await;
    page.must_say("Call us and read out this number");
    let page = calls_support(&agent, &client, &page).await;
    page.must_say("Your password");
    // Forms of pages that were not shown do nothing.
    let mut hidden = page.form("/password").hidden;
    hidden.retain(|(name, _)| name == "csrf");
    let typed =
        [hidden.clone(), vec![("password".to_owned(), "another good passphrase entirely".to_owned())]]
            .concat();
    for action in ["new-password", "square", "words"] {
        let answer = client.send(client.posting(&format!("/.portcullis/sign-in/{action}"), &typed)).await;
        assert!(answer.status == 303 || answer.status == 400, "{action}: {}", answer.text());
    }
    assert_eq!((gate.told(Event::PairingOpened).await, gate.told(Event::PasswordSet).await), (1, 1));

    let page = client.submit(&page, "/password", &[("password", PASSWORD)]).await;
    page.must_say("a new device is being added: tablet");
    let question = phone.question().await;
    assert_eq!(question["purpose"], "new-device");
    assert_eq!(question["device"], "tablet");
    let (status, answer) = phone.approve(&question, &page.digits()).await;
    assert_eq!(status, 200, "{answer}");
    client.open("/.portcullis/sign-in/").await.must_say("the bank's own page");
    client.send(client.posting("/.portcullis/sign-out", &[])).await;
    let page = client.open("/").await;
    client.submit(&page, "/password", &[("password", PASSWORD)]).await;
    assert_eq!(phone.question().await["purpose"], "sign-in", "from now on it is known");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visit_that_broke_off_after_pairing_resumes_by_an_approval() {
    let gate = Gate::open().await;
    let agent = sam(&gate).await;
    let laptop = anna(&gate).await;
    let client = gate.browser("bank", &laptop);
    let page = client.open("/").await;
    let page = calls_support(&agent, &client, &page).await;
    let phone = gate.phone();
    pairs(&client, &phone, &page).await.must_say("Choose a password only you know");
    client.forget_cookies();
    let page = client.open("/accounts").await;
    let question = phone.question().await;
    assert_eq!(question["purpose"], "resume-first-visit");
    let (status, answer) = phone.approve(&question, &page.digits()).await;
    assert_eq!(status, 200, "{answer}");
    let page = client.open("/.portcullis/sign-in/").await;
    page.must_say("Choose a password only you know");
    let page = chooses_password(&client, &page, PASSWORD).await;
    page.must_say("the bank's own page at /accounts");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_browser_with_the_same_certificate_gets_its_own_code_and_an_alarm() {
    let gate = Gate::open().await;
    let agent = sam(&gate).await;
    let laptop = anna(&gate).await;
    let first = gate.browser("bank", &laptop);
    let second = gate.browser("bank", &laptop);
    let code = first.open("/").await.digits();
    let page = second.open("/").await;
    page.must_say("Another browser came with the same certificate.");
    first.open("/.portcullis/sign-in/").await.must_say("Call +41 44 555 01 77");
    agent.open("/").await.must_say("another browser came too");
    assert_eq!(gate.told(Event::EnrolmentReplaced).await, 1);
    if code != page.digits() {
        types_code(&agent, "anna", &code).await.must_say("That code is not right for this person");
    }
    // Released, it is released for the second browser alone: the first pairs no phone.
    calls_support(&agent, &second, &page).await.must_say("Point your phone’s camera");
    let third = gate.browser("bank", &laptop);
    third.open("/").await.must_say("Call us and read out this number");
    second.open("/.portcullis/sign-in/").await.must_say("Call +41 44 555 01 77");
    assert_eq!(gate.told(Event::PairingOpened).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_word_ends_the_visit_and_tells_the_agent() {
    let gate = Gate::open().await;
    let agent = sam(&gate).await;
    let laptop = anna(&gate).await;
    let client = gate.browser("bank", &laptop);
    let page = client.open("/").await;
    let case = types_code(&agent, "anna", &page.digits()).await;
    releases(&agent, &case).await.must_say("The caller has not chosen your word yet");
    let page = client.open("/.portcullis/sign-in/").await;
    client.submit(&page, "/word", &[("word", "none")]).await.must_say("Call +41 44 555 01 77");
    agent.open(&case.path_of_case()).await.must_say("The caller chose another word");
    let after = releases(&agent, &case).await;
    assert_ne!(after.title(), "Anna Muster: the device is released");
    let devices = gate.all::<Device>().await;
    assert!(devices.iter().all(|device| device.state != DeviceState::Released), "{devices:?}");
    assert_eq!((gate.told(Event::WordWrong).await, gate.told(Event::DeviceReleased).await), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_turns_a_caller_away() {
    let gate = Gate::open().await;
    let agent = sam(&gate).await;
    let laptop = anna(&gate).await;
    let client = gate.browser("bank", &laptop);
    let page = client.open("/").await;
    let case = types_code(&agent, "anna", &page.digits()).await;
    agent.submit(&case, "/reject", &[("why", "did not know the account")]).await.must_say("Turned away");
    client.open("/.portcullis/sign-in/").await.must_say("Call +41 44 555 01 77");
    let trail = gate.trail().await;
    let line = trail.iter().find(|line| line.what == Event::DeviceRejected).unwrap();
    assert!(line.details.values().any(|text| text == "did not know the account"), "{line:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_issued_a_device_does_not_release_it() {
    let gate = Gate::open().await;
    let agent = sam(&gate).await;
    let colleague = staff(&gate, "sue", "Sue Support", &[portcullis::domain::person::Role::Support]).await;
    gate.person("bank", "anna", "Anna Muster", &[]).await;
    let laptop = gate.device_by("person:staff/sam", "bank", "anna", "laptop").await;
    let client = gate.browser("bank", &laptop);
    let page = client.open("/").await;
    types_code(&agent, "anna", &page.digits()).await.must_say("so a colleague must release it");
    let trail = gate.trail().await;
    let refused = |line: &&portcullis::audit::Numbered| {
        line.who == "person:staff/sam"
            && matches!(&line.outcome, Outcome::Refused(why) if why.contains("four eyes"))
    };
    assert_eq!(trail.iter().filter(refused).count(), 1);
    assert_eq!(gate.told(Event::DeviceReleased).await, 0);
    // The code stays right for a colleague.
    calls_support(&colleague, &client, &page).await.must_say("Point your phone’s camera");
}

#[tokio::test(flavor = "multi_thread")]
async fn not_me_ends_every_session_and_says_so() {
    let gate = Gate::open().await;
    let (client, phone, laptop) = anna_inside(&gate).await;
    let elsewhere = gate.browser("bank", &laptop);
    let page = elsewhere.open("/").await;
    let page = elsewhere.submit(&page, "/password", &[("password", PASSWORD)]).await;
    page.must_say("Type this number on your phone");
    let question = phone.question().await;
    let (status, answer) = phone.not_me(&question).await;
    assert_eq!(status, 200, "{answer}");
    let told = gate.all::<portcullis::notify::Notice>().await;
    let told = told.iter().filter(|one| matches!(one.about, portcullis::notify::About::NotMe { .. }));
    assert_eq!(told.count(), 1, "every address of the person hears of it");
    elsewhere.open("/.portcullis/sign-in/").await.must_say("We have stopped it. Nobody is signed in.");
    gate.backend.forget();
    client.open("/").await.must_say("We have stopped it. Nobody is signed in.");
    assert_eq!(gate.backend.bytes(), 0);
    assert_eq!(gate.told(Event::ApprovalDenied).await, 1);
    let (status, _) = phone.approve(&question, &page.digits()).await;
    assert_eq!(status, 403, "nothing is heard of a frozen phone");
    crate::not_me::opened_again(&gate).await;
    client.open("/").await.must_say("Your password");
    let (status, _) = phone.approve(&question, &page.digits()).await;
    assert_eq!(status, 409, "no yes after a no");
}

#[tokio::test(flavor = "multi_thread")]
async fn three_wrong_digits_end_the_question() {
    let gate = Gate::open().await;
    let (client, phone, _) = anna_inside(&gate).await;
    client.send(client.posting("/.portcullis/sign-out", &[])).await;
    let page = client.open("/").await;
    let page = client.submit(&page, "/password", &[("password", PASSWORD)]).await;
    let right = page.digits();
    let wrong = if right == "000000" { "000001" } else { "000000" };
    let question = phone.question().await;
    for left in [2, 1, 0] {
        gate.wait(2);
        let (status, answer) = phone.approve(&question, wrong).await;
        assert_eq!((status.as_u16(), answer["left"].as_i64()), (422, Some(left)), "{answer}");
    }
    assert_eq!(phone.approve(&question, &right).await.0, 409, "over, even with the right ones");
    let page = client.open("/.portcullis/sign-in/").await;
    assert_eq!(phone.questions().await.len(), 0);
    let page = client.submit(&page, "/phone", &[]).await;
    gate.wait(4);
    let (status, answer) = phone.approve(&phone.question().await, &page.digits()).await;
    assert_eq!(status, 200, "{answer}");
    client.open("/.portcullis/sign-in/").await.must_say("the bank's own page");
    gate.must_verify().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn words_that_differ_pair_no_phone() {
    let gate = Gate::open().await;
    let agent = sam(&gate).await;
    let laptop = anna(&gate).await;
    let client = gate.browser("bank", &laptop);
    let page = client.open("/").await;
    let page = calls_support(&agent, &client, &page).await;
    let (phone, thief) = (gate.phone(), gate.phone());
    let link = page.pairing_link();
    phone.scan(&link).await;
    assert_ne!(thief.begin(&link).await.0, 200, "a secret is good once");
    let page = client.open("/.portcullis/sign-in/").await;
    let page = if page.forms().iter().any(|form| form.action.ends_with("/words")) {
        client.submit(&page, "/words", &[("same", "no")]).await
    } else {
        page
    };
    assert_eq!(gate.told(Event::PairingConfirmed).await, 0);
    let page = client.submit(&page, "/square", &[]).await;
    let phone = gate.phone();
    pairs(&client, &phone, &page).await.must_say("Choose a password only you know");
}

/// Who has the client on the telephone and the case before them sees that both are the same visit, and finds it in the trail.
#[tokio::test(flavor = "multi_thread")]
async fn the_client_reads_out_the_number_that_the_desk_sees() {
    let gate = Gate::open().await;
    let agent = sam(&gate).await;
    let laptop = anna(&gate).await;
    let client = gate.browser("bank", &laptop);
    let page = client.open("/").await;
    let case = types_code(&agent, "anna", &page.digits()).await;
    let (_, rest) = case.html.split_once("<dt>Visit</dt><dd class=\"number\">").expect("a visit");
    let number = rest.split('<').next().unwrap();
    assert!(!page.says(number), "not beside the digits that are read out");
    let page = client.open("/.portcullis/sign-in/").await;
    page.must_say(&format!("Our colleague sees this visit as number {number}"));
    let right = client.submit(&page, "/word", &[("word", &word_of(&case))]).await;
    right.must_say(&format!("Our colleague sees this visit as number {number}"));
    agent.submit(&case, "/reject", &[("why", "not herself")]).await;
    client
        .open("/.portcullis/sign-in/")
        .await
        .must_say(&format!("When you call, please read out the number {number}"));
    let trail = gate.trail().await;
    let rejected = trail.iter().find(|line| line.what == Event::DeviceRejected).expect("it is written down");
    assert_eq!(rejected.details["enrolment"], number);
}
