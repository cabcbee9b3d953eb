//! get, scan and commit: boundaries, conditions, all or nothing, expiry, durability.

use std::sync::Arc;

use portcullis::store::{Condition, Key, Outcome, StoreError, table};

use super::{NOW, commit, delete, each, keep, key, put, put_until, value};

#[test]
fn what_was_put_is_read_with_its_revision() {
    each(async |ground| {
        let store = ground.open();
        assert_eq!(store.get(&key("a")).await.unwrap(), None);
        let first = commit(&*store, vec![put("a", Condition::Any, "1")]).await;
        let second = commit(&*store, vec![put("b", Condition::Any, ""), put("a", Condition::Any, "2")]).await;
        assert!(second > first);
        let a = store.get(&key("a")).await.unwrap().unwrap();
        assert_eq!((a.value.as_ref(), a.revision, a.expires), (b"2".as_slice(), second, None));
        assert_eq!(store.get(&key("b")).await.unwrap().unwrap().value.len(), 0);
    });
}

#[test]
fn a_scan_ends_where_its_prefix_does() {
    each(async |ground| {
        let store = ground.open();
        let keys = [
            Key::of(b'S', &[b"z"]),
            Key::of(b'T', &[b"a"]),
            Key::of(b'T', &[b"a", b"1"]),
            Key::of(b'T', &[b"a", b"2"]),
            Key::of(b'T', &[b"ab", b"1"]),
            Key::of(b'T', &[b"a\xff"]),
            Key::of(b'U', &[b"a"]),
            Key::from_bytes(vec![0xff, 0xff]),
        ];
        for key in &keys {
            let mut write = put("", Condition::Absent, "x");
            write.key = key.clone();
            commit(&*store, vec![write]).await;
        }
        let scan = async |prefix: Key| {
            let found = store.scan(&prefix).await.unwrap();
            found.into_iter().map(|(key, _)| key).collect::<Vec<_>>()
        };
        assert_eq!(scan(Key::of(b'T', &[b"a"])).await, keys[1..4]);
        let mut table: Vec<_> = keys[1..6].to_vec();
        table.sort();
        assert_eq!(scan(Key::of(b'T', &[])).await, table);
        assert_eq!(scan(Key::from_bytes(vec![0xff])).await, keys[7..]);
        assert_eq!(scan(Key::of(b'V', &[])).await, []);
        let mut all = keys.to_vec();
        all.sort();
        assert_eq!(scan(Key::everything()).await, all);
    });
}

#[test]
fn conditions_hold_what_they_say() {
    each(async |ground| {
        let store = ground.open();
        let revision = commit(&*store, vec![put("here", Condition::Absent, "1")]).await;
        let cases = [
            ("here", Condition::Any, true),
            ("gone", Condition::Any, true),
            ("here", Condition::Present, true),
            ("gone", Condition::Present, false),
            ("here", Condition::Absent, false),
            ("gone", Condition::Absent, true),
            ("here", Condition::Revision(revision), true),
            ("here", Condition::Revision(revision + 1), false),
            ("here", Condition::Revision(0), false),
            ("gone", Condition::Revision(revision), false),
            ("gone", Condition::Revision(0), false),
        ];
        for (name, condition, holds) in cases {
            let outcome = store.commit(vec![keep(name, condition)]).await.unwrap();
            assert_eq!(matches!(outcome, Outcome::Committed(_)), holds, "{name} {condition:?}");
        }
        assert_eq!(store.get(&key("here")).await.unwrap().unwrap().revision, revision, "Keep keeps");
    });
}

#[test]
fn a_commit_does_all_or_nothing_and_says_what_stood_in_its_way() {
    each(async |ground| {
        let store = ground.open();
        commit(&*store, vec![put("a", Condition::Absent, "1"), put("b", Condition::Absent, "1")]).await;
        let writes = vec![
            put("a", Condition::Present, "2"),
            delete("b", Condition::Present),
            put("c", Condition::Absent, "2"),
            keep("d", Condition::Present),
            keep("e", Condition::Present),
        ];
        assert_eq!(store.commit(writes).await.unwrap(), Outcome::Conflict(3));
        assert_eq!(value(&*store, "a").await.as_deref(), Some("1"));
        assert_eq!(value(&*store, "b").await.as_deref(), Some("1"));
        assert_eq!(value(&*store, "c").await, None);
    });
}

#[test]
fn a_key_stands_in_a_commit_once() {
    each(async |ground| {
        let store = ground.open();
        let twice = vec![put("a", Condition::Any, "1"), delete("a", Condition::Any)];
        assert!(matches!(store.commit(twice).await, Err(StoreError::Misuse(_))));
        assert_eq!(value(&*store, "a").await, None);
    });
}

#[test]
fn past_its_expiry_an_item_is_absent_in_every_way() {
    each(async |ground| {
        let store = ground.open();
        let expires = Some(NOW.plus(std::time::Duration::from_secs(10)));
        let revision = commit(&*store, vec![put_until("a", Condition::Any, "1", expires)]).await;
        assert_eq!(store.get(&key("a")).await.unwrap().unwrap().expires, expires);
        ground.clock.set(NOW.plus(std::time::Duration::from_millis(9999)));
        assert!(store.get(&key("a")).await.unwrap().is_some());
        ground.clock.set(NOW.plus(std::time::Duration::from_secs(10)));
        assert_eq!(store.get(&key("a")).await.unwrap(), None);
        assert_eq!(store.scan(&Key::everything()).await.unwrap(), []);
        let snapshot = store.watch(&[Key::everything()]).await.unwrap().recv().await.unwrap();
        assert_eq!(snapshot.changes, []);
        for condition in [Condition::Present, Condition::Revision(revision)] {
            assert_eq!(store.commit(vec![keep("a", condition)]).await.unwrap(), Outcome::Conflict(0));
        }
        commit(&*store, vec![put("a", Condition::Absent, "2")]).await;
        ground.advance(3600);
        assert_eq!(value(&*store, "a").await.as_deref(), Some("2"), "the new one does not expire");
    });
}

#[test]
fn what_was_committed_is_there_after_a_new_start_and_revisions_go_on() {
    each(async |ground| {
        let mut last = 0;
        for round in 0..3 {
            let store = ground.open();
            for n in 0..round {
                assert_eq!(value(&*store, &format!("k{n}")).await.as_deref(), Some("v"));
            }
            let revision = commit(&*store, vec![put(&format!("k{round}"), Condition::Absent, "v")]).await;
            assert!(revision > last, "{revision} after {last}");
            last = commit(&*store, vec![delete("none", Condition::Any)]).await;
        }
    });
}

#[test]
fn values_may_be_large() {
    each(async |ground| {
        let large = "x".repeat(5 << 20);
        let store = ground.open();
        commit(&*store, vec![put("large", Condition::Any, &large)]).await;
        drop(store);
        let store = ground.open();
        assert!(value(&*store, "large").await.unwrap() == large);
    });
}

#[test]
fn of_fifty_who_consume_one_wins_each_round() {
    each(async |ground| {
        let store = ground.open();
        let session = super::samples::session();
        for round in 0..20 {
            commit(&*store, vec![table::put(&session)]).await;
            let racers: Vec<_> = (0..50)
                .map(|_| {
                    let store = Arc::clone(&store);
                    let key = table::session(&session.token);
                    tokio::spawn(async move {
                        let read = table::get::<portcullis::domain::session::Session>(&*store, &key).await;
                        let Some(read) = read.unwrap() else { return false };
                        let outcome = store.commit(vec![table::consume(&read)]).await.unwrap();
                        matches!(outcome, Outcome::Committed(_))
                    })
                })
                .collect();
            let mut winners = 0;
            for racer in racers {
                winners += usize::from(racer.await.unwrap());
            }
            assert_eq!(winners, 1, "round {round}");
        }
    });
}

#[test]
fn counting_by_revision_loses_nothing() {
    each(async |ground| {
        let store = ground.open();
        commit(&*store, vec![put("n", Condition::Absent, "0")]).await;
        let counters: Vec<_> = (0..8)
            .map(|_| {
                let store = Arc::clone(&store);
                tokio::spawn(async move {
                    let mut done = 0;
                    while done < 25 {
                        let item = store.get(&key("n")).await.unwrap().unwrap();
                        let n: u64 = std::str::from_utf8(&item.value).unwrap().parse().unwrap();
                        let write = put("n", Condition::Revision(item.revision), &(n + 1).to_string());
                        if let Outcome::Committed(_) = store.commit(vec![write]).await.unwrap() {
                            done += 1;
                        }
                    }
                })
            })
            .collect();
        for counter in counters {
            counter.await.unwrap();
        }
        assert_eq!(value(&*store, "n").await.as_deref(), Some("200"));
    });
}
