//! What the operator's tools see of requests: the access log and what stands in it, what it does where it
//! cannot be written, traces that go on to the backend.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::Request;
use http_body_util::BodyExt as _;
use portcullis::audit::Event;
use portcullis::domain::certificate::{Certificate, CertificateState, RevocationReason};
use portcullis::domain::person::Role;
use portcullis::domain::route::{Backend as At, Maintenance, Route};
use portcullis::front::outside::access_log::{self, To};
use portcullis::front::outside::{Field, Settings, otlp};
use portcullis::world::{Entropy, SystemEntropy};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::PATIENCE;
use crate::support::browser::{navigation, program};
use crate::support::desk::*;
use crate::support::gate::{Gate, id};
use crate::support::ports::free_ports;
use crate::support::wire::whole;

fn logging(file: PathBuf, fields: Vec<Field>) -> Settings {
    Settings { access_log: Some(access_log::Settings { to: To::File(file), fields }), ..Settings::default() }
}

/// Lines of the log, once all that was asked is written.
fn lines(gate: &Gate, file: &Path) -> Vec<Value> {
    gate.started().house.outside.close();
    let text = std::fs::read_to_string(file).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")))
        .collect()
}

fn metric(gate: &Gate, name: &str) -> u64 {
    let text = gate.started().house.outside.metrics();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("portcullis_{name} ")));
    line.unwrap_or_else(|| panic!("no {name}: {text}")).parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_request_has_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("access.log");
    let gate = Gate::with(|plan| plan.outside = logging(file.clone(), Field::usual())).await;
    let (client, _, laptop) = anna_inside(&gate).await;
    let before = lines(&gate, &file).len();
    let page = client.open("/accounts?token=query-axolotl").await;
    page.must_say("the bank's own page");
    let number = gate.backend.header("x-request-id").unwrap();
    gate.backend.forget();
    let refused = gate.stranger("bank").send(program("/accounts")).await;
    let elsewhere = {
        let mut request = Request::get("/secret-path").body(axum::body::Body::empty()).unwrap();
        request.headers_mut().insert("host", "other.localhost".parse().unwrap());
        client.wire.h1("bank.localhost").await.send_request(request).await.unwrap()
    };
    assert_eq!(elsewhere.status(), 421);
    whole(elsewhere).await;

    let lines = &lines(&gate, &file)[before..];
    assert_eq!(lines.len(), 3, "{lines:#?}");
    let [let_in, led_away, lost] = lines else { unreachable!() };
    for (field, wanted) in [
        ("request", number.as_str()),
        ("tenant", "bank"),
        ("room", "backend"),
        ("route", "portal"),
        ("backend", format!("http://{}", gate.backend.address).as_str()),
        ("host", "bank.localhost"),
        ("method", "GET"),
        ("path", "/accounts"),
        ("address", "127.0.0.1"),
        ("serial", laptop.serial.as_str()),
        ("person", "anna"),
        ("tls", "TLSv1.3"),
    ] {
        assert_eq!(let_in[field], wanted, "{field}: {let_in}");
    }
    assert_eq!((let_in["status"].as_u64(), &let_in["complete"]), (Some(200), &Value::Bool(true)), "{let_in}");
    assert_eq!(let_in["bytes"].as_u64(), Some(page.html.len() as u64), "{let_in}");
    assert!(let_in["ms"].as_f64().unwrap() >= let_in["upstream_ms"].as_f64().unwrap(), "{let_in}");
    let known: BTreeSet<&str> = Field::ALL.iter().map(|field| field.as_str()).collect();
    assert!(let_in.as_object().unwrap().keys().all(|key| known.contains(key.as_str())), "{let_in}");
    assert_eq!(let_in.get("query"), None, "{let_in}");
    assert_eq!((led_away.get("backend"), lost.get("backend")), (None, None));
    assert_eq!(led_away["request"], refused.problem()["instance"], "{led_away}");
    assert_eq!((&led_away["room"], led_away.get("person")), (&Value::from("gate"), None), "{led_away}");
    assert_eq!(led_away["refused"], "no-certificate");
    assert_eq!((&lost["path"], &lost["refused"]), (&"*".into(), &"misdirected".into()), "{lost}");
}

/// Where several could have answered, the line says which one did, or which one was asked last.
#[tokio::test(flavor = "multi_thread")]
async fn a_line_names_the_backend() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("access.log");
    let gate = Gate::with(|plan| plan.outside = logging(file.clone(), Field::usual())).await;
    let (client, _, _) = anna_inside(&gate).await;
    let gone = format!("http://127.0.0.1:{}", free_ports());
    let here = format!("http://{}", gate.backend.address);
    let mut both = Route::to(&id("bank"), "both", "/both", gone.clone());
    both.backends.push(At::at(here.clone()));
    gate.put(&both).await;
    gate.put(&Route::to(&id("bank"), "gone", "/gone", gone.clone())).await;
    let kept = Route { confirm: true, ..Route::to(&id("bank"), "kept", "/kept", here.clone()) };
    gate.put(&kept).await;
    let before = lines(&gate, &file).len();
    for _ in 0..8 {
        assert_eq!(client.open("/both/x").await.status, 200);
    }
    assert_eq!(client.open("/kept/x").await.status, 200);
    assert_eq!(client.open("/gone/x").await.status, 502);
    let lines = &lines(&gate, &file)[before..];
    let named: Vec<&str> = lines.iter().map(|line| line["backend"].as_str().unwrap()).collect();
    assert_eq!(named[..9], [here.as_str(); 9]);
    assert_eq!(named[9..], [gone.as_str()]);
}

/// A route that is closed, and a backend that took no connection: what no backend got took none of its time, and what the
/// gate refused is counted as its own.
#[tokio::test(flavor = "multi_thread")]
async fn what_no_backend_got_is_no_figure_of_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("access.log");
    let gate = Gate::with(|plan| plan.outside = logging(file.clone(), Field::usual())).await;
    let (client, _, _) = anna_inside(&gate).await;
    let here = format!("http://{}", gate.backend.address);
    let maintenance = Some(Maintenance { text: String::new(), until: None });
    gate.put(&Route { maintenance, ..Route::to(&id("bank"), "closed", "/closed", here) }).await;
    let gone = format!("http://127.0.0.1:{}", free_ports());
    gate.put(&Route::to(&id("bank"), "gone", "/gone", gone)).await;
    let before = lines(&gate, &file).len();
    assert_eq!(client.open("/accounts").await.status, 200);
    assert_eq!(client.open("/closed/x").await.status, 503);
    assert_eq!(client.open("/gone/x").await.status, 502);
    let lines = &lines(&gate, &file)[before..];
    let told: Vec<_> =
        lines.iter().map(|line| (&line["room"], &line["route"], line.get("upstream_ms"))).collect();
    let [answered, closed, down] = told[..] else { panic!("{lines:#?}") };
    assert!(answered.2.is_some(), "{lines:#?}");
    assert_eq!(closed, (&"gate".into(), &"closed".into(), None));
    assert_eq!(down, (&"backend".into(), &"gone".into(), None));
    let text = gate.started().house.outside.metrics();
    let count = |name: &str, labels: &str| {
        let line = text.lines().find(|line| line.contains(name) && line.contains(labels));
        line.and_then(|line| line.rsplit(' ').next()).map(str::to_owned)
    };
    let one = Some("1".to_owned());
    assert_eq!(count("http_requests_total", "room=\"gate\",route=\"closed\""), one, "{text}");
    assert_eq!(count("upstream_requests_total", "route=\"closed\",outcome=\"not_sent\""), one, "{text}");
    assert_eq!(
        count("upstream_requests_total", "room=\"backend\",route=\"gone\",outcome=\"down\""),
        one,
        "{text}"
    );
    assert_eq!(count("_total", "room=\"backend\",route=\"closed\""), None, "{text}");
    assert!(count("upstream_duration_seconds_count", "route=\"portal\"").is_some(), "{text}");
    for route in ["closed", "gone"] {
        assert_eq!(count("upstream_duration_seconds", &format!("route=\"{route}\"")), None, "{text}");
    }
}

/// A reload that opens another log, or none, takes nothing back of what was counted.
#[tokio::test(flavor = "multi_thread")]
async fn counts_of_lines_go_on_over_a_reload() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (folder.path().join("first.log"), folder.path().join("second.log"));
    let gate = Gate::with(|plan| plan.outside = logging(first.clone(), Field::usual())).await;
    let outside = &gate.started().house.outside;
    gate.stranger("bank").send(navigation("/")).await;
    assert_eq!(lines(&gate, &first).len(), 1);
    for wanted in [logging(second.clone(), vec![Field::Path]), logging("/dev/full".into(), vec![Field::Path])]
    {
        outside.change(&wanted).unwrap().done();
        assert!(metric(&gate, "access_log_lines_total") >= 1);
        gate.stranger("bank").send(navigation("/")).await;
        outside.close();
    }
    outside.change(&Settings::default()).unwrap().done();
    assert_eq!(metric(&gate, "access_log_lines_total"), 2);
    assert_eq!(metric(&gate, "access_log_lines_lost_total{why=\"failed\"}"), 1);
}

/// What a person reads out from the foot of a page, and what a program is told, finds the line.
#[tokio::test(flavor = "multi_thread")]
async fn the_number_that_is_told_is_the_one_of_the_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("access.log");
    let gate = Gate::with(|plan| plan.outside = logging(file.clone(), Field::usual())).await;
    let otto = staff(&gate, "otto", "Otto Operator", &[Role::Operator]).await;
    let laptop = anna(&gate).await;
    let last = || lines(&gate, &file).pop().unwrap()["request"].as_str().unwrap().to_owned();
    // The page of the first visit, which stays open for ten minutes, too.
    let page = gate.browser("bank", &laptop).open("/").await;
    page.must_say("Call us and read out this number");
    let number = last();
    page.must_say(&format!("Request {number}")).must_say(&format!("read out {number} as well"));
    let request = Request::post("/api/v1/certificates/revoke").header("content-type", "application/json");
    let told = otto.send(request.body(axum::body::Body::from("{}")).unwrap()).await;
    assert_eq!(told.problem()["instance"], last());
    let told = gate.stranger("phone").send(program("/api/nothing")).await;
    assert_eq!(told.problem()["instance"], last());
}

/// Our own paths are written as their routes: what stands in the place of a star may open a door.
#[tokio::test(flavor = "multi_thread")]
async fn a_one_time_link_never_stands_in_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("access.log");
    let gate = Gate::with(|plan| plan.outside = logging(file.clone(), Field::ALL.to_vec())).await;
    for path in ["/deliver/link-quokka-8812", "/delivr/link-quokka-8812", "/expired/bank/x/link-quokka-8812"]
    {
        gate.stranger("start").send(navigation(&format!("{path}?link-quokka-8812"))).await;
    }
    gate.stranger("phone").send(navigation("/link-quokka-8812?link-quokka-8812")).await;
    gate.stranger("bank").send(navigation("/.portcullis/sign-in/link-quokka-8812")).await;
    let lines = lines(&gate, &file);
    let paths: Vec<&str> = lines.iter().map(|line| line["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["/deliver/*", "*", "*", "*", "*"]);
    assert!(!std::fs::read_to_string(&file).unwrap().contains("quokka"));
    assert!(lines.iter().all(|line| line["agent"].as_str().unwrap().starts_with("Mozilla")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_moved_log_goes_on_in_a_new_file() {
    let folder = tempfile::tempdir().unwrap();
    let (file, moved) = (folder.path().join("access.log"), folder.path().join("access.log.1"));
    let gate =
        Gate::with(|plan| plan.outside = logging(file.clone(), vec![Field::Path, Field::Status])).await;
    let client = gate.stranger("bank");
    client.send(navigation("/first")).await;
    assert_eq!(lines(&gate, &file).len(), 1);
    std::fs::rename(&file, &moved).unwrap();
    client.send(navigation("/second")).await;
    assert_eq!(lines(&gate, &moved).len(), 2, "until it is told");
    gate.started().house.outside.reopen();
    client.send(navigation("/third")).await;
    assert_eq!(lines(&gate, &file), [serde_json::json!({"path": "/third", "status": 403})]);
    assert_eq!(lines(&gate, &moved).len(), 2);
}

/// O-11: a log whose disk is full, and one whose reader has stopped: requests go on, what is missing is
/// counted, and what comes later is whole.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_cannot_be_written_stops_nobody() {
    let full = PathBuf::from("/dev/full");
    let gate = Gate::with(|plan| plan.outside = logging(full.clone(), Field::usual())).await;
    assert_eq!(gate.stranger("bank").send(navigation("/")).await.status, 403);
    gate.started().house.outside.close();
    assert_eq!(metric(&gate, "access_log_lines_lost_total{why=\"failed\"}"), 1);
    assert_eq!(metric(&gate, "access_log_lines_total"), 0);
    drop(gate);

    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let gate = Gate::with(|plan| plan.outside = logging(pipe.clone(), Field::usual())).await;
    // Opened and never read.
    let reader = std::fs::File::options().read(true).write(true).open(&pipe).unwrap();
    let mut h2 = gate.wire.bare().h2("bank.localhost").await;
    let lost = "access_log_lines_lost_total{why=\"slow\"}";
    tokio::time::timeout(PATIENCE, async {
        while metric(&gate, lost) == 0 {
            let request = Request::get(format!("https://{}/", gate.host("bank")));
            let answer = h2.send_request(request.body(axum::body::Body::empty()).unwrap()).await.unwrap();
            assert_eq!(answer.status(), 403);
            whole(answer).await;
        }
    })
    .await
    .expect("the queue has an end");
    // The reader wakes up, and reads whole lines.
    let reading = tokio::task::spawn_blocking(move || {
        use std::io::BufRead as _;
        let lines = std::io::BufReader::new(reader).lines().take(2000);
        lines.filter(|line| serde_json::from_str::<Value>(line.as_ref().unwrap()).is_ok()).count()
    });
    assert_eq!(tokio::time::timeout(PATIENCE, reading).await.expect("lines").unwrap(), 2000);
}

/// A client that goes away before its answer, and one that goes away within it.
#[tokio::test(flavor = "multi_thread")]
async fn who_goes_away_is_written_down_as_gone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("access.log");
    let gate = Gate::with(|plan| plan.outside = logging(file.clone(), Field::usual())).await;
    let (client, _, _) = anna_inside(&gate).await;
    for path in ["/never", "/ticks"] {
        let mut request = navigation(path);
        client.dress(&mut request);
        let mut h1 = client.wire.h1("bank.localhost").await;
        let answer = tokio::time::timeout(Duration::from_millis(300), h1.send_request(request)).await;
        if let Ok(answer) = answer {
            answer.unwrap().into_body().frame().await.expect("a tick").unwrap();
        }
    }
    let gone = |lines: &[Value]| {
        let of =
            |path: &str| lines.iter().find(|line| line["path"] == path).map(|line| line["status"].clone());
        (of("/never"), of("/ticks"))
    };
    let wanted = (Some(499.into()), Some(200.into()));
    tokio::time::timeout(PATIENCE, async {
        while gone(&lines(&gate, &file)) != wanted {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await
    .expect("both are written down");
    let lines = lines(&gate, &file);
    let never = lines.iter().find(|line| line["path"] == "/never").unwrap();
    assert_eq!((never.get("refused"), never.get("upstream_ms")), (None, None), "{never}");
    let cut = lines.iter().find(|line| line["path"] == "/ticks").unwrap();
    assert_eq!((&cut["complete"], cut["bytes"].as_u64() > Some(0)), (&Value::Bool(false), true), "{cut}");
}

/// The certificate behind the session, as it stands once it is revoked.
async fn revoked(gate: &Gate, serial: &str) -> Certificate {
    let all = gate.all::<Certificate>().await;
    let certificate = all.into_iter().find(|one| one.serial == serial).unwrap();
    let state = CertificateState::Revoked { reason: RevocationReason::KeyCompromise, at: gate.world.now() };
    Certificate { state, ..certificate }
}

/// Whose certificate knocks is told of one that we signed, though it counts no more.
#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_ours_that_is_refused_has_its_serial_and_person() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("access.log");
    let gate = Gate::with(|plan| plan.outside = logging(file.clone(), Field::usual())).await;
    let laptop = anna(&gate).await;
    gate.put(&revoked(&gate, &laptop.serial).await).await;
    assert_eq!(gate.browser("bank", &laptop).send(program("/accounts")).await.status, 403);
    let line = lines(&gate, &file).pop().unwrap();
    assert_eq!(line["refused"], "certificate-revoked", "{line}");
    assert_eq!(
        (&line["serial"], &line["person"]),
        (&laptop.serial.as_str().into(), &"anna".into()),
        "{line}"
    );
    let trail = gate.trail().await;
    let entry = trail.iter().rfind(|entry| entry.what == Event::RequestRefused).unwrap();
    assert_eq!(entry.whom.as_deref(), Some("person:bank/anna"), "{entry:?}");
    assert_eq!(entry.details["serial"], laptop.serial, "{entry:?}");
}

/// What the gate cut is told apart from a client that went away; a head that never came took no time.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_the_gate_cut_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("access.log");
    let gate = Gate::with(|plan| plan.outside = logging(file.clone(), Field::usual())).await;
    let (client, _, laptop) = anna_inside(&gate).await;
    let mut request = navigation("/never");
    client.dress(&mut request);
    let mut sender = client.wire.h1("bank.localhost").await;
    let waiting = tokio::spawn(async move { sender.send_request(request).await });
    let proxy = &gate.started().house.proxy;
    let line = async {
        while !proxy.backends().iter().any(|seen| seen.tenant == id("bank") && seen.requests == 1) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        gate.put(&revoked(&gate, &laptop.serial).await).await;
        loop {
            if let Some(line) = lines(&gate, &file).into_iter().find(|line| line["path"] == "/never") {
                return line;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let line = tokio::time::timeout(PATIENCE, line).await.expect("it is written down");
    // Either its connection went first, or the request.
    let how = (line["status"].as_u64().unwrap(), line["refused"].as_str().unwrap_or_default());
    assert!(matches!(how, (499, "withdrawn") | (403, "policy-denied")), "{line}");
    assert_eq!(line.get("upstream_ms"), None, "{line}");
    assert!(line["serial"] == laptop.serial.as_str() && line["person"] == "anna", "{line}");
    drop(waiting);
}

/// Chance that fails once, when it is told to.
#[derive(Default)]
struct Failing(AtomicBool);

impl Entropy for Failing {
    fn fill(&self, bytes: &mut [u8]) {
        assert!(!self.0.swap(false, Ordering::SeqCst), "the test wants it");
        SystemEntropy.fill(bytes);
    }
}

/// O-09: a fault within the gate costs one request, and its page has a number that support finds in the logs.
#[tokio::test(flavor = "multi_thread")]
async fn a_fault_of_ours_has_a_page_with_a_number() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("access.log");
    let entropy = Arc::new(Failing::default());
    let gate = Gate::with(|plan| {
        plan.outside = logging(file.clone(), Field::usual());
        plan.entropy = Arc::clone(&entropy) as Arc<dyn Entropy>;
    })
    .await;
    let client = gate.browser("bank", &anna(&gate).await);
    entropy.0.store(true, Ordering::SeqCst);
    let answer = client.send(navigation("/accounts")).await;
    assert_eq!(answer.status, 500);
    let lines = lines(&gate, &file);
    let line = lines.last().unwrap();
    assert_eq!((&line["status"], &line["refused"]), (&500.into(), &"internal".into()), "{line}");
    assert!(answer.text().contains(line["request"].as_str().unwrap()), "{line}: {}", answer.text());
    assert_ne!(client.send(navigation("/accounts")).await.status, 500);
}

const SAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// A good one goes on from whoever is followed, and a stranger's where a span of the gate's stands between; one that
/// cannot be read, or stands there twice, does not, nor does its state.
#[tokio::test(flavor = "multi_thread")]
async fn a_trace_goes_on_to_the_backend() {
    let spans = otlp::Settings {
        authority: "127.0.0.1:9".to_owned(),
        path: "/v1/traces".to_owned(),
        service: "gate".to_owned(),
        percent: 100,
    };
    let ours: Vec<ipnet::IpNet> = vec!["127.0.0.0/8".parse().unwrap()];
    for (spans, follow_from) in
        [(None, ours.clone()), (None, vec![]), (Some(spans.clone()), ours), (Some(spans), vec![])]
    {
        let (exporting, followed) = (spans.is_some(), !follow_from.is_empty());
        let gate = Gate::with(|plan| {
            plan.outside.spans = spans;
            plan.outside.follow_from = follow_from;
        })
        .await;
        let (client, _, _) = anna_inside(&gate).await;
        for (said, good) in
            [(vec![SAMPLED], true), (vec![SAMPLED, SAMPLED], false), (vec!["00-0-0-01"], false)]
        {
            let mut request = navigation("/accounts");
            for one in &said {
                request.headers_mut().append("traceparent", one.parse().unwrap());
            }
            request.headers_mut().insert("tracestate", "vendor=wombat".parse().unwrap());
            client.dress(&mut request);
            gate.backend.forget();
            let answer = client.wire.h1("bank.localhost").await.send_request(request).await.unwrap();
            assert_eq!(answer.status(), 200);
            whole(answer).await;
            let (parent, state) = (gate.backend.header("traceparent"), gate.backend.header("tracestate"));
            // Vendors write there what they sample: none of that is a stranger's to say.
            assert_eq!(state.is_some(), good && followed, "{said:?}");
            match (exporting, good) {
                (false, true) if followed => assert_eq!(parent.as_deref(), Some(SAMPLED)),
                (false, _) => assert_eq!(parent, None),
                (true, true) => {
                    let parent = parent.unwrap();
                    assert!(parent.starts_with(&SAMPLED[..36]) && parent.ends_with("-01"), "{parent}");
                    assert_ne!(parent, SAMPLED, "the gate's own span is the parent now");
                }
                (true, false) => {
                    let parent = parent.unwrap();
                    assert!(parent.len() == 55 && !parent.starts_with(&SAMPLED[..36]), "{parent}");
                }
            }
        }
    }
}

/// Neither can a stranger have spans made, nor, where few are wanted, hide from them; whoever is followed can.
#[tokio::test(flavor = "multi_thread")]
async fn a_strangers_word_samples_nothing() {
    let unsampled = format!("{}00", &SAMPLED[..53]);
    for (percent, follow_from, expected) in [
        (0, vec![], [false, false]),
        (100, vec!["192.0.2.0/24".parse().unwrap()], [true, true]),
        (0, vec!["127.0.0.0/8".parse().unwrap()], [true, false]),
        (100, vec!["127.0.0.0/8".parse().unwrap()], [true, false]),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("access.log");
        let gate = Gate::with(|plan| {
            plan.outside = logging(file.clone(), vec![Field::Path, Field::Trace]);
            plan.outside.spans = Some(otlp::Settings {
                authority: "127.0.0.1:9".to_owned(),
                path: "/v1/traces".to_owned(),
                service: "gate".to_owned(),
                percent,
            });
            plan.outside.follow_from.clone_from(&follow_from);
        })
        .await;
        let (client, _, _) = anna_inside(&gate).await;
        for (said, sampled) in [SAMPLED, &unsampled].into_iter().zip(expected) {
            let mut request = navigation("/accounts");
            request.headers_mut().insert("traceparent", said.parse().unwrap());
            client.dress(&mut request);
            gate.backend.forget();
            let answer = client.wire.h1("bank.localhost").await.send_request(request).await.unwrap();
            assert_eq!(answer.status(), 200);
            whole(answer).await;
            let parent = gate.backend.header("traceparent").unwrap();
            let end = if sampled { "-01" } else { "-00" };
            assert!(
                parent.starts_with(&SAMPLED[..36]) && parent.ends_with(end),
                "{percent} {said}: {parent}"
            );
        }
        // The log knows a stranger's trace all the same.
        let lines = lines(&gate, &file);
        let traces = lines.iter().filter(|line| line["trace"] == SAMPLED[3..35]).count();
        assert_eq!(traces, 2, "{lines:?}");
    }
}

/// The page has every metric of a running gate, each by its whole name or, behind one of its row, by how it ends.
#[tokio::test(flavor = "multi_thread")]
async fn every_metric_stands_in_its_table() {
    let folder = tempfile::tempdir().unwrap();
    let settings = logging(folder.path().join("access.log"), vec![Field::Time]);
    let ops = ([127, 0, 0, 1], free_ports()).into();
    let gate = Gate::with(|plan| {
        plan.ops = Some(ops);
        plan.outside = settings;
    })
    .await;
    anna_inside(&gate).await;
    let mut stream = tokio::net::TcpStream::connect(ops).await.unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let named: Vec<&str> = answer
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert!(named.len() > 30, "{answer}");
    let rows: Vec<&str> = include_str!("../../docs/observability.md")
        .lines()
        .filter(|line| line.starts_with("| `portcullis_"))
        .collect();
    let stands = |name: &&str| {
        rows.iter().any(|row| {
            let mut names = row.split('|').nth(1).unwrap().split('`').skip(1).step_by(2);
            let first = names.next().unwrap();
            let shared = |end: &str| {
                name.strip_suffix(end).is_some_and(|begin| !begin.is_empty() && first.starts_with(begin))
            };
            first == *name || names.any(|one| one == *name || one.strip_prefix("...").is_some_and(shared))
        })
    };
    let missing: Vec<_> = named.iter().filter(|name| !stands(name)).collect();
    assert!(missing.is_empty(), "docs/observability.md lacks {missing:?}");
}
