//! The ways people go, step by step, as the tests put them together.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::json;

use crate::demo::Demo;
use crate::device::{Device, Setup, camera_sees};
use crate::looks::judge;

/// What Anna chooses.
pub(crate) const PASSWORD: &str = "quartz otter lamp river";

/// The client with one of the demo's files imported.
pub(crate) async fn client(demo: &Demo, p12: &str) -> Device {
    let (root, file) = (demo.root(), demo.file(p12));
    let setup = Setup {
        root: Some(&root),
        p12: Some((&file, demo.password(p12))),
        size: (1280, 800),
        ..Setup::default()
    };
    Device::start(setup).await
}

/// The agent at the desk, signed in by the demo's rule.
pub(crate) async fn sign_in_agent(demo: &Demo) -> Device {
    let agent = client(demo, "agent.p12").await;
    agent.open(&demo.url("console", "/")).await;
    agent.type_into("#password", demo.password("agent")).await;
    agent.press("Continue").await;
    agent.sees("Type the caller’s six digits").await;
    agent
}

/// All of a first visit, to the bank's page. The phone goes on living.
pub(crate) async fn first_visit(demo: &Demo, client: &Device, agent: &Device, look: bool) -> Device {
    call_support(client, agent, demo, look).await;
    let phone = pair(demo, client, look).await;
    client.sees("Choose a password").await;
    if look {
        judge(client, "new-password").await;
    }
    client.type_into("#password", PASSWORD).await;
    client.press("Save the password").await;
    put_away(client, look).await;
    client.sees("Good day, Anna Muster").await;
    phone
}

/// The recovery codes are shown once: ticks that they are put away. Returns them.
pub(crate) async fn put_away(client: &Device, look: bool) -> Vec<String> {
    put_away_at("Bank Muster & Cie", client, look).await
}

/// The same at any site.
pub(crate) async fn put_away_at(site: &str, client: &Device, look: bool) -> Vec<String> {
    client.sees("Keep these ten codes").await;
    let codes = client.find("#codes").await.text().await.expect("codes");
    let codes: Vec<String> = codes.lines().map(|line| line.trim().to_owned()).collect();
    assert_eq!(codes.len(), 10, "{codes:?}");
    if look {
        judge(client, "recovery-codes").await;
        crate::looks::judge_print(client, "recovery-codes").await;
    }
    client.click("#away").await;
    client.press(&format!("Go on to {site}")).await;
    codes
}

/// The client reads the code out, the agent types it, says the word, releases.
pub(crate) async fn call_support(client: &Device, agent: &Device, demo: &Demo, look: bool) {
    client.open(&demo.url("bank", "/")).await;
    client.sees("Call us and read out this number").await;
    let digits = client.find(".digits").await.text().await.expect("digits");
    if look {
        judge(client, "code").await;
    }
    // The agent searches the person.
    agent.open(&demo.url("console", "/people/?q=muster")).await;
    if look {
        judge(agent, "desk-people").await;
    }
    agent.press("Anna Muster").await;
    agent.sees("anna@muster.example").await;
    if look {
        judge(agent, "desk-person").await;
    }
    release(client, agent, demo, &digits, look).await;
}

/// The agent, who has found the person, types the digits, says the word and releases the device.
pub(crate) async fn release(client: &Device, agent: &Device, demo: &Demo, digits: &str, look: bool) {
    agent.open(&demo.url("console", "/")).await;
    agent.sees("Waiting now").await;
    if look {
        judge(agent, "desk-codes").await;
        let wrong = if digits.replace(' ', "") == "000000" { "000001" } else { "000000" };
        agent.type_into("#code", wrong).await;
        agent.press("Look it up").await;
        agent.sees("not right for this person").await;
        agent.open(&demo.url("console", "/")).await;
    }
    agent.type_into("#code", digits).await;
    agent.press("Look it up").await;
    agent.sees("Say this word").await;
    if look {
        judge(agent, "desk-right-code").await;
    }
    let word = agent.find(".word").await.text().await.expect("the word");
    client.sees("Which word did our colleague say to you?").await;
    if look {
        judge(client, "word").await;
    }
    client.press(&word).await;
    client.sees("That is the right word").await;
    if look {
        judge(client, "word-right").await;
    }
    agent.sees("chose it on the screen").await;
    for line in 0..3 {
        agent.click(&format!("#check-{line}")).await;
    }
    agent.click("#release button").await;
    agent.sees("released").await;
    if look {
        judge(agent, "desk-released").await;
    }
}

/// The phone's camera scans the square; both screens show the words; the desktop says yes.
pub(crate) async fn pair(demo: &Demo, client: &Device, look: bool) -> Device {
    pair_on(demo, client, &[], None, look).await
}

/// The same on a phone whose browser is started with more.
pub(crate) async fn pair_on(
    demo: &Demo,
    client: &Device,
    arguments: &[String],
    another_root: Option<&Path>,
    look: bool,
) -> Device {
    client.sees("camera at this square").await;
    if look {
        judge(client, "square").await;
    }
    pair_scanning(demo, client, arguments, another_root, look).await
}

/// The same from whatever page shows a square.
pub(crate) async fn pair_scanning(
    demo: &Demo,
    client: &Device,
    arguments: &[String],
    another_root: Option<&Path>,
    look: bool,
) -> Device {
    let square = client.find("#square").await.screenshot_as_png().await.expect("a picture of the square");
    let (root, film) = (demo.root(), client.home().join("camera.y4m"));
    camera_sees(&square, &film);
    let setup = Setup {
        root: Some(&root),
        camera: Some(&film),
        authenticator: true,
        size: (412, 839),
        arguments,
        another_root,
        ..Setup::default()
    };
    let phone = Device::start(setup).await;
    phone.open(&demo.url("phone", "/")).await;
    scan(&phone, client, look).await;
    phone
}

/// From the app's page that offers to scan, with the square before its camera, to its home page.
pub(crate) async fn scan(phone: &Device, client: &Device, look: bool) {
    phone.sees("Scan the square").await;
    if look {
        judge(phone, "phone-welcome").await;
    }
    phone.click("#scan").await;
    phone.sees("Are you Anna Muster?").await;
    if look {
        judge(phone, "phone-pair").await;
    }
    phone.press("Yes, go on").await;
    phone.sees("Does your computer show").await;
    if look {
        judge(phone, "phone-words").await;
    }
    client.sees("Do both screens show these two words?").await;
    if look {
        judge(client, "two-words").await;
    }
    let words = client.find(".pairwords").await.text().await.expect("words");
    let theirs = phone.text().await;
    for word in words.split_whitespace() {
        assert!(theirs.contains(word), "the phone shows other words than {words:?}: {theirs}");
    }
    client.press("Yes, the same words").await;
    phone.sees("This phone is paired").await;
    if look {
        judge(phone, "phone-paired").await;
    }
    phone.press("Done").await;
    phone.sees("Nothing to approve").await;
    if look {
        judge(phone, "phone-home").await;
    }
}

/// Types the client's six digits on the phone and approves.
pub(crate) async fn approve_on(phone: &Device, client: &Device) {
    let digits = client.find(".digits").await.text().await.expect("digits");
    phone.type_into("#digits", &digits).await;
    phone.click("#approve").await;
}

/// Signed out and in again, up to the page with the digits.
pub(crate) async fn asks_for_phone(demo: &Demo, client: &Device) {
    client.driver.delete_all_cookies().await.unwrap();
    client.open(&demo.url("bank", "/")).await;
    client.type_into("#password", PASSWORD).await;
    client.press("Continue").await;
    client.sees("Type this number on your phone").await;
}

/// A browser with any .p12 imported.
pub(crate) async fn holder(demo: &Demo, p12: &Path, password: &str) -> Device {
    let root = demo.root();
    let setup =
        Setup { root: Some(&root), p12: Some((p12, password)), size: (1280, 800), ..Setup::default() };
    Device::start(setup).await
}

/// A client of a tenant whose door is another: the .p12 and its import password.
pub(crate) fn client_of_another_tenant(demo: &Demo) -> (PathBuf, String) {
    let file = demo.file("neighbour.p12");
    let out = file.to_str().expect("a path in UTF-8");
    let tenant = ["--name", "Another Bank", "--telephone", "+41 44 555 02 00", "--host", "another.localhost"];
    demo.command(&[&["tenant", "add", "another"], &tenant[..]].concat());
    demo.command(&["person", "add", "another", "--name", "Nils Nachbar", "--email", "nils@another.example"]);
    let issued = demo.command(&[
        "--json",
        "device",
        "issue",
        "another/nils-nachbar",
        "--name",
        "laptop",
        "--out",
        out,
    ]);
    let issued: serde_json::Value = serde_json::from_str(&issued).expect("JSON");
    (file, issued["import_password"].as_str().expect("a password").to_owned())
}

/// A .p12 of a PEM file with certificate and key, by openssl.
pub(crate) fn p12_of(pem: &Path, password: &str) -> PathBuf {
    let file = pem.with_extension("p12");
    let out = Command::new("openssl")
        .args(["pkcs12", "-export", "-passout", &format!("pass:{password}"), "-in"])
        .arg(pem)
        .arg("-out")
        .arg(&file)
        .output()
        .expect("openssl runs");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    file
}

/// The page that a certificate (PEM, with its key) gets at a door, by openssl: Chromium hides
/// certificates that it thinks are of no use.
pub(crate) fn page_with(demo: &Demo, pem: &Path, door: &str) -> String {
    let host = format!("{door}.localhost");
    let mut openssl = Command::new("openssl")
        .args(["s_client", "-quiet", "-connect", &format!("127.0.0.1:{}", demo.port), "-servername", &host])
        .arg("-cert")
        .arg(pem)
        .arg("-key")
        .arg(pem)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("openssl runs");
    let request = format!(
        "GET / HTTP/1.1\r\nHost: {host}:{}\r\nAccept: text/html\r\nConnection: close\r\n\r\n",
        demo.port
    );
    let mut input = openssl.stdin.take().expect("its input");
    input.write_all(request.as_bytes()).expect("sent");
    let out = openssl.wait_with_output().expect("an answer");
    drop(input);
    let answer = String::from_utf8_lossy(&out.stdout).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
    assert!(head.starts_with("HTTP/1.1 403"), "{head}");
    body.to_owned()
}

/// Shows a page that came another way in the browser, at the same origin, and judges it.
pub(crate) async fn show(device: &Device, demo: &Demo, name: &str, page: &str, words: &str) {
    device.open(&demo.url("bank", "/")).await;
    let tree = device.cdp("Page.getFrameTree", json!({})).await;
    let frame = tree["frameTree"]["frame"]["id"].as_str().expect("a frame").to_owned();
    device.cdp("Page.setDocumentContent", json!({"frameId": frame, "html": page})).await;
    device.sees(words).await;
    judge(device, name).await;
}
