//! The whole way in a real Chromium: an imported .p12, a second browser as the agent, a third as the
//! phone with a camera that scans the square and an authenticator that verifies its user. Every page it
//! comes by is judged by axe and photographed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may stop where it stands")]

mod bad;
mod deliver;
mod demo;
mod device;
mod expired;
mod firefox;
mod hints;
mod looks;
mod lost_phone;
mod offline;
mod pay;
mod phone_app;
mod phones;
#[path = "../support/ports.rs"]
mod ports;
mod push;
#[path = "../support/push_service.rs"]
#[allow(dead_code, reason = "tests without a browser share it and use the rest")]
mod push_service;
mod settings;
mod sites;
#[path = "../support/skipped.rs"]
mod skipped;
mod update;
mod walk;
mod websocket;
mod what_ends;

use std::time::Duration;

use bad::TestCa;
use demo::Demo;
use device::{Device, Setup};
use looks::judge;
use portcullis::world::World;
use walk::{approve_on, client, first_visit, sign_in_agent};

/// No step of a test takes longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A1, A2, A4 to A7 of the product: first visit, sign out, second visit, second device.
#[tokio::test]
async fn a_client_comes_in_through_three_locks() {
    let demo = Demo::start();
    let client_ = client(&demo, "client.p12").await;
    let agent = sign_in_agent(&demo).await;
    let phone = first_visit(&demo, &client_, &agent, true).await;

    // The bank's page says who the gate says you are, and its socket ticks.
    client_.sees("Good day, Anna Muster").await;
    client_.find("#ticker[data-state=live], #rate-list dt").await;
    judge(&client_, "bank").await;
    client_.click("form[action='/.portcullis/sign-out'] button").await;
    client_.sees("You are signed out").await;
    judge(&client_, "signed-out").await;

    // Every later visit: certificate, password, phone.
    client_.open(&demo.url("bank", "/?from=bookmark")).await;
    client_.sees("Your password").await;
    judge(&client_, "password").await;
    client_.type_into("#password", "wrong horse wrong battery").await;
    client_.press("Continue").await;
    client_.sees("That was not your password").await;
    judge(&client_, "password-wrong").await;
    client_.type_into("#password", walk::PASSWORD).await;
    client_.press("Continue").await;
    client_.sees("Type this number on your phone").await;
    judge(&client_, "wait-for-phone").await;
    phone.sees("Type the six digits").await;
    judge(&phone, "phone-question").await;
    approve_on(&phone, &client_).await;
    client_.sees("Good day, Anna Muster").await;
    let at = client_.driver.current_url().await.unwrap();
    assert_eq!(at.query(), Some("from=bookmark"), "it lands on the page first asked for");

    // A second device: released by the desk, then neither square nor new password.
    let tablet = client(&demo, "tablet.p12").await;
    walk::call_support(&tablet, &agent, &demo, false).await;
    tablet.sees("Your password").await;
    tablet.type_into("#password", walk::PASSWORD).await;
    tablet.press("Continue").await;
    tablet.sees("a new device is being added").await;
    judge(&tablet, "wait-for-phone-new-device").await;
    phone.sees("new device").await;
    judge(&phone, "phone-question-new-device").await;
    approve_on(&phone, &tablet).await;
    tablet.sees("Good day, Anna Muster").await;

    // "Not me": everything stops, everywhere.
    tablet.click("form[action='/.portcullis/sign-out'] button").await;
    tablet.sees("You are signed out").await;
    tablet.open(&demo.url("bank", "/")).await;
    tablet.type_into("#password", walk::PASSWORD).await;
    tablet.press("Continue").await;
    phone.click("#not-me").await;
    tablet.sees("We have stopped it").await;
    judge(&tablet, "not-me").await;
    phone.sees("Your access is frozen until our support has spoken with you").await;
    judge(&phone, "phone-not-me").await;
    client_.open(&demo.url("bank", "/")).await;
    client_.sees("We have stopped it. Nobody is signed in.").await;
    judge(&client_, "frozen").await;

    // Support rings her, and opens it again: the phone moves on by itself.
    agent.open(&demo.url("console", "/")).await;
    agent.sees("Ring now: said “not me”").await;
    judge(&agent, "desk-home-not-me").await;
    agent.open(&demo.url("console", "/people/bank/anna-muster/unlock")).await;
    agent.sees("Let Anna Muster in again").await;
    judge(&agent, "desk-unfreeze").await;
    for line in ["#check-0", "#check-1", "#check-2"] {
        agent.click(line).await;
    }
    agent.type_into("#why", "A slip of the finger").await;
    agent.press("Let them in again").await;
    agent.sees("active").await;
    phone.sees("Nothing to approve").await;
    client_.open(&demo.url("bank", "/")).await;
    client_.sees("Your password").await;
    demo.command(&["audit", "verify"]);
    for device in [client_, tablet, agent, phone] {
        device.close().await;
    }
}

/// A first visit that breaks off after the phone was paired is taken up again with an approval.
#[tokio::test]
async fn a_first_visit_that_broke_off_is_taken_up_again() {
    let demo = Demo::start();
    let client_ = client(&demo, "client.p12").await;
    let agent = sign_in_agent(&demo).await;
    walk::call_support(&client_, &agent, &demo, false).await;
    let phone = walk::pair(&demo, &client_, false).await;
    client_.sees("Choose a password").await;
    client_.driver.delete_all_cookies().await.unwrap();
    client_.open(&demo.url("bank", "/")).await;
    client_.sees("Type this number on your phone").await;
    phone.sees("Type the six digits").await;
    approve_on(&phone, &client_).await;
    client_.sees("Choose a password").await;
    client_.type_into("#password", "password1").await;
    client_.press("Save the password").await;
    client_.sees("Please choose another").await;
    judge(&client_, "new-password-refused").await;
    client_.type_into("#password", walk::PASSWORD).await;
    client_.press("Save the password").await;
    walk::put_away(&client_, false).await;
    client_.sees("Good day, Anna Muster").await;
    for device in [client_, agent, phone] {
        device.close().await;
    }
}

/// The pages for those who do not come in, in the browser where it shows such a certificate at all, else
/// by openssl and shown in the browser.
#[tokio::test]
async fn who_does_not_come_in_is_told_why_and_what_to_do() {
    let folder = Demo::prepare();
    let (trusted, foreign) = (TestCa::new(), TestCa::new());
    let (expired, not_yet) = (folder.path().join("expired.pem"), folder.path().join("not-yet.pem"));
    let (now, day) = (World::real().now(), Duration::from_secs(86400));
    let of_tablet = [
        trusted.spanned(&expired, now.minus(800 * day), now.minus(70 * day)),
        trusted.spanned(&not_yet, now.plus(2 * day), now.plus(700 * day)),
    ];
    trusted.trusted_in(&folder.path().join("data/store.redb"), &of_tablet).await;
    let demo = Demo::start_in(folder);
    let root = demo.root();
    let nobody = Device::start(Setup { root: Some(&root), size: (1280, 800), ..Setup::default() }).await;
    nobody.open(&demo.url("bank", "/")).await;
    nobody.sees("did not show us your certificate").await;
    judge(&nobody, "no-certificate").await;
    nobody.open(&demo.url("start", "/")).await;
    nobody.sees("Where would you like to go").await;
    judge(&nobody, "start").await;

    let client_ = client(&demo, "client.p12").await;
    client_.open(&demo.url("bank", "/")).await;
    client_.sees("Call us and read out this number").await;
    demo.command(&["device", "revoke", "bank/anna-muster/laptop", "--reason", "key-compromise", "--yes"]);
    client_.open(&demo.url("bank", "/")).await;
    client_.sees("was switched off").await;
    judge(&client_, "revoked").await;
    client_.close().await;

    let pem = demo.file("bad.pem");
    let unknown = walk::p12_of(&trusted.leaf(pem.clone(), |_| {}), "import");
    let stranger = walk::holder(&demo, &unknown, "import").await;
    stranger.open(&demo.url("bank", "/")).await;
    stranger.sees("We do not know this device").await;
    judge(&stranger, "unknown-device").await;
    stranger.close().await;
    let purpose = trusted.leaf(pem.clone(), |leaf| {
        leaf.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    });
    let purpose = walk::page_with(&demo, &purpose, "bank");
    walk::show(&nobody, &demo, "wrong-purpose", &purpose, "not made for signing in").await;
    let strange = walk::page_with(&demo, &foreign.leaf(pem, |_| {}), "bank");
    walk::show(&nobody, &demo, "foreign", &strange, "not one of ours").await;
    let (other, password) = walk::client_of_another_tenant(&demo);
    let neighbour = walk::holder(&demo, &other, &password).await;
    neighbour.open(&demo.url("bank", "/")).await;
    neighbour.sees("belongs to another address").await;
    judge(&neighbour, "wrong-tenant").await;
    neighbour.close().await;

    let ended = walk::page_with(&demo, &expired, "bank");
    walk::show(&nobody, &demo, "expired", &ended, "Your certificate ended on").await;
    let begins = walk::page_with(&demo, &not_yet, "bank");
    walk::show(&nobody, &demo, "not-yet-valid", &begins, "Your certificate begins on").await;
    nobody.close().await;
}
