//! An Apple configuration profile (.mobileconfig) that carries a .p12: a property list, signed by the CA that
//! issued the certificate. The import password is not in it: the iPhone asks for it. Knows neither who gets it
//! nor by which way.
//!
//! Our root is not in it either: whoever trusts it would trust a CA of clients for web sites.

use data_encoding::BASE64;

use super::{Authority, CaError, P12};
use crate::crypto;
use crate::domain::Time;
use crate::domain::certificate::Certificate;

/// What the device shows before it installs the profile.
#[derive(Clone, Copy, Debug)]
pub struct ProfileWords<'a> {
    /// "Bank Muster & Cie".
    pub organization: &'a str,
    /// "Anna Muster, laptop, until 2028-11".
    pub common_name: &'a str,
    /// "laptop".
    pub device: &'a str,
    /// "bank.example.com".
    pub host: &'a str,
    /// Name of the .p12 inside.
    pub file_name: &'a str,
}

impl Authority {
    /// The profile, signed. The identifiers are the device's, so that a later profile takes an earlier one's
    /// place instead of standing beside it.
    ///
    /// # Errors
    /// A certificate whose CA is not open here.
    pub fn mobileconfig(
        &self,
        p12: &P12,
        certificate: &Certificate,
        words: ProfileWords<'_>,
        now: Time,
    ) -> Result<Vec<u8>, CaError> {
        let open = self.issuing.load();
        let issuing =
            open.get(&certificate.issuer).ok_or(CaError::Crypto("found the CA that signs the profile"))?;
        issuing.sign_file(property_list(p12, certificate, words).as_bytes(), now)
    }
}

fn property_list(p12: &P12, certificate: &Certificate, words: ProfileWords<'_>) -> String {
    let (organization, device, host) = (words.organization, words.device, words.host);
    let identifier = format!("portcullis.{}.{}", certificate.tenant, certificate.device);
    let inner = format!("{identifier}.certificate");
    let name = format!("{organization}: certificate for {device}");
    let description = format!("Shows {host} that this is your device {device}.");
    let consent = format!(
        "This installs the certificate by which {organization} knows this device. You are asked for its import \
         password, which stands on the page you came from."
    );
    let certificate_dict = dict(&[
        ("PayloadType", string("com.apple.security.pkcs12")),
        ("PayloadVersion", "<integer>1</integer>".to_owned()),
        ("PayloadIdentifier", string(&inner)),
        // New with each certificate, so that the device sees that something changed.
        ("PayloadUUID", string(&uuid(&[&inner, &certificate.serial]))),
        ("PayloadDisplayName", string(words.common_name)),
        ("PayloadDescription", string(&description)),
        ("PayloadOrganization", string(organization)),
        ("PayloadCertificateFileName", string(words.file_name)),
        ("PayloadContent", format!("<data>{}</data>", BASE64.encode(&p12.bytes))),
    ]);
    let profile = dict(&[
        ("PayloadType", string("Configuration")),
        ("PayloadVersion", "<integer>1</integer>".to_owned()),
        ("PayloadIdentifier", string(&identifier)),
        ("PayloadUUID", string(&uuid(&[&identifier]))),
        ("PayloadDisplayName", string(&name)),
        ("PayloadDescription", string(&description)),
        ("PayloadOrganization", string(organization)),
        ("PayloadRemovalDisallowed", "<false/>".to_owned()),
        ("ConsentText", dict(&[("default", string(&consent))])),
        ("PayloadContent", format!("<array>\n{certificate_dict}\n</array>")),
    ]);
    format!("{HEAD}<plist version=\"1.0\">\n{profile}\n</plist>\n")
}

fn dict(pairs: &[(&str, String)]) -> String {
    let lines: Vec<String> = pairs.iter().map(|(key, value)| format!("<key>{key}</key>\n{value}")).collect();
    format!("<dict>\n{}\n</dict>", lines.join("\n"))
}

/// Escaped; a character that XML 1.0 cannot hold at all is left out.
fn string(text: &str) -> String {
    let mut out = String::from("<string>");
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\u{FFFE}' | '\u{FFFF}' => {}
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out.push_str("</string>");
    out
}

/// A name-based UUID of our own making (RFC 9562 5.8): the same names give the same one.
fn uuid(names: &[&str]) -> String {
    let mut bits: [u8; 16] = [0; 16];
    bits.copy_from_slice(&crypto::sha256(names.join("\n").as_bytes())[..16]);
    bits[6] = bits[6] & 0x0F | 0x80;
    bits[8] = bits[8] & 0x3F | 0x80;
    let hex = data_encoding::HEXUPPER.encode(&bits);
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \
                    \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ca::tests::House;
    use crate::ca::{Encoding, NewKey, p12};

    #[test]
    fn a_profile_holds_the_file_and_never_its_password() {
        let house = House::new();
        let key = NewKey::make().unwrap();
        let issued = house.issue_to(key.prove().unwrap());
        let p12 = p12::wrap(key, &issued, Encoding::Compatible, &house.world).unwrap();
        let words = ProfileWords {
            organization: "Bank <Muster> & Cie",
            common_name: &issued.common_name,
            device: "lap\ntop",
            host: "bank.localhost",
            file_name: "anna.p12",
        };
        let list = property_list(&p12, &issued.certificate, words);
        assert!(list.contains("<string>Bank &lt;Muster&gt; &amp; Cie</string>"));
        assert!(list.contains("certificate for lap top"));
        assert!(list.contains(&BASE64.encode(&p12.bytes)));
        assert!(!list.contains(p12.password.expose()) && !list.contains("<key>Password</key>"));
        let signed =
            house.authority.mobileconfig(&p12, &issued.certificate, words, house.world.now()).unwrap();
        assert!(signed.windows(list.len()).any(|window| window == list.as_bytes()));
        // The same device's next profile takes this one's place.
        let again = house.issue_to(NewKey::make().unwrap().prove().unwrap());
        let next = property_list(&p12, &again.certificate, words);
        let of = |list: &str| -> Vec<String> {
            let uuids = list.split("<key>PayloadUUID</key>\n").skip(1);
            uuids.map(|rest| rest.split('\n').next().unwrap().to_owned()).collect()
        };
        assert_eq!((of(&list).len(), of(&list)[0] == of(&next)[0]), (2, true));
        assert_ne!(of(&list)[1], of(&next)[1]);
    }
}
