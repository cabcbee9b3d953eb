//! Rules in front of pages: no by default, only what is missing is asked for, and the desk's roles.

use portcullis::audit::Event;
use portcullis::domain::person::Role;

use crate::support::PASSWORD;
use crate::support::browser::program;
use crate::support::desk::*;
use crate::support::gate::Gate;

const STEPPED: &str = r#"
[[rule]]
name  = "News"
paths = ["/news/**"]
who   = ["group:clients"]
need  = ["certificate"]

[[rule]]
name  = "Payments"
paths = ["/payments/**"]
who   = ["group:clients"]
need  = ["certificate", "password", "phone < 5m"]

[[rule]]
name  = "Accounts"
paths = ["/", "/accounts/**"]
who   = ["group:clients"]
need  = ["certificate", "password"]
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_page_asks_only_for_what_is_missing() {
    let gate = Gate::with(|plan| plan.portal = STEPPED.to_owned()).await;
    let agent = sam(&gate).await;
    let laptop = anna(&gate).await;
    let client = gate.browser("bank", &laptop);
    let page = client.open("/payments/new").await;
    let page = calls_support(&agent, &client, &page).await;
    let phone = gate.phone();
    let page = pairs(&client, &phone, &page).await;
    let page = chooses_password(&client, &page, PASSWORD).await;
    page.must_say("the bank's own page at /payments/new");

    let client = gate.browser("bank", &laptop);
    client.open("/news/today").await.must_say("the bank's own page at /news/today");
    let page = client.open("/accounts/1").await;
    page.must_say("Your password");
    // Nothing is said of a phone that this rule does not ask.
    assert!(!page.says("your phone will ask"), "{}", page.words());
    let page = client.submit(&page, "/password", &[("password", PASSWORD)]).await;
    page.must_say("the bank's own page at /accounts/1");
    let page = gate.browser("bank", &laptop).open("/payments/new").await;
    page.must_say("Your password").must_say("Next, your phone will ask");
    let page = client.open("/payments/new").await;
    page.must_say("Type this number on your phone");
    let (status, answer) = phone.approve(&phone.question().await, &page.digits()).await;
    assert_eq!(status, 200, "{answer}");
    client.open("/.portcullis/sign-in/").await.must_say("the bank's own page at /payments/new");
    gate.wait(200);
    client.open("/accounts/1").await.must_say("the bank's own page");
    gate.wait(101);
    // Asked again, the page and the phone say why.
    let page = client.open("/payments/new").await;
    let why = "Payments asks for an approval of the last 5 minutes. Yours is 5 minutes old.";
    page.must_say("Type this number on your phone").must_say(why);
    let question = phone.question().await;
    assert_eq!((&question["purpose"], &question["reason"]), (&"step-up".into(), &"Payments".into()));
    assert_eq!(question["rows"][0]["value"], why);
    client.open("/accounts/1").await.must_say("the bank's own page at /accounts/1");
    let page = client.open("/payments/new").await;
    assert_eq!(phone.approve(&phone.question().await, &page.digits()).await.0, 200);
    client.open("/.portcullis/sign-in/").await.must_say("the bank's own page at /payments/new");

    gate.backend.forget();
    for path in ["/secret", "/newsx", "/NEWS/today"] {
        let page = client.open(path).await;
        assert_eq!(page.status, 403, "{path}");
        page.must_say("This part is not open to you");
        assert_eq!(
            client.send(program(path)).await.problem()["type"],
            "urn:portcullis:refusal:policy-denied"
        );
    }
    assert_eq!(gate.backend.bytes(), 0, "what no rule names is closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_role_has_its_part_of_the_desk() {
    let gate = Gate::open().await;
    anna(&gate).await;
    let desk = [
        staff(&gate, "sam", "Sam Support", &[Role::Support]).await,
        staff(&gate, "olga", "Olga Operator", &[Role::Operator]).await,
        staff(&gate, "udo", "Udo Auditor", &[Role::Auditor]).await,
        staff(&gate, "ida", "Ida Owner", &[Role::Owner]).await,
    ];
    // Support, operator, auditor, owner.
    for (path, may) in [
        ("/", [true, true, true, true]),
        ("/people/", [true, true, false, true]),
        ("/people/bank/anna", [true, true, false, true]),
        ("/people/bank/anna/lock", [true, true, false, true]),
        ("/devices/bank/anna/new", [false, true, false, true]),
        ("/certificates/", [false, true, false, true]),
        ("/tenants/", [false, true, false, true]),
        ("/audit/", [false, false, true, true]),
        ("/audit/verify", [false, false, true, true]),
    ] {
        for (browser, may) in desk.iter().zip(may) {
            let page = browser.open(path).await;
            assert_eq!(page.status, if may { 200 } else { 403 }, "{path}: {}", page.words());
        }
    }
    for (browser, may) in desk.iter().zip([true, false, false, true]) {
        let hidden = browser.open("/").await.forms().into_iter().find(|form| !form.hidden.is_empty());
        let pairs = [
            hidden.unwrap().hidden,
            vec![("caller".into(), "bank/anna".into()), ("code".into(), "123456".into())],
        ]
        .concat();
        let answer = browser.send(browser.posting("/codes/check", &pairs)).await;
        assert_eq!(answer.status, if may { 422 } else { 403 }, "{}", answer.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shipped_desk_asks_for_the_phone_too() {
    let gate = Gate::with(|plan| plan.console = portcullis::policy::shipped::CONSOLE).await;
    gate.person("staff", "sam", "Sam Support", &[Role::Support]).await;
    let handed = gate.device("staff", "sam", "desk").await;
    gate.settle(&handed).await;
    let browser = gate.browser("console", &handed);
    let page = browser.open("/").await;
    let page = browser.submit(&page, "/password", &[("password", PASSWORD)]).await;
    assert_ne!(page.path, "/", "{}", page.words());
    assert_eq!(browser.send(program("/people/")).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_issues_and_revokes_at_the_desk() {
    let gate = Gate::open().await;
    gate.person("bank", "anna", "Anna Muster", &[]).await;
    let desk = staff(&gate, "olga", "Olga Operator", &[Role::Operator]).await;
    let page = desk.open("/devices/bank/anna/new").await;
    let fields = [("device", "laptop"), ("encoding", "modern"), ("way", "hand")];
    let page = desk.submit(&page, "/new", &fields).await;
    page.must_say("The file for laptop").must_say("Anna Muster");
    let base64 = page.html.split_once("x-pkcs12;base64,").unwrap().1.split('"').next().unwrap();
    let base64 = base64.replace("&#43;", "+").replace("&#61;", "=").replace("&#47;", "/");
    let p12 = data_encoding::BASE64.decode(base64.as_bytes()).unwrap();
    let secret = page.html.split_once("id=\"import-password\">").unwrap().1.split("</p>").next().unwrap();
    let password = crate::support::page::words(secret).replace(' ', "");
    let identity = crate::support::ca::opened(&p12, &password);
    let client = crate::support::browser::Browser::new(gate.wire.showing(&identity), gate.host("bank"));
    client.open("/").await.must_say("Call us and read out this number");
    assert_eq!(gate.told(Event::CertificateIssued).await, 2);

    let person = desk.open("/people/bank/anna").await;
    // The device's own, beside the one for all that the person has.
    let mut links = person.html.split("href=\"").filter_map(|rest| rest.split('"').next());
    let href = links.find(|href| href.ends_with("/revoke") && href.matches('/').count() == 5).unwrap();
    let page = desk.open(href).await;
    let refused = desk.submit(&page, "/revoke", &[("reason", "key-compromise"), ("name", "tablet")]).await;
    refused.must_say("Please type the name exactly");
    desk.submit(&page, "/revoke", &[("reason", "key-compromise"), ("name", "laptop")]).await;
    client.open("/").await.must_say("This certificate was switched off on");
    assert_eq!(gate.told(Event::CertificateRevoked).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_auditor_verifies_the_trail_by_the_button() {
    let gate = Gate::open().await;
    let desk = staff(&gate, "udo", "Udo Auditor", &[Role::Auditor]).await;
    let page = desk.open("/audit/").await;
    page.must_say("session.began").must_say("password.right");
    let form = page.form("/audit/verify");
    assert!(form.hidden.is_empty(), "a form of GET puts what it holds into the address");
    desk.open(&form.action).await.must_say("entries are as written");
}
