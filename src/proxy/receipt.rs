//! The receipt of a confirmed request: a JWS by the key of `identity`, over what the person saw and the phone
//! signed. Does not judge: that all of it holds was seen before.

use data_encoding::BASE64URL_NOPAD;
use serde_json::json;

use crate::crypto::sha256;
use crate::domain::Time;
use crate::domain::approval::{Approval, ApprovalState, Signed};
use crate::domain::confirmation::Confirmation;

/// What the receipt of a confirmation says; none where the approval is none.
pub(super) fn claims(confirmation: &Confirmation, approval: &Approval, now: Time) -> Option<String> {
    let ApprovalState::Approved { phone, at, evidence } = &approval.state else { return None };
    let wanted = &confirmation.wanted;
    let rows = wanted.rows.iter().map(|row| json!({ "label": row.name, "value": row.value }));
    let claims = json!({
        "iss": format!("https://{}", confirmation.host),
        "aud": format!("{}/{}", confirmation.tenant, confirmation.route),
        "sub": confirmation.person.as_str(),
        "tenant": confirmation.tenant.as_str(),
        "jti": confirmation.id.as_str(),
        "iat": now.secs(),
        "exp": now.secs() + LIFETIME_SECS,
        "method": confirmation.method,
        "path": confirmation.path,
        "query": confirmation.query,
        "body_sha256": BASE64URL_NOPAD.encode(&confirmation.body_sha256),
        "title": wanted.title,
        "rows": rows.collect::<Vec<_>>(),
        "stake": wanted.stake,
        "bound": BASE64URL_NOPAD.encode(&sha256(confirmation.canonical_text().as_bytes())),
        "approval": {
            "id": approval.id.as_str(),
            "phone": phone.as_str(),
            "at": at.secs(),
            "text_sha256": BASE64URL_NOPAD.encode(&sha256(evidence.text.as_bytes())),
            "evidence_sha256": BASE64URL_NOPAD.encode(&evidence_sha256(evidence)),
        },
        "cnf": { "x5t#S256": BASE64URL_NOPAD.encode(&confirmation.fingerprint) },
    });
    Some(claims.to_string())
}

/// One hash for all that the phone signed: text, client data, authenticator data and signature, each behind
/// its length in eight bytes, the highest first.
#[must_use]
pub fn evidence_sha256(signed: &Signed) -> [u8; 32] {
    let parts = [signed.text.as_bytes(), &signed.client_data, &signed.authenticator_data, &signed.signature];
    let mut bytes = Vec::new();
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part);
    }
    sha256(&bytes)
}

/// Name of the header.
pub(super) const CONFIRMATION: &str = "portcullis-confirmation";

/// `typ` of the JWS, so that none is taken for an assertion (RFC 8725 3.11).
pub(super) const TYPE: &str = "portcullis-confirmation+jwt";

/// It is sent at once; later it is evidence, and no longer a reason to act.
const LIFETIME_SECS: i64 = 60;
