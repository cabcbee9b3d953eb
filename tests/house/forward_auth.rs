//! Another proxy asks the gate about each request, or stands in front: each kind by the bytes that it sends. nginx and
//! Caddy themselves are asked in tests/foreign.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;

use axum::body::Body;
use http::{Method, Request};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use portcullis::domain::certificate::{Certificate, CertificateState, RevocationReason};
use portcullis::domain::session::Session;
use portcullis::front::beside::{Kind, Plan, Serves, SharedSecret};
use portcullis::front::outside::{Field, access_log};
use portcullis::store::table;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::identity::check_assertion;
use crate::support::PATIENCE;
use crate::support::browser::{Browser, COOKIE, navigation};
use crate::support::desk::anna;
use crate::support::gate::{Gate, Handed};
use crate::support::laid_out::free_port;
use crate::support::program::Program;
use crate::support::wire::{Answer, whole};

/// What the configured proxies say, and nobody else.
const SECRET: &str = "5f1d3c0a9b7e46288c4d2f60a1b3e597";

const KINDS: [Kind; 4] = [Kind::Nginx, Kind::Rfc9440, Kind::Traefik, Kind::Envoy];

/// A gate with a listener for each kind of proxy, and Anna signed in.
struct Rig {
    gate: Gate,
    addresses: Vec<SocketAddr>,
    laptop: Handed,
    browser: Browser,
    /// Holds the access log.
    log: tempfile::TempDir,
}

impl Rig {
    async fn open(serves: Serves) -> Self {
        Self::from("127.0.0.1/32", serves).await
    }

    async fn from(network: &str, serves: Serves) -> Self {
        let plans = KINDS.map(|kind| Plan {
            kind,
            listen: SocketAddr::from(([127, 0, 0, 1], free_port())),
            from: vec![network.parse().unwrap()],
            secret_file: "other-proxy.secret".into(),
            secret: SharedSecret::parse(SECRET).unwrap(),
            hosts: vec!["bank.localhost".to_owned()],
            serves,
        });
        let addresses = plans.iter().map(|plan| plan.listen).collect();
        let log = tempfile::tempdir().unwrap();
        let to = access_log::To::File(log.path().join("access.log"));
        let gate = Gate::with(|gate| {
            gate.other_proxies = plans.to_vec();
            gate.outside.access_log = Some(access_log::Settings { to, fields: Field::usual() });
        })
        .await;
        let laptop = anna(&gate).await;
        let browser = gate.signed_in("bank", &laptop).await;
        Self { gate, addresses, laptop, browser, log }
    }

    fn address(&self, kind: Kind) -> SocketAddr {
        self.addresses[KINDS.iter().position(|one| *one == kind).unwrap()]
    }

    fn question(&self, kind: Kind) -> Question {
        Question {
            kind,
            method: Method::GET,
            host: self.browser.host.clone(),
            target: "/accounts?of=anna".to_owned(),
            leaf: Some(self.laptop.identity.chain[0].clone()),
            cookie: self.browser.cookie(),
            more: Vec::new(),
        }
    }

    async fn ask(&self, question: &Question) -> Answer {
        send(self.address(question.kind), question.request()).await
    }

    /// What it answers is no yes, and holds nothing that a backend believes.
    async fn refuses(&self, question: &Question) -> Answer {
        let answer = self.ask(question).await;
        assert!(!answer.status.is_success(), "{question:?}: {answer:?}");
        assert!(answer.headers.get("portcullis-assertion").is_none(), "{question:?}: {answer:?}");
        answer
    }

    async fn certificate(&self) -> Certificate {
        let all = self.gate.all::<Certificate>().await;
        all.into_iter().find(|one| one.serial == self.laptop.serial).unwrap()
    }
}

/// What a proxy asks.
#[derive(Clone, Debug)]
struct Question {
    kind: Kind,
    method: Method,
    host: String,
    target: String,
    leaf: Option<Vec<u8>>,
    cookie: Option<String>,
    more: Vec<(&'static str, String)>,
}

impl Question {
    /// As that proxy sends it.
    fn request(&self) -> Request<Body> {
        let (host, target) = (&self.host, &self.target);
        let mut request = match self.kind {
            Kind::Envoy => {
                let line = format!("/forward-auth{target}");
                Request::builder().method(self.method.clone()).uri(line).header("host", host)
            }
            _ => Request::get("/forward-auth").header("host", host),
        };
        request = match self.kind {
            Kind::Nginx => request
                .header("x-original-method", self.method.as_str())
                .header("x-original-url", format!("https://{host}{target}")),
            Kind::Rfc9440 | Kind::Traefik => request
                .header("x-forwarded-proto", "https")
                .header("x-forwarded-method", self.method.as_str())
                .header("x-forwarded-host", host)
                .header("x-forwarded-uri", target),
            Kind::Envoy => request.header("x-forwarded-proto", "https"),
        };
        if let Some(leaf) = &self.leaf {
            let (name, value) = shown(self.kind, leaf);
            request = request.header(name, value);
        }
        if let Some(cookie) = &self.cookie {
            request = request.header("cookie", format!("{COOKIE}={cookie}"));
        }
        for (name, value) in &self.more {
            request = request.header(*name, value);
        }
        let request = request.header("portcullis-secret", SECRET);
        let request = request.header("x-forwarded-for", "192.0.2.7").header("accept", "text/html");
        request.header("sec-fetch-mode", "navigate").body(Body::empty()).unwrap()
    }

    fn about(&self, target: &str) -> Self {
        Self { target: target.to_owned(), ..self.clone() }
    }

    fn saying(&self, name: &'static str, value: impl Into<String>) -> Self {
        let mut this = self.clone();
        this.more.push((name, value.into()));
        this
    }
}

/// The header in which a proxy passes a certificate on.
fn shown(kind: Kind, leaf: &[u8]) -> (&'static str, String) {
    let base64 = data_encoding::BASE64.encode(leaf);
    let text = pem::encode_config(
        &pem::Pem::new("CERTIFICATE", leaf),
        pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF),
    );
    let escaped = utf8_percent_encode(&text, NON_ALPHANUMERIC).to_string();
    match kind {
        Kind::Nginx => ("client-cert", escaped),
        Kind::Rfc9440 => ("client-cert", format!(":{base64}:")),
        Kind::Traefik => ("x-forwarded-tls-client-cert", base64),
        Kind::Envoy => {
            ("x-forwarded-client-cert", format!("Hash=00ff;Cert=\"{escaped}\";Subject=\"CN=a,O=b\";URI="))
        }
    }
}

async fn send(address: SocketAddr, request: Request<Body>) -> Answer {
    let io = TokioIo::new(TcpStream::connect(address).await.unwrap());
    let (mut sender, connection) = http1::handshake(io).await.unwrap();
    tokio::spawn(connection);
    let answer = tokio::time::timeout(PATIENCE, sender.send_request(request)).await;
    whole(answer.expect("an answer in time").unwrap()).await
}

/// What another proxy asks about has its line, with the route that fits.
#[tokio::test(flavor = "multi_thread")]
async fn a_question_has_its_line_with_the_route() {
    let rig = Rig::open(Serves::ForwardAuth).await;
    assert_eq!(rig.ask(&rig.question(Kind::Nginx)).await.status, 200);
    rig.gate.started().house.outside.close();
    let text = std::fs::read_to_string(rig.log.path().join("access.log")).unwrap();
    let line: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    for (field, wanted) in [("route", "portal"), ("room", "gate"), ("path", "/accounts"), ("person", "anna")]
    {
        assert_eq!(line[field], wanted, "{line}");
    }
    assert_eq!(line.get("upstream_ms"), None, "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_of_proxy_is_answered_as_it_understands() {
    let rig = Rig::open(Serves::ForwardAuth).await;
    let origin = rig.browser.origin();
    for kind in KINDS {
        let question = rig.question(kind);
        let answer = rig.ask(&question).await;
        assert_eq!(answer.status, 200, "{kind:?}: {}", answer.text());
        let claims = check_assertion(&rig.gate, &rig.laptop, answer.header("portcullis-assertion"));
        assert_eq!((&claims["sub"], &claims["iss"]), (&"anna".into(), &origin.as_str().into()));
        let leaf = data_encoding::BASE64.encode(&rig.laptop.identity.chain[0]);
        assert_eq!(answer.header("client-cert"), format!(":{leaf}:"));
        assert_eq!(answer.headers.get("portcullis-confirmation").unwrap(), "");
        assert_eq!((answer.header("cache-control"), answer.header("x-request-id").len()), ("no-store", 10));

        let unsigned = Question { cookie: None, ..question.clone() };
        let nobody = Question { leaf: None, ..unsigned.clone() };
        let (asked, refused) = (rig.refuses(&unsigned).await, rig.refuses(&nobody).await);
        if kind == Kind::Nginx {
            assert_eq!((asked.status.as_u16(), asked.body.len()), (401, 0));
            assert_eq!((refused.status.as_u16(), refused.body.len()), (403, 0));
            assert!(asked.headers.get("set-cookie").is_none(), "nothing was begun for a status");
            continue;
        }
        assert_eq!(asked.status, 303, "{kind:?}: {}", asked.text());
        assert_eq!(asked.header("location"), format!("{origin}/.portcullis/sign-in/"));
        assert!(asked.header("set-cookie").starts_with(COOKIE), "{asked:?}");
        assert_eq!(refused.status, 403);
        assert!(refused.text().contains("+41 44 555 01 77"), "{}", refused.text());
        let program = rig.refuses(&unsigned.saying("accept", "application/json")).await;
        assert!(program.status == 401 || program.status == 303, "{program:?}");
    }
    assert_eq!(rig.gate.backend.bytes(), 0, "the other proxy forwards");
}

/// So that a proxy that can only copy headers keeps the gate's cookie from its backend.
#[tokio::test(flavor = "multi_thread")]
async fn the_clients_cookies_are_told_without_the_gates() {
    let rig = Rig::open(Serves::ForwardAuth).await;
    for kind in KINDS {
        let question = rig.question(kind);
        assert_eq!(rig.ask(&question).await.headers.get("cookie").unwrap(), "", "{kind:?}");
        let answer = rig.ask(&question.saying("cookie", "theme=dark; a=b").saying("cookie", "c=d")).await;
        assert_eq!(answer.header("cookie"), "theme=dark; a=b; c=d", "{kind:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nginx_fetches_the_page_for_who_was_refused() {
    let rig = Rig::open(Serves::ForwardAuth).await;
    let page = async |question: &Question| {
        let mut request = question.request();
        *request.uri_mut() = "/forward-auth/page?of=anna".parse().unwrap();
        send(rig.address(Kind::Nginx), request).await
    };
    let question = rig.question(Kind::Nginx);
    let unsigned = page(&Question { cookie: None, ..question.clone() }).await;
    assert_eq!(unsigned.status, 303, "{}", unsigned.text());
    let nobody = page(&Question { cookie: None, leaf: None, ..question.clone() }).await;
    assert!(nobody.status == 403 && nobody.text().contains("+41 44 555 01 77"), "{}", nobody.text());
    // Whoever was let in meanwhile asks once more; the page is never a yes.
    let inside = page(&question).await;
    assert_eq!(inside.status, 303);
    assert_eq!(inside.header("location"), format!("{}/accounts?of=anna", rig.browser.origin()));
    let posted = page(&Question { method: Method::POST, ..question }).await;
    assert_eq!(posted.status, 503);
    assert!(posted.headers.get("portcullis-assertion").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stops_counting_is_refused_at_the_very_next_question() {
    let rig = Rig::open(Serves::ForwardAuth).await;
    let questions = KINDS.map(|kind| rig.question(kind));
    for question in &questions {
        assert_eq!(rig.ask(question).await.status, 200);
    }
    let counting = rig.certificate().await;
    let mut revoked = counting.clone();
    revoked.state =
        CertificateState::Revoked { at: rig.gate.world.now(), reason: RevocationReason::KeyCompromise };
    rig.gate.put(&revoked).await;
    for question in &questions {
        assert_eq!(rig.refuses(question).await.status, 403);
    }
    rig.gate.put(&counting).await;
    for question in &questions {
        assert_eq!(rig.ask(question).await.status, 200);
    }
    for session in rig.gate.all::<Session>().await {
        rig.gate.write(vec![table::delete(table::session(&session.token))]).await;
    }
    for question in &questions {
        assert!([303, 401].contains(&rig.refuses(question).await.status.as_u16()));
    }
}

/// H-07: nobody but who is configured is heard, and not a byte of what they say is read.
#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_not_configured_is_closed() {
    let rig = Rig::from("127.0.0.2/32", Serves::ForwardAuth).await;
    for kind in KINDS {
        let head = b"GET /forward-auth HTTP/1.1\r\n";
        let mut stranger = TcpStream::connect(rig.address(kind)).await.unwrap();
        let _ = stranger.write_all(head).await;
        let mut heard = Vec::new();
        let read = tokio::time::timeout(PATIENCE, stranger.read_to_end(&mut heard)).await;
        assert!(read.expect("closed at once").is_err() || heard.is_empty(), "{heard:?}");

        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from(([127, 0, 0, 2], 0))).unwrap();
        let stream = socket.connect(rig.address(kind)).await.unwrap();
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let answer = whole(sender.send_request(rig.question(kind).request()).await.unwrap()).await;
        assert_eq!(answer.status, 200, "{kind:?}: {}", answer.text());
    }
}

/// H-07: whoever else runs at the proxy's address, on this machine above all, speaks for nobody: what it says of
/// certificates, cookies and clients is not read, in whichever way it asks.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_does_not_say_the_secret_speaks_for_nobody() {
    let longer = format!("{SECRET}0");
    let twofold = format!("{SECRET}, {SECRET}");
    let upper = SECRET.to_uppercase();
    let wrong = ["", "x", &SECRET[1..], &longer, &twofold, &upper, "00000000000000000000000000000000"];
    let once = wrong.iter().map(|value| vec![*value]);
    let others: Vec<Vec<&str>> = once.chain([vec![], vec![SECRET, SECRET], vec![SECRET, "x"]]).collect();
    for serves in [Serves::ForwardAuth, Serves::Door] {
        let rig = Rig::open(serves).await;
        for kind in KINDS {
            for said in &others {
                for path in ["", "/forward-auth/page", "/.portcullis/settings/", "/accounts"] {
                    let mut request = rig.question(kind).request();
                    if !path.is_empty() {
                        *request.uri_mut() = path.parse().unwrap();
                    }
                    let headers = request.headers_mut();
                    headers.remove("portcullis-secret");
                    for value in said {
                        headers.append("portcullis-secret", value.parse().unwrap());
                    }
                    headers.insert("x-forwarded-proto", "https".parse().unwrap());
                    let answer = send(rig.address(kind), request).await;
                    assert_eq!(answer.status, 400, "{serves:?} {kind:?} {said:?} {path}: {}", answer.text());
                    assert!(!answer.text().contains(SECRET));
                    for name in ["portcullis-assertion", "set-cookie", "location"] {
                        assert!(answer.headers.get(name).is_none(), "{kind:?} {said:?} {path}: {answer:?}");
                    }
                }
            }
        }
        assert_eq!(rig.gate.backend.bytes(), 0, "{}", rig.gate.backend.text());
        // None of it ended Anna's session.
        assert!(rig.browser.send(navigation("/accounts")).await.status.is_success());
    }
}

/// H-07: a secret gives way to the next without a request refused, and no log holds either.
#[tokio::test(flavor = "multi_thread")]
async fn a_secret_gives_way_to_the_next() {
    let (listen, next) =
        (SocketAddr::from(([127, 0, 0, 1], free_port())), "0a1b2c3d4e5f60718293a4b5c6d7e8f9");
    let gate = Gate::open().await;
    let laptop = anna(&gate).await;
    let browser = gate.signed_in("bank", &laptop).await;
    let question = Question {
        kind: Kind::Rfc9440,
        method: Method::GET,
        host: browser.host.clone(),
        target: "/accounts".to_owned(),
        leaf: Some(laptop.identity.chain[0].clone()),
        cookie: browser.cookie(),
        more: Vec::new(),
    };
    let secret = gate.folder.path().join("other-proxy.secret");
    let write = |text: &str| {
        std::fs::write(&secret, text).unwrap();
        std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
    };
    write(SECRET);
    let mut text = std::fs::read_to_string(&gate.config.file).unwrap();
    text += &format!(
        "[[other_proxy]]\nkind = \"caddy\"\nlisten = \"{listen}\"\nfrom = [\"127.0.0.1\"]\n\
         secret_file = \"other-proxy.secret\"\nhosts = [\"bank.localhost\"]\n"
    );
    std::fs::write(&gate.config.file, text).unwrap();
    let program = Program::instead_of(gate).await;
    let says = async |secret: &str| {
        let mut request = question.request();
        request.headers_mut().insert("portcullis-secret", secret.parse().unwrap());
        send(listen, request).await.status.as_u16()
    };
    assert_eq!((says(SECRET).await, says(next).await), (200, 400));
    write(&format!("{SECRET}\n{next}\n"));
    assert_eq!(
        program.json(&["reload"])["changed"],
        serde_json::json!([format!("[[other_proxy]] {listen}")])
    );
    assert_eq!((says(SECRET).await, says(next).await), (200, 200));
    // What is no secret changes nothing.
    write("too short");
    assert!(!program.cli(&["reload"]).status.success());
    assert_eq!((says(SECRET).await, says(next).await), (200, 200));
    write(next);
    program.json(&["reload"]);
    assert_eq!((says(SECRET).await, says(next).await), (400, 200));
    let log = program.log();
    assert!(!log.contains(SECRET) && !log.contains(next) && !log.contains("too short"), "{log}");
}

/// Whoever looks after the other proxy finds in the log from where it was refused, and what does not fit.
#[tokio::test(flavor = "multi_thread")]
async fn the_log_says_whom_it_refused_and_why() {
    let listen = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let gate = Gate::open().await;
    let laptop = anna(&gate).await;
    configured(&gate, "caddy", listen);
    let program = Program::instead_of(gate).await;
    let question = Question {
        kind: Kind::Rfc9440,
        method: Method::GET,
        host: program.host("bank"),
        target: "/accounts".to_owned(),
        leaf: Some(laptop.identity.chain[0].clone()),
        cookie: None,
        more: Vec::new(),
    };
    for _ in 0..3 {
        let mut request = question.request();
        request.headers_mut().remove("portcullis-secret");
        assert_eq!(send(listen, request).await.status, 400);
    }
    let other = Question { host: "bank.localhost:9643".to_owned(), ..question.clone() };
    assert_eq!(send(listen, other.request()).await.status, 421);
    let other = Question { host: program.host("console"), ..question };
    assert_eq!(send(listen, other.request()).await.status, 421);
    let log = program.log();
    let refused = refusals(&program);
    let told = |status: u64, why: &str| {
        let one =
            |it: &&Value| it["status"] == status && it["why"].as_str().is_some_and(|it| it.contains(why));
        refused.iter().find(one).unwrap_or_else(|| panic!("{status} {why}: {log}"))
    };
    assert_eq!(told(400, "does not say its secret")["address"], "127.0.0.1");
    // Each is refused in a line of its own; that something is wrong with the proxy, or at its address, is told once.
    let warned: Vec<&str> =
        log.lines().filter(|line| line.contains("WARN") && line.contains("secret_file")).collect();
    assert!(warned.len() == 1 && warned[0].contains("127.0.0.1"), "{log}");
    let port = program.port;
    told(421, &format!("host bank.localhost came with port 9643, expected {port}: see public_port"));
    assert_eq!(
        told(421, "console.localhost is not among the hosts of this other proxy")["address"],
        "127.0.0.1"
    );
}

/// nginx asks twice about what is refused, for the status and for the page: that is one line in the log, with the
/// number that the page shows.
#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_that_nginx_explains_is_written_down_once() {
    let listen = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let gate = Gate::open().await;
    configured(&gate, "nginx", listen);
    let program = Program::instead_of(gate).await;
    let question = Question {
        kind: Kind::Nginx,
        method: Method::GET,
        host: program.host("bank"),
        target: "/accounts".to_owned(),
        leaf: None,
        cookie: None,
        more: Vec::new(),
    };
    let page = async |number: &str| {
        let mut request = question.request();
        *request.uri_mut() = "/forward-auth/page".parse().unwrap();
        request.headers_mut().insert("portcullis-request", number.parse().unwrap());
        send(listen, request).await
    };
    let no = send(listen, question.request()).await;
    assert_eq!(no.status, 403);
    let number = no.header("x-request-id").to_owned();
    assert!(page(&number).await.text().contains(&number));
    assert_eq!(refusals(&program).len(), 1, "{}", program.log());
    assert_eq!(refusals(&program)[0]["request"], number.as_str());
    // What has no door, or cannot be read, is told in the same way.
    for (host, target, status) in [
        ("bank.localhost:9643", "/accounts", 421),
        ("console.localhost", "/accounts", 421),
        (question.host.as_str(), "/two words", 400),
        (question.host.as_str(), "/a/../b", 400),
    ] {
        let before = refusals(&program).len();
        let question = Question { host: host.to_owned(), ..question.about(target) };
        let no = send(listen, question.request()).await;
        assert_eq!((no.status.as_u16(), no.body.len()), (403, 0), "{host}{target}: nginx knows no other no");
        let number = no.header("x-request-id").to_owned();
        let mut request = question.request();
        *request.uri_mut() = "/forward-auth/page".parse().unwrap();
        request.headers_mut().insert("portcullis-request", number.parse().unwrap());
        let page = send(listen, request).await;
        assert_eq!(page.status, status, "{host}{target}");
        assert!(page.text().contains(&number), "{host}{target}: {}", page.text());
        let told = &refusals(&program)[before..];
        assert_eq!(told.len(), 1, "{host}{target}: {told:?}");
        assert_eq!((&told[0]["request"], &told[0]["status"]), (&number.as_str().into(), &status.into()));
    }
    let before = refusals(&program).len();
    // Whatever else is said there is nobody's number.
    assert!(!page(&number).await.text().contains(&number));
    assert!(!page("QF-308-122").await.text().contains("QF-308-122"));
    assert_eq!(refusals(&program).len(), before + 2);
}

/// Nor is it counted twice: the page is part of the request whose status was told, whether that page says no or leads
/// to signing in. nginx takes no body with the status.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_nginx_asks_about_twice_is_counted_once() {
    let rig = Rig::open(Serves::ForwardAuth).await;
    let outside = &rig.gate.started().house.outside;
    let count = |name: &str, label: &str| {
        let text = outside.metrics();
        let of = |line: &&str| line.starts_with(&format!("portcullis_{name}{{")) && line.contains(label);
        text.lines()
            .filter(of)
            .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
            .sum::<u64>()
    };
    let no_session = Question { cookie: None, ..rig.question(Kind::Nginx) };
    for (question, refused) in
        [(Question { leaf: None, ..no_session.clone() }, "no-certificate"), (no_session, "sign-in-first")]
    {
        let counts = || (count("http_requests_total", ""), count("refusals_total", refused));
        let before = counts();
        let no = rig.refuses(&question).await;
        let number = no.header("x-request-id").to_owned();
        let mut request = question.request();
        *request.uri_mut() = "/forward-auth/page".parse().unwrap();
        request.headers_mut().insert("portcullis-request", number.parse().unwrap());
        assert!(!send(rig.address(Kind::Nginx), request).await.status.is_success());
        assert_eq!(counts(), (before.0 + 1, before.1 + 1), "{refused}");
        outside.close();
        let text = std::fs::read_to_string(rig.log.path().join("access.log")).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let lines: Vec<Value> = lines.filter(|line| line["request"] == number.as_str()).collect();
        let [line] = lines.as_slice() else { panic!("{lines:#?}") };
        assert_eq!((&line["refused"], &line["complete"]), (&refused.into(), &true.into()), "{line}");
    }
}

/// Writes another proxy into the configuration of a gate that is about to be started anew.
fn configured(gate: &Gate, kind: &str, listen: SocketAddr) {
    let secret = gate.folder.path().join("other-proxy.secret");
    std::fs::write(&secret, SECRET).unwrap();
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
    let mut text = std::fs::read_to_string(&gate.config.file).unwrap();
    text += &format!(
        "[[other_proxy]]\nkind = \"{kind}\"\nlisten = \"{listen}\"\nfrom = [\"127.0.0.1\"]\n\
         secret_file = \"other-proxy.secret\"\nhosts = [\"bank.localhost\"]\n"
    );
    std::fs::write(&gate.config.file, text).unwrap();
}

/// What the log says of each refusal.
fn refusals(program: &Program) -> Vec<Value> {
    let log = program.log();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let fields = lines.map(|line| line["fields"].clone());
    fields.filter(|fields| fields["message"] == "request refused").collect()
}

/// H-07: a certificate counts in the one header that its proxy sets, once, whole.
#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_in_any_other_header_is_none() {
    let rig = Rig::open(Serves::ForwardAuth).await;
    let leaf = rig.laptop.identity.chain[0].clone();
    let session = rig.gate.all::<Session>().await.remove(0);
    for kind in KINDS {
        let whole = rig.question(kind);
        let bare = Question { leaf: None, ..whole.clone() };
        let own = shown(kind, &leaf).0;
        for other in KINDS {
            let (name, value) = shown(other, &leaf);
            if name != own {
                assert!(!rig.refuses(&bare.saying(name, value)).await.status.is_redirection());
                // A cookie without its certificate has ended its session.
                rig.gate.put(&session).await;
            }
        }
        for name in ["client_cert", "x-client-cert", "ssl-client-cert", "x-ssl-client-cert", "x-ssl-cert"] {
            rig.refuses(&bare.saying(name, shown(Kind::Rfc9440, &leaf).1)).await;
            rig.gate.put(&session).await;
        }
        // nginx knows no other no, and fetches the page that says 400.
        let no = if kind == Kind::Nginx { 403 } else { 400 };
        let twice = rig.refuses(&whole.saying(own, shown(kind, &leaf).1)).await;
        assert_eq!(twice.status, no, "{kind:?}: {}", twice.text());
        for broken in ["x", ":x:", ":", "Cert=\"", "%", "-----BEGIN%20CERTIFICATE-----"] {
            let answer = rig.refuses(&bare.saying(own, broken)).await;
            assert_eq!(answer.status, no, "{kind:?} {broken}: {}", answer.text());
        }
        assert_eq!(rig.ask(&whole).await.status, 200, "{kind:?}: the honest one");
    }
}

/// H-07, H-09: at a door of ours nobody is believed: not on a certificate, not on what is asked for.
#[tokio::test(flavor = "multi_thread")]
async fn the_doors_believe_no_proxy() {
    let rig = Rig::open(Serves::ForwardAuth).await;
    for kind in KINDS {
        let stranger = rig.gate.stranger("bank");
        let bare = Question { cookie: None, ..rig.question(kind) };
        let answer = stranger.send(bare.request()).await;
        assert_eq!(
            (answer.status.as_u16(), rig.gate.backend.bytes()),
            (403, 0),
            "{kind:?}: {}",
            answer.text()
        );
        assert!(answer.headers.get("portcullis-assertion").is_none());
        // Whose certificate it is says the handshake.
        let mut request = navigation("/really");
        for (name, value) in rig.question(kind).request().headers() {
            if name != "cookie" && name != "host" {
                request.headers_mut().append(name, value.clone());
            }
        }
        assert_eq!(rig.browser.send(request).await.status, 200);
        let heard = rig.gate.backend.text();
        assert!(heard.starts_with("GET /really HTTP/1.1\r\n"), "{heard}");
        assert!(!heard.contains("192.0.2.7") && !heard.contains("/accounts"), "{heard}");
        rig.gate.backend.forget();
    }
}

/// H-09, H-10: the rules see the bytes that are asked about, and what can be read in two ways is refused.
#[tokio::test(flavor = "multi_thread")]
async fn a_path_with_two_meanings_gets_no_yes() {
    let rig = Rig::open(Serves::ForwardAuth).await;
    let paths = [
        "//accounts",
        "/./accounts",
        "/a/../accounts",
        "/%2e%2e/accounts",
        "/a%2faccounts",
        "/a%5caccounts",
        "/accounts;x=1",
        "/a%00b",
        "/%252e%252e/",
        "/a/%c0%ae%c0%ae/b",
        "/accounts/.",
        "/accounts%20/..",
        "/.portcullis/settings/",
        "/.portcullis/assets/style.css",
        "/.portcullis/sign-in/",
        "/.portcullis",
        "/.portcullis/jwks.json",
        "/.portcullis/../accounts",
    ];
    for kind in KINDS {
        let question = rig.question(kind);
        for path in paths {
            let answer = rig.refuses(&question.about(path)).await;
            assert!((300..500).contains(&answer.status.as_u16()), "{kind:?} {path}: {answer:?}");
        }
        for path in ["/accounts#x", "/acc ounts", "https://bank.localhost/accounts", "", "accounts", "*"] {
            if kind != Kind::Envoy && !(kind == Kind::Nginx && path.is_empty()) {
                assert!(!rig.refuses(&question.about(path)).await.status.is_redirection(), "{kind:?} {path}");
            }
        }
        // Said twice, the request is neither.
        for (name, value) in [
            ("x-original-url", "https://bank.localhost/harmless"),
            ("x-original-method", "GET"),
            ("x-forwarded-uri", "/harmless"),
            ("x-forwarded-host", "bank.localhost"),
            ("x-forwarded-method", "GET"),
            ("x-forwarded-proto", "https"),
        ] {
            let answer = rig.ask(&question.saying(name, value)).await;
            let read = question.request().headers().contains_key(name);
            assert_eq!(answer.status.is_success(), !read, "{kind:?} {name}: {answer:?}");
        }
        assert_eq!(rig.ask(&question.about("/accounts")).await.status, 200);
    }
}

/// H-11, A-22: what the gate would not forward it does not vouch for.
#[tokio::test(flavor = "multi_thread")]
async fn what_would_not_be_forwarded_is_not_vouched_for() {
    let rig = Rig::open(Serves::ForwardAuth).await;
    for kind in KINDS {
        let question = rig.question(kind);
        let socket = question.saying("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        rig.refuses(&socket).await;
        rig.refuses(&socket.saying("origin", "https://evil.example")).await;
        assert_eq!(rig.ask(&socket.saying("origin", rig.browser.origin())).await.status, 200);
        rig.refuses(&question.saying("service-worker", "script")).await;
        if kind != Kind::Envoy {
            rig.refuses(&Question { method: Method::TRACE, ..question.clone() }).await;
            rig.refuses(&Question { method: Method::CONNECT, ..question.clone() }).await;
            // Which some backends take for POST.
            let post = Method::from_bytes(b"post").unwrap();
            rig.refuses(&Question { method: post, ..question.clone() }).await;
        }
        let clear = question.saying("x-forwarded-proto", "http");
        assert_eq!(rig.ask(&clear).await.status.is_success(), kind == Kind::Nginx, "{kind:?}");
    }
}

/// T-20: a proxy speaks for the doors that are named for it, and for no other.
#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_speaks_for_its_own_doors() {
    let rig = Rig::open(Serves::ForwardAuth).await;
    let port = rig.gate.port;
    for kind in KINDS {
        for host in [
            format!("other.localhost:{port}"),
            format!("console.localhost:{port}"),
            format!("phone.localhost:{port}"),
            format!("start.localhost:{port}"),
            format!("bank.localhost.:{port}"),
            format!("x.bank.localhost:{port}"),
            "bank.localhost:1".to_owned(),
            "bank.localhost@evil.example".to_owned(),
            "127.0.0.1".to_owned(),
            "evil.example".to_owned(),
        ] {
            let answer = rig.refuses(&Question { host, ..rig.question(kind) }).await;
            assert!([400, 403, 421].contains(&answer.status.as_u16()), "{kind:?}: {answer:?}");
        }
        // Its pages too.
        let mut request = navigation("/.portcullis/sign-in/");
        let (name, value) = shown(kind, &rig.laptop.identity.chain[0]);
        request.headers_mut().insert(name, value.parse().unwrap());
        request.headers_mut().insert("x-forwarded-for", "192.0.2.7".parse().unwrap());
        request.headers_mut().insert("x-forwarded-proto", "https".parse().unwrap());
        request.headers_mut().insert("portcullis-secret", SECRET.parse().unwrap());
        request.headers_mut().insert("host", rig.gate.host("console").parse().unwrap());
        assert_eq!(send(rig.address(kind), request).await.status, 421, "{kind:?}");
        // And nothing of the backend, however it is asked for.
        let mut request = rig.question(kind).request();
        *request.uri_mut() = "/accounts".parse().unwrap();
        assert!(send(rig.address(kind), request).await.status.is_client_error(), "{kind:?}");
    }
    assert_eq!(rig.gate.backend.bytes(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_proxy_in_front_the_whole_door_is_served() {
    let rig = Rig::open(Serves::Door).await;
    for kind in KINDS {
        let mut question = rig.question(kind);
        question.more.push(("x-forwarded-proto", "https".to_owned()));
        let in_front = |path: &str| {
            let mut request = question.request();
            *request.uri_mut() = path.parse().unwrap();
            for name in ["x-original-url", "x-original-method", "x-forwarded-uri", "x-forwarded-method"] {
                request.headers_mut().remove(name);
            }
            request.headers_mut().insert("x-forwarded-proto", "https".parse().unwrap());
            request
        };
        let answer = send(rig.address(kind), in_front("/accounts")).await;
        assert_eq!(answer.status, 200, "{kind:?}: {}", answer.text());
        let jwt = rig.gate.backend.header("portcullis-assertion").unwrap();
        check_assertion(&rig.gate, &rig.laptop, &jwt);
        assert_eq!(rig.gate.backend.header("x-forwarded-for").as_deref(), Some("192.0.2.7"));
        let heard = rig.gate.backend.text();
        assert!(!heard.contains(COOKIE) && !heard.contains("tls-client-cert") && !heard.contains("Cert="));
        assert!(!heard.contains(SECRET) && !heard.to_lowercase().contains("portcullis-secret"), "{heard}");
        // It asks nothing here: that path is the backend's like any other.
        let answer = send(rig.address(kind), in_front("/forward-auth")).await;
        assert!(answer.status == 200 && answer.headers.get("portcullis-assertion").is_none());
        rig.gate.backend.forget();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_proxy_in_front_what_is_open_is_cut() {
    let rig = Rig::open(Serves::Door).await;
    let mut request = rig.question(Kind::Rfc9440).request();
    *request.uri_mut() = "/never".parse().unwrap();
    let waiting = tokio::spawn(send(rig.address(Kind::Rfc9440), request));
    while !rig.gate.backend.text().contains("GET /never") {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let mut revoked = rig.certificate().await;
    revoked.state =
        CertificateState::Revoked { at: rig.gate.world.now(), reason: RevocationReason::KeyCompromise };
    rig.gate.put(&revoked).await;
    let answer = tokio::time::timeout(PATIENCE, waiting).await.expect("it is cut").unwrap();
    assert_eq!(answer.status, 403, "{}", answer.text());
}

/// What is under way when the gate stops ends well here, too.
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_waits_for_what_comes_through_another_proxy() {
    let rig = Rig::open(Serves::Door).await;
    let mut request = rig.question(Kind::Rfc9440).request();
    *request.uri_mut() = "/late".parse().unwrap();
    let waiting = tokio::spawn(send(rig.address(Kind::Rfc9440), request));
    while !rig.gate.backend.text().contains("GET /late") {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let mut gate = rig.gate;
    gate.close().await;
    assert!(waiting.is_finished(), "the house closed before its answer");
    let answer = waiting.await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.text().as_str()), (200, "late, but whole"));
}
