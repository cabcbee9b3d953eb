//! PROXY protocol version 2: what a load balancer in front says of the client before the first byte of TLS.
//! Knows the header, not who may send it.
//!
//! Own code, since it is a fixed head and an address: the crates there are read version 1 as well, or were not
//! released for long. Version 1, lengths that do not fit and anything but TCP are refused.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::TcpStream;

use super::seldom::Seldom;

/// Who is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Relayed {
    /// A client, there.
    Client(SocketAddr),
    /// The balancer itself, which looks whether we live.
    Balancer,
}

/// Why what came is no such header.
#[derive(Debug, thiserror::Error)]
pub(super) enum BadHeader {
    #[error("it begins with version 1, as nginx's `stream` and HAProxy's `send-proxy` send it")]
    Version1,
    #[error("it begins with TLS: nothing stands before what the client sent")]
    Tls,
    #[error("it does not begin as the PROXY protocol's version 2 does")]
    Unsigned,
    #[error("its version or command is unknown")]
    Command,
    #[error("it relays no TCP connection")]
    Transport,
    #[error("its length does not fit")]
    Length,
    #[error("its client has no address of a client")]
    Address,
    #[error("it broke off: {0}")]
    Io(#[from] std::io::Error),
}

/// Reads exactly the header: what follows is the client's.
///
/// # Errors
/// [`BadHeader`]; the connection is to be closed.
pub(super) async fn read<I: AsyncRead + Unpin>(io: &mut I) -> Result<Relayed, BadHeader> {
    let mut head = [0; 16];
    io.read_exact(&mut head).await?;
    let (signature, rest) = head.split_at(SIGNATURE.len());
    let &[command, transport, high, low] = rest else { return Err(BadHeader::Unsigned) };
    if signature != SIGNATURE {
        return Err(match signature {
            [b'P', b'R', b'O', b'X', b'Y', b' ', ..] => BadHeader::Version1,
            [TLS_HANDSHAKE, 3, ..] => BadHeader::Tls,
            _ => BadHeader::Unsigned,
        });
    }
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length > LENGTH_MAX {
        return Err(BadHeader::Length);
    }
    let mut body = [0; LENGTH_MAX];
    let body = &mut body[..length];
    io.read_exact(body).await?;
    let source = match (command, transport) {
        (LOCAL, _) => return Ok(Relayed::Balancer),
        (PROXY, TCP4) => {
            let (addresses, more) = body.split_first_chunk::<12>().ok_or(BadHeader::Length)?;
            extensions(more)?;
            let [a, b, c, d, _, _, _, _, high, low, _, _] = *addresses;
            SocketAddr::from((Ipv4Addr::new(a, b, c, d), u16::from_be_bytes([high, low])))
        }
        (PROXY, TCP6) => {
            let (addresses, more) = body.split_first_chunk::<36>().ok_or(BadHeader::Length)?;
            extensions(more)?;
            let (source, rest) = addresses.split_first_chunk::<16>().ok_or(BadHeader::Length)?;
            let [.., high, low, _, _] = *rest else { return Err(BadHeader::Length) };
            SocketAddr::from((Ipv6Addr::from(*source).to_canonical(), u16::from_be_bytes([high, low])))
        }
        (PROXY, _) => return Err(BadHeader::Transport),
        _ => return Err(BadHeader::Command),
    };
    let broadcast = source.ip() == IpAddr::V4(Ipv4Addr::BROADCAST);
    if source.ip().is_unspecified() || source.ip().is_multicast() || broadcast {
        return Err(BadHeader::Address);
    }
    Ok(Relayed::Client(source))
}

/// Whether a client's first bytes are such a header, of either version: sent by a balancer that nobody named.
pub(super) async fn begins(stream: &TcpStream) -> bool {
    let mut head = [0; SIGNATURE.len()];
    let read = stream.peek(&mut head).await.unwrap_or_default();
    head[..read] == SIGNATURE || head[..read].starts_with(VERSION_1)
}

/// Tells the log of balancers that say something else, and of those that nobody named: each once in a while, since each
/// of its clients meets it.
#[derive(Debug)]
pub(super) struct Complaints {
    named: Seldom,
    /// Apart: these may be anybody.
    unnamed: Seldom,
}

impl Default for Complaints {
    fn default() -> Self {
        Self { named: Seldom::of(NAMED_MAX), unnamed: Seldom::of(UNNAMED_MAX) }
    }
}

impl Complaints {
    pub(super) fn tell(&self, balancer: SocketAddr, error: &BadHeader) {
        // Who broke off looked whether somebody listens.
        if matches!(error, BadHeader::Io(_)) || !self.named.is_due(balancer.ip()) {
            tracing::debug!(%balancer, %error, "no connection: its PROXY header is bad");
            return;
        }
        tracing::warn!(
            %balancer, why = %error,
            "no connection from where proxy_protocol_from in [listen] names a balancer: have it send version 2 of the \
             PROXY protocol (HAProxy: send-proxy-v2), or take it out there; told once a minute"
        );
    }

    /// Of one that the settings do not name.
    pub(super) fn tell_unnamed(&self, address: SocketAddr) {
        if self.unnamed.is_due(address.ip()) {
            tracing::warn!(
                %address,
                "no connection: it begins with the PROXY protocol, and its address is not named: where it is a balancer of \
                 yours, name it in proxy_protocol_from in [listen]; told once a minute"
            );
        }
    }
}

/// What else a balancer tells: type, length, value, again and again. Nothing of it counts here, but it must end
/// where the header does.
fn extensions(mut bytes: &[u8]) -> Result<(), BadHeader> {
    while let [_, high, low, rest @ ..] = bytes {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        bytes = rest.get(length..).ok_or(BadHeader::Length)?;
    }
    if bytes.is_empty() { Ok(()) } else { Err(BadHeader::Length) }
}

/// Balancers that are told of in one minute.
const NAMED_MAX: usize = 64;

/// Whoever connects may be one of these, and none of them fills the log.
const UNNAMED_MAX: usize = 8;

/// As version 1 begins.
const VERSION_1: &[u8] = b"PROXY ";

/// As a record of TLS begins that is a handshake's.
const TLS_HANDSHAKE: u8 = 0x16;

const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// Version 2 with its two commands.
const LOCAL: u8 = 0x20;
const PROXY: u8 = 0x21;

const TCP4: u8 = 0x11;
const TCP6: u8 = 0x21;

/// Addresses take 36 bytes, what clouds and HAProxy add (names, numbers of connections) a few hundred.
const LENGTH_MAX: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn header(command: u8, transport: u8, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len()).unwrap().to_be_bytes();
        [&SIGNATURE[..], &[command, transport], &length, body].concat()
    }

    fn tcp4(more: &[u8]) -> Vec<u8> {
        let addresses = [203, 0, 113, 9, 10, 0, 0, 1, 0xd4, 0x31, 0x01, 0xbb];
        header(PROXY, TCP4, &[&addresses[..], more].concat())
    }

    async fn all(bytes: &[u8]) -> (Result<Relayed, BadHeader>, usize) {
        let mut rest = bytes;
        let read = read(&mut rest).await;
        (read, rest.len())
    }

    #[tokio::test]
    async fn the_client_is_read_and_not_a_byte_more() {
        let client = Relayed::Client("203.0.113.9:54321".parse().unwrap());
        for more in [&b""[..], b"\x04\0\0", b"\x02\0\x03abc\xe0\0\x01x"] {
            let (read, left) = all(&[&tcp4(more)[..], b"hello"].concat()).await;
            assert_eq!((read.unwrap(), left), (client, 5));
        }
        let mut v6 = [0; 36];
        v6[..16].copy_from_slice(&"2001:db8::7".parse::<Ipv6Addr>().unwrap().octets());
        v6[32..34].copy_from_slice(&443_u16.to_be_bytes());
        let (read, _) = all(&header(PROXY, TCP6, &v6)).await;
        assert_eq!(read.unwrap(), Relayed::Client("[2001:db8::7]:443".parse().unwrap()));
        v6[..16].copy_from_slice(&Ipv4Addr::new(203, 0, 113, 9).to_ipv6_mapped().octets());
        let (read, _) = all(&header(PROXY, TCP6, &v6)).await;
        assert_eq!(read.unwrap(), Relayed::Client("203.0.113.9:443".parse().unwrap()));
        for (transport, body) in [(0, &b""[..]), (TCP4, b""), (0, &[7; 40])] {
            let (read, left) = all(&header(LOCAL, transport, body)).await;
            assert_eq!((read.unwrap(), left), (Relayed::Balancer, 0));
        }
    }

    #[tokio::test]
    async fn what_is_malformed_is_refused() {
        let nobody = |address: [u8; 4]| {
            let mut whole = tcp4(b"");
            whole[16..20].copy_from_slice(&address);
            whole
        };
        let mut unsigned = tcp4(b"");
        unsigned[11] = 0;
        for bad in [
            b"PROXY TCP4 203.0.113.9 10.0.0.1 54321 443\r\n".to_vec(),
            b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03 a client's hello, with no header".to_vec(),
            unsigned,
            header(0x11, TCP4, &[1; 12]),
            header(0x22, TCP4, &[1; 12]),
            header(0x31, TCP4, &[1; 12]),
            header(PROXY, 0x00, &[]),
            header(PROXY, 0x12, &[1; 12]),
            header(PROXY, 0x31, &[1; 216]),
            header(PROXY, TCP4, &[1; 11]),
            header(PROXY, TCP6, &[1; 35]),
            header(PROXY, TCP6, &[1; 12]),
            header(PROXY, TCP4, &[1; 1025]),
            header(LOCAL, 0, &[1; 1025]),
            tcp4(b"\x04"),
            tcp4(b"\x04\0"),
            tcp4(b"\x04\0\x02x"),
            nobody([0; 4]),
            nobody([224, 0, 0, 1]),
            nobody([255; 4]),
        ] {
            assert!(all(&bad).await.0.is_err(), "{bad:?}");
        }
        // Whatever is cut off anywhere is no header.
        let whole = tcp4(b"\x02\0\x03abc");
        for length in 0..whole.len() {
            assert!(matches!(all(&whole[..length]).await.0, Err(BadHeader::Io(_))), "{length}");
        }
    }
}
