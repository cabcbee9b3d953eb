//! The mail server as the operator wrote it, and what is sent through it. Knows no message.

use std::sync::{Arc, Mutex, PoisonError};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{AppError, Core, remind};
use crate::config::{Config, Mail, secrets};
use crate::domain::Secret;
use crate::notify::email::{self, Mailer, Settings};
use crate::notify::post::Post;

/// What goes out, as long as the house stands.
pub(super) struct Mailing {
    core: Core,
    shutdown: CancellationToken,
    now: Mutex<Now>,
}

/// Who sends now, and queues reminders.
#[derive(Default)]
struct Now {
    sending: Option<(CancellationToken, JoinHandle<()>)>,
    reminding: Option<CancellationToken>,
}

/// A way to a mail server that nothing goes yet.
pub(super) struct Ready {
    pub(super) post: Option<Arc<Post>>,
    mailer: Option<Mailer>,
}

impl Mailing {
    /// Sends what is queued, and queues reminders, until `shutdown`; where there is a mail server.
    pub(super) fn begin(
        config: &Config,
        core: &Core,
        shutdown: &CancellationToken,
    ) -> Result<Arc<Self>, AppError> {
        let mailing = Self { core: core.clone(), shutdown: shutdown.clone(), now: Mutex::default() };
        mailing.change(mailing.ready(config)?);
        Ok(Arc::new(mailing))
    }

    /// The way that the configuration names.
    pub(super) fn ready(&self, config: &Config) -> Result<Ready, AppError> {
        let settings = settings(config)?;
        let mailer = |settings| Mailer::new(settings, Arc::clone(&self.core.ledger), self.core.world.clone());
        Ok(Ready { post: post(config)?, mailer: settings.as_ref().map(mailer).transpose()? })
    }

    /// Takes it from now on, once what is under way on the former one is done: nothing is sent twice.
    pub(super) fn change(&self, ready: Ready) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        let before = now.sending.take().map(|(stop, sending)| {
            stop.cancel();
            sending
        });
        match (&ready.mailer, now.reminding.take()) {
            (Some(_), None) => {
                let stop = self.shutdown.child_token();
                remind::remind(&self.core, &stop);
                now.reminding = Some(stop);
            }
            (Some(_), reminding) => now.reminding = reminding,
            (None, Some(stop)) => stop.cancel(),
            (None, None) => {}
        }
        let stop = self.shutdown.child_token();
        let mailer = ready.mailer;
        let sending = tokio::spawn({
            let stop = stop.clone();
            async move {
                if let Some(before) = before {
                    let _ = before.await;
                }
                if let Some(mailer) = mailer {
                    mailer.run(stop).await;
                }
            }
        });
        now.sending = Some((stop, sending));
    }

    /// Waits for what was under way, after `shutdown`.
    pub(super) async fn ended(&self) {
        let last = self.now.lock().unwrap_or_else(PoisonError::into_inner).sending.take();
        if let Some((_, sending)) = last {
            let _ = tokio::time::timeout(email::SEND_TIMEOUT, sending).await;
        }
    }
}

/// What goes out at once, where there is a mail server.
pub(super) fn post(config: &Config) -> Result<Option<Arc<Post>>, AppError> {
    Ok(settings(config)?.as_ref().map(Post::new).transpose()?.map(Arc::new))
}

fn settings(config: &Config) -> Result<Option<Settings>, AppError> {
    let Some(mail) = &config.mail else { return Ok(None) };
    Ok(Some(Settings { url: mail_url(mail)?, ca_file: mail.ca_file.clone(), from: mail.from.clone() }))
}

/// The address of the mail server with its password, which stands in a file apart.
fn mail_url(mail: &Mail) -> Result<Secret, AppError> {
    let password = mail.password_file.as_deref().map(secrets::from_file).transpose()?;
    Ok(smtp_url(&mail.smtp, mail.in_clear, password.as_ref().map(|password| &password.secret)))
}

/// `smtp://` means STARTTLS, and nothing without it: a server, or whoever stands before it, that does not
/// offer it gets no message, unless the operator wrote so.
fn smtp_url(address: &str, in_clear: bool, password: Option<&Secret>) -> Secret {
    let mut url = address.to_owned();
    if let Some(password) = password {
        let password = utf8_percent_encode(password.expose(), NON_ALPHANUMERIC).to_string();
        url = url.replacen('@', &format!(":{password}@"), 1);
    }
    if url.starts_with("smtp://") && !in_clear {
        url.push_str("?tls=required");
    }
    Secret::new(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mail_leaves_in_clear_only_where_it_is_written_so() {
        let url = |address, password: Option<&str>| {
            smtp_url(address, false, password.map(Secret::new).as_ref()).expose().to_owned()
        };
        assert_eq!(smtp_url("smtp://localhost:25", true, None).expose(), "smtp://localhost:25");
        assert_eq!(url("smtp://mail.example.com:587", None), "smtp://mail.example.com:587?tls=required");
        assert_eq!(
            url("smtps://gate@mail.example.com", Some("p@:/")),
            "smtps://gate:p%40%3A%2F@mail.example.com"
        );
    }
}
