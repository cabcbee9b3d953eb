//! Asks the house of every certificate ever made: the judge, the list of its issuer, and OCSP.

use super::*;

impl World {
    /// Asks for every certificate ever made: by the judge, and on its issuer's list.
    pub(super) fn ask(&self, life: &Life) -> Result<(), String> {
        let now = self.rig.world.now();
        let records: Vec<Certificate> = life
            .certificates
            .iter()
            .map(|one| (*self.rig.view.certificate(&one.record.serial).expect("its record")).clone())
            .collect();
        self.shelf.refresh(&self.authority, &records, now).map_err(|error| error.to_string())?;
        for (at, known) in life.certificates.iter().enumerate() {
            self.asked.fetch_add(1, Ordering::SeqCst);
            let presented = self.judge.read(&[&known.record.der]);
            let stands = self.judge.stand(&presented, &self.rig.tenant, now);
            let proved = matches!(stands, CertificateEvidence::Proved(_));
            self.came.fetch_add(usize::from(proved), Ordering::SeqCst);
            if proved != life.lives(at, now) {
                return Err(format!(
                    "certificate {at} should {} live: {stands:?}; {known:?}",
                    life.lives(at, now)
                ));
            }
            if let (true, CertificateEvidence::Rejected { reason, .. }) = (known.revoked, &stands)
                && !matches!(reason, Reason::CertificateRevoked { .. })
            {
                return Err(format!("certificate {at} was revoked, and is told {reason:?}"));
            }
            let listed = self.listed(&known.record);
            // Whose place was taken stands there too, once its grace is over. Long after its end it may leave the
            // list (RFC 5280 3.3).
            let dead = known.revoked || known.superseded.is_some_and(|at| at <= now);
            if listed != dead && (listed || now <= known.record.not_after) {
                return Err(format!("certificate {at}: on the list {listed}, dead {dead}: {known:?}"));
            }
            let answered = self.answered(&known.record);
            if answered != dead {
                return Err(format!("certificate {at}: OCSP says dead {answered}, it is {dead}: {known:?}"));
            }
        }
        Ok(())
    }

    pub(super) fn listed(&self, certificate: &Certificate) -> bool {
        use x509_parser::prelude::FromDer as _;
        let list = self.shelf.current(certificate.issuer.as_str()).expect("its issuer's list");
        let (_, list) = x509_parser::revocation_list::CertificateRevocationList::from_der(&list.der).unwrap();
        let serials: BTreeSet<String> =
            list.iter_revoked_certificates().map(|one| format!("{:x}", one.serial())).collect();
        serials.contains(&certificate.serial)
    }

    /// Whether OCSP says that it was revoked; anything but good or revoked is a failure.
    pub(super) fn answered(&self, certificate: &Certificate) -> bool {
        use x509_parser::prelude::FromDer as _;
        let issuer = self.authority.issuers().find(|one| one.id == certificate.issuer).expect("its issuer");
        let (_, ca) = x509_parser::certificate::X509Certificate::from_der(&issuer.der).unwrap();
        let (_, leaf) = x509_parser::certificate::X509Certificate::from_der(&certificate.der).unwrap();
        let key = crypto::sha256(&ca.public_key().subject_public_key.data);
        // RFC 6960 4.1.1: a request with one CertID by SHA-256 and nothing else.
        let name = tagged(0x04, &crypto::sha256(ca.subject().as_raw()));
        let number = [tagged(0x04, &key), tagged(0x02, leaf.raw_serial())].concat();
        let asked = tagged(0x30, &[tagged(0x30, SHA_256), name, number.clone()].concat());
        let request = tagged(0x30, &tagged(0x30, &tagged(0x30, &tagged(0x30, &asked))));
        let find = |serial: &str| self.rig.view.certificate(serial);
        let answer = self.ocsp.answer(&self.authority, find, &request, self.rig.world.now()).der;
        // The status follows the CertID (4.2.1).
        let at = answer.windows(number.len()).position(|part| part == number).expect("an answer about it");
        match answer[at + number.len()] {
            0x80 => false,
            0xa1 => true,
            other => panic!("neither good nor revoked: {other:#x}"),
        }
    }
}

/// DER of less than 256 bytes.
fn tagged(tag: u8, contents: &[u8]) -> Vec<u8> {
    let length = u8::try_from(contents.len()).unwrap();
    let head = if length < 128 { vec![tag, length] } else { vec![tag, 0x81, length] };
    [head.as_slice(), contents].concat()
}

/// Its object identifier, 2.16.840.1.101.3.4.2.1.
const SHA_256: &[u8] = &[0x06, 9, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];
