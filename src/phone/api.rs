//! The calls of the app, one verb each: what JSON comes, what goes. Knows no signature's bytes:
//! each verb takes the proof that the room made.

use std::net::IpAddr;

use axum::body::Body;
use bytes::Bytes;
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Response};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::problem::Problem;
use super::{Heard, PhoneRoom, events};
use crate::auth::phone::cose;
use crate::auth::phone::proof::{Handle, ProvedCall, ProvedKey};
use crate::auth::phone::webauthn::Assertion;
use crate::domain::approval::{Approval, ApprovalState};
use crate::domain::{ApprovalId, PairingId, PersonId, Secret, TenantId, Time};
use crate::enrolment::pairing::{Made, Standing};
use crate::enrolment::reminders::{self, Ending, Left};

impl PhoneRoom {
    /// The square's secret, and a key that signs for itself.
    pub(super) async fn begin(&self, heard: &Heard, from: IpAddr) -> Result<Response<Body>, Problem> {
        #[derive(Deserialize)]
        struct Begin {
            pairing: PairingId,
            secret: Secret,
            api_key: Base64,
        }
        let begin: Begin = read(heard)?;
        let call = self.prove_new(heard, &begin.api_key.0)?;
        let begun = self.pairings.begin(&begin.pairing, &begin.secret, &call, from).await?;
        let mut answer = self.site(&begun.tenant, &begun.person);
        let (site, person) = (answer["site"].clone(), answer["person"].clone());
        extend(
            &mut answer,
            json!({
                "challenge": BASE64URL_NOPAD.encode(&begun.challenge),
                "rp_id": self.party.id,
                "rp_name": site,
                "user_id": BASE64URL_NOPAD.encode(&begun.user),
                "user_name": person,
                "expires": begun.expires.millis(),
                "now": heard.now.millis(),
            }),
        );
        Ok(ok(&answer))
    }

    /// The credential that the phone made.
    pub(super) async fn finish(&self, heard: &Heard, from: IpAddr) -> Result<Response<Body>, Problem> {
        #[derive(Deserialize)]
        struct Finish {
            pairing: PairingId,
            api_key: Base64,
            name: String,
            client_data: Base64,
            attestation: Base64,
            offline_key: Option<Base64>,
        }
        let finish: Finish = read(heard)?;
        let call = self.prove_new(heard, &finish.api_key.0)?;
        let made = Made {
            name: &finish.name,
            client_data: &finish.client_data.0,
            attestation: &finish.attestation.0,
            offline_key: finish.offline_key.as_ref().map(|key| key.0.as_slice()),
        };
        if made.offline_key.is_some_and(|key| cose::point(key).is_err()) {
            return Err(Problem::malformed("offline_key is no P-256 point"));
        }
        let claimed = self.pairings.finish(&finish.pairing, &call, made, from).await?;
        Ok(ok(&json!({
            "words": claimed.words,
            "phone": Handle::of(&claimed.phone).to_string(),
            "gate_key": self.gate_key(),
        })))
    }

    /// Whether the desktop has said yes.
    pub(super) async fn pair_state(&self, heard: &Heard) -> Result<Response<Body>, Problem> {
        let (pairing, call) = self.pairing_call(heard)?;
        let state = match self.pairings.state_for_phone(&pairing, &call).await? {
            Standing::Open { .. } | Standing::Begun => "begun",
            Standing::Claimed { .. } => "claimed",
            Standing::Confirmed => "confirmed",
            Standing::Refused => "refused",
            Standing::Contested => "contested",
            Standing::Expired => "expired",
        };
        Ok(ok(&json!({ "state": state })))
    }

    /// "The words differ", said on the phone.
    pub(super) async fn refuse(&self, heard: &Heard, from: IpAddr) -> Result<Response<Body>, Problem> {
        let (pairing, call) = self.pairing_call(heard)?;
        self.pairings.refuse(&pairing, &call, from).await?;
        Ok(ok(&json!({ "state": "refused" })))
    }

    fn pairing_call(&self, heard: &Heard) -> Result<(PairingId, ProvedKey), Problem> {
        #[derive(Deserialize)]
        struct Which {
            pairing: PairingId,
            api_key: Base64,
        }
        let which: Which = read(heard)?;
        let call = self.prove_new(heard, &which.api_key.0)?;
        Ok((which.pairing, call))
    }

    /// Whose phone this is.
    pub(super) fn me(&self, call: &ProvedCall) -> Result<Response<Body>, Problem> {
        let phone = call.phone();
        let mut answer = self.site(&phone.tenant, &phone.person);
        extend(
            &mut answer,
            json!({
                "phone": Handle::of(phone).to_string(),
                "phone_name": phone.name,
                "credential": BASE64URL_NOPAD.encode(&phone.credential_id),
                "paired": phone.paired.millis(),
                "gate_key": self.gate_key(),
                "ending": self.ending(&phone.tenant, &phone.person),
                "frozen": self.frozen(call),
            }),
        );
        Ok(ok(&answer))
    }

    /// What waits for an answer.
    pub(super) async fn list(&self, call: &ProvedCall) -> Result<Response<Body>, Problem> {
        Ok(ok(&self.pending(call).await?))
    }

    /// The same, and again whenever it changes.
    pub(super) fn events(
        &self,
        call: &ProvedCall,
        cancel: CancellationToken,
    ) -> Result<Response<Body>, Problem> {
        let place = self
            .streams
            .enter(call.phone())
            .ok_or_else(|| Problem::busy("The app is open too often on this phone."))?;
        Ok(events::stream(&self.view, &self.approvals, &self.world, call.phone(), place, cancel))
    }

    /// Approves.
    pub(super) async fn approve(
        &self,
        call: &ProvedCall,
        id: &ApprovalId,
        heard: &Heard,
        from: IpAddr,
    ) -> Result<Response<Body>, Problem> {
        #[derive(Deserialize)]
        struct Approve {
            digits: Secret,
            client_data: Base64,
            authenticator_data: Base64,
            signature: Base64,
        }
        let approve: Approve = read(heard)?;
        let assertion = Assertion {
            client_data: approve.client_data.0,
            authenticator_data: approve.authenticator_data.0,
            signature: approve.signature.0,
        };
        self.approvals.approve(call, id, approve.digits.expose(), &assertion, from).await?;
        Ok(ok(&json!({ "state": "approved" })))
    }

    async fn pending(&self, call: &ProvedCall) -> Result<Value, Problem> {
        let phone = call.phone();
        let last = self.approvals.last(&phone.tenant, &phone.person).await?;
        Ok(questions(last.as_ref(), self.world.now()))
    }

    /// Certificates of the person that end soon or have ended, to be shown as they stand here.
    fn ending(&self, tenant: &TenantId, person: &PersonId) -> Value {
        let ending = reminders::ending_of(&self.view, tenant, person, self.world.now());
        let one = |it: &Ending| {
            json!({
                "device": it.device.name,
                "until": it.certificate.not_after.millis(),
                "days": it.left.days(),
                "ended": it.left == Left::Ended,
            })
        };
        ending.iter().map(one).collect()
    }

    /// By which the app knows the gate's squares when it has no network.
    fn gate_key(&self) -> Option<String> {
        self.approvals.gate_key().map(|key| BASE64URL_NOPAD.encode(key))
    }

    fn site(&self, tenant: &TenantId, person: &PersonId) -> Value {
        let person = self.view.person(tenant, person);
        let tenant = self.view.tenant(tenant);
        json!({
            "person": person.as_ref().map_or("", |it| it.name.as_str()),
            "site": tenant.as_ref().map_or("", |it| it.name.as_str()),
            "host": tenant.as_ref().and_then(|it| it.hosts.first()).map_or("", String::as_str),
            "telephone": tenant.as_ref().map_or("", |it| it.telephone.as_str()),
            "monogram": tenant.as_ref().map_or("", |it| it.brand.monogram.as_str()),
            "accent": tenant.as_ref().and_then(|it| it.brand.accent.clone()),
        })
    }
}

/// What the app shows and signs: the last question where it waits, else how it ended. `asked` and `until` stand
/// as they do in the canonical text.
pub(super) fn questions(last: Option<&Approval>, now: Time) -> Value {
    let waits = |it: &&Approval| it.state == ApprovalState::Pending && now < it.expires;
    let ended = last.filter(|it| !waits(it)).map(|it| {
        let how = if it.state == ApprovalState::Pending { "expired" } else { it.state.as_str() };
        json!({ "id": it.id.as_str(), "how": how })
    });
    let one = |it: &Approval| {
        json!({
            "id": it.id.as_str(),
            "purpose": it.purpose.as_str(),
            "reason": it.shown.reason,
            // Then the app may say it in the person's language; the purpose is signed too.
            "usual": it.shown.reason == it.purpose.reason(),
            "site": it.shown.site,
            "host": it.shown.host,
            "tenant": it.tenant.as_str(),
            "person": it.shown.person,
            "device": it.shown.device,
            "certificate": HEXLOWER.encode(&it.fingerprint),
            "browser": it.shown.browser,
            "address": it.shown.address,
            "place": it.shown.place,
            "rows": it.shown.rows,
            "bound": it.bound.map(|hash| BASE64URL_NOPAD.encode(&hash)).unwrap_or_default(),
            "asked": it.created.to_string(),
            "until": it.expires.to_string(),
            "nonce": BASE64URL_NOPAD.encode(&it.nonce),
        })
    };
    let waiting: Vec<Value> = last.filter(waits).into_iter().map(one).collect();
    json!({ "now": now.millis(), "approvals": waiting, "ended": ended })
}

/// Reads a body of the API, of which the largest is a new credential.
pub(super) async fn body(body: Body) -> Result<Bytes, Problem> {
    match Limited::new(body, BODY_BYTES_MAX).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Problem::too_large()),
        Err(_) => Err(Problem::malformed("the body broke off")),
    }
}

pub(super) fn read<T: DeserializeOwned>(heard: &Heard) -> Result<T, Problem> {
    // serde's own words could repeat what was sent.
    serde_json::from_slice(&heard.body)
        .map_err(|_| Problem::malformed("the body is not what this call takes"))
}

pub(super) fn ok(value: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(value.to_string()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn extend(value: &mut Value, more: Value) {
    if let (Value::Object(fields), Value::Object(more)) = (value, more) {
        fields.extend(more);
    }
}

/// Bytes in base64url without padding, as WebAuthn writes them.
pub(super) struct Base64(pub(super) Vec<u8>);

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes());
        bytes.map(Self).map_err(|_| serde::de::Error::custom("not base64url"))
    }
}

const BODY_BYTES_MAX: usize = 64 * 1024;
