//! The phone app and the gate build what is signed each for itself: here node runs the app's own
//! module and the two are compared, byte by byte.

#![allow(clippy::unwrap_used, reason = "a test stops where it fails")]

#[path = "phone_app/words.rs"]
mod words;

use std::path::Path;
use std::process::Command;

use data_encoding::BASE64URL_NOPAD;
use portcullis::auth::phone::proof::{Call, call_text};
use portcullis::crypto;
use portcullis::domain::approval::{Answer, Approval, ApprovalState, Purpose, Row, Shown};
use portcullis::domain::{ApprovalId, DeviceId, PersonId, TenantId, Time};
use serde_json::{Value, json};

#[test]
fn phone_and_gate_sign_the_same_approval() {
    for approval in approvals() {
        for digits in ["000000", "204775"] {
            let ours = approval.canonical_text(Answer::Approve(digits));
            let input = json!({ "question": as_api(&approval), "digits": digits });
            let script = "const text = app.canonicalText(input.question, input.digits); \
                print({ text, challenge: app.base64url(await crypto.subtle.digest('SHA-256', app.utf8(text))) });";
            let Some(theirs) = node(script, &input) else { return };
            assert_eq!(theirs["text"], ours);
            let challenge = BASE64URL_NOPAD.encode(&crypto::sha256(ours.as_bytes()));
            assert_eq!(theirs["challenge"], challenge);
        }
    }
}

#[test]
fn phone_and_gate_sign_the_same_call() {
    let body = "{\"digits\":\"204775\",\"ü\":\"\u{1f511}\"}";
    let (time, nonce) = (Time(1_795_292_244_123), [0xfb; 16]);
    let call = Call { method: "POST", path: "/api/approvals/x/approve?a=b", body: body.as_bytes() };
    let ours = call_text(call, time, &nonce);
    let input = json!({
        "method": call.method, "path": call.path, "body": body, "time": time.millis(), "nonce": nonce,
    });
    let script = "const hash = app.base64url(await crypto.subtle.digest('SHA-256', app.utf8(input.body))); \
        const nonce = app.base64url(new Uint8Array(input.nonce)); \
        print({ text: app.callText(input.method, input.path, input.time, nonce, hash) });";
    let Some(theirs) = node(script, &input) else { return };
    assert_eq!(theirs["text"], ours);
}

#[test]
fn the_app_takes_only_links_of_its_own_door() {
    let (id, secret) = ("a".repeat(26), "b".repeat(32));
    let good = format!("https://phone.localhost:8443/pair#{id}.{secret}");
    let bad = [
        good.replace("https", "http"),
        good.replace("8443", "8444"),
        good.replace("phone.", "evil."),
        good.replace("/pair", "/pairs"),
        good.replace('#', "?"),
        good.replace('.', "/"),
        format!("{good}.more"),
        format!("https://phone.localhost:8443/pair#{id}.{}", "b".repeat(20)),
        "javascript:alert(1)".to_owned(),
        "WIFI:S:home;;".to_owned(),
        String::new(),
    ];
    let input = json!({ "good": good, "upper": good.replace(&secret, &secret.to_uppercase()), "bad": bad });
    let script = "const read = (text) => app.readLink(text, 'https://phone.localhost:8443'); \
        print({ good: read(` ${input.good}\\n`), upper: read(input.upper), bad: input.bad.map(read) });";
    let Some(read) = node(script, &input) else { return };
    let parts = json!({ "pairing": id, "secret": secret });
    assert_eq!((&read["good"], &read["upper"]), (&parts, &parts));
    assert!(read["bad"].as_array().unwrap().iter().all(Value::is_null), "{read}");
}

#[test]
fn the_app_reads_digits_and_says_the_time() {
    let script = "print({ digits: ['204 775', '20-47-75x', '2047759', 'abc'].map(app.onlyDigits), \
        left: [120000, 61000, 60000, 1000, 0, -5].map(app.leftOf), \
        bytes: app.base64url(app.fromBase64url('-_8A')) });";
    let Some(read) = node(script, &json!({})) else { return };
    assert_eq!(read["digits"], json!(["204775", "204775", "204775", ""]));
    let (minutes, seconds) = ("minutes-left", "seconds-left");
    let left = json!([[minutes, 2], [minutes, 2], [seconds, 60], [seconds, 1], [seconds, 0], [seconds, 0]]);
    assert_eq!(read["left"], left);
    assert_eq!(read["bytes"], "-_8A");
}

/// Questions with all that a name can hold.
fn approvals() -> Vec<Approval> {
    let purposes = [
        Purpose::SignIn,
        Purpose::NewDevice,
        Purpose::ResumeFirstVisit,
        Purpose::RenewCertificate,
        Purpose::RenewExpired,
        Purpose::StepUp,
        Purpose::PairPhone,
        Purpose::RemovePhone,
        Purpose::RecoveryCodes,
        Purpose::Confirm,
    ];
    let names = ["Anna Muster", "Zoë \"Ö\" O'Neil\\n: x", "\u{202e}安娜 \u{1f469}\u{200d}\u{1f4bb}", ""];
    purposes
        .into_iter()
        .zip(names.iter().cycle())
        .chain(std::iter::repeat(Purpose::SignIn).zip(&names).take(names.len()))
        .map(|(purpose, name)| Approval {
            id: ApprovalId::from_bits([3; 16]),
            tenant: TenantId::parse("bank").unwrap(),
            person: PersonId::parse("anna").unwrap(),
            device: DeviceId::parse("laptop-1").unwrap(),
            fingerprint: [0xa5; 32],
            session: [1; 32],
            purpose,
            shown: Shown {
                site: "Bank Muster & Cie".to_owned(),
                host: "bank.localhost".to_owned(),
                person: (*name).to_owned(),
                device: format!("{name}'s\r\nlaptop"),
                browser: "Chrome on Linux".to_owned(),
                address: "2001:db8::7".to_owned(),
                place: "near Zürich, Switzerland".to_owned(),
                reason: purpose.reason().to_owned(),
                rows: rows(name),
            }
            .cleaned(),
            bound: (purpose == Purpose::Confirm).then_some([0xfb; 32]),
            nonce: [0xfe; 32],
            digits_mac: [0; 32],
            created: Time(1_795_292_244_999),
            expires: Time(1_795_292_364_999),
            wrong_digits: 0,
            offline: None,
            state: ApprovalState::Pending,
        })
        .collect()
}

/// As `GET /api/approvals` gives it; that it does is tested beside the room.
fn as_api(approval: &Approval) -> Value {
    let text = approval.canonical_text(Answer::NotMe);
    let (mut names, mut values) = (Vec::new(), Vec::new());
    for line in text.lines().skip(1) {
        let (name, value) = line.split_once(": ").unwrap();
        match name {
            "name" => names.push(value),
            "value" => values.push(value),
            _ => {}
        }
    }
    let rows: Vec<Value> =
        names.iter().zip(&values).map(|(name, value)| json!({ "name": name, "value": value })).collect();
    let fields = text.lines().skip(1).filter_map(|line| {
        let (name, value) = line.split_once(": ")?;
        Some((name.to_owned(), Value::from(value)))
    });
    let mut fields: Value =
        fields.filter(|(name, _)| !["verdict", "digits", "name", "value"].contains(&name.as_str())).collect();
    fields["rows"] = rows.into();
    fields
}

/// None, one, or many, with what tries to be another line.
fn rows(name: &str) -> Vec<Row> {
    let row = |row: &str, value: &str| Row { name: row.to_owned(), value: value.to_owned() };
    match name.len() % 3 {
        0 => Vec::new(),
        1 => vec![row("Amount", "CHF 1'200.00")],
        _ => vec![row("To", name), row(name, ""), row("x", "a\nname: Amount\nvalue: CHF 1")],
    }
}

/// Runs `script` among the app's modules, with that of the texts as `app`, and returns what it
/// printed; `None`, loudly, where there is no node.
fn node(script: &str, input: &Value) -> Option<Value> {
    let folder = tempfile::tempdir().unwrap();
    for part in ["", "vendor"] {
        std::fs::create_dir_all(folder.path().join(part)).unwrap();
        for entry in std::fs::read_dir(Path::new(APP).join(part)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|kind| kind == "js") {
                std::fs::copy(&path, folder.path().join(part).join(path.file_name().unwrap())).unwrap();
            }
        }
    }
    std::fs::write(folder.path().join("package.json"), "{\"type\":\"module\"}").unwrap();
    let program = format!(
        "import * as app from './text.js'; const input = {input}; \
         const print = (value) => process.stdout.write(JSON.stringify(value)); {script}"
    );
    std::fs::write(folder.path().join("program.js"), program).unwrap();
    let output = match Command::new("node").arg("program.js").current_dir(folder.path()).output() {
        Ok(output) => output,
        Err(error) => {
            eprintln!("SKIPPED: the phone app's scripts were not run: node cannot be started ({error})");
            return None;
        }
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

/// Where the app's files lie.
const APP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/phone/app");
