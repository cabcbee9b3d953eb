//! A file that is kept for the operator: where none is left, whoever comes next is taken in with it, answered once, and
//! its place is kept on. Knows no page.

use std::fs::File;
use std::future::poll_fn;
use std::io;
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::task::Poll;
use std::time::Duration;

use axum::body::Body;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::io::Errno;
use tokio::net::{TcpListener, TcpStream};

/// One file, and one to keep its place with.
pub(super) struct Spare {
    nothing: File,
    kept: Option<OwnedFd>,
}

impl Spare {
    /// None where there are no files now.
    pub(super) fn keep() -> Option<Self> {
        let nothing = File::open("/dev/null").ok()?;
        let kept = Some(nothing.try_clone().ok()?.into());
        Some(Self { nothing, kept })
    }

    /// Answers one who waits, where there is somebody and `error` says that no file is left for it. Whether it did.
    pub(super) async fn serve(
        &mut self,
        error: &io::Error,
        listener: &TcpListener,
        answer: impl Fn(Request<Body>) -> Response<Body> + Unpin,
    ) -> bool {
        let none_left = [Errno::MFILE, Errno::NFILE].map(|none| Some(none.raw_os_error()));
        if !none_left.contains(&error.raw_os_error()) || self.kept.take().is_none() {
            // Somebody was faster than this; perhaps there is one again.
            self.kept = self.kept.take().or_else(|| self.nothing.try_clone().ok().map(Into::into));
            return false;
        }
        let accepted = poll_fn(|cx| Poll::Ready(listener.poll_accept(cx))).await;
        let Poll::Ready(Ok((stream, _))) = accepted else {
            self.kept = self.nothing.try_clone().ok().map(Into::into);
            return false;
        };
        if let Some(mut file) = answered(stream, answer).await {
            // Not for a moment is it anybody else's.
            self.kept = rustix::io::dup2(&self.nothing, &mut file).is_ok().then_some(file);
        }
        true
    }
}

/// One answer, and what it went over.
async fn answered(
    stream: TcpStream,
    answer: impl Fn(Request<Body>) -> Response<Body> + Unpin,
) -> Option<OwnedFd> {
    let service = service_fn(move |request: Request<Incoming>| {
        std::future::ready(Ok::<_, std::convert::Infallible>(answer(request.map(Body::new))))
    });
    let mut builder = http1::Builder::new();
    let mut connection =
        builder.timer(TokioTimer::new()).keep_alive(false).serve_connection(TokioIo::new(stream), service);
    let _ = tokio::time::timeout(ONCE_MAX, poll_fn(|cx| connection.poll_without_shutdown(cx))).await;
    let stream = connection.into_parts().io.into_inner().into_std().ok()?;
    // Whoever has gone already needs no goodbye.
    let _ = stream.shutdown(Shutdown::Write);
    Some(stream.into())
}

/// The next one waits meanwhile.
const ONCE_MAX: Duration = Duration::from_secs(2);
