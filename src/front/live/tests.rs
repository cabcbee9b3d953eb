//! What is cut by a change, and what goes on.

use super::*;
use crate::store::table;
use std::sync::atomic::{AtomicU64, Ordering};

struct Only(Mutex<(Vec<Fingerprint>, Vec<TokenHash>)>);

impl Standing for Only {
    fn certificate_counts(&self, _serial: &str, fingerprint: &Fingerprint, _: Time) -> bool {
        self.0.lock().unwrap().0.contains(fingerprint)
    }
    fn session_lives(&self, token: &TokenHash) -> bool {
        self.0.lock().unwrap().1.contains(token)
    }
}

#[test]
fn a_cut_reaches_every_connection_of_the_certificate_and_no_other() {
    let (live, root) = (Live::new(), CancellationToken::new());
    let one = live.enter(b"a", &root);
    let two = live.enter(b"a", &root);
    let other = live.enter(b"b", &root);
    assert_eq!(live.count(), 3);
    assert_eq!(live.cut(&crate::crypto::sha256(b"a")), 2);
    assert!(one.token().is_cancelled() && two.token().is_cancelled());
    assert!(!other.token().is_cancelled());
    assert_eq!(live.cut(&crate::crypto::sha256(b"a")), 0, "once is enough");
    drop((one, two));
    assert_eq!(live.count(), 1);
    root.cancel();
    assert!(other.token().is_cancelled());
}

#[test]
fn a_request_goes_with_its_session_and_with_its_connection() {
    let (live, root) = (Live::new(), CancellationToken::new());
    let connection = live.enter(b"a", &root);
    let one = live.attend([1; 32], connection.token());
    let two = live.attend([2; 32], connection.token());
    let standing = Only(Mutex::new((vec![crate::crypto::sha256(b"a")], vec![[2; 32]])));
    assert_eq!(live.heard(&table::session(&[2; 32]), 1, &standing), 0, "seen again, still there");
    assert_eq!(live.heard(&table::session(&[1; 32]), 1, &standing), 1);
    assert!(one.token().is_cancelled() && !two.token().is_cancelled());
    assert!(!connection.token().is_cancelled(), "other sessions of the browser go on");
    live.cut(&crate::crypto::sha256(b"a"));
    assert!(two.token().is_cancelled());
}

#[tokio::test]
async fn changes_that_were_missed_make_it_look_at_all() {
    let (live, root) = (Live::new(), CancellationToken::new());
    let guard = live.enter(b"a", &root);
    let standing = Arc::new(Only(Mutex::new((vec![crate::crypto::sha256(b"a")], vec![]))));
    let (say, hear) = broadcast::channel(1);
    let stop = root.clone();
    tokio::spawn(Arc::clone(&live).follow(hear, |key: &Key| (key, 1), Arc::clone(&standing) as _, stop));
    tokio::task::yield_now().await;
    assert!(!guard.token().is_cancelled());
    standing.0.lock().unwrap().0.clear();
    for _ in 0..3 {
        say.send(table::throttle(&crate::domain::TenantId::staff(), "code", "x")).unwrap();
    }
    tokio::time::timeout(Duration::from_secs(2), guard.token().cancelled()).await.unwrap();
}

#[test]
fn changes_heard_together_cut_what_each_would_have() {
    let (live, root) = (Live::new(), CancellationToken::new());
    let (one, other) = (live.enter(b"a", &root), live.enter(b"b", &root));
    let session = live.attend([1; 32], other.token());
    let standing = Only(Mutex::new((vec![crate::crypto::sha256(b"b")], vec![])));
    let (person, session_key) = (table::persons(&crate::domain::TenantId::staff()), table::session(&[1; 32]));
    let changes = [(&person, 1), (&session_key, 2), (&person, 3)];
    assert_eq!(live.heard_together(changes.into_iter(), &standing), 2);
    assert!(one.token().is_cancelled() && session.token().is_cancelled());
    assert!(!other.token().is_cancelled());
}

#[test]
fn who_comes_after_the_change_is_not_cut_by_it() {
    let revision = Arc::new(AtomicU64::new(7));
    let at = Arc::clone(&revision);
    let (live, root) =
        (Live::beside(move || at.load(Ordering::SeqCst), Time::default), CancellationToken::new());
    let standing = Only(Mutex::new((vec![], vec![])));
    let before = live.enter(b"a", &root);
    revision.store(8, Ordering::SeqCst);
    let after = live.enter(b"a", &root);
    let person = table::persons(&crate::domain::TenantId::staff());
    assert_eq!(live.heard(&person, 8, &standing), 1);
    assert!(before.token().is_cancelled() && !after.token().is_cancelled());
}
