//! "I lost this device": its certificates and its sessions end at once, and every address is told. No phone is
//! asked: it opens nothing, and the phone may be gone with the device.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{Response, StatusCode};
use tokio::sync::oneshot;

use super::certificates::{Owned, opens};
use super::{Answer, Here, LIST, Portal, refused, signed_out};
use crate::audit::{Entry, Event, Ledger};
use crate::domain::certificate::RevocationReason;
use crate::domain::device::Device;
use crate::domain::{Reason, TenantId};
use crate::enrolment::revocation::{Order, Revocation, Scope};
use crate::web::form::Form;
use crate::web::page::{Head, see_other};
use crate::web::pages::Page as _;
use crate::web::pages::settings::{Gone, Lost};

impl Portal {
    /// The page before a device is switched off.
    pub(super) async fn ask_lost(&self, here: &Here<'_>, serial: &str, why: &str) -> Answer {
        let owned = self.counting(here, serial).await?;
        let falls = self.revocation.falls(&scope(&owned.device.record)).await;
        let falls = falls.map_err(|_| Reason::Internal)?;
        let status = if why.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
        Ok(Lost {
            page: Head::of(here.visit),
            csrf: here.csrf.clone(),
            device: owned.device.record.name.clone(),
            falls: vec![
                said(falls.certificates(), "certificate stops", "certificates stop", "working, for good."),
                said(falls.sessions(), "session ends", "sessions end", "now, with all that is open in it."),
                "Every e-mail address of yours is told.".to_owned(),
            ],
            here: owned.device.record.id == *here.certificate.device_id(),
            refused: why.to_owned(),
            action: format!("{LIST}of/{serial}/lost"),
            back: LIST.to_owned(),
        }
        .response(status))
    }

    /// Switches it off.
    pub(super) async fn lost(&self, here: &Here<'_>, serial: &str, form: &Form) -> Answer {
        let owned = self.counting(here, serial).await?;
        if form.text("name") != owned.device.record.name {
            return self.ask_lost(here, serial, "Please type the name exactly as it stands above.").await;
        }
        let loss = self.loss(here, &owned.device.record);
        if owned.device.record.id == *here.certificate.device_id() {
            return self.lost_under_oneself(here, &owned, loss).await;
        }
        loss.settle().await?;
        Ok(see_other(LIST))
    }

    /// The device on which this page is read. Its connection is cut with its certificate, so the page goes out
    /// first and its end follows the commit. The commit waits for the page, and not long.
    async fn lost_under_oneself(&self, here: &Here<'_>, owned: &Owned, loss: Loss) -> Answer {
        let device = owned.device.record.name.clone();
        let page = Gone { page: Head::of(here.visit), csrf: here.csrf.clone(), device };
        let (head, page) = page.response(StatusCode::OK).into_parts();
        let page = axum::body::to_bytes(page, PAGE_BYTES_MAX).await.map_err(|_| Reason::Internal)?;
        let (out, is_out) = oneshot::channel::<()>();
        let done = tokio::spawn(async move {
            // Whether or not anybody reads on.
            if let Ok(Ok(())) = tokio::time::timeout(PAGE_WAITS, is_out).await {
                // What was written has not been read yet, and a connection that is cut may take it along.
                tokio::time::sleep(PAGE_TRAVELS).await;
            }
            loss.settle().await
        });
        let end = async move {
            let _ = out.send(());
            let words = if matches!(done.await, Ok(Ok(()))) { DONE } else { NOT_DONE };
            Ok(Bytes::from_static(words.as_bytes()))
        };
        let pieces = futures_util::stream::iter([Ok::<_, Infallible>(page)]);
        let body = Body::from_stream(pieces.chain(futures_util::stream::once(end)));
        let mut response = Response::from_parts(head, body);
        response.headers_mut().remove(http::header::CONTENT_LENGTH);
        Ok(signed_out(response))
    }

    async fn counting(&self, here: &Here<'_>, serial: &str) -> Result<Owned, Reason> {
        let owned = self.owned(here, serial).await?;
        if !opens(here, &owned.certificate.record) {
            return Err(Reason::BadRequest("this certificate opens nothing any more; take it off your list"));
        }
        Ok(owned)
    }

    fn loss(&self, here: &Here<'_>, device: &Device) -> Loss {
        Loss {
            ledger: Arc::clone(&self.parts.ledger),
            revocation: Arc::clone(&self.revocation),
            scope: scope(device),
            by: here.actor(),
            whence: here.visit.address.to_string(),
            tenant: device.tenant.clone(),
        }
    }
}

/// A device that was reported lost, to be settled whoever still listens.
struct Loss {
    ledger: Arc<Ledger>,
    revocation: Arc<Revocation>,
    scope: Scope,
    by: String,
    whence: String,
    tenant: TenantId,
}

impl Loss {
    /// Writes the report down and revokes.
    async fn settle(self) -> Result<(), Reason> {
        let entry = Entry::new(&self.by, Event::DeviceLost)
            .tenant(&self.tenant)
            .whom(self.scope.to_string())
            .whence(&self.whence);
        self.ledger.record(entry, vec![]).await.map_err(refused)?;
        let reason = RevocationReason::KeyCompromise;
        let order = Order { scope: &self.scope, reason, by: &self.by, whence: &self.whence };
        self.revocation.revoke(order).await.map(drop).map_err(|error| {
            tracing::error!(%error, scope = %self.scope, "a lost device was not switched off whole");
            Reason::Internal
        })
    }
}

fn scope(device: &Device) -> Scope {
    Scope::Device(device.tenant.clone(), device.person.clone(), device.id.clone())
}

fn said(count: usize, one: &str, many: &str, rest: &str) -> String {
    if count == 1 { format!("1 {one} {rest}") } else { format!("{count} {many} {rest}") }
}

const DONE: &str = "<!-- switched off -->\n";
const NOT_DONE: &str =
    "<p><strong>We could not switch it off just now. Please call us at once.</strong></p>\n";

/// Our pages have some thousand bytes.
const PAGE_BYTES_MAX: usize = 1 << 20;

/// The way to the browser, and the browser's time to show it; the device opens things no longer than a second.
const PAGE_TRAVELS: Duration = Duration::from_millis(300);

/// A browser that reads the page has it in less; one that does not must not hold the commit up.
const PAGE_WAITS: Duration = Duration::from_millis(500);
