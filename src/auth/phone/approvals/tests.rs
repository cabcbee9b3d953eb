//! Attacks on questions and answers: flipped, replayed, raced, worn down.

use futures_util::future::join_all;

use super::*;
use crate::auth::phone::rig::{FROM, Hand, Rig, START};
use crate::auth::phone::webauthn;
use crate::crypto;
use crate::domain::approval::Answer;
use crate::domain::person::Person;
use crate::domain::phone::Phone;
use crate::domain::tenant::{SyncedPasskeys, Tenant};

mod digits;
mod not_me;

type Outcome = Result<(), AnswerError>;
type Flip = (&'static str, fn(&mut Approval));

async fn approve(rig: &Rig, hand: &Hand, shown: &Approval, digits: &str) -> Outcome {
    let assertion = hand.sign(shown, digits).await;
    rig.approvals.approve(&hand.call(rig.world.now()), &shown.id, digits, &assertion, FROM).await
}

async fn deny(rig: &Rig, hand: &Hand, shown: &Approval) -> Outcome {
    rig.approvals.not_me(&hand.call(rig.world.now()), &shown.id, FROM, |_, _| Vec::new()).await
}

async fn standing(rig: &Rig, it: &Approval) -> Standing {
    rig.approvals.state(&it.tenant, &it.person, &it.id).await.unwrap()
}

fn other(digits: &str) -> &'static str {
    if digits == "000000" { "000001" } else { "000000" }
}

#[tokio::test]
async fn the_digits_typed_on_the_phone_let_exactly_the_waiting_session_in() {
    let rig = Rig::new().await;
    let (session, hand) = (rig.session(1).await, rig.paired("anna").await);
    let (shown, digits) = rig.ask(&session).await;
    assert_eq!(shown.shown.device, "Anna's laptop");
    assert_eq!(rig.approvals.pending(&rig.tenant, &rig.anna).await.unwrap(), Some(shown.clone()));
    assert!(rig.approvals.approved(&session, &shown.id).await.unwrap().is_none());

    rig.wait(30);
    approve(&rig, &hand, &shown, &digits).await.unwrap();
    assert_eq!(standing(&rig, &shown).await, Standing::Approved);
    assert_eq!(rig.approvals.pending(&rig.tenant, &rig.anna).await.unwrap(), None);
    let approved = rig.approvals.approved(&session, &shown.id).await.unwrap().unwrap();
    assert_eq!(approved.at, START.plus(Duration::from_secs(30)));
    let elsewhere = Session { fingerprint: [6; 32], ..session.clone() };
    assert!(rig.approvals.approved(&elsewhere, &shown.id).await.unwrap().is_none());
    assert!(rig.approvals.approved(&rig.session(2).await, &shown.id).await.unwrap().is_none());

    // What was signed is kept, and the digits, which are not, make it whole.
    let ApprovalState::Approved { evidence, phone, .. } = rig.approval(&shown).await.state else { panic!() };
    assert!(!evidence.text.contains(&digits), "{}", evidence.text);
    let whole = evidence.text.replace("\ndigits: \n", &format!("\ndigits: {digits}\n"));
    assert_eq!(whole, shown.canonical_text(Answer::Approve(&digits)));
    let told: serde_json::Value = serde_json::from_slice(&evidence.client_data).unwrap();
    let challenge = data_encoding::BASE64URL_NOPAD.encode(&crypto::sha256(whole.as_bytes()));
    assert_eq!(told["challenge"], challenge);
    assert_eq!(phone, hand.phone.as_ref().unwrap().id);

    // Long after, a laptop that slept does not come in by it.
    rig.wait(300);
    assert!(rig.approvals.approved(&session, &shown.id).await.unwrap().is_none());
}

/// A-12, and the issue's own demand: each field flipped, each signature flipped or replaced.
#[tokio::test]
async fn nothing_but_the_text_we_built_signed_by_this_phone_counts() {
    let rig = Rig::new().await;
    let (session, hand) = (rig.session(1).await, rig.paired("anna").await);
    let (shown, digits) = rig.ask(&session).await;
    let bert = rig.paired("bert").await;

    let flips: Vec<Flip> = vec![
        ("id", |it| it.id = ApprovalId::parse("other").unwrap()),
        ("purpose", |it| it.purpose = Purpose::NewDevice),
        ("reason", |it| it.shown.reason.push('!')),
        ("site", |it| it.shown.site.push('!')),
        ("host", |it| it.shown.host = "evil.localhost".to_owned()),
        ("tenant", |it| it.tenant = TenantId::parse("other").unwrap()),
        ("person", |it| it.shown.person = "Bert Beispiel".to_owned()),
        ("device", |it| it.shown.device = "phone".to_owned()),
        ("certificate", |it| it.fingerprint[31] ^= 1),
        ("browser", |it| it.shown.browser.clear()),
        ("address", |it| it.shown.address = "192.0.2.8".to_owned()),
        ("place", |it| it.shown.place.push('!')),
        ("asked", |it| it.created = it.created.plus(Duration::from_secs(1))),
        ("until", |it| it.expires = it.expires.plus(Duration::from_secs(1))),
        ("nonce", |it| it.nonce[0] ^= 1),
        ("bound", |it| it.bound = None),
        ("rows", |it| it.shown.rows.push(it.shown.rows[0].clone())),
        ("name", |it| it.shown.rows[0].name.push('!')),
        ("value", |it| it.shown.rows[0].value.push('!')),
    ];
    let lines = shown.canonical_text(Answer::Approve(&digits)).lines().count();
    assert_eq!(lines, 1 + flips.len() + 2, "each line but verdict and digits is flipped here");

    let call = || hand.call(rig.world.now());
    let before = rig.approval(&shown).await;
    for (field, flip) in flips {
        let mut seen = shown.clone();
        flip(&mut seen);
        let signed = hand.sign(&seen, &digits).await;
        let result = rig.approvals.approve(&call(), &shown.id, &digits, &signed, FROM).await;
        let why = webauthn::Refused::OtherChallenge;
        assert!(matches!(result, Err(AnswerError::Signature(it)) if it == why), "{field}: {result:?}");
        assert_eq!(rig.approval(&shown).await, before, "{field}");
    }

    // The verdict, and digits other than those signed.
    let not_me = crypto::sha256(shown.canonical_text(Answer::NotMe).as_bytes());
    let not_me = hand.assert(&not_me).await;
    let wrong = hand.sign(&shown, other(&digits)).await;
    let by_bert = bert.sign(&shown, &digits).await;
    let good = hand.sign(&shown, &digits).await;
    let mut bent = good.clone();
    *bent.signature.last_mut().unwrap() ^= 1;
    let mut unverified = good.clone();
    unverified.authenticator_data[32] ^= 0x04;
    let mut swapped = good.clone();
    swapped.signature.clone_from(&by_bert.signature);
    for (what, signed) in [
        ("not me", &not_me),
        ("other digits", &wrong),
        ("another's", &by_bert),
        ("bent", &bent),
        ("unverified", &unverified),
        ("swapped", &swapped),
    ] {
        let result = rig.approvals.approve(&call(), &shown.id, &digits, signed, FROM).await;
        assert!(matches!(result, Err(AnswerError::Signature(_))), "{what}: {result:?}");
        assert_eq!(rig.approval(&shown).await, before, "{what}");
    }
    // Not even wrong digits count without a right signature.
    let result = rig.approvals.approve(&call(), &shown.id, other(&digits), &good, FROM).await;
    assert!(matches!(result, Err(AnswerError::Signature(_))));
    assert_eq!(rig.approval(&shown).await, before);

    rig.approvals.approve(&call(), &shown.id, &digits, &good, FROM).await.unwrap();
    let again = rig.approvals.approve(&call(), &shown.id, &digits, &good, FROM).await;
    assert!(matches!(again, Err(AnswerError::Answered)));
}

#[tokio::test]
async fn a_signature_is_for_one_question_and_one_person() {
    let rig = Rig::new().await;
    let (session, hand) = (rig.session(1).await, rig.paired("anna").await);
    let (first, digits) = rig.ask(&session).await;
    let signed = hand.sign(&first, &digits).await;
    let (second, _) = rig.ask(&session).await;
    let call = hand.call(rig.world.now());
    let replayed = rig.approvals.approve(&call, &second.id, &digits, &signed, FROM).await;
    assert!(matches!(replayed, Err(AnswerError::Signature(_))));
    let old = rig.approvals.approve(&call, &first.id, &digits, &signed, FROM).await;
    assert!(matches!(old, Err(AnswerError::Answered)));

    // Bert's phone finds no such question, to approve or to refuse.
    let bert = rig.paired("bert").await;
    assert!(matches!(approve(&rig, &bert, &second, &digits).await, Err(AnswerError::Unknown)));
    assert!(matches!(deny(&rig, &bert, &second).await, Err(AnswerError::Unknown)));
    assert_eq!(rig.approval(&second).await, second);

    // Nor does a phone of Anna's that has been unpaired meanwhile.
    let phone = hand.phone.clone().unwrap();
    rig.write(vec![table::delete(table::phone(&phone.tenant, &phone.person, &phone.id))]).await;
    assert!(matches!(approve(&rig, &hand, &second, &digits).await, Err(AnswerError::Unpaired)));
    assert!(matches!(deny(&rig, &hand, &second).await, Err(AnswerError::Unpaired)));
    assert_eq!(rig.approval(&second).await, second);
}

#[tokio::test]
async fn a_question_lives_two_minutes() {
    let rig = Rig::new().await;
    let (session, hand) = (rig.session(1).await, rig.paired("anna").await);
    let (shown, digits) = rig.ask(&session).await;
    rig.wait(119);
    assert!(matches!(standing(&rig, &shown).await, Standing::Waiting));
    rig.wait(1);
    assert_eq!(standing(&rig, &shown).await, Standing::Expired);
    assert_eq!(rig.approvals.pending(&rig.tenant, &rig.anna).await.unwrap(), None);
    assert!(matches!(approve(&rig, &hand, &shown, &digits).await, Err(AnswerError::Expired)));
    // A no is heard also afterwards.
    deny(&rig, &hand, &shown).await.unwrap();
}

/// one pending, three in ten minutes, ten in an hour, until one is approved.
#[tokio::test]
async fn nobody_is_worn_down_by_questions() {
    let rig = Rig::new().await;
    let (session, hand) = (rig.session(1).await, rig.paired("anna").await);
    let mut asked = 0;
    for _ in 0..100 {
        match rig.approvals.ask(rig.asking(&session)).await {
            Ok(_) => asked += 1,
            Err(AskError::TooMany { until }) => assert!(until > rig.world.now()),
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(asked, 3);
    let (mut minutes, mut asked) = (0, 3);
    while minutes < 59 {
        rig.wait(60);
        minutes += 1;
        asked += usize::from(rig.approvals.ask(rig.asking(&session)).await.is_ok());
    }
    assert_eq!(asked, 10);
    rig.wait(600);
    let (shown, digits) = rig.ask(&session).await;
    approve(&rig, &hand, &shown, &digits).await.unwrap();
    for _ in 0..3 {
        rig.ask(&session).await;
    }
}

#[tokio::test]
async fn of_questions_asked_at_once_one_stands() {
    let rig = Rig::new().await;
    let session = rig.session(1).await;
    let results = join_all((0..50).map(|_| rig.approvals.ask(rig.asking(&session)))).await;
    let asked: Vec<Approval> = results.into_iter().filter_map(Result::ok).map(|(it, _)| it).collect();
    assert_eq!(asked.len(), 3);
    let mut waiting = 0;
    for it in &asked {
        waiting += usize::from(matches!(standing(&rig, it).await, Standing::Waiting));
    }
    assert_eq!(waiting, 1);
}

#[tokio::test]
async fn of_fifty_answers_at_once_one_counts() {
    for round in 0..10 {
        let rig = Rig::new().await;
        let (session, hand) = (rig.session(1).await, rig.paired("anna").await);
        let (shown, digits) = rig.ask(&session).await;
        let mut signed = Vec::new();
        for _ in 0..25 {
            signed.push(hand.sign(&shown, &digits).await);
        }
        // An authenticator without a counter, so that only the record decides.
        let phone = Phone { sign_count: 0, ..hand.phone.as_ref().unwrap().as_ref().clone() };
        rig.put(&phone).await;
        let now = rig.world.now();
        let approving = signed.iter().map(|signed| {
            let call = hand.call(now);
            let (rig, id, digits) = (&rig, &shown.id, &digits);
            async move { rig.approvals.approve(&call, id, digits, signed, FROM).await.map(|()| "approved") }
        });
        let denying = (0..25).map(|_| {
            let call = hand.call(now);
            let (rig, id) = (&rig, &shown.id);
            async move {
                let tell = |_: &Approval, _: &Person| Vec::new();
                rig.approvals.not_me(&call, id, FROM, tell).await.map(|()| "denied")
            }
        });
        let (approved, denied) = futures_util::future::join(join_all(approving), join_all(denying)).await;
        let count = |results: &[Result<&str, AnswerError>]| results.iter().filter(|it| it.is_ok()).count();
        assert!(count(&approved) <= 1, "round {round}");
        assert_eq!(count(&denied), 1, "round {round}");
        assert_eq!(standing(&rig, &shown).await, Standing::Denied);
        assert_eq!(rig.sessions().await, 0);
    }
}

/// a phone paired before its tenant refused copied keys approves nothing any more, and may still say no.
#[tokio::test]
async fn a_copied_key_answers_only_where_the_tenant_takes_it() {
    let rig = Rig::new().await;
    let (session, hand) = (rig.session(1).await, rig.paired("anna").await);
    let phone = Phone { backup_eligible: true, ..hand.phone.as_ref().unwrap().as_ref().clone() };
    rig.put(&phone).await;
    let tenant: Tenant = rig.read(&table::tenant(&rig.tenant)).await.unwrap();
    rig.put(&Tenant { synced_passkeys: SyncedPasskeys::Refuse, ..tenant.clone() }).await;
    let (shown, digits) = rig.ask(&session).await;
    assert!(matches!(approve(&rig, &hand, &shown, &digits).await, Err(AnswerError::Synced)));
    assert!(matches!(standing(&rig, &shown).await, Standing::Waiting));
    rig.put(&tenant).await;
    approve(&rig, &hand, &shown, &digits).await.unwrap();
    rig.put(&Tenant { synced_passkeys: SyncedPasskeys::Refuse, ..tenant }).await;
    deny(&rig, &hand, &shown).await.unwrap();
}

#[tokio::test]
async fn a_withdrawn_question_is_over() {
    let rig = Rig::new().await;
    let (session, hand) = (rig.session(1).await, rig.paired("anna").await);
    let (shown, digits) = rig.ask(&session).await;
    rig.approvals.withdraw(&rig.session(2).await, &shown.id).await.unwrap();
    assert!(matches!(standing(&rig, &shown).await, Standing::Waiting));
    rig.approvals.withdraw(&session, &shown.id).await.unwrap();
    assert_eq!(standing(&rig, &shown).await, Standing::Withdrawn);
    assert!(matches!(approve(&rig, &hand, &shown, &digits).await, Err(AnswerError::Answered)));
}

#[tokio::test]
async fn the_digits_are_kept_nowhere_before_the_answer() {
    let rig = Rig::new().await;
    let session = rig.session(1).await;
    let (shown, digits) = rig.ask(&session).await;
    let bytes = table::encode(&rig.approval(&shown).await);
    assert!(!bytes.windows(6).any(|window| window == digits.as_bytes()));
    assert_ne!(shown.digits_mac, crypto::sha256(digits.as_bytes()));
    let twin = Approval { id: ApprovalId::parse("twin").unwrap(), ..shown.clone() };
    assert_ne!(rig.approvals.digits_mac(&twin, &digits), shown.digits_mac);
}
