//! The bank behind the real proxy: its page, its ticker, its files.

use std::time::Duration;

use axum::body::Body;
use data_encoding::BASE64URL_NOPAD;
use http::{Request, Response, StatusCode};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tower::ServiceExt;

use super::*;
use crate::crypto::{self, Signer};
use crate::proxy::tests as gate;
use crate::world::{HeldClock, SystemEntropy};

const HOST: &str = "bank.localhost:8443";
const NOW: Time = Time(1_795_292_244_000);

struct Demo {
    signer: Signer,
    clock: Arc<HeldClock>,
    app: Router,
}

fn demo() -> Demo {
    let signer = Signer::from_pkcs8(&Signer::generate().unwrap()).unwrap();
    let (x, y) = signer.public()[1..].split_at(32);
    let (x, y) = (BASE64URL_NOPAD.encode(x), BASE64URL_NOPAD.encode(y));
    let jwks = json!({ "keys": [{ "kty": "EC", "crv": "P-256", "kid": "k", "x": x, "y": y }] });
    let clock = Arc::new(HeldClock::at(NOW));
    let world = World { clock: clock.clone(), entropy: Arc::new(SystemEntropy) };
    Demo { app: router(world, &jwks, CancellationToken::new()), signer, clock }
}

fn claims() -> Value {
    let now = NOW.secs();
    json!({
        "iss": format!("https://{HOST}"), "aud": "bank/portal", "sub": "anna", "tenant": "bank",
        "name": "Anna <Muster>", "device_name": "laptop", "amr": ["swk", "pwd", "mca", "mfa"],
        "auth_time": now - 60, "iat": now, "nbf": now, "exp": now + 30,
        "cnf": { "x5t#S256": BASE64URL_NOPAD.encode(&crypto::sha256(b"der")) },
    })
}

impl Demo {
    fn token(&self, head: Value, claims: &Value) -> String {
        let part = |value: String| BASE64URL_NOPAD.encode(value.as_bytes());
        let text = format!("{}.{}", part(head.to_string()), part(claims.to_string()));
        let signature = BASE64URL_NOPAD.encode(&self.signer.sign(text.as_bytes()).unwrap());
        format!("{text}.{signature}")
    }

    fn good(&self) -> String {
        self.token(json!({ "alg": "ES256", "kid": "k" }), &claims())
    }

    async fn ask(&self, token: &str, path: &str) -> Response<Body> {
        let request = Request::get(path).header("host", HOST).header("portcullis-assertion", token);
        self.app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    }
}

async fn text(response: Response<Body>) -> String {
    let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[tokio::test]
async fn the_page_shows_who_the_gate_says_you_are() {
    let demo = demo();
    let answer = demo.ask(&demo.good(), "/").await;
    assert_eq!(answer.status(), StatusCode::OK);
    let policy = answer.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned();
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    let page = text(answer).await;
    for shown in
        ["Anna &lt;Muster&gt;", "certificate on this device, password, approval on your phone", "laptop"]
    {
        assert!(page.contains(shown), "{shown}");
    }
    assert!(page.contains(&data_encoding::HEXLOWER.encode(&crypto::sha256(b"der"))));
    assert!(!page.contains("{{") && !page.contains("<script>") && !page.contains("style="));
}

#[tokio::test]
async fn nobody_comes_in_without_the_gates_word_for_this_moment() {
    let stranger = demo().good();
    let demo = demo();
    let head = json!({ "alg": "ES256", "kid": "k" });
    let with = |name: &str, value: Value| {
        let mut claims = claims();
        claims[name] = value;
        demo.token(head.clone(), &claims)
    };
    let good = demo.good();
    let (text, _) = good.rsplit_once('.').unwrap();
    for bad in [
        String::new(),
        "a.b.c".to_owned(),
        format!("{text}."),
        format!("{text}.AAAA"),
        demo.token(json!({ "alg": "none", "kid": "k" }), &claims()),
        demo.token(json!({ "alg": "ES256", "kid": "other" }), &claims()),
        stranger,
        with("iss", json!("https://other.localhost:8443")),
        with("aud", json!("other/portal")),
        with("exp", json!(NOW.secs())),
        with("nbf", json!(NOW.secs() + 60)),
    ] {
        for path in ["/", "/statement.bin?mib=1"] {
            assert_eq!(demo.ask(&bad, path).await.status(), StatusCode::FORBIDDEN, "{bad}");
        }
    }
    demo.clock.advance(Duration::from_secs(30));
    assert_eq!(demo.ask(&good, "/").await.status(), StatusCode::FORBIDDEN);
    // A certificate that the token is not bound to.
    demo.clock.set(NOW);
    let request = Request::get("/").header("host", HOST).header("portcullis-assertion", good);
    let request = request.header("client-cert", ":AAAA:").body(Body::empty()).unwrap();
    assert_eq!(demo.app.clone().oneshot(request).await.unwrap().status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn large_things_are_of_the_size_and_content_that_was_sent() {
    let demo = demo();
    let answer = demo.ask(&demo.good(), "/statement.bin?mib=3").await;
    assert_eq!(answer.headers()[CONTENT_LENGTH], (3 << 20).to_string());
    assert_eq!(text(answer).await.len(), 3 << 20);
    let request = Request::post("/upload").header("host", HOST).header("portcullis-assertion", demo.good());
    let answer = demo.app.clone().oneshot(request.body(Body::from("abc")).unwrap()).await.unwrap();
    let said: Value = serde_json::from_str(&text(answer).await).unwrap();
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(said, json!({ "bytes": 3, "sha256": abc }));
    assert_eq!(demo.ask(&demo.good(), "/none").await.status(), StatusCode::NOT_FOUND);
    let echo: Value = serde_json::from_str(&text(demo.ask(&demo.good(), "/headers").await).await).unwrap();
    assert_eq!(echo["verified"]["sub"], "anna");
    assert_eq!(echo["headers"][0], json!(["host", HOST]));
}

/// The bank as it stands: behind the real proxy, told by it who is calling.
#[tokio::test]
async fn behind_the_gate_it_knows_its_client_and_ticks() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut front = gate::Gate::before(listener.local_addr().unwrap());
    front.route.client_cert = false;
    let shutdown = CancellationToken::new();
    let world = World { clock: front.clock.clone(), entropy: Arc::new(SystemEntropy) };
    let app = router(world, &front.proxy.jwks(), shutdown.clone());
    let served = tokio::spawn(
        axum::serve(listener, app).with_graceful_shutdown(shutdown.clone().cancelled_owned()).into_future(),
    );
    let front = Arc::new(front);

    let page = text(front.forward(gate::get("/")).await.unwrap()).await;
    assert!(page.contains("Good day, Anna Müster &quot;}"), "{page}");
    let request = Request::post("/upload").body(Body::from(vec![7; 8 << 20])).unwrap();
    let said: Value = serde_json::from_str(&text(front.forward(request).await.unwrap()).await).unwrap();
    assert_eq!(said["bytes"], 8 << 20);

    let stream = tokio::net::TcpStream::connect(front.listen(false).await).await.unwrap();
    let mut request = format!("ws://{}/ws/ticker", gate::HOST).into_client_request().unwrap();
    request.headers_mut().insert("origin", format!("https://{}", gate::HOST).parse().unwrap());
    let (mut socket, _) = tokio_tungstenite::client_async(request, stream).await.unwrap();
    for _ in 0..2 {
        let rates: Value =
            serde_json::from_str(socket.next().await.unwrap().unwrap().to_text().unwrap()).unwrap();
        assert_eq!(rates[0]["pair"], "EUR / CHF");
    }
    shutdown.cancel();
    drop(front);
    tokio::time::timeout(Duration::from_secs(20), served).await.unwrap().unwrap().unwrap();
}
