//! How a client's own .p12 leaves the house, at the running program: its strength by openssl, its one
//! download, and who else comes for it.

use std::process::Command;

use axum::body::Body;
use http::Request;

use crate::support::browser::{Browser, navigation};
use crate::support::desk::*;
use crate::support::gate::Gate;
use crate::support::page::Page;
use crate::support::program::Program;
use crate::support::settings::*;

/// What openssl says of a .p12; it opens with its password.
fn info(program: &Program, file: &[u8], password: &str) -> String {
    let path = program.folder.path().join("looked-at.p12");
    std::fs::write(&path, file).unwrap();
    let mut command = Command::new("openssl");
    command.args(["pkcs12", "-info", "-noout", "-passin", "env:P", "-in"]).arg(&path).env("P", password);
    let out = command.output().expect("openssl is installed");
    std::fs::remove_file(path).unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success(), "{text}");
    text
}

/// M-07. The modern encoding is the rule, the compatible one is made only where the platform or the client asks
/// for it, and the trail says which; no two files share a password, and none opens without its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_strong_unless_the_platform_needs_another() {
    let gate = Gate::open().await;
    let agent = sam(&gate).await;
    let laptop = anna(&gate).await;
    let program = Program::instead_of(gate).await;
    let (client, phone) = first_visit(&program, &agent, &laptop).await;
    let mut passwords = std::collections::BTreeSet::new();
    let cases = [
        ("windows", "auto", "modern"),
        ("linux", "auto", "modern"),
        ("firefox", "rc2", "modern"),
        ("nonsense", "auto", "modern"),
        ("mac", "auto", "compatible"),
        ("android", "auto", "compatible"),
        ("windows", "compatible", "compatible"),
        ("mac", "modern", "modern"),
    ];
    for (platform, form, wanted) in cases {
        let (file, password) = renews(&client, &phone, platform, form).await;
        let told = info(&program, &file.body, &password);
        let marks: &[&str] = match wanted {
            "modern" => &["MAC: sha256, Iteration 10000", "PBES2", "AES-256-CBC", "hmacWithSHA256"],
            _ => &["MAC: sha1, Iteration 10000", "pbeWithSHA1And3-KeyTripleDES-CBC, Iteration 10000"],
        };
        for mark in marks {
            assert!(told.contains(mark), "{platform} {form}: {mark} in\n{told}");
        }
        assert!(!told.contains("RC2"), "{told}");
        assert_eq!(password.len(), 23, "four groups of five");
        assert!(passwords.insert(password), "a password came twice");
        // The next one is begun anew.
        let page = client.open(NEW).await;
        client.submit(&page, "/new/done", &[]).await;
    }
    let lines = program.lines_of("certificate.renewed");
    assert_eq!(lines.len(), cases.len());
    for (line, (platform, form, wanted)) in lines.iter().zip(cases) {
        assert_eq!(line["details"]["encoding"], wanted, "{platform} {form}: {line}");
    }
    let grants = program.lines_of("grant.made");
    assert!(grants.iter().any(|line| line["details"]["platform"] == "mac"), "{grants:?}");
}

/// M-07, M-03, A-22. The page of a renewal is one session's: another person's, another tenant's and nobody's browser
/// get neither password nor file, and what was downloaded is not downloaded again.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_its_owners_and_leaves_once() {
    let gate = Gate::open().await;
    let agent = sam(&gate).await;
    let laptop = anna(&gate).await;
    gate.person("bank", "bert", "Bert Muster", &[]).await;
    let berts = gate.device("bank", "bert", "laptop").await;
    let program = Program::instead_of(gate).await;
    let (client, phone) = first_visit(&program, &agent, &laptop).await;
    let (other, _other_phone) = first_visit(&program, &agent, &berts).await;
    let waiting = asks(&client, "linux", "auto").await;
    let ready = agrees(&client, &phone, &waiting).await;
    let password = import_password(&ready);
    let form = ready.form("/new/download");

    let before = program.trail_length();
    // Somebody else of the same bank, with the page's own form, and with Anna's cookie beside their own certificate.
    let answer = other.send(other.posting(&form.action, &form.hidden)).await;
    assert_eq!(answer.status, 403, "another's token: {}", answer.text());
    let csrf = other.open(NEW).await.form("/new/ask").hidden;
    assert_eq!(other.send(other.posting(&form.action, &csrf)).await.status, 410);
    let nobody = program.stranger("bank");
    assert_eq!(nobody.send(nobody.posting(&form.action, &form.hidden)).await.status, 403);
    for browser in [&other, &nobody] {
        let page = browser.open(NEW).await;
        assert!(!page.html.contains(&password[..5]) || !page.says(&password), "{}", page.words());
    }
    // No form but the page's, by no other way.
    let mut cross = client.posting(&form.action, &form.hidden);
    cross.headers_mut().insert("origin", "https://evil.example".parse().unwrap());
    cross.headers_mut().insert("sec-fetch-site", "cross-site".parse().unwrap());
    assert_eq!(client.send(cross).await.status, 403);
    assert_eq!(client.send(client.posting(&form.action, &[])).await.status, 403);
    assert_eq!(client.send(navigation(&form.action)).await.status, 405);
    let script = Request::get(NEW).header("sec-fetch-mode", "cors").body(Body::empty()).unwrap();
    assert_eq!(client.send(script).await.status, 403, "the backend's script reads no password");
    assert_eq!(program.told_of("certificate.renewed"), 0);
    assert_eq!(program.trail_length(), before, "nothing of all this was written");

    let file = downloads(&client, &ready).await;
    assert_eq!(file.status, 200);
    info(&program, &file.body, &password);
    for _ in 0..3 {
        let again = client.send(client.posting(&form.action, &form.hidden)).await;
        assert_eq!(again.status, 410);
        Page::of(&form.action, again).must_say("This file cannot be downloaded any more");
    }
    assert_eq!(program.told_of("certificate.renewed"), 1);

    // Another person's serial in the forms of the list.
    for doing in ["forget", "lost"] {
        let path = format!("{LIST}of/{}/{doing}", laptop.serial);
        assert_eq!(other.open(&path).await.status, 404);
        let mut pairs = csrf.clone();
        pairs.push(("name".to_owned(), "laptop".to_owned()));
        assert_eq!(other.send(other.posting(&path, &pairs)).await.status, 404, "{path}");
    }
    client.open("/").await.must_say("the bank's own page");
    // A thief with the cookie and another certificate: the session ends, and with it the page.
    let stolen = client.stolen_by(other.wire.identity.as_ref());
    assert_eq!(stolen.open(NEW).await.status, 401);
    Browser::open(&client, NEW).await.must_say("Your password");
}
