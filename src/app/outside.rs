//! Opens what the operator's tools see of requests, and sees to it that all of it leaves before the house is gone.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::AppError;
use crate::config::Config;
use crate::front::outside::access_log::{self, To};
use crate::front::outside::otlp::Exporter;
use crate::front::outside::{Outside, Settings};
use crate::world::World;

/// The access log is open; spans go nowhere yet.
pub(super) fn open(config: &Config, world: &World) -> Result<(Arc<Outside>, Option<Exporter>), AppError> {
    Outside::open(config.outside.clone(), world.clone()).map_err(|source| {
        let path = match &config.outside {
            Settings { access_log: Some(access_log::Settings { to: To::File(path), .. }), .. } => {
                path.clone()
            }
            _ => "the access log".into(),
        };
        AppError::File { path, source }
    })
}

/// Whatever is told of requests until `stop`.
pub(super) struct Telling {
    outside: Arc<Outside>,
    exporter: Option<JoinHandle<()>>,
}

impl Telling {
    /// Spans are sent from now on.
    pub(super) fn begin(outside: Arc<Outside>, exporter: Option<Exporter>, stop: &CancellationToken) -> Self {
        let exporter = exporter.map(|exporter| tokio::spawn(exporter.run(stop.clone())));
        Self { outside, exporter }
    }

    /// Waits for the last of it, but not for long.
    pub(super) async fn ended(self) {
        let outside = self.outside;
        let _ = tokio::task::spawn_blocking(move || outside.close()).await;
        if let Some(exporter) = self.exporter {
            let _ = tokio::time::timeout(LAST_SPANS_MAX, exporter).await;
        }
    }
}

/// A collector that does not answer does not hold up a stop.
const LAST_SPANS_MAX: Duration = Duration::from_secs(2);
