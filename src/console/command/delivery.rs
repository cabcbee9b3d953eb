//! Devices: a .p12 handed over by a one-time link, or sent as an attachment. The password is told to whoever gave
//! the command, and goes by no mail: what sends mail takes none.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::issue::{GOES_ON, Prepared, Target, file_name, handed_over, password_lines, told_once};
use super::output::Output;
use super::{Acts, CommandError, Kind, Site};
use crate::audit::Event;
use crate::ca::Encoding;
use crate::domain::Secret;
use crate::domain::tenant::CertificateTerms;
use crate::notify::post::{About, File, Link, NotSent, Post};

impl Acts {
    /// Issues and sends the file. Where it cannot be sent, whoever asked gets it after all.
    pub(super) async fn mail_file(
        &self,
        actor: &str,
        target: &Target,
        encoding: Encoding,
    ) -> Result<Output, CommandError> {
        self.authority()?;
        let prepared = self.prepare(actor, target).await?;
        let post = self.post_to(&prepared)?;
        let (issued, file) = self.certify(actor, &prepared, encoding, "by mail").await?;
        let name = file_name(&prepared);
        let attached = File { name: &name, bytes: &file.bytes, until: issued.not_after };
        let site = self.site.load_full();
        let sent = post.send_file(prepared.about(&site), attached).await;
        self.tell(actor, &prepared, Event::DeliveryMailed, &sent).await;
        let mut output = match &sent {
            Ok(_) => told_once(&prepared, &issued, &file),
            Err(_) => handed_over(&prepared, &issued, &file),
        };
        match sent {
            Ok(to) => {
                output.lines.push(format!("The file went to {to}, and is kept nowhere. {BY_ANOTHER_WAY}"));
                output.json["mailed_to"] = to.into();
            }
            Err(why) => {
                output
                    .lines
                    .push(format!("The file was not sent: {why}. Take it along yourself. {BY_ANOTHER_WAY}"));
                output.json["not_mailed"] = why.to_string().into();
                output.well = false;
            }
        }
        output.lines.extend(self.onward(&prepared));
        Ok(output)
    }

    /// Makes a one-time link, and sends it where that is wanted. Whoever asked is told the password, and the
    /// link unless it was sent.
    pub(super) async fn link(
        &self,
        actor: &str,
        target: &Target,
        minutes: Option<u64>,
        mail: bool,
    ) -> Result<Output, CommandError> {
        let site = self.site.load_full();
        let start = site.start.as_deref().ok_or_else(|| {
            CommandError::new(
                Kind::Refused,
                "this gate has no public door, so that a link leads nowhere",
                "add [public] with a host and a certificate to the configuration, or hand the file over",
            )
        })?;
        let prepared = self.prepare(actor, target).await?;
        if prepared.person.shut_out(self.now()) {
            return Err(CommandError::new(
                Kind::Refused,
                format!("{} is kept out, and no link opens for them", prepared.person.name),
                format!(
                    "let them in first: `portcullis person unlock {}/{}`",
                    prepared.tenant.id, prepared.person.id
                ),
            ));
        }
        let lives = lives(minutes, &prepared.tenant.certificates)?;
        let post = if mail { Some(self.post_to(&prepared)?) } else { None };
        let opened = self.deliveries.open(&prepared.order(actor), prepared.write.clone(), lives).await?;
        let address =
            Secret::new(format!("{start}/deliver/{}#{}", prepared.tenant.id, opened.secret.expose()));
        let device = &prepared.device;
        let mut output = Output::new(
            json!({
                "tenant": device.tenant.as_str(),
                "person": device.person.as_str(),
                "device": device.id.as_str(),
                "name": device.name,
                "import_password": opened.password.expose(),
                "expires": opened.expires.to_string(),
            }),
            vec![format!(
                "A link for {}, {}: good once, until {} UTC.",
                prepared.person.name,
                device.name,
                opened.expires.minute()
            )],
        );
        let mut shown = true;
        if let Some(post) = post {
            let link = Link { address: &address, expires: opened.expires };
            let sent = post.send_link(prepared.about(&site), link).await;
            self.tell(actor, &prepared, Event::DeliveryLinkMailed, &sent).await;
            match sent {
                Ok(to) => {
                    shown = false;
                    output.lines.push(format!("It went to {to}, and is shown nowhere else."));
                    output.json["mailed_to"] = to.into();
                }
                Err(why) => {
                    output.lines.push(format!("It was not sent: {why}. Send it yourself."));
                    output.json["not_mailed"] = why.to_string().into();
                    output.well = false;
                }
            }
        }
        if shown {
            output.lines.extend([String::new(), format!("  {}", address.expose())]);
            output.json["link"] = address.expose().into();
        }
        output.lines.extend(password_lines(&opened.password));
        output
            .lines
            .push(format!("Both are shown this once. {BY_ANOTHER_WAY} Five wrong ones end the link."));
        if !prepared.is_new() {
            output.lines.push(GOES_ON.to_owned());
        }
        Ok(output)
    }

    /// The way to the person's mailbox, asked for before anything is made.
    fn post_to(&self, prepared: &Prepared) -> Result<Arc<Post>, CommandError> {
        if prepared.person.emails.is_empty() {
            return Err(CommandError::new(
                Kind::Refused,
                format!("no e-mail address of {} is recorded", prepared.person.name),
                "hand the file over yourself, or make a link without --mail",
            ));
        }
        self.post.load_full().ok_or_else(|| {
            CommandError::new(
                Kind::Refused,
                "this gate can send no mail",
                "set [mail] in the configuration, hand the file over yourself, or make a link without --mail",
            )
        })
    }

    /// Writes down whether a message left. What it tells of is done already, so that it must not fail by this.
    async fn tell(&self, actor: &str, prepared: &Prepared, event: Event, sent: &Result<String, NotSent>) {
        let order = prepared.order(actor);
        let entry = match sent {
            Ok(to) => order.entry(event).detail("to", to),
            Err(why) => {
                tracing::warn!(%why, "a message with a certificate or a link was not sent");
                order.entry(Event::DeliveryNotMailed)
            }
        };
        if let Err(error) = self.record(entry, vec![]).await {
            tracing::error!(%error, "what became of a message was not written down");
        }
    }
}

impl Prepared {
    fn about<'a>(&'a self, site: &'a Site) -> About<'a> {
        let (tenant, person, device) = (&self.tenant, &self.person, self.device.name.as_str());
        About { tenant, person, device, port: &site.port_suffix }
    }
}

fn lives(minutes: Option<u64>, terms: &CertificateTerms) -> Result<Duration, CommandError> {
    let seconds = minutes.map_or(terms.delivery_secs, |minutes| minutes.saturating_mul(60));
    if (60..=CertificateTerms::DELIVERY_SECS_MAX).contains(&seconds) {
        return Ok(Duration::from_secs(seconds));
    }
    Err(CommandError::new(
        Kind::Usage,
        format!("--minutes {} is not between 1 minute and 24 hours", minutes.unwrap_or_default()),
        "give 1 to 1440; without it the tenant's own time is taken",
    ))
}

const BY_ANOTHER_WAY: &str = "Tell the password by telephone or face to face, never by mail.";
