//! Wrong tries, with the clock in the test's hand: five are heard, no sixth, however they come.

use portcullis::audit::Event;
use portcullis::auth::throttle::Subject;
use portcullis::domain::TenantId;
use portcullis::domain::enrolment::Enrolment;
use portcullis::domain::person::Role;
use portcullis::domain::throttle::{Guarded, Throttle};

use crate::support::PASSWORD;
use crate::support::browser::Browser;
use crate::support::desk::*;
use crate::support::gate::{Gate, Handed};

fn wrong(right: &str) -> String {
    format!("{:06}", (right.parse::<u32>().unwrap() + 1) % 1_000_000)
}

/// Keeps the desk's own session alive beside the clock.
async fn wait(gate: &Gate, agent: &Browser, seconds: u64) {
    gate.wait(seconds);
    agent.open("/").await;
}

async fn unlock(agent: &Browser) {
    let page = agent.open("/people/bank/anna/unlock").await;
    let page = agent.submit(&page, "/unlock", &[("name", "Anna Muster")]).await;
    assert_eq!(page.status, 200, "{}", page.words());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fifth_wrong_code_kills_and_a_new_code_brings_no_new_tries() {
    let gate = Gate::open().await;
    let agent = sam(&gate).await;
    let laptop = anna(&gate).await;
    let client = gate.browser("bank", &laptop);
    let mut page = client.open("/").await;
    for tried in 1..=5 {
        if tried == 4 {
            page = client.submit(&page, "/code", &[]).await;
        }
        let answer = types_code(&agent, "anna", &wrong(&page.digits())).await;
        answer.must_say("That code is not right for this person");
        if tried == 2 {
            types_code(&agent, "anna", &page.digits()).await.must_say("Too quick after a wrong code");
        }
        wait(&gate, &agent, 20).await;
    }
    types_code(&agent, "anna", &page.digits()).await.must_say("Five wrong codes in a row");
    assert_eq!(gate.told(Event::CodeWrong).await, 5);
    let ended = client.open("/.portcullis/sign-in/").await;
    assert!(!ended.html.contains("class=\"digits\""), "a dead code is still shown: {}", ended.words());
    unlock(&agent).await;
    let page = client.open("/.portcullis/sign-in/").await;
    let page = if page.html.contains("class=\"digits\"") { page } else { client.open("/").await };
    calls_support(&agent, &client, &page).await.must_say("Point your phone’s camera");
    gate.must_verify().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_wrong_codes_at_once_five_are_heard_at_most() {
    let gate = Gate::open().await;
    let agent = sam(&gate).await;
    let laptop = anna(&gate).await;
    let client = gate.browser("bank", &laptop);
    let right = client.open("/").await.digits();
    let csrf = agent.open("/").await.form("/codes/check").hidden;
    let tries = (0..50).map(|n| {
        let code = format!("{:06}", (right.parse::<u32>().unwrap() + 1 + n) % 1_000_000);
        let pairs =
            [csrf.clone(), vec![("caller".into(), "bank/anna".into()), ("code".into(), code)]].concat();
        agent.send(agent.posting("/codes/check", &pairs))
    });
    let answers = futures_util::future::join_all(tries).await;
    assert!(answers.iter().all(|answer| answer.status == 422));
    let heard = gate.told(Event::CodeWrong).await;
    assert!((1..=5).contains(&heard), "{heard} were heard");
    let counted = gate.told(Event::ThrottleCounted).await + gate.told(Event::ThrottleBlocked).await;
    assert!(counted <= 6, "{counted}, the agent's own password among them");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_lives_ten_minutes_to_the_second() {
    for (seconds_before_its_end, works) in [(2, true), (0, false)] {
        let gate = Gate::open().await;
        let agent = sam(&gate).await;
        let laptop = anna(&gate).await;
        let client = gate.browser("bank", &laptop);
        let code = client.open("/").await.digits();
        let expires = gate.all::<Enrolment>().await[0].code_expires;
        for _ in 0..2 {
            wait(&gate, &agent, 240).await;
        }
        let home = agent.open("/").await.form("/codes/check").hidden;
        let left = expires.since(gate.world.now()).as_millis();
        gate.clock.advance(std::time::Duration::from_millis(
            u64::try_from(left).unwrap() + 1 - seconds_before_its_end * 1000,
        ));
        let pairs = [home, vec![("caller".into(), "bank/anna".into()), ("code".into(), code)]].concat();
        let answer = agent.send(agent.posting("/codes/check", &pairs)).await;
        assert_eq!(answer.status == 303, works, "{}", answer.text());
        let page = client.open("/.portcullis/sign-in/").await;
        if !works {
            page.digits();
            assert_eq!(gate.told(Event::CodeShown).await, 2, "a new one is shown");
        }
    }
}

async fn tries_password(client: &Browser, password: &str) -> crate::support::page::Page {
    let page = client.open("/").await;
    client.submit(&page, "/password", &[("password", password)]).await
}

async fn settled(gate: &Gate) -> Handed {
    let laptop = anna(gate).await;
    gate.settle(&laptop).await;
    laptop
}

#[tokio::test(flavor = "multi_thread")]
async fn five_wrong_passwords_block_until_the_desk_unlocks() {
    let gate = Gate::open().await;
    let agent = staff(&gate, "olga", "Olga Owner", &[Role::Owner]).await;
    let laptop = settled(&gate).await;
    for tried in 1..=5 {
        // Another browser each time: it is the person who is counted.
        let client = gate.browser("bank", &laptop);
        let page = tries_password(&client, &format!("wrong password {tried}")).await;
        page.must_say("That was not your password");
        if tried == 3 {
            let page = tries_password(&client, PASSWORD).await;
            assert_eq!(page.status, 429, "{}", page.words());
            assert!(!page.answer.header("retry-after").is_empty());
        }
        wait(&gate, &agent, 20).await;
    }
    let client = gate.browser("bank", &laptop);
    gate.wait(100);
    let page = tries_password(&client, PASSWORD).await;
    assert_eq!(page.status, 403);
    page.must_say("Signing in is stopped, to keep strangers out");
    unlock(&agent).await;
    let page = tries_password(&client, PASSWORD).await;
    assert_eq!(page.status, 200, "{}", page.words());
    assert!(!page.says("Your password"), "{}", page.words());
    assert_eq!(gate.told(Event::PasswordWrong).await, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_wrong_passwords_at_once_five_are_heard_at_most() {
    let gate = Gate::open().await;
    let laptop = settled(&gate).await;
    let client = gate.browser("bank", &laptop);
    let form = client.open("/").await.form("/password");
    let tries = (0..50).map(|n| {
        let pairs = [form.hidden.clone(), vec![("password".to_owned(), format!("wrong {n}"))]].concat();
        client.send(client.posting(&form.action, &pairs))
    });
    let answers = futures_util::future::join_all(tries).await;
    assert!(answers.iter().all(|answer| [403, 422, 429].contains(&answer.status.as_u16())));
    let heard = gate.told(Event::PasswordWrong).await;
    assert!((1..=5).contains(&heard), "{heard} were heard");
}

/// Who is named twice in one try is counted once, and keeps nobody's try from being heard.
#[tokio::test(flavor = "multi_thread")]
async fn a_subject_named_twice_tries_once() {
    let gate = Gate::open().await;
    let bank = TenantId::parse("bank").unwrap();
    let twice =
        || vec![Subject::Agent("person:staff/sam".to_owned()), Subject::Agent("person:staff/sam".to_owned())];
    let heard = gate.acts().throttles.attempt(&bank, Guarded::Code, twice()).await;
    assert!(heard.is_ok(), "{heard:?}");
    let counts: Vec<u32> = gate.all::<Throttle>().await.iter().map(|one| one.failures).collect();
    assert_eq!(counts, [1]);
}
