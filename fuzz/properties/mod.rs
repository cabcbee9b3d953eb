//! One function for each parser that meets strangers' bytes: it parses, holds what must always hold, and says
//! whether the bytes were accepted. The fuzz targets and the proptest twins in `tests/twins` call the same
//! functions. They know only what the library shows to everybody.

pub(crate) mod approval;
pub(crate) mod assertion;
pub(crate) mod attestation;
pub(crate) mod certificate;
pub(crate) mod config;
pub(crate) mod cookie;
pub(crate) mod est;
pub(crate) mod form;
pub(crate) mod front;
pub(crate) mod names;
pub(crate) mod ocsp;
pub(crate) mod path;
pub(crate) mod proof;
pub(crate) mod rules;
pub(crate) mod strict;

/// Whether the bytes were accepted: a run in which none ever was has shown nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    Accepted,
    Refused,
}

impl Heard {
    pub(crate) fn accepted_if(accepted: bool) -> Self {
        if accepted { Self::Accepted } else { Self::Refused }
    }
}

/// A parser's function.
pub(crate) type Property = fn(&[u8]) -> Heard;

/// Each of them, by the name of its target and of its corpus.
pub(crate) const ALL: [(&str, Property); 14] = [
    ("approval", approval::holds),
    ("assertion", assertion::holds),
    ("attestation", attestation::holds),
    ("certificate", certificate::holds),
    ("config", config::holds),
    ("cookie", cookie::holds),
    ("est", est::holds),
    ("form", form::holds),
    ("front", front::holds),
    ("names", names::holds),
    ("ocsp", ocsp::holds),
    ("path", path::holds),
    ("proof", proof::holds),
    ("rules", rules::holds),
];

/// Splits bytes at zeros, into as many texts as are asked for; what is missing is empty.
pub(crate) fn texts<const N: usize>(data: &[u8]) -> [String; N] {
    let mut pieces = data.splitn(N, |byte| *byte == 0);
    std::array::from_fn(|_| String::from_utf8_lossy(pieces.next().unwrap_or_default()).into_owned())
}

/// A first piece, whose length two bytes say, and the rest.
pub(crate) fn two(data: &[u8]) -> (&[u8], &[u8]) {
    let Some((length, rest)) = data.split_first_chunk::<2>() else { return (data, &[]) };
    rest.split_at(usize::from(u16::from_be_bytes(*length)).min(rest.len()))
}
