//! Attacks on the phones in the settings: another one without a phone's yes, the last one removed, a removed key.

use portcullis::audit::Event;
use portcullis::console::command::{Command, person};
use portcullis::domain::phone::Phone as Paired;

use crate::support::desk::*;
use crate::support::gate::Gate;

const PHONES: &str = "/.portcullis/settings/phones/";

/// Certificate, password and a session that came in by phone are not enough: without another yes there is no
/// square, no other name, and nothing is removed, whatever is posted.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_phone_changes_without_a_phones_yes() {
    let gate = Gate::open().await;
    let (client, phone, _) = anna_inside(&gate).await;
    let only = gate.all::<Paired>().await.remove(0);
    let opened = gate.told(Event::PairingOpened).await;
    let page = client.open(&format!("{PHONES}new")).await;
    let hidden = page.form("/phones/new").hidden;
    let post = |path: String, fields: &[(&str, &str)]| {
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let all: Vec<_> = hidden.iter().cloned().chain(fields).collect();
        client.send(client.posting(&path, &all))
    };
    for (path, fields) in
        [("pair/square", &[][..]), ("pair/words", &[("same", "yes")]), ("change/again", &[])]
    {
        let answer = post(format!("{PHONES}{path}"), fields).await;
        assert_eq!((answer.status.as_u16(), answer.header("location")), (303, PHONES), "{path}");
    }
    // Asked, and answered by nobody: the page waits, and the square does not come.
    let asked = post(format!("{PHONES}new"), &[("replaces", only.id.as_str())]).await;
    assert_eq!(asked.status, 303);
    client.open(&format!("{PHONES}change/")).await.must_say("Type this number on your phone");
    client.open(&format!("{PHONES}pair/")).await.must_say("Your phones");
    // A yes to another change opens none either: what was agreed to is what is done.
    let page = client.open(&format!("{PHONES}of/{}/rename", only.id)).await;
    let waiting = client.submit(&page, "/rename", &[("name", "Mine")]).await;
    let (status, _) = phone.approve(&phone.question().await, &waiting.digits()).await;
    assert_eq!(status, 200);
    client.open(&format!("{PHONES}pair/")).await.must_say("Your phones");
    client.open(&format!("{PHONES}change/")).await.must_say("Mine");
    client.open(&format!("{PHONES}change/")).await.must_say("Your phones");
    assert_eq!(gate.told(Event::PhoneRenamed).await, 1, "a yes is good once");
    assert_eq!(gate.told(Event::PairingOpened).await, opened);
    assert_eq!(gate.told(Event::PhoneAgreed).await, 0);
    assert_eq!(gate.all::<Paired>().await.len(), 1);
}

/// Two phones removed at once leave one, whoever is faster.
#[tokio::test(flavor = "multi_thread")]
async fn two_phones_removed_at_once_leave_one() {
    let gate = Gate::open().await;
    let (_client, _phone, _) = anna_inside(&gate).await;
    let first = gate.all::<Paired>().await.remove(0);
    let other = Paired { id: portcullis::domain::PhoneId::parse("other").unwrap(), ..first.clone() };
    gate.put(&other).await;
    let remove = |one: &Paired| {
        let command = person::Command::RemovePhone {
            person: "bank/anna".parse().unwrap(),
            phone: one.id.clone(),
            why: "lost".to_owned(),
        };
        gate.acts().run("local:1000", Command::Person(command))
    };
    let (a, b) = tokio::join!(remove(&first), remove(&other));
    assert_eq!([a.is_ok(), b.is_ok()].iter().filter(|ok| **ok).count(), 1);
    let left = gate.all::<Paired>().await;
    assert_eq!(left.len(), 1);
}

/// A phone that was removed answers nothing: neither what is asked now nor what was asked before.
#[tokio::test(flavor = "multi_thread")]
async fn a_removed_phone_answers_nothing() {
    let gate = Gate::open().await;
    let (client, phone, _) = anna_inside(&gate).await;
    let first = gate.all::<Paired>().await.remove(0);
    let spare = Paired { id: portcullis::domain::PhoneId::parse("spare").unwrap(), ..first.clone() };
    gate.put(&spare).await;
    let page = client.open(&format!("{PHONES}of/spare/remove")).await;
    let waiting = client.submit(&page, "/remove", &[]).await;
    let question = phone.question().await;
    let command = person::Command::RemovePhone {
        person: "bank/anna".parse().unwrap(),
        phone: first.id.clone(),
        why: "lost".to_owned(),
    };
    gate.run(Command::Person(command)).await;
    for (status, answer) in [phone.approve(&question, &waiting.digits()).await, phone.not_me(&question).await]
    {
        assert_eq!((status.as_u16(), answer["code"].as_str()), (401, Some("removed-support")), "{answer}");
    }
    let stranger = gate.phone();
    stranger.pretends_to_be(&phone);
    let (status, answer) = stranger.call("GET", "/api/me", "").await;
    assert_eq!((status.as_u16(), answer["code"].as_str()), (401, Some("unpaired")), "{answer}");
    assert_eq!(gate.all::<Paired>().await.len(), 1);
}
