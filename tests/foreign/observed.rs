//! What a gate tells monitoring, read by its makers' code: Prometheus' parser, OpenTelemetry's messages.

use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use axum::body::Body;
use http::{Method, Request};
use portcullis::audit::Event;
use portcullis::front::outside::otlp;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::rig::said;
use crate::support::browser::{navigation, program};
use crate::support::desk::*;
use crate::support::gate::Gate;
use crate::support::ports::free_ports;
use crate::support::skipped::skipped;
use crate::support::wire::whole;

fn python(module: &str) -> Option<Command> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/foreign");
    let interpreter = here.join(".venv/bin/python");
    let there = interpreter.exists()
        && Command::new(&interpreter)
            .args(["-c", &format!("import {module}")])
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
    if !there {
        skipped(&format!("Python with {module} is not in tests/foreign/.venv"));
        return None;
    }
    let mut command = Command::new(interpreter);
    command.arg(here.join("observed.py")).env("PYTHONDONTWRITEBYTECODE", "1");
    Some(command)
}

/// The operator's metrics as Prometheus reads them.
async fn scraped(gate: &Gate) -> Value {
    let address = gate.config.listen.ops.unwrap();
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (_, text) = answer.split_once("\r\n\r\n").unwrap();
    let mut reader = python("prometheus_client").unwrap();
    let mut reader = reader
        .arg("metrics")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    reader.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = reader.wait_with_output().unwrap();
    assert!(output.status.success(), "{}\n{text}", said(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The value of the one sample with these labels.
#[track_caller]
fn value(metrics: &Value, family: &str, name: &str, labels: &[(&str, &str)]) -> f64 {
    let samples = metrics[family]["samples"].as_array().unwrap_or_else(|| panic!("no {family}"));
    let fits = |sample: &&Value| {
        sample["name"] == name && labels.iter().all(|(label, value)| sample["labels"][label] == *value)
    };
    let found: Vec<&Value> = samples.iter().filter(fits).collect();
    assert_eq!(found.len(), 1, "{labels:?} in {samples:#?}");
    found[0]["value"].as_f64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_reads_the_metrics_and_no_client_adds_a_label() {
    if python("prometheus_client").is_none() {
        return;
    }
    let ops = free_ports();
    let gate = Gate::with(|plan| plan.ops = Some(([127, 0, 0, 1], ops).into())).await;
    let (client, phone, _) = anna_inside(&gate).await;
    let again = client.another();
    let page = again.open("/accounts").await;
    again.submit(&page, "/password", &[("password", "tundra wicker novel plinth")]).await;
    later_visit(&client.another(), &phone, "/accounts").await;
    for _ in 0..3 {
        client.open("/accounts").await.must_say("the bank's own page");
    }
    gate.stranger("bank").send(program("/accounts")).await;

    let metrics = scraped(&gate).await;
    let backend = [("tenant", "bank"), ("room", "backend"), ("route", "portal")];
    let got = [("protocol", "http/1"), ("method", "GET"), ("status", "2xx")];
    let requests = value(
        &metrics,
        "portcullis_http_requests",
        "portcullis_http_requests_total",
        &[&backend[..], &got].concat(),
    );
    assert!(requests >= 5.0, "{requests}");
    let duration = "portcullis_http_request_duration_seconds";
    assert_eq!(value(&metrics, duration, &format!("{duration}_count"), &backend), requests);
    let upstream = "portcullis_upstream_duration_seconds";
    assert_eq!(value(&metrics, upstream, &format!("{upstream}_count"), &backend), requests);
    let answered = [&backend[..], &[("outcome", "answered")]].concat();
    let count =
        |family: &str, labels: &[(&str, &str)]| value(&metrics, family, &format!("{family}_total"), labels);
    assert_eq!(count("portcullis_upstream_requests", &answered), requests);
    let place = [("tenant", "bank"), ("route", "portal")];
    assert_eq!(value(&metrics, "portcullis_upstream_up", "portcullis_upstream_up", &place), 1.0);
    assert!(count("portcullis_upstream_answers", &place) >= 1.0);
    for (outcome, certificate) in [("complete", "shown"), ("complete", "none")] {
        let labels = [("outcome", outcome), ("certificate", certificate)];
        assert!(count("portcullis_tls_handshakes", &labels) > 0.0, "{outcome} {certificate}");
    }
    for (factor, outcome, event, least) in [
        ("password", "right", Event::PasswordRight, 1),
        ("password", "wrong", Event::PasswordWrong, 1),
        ("phone", "right", Event::ApprovalApproved, 1),
        ("phone", "denied", Event::ApprovalDenied, 0),
        ("code", "right", Event::CodeRight, 1),
    ] {
        let got = count("portcullis_factor", &[("factor", factor), ("outcome", outcome)]);
        let told = gate.told(event).await;
        assert!(told >= least && got == told as f64, "{factor} {outcome}: {got}, and {told} in the trail");
    }
    assert_eq!(count("portcullis_factor", &[("factor", "password"), ("outcome", "throttled")]), 0.0);
    assert!(count("portcullis_factor", &[("factor", "certificate"), ("outcome", "right")]) > 0.0);
    assert_eq!(count("portcullis_refusals", &[("reason", "no-certificate")]), 1.0);
    assert_eq!(count("portcullis_audit_events", &[("event", "password.wrong")]), 1.0);
    let lag = value(&metrics, "portcullis_store_lag_seconds", "portcullis_store_lag_seconds", &[]);
    assert!((0.0..10.0).contains(&lag), "{lag}");
    let version = [("version", env!("CARGO_PKG_VERSION"))];
    assert_eq!(value(&metrics, "portcullis_build_info", "portcullis_build_info", &version), 1.0);
    for (name, family) in metrics.as_object().unwrap() {
        assert!(name.starts_with("portcullis_"), "{name}");
        assert_ne!(family["help"], "", "{name} says nothing of itself");
    }

    // Odd methods, paths, hosts and headers: the same lines as before, but for the first odd method and status.
    gate.stranger("bank")
        .send(Request::builder().method("BREW").uri("/x").body(Body::empty()).unwrap())
        .await;
    let lines = |metrics: &Value| -> usize {
        let families = metrics.as_object().unwrap().values();
        families.map(|family| family["samples"].as_array().unwrap().len()).sum()
    };
    let before = lines(&scraped(&gate).await);
    for n in 0..20 {
        let method = Method::from_bytes(format!("ODD{n}").as_bytes()).unwrap();
        let path = format!("/odd-{n}?{n}=x");
        let request =
            Request::builder().method(method).uri(&path).header("x-odd", n).body(Body::empty()).unwrap();
        gate.stranger("bank").send(request).await;
        gate.wire.bare().tls(&format!("odd-{n}.localhost"), "http/1.1").await.unwrap_err();
    }
    let after = scraped(&gate).await;
    assert_eq!(lines(&after), before, "{after:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_takes_a_span_for_each_request() {
    let Some(mut collector) = python("opentelemetry.proto") else { return };
    let mut collector =
        collector.args(["collector", "5"]).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(collector.stdout.take().unwrap());
    let mut port = String::new();
    said.read_line(&mut port).unwrap();
    let gate = Gate::with(|plan| {
        plan.outside.spans = Some(otlp::Settings {
            authority: format!("127.0.0.1:{}", port.trim()),
            path: "/otlp/v1/traces".to_owned(),
            service: "the bank's gate".to_owned(),
            percent: 100,
        });
        plan.outside.follow_from = vec!["127.0.0.1/32".parse().unwrap()];
    })
    .await;
    let laptop = anna(&gate).await;
    gate.settle(&laptop).await;
    let client = gate.signed_in("bank", &laptop).await;
    let begun = gate.world.now();
    let mut request = navigation("/accounts?token=query-axolotl");
    client.dress(&mut request);
    let told = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    request.headers_mut().insert("traceparent", told.parse().unwrap());
    whole(client.wire.h1("bank.localhost").await.send_request(request).await.unwrap()).await;
    let passed_on = gate.backend.header("traceparent").unwrap();
    let number = gate.backend.header("x-request-id").unwrap();
    // Not sampled by whoever asks: not ours to export.
    let mut silent = navigation("/accounts");
    client.dress(&mut silent);
    silent.headers_mut().insert("traceparent", format!("{}00", &told[..53]).parse().unwrap());
    whole(client.wire.h1("bank.localhost").await.send_request(silent).await.unwrap()).await;
    for _ in 0..4 {
        gate.stranger("bank").send(program("/link-quokka")).await;
    }

    let spans = tokio::task::spawn_blocking(move || {
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        assert!(collector.wait().unwrap().success());
        serde_json::from_str::<Vec<Value>>(&line).unwrap()
    });
    let spans = spans.await.unwrap();
    assert_eq!(spans.len(), 5, "{spans:#?}");
    let first =
        spans.iter().find(|span| span["trace"] == told[3..35]).expect("the trace that was begun elsewhere");
    assert_eq!(first["parent"], told[36..52]);
    assert_eq!(passed_on, format!("00-{}-{}-01", &told[3..35], first["span"].as_str().unwrap()));
    assert_eq!((&first["kind"], &first["status"]), (&2.into(), &0.into()), "a server's, and well");
    assert_eq!(first["name"], "GET portal");
    assert_eq!(first["resource"]["service.name"], "the bank's gate");
    let begun = u64::try_from(begun.millis()).unwrap() * 1_000_000;
    assert!(first["begun"].as_u64().unwrap() >= begun && first["nanos"].as_u64().unwrap() > 0, "{first}");
    for (key, wanted) in [
        ("http.request.method", Value::from("GET")),
        ("url.path", "/accounts".into()),
        ("http.response.status_code", 200.into()),
        ("client.address", "127.0.0.1".into()),
        ("portcullis.tenant", "bank".into()),
        ("portcullis.request", number.into()),
    ] {
        assert_eq!(first["attributes"][key], wanted, "{key}: {first:#}");
    }
    let text = serde_json::to_string(&spans).unwrap();
    assert!(!text.contains("axolotl") && !text.contains("anna"), "neither queries nor people: {text}");
    let refused = spans.iter().filter(|span| span["attributes"]["error.type"] == "no-certificate");
    assert_eq!(refused.filter(|span| span["parent"] == "").count(), 4);
}
