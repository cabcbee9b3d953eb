//! Bytes as they are: TLS connections on which a test writes what no library would, and reads what
//! comes back. Knows no HTTP beyond where an answer's head ends.

use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::PATIENCE;
use super::wire::Wire;

/// Connections of one kind to one door.
#[derive(Clone)]
pub(crate) struct Raw {
    wire: Wire,
    sni: String,
    config: Arc<ClientConfig>,
}

/// One connection.
pub(crate) struct Line {
    pub(crate) stream: TlsStream<TcpStream>,
    /// Read and not yet looked at.
    pub(crate) unread: Vec<u8>,
}

/// What came back until the end, or until there was no more patience.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) bytes: Vec<u8>,
    /// Whether the other side ended it.
    pub(crate) ended: bool,
}

impl Raw {
    pub(crate) fn new(wire: &Wire, sni: &str, alpn: &[&str]) -> Self {
        Self::with(wire, sni, wire.config(alpn))
    }

    pub(crate) fn with(wire: &Wire, sni: &str, mut config: ClientConfig) -> Self {
        config.resumption = rustls::client::Resumption::disabled();
        Self { wire: wire.clone(), sni: sni.to_owned(), config: Arc::new(config) }
    }

    pub(crate) async fn open(&self) -> std::io::Result<Line> {
        let stream = self.wire.tls_so(&self.sni, Arc::clone(&self.config)).await?;
        Ok(Line { stream, unread: Vec::new() })
    }

    /// Sends on a connection of its own and listens to the end; nothing where there is no handshake.
    pub(crate) async fn exchange(&self, bytes: &[u8]) -> Heard {
        match self.open().await {
            Ok(mut line) => {
                line.send(bytes).await;
                line.listen(PATIENCE).await
            }
            Err(_) => Heard { bytes: Vec::new(), ended: true },
        }
    }
}

impl Line {
    /// Writes, even where the other side has had enough.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
        let _ = self.stream.flush().await;
    }

    /// Reads to the end, or until nothing more comes for so long.
    pub(crate) async fn listen(&mut self, silence: Duration) -> Heard {
        let mut ended = false;
        while let Ok(more) = tokio::time::timeout(silence, self.more()).await {
            if !more {
                ended = true;
                break;
            }
        }
        Heard { bytes: std::mem::take(&mut self.unread), ended }
    }

    /// One answer of HTTP/1.1 with a Content-Length.
    pub(crate) async fn answer(&mut self) -> Option<String> {
        loop {
            if let Some(length) = whole_answer(&self.unread) {
                let rest = self.unread.split_off(length);
                let answer = std::mem::replace(&mut self.unread, rest);
                return Some(String::from_utf8_lossy(&answer).into_owned());
            }
            if !tokio::time::timeout(PATIENCE, self.more()).await.ok()? {
                return None;
            }
        }
    }

    /// Reads a piece; whether there was one.
    pub(crate) async fn more(&mut self) -> bool {
        let mut piece = [0; 16 * 1024];
        match self.stream.read(&mut piece).await {
            Ok(0) | Err(_) => false,
            Ok(n) => {
                self.unread.extend_from_slice(&piece[..n]);
                true
            }
        }
    }
}

impl Heard {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// The status of the first answer.
    pub(crate) fn status(&self) -> Option<u16> {
        self.text().strip_prefix("HTTP/1.")?.split_whitespace().nth(1)?.parse().ok()
    }
}

/// Length of the first answer, where all of it is there.
fn whole_answer(bytes: &[u8]) -> Option<usize> {
    let head = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    let whole = head + length.unwrap_or(0);
    (bytes.len() >= whole).then_some(whole)
}
