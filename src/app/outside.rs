//! Opens what the operator's tools see of requests, and sees to it that all of it leaves before the house is gone.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::AppError;
use crate::config::Config;
use crate::front::outside::access_log::{self, To};
use crate::front::outside::otlp::Exporter;
use crate::front::outside::{Changed, Outside, Settings};
use crate::world::World;

/// The access log is open; spans go nowhere yet.
pub(super) fn open(config: &Config, world: &World) -> Result<(Arc<Outside>, Option<Exporter>), AppError> {
    Outside::open(config.outside.clone(), world.clone()).map_err(|source| not_opened(config, source))
}

/// Whether the access log can be opened. Makes no file: it would belong to whoever looks.
pub(super) fn judge(config: &Config) -> Result<(), AppError> {
    let log = config.outside.access_log.as_ref();
    log.map_or(Ok(()), access_log::Settings::judge).map_err(|source| not_opened(config, source))
}

fn not_opened(config: &Config, source: io::Error) -> AppError {
    let path = match &config.outside {
        Settings { access_log: Some(access_log::Settings { to: To::File(path), .. }), .. } => path.clone(),
        _ => "the access log".into(),
    };
    AppError::File { path, source }
}

/// Whatever is told of requests until `stop`.
pub(super) struct Telling {
    outside: Arc<Outside>,
    exporters: Mutex<Vec<JoinHandle<()>>>,
    stop: CancellationToken,
}

impl Telling {
    /// Spans are sent from now on.
    pub(super) fn begin(
        outside: Arc<Outside>,
        exporter: Option<Exporter>,
        stop: &CancellationToken,
    ) -> Arc<Self> {
        let exporters = exporter.map(|exporter| tokio::spawn(exporter.run(stop.clone())));
        let exporters = Mutex::new(exporters.into_iter().collect());
        Arc::new(Self { outside, exporters, stop: stop.clone() })
    }

    /// What the configuration wants told instead.
    pub(super) fn ready(&self, config: &Config) -> Result<Changed, AppError> {
        self.outside.change(&config.outside).map_err(|source| not_opened(config, source))
    }

    /// From now on. What the former exporter has heard still leaves.
    pub(super) fn change(&self, changed: Changed) {
        let mut exporters = self.exporters.lock().unwrap_or_else(PoisonError::into_inner);
        exporters.retain(|exporter| !exporter.is_finished());
        exporters.extend(changed.done().map(|exporter| tokio::spawn(exporter.run(self.stop.clone()))));
    }

    /// Waits for the last of it, but not for long.
    pub(super) async fn ended(&self) {
        let outside = Arc::clone(&self.outside);
        let _ = tokio::task::spawn_blocking(move || outside.close()).await;
        let exporters = std::mem::take(&mut *self.exporters.lock().unwrap_or_else(PoisonError::into_inner));
        let _ = tokio::time::timeout(LAST_SPANS_MAX, futures_util::future::join_all(exporters)).await;
    }
}

/// A collector that does not answer does not hold up a stop.
const LAST_SPANS_MAX: Duration = Duration::from_secs(2);
