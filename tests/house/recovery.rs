//! Recovery codes: shown once at the end of a first visit, how many are left in the settings, ten new ones.

use portcullis::audit::Event;
use portcullis::domain::recovery::RecoveryCodes;
use portcullis::notify::{About, Notice};

use crate::support::PASSWORD;
use crate::support::desk::*;
use crate::support::gate::Gate;

/// The codes in the settings.
const CODES: &str = "/.portcullis/settings/recovery/";

#[tokio::test(flavor = "multi_thread")]
async fn ten_codes_are_shown_once_at_the_end_of_a_first_visit() {
    let gate = Gate::open().await;
    let agent = sam(&gate).await;
    let handed = anna(&gate).await;
    let client = gate.browser("bank", &handed);
    let page = client.open("/accounts").await;
    let page = calls_support(&agent, &client, &page).await;
    let phone = gate.phone();
    let page = pairs(&client, &phone, &page).await;
    let page = client.submit(&page, "/new-password", &[("password", PASSWORD)]).await;
    page.must_say("Keep these ten codes").must_say("They are shown this once.");
    let codes = page.recovery_codes();
    assert_eq!(codes.len(), 10);
    // Loaded again they are the same; without the tick they stay; as a file they are the same.
    assert_eq!(client.open("/.portcullis/sign-in/").await.recovery_codes(), codes);
    let untold = client.submit(&page, "/kept", &[]).await;
    assert_eq!((untold.status.as_u16(), untold.recovery_codes()), (422, codes.clone()));
    let form = page.form("/file");
    let file = client.send(client.posting(&form.action, &form.hidden)).await;
    assert_eq!(file.header("content-type"), "text/plain; charset=utf-8");
    assert!(file.header("content-disposition").contains("attachment"));
    assert!(codes.iter().all(|code| file.text().contains(code)), "{}", file.text());
    // Another browser of the same device sees none of them.
    let other = gate.browser("bank", &handed);
    assert!(other.open("/").await.recovery_codes().is_empty());

    puts_away(&client, &page).await.must_say("the bank's own page at /accounts");
    assert!(client.open("/.portcullis/sign-in/").await.recovery_codes().is_empty(), "never again");
    let gone = client.send(client.posting(&form.action, &form.hidden)).await;
    assert_eq!(gone.status, 303);
    let kept = gate.all::<RecoveryCodes>().await;
    assert_eq!((kept.len(), kept[0].left(), kept[0].put_away.is_some()), (1, 10, true));
    assert_eq!(gate.told(Event::RecoveryCodesKept).await, 1);
    let told = gate.all::<Notice>().await;
    assert!(told.iter().any(|one| one.about == About::RecoveryCodesMade { anew: false }));
    let page = client.open(CODES).await;
    page.must_say("You have 10 recovery codes left");
    client.open("/.portcullis/settings/").await.must_say("Ten codes on paper that stand in for a lost phone");
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_new_ones_take_a_phones_yes_and_the_old_ones_die() {
    let gate = Gate::open().await;
    let (client, phone, _) = anna_inside(&gate).await;
    let before = gate.all::<RecoveryCodes>().await.remove(0);
    let page = client.open(CODES).await;
    let page = client.submit(&page, "/ask", &[]).await;
    page.must_say("Type this number on your phone");
    assert_eq!(gate.all::<RecoveryCodes>().await, std::slice::from_ref(&before), "nothing yet");
    let question = phone.question().await;
    assert_eq!(question["purpose"], "recovery-codes");
    let (status, answer) = phone.approve(&question, &page.digits()).await;
    assert_eq!(status, 200, "{answer}");
    let page = client.open(CODES).await;
    page.must_say("Keep these ten codes").must_say("The codes you had before count no more.");
    let codes = page.recovery_codes();
    assert_eq!(codes.len(), 10);
    let after = gate.all::<RecoveryCodes>().await;
    assert_eq!(after.len(), 1);
    assert_ne!((after[0].set, &after[0].codes), (before.set, &before.codes));
    assert_eq!(client.open(CODES).await.recovery_codes(), codes, "loaded again, and none made anew");
    client.submit(&page, "/kept", &[("away", "yes")]).await.must_say("My settings");
    client.open(CODES).await.must_say("You have 10 recovery codes left");
    assert_eq!(gate.told(Event::RecoveryCodesMade).await, 1);
    let told = gate.all::<Notice>().await;
    let anew: Vec<_> =
        told.iter().filter(|one| one.about == About::RecoveryCodesMade { anew: true }).collect();
    assert_eq!((anew.len(), anew[0].to.as_slice()), (1, ["anna@bank.example".to_owned()].as_slice()));
    gate.must_verify().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_yes_there_are_no_new_codes() {
    let gate = Gate::open().await;
    let (client, phone, _) = anna_inside(&gate).await;
    let before = gate.all::<RecoveryCodes>().await;
    let page = client.open(CODES).await;
    let hidden = page.form("/ask").hidden;
    client.submit(&page, "/ask", &[]).await;
    // A yes to something else makes none: the question here is another purpose's.
    let page = client.open(CODES).await;
    client.submit(&page, "/cancel", &[]).await.must_say("My settings");
    client.open(CODES).await.must_say("You have 10 recovery codes left");
    assert!(phone.questions().await.is_empty(), "withdrawn");
    for doing in ["file", "kept"] {
        let answer = client.send(client.posting(&format!("{CODES}{doing}"), &hidden)).await;
        assert!(answer.status == 303, "{doing}: {}", answer.text());
    }
    assert_eq!(gate.all::<RecoveryCodes>().await, before);
    assert_eq!(gate.told(Event::RecoveryCodesMade).await, 0);
}
