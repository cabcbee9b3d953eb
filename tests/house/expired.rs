//! The lane of those whose certificate ended: with the certificate shown, and with nothing shown.

use http::StatusCode;
use portcullis::audit::Event;
use portcullis::console::command::{Command, tenant, terms::Terms};
use portcullis::domain::certificate::{Certificate, CertificateState};
use portcullis::domain::renewal::Renewal;
use portcullis::domain::route::Rules;
use portcullis::notify::{About, Notice};
use serde_json::json;

use crate::support::PASSWORD;
use crate::support::ca::opened;
use crate::support::desk::{anna_inside, later_visit, signs_in};
use crate::support::ended::*;
use crate::support::gate::{Gate, Handed, id};
use crate::support::wire::Identity;

fn with(handed: &Handed, identity: Identity) -> Handed {
    Handed { identity, ..handed.clone() }
}

async fn state_of(gate: &Gate, serial: &str) -> CertificateState {
    gate.all::<Certificate>().await.into_iter().find(|one| one.serial == serial).unwrap().state
}

/// Password, phone, CSR: as a program does it, and what comes of the old certificate.
#[tokio::test(flavor = "multi_thread")]
async fn a_program_renews_with_its_expired_certificate() {
    let gate = Gate::open().await;
    let (_, phone, handed) = anna_inside(&gate).await;
    let (old, record) = only_ended(&gate, &handed, 3600).await;
    let program = gate.browser("bank", &old);

    // Everywhere else it is told where to go.
    let (status, problem) = json(&program, "GET", "/accounts", &json!({})).await;
    assert_eq!((status, &problem["type"]), (403, &json!("urn:portcullis:refusal:certificate-expired")));
    assert_eq!(problem["renewal"], format!("https://{}{RENEW}", gate.host("bank")));

    let (status, told) = json(&program, "GET", RENEW, &json!({})).await;
    assert_eq!((status, &told["stage"]), (200, &json!("password")), "{told}");
    proves_both(&program, &phone, PASSWORD).await;

    let key = rcgen::KeyPair::generate().unwrap();
    let wish = rcgen::CertificateParams::new(vec!["wish.example".to_owned()]).unwrap();
    let csr = wish.serialize_request(&key).unwrap().pem().unwrap();
    let answer =
        call(&program, "POST", "/.portcullis/renew/certificate", "application/pkcs10", csr.into()).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    let told: serde_json::Value = serde_json::from_str(&answer.text()).unwrap();
    let chain = pem::parse_many(told["chain"].as_str().unwrap()).unwrap();
    let chain = chain.into_iter().take(2).map(pem::Pem::into_contents).collect();
    let new = Identity { chain, key: key.serialize_der() };
    assert!(gate.all::<Renewal>().await.is_empty(), "it is used up");

    // The next sign-in with the new one takes the old one's place.
    assert_eq!(state_of(&gate, &record.serial).await, CertificateState::Active);
    let client = gate.browser("bank", &with(&handed, new));
    later_visit(&client, &phone, "/accounts").await.must_say("the bank's own page at /accounts");
    assert!(matches!(state_of(&gate, &record.serial).await, CertificateState::Superseded { .. }));
    let (status, problem) = json(&program, "GET", RENEW, &json!({})).await;
    assert_eq!((status, problem.get("renewal")), (403, None), "a superseded one opens nothing");
    assert_eq!(gate.told(Event::CertificateRenewed).await, 1);
    gate.must_verify().await;
}

/// The same as pages, for a browser that does show it; and a .p12 under the password on the page.
#[tokio::test(flavor = "multi_thread")]
async fn a_browser_that_shows_it_renews_by_its_pages() {
    let gate = Gate::open().await;
    let (_, phone, handed) = anna_inside(&gate).await;
    let (old, _) = only_ended(&gate, &handed, 3600).await;
    let browser = gate.browser("bank", &old);
    let page = browser.open("/accounts").await;
    page.must_say("Your certificate ended").must_say("Renew it now");

    let page = browser.open(RENEW).await;
    let page = browser.submit(&page, "/password", &[("password", "not it at all")]).await;
    page.must_say("That was not right");
    let page = browser.submit(&page, "/password", &[("password", PASSWORD)]).await;
    page.must_say("Type this number on your phone");
    let question = phone.question().await;
    assert_eq!(question["purpose"], "renew-expired");
    phone.approve(&question, &page.digits()).await;
    let page = browser.open(RENEW).await;
    page.must_say("close the browser completely and open it again").must_say("laptop");
    let password = import_password(&page);
    assert_eq!(import_password(&browser.open(RENEW).await), password, "loaded again it is the same");
    let form = page.form("/certificate");
    let pairs = [form.hidden, vec![("encoding".to_owned(), "modern".to_owned())]].concat();
    let answer = browser.send(browser.posting(&form.action, &pairs)).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert_eq!(answer.header("content-type"), "application/x-pkcs12");
    assert!(answer.header("content-disposition").starts_with("attachment; filename="));
    let new = gate.browser("bank", &with(&handed, opened(&answer.body, &password)));
    later_visit(&new, &phone, "/").await.must_say("the bank's own page");
    // Once is once.
    let again = browser.send(browser.posting(&form.action, &pairs)).await;
    assert_ne!(again.header("content-type"), "application/x-pkcs12");
    assert_eq!(gate.told(Event::CertificateRenewed).await, 1);
}

/// Nothing shown: address, code, word, release, password, phone, file.
#[tokio::test(flavor = "multi_thread")]
async fn somebody_without_a_certificate_renews_by_way_of_the_desk() {
    let gate = Gate::open().await;
    let (_, phone, handed) = anna_inside(&gate).await;
    let (_, record) = only_ended(&gate, &handed, 3600).await;
    let agent = sam_again(&gate).await;

    let nobody = gate.stranger("bank").open("/").await;
    nobody
        .must_say("Please close the browser completely, and open it again")
        .must_say("My certificate has expired");
    let link = format!("https://{}/expired/bank/", gate.host("start"));
    assert!(nobody.html.contains(&format!("href=\"{link}\"")), "{}", nobody.html);

    let stranger = gate.stranger("start");
    let page = asks(&stranger, "bank", " Anna@BANK.example ").await;
    assert!(!page.says("laptop") && !page.says("Anna"), "{}", page.words());
    let page = is_released(&agent, &stranger, &page, "anna").await;
    page.must_say("Your password");
    let page = stranger.submit(&page, "/password", &[("password", PASSWORD)]).await;
    let (status, answer) = phone.approve(&phone.question().await, &page.digits()).await;
    assert_eq!(status, 200, "{answer}");
    let page = stranger.open("/expired/bank/").await;
    page.must_say("close the browser completely and open it again");
    let password = import_password(&page);
    let form = page.form("/certificate");
    let pairs = [form.hidden, vec![("encoding".to_owned(), "compatible".to_owned())]].concat();
    let answer = stranger.send(stranger.posting(&form.action, &pairs)).await;
    assert_eq!(answer.header("content-type"), "application/x-pkcs12", "{}", answer.text());
    let new = gate.browser("bank", &with(&handed, opened(&answer.body, &password)));
    later_visit(&new, &phone, "/").await.must_say("the bank's own page");
    assert!(matches!(state_of(&gate, &record.serial).await, CertificateState::Superseded { .. }));

    let about: Vec<About> = gate.all::<Notice>().await.into_iter().map(|notice| notice.about).collect();
    assert!(about.iter().any(|one| matches!(one, About::ExpiredAsked { device, .. } if device == "laptop")));
    assert!(
        about.iter().any(|one| matches!(one, About::CertificateRenewed { device, .. } if device == "laptop"))
    );
    assert_eq!(gate.told(Event::ExpiredReleased).await, 1);
    gate.must_verify().await;
}

/// Sam, whom the first visit has made already.
async fn sam_again(gate: &Gate) -> crate::support::browser::Browser {
    let handed = gate.device("staff", "sam", "second desk").await;
    gate.settle(&handed).await;
    let browser = gate.browser("console", &handed);
    signs_in(&browser).await;
    browser
}

/// In a three-factor tenant the desk's release cannot be switched off, and rules that come later bring it back.
#[tokio::test(flavor = "multi_thread")]
async fn three_factors_keep_the_release() {
    let gate = Gate::open().await;
    let (_, phone, handed) = anna_inside(&gate).await;
    only_ended(&gate, &handed, 3600).await;
    let change = |yes| {
        let terms = Terms { expired_release: Some(yes), ..Terms::default() };
        Command::Tenant(tenant::Command::Certificates { id: id("bank"), terms })
    };
    let refused = gate.acts().run("local:1000", change(false)).await.err().expect("a refusal");
    assert!(refused.to_string().contains("ask for certificate, password and phone"), "{refused}");

    // Two factors: it may be off, and then the password comes first, known or not.
    let rules = gate.all::<Rules>().await.into_iter().find(|one| one.tenant == id("bank")).unwrap();
    let two = "[[rule]]\nname = \"all\"\npaths = [\"/**\"]\nwho = [\"everyone\"]\nneed = [\"certificate\", \"password\"]\n";
    let applied = |text: &str, revision| Rules { text: text.to_owned(), revision, ..rules.clone() };
    gate.put(&applied(two, rules.revision + 1)).await;
    gate.run(change(false)).await;
    let policy = &gate.started().house.policy;
    for _ in 0..100 {
        if !policy.release_needed(&id("bank"), false) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let (known, unknown) = (gate.stranger("start"), gate.stranger("start"));
    for (stranger, email) in [(&known, "anna@bank.example"), (&unknown, "nobody@bank.example")] {
        let page = stranger.open("/expired/bank/").await;
        stranger.submit(&page, "/ask", &[("email", email)]).await.must_say("Your password");
        let page = stranger.open("/expired/bank/").await;
        let page = stranger.submit(&page, "/password", &[("password", "not it at all")]).await;
        page.must_say("That was not right");
    }
    let page = known.open("/expired/bank/").await;
    let page = known.submit(&page, "/password", &[("password", PASSWORD)]).await;
    phone.approve(&phone.question().await, &page.digits()).await;
    known.open("/expired/bank/").await.must_say("The password of the file");

    // Three factors again: what was proved without the release counts no more.
    gate.put(&applied(&rules.text, rules.revision + 2)).await;
    for _ in 0..100 {
        if policy.release_needed(&id("bank"), false) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    known.open("/expired/bank/").await.must_say("Call us and read out this number");
    assert_eq!(gate.told(Event::CertificateRenewed).await, 0);
}
