//! How much of the house one client, and all of them, may take: settings, and the count of
//! connections.
//!
//! hyper and rustls have no limit that is on by itself, so each stands here with its reason.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ipnet::IpNet;

use crate::domain::network;

/// Limits of the listeners.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Threads that serve, each with a runtime and a listening socket of its own.
    pub threads: usize,
    /// Connections at one time, over all listeners of TLS.
    pub connections_max: usize,
    /// Connections at one time from one address (IPv4) or one network of 64 bits (IPv6).
    pub connections_per_address_max: usize,
    /// A handshake that takes longer is cut.
    pub handshake_ms_max: u64,
    /// The head of a request that takes longer is cut, counted from its first byte; so is a
    /// connection whose first request does not come.
    pub header_ms_max: u64,
    /// A connection without a request is closed after this.
    pub idle_ms_max: u64,
    /// A request body that brings nothing for so long is cut.
    pub body_idle_ms_max: u64,
    /// A request body that brings fewer bytes a second than this, counted over the time we
    /// waited for it beyond `body_idle_ms_max`, is cut; 0 switches this off.
    pub body_bytes_per_second_min: u64,
    /// A client that takes nothing of an answer for so long is cut.
    pub write_stall_ms_max: u64,
    /// After a signal to close, requests under way may take so long.
    pub drain_ms_max: u64,
    /// Balancers that say, by the PROXY protocol's version 2, who their client is: connections from here must.
    pub relayed_from: Vec<IpNet>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            connections_max: connections_by_open_files(CONNECTIONS),
            connections_per_address_max: CONNECTIONS_PER_ADDRESS,
            handshake_ms_max: 10_000,
            header_ms_max: 10_000,
            idle_ms_max: 75_000,
            body_idle_ms_max: 30_000,
            body_bytes_per_second_min: 240,
            write_stall_ms_max: 30_000,
            drain_ms_max: 30_000,
            relayed_from: Vec::new(),
        }
    }
}

impl Settings {
    pub(super) const fn handshake(&self) -> Duration {
        Duration::from_millis(self.handshake_ms_max)
    }
    pub(super) const fn header(&self) -> Duration {
        Duration::from_millis(self.header_ms_max)
    }
    pub(super) const fn idle(&self) -> Duration {
        Duration::from_millis(self.idle_ms_max)
    }
    pub(super) const fn body_idle(&self) -> Duration {
        Duration::from_millis(self.body_idle_ms_max)
    }
    pub(super) const fn write_stall(&self) -> Duration {
        Duration::from_millis(self.write_stall_ms_max)
    }
    pub(super) fn is_balancer(&self, address: IpAddr) -> bool {
        !self.relayed_from.is_empty()
            && self.relayed_from.iter().any(|network| network.contains(&address.to_canonical()))
    }
    pub(super) const fn drain(&self) -> Duration {
        Duration::from_millis(self.drain_ms_max)
    }
}

/// Counts the connections that are open, and says when there are enough.
#[derive(Debug)]
pub struct Caps {
    all: AtomicUsize,
    by_network: Mutex<HashMap<IpAddr, usize>>,
    all_max: AtomicUsize,
    per_network_max: AtomicUsize,
}

/// One connection's place; given back when it is dropped.
#[derive(Debug)]
pub struct Place {
    caps: Arc<Caps>,
    network: Option<IpAddr>,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// The house is full.
    House,
    /// This client has as many connections as it may have.
    Address,
}

impl Caps {
    /// Nobody is here yet.
    #[must_use]
    pub fn new(all_max: usize, per_network_max: usize) -> Arc<Self> {
        let (all_max, per_network_max) = (AtomicUsize::new(all_max), AtomicUsize::new(per_network_max));
        Arc::new(Self { all: AtomicUsize::new(0), by_network: Mutex::default(), all_max, per_network_max })
    }

    /// As many from now on; who is here stays.
    pub fn limit(&self, all_max: usize, per_network_max: usize) {
        self.all_max.store(all_max, Ordering::Relaxed);
        self.per_network_max.store(per_network_max, Ordering::Relaxed);
    }

    /// Takes a place for a connection from `address`.
    ///
    /// # Errors
    /// [`Full`].
    pub fn admit(self: &Arc<Self>, address: IpAddr) -> Result<Place, Full> {
        let mut place = self.admit_somebody()?;
        place.belongs_to(address)?;
        Ok(place)
    }

    /// Takes a place for a connection whose client is not known yet.
    ///
    /// # Errors
    /// [`Full::House`].
    pub fn admit_somebody(self: &Arc<Self>) -> Result<Place, Full> {
        if self.all.fetch_add(1, Ordering::AcqRel) >= self.all_max.load(Ordering::Relaxed) {
            self.all.fetch_sub(1, Ordering::AcqRel);
            return Err(Full::House);
        }
        Ok(Place { caps: Arc::clone(self), network: None })
    }

    /// How many connections are open.
    #[must_use]
    pub fn count(&self) -> usize {
        self.all.load(Ordering::Acquire)
    }
}

impl Place {
    /// Says whose it is, once.
    ///
    /// # Errors
    /// [`Full::Address`].
    pub fn belongs_to(&mut self, address: IpAddr) -> Result<(), Full> {
        let network = network(address);
        let mut by_network = self.caps.by_network.lock().unwrap_or_else(PoisonError::into_inner);
        let here = by_network.entry(network).or_default();
        if *here >= self.caps.per_network_max.load(Ordering::Relaxed) {
            return Err(Full::Address);
        }
        *here += 1;
        drop(by_network);
        self.network = Some(network);
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(network) = self.network {
            let mut by_network = self.caps.by_network.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(here) = by_network.get_mut(&network) {
                *here -= 1;
                if *here == 0 {
                    by_network.remove(&network);
                }
            }
        }
        self.caps.all.fetch_sub(1, Ordering::AcqRel);
    }
}

/// As many connections as the limit of open files leaves room for: one that is busy needs a second
/// descriptor towards the backend, most lie idle, and some stay for the store, the logs and the operator.
fn connections_by_open_files(wanted: usize) -> usize {
    wanted.min((files_for_connections() / 3 * 2).max(CONNECTIONS_LEAST))
}

/// The same of the plain listener, which anybody may fill: half of what is left, so that each connection over TLS still finds
/// its descriptor.
pub(super) fn plain_connections_by_open_files(wanted: usize) -> usize {
    wanted.min((files_for_connections() / 6).max(CONNECTIONS_LEAST))
}

/// The limit of open files, without those that are kept.
fn files_for_connections() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let files = limit.map_or(usize::MAX, |files| usize::try_from(files).unwrap_or(usize::MAX));
    files.saturating_sub(FILES_KEPT)
}

/// About 640 MB at 32 KiB each: more belongs on a second machine.
const CONNECTIONS: usize = 20_000;

/// A whole office may stand behind one address, with a connection or two each.
const CONNECTIONS_PER_ADDRESS: usize = 1_000;

/// Open files that connections leave alone.
const FILES_KEPT: usize = 64;

/// Even under the smallest limit somebody must be served.
const CONNECTIONS_LEAST: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_and_given_back() {
        let caps = Caps::new(3, 2);
        let a: IpAddr = "192.0.2.1".parse().unwrap();
        let b: IpAddr = "192.0.2.2".parse().unwrap();
        let first = caps.admit(a).unwrap();
        let _second = caps.admit(a).unwrap();
        assert_eq!(caps.admit(a).unwrap_err(), Full::Address);
        let _third = caps.admit(b).unwrap();
        assert_eq!(caps.admit(b).unwrap_err(), Full::House);
        drop(first);
        assert_eq!(caps.count(), 2);
        assert!(caps.admit(a).is_ok());
    }

    #[test]
    fn one_ipv6_network_is_one_client() {
        let caps = Caps::new(9, 1);
        let _held = caps.admit("2001:db8::1".parse().unwrap()).unwrap();
        assert_eq!(caps.admit("2001:db8::2".parse().unwrap()).unwrap_err(), Full::Address);
        assert!(caps.admit("2001:db8:0:1::1".parse().unwrap()).is_ok());
        let _mapped = caps.admit("::ffff:192.0.2.1".parse().unwrap()).unwrap();
        assert_eq!(caps.admit("192.0.2.1".parse().unwrap()).unwrap_err(), Full::Address);
    }
}
