//! The real program with a strict backend behind it and one client who has signed in: what the attacks on
//! HTTP begin with. Every raw request carries that client's certificate and cookie.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::frames::{Field, request};
use crate::recorder::Recorder;
use crate::support::browser::{Browser, COOKIE};
use crate::support::desk::anna;
use crate::support::gate::{Gate, Handed, Plan};
use crate::support::program::{Program, Start};
use crate::support::raw::Raw;
use crate::support::wire::Identity;

/// A client inside.
pub(crate) struct Inside {
    pub(crate) program: Program,
    pub(crate) recorder: Recorder,
    pub(crate) client: Browser,
    pub(crate) laptop: Handed,
    /// HTTP/1.1.
    pub(crate) h1: Raw,
    pub(crate) h2: Raw,
    /// `bank.localhost:8443`.
    pub(crate) host: String,
    /// `__Host-portcullis=...`
    pub(crate) cookie: String,
    honest: AtomicUsize,
}

impl Inside {
    pub(crate) async fn open() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Plan)) -> Self {
        Self::after(change, Start::default(), async |_, _| ()).await.0
    }

    /// After what is prepared while the store is still in the test's hands.
    pub(crate) async fn after<T>(
        change: impl FnOnce(&mut Plan),
        start: Start,
        prepare: impl AsyncFnOnce(&Gate, &Handed) -> T,
    ) -> (Self, T) {
        Self::all_so(Recorder::start().await, change, start, prepare).await
    }

    /// With a backend that runs already, perhaps behind another.
    pub(crate) async fn before(recorder: Recorder, change: impl FnOnce(&mut Plan)) -> Self {
        Self::all_so(recorder, change, Start::default(), async |_, _| ()).await.0
    }

    async fn all_so<T>(
        recorder: Recorder,
        change: impl FnOnce(&mut Plan),
        start: Start,
        prepare: impl AsyncFnOnce(&Gate, &Handed) -> T,
    ) -> (Self, T) {
        let gate = Gate::with(|plan| {
            plan.backend = Some(format!("http://{}", recorder.address));
            change(plan);
        })
        .await;
        let laptop = anna(&gate).await;
        let client = gate.signed_in("bank", &laptop).await;
        let prepared = prepare(&gate, &laptop).await;
        let program = Program::started_so(gate, start).await;
        let (h1, h2) = (
            Raw::new(&client.wire, "bank.localhost", &["http/1.1"]),
            Raw::new(&client.wire, "bank.localhost", &["h2"]),
        );
        let cookie = format!("{COOKIE}={}", client.cookie().expect("a session"));
        let host = client.host.clone();
        let this =
            Self { program, recorder, client, laptop, h1, h2, host, cookie, honest: AtomicUsize::new(0) };
        this.must_serve_the_honest().await;
        this.recorder.forget();
        (this, prepared)
    }

    /// Connections to a door with another certificate.
    pub(crate) fn showing(&self, identity: &Identity) -> Raw {
        let versions = rustls::DEFAULT_VERSIONS;
        let wire = &self.client.wire;
        let config = wire.config_showing(&identity.chain, &identity.key, versions, &["http/1.1"]);
        Raw::with(wire, "bank.localhost", config)
    }

    /// `Host` and `Cookie`, each with its end of line.
    pub(crate) fn lines(&self) -> String {
        format!("Host: {}\r\nCookie: {}\r\n", self.host, self.cookie)
    }

    /// The head of a request over HTTP/2.
    pub(crate) fn fields(&self, method: &str, path: &str) -> Vec<Field> {
        request(&self.host, &self.cookie, method, path)
    }

    /// A request that ends its connection.
    pub(crate) fn last(&self, method: &str, path: &str, more: &str) -> String {
        format!("{method} {path} HTTP/1.1\r\n{}Connection: close\r\n{more}\r\n", self.lines())
    }

    /// An honest request on a connection of its own gets its own answer, whatever went before.
    pub(crate) async fn must_serve_the_honest(&self) {
        let number = self.honest.fetch_add(1, Ordering::SeqCst);
        let path = format!("/honest/{number}");
        let heard = self.h1.exchange(self.last("GET", &path, "").as_bytes()).await.text();
        let own = format!("the bank's own page at {path}");
        assert!(
            heard.starts_with("HTTP/1.1 200 ") && heard.ends_with(&format!("\r\n\r\n{own}")),
            "{path}: {heard}; {}",
            self.program.log()
        );
    }
}
