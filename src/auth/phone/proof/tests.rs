//! Signed calls: what counts once, what does not count, and what may stand in their texts.

use proptest::prelude::*;

use super::*;
use crate::crypto::Signer;

const NOW: Time = Time(1_795_292_244_000);
const CALL: Call<'static> = Call { method: "POST", path: "/api/x?y=1", body: b"{}" };

struct App {
    signer: Signer,
    phone: Arc<Phone>,
}

impl App {
    fn new() -> Self {
        let signer = Signer::from_pkcs8(&Signer::generate().unwrap()).unwrap();
        let phone = Arc::new(Phone {
            tenant: TenantId::parse("bank").unwrap(),
            person: PersonId::parse("anna").unwrap(),
            id: PhoneId::parse("p1").unwrap(),
            name: "Android phone".into(),
            credential_id: vec![1],
            credential_key: vec![],
            api_key: signer.public().to_vec(),
            offline_key: None,
            backup_eligible: false,
            sign_count: 0,
            paired: NOW,
            released_by: None,
            used: None,
        });
        Self { signer, phone }
    }

    fn header(&self, call: Call<'_>, time: Time, nonce: [u8; 16]) -> String {
        let signature = self.signer.sign(call_text(call, time, &nonce).as_bytes()).unwrap();
        format!(
            "phone={};time={};nonce={};sig={}",
            Handle::of(&self.phone),
            time.millis(),
            BASE64URL_NOPAD.encode(&nonce),
            BASE64URL_NOPAD.encode(&signature)
        )
    }
}

fn judge(proofs: &Proofs, app: &App, header: &str, call: Call<'_>, now: Time) -> Result<(), Refused> {
    proofs.prove(&Proof::parse(header)?, app.phone.clone(), call, now).map(|_| ())
}

#[test]
fn a_call_counts_once_and_only_as_it_was_signed() {
    let (app, proofs) = (App::new(), Proofs::default());
    let header = app.header(CALL, NOW, [1; 16]);
    for other in [
        Call { method: "GET", ..CALL },
        Call { path: "/api/x?y=2", ..CALL },
        Call { path: "/api/x", ..CALL },
        Call { body: b"{ }", ..CALL },
    ] {
        assert_eq!(judge(&proofs, &app, &header, other, NOW), Err(Refused::WrongSignature));
    }
    let later = header.replace(&NOW.millis().to_string(), &(NOW.millis() + 1).to_string());
    assert_eq!(judge(&proofs, &app, &later, CALL, NOW), Err(Refused::WrongSignature));
    let renonced = header.replace(&BASE64URL_NOPAD.encode(&[1; 16]), &BASE64URL_NOPAD.encode(&[2; 16]));
    assert_eq!(judge(&proofs, &app, &renonced, CALL, NOW), Err(Refused::WrongSignature));
    assert_eq!(judge(&proofs, &App::new(), &header, CALL, NOW), Err(Refused::WrongSignature));

    assert_eq!(judge(&proofs, &app, &header, CALL, NOW), Ok(()));
    assert_eq!(judge(&proofs, &app, &header, CALL, NOW), Err(Refused::Replayed));
}

#[test]
fn a_call_is_fresh_for_a_minute_and_never_twice() {
    let app = App::new();
    for (seconds, right) in [(0_i64, true), (60, true), (61, false), (-60, true), (-61, false)] {
        let proofs = Proofs::default();
        let now = Time(NOW.millis() + seconds * 1000);
        let header = app.header(CALL, NOW, [1; 16]);
        assert_eq!(judge(&proofs, &app, &header, CALL, now).is_ok(), right, "{seconds}");
    }
    // From the earliest moment it counts to the latest, a replay is known.
    let (proofs, header) = (Proofs::default(), app.header(CALL, NOW, [1; 16]));
    assert_eq!(judge(&proofs, &app, &header, CALL, Time(NOW.millis() - 60_000)), Ok(()));
    assert_eq!(judge(&proofs, &app, &header, CALL, Time(NOW.millis() + 60_000)), Err(Refused::Replayed));
}

#[test]
fn one_phone_cannot_fill_the_memory_or_push_out_another() {
    let (app, other, proofs) = (App::new(), App::new(), Proofs::default());
    let first = other.header(CALL, NOW, [9; 16]);
    assert_eq!(judge(&proofs, &other, &first, CALL, NOW), Ok(()));
    let mut refused = 0;
    for i in 0..CALLS_PER_PHONE_MAX as u128 + 10 {
        let header = app.header(CALL, NOW, i.to_be_bytes());
        refused += usize::from(judge(&proofs, &app, &header, CALL, NOW) == Err(Refused::TooMany));
    }
    assert_eq!(refused, 10);
    assert_eq!(judge(&proofs, &other, &first, CALL, NOW), Err(Refused::Replayed));
    let later = NOW.plus(KEPT).plus(Duration::from_secs(1));
    assert_eq!(judge(&proofs, &app, &app.header(CALL, later, [7; 16]), CALL, later), Ok(()));
}

#[test]
fn a_new_key_speaks_for_itself_alone() {
    let (app, proofs) = (App::new(), Proofs::default());
    let proof = Proof::parse(&app.header(CALL, NOW, [1; 16])).unwrap();
    let own: PublicKey = app.signer.public().try_into().unwrap();
    let other: PublicKey = App::new().signer.public().try_into().unwrap();
    assert!(matches!(proofs.prove_new(&proof, other, CALL, NOW), Err(Refused::WrongSignature)));
    assert_eq!(*proofs.prove_new(&proof, own, CALL, NOW).unwrap().key(), own);
    assert!(matches!(proofs.prove_new(&proof, own, CALL, NOW), Err(Refused::Replayed)));
}

proptest! {
    #[test]
    fn no_header_makes_it_panic(header in "\\PC{0,200}", fields in "phone=[a-z.]{0,9};time=[0-9-]{0,20};nonce=[A-Za-z0-9_-]{0,30};sig=[A-Za-z0-9_=-]{0,99}") {
        let _ = Proof::parse(&header);
        let _ = Proof::parse(&fields);
    }
}
