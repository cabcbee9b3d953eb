//! The desk for programs, attacked: other sites' pages, other people's certificates, bodies that are no call,
//! robots that want too much. The oracle is the store and the trail.

use axum::body::Body;
use http::{Request, StatusCode};
use portcullis::audit::Event;
use portcullis::domain::certificate::{Certificate, CertificateState};
use portcullis::domain::device::Device;
use portcullis::domain::person::Role;
use portcullis::policy::shipped::Shipped;
use serde_json::{Value, json};

use crate::support::browser::Browser;
use crate::support::desk::{anna, sam, staff};
use crate::support::gate::Gate;
use crate::support::wire::Answer;

/// The four endpoints, each doing what its command does.
#[tokio::test(flavor = "multi_thread")]
async fn a_program_issues_renews_lists_and_revokes() {
    let gate = Gate::open().await;
    let otto = staff(&gate, "otto", "Otto Operator", &[Role::Operator]).await;
    gate.person("bank", "anna", "Anna Muster", &[]).await;

    let issued = call(&otto, "devices", &json!({ "person": "bank/anna", "name": "laptop" })).await;
    assert_eq!(issued.status, StatusCode::CREATED, "{}", issued.text());
    assert_eq!(issued.header("cache-control"), "no-store");
    let issued = told(&issued);
    let p12 =
        data_encoding::BASE64.decode(issued["files"][0]["base64"].as_str().unwrap().as_bytes()).unwrap();
    crate::support::ca::opened(&p12, issued["import_password"].as_str().unwrap());
    let serial = issued["certificate"]["serial"].as_str().unwrap().to_owned();

    // A key that never comes here.
    let key = rcgen::KeyPair::generate().unwrap();
    let csr = rcgen::CertificateParams::default().serialize_request(&key).unwrap().pem().unwrap();
    let with_csr = json!({ "person": "bank/anna", "name": "server", "csr": csr });
    let certified = call(&otto, "devices", &with_csr).await;
    assert_eq!(certified.status, StatusCode::CREATED, "{}", certified.text());
    assert!(told(&certified).get("import_password").is_none(), "{}", certified.text());

    let device = issued["device"].as_str().unwrap();
    let renew = format!("devices/bank/anna/{device}/renew");
    let renewed = call(&otto, &renew, &json!({ "encoding": "compatible" })).await;
    assert_eq!(renewed.status, StatusCode::CREATED, "{}", renewed.text());

    let list = told(&get(&otto, "certificates?q=muster&state=in-force").await);
    assert_eq!((list["total"].as_u64(), list["certificates"].as_array().unwrap().len()), (Some(3), 3));

    let dry = json!({ "person": "bank/anna", "dry_run": true });
    let would = told(&call(&otto, "certificates/revoke", &dry).await);
    assert_eq!((&would["would_revoke"], &would["devices"]), (&json!(3), &json!(2)), "{would}");
    assert!(revoked(&gate).await.is_empty(), "a dry run changes nothing");
    // As other programs print it.
    let spelled: Vec<String> =
        serial.as_bytes().chunks(2).map(|two| String::from_utf8_lossy(two).into()).collect();
    let spelled = spelled.join(":").to_uppercase();
    let one = json!({ "serial": spelled, "reason": "key-compromise" });
    let fell = told(&call(&otto, "certificates/revoke", &one).await);
    assert_eq!(fell["revoked"], json!([serial]));
    assert_eq!(revoked(&gate).await, std::slice::from_ref(&serial));
    let again = told(&call(&otto, "certificates/revoke", &one).await);
    assert_eq!((&again["revoked"], &again["already_revoked"]), (&json!([]), &json!(1)), "safe to repeat");
    let all = json!({ "person": "bank/anna", "reason": "affiliation-changed" });
    assert_eq!(told(&call(&otto, "certificates/revoke", &all).await)["revoked"].as_array().unwrap().len(), 2);
    let lines = gate.trail().await;
    let by: Vec<_> = lines.iter().filter(|line| line.what == Event::CertificateRevoked).collect();
    assert!(by.len() == 2 && by.iter().all(|line| line.who == "person:staff/otto"));
}

/// A cookie is not enough: other sites' pages can send one along.
#[tokio::test(flavor = "multi_thread")]
async fn no_other_site_calls() {
    let gate = Gate::open().await;
    let otto = staff(&gate, "otto", "Otto Operator", &[Role::Operator]).await;
    let laptop = anna(&gate).await;
    let body = json!({ "serial": laptop.serial }).to_string();
    let own = otto.origin();
    let cases: [(&[(&str, &str)], u16); 9] = [
        (&[("content-type", "text/plain")], 400),
        (&[("content-type", "application/x-www-form-urlencoded")], 400),
        (&[("content-type", "multipart/form-data")], 400),
        (&[], 400),
        (&[("content-type", "application/json"), ("content-type", "text/plain")], 400),
        (&[("content-type", "application/json"), ("origin", "https://evil.example")], 403),
        (&[("content-type", "application/json"), ("origin", "null")], 403),
        (&[("content-type", "application/json"), ("sec-fetch-site", "cross-site")], 403),
        (&[("content-type", "application/json"), ("origin", &own), ("sec-fetch-site", "same-site")], 403),
    ];
    for (headers, status) in cases {
        let mut request = Request::post("/api/v1/certificates/revoke");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = otto.send(request.body(Body::from(body.clone())).unwrap()).await;
        assert_eq!(answer.status.as_u16(), status, "{headers:?}: {}", answer.text());
        answer.problem();
    }
    let mut read = Request::get("/api/v1/certificates").body(Body::empty()).unwrap();
    read.headers_mut().insert("sec-fetch-site", "cross-site".parse().unwrap());
    assert_eq!(otto.send(read).await.status, 403);
    assert!(revoked(&gate).await.is_empty());
}

/// A certificate and its release are in two people's hands, later certificates too.
#[tokio::test(flavor = "multi_thread")]
async fn who_released_a_device_issues_nothing_on_it() {
    let gate = Gate::open().await;
    let otto = staff(&gate, "otto", "Otto Operator", &[Role::Operator]).await;
    let dora = staff(&gate, "dora", "Dora Operator", &[Role::Operator]).await;
    let laptop = anna(&gate).await;
    gate.settle(&laptop).await;
    let device = gate.all::<Device>().await.into_iter().find(|one| one.id == laptop.device).unwrap();
    gate.put(&Device { released_by: Some("person:staff/otto".to_owned()), ..device }).await;
    let before = gate.all::<Certificate>().await.len();

    let key = rcgen::KeyPair::generate().unwrap();
    let csr = rcgen::CertificateParams::default().serialize_request(&key).unwrap().pem().unwrap();
    let renew = format!("devices/bank/anna/{}/renew", laptop.device);
    for body in [json!({}), json!({ "csr": csr })] {
        let refused = call(&otto, &renew, &body).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", refused.text());
        assert!(refused.text().contains("ask a colleague to issue it"), "{}", refused.text());
    }
    for way in ["hand", "link"] {
        let page = otto.open(&format!("/{renew}")).await;
        let told = otto.submit(&page, "/renew", &[("way", way), ("encoding", "modern")]).await;
        told.must_say("so it gets no certificate from you");
    }
    assert_eq!(gate.all::<Certificate>().await.len(), before);
    assert_eq!(call(&dora, &renew, &json!({})).await.status, StatusCode::CREATED);
}

/// Who may what is what it is at the desk, and bad bodies are told which field.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_does_by_program_what_they_may_not_do_at_the_desk() {
    let gate = Gate::open().await;
    let otto = staff(&gate, "otto", "Otto Operator", &[Role::Operator]).await;
    let support = sam(&gate).await;
    let laptop = anna(&gate).await;
    gate.settle(&laptop).await;
    let serials: Vec<String> = gate.all::<Certificate>().await.into_iter().map(|one| one.serial).collect();
    let own = serials.iter().find(|serial| **serial != laptop.serial).unwrap();
    // Support is no operator; a client is nobody here; without a certificate there is nothing.
    let one = json!({ "serial": laptop.serial });
    for nobody in [&support, &gate.browser("console", &laptop), &gate.stranger("console"), &otto.another()] {
        let answer = call(nobody, "certificates/revoke", &one).await;
        assert!(matches!(answer.status.as_u16(), 401 | 403), "{}", answer.text());
    }
    let refused = gate.told(Event::RequestRefused).await;
    let of_staff = [
        json!({ "person": "staff/otto" }),
        json!({ "person": "staff/sam" }),
        json!({ "device": "staff/otto/desk" }),
        json!({ "tenant": "staff" }),
        json!({ "serial": own }),
    ];
    for body in &of_staff {
        let answer = call(&otto, "certificates/revoke", body).await;
        assert_eq!(answer.status, 403, "{body}: {}", answer.text());
    }
    let issue = json!({ "person": "staff/otto", "name": "mine" });
    assert_eq!(call(&otto, "devices", &issue).await.status, 403);
    assert_eq!(call(&otto, "devices/staff/otto/desk/renew", &json!({})).await.status, 403);
    assert_eq!(
        gate.told(Event::RequestRefused).await,
        refused + of_staff.len() + 2,
        "each try is in the trail"
    );

    for (body, status, word) in [
        ("", 400, "cannot be read"),
        ("{", 400, "cannot be read"),
        ("[]", 400, "cannot be read"),
        (r#"{"serial":"1","tenant":"bank"}"#, 400, "exactly one of"),
        ("{}", 400, "exactly one of"),
        (r#"{"serial":"1","seriel":"2"}"#, 400, "seriel"),
        (r#"{"serial":"1","serial":"2"}"#, 400, "serial"),
        (r#"{"serial":"1","reason":"because"}"#, 400, "because"),
        (r#"{"serial":"xyz"}"#, 400, "no serial number"),
        (r#"{"serial":"1"}"#, 404, "no certificate 1"),
        (r#"{"device":"bank/anna"}"#, 400, "TENANT/PERSON/DEVICE"),
        (r#"{"device":"bank/anna/../x"}"#, 404, "no device"),
        (r#"{"tenant":"nowhere"}"#, 404, "no tenant"),
    ] {
        let answer = send(&otto, "certificates/revoke", body.to_owned()).await;
        assert_eq!(answer.status.as_u16(), status, "{body}: {}", answer.text());
        let problem = answer.problem();
        assert!(problem["what"].as_str().unwrap().contains(word), "{body}: {problem}");
        assert!(problem["kind"].is_string() && problem["next"].is_string(), "{problem}");
    }
    let long = format!(r#"{{"serial":"{}"}}"#, "1".repeat(40_000));
    assert_eq!(send(&otto, "certificates/revoke", long).await.status, 413);
    for path in ["certificates/revoke/", "nothing", "devices/bank/anna/laptop", "../audit/"] {
        let answer = send(&otto, path, "{}".to_owned()).await;
        assert!(answer.status.is_client_error(), "{path}: {}", answer.text());
    }
    assert!(revoked(&gate).await.is_empty());
}

/// M-10. A session that was stolen after its owner signed in does not switch off a whole site, neither by
/// program nor on the page; its owner does, having just signed in.
#[tokio::test(flavor = "multi_thread")]
async fn a_whole_site_falls_only_by_who_has_just_signed_in() {
    let gate = Gate::open().await;
    let otto = staff(&gate, "otto", "Otto Operator", &[Role::Operator]).await;
    let laptop = anna(&gate).await;
    let all = json!({ "tenant": "bank", "reason": "cessation-of-operation" });
    gate.wait(4 * 60);
    otto.open("/").await;
    gate.wait(61);
    let answer = call(&otto, "certificates/revoke", &all).await;
    assert_eq!(answer.status, 422, "{}", answer.text());
    assert!(answer.problem()["what"].as_str().unwrap().contains("within five minutes"));
    let page = otto.open("/tenants/bank/revoke").await;
    page.must_say("1 certificate stops working, for good.");
    let typed = [("name", "Bank Muster & Cie"), ("reason", "cessation-of-operation")];
    let name = page.html.split_once("Type <strong>").unwrap().1.split("</strong>").next().unwrap();
    let name = crate::support::page::words(name);
    let typed = [("name", name.trim()), typed[1]];
    let page = otto.submit(&page, "/revoke", &typed).await;
    assert_eq!(page.status, 422);
    page.must_say("sign in again");
    assert!(revoked(&gate).await.is_empty());

    // Signed in anew, with a wrong name and then with the right one.
    otto.forget_cookies();
    crate::support::desk::signs_in(&otto).await;
    let page = otto.open("/tenants/bank/revoke").await;
    let wrong = otto.submit(&page, "/revoke", &[("name", "bank"), typed[1]]).await;
    wrong.must_say("Please type the name exactly");
    assert!(revoked(&gate).await.is_empty());
    otto.submit(&page, "/revoke", &typed).await;
    assert_eq!(revoked(&gate).await, std::slice::from_ref(&laptop.serial));
    otto.open("/tenants/bank/revoke").await.must_say("It is switched off already");
}

/// A rule of the operator's own lets a robot in by its certificate alone: it does what the rule says and no
/// more, and a whole site it never switches off.
#[tokio::test(flavor = "multi_thread")]
async fn a_robot_comes_by_its_certificate_alone() {
    const RULES: &str = r#"
[[rule]]
name  = "The desk"
paths = ["/", "/assets/**", "/.portcullis/**", "/devices/**", "/people/**"]
who   = ["role:operator"]
need  = ["certificate", "password"]

[[rule]]
name  = "Robots list and revoke"
paths = ["/api/v1/certificates", "/api/v1/certificates/revoke"]
who   = ["role:operator"]
need  = ["certificate"]
"#;
    let gate =
        Gate::with(|plan| plan.console = Shipped { file: "console.toml", rules: RULES, cases: "" }).await;
    gate.person("staff", "robo", "Robo", &[Role::Operator]).await;
    let handed = gate.device("staff", "robo", "server").await;
    gate.settle(&handed).await;
    let robot = gate.browser("console", &handed);
    let laptop = anna(&gate).await;
    assert_eq!(told(&get(&robot, "certificates").await)["total"], 2);
    let all = json!({ "tenant": "bank" });
    assert_eq!(call(&robot, "certificates/revoke", &all).await.status, 422, "no whole site");
    let issue = json!({ "person": "bank/anna", "name": "mine" });
    assert!(call(&robot, "devices", &issue).await.status.is_client_error());
    assert!(revoked(&gate).await.is_empty());
    let fell = told(&call(&robot, "certificates/revoke", &json!({ "serial": laptop.serial })).await);
    assert_eq!(fell["revoked"], json!([laptop.serial]));
}

/// Every device of a person, and one certificate alone, on their pages.
#[tokio::test(flavor = "multi_thread")]
async fn the_pages_say_what_falls_and_then_it_falls() {
    let gate = Gate::open().await;
    let otto = staff(&gate, "otto", "Otto Operator", &[Role::Operator]).await;
    let support = sam(&gate).await;
    let laptop = anna(&gate).await;
    let browser = gate.signed_in("bank", &laptop).await;
    gate.wait(2);
    let newer = gate.renewed(&laptop).await;
    let path = format!("/certificates/{}/revoke", laptop.serial);
    let page = otto.open(&path).await;
    for words in
        ["1 certificate stops working, for good.", "1 session ends now", "1 person is told by e-mail"]
    {
        page.must_say(words);
    }
    assert!(!page.says("cannot be used again"), "the device goes on with its other certificate");
    assert_eq!(browser.open("/").await.status, 200);
    let fields = [("name", "laptop"), ("reason", "superseded")];
    otto.submit(&page, "/revoke", &fields).await.must_say("revoked");
    assert_eq!(revoked(&gate).await, std::slice::from_ref(&laptop.serial));
    assert_eq!(browser.open("/").await.status, 403);
    let other = gate.browser("bank", &newer);
    other.open("/").await.must_say("Your password");

    let person = "/devices/bank/anna/revoke";
    assert_eq!(support.open(person).await.status, 403, "support locks, and revokes nothing");
    let page = otto.open(person).await;
    page.must_say("1 device cannot be used again.");
    page.must_say("1 certificate was switched off before");
    otto.submit(&page, "/revoke", &[("name", "Anna Muster"), ("reason", "affiliation-changed")]).await;
    assert_eq!(revoked(&gate).await.len(), 2);
    assert_eq!(other.open("/").await.status, 403);
    gate.must_verify().await;
}

async fn call(browser: &Browser, path: &str, body: &Value) -> Answer {
    send(browser, path, body.to_string()).await
}

async fn send(browser: &Browser, path: &str, body: String) -> Answer {
    let request = Request::post(format!("/api/v1/{path}"))
        .header("content-type", "application/json")
        .header("accept", "application/json");
    browser.send(request.body(Body::from(body)).unwrap()).await
}

async fn get(browser: &Browser, path: &str) -> Answer {
    let request = Request::get(format!("/api/v1/{path}")).header("accept", "application/json");
    browser.send(request.body(Body::empty()).unwrap()).await
}

#[track_caller]
fn told(answer: &Answer) -> Value {
    assert!(answer.status.is_success(), "{}", answer.text());
    assert_eq!(answer.header("content-type"), "application/json");
    serde_json::from_slice(&answer.body).unwrap()
}

async fn revoked(gate: &Gate) -> Vec<String> {
    let all = gate.all::<Certificate>().await.into_iter();
    let revoked = all.filter(|one| matches!(one.state, CertificateState::Revoked { .. }));
    revoked.map(|one| one.serial).collect()
}
