//! An older release of the app gives way to a newer one, end to end: between phone and gate stands a door that shows the
//! app's files as an older release would have had them, until the test lets the gate's own through.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use axum::body::Body;
use http::header::{ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{Request, Response};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

use crate::demo::Demo;
use crate::device::Device;
use crate::push_service::{acceptor, certificates};
use crate::walk::{self, approve_on};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Paired under the older release, the phone is served from its worker's cache; once the newer one is out, its worker
/// takes over, the older shell goes as a whole, and the keys stay and sign.
#[tokio::test(flavor = "multi_thread")]
async fn an_older_worker_gives_way_to_a_newer_one_and_the_keys_stay() {
    let demo = Demo::start();
    let older = Older::before(&demo).await;
    let laptop = walk::client(&demo, "client.p12").await;
    let agent = walk::sign_in_agent(&demo).await;
    walk::call_support(&laptop, &agent, &demo, false).await;
    agent.close().await;
    let phone = walk::pair_on(&demo, &laptop, &older.arguments(), Some(&older.root()), false).await;
    laptop.type_into("#password", walk::PASSWORD).await;
    laptop.press("Save the password").await;
    walk::put_away(&laptop, false).await;
    laptop.sees("Good day, Anna Muster").await;

    // The older worker serves the older shell: nothing of it is asked for any more.
    shells(&phone, |shells| shells == ["shell-OLDER"]).await;
    older.asked();
    phone.open(&demo.url("phone", "/")).await;
    phone.sees(OLDER_WORDS).await;
    phone.sees("Connected").await;
    let asked = older.asked();
    assert!(asked.iter().all(|path| path == WORKER || path.starts_with("/api/")), "{asked:?}");
    let before = kept(&phone).await;
    assert_eq!(before.as_array().map(Vec::len), Some(1), "{before}");

    // The newer one is out. The app opens once more as it was; meanwhile the newer worker fetches its shell, all of it,
    // and the older one's cache goes.
    older.gives_way();
    phone.open(&demo.url("phone", "/")).await;
    phone.sees("Connected").await;
    let newer = shells(&phone, |shells| shells.len() == 1 && shells[0] != "shell-OLDER").await;
    let asked = older.asked();
    for path in ["/", "/app.js", WORDS] {
        assert!(asked.iter().any(|one| one == path), "{path} was not fetched: {asked:?}");
    }
    assert!(!asked.iter().any(|path| path == OLDER_FILE), "{asked:?}");

    // Opened next it is the newer one, again without asking for it.
    phone.open(&demo.url("phone", "/")).await;
    phone.sees(NEWER_WORDS).await;
    phone.sees("Connected").await;
    assert!(!phone.text().await.contains(OLDER_WORDS));
    let asked = older.asked();
    assert!(asked.iter().all(|path| path == WORKER || path.starts_with("/api/")), "{asked:?}");
    assert_eq!(shells(&phone, |shells| shells.len() == 1).await, newer);
    let gone = format!("return caches.match('{OLDER_FILE}').then((it) => it === undefined)");
    assert_eq!(phone.script(&gone).await, true);

    // The pairing is the same, and its keys sign.
    assert_eq!(kept(&phone).await, before);
    walk::asks_for_phone(&demo, &laptop).await;
    phone.sees("Type the six digits").await;
    approve_on(&phone, &laptop).await;
    laptop.sees("Good day, Anna Muster").await;

    // The newer shell opens without a network.
    phone.cdp("Network.enable", json!({})).await;
    let nothing = json!({"offline": true, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1});
    phone.cdp("Network.emulateNetworkConditions", nothing).await;
    phone.open(&demo.url("phone", "/")).await;
    phone.sees("This phone is offline").await;
    phone.sees(NEWER_WORDS).await;
    for device in [laptop, phone] {
        device.close().await;
    }
}

/// The phone's door, one release back.
struct Older {
    port: u16,
    folder: tempfile::TempDir,
    gate: Arc<Gate>,
}

/// The true door behind it.
struct Gate {
    port: u16,
    tls: TlsConnector,
    hidden: AtomicBool,
    asked: Mutex<Vec<String>>,
}

impl Older {
    async fn before(demo: &Demo) -> Self {
        let folder = tempfile::tempdir().unwrap();
        certificates(folder.path(), &["phone.localhost"]);
        let tls = trusting(&demo.root());
        let gate = Gate { port: demo.port, tls, hidden: AtomicBool::new(true), asked: Mutex::default() };
        let (acceptor, gate) = (acceptor(folder.path()), Arc::new(gate));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let serving = Arc::clone(&gate);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, gate) = (acceptor.clone(), Arc::clone(&serving));
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let answer = service_fn(|request| gate.answer(request));
                    let server = hyper::server::conn::http1::Builder::new();
                    // The browser goes when it likes.
                    let _ = server.serve_connection(TokioIo::new(stream), answer).await;
                });
            }
        });
        Self { port, folder, gate }
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// What leads a phone here under the phone door's own address.
    fn arguments(&self) -> Vec<String> {
        let (door, here) = (self.gate.port, self.port);
        vec![format!("--host-resolver-rules=MAP phone.localhost:{door} 127.0.0.1:{here}")]
    }

    /// From now on the gate's own files are seen.
    fn gives_way(&self) {
        self.gate.hidden.store(false, Ordering::SeqCst);
    }

    /// What was asked for since it was looked at last.
    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.gate.asked.lock().unwrap())
    }
}

impl Gate {
    async fn answer(&self, mut request: Request<Incoming>) -> Result<Response<Body>, Failure> {
        let path = request.uri().path().to_owned();
        self.asked.lock().unwrap().push(path.clone());
        if !self.hidden.load(Ordering::SeqCst) {
            return self.passed(request).await;
        }
        if path == OLDER_FILE {
            let script = Response::builder().header(CONTENT_TYPE, "text/javascript");
            return Ok(script.body(Body::from("// Of an older release alone."))?);
        }
        request.headers_mut().remove(ACCEPT_ENCODING);
        request.headers_mut().remove(IF_NONE_MATCH);
        let mut answer = self.passed(request).await?;
        let older: fn(&str) -> String = match path.as_str() {
            WORKER => older_worker,
            WORDS => |text| text.replacen(NEWER_WORDS, OLDER_WORDS, 1),
            _ => return Ok(answer),
        };
        let body = std::mem::take(answer.body_mut()).collect().await?.to_bytes();
        let text = std::str::from_utf8(&body)?;
        let written = older(text);
        assert_ne!(written, text, "{path} is the newer one's");
        for name in [ETAG, CONTENT_LENGTH] {
            answer.headers_mut().remove(name);
        }
        Ok(answer.map(|_| Body::from(written)))
    }

    async fn passed(&self, request: Request<Incoming>) -> Result<Response<Body>, Failure> {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        let stream = self.tls.connect(ServerName::try_from("phone.localhost")?, stream).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(sender.send_request(request).await?.map(Body::new))
    }
}

/// Another version, and a file more among those it keeps.
fn older_worker(script: &str) -> String {
    let (_, rest) = script.split_once('\n').expect("VERSION has a line of its own");
    let kept = format!("const KEPT = [\"{OLDER_FILE}\",");
    format!("const VERSION = \"OLDER\";\n{}", rest.replacen("const KEPT = [", &kept, 1))
}

fn trusting(root: &std::path::Path) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    let root = pem::parse(std::fs::read(root).unwrap()).unwrap().into_contents();
    roots.add(CertificateDer::from(root)).unwrap();
    let provider = Arc::new(portcullis::crypto::tls_provider::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Arc::new(config.with_root_certificates(roots).with_no_client_auth()).into()
}

/// Waits until the shells in the phone's caches are as wished for.
async fn shells(phone: &Device, wished: impl Fn(&[String]) -> bool) -> Vec<String> {
    let begun = Instant::now();
    loop {
        let names =
            phone.script("return caches.keys().then((all) => all.filter((it) => it.startsWith('shell-')))");
        let names: Vec<String> = serde_json::from_value(names.await).unwrap();
        if wished(&names) {
            return names;
        }
        assert!(begun.elapsed() < crate::PATIENCE, "{names:?}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

/// The pairings on the phone, as far as they can be read out: its private keys cannot.
async fn kept(phone: &Device) -> Value {
    phone
        .script(
            "return new Promise((good, bad) => { \
                const opening = indexedDB.open('portcullis'); \
                opening.onerror = () => bad(opening.error); \
                opening.onsuccess = () => { \
                    const all = opening.result.transaction('phones').objectStore('phones').getAll(); \
                    all.onerror = () => bad(all.error); \
                    all.onsuccess = () => { \
                        opening.result.close(); \
                        good(all.result.map(({ id, credential, site, key }) => \
                            ({ id, credential, site, hidden: key.extractable === false }))); \
                    }; \
                }; })",
        )
        .await
}

const WORKER: &str = "/sw.js";
const WORDS: &str = "/words/en.ftl";

/// A file that the newer release has no more.
const OLDER_FILE: &str = "/older.js";

const NEWER_WORDS: &str = "When you sign in on your computer, the question appears here by itself.";
const OLDER_WORDS: &str = "An older release says this.";
