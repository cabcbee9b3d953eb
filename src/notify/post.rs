//! What goes out at once instead of being queued: a message that carries a key or opens something must not lie in
//! the store. Sent once, to one address, while somebody waits; whether it left is their answer. No message takes an
//! import password: there is no argument for one.

use lettre::message::header::ContentType;
use lettre::message::{Attachment, Mailbox, Message, MultiPart, SinglePart};
use lettre::transport::smtp::AsyncSmtpTransport;
use lettre::{AsyncTransport, Tokio1Executor};

use super::email::{self, BadSettings, Settings};
use crate::domain::person::Person;
use crate::domain::tenant::Tenant;
use crate::domain::{Secret, Time};

/// The way to the mail server, with whose name stands on the envelope.
pub struct Post {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

/// Whose certificate a message is about.
#[derive(Clone, Copy)]
pub struct About<'a> {
    /// Whose client.
    pub tenant: &'a Tenant,
    /// To whose first recorded address it goes.
    pub person: &'a Person,
    /// "laptop".
    pub device: &'a str,
    /// `:8443`, or nothing where browsers need no port.
    pub port: &'a str,
}

/// A file to attach.
#[derive(Clone, Copy)]
pub struct File<'a> {
    /// "anna-laptop.p12".
    pub name: &'a str,
    /// Its bytes.
    pub bytes: &'a [u8],
    /// Until when its certificate is good.
    pub until: Time,
}

/// A link to send.
#[derive(Clone, Copy)]
pub struct Link<'a> {
    /// The whole address.
    pub address: &'a Secret,
    /// Until when it may be used.
    pub expires: Time,
}

/// Why a message did not leave. Holds nothing of it.
#[derive(Debug, thiserror::Error)]
pub enum NotSent {
    /// Nobody to send it to.
    #[error("no e-mail address is recorded")]
    NoAddress,
    /// An address, or the message, is none.
    #[error("the recorded e-mail address cannot be used")]
    BadAddress,
    /// The server.
    #[error("the mail server did not take it: {0}")]
    Server(#[source] lettre::transport::smtp::Error),
}

impl Post {
    /// The way to a server.
    ///
    /// # Errors
    /// [`BadSettings`].
    pub fn new(settings: &Settings) -> Result<Self, BadSettings> {
        let from = settings.from.parse().map_err(|_| BadSettings::From)?;
        Ok(Self { transport: email::transport(settings)?, from })
    }

    /// Sends a .p12 as an attachment. The text says that the password comes by another way, and holds none.
    ///
    /// # Errors
    /// [`NotSent`]; the file is then still the caller's.
    pub async fn send_file(&self, about: About<'_>, file: File<'_>) -> Result<String, NotSent> {
        let text = format!(
            "Hello {},\n\nthe file in this message, {}, is the certificate of your device \"{}\". It proves to {} \
             that the device is yours, until {}.\n\nIts password is not in this message and never comes by mail: we \
             tell it to you by another way. Whoever asks you to send this file or its password on is not one of \
             us.\n\n1. Save the file on the device it is for, and open it there. It asks for the password.\n2. Close \
             the browser completely, and open it again.\n3. Open {}\n\nDid you not ask for this, or are you stuck? \
             Please call us: {}\n\n{}\n",
            about.person.name,
            file.name,
            about.device,
            about.tenant.name,
            file.until.day(),
            door(&about),
            about.tenant.telephone,
            about.tenant.name,
        );
        let kind = ContentType::parse("application/x-pkcs12").map_err(|_| NotSent::BadAddress)?;
        let attached = Attachment::new(file.name.to_owned()).body(file.bytes.to_vec(), kind);
        let body = MultiPart::mixed().singlepart(SinglePart::plain(text)).singlepart(attached);
        self.send(about, "The certificate of your device", body).await
    }

    /// Sends a one-time link, which opens nothing without the import password.
    ///
    /// # Errors
    /// [`NotSent`]; the link is then still the caller's.
    pub async fn send_link(&self, about: About<'_>, link: Link<'_>) -> Result<String, NotSent> {
        let text = format!(
            "Hello {},\n\nat this address you get the certificate of your device \"{}\", once, until {} (UTC):\n\n{}\n\n\
             Open it on the device it is for. The page asks for a password, which never comes by mail: we tell it to \
             you by another way.\n\nDid you not ask for this, or has the time run out? Please call us: {}\n\n{}\n",
            about.person.name,
            about.device,
            link.expires.minute(),
            link.address.expose(),
            about.tenant.telephone,
            about.tenant.name,
        );
        let body = MultiPart::mixed().singlepart(SinglePart::plain(text));
        self.send(about, "Get the certificate of your device", body).await
    }

    /// To whom it went.
    async fn send(&self, about: About<'_>, what: &str, body: MultiPart) -> Result<String, NotSent> {
        let to = about.person.emails.first().ok_or(NotSent::NoAddress)?;
        let message = Message::builder()
            .from(self.from.clone())
            .to(to.parse().map_err(|_| NotSent::BadAddress)?)
            .subject(format!("{}: {what}", about.tenant.name))
            .multipart(body)
            .map_err(|_| NotSent::BadAddress)?;
        self.transport.send(message).await.map_err(NotSent::Server)?;
        Ok(to.clone())
    }
}

fn door(about: &About<'_>) -> String {
    let host = about.tenant.hosts.first();
    host.map_or_else(|| "the address you know".to_owned(), |host| format!("https://{host}{}/", about.port))
}
