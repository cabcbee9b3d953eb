//! A phone without a screen: signs every call with its own key, makes its credential with another
//! implementation of WebAuthn than ours, and builds by itself the text that it signs.

use std::sync::{Arc, Mutex};

use axum::body::Body;
use data_encoding::BASE64URL_NOPAD;
use http::{Request, StatusCode};
use passkey::authenticator::{Authenticator, UiHint, UserCheck, UserValidationMethod};
use passkey::client::{Client, DefaultClientData};
use passkey::crypto::{iana, rust_crypto::RustCryptoBackend};
use passkey::types::Passkey;
use passkey::types::ctap2::*;
use passkey::types::webauthn::*;
use portcullis::crypto::{OneAgreement, Signer, sha256};
use portcullis::world::World;
use serde_json::{Value, json};
use url::Url;

use super::wire::Wire;

/// A phone in somebody's hand.
pub(crate) struct Phone {
    wire: Wire,
    /// `phone.localhost:8443`.
    host: String,
    world: World,
    signer: Signer,
    /// What its authenticator keeps.
    kept: tokio::sync::Mutex<Option<Passkey>>,
    handle: Mutex<Option<String>>,
    pairing: Mutex<String>,
    /// Its half of agreements. Of another hand the real app's would be used again and again; one answer does here.
    agreement: Mutex<Option<OneAgreement>>,
}

impl Phone {
    pub(crate) fn new(wire: &Wire, host: &str, world: &World) -> Arc<Self> {
        Arc::new(Self {
            wire: wire.bare(),
            host: host.to_owned(),
            world: world.clone(),
            signer: Signer::from_pkcs8(&Signer::generate().unwrap()).unwrap(),
            kept: tokio::sync::Mutex::default(),
            handle: Mutex::default(),
            pairing: Mutex::default(),
            agreement: Mutex::new(Some(OneAgreement::begin().unwrap())),
        })
    }

    /// Scans the square: spends its secret and makes the key. Returns the two words.
    pub(crate) async fn scan(&self, link: &str) -> Vec<String> {
        let (status, begun) = self.begin(link).await;
        assert_eq!(status, 200, "{begun}");
        let challenge = BASE64URL_NOPAD.decode(text(&begun, "challenge").as_bytes()).unwrap();
        let user = BASE64URL_NOPAD.decode(text(&begun, "user_id").as_bytes()).unwrap();
        let made = self.make(&challenge, &user, text(&begun, "rp_id")).await;
        let body = json!({
            "pairing": self.pairing.lock().unwrap().clone(),
            "api_key": self.api_key(),
            "name": "Android phone",
            "client_data": BASE64URL_NOPAD.encode(&made.response.client_data_json),
            "attestation": BASE64URL_NOPAD.encode(&made.response.attestation_object),
            "offline_key": self.agreement.lock().unwrap().as_ref().map(|it| BASE64URL_NOPAD.encode(it.public())),
        });
        let (status, claimed) = self.call_as("new", "POST", "/api/pair/finish", &body.to_string()).await;
        assert_eq!(status, 200, "{claimed}");
        *self.handle.lock().unwrap() = Some(text(&claimed, "phone").to_owned());
        claimed["words"].as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned()).collect()
    }

    /// Brings the secret of a square, and goes no further.
    pub(crate) async fn begin(&self, link: &str) -> (StatusCode, Value) {
        let (page, fragment) = link.split_once('#').unwrap();
        assert_eq!(page, format!("https://{}/pair", self.host));
        let (pairing, secret) = fragment.split_once('.').unwrap();
        assert!(secret.len() * 5 >= 128, "{secret}");
        pairing.clone_into(&mut self.pairing.lock().unwrap());
        let body = json!({ "pairing": pairing, "secret": secret, "api_key": self.api_key() });
        self.call_as("new", "POST", "/api/pair/begin", &body.to_string()).await
    }

    /// Whether the desktop has said yes.
    pub(crate) async fn pairing_state(&self) -> String {
        let body = json!({ "pairing": self.pairing.lock().unwrap().clone(), "api_key": self.api_key() });
        let (status, state) = self.call_as("new", "POST", "/api/pair/state", &body.to_string()).await;
        assert_eq!(status, 200, "{state}");
        text(&state, "state").to_owned()
    }

    /// What waits for an answer.
    pub(crate) async fn questions(&self) -> Vec<Value> {
        let (status, answer) = self.call("GET", "/api/approvals", "").await;
        assert_eq!(status, 200, "{answer}");
        answer["approvals"].as_array().unwrap().clone()
    }

    /// The one question that waits.
    pub(crate) async fn question(&self) -> Value {
        let questions = self.questions().await;
        assert_eq!(questions.len(), 1, "{questions:?}");
        questions[0].clone()
    }

    /// Types the digits and approves what the phone shows.
    pub(crate) async fn approve(&self, shown: &Value, digits: &str) -> (StatusCode, Value) {
        let body = self.signed_yes(shown, digits).await;
        self.answer(text(shown, "id"), &body).await
    }

    /// The body of an approval, signed over what is shown, not yet sent.
    pub(crate) async fn signed_yes(&self, shown: &Value, digits: &str) -> Value {
        let challenge = sha256(canonical(shown, "approve", digits).as_bytes());
        let made = self.assert(&challenge).await;
        json!({
            "digits": digits,
            "client_data": BASE64URL_NOPAD.encode(&made.response.client_data_json),
            "authenticator_data": BASE64URL_NOPAD.encode(&made.response.authenticator_data),
            "signature": BASE64URL_NOPAD.encode(&made.response.signature),
        })
    }

    /// Reads the square of a question without a network, and shows the eight characters.
    pub(crate) fn reads(&self, square: &str) -> String {
        let (fields, _signature) = square.rsplit_once('.').unwrap();
        let fields: Vec<Value> = serde_json::from_str(fields).unwrap();
        let field = |at: usize| fields[at].as_str().unwrap().to_owned();
        assert_eq!(field(1), self.handle());
        let bytes = |text: &str| BASE64URL_NOPAD.decode(text.as_bytes()).unwrap();
        let rows: Vec<Value> = fields[18]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| json!({ "name": row[0], "value": row[1] }))
            .collect();
        let shown = json!({
            "id": field(3), "purpose": field(4), "reason": field(5), "site": field(6), "host": field(7),
            "tenant": field(1).split('.').next().unwrap(), "person": field(8), "device": field(9),
            "certificate": data_encoding::HEXLOWER.encode(&bytes(&field(10))), "browser": field(11),
            "address": field(12), "place": field(13), "asked": field(14), "until": field(15),
            "nonce": field(16), "bound": field(17), "rows": rows,
        });
        let agreed = self.agreement.lock().unwrap().take().expect("one answer a pairing");
        let agreed = agreed.with(&bytes(&field(2))).unwrap();
        let text = canonical(&shown, "approve", "");
        portcullis::auth::phone::offline::answer(agreed.as_slice(), &text).unwrap().expose().to_owned()
    }

    /// Sends an approval of a question.
    pub(crate) async fn answer(&self, id: &str, body: &Value) -> (StatusCode, Value) {
        self.call("POST", &format!("/api/approvals/{id}/approve"), &body.to_string()).await
    }

    /// Says to be another phone, without its keys.
    pub(crate) fn pretends_to_be(&self, other: &Self) {
        self.handle.lock().unwrap().clone_from(&other.handle.lock().unwrap());
    }

    /// How it names itself.
    pub(crate) fn handle(&self) -> String {
        self.handle.lock().unwrap().clone().expect("a paired phone")
    }

    /// The link that it scanned, as the API takes it.
    pub(crate) fn pairing(&self) -> String {
        self.pairing.lock().unwrap().clone()
    }

    /// Says "not me".
    pub(crate) async fn not_me(&self, shown: &Value) -> (StatusCode, Value) {
        self.call("POST", &format!("/api/approvals/{}/deny", text(shown, "id")), "{}").await
    }

    /// A signed call.
    pub(crate) async fn call(&self, method: &str, path: &str, body: &str) -> (StatusCode, Value) {
        let handle = self.handle.lock().unwrap().clone().expect("a paired phone");
        self.call_as(&handle, method, path, body).await
    }

    /// A call signed with its key in any name.
    pub(crate) async fn call_as(
        &self,
        handle: &str,
        method: &str,
        path: &str,
        body: &str,
    ) -> (StatusCode, Value) {
        let answer = self.wire.send(&self.host, self.signed_as(handle, method, path, body)).await;
        (answer.status, serde_json::from_slice(&answer.body).unwrap_or(Value::Null))
    }

    /// A signed call, not yet sent.
    pub(crate) fn signed(&self, method: &str, path: &str, body: &str) -> Request<Body> {
        let handle = self.handle.lock().unwrap().clone().expect("a paired phone");
        let mut request = self.signed_as(&handle, method, path, body);
        request.headers_mut().insert("host", self.host.parse().unwrap());
        request
    }

    fn signed_as(&self, handle: &str, method: &str, path: &str, body: &str) -> Request<Body> {
        Request::builder()
            .method(method)
            .uri(path)
            .header("portcullis-proof", self.proof(handle, method, path, body))
            .header("content-type", "application/json")
            .body(Body::from(body.to_owned()))
            .unwrap()
    }

    /// As the app signs a call.
    pub(crate) fn proof(&self, handle: &str, method: &str, path: &str, body: &str) -> String {
        let nonce = BASE64URL_NOPAD.encode(&self.world.bytes::<16>());
        let time = self.world.now().millis();
        let hash = BASE64URL_NOPAD.encode(&sha256(body.as_bytes()));
        let signed = format!("portcullis call 1\n{method}\n{path}\n{time}\n{nonce}\n{hash}\n");
        let signature = BASE64URL_NOPAD.encode(&self.signer.sign(signed.as_bytes()).unwrap());
        format!("phone={handle};time={time};nonce={nonce};sig={signature}")
    }

    pub(crate) fn api_key(&self) -> String {
        BASE64URL_NOPAD.encode(self.signer.public())
    }

    fn origin(&self) -> Url {
        Url::parse(&format!("https://{}", self.host)).unwrap()
    }

    async fn make(&self, challenge: &[u8], user: &[u8], rp: &str) -> CreatedPublicKeyCredential {
        let request = CredentialCreationOptions {
            public_key: PublicKeyCredentialCreationOptions {
                rp: PublicKeyCredentialRpEntity { id: Some(rp.to_owned()), name: "Bank".to_owned() },
                user: PublicKeyCredentialUserEntity {
                    id: user.to_vec().into(),
                    display_name: "Anna".to_owned(),
                    name: "Anna".to_owned(),
                },
                challenge: challenge.to_vec().into(),
                pub_key_cred_params: vec![PublicKeyCredentialParameters {
                    ty: PublicKeyCredentialType::PublicKey,
                    alg: iana::Algorithm::ES256,
                }],
                timeout: None,
                exclude_credentials: None,
                authenticator_selection: Some(AuthenticatorSelectionCriteria {
                    user_verification: UserVerificationRequirement::Required,
                    ..Default::default()
                }),
                hints: None,
                attestation: AttestationConveyancePreference::None,
                attestation_formats: None,
                extensions: None,
            },
        };
        let mut kept = self.kept.lock().await;
        let mut client = Client::new(authenticator(kept.take()));
        let made = client.register(&self.origin(), request, DefaultClientData).await.unwrap();
        kept.clone_from(client.authenticator().store());
        made
    }

    async fn assert(&self, challenge: &[u8]) -> AuthenticatedPublicKeyCredential {
        let request = CredentialRequestOptions {
            public_key: PublicKeyCredentialRequestOptions {
                challenge: challenge.to_vec().into(),
                timeout: None,
                rp_id: self.host.split(':').next().map(str::to_owned),
                allow_credentials: None,
                user_verification: UserVerificationRequirement::Required,
                hints: None,
                attestation: AttestationConveyancePreference::None,
                attestation_formats: None,
                extensions: None,
            },
        };
        let mut kept = self.kept.lock().await;
        let mut client = Client::new(authenticator(kept.take()));
        let made = client.authenticate(&self.origin(), request, DefaultClientData).await.unwrap();
        kept.clone_from(client.authenticator().store());
        made
    }
}

/// The text of an approval, from what the phone shows.
pub(crate) fn canonical(shown: &Value, verdict: &str, digits: &str) -> String {
    let names = [
        "id",
        "purpose",
        "reason",
        "site",
        "host",
        "tenant",
        "person",
        "device",
        "certificate",
        "browser",
        "address",
        "place",
        "asked",
        "until",
        "nonce",
        "bound",
    ];
    let lines = names.map(|name| format!("{name}: {}\n", text(shown, name))).concat();
    let rows = shown["rows"].as_array().unwrap_or_else(|| panic!("no rows in {shown}"));
    let count = rows.len();
    let rows: String = rows
        .iter()
        .map(|row| format!("name: {}\nvalue: {}\n", text(row, "name"), text(row, "value")))
        .collect();
    format!("portcullis approval 2\n{lines}rows: {count}\n{rows}verdict: {verdict}\ndigits: {digits}\n")
}

pub(crate) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}"))
}

fn authenticator(kept: Option<Passkey>) -> Authenticator<Option<Passkey>, Thumb, RustCryptoBackend> {
    let mut it = Authenticator::new(Aaguid::new_empty(), kept, Thumb, RustCryptoBackend);
    it.set_make_credentials_with_signature_counter(true);
    it
}

/// A thumb that is always there.
struct Thumb;

#[async_trait::async_trait]
impl UserValidationMethod for Thumb {
    type PasskeyItem = Passkey;
    async fn check_user<'a>(
        &self,
        _hint: UiHint<'a, Passkey>,
        presence: bool,
        verification: bool,
    ) -> Result<UserCheck, Ctap2Error> {
        Ok(UserCheck { presence, verification })
    }
    fn is_presence_enabled(&self) -> bool {
        true
    }
    fn is_verification_enabled(&self) -> Option<bool> {
        Some(true)
    }
}
