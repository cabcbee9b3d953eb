//! Opens listening sockets. Accepts nothing.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};

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
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Connections that wait for us; the system cuts this to `net.core.somaxconn`.
const BACKLOG: i32 = 4096;
