//! A conversation in frames: a test says what it likes while all that comes back is read and written down.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_util::task::AbortOnDropHandle;

use crate::frames::*;
use crate::support::PATIENCE;
use crate::support::raw::Raw;

/// One connection.
pub(crate) struct Talk {
    write: WriteHalf<TlsStream<TcpStream>>,
    said: Arc<Mutex<Said>>,
    reading: Option<AbortOnDropHandle<()>>,
    /// Held where nobody reads.
    _unread: Option<ReadHalf<TlsStream<TcpStream>>>,
}

/// All that came back.
#[derive(Clone, Debug, Default)]
pub(crate) struct Said {
    /// Frames, without their payload.
    pub(crate) frames: Vec<(u8, u8, u32)>,
    pub(crate) goaway: Option<u32>,
    pub(crate) closed: bool,
    /// Error of each stream that was reset.
    pub(crate) resets: HashMap<u32, u32>,
    pub(crate) statuses: HashMap<u32, u16>,
    /// Streams whose answer is whole.
    pub(crate) whole: HashSet<u32>,
    /// Bytes of answers' bodies.
    pub(crate) data: usize,
    pub(crate) pongs: Vec<Vec<u8>>,
    pub(crate) settings: Vec<u8>,
    pub(crate) settings_acknowledged: usize,
}

impl Said {
    pub(crate) fn is_over(&self) -> bool {
        self.goaway.is_some() || self.closed
    }

    fn note(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        self.frames.push((kind, flags, stream));
        match kind {
            GOAWAY => self.goaway = payload.get(4..8).map(number),
            RST_STREAM => drop(self.resets.insert(stream, number(payload))),
            PING if flags & ACK != 0 => self.pongs.push(payload.to_vec()),
            SETTINGS if flags & ACK != 0 => self.settings_acknowledged += 1,
            SETTINGS => self.settings.extend_from_slice(payload),
            HEADERS => drop(self.statuses.entry(stream).or_insert(status(payload).unwrap_or_default())),
            DATA => self.data += payload.len(),
            _ => {}
        }
        if matches!(kind, HEADERS | DATA) && flags & END_STREAM != 0 {
            self.whole.insert(stream);
        }
    }
}

impl Talk {
    /// Nothing is said yet.
    pub(crate) async fn open(raw: &Raw) -> Self {
        let (mut read, write) = tokio::io::split(raw.open().await.unwrap().stream);
        let said = Arc::<Mutex<Said>>::default();
        let told = Arc::clone(&said);
        let reading = tokio::spawn(async move {
            let (mut unread, mut piece) = (Vec::new(), vec![0; 16 * 1024]);
            loop {
                match read.read(&mut piece).await {
                    Ok(0) | Err(_) => break told.lock().unwrap().closed = true,
                    Ok(n) => unread.extend_from_slice(&piece[..n]),
                }
                while let Some((kind, flags, stream, payload)) = take(&mut unread) {
                    told.lock().unwrap().note(kind, flags, stream, &payload);
                }
            }
        });
        Self { write, said, reading: Some(AbortOnDropHandle::new(reading)), _unread: None }
    }

    /// Where nobody reads what comes back.
    pub(crate) async fn deaf(raw: &Raw) -> Self {
        let (read, write) = tokio::io::split(raw.open().await.unwrap().stream);
        Self { write, said: Arc::default(), reading: None, _unread: Some(read) }
    }

    /// With the preface, and no wish.
    pub(crate) async fn begun(raw: &Raw) -> Self {
        let mut talk = Self::open(raw).await;
        talk.say(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()).await;
        talk
    }

    /// Whether it could still be said.
    pub(crate) async fn say(&mut self, bytes: &[u8]) -> bool {
        let said = async { self.write.write_all(bytes).await.is_ok() && self.write.flush().await.is_ok() };
        tokio::time::timeout(Duration::from_secs(60), said).await.expect("it is taken, or refused")
    }

    pub(crate) const fn hears(&self) -> bool {
        self.reading.is_some()
    }

    pub(crate) fn said(&self) -> Said {
        self.said.lock().unwrap().clone()
    }

    pub(crate) fn sees(&self, what: impl FnOnce(&Said) -> bool) -> bool {
        what(&self.said.lock().unwrap())
    }

    /// Waits until something is so, or the connection is over and can never be.
    pub(crate) async fn wait(&self, what: impl Fn(&Said) -> bool) -> Said {
        let begun = std::time::Instant::now();
        while !self.sees(|said| what(said) || said.closed) && begun.elapsed() < PATIENCE {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        self.said()
    }

    /// Whether everything that was said before is read, and the connection goes on.
    pub(crate) async fn is_alive(&mut self) -> bool {
        let probe = (self.said().pongs.len() as u64 + 0xa11e).to_be_bytes();
        self.say(&frame(PING, 0, 0, &probe)).await;
        let said = self.wait(|said| said.pongs.iter().any(|pong| *pong == probe) || said.is_over()).await;
        said.pongs.iter().any(|pong| *pong == probe) && !said.is_over()
    }
}

/// The first whole frame.
pub(crate) fn take(unread: &mut Vec<u8>) -> Option<(u8, u8, u32, Vec<u8>)> {
    let head = unread.get(..9)?;
    let length = number(&[0, head[0], head[1], head[2]]) as usize;
    let (kind, flags, stream) = (head[3], head[4], number(&head[5..9]));
    let payload = unread.get(9..9 + length)?.to_vec();
    unread.drain(..9 + length);
    Some((kind, flags, stream, payload))
}
