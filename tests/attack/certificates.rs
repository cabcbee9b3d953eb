//! Certificates that must not count, each with a record of the house and a session of its own, so that
//! nothing but the certificate is in the way. Chains and dates have files of their own.

use portcullis::domain::certificate::Certificate;
use rcgen::{CustomExtension, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose};

use crate::inside::Inside;
use crate::openssl::{Openssl, words};
use crate::support::browser::COOKIE;
use crate::support::gate::Gate;
use crate::support::program::Start;
use crate::support::wire::Identity;

/// One certificate, and what is to come of it.
pub(crate) struct Case {
    pub(crate) what: String,
    pub(crate) identity: Identity,
    pub(crate) cookie: String,
    /// Key of the refusal; `""`: no handshake, or any refusal; none: it is served.
    pub(crate) refused: Option<&'static str>,
}

/// Puts in its record and a session.
pub(crate) async fn case(
    gate: &Gate,
    what: &str,
    (identity, record): (Identity, Certificate),
    refused: Option<&'static str>,
) -> Case {
    gate.put(&record).await;
    let cookie = format!("{COOKIE}={}", gate.session_for(&record).await);
    Case { what: what.to_owned(), identity, cookie, refused }
}

impl Inside {
    pub(crate) fn asking(&self, cookie: &str, path: &str) -> String {
        format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nCookie: {cookie}\r\nAccept: application/json\r\nConnection: close\r\n\r\n",
            self.host
        )
    }

    async fn must_end_so(&self, case: &Case) {
        self.recorder.forget();
        let ask =
            async || self.showing(&case.identity).exchange(self.asking(&case.cookie, "/v").as_bytes()).await;
        let mut heard = ask().await;
        let what = &case.what;
        // A session of its own does not help: it is ended where the certificate could never have had one.
        if case.refused.is_some() && heard.text().contains("urn:portcullis:refusal:session-elsewhere") {
            heard = ask().await;
        }
        match case.refused {
            None => {
                assert_eq!(heard.status(), Some(200), "{what}: {}", heard.text());
                let leaf = data_encoding::BASE64.encode(&case.identity.chain[0]);
                assert_eq!(self.recorder.only_one().all("client-cert"), [format!(":{leaf}:")], "{what}");
            }
            Some(key) => {
                assert!(matches!(heard.status(), None | Some(403)), "{what}: {}", heard.text());
                let told = format!("urn:portcullis:refusal:{key}");
                assert!(heard.text().contains(&told) || key.is_empty(), "{what}: {}", heard.text());
                assert_eq!(self.recorder.count(), 0, "{what} reached the backend");
            }
        }
    }

    pub(crate) async fn must_all_end_so(&self, cases: &[Case]) {
        for case in cases {
            self.must_end_so(case).await;
        }
        self.must_serve_the_honest().await;
        assert!(!self.program.log().contains("panicked"), "{}", self.program.log());
    }
}

/// T-01.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_certificate_there_is_a_page_and_no_backend() {
    let inside = Inside::open().await;
    let openssl = Openssl::to(inside.client.wire.address);
    for version in ["-tls1_2", "-tls1_3"] {
        for (accept, told) in [
            ("text/html", "This browser did not show us your certificate"),
            ("application/json", "urn:portcullis:refusal:no-certificate"),
            ("text/html", "+41 44 555 01 77"),
        ] {
            let more =
                format!("Accept: {accept}\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n");
            for host in ["bank", "console"] {
                let name = format!("{host}.localhost");
                let request = format!("GET /v HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n{more}\r\n");
                let heard = openssl.say(Some(&name), &words(version), &request);
                assert!(heard.contains("HTTP/1.1 403 "), "{heard}");
                assert!(host == "console" || heard.contains(told), "{told}: {heard}");
            }
        }
    }
    // Nor with the cookie of somebody who has one. It is void from then on.
    let request = inside.last("GET", "/v", "Accept: application/json\r\n");
    let heard = openssl.say(Some("bank.localhost"), &[], &request);
    assert!(heard.contains("HTTP/1.1 401 ") && heard.contains("session-elsewhere"), "{heard}");
    let heard = inside.h1.exchange(request.as_bytes()).await;
    assert_eq!(heard.status(), Some(401), "{}", heard.text());
    assert_eq!(inside.recorder.count(), 0);
}

/// T-10.
#[tokio::test(flavor = "multi_thread")]
async fn only_client_authentication_is_a_purpose() {
    use ExtendedKeyUsagePurpose::{Any, ClientAuth, CodeSigning, Other, ServerAuth};
    let (inside, cases) = Inside::after(
        |_| {},
        Start::default(),
        async |gate, laptop| {
            let mut cases = Vec::new();
            let refused = Some("wrong-purpose");
            for (what, purposes, refused) in [
                ("clientAuth", vec![ClientAuth], None),
                ("serverAuth", vec![ServerAuth], refused),
                ("anyExtendedKeyUsage", vec![Any], refused),
                ("clientAuth and any", vec![ClientAuth, Any], refused),
                ("clientAuth and serverAuth", vec![ClientAuth, ServerAuth], refused),
                ("codeSigning", vec![CodeSigning], refused),
                ("an unknown one", vec![Other(vec![1, 3, 6, 1, 4, 1, 99_999])], refused),
                (
                    "clientAuth and an unknown one",
                    vec![ClientAuth, Other(vec![1, 3, 6, 1, 4, 1, 99_999])],
                    refused,
                ),
                ("none", vec![], refused),
            ] {
                let made = gate.old_ca.leaf(laptop, |params| params.extended_key_usages = purposes);
                cases.push(case(gate, what, made, refused).await);
            }
            // SEQUENCE {}; SEQUENCE { 1.2.3.4 }; an INTEGER; clientAuth, marked critical.
            let extensions: [(&str, &[u8], bool, Option<&'static str>); 5] = [
                ("an empty sequence", &[0x30, 0], false, Some("")),
                ("an empty sequence, critical", &[0x30, 0], true, Some("")),
                ("an unknown one, critical", &[0x30, 5, 6, 3, 0x2a, 3, 4], true, refused),
                ("no sequence", &[2, 1, 1], false, Some("")),
                ("clientAuth, critical", &[0x30, 10, 6, 8, 0x2b, 6, 1, 5, 5, 7, 3, 2], true, None),
            ];
            for (what, der, critical, refused) in extensions {
                let made = gate.old_ca.leaf(laptop, |params| {
                    params.extended_key_usages = vec![];
                    params.custom_extensions = vec![extension(&[2, 5, 29, 37], der, critical)];
                });
                cases.push(case(gate, what, made, refused).await);
            }
            let made = gate.old_ca.leaf(laptop, |params| {
                params.custom_extensions = vec![extension(&[1, 3, 6, 1, 4, 1, 99_999, 1], &[5, 0], true)];
            });
            cases.push(case(gate, "a critical extension that nobody knows", made, Some("")).await);
            cases
        },
    )
    .await;
    inside.must_all_end_so(&cases).await;
}

fn extension(oid: &[u64], der: &[u8], critical: bool) -> CustomExtension {
    let mut extension = CustomExtension::from_oid_content(oid, der.to_vec());
    extension.set_criticality(critical);
    extension
}

/// T-11.
#[tokio::test(flavor = "multi_thread")]
async fn a_ca_is_no_client_and_a_client_no_ca() {
    use KeyUsagePurpose::{DigitalSignature, KeyAgreement, KeyCertSign, KeyEncipherment};
    let (inside, cases) = Inside::after(
        |_| {},
        Start::default(),
        async |gate, laptop| {
            let mut cases = Vec::new();
            let refused = Some("wrong-purpose");
            for (what, is_ca, usages, refused) in [
                ("as it should be", IsCa::ExplicitNoCa, vec![DigitalSignature], None),
                (
                    "CA:TRUE",
                    IsCa::Ca(rcgen::BasicConstraints::Unconstrained),
                    vec![DigitalSignature],
                    refused,
                ),
                (
                    "CA:TRUE that signs",
                    IsCa::Ca(rcgen::BasicConstraints::Constrained(0)),
                    vec![DigitalSignature, KeyCertSign],
                    refused,
                ),
                ("no basicConstraints", IsCa::NoCa, vec![DigitalSignature], refused),
                ("keyAgreement alone", IsCa::ExplicitNoCa, vec![KeyAgreement], refused),
                ("keyEncipherment alone", IsCa::ExplicitNoCa, vec![KeyEncipherment], refused),
                ("keyCertSign alone", IsCa::ExplicitNoCa, vec![KeyCertSign], refused),
                ("no keyUsage", IsCa::ExplicitNoCa, vec![], refused),
            ] {
                let made = gate.old_ca.leaf(laptop, |params| {
                    params.is_ca = is_ca;
                    params.key_usages = usages;
                });
                cases.push(case(gate, what, made, refused).await);
            }
            let issuing_leaf = gate.old_ca.below(|params| {
                params.is_ca = IsCa::ExplicitNoCa;
                params.key_usages = vec![DigitalSignature];
                params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
            });
            let (mut identity, record) = issuing_leaf.leaf(laptop, |_| {});
            cases.push(
                case(gate, "issued by a leaf", (identity.clone(), record.clone()), Some("foreign-issuer"))
                    .await,
            );
            identity.chain.push(issuing_leaf.der().to_vec());
            cases.push(
                case(gate, "issued by a leaf that is shown", (identity, record), Some("foreign-issuer"))
                    .await,
            );
            cases
        },
    )
    .await;
    inside.must_all_end_so(&cases).await;
}
