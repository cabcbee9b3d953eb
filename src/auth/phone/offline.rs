//! An answer without a network: the desktop shows all that is asked as a square, signed by the gate; the phone reads
//! it with its camera and shows eight characters, which are typed on the desktop.
//!
//! WebAuthn has no answer that a person could type. So the phone makes a second key when it is paired, for agreements
//! (ECDH on P-256). The square brings the gate's half of one agreement, and the answer is HMAC-SHA-256 over the same
//! canonical text that is signed otherwise, without digits, under the agreed key, cut to 40 bits.
//!
//! How strong that is: somebody without the phone guesses one of 2^40 with three tries a question and five in a row.
//! Nothing at rest makes an answer: the gate keeps no half of an agreement, the phone's key cannot be read out. But it
//! proves less than a signature does. The gate could have made it itself, so it is no evidence towards others; and that
//! the phone's owner unlocked the phone is the app's word alone. So it opens no confirmation of a payment.

use data_encoding::{BASE64URL_NOPAD, Encoding, Specification};
use serde_json::json;

use crate::crypto::{self, Failed, OneAgreement, Signer};
use crate::domain::Secret;
use crate::domain::approval::{Answer, Approval};

use super::proof::Handle;

/// What the square holds, and what the phone will answer.
pub struct Challenge {
    /// The text of the square: JSON, a full stop, the gate's signature over it.
    pub square: String,
    /// Eight characters.
    pub answer: Secret,
}

/// Makes a challenge for one phone, of which `theirs` is the key for agreements.
///
/// # Errors
/// A key that is no point of the curve; a system without chance.
pub fn challenge(
    approval: &Approval,
    phone: &Handle,
    theirs: &[u8],
    signer: &Signer,
) -> Result<Challenge, Failed> {
    let ours = OneAgreement::begin()?;
    let shown = &approval.shown;
    let rows: Vec<_> = shown.rows.iter().map(|row| json!([row.name, row.value])).collect();
    let text = json!([
        KIND,
        phone.to_string(),
        BASE64URL_NOPAD.encode(ours.public()),
        approval.id.as_str(),
        approval.purpose.as_str(),
        shown.reason,
        shown.site,
        shown.host,
        shown.person,
        shown.device,
        BASE64URL_NOPAD.encode(&approval.fingerprint),
        shown.browser,
        shown.address,
        shown.place,
        approval.created.to_string(),
        approval.expires.to_string(),
        BASE64URL_NOPAD.encode(&approval.nonce),
        approval.bound.map(|hash| BASE64URL_NOPAD.encode(&hash)).unwrap_or_default(),
        rows,
    ])
    .to_string();
    let signature = BASE64URL_NOPAD.encode(&signer.sign(text.as_bytes())?);
    let agreed = ours.with(theirs)?;
    let answer = answer(agreed.as_slice(), &approval.canonical_text(Answer::Approve("")))?;
    Ok(Challenge { square: format!("{text}.{signature}"), answer })
}

/// The eight characters for a text under an agreed secret.
///
/// # Errors
/// None that a system with memory has.
pub fn answer(agreed: &[u8], text: &str) -> Result<Secret, Failed> {
    let key = crypto::hkdf_sha256::<32>(b"", agreed, KIND.as_bytes())?;
    let mac = crypto::hmac_sha256(key.as_slice(), text.as_bytes());
    Ok(Secret::new(alphabet().encode(&mac[..ANSWER_BYTES])))
}

/// Eight characters as they may be typed: small or capital, in groups, and what looks alike.
#[must_use]
pub fn typed(text: &str) -> Option<Secret> {
    let plain: String = text
        .chars()
        .filter(|c| !c.is_whitespace() && *c != '-')
        .map(|c| match c.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            c => c,
        })
        .collect();
    let eight = alphabet().decode(plain.as_bytes()).is_ok_and(|bytes| bytes.len() == ANSWER_BYTES);
    eight.then(|| Secret::new(plain))
}

/// Crockford's base 32: no letter that looks like a digit.
fn alphabet() -> Encoding {
    let mut it = Specification::new();
    it.symbols.push_str("0123456789ABCDEFGHJKMNPQRSTVWXYZ");
    it.encoding().unwrap_or(data_encoding::BASE32_NOPAD)
}

/// What a square is, and what its keys are derived for.
const KIND: &str = "portcullis offline 1";

/// 40 bits: eight characters of five.
const ANSWER_BYTES: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_eight_characters_however_it_is_typed() {
        let answer = answer(&[7; 32], "text").unwrap();
        assert_eq!(answer.expose().len(), 8);
        assert!(!answer.expose().contains(['I', 'L', 'O', 'U']));
        let lower = answer.expose().to_lowercase().replace('0', "o").replace('1', "l");
        let grouped = format!(" {} - {} ", &lower[..4], &lower[4..]);
        assert_eq!(typed(&grouped).unwrap().expose(), answer.expose());
        for odd in ["", "1234567", "123456789", "1234567U", "1234567é", "12345678 9"] {
            assert!(typed(odd).is_none(), "{odd}");
        }
    }

    #[test]
    fn another_text_or_secret_has_another_answer() {
        let of = |secret: u8, text: &str| answer(&[secret; 32], text).unwrap().expose().to_owned();
        assert_ne!(of(7, "text"), of(7, "texT"));
        assert_ne!(of(7, "text"), of(8, "text"));
        assert_eq!(of(7, "text"), of(7, "text"));
    }
}
