//! A one-time link for a .p12, attacked by those who have the link and not the password, the password and not the
//! link, both too often, or both too late. The oracle is the trail, the store and the file itself.

use axum::body::Body;
use futures_util::future::join_all;
use http::Method;
use portcullis::domain::certificate::Certificate;
use portcullis::domain::grant::Grant;
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;

use crate::links::must_not_hold;
use crate::support::browser::{Browser, navigation};
use crate::support::ca::opened;
use crate::support::faketime::Faketime;
use crate::support::gate::Gate;
use crate::support::page::Page;
use crate::support::program::{Program, Start};
use crate::support::wire::Answer;

/// What the operator was told.
pub(crate) struct Link {
    /// `/deliver/bank`.
    pub(crate) path: String,
    /// What stands after the `#`.
    pub(crate) secret: String,
    pub(crate) password: String,
}

impl Link {
    pub(crate) fn made(program: &Program, arguments: &[&str]) -> Self {
        let told = program.json(&[&["device", "deliver"], arguments].concat());
        Self::at(program, told["link"].as_str().unwrap(), told["import_password"].as_str().unwrap())
    }

    pub(crate) fn at(program: &Program, address: &str, password: &str) -> Self {
        let (address, secret) = address.split_once('#').unwrap();
        let path = address.strip_prefix(&format!("https://{}", program.host("start"))).unwrap();
        Self { path: path.to_owned(), secret: secret.to_owned(), password: password.to_owned() }
    }

    /// Opens it, as a browser without scripts does, and presses the button.
    pub(crate) async fn pressed(&self, browser: &Browser, password: &str, platform: &str) -> Answer {
        let page = browser.open(&self.path).await;
        assert_eq!(page.status, 200, "{}", page.words());
        let mut pairs = page.form(&self.path).hidden;
        for (name, value) in [("link", self.secret.as_str()), ("password", password), ("platform", platform)]
        {
            pairs.push((name.to_owned(), value.to_owned()));
        }
        browser.send(browser.posting(&self.path, &pairs)).await
    }
}

fn is_file(answer: &Answer) -> bool {
    answer.status == 200 && answer.header("content-type") == "application/x-pkcs12"
}

/// The page of a link that opens nothing, without the request's number.
fn nothing(answer: Answer) -> String {
    assert_eq!(answer.status, 410, "{}", answer.text());
    let page = Page::of("/deliver", answer);
    page.must_say("This link opens nothing any more");
    let number = page.html.split("read out the number <span class=\"number\">").nth(1).unwrap();
    page.html.replace(number.split('<').next().unwrap(), "")
}

fn detail(line: &Value, name: &str) -> String {
    line["detail"][name].as_str().or_else(|| line["details"][name].as_str()).unwrap_or_default().to_owned()
}

/// A-19, M-07. Looked at by scanners, guessed, raced, used again, brought to another tenant, with another's password,
/// after a newer one, after five wrong passwords: one file, and one page for all that opens nothing. Neither secret is
/// left behind anywhere.
#[tokio::test(flavor = "multi_thread")]
async fn a_download_link_opens_once_and_lies_nowhere() {
    let gate = Gate::open().await;
    gate.person("bank", "anna", "Anna Muster", &[]).await;
    gate.person("bank", "berta", "Berta Beispiel", &[]).await;
    let loud = vec![("PORTCULLIS_LOG".to_owned(), "trace".to_owned())];
    let mut program = Program::started_so(gate, Start { environment: loud, ..Start::default() }).await;
    let anyone = program.stranger("start");
    let older = Link::made(&program, &["bank/anna", "--name", "laptop"]);
    let link = Link::made(&program, &["bank/anna/laptop"]);
    let hers = Link::made(&program, &["bank/berta", "--name", "laptop"]);
    assert!(link.secret.len() * 5 >= 128, "{}", link.secret);
    assert_eq!(program.told_of("delivery.opened"), 3);

    // Mail scanners look: by GET, by HEAD, with what stands behind the # where none should be.
    for path in [link.path.clone(), format!("{}?{}", link.path, "a=b")] {
        for method in [Method::GET, Method::HEAD, Method::GET] {
            let mut request = navigation(&path);
            *request.method_mut() = method;
            let answer = anyone.send(request).await;
            assert_eq!(answer.status, 200);
            assert_eq!(answer.header("referrer-policy"), "same-origin");
            assert_eq!(answer.header("cache-control"), "no-store");
            assert!(!answer.text().contains(&link.secret), "the page knows no link");
        }
    }
    assert_eq!(program.told_of("certificate.issued"), 0);

    // The older link died by the newer; unknown ones, another tenant's page, another's password.
    let dead = nothing(older.pressed(&anyone, &older.password, "windows").await);
    let unknown = Link { secret: "a".repeat(26), path: link.path.clone(), password: String::new() };
    for secret in [unknown.secret.clone(), String::new(), "x".repeat(5000), "' or 1=1".to_owned()] {
        let guess = Link { secret, path: link.path.clone(), password: String::new() };
        assert_eq!(nothing(guess.pressed(&anyone, &link.password, "windows").await), dead);
    }
    let elsewhere =
        Link { path: "/deliver/other".to_owned(), secret: link.secret.clone(), password: String::new() };
    nothing(elsewhere.pressed(&anyone, &link.password, "windows").await);
    for (which, with) in [(&link, &hers.password), (&link, &older.password)] {
        let page = Page::of("/deliver", which.pressed(&anyone, with, "windows").await);
        assert_eq!(page.status, 422);
        page.must_say("That is not the password we told you");
    }
    assert_eq!((program.told_of("delivery.wrong"), program.told_of("certificate.issued")), (2, 0));

    // Twenty right ones at once: one file. However it is typed, it is the same password.
    let typed = link.password.replace('-', " ").to_uppercase();
    let browsers: Vec<_> = (0..20).map(|_| program.stranger("start")).collect();
    let answers = join_all(browsers.iter().map(|one| link.pressed(one, &typed, "windows"))).await;
    let (files, none): (Vec<_>, Vec<_>) = answers.into_iter().partition(is_file);
    assert_eq!((files.len(), none.len()), (1, 19));
    for answer in none {
        assert_eq!(nothing(answer), dead);
    }
    let file = &files[0];
    assert!(file.header("content-disposition").starts_with("attachment; filename=\"anna"));
    assert_eq!(opened(&file.body, &link.password).chain.len(), 2);
    for _ in 0..2 {
        assert_eq!(nothing(link.pressed(&anyone, &link.password, "windows").await), dead);
    }

    // Five wrong ones end it, for the right one too; the fourth says that one is left.
    for left in ["4 more tries", "3 more tries", "2 more tries", "one more try"] {
        let page = Page::of("/deliver", hers.pressed(&anyone, "aaaaa-aaaaa-aaaaa-aaaaa", "mac").await);
        page.must_say(left);
    }
    assert_eq!(nothing(hers.pressed(&anyone, "short", "mac").await), dead);
    assert_eq!(nothing(hers.pressed(&anyone, &hers.password, "mac").await), dead);
    assert_eq!(program.told_of("delivery.dead"), 1);

    // Which encoding, and by which way, is written down; compatible only for who asks for it by their device.
    let apple = Link::made(&program, &["bank/berta/laptop"]);
    let answer = apple.pressed(&anyone, &apple.password, "ios").await;
    assert!(is_file(&answer));
    let issued: Vec<_> = program.lines_of("certificate.issued");
    let encodings: Vec<_> = issued.iter().map(|line| detail(line, "encoding")).collect();
    assert_eq!(encodings, ["modern", "compatible"], "{issued:?}");
    let info = crate::openssl::p12_info(&answer.body, &apple.password);
    assert!(info.contains("pbeWithSHA1And3-KeyTripleDES-CBC"), "{info}");
    let info = crate::openssl::p12_info(&file.body, &link.password);
    assert!(info.contains("PBES2") && info.contains("AES-256") && info.contains("sha256"), "{info}");

    let log = program.log();
    assert!(log.contains("DEBUG"), "the log is silent");
    assert_eq!(program.stop(), Some(0));
    assert_eq!(program.kept::<Certificate>().await.len(), 2);
    let waiting = program.kept::<Grant>().await;
    assert!(waiting.is_empty(), "{waiting:?}");
    for one in [&older, &link, &hers, &apple] {
        let bare = one.password.replace('-', "");
        for secret in [one.secret.as_str(), &one.password, &bare, &bare.to_uppercase()] {
            assert!(
                !log.contains(secret) && !program.backend.text().contains(secret),
                "a secret is in a log"
            );
            assert!(must_not_hold(&program.folder.path().join("data"), secret.as_bytes()) > 8);
        }
    }
}

/// It ends in time, by the clock of the gate; nobody makes one that lives longer than a day.
#[tokio::test(flavor = "multi_thread")]
async fn a_download_link_ends_in_time() {
    let gate = Gate::open().await;
    gate.person("bank", "anna", "Anna Muster", &[]).await;
    let Some(clock) = Faketime::within(gate.folder.path(), "A-19") else { return };
    let mut program = Program::started_so(gate, clock.start()).await;
    for minutes in ["0", "1441", "18446744073709551615"] {
        let told = program.cli(&["device", "deliver", "bank/anna", "--name", "laptop", "--minutes", minutes]);
        assert_eq!(told.status.code(), Some(2), "{told:?}");
        assert!(String::from_utf8_lossy(&told.stderr).contains("24 hours"), "{told:?}");
    }
    let anyone = program.stranger("start");
    let (usual, short) = (
        Link::made(&program, &["bank/anna", "--name", "laptop"]),
        Link::made(&program, &["bank/anna", "--name", "tablet", "--minutes", "2"]),
    );
    clock.jump(2 * 60_000 + 1000);
    nothing(short.pressed(&anyone, &short.password, "linux").await);
    clock.jump(11 * 60_000);
    let answer = usual.pressed(&anyone, "wrong", "linux").await;
    assert_eq!(answer.status, 422, "after 13 minutes it is heard");
    clock.jump(2 * 60_000);
    nothing(usual.pressed(&anyone, &usual.password, "linux").await);
    assert_eq!(program.told_of("certificate.issued"), 0);
    assert_eq!(program.stop(), Some(0));
}

/// Who is locked out, or whose device was switched off after the link was made, gets nothing by it.
#[tokio::test(flavor = "multi_thread")]
async fn a_download_link_of_somebody_shut_out_opens_nothing() {
    let gate = Gate::open().await;
    gate.person("bank", "anna", "Anna Muster", &[]).await;
    let mut program = Program::instead_of(gate).await;
    let anyone = program.stranger("start");
    let link = Link::made(&program, &["bank/anna", "--name", "laptop"]);
    program.json(&["person", "lock", "bank/anna", "--why", "asked by telephone", "--yes"]);
    nothing(link.pressed(&anyone, &link.password, "linux").await);
    let refused = program.cli(&["device", "deliver", "bank/anna", "--name", "tablet"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("is kept out"), "{refused:?}");
    program.json(&["person", "unlock", "bank/anna"]);
    program.json(&["device", "revoke", "bank/anna/laptop", "--yes"]);
    nothing(link.pressed(&anyone, &link.password, "linux").await);
    let refused = program.cli(&["device", "deliver", "bank/anna/laptop"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("switched off for good"), "{refused:?}");
    // A device that is handed over by another way is not handed over by the link as well.
    let link = Link::made(&program, &["bank/anna", "--name", "tablet"]);
    program.json(&["device", "renew", "bank/anna/tablet"]);
    nothing(link.pressed(&anyone, &link.password, "linux").await);
    assert_eq!(program.told_of("certificate.issued"), 0);
    assert_eq!(program.stop(), Some(0));
}

/// A-19, S-01. Killed after the certificate was put on record and before anybody read the file: there is no second.
#[tokio::test(flavor = "multi_thread")]
async fn a_gate_killed_at_the_hand_over_makes_no_second_certificate() {
    let gate = Gate::open().await;
    gate.person("bank", "anna", "Anna Muster", &[]).await;
    let mut program = Program::instead_of(gate).await;
    let link = Link::made(&program, &["bank/anna", "--name", "laptop"]);
    let anyone = program.stranger("start");
    let page = anyone.open(&link.path).await;
    let csrf = page.form(&link.path).hidden.into_iter().find(|(name, _)| name == "csrf").unwrap().1;
    let body = format!("csrf={csrf}&link={}&password={}&platform=linux", link.secret, link.password);
    let mut tls = program.wire.bare().tls("start.localhost", "http/1.1").await.unwrap();
    let request = format!(
        "POST {} HTTP/1.1\r\nHost: {}\r\nOrigin: https://{1}\r\nSec-Fetch-Site: same-origin\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        link.path,
        program.host("start"),
        body.len()
    );
    tls.write_all(request.as_bytes()).await.unwrap();
    tls.flush().await.unwrap();
    let begun = std::time::Instant::now();
    while program.told_of("certificate.issued") == 0 {
        assert!(begun.elapsed() < crate::support::PATIENCE, "nothing is issued");
    }
    program.kill();
    drop(tls);
    program.start();
    nothing(link.pressed(&program.stranger("start"), &link.password, "linux").await);
    assert_eq!(program.told_of("certificate.issued"), 1);
    assert_eq!(program.stop(), Some(0));
    assert_eq!(program.kept::<Certificate>().await.len(), 1);
    assert!(program.kept::<Grant>().await.is_empty());
}

/// The form of another site hands out nothing.
#[tokio::test(flavor = "multi_thread")]
async fn another_sites_form_hands_out_nothing() {
    let gate = Gate::open().await;
    gate.person("bank", "anna", "Anna Muster", &[]).await;
    let mut program = Program::instead_of(gate).await;
    let link = Link::made(&program, &["bank/anna", "--name", "laptop"]);
    let anyone = program.stranger("start");
    let page = anyone.open(&link.path).await;
    let mut pairs = page.form(&link.path).hidden;
    pairs.retain(|(name, _)| name != "link");
    pairs.push(("link".to_owned(), link.secret.clone()));
    pairs.push(("password".to_owned(), link.password.clone()));
    for (name, value) in [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")] {
        let mut request = anyone.posting(&link.path, &pairs);
        request.headers_mut().insert(name, value.parse().unwrap());
        assert_eq!(anyone.send(request).await.status, 403, "{name}");
    }
    let bare: Vec<_> = pairs.iter().filter(|(name, _)| name != "csrf").cloned().collect();
    assert_eq!(anyone.send(anyone.posting(&link.path, &bare)).await.status, 403);
    let mut put = anyone.posting(&link.path, &pairs);
    *put.method_mut() = Method::PUT;
    *put.body_mut() = Body::empty();
    assert_eq!(anyone.send(put).await.status, 405);
    assert_eq!(program.told_of("throttle.counted"), 0, "none of them was heard");
    assert!(is_file(&anyone.send(anyone.posting(&link.path, &pairs)).await));
    assert_eq!(program.stop(), Some(0));
}
