//! Backends with TLS, HTTP/2 and Unix sockets: reached, shared, believed only where they should be.

use http::{HeaderMap, Version};
use tokio::sync::Semaphore;

use super::peer::{Peer, TestCa, reach};
use super::*;
use crate::proxy::upstream::REQUESTS_MAX;

fn gate(backend: &str, reach: Reach) -> Gate {
    Gate::reaching(backend, Settings::default(), reach)
}

#[tokio::test]
async fn a_backend_of_h2c_is_asked_in_its_manner() {
    let peer = Peer::ok();
    let gate = gate(&format!("h2c://{}", peer.listen(true).await), Reach::default());
    let mut request = get("/a?b=c");
    request.headers_mut().insert("x-forwarded-for", "evil".parse().unwrap());
    request.headers_mut().insert("te", "gzip".parse().unwrap());
    let answer = gate.forward(request).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(read(answer).await.unwrap(), b"ok");
    let post = Request::post("/up").body(Body::from_stream(futures_util::stream::iter(
        (0..3).map(|_| Ok::<_, std::io::Error>("piece")),
    )));
    assert_eq!(gate.forward(post.unwrap()).await.unwrap().status(), 200);
    let asked = peer.asked();
    assert_eq!(asked[0].version, Version::HTTP_2);
    assert_eq!(asked[0].target, format!("http://{HOST}/a?b=c"));
    let told = |headers: &HeaderMap, name: &str| {
        headers.get_all(name).iter().map(|v| v.to_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(told(&asked[0].headers, "x-forwarded-for"), ["192.0.2.7"]);
    assert_eq!(told(&asked[0].headers, "x-forwarded-host"), [HOST]);
    assert_eq!(told(&asked[0].headers, "te"), ["trailers"]);
    assert_eq!(told(&asked[0].headers, "portcullis-assertion").len(), 1);
    for absent in ["host", "transfer-encoding", "connection"] {
        assert!(asked.iter().all(|one| !one.headers.contains_key(absent)), "{absent}");
    }
    assert_eq!(peer.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_crowd_shares_one_connection_and_a_full_one_gets_a_second() {
    let doors = Arc::new(Semaphore::new(0));
    let held = Arc::clone(&doors);
    let mut peer = Peer::answering(move |_| {
        let held = Arc::clone(&held);
        async move {
            held.acquire().await.unwrap().forget();
            Response::new(Body::from("ok"))
        }
    });
    peer.streams_max = Some(10);
    let gate = Arc::new(gate(&format!("h2c://{}", peer.listen(true).await), Reach::default()));
    let ask = |n: usize| {
        let gate = Arc::clone(&gate);
        tokio::spawn(async move {
            let answer = gate.forward(get(&format!("/{n}"))).await.unwrap();
            read(answer).await.unwrap()
        })
    };
    // The first answer tells how many streams the backend takes.
    doors.add_permits(1);
    ask(0).await.unwrap();
    tokio::task::yield_now().await;
    let crowd: Vec<_> = (1..=10).map(ask).collect();
    while peer.asked().len() < 11 {
        tokio::task::yield_now().await;
    }
    assert_eq!(peer.connections.load(Ordering::SeqCst), 1, "ten streams at once over one connection");
    let more: Vec<_> = (11..=15).map(ask).collect();
    while peer.asked().len() < 16 {
        tokio::task::yield_now().await;
    }
    assert_eq!(peer.connections.load(Ordering::SeqCst), 2, "those beyond share a second one");
    doors.add_permits(100);
    for one in crowd.into_iter().chain(more) {
        assert_eq!(one.await.unwrap(), b"ok");
    }
    assert_eq!(gate.proxy.upstream.shared(), 2);
}

#[tokio::test]
async fn a_backend_that_says_goodbye_is_asked_over_a_new_connection() {
    // Answers one request on each connection, then GOAWAY.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(stream).await.unwrap();
                let (_, mut respond) = connection.accept().await.unwrap().unwrap();
                let mut body = respond.send_response(Response::new(()), false).unwrap();
                connection.graceful_shutdown();
                body.send_data("bye".into(), true).unwrap();
                while let Some(Ok((_, mut refused))) = connection.accept().await {
                    refused.send_reset(h2::Reason::REFUSED_STREAM);
                }
            });
        }
    });
    let gate = gate(&format!("h2c://{address}"), Reach::default());
    for n in 1..=5 {
        let answer = gate.forward(get("/")).await.unwrap();
        assert_eq!(read(answer).await.unwrap(), b"bye");
        let post = Request::post("/").body(Body::from("not twice")).unwrap();
        assert_eq!(read(gate.forward(post).await.unwrap()).await.unwrap(), b"bye", "{n}");
    }
    assert_eq!(connections.load(Ordering::SeqCst), 10);
}

#[tokio::test]
async fn a_stream_that_was_refused_is_sent_again_where_it_may_be() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut connection = h2::server::handshake(stream).await.unwrap();
        let mut n = 0;
        while let Some(Ok((_, mut respond))) = connection.accept().await {
            n += 1;
            if n % 2 == 0 {
                respond.send_reset(h2::Reason::REFUSED_STREAM);
            } else {
                respond.send_response(Response::new(()), true).unwrap();
            }
        }
    });
    let gate = gate(&format!("h2c://{address}"), Reach::default());
    for _ in 0..3 {
        assert_eq!(gate.forward(get("/")).await.unwrap().status(), 200);
    }
    let post = Request::post("/").body(Body::from("once")).unwrap();
    assert_eq!(gate.forward(post).await.unwrap_err(), broken());
}

/// An answer's end is its own: a stream that is reset, for whatever reason is said, has none.
#[tokio::test]
async fn an_answer_that_is_reset_is_not_whole() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut connection = h2::server::handshake(stream).await.unwrap();
        while let Some(Ok((request, mut respond))) = connection.accept().await {
            let mut body = respond.send_response(Response::new(()), false).unwrap();
            // Behind a whole answer it says, as RFC 9113 8.1 has it, that no more of the request is wanted.
            let whole = request.uri().path() == "/whole";
            body.send_data("half".into(), whole).unwrap();
            let reason = request.uri().path()[1..].parse::<u32>().unwrap_or_default();
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(20)).await;
                body.send_reset(reason.into());
            });
        }
    });
    let gate = gate(&format!("h2c://{address}"), Reach::default());
    for reason in [0, 2, 8] {
        let answer = gate.forward(get(&format!("/{reason}"))).await.unwrap();
        assert!(read(answer).await.is_err(), "reset with {reason}");
    }
    let endless = Body::from_stream(futures_util::stream::pending::<Result<bytes::Bytes, std::io::Error>>());
    let answer = gate.forward(Request::post("/whole").body(endless).unwrap()).await.unwrap();
    assert_eq!(read(answer).await.unwrap(), b"half");
}

#[tokio::test]
async fn a_client_that_leaves_resets_its_stream_and_no_others() {
    let open = Arc::new(());
    let kept = Arc::clone(&open);
    let peer = Peer::answering(move |request| {
        let kept = Arc::clone(&kept);
        async move {
            if request.uri().path() == "/short" {
                return Response::new(Body::from("ok"));
            }
            let stream = futures_util::stream::unfold(kept, |kept| async move {
                tokio::time::sleep(Duration::from_millis(1)).await;
                Some((Ok::<_, std::io::Error>(bytes::Bytes::from_static(&[0; 1024])), kept))
            });
            Response::new(Body::from_stream(stream))
        }
    });
    let gate = gate(&format!("h2c://{}", peer.listen(true).await), Reach::default());
    let left = gate.forward(get("/endless")).await.unwrap();
    let cut = gate.forward(get("/endless")).await.unwrap();
    assert_eq!(Arc::strong_count(&open), 4);
    drop(left);
    while Arc::strong_count(&open) > 3 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(read(gate.forward(get("/short")).await.unwrap()).await.unwrap(), b"ok");
    // The permit's end cuts what is left, and the backend is told.
    gate.cancel.cancel();
    assert!(read(cut).await.is_err());
    while Arc::strong_count(&open) > 2 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(peer.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn tls_is_spoken_as_both_like_and_its_certificate_must_come_from_the_pinned_ca() {
    let ca = TestCa::new();
    for (alpn, version) in [
        (&["h2", "http/1.1"][..], Version::HTTP_2),
        (&["http/1.1"], Version::HTTP_11),
        (&[], Version::HTTP_11),
    ] {
        let peer = Peer::ok();
        let address = peer.listen_tls(ca.server("app.internal", alpn, false)).await;
        let gate = gate(&format!("https://{address}"), reach(ca.trust("app.internal")));
        for _ in 0..3 {
            assert_eq!(read(gate.forward(get("/")).await.unwrap()).await.unwrap(), b"ok");
            tokio::task::yield_now().await;
        }
        let asked = peer.asked();
        assert!(asked.iter().all(|one| one.version == version), "{asked:?}");
        assert_eq!(peer.connections.load(Ordering::SeqCst), 1);
        assert_eq!(*peer.shown.lock().unwrap(), [None]);
    }
    // Another CA's certificate, another's name, nobody named: nothing is sent.
    let (peer, other) = (Peer::ok(), TestCa::new());
    let address = peer.listen_tls(ca.server("app.internal", &["h2"], false)).await;
    let to = format!("https://{address}");
    for trust in [other.trust("app.internal"), ca.trust("other.internal")] {
        assert_eq!(gate(&to, reach(trust)).forward(get("/")).await.unwrap_err(), down());
    }
    let mut browsers = ca.trust("app.internal");
    browsers.ca = crate::proxy::Ca::Public;
    assert_eq!(gate(&to, reach(browsers)).forward(get("/")).await.unwrap_err(), down());
    assert_eq!(gate(&to, Reach::default()).forward(get("/")).await.unwrap_err(), down());
    // A backend that speaks no TLS where it should.
    let plain = Backend::answering(OK, Then::Stay).await;
    let to = format!("https://{}", plain.address);
    let hasty = Settings { connect_ms_max: 300, ..Settings::default() };
    let gate = Gate::reaching(&to, hasty, reach(ca.trust("app.internal")));
    assert_eq!(gate.forward(get("/secret")).await.unwrap_err(), slow());
    assert!(!plain.text().contains("secret"));
    assert!(peer.asked().is_empty());
}

#[tokio::test]
async fn the_gate_shows_its_own_certificate_and_takes_up_a_new_one() {
    let ca = TestCa::new();
    let peer = Peer::ok();
    let address = peer.listen_tls(ca.server("app.internal", &["h2"], true)).await;
    let to = format!("https://{address}");
    let without = gate(&to, reach(ca.trust("app.internal")));
    assert_eq!(without.forward(get("/")).await.unwrap_err(), broken());
    assert!(peer.asked().is_empty());

    let (certificate, key, first) = ca.write("gate", "gate.internal");
    let mut trust = ca.trust("app.internal");
    trust.shows = Some((certificate, key.clone()));
    let gate = gate(&to, reach(trust));
    assert_eq!(gate.forward(get("/")).await.unwrap().status(), 200);
    gate.proxy.refresh();
    assert_eq!(gate.forward(get("/")).await.unwrap().status(), 200);
    assert_eq!(*peer.shown.lock().unwrap(), [Some(first.clone())]);

    let (_, _, second) = ca.write("gate", "a-longer-name-than-before.gate.internal");
    gate.proxy.refresh();
    assert_eq!(gate.forward(get("/")).await.unwrap().status(), 200);
    assert_eq!(*peer.shown.lock().unwrap(), [Some(first), Some(second)]);
    // Files that cannot be used leave the old ones in force.
    std::fs::write(key, "no key").unwrap();
    gate.proxy.refresh();
    assert_eq!(gate.forward(get("/")).await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_socket_is_reached_in_the_folders_that_the_operator_named() {
    let folder = tempfile::tempdir().unwrap();
    let (peer, peer2) = (Peer::ok(), Peer::ok());
    peer.listen_at(&folder.path().join("web.sock"), false);
    peer2.listen_at(&folder.path().join("grpc.sock"), true);
    let reach = Reach { tls: vec![], socket_folders: vec![folder.path().to_owned()] };
    let web = format!("unix:{}", folder.path().join("web.sock").display());
    let grpc = format!("unix+h2c:{}", folder.path().join("grpc.sock").display());
    for (to, peer, version) in [(&web, &peer, Version::HTTP_11), (&grpc, &peer2, Version::HTTP_2)] {
        let gate = gate(to, reach.clone());
        for _ in 0..2 {
            assert_eq!(read(gate.forward(get("/")).await.unwrap()).await.unwrap(), b"ok");
            tokio::task::yield_now().await;
        }
        assert!(peer.asked().iter().all(|one| one.version == version));
        assert_eq!(peer.connections.load(Ordering::SeqCst), 1);
    }
    assert_eq!(gate(&web, Reach::default()).forward(get("/")).await.unwrap_err(), down());
    let nobody = format!("unix:{}", folder.path().join("nobody.sock").display());
    assert_eq!(gate(&nobody, reach).forward(get("/")).await.unwrap_err(), down());
}

#[tokio::test]
async fn what_is_sent_once_has_a_connection_of_its_own() {
    let peer = Peer::ok();
    let gate = gate(&format!("h2c://{}", peer.listen(true).await), Reach::default());
    for _ in 0..2 {
        assert_eq!(read(gate.forward(get("/")).await.unwrap()).await.unwrap(), b"ok");
    }
    assert_eq!(peer.connections.load(Ordering::SeqCst), 1);
    let address = Ipv4Addr::LOCALHOST.into();
    let origin = Origin { host: HOST, address, request_id: "4711", memory: &Memory::default() };
    let route = gate.proxy.prepare(&Arc::new(gate.route.clone()));
    for sent in 1..=2 {
        let request = Request::post("/pay").body(Body::from("once")).unwrap();
        let answer = gate.proxy.pass(gate.permit(), &route, origin, Box::new(request), Some("receipt")).await;
        assert_eq!(read(answer.unwrap()).await.unwrap(), b"ok");
        assert_eq!(peer.connections.load(Ordering::SeqCst), 1 + sent);
    }
    assert_eq!(gate.proxy.upstream.shared(), 1);
}

#[tokio::test]
async fn a_shared_connection_is_left_before_its_backend_says_goodbye() {
    let peer = Peer::ok();
    let gate = gate(&format!("h2c://{}", peer.listen(true).await), Reach::default());
    for (requests, connections) in [(REQUESTS_MAX, 1), (2, 2)] {
        for _ in 0..requests {
            assert_eq!(read(gate.forward(get("/")).await.unwrap()).await.unwrap(), b"ok");
        }
        assert_eq!(peer.connections.load(Ordering::SeqCst), connections);
    }
}
