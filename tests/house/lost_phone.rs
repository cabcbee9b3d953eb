//! A lost phone, both ways to the end: by a recovery code, and by support with two agents.

use std::time::Duration;

use portcullis::audit::{Event, Outcome};
use portcullis::console::command::{Command, code};
use portcullis::domain::enrolment::Enrolment;
use portcullis::domain::person::Role;
use portcullis::domain::phone::Phone as PairedPhone;
use portcullis::domain::recovery::{CodeState, RecoveryCodes};
use portcullis::domain::session::Session;
use portcullis::notify::{About, Notice};
use serde_json::json;

use crate::support::PASSWORD;
use crate::support::desk::*;
use crate::support::gate::Gate;
use crate::support::lost::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_code_brings_a_new_phone_and_ends_the_old_one() {
    let gate = Gate::open().await;
    let (elsewhere, old, handed, codes) = anna_with_codes(&gate).await;
    let browser = waits_for_the_phone(&gate, &handed).await;
    let question = old.question().await;

    // A wrong one, one that is none, then a right one as a hand writes it.
    types_recovery_code(&browser, "aaaa-bbbb-cccc-dddd").await.must_say("That is none of your codes");
    types_recovery_code(&browser, "abcd").await.must_say("sixteen letters and digits");
    gate.wait(10);
    let page = types_recovery_code(&browser, &codes[4].to_uppercase().replace('-', " ")).await;
    page.must_say("Until the new phone is paired nothing changes").must_say("Android phone");
    assert!(old.questions().await.is_empty(), "the old phone need not answer any more");
    assert_ne!(old.approve(&question, "000000").await.0, 200);
    assert_eq!(gate.all::<RecoveryCodes>().await[0].left(), 10, "reserved, not used");
    assert_eq!(gate.all::<PairedPhone>().await.len(), 1);
    elsewhere.open("/").await.must_say("the bank's own page");
    gate.backend.forget();

    let (new, page) = pairs_anew(&gate, &browser, &page).await;
    page.must_say("the bank's own page at /accounts");
    let phones = gate.all::<PairedPhone>().await;
    assert_eq!(phones.len(), 1);
    assert!(new.handle().ends_with(phones[0].id.as_str()), "{phones:?}");
    let kept = gate.all::<RecoveryCodes>().await.remove(0);
    assert_eq!(kept.left(), 9);
    assert!(matches!(kept.codes[4].state, CodeState::Used { .. }));

    // The old phone's key has ended, and with it every other session.
    assert_eq!(old.call("GET", "/api/approvals", "").await.0, 401);
    gate.backend.forget();
    elsewhere.open("/").await.must_say("Your password");
    assert_eq!(gate.backend.bytes(), 0);
    assert_eq!(gate.all::<Session>().await.iter().filter(|one| one.phone.is_some()).count(), 1);
    let page = elsewhere.open("/").await;
    elsewhere.submit(&page, "/password", &[("password", PASSWORD)]).await.must_say("Type this number");
    new.question().await;

    let told = gate.all::<Notice>().await;
    let about: Vec<&About> = told.iter().map(|one| &one.about).collect();
    assert!(about.iter().any(|one| matches!(one, About::RecoveryCodeUsed { left: 9, .. })), "{about:?}");
    assert!(
        about.iter().any(|one| matches!(one, About::PhoneReplaced { by, .. } if by == "a recovery code"))
    );
    let trail = gate.trail().await;
    let line = trail.iter().find(|line| line.what == Event::PhoneReplaced).expect("a line");
    assert!(line.details.contains_key("ended 1") && line.details["codes_left"] == "9", "{line:?}");
    for (event, times) in
        [(Event::RecoveryCodeWrong, 1), (Event::RecoveryCodeRight, 1), (Event::PhoneReplaced, 1)]
    {
        assert_eq!(gate.told(event).await, times, "{event:?}");
    }
    gate.must_verify().await;

    // The used one is wrong from now on; the next is right.
    types_recovery_code(&elsewhere, &codes[4]).await.must_say("That is none of your codes");
    types_recovery_code(&elsewhere, &codes[5]).await.must_say("Point your new phone’s camera");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replacement_that_breaks_off_costs_nothing() {
    let gate = Gate::open().await;
    let (_, old, handed, codes) = anna_with_codes(&gate).await;
    let browser = waits_for_the_phone(&gate, &handed).await;
    let page = types_recovery_code(&browser, &codes[0]).await;
    // Scanned, and the words differ: the old phone stays.
    let stray = gate.phone();
    stray.scan(&page.pairing_link()).await;
    let page = browser.open("/.portcullis/sign-in/").await;
    let page = browser.submit(&page, "/words", &[("same", "no")]).await;
    let page = browser.submit(&page, "/square", &[]).await;
    page.must_say("Point your new phone’s camera");
    // The old phone is found: it goes on as before, and the code is good again.
    browser.submit(&page, "/lost-phone/stop", &[]).await.must_say("Type this number on your phone");
    let page = browser.open("/.portcullis/sign-in/").await;
    let (status, answer) = old.approve(&old.question().await, &page.digits()).await;
    assert_eq!(status, 200, "{answer}");
    browser.open("/.portcullis/sign-in/").await.must_say("the bank's own page at /accounts");
    assert_eq!(gate.all::<RecoveryCodes>().await[0].left(), 10);
    assert_eq!((gate.told(Event::PhoneReplaced).await, gate.all::<PairedPhone>().await.len()), (0, 1));
    let other = waits_for_the_phone(&gate, &handed).await;
    types_recovery_code(&other, &codes[0]).await.must_say("Point your new phone’s camera");
}

#[tokio::test(flavor = "multi_thread")]
async fn support_gives_a_new_phone_with_two_agents() {
    let gate = Gate::open().await;
    let (_, old, handed, _) = anna_with_codes(&gate).await;
    let first = staff(&gate, "sue", "Sue Support", &[Role::Support]).await;
    let second = staff(&gate, "kim", "Kim Colleague", &[Role::Support]).await;
    let browser = waits_for_the_phone(&gate, &handed).await;
    let at = is_released_first(&first, &browser).await;

    // Not the first once more, and not without the list; the screen shows no square before.
    browser.open(LOST_PHONE).await.must_say("A second colleague is looking at it");
    confirms(&first, &at).await.must_say("somebody else of support must confirm it");
    second.open("/").await.must_say("waits for a second agent").must_say("laptop: lost phone");
    let case = second.open(&at).await;
    case.must_say("Sue Support").must_say("Android phone").must_say("+41 79 555 01 23");
    second.submit(&case, "/second", &[("check", "0")]).await.must_say("check every line of the list");
    browser.open("/.portcullis/sign-in/").await.must_say("Type this number on your phone");
    assert_eq!(gate.told(Event::RecoveryConfirmed).await, 0);
    let refused = |line: &&portcullis::audit::Numbered| {
        line.who == "person:staff/sue"
            && matches!(&line.outcome, Outcome::Refused(why) if why.contains("four eyes"))
    };
    assert_eq!(gate.trail().await.iter().filter(refused).count(), 1, "written down");

    confirms(&second, &at).await.must_say("Anna Muster: a new phone may be paired");
    // In that browser alone.
    let elsewhere = waits_for_the_phone(&gate, &handed).await;
    elsewhere.open(LOST_PHONE).await.must_say("Type one of your recovery codes");
    let page = browser.open(LOST_PHONE).await;
    let (new, page) = pairs_anew(&gate, &browser, &page).await;
    page.must_say("the bank's own page at /accounts");
    let phones = gate.all::<PairedPhone>().await;
    assert_eq!(phones.len(), 1);
    assert!(new.handle().ends_with(phones[0].id.as_str()));
    assert_eq!(phones[0].released_by.as_deref(), Some("person:staff/sue and person:staff/kim"));
    assert_eq!(old.call("GET", "/api/approvals", "").await.0, 401);
    assert_eq!(gate.all::<RecoveryCodes>().await[0].left(), 10, "no code was used");
    let trail = gate.trail().await;
    let by = |event| {
        trail.iter().filter(|line| line.what == event).map(|line| line.who.clone()).collect::<Vec<_>>()
    };
    assert_eq!(by(Event::RecoveryReleased), ["person:staff/sue"]);
    assert_eq!(by(Event::RecoveryConfirmed), ["person:staff/kim"]);
    let told = gate.all::<Notice>().await;
    assert!(told.iter().any(|one| matches!(one.about, About::LostPhoneAsked { .. })));
    assert!(
        told.iter().any(|one| matches!(&one.about, About::PhoneReplaced { by, .. } if by == "our support"))
    );
    // Used up: neither it nor the case opens anything again.
    confirms_nothing(&second, &at).await;
    let lost = |one: &Enrolment| one.kind.as_str() == "lost phone";
    assert!(!gate.all::<Enrolment>().await.iter().any(lost));
    gate.must_verify().await;
}

async fn confirms_nothing(agent: &crate::support::browser::Browser, at: &str) {
    let pairs = [
        agent.open("/").await.form("/codes/check").hidden,
        vec![("check".into(), "0".into()), ("check".into(), "1".into())],
    ];
    let answer = agent.send(agent.posting(&format!("{at}/second"), &pairs.concat())).await;
    assert_eq!(answer.status, 404, "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_agent_turns_it_away_and_time_ends_it() {
    let gate = Gate::open().await;
    let (_, _, handed, _) = anna_with_codes(&gate).await;
    let first = staff(&gate, "sue", "Sue Support", &[Role::Support]).await;
    let second = staff(&gate, "kim", "Kim Colleague", &[Role::Support]).await;
    let browser = waits_for_the_phone(&gate, &handed).await;
    let at = is_released_first(&first, &browser).await;
    let case = second.open(&at).await;
    second
        .submit(&case, "/reject", &[("why", "nobody answers at the recorded number")])
        .await
        .must_say("Turned away");
    let page = browser.open(LOST_PHONE).await;
    page.must_say("Nobody is signed in, and your account is as it was");
    // Again, and too slow: what the first agent said is worth half an hour.
    let page = browser.submit(&page, "/lost-phone/again", &[]).await;
    page.must_say("Call us and read out this number");
    let at = is_released_first_from(&first, &browser).await;
    for _ in 0..9 {
        gate.wait(200);
        for one in [&first, &second] {
            signs_in(one).await;
        }
        browser.open("/.portcullis/sign-in/").await;
    }
    gate.clock.advance(Duration::from_secs(61));
    confirms(&second, &at).await.must_say("This moved on meanwhile");
    browser.open(LOST_PHONE).await.must_say("Call us and read out this number");
    assert_eq!((gate.told(Event::RecoveryConfirmed).await, gate.told(Event::PhoneReplaced).await), (0, 0));
}

/// The same where the number is on the screen already.
async fn is_released_first_from(
    agent: &crate::support::browser::Browser,
    browser: &crate::support::browser::Browser,
) -> String {
    let page = browser.open(LOST_PHONE).await;
    let case = types_code(agent, "anna", &page.digits()).await;
    let word = word_of(&case);
    let page = browser.open(LOST_PHONE).await;
    browser.submit(&page, "/lost-phone/word", &[("word", &word)]).await;
    let at = case.path_of_case();
    releases(agent, &agent.open(&at).await).await;
    at
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_house_of_one_the_machines_owner_is_the_second() {
    let gate = Gate::open().await;
    let (_, old, handed, _) = anna_with_codes(&gate).await;
    let first = staff(&gate, "olga", "Olga Owner", &[Role::Owner]).await;
    let browser = waits_for_the_phone(&gate, &handed).await;
    let at = is_released_first(&first, &browser).await;
    let number = at.rsplit('/').next().unwrap().to_owned();
    let release = |number: &str, reason: &str| {
        Command::Code(code::Command::SecondRelease {
            person: "bank/anna".to_owned(),
            number: number.to_owned(),
            break_glass: reason.to_owned(),
        })
    };
    let acts = gate.acts();
    for (number, reason) in [(number.as_str(), "alone"), ("99999", "I am alone in this house today")] {
        assert!(acts.run("local:1000", release(number, reason)).await.is_err(), "{number} {reason}");
    }
    assert_eq!(gate.told(Event::BreakglassUsed).await, 0);
    let output = gate.run(release(&number, "I am alone in this house today")).await;
    assert_eq!(output.json["confirmed"], json!(number));
    let told = gate.all::<Notice>().await;
    let alarm = told.iter().filter(|one| matches!(one.about, About::BreakGlass { .. }));
    assert!(alarm.count() >= 1, "every owner is told");
    let (_, page) = pairs_anew(&gate, &browser, &browser.open(LOST_PHONE).await).await;
    page.must_say("the bank's own page at /accounts");
    assert_eq!(old.call("GET", "/api/approvals", "").await.0, 401);
    let phones = gate.all::<PairedPhone>().await;
    assert_eq!(phones[0].released_by.as_deref(), Some("person:staff/olga and local:1000"));
    assert_eq!(gate.told(Event::BreakglassUsed).await, 1);
}

/// Where no phone is recorded any more it is the same: never a first phone again.
#[tokio::test(flavor = "multi_thread")]
async fn whose_phone_was_taken_off_comes_in_by_a_code_and_not_by_one_agent() {
    let gate = Gate::open().await;
    let (_, _, handed, codes) = anna_with_codes(&gate).await;
    let phone = gate.all::<PairedPhone>().await.remove(0);
    let key = portcullis::store::table::phone(&phone.tenant, &phone.person, &phone.id);
    gate.write(vec![portcullis::store::table::delete(key)]).await;
    let browser = gate.browser("bank", &handed);
    let page = browser.open("/accounts").await;
    let page = browser.submit(&page, "/password", &[("password", PASSWORD)]).await;
    page.must_say("Type one of your recovery codes").must_say("I have no code either");
    assert!(!page.says("I have found my phone"));
    let page = browser.submit(&page, "/lost-phone/code", &[("code", &codes[9])]).await;
    let (_, page) = pairs_anew(&gate, &browser, &page).await;
    page.must_say("the bank's own page at /accounts");
    assert_eq!(gate.all::<PairedPhone>().await.len(), 1);
}
