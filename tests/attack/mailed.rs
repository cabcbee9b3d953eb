//! What goes by mail when a .p12 is handed over: the file, or the link, and the password never. The oracle is what a
//! real mail server received.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use portcullis::domain::person::Role;
use portcullis::notify::{About, Notice};
use serde_json::Value;

use crate::handover::Link;
use crate::links::{MailServer, configure_mail};
use crate::support::browser::Browser;
use crate::support::ca::opened;
use crate::support::desk::*;
use crate::support::gate::Gate;
use crate::support::page::Page;
use crate::support::program::Program;

/// M-07. Every way by which the desk and the command line hand a file over, with a mail server that keeps all: the file
/// opens under the password that the operator read, the link leads to one, and no message holds a password, nor does a
/// page that could be sent on by a click.
#[tokio::test(flavor = "multi_thread")]
async fn the_password_never_goes_by_mail() {
    let gate = Gate::open().await;
    gate.person("bank", "anna", "Anna Muster", &[]).await;
    let operator = staff(&gate, "otto", "Otto Operator", &[Role::Operator]).await;
    let folder = gate.folder.path().to_owned();
    let port = gate.port + 1;
    let Some(server) = MailServer::start(&folder, port) else { return };
    configure_mail(&folder, port, "mail.pem");
    let mut program = Program::instead_of(gate).await;
    let mut passwords = Vec::new();
    let mut pages = Vec::new();

    // The file by mail: the page holds the password and no file.
    let page =
        hands_over(&operator, "/devices/bank/anna/new", &[("device", "laptop"), ("way", "mail")]).await;
    page.must_say("The file is on its way to Anna Muster");
    let password = shown(&page);
    assert!(!page.html.contains("x-pkcs12"), "the file is on the page too");
    let message = &server.messages(1)[0];
    let (file, name) = attached(message);
    assert_eq!(name, "anna-laptop.p12");
    opened(&file, &password);
    assert!(crate::openssl::p12_info(&file, &password).contains("AES-256"));
    passwords.push(password);
    pages.push(page);
    assert_eq!(program.told_of("delivery.mailed"), 1);

    // The link by mail: the page holds the password and no link.
    let fields = [("device", "tablet"), ("way", "link"), ("mail_link", "yes")];
    let page = hands_over(&operator, "/devices/bank/anna/new", &fields).await;
    page.must_say("The link is on its way to Anna Muster");
    assert!(!page.html.contains("/deliver/"), "the link is on the page too");
    let password = shown(&page);
    let message = readable(&server.messages(2)[1]);
    let address = message.split_whitespace().find(|word| word.starts_with("https://start.")).unwrap();
    let link = Link::at(&program, address, &password);
    let answer = link.pressed(&program.stranger("start"), &password, "linux").await;
    opened(&answer.body, &password);
    passwords.push(password);
    pages.push(page);

    // The link to pass on, the file to take along, a renewal by mail, the same from the command line.
    let fields = [("device", "phone"), ("way", "link")];
    let page = hands_over(&operator, "/devices/bank/anna/new", &fields).await;
    page.must_say("Pass on this link to Anna Muster");
    passwords.push(shown(&page));
    pages.push(page);
    let page = hands_over(&operator, "/devices/bank/anna/new", &[("device", "old"), ("way", "hand")]).await;
    assert!(page.html.contains("data:application/x-pkcs12;base64,"));
    passwords.push(shown(&page));
    pages.push(page);
    let person = operator.open("/people/bank/anna").await;
    let renew = person.html.split("href=\"").find(|rest| rest.contains("/renew\"")).unwrap();
    let renew = renew.split('"').next().unwrap().to_owned();
    let fields = [("way", "mail"), ("encoding", "compatible")];
    let page = hands_over(&operator, &renew, &fields).await;
    page.must_say("The file is on its way to Anna Muster");
    let password = shown(&page);
    // Beside the file comes a notice that another certificate was made; the two in any order.
    let messages = server.messages(4);
    let file = messages[2..].iter().find(|one| one["text"].as_str().unwrap().contains("x-pkcs12")).unwrap();
    opened(&attached(file).0, &password);
    passwords.push(password);
    pages.push(page);
    for arguments in [
        &["device", "issue", "bank/anna", "--name", "desk", "--mail"][..],
        &["device", "renew", "bank/anna/desk", "--mail"],
        &["device", "deliver", "bank/anna/desk", "--mail"],
    ] {
        let told = program.json(arguments);
        assert_eq!(told["mailed_to"], "anna@bank.example");
        assert!(told.get("file").is_none() && told.get("link").is_none(), "both go the same way: {told}");
        passwords.push(told["import_password"].as_str().unwrap().to_owned());
    }
    // Six handed over, and two notices of a renewal.
    let messages = server.messages(8);
    assert_eq!(messages.len(), 8);

    // Without a way nothing is issued.
    let issued = program.told_of("certificate.issued");
    for way in ["", "password", "mail,hand"] {
        let page = hands_over(&operator, "/devices/bank/anna/new", &[("device", "none"), ("way", way)]).await;
        page.must_say("Please choose first");
    }
    assert_eq!(program.told_of("certificate.issued"), issued);

    let handed = messages.iter().filter(|one| readable(one).contains("never comes by mail"));
    assert_eq!(handed.count(), 6);
    for message in &messages {
        assert_eq!(message["tls"], true, "in clear");
        assert_eq!(message["to"], serde_json::json!(["anna@bank.example"]));
        let raw = message["text"].as_str().unwrap();
        let text = readable(message);
        assert!(text.contains("+41 44 555 01 77"), "{text}");
        for password in &passwords {
            let bare = password.replace('-', "");
            let coded = data_encoding::BASE64.encode(password.as_bytes());
            let groups: Vec<&str> = password.split('-').collect();
            for secret in [password.as_str(), &bare, &coded, groups[0], groups[3]] {
                assert!(
                    !text.contains(secret) && !raw.contains(secret),
                    "a password is in a message: {text}"
                );
            }
        }
    }
    for page in &pages {
        assert!(!page.html.to_lowercase().contains("mailto:"), "a click would mail it");
    }
    assert_eq!(program.stop(), Some(0));
    let queued = program.kept::<Notice>().await;
    let told = |one: &Notice| matches!(one.about, About::CertificateRenewed { .. });
    assert!(queued.iter().all(told), "nothing of it is queued");
}

/// A-20, M-07. A mail server without STARTTLS, and one that nobody vouches for, get neither file nor link; the operator is
/// told, and has both.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_tls_gets_no_file() {
    let gate = Gate::open().await;
    gate.person("bank", "anna", "Anna Muster", &[]).await;
    let operator = staff(&gate, "otto", "Otto Operator", &[Role::Operator]).await;
    let folder = gate.folder.path().to_owned();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(folder.join("other.pem"), made.cert.pem()).unwrap();
    let (port, heard) = plain_server();
    configure_mail(&folder, port, "other.pem");
    let mut program = Program::instead_of(gate).await;

    let out = program.cli(&["--json", "device", "issue", "bank/anna", "--name", "laptop", "--mail"]);
    assert_eq!(out.status.code(), Some(1), "{out:?}");
    let told: Value = serde_json::from_slice(&out.stdout).unwrap();
    assert!(told["not_mailed"].as_str().is_some_and(|why| !why.is_empty()), "{told}");
    let file = std::fs::read(folder.join(told["file"].as_str().unwrap())).unwrap();
    opened(&file, told["import_password"].as_str().unwrap());
    let page =
        hands_over(&operator, "/devices/bank/anna/new", &[("device", "tablet"), ("way", "mail")]).await;
    page.must_say("The file was not sent");
    assert!(page.html.contains("data:application/x-pkcs12;base64,"), "and it can be saved");
    let fields = [("device", "phone"), ("way", "link"), ("mail_link", "yes")];
    let page = hands_over(&operator, "/devices/bank/anna/new", &fields).await;
    page.must_say("The link was not sent").must_say("Pass on this link");
    assert_eq!(program.told_of("delivery.not-mailed"), 3);
    assert_eq!(program.told_of("delivery.mailed") + program.told_of("delivery.link-mailed"), 0);
    let heard = heard.lock().unwrap().clone();
    assert!(heard.len() >= 3, "it was asked: {heard:?}");
    assert!(heard.iter().all(|line| line.starts_with("EHLO") || line.starts_with("QUIT")), "{heard:?}");
    assert_eq!(program.stop(), Some(0));
}

/// Where the operator wrote that the server has no TLS, it gets what it is given, and `doctor` says who reads it. No
/// password goes there, neither the import password nor one of ours.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_tls_is_used_where_it_is_written_so() {
    let gate = Gate::open().await;
    gate.person("bank", "anna", "Anna Muster", &[]).await;
    let folder = gate.folder.path().to_owned();
    let (port, heard) = plain_server();
    let file = folder.join("portcullis.toml");
    let before = std::fs::read_to_string(&file).unwrap();
    let write = |mail: &str| std::fs::write(&file, format!("{before}\n[mail]\n{mail}")).unwrap();
    let from = "from = \"Bank Muster <gate@bank.example>\"\n";
    let plain = format!("smtp = \"smtp://localhost:{port}\"\ntls = \"none\"\n{from}");
    write(&plain);
    let mut program = Program::instead_of(gate).await;
    let told = program.json(&["device", "issue", "bank/anna", "--name", "laptop", "--mail"]);
    assert_eq!(told["mailed_to"], "anna@bank.example", "{told}");
    let lines = heard.lock().unwrap().clone();
    assert!(lines.iter().any(|line| line.starts_with("Content-Type: application/x-pkcs12")), "{lines:?}");
    let password = told["import_password"].as_str().unwrap();
    assert!(!lines.iter().any(|line| line.contains(password)));
    let doctor = program.cli(&["doctor"]);
    let words = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(words.contains("heed  mail") && words.contains("in clear"), "{words}");
    assert_eq!(program.stop(), Some(0));

    for (mail, why) in [
        (plain.replace("none", "no"), "`tls` is \"none\""),
        (plain.replace("smtp://", "smtps://"), "do not go together"),
        (plain.replace("smtp://", "smtp://gate@"), "a password would leave in clear"),
        (format!("{plain}ca_file = \"ca.pem\"\n"), "do not go together"),
        (format!("{plain}password_file = \"secret\"\n"), "a password would leave in clear"),
    ] {
        write(&mail);
        let refused = program.cli(&["tenant", "list"]);
        let words = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && words.contains(why), "{mail}: {words}");
    }
}

/// The desk's page, filled in.
async fn hands_over(operator: &Browser, path: &str, fields: &[(&str, &str)]) -> Page {
    let page = operator.open(path).await;
    assert_eq!(page.status, 200, "{}", page.words());
    page.must_say("How it reaches its owner");
    operator.submit(&page, path, fields).await
}

/// The import password on a page.
fn shown(page: &Page) -> String {
    let text = page.html.split("id=\"import-password\">").nth(1).unwrap().split("</p>").next().unwrap();
    let password = crate::support::page::words(text);
    assert_eq!(password.len(), 23, "{password}");
    password
}

/// A message with its lines joined as a mail program joins them.
fn readable(message: &Value) -> String {
    message["text"].as_str().unwrap().replace("=\r\n", "").replace("=3D", "=")
}

/// The attachment and its name.
fn attached(message: &Value) -> (Vec<u8>, String) {
    let text = message["text"].as_str().unwrap();
    let part = text.split("Content-Disposition: attachment;").nth(1).expect("an attachment");
    let name = part.split("filename=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let body = part.split_once("\r\n\r\n").unwrap().1;
    let body: String = body.lines().take_while(|line| !line.starts_with("--")).collect();
    (data_encoding::BASE64.decode(body.trim().as_bytes()).unwrap(), name)
}

/// A mail server that offers no TLS, and every line it was told.
fn plain_server() -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard: Arc<Mutex<Vec<String>>> = Arc::default();
    let kept = Arc::clone(&heard);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let kept = Arc::clone(&kept);
            std::thread::spawn(move || {
                let _ = stream.write_all(b"220 localhost ESMTP\r\n");
                let mut in_message = false;
                for line in BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok) {
                    kept.lock().unwrap().push(line.clone());
                    in_message = (in_message || line == "DATA") && line != ".";
                    match (in_message, line.as_str()) {
                        (true, "DATA") => stream.write_all(b"354 go on\r\n").unwrap_or_default(),
                        (true, _) => {}
                        (false, _) => stream.write_all(b"250 localhost\r\n").unwrap_or_default(),
                    }
                }
            });
        }
    });
    (port, heard)
}
