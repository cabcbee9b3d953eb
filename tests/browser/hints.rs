//! A real Chromium loads what a backend hints at while the page itself is still being made (RFC 8297).

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::demo::Demo;
use crate::walk::{client, first_visit, sign_in_agent};

#[tokio::test]
async fn what_is_hinted_at_is_loaded_before_the_page_comes() {
    let demo = Demo::start();
    let laptop = client(&demo, "client.p12").await;
    let agent = sign_in_agent(&demo).await;
    let phone = first_visit(&demo, &laptop, &agent, false).await;
    demo.command(&["route", "set", "bank", "--backend", &backend().await]);
    laptop.open(&demo.url("bank", "/hinted")).await;
    laptop.sees("The style was there first").await;
    for device in [laptop, agent, phone] {
        device.close().await;
    }
}

/// A site whose page waits until its style was asked for.
async fn backend() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (asked, _) = watch::channel(false);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream, asked.clone()));
        }
    });
    format!("http://{address}")
}

async fn answer(mut stream: TcpStream, asked: watch::Sender<bool>) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let (kind, body) = if head.starts_with(b"GET /hinted.css ") {
        asked.send_replace(true);
        ("text/css", "h1 { color: green }")
    } else if head.starts_with(b"GET /hinted ") {
        let hint = "HTTP/1.1 103 Early Hints\r\nLink: </hinted.css>; rel=preload; as=style\r\n\r\n";
        stream.write_all(hint.as_bytes()).await?;
        let mut asked = asked.subscribe();
        let first = tokio::time::timeout(LONG, asked.wait_for(|asked| *asked)).await.is_ok();
        (
            "text/html",
            if first { "<h1>The style was there first</h1>" } else { "<h1>Nobody asked for it</h1>" },
        )
    } else {
        ("text/plain", "")
    };
    let length = body.len();
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(format!("{head}{body}").as_bytes()).await
}

/// Less than the gate waits for an answer.
const LONG: Duration = Duration::from_secs(10);
