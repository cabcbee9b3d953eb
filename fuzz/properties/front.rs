//! Raw bytes on a TLS connection to the whole house: the first byte says at which door, by which version of HTTP,
//! with which certificate and whether it hangs up at once; the rest is sent as it is (after the preface, where it
//! is HTTP/2).

use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Runtime;

use super::Heard;
use super::strict::{Promise, Strict};
use crate::support::desk::anna;
use crate::support::gate::Gate;
use crate::support::wire::Wire;

/// Whatever is sent, the backend gets whole requests by the letter, each with the gate's word for who is
/// calling; the answer is HTTP, and nothing in the house fails.
pub(crate) fn holds(data: &[u8]) -> Heard {
    let Some((&kind, bytes)) = data.split_first() else { return Heard::Refused };
    let house = HOUSE.lock().unwrap_or_else(PoisonError::into_inner);
    let before = house.backend.requests();
    let door = DOORS[usize::from(kind & 7) % DOORS.len()];
    let http2 = kind & 8 != 0;
    let wire = if kind & 16 == 0 { house.gate.wire.bare() } else { house.wire.clone() };
    let answer = house.runtime.block_on(exchange(&wire, door, kind, bytes));
    if http2 {
        must_be_frames(&answer);
    } else {
        must_be_answers(&answer);
    }
    let after = house.backend.requests();
    assert!(kind & 16 != 0 || before == after || !door.starts_with("bank"), "without a certificate");
    Heard::accepted_if(after > before)
}

/// Sends, listens until it is quiet, hangs up and reads the rest.
async fn exchange(wire: &Wire, door: &str, kind: u8, bytes: &[u8]) -> Vec<u8> {
    let mut answer = Vec::new();
    let http2 = kind & 8 != 0;
    let Ok(mut stream) = wire.tls(door, if http2 { "h2" } else { "http/1.1" }).await else { return answer };
    let preface: &[u8] = if http2 { b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0" } else { b"" };
    let talk = async {
        let _ = stream.write_all(preface).await;
        let _ = stream.write_all(bytes).await;
        let mut piece = [0; 4096];
        let mut quiet = FIRST_WITHIN;
        let hears_first = kind & 32 == 0;
        if hears_first {
            while let Ok(Ok(read @ 1..)) = tokio::time::timeout(quiet, stream.read(&mut piece)).await {
                answer.extend_from_slice(&piece[..read]);
                quiet = NEXT_WITHIN;
            }
        }
        let _ = stream.shutdown().await;
        while let Ok(read @ 1..) = stream.read(&mut piece).await {
            answer.extend_from_slice(&piece[..read]);
        }
    };
    let _ = tokio::time::timeout(PATIENCE, talk).await;
    answer
}

fn must_be_answers(answer: &[u8]) {
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1."), "{}", String::from_utf8_lossy(answer));
    let failed = answer.windows(13).any(|window| window == b"HTTP/1.1 500 ");
    assert!(!failed, "the house failed: {}", String::from_utf8_lossy(answer));
}

/// Whole frames, of kinds that a server sends, the first of them SETTINGS (RFC 9113 3.4, 4.1).
fn must_be_frames(answer: &[u8]) {
    let mut rest = answer;
    let mut first = true;
    while let Some((head, after)) = rest.split_first_chunk::<9>() {
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        assert!(length <= 16_384 && head[3] <= 9 && head[3] != 5, "no frame of a server's: {head:?}");
        assert!(!first || head[3] == 4, "it does not begin with SETTINGS: {head:?}");
        first = false;
        rest = after.get(length..).unwrap_or_default();
    }
}

struct House {
    runtime: Runtime,
    gate: Gate,
    /// With Anna's certificate.
    wire: Wire,
    backend: Strict,
}

static HOUSE: LazyLock<Mutex<House>> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let backend = Strict::default();
    let (gate, wire) = runtime.block_on(async {
        let address = backend.start().await;
        let gate = Gate::with(|plan| {
            plan.portal = BY_CERTIFICATE.to_owned();
            plan.backend = Some(format!("http://{address}"));
            plan.first_byte_ms_max = 1_000;
        });
        let gate = gate.await;
        let laptop = anna(&gate).await;
        gate.settle(&laptop).await;
        let key = &gate.started().jwks["keys"][0];
        let coordinate = |name: &str| {
            let text = key[name].as_str().expect("a coordinate");
            data_encoding::BASE64URL_NOPAD.decode(text.as_bytes()).expect("base64url")
        };
        backend.expect(Promise {
            key: [vec![4], coordinate("x"), coordinate("y")].concat(),
            audience: "bank/portal".to_owned(),
            person: "anna".to_owned(),
            certificate: laptop.identity.chain[0].clone(),
        });
        let wire = gate.wire.showing(&laptop.identity);
        // Nobody comes to clear up after a static; what is open stays open.
        let _ = std::fs::remove_dir_all(gate.folder.path());
        (gate, wire)
    });
    Mutex::new(House { runtime, gate, wire, backend })
});

const DOORS: [&str; 5] =
    ["bank.localhost", "other.localhost", "console.localhost", "phone.localhost", "start.localhost"];

const BY_CERTIFICATE: &str = r#"
[[rule]]
name  = "All"
paths = ["/**"]
who   = ["group:clients"]
need  = ["certificate"]
"#;

/// Some streams have no end.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long it listens. A test must not take a slow machine for a refusal; a fuzzer has no time to wait.
const FIRST_WITHIN: Duration = Duration::from_millis(if crate::IN_A_HURRY { 100 } else { 1_500 });
const NEXT_WITHIN: Duration = Duration::from_millis(if crate::IN_A_HURRY { 20 } else { 100 });
