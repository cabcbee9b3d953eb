//! My settings: a certificate made behind a fresh approval, the old one's end, a lost device. The oracle is
//! the trail, the records, and whether the file opens.

use std::time::Duration;

use http::StatusCode;
use portcullis::audit::Event;
use portcullis::domain::certificate::{Certificate, CertificateState, RevocationReason};
use portcullis::domain::device::{Device, DeviceState};
use portcullis::domain::grant::Grant;
use portcullis::domain::session::Session;
use portcullis::domain::tenant::{CertificateTerms, Tenant};
use portcullis::notify::{About, Notice};

use crate::support::browser::{Browser, navigation};
use crate::support::ca::opened;
use crate::support::desk::*;
use crate::support::gate::Gate;
use crate::support::page::Page;
use crate::support::settings::*;
use crate::support::tunnel::{must_end, websocket};
use crate::support::{PASSWORD, PATIENCE};

/// A browser that has imported the file.
fn with_file(client: &Browser, file: &[u8], password: &str) -> Browser {
    Browser::new(client.wire.showing(&opened(file, password)), client.host.clone())
}

async fn notices(gate: &Gate, which: impl Fn(&About) -> bool) -> usize {
    gate.all::<Notice>().await.iter().filter(|one| which(&one.about)).count()
}

async fn of_anna(gate: &Gate) -> Vec<Certificate> {
    let mut all = gate.all::<Certificate>().await;
    all.retain(|one| one.person.as_str() == "anna");
    all
}

/// Certificates, grants: nothing of it may grow where somebody is refused.
async fn made(gate: &Gate) -> (usize, usize) {
    (of_anna(gate).await.len(), gate.all::<Grant>().await.len())
}

/// A form of ours with this session's right token, whether or not its page was shown.
async fn posts(client: &Browser, action: &str, fields: &[(&str, &str)]) -> Page {
    let home = client.open("/.portcullis/settings/certificates/new/").await;
    let csrf = home
        .forms()
        .into_iter()
        .find_map(|form| form.hidden.into_iter().find(|(name, _)| name == "csrf").map(|(_, value)| value));
    let mut pairs = vec![("csrf".to_owned(), csrf.unwrap_or_default())];
    pairs.extend(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    Page::of(action, client.send(client.posting(action, &pairs)).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_renews_alone_and_the_first_sign_in_retires_the_old_one() {
    let gate = Gate::open().await;
    let (client, phone, laptop) = anna_inside(&gate).await;
    client.open("/.portcullis/settings/").await.must_say("You are signed in as Anna Muster on laptop");
    gate.wait(60);
    let (file, password) = renews(&client, &phone, "linux", "auto").await;
    assert_eq!(file.header("content-type"), "application/x-pkcs12");
    assert_eq!(file.header("content-disposition"), "attachment; filename=\"laptop.p12\"");
    assert_eq!(file.header("cache-control"), "no-store");
    let list = client.open(LIST).await;
    list.must_say("this browser").must_say("not yet");
    assert_eq!(of_anna(&gate).await.len(), 2);
    let renewed =
        |about: &About| matches!(about, About::CertificateRenewed { device, .. } if device == "laptop");
    assert_eq!(notices(&gate, renewed).await, 1);

    // The old one signs in meanwhile: nothing happens to either.
    client.send(client.posting("/.portcullis/sign-out", &[])).await;
    later_visit(&client, &phone, "/").await.must_say("the bank's own page");
    assert!(of_anna(&gate).await.iter().all(|one| one.state == CertificateState::Active));

    let fresh = with_file(&client, &file.body, &password);
    later_visit(&fresh, &phone, "/").await.must_say("the bank's own page");
    client.open("/").await.must_say("A newer certificate has taken this one’s place");
    fresh.open(LIST).await.must_say("Your new certificate for laptop is in use. The old one has ended");
    let superseded = |about: &About| matches!(about, About::CertificateSuperseded { .. });
    assert_eq!(notices(&gate, superseded).await, 1, "and says so by mail");
    let old = of_anna(&gate).await.into_iter().find(|one| one.serial == laptop.serial).unwrap();
    assert!(matches!(old.state, CertificateState::Superseded { .. }));

    // Deleted from the list, kept in the records.
    let page = fresh.open(&format!("{LIST}of/{}/forget", laptop.serial)).await;
    page.must_say("Delete this certificate of laptop from your list?");
    let list = fresh.submit(&page, "/forget", &[]).await;
    assert_eq!(list.path, LIST);
    assert_eq!(list.html.matches("<dt>Serial number</dt>").count(), 1);
    assert!(!list.says("Your new certificate for laptop is in use"));
    assert_eq!((of_anna(&gate).await.len(), gate.told(Event::CertificateForgotten).await), (2, 1));
    let trail = gate.trail().await;
    let line = trail.iter().find(|line| line.what == Event::CertificateRenewed).unwrap();
    assert_eq!(line.who, "person:bank/anna");
    assert_eq!(line.details.get("encoding").map(String::as_str), Some("modern"));
    gate.must_verify().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_old_one_lives_on_as_long_as_the_tenant_grants() {
    let gate = Gate::open().await;
    let (client, phone, laptop) = anna_inside(&gate).await;
    let bank = gate.all::<Tenant>().await.into_iter().find(|one| one.id.as_str() == "bank").unwrap();
    let certificates = CertificateTerms { supersede_grace_secs: 3600, ..bank.certificates };
    gate.put(&Tenant { certificates, ..bank }).await;
    // In the very same second as far as dates can tell: the record says which is newer.
    let newer = gate.renewed(&laptop).await;
    let fresh = gate.browser("bank", &newer);
    later_visit(&fresh, &phone, "/").await.must_say("the bank's own page");
    fresh.open(LIST).await.must_say("The old one still works until");
    client.open("/").await.must_say("the bank's own page");
    // A sign-in with the old one in its grace retires nothing, and does not renew its own time.
    client.send(client.posting("/.portcullis/sign-out", &[])).await;
    later_visit(&client, &phone, "/").await.must_say("the bank's own page");
    let all = of_anna(&gate).await;
    assert_eq!(all.iter().filter(|one| one.state == CertificateState::Active).count(), 1);
    assert!(all.iter().any(|one| one.serial == newer.serial && one.state == CertificateState::Active));
    gate.wait(3601);
    client.open("/").await.must_say("A newer certificate has taken this one’s place");
}

/// M-07. The session's own proofs, a sign-in's approval, another purpose: none of them makes a certificate.
#[tokio::test(flavor = "multi_thread")]
async fn without_an_approval_of_its_own_nothing_is_made() {
    let rules = "[[rule]]\nname = \"Payments\"\npaths = [\"/payments/**\"]\nwho = [\"group:clients\"]\n\
                 need = [\"certificate\", \"password\", \"phone < 1m\"]\n\n[[rule]]\nname = \"Portal\"\n\
                 paths = [\"/**\"]\nwho = [\"group:clients\"]\nneed = [\"certificate\", \"password\", \"phone\"]\n";
    let gate = Gate::with(|plan| plan.portal = rules.to_owned()).await;
    let (client, phone, _) = anna_inside(&gate).await;
    let before = made(&gate).await;

    // The session has its phone's proof, and that is not enough.
    let gone = posts(&client, &format!("{NEW}download"), &[]).await;
    assert_eq!(gone.status, StatusCode::GONE);
    assert_eq!(made(&gate).await, before);

    // A step-up's approval opens no renewal.
    gate.wait(90);
    let waiting = client.open("/payments/1").await;
    waiting.must_say("Type this number on your phone");
    let question = phone.question().await;
    assert_eq!(question["purpose"], "step-up");
    assert_eq!(phone.approve(&question, &waiting.digits()).await.0, 200);
    client.open(NEW).await.must_say("Create a new certificate for laptop");
    assert_eq!(posts(&client, &format!("{NEW}download"), &[]).await.status, StatusCode::GONE);
    assert_eq!(made(&gate).await, before);
    client.open("/.portcullis/sign-in/").await.must_say("the bank's own page at /payments/1");

    // A renewal's approval opens no payment: neither approved nor taken up.
    gate.wait(90);
    let waiting = asks(&client, "linux", "auto").await;
    let question = phone.question().await;
    assert_eq!(phone.approve(&question, &waiting.digits()).await.0, 200);
    let asked = client.open("/payments/2").await;
    asked.must_say("Type this number on your phone").must_say("Payments asks for an approval");
    assert_eq!(phone.question().await["purpose"], "step-up");
    assert_eq!(made(&gate).await, before);

    let waiting = asks(&client, "linux", "auto").await;
    agrees(&client, &phone, &waiting).await;
    client.open("/payments/3").await.must_say("Payments asks for an approval");
    gate.must_verify().await;
}

/// M-07. One approval, one grant, one file: of twenty downloads at once, one succeeds.
#[tokio::test(flavor = "multi_thread")]
async fn an_approval_is_taken_up_once_by_the_session_that_asked() {
    let gate = Gate::open().await;
    let (client, phone, laptop) = anna_inside(&gate).await;
    let other = gate.browser("bank", &laptop);
    later_visit(&other, &phone, "/").await.must_say("the bank's own page");
    let waiting = asks(&client, "windows", "auto").await;
    let before = client.cookie().unwrap();
    let question = phone.question().await;
    assert_eq!(phone.approve(&question, &waiting.digits()).await.0, 200);

    // The same certificate's other session takes nothing up.
    other.open(NEW).await.must_say("Create a new certificate for laptop");
    assert_eq!(posts(&other, &format!("{NEW}download"), &[]).await.status, StatusCode::GONE);
    assert_eq!(made(&gate).await, (1, 0));

    let ready = client.open(NEW).await;
    ready.must_say("Your new certificate is ready");
    assert_ne!(client.cookie().unwrap(), before, "the token that asked is gone");
    // A page that is loaded again shows the same password, and makes no second grant.
    assert_eq!(import_password(&client.open(NEW).await), import_password(&ready));
    assert_eq!(gate.all::<Grant>().await.len(), 1);
    // The old token is nobody's.
    let replay = gate.browser("bank", &laptop);
    replay.set_cookie("__Host-portcullis", &before);
    replay.open(NEW).await.must_say("Your password");

    // Twenty at once: one gets the file.
    let form = ready.form("/new/download");
    let tries = (0..20).map(|_| client.send(client.posting(&form.action, &form.hidden)));
    let answers = futures_util::future::join_all(tries).await;
    let files = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!((files, answers.len()), (1, 20));
    assert!(answers.iter().all(|answer| [200, 410].contains(&answer.status.as_u16())));
    assert_eq!(made(&gate).await, (2, 0));
    let again = posts(&client, &format!("{NEW}download"), &[]).await;
    assert_eq!(again.status, StatusCode::GONE);
    again.must_say("This file cannot be downloaded any more");
    client.open(NEW).await.must_say("You have downloaded it.");
    let list = posts(&client, &format!("{NEW}done"), &[]).await;
    assert_eq!(list.status, StatusCode::SEE_OTHER);
    client.open(NEW).await.must_say("Create a new certificate for laptop");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_waits_ten_minutes_and_dies_with_session_and_device() {
    let gate = Gate::open().await;
    let (client, phone, laptop) = anna_inside(&gate).await;
    let waiting = asks(&client, "windows", "auto").await;
    let ready = agrees(&client, &phone, &waiting).await;
    // Kept alive by visits, the session outlasts the grant.
    for _ in 0..3 {
        gate.wait(240);
        client.open("/").await.must_say("the bank's own page");
    }
    let late = downloads(&client, &ready).await;
    assert_eq!(late.status, StatusCode::GONE, "{}", late.text());

    let waiting = asks(&client, "windows", "auto").await;
    let ready = agrees(&client, &phone, &waiting).await;
    let key = portcullis::store::table::device(&laptop.tenant, &laptop.person, &laptop.device);
    let device = portcullis::store::table::get::<Device>(gate.store(), &key).await.unwrap().unwrap().record;
    gate.put(&Device { state: DeviceState::Retired, ..device }).await;
    let refused = downloads(&client, &ready).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert_eq!(of_anna(&gate).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn not_me_to_a_renewal_ends_everything_and_says_so() {
    let gate = Gate::open().await;
    let (client, phone, _) = anna_inside(&gate).await;
    asks(&client, "linux", "auto").await;
    let (status, answer) = phone.not_me(&phone.question().await).await;
    assert_eq!(status, 200, "{answer}");
    client.open(NEW).await.must_say("We have stopped it. Nobody is signed in.");
    assert_eq!(made(&gate).await, (1, 0));
    crate::not_me::opened_again(&gate).await;
    client.forget_cookies();
    client.open("/").await.must_say("Your password");
    assert_eq!(made(&gate).await, (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn three_wrong_digits_make_no_certificate() {
    let gate = Gate::open().await;
    let (client, phone, _) = anna_inside(&gate).await;
    let waiting = asks(&client, "linux", "auto").await;
    let right = waiting.digits();
    let wrong = if right == "000000" { "000001" } else { "000000" };
    let question = phone.question().await;
    for _ in 0..3 {
        gate.wait(2);
        assert_eq!(phone.approve(&question, wrong).await.0, 422);
    }
    let page = client.open(NEW).await;
    page.must_say("No certificate was made.");
    let page = client.submit(&page, "/new/again", &[]).await;
    gate.wait(4);
    let ready = agrees(&client, &phone, &page).await;
    assert_eq!(downloads(&client, &ready).await.status, StatusCode::OK);
    assert_eq!(made(&gate).await, (2, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_device_is_switched_off_and_everybody_is_told() {
    let gate = Gate::open().await;
    let (client, phone, laptop) = anna_inside(&gate).await;
    let tablet = gate.device("bank", "anna", "tablet").await;
    gate.settle(&tablet).await;
    let thief = gate.browser("bank", &tablet);
    later_visit(&thief, &phone, "/").await.must_say("the bank's own page");
    let mut socket = websocket(&thief).await;

    let path = format!("{LIST}of/{}/lost", tablet.serial);
    let page = client.open(&path).await;
    page.must_say("Switch off tablet now")
        .must_say("1 certificate stops working, for good.")
        .must_say("1 session ends now");
    let wrong = client.submit(&page, "/lost", &[("name", "laptop")]).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    wrong.must_say("Please type the name exactly as it stands above.");
    assert_eq!(gate.told(Event::DeviceLost).await, 0);
    let list = client.submit(&page, "/lost", &[("name", "tablet")]).await;
    list.must_say("switched off on");
    must_end(&mut socket).await;
    thief.open("/").await.must_say("This certificate was switched off on");
    client.open("/").await.must_say("the bank's own page");
    let gone = of_anna(&gate).await.into_iter().find(|one| one.serial == tablet.serial).unwrap();
    let reason = RevocationReason::KeyCompromise;
    assert!(matches!(gone.state, CertificateState::Revoked { reason: why, .. } if why == reason));
    assert!(!gate.all::<Session>().await.iter().any(|one| one.device == tablet.device));
    let told = |about: &About| matches!(about, About::CertificateRevoked { device } if device == "tablet");
    assert_eq!(notices(&gate, told).await, 1);
    // What opens nothing any more cannot be lost again, and can be deleted.
    assert_eq!(client.open(&path).await.status, StatusCode::BAD_REQUEST);
    let page = client.open(&format!("{LIST}of/{}/forget", tablet.serial)).await;
    let list = client.submit(&page, "/forget", &[]).await;
    assert!(!list.says("tablet"), "{}", list.words());

    // The device at which one sits: this session ends too, and says so first.
    let page = client.open(&format!("{LIST}of/{}/lost", laptop.serial)).await;
    page.must_say("This is the device you are using now.");
    let mut request = client.posting(&page.form("/lost").action, &{
        let mut pairs = page.form("/lost").hidden;
        pairs.push(("name".to_owned(), "laptop".to_owned()));
        pairs
    });
    client.dress(&mut request);
    let mut sender = client.wire.h1("bank.localhost").await;
    let answer = sender.send_request(request).await.unwrap();
    assert_eq!(answer.status(), 200);
    let mut body = answer.into_body();
    let first = http_body_util::BodyExt::frame(&mut body).await.unwrap().unwrap().into_data().unwrap();
    let first = String::from_utf8_lossy(&first).into_owned();
    assert!(first.contains("laptop is being switched off") && first.contains("</html>"), "{first}");
    // What stands in the store is in force once the gate has seen it: then this connection ends.
    let ended = async { while matches!(http_body_util::BodyExt::frame(&mut body).await, Some(Ok(_))) {} };
    tokio::time::timeout(PATIENCE, ended).await.unwrap();
    assert_eq!(gate.told(Event::DeviceLost).await, 2);
    client.open("/").await.must_say("This certificate was switched off on");
    gate.must_verify().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_who_hangs_up_does_not_keep_a_lost_device_on() {
    let gate = Gate::open().await;
    let (client, _, laptop) = anna_inside(&gate).await;
    let page = client.open(&format!("{LIST}of/{}/lost", laptop.serial)).await;
    let mut pairs = page.form("/lost").hidden;
    pairs.push(("name".to_owned(), "laptop".to_owned()));
    let mut request = client.posting(&page.form("/lost").action, &pairs);
    client.dress(&mut request);
    let mut sender = client.wire.h1("bank.localhost").await;
    drop(sender.send_request(request).await.unwrap());
    drop(sender);
    let switched_off = async {
        while gate.told(Event::DeviceLost).await == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, switched_off).await.unwrap();
}

/// M-03. A serial in a form is the person's own, or it is not there.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_touches_anothers_certificate_or_one_that_counts() {
    let gate = Gate::open().await;
    let (client, _, laptop) = anna_inside(&gate).await;
    gate.person("bank", "bert", "Bert Muster", &[]).await;
    let foreign = gate.device("bank", "bert", "laptop").await;
    let before = gate.trail().await.len();
    for serial in [foreign.serial.as_str(), "7f3a", "new"] {
        for doing in ["forget", "lost"] {
            let path = format!("{LIST}of/{serial}/{doing}");
            assert_eq!(client.open(&path).await.status, StatusCode::NOT_FOUND, "{path}");
            let answer = posts(&client, &path, &[("name", "laptop")]).await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        }
    }
    let own = format!("{LIST}of/{}/forget", laptop.serial);
    assert_eq!(client.open(&own).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(posts(&client, &own, &[]).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(gate.trail().await.len(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_settings_are_for_navigations_of_whoever_has_signed_in() {
    let gate = Gate::open().await;
    let (client, phone, laptop) = anna_inside(&gate).await;
    let waiting = asks(&client, "linux", "auto").await;
    agrees(&client, &phone, &waiting).await;
    // The backend's scripts share the origin: they read no page of ours, and no password.
    for path in ["/.portcullis/settings/", LIST, NEW] {
        for (name, value) in [("sec-fetch-mode", "cors"), ("sec-fetch-dest", "iframe")] {
            let mut request = navigation(path);
            request.headers_mut().insert(name, value.parse().unwrap());
            assert_eq!(client.send(request).await.status, StatusCode::FORBIDDEN, "{path} {name}");
        }
    }
    let half = gate.browser("bank", &laptop);
    let page = half.open("/").await;
    half.submit(&page, "/password", &[("password", PASSWORD)]).await.must_say("Type this number");
    for path in ["/.portcullis/settings/", LIST, NEW] {
        half.open(path).await.must_say("Type this number on your phone").must_say("who is signing in");
    }
    let nobody = gate.stranger("bank").open(LIST).await;
    assert_eq!(nobody.status, StatusCode::FORBIDDEN);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_ends_soon_is_announced_from_sixty_days_on() {
    let gate = Gate::open().await;
    let (client, phone, _) = anna_inside(&gate).await;
    let banner = "<div class=\"notice\" id=\"ends\">";
    assert!(!client.open(LIST).await.html.contains(banner));
    gate.wait(668 * 86_400);
    later_visit(&client, &phone, "/").await.must_say("the bank's own page");
    assert!(!client.open(LIST).await.html.contains(banner), "62 days before");
    gate.wait(3 * 86_400);
    later_visit(&client, &phone, "/").await.must_say("the bank's own page");
    let page = client.open(LIST).await;
    assert!(page.html.contains(banner), "{}", page.words());
    page.must_say("Your certificate ends in 5");
}

/// A certificate that has just ended still opens its renewal: the device may be reported lost, and is not merely hidden.
#[tokio::test(flavor = "multi_thread")]
async fn a_device_whose_certificate_just_ended_can_be_lost() {
    let gate = Gate::open().await;
    let (_, phone, laptop) = anna_inside(&gate).await;
    gate.wait(700 * 86_400);
    let newer = gate.device("bank", "anna", "tablet").await;
    gate.settle(&newer).await;
    gate.wait(35 * 86_400);
    let tablet = gate.browser("bank", &newer);
    later_visit(&tablet, &phone, "/").await.must_say("the bank's own page");
    let forget = format!("{LIST}of/{}/forget", laptop.serial);
    assert_eq!(tablet.open(&forget).await.status, StatusCode::BAD_REQUEST);
    let page = tablet.open(&format!("{LIST}of/{}/lost", laptop.serial)).await;
    page.must_say("Switch off laptop now");
    tablet.submit(&page, "/lost", &[("name", "laptop")]).await.must_say("switched off on");
    let gone = of_anna(&gate).await.into_iter().find(|one| one.serial == laptop.serial).unwrap();
    assert!(matches!(gone.state, CertificateState::Revoked { .. }), "{:?}", gone.state);
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_have_settings_too_and_without_a_phone_make_nothing() {
    let gate = Gate::open().await;
    let agent = sam(&gate).await;
    agent.open("/").await.must_say("My settings");
    agent.open("/.portcullis/settings/").await.must_say("You are signed in as Sam Support on desk");
    agent.open(LIST).await.must_say("this browser");
    agent.open(NEW).await.must_say("no phone of yours is paired yet");
    // The form that was not shown, with the session's right token from the desk.
    let pairs = agent.open("/").await.form("/codes/check").hidden;
    let ask = format!("{NEW}ask");
    let answer = Page::of(&ask, agent.send(agent.posting(&ask, &pairs)).await);
    answer.must_say("no phone of yours is paired yet");
    assert_eq!(gate.told(Event::ApprovalAsked).await, 0);
}
