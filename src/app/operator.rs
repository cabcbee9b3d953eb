//! What the operator's listener tells: whether the gate is ready, and its counts.

use std::sync::Arc;

use super::Core;
use super::lists::Lists;
use crate::front::ops::Ops;
use crate::front::way;
use crate::notify::webpush::Pusher;

/// Asked anew each time.
pub(super) fn told(core: &Core, lists: &Arc<Lists>, pusher: Arc<Pusher>) -> Ops {
    let (view, world) = (Arc::clone(&core.view), core.world.clone());
    let ready = Arc::new(move || {
        let age = view.age(world.now());
        if age <= way::STALE_AFTER {
            Ok(())
        } else {
            Err(format!("nothing heard from the store for {age:?}"))
        }
    });
    let (passwords, lists) = (Arc::clone(&core.passwords), Arc::clone(lists));
    let metrics = Arc::new(move || {
        let name = "portcullis_password_hashes_total";
        let (hashed, lists, pushes) = (passwords.hashed(), lists.metrics(), pusher.metrics());
        format!("# TYPE {name} counter\n{name} {hashed}\n{lists}{pushes}")
    });
    Ops { ready, metrics }
}
