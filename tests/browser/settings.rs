//! My settings in a real browser: a certificate made with the phone's approval, downloaded, imported, signed in
//! with; the old one retired and deleted; a lost device switched off, and then the one in the hand.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::demo::Demo;
use crate::device::Device;
use crate::looks::judge;
use crate::walk::{self, approve_on, client, first_visit, sign_in_agent};

/// A8, A9 of the product.
#[tokio::test]
async fn a_client_renews_and_gives_up_a_lost_device() {
    let demo = Demo::start();
    let old = client(&demo, "client.p12").await;
    let agent = sign_in_agent(&demo).await;
    let phone = first_visit(&demo, &old, &agent, false).await;

    old.press("My settings").await;
    old.sees("You are signed in as Anna Muster").await;
    judge(&old, "settings").await;
    old.click("a.tile").await;
    old.sees("Your certificates").await;
    judge(&old, "settings-certificates").await;
    old.press("Create and download a certificate").await;
    old.sees("Where will you install it?").await;
    judge(&old, "settings-choose").await;
    old.press("Go on: ask my phone").await;
    old.sees("a new certificate is being made for").await;
    judge(&old, "settings-wait").await;
    phone.sees("new certificate").await;
    judge(&phone, "phone-question-renewal").await;
    approve_on(&phone, &old).await;
    old.sees("Your new certificate is ready").await;
    judge(&old, "settings-ready").await;
    let password = old.find("#import-password").await.text().await.unwrap().replace(char::is_whitespace, "");
    let file = download(&old, "Download laptop.p12").await;
    old.press("Download laptop.p12").await;
    old.sees("This file cannot be downloaded any more").await;
    judge(&old, "settings-over").await;
    old.open(&demo.url("bank", "/.portcullis/settings/certificates/new/")).await;
    old.sees("Now install your new certificate").await;
    judge(&old, "settings-install").await;

    // The file, in a browser that is opened again, signs in; the old one ends with that.
    let fresh = walk::holder(&demo, &file, &password).await;
    signs_in(&fresh, &phone, &demo).await;
    old.open(&demo.url("bank", "/")).await;
    old.sees("A newer certificate has taken this one’s place").await;
    old.close().await;
    fresh.press("My settings").await;
    fresh.click("a.tile").await;
    fresh.sees("Your new certificate for laptop is in use").await;
    judge(&fresh, "settings-renewed").await;
    fresh.press("Delete it from the list").await;
    fresh.sees("from your list?").await;
    judge(&fresh, "settings-forget").await;
    fresh.press("Delete it").await;
    fresh.find("li.here").await;
    assert!(!fresh.text().await.contains("replaced"), "the old one is off the list");

    // A second device is lost: what is open on it is cut.
    let tablet = client(&demo, "tablet.p12").await;
    walk::call_support(&tablet, &agent, &demo, false).await;
    tablet.sees("Your password").await;
    signs_in(&tablet, &phone, &demo).await;
    tablet.find("#ticker[data-state=live]").await;
    let list = demo.url("bank", "/.portcullis/settings/certificates/");
    fresh.open(&list).await;
    lose(&fresh, "tablet").await;
    fresh.sees("Switch off tablet now").await;
    judge(&fresh, "settings-lost").await;
    fresh.type_into("#name", "phone").await;
    fresh.press("Switch it off").await;
    fresh.sees("Please type the name exactly").await;
    judge(&fresh, "settings-lost-refused").await;
    fresh.type_into("#name", "tablet").await;
    fresh.press("Switch it off").await;
    fresh.sees("switched off on").await;
    judge(&fresh, "settings-lost-done").await;
    tablet.find("#ticker:not([data-state=live])").await;
    tablet.open(&demo.url("bank", "/")).await;
    tablet.sees("was switched off").await;

    // And the one in the hand: the page says so before the connection goes.
    fresh.open(&list).await;
    lose(&fresh, "laptop").await;
    fresh.sees("This is the device you are using now.").await;
    judge(&fresh, "settings-lost-here").await;
    fresh.type_into("#name", "laptop").await;
    fresh.press("Switch it off").await;
    fresh.sees("laptop is being switched off").await;
    judge(&fresh, "settings-gone").await;
    fresh.open(&demo.url("bank", "/")).await;
    fresh.sees("was switched off").await;
    demo.command(&["audit", "verify"]);
    for device in [fresh, tablet, agent, phone] {
        device.close().await;
    }
}

async fn signs_in(device: &Device, phone: &Device, demo: &Demo) {
    device.open(&demo.url("bank", "/")).await;
    device.type_into("#password", walk::PASSWORD).await;
    device.press("Continue").await;
    device.find(".digits").await;
    phone.find("#digits").await;
    approve_on(phone, device).await;
    device.sees("Good day, Anna Muster").await;
}

/// Presses what downloads, and waits until the file is whole.
async fn download(device: &Device, button: &str) -> PathBuf {
    let folder = device.home().join("downloads");
    std::fs::create_dir_all(&folder).unwrap();
    let allow = json!({"behavior": "allow", "downloadPath": folder.to_str().unwrap()});
    device.cdp("Browser.setDownloadBehavior", allow).await;
    device.press(button).await;
    let file = folder.join(button.trim_start_matches("Download "));
    let started = Instant::now();
    while !file.exists() {
        assert!(started.elapsed() < Duration::from_secs(20), "{} does not arrive", file.display());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // The old browser's home goes with it.
    let kept = std::env::temp_dir().join(format!("renewed-{}.p12", std::process::id()));
    std::fs::copy(&file, &kept).unwrap();
    kept
}

/// Presses "I lost this device" on the card of a device.
async fn lose(device: &Device, name: &str) {
    let code = format!(
        "const cards = [...document.querySelectorAll('.cards > li')]; \
         cards.find((card) => card.querySelector('h2').textContent.includes('{name}')).querySelector('a.danger').click()"
    );
    device.script(&code).await;
}
