//! Has the running gate read its configuration again. What that changes is the house's: it is asked through a
//! channel, and does one reload after the other.

use std::fmt;

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

/// Something that stands in the configuration otherwise than before, by its key there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    /// It is new, or says something else.
    Said(String),
    /// It was taken away.
    Gone(String),
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reloaded {
    /// Counts from now on.
    pub changed: Vec<Changed>,
    /// Counts from the next start.
    pub next_start: Vec<Changed>,
    /// Was taken up, and leads nowhere yet; with the next step.
    pub heed: Vec<String>,
}

impl fmt::Display for Changed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Said(key) => f.write_str(key),
            Self::Gone(key) => write!(f, "{key} is gone"),
        }
    }
}

impl Changed {
    /// All of them, each in its words.
    #[must_use]
    pub fn words(all: &[Self]) -> Vec<String> {
        all.iter().map(Self::to_string).collect()
    }
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
            Ok(reloaded) => {
                let mut output = told(&reloaded);
                let file = self.site.load().file.clone();
                // Which one it was: whoever asks may mean another.
                output.json["file"] = json!(std::fs::canonicalize(&file).unwrap_or(file));
                Ok(output)
            }
            Err(why) => Err(CommandError::new(
                Kind::Refused,
                format!("nothing changed, for the configuration cannot be taken up: {why}"),
                "mend it, and reload once more",
            )),
        }
    }
}

fn told(reloaded: &Reloaded) -> Output {
    let same = reloaded.changed.is_empty() && reloaded.next_start.is_empty();
    let first = match same {
        // Of the files that it names some may have, such as a door's certificate.
        true => "The files were read again; in the configuration nothing had changed.",
        false => "The files were read again.",
    };
    let mut lines = vec![first.to_owned()];
    lines.extend(reloaded.changed.iter().map(|changed| match changed {
        Changed::Gone(_) => format!("  {changed}"),
        Changed::Said(_) => format!("  {changed} counts from now on"),
    }));
    lines.extend(reloaded.next_start.iter().map(|changed| match changed {
        Changed::Gone(_) => format!("  {changed} from the next start"),
        Changed::Said(_) => format!("  {changed} counts from the next start"),
    }));
    lines.extend(reloaded.heed.iter().map(|what| format!("  But {what}.")));
    let (changed, next_start) = (Changed::words(&reloaded.changed), Changed::words(&reloaded.next_start));
    let mut told = json!({ "changed": changed, "next_start": next_start });
    if !reloaded.heed.is_empty() {
        told["heed"] = json!(reloaded.heed);
    }
    Output::new(told, lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_nothing_had_changed_it_says_so() {
        let heed = vec!["a door has no certificate".to_owned()];
        let output = told(&Reloaded { heed, ..Reloaded::default() });
        assert_eq!(output.lines[0], "The files were read again; in the configuration nothing had changed.");
        assert_eq!(output.lines.len(), 2);
        let changed = vec![Changed::Said("[mail]".to_owned())];
        let output = told(&Reloaded { changed, ..Reloaded::default() });
        assert_eq!(output.lines[0], "The files were read again.");
    }

    /// A key's own words say nothing of what became of it.
    #[test]
    fn what_is_gone_is_told_so_and_nothing_else_is() {
        let key = "[[portal]] who is gone".to_owned();
        let both = vec![Changed::Said(key.clone()), Changed::Gone(key.clone())];
        let reloaded = Reloaded { changed: both.clone(), next_start: both, heed: vec![] };
        let output = told(&reloaded);
        let lines = [
            format!("  {key} counts from now on"),
            format!("  {key} is gone"),
            format!("  {key} counts from the next start"),
            format!("  {key} is gone from the next start"),
        ];
        assert_eq!(output.lines[1..], lines);
        assert_eq!(output.json["changed"], json!([key, format!("{key} is gone")]));
    }
}
