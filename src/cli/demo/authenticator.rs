//! The phone's window of the demo, with a virtual authenticator in the place of a fingerprint: most
//! computers have none that a browser takes. Speaks the DevTools protocol over two pipes, so that
//! no port is open; keeps the authenticator's keys in the window's folder.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::browsers::{Tools, Window, arguments};
use crate::cli::failure::Failure;
use crate::config::secrets;

/// The window; it closes when this is dropped.
pub(super) struct Authenticator {
    _window: Window,
    talk: tokio::task::JoinHandle<()>,
}

impl Drop for Authenticator {
    fn drop(&mut self) {
        self.talk.abort();
    }
}

impl Authenticator {
    /// Opens the window at `url`.
    pub(super) fn open(tools: &Tools, home: &Path, url: &str) -> Result<Self, Failure> {
        let (to, from) = (home.join("devtools.in"), home.join("devtools.out"));
        for pipe in [&to, &from] {
            let _ = std::fs::remove_file(pipe);
            rustix::fs::mknodat(
                rustix::fs::CWD,
                pipe,
                rustix::fs::FileType::Fifo,
                rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
                0,
            )
            .map_err(|error| Failure::written(pipe)(error.into()))?;
        }
        // Both ends are opened for reading and writing, so that neither side waits for the other.
        let mut command = Command::new("sh");
        tools.dress(&mut command, home);
        command
            .args(["-c", "exec \"$@\" 3<>devtools.in 4<>devtools.out", "sh"])
            .arg(&tools.chromium)
            .args(arguments(home))
            .args(["--remote-debugging-pipe", "--window-size=412,860", "about:blank"])
            .current_dir(home);
        let window = tools.window(&mut command)?;
        let open = |pipe: &Path| {
            std::fs::OpenOptions::new()
                .read(true)
                .write(true)
                .open(pipe)
                .map(File::from_std)
                .map_err(Failure::read(pipe))
        };
        let wire = Wire { to: open(&to)?, from: open(&from)?, buffer: Vec::new(), number: 0 };
        let keys = home.join("authenticator.json");
        let url = url.to_owned();
        let talk = tokio::spawn(async move {
            if let Err(error) = keep(wire, &url, &keys).await {
                tracing::warn!(%error, "the phone's window has no virtual authenticator; close the demo and start it again");
            }
        });
        Ok(Self { _window: window, talk })
    }
}

/// Puts the authenticator into the window, gives it the keys of the time before, and writes them
/// down as they change.
async fn keep(mut wire: Wire, url: &str, keys: &PathBuf) -> std::io::Result<()> {
    let targets = wire.ask(None, "Target.getTargets", json!({})).await?;
    let page = targets["targetInfos"]
        .as_array()
        .and_then(|all| all.iter().find(|one| one["type"] == "page"))
        .map(|one| one["targetId"].clone())
        .unwrap_or_default();
    let attached =
        wire.ask(None, "Target.attachToTarget", json!({ "targetId": page, "flatten": true })).await?;
    let session = attached["sessionId"].as_str().map(ToOwned::to_owned);
    let session = session.as_deref();
    wire.ask(session, "WebAuthn.enable", json!({})).await?;
    let options = json!({
        "protocol": "ctap2", "transport": "internal", "hasResidentKey": true,
        "hasUserVerification": true, "isUserVerified": true, "automaticPresenceSimulation": true,
    });
    let made = wire.ask(session, "WebAuthn.addVirtualAuthenticator", json!({ "options": options })).await?;
    let id = made["authenticatorId"].clone();
    let mut kept = std::fs::read_to_string(keys)
        .ok()
        .and_then(|text| serde_json::from_str::<Value>(&text).ok())
        .unwrap_or_default();
    for credential in kept.as_array().cloned().unwrap_or_default() {
        wire.ask(
            session,
            "WebAuthn.addCredential",
            json!({ "authenticatorId": id, "credential": credential }),
        )
        .await?;
    }
    wire.ask(session, "Page.navigate", json!({ "url": url })).await?;
    loop {
        tokio::time::sleep(LOOKED_AT_EVERY).await;
        let now = wire.ask(session, "WebAuthn.getCredentials", json!({ "authenticatorId": id })).await?;
        let now = now["credentials"].clone();
        if now != kept && now.is_array() {
            let fresh = keys.with_extension("new");
            let _ = std::fs::remove_file(&fresh);
            secrets::write_new(&fresh, now.to_string().as_bytes())?;
            std::fs::rename(&fresh, keys)?;
            kept = now;
        }
    }
}

/// The DevTools protocol over pipes: JSON, each message ended by a zero byte.
struct Wire {
    to: File,
    from: File,
    buffer: Vec<u8>,
    number: u64,
}

impl Wire {
    async fn ask(&mut self, session: Option<&str>, method: &str, params: Value) -> std::io::Result<Value> {
        self.number += 1;
        let mut message = json!({ "id": self.number, "method": method, "params": params });
        if let Some(session) = session {
            message["sessionId"] = session.into();
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.to.write_all(&bytes).await?;
        self.to.flush().await?;
        let answer = tokio::time::timeout(ANSWER_WAIT, self.answer()).await;
        let answer = answer.map_err(|_| std::io::Error::from(std::io::ErrorKind::TimedOut))??;
        match answer.get("error") {
            Some(error) => Err(std::io::Error::other(format!("{method}: {}", error["message"]))),
            None => Ok(answer["result"].clone()),
        }
    }

    /// The answer to the last question; events between are passed over.
    async fn answer(&mut self) -> std::io::Result<Value> {
        loop {
            while let Some(end) = self.buffer.iter().position(|byte| *byte == 0) {
                let message: Vec<u8> = self.buffer.drain(..=end).collect();
                let message: Value = serde_json::from_slice(&message[..end]).unwrap_or_default();
                if message["id"] == self.number {
                    return Ok(message);
                }
            }
            let mut piece = [0; 16 * 1024];
            let read = self.from.read(&mut piece).await?;
            self.buffer.extend_from_slice(&piece[..read]);
        }
    }
}

/// A browser that starts on a slow machine takes this long to answer.
const ANSWER_WAIT: Duration = Duration::from_secs(30);

/// So often the keys are looked at; a pairing takes longer.
const LOOKED_AT_EVERY: Duration = Duration::from_secs(1);
