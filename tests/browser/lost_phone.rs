//! A lost phone in a real Chromium: a recovery code from the paper, a second phone with an authenticator of its own, and
//! the first one told that it is the phone no more.

use crate::demo::Demo;
use crate::looks::judge;
use crate::walk::{self, client, sign_in_agent};

#[tokio::test]
async fn a_recovery_code_brings_a_second_phone() {
    let demo = Demo::start();
    let client_ = client(&demo, "client.p12").await;
    let agent = sign_in_agent(&demo).await;
    walk::call_support(&client_, &agent, &demo, false).await;
    let first = walk::pair(&demo, &client_, false).await;
    client_.sees("Choose a password").await;
    client_.type_into("#password", walk::PASSWORD).await;
    client_.press("Save the password").await;
    let codes = walk::put_away(&client_, true).await;
    client_.sees("Good day, Anna Muster").await;

    client_.open(&demo.url("bank", "/.portcullis/settings/recovery/")).await;
    client_.sees("You have 10 recovery codes left").await;
    judge(&client_, "settings-recovery").await;
    client_.open(&demo.url("bank", "/.portcullis/settings/")).await;
    client_.press("Sign out").await;
    client_.sees("You are signed out").await;

    // The phone is asked, and is not there.
    client_.open(&demo.url("bank", "/?from=bookmark")).await;
    client_.type_into("#password", walk::PASSWORD).await;
    client_.press("Continue").await;
    client_.sees("Type this number on your phone").await;
    client_.press_summary("I do not have my phone").await;
    judge(&client_, "wait-without-phone").await;
    client_.press("come in without my phone").await;
    client_.sees("Type one of your recovery codes").await;
    judge(&client_, "lost-phone").await;
    client_.type_into("#code", "aaaa-bbbb-cccc-dddd").await;
    client_.press("Go on").await;
    client_.sees("That is none of your codes").await;
    judge(&client_, "lost-phone-wrong").await;
    client_.type_into("#code", &codes[6]).await;
    client_.press("Go on").await;
    client_.sees("Point your new phone’s camera at this square").await;
    judge(&client_, "lost-phone-square").await;

    // Another phone, with a key of its own.
    let second = walk::pair_scanning(&demo, &client_, &[], None, false).await;
    client_.sees("Good day, Anna Muster").await;
    let at = client_.driver.current_url().await.unwrap();
    assert_eq!(at.query(), Some("from=bookmark"), "it lands on the page first asked for");
    // It has said already that the question is over; opened again it says the rest.
    first.open(&demo.url("phone", "/")).await;
    first.sees("another phone took its place").await;
    judge(&first, "phone-no-longer-paired").await;

    // From now on the second phone is asked.
    client_.open(&demo.url("bank", "/.portcullis/settings/")).await;
    client_.press("Sign out").await;
    client_.sees("You are signed out").await;
    client_.open(&demo.url("bank", "/")).await;
    client_.type_into("#password", walk::PASSWORD).await;
    client_.press("Continue").await;
    second.sees("Type the six digits").await;
    walk::approve_on(&second, &client_).await;
    client_.sees("Good day, Anna Muster").await;
    client_.open(&demo.url("bank", "/.portcullis/settings/recovery/")).await;
    client_.sees("You have 9 recovery codes left").await;

    // No code either: the number to read out, and at the desk what the agent is warned of.
    client_.open(&demo.url("bank", "/.portcullis/settings/")).await;
    client_.press("Sign out").await;
    client_.sees("You are signed out").await;
    client_.open(&demo.url("bank", "/")).await;
    client_.type_into("#password", walk::PASSWORD).await;
    client_.press("Continue").await;
    client_.sees("Type this number on your phone").await;
    client_.open(&demo.url("bank", "/.portcullis/sign-in/lost-phone/")).await;
    client_.press_summary("I have no code either").await;
    client_.press("Show me the number to read out").await;
    client_.sees("Say that you have lost your phone").await;
    judge(&client_, "lost-phone-call").await;
    let digits = client_.find(".digits").await.text().await.expect("digits");
    agent.open(&demo.url("console", "/")).await;
    agent.sees("lost phone").await;
    judge(&agent, "desk-codes-lost-phone").await;
    agent.type_into("#code", &digits).await;
    agent.press("Look it up").await;
    agent.sees("This is a lost phone").await;
    judge(&agent, "desk-lost-phone").await;
    let word = agent.find(".word").await.text().await.expect("the word");
    client_.press(&word).await;
    client_.sees("That is the right word").await;
    agent.sees("chose it on the screen").await;
    for line in 0..3 {
        agent.click(&format!("#check-{line}")).await;
    }
    agent.click("#release button").await;
    agent.sees("This waits for a second agent").await;
    judge(&agent, "desk-second-waits").await;
    client_.sees("A second colleague is looking at it").await;
    judge(&client_, "lost-phone-second").await;
    demo.command(&["audit", "verify"]);
    for device in [client_, agent, first, second] {
        device.close().await;
    }
}
