//! The devices' revocation list, fetched as anybody fetches it.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use x509_parser::prelude::FromDer as _;
use x509_parser::revocation_list::{CertificateRevocationList, RevokedCertificate};

/// What stands on the list that is served.
pub(crate) struct List {
    pub(crate) der: Vec<u8>,
    pub(crate) number: u64,
    /// Seconds since 1970, as the next.
    pub(crate) from: i64,
    pub(crate) until: i64,
    /// Serials as the store has them, with the reason's code.
    pub(crate) entries: Vec<(String, Option<u8>)>,
}

impl List {
    pub(crate) fn tells_of(&self, serial: &str) -> bool {
        self.entries.iter().any(|(one, _)| one == serial)
    }
}

/// From the plain listener; `None` where the gate has none that counts.
pub(crate) async fn fetched(plain: SocketAddr) -> Option<List> {
    let mut stream = tokio::net::TcpStream::connect(plain).await.unwrap();
    let request = b"GET /crl/devices.crl HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let head = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    let words = String::from_utf8_lossy(&answer[..head]).into_owned();
    if words.starts_with("HTTP/1.1 503") {
        return None;
    }
    assert!(words.starts_with("HTTP/1.1 200"), "{words}");
    let der = answer.split_off(head);
    let (_, list) = CertificateRevocationList::from_der(&der).unwrap();
    let entry = |one: &RevokedCertificate<'_>| {
        let serial = data_encoding::HEXLOWER.encode(one.raw_serial());
        (serial.trim_start_matches('0').to_owned(), one.reason_code().map(|(_, code)| code.0))
    };
    let number = u64::try_from(list.crl_number().unwrap()).unwrap();
    let (from, until) = (list.last_update().timestamp(), list.next_update().unwrap().timestamp());
    let entries = list.iter_revoked_certificates().map(entry).collect();
    Some(List { der, number, from, until, entries })
}
