//! Sends queued messages by SMTP, with STARTTLS or TLS unless the configuration says otherwise.
//! A message that can't be sent is tried again, later and later; it is never lost.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use lettre::message::header::ContentType;
use lettre::transport::smtp::AsyncSmtpTransport;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::{AsyncTransport, Message, Tokio1Executor};
use tokio_util::sync::CancellationToken;

use super::{About, Notice};
use crate::audit::{Entry, Event, Ledger};
use crate::domain::Time;
use crate::domain::recovery::FEW;
use crate::store::table::{self, Stored};
use crate::world::World;

/// Where mail goes.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `smtps://user:password@host`, or `smtp://host:587?tls=required` for STARTTLS.
    pub url: crate::domain::Secret,
    /// PEM certificates of the CA that alone vouches for the server; where there is none, those that browsers
    /// trust do.
    pub ca_file: Option<PathBuf>,
    /// `Bank Muster <gate@example.com>`.
    pub from: String,
}

/// Why the mailer could not be made.
#[derive(Debug, thiserror::Error)]
pub enum BadSettings {
    /// The address of the server.
    #[error("[mail] smtp is no address of a mail server: write smtps://host or smtp://host:587")]
    Url,
    /// The sender.
    #[error("[mail] from is no sender: write \"Name <gate@example.com>\"")]
    From,
    /// The CA of the server.
    #[error("[mail] ca_file {0} holds no certificate in PEM that can be read")]
    Ca(PathBuf),
}

/// Sends what is queued.
pub struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: lettre::message::Mailbox,
    ledger: Arc<Ledger>,
    world: World,
}

impl Mailer {
    /// For a server.
    ///
    /// # Errors
    /// [`BadSettings`].
    pub fn new(settings: &Settings, ledger: Arc<Ledger>, world: World) -> Result<Self, BadSettings> {
        let transport = transport(settings)?;
        let from = settings.from.parse().map_err(|_| BadSettings::From)?;
        Ok(Self { transport, from, ledger, world })
    }

    /// Sends until `shutdown`. What is under way then is sent and written down: it would go out again otherwise.
    pub async fn run(self, shutdown: CancellationToken) {
        while shutdown.run_until_cancelled(tokio::time::sleep(LOOK_EVERY)).await.is_some() {
            if let Err(error) = self.send_due(&shutdown).await {
                tracing::warn!(%error, "the queue of messages could not be read");
            }
        }
    }

    async fn send_due(&self, shutdown: &CancellationToken) -> Result<(), crate::store::StoreError> {
        let now = self.world.now();
        let queue = table::list::<Notice>(&**self.ledger.store(), &table::all::<Notice>()).await?;
        let due = queue.into_iter().filter(|read| read.record.due <= now);
        for read in due.take_while(|_| !shutdown.is_cancelled()) {
            let sent = self.send(&read.record).await;
            let (entry, write) = match sent {
                Ok(()) => (Event::NoticeSent, table::consume(&read)),
                Err(why) => {
                    tracing::warn!(notice = %read.record.id, why, "a message was not sent; it is tried again");
                    (Event::NoticeFailed, table::replace(&read, &later(&read, now)))
                }
            };
            let entry = Entry::new("gate", entry).tenant(&read.record.tenant).whom(read.record.id.as_str());
            if let Err(error) = self.ledger.record(entry, vec![write]).await {
                tracing::warn!(%error, "what became of a message was not written");
            }
        }
        Ok(())
    }

    /// Every address in one message each, so that none learns of another.
    async fn send(&self, notice: &Notice) -> Result<(), String> {
        for to in &notice.to {
            let to = to.parse().map_err(|_| "an address is none".to_owned())?;
            let message = Message::builder()
                .from(self.from.clone())
                .to(to)
                .subject(subject(notice))
                .header(ContentType::TEXT_PLAIN)
                .body(body(notice))
                .map_err(|error| error.to_string())?;
            self.transport.send(message).await.map_err(|error| error.to_string())?;
        }
        Ok(())
    }
}

/// The way to the server that the settings name.
pub(super) fn transport(settings: &Settings) -> Result<AsyncSmtpTransport<Tokio1Executor>, BadSettings> {
    let url = settings.url.expose();
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(url)
        .map_err(|_| BadSettings::Url)?
        .timeout(Some(SEND_TIMEOUT));
    if let Some(file) = &settings.ca_file {
        let trusted = trusting(file, host(url)).ok_or_else(|| BadSettings::Ca(file.clone()))?;
        let at_once = url.starts_with("smtps://");
        builder = builder.tls(if at_once { Tls::Wrapper(trusted) } else { Tls::Required(trusted) });
    }
    Ok(builder.build())
}

/// TLS to `host`, with nobody to vouch for it but the CA in `file`.
fn trusting(file: &Path, host: &str) -> Option<TlsParameters> {
    let certificate = Certificate::from_pem(&std::fs::read(file).ok()?).ok()?;
    let builder = TlsParameters::builder(host.to_owned()).certificate_store(CertificateStore::None);
    builder.add_root_certificate(certificate).build().ok()
}

/// The host in `smtp://user:password@host:port?tls=required`.
fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.split(['/', '?']).next().unwrap_or_default();
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    rest.split_once(':').map_or(rest, |(host, _)| host)
}

fn later(read: &Stored<Notice>, now: Time) -> Notice {
    let failures = read.record.failures + 1;
    let wait = FIRST_RETRY * 2u32.pow(failures.min(8));
    Notice { failures, due: now.plus(wait), ..read.record.clone() }
}

fn subject(notice: &Notice) -> String {
    let what = match &notice.about {
        About::DeviceReleased { .. } => "A device was let in",
        About::PhonePaired { .. } => "A phone was paired",
        About::PhoneReplaced { .. } => "A new phone took the old one's place",
        About::RecoveryCodesMade { .. } => "Recovery codes were made",
        About::RecoveryCodeUsed { left, .. } if *left <= FEW => "A recovery code was used, and few are left",
        About::RecoveryCodeUsed { .. } => "A recovery code was used",
        About::LostPhoneAsked { .. } => "A new phone is asked for",
        About::PhoneRemoved { .. } => "A phone was removed",
        About::PasswordSet => "Your password was set",
        About::NotMe { .. } => "We stopped a sign-in",
        About::Unfrozen => "Your access is open again",
        About::CertificateRenewed { .. } => "A new certificate was made",
        About::CertificateSuperseded { .. } => "Your new certificate is in use",
        About::CertificateRevoked { .. } => "A certificate was switched off",
        About::ExpiredAsked { .. } => "A new certificate is asked for",
        About::CertificateEnds { until, .. } if *until < notice.happened => "Your certificate has ended",
        About::CertificateEnds { .. } => "Your certificate ends soon",
        About::BreakGlass { .. } => "Break-glass was used",
    };
    format!("{}: {what}", notice.site)
}

fn body(notice: &Notice) -> String {
    let what = match &notice.about {
        About::DeviceReleased { device, address } => {
            format!("Our support released your device \"{device}\", which came from {address}.")
        }
        About::PhonePaired { phone } => format!("\"{phone}\" can now approve your sign-ins."),
        About::PhoneReplaced { phone, device, address, by } => format!(
            "\"{phone}\" can now approve your sign-ins. It was paired on your device \"{device}\", from {address}, \
             with your password and by {by}. Phones that were paired before it approve nothing any more."
        ),
        About::RecoveryCodesMade { anew } => format!(
            "Ten recovery codes were made for you. They stand in for your phone where you lose it: keep them on \
             paper, apart from your devices.{}",
            if *anew { " The codes you had before count no more." } else { "" }
        ),
        About::RecoveryCodeUsed { left, device, address } => format!(
            "One of your recovery codes was used on your device \"{device}\", from {address}. {}{}",
            match left {
                0 => "None is left.".to_owned(),
                1 => "1 is left.".to_owned(),
                left => format!("{left} are left."),
            },
            if *left <= FEW {
                " Please make ten new ones: My settings, Security, Recovery codes."
            } else {
                ""
            }
        ),
        About::LostPhoneAsked { device, address } => format!(
            "Somebody at your device \"{device}\", from {address}, told our support that your phone is lost, and asks \
             to pair another. Two of our colleagues must agree, and one of them has."
        ),
        About::PhoneRemoved { phone, by_support } => format!(
            "\"{phone}\" was removed {}. It can approve nothing any more.",
            if *by_support { "by our support" } else { "in your settings" }
        ),
        About::PasswordSet => "A password was set for you.".to_owned(),
        About::NotMe { device, address } => format!(
            "Somebody answered \"not me\" to a sign-in on your device \"{device}\" from {address}. Nobody is \
             signed in now, and your access is frozen until our support has spoken with you. We ring you at the \
             number we have; or call us."
        ),
        About::Unfrozen => {
            "Our support has opened your access again, after \"not me\" was answered on your phone. You \
             sign in as usual."
                .to_owned()
        }
        About::CertificateRenewed { device, until } => format!(
            "A new certificate was made for your device \"{device}\", good until {}. The old one goes on until you \
             have signed in with the new one.",
            until.day()
        ),
        About::CertificateSuperseded { device, at } => format!(
            "You signed in with the new certificate of your device \"{device}\" for the first time. The old one \
             {}. You can delete it from the device.",
            if *at > notice.happened {
                format!("works until {} (UTC) and then ends by itself", at.minute())
            } else {
                "has ended and opens nothing any more".to_owned()
            }
        ),
        About::CertificateRevoked { device } => {
            format!(
                "The certificate of your device \"{device}\" was switched off. Nobody can come in with it any more."
            )
        }
        About::ExpiredAsked { device, address } => format!(
            "Somebody at {address} asks for a new certificate for your device \"{device}\", whose certificate has \
             ended. Our support lets nobody in before they have spoken with you."
        ),
        About::CertificateEnds { device, until, days } => return reminder(notice, device, *until, *days),
        About::BreakGlass { reason } => {
            format!(
                "On the machine itself, a member of staff was let in past the usual rule. Reason given: {reason}"
            )
        }
    };
    format!(
        "Hello {},\n\n{what}\nThis happened on {} (UTC).\n\nIf this was you, there is nothing to do.\nIf it was \
         not, please call us at once: {}\n\n{}\n",
        notice.name,
        notice.happened.minute(),
        notice.telephone,
        notice.site,
    )
}

/// A reminder asks for something, and tells of nothing that somebody else may have done. No link: whoever follows
/// links from mails follows a thief's.
fn reminder(notice: &Notice, device: &str, until: Time, days: u32) -> String {
    let (last, name, site, telephone) = (until.day(), &notice.name, &notice.site, &notice.telephone);
    let (what, next) = if until < notice.happened {
        let next = "Open our site as usual: the page that says it saw no certificate leads on to a new one. Or call us";
        (format!("ended on {last}, and this device cannot come in any more"), next)
    } else {
        let when = match days {
            0 => "today".to_owned(),
            1 => "tomorrow".to_owned(),
            days => format!("in {days} days"),
        };
        let next = "On that device, sign in as usual and choose Settings, Security, Certificate to make a new one. Or call us";
        (format!("ends on {last} (UTC), {when}"), next)
    };
    format!(
        "Hello {name},\n\nThe certificate of your device \"{device}\" {what}. A certificate is the file that proves that \
         the device is yours.\n\n{next}: {telephone}\n\n{site}\n"
    )
}

const LOOK_EVERY: Duration = Duration::from_secs(2);
/// The longest that one message takes.
pub const SEND_TIMEOUT: Duration = Duration::from_secs(20);
const FIRST_RETRY: Duration = Duration::from_secs(15);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_a_mail_server_is_found() {
        for url in [
            "smtp://mail.example.com:587?tls=required",
            "smtps://gate:p%40%3A%2F@mail.example.com",
            "smtps://gate@mail.example.com:465/",
        ] {
            assert_eq!(host(url), "mail.example.com", "{url}");
        }
    }
}
