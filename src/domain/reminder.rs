//! Reminders that a certificate ends: that one was queued, so that no other node queues it again.

use serde::{Deserialize, Serialize};

use super::Time;
use super::certificate::Serial;

/// That a reminder was queued. Its record is made in the commit that queues the message and stands where no
/// other may: of many nodes that would remind at the same moment, one does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reminder {
    /// Of which certificate.
    pub serial: Serial,
    /// Which of the stages, by its days: 60, 30, 14, 7, 1, and 0 for the end.
    pub stage: u32,
    /// When it was queued.
    pub queued: Time,
    /// Nobody would remind of it any more after this.
    pub until: Time,
}
