//! HTTP/2 of a client (RFC 9113), on the h2 library: requests become futures that run in the connection's own task, so that
//! what many of them have to say leaves in one write.
//!
//! - `received`: bodies that come
//! - `attend`: one stream, from its request to the end of its answer
//! - `gather`: what is written in one turn
//! - `tunnel`: a stream that became a WebSocket
//! - `pulse`: whether the client is still there
//! - `knock`: who woke the task
//! - `inflow`: what a stream brings, and what of it waits
//! - `room`: how much may wait until it is asked for

mod attend;
mod gather;
mod inflow;
mod knock;
mod pulse;
mod received;
mod room;
#[cfg(test)]
mod tests;
mod tunnel;

use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use h2::Reason;
use h2::server::{Builder, Connection};
use http::{Request, Response};
use tokio::io::{AsyncRead, AsyncWrite};

use self::gather::Gather;
pub(super) use self::inflow::PIECE_BYTES;
use self::knock::Door;
use self::pulse::Pulse;
pub(super) use self::received::Received;
use self::room::{CONNECTION_WINDOW_BYTES, Room, STREAM_WINDOW_BYTES, Window};
use super::answering::Answering;

/// Serves `io` until the client or `finish` ends it: then what is under way is brought to its end.
///
/// # Errors
/// Why it ended badly. Who was told to calm down was told so (RFC 9113 7).
pub(super) async fn serve<I, F, R>(
    io: I,
    answering: Answering<F>,
    finish: &AtomicBool,
) -> Result<(), h2::Error>
where
    I: AsyncRead + AsyncWrite + Unpin,
    F: Fn(Request<Body>) -> R,
    R: Future<Output = Response<Body>> + Send + 'static,
{
    let out = Gather::new(io);
    let mut connection: Connection<_, Bytes> = builder().handshake(out.handle()).await?;
    out.begin();
    let mut pulse = Pulse::new(connection.ping_pong());
    let mut streams = FuturesUnordered::new();
    let room = Arc::new(Room::default());
    let mut window = Window::new(Arc::clone(&room), answering.network());
    let mut door: Option<Door> = None;
    let mut finishing = false;
    poll_fn(|cx| {
        let door = match &mut door {
            Some(door) if door.is_of(cx.waker()) => door,
            other => other.insert(Door::of(cx.waker())),
        };
        door.enter();
        if !finishing && finish.load(Ordering::Relaxed) {
            finishing = true;
            connection.graceful_shutdown();
            door.frames.knock();
        }
        let (mut of_streams, mut of_frames) =
            (Context::from_waker(&door.to_streams), Context::from_waker(&door.to_frames));
        // What answers say is written in the same turn, and what was asked meanwhile begins. More is another turn's.
        for _ in 0..TURNS {
            if door.streams.was_knocked_at() {
                while let Poll::Ready(Some(())) = streams.poll_next_unpin(&mut of_streams) {}
            }
            if let Some(size) = window.changed() {
                connection.set_target_window_size(size);
            }
            if !door.frames.was_knocked_at() {
                break;
            }
            if pulse.poll_gone(&mut of_frames, answering.activity()).is_ready() {
                tracing::debug!("a client of HTTP/2 is gone");
                connection.abrupt_shutdown(Reason::NO_ERROR);
            }
            while let Poll::Ready(next) = connection.poll_accept(&mut of_frames) {
                match next {
                    Some(Ok((request, respond))) => {
                        streams.push(attend::attend(request, respond, &room, &answering));
                        door.streams.knock();
                    }
                    Some(Err(error)) => return Poll::Ready(Err(error)),
                    None => return Poll::Ready(Ok(())),
                }
            }
            window.told();
            if answering.activity().has_many_pieces() {
                room.tidy();
            }
            if door.frames.is_knocked_at() {
                // It gives way to others.
                break;
            }
        }
        if out.ends_turn(&mut of_frames) {
            door.frames.knock();
        }
        door.leave();
        Poll::Pending
    })
    .await
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder
        .max_concurrent_streams(STREAMS_MAX)
        .max_pending_accept_reset_streams(RESETS_PENDING_MAX)
        .max_local_error_reset_streams(Some(RESETS_LOCAL_MAX))
        .max_header_list_size(HEADER_LIST_BYTES_MAX)
        .max_frame_size(FRAME_BYTES_MAX)
        // Fixed windows bound what one connection can make us hold; adaptive ones grow.
        .initial_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_send_buffer_size(SEND_BUFFER_BYTES_MAX)
        .data_frame_budget(DATA_FRAME_BUDGET)
        .enable_connect_protocol();
    builder
}

/// The first for what came from backends, the second for what was answered at once.
const TURNS: usize = 2;

/// As in HTTP/1.1 servers by custom; CONTINUATION floods end here (RUSTSEC-2024-0332).
const HEADER_LIST_BYTES_MAX: u32 = 16 * 1024;

/// The least that may be said, and what everybody says.
const FRAME_BYTES_MAX: u32 = 16 * 1024;

/// What RFC 9113 6.5.2 recommends as the least.
const STREAMS_MAX: u32 = 100;

/// Streams that a client opened and reset before we saw them (CVE-2023-44487).
const RESETS_PENDING_MAX: usize = 20;

/// Streams that a client made us reset (CVE-2025-8671).
const RESETS_LOCAL_MAX: usize = 256;

/// What small DATA may cost, a quarter of a kilobyte for each at most, until it is put together at the end of a turn; what comes
/// for a stream that was refused counts for ever.
const DATA_FRAME_BUDGET: usize = 16 * 1024 * 1024;

/// What may lie ready for one stream's client.
const SEND_BUFFER_BYTES_MAX: usize = 128 * 1024;
