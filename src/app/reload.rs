//! What SIGHUP asks for: files that other programs write are read again at once, the access log goes on in a new file,
//! and the configuration is looked through for mistakes, so that most are told before they stop a start. Files that it
//! names anew are opened at that start.

use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::AppError;
use crate::config::Config;
use crate::front::accept::Front;
use crate::front::house::House;

/// Heeds it until `stop`.
pub(super) fn on_hangup(
    config: &Config,
    front: &Front,
    house: &Arc<House>,
    stop: &CancellationToken,
) -> Result<(), AppError> {
    let mut hangup = signal(SignalKind::hangup()).map_err(AppError::System)?;
    let (file, doors) = (config.file.clone(), Arc::clone(front.doors()));
    let (house, stop) = (Arc::clone(house), stop.clone());
    let began_with = std::fs::read_to_string(&file).ok();
    tokio::spawn(async move {
        while stop.run_until_cancelled(hangup.recv()).await.flatten().is_some() {
            let (file, house) = (file.clone(), Arc::clone(&house));
            let (doors, began_with) = (doors.load_full(), began_with.clone());
            let read = tokio::task::spawn_blocking(move || {
                doors.refresh();
                house.proxy.refresh();
                house.outside.reopen();
                judge(&file, began_with.as_deref());
            });
            if let Err(error) = read.await {
                tracing::error!(%error, "reading the files again failed");
            }
        }
    });
    Ok(())
}

fn judge(file: &std::path::Path, began_with: Option<&str>) {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) => {
            return tracing::error!(%error, file = %file.display(), "the configuration cannot be read; going on with the old one");
        }
    };
    match Config::parse(&text, file) {
        Err(mistakes) => {
            tracing::error!(%mistakes, "the configuration cannot be used; going on with the old one");
        }
        Ok(_) if Some(text.as_str()) == began_with => tracing::info!("read the files again"),
        Ok(_) => {
            tracing::warn!(
                "read the files again; what changed in the configuration counts from the next start"
            );
        }
    }
}
