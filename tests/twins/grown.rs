//! Inputs grown from the corpus by proptest, as a fuzzer grows them but without looking inside.

use std::cell::Cell;

use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use crate::corpus;
use crate::properties::{ALL, Heard};

/// One change to an input.
#[derive(Clone, Debug)]
enum Change {
    Flip(Index, u8),
    Set(Index, u8),
    Cut(Index, Index),
    Double(Index, Index),
    Insert(Index, Vec<u8>),
    /// The rest from another input of the corpus.
    Splice(Index, Vec<u8>, Index),
}

fn change(inputs: Vec<Vec<u8>>) -> impl Strategy<Value = Change> {
    let at = any::<Index>;
    prop_oneof![
        (at(), 0..8_u8).prop_map(|(at, bit)| Change::Flip(at, 1 << bit)),
        (at(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        (at(), at()).prop_map(|(from, to)| Change::Cut(from, to)),
        (at(), at()).prop_map(|(from, to)| Change::Double(from, to)),
        (at(), prop::collection::vec(any::<u8>(), 1..4)).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        (at(), "[ -~\\t\\r\\n\\u{0}\\u{e9}\\u{2028}]{1,8}")
            .prop_map(|(at, text)| Change::Insert(at, text.into())),
        (at(), select(inputs), at()).prop_map(|(at, other, from)| Change::Splice(at, other, from)),
    ]
}

impl Change {
    fn made(&self, input: &mut Vec<u8>) {
        let length = input.len();
        let span = |from: &Index, to: &Index| {
            let (from, to) = (from.index(length + 1), to.index(length + 1));
            from.min(to)..from.max(to)
        };
        match self {
            Self::Flip(at, bit) if length > 0 => input[at.index(length)] ^= bit,
            Self::Set(at, byte) if length > 0 => input[at.index(length)] = *byte,
            Self::Cut(from, to) => drop(input.drain(span(from, to))),
            Self::Double(from, to) => {
                let span = span(from, to);
                let (end, piece) = (span.end, input[span].to_vec());
                input.splice(end..end, piece);
            }
            Self::Insert(at, bytes) => {
                let at = at.index(length + 1);
                input.splice(at..at, bytes.iter().copied());
            }
            Self::Splice(at, other, from) => {
                input.truncate(at.index(length + 1));
                input.extend_from_slice(&other[from.index(other.len() + 1)..]);
            }
            _ => {}
        }
        input.truncate(BYTES_MAX);
    }
}

/// Runs `cases` inputs, most of them one or two changes away from the corpus; some must be accepted, and some
/// refused, or nothing was tried.
fn twin(target: &str, cases: u32) {
    let (_, holds) = ALL.into_iter().find(|(name, _)| *name == target).unwrap();
    let inputs: Vec<Vec<u8>> = corpus::of(target).into_iter().map(|(_, input)| input).collect();
    let changes = prop::collection::vec(change(inputs.clone()), 0..4);
    let grown = (select(inputs), changes).prop_map(|(mut input, changes)| {
        changes.iter().for_each(|change| change.made(&mut input));
        input
    });
    let heard = [Cell::new(0), Cell::new(0)];
    let settings = Config { cases, failure_persistence: None, max_shrink_iters: 2_000, ..Config::default() };
    let result = TestRunner::new(settings).run(&grown, |input| {
        // A property that does not hold panics; proptest then looks for the smallest input of that kind.
        let accepted = holds(&input) == Heard::Accepted;
        heard[usize::from(accepted)].set(heard[usize::from(accepted)].get() + 1);
        Ok::<(), TestCaseError>(())
    });
    if let Err(failure) = result {
        panic!("{target}: {failure}");
    }
    let [refused, accepted] = heard.map(|count| count.get());
    assert!(refused + accepted >= cases && refused > 0 && accepted > 0, "{accepted} of {cases} accepted");
}

macro_rules! twins {
    ($($target:ident: $cases:literal),* $(,)?) => {
        $(#[test]
        fn $target() {
            twin(stringify!($target), $cases);
        })*

        #[test]
        fn no_twin_is_missing() {
            assert_eq!([$(stringify!($target)),*], ALL.map(|(name, _)| name));
        }
    };
}

// The dearer ones make signatures, or a connection with its handshakes.
twins! {
    approval: 4096,
    assertion: 1024,
    attestation: 2048,
    certificate: 1024,
    config: 1024,
    cookie: 4096,
    est: 1024,
    form: 2048,
    front: 128,
    names: 4096,
    ocsp: 4096,
    path: 4096,
    proof: 512,
    rules: 512,
}

/// Longer inputs show nothing new here.
const BYTES_MAX: usize = 64 * 1024;
