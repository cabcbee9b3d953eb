//! watch: the snapshot, then each commit once, in order, after it is durable.

use std::collections::BTreeMap;
use std::sync::Arc;

use portcullis::store::{Batch, Condition, Key};

use super::{commit, delete, each, keep, put, value};

#[test]
fn a_watcher_sees_what_is_there_and_then_each_commit() {
    each(async |ground| {
        let store = ground.open();
        let first = commit(&*store, vec![put("a", Condition::Any, "1"), put("b", Condition::Any, "1")]).await;
        let mut watch = store.watch(&[Key::everything()]).await.unwrap();
        let snapshot = watch.recv().await.unwrap();
        assert_eq!((snapshot.revision, snapshot.changes.len()), (first, 2));
        assert!(snapshot.changes.iter().all(|change| change.revision == first && change.item.is_some()));

        let second = commit(&*store, vec![put("a", Condition::Any, "2"), delete("b", Condition::Any)]).await;
        // It was published before the commit returned.
        let batch = watch.try_recv().unwrap();
        assert_eq!((batch.revision, batch.changes.len()), (second, 2));
        assert_eq!(batch.changes[0].item.as_ref().unwrap().value.as_ref(), b"2");
        assert_eq!(batch.changes[1].item, None);

        store.commit(vec![put("c", Condition::Present, "1")]).await.unwrap();
        store.commit(vec![keep("a", Condition::Present)]).await.unwrap();
        assert!(watch.try_recv().is_err(), "neither a conflict nor a look is a change");
        drop(store);
        assert_eq!(watch.recv().await, None, "the watch ends with the store");
    });
}

#[test]
fn a_watcher_of_prefixes_hears_of_each_commit_and_sees_only_its_own() {
    each(async |ground| {
        let store = ground.open();
        let under = |table: u8| Key::of(table, &[]);
        let write = |table: u8| {
            let mut write = put("", Condition::Any, "x");
            write.key = Key::of(table, &[b"k"]);
            write
        };
        commit(&*store, vec![write(b'A'), write(b'B'), write(b'C')]).await;
        let prefixes = [under(b'C'), under(b'A'), Key::of(b'A', &[b"k"])];
        let mut watch = store.watch(&prefixes).await.unwrap();
        let tables = |batch: Batch| batch.changes.iter().map(|change| change.key.table()).collect::<Vec<_>>();
        assert_eq!(tables(watch.recv().await.unwrap()), [b'A', b'C'], "each once");
        let revision = commit(&*store, vec![write(b'B')]).await;
        assert_eq!(watch.recv().await.unwrap(), Batch { revision, changes: vec![] });
        commit(&*store, vec![write(b'B'), write(b'A')]).await;
        assert_eq!(tables(watch.recv().await.unwrap()), [b'A']);
    });
}

#[test]
fn under_concurrent_commits_nothing_is_missing_and_nothing_comes_twice() {
    each(async |ground| {
        let store = ground.open();
        let writers: Vec<_> = (0..8)
            .map(|writer| {
                let store = Arc::clone(&store);
                tokio::spawn(async move {
                    for n in 0..100 {
                        let write = match n % 5 {
                            4 => delete(&format!("shared{}", n % 3), Condition::Any),
                            3 => put(&format!("shared{}", n % 3), Condition::Any, &format!("{writer}.{n}")),
                            _ => put(&format!("own{writer}.{}", n % 10), Condition::Any, &n.to_string()),
                        };
                        commit(&*store, vec![write]).await;
                    }
                })
            })
            .collect();
        let mut watches = Vec::new();
        for _ in 0..5 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            watches.push(store.watch(&[Key::everything()]).await.unwrap());
        }
        for writer in writers {
            writer.await.unwrap();
        }
        let last = commit(&*store, vec![put("end", Condition::Any, "end")]).await;
        let stored: BTreeMap<_, _> = store.scan(&Key::everything()).await.unwrap().into_iter().collect();
        for mut watch in watches {
            let mut seen = BTreeMap::new();
            let mut revision = None;
            while revision != Some(last) {
                let batch = watch.recv().await.unwrap();
                if let Some(before) = revision {
                    assert_eq!(batch.revision, before + 1);
                }
                revision = Some(batch.revision);
                for change in batch.changes {
                    match change.item {
                        Some(item) => seen.insert(change.key, item),
                        None => seen.remove(&change.key),
                    };
                }
            }
            assert_eq!(seen, stored);
        }
        assert_eq!(value(&*store, "end").await.as_deref(), Some("end"));
    });
}
