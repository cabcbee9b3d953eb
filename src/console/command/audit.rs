//! The audit trail: list, verify. Writes nothing into it.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::output::{Output, columns, plain};
use super::{Acts, CommandError, Kind};
use crate::audit::{self, Event, Head, Numbered, Outcome};
use crate::store::table;

/// What to do with the trail.
#[derive(Clone, Serialize, Deserialize, clap::Subcommand)]
#[serde(rename_all = "kebab-case")]
pub enum Command {
    /// Show who did what to whom, the newest last
    List {
        /// So many of the newest
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        last: u32,
        /// Only this event, such as device.released
        #[arg(long)]
        event: Option<String>,
        /// Only of this actor, such as local:1000 or person:staff/olga
        #[arg(long)]
        actor: Option<String>,
        /// Only of this tenant
        #[arg(long)]
        tenant: Option<String>,
    },
    /// Check every link of the chain, and name the first line that is not as it was written
    Verify,
}

impl Acts {
    pub(super) async fn audit(&self, command: Command) -> Result<Output, CommandError> {
        match command {
            Command::List { last, event, actor, tenant } => {
                let event = match event {
                    Some(word) => Some(known(&word)?),
                    None => None,
                };
                let fits = |line: &Numbered| {
                    event.is_none_or(|event| line.what == event)
                        && actor.as_ref().is_none_or(|actor| line.who == *actor)
                        && tenant
                            .as_ref()
                            .is_none_or(|tenant| line.tenant.as_ref().is_some_and(|of| of.as_str() == tenant))
                };
                self.list_lines(last as usize, event.is_some() || actor.is_some() || tenant.is_some(), fits)
                    .await
            }
            Command::Verify => self.verify_trail().await,
        }
    }

    async fn list_lines(
        &self,
        last: usize,
        filtered: bool,
        fits: impl Fn(&Numbered) -> bool,
    ) -> Result<Output, CommandError> {
        let read = if filtered { FILTERED_LINES_MAX } else { last };
        let mut lines: Vec<Numbered> = audit::latest(&**self.ledger.store(), read).await?;
        lines.retain(|line| fits(line));
        lines.truncate(last);
        lines.reverse();
        let rows: Vec<[String; 5]> = lines
            .iter()
            .map(|line| {
                [
                    line.when.format("%Y-%m-%d %H:%M:%S"),
                    line.what.as_str().to_owned(),
                    line.who.clone(),
                    line.whom
                        .clone()
                        .or_else(|| line.tenant.as_ref().map(ToString::to_string))
                        .unwrap_or_default(),
                    told(line),
                ]
            })
            .collect();
        let none = "There is no such line.";
        let text = columns(["when (UTC)", "what", "who", "whom", ""], &rows, none);
        Ok(Output::new(json!({ "lines": lines.iter().map(shown).collect::<Vec<_>>() }), text))
    }

    async fn verify_trail(&self) -> Result<Output, CommandError> {
        let store = &**self.ledger.store();
        let report = audit::verify(store).await?;
        let heads: Vec<Head> = table::list::<Head>(store, &table::all::<Head>())
            .await?
            .into_iter()
            .map(|read| read.record)
            .collect();
        let shown: Vec<_> = heads
            .iter()
            .map(|head| json!({ "node": head.node, "sequence": head.sequence, "sha256": data_encoding::HEXLOWER.encode(&head.last) }))
            .collect();
        let mut lines = Vec::new();
        match &report.first_bad {
            None => {
                lines.push(format!("The trail is whole: {} lines, each as it was written.", report.entries));
                lines.push(
                    "Keep its heads elsewhere; a trail written anew as a whole shows only there:".to_owned(),
                );
                for head in &heads {
                    lines.push(format!(
                        "  {}  {}  {}",
                        plain(&head.node),
                        head.sequence,
                        data_encoding::HEXLOWER.encode(&head.last)
                    ));
                }
            }
            Some(bad) => {
                lines.push(format!("The trail is NOT whole: {}.", plain(&bad.to_string())));
                lines.push(format!("{} lines are as they were written.", report.entries));
                lines.push("Next: stop the gate, keep a copy of the store as evidence, and compare with your backups.".to_owned());
            }
        }
        let bad = report
            .first_bad
            .as_ref()
            .map(|bad| json!({ "node": bad.node, "sequence": bad.sequence, "fault": bad.to_string() }));
        let json =
            json!({ "whole": bad.is_none(), "entries": report.entries, "first_bad": bad, "heads": shown });
        Ok(Output { well: report.first_bad.is_none(), ..Output::new(json, lines) })
    }
}

fn known(word: &str) -> Result<Event, CommandError> {
    Event::parse(word).ok_or_else(|| {
        let near: Vec<&str> = Event::ALL
            .iter()
            .map(|event| event.as_str())
            .filter(|event| event.split('.').next() == word.split('.').next())
            .collect();
        let all = || Event::ALL.iter().map(|event| event.as_str()).collect::<Vec<_>>().join(", ");
        let next = if near.is_empty() { all() } else { near.join(", ") };
        CommandError::new(Kind::Usage, format!("{word:?} is no event"), format!("choose of {next}"))
    })
}

/// Outcome and details in a few words.
fn told(line: &Numbered) -> String {
    let mut parts = Vec::new();
    if let Outcome::Refused(why) = &line.outcome {
        parts.push(format!("refused: {why}"));
    }
    parts.extend(line.whence.iter().map(|whence| format!("from {whence}")));
    parts.extend(line.details.iter().map(|(name, value)| format!("{name}={value}")));
    parts.join("  ")
}

fn shown(line: &Numbered) -> serde_json::Value {
    let (outcome, why) = match &line.outcome {
        Outcome::Done => ("done", None),
        Outcome::Refused(why) => ("refused", Some(why)),
    };
    json!({
        "node": line.node,
        "sequence": line.sequence,
        "when": line.when.to_string(),
        "who": line.who,
        "what": line.what.as_str(),
        "tenant": line.tenant.as_ref().map(|tenant| tenant.as_str()),
        "whom": line.whom,
        "whence": line.whence,
        "outcome": outcome,
        "why": why,
        "details": line.details,
        "previous": data_encoding::HEXLOWER.encode(&line.previous),
    })
}

/// So far back a filter looks.
const FILTERED_LINES_MAX: usize = 100_000;
