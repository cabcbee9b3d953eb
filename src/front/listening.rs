//! Opens listening sockets. Accepts nothing.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

/// Sockets that share one address, one for each thread. Port 0 takes a free one.
///
/// # Errors
/// The system's; `AddrInUse` also where another process of ours listens there, which
/// SO_REUSEPORT alone would let pass in silence.
pub fn bind(address: SocketAddr, threads: usize) -> io::Result<Vec<StdListener>> {
    let probe = listener(address, false)?;
    let address = probe.local_addr()?;
    drop(probe);
    (0..threads.max(1)).map(|_| listener(address, true)).collect()
}

fn listener(address: SocketAddr, shared: bool) -> io::Result<StdListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    socket.set_nonblocking(true)?;
    // Whoever comes by it has it too: a machine that went away without a word, while something was on its way to it.
    socket.set_tcp_user_timeout(Some(UNANSWERED_MAX))?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// What was sent and is not acknowledged for so long finds nobody any more (RFC 5482).
const UNANSWERED_MAX: Duration = Duration::from_secs(120);

/// Connections that wait for us; the system cuts this to `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_is_given_up_where_nothing_is_acknowledged() {
        let listeners = bind("127.0.0.1:0".parse().unwrap(), 1).unwrap();
        let client = std::net::TcpStream::connect(listeners[0].local_addr().unwrap()).unwrap();
        listeners[0].set_nonblocking(false).unwrap();
        let (stream, _) = listeners[0].accept().unwrap();
        assert_eq!(socket2::SockRef::from(&stream).tcp_user_timeout().unwrap(), Some(UNANSWERED_MAX));
        drop(client);
    }
}
