//! What the handshake proves, and what it leaves to be judged later (T-01 to T-04, T-14 to T-18).

use rcgen::date_time_ymd;
use rustls::NamedGroup;

use crate::gate::{Ca, Gate};

const BANK: &str = "bank.localhost";

#[tokio::test(flavor = "multi_thread")]
async fn no_certificate_reaches_the_handler_as_an_empty_chain() {
    let gate = Gate::open();
    assert_eq!(gate.client().get(BANK, BANK, "/").await, Some(200));
    let seen = gate.only_one();
    assert!(seen.peer.chain.is_empty() && seen.peer.fingerprint.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_readable_certificate_reaches_the_handler_once_its_key_is_proved() {
    let gate = Gate::open();
    let foreign = Ca::new("Test devices");
    let leaves = [
        gate.device(),
        gate.devices.leaf(|params| params.not_after = date_time_ymd(2020, 1, 1)),
        gate.devices.leaf(|params| params.not_before = date_time_ymd(2100, 1, 1)),
        gate.devices.leaf(|params| params.is_ca = rcgen::IsCa::ExplicitNoCa),
        foreign.leaf(|_| {}),
    ];
    for (number, leaf) in leaves.iter().enumerate() {
        assert_eq!(gate.client().showing(leaf).get(BANK, BANK, "/").await, Some(200), "{number}");
        assert_eq!(gate.client().tls12().showing(leaf).get(BANK, BANK, "/").await, Some(200), "{number}");
        for seen in &gate.seen()[2 * number..] {
            assert_eq!(*seen.peer.chain, vec![leaf.der.to_vec()]);
            assert_eq!(seen.peer.fingerprint, Some(portcullis::crypto::sha256(&leaf.der)));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_leaf_is_the_one_whose_key_signed() {
    let gate = Gate::open();
    let (mine, other) = (gate.device(), gate.device());
    let client = gate.client().showing_chain(vec![mine.der.clone(), other.der.clone()], &mine);
    assert_eq!(client.get(BANK, BANK, "/").await, Some(200));
    assert_eq!(gate.only_one().peer.chain[0], mine.der.to_vec());
    // Another's certificate first, under my key.
    for tls12 in [false, true] {
        let chains = [vec![other.der.clone(), mine.der.clone()], vec![other.der.clone()]];
        for chain in chains {
            let client = gate.client().showing_chain(chain, &mine);
            let client = if tls12 { client.tls12() } else { client };
            assert_eq!(client.get(BANK, BANK, "/").await, None);
        }
    }
    assert_eq!(gate.seen().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_ends_the_handshake() {
    let gate = Gate::open();
    let leaf = gate.device();
    let mut trailing = leaf.der.to_vec();
    trailing.push(0);
    let mut cut = leaf.der.to_vec();
    cut.truncate(100);
    let big = gate.devices.leaf(|params| {
        params.subject_alt_names =
            (0..3000).map(|n| rcgen::SanType::DnsName(format!("{n}.example").try_into().unwrap())).collect();
    });
    let chains = [
        vec![trailing.into()],
        vec![cut.into()],
        vec![leaf.der.clone(), b"no certificate".to_vec().into()],
        vec![leaf.der.clone(); 7],
        vec![big.der.clone()],
    ];
    for (number, chain) in chains.into_iter().enumerate() {
        let signer = if number == 4 { &big } else { &leaf };
        assert_eq!(gate.client().showing_chain(chain, signer).get(BANK, BANK, "/").await, None, "{number}");
    }
    assert!(gate.seen().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn doors_that_do_not_ask_get_no_certificate() {
    let gate = Gate::open();
    let device = gate.device();
    for host in ["phone.localhost", "start.localhost"] {
        assert_eq!(gate.client().showing(&device).get(host, host, "/").await, Some(200));
    }
    assert!(gate.seen().iter().all(|seen| seen.peer.chain.is_empty()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_exchange_of_keys_is_post_quantum_where_both_can() {
    let gate = Gate::open();
    let stream = gate.client().connect(BANK).await.unwrap();
    let group = stream.get_ref().1.negotiated_key_exchange_group().unwrap().name();
    let expected = if cfg!(feature = "aws-lc-rs") { NamedGroup::X25519MLKEM768 } else { NamedGroup::X25519 };
    assert_eq!(group, expected, "ring has no ML-KEM");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_server_certificate_is_taken_up_and_a_broken_one_is_not() {
    let gate = Gate::open();
    let shown = async || {
        let stream = gate.client().connect(BANK).await.unwrap();
        stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
    };
    let first = shown().await;
    let (doors, now) = (gate.front.doors().load_full(), portcullis::world::World::real().now());
    doors.refresh(now);
    assert_eq!(shown().await, first);

    let files = crate::gate::write_certificate(&gate.server_ca, gate.folder.path(), BANK);
    doors.refresh(now);
    let second = shown().await;
    assert_ne!(second, first);

    let good = std::fs::read(&files.certificate).unwrap();
    std::fs::write(&files.certificate, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
        .unwrap();
    doors.refresh(now);
    assert_eq!(shown().await, second);
    let other = crate::gate::write_certificate(&gate.server_ca, gate.folder.path(), "wrong.localhost");
    std::fs::copy(&other.certificate, &files.certificate).unwrap();
    doors.refresh(now);
    assert_eq!(shown().await, second, "a certificate for another name, or of another key, is none");
    std::fs::write(&files.certificate, good).unwrap();
    doors.refresh(now);
    assert_eq!(shown().await, second);
}
