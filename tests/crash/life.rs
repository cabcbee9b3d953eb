//! A life between start and crash: a first visit with its code, phone and password; a certificate issued; a
//! sign-in; a certificate revoked; the audit read; a sign-out; a wrong password. Each acknowledgement is written down as a fact.

use std::panic::AssertUnwindSafe;
use std::process::Output;
use std::sync::{Arc, Mutex};

use futures_util::FutureExt as _;
use http::StatusCode;
use serde_json::Value;

use crate::facts::{Fact, Facts};
use crate::ground::Ground;
use crate::support::PASSWORD;
use crate::support::desk::*;
use crate::support::wire::{HEARD, Heard};
use crate::tally;

/// How a life went.
pub(crate) struct Life {
    pub(crate) facts: Facts,
    /// Every answer, in order.
    pub(crate) heard: Vec<Heard>,
    /// Why it ended before its end.
    pub(crate) cut_short: Option<String>,
}

/// Lives until something is not answered as it should be.
pub(crate) async fn live(ground: &Ground) -> Life {
    quiet_panics();
    let heard: Arc<Mutex<Vec<Heard>>> = Arc::default();
    let facts = Facts::default();
    let lived = HEARD.scope(Arc::clone(&heard), AssertUnwindSafe(all(ground, &facts)).catch_unwind()).await;
    let cut_short = lived.err().map(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
    });
    let heard = heard.lock().unwrap().clone();
    Life { facts, heard, cut_short }
}

async fn all(ground: &Ground, facts: &Facts) {
    let cookie = first_visit(ground, facts).await;
    issue(ground, facts);
    sign_in(ground, facts).await;
    revoke(ground, facts).await;
    audit(ground, facts);
    sign_out(ground, facts, &cookie).await;
    wrong_password(ground, facts).await;
}

/// Bert comes for the first time. Returns his cookie.
async fn first_visit(ground: &Ground, facts: &Facts) -> String {
    let (program, agent) = (&ground.program, &ground.agent);
    let client = program.browser("bank", &ground.new);
    let code = client.open("/").await.digits();
    let before = client.cookie().unwrap();
    let case = types_code(agent, "bert", &code).await;
    case.must_say("The code was right");
    facts.add(Fact::CodeUsed { person: "bert", code });
    let word = word_of(&case);
    let page = client.open("/.portcullis/sign-in/").await;
    client.submit(&page, "/word", &[("word", &word)]).await.must_say("That is the right word");
    let case = agent.open(&case.path_of_case()).await;
    releases(agent, &case).await.must_say("the device is released");
    facts.add(Fact::Released(ground.new.device.clone()));

    let page = client.open("/.portcullis/sign-in/").await;
    let link = page.pairing_link();
    let phone = program.phone();
    let words = phone.scan(&link).await;
    facts.add(Fact::SecretUsed { link });
    let page = client.open("/.portcullis/sign-in/").await;
    assert_eq!(page.pair_words(), words, "{}", page.words());
    let page = client.submit(&page, "/words", &[("same", "yes")]).await;
    page.must_say("Choose a password only you know");
    facts.add(Fact::Paired { person: "bert" });
    let page = chooses_password(&client, &page, PASSWORD).await;
    page.must_say("the bank's own page");
    let cookie = client.cookie().unwrap();
    facts.add(Fact::PasswordSet { person: "bert" });
    facts.add(Fact::SignedIn { cookie: cookie.clone() });
    facts.add(Fact::Ended { cookie: before });
    cookie
}

/// The operator makes a certificate, on the command line.
fn issue(ground: &Ground, facts: &Facts) {
    let out = ground.data().join("tablet.p12").display().to_string();
    let told = command(ground, &["device", "issue", "bank/anna", "--name", "tablet", "--out", &out]);
    facts.add(Fact::Issued { serial: told["certificate"]["serial"].as_str().unwrap().to_owned() });
}

/// Anna comes again.
async fn sign_in(ground: &Ground, facts: &Facts) {
    let client = ground.program.browser("bank", &ground.laptop);
    let page = client.open("/accounts").await;
    let before = client.cookie().unwrap();
    let page = client.submit(&page, "/password", &[("password", PASSWORD)]).await;
    page.digits();
    facts.add(Fact::Ended { cookie: before });
    let (question, digits) = (ground.phone.question().await, page.digits());
    let (status, answer) = ground.phone.approve(&question, &digits).await;
    assert_eq!(status, 200, "{answer}");
    facts.add(Fact::Answered { question, digits });
    let page = client.open("/.portcullis/sign-in/").await;
    page.must_say("the bank's own page at /accounts");
    facts.add(Fact::SignedIn { cookie: client.cookie().unwrap() });
}

/// Anna's old laptop is switched off, and comes.
async fn revoke(ground: &Ground, facts: &Facts) {
    let which = format!("bank/anna/{}", ground.lost.device);
    let told = command(ground, &["device", "revoke", &which, "--reason", "key-compromise", "--yes"]);
    for serial in told["revoked"].as_array().unwrap() {
        facts.add(Fact::Revoked { serial: serial.as_str().unwrap().to_owned() });
    }
    let page = ground.program.browser("bank", &ground.lost).open("/").await;
    page.must_say("This certificate was switched off on");
}

/// An auditor goes over the trail and notes its end.
fn audit(ground: &Ground, facts: &Facts) {
    let told = command(ground, &["audit", "verify"]);
    assert_eq!(told["whole"], true, "{told}");
    for head in told["heads"].as_array().unwrap() {
        facts.add(Fact::Told {
            node: head["node"].as_str().unwrap().to_owned(),
            sequence: head["sequence"].as_u64().unwrap(),
            hash: head["sha256"].as_str().unwrap().to_owned(),
        });
    }
}

/// Bert goes.
async fn sign_out(ground: &Ground, facts: &Facts, cookie: &str) {
    let client = ground.program.browser("bank", &ground.new);
    client.set_cookie(crate::support::browser::COOKIE, cookie);
    facts.add(Fact::AsksOut { cookie: cookie.to_owned() });
    let out = client.send(client.posting("/.portcullis/sign-out", &[])).await;
    assert!(out.status == 200 && out.text().contains("You are signed out"), "{} {}", out.status, out.text());
    facts.add(Fact::Ended { cookie: cookie.to_owned() });
}

/// Somebody tries Anna's laptop.
async fn wrong_password(ground: &Ground, facts: &Facts) {
    let client = ground.program.browser("bank", &ground.laptop);
    let page = client.open("/").await;
    let page = client.submit(&page, "/password", &[("password", "a guess that is not right")]).await;
    assert!(page.status.is_client_error(), "{} {}", page.status, page.words());
    facts.add(Fact::Counted { person: "anna" });
}

/// A command beside the program, in JSON. What it said is remembered as an answer.
fn command(ground: &Ground, arguments: &[&str]) -> Value {
    let output = ground.program.cli(&[&["--json"], arguments].concat());
    note(arguments, &output);
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A refusal of the command line counts as one of the gate.
fn note(arguments: &[&str], output: &Output) {
    let heard = Heard {
        what: arguments.join(" "),
        status: if output.status.success() { StatusCode::OK } else { StatusCode::INTERNAL_SERVER_ERROR },
        content_type: COMMAND.to_owned(),
        text: format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        ),
    };
    let _ = HEARD.try_with(|all| all.lock().unwrap().push(heard));
}

/// A life that is cut short says why in its `Life`, not on the terminal.
fn quiet_panics() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if HEARD.try_with(|_| ()).is_err() {
                // At once: a run of all points takes long, and the harness speaks at its end.
                tally::say(&panic.to_string());
                usual(panic);
            }
        }));
    });
}

/// What stands for the content type of what a command printed.
pub(crate) const COMMAND: &str = "command line";
