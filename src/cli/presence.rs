//! Whether a gate lives on a data folder, even where its control socket is silent: between the two processes of an
//! upgrade, and while one starts or stops. Each holds a lock on the folder for as long as it lives, the next one
//! before the one before lets go; the system takes it from one that dies.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::Duration;

/// This process is a gate, until this is dropped.
pub(super) struct Presence {
    _folder: File,
}

impl Presence {
    /// On the folder of a control socket. Without a lock all goes on: whoever asks is told less.
    pub(super) fn on(socket: &Path) -> Option<Self> {
        let folder = File::open(socket.parent()?).ok()?;
        for _ in 0..TRIES_MAX {
            match folder.try_lock_shared() {
                Ok(()) => return Some(Self { _folder: folder }),
                // Whoever asks holds it for a moment.
                Err(TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
                Err(TryLockError::Error(error)) => {
                    tracing::warn!(%error, "the data folder cannot be locked");
                    return None;
                }
            }
        }
        tracing::warn!("the data folder is locked by something that is no gate");
        None
    }
}

/// Whether one does.
pub(super) fn gate_lives(socket: &Path) -> bool {
    let folder = socket.parent().and_then(|folder| File::open(folder).ok());
    folder.is_some_and(|folder| matches!(folder.try_lock(), Err(TryLockError::WouldBlock)))
}

const TRIES_MAX: u32 = 50;
const PAUSE: Duration = Duration::from_millis(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gate_lives_until_the_last_of_its_processes_has_let_go() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("control.sock");
        assert!(!gate_lives(&socket));
        let one = Presence::on(&socket).unwrap();
        let next = Presence::on(&socket).unwrap();
        assert!(gate_lives(&socket));
        drop(one);
        assert!(gate_lives(&socket));
        drop(next);
        assert!(!gate_lives(&socket) && !gate_lives(Path::new("/nowhere/control.sock")));
    }
}
