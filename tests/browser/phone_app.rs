//! The phone app itself: languages, the last approvals, large text, an update, no network.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::demo::Demo;
use crate::device::{Device, Setup};
use crate::looks::{judge, judge_large, photograph};
use crate::walk::{PASSWORD, approve_on, client, first_visit, sign_in_agent};

/// In German, with large text, without a network; what was approved is seen afterwards, and "this was
/// not me" ends everything.
#[tokio::test]
async fn the_app_speaks_german_and_hears_afterwards_that_it_was_somebody_else() {
    let demo = Demo::start();
    let laptop = client(&demo, "client.p12").await;
    let agent = sign_in_agent(&demo).await;
    let phone = first_visit(&demo, &laptop, &agent, false).await;
    agent.close().await;
    judge_large(&phone, "phone-home").await;

    choose(&phone, "de").await;
    phone.sees("Nichts zu bestätigen").await;
    phone.sees("Verbunden").await;
    assert_eq!(phone.script("return document.documentElement.lang").await, "de");
    judge(&phone, "phone-home-de").await;
    judge_large(&phone, "phone-home-de").await;
    phone.driver.refresh().await.unwrap();
    phone.sees("Nichts zu bestätigen").await;

    sign_in_again(&demo, &laptop).await;
    phone.sees("Melden Sie sich jetzt bei Bank Muster & Cie").await;
    reachable(&phone, &["#approve", "#not-me"]).await;
    in_sight(&phone, "#digits", "phone-question-de-small").await;
    judge(&phone, "phone-question-de").await;
    judge_large(&phone, "phone-question-de").await;
    phone.type_into("#digits", "1").await;
    phone.click("#approve").await;
    phone.sees("Tippen Sie die sechs Ziffern ein, die Ihr Computer zeigt.").await;
    approve_on(&phone, &laptop).await;
    phone.sees("Bestätigt").await;
    laptop.sees("Good day, Anna Muster").await;

    offline(&phone, true).await;
    phone.driver.refresh().await.unwrap();
    phone.sees("Dieses Telefon ist offline").await;
    judge(&phone, "phone-offline-de").await;
    offline(&phone, false).await;
    phone.driver.refresh().await.unwrap();
    phone.sees("Verbunden").await;

    phone.click("#history").await;
    phone.sees("Letzte Bestätigungen").await;
    phone.sees("Bestätigt: dieses Telefon").await;
    judge(&phone, "phone-history-de").await;
    judge_large(&phone, "phone-history-de").await;
    phone.press("Das war ich nicht").await;
    phone.sees("War das jemand anderes?").await;
    reachable(&phone, &["#not-mine"]).await;
    judge(&phone, "phone-not-mine-de").await;
    phone.click("#not-mine").await;
    phone.sees("Wir haben es angehalten").await;
    laptop.open(&demo.url("bank", "/")).await;
    let after = laptop.text().await;
    assert!(!after.contains("Good day"), "{after}");
    demo.command(&["audit", "verify"]);
    for device in [laptop, phone] {
        device.close().await;
    }
}

/// A release whose shell and whose records were older: the new one takes the shell's place as a whole
/// and finds pairing and key where they were.
#[tokio::test]
async fn an_update_replaces_the_shell_and_keeps_the_keys() {
    let demo = Demo::start();
    let laptop = client(&demo, "client.p12").await;
    let agent = sign_in_agent(&demo).await;
    let phone = first_visit(&demo, &laptop, &agent, false).await;
    agent.close().await;

    // What a phone holds that was last open before there were languages: version 1 of the records, and
    // another shell, which its worker serves.
    phone.open(&demo.url("phone", "/style.css")).await;
    let older = "const done = arguments[0]; (async () => { \
        for (const one of await navigator.serviceWorker.getRegistrations()) await one.unregister(); \
        for (const name of await caches.keys()) await caches.delete(name); \
        const asked = (request) => new Promise((good, bad) => { \
            request.onsuccess = () => good(request.result); \
            request.onerror = request.onblocked = () => bad(request.error); }); \
        const now = await asked(indexedDB.open('portcullis')); \
        const phones = await asked(now.transaction('phones').objectStore('phones').getAll()); \
        now.close(); \
        await asked(indexedDB.deleteDatabase('portcullis')); \
        const opening = indexedDB.open('portcullis', 1); \
        opening.onupgradeneeded = () => ['phones', 'pairing', 'trial'].forEach((store) => \
            opening.result.createObjectStore(store, { keyPath: 'id' })); \
        const before = await asked(opening); \
        await asked(before.transaction('phones', 'readwrite').objectStore('phones').put(phones[0])); \
        before.close(); \
        const old = await caches.open('shell-OLD'); \
        await old.put('/', new Response('<h1>An older shell</h1>', { headers: { 'Content-Type': 'text/html' } })); \
        return phones.length; })().then(done, (error) => done(String(error)))";
    let phones = phone.driver.execute_async(older, vec![]).await.unwrap();
    assert_eq!(phones.json(), &json!(1));

    phone.open(&demo.url("phone", "/")).await;
    phone.sees("Nothing to approve").await;
    phone.sees("Connected").await;
    let shells = "const done = arguments[0]; navigator.serviceWorker.ready \
        .then(() => new Promise((good) => setTimeout(good, 1000))).then(() => caches.keys()).then(done)";
    let shells = phone.driver.execute_async(shells, vec![]).await.unwrap();
    let mut shells: Vec<String> = serde_json::from_value(shells.json().clone()).unwrap();
    // Beside it lie the words by which the worker rings.
    shells.retain(|name| name.starts_with("shell-"));
    assert!(shells.len() == 1 && shells[0] != "shell-OLD", "{shells:?}");

    // The key still signs, and the new records are there.
    choose(&phone, "fr").await;
    phone.sees("Rien à confirmer").await;
    sign_in_again(&demo, &laptop).await;
    phone.sees("Vous connectez-vous à Bank Muster & Cie").await;
    in_sight(&phone, "#digits", "phone-question-fr-small").await;
    judge(&phone, "phone-question-fr").await;
    judge_large(&phone, "phone-question-fr").await;
    approve_on(&phone, &laptop).await;
    phone.sees("Confirmé").await;
    laptop.sees("Good day, Anna Muster").await;
    for device in [laptop, phone] {
        device.close().await;
    }
}

async fn choose(phone: &Device, language: &str) {
    phone
        .script(&format!(
            "const list = document.getElementById('language'); list.value = '{language}'; \
             list.dispatchEvent(new Event('change'))"
        ))
        .await;
}

async fn sign_in_again(demo: &Demo, laptop: &Device) {
    laptop.open(&demo.url("bank", "/")).await;
    laptop.click("form[action='/.portcullis/sign-out'] button").await;
    laptop.sees("You are signed out").await;
    laptop.open(&demo.url("bank", "/")).await;
    laptop.type_into("#password", PASSWORD).await;
    laptop.press("Continue").await;
    laptop.sees("Type this number on your phone").await;
}

/// It is seen on the smallest phones, whole, without scrolling, and nothing lies over it.
async fn in_sight(phone: &Device, field: &str, name: &str) {
    for (width, height) in [(412, 839), (320, 568)] {
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 2.0, "mobile": true});
        phone.cdp("Emulation.setDeviceMetricsOverride", metrics).await;
        let script = format!(
            "scrollTo(0, 0); const {{ left, right, top, bottom }} = document.querySelector('{field}').getBoundingClientRect(); \
             const over = [top + 2, bottom - 2].map((y) => document.elementFromPoint((left + right) / 2, y)); \
             return over.map((it) => `${{it?.tagName}}#${{it?.id}}`)"
        );
        let over = phone.script(&script).await;
        photograph(phone, &format!("{name}-{width}")).await;
        let wanted = format!("INPUT{field}");
        assert_eq!(over, json!([wanted, wanted]), "{field} at {width} x {height}");
    }
    phone.cdp("Emulation.clearDeviceMetricsOverride", json!({})).await;
}

/// What is to be done lies in the lower half of the screen, all of it, without scrolling.
async fn reachable(phone: &Device, buttons: &[&str]) {
    for (width, height) in [(412, 839), (320, 640)] {
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 2.0, "mobile": true});
        phone.cdp("Emulation.setDeviceMetricsOverride", metrics).await;
        for button in buttons {
            let script = format!(
                "scrollTo(0, 0); const {{ top, bottom }} = document.querySelector('{button}').getBoundingClientRect(); \
                 return top > innerHeight / 2 && bottom <= innerHeight"
            );
            assert_eq!(phone.script(&script).await, true, "{button} at {width} px");
        }
    }
    phone.cdp("Emulation.clearDeviceMetricsOverride", json!({})).await;
}

async fn offline(phone: &Device, off: bool) {
    phone.cdp("Network.enable", json!({})).await;
    let none = json!({"offline": off, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1});
    phone.cdp("Network.emulateNetworkConditions", none).await;
}

/// Lighthouse's judgement of the app as a stranger's phone opens it.
#[tokio::test]
async fn lighthouse_finds_the_app_accessible_and_well_made() {
    let cli = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/browser/node_modules/lighthouse/cli/index.js");
    if !Path::new(cli).exists() {
        eprintln!(
            "SKIPPED: the app was not judged by Lighthouse, which is not installed: ./tests/run installs it"
        );
        return;
    }
    let demo = Demo::start();
    let root = demo.root();
    let device = Device::start(Setup { root: Some(&root), size: (412, 839), ..Setup::default() }).await;
    let (report, profile) = (device.home().join("lighthouse.json"), device.home().join("lighthouse"));
    let flags = format!(
        "--chrome-flags=--headless --no-sandbox --disable-gpu --disable-quic --user-data-dir={}",
        profile.display()
    );
    let out = Command::new("node")
        .args([cli, &demo.url("phone", "/"), "--output=json", "--quiet", &flags])
        .arg("--only-categories=accessibility,best-practices")
        .arg(format!("--output-path={}", report.display()))
        .env("HOME", device.home())
        .env("CHROME_PATH", "/usr/bin/chromium")
        .output()
        .expect("node runs");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let report: Value = serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap();
    assert!(report["runtimeError"].is_null(), "{}", report["runtimeError"]);
    let faults: Vec<&Value> = report["audits"]
        .as_object()
        .unwrap()
        .values()
        .filter(|audit| audit["score"].as_f64().is_some_and(|score| score < 1.0))
        .map(|audit| &audit["id"])
        .collect();
    let score = |category: &str| report["categories"][category]["score"].as_f64().unwrap();
    assert!(score("accessibility") >= 1.0, "{}: {faults:?}", score("accessibility"));
    assert!(score("best-practices") >= 0.95, "{}: {faults:?}", score("best-practices"));
    device.close().await;
}
