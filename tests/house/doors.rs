//! Doors and certificates: each wrong one gets its own page, and a problem where a program asks; the
//! backend sees nothing of it.

use axum::body::Body;
use http::Request;
use portcullis::audit::Event;
use portcullis::domain::certificate::{Certificate, CertificateState};
use portcullis::front::outside::{Field, access_log};
use portcullis::store::{Record as _, table};
use rcgen::ExtendedKeyUsagePurpose;

use crate::support::browser::{Browser, COOKIE, navigation, program};
use crate::support::desk::*;
use crate::support::gate::{Gate, id};
use crate::support::program::Program;
use crate::support::wire::{Identity, Wire};

#[tokio::test(flavor = "multi_thread")]
async fn each_certificate_that_does_not_count_has_its_own_page() {
    let gate = Gate::open().await;
    let laptop = anna(&gate).await;
    let tablet = gate.device("bank", "anna", "tablet").await;
    gate.person("other", "otto", "Otto Other", &[]).await;
    let other = gate.device("other", "otto", "laptop").await;
    let revoked = gate.device("bank", "anna", "lost").await;
    let of = |serial: &str| {
        let all = gate.all::<Certificate>();
        let serial = serial.to_owned();
        async move { all.await.into_iter().find(|one| one.serial == serial).unwrap() }
    };
    let ended = CertificateState::Revoked {
        reason: portcullis::domain::certificate::RevocationReason::KeyCompromise,
        at: gate.world.now(),
    };
    gate.put(&Certificate { state: ended, ..of(&revoked.serial).await }).await;
    let superseded = Certificate {
        state: CertificateState::Superseded { at: gate.world.now() },
        ..of(&tablet.serial).await
    };
    gate.put(&superseded).await;
    let unknown = gate.device("bank", "anna", "gone").await;
    gate.write(vec![table::delete(table::certificate(&unknown.serial))]).await;
    let past = gate.old_ca.leaf(&laptop, |params| {
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2022, 1, 1);
    });
    let future = gate.old_ca.leaf(&laptop, |params| {
        params.not_before = rcgen::date_time_ymd(2096, 1, 1);
        params.not_after = rcgen::date_time_ymd(2098, 1, 1);
    });
    for (identity, record) in [&past, &future] {
        let _ = identity;
        gate.put(record).await;
    }
    let server = gate.old_ca.leaf(&laptop, |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    });
    let foreign = crate::support::ca::OldCa::like(&gate.issuers[0]).leaf(&laptop, |_| {});

    let cases: Vec<(&str, Option<&Identity>, &str)> = vec![
        ("no-certificate", None, "This browser did not show us your certificate"),
        ("certificate-expired", Some(&past.0), "Your certificate ended on 1 January 2022"),
        ("certificate-not-yet", Some(&future.0), "Your certificate begins on 1 January 2096"),
        ("foreign-issuer", Some(&foreign.0), "This certificate is not one of ours"),
        ("wrong-purpose", Some(&server.0), "This certificate is not made for signing in"),
        ("wrong-tenant", Some(&other.identity), "This certificate belongs to another address"),
        ("certificate-revoked", Some(&revoked.identity), "This certificate was switched off on"),
        ("certificate-superseded", Some(&tablet.identity), "A newer certificate has taken this one’s place"),
        ("unknown-device", Some(&unknown.identity), "We do not know this device any more"),
    ];
    for (key, identity, words) in cases {
        let mut wire = gate.wire.bare();
        wire.identity = identity.cloned();
        let browser = Browser::new(wire, gate.host("bank"));
        for path in ["/", "/accounts", "/.portcullis/sign-in/"] {
            let page = browser.open(path).await;
            assert_eq!(page.status, 403, "{key} {path}: {}", page.words());
            page.must_say(words).must_say("+41 44 555 01 77");
            assert!(browser.cookie().is_none(), "{key}");
        }
        let answer = browser.send(program("/accounts")).await;
        assert_eq!(answer.status, 403, "{key}");
        assert_eq!(answer.problem()["type"], format!("urn:portcullis:refusal:{key}"));
        let mut h2 = browser.wire.h2("bank.localhost").await;
        let mut request = navigation(&format!("https://{}/accounts", browser.host));
        request.headers_mut().insert("accept", "text/html".parse().unwrap());
        let answer = h2.send_request(request).await.unwrap();
        assert_eq!(answer.status(), 403, "{key} over HTTP/2");
    }
    assert_eq!(gate.backend.bytes(), 0, "{}", gate.backend.text());
    assert!(gate.told(Event::RequestRefused).await > 0);
    gate.browser("bank", &laptop).open("/").await.must_say("Call us and read out this number");
}

/// A certificate that is read is remembered; what became of it meanwhile is asked each time it is shown.
#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_was_read_before_is_judged_anew() {
    let gate = Gate::open().await;
    let laptop = anna(&gate).await;
    let (identity, record) = gate.old_ca.leaf(&laptop, |_| {});
    gate.put(&record).await;
    let wire = || Wire { identity: Some(identity.clone()), ..gate.wire.bare() };
    let shown = async || Browser::new(wire(), gate.host("bank")).send(program("/accounts")).await;
    for _ in 0..2 {
        assert_eq!(shown().await.status, 401, "it is one of ours");
    }
    let must_be = async |key: &str| {
        let answer = shown().await;
        assert_eq!(answer.problem()["type"], format!("urn:portcullis:refusal:{key}"));
    };
    let reason = portcullis::domain::certificate::RevocationReason::KeyCompromise;
    let revoked = CertificateState::Revoked { reason, at: gate.world.now() };
    gate.put(&Certificate { state: revoked, ..record.clone() }).await;
    must_be("certificate-revoked").await;
    gate.put(&record).await;
    assert_eq!(shown().await.status, 401);
    // Nor does it outlive the CA that signed it.
    gate.write(vec![table::delete(gate.old_ca.record("devices-0").key())]).await;
    must_be("foreign-issuer").await;
    gate.put(&gate.old_ca.record("devices-0")).await;
    assert_eq!(shown().await.status, 401);
    // It has its end like any other.
    let seconds = record.not_after.since(gate.world.now()).as_secs();
    gate.wait(seconds + 2);
    must_be("certificate-expired").await;
    assert_eq!(gate.backend.bytes(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_certificate_opens_no_desk_and_a_staff_certificate_no_portal() {
    let gate = Gate::open().await;
    let laptop = anna(&gate).await;
    gate.person("staff", "sam", "Sam", &[portcullis::domain::person::Role::Owner]).await;
    let desk = gate.device("staff", "sam", "desk").await;
    gate.browser("console", &laptop).open("/").await.must_say("belongs to another address");
    gate.browser("bank", &desk).open("/").await.must_say("belongs to another address");
    assert_eq!(gate.backend.bytes(), 0);
}

/// A-02: at a door whose tenant is not there, no certificate and no session of the only tenant that is opens anything, and
/// nothing is shown of it. Page, access log and trail speak of the door's own tenant.
#[tokio::test(flavor = "multi_thread")]
async fn a_door_of_a_tenant_that_is_not_there_is_no_other_ones() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("access.log");
    let to = access_log::To::File(file.clone());
    let fields = vec![Field::Tenant, Field::Path, Field::Refused, Field::Person];
    let mut gate =
        Gate::with(|plan| plan.outside.access_log = Some(access_log::Settings { to, fields })).await;
    let (client, _, laptop) = anna_inside(&gate).await;
    // As with a portal that is configured before its tenant is added; its rules and its route are in force all the same.
    gate.write(vec![table::delete(table::tenant(&id("other")))]).await;
    gate.restart().await;
    client.open("/accounts").await.must_say("the bank's own page");
    gate.backend.forget();
    let at_the_door = gate.browser("other", &laptop);
    at_the_door.set_cookie(COOKIE, &client.cookie().unwrap());
    let before = gate.trail().await.len();
    for path in ["/", "/accounts", "/.portcullis/sign-in/", "/.portcullis/", "/.portcullis/renew/"] {
        for browser in [&at_the_door, &gate.browser("other", &laptop), &gate.stranger("other")] {
            let page = browser.open(path).await;
            // A session that comes with what does not count ends.
            assert!([401, 403].contains(&page.status.as_u16()), "{path}: {}", page.words());
            assert!(!page.html.contains("Muster"), "{path}: {}", page.words());
            assert!(!page.html.contains("555 01 77") && !page.html.contains("5550177"), "{}", page.words());
            assert!(!page.says("You are known to us"), "{}", page.words());
        }
    }
    assert_eq!(gate.backend.bytes(), 0, "{}", gate.backend.text());
    gate.started().house.outside.close();
    let text = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = text.lines().rev().take(15).collect();
    let of_the_door = |line: &&&str| line.contains(r#""tenant":"other""#) && !line.contains("anna");
    assert_eq!(lines.iter().filter(of_the_door).count(), 15, "{lines:#?}");
    let trail = gate.trail().await;
    let refused: Vec<_> = trail[before..].iter().filter(|line| line.what == Event::RequestRefused).collect();
    assert!(refused.len() >= 4, "{refused:#?}");
    assert!(refused.iter().all(|line| line.tenant == Some(id("other"))), "{refused:#?}");

    let program = Program::instead_of(gate).await;
    program.browser("other", &laptop).open("/accounts").await.must_say("belongs to another address");
    let log = program.log();
    let line = log.lines().find(|line| line.contains("wrong-tenant")).unwrap_or_else(|| panic!("{log}"));
    assert!(line.contains(r#""tenant":"other""#), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn name_in_the_handshake_and_host_must_agree() {
    let gate = Gate::open().await;
    let laptop = anna(&gate).await;
    let wire = gate.wire.showing(&laptop.identity);
    for (sni, host, status) in [
        ("bank.localhost", gate.host("bank"), 303),
        ("bank.localhost", "bank.localhost".to_owned(), 303),
        ("bank.localhost", gate.host("other"), 421),
        ("bank.localhost", gate.host("console"), 421),
        ("other.localhost", gate.host("bank"), 421),
        ("phone.localhost", gate.host("bank"), 421),
        ("bank.localhost", "bank.localhost:1".to_owned(), 421),
        ("bank.localhost", "evil.example".to_owned(), 421),
    ] {
        let mut request = navigation("/");
        request.headers_mut().insert("host", host.parse().unwrap());
        let answer = wire.h1(sni).await.send_request(request).await.unwrap();
        assert_eq!(answer.status(), status, "{sni} {host}");
        let mut h2 = wire.h2(sni).await;
        let request = Request::get(format!("https://{host}/"))
            .header("sec-fetch-mode", "navigate")
            .header("sec-fetch-dest", "document")
            .body(Body::empty())
            .unwrap();
        assert_eq!(h2.send_request(request).await.unwrap().status(), status, "{sni} {host} over HTTP/2");
    }
    assert!(wire.tls("nobody.localhost", "h2").await.is_err(), "no door, no handshake");
    assert_eq!(gate.backend.bytes(), 0);
}

/// There is no end of strangers, and a log has one. Whom we know is told of each time.
#[tokio::test(flavor = "multi_thread")]
async fn strangers_do_not_fill_the_log() {
    let gate = Gate::open().await;
    let laptop = anna(&gate).await;
    let program = Program::instead_of(gate).await;
    let (stranger, anna) = (program.stranger("bank"), program.browser("bank", &laptop));
    for _ in 0..200 {
        assert_eq!(stranger.send(navigation("/accounts")).await.status, 403);
    }
    for _ in 0..80 {
        assert_eq!(anna.send(navigation("/a//b")).await.status, 400);
    }
    let log = program.log();
    let told = |what: &str| log.lines().filter(|line| line.contains(what)).count();
    let strangers = told("no-certificate");
    assert!((60..200).contains(&strangers), "{strangers}: {log}");
    assert!(told("metrics count them") >= 1, "{log}");
    assert_eq!(told("bad-request"), 80, "{log}");
}
