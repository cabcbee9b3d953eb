//! Revocation lists and OCSP over time: a burst makes few lists, the clock jumps, a grace ends, the store
//! cannot be read.

use std::time::{Duration, Instant};

use portcullis::audit::Event;
use portcullis::domain::Time;
use portcullis::domain::certificate::{Certificate, CertificateState, RevocationReason};
use portcullis::store::{Action, Condition, Write, table};

use crate::support::PATIENCE;
use crate::support::desk::anna;
use crate::support::gate::Gate;
use crate::support::list::{self, List};

const DAY: u64 = 24 * 3600;

async fn fetched(gate: &Gate) -> Option<List> {
    list::fetched(gate.started().plain.unwrap()).await
}

async fn certificates(gate: &Gate, count: u32) -> Vec<Certificate> {
    let laptop = anna(gate).await;
    let all = gate.all::<Certificate>().await;
    let one = all.into_iter().find(|one| one.serial == laptop.serial).unwrap();
    (0..count).map(|n| Certificate { serial: format!("a{n:08x}"), ..one.clone() }).collect()
}

fn revoked(gate: &Gate, certificate: &Certificate) -> Certificate {
    let state = CertificateState::Revoked { reason: RevocationReason::KeyCompromise, at: gate.world.now() };
    Certificate { state, ..certificate.clone() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_revocations_make_few_lists_and_each_stands_on_one_within_a_second() {
    let gate = Gate::open().await;
    let many = certificates(&gate, 1000).await;
    gate.write(many.iter().map(table::put).collect()).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let before = gate.told(Event::CrlSigned).await;
    for one in &many {
        gate.put(&revoked(&gate, one)).await;
    }
    let last = Instant::now();
    while fetched(&gate).await.unwrap().entries.len() < many.len() {
        assert!(last.elapsed() < Duration::from_secs(1), "the list follows within a second");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    eprintln!("the last of them stood on the list after {} ms", last.elapsed().as_millis());
    tokio::time::sleep(Duration::from_millis(200)).await;
    let lists = gate.told(Event::CrlSigned).await - before;
    eprintln!("{lists} lists of a thousand revocations");
    assert!((1..=200).contains(&lists), "{lists} lists");
}

/// T-26. Days pass, at once or one by one: what is served has always a week's half before it.
#[tokio::test(flavor = "multi_thread")]
async fn the_list_is_never_past_its_end_whatever_the_clock_does() {
    let gate = Gate::open().await;
    let one = certificates(&gate, 1).await.remove(0);
    gate.put(&revoked(&gate, &one)).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut last = 0;
    for days in [0, 1, 1, 1, 1, 3, 7, 8, 30, 400] {
        gate.wait(days * DAY);
        let list = fetched(&gate).await.unwrap();
        let now = gate.world.now().secs();
        assert!(list.from <= now && now < list.until, "{} to {} at {now}", list.from, list.until);
        assert!(list.until - now > 3 * 24 * 3600, "less than half its life is left");
        assert!(list.number >= last, "its number never falls");
        if days > 3 {
            assert!(list.number > last, "a new one");
            assert_eq!(list.entries.len(), 1, "what is in force is not tidied away");
        }
        last = list.number;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grace_that_ends_stands_on_the_next_list() {
    let gate = Gate::open().await;
    let one = certificates(&gate, 1).await.remove(0);
    let at = gate.world.now().plus(Duration::from_secs(3600));
    gate.put(&Certificate { state: CertificateState::Superseded { at }, ..one.clone() }).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(fetched(&gate).await.unwrap().entries.is_empty());
    gate.wait(3601);
    assert_eq!(fetched(&gate).await.unwrap().entries, [(one.serial, Some(4))]);
}

/// T-26. Nobody knows what is revoked while a record cannot be read: the old list stays until it ends, and
/// then there is none.
#[tokio::test(flavor = "multi_thread")]
async fn without_the_store_the_old_list_stays_until_it_ends() {
    let gate = Gate::open().await;
    let before = fetched(&gate).await.unwrap();
    let key = table::certificate("0badc0de");
    let value = bytes::Bytes::from_static(&[0xff; 8]);
    let broken = Write { key, condition: Condition::Any, action: Action::Put { value, expires: None } };
    gate.store().commit(vec![broken]).await.unwrap();
    let begun = Instant::now();
    while gate.started().house.view.unreadable() == 0 {
        assert!(begun.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    gate.wait(5 * DAY);
    let old = fetched(&gate).await.unwrap();
    assert_eq!((old.number, old.until), (before.number, before.until));
    gate.clock.advance(Time::from_secs(before.until).since(gate.world.now()));
    assert!(fetched(&gate).await.is_none(), "none is served past its end");
}
