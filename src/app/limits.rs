//! The limits of `[limits]` as the front takes them.

use ipnet::IpNet;

use crate::config::Limits;
use crate::front::Settings;

pub(super) fn limits(limits: &Limits, relayed_from: &[IpNet]) -> Settings {
    let ms = |seconds: u32| u64::from(seconds) * 1000;
    let (wanted, possible) = (limits.connections as usize, Settings::default().connections_max);
    if possible < wanted {
        tracing::warn!(
            wanted,
            possible,
            "fewer connections than [limits] asks for: raise the limit of open files"
        );
    }
    Settings {
        connections_max: wanted.min(possible),
        connections_per_address_max: limits.connections_per_address as usize,
        handshake_ms_max: ms(limits.handshake_seconds),
        header_ms_max: ms(limits.headers_seconds),
        idle_ms_max: ms(limits.idle_seconds),
        body_idle_ms_max: ms(limits.body_stall_seconds),
        write_stall_ms_max: ms(limits.body_stall_seconds),
        drain_ms_max: ms(limits.drain_seconds),
        relayed_from: relayed_from.to_vec(),
        ..Settings::default()
    }
}
