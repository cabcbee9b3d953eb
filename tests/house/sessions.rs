//! Sessions: bound to the certificate, renewed at each step, ended by idleness and by time, and never
//! a way to another site.

use std::collections::BTreeSet;

use portcullis::audit::Event;
use portcullis::domain::session::Session;
use portcullis::domain::tenant::{SessionProfile, Tenant};

use crate::support::browser::{COOKIE, program};
use crate::support::desk::*;
use crate::support::gate::Gate;
use crate::support::{PASSWORD, browser::navigation};

#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_cookie_is_useless_and_ends_the_session() {
    for with_certificate in [true, false] {
        let gate = Gate::open().await;
        let (client, _, _) = anna_inside(&gate).await;
        gate.person("bank", "berta", "Berta Beispiel", &[]).await;
        let berta = gate.device("bank", "berta", "laptop").await;
        gate.settle(&berta).await;
        gate.backend.forget();
        let thief = client.stolen_by(with_certificate.then_some(&berta.identity));
        let page = thief.open("/accounts").await;
        assert_eq!(page.status, 401, "{}", page.words());
        page.must_say("Please sign in again on this device");
        assert_eq!(gate.backend.bytes(), 0, "{}", gate.backend.text());
        assert_eq!(gate.told(Event::SessionElsewhere).await, 1);
        let anna = |one: &Session| one.person.as_str() == "anna";
        assert!(!gate.all::<Session>().await.iter().any(anna), "the session is gone");
        client.open("/").await.must_say("Your password");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_step_has_a_new_cookie_and_the_old_one_is_dead() {
    let gate = Gate::open().await;
    let agent = sam(&gate).await;
    let laptop = anna(&gate).await;
    let client = gate.browser("bank", &laptop);
    let mut cookies = Vec::new();
    let page = client.open("/").await;
    cookies.push(client.cookie().unwrap());
    let page = calls_support(&agent, &client, &page).await;
    let phone = gate.phone();
    let page = pairs(&client, &phone, &page).await;
    cookies.push(client.cookie().unwrap());
    client.submit(&page, "/new-password", &[("password", PASSWORD)]).await;
    cookies.push(client.cookie().unwrap());
    assert_eq!(cookies.iter().collect::<BTreeSet<_>>().len(), 3);
    gate.backend.forget();
    for old in &cookies[..2] {
        let other = gate.browser("bank", &laptop);
        other.set_cookie(COOKIE, old);
        other.open("/").await.must_say("Your password");
        assert_eq!(gate.backend.bytes(), 0);
    }
    // Two cookies of one name are none.
    let twice = gate.browser("bank", &laptop);
    let mut request = navigation("/");
    let value = format!("{COOKIE}={0}; {COOKIE}={0}", cookies[2]);
    twice.dress(&mut request);
    request.headers_mut().insert("cookie", value.parse().unwrap());
    assert_eq!(twice.wire.send(&twice.host, request).await.status, 303);
    assert_eq!(gate.backend.bytes(), 0);
    client.open("/").await.must_say("the bank's own page");
    // The forms of one session are no other's.
    let other = gate.browser("bank", &laptop);
    let page = other.open("/").await;
    let forged = [("csrf".to_owned(), "AAAA".to_owned()), ("password".to_owned(), PASSWORD.to_owned())];
    let answer = other.send(other.posting("/.portcullis/sign-in/password", &forged)).await;
    assert_eq!(answer.status, 403, "{}", answer.text());
    let form = page.form("/password");
    let pairs = [form.hidden, vec![("password".to_owned(), PASSWORD.to_owned())]].concat();
    let mut foreign = other.posting("/.portcullis/sign-in/password", &pairs);
    foreign.headers_mut().insert("origin", "https://evil.example".parse().unwrap());
    assert_eq!(other.send(foreign).await.status, 403);
    assert_eq!(gate.told(Event::PasswordRight).await, 1, "the agent's own alone");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_when_nobody_does_anything() {
    let gate = Gate::open().await;
    let (client, phone, _) = anna_inside(&gate).await;
    for _ in 0..4 {
        gate.wait(200);
        client.open("/").await.must_say("the bank's own page");
    }
    gate.wait(200);
    // A page that asks by itself keeps nobody in.
    let mut poll = program("/news");
    poll.headers_mut().insert("sec-fetch-mode", "cors".parse().unwrap());
    assert_eq!(client.send(poll).await.status, 200);
    gate.wait(101);
    client.open("/").await.must_say("Your password");
    assert_eq!(client.send(program("/news")).await.status, 401);
    client.forget_cookies();
    later_visit(&client, &phone, "/").await.must_say("the bank's own page");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_after_twelve_hours_whatever_happens() {
    let gate = Gate::open().await;
    let (client, _, _) = anna_inside(&gate).await;
    let mut passed = 0;
    while passed + 280 < 12 * 3600 - 60 {
        gate.wait(280);
        passed += 280;
        let answer = client.send(navigation("/")).await;
        assert_eq!(answer.status, 200, "after {passed} s");
    }
    gate.wait(280);
    client.open("/").await.must_say("Your password");
}

/// Each profile of a tenant has its own ends: strict (PSD2), aal3 and aal2 (SP 800-63B-4).
#[tokio::test(flavor = "multi_thread")]
async fn a_session_lives_as_its_tenants_profile_says() {
    let gate = Gate::open().await;
    let (_, phone, laptop) = anna_inside(&gate).await;
    let bank = gate.all::<Tenant>().await.into_iter().find(|one| one.id.as_str() == "bank").unwrap();
    for (profile, idle_secs, whole_secs) in [
        (SessionProfile::Strict, 5 * 60, 12 * 3600),
        (SessionProfile::Aal3, 15 * 60, 12 * 3600),
        (SessionProfile::Aal2, 3600, 24 * 3600),
    ] {
        gate.put(&Tenant { profile, ..bank.clone() }).await;
        let client = gate.browser("bank", &laptop);
        later_visit(&client, &phone, "/").await.must_say("the bank's own page");
        gate.wait(idle_secs - 1);
        client.open("/").await.must_say("the bank's own page");
        gate.wait(idle_secs + 1);
        client.open("/").await.must_say("Your password");

        later_visit(&client.another(), &phone, "/").await.must_say("the bank's own page");
        let session = gate.all::<Session>().await.into_iter().max_by_key(|one| one.created).unwrap();
        assert_eq!(session.absolute_end.since(session.created).as_secs(), whole_secs, "{profile:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_in_leads_to_our_own_pages_alone() {
    let gate = Gate::open().await;
    let laptop = anna(&gate).await;
    gate.settle(&laptop).await;
    let client = gate.browser("bank", &laptop);
    for path in ["//evil.example/", "/%2f%2fevil.example/", "/.//evil.example"] {
        let answer = client.send(navigation(path)).await;
        assert_eq!(answer.status, 400, "{path}: {}", answer.text());
        assert_eq!(answer.header("location"), "");
    }
    let answer = client.send(navigation("/.portcullis/sign-in/?return_to=https://evil.example/")).await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (303, "/.portcullis/sign-in/"));
    let sessions = gate.all::<Session>().await;
    assert!(sessions.iter().all(|one| one.return_to.is_none()), "{sessions:?}");
}
