//! How an open house closes: by itself, or for another process that waits for its store.

use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use super::Started;

impl Started {
    /// Whether the store has closed under the house: its disk failed.
    #[must_use]
    pub fn lost_its_store(&self) -> bool {
        self.house.view.has_ended()
    }

    /// Waits until the house has closed, after its `stop` was cancelled.
    pub async fn closed(mut self) {
        self.finished().await;
    }

    /// The same where another process waits, at the other end of `line`, for the store: it has it within seconds, however
    /// long what is under way goes on here.
    pub async fn closed_for(mut self, line: UnixStream) {
        let needs_store = {
            let house = Arc::clone(&self.house);
            async move {
                tokio::time::sleep(STORE_KEPT).await;
                while house.confirmations.is_sending() || Arc::strong_count(&house.desk_at_work) > 1 {
                    tokio::time::sleep(LOOKED_AT_EVERY).await;
                }
            }
        };
        let finished = tokio::select! {
            biased;
            () = self.running.finished() => true,
            () = needs_store => false,
        };
        // Whoever came before must hear all that was written here, and then the other process.
        if !finished || !self.lines.is_empty() {
            self.end_background().await;
            if let Err(error) = self.give_way(line).await {
                tracing::error!(%error, "the store could not be given away; the other process waits for this one");
            }
        } else {
            // The line breaks with this process, once all is closed.
            std::mem::forget(line);
        }
        self.finished().await;
    }

    async fn give_way(&mut self, line: UnixStream) -> Result<(), String> {
        let audience = match self.house.ledger.store().give_away().await {
            Ok(audience) => audience,
            Err(error) => {
                std::mem::forget(line);
                return Err(error.to_string());
            }
        };
        self.hand_lines(&line).await;
        let said = |error: std::io::Error| error.to_string();
        line.shutdown(std::net::Shutdown::Write).map_err(said)?;
        tracing::info!("the other process has the store; what is under way goes on here");
        line.set_nonblocking(true).map_err(said)?;
        let line = tokio::net::UnixStream::from_std(line).map_err(said)?;
        let cut = self.running.cutter();
        tokio::spawn(async move {
            let ended = audience.hear(line).await;
            // What is open here is judged by what is told: nothing goes on that nobody can end.
            tracing::warn!(?ended, "nothing more is heard from the other process: what is open here is cut");
            cut.cancel();
        });
        Ok(())
    }

    async fn finished(&mut self) {
        self.running.finished().await;
        self.watching.cancel();
        self.end_background().await;
        self.telling.ended().await;
    }

    /// What needs the store. Whoever asked for an upgrade is answered.
    async fn end_background(&mut self) {
        self.background.cancel();
        if let Some(control) = self.control.take() {
            let _ = control.await;
        }
        self.mailing.ended().await;
    }
}

/// New connections wait so long. Whoever was taken in has two seconds to ask; what is under way after that asks no store,
/// but for a confirmed payment, whose outcome is written down, and for what the desk does step by step: it waits for its
/// client, or its backend.
const STORE_KEPT: Duration = Duration::from_secs(3);

const LOOKED_AT_EVERY: Duration = Duration::from_millis(20);
