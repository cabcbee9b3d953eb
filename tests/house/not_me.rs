//! "Not me": whoever says it is kept out by every way until the desk has spoken with them, everybody who must
//! know knows, and the desk's unlocking is what lets them in again.

use portcullis::audit::Event;
use portcullis::console::command::{Command, person};
use portcullis::domain::PhoneId;
use portcullis::domain::person::{Frozen, Person, Role, Standing};
use portcullis::domain::renewal::{Renewal, RenewalWay};
use portcullis::domain::session::Session;
use portcullis::notify::{About, Notice};
use serde_json::Value;

use crate::support::PASSWORD;
use crate::support::desk::*;
use crate::support::ended::ended;
use crate::support::gate::Gate;

/// Support has spoken with Anna, on the machine.
pub(crate) async fn opened_again(gate: &Gate) {
    gate.run(unlock("bank/anna", Some("spoke with her: a slip of the finger"))).await;
}

fn unlock(who: &str, why: Option<&str>) -> Command {
    Command::Person(person::Command::Unlock { person: who.parse().unwrap(), why: why.map(str::to_owned) })
}

async fn told_by_mail(gate: &Gate, about: impl Fn(&About) -> bool) -> usize {
    gate.all::<Notice>().await.iter().filter(|one| about(&one.about)).count()
}

async fn frozen(gate: &Gate, who: &str) -> bool {
    gate.all::<Person>().await.iter().any(|one| one.id.as_str() == who && one.frozen().is_some())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_not_me_is_kept_out_until_support_has_spoken_with_them() {
    let gate = Gate::open().await;
    let agent = sam(&gate).await;
    let laptop = anna(&gate).await;
    let (client, phone) = first_visit(&gate, &agent, &laptop).await;
    let tablet = gate.device("bank", "anna", "tablet").await;
    let elsewhere = gate.browser("bank", &laptop);
    let page = elsewhere.open("/").await;
    elsewhere.submit(&page, "/password", &[("password", PASSWORD)]).await;
    let (status, answer) = phone.not_me(&phone.question().await).await;
    assert_eq!(status, 200, "{answer}");
    assert!(answer["frozen"].is_i64(), "{answer}");
    assert_eq!(told_by_mail(&gate, |about| matches!(about, About::NotMe { .. })).await, 1);
    assert!(!gate.all::<Session>().await.iter().any(|one| one.person.as_str() == "anna"));

    // No way in: not here, not there, not with a device that has never been seen.
    for browser in [&client, &elsewhere, &gate.browser("bank", &laptop), &gate.browser("bank", &tablet)] {
        for path in ["/", "/.portcullis/sign-in/", "/.portcullis/settings/"] {
            let page = browser.open(path).await;
            page.must_say("We have stopped it. Nobody is signed in.");
            assert_eq!(page.status, 403);
        }
    }
    let (status, answer) = phone.call("GET", "/api/approvals", "").await;
    assert_eq!((status.as_u16(), answer["code"].as_str()), (403, Some("frozen")), "{answer}");
    assert_eq!(answer["title"], "We have stopped it. Nobody is signed in.");
    let (_, me) = phone.call("GET", "/api/me", "").await;
    assert!(me["frozen"].is_i64() && me["telephone"].is_string(), "{me}");

    // The desk sees who waits for a call, and opens it with a list and a reason.
    let home = agent.open("/").await;
    home.must_say("said “not me”").must_say("Anna Muster").must_say("laptop").must_say("127.0.0.1");
    home.must_say("+41 79 555 01 23");
    assert!(home.html.contains("href=\"/people/bank/anna\""));
    agent.open("/people/bank/anna").await.must_say("frozen: said “not me”");
    let page = agent.open("/people/bank/anna/unlock").await;
    page.must_say("Ring +41 79 555 01 23").must_say("laptop");
    let ticks = [("check", "0"), ("check", "1")];
    let missing = agent.submit(&page, "/unlock", &[&ticks[..], &[("why", "spoke with her")]].concat()).await;
    missing.must_say("check every line");
    let ticks = [&ticks[..], &[("check", "2")]].concat();
    let missing = agent.submit(&page, "/unlock", &[&ticks[..], &[("why", "  ")]].concat()).await;
    missing.must_say("write down what came of it");
    let missing = agent.submit(&page, "/unlock", &[("name", "Anna Muster")]).await;
    missing.must_say("check every line");
    assert!(frozen(&gate, "anna").await);
    agent.submit(&page, "/unlock", &[&ticks[..], &[("why", "a slip of the finger")]].concat()).await;
    assert!(!frozen(&gate, "anna").await);
    assert!(!agent.open("/").await.says("said “not me”"));
    let trail = gate.trail().await;
    let opened = trail.iter().find(|line| line.what == Event::PersonUnlocked).unwrap();
    assert_eq!(opened.who, "person:staff/sam");
    assert_eq!(opened.details.get("why").map(String::as_str), Some("a slip of the finger"));
    assert_eq!(told_by_mail(&gate, |about| *about == About::Unfrozen).await, 1);

    // And all three locks are asked for anew.
    let (_, me) = phone.call("GET", "/api/me", "").await;
    assert_eq!(me["frozen"], Value::Null);
    client.forget_cookies();
    later_visit(&client, &phone, "/").await.must_say("the bank's own page");
    gate.must_verify().await;
}

/// A renewal that began in the very moment, or before a lock, does not go on once the desk has let them in again.
#[tokio::test(flavor = "multi_thread")]
async fn no_renewal_outlives_being_kept_out() {
    let gate = Gate::open().await;
    let laptop = anna(&gate).await;
    gate.settle(&laptop).await;
    let (_, certificate) = ended(&gate, &laptop, 3600).await;
    let now = gate.world.now();
    let renewal = Renewal {
        token: [9; 32],
        tenant: certificate.tenant.clone(),
        person: certificate.person.clone(),
        device: certificate.device.clone(),
        serial: certificate.serial.clone(),
        fingerprint: certificate.fingerprint,
        way: RenewalWay::Shown,
        released_by: None,
        password: Some(now),
        phone: None,
        started: now,
        expires: now.plus(Renewal::LIVES),
    };
    gate.put(&renewal).await;
    gate.run(unlock("bank/anna", None)).await;
    assert_eq!(gate.all::<Renewal>().await.len(), 1, "who was not kept out goes on");
    let lock = person::Command::Lock {
        person: "bank/anna".parse().unwrap(),
        why: "asked for it".to_owned(),
        hours: None,
        yes: true,
    };
    gate.run(Command::Person(lock)).await;
    gate.run(unlock("bank/anna", Some("spoke with her"))).await;
    assert!(gate.all::<Renewal>().await.is_empty());
    gate.must_verify().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_who_says_not_me_is_let_in_again_on_the_machine() {
    let gate = Gate::open().await;
    let ida = staff(&gate, "ida", "Ida Inhaber", &[Role::Owner]).await;
    let owner = gate.all::<Person>().await.into_iter().find(|one| one.id.as_str() == "ida").unwrap();
    let said = Frozen {
        at: gate.world.now(),
        phone: PhoneId::parse("phone-1").unwrap(),
        asked: gate.world.now(),
        device: "desk".to_owned(),
        browser: "Chrome on Linux".to_owned(),
        address: "192.0.2.66".to_owned(),
        place: String::new(),
    };
    gate.put(&Person { standing: Standing::Frozen(Box::new(said)), ..owner }).await;
    ida.open("/").await.must_say("We have stopped it. Nobody is signed in.");
    let page = ida.open("/people/staff/ida/unlock").await;
    assert_eq!(page.status, 403, "nobody unlocks themselves");
    // Support does not see owners in its list, for it may not act on them.
    let agent = sam(&gate).await;
    assert!(!agent.open("/").await.says("Ida Inhaber"));

    let refused = gate.acts().run("local:1000", unlock("staff/ida", None)).await.err().unwrap();
    assert!(refused.to_string().contains("--why"), "{refused}");
    let hours = Some(1);
    let lock = person::Command::Lock {
        person: "staff/ida".parse().unwrap(),
        why: "for an hour only".to_owned(),
        hours,
        yes: true,
    };
    assert!(
        gate.acts().run("local:1000", Command::Person(lock)).await.is_err(),
        "no lock that would end earlier"
    );
    assert!(frozen(&gate, "ida").await);
    gate.run(unlock("staff/ida", Some("it was I, on the new laptop"))).await;
    assert!(!frozen(&gate, "ida").await);
    signs_in(&ida).await;
}
