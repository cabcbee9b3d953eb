//! Machines that enrol and renew by EST, and those who would like to: one-time secrets, whose certificate is
//! renewed, what falls. The outcome is what the store holds.

use std::collections::BTreeSet;

use axum::body::Body;
use data_encoding::BASE64;
use http::Request;
use portcullis::audit::Event;
use portcullis::console::command::issue::Target;
use portcullis::console::command::terms::Terms;
use portcullis::console::command::which::WhichDevice;
use portcullis::console::command::{Command, Kind, device, enrol_secret, tenant};
use portcullis::crypto::Pepper;
use portcullis::domain::DeviceId;
use portcullis::domain::certificate::{Certificate, CertificateState, RevocationReason};
use portcullis::domain::device::{Device, DeviceState};
use portcullis::domain::grant::{Grant, GrantWay};
use rcgen::{CertificateParams, KeyPair};
use tokio::task::JoinSet;

use crate::support::desk::sam;
use crate::support::gate::{Gate, id};
use crate::support::wire::{Answer, Identity, Wire};

const ENROL: &str = "/.well-known/est/simpleenroll";
const REENROL: &str = "/.well-known/est/simplereenroll";

/// A gate whose bank lets machines enrol, and its client Anna.
async fn gate() -> Gate {
    let gate = Gate::open().await;
    gate.person("bank", "anna", "Anna Muster", &[]).await;
    lets_machines(&gate, "bank", true).await;
    gate
}

async fn lets_machines(gate: &Gate, tenant: &str, est: bool) {
    let terms = Terms { est: Some(est), ..Terms::default() };
    gate.run(Command::Tenant(tenant::Command::Certificates { id: id(tenant), terms })).await;
}

/// Name and secret of a machine that may enrol.
async fn told(gate: &Gate, name: &str) -> (String, String) {
    secret_for(gate, Target::New { person: "bank/anna".parse().unwrap(), name: name.to_owned() }).await
}

async fn secret_for(gate: &Gate, target: Target) -> (String, String) {
    let command = enrol_secret::EnrolSecret { target, hours: 1 };
    let output = gate.run(Command::Device(device::Command::EnrolSecret(command))).await;
    let text = |field: &str| output.json[field].as_str().unwrap().to_owned();
    (text("user"), text("secret"))
}

/// A key, and a request by it that names whatever it likes.
fn request(wish: &str) -> (KeyPair, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.subject_alt_names = vec![rcgen::SanType::URI(wish.try_into().unwrap())];
    params.distinguished_name.push(rcgen::DnType::CommonName, "Eve");
    let der = params.serialize_request(&key).unwrap().der().to_vec();
    (key, BASE64.encode(&der))
}

fn posting(path: &str) -> http::request::Builder {
    Request::post(path).header("content-type", "application/pkcs10")
}

async fn enrols(wire: &Wire, host: &str, path: &str, (user, secret): (&str, &str), body: &str) -> Answer {
    let basic = format!("Basic {}", BASE64.encode(format!("{user}:{secret}").as_bytes()));
    let request = posting(path).header("authorization", basic);
    wire.bare().send(host, request.body(Body::from(body.to_owned())).unwrap()).await
}

async fn enrol(gate: &Gate, with: (&str, &str), body: &str) -> Answer {
    enrols(&gate.wire, &gate.host("start"), ENROL, with, body).await
}

async fn renews(wire: &Wire, host: &str, identity: &Identity, body: &str) -> Answer {
    let request = posting(REENROL).body(Body::from(body.to_owned())).unwrap();
    wire.showing(identity).send(host, request).await
}

async fn renew(gate: &Gate, identity: &Identity, body: &str) -> Answer {
    renews(&gate.wire, &gate.host("bank"), identity, body).await
}

/// The one certificate of an answer, by its record.
async fn issued(gate: &Gate, answer: &Answer) -> Certificate {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let message = BASE64.decode(answer.text().replace("\r\n", "").as_bytes()).unwrap();
    let mut all = gate.all::<Certificate>().await;
    all.retain(|one| message.windows(one.der.len()).any(|window| window == one.der.as_slice()));
    assert_eq!(all.len(), 1);
    all.remove(0)
}

/// A machine that enrolled, and was let in or not.
async fn machine(gate: &Gate, name: &str, state: DeviceState) -> (Identity, Certificate) {
    let (user, secret) = told(gate, name).await;
    let (key, body) = request("portcullis://bank/device/wish");
    let record = issued(gate, &enrol(gate, (&user, &secret), &body).await).await;
    set(gate, &record.device, state).await;
    (Identity { chain: vec![record.der.clone()], key: key.serialize_der() }, record)
}

async fn set(gate: &Gate, device: &DeviceId, state: DeviceState) {
    let found = gate.all::<Device>().await.into_iter().find(|one| one.id == *device).unwrap();
    gate.put(&Device { state, ..found }).await;
}

async fn counting(gate: &Gate, device: &DeviceId) -> BTreeSet<String> {
    let now = gate.world.now();
    let all = gate.all::<Certificate>().await.into_iter();
    all.filter(|one| one.device == *device && one.state.counts(now)).map(|one| one.serial).collect()
}

fn words(answer: &Answer) -> (u16, String, String) {
    (answer.status.as_u16(), answer.text(), answer.header("www-authenticate").to_owned())
}

/// M-09. One secret, fifty at once: one certificate.
#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_who_use_one_secret_at_once_one_enrols() {
    let gate = gate().await;
    let (user, secret) = told(&gate, "robot").await;
    let mut all = JoinSet::new();
    for _ in 0..50 {
        let (wire, host, user, secret) =
            (gate.wire.clone(), gate.host("start"), user.clone(), secret.clone());
        all.spawn(async move {
            enrols(&wire, &host, ENROL, (&user, &secret), &request("x:y").1).await.status.as_u16()
        });
    }
    let statuses = all.join_all().await;
    let good = statuses.iter().filter(|status| **status == 200).count();
    assert_eq!(good, 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| matches!(status, 200 | 401 | 429)), "{statuses:?}");
    assert_eq!(gate.all::<Certificate>().await.len(), 1);
    assert_eq!(gate.all::<Grant>().await.len(), 0, "used up");
    assert_eq!(gate.told(Event::CertificateIssued).await, 1);
    gate.must_verify().await;
}

/// M-09. A secret is dead after five wrong ones, and who guesses learns nothing of the names there are.
#[tokio::test(flavor = "multi_thread")]
async fn five_wrong_secrets_kill_one_and_tell_nothing() {
    let gate = gate().await;
    let (user, secret) = told(&gate, "robot").await;
    let (_, body) = request("x:y");
    let never = words(&enrol(&gate, ("nobody", &secret), &body).await);
    assert_eq!(never.0, 401);
    let absent = words(&enrol(&gate, ("aaaaaaaaaaaaaaaaaaaaaaaaaa", &secret), &body).await);
    let strange = words(&enrol(&gate, ("No Name!", &secret), &body).await);
    // With none of these a secret begins.
    for wrong in ["0", "1", "i", "l", "o"] {
        let guess = format!("{wrong}{}", &secret[1..]);
        assert_eq!(words(&enrol(&gate, (&user, &guess), &body).await), never, "try {wrong}");
    }
    assert_eq!((&absent, &strange), (&never, &never));
    assert_eq!(
        words(&enrol(&gate, (&user, &secret), &body).await),
        never,
        "dead, and told in the same words"
    );
    assert_eq!(gate.all::<Certificate>().await.len(), 0);
    // What is kept of a secret is no secret: its HMAC under the pepper.
    let grant = gate.all::<Grant>().await.remove(0);
    let kept = grant.secret.clone().unwrap();
    assert_eq!((kept.way, kept.wrong), (GrantWay::Est, 5));
    let pepper = Pepper::new(*gate.config.secrets.pepper().unwrap());
    assert_eq!(kept.mac, pepper.mac("est-secret", &[user.as_bytes(), secret.as_bytes()]));
    assert!(gate.told(Event::EnrolSecretWrong).await >= 8);

    // The fifth try may still be the right one.
    let (user, secret) = told(&gate, "second").await;
    for _ in 1..5 {
        enrol(&gate, (&user, "wrong"), &body).await;
    }
    assert_eq!(enrol(&gate, (&user, &secret), &body).await.status, 200);

    // An address that goes on guessing is not heard for a while.
    let mut last = 401;
    for _ in 0..50 {
        last = enrol(&gate, ("nobody", "x"), &body).await.status.as_u16();
    }
    assert_eq!(last, 429);
    let (user, secret) = told(&gate, "third").await;
    let paused = enrol(&gate, (&user, &secret), &body).await;
    assert_eq!((paused.status.as_u16(), paused.header("retry-after")), (429, "60"));
    gate.wait(15 * 60 + 1);
    assert_eq!(enrol(&gate, (&user, &secret), &request("x:y").1).await.status, 200);
}

/// A machine that lost what it was given gets another secret for the device that it is; the one before ends, and a
/// device on which a person has a certificate is none.
#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_lost_its_certificate_enrols_again() {
    let gate = gate().await;
    let (user, secret) = told(&gate, "robot").await;
    let again = || Target::Again("bank/anna/robot".parse().unwrap());
    assert_eq!(enrol(&gate, (&user, &secret), &request("x:y").1).await.status, 200);
    let (first_user, first) = secret_for(&gate, again()).await;
    let (user, secret) = secret_for(&gate, again()).await;
    assert_eq!(enrol(&gate, (&first_user, &first), &request("x:y").1).await.status, 401, "one at a time");
    assert_eq!(enrol(&gate, (&user, &secret), &request("x:y").1).await.status, 200);
    assert_eq!(gate.all::<Device>().await.len(), 1);
    assert_eq!(gate.all::<Certificate>().await.len(), 2);

    gate.device("bank", "anna", "laptop").await;
    let target = Target::Again("bank/anna/laptop".parse().unwrap());
    let command = device::Command::EnrolSecret(enrol_secret::EnrolSecret { target, hours: 1 });
    let refused = gate.acts().run("local:1000", Command::Device(command)).await.err().unwrap();
    assert!(refused.to_string().contains("is no machine"), "{refused}");
}

/// M-09. A secret opens its own device, at its own tenant, in its own time, while all of it stands.
#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_over_opens_nothing() {
    let gate = gate().await;
    let (_, body) = request("x:y");
    let start = gate.host("start");
    let (user, secret) = told(&gate, "labelled").await;
    let at =
        async |path: &str| enrols(&gate.wire, &start, path, (&user, &secret), &body).await.status.as_u16();
    assert_eq!(at("/.well-known/est/other/simpleenroll").await, 401, "another tenant's label");
    assert_eq!(at("/.well-known/est/bank/simpleenroll").await, 200);

    let (user, secret) = told(&gate, "late").await;
    gate.wait(3601);
    assert_eq!(enrol(&gate, (&user, &secret), &body).await.status, 401, "an hour is over");

    let (user, secret) = told(&gate, "off").await;
    lets_machines(&gate, "bank", false).await;
    let off = enrol(&gate, (&user, &secret), &body).await;
    assert!(off.status == 403 && off.text().contains("--est yes"), "{}", off.text());
    lets_machines(&gate, "bank", true).await;

    let (user, secret) = told(&gate, "revoked").await;
    let found = gate.all::<Device>().await.into_iter().find(|one| one.name == "revoked").unwrap();
    let which = format!("bank/anna/{}", found.id).parse().unwrap();
    let reason = RevocationReason::Unspecified;
    gate.run(Command::Device(device::Command::Revoke { device: which, reason, yes: true })).await;
    assert_eq!(enrol(&gate, (&user, &secret), &body).await.status, 401, "the device was switched off");

    // A grant of another way is none here, though its secret were known.
    let (user, secret) = told(&gate, "link").await;
    let grant = gate.all::<Grant>().await.into_iter().find(|one| one.id.as_str() == user).unwrap();
    let mut link = grant.clone();
    link.secret.as_mut().unwrap().way = GrantWay::Link;
    gate.put(&link).await;
    assert_eq!(enrol(&gate, (&user, &secret), &body).await.status, 401, "a link's grant");
    gate.put(&Grant { secret: None, ..grant }).await;
    assert_eq!(enrol(&gate, (&user, &secret), &body).await.status, 401, "a grant without a secret");
    assert_eq!(gate.all::<Certificate>().await.len(), 1, "the labelled one");
}

/// T-27. Whoever asks for a renewal gets one for the device of the certificate that the connection shows, or
/// none: whatever the request names, whoever's cookie is along, and only what came by EST.
#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_is_of_the_certificate_that_is_shown() {
    let gate = gate().await;
    let (robot, first) = machine(&gate, "robot", DeviceState::Active).await;
    let (other, others) = machine(&gate, "other", DeviceState::Active).await;
    let (waits, _) = machine(&gate, "waits", DeviceState::Issued).await;
    let laptop = gate.device("bank", "anna", "laptop").await;
    let client = gate.signed_in("bank", &laptop).await;
    let support = sam(&gate).await;
    lets_machines(&gate, "other", true).await;
    gate.person("other", "bert", "Bert Other", &[]).await;
    let foreign = gate.device("other", "bert", "laptop").await;
    gate.settle(&foreign).await;
    let before = gate.all::<Certificate>().await.len();

    let (_, body) = request(&format!("portcullis://bank/device/{}", others.device));
    let refused: [(&str, Answer, u16, &str); 6] = [
        ("nobody", renew_bare(&gate, &body, &[]).await, 403, "no-certificate"),
        ("a device that waits for its release", renew(&gate, &waits, &body).await, 403, "policy-denied"),
        ("a .p12 of a person", renew(&gate, &laptop.identity, &body).await, 403, "did not come by EST"),
        ("another tenant's", renew(&gate, &foreign.identity, &body).await, 403, "wrong-tenant"),
        ("staff", renew(&gate, support.wire.identity.as_ref().unwrap(), &body).await, 403, "wrong-tenant"),
        (
            "a machine's at another tenant's door",
            renews(&gate.wire, &gate.host("other"), &robot, &body).await,
            403,
            "wrong-tenant",
        ),
    ];
    for (who, answer, status, why) in &refused {
        assert_eq!(answer.status.as_u16(), *status, "{who}: {}", answer.text());
        assert!(answer.text().contains(why), "{who}: {}", answer.text());
    }
    // A browser may be made to ask by any page it shows; the certificate would come along by itself.
    for header in [("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site"), ("origin", "null")] {
        let asked = posting(REENROL).header(header.0, header.1).body(Body::from(body.clone())).unwrap();
        let answer = gate.wire.showing(&robot).send(&gate.host("bank"), asked).await;
        assert!(answer.status == 403 && answer.text().contains("programs"), "{header:?}: {}", answer.text());
    }
    // With another's cookie, and without a certificate but with a cookie.
    let cookie = format!("__Host-portcullis={}", client.cookie().unwrap());
    let answer = renew_bare(&gate, &body, &[("cookie", &cookie)]).await;
    assert_eq!(answer.status, 403, "{}", answer.text());
    assert_eq!(gate.all::<Certificate>().await.len(), before, "nothing was issued");

    let asked = posting(REENROL).header("cookie", &cookie).body(Body::from(body.clone())).unwrap();
    let answer = gate.wire.showing(&robot).send(&gate.host("bank"), asked).await;
    let renewed = issued(&gate, &answer).await;
    assert_eq!(
        (&renewed.device, &renewed.person),
        (&first.device, &first.person),
        "of the one that was shown"
    );
    let (_, read) = x509_parser::parse_x509_certificate(&renewed.der).unwrap();
    assert!(!read.subject().to_string().contains("Eve"), "{}", read.subject());
    assert_eq!(counting(&gate, &others.device).await.len(), 1, "the named one has what it had");
    // The key of a request is certified for one device alone.
    let answer = renew(&gate, &other, &body).await;
    assert!(answer.status == 400 && answer.text().contains("make a new key"), "{}", answer.text());
    assert_eq!(gate.backend.bytes(), 0, "the backend heard none of it: {}", gate.backend.text());

    // Where the tenant has no EST, the path is the backend's, by the backend's rules.
    lets_machines(&gate, "bank", false).await;
    let asked = posting(REENROL).header("origin", client.origin()).header("cookie", &cookie);
    let asked = asked.body(Body::from(body.clone())).unwrap();
    let answer = gate.wire.showing(&laptop.identity).send(&gate.host("bank"), asked).await;
    assert_eq!(answer.text(), format!("the bank's own page at {REENROL}"));
    // A door that never asks for certificates renews none.
    let answer = renews(&gate.wire, &gate.host("start"), &robot, &body).await;
    assert!(answer.status == 403 && answer.text().contains("own door"), "{}", answer.text());
}

async fn renew_bare(gate: &Gate, body: &str, headers: &[(&str, &str)]) -> Answer {
    let asked = headers.iter().fold(posting(REENROL), |asked, (name, value)| asked.header(*name, *value));
    gate.wire.bare().send(&gate.host("bank"), asked.body(Body::from(body.to_owned())).unwrap()).await
}

/// M-09. However often and however many at once a machine renews, two certificates of it count at most, and it
/// has to stop at some time.
#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_renews_without_end_has_two_certificates() {
    let gate = gate().await;
    let (robot, first) = machine(&gate, "robot", DeviceState::Active).await;
    let mut all = JoinSet::new();
    for _ in 0..30 {
        let (wire, host, robot) = (gate.wire.clone(), gate.host("bank"), robot.clone());
        all.spawn(async move { renews(&wire, &host, &robot, &request("x:y").1).await.status.as_u16() });
    }
    let statuses = all.join_all().await;
    let good = statuses.iter().filter(|status| **status == 200).count();
    assert!((1..=10).contains(&good), "{statuses:?}");
    assert!(statuses.iter().all(|status| matches!(status, 200 | 429 | 503)), "{statuses:?}");
    let count = counting(&gate, &first.device).await;
    assert!(count.len() == 2 && count.contains(&first.serial), "{count:?}");
    assert_eq!(gate.told(Event::CertificateRenewed).await, good);
    let last = renew(&gate, &robot, &request("x:y").1).await;
    assert_eq!((last.status.as_u16(), last.header("retry-after")), (429, "60"), "{}", last.text());
    gate.wait(3601);
    // A successor that renews leaves the first behind, and the first is dead.
    let (key, body) = request("x:y");
    let second = issued(&gate, &renew(&gate, &robot, &body).await).await;
    let second = Identity { chain: vec![second.der], key: key.serialize_der() };
    assert_eq!(renew(&gate, &second, &request("x:y").1).await.status, 200);
    let dead = renew(&gate, &robot, &request("x:y").1).await;
    assert!(dead.status == 403 && dead.text().contains("certificate-superseded"), "{}", dead.text());
    assert!(!counting(&gate, &first.device).await.contains(&first.serial));
    gate.must_verify().await;
}

/// M-09. Revoked while it renews: whichever comes first, no certificate of the device counts afterwards.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_revoked_while_it_renews_stays_revoked() {
    let gate = gate().await;
    let (mut before, mut after) = (0, 0);
    for round in 0..24_u64 {
        let (robot, first) = machine(&gate, &format!("robot {round}"), DeviceState::Active).await;
        let which: WhichDevice = format!("bank/anna/{}", first.device).parse().unwrap();
        let (wire, host, shown) = (gate.wire.clone(), gate.host("bank"), robot.clone());
        let renewing =
            tokio::spawn(
                async move { renews(&wire, &host, &shown, &request("x:y").1).await.status.as_u16() },
            );
        tokio::time::sleep(std::time::Duration::from_millis(3 * round)).await;
        let reason = RevocationReason::KeyCompromise;
        gate.run(Command::Device(device::Command::Revoke { device: which, reason, yes: true })).await;
        match renewing.await {
            Ok(200) => before += 1,
            // Refused, or its connection was cut in the middle.
            Ok(403) | Err(_) => after += 1,
            Ok(other) => panic!("{other}"),
        }
        assert_eq!(counting(&gate, &first.device).await, BTreeSet::new(), "round {round}");
        let all = gate.all::<Certificate>().await;
        let of_it = all.iter().filter(|one| one.device == first.device);
        assert!(of_it.clone().count() <= 2);
        for one in of_it {
            assert!(!matches!(one.state, CertificateState::Active), "round {round}: {:?}", one.state);
        }
        let gone = renew(&gate, &robot, &request("x:y").1).await;
        assert!(gone.status == 403 && gone.text().contains("certificate-revoked"), "{}", gone.text());
    }
    assert!(before + after == 24 && before > 0, "{before} and {after}");
    gate.must_verify().await;
}

/// M-09. The command line gives no certificate to what is switched off, and takes no dates from anybody.
#[tokio::test(flavor = "multi_thread")]
async fn dates_come_from_the_profile_and_nobody_else() {
    let gate = gate().await;
    let laptop = gate.device("bank", "anna", "laptop").await;
    let days = |one: &Certificate| one.not_after.since(one.not_before).as_secs() / 86_400;
    let long_ago = |one: &Certificate| gate.world.now().since(one.not_before).as_secs();
    let (robot, first) = machine(&gate, "robot", DeviceState::Active).await;
    // A request may wish for what it likes: these are not even read.
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = rcgen::IsCa::ExplicitNoCa;
    params.custom_extensions = vec![rcgen::CustomExtension::from_oid_content(&[2, 5, 29, 16], vec![0x30, 0])];
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::Any];
    let wish = BASE64.encode(params.serialize_request(&key).unwrap().der());
    let renewed = issued(&gate, &renew(&gate, &robot, &wish).await).await;
    let all = gate.all::<Certificate>().await;
    let handed = all.iter().find(|one| one.serial == laptop.serial).unwrap();
    for one in [handed, &first, &renewed] {
        assert!(days(one) <= 732 && long_ago(one) < 3 * 3600, "{} days, from {}", days(one), one.not_before);
        let (_, read) = x509_parser::parse_x509_certificate(&one.der).unwrap();
        let usage = read.extended_key_usage().unwrap().unwrap().value;
        assert!(usage.client_auth && !usage.any);
        assert!(read.raw_serial().len() >= 14, "128 random bits: {:x?}", read.raw_serial());
    }
    let which: WhichDevice = format!("bank/anna/{}", laptop.device).parse().unwrap();
    let reason = RevocationReason::KeyCompromise;
    gate.run(Command::Device(device::Command::Revoke { device: which.clone(), reason, yes: true })).await;
    let renew = device::Command::Renew { device: which, encoding: portcullis::ca::Encoding::Modern };
    let refused = gate.acts().run("local:1000", Command::Device(renew)).await.err().unwrap();
    assert_eq!(refused.kind, Kind::Refused, "{refused}");
}

/// M-09. A thousand issued at once have serials of their own, each of 128 random bits.
#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_issued_at_once_have_serials_of_their_own() {
    let gate = Gate::open().await;
    let acts = gate.acts_shared();
    for person in 0..10 {
        gate.person("bank", &format!("p{person}"), "Anna Muster", &[]).await;
    }
    let mut all = JoinSet::new();
    for number in 0..1000 {
        let acts = std::sync::Arc::clone(&acts);
        all.spawn(async move {
            let key = KeyPair::generate().unwrap();
            let der = CertificateParams::default().serialize_request(&key).unwrap().der().to_vec();
            let command = portcullis::console::command::request::Command::Issue {
                person: format!("bank/p{}", number % 10).parse().unwrap(),
                name: format!("robot {number}"),
                request: portcullis::console::command::given::Given::new(der),
            };
            acts.run("local:1000", Command::Device(device::Command::Request(command))).await.map(drop)
        });
    }
    for outcome in all.join_all().await {
        outcome.unwrap();
    }
    let all = gate.all::<Certificate>().await;
    let serials: BTreeSet<&String> = all.iter().map(|one| &one.serial).collect();
    let prints: BTreeSet<_> = all.iter().map(|one| one.fingerprint).collect();
    assert_eq!((all.len(), serials.len(), prints.len()), (1000, 1000, 1000));
    assert!(serials.iter().all(|serial| serial.len() >= 26), "2^-24 for one to be shorter");
    assert!(serials.iter().filter(|serial| serial.len() == 32).count() > 800);
    gate.must_verify().await;
}
