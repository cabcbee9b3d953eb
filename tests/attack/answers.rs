//! A backend that answers as it should not: whoever asked gets the right answer, a page that says so or a
//! broken one, and nobody after them gets anything of it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::frames::*;
use crate::inside::Inside;
use crate::support::PATIENCE;

/// What a client may get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gets {
    /// This status and this whole body.
    Whole(u16, &'static str),
    /// 502, or an answer that breaks off.
    Nothing,
}
use Gets::{Nothing, Whole};

/// What the backend says, and then closes or not.
struct Case {
    method: &'static str,
    said: Vec<u8>,
    closes: bool,
    gets: Gets,
}

fn cases() -> Vec<Case> {
    let mut all = Vec::new();
    let mut add =
        |method, said: &[u8], closes, gets| all.push(Case { method, said: said.to_vec(), closes, gets });
    // Two ends, or none that can be read.
    for head in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5\r\nContent-Length: 5",
        "Content-Length: 5, 5",
        "Content-Length: +5",
        "Content-Length: -5",
        "Content-Length: 0x5",
        "Content-Length: 5 5",
        "Content-Length:",
        "Content-Length: 99999999999999999999999",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding:",
    ] {
        add(
            "GET",
            format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n5\r\nevil!\r\n0\r\n\r\n").as_bytes(),
            false,
            Nothing,
        );
    }
    add(
        "GET",
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nevil!\r\n0\r\n\r\n",
        true,
        Nothing,
    );
    // Lines in lines, and lines that are none.
    for line in [
        &b"X-A: a\rX-Evil: 1"[..],
        b"X-A: a\0evil",
        b"X-A: a\x0bevil",
        b"X-A: a\x7fevil",
        b"X A: evil",
        b"X-A : evil",
        b": evil",
        b"X-A\0: evil",
        b"X-A: a\r\n evil",
        b"X-A: a\r\n\tevil: 1",
        b"evil",
        b"\xffX: evil",
    ] {
        let said = [b"HTTP/1.1 200 OK\r\n", line, b"\r\nContent-Length: 2\r\n\r\nok"].concat();
        add("GET", &said, false, Nothing);
    }
    // No answer of HTTP/1.1.
    for first in [
        "evil",
        "<html>evil</html>",
        "HTTP/0.9 200 OK",
        "HTTP/2.0 200 OK",
        "HTTP/1.1 2000 OK",
        "HTTP/1.1 20 OK",
        "HTTP/1.1 099 OK",
        "HTTP/1.1 -20 OK",
        "HTTP/1.1  200 OK",
        "HTTP/1.1 OK",
        "ICY 200 OK",
        "http/1.1 200 OK",
        " HTTP/1.1 200 OK",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade",
        "HTTP/1.1 101 Switching Protocols",
    ] {
        add("GET", format!("{first}\r\nContent-Length: 4\r\n\r\nevil").as_bytes(), true, Nothing);
    }
    // Heads beyond measure, and answers before the answer without end.
    let headers: String = (0..500).map(|n| format!("X-{n}: evil\r\n")).collect();
    add("GET", format!("HTTP/1.1 200 OK\r\n{headers}Content-Length: 2\r\n\r\nok").as_bytes(), false, Nothing);
    let long = format!("HTTP/1.1 200 OK\r\nX-A: {}\r\nContent-Length: 2\r\n\r\nok", "evil".repeat(100_000));
    add("GET", long.as_bytes(), false, Nothing);
    let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let hints = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n";
    add("GET", (hints.repeat(5_000) + ok).as_bytes(), false, Nothing);
    add("GET", (hints.repeat(5) + ok).as_bytes(), false, Whole(200, "ok"));
    // Bodies where there are none, and more than was said.
    for (method, said, gets) in [
        ("GET", "HTTP/1.1 204 No Content\r\n\r\nevil".to_owned(), Whole(204, "")),
        ("GET", "HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\nevil".to_owned(), Whole(204, "")),
        ("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\nevil".to_owned(), Whole(304, "")),
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil".to_owned(), Whole(200, "")),
        ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nevil".to_owned(), Whole(200, "")),
        ("GET", format!("{ok}evil"), Whole(200, "ok")),
        ("GET", format!("{ok}HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"), Whole(200, "ok")),
        (
            "GET",
            format!("{ok}{}", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil".repeat(100)),
            Whole(200, "ok"),
        ),
    ] {
        add(method, said.as_bytes(), false, gets);
    }
    // Chunks.
    let chunked = |chunks: &str| format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}");
    for (chunks, gets) in [
        ("2\r\nok\r\n0\r\n\r\n", Whole(200, "ok")),
        ("2;a=b\r\nok\r\n0\r\n\r\n", Whole(200, "ok")),
        ("2\r\nok\r\n0\r\nSet-Cookie: evil=1\r\nPortcullis-Assertion: evil\r\n\r\n", Whole(200, "ok")),
        ("2\r\nok\r\n0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", Whole(200, "ok")),
        ("zz\r\nok\r\n0\r\n\r\n", Nothing),
        ("-2\r\nok\r\n0\r\n\r\n", Nothing),
        ("+2\r\nok\r\n0\r\n\r\n", Nothing),
        ("0x2\r\nok\r\n0\r\n\r\n", Nothing),
        ("fffffffffffffffff\r\nok\r\n0\r\n\r\n", Nothing),
        ("2\r\nokevil\r\n0\r\n\r\n", Nothing),
        ("2\r\nok0\r\n\r\n", Nothing),
        ("2\r\nok\r\n", Nothing),
        ("2\r\nok\r\n0\r\n", Nothing),
        ("\r\n", Nothing),
    ] {
        add("GET", chunked(chunks).as_bytes(), true, gets);
    }
    add("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", true, Nothing);
    // What the gate alone may say.
    // Said with a right answer, it is left out.
    let ours = "Set-Cookie: __Host-portcullis=evil; Path=/; Secure\r\nPortcullis-Assertion: evil\r\nAlt-Svc: h3=\":evil\"\r\nService-Worker-Allowed: /evil\r\nX-Hop: evil\r\nConnection: X-Hop\r\n";
    add(
        "GET",
        format!("HTTP/1.1 200 OK\r\n{ours}Content-Length: 2\r\n\r\nok").as_bytes(),
        false,
        Whole(200, "ok"),
    );
    all
}

/// The backend: `/hostile/N` is answered as the case says, everything else rightly.
struct Hostile {
    cases: Vec<Case>,
    /// Requests that came over a connection on which a case had been answered.
    after: Mutex<Vec<String>>,
}

impl Hostile {
    async fn attend(&self, mut stream: TcpStream) {
        let (mut unread, mut before) = (Vec::new(), None);
        loop {
            let Some(end) = unread.windows(4).position(|four| four == b"\r\n\r\n") else {
                let mut piece = [0; 16 * 1024];
                match stream.read(&mut piece).await {
                    Ok(n @ 1..) => unread.extend_from_slice(&piece[..n]),
                    _ => return,
                }
                continue;
            };
            let head = String::from_utf8_lossy(&unread[..end]).into_owned();
            unread.drain(..end + 4);
            let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
            if let Some(before) = before.take() {
                self.after.lock().unwrap().push(format!("{path} after {before}"));
            }
            let Some(number) = path.strip_prefix("/hostile/") else {
                let body = format!("the bank's own page at {path}");
                let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
                if stream.write_all(answer.as_bytes()).await.is_err() {
                    return;
                }
                continue;
            };
            let case = &self.cases[number.parse::<usize>().unwrap()];
            if stream.write_all(&case.said).await.is_err() || case.closes {
                return;
            }
            // Nothing may come over it again, but where it was the right answer and no more.
            if case.gets != Whole(200, "ok") || case.said.ends_with(b"evil") {
                before = Some(path);
            }
        }
    }
}

/// H-21. Over both versions of HTTP, and after each an honest client over the same backend.
#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_answer_harms_nobody_but_who_asked() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let hostile = Arc::new(Hostile { cases: cases(), after: Mutex::default() });
    let serving = Arc::clone(&hostile);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let serving = Arc::clone(&serving);
            tokio::spawn(async move { serving.attend(stream).await });
        }
    });
    let inside = Inside::with(|plan| {
        plan.backend = Some(format!("http://{address}"));
        plan.first_byte_ms_max = 3_000;
    })
    .await;
    for (n, case) in hostile.cases.iter().enumerate() {
        let said = String::from_utf8_lossy(&case.said[..case.said.len().min(200)]).into_owned();
        let path = format!("/hostile/{n}");
        let heard = inside.h1.exchange(inside.last(case.method, &path, "").as_bytes()).await;
        let text = heard.text();
        assert!(heard.ended && !text.contains("evil"), "{said:?}: {text}");
        match case.gets {
            Whole(status, body) => {
                assert_eq!(
                    (heard.status(), body_of(&text)),
                    (Some(status), Some(body.to_owned())),
                    "{said:?}: {text}"
                );
            }
            Nothing => assert!(heard.status() == Some(502) || body_of(&text).is_none(), "{said:?}: {text}"),
        }
        inside.must_serve_the_honest().await;
        let mut h2 = H2::open(&inside.h2).await;
        h2.send(&headers(1, &inside.fields(case.method, &path), true)).await;
        let heard = h2.listen(1, PATIENCE).await;
        let data = String::from_utf8_lossy(&heard.data).into_owned();
        assert!(!data.contains("evil"), "{said:?}: {heard:?}");
        match case.gets {
            Whole(_, body) => assert!(heard.whole && data == body, "{said:?}: {heard:?}"),
            Nothing => assert!(heard.reset.is_some() || heard.status == Some(502), "{said:?}: {heard:?}"),
        }
        // On the same connection the next answer is its own.
        h2.send(&headers(3, &inside.fields("GET", &format!("/next/{n}")), true)).await;
        let heard = h2.listen(3, PATIENCE).await;
        assert_eq!(
            String::from_utf8_lossy(&heard.data),
            format!("the bank's own page at /next/{n}"),
            "{said:?}"
        );
    }
    println!("{} hostile answers over two versions of HTTP: none reached anybody else", hostile.cases.len());
    let after = hostile.after.lock().unwrap().clone();
    assert!(after.is_empty(), "a connection went on after what was said over it: {after:?}");
    assert!(!inside.program.log().contains("panicked"), "{}", inside.program.log());
}

/// The body of a whole answer of HTTP/1.1.
pub(crate) fn body_of(text: &str) -> Option<String> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let head = head.to_ascii_lowercase();
    let bodiless = head.starts_with("http/1.1 204") || head.starts_with("http/1.1 304");
    if let Some(length) = head.lines().find_map(|line| line.strip_prefix("content-length: ")) {
        let whole = body.len() == length.parse::<usize>().ok()? || body.is_empty();
        return whole.then(|| body.to_owned());
    }
    if bodiless {
        return Some(body.to_owned());
    }
    let mut whole = String::new();
    let mut rest = body;
    loop {
        let (size, more) = rest.split_once("\r\n")?;
        let size = usize::from_str_radix(size, 16).ok()?;
        if size == 0 {
            return (more == "\r\n").then_some(whole);
        }
        whole += more.get(..size)?;
        rest = more.get(size + 2..)?;
    }
}

/// H-21. An answer that nobody asked for, on a connection that lies idle, is nobody's; nor is one that comes before
/// the request's body has.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_before_its_question_is_nobodys() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let late = Arc::new(AtomicUsize::new(0));
    let told = Arc::clone(&late);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            // What it says is there before it tells that it has said it.
            stream.set_nodelay(true).unwrap();
            let told = Arc::clone(&told);
            tokio::spawn(async move {
                let mut piece = vec![0; 64 * 1024];
                while let Ok(n @ 1..) = stream.read(&mut piece).await {
                    let text = String::from_utf8_lossy(&piece[..n]).into_owned();
                    let Some(path) = text.split(' ').nth(1).filter(|_| text.contains(" HTTP/1.1\r\n")) else {
                        continue;
                    };
                    let body = format!("the bank's own page at {path}");
                    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
                    let _ = stream.write_all(answer.as_bytes()).await;
                    if path.starts_with("/late/") {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil").await;
                        told.fetch_add(1, Ordering::SeqCst);
                    }
                }
            });
        }
    });
    let inside = Inside::with(|plan| plan.backend = Some(format!("http://{address}"))).await;
    for n in 0..30 {
        let heard = inside.h1.exchange(inside.last("GET", &format!("/late/{n}"), "").as_bytes()).await;
        assert!(heard.text().ends_with(&format!("own page at /late/{n}")), "{}", heard.text());
        // Said while a request is on its way, it would be taken for its answer by everybody.
        while late.load(Ordering::SeqCst) <= n {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        inside.must_serve_the_honest().await;
    }
    // Answered after the head; the body is long and comes late, or never.
    for n in 0..20 {
        let head = inside.last("POST", &format!("/early/{n}"), "Content-Length: 200000\r\n");
        let mut line = inside.h1.open().await.unwrap();
        line.send(head.as_bytes()).await;
        line.send(&vec![b'x'; 1000 * n]).await;
        let heard = line.listen(Duration::from_millis(200)).await.text();
        assert!(heard.contains(&format!("own page at /early/{n}")) || heard.contains(" 502 "), "{heard}");
        line.send(b"GET /smuggled HTTP/1.1\r\n\r\n").await;
        inside.must_serve_the_honest().await;
        let heard = line.listen(Duration::from_millis(20)).await.text();
        assert!(!heard.contains("/smuggled"), "{heard}");
    }
}
