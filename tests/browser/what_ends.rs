//! What ends, as operators see it at the desk and as its owner sees it on the phone.

use std::sync::Arc;
use std::time::Duration;

use portcullis::audit::{Entry, Event, Ledger};
use portcullis::domain::certificate::Certificate;
use portcullis::store::redb::Redb;
use portcullis::store::table;
use portcullis::store::view::View;
use portcullis::store::{Store, Write};
use portcullis::world::World;

use crate::demo::Demo;
use crate::device::Device;
use crate::looks::judge;
use crate::walk::{self, client, first_visit, sign_in_agent};

/// A calendar whose days lead to the list, and the item on the phone's first page.
#[tokio::test]
async fn what_ends_is_seen_at_the_desk_and_on_the_phone() {
    let folder = Demo::prepare();
    let days = |days: u64| Duration::from_secs(days * 86_400);
    let ends = World::real().now().plus(days(14));
    let records = brought_near(&folder.path().join("data/store.redb"), ends).await;
    assert!(records > 1);
    let demo = Demo::start_in(folder);
    let operator = walk::holder(&demo, &demo.file("operator.p12"), demo.password("operator.p12")).await;
    operator.open(&demo.url("console", "/certificates/expiring/")).await;
    operator.type_into("#password", demo.password("operator")).await;
    operator.press("Continue").await;
    operator.sees("What ends").await;
    operator.sees("ends in 14 days").await;
    judge(&operator, "desk-what-ends").await;
    operator.click(".month a").await;
    operator.sees(&format!("On {}", ends.day())).await;
    let listed = operator.script("return document.querySelectorAll('#expiring tbody tr').length").await;
    assert_eq!(listed.as_u64(), Some(records), "each of them, and what the calendar counted");
    judge(&operator, "desk-what-ends-day").await;
    operator.close().await;

    let agent = sign_in_agent(&demo).await;
    let laptop = client(&demo, "client.p12").await;
    let phone: Device = first_visit(&demo, &laptop, &agent, false).await;
    phone.sees("The certificate of laptop ends in 14 days").await;
    phone.sees("Nothing to approve").await;
    judge(&phone, "phone-what-ends").await;
    for device in [laptop, agent, phone] {
        device.close().await;
    }
}

/// Writes into the record of every certificate that it ends then. How many there are.
async fn brought_near(store: &std::path::Path, ends: portcullis::domain::Time) -> u64 {
    let world = World::real();
    let store: Arc<dyn Store> = Arc::new(Redb::create_or_open(store, world.clone()).unwrap());
    let view = View::follow(Arc::clone(&store), world.clone()).await.unwrap();
    let ledger = Ledger::open(Arc::clone(&store), view, world, "one").await.unwrap();
    let all = table::list::<Certificate>(&*store, &table::all::<Certificate>()).await.unwrap();
    let near = |one: &Certificate| Certificate { not_after: ends, ..one.clone() };
    let writes: Vec<Write> = all.iter().map(|read| table::replace(read, &near(&read.record))).collect();
    ledger.record(Entry::new("local:1000", Event::TenantChanged), writes).await.unwrap();
    all.len() as u64
}
