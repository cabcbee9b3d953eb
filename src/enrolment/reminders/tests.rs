//! The stages by the calendar, who is told, and that each stage is told once, whoever looks and how often.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::auth::phone::rig::{Rig, START};
use crate::domain::IssuerId;
use crate::domain::certificate::RevocationReason;
use crate::notify::Notice;

fn certificate(rig: &Rig, serial: &str, device: &str, ends_in_secs: i64) -> Certificate {
    Certificate {
        serial: serial.to_owned(),
        tenant: rig.tenant.clone(),
        person: rig.anna.clone(),
        device: DeviceId::parse(device).unwrap(),
        issuer: IssuerId::parse("devices-1").unwrap(),
        profile: "device".to_owned(),
        der: vec![0x30],
        fingerprint: [7; 32],
        not_before: START.minus(days(700)),
        not_after: Time(START.millis() + ends_in_secs * 1000),
        state: CertificateState::Active,
        issued_by: "local:1000".to_owned(),
    }
}

fn device(rig: &Rig, id: &str, state: DeviceState) -> Device {
    Device {
        tenant: rig.tenant.clone(),
        person: rig.anna.clone(),
        id: DeviceId::parse(id).unwrap(),
        name: format!("{id} of Anna"),
        state,
        issued_by: "local:1000".to_owned(),
        delivered_by: None,
        released_by: None,
        created: START,
    }
}

/// Anna has an address and a device whose certificate ends in ten days.
async fn rig() -> Rig {
    let rig = Rig::new().await;
    let anna = rig.view.person(&rig.tenant, &rig.anna).unwrap();
    rig.put(&Person { emails: vec!["anna@example.org".to_owned()], ..(*anna).clone() }).await;
    rig.put(&device(&rig, "laptop", DeviceState::Active)).await;
    rig.put(&certificate(&rig, "aa", "laptop", 10 * DAY)).await;
    rig
}

fn reminders(rig: &Rig) -> Reminders {
    Reminders::new(rig.ledger.clone(), rig.view.clone(), rig.world.clone())
}

async fn notices(rig: &Rig) -> Vec<Notice> {
    let all = table::list::<Notice>(&**rig.ledger.store(), &table::all::<Notice>()).await.unwrap();
    all.into_iter().map(|read| read.record).collect()
}

const DAY: i64 = 86_400;

#[test]
fn stages_go_by_the_calendar_in_utc() {
    // 2026-11-21 20:17:24 until 2028-11-20 20:17:24.
    let (from, to) = (START, START.plus(days(730)));
    let told = |before_secs: i64| stage(from, to, Time(to.millis() - before_secs * 1000));
    let midnight = 20 * 3600 + 17 * 60 + 24;
    assert_eq!(told(60 * DAY + midnight + 1), None, "the last second of the day before");
    assert_eq!(told(60 * DAY + midnight), Some(60), "the first of the sixtieth day before the end");
    assert_eq!(told(60 * DAY), Some(60));
    assert_eq!(told(31 * DAY), Some(60));
    assert_eq!(told(30 * DAY), Some(30));
    assert_eq!(told(15 * DAY), Some(30));
    assert_eq!(told(14 * DAY), Some(14));
    assert_eq!(told(7 * DAY), Some(7));
    assert_eq!(told(2 * DAY), Some(7));
    assert_eq!(told(DAY), Some(1));
    assert_eq!(told(0), Some(1), "its last moment still counts");
    assert_eq!(told(-1), Some(0));
    assert_eq!(told(-30 * DAY), Some(0));
    assert_eq!(told(-30 * DAY - 1), None);
    assert_eq!(Left::of(to, to).said(), "ends today");
    assert_eq!(Left::of(to, to.minus(days(1))).said(), "ends tomorrow");
    assert_eq!(Left::of(to, to.minus(days(14))).said(), "ends in 14 days");
    assert_eq!(Left::of(to, to.plus(days(1))).said(), "has ended");
    // One that was made for thirty days begins with the stage of fourteen.
    assert_eq!(stage(from, from.plus(days(30)), from), None);
    assert_eq!(stage(from, from.plus(days(30)), from.plus(days(16))), Some(14));
}

proptest! {
    /// Whenever anybody looks: at most one stage at a time, each once, none after a later one; and who looks
    /// every hour misses none.
    #[test]
    fn each_stage_is_told_once_and_in_order(
        from in 0_i64..4_000_000_000,
        lives_days in 0_i64..900,
        hour in 0_i64..DAY,
        looks in prop::collection::btree_set(-100_i64 * DAY..40 * DAY, 0..60),
        hourly in any::<bool>(),
    ) {
        let from = Time::from_secs(from);
        let to = Time::from_secs(from.secs() + lives_days * DAY + hour);
        let looks: BTreeSet<i64> = if hourly { (-70 * 24..35 * 24).map(|n| n * 3600).collect() } else { looks };
        let mut told: Vec<u32> = Vec::new();
        for look in looks {
            let now = Time::from_secs(to.secs() + look);
            if now < from { continue }
            if let Some(stage) = stage(from, to, now) {
                prop_assert!(STAGES.contains(&stage));
                let over = told.iter().any(|earlier| *earlier <= stage);
                if !over { told.push(stage); }
                prop_assert!(told.last().is_none_or(|last| *last <= stage), "{told:?} and then {stage}");
            }
        }
        prop_assert!(told.is_sorted_by(|a, b| a > b));
        if hourly {
            let days_in_all = day(to) - day(from);
            let all: Vec<u32> =
                STAGES.into_iter().filter(|stage| *stage == 0 || i64::from(*stage) < days_in_all).collect();
            prop_assert_eq!(told, all);
        }
    }
}

#[tokio::test]
async fn only_what_is_missed_is_told() {
    let rig = rig().await;
    let at = rig.world.now();
    // Each of these has something that forbids it.
    for (id, state) in [
        ("revoked", CertificateState::Revoked { reason: RevocationReason::Unspecified, at }),
        ("superseded", CertificateState::Superseded { at: at.plus(days(3)) }),
    ] {
        rig.put(&device(&rig, id, DeviceState::Active)).await;
        rig.put(&Certificate { state, ..certificate(&rig, id, id, 10 * DAY) }).await;
    }
    rig.put(&device(&rig, "retired", DeviceState::Retired)).await;
    rig.put(&certificate(&rig, "retired", "retired", 10 * DAY)).await;
    rig.put(&device(&rig, "renewed", DeviceState::Active)).await;
    rig.put(&certificate(&rig, "renewed-1", "renewed", 10 * DAY)).await;
    rig.put(&certificate(&rig, "renewed-2", "renewed", 700 * DAY)).await;
    rig.put(&device(&rig, "young", DeviceState::Active)).await;
    rig.put(&certificate(&rig, "young", "young", 61 * DAY)).await;
    rig.put(&device(&rig, "old", DeviceState::Active)).await;
    rig.put(&certificate(&rig, "old", "old", -31 * DAY)).await;
    assert_eq!(reminders(&rig).look().await.unwrap(), 1);
    let queued = notices(&rig).await;
    let about =
        About::CertificateEnds { device: "laptop of Anna".to_owned(), until: START.plus(days(10)), days: 10 };
    assert_eq!(queued.len(), 1, "{queued:?}");
    assert_eq!(
        (&queued[0].about, queued[0].to.as_slice()),
        (&about, ["anna@example.org".to_owned()].as_slice())
    );
    let shown = ending_of(&rig.view, &rig.tenant, &rig.anna, rig.world.now());
    assert_eq!(shown.iter().map(|one| one.certificate.serial.as_str()).collect::<Vec<_>>(), ["aa"]);
    let bert = PersonId::parse("bert").unwrap();
    assert!(ending_of(&rig.view, &rig.tenant, &bert, rig.world.now()).is_empty());
}

#[tokio::test]
async fn who_is_shut_out_is_told_nothing() {
    let rig = rig().await;
    let anna = (*rig.view.person(&rig.tenant, &rig.anna).unwrap()).clone();
    for standing in [Standing::Closed, Standing::Locked { until: None, why: "lost".to_owned() }] {
        rig.put(&Person { standing, ..anna.clone() }).await;
        assert_eq!(reminders(&rig).look().await.unwrap(), 0);
    }
    // Let in again, she is.
    rig.put(&anna).await;
    assert_eq!(reminders(&rig).look().await.unwrap(), 1);
}

#[tokio::test]
async fn nobody_to_write_to_leaves_no_trace() {
    let rig = rig().await;
    let anna = (*rig.view.person(&rig.tenant, &rig.anna).unwrap()).clone();
    rig.put(&Person { emails: vec![], ..anna.clone() }).await;
    assert_eq!(reminders(&rig).look().await.unwrap(), 0);
    rig.put(&anna).await;
    assert_eq!(reminders(&rig).look().await.unwrap(), 1, "an address that comes later is written to");
}

#[tokio::test]
async fn what_was_missed_is_not_sent_in_a_heap() {
    let rig = rig().await;
    let look = async || reminders(&rig).look().await.unwrap();
    // The gate was down on the sixtieth, the thirtieth and the fourteenth day.
    assert_eq!((look().await, look().await), (1, 0));
    rig.wait(3 * 86_400);
    assert_eq!((look().await, look().await), (1, 0), "seven days");
    rig.clock.set(START.plus(days(1)));
    assert_eq!(look().await, 0, "a clock that was put back brings no earlier stage again");
    rig.clock.set(START.plus(days(20)));
    assert_eq!((look().await, look().await), (1, 0), "ended; the stage of one day is over");
    let kept = table::list::<Reminder>(&**rig.ledger.store(), &table::all::<Reminder>()).await.unwrap();
    let mut stages: Vec<u32> = kept.iter().map(|read| read.record.stage).collect();
    stages.sort_unstable();
    assert_eq!(stages, [0, 7, 14]);
    let words: Vec<About> = notices(&rig).await.into_iter().map(|notice| notice.about).collect();
    assert_eq!(words.len(), 3, "{words:?}");
}

/// Two nodes over one store, fifty tasks at the same moment, again and again: one message each time.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_who_would_remind_one_does() {
    let rig = rig().await;
    let store = Arc::clone(rig.ledger.store());
    let view = View::follow(Arc::clone(&store), rig.world.clone()).await.unwrap();
    let other = Ledger::open(store, Arc::clone(&view), rig.world.clone(), "n2").await.unwrap();
    for round in 0..20_i64 {
        let serial = format!("b{round}");
        rig.put(&device(&rig, &format!("device-{round}"), DeviceState::Active)).await;
        rig.put(&certificate(&rig, &serial, &format!("device-{round}"), 10 * DAY)).await;
        view.reached(rig.view.revision()).await.unwrap();
        let barrier = Arc::new(tokio::sync::Barrier::new(50));
        let mut tasks = tokio::task::JoinSet::new();
        for task in 0..50 {
            let node = if task % 2 == 0 { (&rig.ledger, &rig.view) } else { (&other, &view) };
            let runner = Reminders::new(Arc::clone(node.0), Arc::clone(node.1), rig.world.clone());
            let barrier = Arc::clone(&barrier);
            tasks.spawn(async move {
                barrier.wait().await;
                runner.look().await.unwrap()
            });
        }
        let queued: u32 = tasks.join_all().await.into_iter().sum();
        // In the first round the laptop's own reminder is due too.
        let wanted = if round == 0 { 2 } else { 1 };
        assert_eq!(queued, wanted, "round {round}");
    }
    assert_eq!(notices(&rig).await.len(), 21);
}
