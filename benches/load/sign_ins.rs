//! Five hundred people who send their password in the same moment, each with a device and an address of
//! their own: how long it takes, how much memory, and whether the portal answers those who are in.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use axum::body::Body;
use http::Request;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use portcullis::auth::password::Password;
use portcullis::domain::device::{Device, DeviceState};
use portcullis::domain::person::Person;
use portcullis::domain::phone::Phone;
use portcullis::domain::{DeviceId, PersonId, PhoneId};
use portcullis::store::table;
use rustls::NamedGroup;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::{Scale, Shown};
use crate::shared::driver::{Protocol, Way, source};
use crate::shared::house::{House, Setting};
use crate::shared::probe::Probe;
use crate::shared::{Failure, process, report};
use crate::support::PASSWORD;
use crate::support::browser::{Browser, navigation};
use crate::support::gate::{Gate, Handed, id};
use crate::support::page::Page;
use crate::support::wire::{Answer, whole};

pub(crate) async fn run(scale: &Scale) -> Result<Shown, Failure> {
    let count = scale.of(500);
    let mut people = Vec::new();
    let setting = Setting { gate: scale.gate.clone(), core: None, limits: "" };
    let house = House::open(&setting, async |gate| people = many(gate, count).await).await?;
    let (way, pid) = (house.way(NamedGroup::X25519), house.program.pid());
    let mut visitors = Vec::new();
    for (number, handed) in people.iter().enumerate() {
        visitors.push(Visitor::come(&house, handed, source(number * 250)).await?);
    }

    let every = Duration::from_millis(20);
    let before = Probe::during(&way, Protocol::H1, every, scale.seconds(10)).await;
    let (rss_before, threads_before) = (process::rss_kib(pid), process::threads(pid));
    let probe = Probe::start(&way, Protocol::H1, every).await;
    let (over, most) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let watch = {
        let (over, most) = (Arc::clone(&over), Arc::clone(&most));
        tokio::spawn(async move {
            while !over.load(Ordering::Relaxed) {
                most.fetch_max(process::rss_kib(pid), Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
    };
    let begun = Instant::now();
    let mut posting = JoinSet::new();
    for mut visitor in visitors {
        posting.spawn(async move {
            let page = visitor.post_password().await;
            (page.map(|page| page.html.contains("class=\"digits\"")), begun.elapsed())
        });
    }
    let (mut right, mut other, mut taken) = (0, Vec::new(), Vec::new());
    while let Some(done) = posting.join_next().await {
        match done? {
            (Ok(true), time) => {
                right += 1;
                taken.push(time.as_secs_f64());
            }
            (Ok(false), _) => other.push("another page than the phone's".to_owned()),
            (Err(error), _) => other.push(error.to_string()),
        }
    }
    let all = begun.elapsed();
    over.store(true, Ordering::Relaxed);
    watch.await?;
    let seen = probe.stop().await;
    let (rss_most, rss_after) = (most.load(Ordering::Relaxed), process::rss_kib(pid));

    let mut shown = Shown::default();
    shown.must(
        "passwords sent at once, of which led on to the phone",
        format!("{count}, {right}"),
        right == count,
    );
    if let Some(first) = other.first() {
        shown.row("the others", format!("{}: the first: {first}", other.len()));
    }
    let (median, _, longest) = report::spread(&taken);
    let figure = format!("{:.1} s; median {median:.1} s, longest {longest:.1} s", all.as_secs_f64());
    shown.row("all of them took", figure);
    shown.row("honest client before", before.words());
    let fast = seen.failed == 0 && seen.quantile_ms(0.99) <= 1000.0;
    shown.must("honest client in the portal meanwhile (target p99 1 s)", seen.words(), fast);
    shown.row("memory before, most, after", format!("{rss_before} KiB, {rss_most} KiB, {rss_after} KiB"));
    let bound = std::thread::available_parallelism()?.get() as u64 * 46 * 1024 + 64 * 1024;
    let within = rss_most <= rss_before + bound;
    shown.must("memory is bounded: 46 MiB a core for Argon2, 64 MiB for the rest", within, within);
    shown.row("threads before and after", format!("{threads_before}, {}", process::threads(pid)));
    let panics = house.counter("panics_total").await?;
    shown.must("panics", panics, panics == 0);
    Ok(shown)
}

/// People with an active device, a password and a phone, as after first visits long ago. Their passwords are
/// alike, which makes no hash cheaper.
pub(super) async fn many(gate: &Gate, count: usize) -> Vec<Handed> {
    gate.person("bank", "model", "Moritz Model", &[]).await;
    let model = gate.device("bank", "model", "laptop").await;
    gate.settle(&model).await;
    let store = gate.store();
    let key = table::person(&id("bank"), &model.person);
    let person = table::get::<Person>(store, &key).await.unwrap().unwrap().record;
    let key = table::device(&id("bank"), &model.person, &model.device);
    let device = table::get::<Device>(store, &key).await.unwrap().unwrap().record;
    let key = table::password(&id("bank"), &model.person);
    let password = table::get::<Password>(store, &key).await.unwrap().unwrap().record;
    let mut people = Vec::new();
    for number in 0..count {
        let person_id = PersonId::parse(&format!("load-{number}")).unwrap();
        let device_id = DeviceId::parse(&format!("laptop-{number}")).unwrap();
        let handed = Handed { person: person_id.clone(), device: device_id.clone(), ..model.clone() };
        let (identity, certificate) = gate.old_ca.leaf(&handed, |_| {});
        let phone = Phone {
            tenant: id("bank"),
            person: person_id.clone(),
            id: PhoneId::parse(&format!("phone-{number}")).unwrap(),
            name: "A phone".to_owned(),
            credential_id: vec![7; 32],
            credential_key: vec![7; 32],
            api_key: vec![7; 32],
            offline_key: None,
            backup_eligible: false,
            sign_count: 0,
            paired: person.created,
            released_by: None,
            used: None,
        };
        gate.write(vec![
            table::put(&Person { id: person_id.clone(), ..person.clone() }),
            table::put(&Device {
                person: person_id.clone(),
                id: device_id,
                state: DeviceState::Active,
                ..device.clone()
            }),
            table::put(&Password { person: person_id, ..password.clone() }),
            table::put(&phone),
            table::put(&certificate),
        ])
        .await;
        people.push(Handed { identity, ..handed });
    }
    people
}

/// A browser with an address of its own and one connection, in front of the password.
struct Visitor {
    browser: Browser,
    line: http1::SendRequest<Body>,
    page: Page,
}

impl Visitor {
    async fn come(house: &House, handed: &Handed, from: Ipv4Addr) -> Result<Self, Failure> {
        let wire = &house.program.wire;
        let host = house.program.host("bank");
        let way = Way::new(wire.address, &host, &wire.root, Some(&handed.identity), NamedGroup::X25519);
        let io = TokioIo::new(way.connect(Protocol::H1, from).await?);
        let (mut line, connection) = http1::handshake(io).await?;
        tokio::spawn(connection);
        let browser = house.program.browser("bank", handed);
        let page = open(&browser, &mut line, "/accounts").await?;
        if !page.says("Your password") {
            return Err(format!("not asked for a password: {}", page.words()).into());
        }
        Ok(Self { browser, line, page })
    }

    async fn post_password(&mut self) -> Result<Page, Failure> {
        let form = self.page.form("/password");
        let mut pairs = form.hidden.clone();
        pairs.push(("password".to_owned(), PASSWORD.to_owned()));
        let answer = send(&self.browser, &mut self.line, self.browser.posting(&form.action, &pairs)).await?;
        if answer.status != 303 {
            let page = Page::of(&form.action, answer);
            return Err(format!("{}: {}", page.status, page.words()).into());
        }
        let to = answer.header("location").to_owned();
        open(&self.browser, &mut self.line, &to).await
    }
}

pub(super) async fn open(
    browser: &Browser,
    line: &mut http1::SendRequest<Body>,
    path: &str,
) -> Result<Page, Failure> {
    let mut path = path.to_owned();
    for _ in 0..5 {
        let answer = send(browser, line, navigation(&path)).await?;
        if answer.status != 303 {
            return Ok(Page::of(&path, answer));
        }
        path = answer.header("location").to_owned();
    }
    Err(format!("sent in circles, last to {path}").into())
}

pub(super) async fn send(
    browser: &Browser,
    line: &mut http1::SendRequest<Body>,
    mut request: Request<Body>,
) -> Result<Answer, Failure> {
    browser.dress(&mut request);
    line.ready().await?;
    let answer = whole(line.send_request(request).await?).await;
    browser.take_up(&answer);
    Ok(answer)
}
