//! The view holds what the store holds, says when it does not, and forgets nothing it must.

use std::sync::Arc;
use std::time::Duration;

use portcullis::domain::certificate::CertificateState;
use portcullis::domain::{PhoneId, TenantId};
use portcullis::store::view::{Touched, View};
use portcullis::store::{Condition, Record, Store, StoreError, Write, table};

use super::samples::{self, anna, bank, laptop};
use super::{Ground, NOW, commit, each, put};

async fn open(ground: &Ground) -> (Arc<dyn Store>, Arc<View>) {
    let store = ground.open();
    let view = View::follow(Arc::clone(&store), ground.world()).await.unwrap();
    (store, view)
}

async fn applied(store: &dyn Store, view: &View, writes: Vec<Write>) {
    view.reached(commit(store, writes).await).await.unwrap();
}

fn everything() -> Vec<Write> {
    vec![
        table::put(&samples::tenant()),
        table::put(&samples::person()),
        table::put(&samples::device()),
        table::put(&samples::certificate()),
        table::put(&samples::issuer()),
        table::put(&samples::phone()),
        table::put(&samples::session()),
        table::put(&samples::route()),
        table::put(&samples::rules()),
    ]
}

fn holds(view: &View) -> [bool; 10] {
    [
        view.tenant(&bank()).as_deref() == Some(&samples::tenant()),
        view.tenant_by_host("bank.example").as_deref() == Some(&samples::tenant()),
        view.person(&bank(), &anna()).as_deref() == Some(&samples::person()),
        view.device(&bank(), &anna(), &laptop()).as_deref() == Some(&samples::device()),
        view.certificate("7f3a").as_deref() == Some(&samples::certificate()),
        view.issuers().len() == 1,
        view.phones(&bank(), &anna()).len() == 1,
        view.session(&[9; 32]).as_deref() == Some(&samples::session()),
        view.routes(&bank()).len() == 1,
        view.rules(&bank()).as_deref() == Some(&samples::rules()),
    ]
}

#[test]
fn it_holds_what_was_there_and_what_comes_and_lets_go_what_goes() {
    each(async |ground| {
        let (store, view) = open(&ground).await;
        assert_eq!(holds(&view), [false; 10]);
        applied(&*store, &view, everything()).await;
        assert_eq!(holds(&view), [true; 10]);
        let other = View::follow(Arc::clone(&store), ground.world()).await.unwrap();
        assert_eq!((holds(&other), other.revision()), ([true; 10], view.revision()));
        assert_eq!(view.tenants().len(), 1);
        let gone = everything().into_iter().map(|write| table::delete(write.key)).collect();
        applied(&*store, &view, gone).await;
        assert_eq!(holds(&view), [false; 10]);
        assert_eq!(view.age(NOW), Duration::ZERO);
    });
}

#[test]
fn a_host_moves_with_its_tenant() {
    each(async |ground| {
        let (store, view) = open(&ground).await;
        let mut first = samples::tenant();
        let mut second = samples::tenant();
        second.id = TenantId::parse("other").unwrap();
        second.hosts = vec!["other.localhost".into()];
        applied(&*store, &view, vec![table::put(&first), table::put(&second)]).await;
        second.hosts = vec!["bank.localhost".into()];
        applied(&*store, &view, vec![table::put(&second)]).await;
        first.hosts = vec!["bank.example".into()];
        applied(&*store, &view, vec![table::put(&first)]).await;
        let at = |host: &str| view.tenant_by_host(host).map(|tenant| tenant.id.to_string());
        assert_eq!(at("bank.localhost").as_deref(), Some("other"));
        assert_eq!(at("bank.example").as_deref(), Some("bank"));
        assert_eq!(at("other.localhost"), None);
    });
}

#[test]
fn phones_stand_in_the_order_they_were_paired() {
    each(async |ground| {
        let (store, view) = open(&ground).await;
        let names = ["m", "a", "z"];
        for (n, name) in names.iter().enumerate() {
            let mut phone = samples::phone();
            phone.id = PhoneId::parse(name).unwrap();
            phone.paired = NOW.plus(Duration::from_secs(n as u64));
            applied(&*store, &view, vec![table::put(&phone)]).await;
        }
        let ids =
            || view.phones(&bank(), &anna()).iter().map(|phone| phone.id.to_string()).collect::<Vec<_>>();
        assert_eq!(ids(), names);
        let gone = table::phone(&bank(), &anna(), &PhoneId::parse("a").unwrap());
        applied(&*store, &view, vec![table::delete(gone)]).await;
        assert_eq!(ids(), ["m", "z"]);
    });
}

#[test]
fn who_listens_hears_of_a_change_once_the_view_has_it() {
    each(async |ground| {
        let (store, view) = open(&ground).await;
        let mut touched = view.subscribe();
        let mut certificate = samples::certificate();
        certificate.state = CertificateState::Active;
        applied(&*store, &view, vec![table::put(&certificate)]).await;
        let revision = commit(&*store, vec![table::put(&samples::certificate())]).await;
        touched.recv().await.unwrap();
        let last = Touched { key: samples::certificate().key(), revision };
        assert_eq!(touched.recv().await.unwrap(), last);
        assert_eq!(view.touched_after(revision - 1), Some(vec![last]), "who listens later asks for it");
        assert_eq!(view.touched_after(revision), Some(vec![]));
        assert_eq!(view.certificate("7f3a").as_deref(), Some(&samples::certificate()));
    });
}

#[test]
fn a_session_past_its_end_is_absent_and_one_not_seen_yet_is_read() {
    each(async |ground| {
        let (store, view) = open(&ground).await;
        applied(&*store, &view, vec![table::put(&samples::session())]).await;
        assert!(view.session_or_read(&[9; 32]).await.unwrap().is_some());
        assert!(view.session_or_read(&[8; 32]).await.unwrap().is_none());
        ground.advance(3600);
        assert!(view.session(&[9; 32]).is_none());
        assert!(view.session_or_read(&[9; 32]).await.unwrap().is_none());
    });
}

#[test]
fn a_record_that_cannot_be_read_makes_it_stale_until_it_is_repaired() {
    each(async |ground| {
        let (store, view) = open(&ground).await;
        applied(&*store, &view, everything()).await;
        let mut broken = put("", Condition::Any, "\u{1}no record");
        broken.key = samples::person().key();
        applied(&*store, &view, vec![broken, table::delete(samples::device().key())]).await;
        assert_eq!((view.unreadable(), view.age(NOW)), (1, Duration::MAX));
        assert!(view.person(&bank(), &anna()).is_none());
        assert!(view.device(&bank(), &anna(), &laptop()).is_none(), "the rest of the commit counts");
        let refused = View::follow(Arc::clone(&store), ground.world()).await;
        assert!(matches!(refused.err(), Some(StoreError::Unreadable { .. })));
        applied(&*store, &view, vec![table::put(&samples::person())]).await;
        assert_eq!((view.unreadable(), view.age(NOW)), (0, Duration::ZERO));
        assert!(view.person(&bank(), &anna()).is_some());
    });
}

#[test]
fn a_record_under_anothers_key_is_not_believed() {
    each(async |ground| {
        let (store, view) = open(&ground).await;
        let mut stolen = table::put(&samples::session());
        stolen.key = table::session(&[1; 32]);
        applied(&*store, &view, vec![stolen]).await;
        assert!(view.session(&[1; 32]).is_none() && view.session(&[9; 32]).is_none());
        assert_eq!(view.age(NOW), Duration::MAX);
    });
}

#[test]
fn without_its_store_it_grows_old_and_nobody_waits_for_ever() {
    each(async |ground| {
        // A store whose watch ends while others still hold it.
        let (sender, watch) = tokio::sync::mpsc::unbounded_channel();
        sender.send(portcullis::store::Batch { revision: 5, changes: vec![] }).unwrap();
        let store = Arc::new(Deaf(std::sync::Mutex::new(Some(watch))));
        let view = View::follow(store, ground.world()).await.unwrap();
        view.reached(5).await.unwrap();
        drop(sender);
        assert!(matches!(view.reached(6).await, Err(StoreError::Closed)));
        view.reached(5).await.unwrap();
        assert!(view.age(NOW) > Duration::ZERO);
        ground.advance(11);
        assert_eq!(view.age(ground.world().now()), Duration::from_secs(11));
    });
}

struct Deaf(std::sync::Mutex<Option<portcullis::store::Watch>>);

#[async_trait::async_trait]
impl Store for Deaf {
    async fn get(&self, _: &portcullis::store::Key) -> Result<Option<portcullis::store::Item>, StoreError> {
        Err(StoreError::Closed)
    }
    async fn scan(
        &self,
        _: &portcullis::store::Key,
    ) -> Result<Vec<(portcullis::store::Key, portcullis::store::Item)>, StoreError> {
        Err(StoreError::Closed)
    }
    async fn commit(&self, _: Vec<Write>) -> Result<portcullis::store::Outcome, StoreError> {
        Err(StoreError::Closed)
    }
    async fn watch(&self, _: &[portcullis::store::Key]) -> Result<portcullis::store::Watch, StoreError> {
        self.0.lock().unwrap().take().ok_or(StoreError::Closed)
    }
}
