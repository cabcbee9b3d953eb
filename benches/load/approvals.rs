//! A thousand people whose phones are asked in the same moment: how long until each phone shows the question, and
//! until each computer moves on after the yes. Every phone and every computer has a line to the gate of its own.
//! Before that, one person after another: how long until a sleeping phone's push service is told.

use std::net::Ipv4Addr;
use std::time::Duration;

use axum::body::Body;
use data_encoding::BASE64URL_NOPAD;
use der::Encode as _;
use der::asn1::UintRef;
use http::Request;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use portcullis::auth::phone::proof::{Call, call_text};
use portcullis::crypto::{Signer, sha256};
use portcullis::domain::phone::Phone;
use portcullis::domain::session::Session;
use portcullis::domain::{PhoneId, Time};
use portcullis::store::table;
use portcullis::world::World;
use rustls::NamedGroup;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::sign_ins::{many, open, send};
use super::{Scale, Shown, wakes};
use crate::shared::driver::{Protocol, Way, source};
use crate::shared::house::{House, Setting};
use crate::shared::{Failure, process, report};
use crate::support::browser::{Browser, COOKIE, navigation};
use crate::support::gate::{Gate, Handed};
use crate::support::page::Page;
use crate::support::phone::canonical;
use crate::support::push_service::PushService;

pub(crate) async fn run(scale: &Scale) -> Result<Shown, Failure> {
    let (count, sleepers) = (scale.of(1000), scale.of(200).max(20));
    let service = PushService::start().await;
    let mut parties = Vec::new();
    let setting = Setting { gate: scale.gate.clone(), core: None, limits: "" };
    let house = House::open(&setting, async |gate| {
        wakes::by(&service, gate);
        for (number, handed) in many(gate, count + sleepers).await.into_iter().enumerate() {
            if number < sleepers {
                wakes::subscribed(&service, gate, &handed).await;
            }
            parties.push(Party::of(gate, handed, number).await);
        }
    })
    .await?;
    let pid = house.program.pid();
    let awake = parties.split_off(sleepers);
    let pushed_after = wakes::one_after_another(&house, &service, parties).await?;
    let mut couples = Vec::new();
    for party in awake {
        couples.push(Couple::come(&house, party).await?);
    }
    // Only now, and the others below: the gate cuts a connection on which nothing is asked for long.
    let mut seated = Vec::new();
    for couple in couples {
        seated.push(couple.seated().await?);
    }

    let (rss_before, cpu_before) = (process::rss_kib(pid), process::cpu_ns(pid));
    let begun = Instant::now();
    let mut asking = JoinSet::new();
    for couple in seated {
        asking.spawn(couple.ask(begun));
    }
    let (mut asked, mut shown_after, mut failures) = (Vec::new(), Vec::new(), Vec::new());
    while let Some(done) = asking.join_next().await {
        match done? {
            Ok((couple, took)) => {
                shown_after.push(took.as_secs_f64() * 1000.0);
                asked.push(couple);
            }
            Err(error) => failures.push(error.to_string()),
        }
    }
    let (all_asked, rss_asked, in_flight) = (begun.elapsed(), process::rss_kib(pid), asked.len());
    let cpu_asked = process::cpu_ns(pid) - cpu_before;
    let mut ready = Vec::new();
    for couple in asked {
        ready.push(couple.ready().await?);
    }
    let cpu_before = process::cpu_ns(pid);
    let begun = Instant::now();
    let mut approving = JoinSet::new();
    for couple in ready {
        approving.spawn(couple.approve(begun));
    }
    let (mut moved_after, mut right) = (Vec::new(), 0);
    while let Some(done) = approving.join_next().await {
        match done? {
            Ok(took) => {
                right += 1;
                moved_after.push(took.as_secs_f64() * 1000.0);
            }
            Err(error) => failures.push(error.to_string()),
        }
    }
    let all_moved = begun.elapsed();
    let cpu = (cpu_asked + process::cpu_ns(pid) - cpu_before) / count as u64 / 1000;

    let mut shown = Shown::default();
    wakes::told(&mut shown, pushed_after);
    shown.must("questions in flight at once", format!("{in_flight} of {count}"), in_flight == count);
    shown.must("computers let in by their own phone", format!("{right} of {count}"), right == count);
    if let Some(first) = failures.first() {
        shown.row("the others", format!("{}: the first: {first}", failures.len()));
    }
    let told = |values: &mut Vec<f64>, all: Duration| {
        values.sort_unstable_by(f64::total_cmp);
        let (p50, p99) = (report::quantile(values, 0.5), report::quantile(values, 0.99));
        format!("all in {:.1} s; p50 {p50:.0} ms, p99 {p99:.0} ms", all.as_secs_f64())
    };
    shown.row("from the page's request to the question on the phone", told(&mut shown_after, all_asked));
    shown.row("from the phone's answer to the computer that moves on", told(&mut moved_after, all_moved));
    shown.row("the gate's CPU for one sign-in by phone, asked, shown, answered, let in", format!("{cpu} us"));
    let grown = rss_asked.saturating_sub(rss_before) / in_flight.max(1) as u64;
    shown.row("memory for each question in flight", format!("{grown} KiB"));
    let panics = house.counter("panics_total").await?;
    shown.must("panics", panics, panics == 0);
    Ok(shown)
}

/// One person, who has proved a password, before anything of theirs is connected.
pub(super) struct Party {
    pub(super) handed: Handed,
    keys: Keys,
    cookie: String,
    from: Ipv4Addr,
}

impl Party {
    async fn of(gate: &Gate, handed: Handed, number: usize) -> Self {
        let (keys, cookie) = (paired(gate, &handed).await, waiting(gate, &handed).await);
        Self { handed, keys, cookie, from: source(number * 60) }
    }
}

/// A phone without a screen, whose two keys are one.
struct Keys {
    handle: String,
    signer: Signer,
}

async fn paired(gate: &Gate, handed: &Handed) -> Keys {
    let signer = Signer::from_pkcs8(&Signer::generate().unwrap()).unwrap();
    let id = phone_of(handed);
    let key = table::phone(&handed.tenant, &handed.person, &id);
    let phone = table::get::<Phone>(gate.store(), &key).await.unwrap().unwrap().record;
    let public = signer.public().to_vec();
    gate.write(vec![table::put(&Phone { credential_key: public.clone(), api_key: public, ..phone })]).await;
    Keys { handle: format!("{}.{}.{id}", handed.tenant, handed.person), signer }
}

/// As `many` named it.
pub(super) fn phone_of(handed: &Handed) -> PhoneId {
    PhoneId::parse(&handed.person.as_str().replace("load", "phone")).unwrap()
}

/// A session that has proved its password. Returns its cookie.
async fn waiting(gate: &Gate, handed: &Handed) -> String {
    let (world, serial) = (World::real(), handed.identity.chain[0].clone());
    let certificates = gate.all::<portcullis::domain::certificate::Certificate>().await;
    let certificate = certificates.into_iter().find(|one| one.der == serial).unwrap();
    let (bits, now): ([u8; 32], Time) = (world.bytes(), world.now());
    let session = Session {
        token: sha256(&bits),
        tenant: handed.tenant.clone(),
        person: handed.person.clone(),
        device: handed.device.clone(),
        serial: certificate.serial,
        fingerprint: certificate.fingerprint,
        password: Some(now),
        phone: None,
        created: now,
        last_seen: now,
        idle_secs: 3600,
        absolute_end: now.plus(Duration::from_secs(12 * 3600)),
        return_to: Some("/accounts".to_owned()),
    };
    gate.write(vec![table::put(&session)]).await;
    BASE64URL_NOPAD.encode(&bits)
}

/// One person's computer and phone. The phone listens.
pub(super) struct Couple {
    browser: Browser,
    keys: Keys,
    host: String,
    desktop: Way,
    phone: Way,
    from: Ipv4Addr,
    line: Incoming,
    _listens: Sender,
}

/// The computer has a line on which it will ask.
pub(super) struct Seated {
    couple: Couple,
    pages: Sender,
}

/// The phone shows the question.
pub(super) struct Asked {
    couple: Couple,
    pages: Sender,
    question: Value,
    digits: String,
}

/// Both have the lines on which the answer goes.
struct Ready {
    asked: Asked,
    events: Sender,
    calls: Sender,
}

type Sender = http1::SendRequest<Body>;

impl Couple {
    pub(super) async fn come(house: &House, party: Party) -> Result<Self, Failure> {
        let Party { handed, keys, cookie, from } = party;
        let wire = &house.program.wire;
        let (bank, host) = (house.program.host("bank"), house.program.host("phone"));
        let desktop = Way::new(wire.address, &bank, &wire.root, Some(&handed.identity), NamedGroup::X25519);
        let phone = Way::new(wire.address, &host, &wire.root, None, NamedGroup::X25519);
        let browser = house.program.browser("bank", &handed);
        browser.set_cookie(COOKIE, &cookie);
        let mut listens = line(&phone, from).await?;
        let request = keys.signed(&host, "GET", "/api/events", String::new());
        let mut line = listens.send_request(request).await?.into_body();
        next(&mut line, "\"approvals\":[]").await?;
        Ok(Self { browser, keys, host, desktop, phone, from, line, _listens: listens })
    }

    pub(super) async fn seated(self) -> Result<Seated, Failure> {
        let pages = line(&self.desktop, self.from).await?;
        Ok(Seated { couple: self, pages })
    }
}

impl Seated {
    /// The page that asks, until the phone shows it.
    pub(super) async fn ask(self, begun: Instant) -> Result<(Asked, Duration), Failure> {
        let Self { mut couple, mut pages } = self;
        let page = open(&couple.browser, &mut pages, "/.portcullis/sign-in/").await?;
        let event = next(&mut couple.line, "\"nonce\"").await?;
        let data = event.split("data: ").nth(1).unwrap_or_default();
        let took = begun.elapsed();
        let question = serde_json::from_str::<Value>(data)?["approvals"][0].clone();
        let digits = digits(&page)?;
        Ok((Asked { couple, pages, question, digits }, took))
    }
}

impl Asked {
    async fn ready(self) -> Result<Ready, Failure> {
        let Couple { desktop, phone, from, .. } = &self.couple;
        let (events, calls) = (line(desktop, *from).await?, line(phone, *from).await?);
        Ok(Ready { asked: self, events, calls })
    }
}

impl Ready {
    /// The yes, until the computer's own line says that it is to move on, and what it then shows.
    async fn approve(self, begun: Instant) -> Result<Duration, Failure> {
        let Self { asked: Asked { couple, mut pages, question, digits }, mut events, mut calls } = self;
        let mut listening = navigation("/.portcullis/sign-in/events");
        couple.browser.dress(&mut listening);
        events.ready().await?;
        let mut moved = events.send_request(listening).await?.into_body();
        let body = couple.keys.yes(&couple.host, &question, &digits);
        let path = format!("/api/approvals/{}/approve", question["id"].as_str().unwrap_or_default());
        let request = couple.keys.signed(&couple.host, "POST", &path, body);
        calls.ready().await?;
        let answer = calls.send_request(request).await?;
        if answer.status() != 200 {
            let said = answer.into_body().collect().await?.to_bytes();
            return Err(format!("the yes was not taken: {}", String::from_utf8_lossy(&said)).into());
        }
        next(&mut moved, "moved").await?;
        let took = begun.elapsed();
        let mut path = "/.portcullis/sign-in/".to_owned();
        for _ in 0..3 {
            let answer = send(&couple.browser, &mut pages, navigation(&path)).await?;
            if answer.status != 303 {
                return Err(format!("{path}: {}", answer.status).into());
            }
            path = answer.header("location").to_owned();
            if path == "/accounts" {
                return Ok(took);
            }
        }
        Err(format!("sent to {path}").into())
    }
}

impl Keys {
    fn signed(&self, host: &str, method: &str, path: &str, body: String) -> Request<Body> {
        let (world, call) = (World::real(), Call { method, path, body: body.as_bytes() });
        let (time, nonce): (Time, [u8; 16]) = (world.now(), world.bytes());
        let signature = self.signer.sign(call_text(call, time, &nonce).as_bytes()).unwrap();
        let proof = format!(
            "phone={};time={};nonce={};sig={}",
            self.handle,
            time.millis(),
            BASE64URL_NOPAD.encode(&nonce),
            BASE64URL_NOPAD.encode(&signature)
        );
        let request = Request::builder().method(method).uri(path).header("host", host);
        let request = request.header("portcullis-proof", proof).header("content-type", "application/json");
        request.body(Body::from(body)).unwrap()
    }

    /// As an authenticator signs it (WebAuthn 6.3.3).
    fn yes(&self, host: &str, question: &Value, digits: &str) -> String {
        let challenge = sha256(canonical(question, "approve", digits).as_bytes());
        let client_data = json!({
            "type": "webauthn.get",
            "challenge": BASE64URL_NOPAD.encode(&challenge),
            "origin": format!("https://{host}"),
            "crossOrigin": false,
        })
        .to_string();
        let party = host.split(':').next().unwrap_or_default();
        let data = [sha256(party.as_bytes()).as_slice(), &[0x05, 0, 0, 0, 0]].concat();
        let signed = [data.as_slice(), &sha256(client_data.as_bytes())].concat();
        let signature = in_der(&self.signer.sign(&signed).unwrap());
        json!({
            "digits": digits,
            "client_data": BASE64URL_NOPAD.encode(client_data.as_bytes()),
            "authenticator_data": BASE64URL_NOPAD.encode(&data),
            "signature": BASE64URL_NOPAD.encode(&signature),
        })
        .to_string()
    }
}

/// r and s as WebAuthn has them.
fn in_der(fixed: &[u8]) -> Vec<u8> {
    let (r, s) = fixed.split_at(32);
    let both = [r, s].map(|part| UintRef::new(part).unwrap().to_der().unwrap()).concat();
    [&[0x30, u8::try_from(both.len()).unwrap()], both.as_slice()].concat()
}

async fn line(way: &Way, from: Ipv4Addr) -> Result<Sender, Failure> {
    let (line, connection) = http1::handshake(TokioIo::new(way.connect(Protocol::H1, from).await?)).await?;
    tokio::spawn(connection);
    Ok(line)
}

/// The next event that says so.
async fn next(events: &mut Incoming, says: &str) -> Result<String, Failure> {
    let mut heard = String::new();
    let found = async {
        while let Some(frame) = events.frame().await {
            if let Ok(data) = frame?.into_data() {
                heard.push_str(&String::from_utf8_lossy(&data));
                if heard.contains(says) && heard.ends_with("\n\n") {
                    return Ok(());
                }
            }
        }
        Err::<(), Failure>("the line ended".into())
    };
    tokio::time::timeout(Duration::from_secs(100), found)
        .await
        .map_err(|_| format!("never heard {says}"))??;
    Ok(heard.rsplit("event: ").find(|event| event.contains(says)).unwrap_or_default().to_owned())
}

fn digits(page: &Page) -> Result<String, Failure> {
    if page.says("Type this number on your phone") { Ok(page.digits()) } else { Err(page.words().into()) }
}
