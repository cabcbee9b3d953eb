//! Links that open something once, and links in messages. The one link that opens anything is the square's; no
//! message holds any. The oracle is the store, and what a real mail server received.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use portcullis::domain::phone::Phone as PairedPhone;
use serde_json::Value;

use crate::squares::{code, square};
use crate::support::PASSWORD;
use crate::support::browser::Browser;
use crate::support::desk::*;
use crate::support::gate::{Gate, Handed};
use crate::support::program::{Program, Start};
use crate::support::skipped::skipped;

/// The link that pairs a phone: raced, after a newer one, for somebody else, after it was used, and nowhere to be
/// found but on the screen. There are no other links: a password is reset and a .p12 delivered by none yet. That it
/// ends after five minutes shows `squares`.
#[tokio::test(flavor = "multi_thread")]
async fn the_pairing_link_opens_once_and_lies_nowhere() {
    let gate = Gate::open().await;
    let agent = sam(&gate).await;
    let laptop = anna(&gate).await;
    gate.person("bank", "berta", "Berta Beispiel", &[]).await;
    let hers = gate.device("bank", "berta", "laptop").await;
    let loud = vec![("PORTCULLIS_LOG".to_owned(), "trace".to_owned())];
    let mut program = Program::started_so(gate, Start { environment: loud, ..Start::default() }).await;
    let (client, page) = square(&program, &agent, &laptop).await;
    assert_eq!(page.answer.header("referrer-policy"), "same-origin");
    assert_eq!(page.answer.header("cache-control"), "no-store");
    let mut links = vec![page.pairing_link()];

    // Twenty phones at once: none of them is paired, and at most one was heard.
    let phones: Vec<_> = (0..20).map(|_| program.phone()).collect();
    let answers = join_all(phones.iter().map(|phone| phone.begin(&links[0]))).await;
    let heard = answers.iter().filter(|(status, _)| *status == 200).count();
    assert_eq!((heard, program.told_of("pairing.begun")), (1, 1));
    assert_eq!(program.told_of("pairing.contested"), 1);

    // A newer one makes the older void, and another person's secret opens nothing of Anna's.
    let page = client.open("/.portcullis/sign-in/").await;
    let page = client.submit(&page, "/square", &[]).await;
    links.push(page.pairing_link());
    let page = client.submit(&page, "/square", &[]).await;
    links.push(page.pairing_link());
    assert_eq!(code(program.phone().begin(&links[1]).await), "gone");
    let bertas = program.browser("bank", &hers);
    let her_page = bertas.open("/").await;
    calls_support_as("berta", &agent, &bertas, &her_page).await;
    let her_link = bertas.open("/.portcullis/sign-in/").await.pairing_link();
    let (front, _) = links[2].rsplit_once('.').unwrap();
    let (_, her_secret) = her_link.rsplit_once('.').unwrap();
    assert_eq!(code(program.phone().begin(&format!("{front}.{her_secret}")).await), "gone");
    links.push(her_link);

    // Used, and after signing in by it.
    let phone = program.phone();
    let page = pairs(&client, &phone, &page).await;
    assert_eq!(code(program.phone().begin(&links[2]).await), "gone");
    chooses_password(&client, &page, PASSWORD).await.must_say("the bank's own page");
    assert_eq!(code(program.phone().begin(&links[2]).await), "gone");
    assert_eq!(code(phone.begin(&links[2]).await), "gone", "its own phone neither");

    // Where it must not be: requests to the backend, the log at its loudest, any file of the data folder.
    let log = program.log();
    assert!(log.contains("DEBUG"), "the log is silent");
    assert_eq!(program.stop(), Some(0));
    assert_eq!(program.kept::<PairedPhone>().await.len(), 1);
    let mut searched = 0;
    for link in &links {
        let secret = link.rsplit_once('.').unwrap().1;
        assert!(secret.len() * 5 >= 128);
        assert!(!program.backend.text().contains(secret) && !log.contains(secret), "the link is in a log");
        searched += must_not_hold(&program.folder.path().join("data"), secret.as_bytes());
        searched += must_not_hold(&program.folder.path().join("data"), secret.to_uppercase().as_bytes());
    }
    assert!(searched > 8, "{searched} files were searched");
}

/// Looks into every file below. How many there were.
pub(crate) fn must_not_hold(folder: &Path, secret: &[u8]) -> usize {
    let mut files = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files += must_not_hold(&path, secret);
        } else if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            let found = bytes.windows(secret.len()).any(|part| part == secret);
            assert!(!found, "the secret lies in {}", path.display());
            files += 1;
        }
    }
    files
}

/// A mail server, and what it got.
pub(crate) struct MailServer {
    child: Child,
    kept: std::path::PathBuf,
}

impl MailServer {
    /// With STARTTLS under a certificate of its own; `None`, said aloud, where it cannot be had.
    pub(crate) fn start(folder: &Path, port: u16) -> Option<Self> {
        let has = |python: &&str| {
            let asked = Command::new(python).args(["-c", "import aiosmtpd"]).stderr(Stdio::null()).status();
            asked.is_ok_and(|status| status.success())
        };
        let Some(python) = ["python3", "/usr/bin/python3"].into_iter().find(has) else {
            skipped("A-20, M-07: aiosmtpd is not installed (apt install python3-aiosmtpd)");
            return None;
        };
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(folder.join("mail.pem"), made.cert.pem()).unwrap();
        std::fs::write(folder.join("mail.key"), made.signing_key.serialize_pem()).unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/attack/smtp.py");
        let kept = folder.join("mail.jsonl");
        let mut command = Command::new(python);
        command
            .arg(script)
            .arg(port.to_string())
            .args(["mail.pem", "mail.key"].map(|file| folder.join(file)));
        let child = command.arg(&kept).stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let begun = Instant::now();
        while std::net::TcpStream::connect(("localhost", port)).is_err() {
            assert!(begun.elapsed() < crate::support::PATIENCE, "the mail server does not come up");
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(Self { child, kept })
    }

    /// Waits for so many messages.
    pub(crate) fn messages(&self, wanted: usize) -> Vec<Value> {
        let begun = Instant::now();
        loop {
            let text = std::fs::read_to_string(&self.kept).unwrap_or_default();
            if text.lines().count() >= wanted {
                return text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            }
            assert!(begun.elapsed() < crate::support::PATIENCE, "{wanted} messages were to come: {text}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What poisoned requests say, beside a right Host.
const POISON: &[(&str, &str)] = &[
    ("x-forwarded-host", "evil.example"),
    ("x-forwarded-server", "evil.example"),
    ("x-forwarded-port", "6666"),
    ("x-forwarded-proto", "http"),
    ("x-forwarded-for", "203.0.113.66"),
    ("x-host", "evil.example"),
    ("x-original-host", "evil.example"),
    ("x-http-host-override", "evil.example"),
    ("x-rewrite-url", "https://evil.example/"),
    ("forwarded", "for=203.0.113.66;host=evil.example;proto=http"),
    ("referer", "https://evil.example/"),
];

/// A whole first visit whose every request names another host wherever it can: what reaches the person's mailbox,
/// over STARTTLS, and what stands on the screens names ours; and no message holds a link at all.
#[tokio::test(flavor = "multi_thread")]
async fn no_request_says_where_a_link_leads() {
    let gate = Gate::open().await;
    let agent = sam(&gate).await;
    let laptop = anna(&gate).await;
    let folder = gate.folder.path().to_owned();
    let port = gate.port + 1;
    let Some(server) = MailServer::start(&folder, port) else { return };
    configure_mail(&folder, port, "mail.pem");
    let mut program = Program::instead_of(gate).await;

    let client = program.browser("bank", &laptop);
    for (name, value) in POISON {
        client.always_says(name, value);
    }
    let before = program.told_of("session.began");
    // The Host itself, an absolute target, both: turned away, and nobody is told anything.
    for (host, target) in [
        ("evil.example", "/"),
        ("bank.localhost.evil.example", "/"),
        ("bank.localhost:6666", "/"),
        ("bank.localhost@evil.example", "/"),
        ("evil.example", "https://evil.example/"),
        (client.host.as_str(), "https://evil.example/"),
    ] {
        let answer = misdirected(&client, host, target).await;
        assert!([400, 421].contains(&answer), "{host} {target}: {answer}");
    }
    assert_eq!(program.told_of("session.began"), before);

    let page = client.open("/").await;
    let page = calls_support(&agent, &client, &page).await;
    let link = page.pairing_link();
    assert!(link.starts_with(&format!("https://{}/pair#", program.host("phone"))), "{link}");
    must_be_clean("the page with the square", &page.html);
    let phone = program.phone();
    let page = pairs(&client, &phone, &page).await;
    chooses_password(&client, &page, PASSWORD).await.must_say("the bank's own page");
    let question = asks_again(&client, &phone).await;
    assert_eq!(question["host"], program.host("bank"));
    assert_eq!(question["address"], "127.0.0.1");
    must_be_clean("the question on the phone", &question.to_string());
    assert_eq!(phone.not_me(&question).await.0, 200);

    // Released, paired, password, not me.
    let messages = server.messages(4);
    assert_eq!(messages.len(), 4, "{messages:?}");
    for message in &messages {
        assert_eq!(message["tls"], true, "in clear: {message}");
        assert_eq!(message["to"], serde_json::json!(["anna@bank.example"]));
        let text = message["text"].as_str().unwrap();
        must_be_clean("a message", text);
        assert!(!text.contains("http") && !text.contains("href") && !text.contains("localhost:"), "{text}");
        assert!(text.contains("+41 44 555 01 77"), "whom to call: {text}");
    }
    // A stop waits for what is under way.
    assert_eq!(program.stop(), Some(0));
    assert_eq!(program.told_of("notice.sent"), 4);
}

fn must_be_clean(what: &str, text: &str) {
    for poison in ["evil.example", "203.0.113.66", "6666"] {
        assert!(!text.contains(poison), "{poison} stands in {what}: {text}");
    }
}

/// Signs out and comes back, up to the question on the phone.
async fn asks_again(client: &Browser, phone: &crate::support::phone::Phone) -> Value {
    client.send(client.posting("/.portcullis/sign-out", &[])).await;
    let page = client.open("/").await;
    let page = client.submit(&page, "/password", &[("password", PASSWORD)]).await;
    page.must_say("Type this number on your phone");
    phone.question().await
}

pub(crate) fn configure_mail(folder: &Path, port: u16, ca: &str) {
    let file = folder.join("portcullis.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let mail = format!(
        "\n[mail]\nsmtp = \"smtp://localhost:{port}\"\nca_file = \"{ca}\"\nfrom = \"Bank Muster <gate@bank.example>\"\n"
    );
    std::fs::write(&file, text + &mail).unwrap();
}

/// A request line and a Host that no client library would send. Its status.
async fn misdirected(client: &Browser, host: &str, target: &str) -> u16 {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut tls = client.wire.tls("bank.localhost", "http/1.1").await.unwrap();
    let request = format!(
        "GET {target} HTTP/1.1\r\nHost: {host}\r\nAccept: text/html\r\nSec-Fetch-Mode: navigate\r\n\
         Connection: close\r\n\r\n"
    );
    tls.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A server that refuses may close without saying so in TLS.
    let read = tokio::time::timeout(crate::support::PATIENCE, tls.read_to_end(&mut answer));
    let _ = read.await.expect("an end");
    let text = String::from_utf8_lossy(&answer);
    text.split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .unwrap_or_else(|| panic!("{host}: {text:?}"))
}

/// A mail server that nobody vouches for gets no message, and none is lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_false_mail_server_gets_nothing() {
    let gate = Gate::open().await;
    let agent = sam(&gate).await;
    let laptop: Handed = anna(&gate).await;
    let folder = gate.folder.path().to_owned();
    let port = gate.port + 1;
    let Some(server) = MailServer::start(&folder, port) else { return };
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(folder.join("other.pem"), other.cert.pem()).unwrap();
    configure_mail(&folder, port, "other.pem");
    let mut program = Program::instead_of(gate).await;
    square(&program, &agent, &laptop).await;
    let begun = Instant::now();
    while program.told_of("notice.failed") == 0 {
        assert!(begun.elapsed() < crate::support::PATIENCE, "nothing was tried");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(program.told_of("notice.sent"), 0);
    assert!(server.messages(0).is_empty());
    assert_eq!(program.stop(), Some(0));
    assert_eq!(program.kept::<portcullis::notify::Notice>().await.len(), 1, "it waits to be tried again");
}
