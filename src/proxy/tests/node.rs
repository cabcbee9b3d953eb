//! A backend that can be told how to behave, go, and come back at the same address.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::request_length;

/// How a backend behaves from its next request on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mood {
    /// Answers with this status.
    Says(u16),
    /// Answers after a while.
    Slow(Duration),
    /// Never answers.
    Silent,
    /// Answers half, then says nothing more.
    Half,
    /// Answers half, then resets.
    Resets,
    /// Says what is no HTTP.
    Garbage,
    /// Sends a byte of its body again and again.
    Trickles,
}

#[derive(Clone)]
pub(super) struct Node {
    pub(super) address: SocketAddr,
    mood: Arc<Mutex<Mood>>,
    seen: Arc<Mutex<Vec<String>>>,
    at_once: Arc<AtomicUsize>,
    pub(super) most_at_once: Arc<AtomicUsize>,
    up: Arc<Mutex<CancellationToken>>,
}

impl Node {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let this = Self {
            address: listener.local_addr().unwrap(),
            mood: Arc::new(Mutex::new(Mood::Says(200))),
            seen: Arc::default(),
            at_once: Arc::default(),
            most_at_once: Arc::default(),
            up: Arc::new(Mutex::new(CancellationToken::new())),
        };
        this.listen(listener);
        this
    }

    /// Refuses connections, and closes those that are open.
    pub(super) async fn go(&self) {
        self.up.lock().unwrap().cancel();
        while TcpStream::connect(self.address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    pub(super) async fn come_back(&self) {
        *self.up.lock().unwrap() = CancellationToken::new();
        self.listen(TcpListener::bind(self.address).await.unwrap());
    }

    pub(super) fn be(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    /// First lines of its requests, and all of their heads.
    pub(super) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    pub(super) fn took(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    pub(super) fn forget(&self) {
        self.seen.lock().unwrap().clear();
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn listen(&self, listener: TcpListener) {
        let (this, up) = (self.clone(), self.up.lock().unwrap().clone());
        tokio::spawn(up.clone().run_until_cancelled_owned(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let this = this.clone();
                tokio::spawn(up.clone().run_until_cancelled_owned(async move { this.talk(stream).await }));
            }
        }));
    }

    async fn talk(&self, mut stream: TcpStream) -> Option<()> {
        let (mut pending, mut buffer) = (Vec::new(), vec![0; 16 * 1024]);
        loop {
            let n = stream.read(&mut buffer).await.ok().filter(|n| *n > 0)?;
            pending.extend_from_slice(&buffer[..n]);
            while let Some(length) = request_length(&pending) {
                let head: Vec<u8> = pending.drain(..length).collect();
                self.seen.lock().unwrap().push(String::from_utf8_lossy(&head).into_owned());
                self.answer(&mut stream).await?;
            }
        }
    }

    async fn answer(&self, stream: &mut TcpStream) -> Option<()> {
        let mood = *self.mood.lock().unwrap();
        let half = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf";
        match mood {
            Mood::Says(status) => {
                let answer = format!("HTTP/1.1 {status} Said\r\ncontent-length: 2\r\n\r\nok");
                stream.write_all(answer.as_bytes()).await.ok()
            }
            Mood::Slow(long) => {
                let now = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
                self.most_at_once.fetch_max(now, Ordering::SeqCst);
                // Counted down also where the node goes meanwhile.
                let counted = CountedDown(&self.at_once);
                tokio::time::sleep(long).await;
                drop(counted);
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.ok()
            }
            Mood::Silent => std::future::pending().await,
            Mood::Half => {
                stream.write_all(half.as_bytes()).await.ok()?;
                std::future::pending().await
            }
            Mood::Resets => {
                stream.write_all(half.as_bytes()).await.ok()?;
                tokio::time::sleep(Duration::from_millis(50)).await;
                socket2::SockRef::from(&*stream).set_linger(Some(Duration::ZERO)).unwrap();
                None
            }
            Mood::Garbage => {
                stream.write_all(b"220 smtp.example ESMTP\r\n\r\n").await.ok()?;
                None
            }
            Mood::Trickles => {
                stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await.ok()?;
                loop {
                    stream.write_all(b"1\r\nx\r\n").await.ok()?;
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
        }
    }
}

/// An address that takes no connection and refuses none: its queue is full.
pub(super) struct BlackHole {
    pub(super) address: SocketAddr,
    _listener: socket2::Socket,
    _waiting: Vec<TcpStream>,
}

impl BlackHole {
    pub(super) async fn open() -> Self {
        let listener = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap().as_socket().unwrap();
        let mut waiting = Vec::new();
        while let Ok(Ok(one)) =
            tokio::time::timeout(Duration::from_millis(300), TcpStream::connect(address)).await
        {
            waiting.push(one);
        }
        Self { address, _listener: listener, _waiting: waiting }
    }
}

struct CountedDown<'a>(&'a AtomicUsize);

impl Drop for CountedDown<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
