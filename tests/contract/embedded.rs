//! What only an engine of one file promises: one process, one owner of the file, shared fsyncs,
//! damage that is noticed.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use portcullis::store::redb::Redb;
use portcullis::store::{Condition, Key, Outcome, Store, StoreError};

use super::{Ground, NOW, commit, each, put, put_until};

fn redb(ground: &Ground) -> Result<Redb, StoreError> {
    Redb::create_or_open(&ground.file(), ground.world())
}

#[test]
fn the_second_to_open_it_is_refused() {
    each(async |ground| {
        let store = redb(&ground).unwrap();
        let refused = redb(&ground).err().unwrap();
        assert!(matches!(refused, StoreError::InUse(_)), "{refused}");
        assert!(refused.to_string().contains("store.redb"), "{refused}");
        drop(store);
        redb(&ground).unwrap();
    });
}

#[test]
fn its_file_is_its_owners_alone() {
    each(async |ground| {
        let mode = || std::fs::metadata(ground.file()).unwrap().permissions().mode() & 0o777;
        drop(redb(&ground).unwrap());
        assert_eq!(mode(), 0o600);
        std::fs::set_permissions(ground.file(), PermissionsExt::from_mode(0o644)).unwrap();
        drop(redb(&ground).unwrap());
        assert_eq!(mode(), 0o600);
        assert_eq!(std::fs::read_dir(ground.folder.path()).unwrap().count(), 1, "nothing is left beside it");
    });
}

#[test]
fn concurrent_commits_share_an_fsync() {
    each(async |ground| {
        let store = Arc::new(redb(&ground).unwrap());
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
        let store = redb(&ground).unwrap();
        let later = |seconds| Some(NOW.plus(std::time::Duration::from_secs(seconds)));
        commit(&store, vec![put_until("a", Condition::Any, "1", later(10))]).await;
        commit(&store, vec![put_until("b", Condition::Any, "1", later(10))]).await;
        commit(&store, vec![put_until("c", Condition::Any, "1", later(10)), put("d", Condition::Any, "1")])
            .await;
        // Put again with more time, and without an end.
        commit(&store, vec![put_until("b", Condition::Any, "2", later(100))]).await;
        commit(&store, vec![put("c", Condition::Any, "2")]).await;
        let mut watch = store.watch(&[Key::everything()]).await.unwrap();
        watch.recv().await.unwrap();
        store.sweep().await.unwrap();
        assert!(watch.try_recv().is_err(), "nothing has expired yet");
        ground.advance(10);
        store.sweep().await.unwrap();
        let batch = watch.try_recv().unwrap();
        assert_eq!(batch.changes.len(), 1);
        assert_eq!((batch.changes[0].key.clone(), batch.changes[0].item.clone()), (super::key("a"), None));
        ground.advance(1000);
        store.sweep().await.unwrap();
        assert_eq!(watch.try_recv().unwrap().changes[0].key, super::key("b"));
        store.sweep().await.unwrap();
        assert!(watch.try_recv().is_err());
        assert_eq!(store.scan(&Key::everything()).await.unwrap().len(), 2);
    });
}

#[test]
fn a_sweep_of_thousands_takes_several_commits() {
    each(async |ground| {
        let store = redb(&ground).unwrap();
        let expires = Some(NOW.plus(std::time::Duration::from_secs(1)));
        let writes = (0..2500).map(|n| put_until(&format!("{n}"), Condition::Any, "1", expires)).collect();
        commit(&store, writes).await;
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

#[test]
fn an_empty_a_foreign_and_a_cut_off_file_are_refused_with_the_next_step() {
    each(async |ground| {
        let store = redb(&ground).unwrap();
        for n in 0..200 {
            commit(&store, vec![put(&format!("{n}"), Condition::Absent, &"x".repeat(1000))]).await;
        }
        drop(store);
        let whole = std::fs::read(ground.file()).unwrap();
        for broken in
            [Vec::new(), b"not a store".repeat(1000), vec![0; whole.len()], whole[..whole.len() / 2].to_vec()]
        {
            std::fs::write(ground.file(), &broken).unwrap();
            let error = redb(&ground).err().unwrap();
            assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
            assert!(error.to_string().contains("restore the last backup"), "{error}");
            assert_eq!(std::fs::read(ground.file()).unwrap(), broken, "it is left as it was found");
        }
    });
}

#[test]
fn a_flipped_bit_is_refused_or_changes_nothing() {
    each(async |ground| {
        let store = redb(&ground).unwrap();
        for n in 0..100 {
            commit(&store, vec![put(&format!("{n}"), Condition::Absent, &n.to_string().repeat(300))]).await;
        }
        let good = store.scan(&Key::everything()).await.unwrap();
        drop(store);
        let whole = std::fs::read(ground.file()).unwrap();
        let (mut refused, mut opened) = (0, 0);
        // All of the header, then a byte of each page, each elsewhere in its page.
        let places = (0..320).chain((320..whole.len()).step_by(4093));
        for place in places {
            let mut flipped = whole.clone();
            flipped[place] ^= 1 << (place % 8);
            std::fs::write(ground.file(), &flipped).unwrap();
            match redb(&ground) {
                Err(_) => refused += 1,
                Ok(store) => {
                    assert_eq!(store.scan(&Key::everything()).await.unwrap(), good, "byte {place}");
                    let outcome = store.commit(vec![put("0", Condition::Absent, "x")]).await.unwrap();
                    assert_eq!(outcome, Outcome::Conflict(0));
                    opened += 1;
                }
            }
        }
        assert!(refused > 0 && opened > 0, "{refused} refused, {opened} unharmed");
    });
}
