//! "Not me": what ends by it, and that nothing that races it has the last word.

use super::*;
use crate::domain::PairingId;
use crate::domain::person::Standing as Of;
use crate::domain::phone::{Pairing, PairingState};

async fn anna(rig: &Rig) -> Person {
    rig.read(&table::person(&rig.tenant, &rig.anna)).await.unwrap()
}

fn pairing(rig: &Rig, session: &Session) -> Pairing {
    Pairing {
        id: PairingId::from_bits(rig.world.bytes()),
        tenant: rig.tenant.clone(),
        person: session.person.clone(),
        device: session.device.clone(),
        session: session.token,
        secret_mac: [1; 32],
        challenge: [2; 32],
        expires: rig.world.now().plus(Duration::from_secs(300)),
        state: PairingState::Open,
    }
}

#[tokio::test]
async fn not_me_ends_all_there_is_of_the_person_and_nothing_of_others() {
    let rig = Rig::new().await;
    let (session, hand) = (rig.session(1).await, rig.paired("anna").await);
    for token in 2..5 {
        rig.session(token).await;
    }
    let berts = Session { person: PersonId::parse("bert").unwrap(), ..rig.session(9).await };
    rig.put(&berts).await;
    let (hers, his) = (pairing(&rig, &session), pairing(&rig, &berts));
    rig.put(&hers).await;
    rig.put(&his).await;
    let (older, _) = rig.ask(&session).await;
    let (newer, digits) = rig.ask(&session).await;
    deny(&rig, &hand, &older).await.unwrap();

    assert_eq!(standing(&rig, &older).await, Standing::Denied);
    assert_eq!(standing(&rig, &newer).await, Standing::Superseded, "the newer question ends too");
    assert!(matches!(approve(&rig, &hand, &newer, &digits).await, Err(AnswerError::Answered)));
    assert_eq!(rig.sessions().await, 1);
    assert!(rig.view.session(&berts.token).is_some() && rig.view.session(&session.token).is_none());
    assert!(rig.read::<Pairing>(&table::pairing(&hers.id)).await.is_none());
    assert!(rig.read::<Pairing>(&table::pairing(&his.id)).await.is_some());
    let person = anna(&rig).await;
    assert!(person.shut_out(rig.world.now().plus(Duration::from_secs(10 * 365 * 86_400))));
    let frozen = person.frozen().unwrap();
    assert_eq!((frozen.device.as_str(), frozen.address.as_str()), ("Anna's laptop", "192.0.2.7"));
    assert!(matches!(deny(&rig, &hand, &older).await, Err(AnswerError::Answered)));
}

/// whoever comes first, "not me" has the last word.
#[tokio::test]
async fn not_me_overrules_an_approval() {
    let rig = Rig::new().await;
    let (session, hand) = (rig.session(1).await, rig.paired("anna").await);
    let (shown, digits) = rig.ask(&session).await;
    approve(&rig, &hand, &shown, &digits).await.unwrap();
    let approved = rig.approvals.approved(&session, &shown.id).await.unwrap().unwrap();
    deny(&rig, &hand, &shown).await.unwrap();
    assert_eq!(rig.sessions().await, 0);
    assert!(rig.approvals.approved(&session, &shown.id).await.unwrap().is_none());
    // The desktop that had just read it does not step up any more.
    let entry = Entry::new("gate", Event::SessionBegan);
    let late = rig.ledger.record(entry, vec![approved.unchanged]).await;
    assert!(matches!(late, Err(RecordError::Conflict)));
}

/// said an hour later, it still ends everything, and what had been signed stays as evidence.
#[tokio::test]
async fn not_me_counts_however_late_it_is_said() {
    let rig = Rig::new().await;
    let (session, hand) = (rig.session(1).await, rig.paired("anna").await);
    let (shown, digits) = rig.ask(&session).await;
    approve(&rig, &hand, &shown, &digits).await.unwrap();
    rig.wait(3600);
    deny(&rig, &hand, &shown).await.unwrap();
    assert_eq!(rig.sessions().await, 0);
    let person = anna(&rig).await;
    assert!(person.frozen().is_some());
    let ApprovalState::Denied { evidence, .. } = rig.approval(&shown).await.state else { panic!() };
    assert!(evidence.is_some());
    // Nobody answered, and it was not they.
    rig.put(&Person { standing: Of::Active, ..person }).await;
    let (unanswered, _) = rig.ask(&session).await;
    rig.wait(3600);
    deny(&rig, &hand, &unanswered).await.unwrap();
    assert!(anna(&rig).await.frozen().is_some());
}

#[tokio::test]
async fn who_is_gone_for_good_stays_so() {
    let rig = Rig::new().await;
    let (session, hand) = (rig.session(1).await, rig.paired("anna").await);
    let (shown, _) = rig.ask(&session).await;
    rig.put(&Person { standing: Of::Closed, ..anna(&rig).await }).await;
    deny(&rig, &hand, &shown).await.unwrap();
    assert_eq!(anna(&rig).await.standing, Of::Closed);
}

/// a thousand answers to one question, half of them yes: one no counts, and it has the last word.
#[tokio::test]
async fn of_a_thousand_answers_at_once_not_me_wins() {
    let rig = Rig::new().await;
    let (session, hand) = (rig.session(1).await, rig.paired("anna").await);
    let (shown, digits) = rig.ask(&session).await;
    let phone = Phone { sign_count: 0, ..hand.phone.as_ref().unwrap().as_ref().clone() };
    rig.put(&phone).await;
    let signed = hand.sign(&shown, &digits).await;
    let now = rig.world.now();
    let calls: Vec<_> = (0..1000).map(|_| hand.call(now)).collect();
    let answers = calls.iter().enumerate().map(|(turn, call)| {
        let (rig, id, digits, signed) = (&rig, &shown.id, &digits, &signed);
        async move {
            if turn % 2 == 0 {
                rig.approvals.approve(call, id, digits, signed, FROM).await.map(|()| true)
            } else {
                let tell = |_: &Approval, _: &Person| Vec::new();
                rig.approvals.not_me(call, id, FROM, tell).await.map(|()| false)
            }
        }
    });
    let results = join_all(answers).await;
    assert_eq!(results.iter().filter(|it| matches!(it, Ok(false))).count(), 1);
    assert!(results.iter().filter(|it| matches!(it, Ok(true))).count() <= 1);
    assert_eq!(standing(&rig, &shown).await, Standing::Denied);
    assert_eq!(rig.sessions().await, 0);
    assert!(anna(&rig).await.frozen().is_some());
}
