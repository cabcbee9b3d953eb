//! What both benches share: the real gate as a process, a driver that speaks TLS with a client
//! certificate, a probe that times an honest client, the kernel's figures of a process, the report.

pub(crate) mod driver;
pub(crate) mod house;
pub(crate) mod probe;
pub(crate) mod process;
pub(crate) mod report;

/// What ends a bench.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;
