//! A file that is kept for the operator: where none is left, whoever comes next is taken in with it, answered once, and
//! its place is kept on. Knows no page.

use std::fs::File;
use std::future::poll_fn;
use std::io;
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::io::Errno;
use tokio::net::{TcpListener, TcpStream};

use super::super::descriptors::Descriptors;

/// One file, and one to keep its place with.
#[derive(Default)]
pub(super) struct Spare {
    nothing: Option<File>,
    kept: Option<OwnedFd>,
}

impl Spare {
    /// Opens what is missing of it, where there are files.
    pub(super) fn keep(&mut self) {
        if self.nothing.is_none() {
            self.nothing = File::open("/dev/null").ok();
        }
        if let (Some(nothing), None) = (&self.nothing, &self.kept) {
            self.kept = nothing.try_clone().ok().map(Into::into);
        }
    }

    /// Answers one who waits, where there is somebody and `error` says that no file is left for it. Whether it did.
    pub(super) async fn serve(
        &mut self,
        error: &io::Error,
        listener: &TcpListener,
        descriptors: &Descriptors,
        answer: impl Fn(Request<Body>) -> Response<Body> + Unpin,
    ) -> bool {
        let none_left = [Errno::MFILE, Errno::NFILE].map(|none| Some(none.raw_os_error()));
        if !none_left.contains(&error.raw_os_error()) {
            return false;
        }
        let taken_in = poll_fn(|cx| Poll::Ready(self.takes_in(cx, listener, descriptors))).await;
        let Some(stream) = taken_in else { return false };
        if let (Some(mut file), Some(nothing)) = (answered(stream, answer).await, &self.nothing) {
            // Not for a moment is it anybody else's.
            self.kept = rustix::io::dup2(nothing, &mut file).is_ok().then_some(file);
        }
        true
    }

    /// Gives its file away for whoever waits.
    fn takes_in(
        &mut self,
        cx: &mut Context<'_>,
        listener: &TcpListener,
        descriptors: &Descriptors,
    ) -> Option<TcpStream> {
        let _alone = descriptors.alone();
        drop(self.kept.take()?);
        if let Poll::Ready(Ok((stream, _))) = listener.poll_accept(cx) {
            return Some(stream);
        }
        self.keep();
        None
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
