//! The program is killed at its writes, its disk fails and fills up, the power goes: after each crash what was
//! acknowledged is there, what can be used once stays used, the trail's chain holds, and the gate serves again.
//! Knows the engines by a line in `ENGINES`; the oracle is what the doors answer and what the store holds.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on must fail, and says what it counted"
)]

#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "other tests share it and use the rest")]
mod support;

mod command;
mod disk;
mod errors;
mod facts;
mod full_disk;
mod ground;
mod kill;
mod life;
mod power;
mod recording;
mod state;
mod tally;
mod trace;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use portcullis::store::redb::Redb;
use portcullis::store::{Store, StoreError};
use portcullis::world::World;

use support::gate::Plan;

/// An engine of the store, as a crash meets it.
#[derive(Clone, Copy)]
pub(crate) struct Engine {
    pub(crate) name: &'static str,
    /// What a gate needs to use it.
    pub(crate) plan: fn(&mut Plan),
    /// Opens what lies in a data folder.
    pub(crate) open: fn(&Path) -> Result<Arc<dyn Store>, StoreError>,
    /// The files of a data folder that it writes.
    pub(crate) files: fn(&Path) -> Vec<PathBuf>,
    /// Whether a file of the data folder is its own, also one that it makes and takes away.
    pub(crate) owns: fn(&Path) -> bool,
}

/// The engines under test.
pub(crate) const ENGINES: &[Engine] = &[
    Engine {
        name: "redb",
        plan: |_| {},
        open: open_redb,
        files: |data| vec![data.join("store.redb")],
        owns: |file| file.to_string_lossy().contains("/store.redb"),
    },
    #[cfg(feature = "sled")]
    Engine {
        name: "sled",
        plan: |plan| plan.engine = portcullis::config::Engine::Sled,
        open: open_sled,
        files: |data| ["db", "conf", "mark"].map(|name| data.join("store.sled").join(name)).to_vec(),
        owns: |file| file.to_string_lossy().contains("/store.sled"),
    },
];

#[cfg(feature = "sled")]
fn open_sled(data: &Path) -> Result<Arc<dyn Store>, StoreError> {
    Ok(Arc::new(portcullis::store::sled::Sled::create_or_open(&data.join("store.sled"), World::real())?))
}

fn open_redb(data: &Path) -> Result<Arc<dyn Store>, StoreError> {
    Ok(Arc::new(Redb::create_or_open(&data.join("store.redb"), World::real())?))
}

/// At least a thousand crash points instead of a hundred.
#[allow(clippy::disallowed_methods, reason = "it asks what ./tests/run asks for")]
pub(crate) fn full() -> bool {
    std::env::var("PORTCULLIS_FULL").is_ok_and(|value| value == "1")
}
