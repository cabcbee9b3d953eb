//! The lane of those whose certificate ended, attacked: what else such a certificate might open, who else might
//! take it, and what can be learned or worn down by asking.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use http::{Method, Request, StatusCode, header};
use portcullis::audit::Event;
use portcullis::domain::certificate::{Certificate, CertificateState, RevocationReason};
use portcullis::domain::device::{Device, DeviceState};
use portcullis::domain::person::{Person, Standing};
use portcullis::domain::renewal::Renewal;
use portcullis::domain::session::Session;
use portcullis::domain::throttle::Throttle;
use portcullis::store::table;
use portcullis::{console, portal, renewal, sign_in};
use serde_json::json;

use crate::support::PASSWORD;
use crate::support::browser::{Browser, COOKIE, program};
use crate::support::desk::*;
use crate::support::ended::*;
use crate::support::faketime::Faketime;
use crate::support::gate::{Gate, Handed, Plan, id};
use crate::support::program::Program;

/// What a program is told, and where it is told to renew.
async fn told(browser: &Browser, path: &str) -> (u16, String, bool) {
    let answer = browser.send(program(path)).await;
    let problem = answer.problem();
    let kind = problem["type"].as_str().unwrap_or_default().rsplit(':').next().unwrap_or_default().to_owned();
    (answer.status.as_u16(), kind, problem.get("renewal").is_some())
}

/// T-04. A certificate that ended is shown to every route of every door that asks for one, with a session that
/// is still alive, and opens its renewal alone.
#[tokio::test(flavor = "multi_thread")]
async fn an_ended_certificate_opens_no_other_route() {
    let gate = Gate::open().await;
    let (_, phone, handed) = anna_inside(&gate).await;
    // It signs in with all three, and then ends under its living session.
    let now = u64::try_from(gate.world.now().secs()).unwrap();
    let (identity, record) = gate.old_ca.leaf(&handed, |params| {
        params.not_after = rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(now + 60);
    });
    gate.put(&record).await;
    let client = gate.browser("bank", &Handed { identity: identity.clone(), ..handed.clone() });
    later_visit(&client, &phone, "/accounts").await.must_say("the bank's own page at /accounts");
    gate.wait(62);
    let session = gate.all::<Session>().await.into_iter().find(|one| one.serial == record.serial).unwrap();
    assert!(session.is_live(gate.world.now()) && session.phone.is_some());
    gate.backend.forget();

    let mut routes: Vec<(&str, String)> = Vec::new();
    for (method, path) in [sign_in::ROUTES, portal::ROUTES, console::ROUTES].concat() {
        routes.push((method, path.replace('*', "bank")));
    }
    for path in ["/", "/accounts", "/.portcullis/", "/.portcullis/renew/../settings", "/.portcullis/renewal"]
    {
        for method in ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS"] {
            routes.push((method, path.to_owned()));
        }
    }
    for (method, path) in &routes {
        let answer = if *method == "GET" {
            client.send(program(path)).await
        } else {
            let mut request = client.posting(path, &[]);
            *request.method_mut() = Method::from_bytes(method.as_bytes()).unwrap();
            client.send(request).await
        };
        let open = path.ends_with("jwks.json") && *method == "GET";
        let refused = [403, 400, 404].contains(&answer.status.as_u16());
        assert!(refused || open, "{method} {path}: {} {}", answer.status, answer.text());
    }
    assert_eq!(gate.backend.bytes(), 0, "the backend heard of it");
    // At the other doors it is nobody's.
    let desk = Browser::new(gate.wire.showing(&identity), gate.host("console"));
    let other = Browser::new(gate.wire.showing(&identity), gate.host("other"));
    for browser in [&desk, &other] {
        for path in ["/", RENEW, "/.portcullis/renew/password", "/.portcullis/sign-in/"] {
            let (status, kind, renews) = told(browser, path).await;
            assert!(status == 403 && !renews, "{path}: {status} {kind}");
        }
    }
    // And the one thing that it opens.
    let (status, answer) = json(&client, "GET", RENEW, &json!({})).await;
    assert_eq!(
        (status, &answer["stage"]),
        (200, &json!("password")),
        "the living session counts nothing here"
    );
}

/// T-04. Revoked, superseded, over its grace, of a device taken back or never let in, of somebody locked, of
/// another tenant, or under a tenant without grace: none renews.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_more_than_ended_opens_nothing() {
    let gate = Gate::open().await;
    let (_, phone, handed) = anna_inside(&gate).await;
    let (old, record) = only_ended(&gate, &handed, 60).await;
    let browser = gate.browser("bank", &old);
    let renews = async || {
        let page = told(&browser, "/").await.2;
        let lane = browser.another().send(program(RENEW)).await.status == 200;
        assert_eq!(page, lane);
        lane
    };
    assert!(renews().await);
    let now = gate.world.now();
    for state in [
        CertificateState::Revoked { reason: RevocationReason::KeyCompromise, at: now },
        CertificateState::Superseded { at: now.plus(Duration::from_secs(3600)) },
    ] {
        gate.put(&Certificate { state, ..record.clone() }).await;
        assert!(!renews().await);
    }
    gate.put(&record).await;
    let device = gate.all::<Device>().await.into_iter().find(|one| one.id == handed.device).unwrap();
    for state in [DeviceState::Retired, DeviceState::Issued, DeviceState::AwaitingCode] {
        gate.put(&Device { state, ..device.clone() }).await;
        assert!(!renews().await, "{state:?}");
    }
    gate.put(&device).await;
    let person = gate.all::<Person>().await.into_iter().find(|one| one.id == handed.person).unwrap();
    for standing in [Standing::Closed, Standing::Locked { until: None, why: String::new() }] {
        gate.put(&Person { standing, ..person.clone() }).await;
        assert!(!renews().await);
    }
    gate.put(&person).await;
    let tenant = gate.started().house.view.tenant(&id("bank")).unwrap();
    let mut without = (*tenant).clone();
    without.certificates.expired_grace_days = 0;
    gate.put(&without).await;
    assert!(!renews().await);
    gate.put(&*tenant).await;
    assert!(renews().await);

    // Revoked between the phone's yes and the certificate: nothing is made.
    let walker = gate.browser("bank", &old);
    proves_both(&walker, &phone, PASSWORD).await;
    let state = CertificateState::Revoked { reason: RevocationReason::KeyCompromise, at: now };
    gate.put(&Certificate { state, ..record.clone() }).await;
    let body = json!({ "encoding": "modern" });
    let (status, answer) = json(&walker, "POST", "/.portcullis/renew/certificate", &body).await;
    assert_eq!(status, 403, "{answer}");
    assert_eq!(gate.told(Event::CertificateRenewed).await, 0);
}

/// The lane's cookie is no session, a session is no renewal, and a renewal is nothing beside another
/// certificate. "Not me" ends it, and an approval is used once.
#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_is_nobody_elses_and_no_session() {
    let gate = Gate::open().await;
    let (client, phone, handed) = anna_inside(&gate).await;
    let (identity, _) = ended(&gate, &handed, 60).await;
    let (second, _) = ended(&gate, &handed, 90).await;
    let old = gate.browser("bank", &Handed { identity: identity.clone(), ..handed.clone() });
    proves_both(&old, &phone, PASSWORD).await;
    let value = old.cookie_of(renewal::COOKIE).expect("the lane's cookie");

    // As a session, beside the valid certificate: the cookie's bits are a session's nowhere.
    let thief = client.another();
    thief.set_cookie(COOKIE, &value);
    thief.set_cookie(renewal::COOKIE, &value);
    thief.open("/accounts").await.must_say("Your password");
    assert_eq!(told(&thief, RENEW).await.0, 404);
    // Beside another ended certificate, and beside none, at both doors.
    let other = gate.browser("bank", &Handed { identity: second, ..handed.clone() });
    other.set_cookie(renewal::COOKIE, &value);
    let (_, answer) = json(&other, "GET", RENEW, &json!({})).await;
    assert_eq!(answer["stage"], "password");
    let stranger = gate.stranger("start");
    stranger.set_cookie(renewal::COOKIE, &value);
    stranger.open("/expired/bank/").await.must_say("Has your certificate expired?");

    // It makes one certificate, whoever races.
    let ask = || json!({ "encoding": "modern" });
    let (one, two) = (ask(), ask());
    let racer = old.stolen_by(Some(&identity));
    let (a, b) = tokio::join!(
        json(&old, "POST", "/.portcullis/renew/certificate", &one),
        json(&racer, "POST", "/.portcullis/renew/certificate", &two),
    );
    assert_eq!([a.0, b.0].iter().filter(|status| **status == 201).count(), 1, "{a:?} {b:?}");
    assert_eq!(gate.told(Event::CertificateRenewed).await, 1);
    racer.set_cookie(renewal::COOKIE, &value);
    let (_, answer) = json(&racer, "GET", RENEW, &json!({})).await;
    assert_eq!(answer["stage"], "password", "neither the renewal nor its approval is good twice");

    // "Not me", also after yes.
    let (_, answer) =
        json(&racer, "POST", "/.portcullis/renew/password", &json!({ "password": PASSWORD })).await;
    let question = phone.question().await;
    phone.approve(&question, answer["digits"].as_str().unwrap()).await;
    let (_, answer) = json(&racer, "GET", RENEW, &json!({})).await;
    assert_eq!(answer["stage"], "certificate");
    assert_eq!(phone.not_me(&question).await.0, 200);
    assert!(gate.all::<Renewal>().await.iter().all(|one| one.phone.is_none()));
    let (status, answer) = json(&racer, "POST", "/.portcullis/renew/certificate", &ask()).await;
    assert_ne!(status, 201, "{answer}");
    assert_eq!(gate.told(Event::CertificateRenewed).await, 1);
}

/// What differs by chance: request numbers, tokens, digits, seconds left.
fn masked(answer: &crate::support::wire::Answer) -> String {
    let mut text: String = answer
        .headers
        .iter()
        .filter(|(name, _)| *name != "date")
        .map(|(name, value)| format!("{name}: {}\n", crate::uniform::mask(value.to_str().unwrap())))
        .collect();
    text.push_str(&crate::uniform::mask(&answer.text()));
    text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect()
}

/// Asking for a new certificate tells nobody whether an address is known, has anything to renew, is locked
/// or was revoked: the same bytes, the same lines in the trail, and no time that tells.
#[tokio::test(flavor = "multi_thread")]
async fn the_public_door_says_the_same_to_everybody() {
    let gate = Gate::open().await;
    let (_, _, handed) = anna_inside(&gate).await;
    only_ended(&gate, &handed, 3600).await;
    for (who, name) in [("berta", "Berta Beispiel"), ("carl", "Carl Closed")] {
        gate.person("bank", who, name, &[]).await;
        let device = gate.device("bank", who, "laptop").await;
        gate.settle(&device).await;
        if who == "carl" {
            only_ended(&gate, &device, 3600).await;
            let person = gate.all::<Person>().await.into_iter().find(|one| one.id.as_str() == who).unwrap();
            gate.put(&Person { standing: Standing::Closed, ..person }).await;
        }
    }
    let whom = ["anna", "berta", "carl", "nobody"];
    let (mut bytes, mut work) = (Vec::new(), Vec::new());
    let mut times: BTreeMap<&str, Vec<Duration>> = BTreeMap::new();
    for round in 0..ROUNDS {
        for who in whom {
            let stranger = gate.stranger("start");
            let page = stranger.open("/expired/bank/").await;
            let form = page.form("/ask");
            let email = ("email".to_owned(), format!("{who}@bank.example"));
            let request = stranger.posting(&form.action, &[form.hidden, vec![email]].concat());
            let before = gate.trail().await.len();
            let begun = Instant::now();
            let answer = stranger.send(request).await;
            let made = stranger.send(crate::support::browser::navigation("/expired/bank/")).await;
            let code = stranger.send(crate::support::browser::navigation("/expired/bank/")).await;
            times.entry(who).or_default().push(begun.elapsed());
            assert_eq!((answer.status, made.status), (StatusCode::SEE_OTHER, StatusCode::SEE_OTHER));
            assert_eq!(code.status, StatusCode::OK);
            if round == 0 {
                bytes.push((masked(&answer), masked(&made), masked(&code)));
                let trail = gate.trail().await;
                work.push(trail[before..].iter().map(|line| line.what).collect::<Vec<_>>());
            }
            // So that each round is heard.
            let throttles = gate.all::<Throttle>().await;
            gate.write(throttles.iter().map(|one| table::delete(table::Record::key(one))).collect()).await;
        }
    }
    assert!(bytes.iter().all(|one| *one == bytes[0]), "{bytes:#?}");
    assert!(work.iter().all(|one| *one == work[0]), "{work:?}");
    let medians: Vec<f64> = whom.map(|who| median(times.get_mut(who).unwrap())).to_vec();
    let spread =
        medians.iter().copied().fold(f64::MIN, f64::max) - medians.iter().copied().fold(f64::MAX, f64::min);
    println!("medians of {ROUNDS} for {whom:?}: {medians:.2?} ms");
    assert!(spread < 5.0, "{medians:?} ms");
}

fn median(times: &mut [Duration]) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1000.0
}

const ROUNDS: usize = 60;

/// Codes told wrongly for a renewal share the device's counter and are dead after five, in every
/// browser; asking is counted by address; another person's release is not mine.
#[tokio::test(flavor = "multi_thread")]
async fn codes_of_a_renewal_die_after_five() {
    let gate = Gate::open().await;
    let (_, _, handed) = anna_inside(&gate).await;
    only_ended(&gate, &handed, 3600).await;
    let agent = staff(&gate, "tina", "Tina Telephone", &[portcullis::domain::person::Role::Support]).await;
    let (one, two) = (gate.stranger("start"), gate.stranger("start"));
    let (first, second) =
        (asks(&one, "bank", "anna@bank.example").await, asks(&two, "bank", "anna@bank.example").await);
    assert_ne!(first.digits(), second.digits());
    // Neither ends the other: a stranger cannot take the owner's code away.
    assert_eq!(one.open("/expired/bank/").await.digits(), first.digits());
    let mut heard = 0;
    for n in 0..8 {
        let wrong = (0..).map(|k| format!("{:06}", 100 * n + k));
        let wrong =
            wrong.into_iter().find(|code| *code != first.digits() && *code != second.digits()).unwrap();
        let page = types_code(&agent, "anna", &wrong).await;
        heard += usize::from(page.says("That code is not right"));
        gate.wait(10);
        signs_in(&agent).await;
    }
    assert_eq!((heard, gate.told(Event::CodeWrong).await), (5, 5));
    for (stranger, page) in [(&one, &first), (&two, &second)] {
        types_code(&agent, "anna", &page.digits()).await.must_say("this device takes no more");
        stranger.open("/expired/bank/").await.must_say("told wrongly too often");
    }
    // A third browser gets none either, and the owner's other devices are as they were.
    let third = gate.stranger("start");
    let page = third.open("/expired/bank/").await;
    third.submit(&page, "/ask", &[("email", "anna@bank.example")]).await.must_say("told wrongly too often");
    // Asked too often, the address pauses, for everybody and for nobody alike.
    for who in ["anna", "nosuch"] {
        let mut refused = false;
        for _ in 0..8 {
            let stranger = gate.stranger("start");
            let page = stranger.open("/expired/bank/").await;
            let email = format!("{who}@bank.example");
            refused |= stranger.submit(&page, "/ask", &[("email", &email)]).await.status == 429;
        }
        assert!(refused, "{who}");
    }
}

/// Who shows the certificate shares the owner's counter of passwords with signing in; who shows nothing
/// has a stranger's, and cannot lock the owner out.
#[tokio::test(flavor = "multi_thread")]
async fn passwords_of_a_renewal_are_counted_by_standing() {
    let gate = Gate::open().await;
    let (client, _phone, handed) = anna_inside(&gate).await;
    let (identity, _) = ended(&gate, &handed, 3600).await;
    let agent = staff(&gate, "tina", "Tina Telephone", &[portcullis::domain::person::Role::Support]).await;
    let stranger = gate.stranger("start");
    let page = asks(&stranger, "bank", "anna@bank.example").await;
    let mut page = is_released(&agent, &stranger, &page, "anna").await;
    for _ in 0..5 {
        page = stranger.submit(&page, "/password", &[("password", "guessed by a stranger")]).await;
        page.must_say("That was not right");
        gate.wait(10);
    }
    let form = page.form("/password");
    let pairs = [form.hidden, vec![("password".to_owned(), PASSWORD.to_owned())]].concat();
    let answer = stranger.send(stranger.posting(&form.action, &pairs)).await;
    assert_eq!(answer.status, 403, "the sixth is not heard: {}", answer.text());
    // The owner comes in as ever.
    let again = client.another();
    let page = again.open("/accounts").await;
    let page = again.submit(&page, "/password", &[("password", PASSWORD)]).await;
    page.must_say("Type this number on your phone");

    // Three at signing in and two in the lane are five.
    let (old, fresh) = (gate.browser("bank", &Handed { identity, ..handed.clone() }), client.another());
    let mut page = fresh.open("/").await;
    for _ in 0..3 {
        page = fresh.submit(&page, "/password", &[("password", "guessed with the device")]).await;
        assert_eq!(page.status, 422);
        gate.wait(10);
    }
    let guess = json!({ "password": "guessed with the old certificate" });
    for _ in 0..2 {
        assert_eq!(json(&old, "POST", "/.portcullis/renew/password", &guess).await.0, 422);
        gate.wait(10);
    }
    let right = json!({ "password": PASSWORD });
    assert_eq!(json(&old, "POST", "/.portcullis/renew/password", &right).await.0, 403);
    let page = fresh.submit(&page, "/password", &[("password", PASSWORD)]).await;
    assert_eq!(page.status, 403, "{}", page.words());
}

/// A page of another site, the backend's scripts, and whoever has no token: none takes a step.
#[tokio::test(flavor = "multi_thread")]
async fn no_other_page_takes_a_step() {
    let gate = Gate::open().await;
    let (_, _, handed) = anna_inside(&gate).await;
    let (old, _) = only_ended(&gate, &handed, 3600).await;
    let browser = gate.browser("bank", &old);
    browser.open(RENEW).await.must_say("Your password");
    let steps = ["password", "phone", "cancel", "certificate"];
    let right = gate.told(Event::PasswordRight).await;
    for step in steps {
        let path = format!("{RENEW}{step}");
        // Without the token; from elsewhere; as JSON by a script, which a browser marks.
        let bare =
            browser.send(browser.posting(&path, &[("password".to_owned(), PASSWORD.to_owned())])).await;
        let mut foreign = browser.posting(&path, &[]);
        foreign.headers_mut().insert(header::ORIGIN, "https://evil.example".parse().unwrap());
        let foreign = browser.send(foreign).await;
        let script = Request::post(&path)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json")
            .header("sec-fetch-site", "same-origin")
            .header("sec-fetch-mode", "cors")
            .body(axum::body::Body::from(json!({ "password": PASSWORD }).to_string()))
            .unwrap();
        let script = browser.send(script).await;
        for answer in [bare, foreign, script] {
            assert!(
                [400, 403].contains(&answer.status.as_u16()),
                "{step}: {} {}",
                answer.status,
                answer.text()
            );
        }
    }
    assert_eq!((gate.told(Event::PasswordRight).await, gate.told(Event::RenewalGivenUp).await), (right, 0));
}

/// T-04, T-07. The real program, curl and a clock in the hand: in force until the end, renewal from the next second on, and
/// nothing once the grace is over; what was open at the end is cut.
#[tokio::test(flavor = "multi_thread")]
async fn the_grace_begins_and_ends_to_the_second() {
    let gate = Gate::with(|plan: &mut Plan| plan.ago = Duration::from_secs(7200)).await;
    let (_, _, handed) = anna_inside(&gate).await;
    let Some(time) = Faketime::within(gate.folder.path(), "T-04, grace") else { return };
    let end = portcullis::world::World::real().now().secs() + 3600;
    let (identity, record) = gate.old_ca.leaf(&handed, |params| {
        params.not_after = rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(end.unsigned_abs());
    });
    gate.put(&record).await;
    let program = Program::started_so(gate, time.start()).await;
    let curl = Curl::showing(&program, &identity);
    for (bound, before, after) in [
        (end, ("sign-in-first", false), ("certificate-expired", true)),
        (end + 30 * 86_400, ("certificate-expired", true), ("certificate-expired", false)),
    ] {
        // To two seconds before the bound, and then by the program's own seconds over it.
        let now = curl.ask().0;
        time.jump((bound - 2 - now) * 1000);
        let (mut seen_before, mut seen_after) = (0, 0);
        loop {
            let (second, kind, renews) = curl.ask();
            // The last second counts whole; the answer may be a moment later than the judgement.
            if (kind.as_str(), renews) == before {
                assert!(second <= bound + 1, "{kind} {renews} in second {second} after {bound}");
                seen_before += 1;
            } else {
                assert_eq!((kind.as_str(), renews), after);
                assert!(second > bound, "{kind} {renews} in second {second} of {bound}");
                seen_after += 1;
            }
            if second > bound + 1 {
                break;
            }
        }
        assert!(seen_before > 0 && seen_after > 0, "{seen_before} {seen_after}");
    }
}

/// curl, with a certificate in files.
struct Curl {
    arguments: Vec<String>,
}

impl Curl {
    fn showing(program: &Program, identity: &crate::support::wire::Identity) -> Self {
        let folder = program.folder.path();
        let file = |name: &str, tag: &str, der: &[u8]| {
            let path = folder.join(name);
            std::fs::write(&path, pem::encode(&pem::Pem::new(tag, der))).unwrap();
            path.display().to_string()
        };
        let host = program.host("bank");
        let port = host.split_once(':').unwrap().1.to_owned();
        let address = program.wire.address;
        let arguments = vec![
            "--silent".to_owned(),
            "--include".to_owned(),
            "--cacert".to_owned(),
            file("root.pem", "CERTIFICATE", &program.wire.root),
            "--cert".to_owned(),
            file("old.crt", "CERTIFICATE", &identity.chain[0]),
            "--key".to_owned(),
            file("old.key", "PRIVATE KEY", &identity.key),
            "--connect-to".to_owned(),
            format!("bank.localhost:{port}:{address}"),
            "--header".to_owned(),
            "Accept: application/json".to_owned(),
            format!("https://{host}/v"),
        ];
        Self { arguments }
    }

    /// The second of the answer, what it says, and whether it names the renewal.
    fn ask(&self) -> (i64, String, bool) {
        let output =
            std::process::Command::new("curl").args(&self.arguments).output().expect("curl is installed");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let date = text.lines().find_map(|line| line.strip_prefix("date: "));
        let date =
            date.unwrap_or_else(|| panic!("no date: {text} {}", String::from_utf8_lossy(&output.stderr)));
        let second = jiff::fmt::rfc2822::parse(date.trim()).unwrap().timestamp().as_second();
        let kind =
            text.split_once("urn:portcullis:refusal:").map(|(_, rest)| rest.split('"').next().unwrap());
        (second, kind.unwrap_or_default().to_owned(), text.contains("/.portcullis/renew/"))
    }
}
