//! Certificates that a CA of ours signed and never would: built byte by byte, with a record and a session of
//! their own, so that nothing but their form is in the way.

use portcullis::crypto::{Signer, sha256};
use portcullis::domain::certificate::Certificate;
use portcullis::world::World;

use crate::certificates::{Case, case};
use crate::inside::Inside;
use crate::limits::resident_bytes;
use crate::support::ca::OldCa;
use crate::support::gate::Handed;
use crate::support::program::Start;
use crate::support::wire::Identity;

/// The parts of a certificate's signed half.
struct Parts {
    all: Vec<Vec<u8>>,
    key: Vec<u8>,
    record: Certificate,
    signer: Signer,
}

const SERIAL: usize = 1;
const SUBJECT: usize = 5;
const SPKI: usize = 6;
const EXTENSIONS: usize = 7;

impl Parts {
    fn of(ca: &OldCa, laptop: &Handed) -> Self {
        let (identity, record) = ca.leaf(laptop, |_| {});
        let tbs = children(&content(&identity.chain[0])).remove(0);
        let all = children(&content(&tbs));
        assert_eq!(all.len(), 8);
        Self { all, key: identity.key, record, signer: Signer::from_pkcs8(&ca.key()).unwrap() }
    }

    /// With one part in another's place.
    fn with(&self, place: usize, part: Vec<u8>) -> (Identity, Certificate) {
        let mut all = self.all.clone();
        // Each has a record of its own, and so a serial of its own.
        all[SERIAL] = tlv(2, &[&[0x11][..], &World::real().bytes::<9>()].concat());
        all[place] = part;
        self.signed(&tlv(0x30, &all.concat()))
    }

    /// With these extensions.
    fn extended(&self, change: impl FnOnce(&mut Vec<Vec<u8>>)) -> (Identity, Certificate) {
        let mut extensions = self.extensions();
        change(&mut extensions);
        self.with(EXTENSIONS, tlv(0xa3, &tlv(0x30, &extensions.concat())))
    }

    fn extensions(&self) -> Vec<Vec<u8>> {
        children(&content(&content(&self.all[EXTENSIONS])))
    }

    fn signed(&self, tbs: &[u8]) -> (Identity, Certificate) {
        let fixed = self.signer.sign(tbs).unwrap();
        let signature = tlv(0x30, &[integer(&fixed[..32]), integer(&fixed[32..])].concat());
        let bits = tlv(3, &[&[0][..], &signature].concat());
        self.shown(tlv(0x30, &[tbs, ECDSA_WITH_SHA256, &bits].concat()))
    }

    fn shown(&self, der: Vec<u8>) -> (Identity, Certificate) {
        let mut record = Certificate { fingerprint: sha256(&der), der: der.clone(), ..self.record.clone() };
        // The record that the house would look for.
        let tbs = children(&content(&der)).into_iter().next().map(|tbs| children(&content(&tbs)));
        if let Some(serial) = tbs.and_then(|tbs| tbs.into_iter().find(|part| part.first() == Some(&2))) {
            record.serial = portcullis::ca::serial::text(&content(&serial));
        }
        (Identity { chain: vec![der], key: self.key.clone() }, record)
    }
}

/// T-15.
#[tokio::test(flavor = "multi_thread")]
async fn what_no_ca_would_sign_is_refused_or_does_no_harm() {
    let (inside, cases) = Inside::after(
        |_| {},
        Start::default(),
        async |gate, laptop| {
            let parts = Parts::of(&gate.old_ca, laptop);
            let extensions = parts.extensions();
            let san = extensions.iter().position(|one| one.windows(5).any(|w| w == [6, 3, 0x55, 0x1d, 0x11]));
            let san = extensions[san.unwrap()].clone();
            let uri = |name: &str| tlv(0x86, name.as_bytes());
            let names = |names: &[Vec<u8>]| {
                let value = tlv(4, &tlv(0x30, &names.concat()));
                tlv(0x30, &[&[6, 3, 0x55, 0x1d, 0x11][..], &value].concat())
            };
            let own = format!("portcullis://bank/device/{}", laptop.device);
            let other = "portcullis://bank/device/other";
            let named = |all: &[Vec<u8>]| {
                let new = names(all);
                parts.extended(|list| {
                    let at = list.iter().position(|one| *one == san).unwrap();
                    list[at] = new;
                })
            };
            let common = |name: &str| {
                let value = tlv(0x0c, name.as_bytes());
                tlv(0x31, &tlv(0x30, &[&[6, 3, 0x55, 4, 3][..], &value].concat()))
            };
            let good = || parts.with(SPKI, parts.all[SPKI].clone());
            let whole = || good().0.chain.remove(0);
            let tbs = || children(&content(&whole())).remove(0);
            let long_form = |der: &[u8]| {
                // A length in more bytes than it needs.
                let inner = content(der);
                let mut out = vec![0x30, 0x84];
                out.extend_from_slice(&u32::try_from(inner.len()).unwrap().to_be_bytes());
                out.extend_from_slice(&inner);
                out
            };
            let endless = [&[0x30, 0x80][..], &content(&whole()), &[0, 0]].concat();
            let (any, purpose) = (Some(""), Some("wrong-purpose"));
            let mut cases = Vec::new();
            for (what, made, refused) in [
                ("as it should be", good(), None),
                ("the identity twice, in two extensions", parts.extended(|all| all.push(san.clone())), any),
                (
                    "another identity in a second extension",
                    parts.extended(|all| all.push(names(&[uri(other)]))),
                    any,
                ),
                (
                    "another identity in a first extension",
                    parts.extended(|all| all.insert(0, names(&[uri(other)]))),
                    any,
                ),
                ("every extension twice", parts.extended(|all| all.extend(all.clone())), any),
                ("two identities", named(&[uri(&own), uri(other)]), purpose),
                ("the same identity twice", named(&[uri(&own), uri(&own)]), purpose),
                ("no name", named(&[]), any),
                ("the identity as a host", named(&[tlv(0x82, own.as_bytes())]), any),
                ("the identity in capitals", named(&[uri(&own.to_uppercase())]), purpose),
                ("a zero in the identity", named(&[uri(&format!("{own}\0"))]), any),
                ("something behind the identity", named(&[uri(&format!("{own}?x"))]), purpose),
                ("no extensions", parts.extended(Vec::clear), any),
                // Nobody is told apart by the common name: it may say what it likes.
                (
                    "two common names",
                    parts.with(SUBJECT, tlv(0x30, &[common("Anna"), common("Root")].concat())),
                    None,
                ),
                ("a negative serial", parts.with(SERIAL, tlv(2, &[0x80, 1, 2, 3])), any),
                ("a serial of zero", parts.with(SERIAL, tlv(2, &[0])), any),
                ("an empty serial", parts.with(SERIAL, tlv(2, &[])), any),
                ("a serial of 21 bytes", parts.with(SERIAL, tlv(2, &[1; 21])), any),
                ("a serial of 200 bytes", parts.with(SERIAL, tlv(2, &[1; 200])), any),
                ("a serial with a zero before it", parts.with(SERIAL, tlv(2, &[0, 0, 1, 2, 3])), any),
                ("bytes behind it", parts.shown([&whole()[..], &[0]].concat()), any),
                ("a second certificate behind it", parts.shown([whole(), whole()].concat()), any),
                (
                    "cut short",
                    parts.shown({
                        let mut short = whole();
                        short.pop();
                        short
                    }),
                    any,
                ),
                ("a length longer than it need be", parts.shown(long_form(&whole())), any),
                ("the same inside what is signed", parts.signed(&long_form(&tbs())), any),
                ("a length without end", parts.shown(endless), any),
                ("bytes behind what is signed", parts.signed(&[&tbs()[..], &[5, 0]].concat()), any),
                ("nothing", parts.shown(vec![0x30, 0]), any),
                ("a changed bit", parts.shown(flipped(&whole(), 120)), any),
            ] {
                cases.push(case(gate, what, made, refused).await);
            }
            // A bit changed at each of many places: it ends in a refusal, whichever.
            for at in (0..whole().len() - 4).step_by(5) {
                let made = parts.shown(flipped(&whole(), at));
                cases.push(case(gate, &format!("a bit at {at}"), made, any).await);
            }
            cases
        },
    )
    .await;
    inside.must_all_end_so(&cases).await;
    println!("{} certificates", cases.len());
}

/// T-16. A certificate is known by serial number and fingerprint, and by nothing that it says of itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_twin_with_the_same_names_is_nobody() {
    let (inside, cases) = Inside::after(
        |_| {},
        Start::default(),
        async |gate, laptop| {
            let all = gate.all::<Certificate>().await;
            let real = all.into_iter().find(|one| one.serial == laptop.serial).unwrap();
            let cookie = format!("{}={}", crate::support::browser::COOKIE, gate.session_for(&real).await);
            let (_, read) = x509_parser::parse_x509_certificate(&real.der).unwrap();
            let (name, serial) = (read.subject().to_string(), read.raw_serial().to_vec());
            let common = name.split("CN=").nth(1).unwrap().split(", O=").next().unwrap().to_owned();
            let twin = |serial: Option<Vec<u8>>| {
                gate.old_ca.leaf(laptop, |params| {
                    params.distinguished_name.push(rcgen::DnType::CommonName, common.clone());
                    if let Some(serial) = serial {
                        params.serial_number = Some(rcgen::SerialNumber::from(serial));
                    }
                })
            };
            // Neither has a record of its own: what the names say opens nothing.
            [("another serial", twin(None)), ("the same serial", twin(Some(serial)))].map(|(what, made)| {
                Case {
                    what: what.to_owned(),
                    identity: made.0,
                    cookie: cookie.clone(),
                    refused: Some("unknown-device"),
                }
            })
        },
    )
    .await;
    inside.must_all_end_so(&cases).await;
    for name in [
        "robot,CN=Root",
        "robot=x",
        "robot+x",
        "ro\u{8}bot",
        "ro\u{202e}bot",
        "ro\u{2066}bot",
        "ro\u{200b}bot",
        "robot\\",
        "\u{feff}robot",
        "<b>robot",
        "robot;",
        "robot\u{7f}",
    ] {
        let output = inside.program.cli(&["device", "issue", "bank/anna", "--name", name]);
        assert!(!output.status.success(), "{name:?} stands in a certificate");
    }
    let devices = inside.program.json(&["device", "list", "bank/anna"]);
    assert_eq!(devices["devices"].as_array().unwrap().len(), 1, "no device of a refused name: {devices}");
}

/// T-14.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_ends_in_the_handshake() {
    let (inside, cases) = Inside::after(
        |_| {},
        Start::default(),
        async |gate, laptop| {
            let parts = Parts::of(&gate.old_ca, laptop);
            let (leaf, record) = parts.with(SERIAL, parts.all[SERIAL].clone());
            let chain = |bytes: usize| {
                let one = gate.old_ca.der().to_vec();
                let mut chain = leaf.chain.clone();
                chain.extend(std::iter::repeat_n(one.clone(), bytes / one.len()));
                (Identity { chain, key: leaf.key.clone() }, record.clone())
            };
            let names = |count: usize| {
                let all: Vec<u8> =
                    (0..count).flat_map(|n| tlv(0x82, format!("host-{n}.example").as_bytes())).collect();
                let value = tlv(4, &tlv(0x30, &all));
                parts.extended(|list| list.push(tlv(0x30, &[&[6, 3, 0x55, 0x1d, 0x12][..], &value].concat())))
            };
            let extension = |bytes: usize| {
                let value = tlv(4, &vec![5; bytes]);
                let oid: &[u8] = &[6, 9, 0x2b, 6, 1, 4, 1, 0x86, 0x8d, 0x1f, 1];
                parts.extended(|list| list.push(tlv(0x30, &[oid, &value].concat())))
            };
            let rsa = |bits: usize| {
                let modulus = [vec![0], vec![0xff; bits / 8]].concat();
                let key = tlv(0x30, &[tlv(2, &modulus), tlv(2, &[1, 0, 1])].concat());
                let kind = tlv(0x30, &[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0]);
                let bits = tlv(3, &[vec![0], key].concat());
                parts.with(SPKI, tlv(0x30, &[kind, bits].concat()))
            };
            let explicit = {
                let both = children(&content(&parts.all[SPKI]));
                let curve = tlv(
                    0x30,
                    &[vec![2, 1, 1], tlv(0x30, &[6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 1, 1])].concat(),
                );
                let kind = tlv(0x30, &[vec![6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1], curve].concat());
                parts.with(SPKI, tlv(0x30, &[kind, both[1].clone()].concat()))
            };
            let mut cases = Vec::new();
            for (what, made) in [
                ("a chain of 60 kB", chain(60_000)),
                ("a chain of 1 MB", chain(1_000_000)),
                ("a chain of 16 MB", chain(16_000_000)),
                ("10 000 names", names(10_000)),
                ("an extension of 64 kB", extension(64 * 1024)),
                ("an RSA key of 16 384 bits", rsa(16_384)),
                ("an RSA key of 1024 bits", rsa(1024)),
                ("a curve spelled out", explicit),
            ] {
                cases.push(case(gate, what, made, Some("")).await);
            }
            cases
        },
    )
    .await;
    let pid = inside.program.pid();
    let mut settled = 0;
    for round in 0..4 {
        for one in &cases {
            let before = cpu_ms(pid);
            inside.must_all_end_so(std::slice::from_ref(one)).await;
            let spent = cpu_ms(pid) - before;
            if round == 3 {
                println!("{}: {spent} ms of CPU with an honest request", one.what);
            }
            assert!(spent < CPU_MS_MAX, "{} cost {spent} ms", one.what);
        }
        if round == 0 {
            settled = resident_bytes(pid);
        }
    }
    let grown = resident_bytes(pid).saturating_sub(settled);
    println!("memory grew by {} KiB", grown / 1024);
    assert!(grown < 16 << 20, "memory grew by {grown} bytes");
}

/// User and system time of a process; the clock of `/proc` ticks a hundred times a second.
fn cpu_ms(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    (fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()) * 10
}

/// Refusal and honest request together, in a build that is not made fast.
const CPU_MS_MAX: u64 = 500;

fn flipped(der: &[u8], at: usize) -> Vec<u8> {
    let mut der = der.to_vec();
    der[at] ^= 1;
    der
}

fn integer(half: &[u8]) -> Vec<u8> {
    let start = half.iter().position(|byte| *byte != 0).unwrap_or(half.len() - 1);
    let digits = &half[start..];
    let sign: &[u8] = if digits[0] & 0x80 == 0 { &[] } else { &[0] };
    tlv(2, &[sign, digits].concat())
}

fn tlv(tag: u8, inner: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match u8::try_from(inner.len()) {
        Ok(short) if short < 0x80 => out.push(short),
        _ => {
            let bytes = inner.len().to_be_bytes();
            let start = bytes.iter().position(|byte| *byte != 0).unwrap();
            out.push(0x80 | u8::try_from(bytes.len() - start).unwrap());
            out.extend_from_slice(&bytes[start..]);
        }
    }
    out.extend_from_slice(inner);
    out
}

/// Where an element's content begins and ends; nothing where it cannot be read.
fn span(der: &[u8]) -> Option<(usize, usize)> {
    let first = usize::from(*der.get(1)?);
    let (start, length) = if first < 0x80 {
        (2, first)
    } else {
        let count = first & 0x7f;
        let bytes = der.get(2..2 + count)?;
        (2 + count, bytes.iter().fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte)))
    };
    let end = start.checked_add(length)?;
    (end <= der.len()).then_some((start, end))
}

fn content(der: &[u8]) -> Vec<u8> {
    span(der).map(|(start, end)| der[start..end].to_vec()).unwrap_or_default()
}

fn children(mut inner: &[u8]) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    while let Some((_, end)) = span(inner) {
        all.push(inner[..end].to_vec());
        inner = &inner[end..];
    }
    all
}

const ECDSA_WITH_SHA256: &[u8] = &[0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
