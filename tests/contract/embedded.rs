//! What only an embedded engine promises: one process, one owner of its files, shared syncs, damage
//! that is noticed.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use portcullis::store::view::View;
use portcullis::store::{Condition, Key, Store, StoreError, succession};
use tokio_util::sync::CancellationToken;

use super::{NOW, commit, delete, each, key, put, put_until};

#[test]
fn the_second_to_open_it_is_refused() {
    each(async |ground| {
        let store = ground.embedded();
        let refused = ground.try_open().err().unwrap();
        assert!(matches!(refused, StoreError::InUse(_)), "{refused}");
        assert!(refused.to_string().contains(&ground.path().display().to_string()), "{refused}");
        commit(&*store, vec![put("a", Condition::Absent, "the first goes on")]).await;
        drop(store);
        drop(ground.embedded());
    });
}

const HOUR: std::time::Duration = std::time::Duration::from_secs(3600);

/// Who watches a store that was given away hears what the other process does with it, and then that it ended.
#[test]
fn a_store_that_is_given_away_is_free_and_its_watchers_go_on() {
    each(async |ground| {
        let store = ground.embedded();
        let view = View::follow(Arc::clone(&store) as Arc<dyn Store>, ground.world()).await.unwrap();
        let everything = [Key::everything()];
        let mut watch = store.watch(&everything).await.unwrap();
        let last = commit(&*store, vec![put("a", Condition::Any, "1"), put("b", Condition::Any, "1")]).await;
        let audience = store.give_away().await.unwrap();
        assert!(matches!(store.get(&key("a")).await, Err(StoreError::Closed)));
        assert!(matches!(store.scan(&everything[0]).await, Err(StoreError::Closed)));
        assert!(matches!(store.commit(vec![put("a", Condition::Any, "2")]).await, Err(StoreError::Closed)));
        assert!(matches!(store.watch(&everything).await, Err(StoreError::Closed)));
        assert!(matches!(store.give_away().await, Err(StoreError::Closed)));

        // It is free at once, although the one who gave it away is still there; and that one is told all of it.
        let theirs = ground.embedded();
        let they_see = View::follow(Arc::clone(&theirs) as Arc<dyn Store>, ground.world()).await.unwrap();
        commit(&*theirs, vec![put("a", Condition::Any, "2"), delete("b", Condition::Any)]).await;
        let (ours, mut line) = tokio::io::duplex(8);
        let hears = tokio::spawn(audience.hear(ours));
        let tells = tokio::spawn({
            let (view, store) = (Arc::clone(&they_see), Arc::clone(&theirs) as Arc<dyn Store>);
            async move { succession::tell(&view, store, last, &mut line, &CancellationToken::new()).await }
        });
        for _ in 0..2 {
            watch.recv().await.unwrap();
        }
        let mut now = std::collections::BTreeMap::new();
        let mut take = async || {
            let batch = watch.recv().await?;
            for change in batch.changes {
                now.insert(change.key, change.item.map(|item| (item.value, item.revision)));
            }
            Some(now.clone())
        };
        take().await.unwrap();
        let heard = take().await.unwrap();
        assert_eq!(heard[&key("a")], Some(("2".into(), last + 1)));
        assert_eq!(heard[&key("b")], None);
        let long = "x".repeat(100_000);
        let next = commit(&*theirs, vec![put_until("c", Condition::Any, &long, Some(NOW.plus(HOUR)))]).await;
        let heard = take().await.unwrap();
        assert_eq!(heard[&key("c")], Some((long.into(), next)));
        view.reached(next).await.unwrap();
        assert!(!view.has_ended());
        tells.abort();
        hears.await.unwrap().unwrap();
        assert_eq!(take().await, None, "the watch ends with the line");
        view.ended().await;
    });
}

/// The first hears of all that the second did, and then of what the third does, each change once or in a newer state.
#[test]
fn a_store_that_goes_on_to_a_third_takes_the_line_to_the_first_with_it() {
    each(async |ground| {
        let first = ground.embedded();
        let mut watch = first.watch(&[Key::everything()]).await.unwrap();
        let seen = commit(&*first, vec![put("a", Condition::Any, "1")]).await;
        let audience = first.give_away().await.unwrap();
        let (ours, mut line) = tokio::io::duplex(8);
        let hears = tokio::spawn(audience.hear(ours));

        let second = ground.embedded();
        let they_see = View::follow(Arc::clone(&second) as Arc<dyn Store>, ground.world()).await.unwrap();
        let end = CancellationToken::new();
        let tells = tokio::spawn({
            let (store, end) = (Arc::clone(&second) as Arc<dyn Store>, end.clone());
            async move { succession::tell(&they_see, store, seen, &mut line, &end).await.map(|()| line) }
        });
        // So much that some of it is not yet told when the store goes on.
        let mut last = seen;
        for round in 0..500 {
            last = commit(&*second, vec![put("b", Condition::Any, &format!("{round}"))]).await;
        }
        let theirs = second.give_away().await.unwrap();
        end.cancel();
        let mut line = tells.await.unwrap().unwrap();
        drop(theirs);

        let third = ground.embedded();
        let newest = View::follow(Arc::clone(&third) as Arc<dyn Store>, ground.world()).await.unwrap();
        let now = commit(&*third, vec![put("a", Condition::Any, "3")]).await;
        let store = Arc::clone(&third) as Arc<dyn Store>;
        let tells = tokio::spawn(async move {
            succession::tell(&newest, store, last, &mut line, &CancellationToken::new()).await
        });
        let mut held = std::collections::BTreeMap::new();
        while held.get(&key("a")) != Some(&("3".into(), now)) {
            for change in watch.recv().await.unwrap().changes {
                let item = change.item.unwrap();
                let before = held.insert(change.key, (item.value, item.revision));
                assert!(before.is_none_or(|before| before.1 <= item.revision), "nothing older comes later");
            }
        }
        assert_eq!(held[&key("b")], ("499".into(), last));
        tells.abort();
        hears.await.unwrap().unwrap();
    });
}

/// A line that says what no store does is heard no further.
#[test]
fn what_no_store_says_ends_the_watch() {
    each(async |ground| {
        for (bad, fails) in [
            (&b""[..], false),
            (b"\0\0", false),
            (b"\0\0\0\x05hello", true),
            (b"\xff\xff\xff\xff", true),
            (b"\0\0\0\x0d\0\0\0\0\0\0\0\x01\0\0\0\x09k", true),
            (b"\0\0\0\x0e\0\0\0\0\0\0\0\x01\0\0\0\x01kx", true),
            (b"\0\0\0\x0d\0\0\0\0", true),
        ] {
            let store = ground.embedded();
            let mut watch = store.watch(&[Key::everything()]).await.unwrap();
            let heard = store.give_away().await.unwrap().hear(bad).await;
            assert_eq!(heard.is_err(), fails, "{bad:?}: {heard:?}");
            watch.recv().await.unwrap();
            assert_eq!(watch.recv().await, None);
        }
    });
}

/// A program that forks leaves its locks for a moment to a child that has not executed its own program yet.
#[test]
fn a_lock_that_is_given_back_late_is_waited_for() {
    each(async |ground| {
        drop(ground.embedded());
        let locked = match ground.engine.name {
            "redb" => ground.path(),
            _ => ground.path().join("mark"),
        };
        let heir = std::fs::File::open(locked).unwrap();
        heir.lock().unwrap();
        let lives_on = std::thread::spawn(move || {
            std::thread::sleep(std::time::Duration::from_millis(100));
            drop(heir);
        });
        drop(ground.try_open().unwrap());
        lives_on.join().unwrap();
    });
}

#[test]
fn its_files_are_its_owners_alone() {
    each(async |ground| {
        let open_to_others = || {
            let mode = |path: &PathBuf| std::fs::metadata(path).unwrap().permissions().mode();
            let all = everything(&ground.path());
            all.into_iter().filter(|path| mode(path) & 0o077 != 0).collect::<Vec<_>>()
        };
        drop(ground.embedded());
        assert_eq!(open_to_others(), Vec::<PathBuf>::new());
        for path in everything(&ground.path()) {
            let wider = if path.is_dir() { 0o755 } else { 0o644 };
            std::fs::set_permissions(path, PermissionsExt::from_mode(wider)).unwrap();
        }
        assert!(!open_to_others().is_empty());
        drop(ground.embedded());
        assert_eq!(open_to_others(), Vec::<PathBuf>::new());
        assert_eq!(std::fs::read_dir(ground.folder.path()).unwrap().count(), 1, "nothing is left beside it");
    });
}

#[test]
fn a_start_that_was_cut_short_leaves_nothing_in_the_way_of_the_next() {
    each(async |ground| {
        // As a start of this very process number left it, which in a container is often the same.
        let half =
            ground.folder.path().join(format!("store.{}.{}.new", ground.engine.name, std::process::id()));
        match ground.engine.name {
            "redb" => std::fs::write(&half, b"half a store").unwrap(),
            _ => {
                std::fs::create_dir_all(half.join("blobs")).unwrap();
                std::fs::write(half.join("db"), b"half a store").unwrap();
            }
        }
        let store = ground.embedded();
        commit(&*store, vec![put("a", Condition::Absent, "1")]).await;
        assert_eq!(std::fs::read_dir(ground.folder.path()).unwrap().count(), 1, "nothing is left beside it");
    });
}

#[test]
#[cfg(feature = "sled")]
fn no_value_lies_outside_the_file_that_is_synced() {
    each(async |ground| {
        let store = ground.open();
        for round in 0..3 {
            let large =
                |n: usize| put(&format!("{n}"), Condition::Any, &"x".repeat(50_000 * (n % 5) + round));
            commit(&*store, (0..40).map(large).collect()).await;
        }
        // Where sled puts nodes that are too large for its log.
        let outside = everything(&ground.path().join("blobs")).into_iter().filter(|path| path.is_file());
        assert_eq!(outside.count(), 0);
        drop(store);
        let store = ground.open();
        let items = store.scan(&Key::everything()).await.unwrap();
        assert_eq!(items.len(), 40);
        assert!(items.iter().all(|(_, item)| item.value.len() % 50_000 == 2), "the last round's");
    });
}

/// A path and all below it.
pub(crate) fn everything(path: &Path) -> Vec<PathBuf> {
    let mut all = vec![path.to_owned()];
    if path.is_dir() {
        all.extend(std::fs::read_dir(path).unwrap().flat_map(|entry| everything(&entry.unwrap().path())));
    }
    all
}

#[test]
fn concurrent_commits_share_an_fsync() {
    each(async |ground| {
        let store = ground.embedded();
        let commits: Vec<_> = (0..1000)
            .map(|n| {
                let store = Arc::clone(&store);
                tokio::spawn(async move {
                    commit(&*store, vec![put(&format!("{n}"), Condition::Absent, "x")]).await
                })
            })
            .collect();
        let mut revisions = Vec::new();
        for commit in commits {
            revisions.push(commit.await.unwrap());
        }
        revisions.sort_unstable();
        assert_eq!(revisions, (1..=1000).collect::<Vec<_>>(), "each has a revision of its own");
        assert!(store.syncs() <= 250, "{} fsyncs for 1000 commits", store.syncs());
    });
}

#[test]
fn what_has_expired_is_deleted_and_watchers_hear_of_it() {
    each(async |ground| {
        let store = ground.embedded();
        let later = |seconds| Some(NOW.plus(std::time::Duration::from_secs(seconds)));
        commit(&*store, vec![put_until("a", Condition::Any, "1", later(10))]).await;
        commit(&*store, vec![put_until("b", Condition::Any, "1", later(10))]).await;
        commit(&*store, vec![put_until("c", Condition::Any, "1", later(10)), put("d", Condition::Any, "1")])
            .await;
        // Put again with more time, and without an end.
        commit(&*store, vec![put_until("b", Condition::Any, "2", later(100))]).await;
        commit(&*store, vec![put("c", Condition::Any, "2")]).await;
        let mut watch = store.watch(&[Key::everything()]).await.unwrap();
        watch.recv().await.unwrap();
        store.sweep().await.unwrap();
        assert!(watch.try_recv().is_err(), "nothing has expired yet");
        ground.advance(10);
        store.sweep().await.unwrap();
        let batch = watch.try_recv().unwrap();
        assert_eq!(batch.changes.len(), 1);
        assert_eq!((batch.changes[0].key.clone(), batch.changes[0].item.clone()), (key("a"), None));
        ground.advance(1000);
        store.sweep().await.unwrap();
        assert_eq!(watch.try_recv().unwrap().changes[0].key, key("b"));
        store.sweep().await.unwrap();
        assert!(watch.try_recv().is_err());
        assert_eq!(store.scan(&Key::everything()).await.unwrap().len(), 2);
    });
}

#[test]
fn a_sweep_of_thousands_takes_several_commits() {
    each(async |ground| {
        let store = ground.embedded();
        let expires = Some(NOW.plus(std::time::Duration::from_secs(1)));
        let writes = (0..2500).map(|n| put_until(&format!("{n}"), Condition::Any, "1", expires)).collect();
        commit(&*store, writes).await;
        let mut watch = store.watch(&[Key::everything()]).await.unwrap();
        watch.recv().await.unwrap();
        ground.advance(1);
        store.sweep().await.unwrap();
        let mut deleted = Vec::new();
        while let Ok(batch) = watch.try_recv() {
            deleted.push(batch.changes.len());
        }
        assert_eq!(deleted, [1000, 1000, 500]);
    });
}
