//! Requests without a pause: over kept connections of HTTP/1.1 and HTTP/2, with new ones between. Counts what became
//! of each.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use axum::body::Body;
use http::Request;
use hyper::client::conn::{http1, http2};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::browser::Browser;
use super::wire::whole;

/// Clients at once, half of them over HTTP/2.
pub(crate) const CLIENTS: u64 = 8;

/// So often a client goes on over a new connection.
const RENEWED_EVERY: u64 = 64;

/// What became of all requests so far.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) answered: AtomicU64,
    pub(crate) opened: AtomicU64,
    /// A kept connection turned out to be closed, and the request went again over a new one: what HTTP clients do.
    pub(crate) again: AtomicU64,
    /// Why.
    pub(crate) failed: Mutex<Vec<String>>,
}

/// A running load.
pub(crate) struct Load {
    pub(crate) tally: Arc<Tally>,
    clients: JoinSet<()>,
    enough: CancellationToken,
}

enum Line {
    H1(http1::SendRequest<Body>),
    H2(http2::SendRequest<Body>),
}

impl Load {
    /// Asks for a page that must be there, over and over.
    pub(crate) fn begin(browser: &Arc<Browser>, path: &str) -> Self {
        let (tally, enough, mut clients) =
            (Arc::<Tally>::default(), CancellationToken::new(), JoinSet::new());
        for client in 0..CLIENTS {
            let (browser, path) = (Arc::clone(browser), path.to_owned());
            let (tally, enough) = (Arc::clone(&tally), enough.clone());
            clients.spawn(async move {
                let mut kept = None;
                for number in 0_u64.. {
                    if enough.is_cancelled() {
                        return;
                    }
                    if number % RENEWED_EVERY == RENEWED_EVERY - 1 {
                        kept = None;
                    }
                    ask(&browser, &path, client % 2 == 1, &mut kept, &tally).await;
                }
            });
        }
        Self { tally, clients, enough }
    }

    pub(crate) fn answered(&self) -> u64 {
        self.tally.answered.load(Ordering::SeqCst)
    }

    /// Waits until so many were answered since the beginning.
    pub(crate) async fn reach(&self, count: u64) {
        let failed = || self.tally.failed.lock().unwrap().len();
        while self.answered() + u64::try_from(failed()).unwrap() < count {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }

    /// Ends it. Answered, connections that were opened, asked again, failed.
    pub(crate) async fn end(self) -> (u64, u64, u64, Vec<String>) {
        self.enough.cancel();
        self.clients.join_all().await;
        let count = |of: &AtomicU64| of.load(Ordering::SeqCst);
        let Tally { answered, opened, again, failed } = &*self.tally;
        (count(answered), count(opened), count(again), failed.lock().unwrap().clone())
    }
}

async fn ask(browser: &Browser, path: &str, h2: bool, kept: &mut Option<Line>, tally: &Tally) {
    let was_kept = kept.is_some();
    let mut told = once(browser, path, h2, kept, tally).await;
    if told.is_err() && was_kept {
        tally.again.fetch_add(1, Ordering::SeqCst);
        *kept = None;
        told = once(browser, path, h2, kept, tally).await;
    }
    match told {
        Ok(()) => drop(tally.answered.fetch_add(1, Ordering::SeqCst)),
        Err(why) => {
            tally.failed.lock().unwrap().push(why);
            *kept = None;
        }
    }
}

async fn once(
    browser: &Browser,
    path: &str,
    h2: bool,
    kept: &mut Option<Line>,
    tally: &Tally,
) -> Result<(), String> {
    let name = browser.host.split(':').next().unwrap();
    let line = match kept {
        Some(line) => line,
        None => {
            tally.opened.fetch_add(1, Ordering::SeqCst);
            let alpn = if h2 { "h2" } else { "http/1.1" };
            let io = browser.wire.tls(name, alpn).await.map_err(|error| format!("connecting: {error}"))?;
            kept.insert(Line::over(io, h2).await.map_err(|error| error.to_string())?)
        }
    };
    let mut request = Request::get(path).body(Body::empty()).unwrap();
    browser.dress(&mut request);
    let answer = match line {
        Line::H1(line) => {
            line.ready().await.map_err(|error| error.to_string())?;
            line.send_request(request).await
        }
        Line::H2(line) => {
            request.headers_mut().remove("host");
            *request.uri_mut() = format!("https://{}{path}", browser.host).parse().unwrap();
            line.ready().await.map_err(|error| error.to_string())?;
            line.send_request(request).await
        }
    };
    let answer = whole(answer.map_err(|error| format!("{error:?}"))?).await;
    if answer.status == 200 { Ok(()) } else { Err(format!("{}: {}", answer.status, answer.text())) }
}

impl Line {
    async fn over(
        io: tokio_rustls::client::TlsStream<tokio::net::TcpStream>,
        h2: bool,
    ) -> hyper::Result<Self> {
        let io = hyper_util::rt::TokioIo::new(io);
        if h2 {
            let (line, connection) = http2::handshake(hyper_util::rt::TokioExecutor::new(), io).await?;
            tokio::spawn(connection);
            Ok(Self::H2(line))
        } else {
            let (line, connection) = http1::handshake(io).await?;
            tokio::spawn(connection);
            Ok(Self::H1(line))
        }
    }
}
