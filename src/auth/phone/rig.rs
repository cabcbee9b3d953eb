//! For tests: a house with a bank, Anna and her laptop, a clock that stands still, and phones whose
//! authenticator is another implementation of WebAuthn than ours.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use passkey::authenticator::{Authenticator, UiHint, UserCheck, UserValidationMethod};
use passkey::client::{Client, DefaultClientData};
use passkey::crypto::{iana, rust_crypto::RustCryptoBackend};
use passkey::types::{Passkey, ctap2::*, webauthn::*};
use tokio::sync::Mutex;
use url::Url;

use super::approvals::{Approvals, Asking, Terms};
use super::cose::PublicKey;
use super::proof::{Call, Handle, Proof, Proofs, ProvedCall, ProvedKey, call_text};
use super::webauthn::{Assertion, RelyingParty};
use crate::audit::{Entry, Event, Ledger};
use crate::auth::throttle::Throttles;
use crate::crypto::{Pepper, Signer, sha256};
use crate::domain::approval::{Answer, Approval, Purpose, Row, Shown};
use crate::domain::person::{Person, Standing};
use crate::domain::phone::Phone;
use crate::domain::session::Session;
use crate::domain::tenant::{Brand, CertificateTerms, SessionProfile, SyncedPasskeys, Tenant};
use crate::domain::{DeviceId, PersonId, PhoneId, TenantId, Time};
use crate::store::redb::Redb;
use crate::store::view::View;
use crate::store::{Record, Store, Write, table};
use crate::world::{Clock, Entropy, HeldClock, SystemEntropy, World};

pub(crate) const START: Time = Time(1_795_292_244_000);
pub(crate) const FROM: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));

/// A house without doors.
pub(crate) struct Rig {
    pub(crate) clock: Arc<HeldClock>,
    pub(crate) world: World,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) view: Arc<View>,
    pub(crate) pepper: Arc<Pepper>,
    pub(crate) party: RelyingParty,
    pub(crate) approvals: Arc<Approvals>,
    pub(crate) throttles: Throttles,
    pub(crate) tenant: TenantId,
    pub(crate) anna: PersonId,
    pub(crate) folder: tempfile::TempDir,
}

impl Rig {
    pub(crate) async fn new() -> Self {
        let clock = Arc::new(HeldClock::at(START));
        let world = World {
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            entropy: Arc::new(SystemEntropy) as Arc<dyn Entropy>,
        };
        let folder = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> =
            Arc::new(Redb::create_or_open(&folder.path().join("store"), world.clone()).unwrap());
        let view = View::follow(Arc::clone(&store), world.clone()).await.unwrap();
        let ledger = Ledger::open(store, Arc::clone(&view), world.clone(), "n1").await.unwrap();
        let pepper = Arc::new(Pepper::new([7; 32]));
        let party = RelyingParty::at("phone.localhost", 8443);
        let approvals = Arc::new(Approvals::new(
            Arc::clone(&ledger),
            Arc::clone(&pepper),
            party.clone(),
            world.clone(),
            Terms::default(),
        ));
        let (tenant, anna) = (TenantId::parse("bank").unwrap(), PersonId::parse("anna").unwrap());
        let throttles = Throttles::new(Arc::clone(&ledger), world.clone());
        let rig =
            Self { clock, world, ledger, view, pepper, party, approvals, throttles, tenant, anna, folder };
        rig.put(&bank(&rig.tenant)).await;
        rig.put(&person(&rig.tenant, "anna", "Anna Muster")).await;
        rig.put(&person(&rig.tenant, "bert", "Bert Beispiel")).await;
        rig
    }

    pub(crate) async fn write(&self, writes: Vec<Write>) {
        self.ledger.record(Entry::new("gate", Event::HouseStarted), writes).await.unwrap();
    }

    pub(crate) async fn put<R: Record>(&self, record: &R) {
        self.write(vec![table::put(record)]).await;
    }

    pub(crate) async fn read<R: Record>(&self, key: &table::Key) -> Option<R> {
        table::get::<R>(self.ledger.store().as_ref(), key).await.unwrap().map(|it| it.record)
    }

    pub(crate) fn wait(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// A session of Anna's that waits for the phone.
    pub(crate) async fn session(&self, token: u8) -> Session {
        let session = Session {
            token: [token; 32],
            tenant: self.tenant.clone(),
            person: self.anna.clone(),
            device: DeviceId::parse("laptop-1").unwrap(),
            serial: "ab12".to_owned(),
            fingerprint: [5; 32],
            password: Some(self.world.now()),
            phone: None,
            created: self.world.now(),
            last_seen: self.world.now(),
            idle_secs: 300,
            absolute_end: self.world.now().plus(Duration::from_secs(12 * 3600)),
            return_to: None,
        };
        self.put(&session).await;
        session
    }

    pub(crate) fn asking(&self, session: &Session) -> Asking {
        Asking {
            tenant: session.tenant.clone(),
            person: session.person.clone(),
            device: session.device.clone(),
            fingerprint: session.fingerprint,
            session: session.token,
            purpose: Purpose::SignIn,
            shown: Shown {
                site: "Bank Muster & Cie".to_owned(),
                host: "bank.localhost".to_owned(),
                person: "Anna Muster".to_owned(),
                device: "Anna's\nlaptop".to_owned(),
                browser: "Chrome on Linux".to_owned(),
                address: FROM.to_string(),
                place: String::new(),
                reason: "Sign in".to_owned(),
                rows: vec![Row { name: "Why".to_owned(), value: "a test".to_owned() }],
            },
            bound: Some([3; 32]),
            from: FROM,
        }
    }

    pub(crate) async fn ask(&self, session: &Session) -> (Approval, String) {
        let (approval, digits) = self.approvals.ask(self.asking(session)).await.unwrap();
        (approval, digits.expose().to_owned())
    }

    pub(crate) async fn approval(&self, approval: &Approval) -> Approval {
        let key = table::approval(&approval.tenant, &approval.person, &approval.id);
        self.read(&key).await.unwrap()
    }

    pub(crate) async fn sessions(&self) -> usize {
        let prefix = table::all::<Session>();
        table::list::<Session>(self.ledger.store().as_ref(), &prefix).await.unwrap().len()
    }

    /// A phone in the hand of `person`, paired.
    pub(crate) async fn paired(&self, person: &str) -> Hand {
        let hand = Hand::new(self.party.clone());
        let made = hand.make(&[9; 32]).await;
        let credential = self.party.registered(&[9; 32], &made.client_data, &made.attestation).unwrap();
        let phone = Phone {
            tenant: self.tenant.clone(),
            person: PersonId::parse(person).unwrap(),
            id: PhoneId::from_bits(self.world.bytes()),
            name: "Android phone".to_owned(),
            credential_id: credential.id().to_vec(),
            credential_key: credential.key().to_vec(),
            api_key: hand.api_key().to_vec(),
            offline_key: None,
            backup_eligible: credential.backup_eligible(),
            sign_count: credential.sign_count(),
            paired: self.world.now(),
            released_by: None,
            used: None,
        };
        self.put(&phone).await;
        hand.paired_as(phone)
    }
}

/// A phone in somebody's hand.
pub(crate) struct Hand {
    pub(crate) phone: Option<Arc<Phone>>,
    signer: Signer,
    /// What the authenticator keeps.
    kept: Mutex<Option<Passkey>>,
    party: RelyingParty,
}

/// A new credential, as the browser hands it over.
pub(crate) struct New {
    pub(crate) client_data: Vec<u8>,
    pub(crate) attestation: Vec<u8>,
}

impl Hand {
    pub(crate) fn new(party: RelyingParty) -> Self {
        let signer = Signer::from_pkcs8(&Signer::generate().unwrap()).unwrap();
        Self { phone: None, signer, kept: Mutex::default(), party }
    }

    pub(crate) fn paired_as(self, phone: Phone) -> Self {
        Self { phone: Some(Arc::new(phone)), ..self }
    }

    pub(crate) fn api_key(&self) -> PublicKey {
        self.signer.public().try_into().unwrap()
    }

    pub(crate) async fn make(&self, challenge: &[u8]) -> New {
        let request = CredentialCreationOptions {
            public_key: PublicKeyCredentialCreationOptions {
                rp: PublicKeyCredentialRpEntity { id: Some(self.party.id.clone()), name: "Bank".to_owned() },
                user: PublicKeyCredentialUserEntity {
                    id: vec![1; 32].into(),
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
        *kept = client.authenticator().store().clone();
        New {
            client_data: made.response.client_data_json.to_vec(),
            attestation: made.response.attestation_object.to_vec(),
        }
    }

    pub(crate) async fn assert(&self, challenge: &[u8]) -> Assertion {
        let request = CredentialRequestOptions {
            public_key: PublicKeyCredentialRequestOptions {
                challenge: challenge.to_vec().into(),
                timeout: None,
                rp_id: Some(self.party.id.clone()),
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
        *kept = client.authenticator().store().clone();
        Assertion {
            client_data: made.response.client_data_json.to_vec(),
            authenticator_data: made.response.authenticator_data.to_vec(),
            signature: made.response.signature.to_vec(),
        }
    }

    /// Signs what a phone would show.
    pub(crate) async fn sign(&self, shown: &Approval, digits: &str) -> Assertion {
        self.assert(&sha256(shown.canonical_text(Answer::Approve(digits)).as_bytes())).await
    }

    pub(crate) fn header(&self, call: Call<'_>, now: Time) -> String {
        let handle = self.phone.as_ref().map_or("new".to_owned(), |it| Handle::of(it).to_string());
        let nonce: [u8; 16] = World::real().bytes();
        let signature = self.signer.sign(call_text(call, now, &nonce).as_bytes()).unwrap();
        format!(
            "phone={handle};time={};nonce={};sig={}",
            now.millis(),
            BASE64URL_NOPAD.encode(&nonce),
            BASE64URL_NOPAD.encode(&signature)
        )
    }

    /// A call of this phone that the room has proved.
    pub(crate) fn call(&self, now: Time) -> ProvedCall {
        let call = Call { method: "POST", path: "/api/test", body: b"{}" };
        let proof = Proof::parse(&self.header(call, now)).unwrap();
        Proofs::default().prove(&proof, Arc::clone(self.phone.as_ref().unwrap()), call, now).unwrap()
    }

    /// A call of a phone that is being paired.
    pub(crate) fn new_call(&self, now: Time) -> ProvedKey {
        let call = Call { method: "POST", path: "/api/test", body: b"{}" };
        let proof = Proof::parse(&self.header(call, now)).unwrap();
        Proofs::default().prove_new(&proof, self.api_key(), call, now).unwrap()
    }

    fn origin(&self) -> Url {
        Url::parse(&self.party.origin).unwrap()
    }
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

fn bank(id: &TenantId) -> Tenant {
    Tenant {
        id: id.clone(),
        name: "Bank Muster & Cie".to_owned(),
        hosts: vec!["bank.localhost".to_owned()],
        telephone: "+41 44 555 01 77".to_owned(),
        language: "en".to_owned(),
        brand: Brand { accent: Some("#14532d".to_owned()), monogram: "M".to_owned() },
        profile: SessionProfile::Strict,
        identified_on_incoming_call: false,
        certificates: CertificateTerms::default(),
        synced_passkeys: SyncedPasskeys::Accept,
        created: START,
    }
}

fn person(tenant: &TenantId, id: &str, name: &str) -> Person {
    Person {
        tenant: tenant.clone(),
        id: PersonId::parse(id).unwrap(),
        name: name.to_owned(),
        emails: Vec::new(),
        telephone: None,
        standing: Standing::Active,
        groups: Default::default(),
        roles: Default::default(),
        created: START,
    }
}
