//! Has the running gate go on as the program that lies in its place now. Whoever runs the gate does it; here it is
//! asked for, and waited until the new program is ready to take over.

use serde_json::json;
use tokio::sync::{mpsc, oneshot};

use super::output::Output;
use super::{Acts, CommandError, Kind};

/// Where whoever runs the gate is asked.
pub type Upgrades = mpsc::Sender<Asked>;

/// Somebody wants it.
#[derive(Debug)]
pub struct Asked {
    /// In whose name, as in the audit trail.
    pub actor: String,
    /// Which process takes over, or why this one goes on.
    pub answer: oneshot::Sender<Result<u32, NotFollowed>>,
}

/// Why no other process takes over because of it.
#[derive(Debug)]
pub enum NotFollowed {
    /// This one goes on, and why.
    GoesOn(String),
    /// This one was told to stop meanwhile.
    Stopping,
    /// That process takes over already: somebody asked before.
    Already(u32),
}

impl Acts {
    pub(super) async fn upgrade(&self, actor: &str) -> Result<Output, CommandError> {
        let Some(gate) = &self.upgrades else {
            return Err(CommandError::new(
                Kind::Refused,
                "no gate runs on this data",
                "start it: `portcullis serve`",
            ));
        };
        let (answer, answered) = oneshot::channel();
        let asked = Asked { actor: actor.to_owned(), answer };
        let nobody = |_| {
            CommandError::new(
                Kind::Refused,
                "this gate is stopping, or was not started by `portcullis serve`",
                "start it again by hand",
            )
        };
        gate.send(asked).await.map_err(|_| nobody(()))?;
        match answered.await.map_err(|_| nobody(()))? {
            Ok(pid) => Ok(Output::line(
                json!({ "pid": pid }),
                format!("Process {pid} takes over; what is under way here may finish."),
            )),
            Err(NotFollowed::Already(pid)) => Err(CommandError::new(
                Kind::Refused,
                format!("process {pid} takes over already: somebody asked before"),
                "wait until it serves, and look whether it is what you wanted",
            )),
            Err(NotFollowed::Stopping) => Err(nobody(())),
            Err(NotFollowed::GoesOn(why)) => Err(CommandError::new(
                Kind::Failed,
                format!("the gate goes on as it was: {why}"),
                "mend that, and upgrade once more",
            )),
        }
    }
}
