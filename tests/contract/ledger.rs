//! The ledger: no change without its trace, no trace without its change, and no trace altered
//! unseen.

use std::sync::Arc;

use portcullis::audit::{
    Bad, Entry, Event, Fault, Ledger, Numbered, Outcome, RecordError, latest, line, verify,
};
use portcullis::domain::session::Session;
use portcullis::store::view::View;
use portcullis::store::{Action, Condition, Key, StoreError, Write, table};

use super::samples::{self, anna, bank};
use super::{Ground, commit, each, key, put, value};

async fn open(ground: &Ground) -> Arc<Ledger> {
    let store = ground.open();
    let view = View::follow(Arc::clone(&store), ground.world()).await.unwrap();
    Ledger::open(store, view, ground.world(), "main").await.unwrap()
}

fn entry() -> Entry {
    Entry::new("gate", Event::SessionBegan).tenant(&bank()).whence("192.0.2.1")
}

async fn write(ledger: &Arc<Ledger>, count: u64) {
    for n in 0..count {
        ledger.record(entry().detail("n", n.to_string()), vec![]).await.unwrap();
    }
}

#[test]
fn a_thousand_at_once_are_numbered_linked_and_share_commits() {
    each(async |ground| {
        let ledger = open(&ground).await;
        let calls: Vec<_> = (0..1000)
            .map(|n| {
                let ledger = Arc::clone(&ledger);
                tokio::spawn(async move {
                    let writes = vec![put(&format!("{n}"), Condition::Absent, "x")];
                    ledger.record(entry().detail("n", n.to_string()), writes).await.unwrap()
                })
            })
            .collect();
        let mut revisions = std::collections::BTreeSet::new();
        for call in calls {
            revisions.insert(call.await.unwrap());
        }
        assert!(revisions.len() <= 250, "{} commits for 1000 records", revisions.len());
        let report = verify(&**ledger.store()).await.unwrap();
        assert_eq!((report.entries, report.first_bad), (1000, None));
        assert_eq!(ledger.store().scan(&Key::of(b'T', &[])).await.unwrap().len(), 1000);
        let last = latest(&**ledger.store(), 3).await.unwrap();
        assert_eq!(last.iter().map(|line| line.sequence).collect::<Vec<_>>(), [1000, 999, 998]);
    });
}

#[test]
fn it_is_whole_while_more_is_written() {
    each(async |ground| {
        let ledger = open(&ground).await;
        let writer = Arc::clone(&ledger);
        let writing = tokio::spawn(async move { write(&writer, 1500).await });
        let mut verified = 0;
        while !writing.is_finished() {
            let report = verify(&**ledger.store()).await.unwrap();
            assert_eq!(report.first_bad, None, "after {verified} times");
            verified += 1;
        }
        writing.await.unwrap();
        assert!(verified > 10, "gone over {verified} times");
        assert_eq!(verify(&**ledger.store()).await.unwrap().entries, 1500);
    });
}

#[test]
fn an_entry_says_who_what_whom_whence_when_and_what_came_of_it() {
    each(async |ground| {
        let ledger = open(&ground).await;
        let entry = Entry::new("person:staff/sara", Event::DeviceReleased)
            .tenant(&bank())
            .whom("device:bank/anna/laptop")
            .whence(std::net::IpAddr::from([192, 0, 2, 1]))
            .outcome(Outcome::Refused("own device".to_owned()))
            .detail("number", "4711");
        ledger.record(entry, vec![]).await.unwrap();
        let read = table::get::<Numbered>(&**ledger.store(), &line("main", 1)).await.unwrap().unwrap().record;
        assert_eq!((read.who.as_str(), read.what), ("person:staff/sara", Event::DeviceReleased));
        assert_eq!(read.whom.as_deref(), Some("device:bank/anna/laptop"));
        assert_eq!(read.whence.as_deref(), Some("192.0.2.1"));
        assert_eq!((read.when, read.previous), (super::NOW, [0; 32]));
        assert_eq!(read.outcome, Outcome::Refused("own device".to_owned()));
        assert_eq!(read.details["number"], "4711");
    });
}

#[test]
fn a_conflict_leaves_neither_change_nor_entry_and_harms_nobody_beside_it() {
    each(async |ground| {
        let ledger = open(&ground).await;
        ledger.record(entry(), vec![put("taken", Condition::Absent, "1")]).await.unwrap();
        let calls: Vec<_> = (0..100)
            .map(|n| {
                let ledger = Arc::clone(&ledger);
                tokio::spawn(async move {
                    let name = if n % 2 == 0 { "taken".to_owned() } else { format!("free{n}") };
                    let writes = vec![
                        put(&format!("side{n}"), Condition::Any, "x"),
                        put(&name, Condition::Absent, "2"),
                    ];
                    ledger.record(entry().detail("n", n.to_string()), writes).await
                })
            })
            .collect();
        for (n, call) in calls.into_iter().enumerate() {
            let result = call.await.unwrap();
            assert_eq!(matches!(result, Err(RecordError::Conflict)), n % 2 == 0, "{n}: {result:?}");
            assert_eq!(value(&**ledger.store(), &format!("side{n}")).await.is_some(), n % 2 == 1);
        }
        assert_eq!(value(&**ledger.store(), "taken").await.as_deref(), Some("1"));
        let report = verify(&**ledger.store()).await.unwrap();
        assert_eq!((report.entries, report.first_bad), (51, None));
    });
}

#[test]
fn of_fifty_who_consume_through_it_one_wins_and_one_entry_tells() {
    each(async |ground| {
        let ledger = open(&ground).await;
        let session = samples::session();
        for round in 1..=10 {
            ledger.untraced(vec![table::put(&session)]).await.unwrap();
            let key = table::session(&session.token);
            let read = table::get::<Session>(&**ledger.store(), &key).await.unwrap().unwrap();
            let racers: Vec<_> = (0..50)
                .map(|_| {
                    let (ledger, read) = (Arc::clone(&ledger), read.clone());
                    tokio::spawn(
                        async move { ledger.record(entry(), vec![table::consume(&read)]).await.is_ok() },
                    )
                })
                .collect();
            let mut winners = 0;
            for racer in racers {
                winners += usize::from(racer.await.unwrap());
            }
            assert_eq!(winners, 1);
            let report = verify(&**ledger.store()).await.unwrap();
            assert_eq!((report.entries, report.first_bad), (round, None));
        }
    });
}

#[test]
fn a_revision_names_one_callers_value_only() {
    each(async |ground| {
        let ledger = open(&ground).await;
        let calls: Vec<_> = (0..40)
            .map(|n| {
                let ledger = Arc::clone(&ledger);
                tokio::spawn(async move {
                    let revision =
                        ledger.record(entry(), vec![put("k", Condition::Any, &n.to_string())]).await.unwrap();
                    (revision, n)
                })
            })
            .collect();
        let mut revisions = std::collections::BTreeMap::new();
        for call in calls {
            let (revision, n) = call.await.unwrap();
            assert_eq!(revisions.insert(revision, n), None, "two values of one revision");
        }
        let (revision, n) = revisions.into_iter().next_back().unwrap();
        let item = ledger.store().get(&key("k")).await.unwrap().unwrap();
        assert_eq!((item.revision, item.value.as_ref()), (revision, n.to_string().as_bytes()));
    });
}

#[test]
fn many_may_look_at_one_record_in_one_commit() {
    each(async |ground| {
        let ledger = open(&ground).await;
        ledger.untraced(vec![table::put(&samples::tenant())]).await.unwrap();
        let read = table::get(&**ledger.store(), &table::tenant(&bank())).await.unwrap().unwrap();
        let calls: Vec<_> = (0..100)
            .map(|n| {
                let (ledger, read) = (Arc::clone(&ledger), read.clone());
                let look = table::unchanged::<portcullis::domain::tenant::Tenant>(&read);
                tokio::spawn(async move {
                    ledger
                        .record(entry(), vec![look, put(&format!("{n}"), Condition::Absent, "x")])
                        .await
                        .unwrap()
                })
            })
            .collect();
        let mut revisions = std::collections::BTreeSet::new();
        for call in calls {
            revisions.insert(call.await.unwrap());
        }
        assert!(revisions.len() < 50, "{} commits", revisions.len());
    });
}

#[test]
fn when_it_returns_the_view_holds_it() {
    each(async |ground| {
        let ledger = open(&ground).await;
        for n in 0..100 {
            let mut person = samples::person();
            person.name = format!("Anna {n}");
            let revision = ledger.record(entry(), vec![table::put(&person)]).await.unwrap();
            assert_eq!(ledger.view().person(&bank(), &anna()).unwrap().name, person.name);
            assert!(ledger.view().revision() >= revision);
        }
    });
}

#[test]
fn the_trail_goes_on_after_a_new_start() {
    each(async |ground| {
        for _ in 0..3 {
            write(&open(&ground).await, 5).await;
        }
        let report = verify(&*ground.open()).await.unwrap();
        assert_eq!((report.entries, report.first_bad), (15, None));
    });
}

#[test]
fn nobody_else_writes_the_trail() {
    each(async |ground| {
        let ledger = open(&ground).await;
        for write in [table::delete(line("main", 1)), table::delete(portcullis::audit::head("main"))] {
            let refused = ledger.record(entry(), vec![write]).await;
            assert!(matches!(refused, Err(RecordError::Store(StoreError::Misuse(_)))));
        }
    });
}

#[test]
fn another_hand_between_two_commits_is_met_with_a_conflict() {
    each(async |ground| {
        let ledger = open(&ground).await;
        let revision = ledger.record(entry(), vec![put("a", Condition::Absent, "1")]).await.unwrap();
        commit(&**ledger.store(), vec![put("a", Condition::Any, "2")]).await;
        let late = ledger.record(entry(), vec![put("a", Condition::Revision(revision), "3")]).await;
        assert!(matches!(late, Err(RecordError::Conflict)));
        ledger.record(entry(), vec![]).await.unwrap();
        assert_eq!(verify(&**ledger.store()).await.unwrap().entries, 2);
    });
}

#[test]
fn whatever_is_done_to_the_trail_is_named() {
    each(async |ground| {
        write(&open(&ground).await, 1005).await;
        let store = ground.open();
        let good = store.scan(&Key::everything()).await.unwrap();
        let bytes = |sequence| {
            let key = line("main", sequence);
            good.iter().find(|(other, _)| *other == key).map(|(_, item)| item.value.clone()).unwrap()
        };
        let edited = |sequence: u64, edit: &dyn Fn(&mut Numbered)| {
            let mut read: Numbered = table::decode(&line("main", sequence), &bytes(sequence)).unwrap();
            edit(&mut read);
            Write { key: line("main", sequence), ..table::put(&read) }
        };
        let moved = |from: u64, to: u64| Write {
            key: line("main", to),
            condition: Condition::Any,
            action: Action::Put { value: bytes(from), expires: None },
        };
        let broken = Action::Put { value: "broken".into(), expires: None };
        let cases: Vec<(Vec<Write>, u64, Option<Fault>)> = vec![
            (vec![edited(7, &|line| line.who = "gate2".into())], 7, Some(Fault::Edited)),
            (vec![edited(1, &|line| line.whence = None)], 1, Some(Fault::Edited)),
            (
                vec![edited(999, &|line| line.when = super::NOW.plus(std::time::Duration::from_secs(1)))],
                999,
                Some(Fault::Edited),
            ),
            (
                vec![edited(1005, &|line| line.outcome = Outcome::Refused("no".into()))],
                1005,
                Some(Fault::Edited),
            ),
            (vec![table::delete(line("main", 7))], 7, Some(Fault::Missing)),
            (vec![table::delete(line("main", 1))], 1, Some(Fault::Missing)),
            (vec![table::delete(line("main", 1000))], 1000, Some(Fault::Missing)),
            (vec![moved(8, 7), moved(7, 8)], 7, Some(Fault::Misplaced)),
            (vec![table::delete(line("main", 1005))], 1005, Some(Fault::Truncated)),
            ((1000..=1005).map(|n| table::delete(line("main", n))).collect(), 1000, Some(Fault::Truncated)),
            (vec![moved(1005, 1006)], 1006, Some(Fault::Beyond)),
            (vec![table::delete(portcullis::audit::head("main"))], 1, Some(Fault::Beyond)),
            (vec![Write { key: line("main", 9), condition: Condition::Any, action: broken }], 9, None),
        ];
        for (writes, sequence, fault) in cases {
            commit(&*store, writes.clone()).await;
            let bad = verify(&*store).await.unwrap().first_bad.unwrap();
            assert_eq!((bad.node.as_str(), bad.sequence), ("main", sequence), "{bad}");
            match fault {
                Some(fault) => assert_eq!(bad.fault, fault),
                None => assert!(matches!(bad, Bad { fault: Fault::Unreadable(_), .. })),
            }
            let restore =
                writes.into_iter().map(|write| match good.iter().find(|(key, _)| *key == write.key) {
                    Some((key, item)) => Write {
                        key: key.clone(),
                        condition: Condition::Any,
                        action: Action::Put { value: item.value.clone(), expires: None },
                    },
                    None => table::delete(write.key),
                });
            commit(&*store, restore.collect()).await;
            assert_eq!(verify(&*store).await.unwrap().first_bad, None);
        }
    });
}

#[test]
fn a_trail_that_lost_its_end_is_not_gone_on_with() {
    each(async |ground| {
        write(&open(&ground).await, 3).await;
        let store = ground.open();
        commit(&*store, vec![table::delete(portcullis::audit::head("main"))]).await;
        let view = View::follow(Arc::clone(&store), ground.world()).await.unwrap();
        let refused = Ledger::open(store, view, ground.world(), "main").await.err().unwrap();
        assert!(matches!(refused, StoreError::Unreadable { .. }), "{refused}");
    });
}

#[test]
fn it_serves_callers_of_any_runtime() {
    each(async |ground| {
        let ledger = open(&ground).await;
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let ledger = Arc::clone(&ledger);
                std::thread::spawn(move || {
                    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                    runtime.block_on(write(&ledger, 10));
                })
            })
            .collect();
        tokio::task::spawn_blocking(|| threads.into_iter().for_each(|thread| thread.join().unwrap()))
            .await
            .unwrap();
        assert_eq!(verify(&**ledger.store()).await.unwrap().entries, 40);
    });
}
