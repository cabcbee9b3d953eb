//! The mail server as the operator wrote it, and what is sent through it. Knows no message.

use std::sync::Arc;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{AppError, Core, remind};
use crate::config::{Config, Mail, secrets};
use crate::domain::Secret;
use crate::notify::email::{Mailer, Settings};
use crate::notify::post::Post;

/// Sends what is queued, and queues reminders, until `shutdown`; where there is a mail server. Ends with what
/// was under way.
pub(super) fn send(
    config: &Config,
    core: &Core,
    shutdown: &CancellationToken,
) -> Result<Option<JoinHandle<()>>, AppError> {
    let Some(settings) = settings(config)? else { return Ok(None) };
    let mailer = Mailer::new(&settings, Arc::clone(&core.ledger), core.world.clone())?;
    remind::remind(core, shutdown);
    Ok(Some(tokio::spawn(mailer.run(shutdown.clone()))))
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
