//! The phone is woken while its app is closed: by a real Chromium's push, from the gate over TLS and a proxy to a
//! stand-in of the push service, sealed by the gate and opened by the browser.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::demo::Demo;
use crate::device::Device;
use crate::looks::judge;
use crate::ports::free_ports;
use crate::push_service::{Proxy, certificates};
use crate::walk;

/// The stand-in of Google's push service, as Chromium is told to use it.
pub(crate) struct Gcm {
    process: Child,
    folder: tempfile::TempDir,
    port: u16,
}

impl Gcm {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        certificates(folder.path(), &[&["localhost"], &SERVICES[..]].concat());
        let port = free_ports();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/browser/gcm.mjs");
        let mut process = Command::new("node")
            .args([script, &port.to_string(), &(port + 1).to_string()])
            .arg(folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node runs");
        let mut lines = BufReader::new(process.stdout.take().expect("its words")).lines();
        assert_eq!(lines.next().expect("a line").expect("text"), "ready");
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, folder, port }
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// What leads a Chromium here, and nowhere else.
    fn arguments(&self) -> Vec<String> {
        let (https, mcs) = (self.port, self.port + 1);
        vec![
            format!("--gcm-checkin-url=https://localhost:{https}/checkin"),
            format!("--gcm-registration-url=https://localhost:{https}/register"),
            format!("--gcm-mcs-endpoint=https://localhost:{mcs}"),
            "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE *.localhost , EXCLUDE localhost , EXCLUDE 127.0.0.1"
                .to_owned(),
        ]
    }
}

impl Drop for Gcm {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A demo whose gate pushes as these lines under `[push]` say.
pub(crate) fn demo_with(push: &str) -> Demo {
    let folder = Demo::prepare();
    let file = folder.path().join("portcullis.toml");
    let mut file = std::fs::OpenOptions::new().append(true).open(file).expect("the configuration");
    write!(file, "\n[push]\n{push}").expect("written");
    Demo::start_in(folder)
}

async fn allow(phone: &Device, demo: &Demo, setting: &str) {
    let wish = json!({
        "permission": { "name": "notifications" },
        "setting": setting,
        "origin": demo.url("phone", "").trim_end_matches('/'),
    });
    phone.cdp("Browser.setPermission", wish).await;
}

/// What the phone shows outside of the app: title, text and tag of each.
pub(crate) async fn rung(phone: &Device) -> Vec<Value> {
    let shown = phone
        .script(
            "return navigator.serviceWorker.getRegistration('/').then((it) => it.getNotifications())
                .then((all) => all.map(({ title, body, tag }) => ({ title, body, tag })))",
        )
        .await;
    shown.as_array().expect("a list").clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_wakes_a_phone_whose_app_is_closed() {
    let gcm = Gcm::start();
    let proxy = Proxy::to(Some(gcm.port)).await;
    let demo = demo_with(&format!("proxy = \"http://{}\"\nca_file = {:?}\n", proxy.address, gcm.root()));
    let client = walk::client(&demo, "client.p12").await;
    let agent = walk::sign_in_agent(&demo).await;
    walk::call_support(&client, &agent, &demo, false).await;
    let arguments = gcm.arguments();
    let phone = walk::pair_on(&demo, &client, &arguments, Some(&gcm.root()), false).await;
    client.type_into("#password", walk::PASSWORD).await;
    client.press("Save the password").await;
    walk::put_away(&client, false).await;
    client.sees("Good day, Anna Muster").await;

    // Not asked yet, blocked, then allowed: the app says each, and works all the same.
    allow(&phone, &demo, "prompt").await;
    phone.open(&demo.url("phone", "/")).await;
    phone.sees("Let this phone ring when you sign in").await;
    judge(&phone, "phone-push-off").await;
    allow(&phone, &demo, "denied").await;
    phone.open(&demo.url("phone", "/")).await;
    phone.sees("This phone may not ring for you").await;
    judge(&phone, "phone-push-blocked").await;
    allow(&phone, &demo, "granted").await;
    phone.open(&demo.url("phone", "/")).await;
    phone.sees("This phone rings when you sign in").await;
    judge(&phone, "phone-push-on").await;
    let told = || demo.command(&["audit", "list", "--event", "push.subscribed"]);
    let service = SERVICES.into_iter().find(|service| told().contains(service));
    let service = service.unwrap_or_else(|| panic!("another service than {SERVICES:?}: {}", told()));

    // The app is closed: what is open is no page of it.
    phone.open(&demo.url("phone", "/vendor/jsqr.LICENSE")).await;
    assert!(rung(&phone).await.is_empty());
    walk::asks_for_phone(&demo, &client).await;
    let digits = client.find(".digits").await.text().await.expect("digits").replace(' ', "");
    let begun = Instant::now();
    let shown = loop {
        let shown = rung(&phone).await;
        if !shown.is_empty() {
            break shown;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "the phone was not woken; asked: {:?}",
            proxy.asked()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!(proxy.asked()[0], format!("CONNECT {service}:443 HTTP/1.1"));
    assert_eq!(
        shown,
        [json!({
            "title": "Bank Muster & Cie asks for your answer",
            "body": "Open the app to see what it is about.",
            "tag": "question:Bank Muster & Cie",
        })]
    );
    assert!(!json!(shown).to_string().contains(&digits));

    // A newer one takes its place; the app, once open, shows what waits, and what rang goes with the answer.
    walk::asks_for_phone(&demo, &client).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(rung(&phone).await.len(), 1);
    phone.open(&demo.url("phone", "/")).await;
    phone.sees("Type the six digits").await;
    walk::approve_on(&phone, &client).await;
    client.sees("Good day, Anna Muster").await;
    let begun = Instant::now();
    while !rung(&phone).await.is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(20), "what rang stays");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    // Another key: the app subscribes anew when it is opened.
    demo.command(&["push", "rotate-key", "--at-once"]);
    phone.open(&demo.url("phone", "/")).await;
    phone.sees("This phone rings when you sign in").await;
    assert_eq!(told().matches(service).count(), 2, "{}", told());

    // An iPhone's browser is led to the home screen, with a picture.
    let iphone = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
                  Version/19.0 Mobile/15E148 Safari/604.1";
    phone.cdp("Emulation.setUserAgentOverride", json!({ "userAgent": iphone })).await;
    phone.open(&demo.url("phone", "/")).await;
    phone.sees("put the app on the home screen").await;
    let width = phone.script("return document.querySelector('.picture').naturalWidth").await;
    assert!(width.as_i64().unwrap_or(0) > 0, "the picture is not shown");
    judge(&phone, "phone-push-home-screen").await;
    for device in [client, agent, phone] {
        device.close().await;
    }
}

/// Where Chromium's endpoints lie, by its version and build.
const SERVICES: [&str; 2] = ["fcm.googleapis.com", "jmt17.google.com"];
