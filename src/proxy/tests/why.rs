//! What an operator is told of a backend that gives no answer: its cause once, and what to do about it.

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;

use super::peer::{Peer, TestCa, reach};
use super::*;
use crate::domain::route::RouteSet;
use crate::proxy::Ca;

/// What came of one request, and what is told of it.
async fn asked(backend: &str, reach: Reach) -> (Result<Response<Body>, Reason>, String) {
    let gate = Gate::reaching(backend, Settings::default(), reach);
    let routes = Arc::new(RouteSet::of(vec![Arc::new(gate.route.clone())]));
    gate.proxy.take_up(&[(gate.route.tenant.clone(), Arc::clone(&routes))]);
    let to = gate.proxy.destination(&gate.route.tenant, &routes, HOST, "/").unwrap();
    let answer = gate.forward_to(&to, gate.permit(), get("/")).await;
    let why = gate.proxy.backends().into_iter().find_map(|one| one.why).unwrap_or_default();
    (answer, why)
}

async fn told(backend: &str, reach: Reach) -> String {
    let (answer, why) = asked(backend, reach).await;
    assert!(answer.is_err(), "{backend}");
    why
}

#[tokio::test]
async fn a_cause_is_told_once() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let why = told(&format!("http://{nobody}"), Reach::default()).await;
    assert_eq!(why.matches("Connection refused").count(), 1, "{why}");
    assert!(why.contains("see that it runs and listens there"), "{why}");
    // RFC 6761 6.4: no such name is known anywhere.
    let why = told("http://nobody.invalid", Reach::default()).await;
    assert!(why.contains("correct the name") && !why.contains("see that it runs"), "{why}");
}

#[tokio::test]
async fn http2_in_clear_to_a_backend_that_does_not_speak_it_is_told_with_the_next_step() {
    let old = Backend::answering(OK, Then::Stay).await;
    let why = told(&format!("h2c://{}", old.address), Reach::default()).await;
    assert!(why.contains("does it speak HTTP/2") && why.contains("`http://`"), "{why}");
    assert_eq!(why.matches("http2 error").count(), 1, "{why}");
}

/// As `openssl req -x509` makes them.
#[tokio::test]
async fn a_self_signed_certificate_that_is_marked_as_a_ca_is_told_with_the_next_step() {
    let ca = TestCa::new();
    for (is_ca, good) in [(IsCa::Ca(BasicConstraints::Unconstrained), false), (IsCa::ExplicitNoCa, true)] {
        let mut params = CertificateParams::new(vec!["app.internal".to_owned()]).unwrap();
        params.is_ca = is_ca;
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let file = ca.folder.path().join("alone.pem");
        std::fs::write(&file, certificate.pem()).unwrap();
        let provider = Arc::new(crypto::tls_provider::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(rustls::DEFAULT_VERSIONS)
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap();
        let address = Peer::ok().listen_tls(config).await;
        let trust = crate::proxy::Trust { ca: Ca::Pinned(file), ..ca.trust("app.internal") };
        let (answer, why) = asked(&format!("https://{address}"), reach(trust)).await;
        if good {
            assert_eq!(answer.unwrap().status(), 200);
            continue;
        }
        assert!(answer.is_err() && why.contains("CA:TRUE") && why.contains("CA:FALSE"), "{why}");
        assert!(!why.contains("OtherError"), "{why}");
    }
}
