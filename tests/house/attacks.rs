//! What an attacker found once, and must not find again: staff who let themselves in, devices that come
//! back from the dead, codes that outlive their tries, steps taken out of turn.

use portcullis::audit::Event;
use portcullis::console::command::{Command, device};
use portcullis::domain::certificate::RevocationReason;
use portcullis::domain::device::{Device, DeviceState};

use crate::support::desk::*;
use crate::support::gate::Gate;

#[tokio::test(flavor = "multi_thread")]
async fn nobody_releases_a_device_of_their_own() {
    let gate = Gate::open().await;
    let agent = sam(&gate).await;
    let second = gate.device("staff", "sam", "tablet").await;
    let code = gate.browser("console", &second).open("/").await.digits();
    let mut pairs = agent.open("/").await.form("/codes/check").hidden;
    pairs.push(("caller".to_owned(), "staff/sam".to_owned()));
    pairs.push(("code".to_owned(), code));
    let answer = agent.send(agent.posting("/codes/check", &pairs)).await;
    assert_eq!(answer.status, 422, "{}", answer.text());
    assert_eq!(gate.told(Event::RequestRefused).await, 1, "the try is in the trail");
    let devices = gate.all::<Device>().await;
    let tablet = devices.iter().find(|one| one.name == "tablet").unwrap();
    assert!(!tablet.state.is_released());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_was_switched_off_cannot_be_released() {
    let gate = Gate::open().await;
    let agent = sam(&gate).await;
    let laptop = anna(&gate).await;
    let client = gate.browser("bank", &laptop);
    let page = client.open("/").await;
    let case = types_code(&agent, "anna", &page.digits()).await;
    let page = client.open("/.portcullis/sign-in/").await;
    client.submit(&page, "/word", &[("word", &word_of(&case))]).await.must_say("That is the right word");
    let ready = agent.open(&case.path_of_case()).await;
    let revoke = device::Command::Revoke {
        device: "bank/anna/laptop".parse().unwrap(),
        reason: RevocationReason::KeyCompromise,
        yes: true,
    };
    gate.run(Command::Device(revoke)).await;
    let answer = releases(&agent, &ready).await;
    assert!(!answer.words().contains("the device is released"), "{}", answer.words());
    let devices = gate.all::<Device>().await;
    let laptop = devices.iter().find(|one| one.name == "laptop").unwrap();
    assert_eq!(laptop.state, DeviceState::Retired);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_fresh_counts_comes_a_fresh_code() {
    let gate = Gate::open().await;
    let agent = sam(&gate).await;
    let laptop = anna(&gate).await;
    let code = gate.browser("bank", &laptop).open("/").await.digits();
    let page = agent.open("/people/bank/anna/unlock").await;
    agent.submit(&page, "/unlock", &[("name", "Anna Muster")]).await;
    types_code(&agent, "anna", &code).await.must_say("No code of this person is waiting");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_at_another_stage_cannot_kill_the_square() {
    let gate = Gate::open().await;
    let agent = sam(&gate).await;
    let laptop = anna(&gate).await;
    let tablet = gate.device("bank", "anna", "tablet").await;
    let tablet = gate.browser("bank", &tablet);
    let hidden = tablet.open("/").await.form("/code").hidden;
    let client = gate.browser("bank", &laptop);
    let page = client.open("/").await;
    let page = calls_support(&agent, &client, &page).await;
    for step in ["square", "words"] {
        tablet.send(tablet.posting(&format!("/.portcullis/sign-in/{step}"), &hidden)).await;
    }
    let phone = gate.phone();
    pairs(&client, &phone, &page).await.must_say("Choose a password only you know");
}
