//! Whose an address is, as far as it tells: what one client may have, or try, is counted by this.

use std::net::IpAddr;

/// An address as it is counted: of IPv6 the /64, which is what one household or server has (RFC 6177); what a
/// translator made of an IPv4 address is that one (RFC 6052 2.1).
#[must_use]
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        four @ IpAddr::V4(_) => four,
        IpAddr::V6(six) if six.segments()[..6] == [0x64, 0xff9b, 0, 0, 0, 0] => {
            let [.., a, b, c, d] = six.octets();
            IpAddr::V4([a, b, c, d].into())
        }
        IpAddr::V6(six) => IpAddr::V6((u128::from(six) >> 64 << 64).into()),
    }
}
