//! The pages that certify keys made elsewhere, with sample data.

use super::{html, text};
use crate::domain::Time;
use crate::web::pages::Moment;
use crate::web::pages::desk::{Certified, Desk, Request};
use crate::web::visit::tests::visit;

pub(super) fn request_pages(show: &mut impl FnMut(&str, String), desk: &Desk) {
    let now = visit().now;
    let request = Request {
        desk: desk.clone(),
        person: text("Anna Muster"),
        devices: vec![(text("x"), text("laptop"))],
        which: String::new(),
        device: text("robot"),
        request: text("-----BEGIN CERTIFICATE REQUEST-----\nMIH0MIGbAgEAMA8xDTALBgNVBAMMBHJvYm90"),
        refused: text(
            "the request holds an RSA key of 2048 bits, and only P-256 and P-384 keys are certified",
        ),
        action: text("/devices/bank/anna/csr"),
        back: text("/people/bank/anna"),
    };
    show("desk-request", html(request));
    let certified = Certified {
        desk: desk.clone(),
        person: text("Anna Muster"),
        device: text("robot"),
        subject: text("Anna Muster, robot, until 2028-11"),
        until: Moment::new(Time::from_secs(now.secs() + 86_400 * 730), now),
        file_name: text("anna-robot.pem"),
        pem: text("-----BEGIN CERTIFICATE-----\nMIIB8TCCAZegAwIBAgIRANDk\n-----END CERTIFICATE-----\n"),
        pem_base64: text("LS0t"),
        back: text("/people/bank/anna"),
    };
    show("desk-certified", html(certified));
}
