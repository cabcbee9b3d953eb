//! Has the running gate read its configuration again. What that changes is the house's: it is asked through a
//! channel, and does one reload after the other.

use serde_json::json;
use tokio::sync::{mpsc, oneshot};

use super::output::Output;
use super::{Acts, CommandError, Kind};

/// Where the running house is asked.
pub type Reloads = mpsc::Sender<Asked>;

/// Somebody wants it.
#[derive(Debug)]
pub struct Asked {
    /// In whose name, as in the audit trail.
    pub actor: String,
    /// What came of it, or why nothing changed.
    pub answer: oneshot::Sender<Result<Reloaded, String>>,
}

/// Behind the key of what was taken away.
pub const GONE: &str = " is gone";

/// What came of it, each by the key in the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reloaded {
    /// Counts from now on.
    pub changed: Vec<String>,
    /// Counts from the next start.
    pub next_start: Vec<String>,
    /// Was taken up, and leads nowhere yet; with the next step.
    pub heed: Vec<String>,
}

impl Acts {
    pub(super) async fn reload(&self, actor: &str) -> Result<Output, CommandError> {
        let Some(house) = &self.reloads else {
            return Err(CommandError::new(
                Kind::Refused,
                "no gate runs on this data",
                "a gate reads its configuration when it starts: `portcullis serve`",
            ));
        };
        let (answer, answered) = oneshot::channel();
        let asked = Asked { actor: actor.to_owned(), answer };
        let stopping = |_| {
            CommandError::new(Kind::Failed, "the gate is stopping", "start it again: it reads all of it then")
        };
        house.send(asked).await.map_err(|_| stopping(()))?;
        match answered.await.map_err(|_| stopping(()))? {
            Ok(reloaded) => Ok(told(&reloaded)),
            Err(why) => Err(CommandError::new(
                Kind::Refused,
                format!("nothing changed, for the configuration cannot be taken up: {why}"),
                "mend it, and reload once more",
            )),
        }
    }
}

fn told(reloaded: &Reloaded) -> Output {
    let mut lines = vec!["The files were read again.".to_owned()];
    lines.extend(reloaded.changed.iter().map(|key| match key.ends_with(GONE) {
        true => format!("  {key}"),
        false => format!("  {key} counts from now on"),
    }));
    lines.extend(reloaded.next_start.iter().map(|key| match key.ends_with(GONE) {
        true => format!("  {key} from the next start"),
        false => format!("  {key} counts from the next start"),
    }));
    lines.extend(reloaded.heed.iter().map(|what| format!("  But {what}.")));
    let mut told = json!({ "changed": reloaded.changed, "next_start": reloaded.next_start });
    if !reloaded.heed.is_empty() {
        told["heed"] = json!(reloaded.heed);
    }
    Output::new(told, lines)
}
