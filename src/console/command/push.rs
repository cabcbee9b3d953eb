//! The key by which push services know us: made anew by command. Pushes nothing.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::output::Output;
use super::person::count;
use super::{Acts, CommandError, Kind};
use crate::audit::{Entry, Event};
use crate::domain::push::Subscription;
use crate::notify::webpush::{Before, KeysError};
use crate::store::table;

/// What to do with push.
#[derive(Clone, Debug, Serialize, Deserialize, clap::Subcommand)]
#[serde(rename_all = "kebab-case")]
pub enum Command {
    /// Make a new key, the first where there is none; each app subscribes anew when it is opened next
    #[command(after_help = ROTATE)]
    RotateKey {
        /// The keys so far count no more: for one that somebody else may have
        #[arg(long)]
        at_once: bool,
    },
}

impl Acts {
    pub(super) async fn push(&self, actor: &str, command: Command) -> Result<Output, CommandError> {
        let Command::RotateKey { at_once } = command;
        let first = self.push.count() == 0;
        let before = if at_once { Before::Ends } else { Before::GoesOn };
        // The file first: a trail that tells of a key which is nowhere would be worse than the reverse.
        let key = self.push.rotate(before).map_err(failed)?;
        let subscribed = self.read_all::<Subscription>(&table::all::<Subscription>()).await?;
        let over = subscribed.iter().filter(|read| self.push.of(&read.record.key).is_none()).count();
        let entry = Entry::new(actor, Event::PushKeyRotated)
            .detail("key", key.public_text())
            .detail("before", if at_once { "ends" } else { "goes on" });
        self.record(entry, vec![]).await?;
        let json = json!({ "key": key.public_text(), "subscriptions": subscribed.len(), "ended": over });
        let made = if first { "The first key for push is made." } else { "A new key for push is made." };
        let phones = match (subscribed.len(), over) {
            (0, _) => "No phone has subscribed yet: each app does so when it is opened.".to_owned(),
            (all, 0) => format!(
                "{} subscribed with an older key: they are woken on, and subscribe anew when the app is opened next.",
                count(all, "phone")
            ),
            (_, over) => format!(
                "{} subscribed with a key that counts no more: they are not woken until the app is opened. Signing in \
                 works all the same.",
                count(over, "phone")
            ),
        };
        Ok(Output::new(json, vec![made.to_owned(), phones]))
    }
}

fn failed(error: KeysError) -> CommandError {
    CommandError::new(Kind::Failed, error.to_string(), "correct that, then run the command again")
}

const ROTATE: &str = "\
The key lies in the data folder as push.key ([secrets] push_key_file); the newest stands first, and up to two before it
go on counting until their apps have subscribed anew. With --at-once only the new one counts.";
