//! Names that a CA must not certify, certified by it: whoever has stolen its key makes nothing of them.

use portcullis::console::command::{Command, ca};
use portcullis::control;
use portcullis::domain::Secret;
use portcullis::domain::certificate::{Issuer, IssuerKind};
use rcgen::{CertificateParams, CidrSubnet, CustomExtension, GeneralSubtree, NameConstraints, SanType};

use crate::certificates::case;
use crate::inside::Inside;
use crate::support::ca::OldCa;
use crate::support::gate::Gate;
use crate::support::laid_out::PASSPHRASE;
use crate::support::program::Start;
use crate::support::sealed::unsealed;

/// As the CAs of devices and of staff are held.
fn ours() -> NameConstraints {
    NameConstraints {
        permitted_subtrees: vec![
            GeneralSubtree::DnsName("nobody.invalid".to_owned()),
            GeneralSubtree::Rfc822Name("nobody.invalid".to_owned()),
        ],
        excluded_subtrees: vec![
            GeneralSubtree::DnsName(String::new()),
            GeneralSubtree::IpAddress(CidrSubnet::V4([0; 4], [0; 4])),
            GeneralSubtree::IpAddress(CidrSubnet::V6([0; 16], [0; 16])),
        ],
    }
}

/// Name constraints as bytes, for what the library does not write: one subtree of URIs.
fn of_uris(tag: u8, host: &str) -> CustomExtension {
    let name = [&[0x86, u8::try_from(host.len()).unwrap()], host.as_bytes()].concat();
    let wrapped = |tag: u8, inner: &[u8]| [&[tag, u8::try_from(inner.len()).unwrap()], inner].concat();
    let der = wrapped(0x30, &wrapped(tag, &wrapped(0x30, &name)));
    let mut extension = CustomExtension::from_oid_content(&[2, 5, 29, 30], der);
    extension.set_criticality(true);
    extension
}

fn dns(name: &str) -> SanType {
    SanType::DnsName(name.try_into().unwrap())
}

async fn trusted(gate: &Gate, id: &str, change: impl FnOnce(&mut CertificateParams)) -> OldCa {
    let ca = OldCa::shaped(&gate.issuers[0], change);
    gate.put(&ca.record(id)).await;
    ca
}

/// T-13.
#[tokio::test(flavor = "multi_thread")]
async fn no_name_that_its_ca_excludes_comes_in() {
    let (inside, cases) = Inside::after(
        |_| {},
        Start::default(),
        async |gate, laptop| {
            let mut cases = Vec::new();
            let foreign = Some("foreign-issuer");
            let constrained =
                trusted(gate, "devices-90", |params| params.name_constraints = Some(ours())).await;
            cases.push(case(gate, "the identity alone", constrained.leaf(laptop, |_| {}), None).await);
            let names = [
                ("a host", dns("bank.localhost")),
                ("a wildcard", dns("*.localhost")),
                ("a bare wildcard", dns("*")),
                ("the only permitted host, which is excluded too", dns("nobody.invalid")),
                ("a host with a NUL in it", dns("bank.localhost\0.nobody.invalid")),
                ("a NUL before the permitted one", dns("\0nobody.invalid")),
                ("an IDN", dns("xn--bnk-qla.localhost")),
                ("a mailbox as a host", dns("anna@bank.example")),
                ("an address", SanType::IpAddress([127, 0, 0, 1].into())),
                ("an address of IPv6", SanType::IpAddress(std::net::Ipv6Addr::LOCALHOST.into())),
                ("a mailbox", SanType::Rfc822Name("anna@bank.example".try_into().unwrap())),
                ("a host as a mailbox", SanType::Rfc822Name("bank.example".try_into().unwrap())),
            ];
            for (what, name) in names {
                let leaf = |ca: &OldCa, alone: bool| {
                    ca.leaf(laptop, |params| {
                        if alone {
                            params.subject_alt_names.clear();
                        }
                        params.subject_alt_names.push(name.clone());
                    })
                };
                cases.push(case(gate, what, leaf(&constrained, false), foreign).await);
                cases.push(case(gate, &format!("{what}, alone"), leaf(&constrained, true), foreign).await);
                // A CA without constraints makes them, and they do not count either: one identity, and no other name.
                cases.push(
                    case(gate, &format!("{what}, unconstrained"), leaf(&gate.old_ca, false), Some("")).await,
                );
            }
            let shapes: [(&str, &str, NameConstraints); 4] = [
                (
                    "devices-91",
                    "a DN that is permitted",
                    NameConstraints {
                        permitted_subtrees: vec![GeneralSubtree::DirectoryName(
                            rcgen::DistinguishedName::new(),
                        )],
                        excluded_subtrees: vec![],
                    },
                ),
                (
                    "devices-92",
                    "a DN that is excluded",
                    NameConstraints {
                        permitted_subtrees: vec![],
                        excluded_subtrees: vec![GeneralSubtree::DirectoryName(
                            rcgen::DistinguishedName::new(),
                        )],
                    },
                ),
                (
                    "devices-93",
                    "a host that is permitted",
                    NameConstraints {
                        permitted_subtrees: vec![GeneralSubtree::DnsName("bank.localhost".to_owned())],
                        excluded_subtrees: vec![],
                    },
                ),
                (
                    "devices-94",
                    "a host that is excluded",
                    NameConstraints {
                        permitted_subtrees: vec![],
                        excluded_subtrees: vec![GeneralSubtree::DnsName("bank.localhost".to_owned())],
                    },
                ),
            ];
            for (id, what, constraints) in shapes {
                let of_names = what.starts_with("a DN");
                let ca = trusted(gate, id, |params| params.name_constraints = Some(constraints)).await;
                // A constraint on distinguished names is one that nobody here compares: all is refused.
                let refused = if of_names { foreign } else { None };
                cases.push(case(gate, what, ca.leaf(laptop, |_| {}), refused).await);
                if !of_names {
                    let wild = ca.leaf(laptop, |params| params.subject_alt_names.push(dns("*.localhost")));
                    cases.push(case(gate, &format!("{what}, as a wildcard"), wild, Some("")).await);
                }
            }
            for (id, tag, host) in [("devices-95", 0xa0, "bank"), ("devices-96", 0xa1, ".example")] {
                let ca = trusted(gate, id, |params| params.custom_extensions.push(of_uris(tag, host))).await;
                cases.push(case(gate, &format!("a URI ({id})"), ca.leaf(laptop, |_| {}), foreign).await);
            }
            cases
        },
    )
    .await;
    assert!(cases.len() > 40, "{}", cases.len());
    inside.must_all_end_so(&cases).await;
}

/// T-12, with the keys of the house's own CAs before and after a rotation in the thief's hands.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_stands_below_the_old_or_the_new_ca_after_a_rotation() {
    let (inside, cases) = Inside::after(
        |_| {},
        Start::default(),
        async |gate, laptop| {
            let (kind, passphrase) = (IssuerKind::Devices, Secret::new(PASSPHRASE));
            let command = Command::Ca(ca::Command::Rotate { kind, passphrase, certificate: None });
            control::call(&gate.config.control_socket(), &command).await.unwrap();
            let mut cases = Vec::new();
            let issuers = gate.all::<Issuer>().await;
            for name in ["devices", "devices-2"] {
                let file = gate.config.data.join("ca").join(format!("{name}.key"));
                let key = unsealed(&std::fs::read_to_string(file).unwrap(), name, PASSPHRASE).unwrap();
                let issuer = issuers.iter().find(|issuer| issuer.id.as_str() == name).unwrap();
                let stolen = OldCa::stolen(issuer, &key);
                cases.push(case(gate, name, stolen.leaf(laptop, |_| {}), None).await);
                let named =
                    stolen.leaf(laptop, |params| params.subject_alt_names.push(dns("bank.localhost")));
                cases.push(case(gate, &format!("a host by {name}"), named, Some("foreign-issuer")).await);
                let below = stolen.below(|_| {});
                for shown in
                    [vec![], vec![below.der().to_vec()], vec![below.der().to_vec(), issuer.der.clone()]]
                {
                    let what = format!("a CA below {name}, {} shown", shown.len());
                    let (mut identity, record) = below.leaf(laptop, |_| {});
                    identity.chain.extend(shown);
                    cases.push(case(gate, &what, (identity, record), Some("foreign-issuer")).await);
                }
            }
            cases
        },
    )
    .await;
    assert_eq!(cases.len(), 10);
    inside.must_all_end_so(&cases).await;
}
