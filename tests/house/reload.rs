//! What is read again while the gate runs: by SIGHUP, by the command, by a program at the desk. What can change does;
//! what cannot is named; and a mistake is told with its line and changes nothing at all.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use axum::body::Body;
use http::{Request, StatusCode};
use portcullis::audit::{Event, Outcome};
use portcullis::domain::person::Role;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;

use crate::support::PATIENCE;
use crate::support::browser::Browser;
use crate::support::desk::{anna, sam, staff};
use crate::support::gate::Gate;
use crate::support::program::Program;
use crate::support::wire::Answer;

#[tokio::test(flavor = "multi_thread")]
async fn a_hangup_reads_the_files_again_and_harms_nobody() {
    let gate = Gate::open().await;
    let file = gate.config.file.clone();
    let program = Program::instead_of(gate).await;
    let hangup = || kill_process(Pid::from_raw(program.pid().cast_signed()).unwrap(), Signal::HUP).unwrap();
    let written = std::fs::read_to_string(&file).unwrap();
    let asked = tokio::spawn({
        let browser = program.stranger("bank");
        async move {
            // On one connection and on new ones, none fails.
            for _ in 0..300 {
                assert_eq!(browser.open("/").await.status, 403);
            }
        }
    });
    hangup();
    told(&program, "all files again").await;
    std::fs::write(&file, format!("{written}\nnonsense = 1\n")).unwrap();
    hangup();
    told(&program, "going on with the old one").await;
    assert!(program.log().contains("nonsense"), "{}", program.log());
    let other = written.replacen("drain_seconds = ", "drain_seconds = 1", 1);
    assert_ne!(other, written);
    std::fs::write(&file, other).unwrap();
    hangup();
    told(&program, "[limits] drain_seconds").await;
    asked.await.unwrap();
    assert_eq!((program.told_of("settings.reloaded"), program.told_of("settings.refused")), (2, 1));
    assert_eq!(program.lines_of("settings.reloaded")[1]["who"], "signal");
}

/// Each kind of setting, seen from outside.
#[tokio::test(flavor = "multi_thread")]
async fn what_can_change_while_the_gate_runs_does() {
    let gate = Gate::open().await;
    let file = gate.config.file.clone();
    let other_port = gate.port + 1;
    let laptop = anna(&gate).await;
    let client = gate.signed_in("bank", &laptop).await;
    let program = Program::instead_of(gate).await;
    let written = std::fs::read_to_string(&file).unwrap();
    assert_eq!(program.json(&["reload"]), json!({ "changed": [], "next_start": [] }));

    // A new portal, a limit, an access log; and a listener that another start opens.
    let new = format!(
        "{}idle_seconds = 1\n[access_log]\nfile = \"access.log\"\n[[portal]]\ntenant = \"bank\"\nhost = \"new.localhost\"\n",
        written.replacen(
            &format!("tls = \"127.0.0.1:{}\"", program.port),
            &format!("tls = \"127.0.0.1:{other_port}\""),
            1
        )
    );
    std::fs::write(&file, &new).unwrap();
    let expected = json!({
        "changed": ["[[portal]] new.localhost", "[limits] idle_seconds", "[access_log]"],
        "next_start": ["[listen] tls"],
    });
    let mut said = program.json(&["reload"]);
    assert_eq!(said, expected);
    let mut idle = client.wire.tls("bank.localhost", "h2").await.unwrap();
    let closed = tokio::time::timeout(PATIENCE, idle.read_to_end(&mut Vec::new())).await;
    assert!(closed.is_ok(), "it closes what lies idle");
    assert!(client.wire.tls("new.localhost", "http/1.1").await.is_ok(), "there is a new door");
    client.open("/accounts").await.must_say("the bank's own page at /accounts");
    let log = file.with_file_name("access.log");
    for _ in 0..100 {
        if std::fs::read_to_string(&log).is_ok_and(|lines| lines.contains("/accounts")) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(std::fs::read_to_string(&log).unwrap().contains("/accounts"));

    // What waits for the next start is told until then; what went away is gone.
    said = program.json(&["reload"]);
    assert_eq!(said, json!({ "changed": [], "next_start": expected["next_start"] }));
    std::fs::write(&file, &written).unwrap();
    said = program.json(&["reload"]);
    let changed = ["[[portal]] new.localhost is gone", "[limits] idle_seconds", "[access_log] is gone"];
    assert_eq!(said, json!({ "changed": changed, "next_start": [] }));
    assert!(client.wire.tls("new.localhost", "http/1.1").await.is_err(), "the door is gone");
}

/// A file that cannot be used is found before anything has changed.
#[tokio::test(flavor = "multi_thread")]
async fn all_of_it_is_taken_up_or_nothing() {
    let gate = Gate::open().await;
    let file = gate.config.file.clone();
    let program = Program::instead_of(gate).await;
    let written = std::fs::read_to_string(&file).unwrap();
    let log = "[access_log]\nfile = \"access.log\"\n";
    let bad = "[[portal]]\ntenant = \"bank\"\nhost = \"new.localhost\"\ncertificate = \"new.crt\"\nkey = \"new.key\"\n";
    let line = written.lines().count() + 1;
    for (more, says) in [
        (format!("{log}{bad}"), format!(":{}: `certificate` in [[portal]]: ", line + 5)),
        (
            format!("{log}{}", bad.replace("new.crt", "portcullis.toml")),
            format!(":{}: `key` in [[portal]]: ", line + 6),
        ),
        ("nonsense = 1\n".to_owned(), format!("portcullis.toml:{line}")),
        (format!("[approvals]\nplaces_file = \"nowhere.mmdb\"\n{log}"), "nowhere.mmdb".to_owned()),
        (
            format!(
                "{log}[mail]\nsmtp = \"smtps://gate@mail.example\"\npassword_file = \"none\"\nfrom = \"gate@bank.example\"\n"
            ),
            "none".to_owned(),
        ),
    ] {
        std::fs::write(&file, format!("{written}{more}")).unwrap();
        let output = program.cli(&["reload"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(&says), "{says}: {output:?}");
        // The gate itself judges the file: what it says stands in its log and in its trail too.
        assert!(said.contains("nothing changed"), "{said}");
        assert!(program.log().contains(&says), "{}", program.log());
    }
    assert_eq!((program.told_of("settings.reloaded"), program.told_of("settings.refused")), (0, 5));
    std::fs::write(&file, &written).unwrap();
    assert_eq!(program.json(&["reload"]), json!({ "changed": [], "next_start": [] }));
    assert!(!file.with_file_name("access.log").exists(), "nor was a log opened");
}

/// Under another name a certificate that ended is taken up all the same, and told aloud; under the name of one that still
/// counts it is left alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_doors_certificate_that_ended_is_a_warning() {
    let gate = Gate::open().await;
    let file = gate.config.file.clone();
    let put = |name: &str, until: i32| {
        let mut params = rcgen::CertificateParams::new(vec!["new.localhost".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(until, 1, 1);
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let (crt, pem) =
            (file.with_file_name(format!("{name}.crt")), file.with_file_name(format!("{name}.key")));
        std::fs::write(crt, certificate.pem()).unwrap();
        std::fs::write(&pem, key.serialize_pem()).unwrap();
        std::fs::set_permissions(&pem, std::fs::Permissions::from_mode(0o600)).unwrap();
    };
    let portal = |name: &str| {
        format!(
            "[[portal]]\ntenant = \"bank\"\nhost = \"new.localhost\"\ncertificate = \"{name}.crt\"\nkey = \"{name}.key\"\n"
        )
    };
    put("one", 2100);
    put("two", 2021);
    let written = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{written}{}", portal("one"))).unwrap();
    let program = Program::instead_of(gate).await;
    let warned = || {
        let log = program.log();
        let lines = log.lines().filter(|line| line.contains("WARN") && line.contains("new.localhost"));
        lines.filter(|line| line.contains("ended on 1 January 2021")).count()
    };
    assert_eq!(warned(), 0, "{}", program.log());
    let heeds = || program.json(&["reload"])["heed"].to_string();
    put("one", 2020);
    let kept = heeds();
    for says in [
        "the door new.localhost has no new certificate: ",
        "one.crt ended on 1 January 2020",
        "ends on 1 January 2100",
    ] {
        assert!(kept.contains(says), "{says}: {kept}");
    }
    assert_eq!(warned(), 0, "{}", program.log());
    std::fs::write(&file, format!("{written}{}", portal("two"))).unwrap();
    let ended = "[\"the certificate of new.localhost ended on 1 January 2021: put a new one there\"]";
    assert_eq!(heeds(), ended);
    assert_eq!(warned(), 1, "{}", program.log());
    put("two", 2100);
    assert_eq!(heeds(), "null");
    assert_eq!(warned(), 1, "{}", program.log());
    assert!(program.log().contains("took up a new server certificate"));
}

/// Without a gate there is nothing to reload.
#[tokio::test(flavor = "multi_thread")]
async fn where_no_gate_runs_it_says_so() {
    let mut program = Program::instead_of(Gate::open().await).await;
    program.stop();
    let output = program.cli(&["reload"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("no gate runs on this data"), "{output:?}");
    assert!(!output.status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_reloads_by_program_and_others_do_not() {
    let gate = Gate::open().await;
    let otto = staff(&gate, "otto", "Otto Operator", &[Role::Operator]).await;
    let support = sam(&gate).await;
    let written = std::fs::read_to_string(&gate.config.file).unwrap();
    std::fs::write(&gate.config.file, format!("{written}idle_seconds = 33\n")).unwrap();
    assert_eq!(reload(&support, "{}").await.status, 403);
    assert_eq!(gate.told(Event::SettingsReloaded).await, 0);
    let answer = reload(&otto, "{}").await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let mut said: Value = serde_json::from_slice(&answer.body).unwrap();
    let file = said.as_object_mut().unwrap().remove("file").unwrap();
    assert!(file.as_str().unwrap().ends_with("/portcullis.toml"), "{file}");
    assert_eq!(said, json!({ "changed": ["[limits] idle_seconds"], "next_start": [] }));

    let mistaken = format!("{written}idle_seconds = \"long\"\npassphrase = \"swordfish\"\n");
    std::fs::write(&gate.config.file, mistaken).unwrap();
    let answer = reload(&otto, "{}").await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    let line = written.lines().count() + 1;
    assert!(answer.text().contains(&format!("portcullis.toml:{line}")), "{}", answer.text());
    assert_eq!(reload(&otto, "{\"at\": 1}").await.status, 400);
    let trail = gate.trail().await;
    let who: Vec<_> = trail
        .iter()
        .filter(|line| matches!(line.what, Event::SettingsReloaded | Event::SettingsRefused))
        .map(|line| (line.what, line.who.as_str()))
        .collect();
    let why = trail.iter().find(|line| line.what == Event::SettingsRefused).map(|line| &line.outcome);
    let Some(Outcome::Refused(why)) = why else { panic!("{why:?}") };
    assert!(why.contains(&format!("line {line}: ")) && why.contains("idle_seconds"), "{why}");
    assert!(!why.contains("swordfish"), "{why}");
    let otto = "person:staff/otto";
    assert_eq!(who, [(Event::SettingsReloaded, otto), (Event::SettingsRefused, otto)]);
    gate.must_verify().await;
}

async fn reload(browser: &Browser, body: &str) -> Answer {
    let request = Request::post("/api/v1/reload").header("content-type", "application/json");
    browser.send(request.body(Body::from(body.to_owned())).unwrap()).await
}

async fn told(program: &Program, what: &str) {
    for _ in 0..200 {
        if program.log().contains(what) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("never told {what}: {}", program.log());
}
