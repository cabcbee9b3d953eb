//! What systemd is told, where it listens (`NOTIFY_SOCKET`): when the gate is ready, reads its configuration again, goes on
//! as another process, and closes. Nothing depends on its being heard.

use sd_notify::NotifyState;

/// Requests are served.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// The configuration is read again; [`ready`] follows.
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::debug!(%error, "systemd was not told of a reload"),
    }
}

/// Nothing new is taken in.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// The service goes on as this process; only who was its main process may say so.
pub fn goes_on_as(pid: u32) {
    tell(&[NotifyState::MainPid(pid)]);
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "systemd could not be told");
    }
}
