//! Every listed route is answered, and nothing else is.

use axum::body::Body;
use http::Request;
use portcullis::domain::device::Device;
use portcullis::domain::enrolment::Enrolment;
use portcullis::domain::person::Role;
use portcullis::domain::phone::Phone;
use portcullis::domain::{PersonId, PhoneId};
use portcullis::store::table;

use crate::support::browser::{Browser, navigation};
use crate::support::desk::*;
use crate::support::gate::{Gate, id};

async fn status(browser: &Browser, method: &str, path: &str) -> u16 {
    let mut request = navigation(path);
    *request.method_mut() = method.parse().unwrap();
    browser.dress(&mut request);
    let mut sender = browser.wire.h1(browser.host.split(':').next().unwrap()).await;
    // The head alone: streams of events have no end.
    sender.send_request(request).await.unwrap().status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_route_is_answered_and_no_other() {
    let gate = Gate::open().await;
    let owner = staff(&gate, "ida", "Ida Owner", &[Role::Owner]).await;
    let laptop = anna(&gate).await;
    let client = gate.browser("bank", &laptop);
    let page = client.open("/").await;
    types_code(&owner, "anna", &page.digits()).await.must_say("The code was right");
    let number = gate.all::<Enrolment>().await[0].number.clone();
    let device = gate.all::<Device>().await.into_iter().find(|one| one.name == "laptop").unwrap().id;

    for (method, path) in portcullis::sign_in::ROUTES {
        assert_ne!(status(&client, method, path).await, 404, "{method} {path}");
    }
    for (method, path) in portcullis::portal::ROUTES {
        assert_ne!(status(&client, method, path).await, 404, "{method} {path}");
    }
    // A link that was never made is not there: `house::delivery` has one.
    let public = portcullis::public::ROUTES.iter().filter(|(_, path)| !path.starts_with("/deliver/"));
    for (method, path) in public {
        let path = path.replace('*', "bank");
        assert_ne!(status(&gate.stranger("start"), method, &path).await, 404, "{method} {path}");
    }
    let phone = gate.stranger("phone");
    for (method, path) in portcullis::phone::ROUTES {
        let path = path.replace('*', "abc");
        assert!([400, 401].contains(&status(&phone, method, &path).await), "{method} {path}");
    }
    let handset = handset();
    gate.put(&handset).await;
    for (method, path) in portcullis::console::ROUTES {
        let mut path = (*path).to_owned();
        if path.starts_with("/certificates/") {
            path = path.replace('*', &laptop.serial);
        }
        let third = match &path {
            path if path.starts_with("/devices") => device.as_str(),
            path if path.contains("/phones/") => handset.id.as_str(),
            _ => &number,
        };
        for part in ["bank", "anna", third] {
            path = path.replacen('*', part, 1);
        }
        let told = status(&owner, method, &path).await;
        // The API reads JSON and no form: without any it has nothing to do.
        let api = path.starts_with("/api/") && told == 400;
        let wanted = if *method == "GET" { 200 } else { 403 };
        assert!(told == wanted || api, "{method} {path}: {told}");
    }
    gate.write(vec![table::delete(table::phone(&handset.tenant, &handset.person, &handset.id))]).await;

    let client = {
        let agent = sam(&gate).await;
        let tablet = gate.device("bank", "anna", "tablet").await;
        first_visit(&gate, &agent, &tablet).await.0
    };
    for path in ["/.portcullis/nothing", "/.portcullis/sign-in/nothing", "/.portcullis/", "/.portcullis"] {
        assert_eq!(status(&client, "GET", path).await, 404, "{path}");
    }
    for path in [
        "/codes/bank/anna/00000x/release",
        "/people/bank",
        "/people/bank/nobody",
        "/audit/nothing",
        "/tenants/x",
    ] {
        assert_eq!(
            status(&owner, "GET", path).await,
            if path.ends_with("release") { 405 } else { 404 },
            "{path}"
        );
    }
    assert_eq!(status(&owner, "GET", "/nothing").await, 403, "no rule names it");
    assert_eq!(status(&phone, "GET", "/api/nothing").await, 404);
    assert_eq!(status(&gate.stranger("start"), "GET", "/nothing").await, 404);
    let assets = Request::get("/.portcullis/assets/nothing.css").body(Body::empty()).unwrap();
    assert_eq!(client.send(assets).await.status, 404);
}

/// A phone that nobody holds.
fn handset() -> Phone {
    Phone {
        tenant: id("bank"),
        person: PersonId::parse("anna").unwrap(),
        id: PhoneId::parse("phone-1").unwrap(),
        name: "phone".to_owned(),
        credential_id: vec![1],
        credential_key: vec![4],
        api_key: vec![4],
        offline_key: None,
        backup_eligible: false,
        sign_count: 0,
        paired: portcullis::domain::Time::from_secs(0),
        released_by: None,
        used: None,
    }
}
