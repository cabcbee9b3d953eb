//! What can be learned of people by asking: nothing, for whoever is not meant to know. Compared byte by byte, and by
//! the work that the gate says it did; how long it takes is for the measurements.

use http::{Method, StatusCode};
use portcullis::domain::person::Role;

use crate::support::PASSWORD;
use crate::support::browser::{Browser, navigation};
use crate::support::desk::*;
use crate::support::gate::Gate;
use crate::support::program::Program;
use crate::support::wire::Answer;

/// An answer without what differs by chance: its own number, its date, the tokens.
fn masked(answer: &Answer) -> (StatusCode, Vec<String>, String) {
    let mut headers: Vec<String> = answer
        .headers
        .iter()
        .filter(|(name, _)| *name != "date")
        .map(|(name, value)| format!("{name}: {}", mask(value.to_str().unwrap())))
        .collect();
    headers.sort();
    (answer.status, headers, mask(&answer.text()))
}

/// Numbers of requests (`QF-308-122`) and tokens of 256 bits become `#`.
pub(crate) fn mask(text: &str) -> String {
    let mut masked = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let number = rest.len() >= 10 && {
            let bytes = rest.as_bytes();
            bytes[..2].iter().all(u8::is_ascii_uppercase)
                && [2, 6].iter().all(|at| bytes[*at] == b'-')
                && [3, 4, 5, 7, 8, 9].iter().all(|at| bytes[*at].is_ascii_digit())
        };
        let token =
            rest.bytes().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')).count();
        let length = match (number, token) {
            (true, _) => 10,
            (false, 43) => 43,
            _ => 0,
        };
        if length > 0 {
            masked.push('#');
            rest = &rest[length..];
        } else {
            let whole = token.max(c.len_utf8());
            masked.push_str(&rest[..whole]);
            rest = &rest[whole..];
        }
    }
    masked
}

async fn asks(browser: &Browser, method: &str, path: &str) -> Answer {
    if method == "POST" {
        return browser.send(browser.posting(path, &[])).await;
    }
    let mut request = navigation(path);
    *request.method_mut() = Method::from_bytes(method.as_bytes()).unwrap();
    browser.send(request).await
}

/// Who is not meant to know gets the same bytes for somebody who is there and for nobody.
#[tokio::test(flavor = "multi_thread")]
async fn strangers_get_the_same_bytes_for_somebody_and_for_nobody() {
    let gate = Gate::open().await;
    let (client, phone, laptop) = anna_inside(&gate).await;
    let operator = staff(&gate, "otto", "Otto Operator", &[Role::Operator]).await;
    let auditor = staff(&gate, "aida", "Aida Auditor", &[Role::Auditor]).await;
    gate.person("bank", "berta", "Berta Beispiel", &[]).await;
    let program = Program::instead_of(gate).await;
    let mut compared = 0;

    // At the desk: a client's certificate, none, and staff whose role does not read that part.
    let clients = program.browser("console", &laptop);
    let nobody = program.stranger("console");
    for (name, browser, parts) in [
        ("a client", &clients, &["people", "codes", "devices"][..]),
        ("no certificate", &nobody, &["people", "codes", "devices"]),
        ("an auditor", &auditor, &["people", "codes", "devices"]),
        ("an operator", &operator, &["codes"]),
    ] {
        for part in parts {
            let end = match *part {
                "codes" => "/00001/release",
                "devices" => "/new",
                _ => "/lock",
            };
            for method in ["GET", "POST"] {
                let whom = ["bank/anna", "bank/berta", "bank/nobody", "nosuch/nobody"];
                let mut answers = Vec::new();
                for who in whom {
                    let page = asks(browser, method, &format!("/{part}/{who}{end}")).await;
                    assert_eq!(page.status, 403, "{name}: {method} {part}: {}", page.text());
                    answers.push(masked(&page));
                    compared += 1;
                }
                assert!(answers.iter().all(|one| *one == answers[0]), "{name}: {method} {part}: {answers:?}");
            }
        }
    }

    // The phone's API: a handle of nobody, of somebody without a phone, of somebody with another one.
    let handle = phone.handle();
    let other = program.phone();
    let mut answers = Vec::new();
    for whose in ["nosuch.nobody.", "bank.nobody.", "bank.berta.", "bank.anna.", "staff.sam."] {
        let named = format!("{whose}{}", "a".repeat(26));
        for path in ["/api/me", "/api/approvals"] {
            let (status, answer) = other.call_as(&named, "GET", path, "").await;
            answers.push((status, mask(&answer.to_string())));
            compared += 1;
        }
    }
    assert!(answers.iter().all(|one| *one == answers[0]), "{answers:?}");

    // A pairing that never was, and one that was; a question of nobody's, and of somebody else's.
    let done = phone.pairing();
    let begun = |pairing: &str| {
        serde_json::json!({ "pairing": pairing, "secret": "a".repeat(32), "api_key": other.api_key() })
            .to_string()
    };
    let never = other.call_as("new", "POST", "/api/pair/begin", &begun(&"b".repeat(26))).await;
    let was = other.call_as("new", "POST", "/api/pair/begin", &begun(&done)).await;
    assert_eq!((never.0, mask(&never.1.to_string())), (was.0, mask(&was.1.to_string())));

    // Whether somebody is locked is told to nobody but themselves.
    let stranger = program.stranger("bank");
    let before = [
        masked(&asks(&stranger, "GET", "/accounts").await),
        masked(&asks(&stranger, "POST", "/.portcullis/sign-in/password").await),
    ];
    let (unlocked, open) = other.call_as(&handle, "GET", "/api/me", "").await;
    let locked = program.cli(&["person", "lock", "bank/anna", "--why", "a holiday", "--yes"]);
    assert!(locked.status.success(), "{locked:?}");
    let after = [
        masked(&asks(&stranger, "GET", "/accounts").await),
        masked(&asks(&stranger, "POST", "/.portcullis/sign-in/password").await),
    ];
    assert_eq!(before, after);
    let (still, shut) = other.call_as(&handle, "GET", "/api/me", "").await;
    let without_time = |mut answer: serde_json::Value| {
        answer.as_object_mut().unwrap().remove("now");
        mask(&answer.to_string())
    };
    assert_eq!((unlocked, without_time(open)), (still, without_time(shut)));
    assert_eq!(phone.call("GET", "/api/me", "").await.0, 403, "the phone itself is told");
    assert_eq!(client.open("/").await.status, 403);
    println!("{compared} answers compared");
}

/// Each guess of a password costs one Argon2, right or wrong, short or long; and all wrong ones get the same
/// bytes.
#[tokio::test(flavor = "multi_thread")]
async fn each_guess_costs_the_same_work_and_gets_the_same_bytes() {
    let gate = Gate::open().await;
    let laptop = anna(&gate).await;
    gate.settle(&laptop).await;
    let file = gate.folder.path().join("portcullis.toml");
    let ops = format!("127.0.0.1:{}", gate.port + 1);
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("[listen]\n", &format!("[listen]\nops = \"{ops}\"\n"))).unwrap();
    let program = Program::instead_of(gate).await;

    let long = "x".repeat(300);
    let mut told = Vec::new();
    for guess in ["", "w", &PASSWORD[1..], "Pebble orchard seventeen kites", &long, "\u{fffd}\u{1f512}"] {
        // The person's count is taken back in between, or the fifth would be the last.
        assert!(program.cli(&["person", "unlock", "bank/anna"]).status.success());
        let client = program.browser("bank", &laptop);
        let form = client.open("/").await.form("/password");
        let before = hashes(&ops).await;
        let pairs = [form.hidden, vec![("password".to_owned(), guess.to_owned())]].concat();
        let answer = client.send(client.posting(&form.action, &pairs)).await;
        assert_eq!(answer.status, 422, "{guess:?}: {}", answer.text());
        assert_eq!(hashes(&ops).await - before, 1, "{guess:?}");
        told.push(masked(&answer));
    }
    assert!(told.iter().all(|one| *one == told[0]), "{told:?}");
    let client = program.browser("bank", &laptop);
    let page = client.open("/").await;
    let before = hashes(&ops).await;
    client.submit(&page, "/password", &[("password", PASSWORD)]).await;
    assert_eq!(hashes(&ops).await - before, 1, "the right one");
    assert_eq!((program.told_of("password.wrong"), program.told_of("password.right")), (6, 1));
}

/// How often the gate computed Argon2, by its own metric.
async fn hashes(ops: &str) -> u64 {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(ops).await.unwrap();
    let request = format!("GET /metrics HTTP/1.1\r\nHost: {ops}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let line = text.lines().find(|line| line.starts_with("portcullis_password_hashes_total ")).unwrap();
    line.rsplit(' ').next().unwrap().parse().unwrap()
}
