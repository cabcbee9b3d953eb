//! Secrets of a whole life, looked for in all that the program leaves behind: its log at TRACE, its data
//! folder, its audit trail, its error pages, what `/proc` shows of it, a core dump.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;

use axum::body::Body;
use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER, HEXUPPER};
use http::Request;

use crate::support::PASSWORD;
use crate::support::browser::{Browser, navigation};
use crate::support::ca::opened;
use crate::support::desk::*;
use crate::support::gate::Gate;
use crate::support::laid_out::PASSPHRASE;
use crate::support::lost::types_recovery_code;
use crate::support::program::{Program, Start};
use crate::support::settings::{agrees, asks, downloads, import_password};

/// M-06. Twenty and more secrets, none of them anywhere.
#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_left_behind() {
    let mut canaries = Canaries::default();
    let gate = Gate::open().await;
    let agent = sam(&gate).await;
    let laptop = anna(&gate).await;
    mail(&gate, &mut canaries);
    let start = Start {
        under: ["prlimit", "--core=unlimited"].map(str::to_owned).to_vec(),
        environment: vec![("PORTCULLIS_LOG".to_owned(), "trace".to_owned())],
        ..Start::default()
    };
    let mut program = Program::started_so(gate, start).await;
    let mut pages = Vec::new();

    canaries.plant("the passphrase of the CA", PASSPHRASE);
    canaries.plant("the password of an agent", PASSWORD);
    canaries.plant("the cookie of an agent", &agent.cookie().unwrap());
    canaries.plant("an import password", &laptop.import_password);
    canaries.plant_bytes("a .p12", &laptop.p12[..64]);
    canaries.plant_bytes("a client's key", &laptop.identity.key[36..68]);
    let issued = program.json(&["device", "issue", "bank/anna", "--name", "tablet"]);
    canaries.plant("an import password of the command line", issued["import_password"].as_str().unwrap());
    let file = program.folder.path().join(issued["file"].as_str().unwrap());
    canaries.plant_bytes("a .p12 of the command line", &std::fs::read(file).unwrap()[..64]);
    for (what, name) in [("the pepper", "pepper"), ("the key of the JWTs", "jwt.key")] {
        let text = std::fs::read_to_string(program.config.data.join(name)).unwrap();
        match pem::parse(&text) {
            Ok(block) => canaries.plant_bytes(what, &block.contents()[36..68]),
            Err(_) => canaries.plant_bytes(what, &HEXLOWER.decode(text.trim().as_bytes()).unwrap()),
        }
    }

    let (client, phone, codes) = {
        let client = program.browser("bank", &laptop);
        let page = client.open("/").await;
        canaries.plant("the cookie before the release", &client.cookie().unwrap());
        canaries.plant_digits("a code", &page.digits());
        canaries.plant_digits("a wrong code", "271828");
        pages.push(types_code(&agent, "anna", "271828").await.html);
        let page = calls_support(&agent, &client, &page).await;
        canaries.plant("the cookie before the pairing", &client.cookie().unwrap());
        canaries.plant("the pairing's secret", page.pairing_link().rsplit('.').next().unwrap());
        let phone = program.phone();
        let page = pairs(&client, &phone, &page).await;
        canaries.plant("a password that is too short", "kite7x9");
        client.submit(&page, "/new-password", &[("password", "kite7x9")]).await;
        canaries.plant("the client's password", CLIENTS);
        let page = client.submit(&page, "/new-password", &[("password", CLIENTS)]).await;
        let codes = page.recovery_codes();
        for (n, code) in codes.iter().enumerate() {
            canaries.plant(&format!("recovery code {}", n + 1), code);
            canaries.plant(&format!("recovery code {} as it is kept", n + 1), &code.replace('-', ""));
        }
        puts_away(&client, &page).await.must_say("the bank's own page");
        (client, phone, codes)
    };
    canaries.plant("the session's cookie", &client.cookie().unwrap());
    speak_to_the_backend(&program, &client, &mut canaries).await;
    pages.push(elsewhere(&client).await);

    let again = client.another();
    let page = again.open("/accounts").await;
    canaries.plant("the cookie of a second sign-in", &again.cookie().unwrap());
    canaries.plant("a wrong password", "tundra wicker novel plinth");
    let wrong = again.submit(&page, "/password", &[("password", "tundra wicker novel plinth")]).await;
    wrong.must_say("That was not your password");
    let page = again.submit(&wrong, "/password", &[("password", CLIENTS)]).await;
    canaries.plant("the cookie before the approval", &again.cookie().unwrap());
    canaries.plant_digits("the digits of an approval", &page.digits());
    let asked = phone.question().await;
    canaries.plant_digits("wrong digits", "314159");
    let (status, refused) = phone.approve(&asked, "314159").await;
    assert_ne!(status, 200, "{refused}");
    pages.push(refused.to_string());
    pages.push(wrong.html);
    let (status, answer) = phone.approve(&phone.question().await, &page.digits()).await;
    assert_eq!(status, 200, "{answer}");
    again.open("/.portcullis/sign-in/").await;
    canaries.plant("the cookie of a signed-in session", &again.cookie().unwrap());
    // A certificate that the client makes for themselves.
    let waiting = asks(&again, "linux", "auto").await;
    canaries.plant_digits("the digits of a renewal", &waiting.digits());
    let ready = agrees(&again, &phone, &waiting).await;
    canaries.plant("the cookie after a renewal's approval", &again.cookie().unwrap());
    let import = import_password(&ready);
    canaries.plant("an import password in the settings", &import);
    let file = downloads(&again, &ready).await;
    canaries.plant_bytes("a .p12 of the settings", &file.body[..64]);
    canaries.plant_bytes("a renewed key", &opened(&file.body, &import).key[36..68]);
    // A phone that is lost, and a recovery code that is typed for another.
    let lost = client.another();
    let page = lost.open("/accounts").await;
    let page = lost.submit(&page, "/password", &[("password", CLIENTS)]).await;
    canaries.plant_digits("the digits that nobody types", &page.digits());
    canaries.plant("a wrong recovery code", "kzqw-vbnm-plok-jhgf");
    pages.push(types_recovery_code(&lost, "kzqw-vbnm-plok-jhgf").await.html);
    let page = types_recovery_code(&lost, &codes[7]).await;
    canaries.plant("the secret that pairs another phone", page.pairing_link().rsplit('.').next().unwrap());
    for path in ["/.portcullis/nothing", "/%00", "/%2e%2e/x"] {
        pages.push(client.send(navigation(path)).await.text());
    }

    assert!(canaries.0.len() >= 25, "{} secrets", canaries.0.len());
    let trail = program.cli(&["--json", "audit", "list", "--last", "10000"]).stdout;
    let (environ, line) = of_process(program.pid());
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", program.pid())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
    let status = program.abort();
    assert!(!status.core_dumped() && status.signal() == Some(6), "{status:?}");

    let log = without_times(&program.log());
    assert!(log.contains("\"DEBUG\"") && log.contains("request refused"), "it speaks at its lowest: {log}");
    assert!(String::from_utf8_lossy(&trail).contains("device.released"));
    // The program hides its environment from its own user; root sees it all the same.
    let hidden = environ.is_empty() && !rustix::process::getuid().is_root();
    assert!(hidden || String::from_utf8_lossy(&environ).contains("PORTCULLIS_LOG=trace"));
    let mut places = BTreeMap::from([
        ("the log".to_owned(), log.into_bytes()),
        ("the audit trail".to_owned(), without_times(&String::from_utf8_lossy(&trail)).into_bytes()),
        ("/proc/PID/environ".to_owned(), environ),
        ("/proc/PID/cmdline".to_owned(), line),
        ("the error pages".to_owned(), pages.join("\n").into_bytes()),
    ]);
    look(&program.config.data, &mut places);
    let access = places.iter().find(|(place, _)| place.ends_with("/access.log")).expect("an access log").1;
    assert!(access.iter().filter(|byte| **byte == b'\n').count() > 50, "{}", String::from_utf8_lossy(access));
    assert!(places.len() > 10, "{:?}", places.keys());
    println!("{} secrets, {} places", canaries.0.len(), places.len());
    assert_eq!(canaries.found_in(&places), Vec::<String>::new());

    // What would be found is found.
    let mut control = canaries;
    control.plant("control", "request refused");
    let told = control.found_in(&places);
    assert!(told.iter().any(|one| one.contains("control in the log")), "{told:?}");
}

/// What the search would find: each way of writing a secret down.
#[test]
fn the_search_finds_what_is_there() {
    let secret = "pebble/orchard+seven";
    let mut canaries = Canaries::default();
    canaries.plant("a secret", secret);
    canaries.plant_digits("a code", "123456");
    let shifted = BASE64.encode(format!("x{secret}yz").as_bytes());
    for text in [
        secret.to_owned(),
        HEXLOWER.encode(secret.as_bytes()),
        HEXUPPER.encode(secret.as_bytes()),
        BASE64URL_NOPAD.encode(secret.as_bytes()),
        shifted,
        "pebble%2Forchard%2Bseven".to_owned(),
        "code 123456.".to_owned(),
    ] {
        let places = BTreeMap::from([("here".to_owned(), format!("before {text} after").into_bytes())]);
        assert_eq!(canaries.found_in(&places).len(), 1, "{text}");
    }
    let places = BTreeMap::from([("here".to_owned(), b"1234567 0123456 a123456 orchard".to_vec())]);
    assert_eq!(canaries.found_in(&places), Vec::<String>::new());
}

/// The gate with a mail server that does not answer, and a password for it.
fn mail(gate: &Gate, canaries: &mut Canaries) {
    let password = "mail-osprey-lantern-42";
    canaries.plant("the password of the mail server", password);
    let folder = gate.folder.path();
    portcullis::config::secrets::write_new(&folder.join("mail-password"), password.as_bytes()).unwrap();
    let mut text = std::fs::read_to_string(folder.join("portcullis.toml")).unwrap();
    text.push_str("[mail]\nsmtp = \"smtp://gate@127.0.0.1:9\"\npassword_file = \"mail-password\"\n");
    text.push_str("from = \"Bank Muster <gate@bank.example>\"\n");
    text.push_str("[access_log]\nfile = \"data/access.log\"\n");
    std::fs::write(folder.join("portcullis.toml"), text).unwrap();
}

/// What passes through to the backend is nobody's to keep either.
async fn speak_to_the_backend(program: &Program, client: &Browser, canaries: &mut Canaries) {
    canaries.plant("a bearer token for the backend", "bearer-quokka-8812-lantern");
    canaries.plant("a cookie of the backend", "theirs-wombat-5521-anchor");
    canaries.plant("a form for the backend", "form-narwhal-9917-pillow");
    canaries.plant("a token in an address", "query-axolotl-3345-barrel");
    client.set_cookie("theirs", "theirs-wombat-5521-anchor");
    let request = || {
        let mut request = Request::post("/accounts?token=query-axolotl-3345-barrel")
            .header("authorization", "Bearer bearer-quokka-8812-lantern")
            .header("origin", client.origin())
            .body(Body::from("note=form-narwhal-9917-pillow"))
            .unwrap();
        client.dress(&mut request);
        request
    };
    assert_eq!(client.wire.h1("bank.localhost").await.send_request(request()).await.unwrap().status(), 200);
    let mut over_h2 = request();
    over_h2.headers_mut().remove("host");
    *over_h2.uri_mut() = format!("{}{}", client.origin(), over_h2.uri()).parse().unwrap();
    assert_eq!(client.wire.h2("bank.localhost").await.send_request(over_h2).await.unwrap().status(), 200);
    assert_eq!(program.backend.text().matches("bearer-quokka-8812-lantern").count(), 2);
    let assertion = program.backend.header("portcullis-assertion").expect("who it is");
    canaries.plant("the JWT for the backend", assertion.rsplit('.').next().unwrap());
}

/// The cookie without its certificate: a refusal.
async fn elsewhere(client: &Browser) -> String {
    let answer = client.stolen_by(None).send(navigation("/accounts")).await;
    assert!(answer.status.is_client_error(), "{}", answer.status);
    answer.text()
}

/// Secrets and what each is.
#[derive(Default)]
struct Canaries(Vec<(String, Vec<Vec<u8>>)>);

impl Canaries {
    fn plant(&mut self, what: &str, secret: &str) {
        let escaped = percent_encoding::utf8_percent_encode(secret, percent_encoding::NON_ALPHANUMERIC);
        let ways = [ways(secret.as_bytes()), vec![escaped.to_string().into_bytes()]].concat();
        self.0.push((what.to_owned(), ways));
    }

    fn plant_bytes(&mut self, what: &str, secret: &[u8]) {
        assert!(secret.len() >= 16, "{what}");
        self.0.push((what.to_owned(), ways(secret)));
    }

    /// Six digits count where no letter and no digit stands beside them.
    fn plant_digits(&mut self, what: &str, digits: &str) {
        self.0.push((what.to_owned(), vec![digits.as_bytes().to_vec()]));
    }

    fn found_in(&self, places: &BTreeMap<String, Vec<u8>>) -> Vec<String> {
        let mut found = Vec::new();
        for (what, ways) in &self.0 {
            for (place, bytes) in places {
                if ways.iter().any(|way| stands_in(way, bytes)) && !is_its_home(what, place) {
                    found.push(format!("{what} in {place}"));
                }
            }
        }
        found
    }
}

/// The two files that exist to hold a secret, each with a mode of its own.
fn is_its_home(what: &str, place: &str) -> bool {
    (what == "the pepper" && place.ends_with("/pepper"))
        || (what == "the key of the JWTs" && place.ends_with("/jwt.key"))
}

/// Bytes as they are, in hex, and in base64 wherever they begin.
fn ways(secret: &[u8]) -> Vec<Vec<u8>> {
    let mut ways = vec![secret.to_vec(), HEXLOWER.encode(secret).into(), HEXUPPER.encode(secret).into()];
    for before in 0..3 {
        let shifted = [&[0; 3][..before], secret].concat();
        let whole = shifted.len() / 3 * 3;
        let from = if before == 0 { 0 } else { 4 };
        for encoding in [&BASE64, &BASE64URL_NOPAD] {
            ways.push(encoding.encode(&shifted[..whole])[from..].into());
        }
    }
    ways
}

fn stands_in(way: &[u8], bytes: &[u8]) -> bool {
    let digits = way.len() == 6;
    let mut from = 0;
    while let Some(at) = memchr::memmem::find(&bytes[from..], way).map(|at| at + from) {
        let beside =
            |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_alphanumeric);
        if !digits || !(beside(at.checked_sub(1)) || beside(Some(at + way.len()))) {
            return true;
        }
        from = at + 1;
    }
    false
}

/// Lines without the parts of a second, which are six digits by chance.
fn without_times(text: &str) -> String {
    let mut kept = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('.') {
        kept.push_str(before);
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        rest = if after[digits..].starts_with('Z') { &after[digits..] } else { after };
    }
    kept + rest
}

fn of_process(pid: u32) -> (Vec<u8>, Vec<u8>) {
    let environ = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    (environ, std::fs::read(format!("/proc/{pid}/cmdline")).unwrap())
}

fn look(folder: &Path, places: &mut BTreeMap<String, Vec<u8>>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            look(&path, places);
        } else if let Ok(bytes) = std::fs::read(&path) {
            places.insert(path.display().to_string(), bytes);
        }
    }
}

const CLIENTS: &str = "copper lagoon thirteen owls";
