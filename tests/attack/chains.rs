//! Who signed for whom: CAs that are named like ours, chains in every order, CAs between ours and a leaf.

use portcullis::domain::certificate::Certificate;
use rcgen::{IsCa, KeyUsagePurpose};

use crate::certificates::{Case, case};
use crate::inside::Inside;
use crate::support::browser::COOKIE;
use crate::support::ca::OldCa;
use crate::support::gate::Gate;
use crate::support::program::Start;
use crate::support::raw::Raw;
use crate::support::wire::Identity;

/// T-02. Another CA with the name, the key identifier and the serial number of ours.
#[tokio::test(flavor = "multi_thread")]
async fn a_ca_that_is_named_like_ours_is_not_ours() {
    let (inside, cases) = Inside::after(
        |_| {},
        Start::default(),
        async |gate, laptop| {
            let real = of_serial(gate, &laptop.serial).await;
            let (_, read) = x509_parser::parse_x509_certificate(&real.der).unwrap();
            let serial = read.raw_serial().to_vec();
            let session = format!("{COOKIE}={}", gate.session_for(&real).await);
            let mut cases = Vec::new();
            let (devices, root) = (gate.issuers[0].der.clone(), gate.issuers[0].root_der.clone());
            for issuer in &gate.issuers {
                let twin = OldCa::like(issuer);
                let (forged, _) = twin.leaf(laptop, |params| {
                    params.serial_number = Some(rcgen::SerialNumber::from(serial.clone()));
                });
                let chains: [&[&[u8]]; 5] = [
                    &[],
                    &[twin.der()],
                    &[&devices],
                    &[twin.der(), &devices, &root],
                    &[&laptop.identity.chain[0]],
                ];
                for (n, behind) in chains.into_iter().enumerate() {
                    let chain = [
                        &[forged.chain[0].clone()],
                        &behind.iter().map(|der| der.to_vec()).collect::<Vec<_>>()[..],
                    ]
                    .concat();
                    let identity = Identity { chain, key: forged.key.clone() };
                    let what = format!("{:?}, chain {n}", issuer.kind);
                    cases.push(Case {
                        what,
                        identity,
                        cookie: session.clone(),
                        refused: Some("foreign-issuer"),
                    });
                }
                let itself = Identity { chain: vec![twin.der().to_vec()], key: twin.key() };
                cases.push(Case {
                    what: "the CA itself".to_owned(),
                    identity: itself,
                    cookie: session.clone(),
                    refused: Some("foreign-issuer"),
                });
            }
            cases
        },
    )
    .await;
    assert!(cases.len() >= 12, "{}", cases.len());
    inside.must_all_end_so(&cases).await;
}

/// T-03. Chains of one to five certificates in every order, signed for with either of two keys, in TLS 1.3 and
/// in part in 1.2: who somebody is, the certificate says whose key signed, or the handshake ends.
#[tokio::test(flavor = "multi_thread")]
async fn identity_is_the_certificate_whose_key_signed() {
    let (inside, (pool, attacker)) = Inside::after(
        |_| {},
        Start::default(),
        async |gate, laptop| {
            let twin = OldCa::like(&gate.issuers[0]);
            let attacker = twin.leaf(laptop, |_| {}).0;
            let tablet = gate.device("bank", "anna", "tablet").await;
            let mine = laptop.identity.chain[0].clone();
            let issuing = gate.issuers[0].der.clone();
            let other = tablet.identity.chain[0].clone();
            (vec![mine, attacker.chain[0].clone(), other, issuing, twin.der().to_vec()], attacker)
        },
    )
    .await;
    let mine = inside.laptop.identity.clone();
    let (mut served, mut refused) = (0, 0);
    for (versions, longest) in [(&[&rustls::version::TLS13], 5), (&[&rustls::version::TLS12], 3)] {
        for order in orders(pool.len(), longest) {
            let chain: Vec<Vec<u8>> = order.iter().map(|place| pool[*place].clone()).collect();
            for (signer, place) in [(&mine, 0), (&attacker, 1)] {
                inside.recorder.forget();
                let wire = &inside.client.wire;
                let config = wire.config_showing(&chain, &signer.key, versions, &["http/1.1"]);
                let raw = Raw::with(wire, "bank.localhost", config);
                // With the attacker's own certificate the cookie would be a stolen one, and its session over: A-02.
                let cookie = if order[0] == 1 && place == 1 { "" } else { &inside.cookie };
                let heard = raw.exchange(inside.asking(cookie, "/v").as_bytes()).await;
                if order[0] == 0 && place == 0 {
                    assert_eq!(heard.status(), Some(200), "{order:?}: {}", heard.text());
                    let leaf = data_encoding::BASE64.encode(&pool[0]);
                    assert_eq!(inside.recorder.only_one().all("client-cert"), [format!(":{leaf}:")]);
                    served += 1;
                } else {
                    // Where the key is that of the first, and the first is nothing to us, there is a page.
                    let page = order[0] == 1 && place == 1;
                    let status = page.then_some(403);
                    assert_eq!(heard.status(), status, "{order:?} signed by {place}: {}", heard.text());
                    assert_eq!(inside.recorder.count(), 0, "{order:?} signed by {place}");
                    refused += 1;
                }
            }
        }
    }
    println!("{served} chains served as the laptop, {refused} refused");
    assert_eq!((served, refused), (65 + 17, 650 + 170 - 65 - 17));
    inside.must_serve_the_honest().await;
}

/// Every order of one to `longest` of `n` things.
fn orders(n: usize, longest: usize) -> Vec<Vec<usize>> {
    let mut all: Vec<Vec<usize>> = (0..n).map(|one| vec![one]).collect();
    let mut last = all.clone();
    for _ in 1..longest {
        last = last
            .iter()
            .flat_map(|order| {
                (0..n).filter(|one| !order.contains(one)).map(|one| [order.as_slice(), &[one]].concat())
            })
            .collect();
        all.extend(last.clone());
    }
    all
}

/// T-12.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_stands_between_an_issuing_ca_and_a_leaf() {
    let (inside, cases) = Inside::after(
        |_| {},
        Start::default(),
        async |gate, laptop| {
            let mut cases = Vec::new();
            let under = async |what: &str, ca: &OldCa, between: &[Vec<u8>], refused| {
                let (mut identity, record) = ca.leaf(laptop, |_| {});
                identity.chain.extend(between.iter().cloned());
                case(gate, what, (identity, record), refused).await
            };
            cases.push(under("right below", &gate.old_ca, &[], None).await);
            cases.push(
                under("right below, and it is shown", &gate.old_ca, &[gate.old_ca.der().to_vec()], None)
                    .await,
            );
            let foreign = Some("foreign-issuer");
            let one = gate.old_ca.below(|_| {});
            let (shown, anchor) = (one.der().to_vec(), gate.old_ca.der().to_vec());
            cases.push(
                under("a CA beyond the path's length", &one, std::slice::from_ref(&shown), foreign).await,
            );
            cases.push(
                under("the same, with its issuer", &one, &[shown.clone(), anchor.clone()], foreign).await,
            );
            cases.push(under("the same, not shown", &one, &[], foreign).await);
            let no_ca = gate.old_ca.below(|params| params.is_ca = IsCa::NoCa);
            cases
                .push(under("a CA without basicConstraints", &no_ca, &[no_ca.der().to_vec()], foreign).await);
            let no_usage =
                gate.old_ca.below(|params| params.key_usages = vec![KeyUsagePurpose::DigitalSignature]);
            cases.push(under("a CA that may not sign", &no_usage, &[no_usage.der().to_vec()], foreign).await);
            for depth in [3, 4, 5, 6, 10, 50, 100] {
                let mut between = vec![anchor.clone()];
                let mut last = gate.old_ca.below(|_| {});
                between.insert(0, last.der().to_vec());
                for _ in 2..depth {
                    last = last.below(|_| {});
                    between.insert(0, last.der().to_vec());
                }
                // What is longer than a chain ever is ends in the handshake.
                let refused = if between.len() < 6 { foreign } else { Some("") };
                cases.push(under(&format!("{depth} CAs"), &last, &between, refused).await);
            }
            cases
        },
    )
    .await;
    inside.must_all_end_so(&cases).await;
}

async fn of_serial(gate: &Gate, serial: &str) -> Certificate {
    gate.all::<Certificate>().await.into_iter().find(|one| one.serial == serial).unwrap()
}
