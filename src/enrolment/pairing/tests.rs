//! Attacks on pairings: stolen squares, second phones, late and double answers.

use super::*;
use crate::audit;
use crate::auth::phone::rig::{FROM, Hand, Rig, START};
use crate::auth::phone::webauthn;
use crate::domain::session::Session;
use crate::domain::tenant::{SyncedPasskeys, Tenant};

fn pairings(rig: &Rig) -> Pairings {
    Pairings::new(rig.ledger.clone(), rig.pepper.clone(), rig.party.clone(), rig.world.clone())
}

fn opening(session: &Session) -> Opening {
    Opening {
        tenant: session.tenant.clone(),
        person: session.person.clone(),
        device: session.device.clone(),
        session: session.token,
        from: FROM,
        ground: Ground::First,
    }
}

struct House {
    rig: Rig,
    it: Pairings,
    session: Session,
}

impl House {
    async fn new() -> Self {
        let rig = Rig::new().await;
        let (it, session) = (pairings(&rig), rig.session(1).await);
        Self { rig, it, session }
    }

    async fn open(&self) -> (Pairing, Secret) {
        self.it.open(opening(&self.session)).await.unwrap()
    }

    async fn begin(&self, pairing: &Pairing, secret: &Secret, hand: &Hand) -> Result<Begun, PairingError> {
        self.it.begin(&pairing.id, secret, &hand.new_call(self.rig.world.now()), FROM).await
    }

    async fn finish(
        &self,
        pairing: &Pairing,
        challenge: &[u8],
        hand: &Hand,
    ) -> Result<Claimed, PairingError> {
        let new = hand.make(challenge).await;
        let made = Made {
            name: "Android phone",
            client_data: &new.client_data,
            attestation: &new.attestation,
            offline_key: None,
        };
        self.it.finish(&pairing.id, &hand.new_call(self.rig.world.now()), made, FROM).await
    }

    async fn claim(&self, hand: &Hand) -> (Pairing, Claimed) {
        let (pairing, secret) = self.open().await;
        let begun = self.begin(&pairing, &secret, hand).await.unwrap();
        let claimed = self.finish(&pairing, &begun.challenge, hand).await.unwrap();
        (pairing, claimed)
    }

    async fn confirm(&self, pairing: &Pairing, verdict: Verdict) -> Result<Option<Phone>, PairingError> {
        self.it.confirm(&pairing.id, &self.session.token, verdict, FROM).await
    }

    async fn for_phone(&self, pairing: &Pairing, hand: &Hand) -> Standing {
        let call = hand.new_call(self.rig.world.now());
        self.it.state_for_phone(&pairing.id, &call).await.unwrap()
    }

    fn phones(&self) -> usize {
        self.rig.view.phones(&self.rig.tenant, &self.rig.anna).len()
    }
}

fn yes() -> Verdict {
    Verdict::Yes { released_by: Some("person:staff/sam".to_owned()), also: Vec::new(), ground: Ground::First }
}

#[tokio::test]
async fn a_square_a_key_two_words_and_a_yes_pair_a_phone() {
    let house = House::new().await;
    let hand = Hand::new(house.rig.party.clone());
    let (pairing, secret) = house.open().await;
    let link = house.it.link(&pairing, &secret);
    let (start, fragment) = link.expose().split_once('#').unwrap();
    assert_eq!(start, "https://phone.localhost:8443/pair");
    assert_eq!(fragment.split_once('.').unwrap().1.len(), 32);
    assert_eq!(house.it.of_session(&house.session.token).await.unwrap().as_ref(), Some(&pairing));

    let begun = house.begin(&pairing, &secret, &hand).await.unwrap();
    assert_eq!(house.it.state(&pairing.id).await.unwrap(), Standing::Begun);
    // The answer was lost on the way: the same phone hears the same again.
    assert_eq!(house.begin(&pairing, &secret, &hand).await.unwrap().challenge, begun.challenge);

    let claimed = house.finish(&pairing, &begun.challenge, &hand).await.unwrap();
    assert_ne!(claimed.words[0], claimed.words[1]);
    let Standing::Claimed { words, phone, .. } = house.it.state(&pairing.id).await.unwrap() else { panic!() };
    assert_eq!((words, phone.as_str()), (claimed.words.clone(), "Android phone"));
    assert_eq!(house.finish(&pairing, &begun.challenge, &hand).await.unwrap(), claimed);
    assert_eq!(house.phones(), 0, "nothing is paired before the desktop says yes");

    house.rig.wait(10);
    let phone = house.confirm(&pairing, yes()).await.unwrap().unwrap();
    assert_eq!(phone.released_by.as_deref(), Some("person:staff/sam"));
    assert_eq!(phone.paired, START.plus(Duration::from_secs(10)));
    assert_eq!(house.rig.view.phones(&house.rig.tenant, &house.rig.anna)[0].as_ref(), &phone);
    assert_eq!(house.for_phone(&pairing, &hand).await, Standing::Confirmed);
    let stranger = Hand::new(house.rig.party.clone());
    assert_eq!(house.for_phone(&pairing, &stranger).await, Standing::Expired);

    // All of it is over: the secret, the yes, another square.
    assert!(matches!(house.begin(&pairing, &secret, &hand).await, Err(PairingError::Gone)));
    assert!(matches!(house.confirm(&pairing, yes()).await, Err(PairingError::Gone)));
    assert!(matches!(house.it.open(opening(&house.session)).await, Err(PairingError::HasPhone)));
}

#[tokio::test]
async fn a_square_is_good_for_five_minutes_and_only_with_its_secret() {
    let house = House::new().await;
    let hand = Hand::new(house.rig.party.clone());
    let (pairing, secret) = house.open().await;
    let guess = Secret::new("a".repeat(32));
    assert!(matches!(house.begin(&pairing, &guess, &hand).await, Err(PairingError::Gone)));
    let upper = Secret::new(secret.expose().to_ascii_uppercase());
    house.rig.wait(299);
    house.begin(&pairing, &upper, &hand).await.unwrap();
    house.rig.wait(1);
    assert!(matches!(house.begin(&pairing, &secret, &hand).await, Err(PairingError::Gone)));
    assert_eq!(house.it.state(&pairing.id).await.unwrap(), Standing::Expired);

    // A newer square ends the one before.
    let (old, old_secret) = house.open().await;
    let (new, _) = house.open().await;
    assert!(matches!(house.begin(&old, &old_secret, &hand).await, Err(PairingError::Gone)));
    assert_eq!(house.it.of_session(&house.session.token).await.unwrap(), Some(new));
    let bytes = table::encode(&old);
    assert!(!bytes.windows(32).any(|window| window == old_secret.expose().as_bytes()));
}

/// somebody else scanned the square too, before or after.
#[tokio::test]
async fn a_second_phone_ends_it_for_both_and_both_are_told() {
    for claimed in [false, true] {
        let house = House::new().await;
        let (first, second) = (Hand::new(house.rig.party.clone()), Hand::new(house.rig.party.clone()));
        let (pairing, secret) = house.open().await;
        let begun = house.begin(&pairing, &secret, &first).await.unwrap();
        if claimed {
            house.finish(&pairing, &begun.challenge, &first).await.unwrap();
        }
        assert!(matches!(house.begin(&pairing, &secret, &second).await, Err(PairingError::Contested)));
        assert_eq!(house.for_phone(&pairing, &first).await, Standing::Contested);
        assert_eq!(house.it.state(&pairing.id).await.unwrap(), Standing::Contested);
        let late = house.finish(&pairing, &begun.challenge, &first).await;
        assert!(matches!(late, Err(PairingError::Contested)));
        assert!(matches!(house.begin(&pairing, &secret, &first).await, Err(PairingError::Contested)));
        assert!(matches!(house.confirm(&pairing, yes()).await, Err(PairingError::Contested)));
        assert_eq!(house.phones(), 0);
        let trail = audit::latest(house.rig.ledger.store().as_ref(), 10).await.unwrap();
        let told = trail.iter().find(|line| line.what == Event::PairingContested).unwrap();
        assert!(told.details.contains_key("alarm"));
    }
}

#[tokio::test]
async fn only_the_phone_that_began_may_go_on() {
    let house = House::new().await;
    let (own, thief) = (Hand::new(house.rig.party.clone()), Hand::new(house.rig.party.clone()));
    let (pairing, secret) = house.open().await;
    let too_early = house.finish(&pairing, &pairing.challenge, &thief).await;
    assert!(matches!(too_early, Err(PairingError::Gone)));
    house.begin(&pairing, &secret, &own).await.unwrap();
    assert!(matches!(house.finish(&pairing, &pairing.challenge, &thief).await, Err(PairingError::Gone)));
    assert_eq!(house.for_phone(&pairing, &thief).await, Standing::Expired);
    let call = thief.new_call(house.rig.world.now());
    assert!(matches!(house.it.refuse(&pairing.id, &call, FROM).await, Err(PairingError::Gone)));
    // A credential made for another challenge is none.
    let stale = house.finish(&pairing, &[1; 32], &own).await;
    assert!(matches!(stale, Err(PairingError::Credential(webauthn::Refused::OtherChallenge))));
    house.finish(&pairing, &pairing.challenge, &own).await.unwrap();
}

#[tokio::test]
async fn a_no_on_either_screen_pairs_nothing() {
    for by_phone in [false, true] {
        let house = House::new().await;
        let hand = Hand::new(house.rig.party.clone());
        let (pairing, _) = house.claim(&hand).await;
        let elsewhere = house.it.confirm(&pairing.id, &[2; 32], yes(), FROM).await;
        assert!(matches!(elsewhere, Err(PairingError::Gone)), "another session has no say");
        if by_phone {
            let call = hand.new_call(house.rig.world.now());
            house.it.refuse(&pairing.id, &call, FROM).await.unwrap();
        } else {
            assert_eq!(house.confirm(&pairing, Verdict::No).await.unwrap(), None);
        }
        assert_eq!(house.for_phone(&pairing, &hand).await, Standing::Refused);
        assert_eq!(house.it.state(&pairing.id).await.unwrap(), Standing::Refused);
        assert!(matches!(house.confirm(&pairing, yes()).await, Err(PairingError::Gone)));
        assert_eq!(house.phones(), 0);
        house.open().await;
    }
}

#[tokio::test]
async fn of_fifty_phones_that_scan_at_once_at_most_one_goes_on() {
    let house = House::new().await;
    let (pairing, secret) = house.open().await;
    let hands: Vec<Hand> = (0..50).map(|_| Hand::new(house.rig.party.clone())).collect();
    let scans = hands.iter().map(|hand| house.begin(&pairing, &secret, hand));
    let results = futures_util::future::join_all(scans).await;
    assert!(results.iter().filter(|it| it.is_ok()).count() <= 1);
    assert_eq!(house.it.state(&pairing.id).await.unwrap(), Standing::Contested);
}

#[tokio::test]
async fn two_yeses_at_once_make_one_phone() {
    let house = House::new().await;
    let hand = Hand::new(house.rig.party.clone());
    let (pairing, _) = house.claim(&hand).await;
    let yeses = (0..50).map(|_| house.confirm(&pairing, yes()));
    let results = futures_util::future::join_all(yeses).await;
    assert_eq!(results.iter().filter(|it| it.is_ok()).count(), 1);
    assert_eq!(house.phones(), 1);
}

#[tokio::test]
async fn the_desktops_next_step_and_the_phone_stand_or_fall_together() {
    let house = House::new().await;
    let hand = Hand::new(house.rig.party.clone());
    let (pairing, _) = house.claim(&hand).await;
    let lost = table::create(&house.session);
    let verdict = Verdict::Yes { released_by: None, also: vec![lost], ground: Ground::First };
    assert!(matches!(house.confirm(&pairing, verdict).await, Err(PairingError::Busy)));
    assert_eq!(house.phones(), 0);
    assert!(matches!(house.it.state(&pairing.id).await.unwrap(), Standing::Claimed { .. }));
}

fn replaces() -> Ground {
    Ground::Replaces {
        by: "a recovery code".to_owned(),
        notes: vec![("codes_left".to_owned(), "9".to_owned())],
    }
}

/// A square that replaces a phone: the old one works on until the yes, and never after it.
#[tokio::test]
async fn a_phone_that_replaces_another_ends_it_with_the_yes_and_not_before() {
    let house = House::new().await;
    let old = Hand::new(house.rig.party.clone());
    let (pairing, _) = house.claim(&old).await;
    let old = house.confirm(&pairing, yes()).await.unwrap().unwrap();
    let first = house.it.open(opening(&house.session)).await;
    assert!(matches!(first, Err(PairingError::HasPhone)), "a second first phone");

    let new = Hand::new(house.rig.party.clone());
    let opened = house.it.open(Opening { ground: replaces(), ..opening(&house.session) }).await;
    let (pairing, secret) = opened.unwrap();
    let begun = house.begin(&pairing, &secret, &new).await.unwrap();
    house.finish(&pairing, &begun.challenge, &new).await.unwrap();
    let key = table::phone(&old.tenant, &old.person, &old.id);
    assert_eq!(house.rig.read::<Phone>(&key).await.as_ref(), Some(&old), "until the words are compared");
    // Neither as a first phone, nor by another session, nor where the proof was used meanwhile.
    assert!(matches!(house.confirm(&pairing, yes()).await, Err(PairingError::HasPhone)));
    let elsewhere = house.it.confirm(&pairing.id, &[9; 32], verdict(vec![]), FROM).await;
    assert!(matches!(elsewhere, Err(PairingError::Gone)));
    let used = table::create(&house.session);
    assert!(matches!(house.confirm(&pairing, verdict(vec![used])).await, Err(PairingError::Busy)));
    assert_eq!(house.rig.read::<Phone>(&key).await.as_ref(), Some(&old));

    let made = house.confirm(&pairing, verdict(vec![])).await.unwrap().unwrap();
    assert_eq!(house.rig.read::<Phone>(&key).await, None, "the old key ended in that commit");
    assert_eq!(house.phones(), 1);
    let lines = audit::latest(house.rig.ledger.store().as_ref(), 1).await.unwrap();
    assert_eq!(lines[0].what, Event::PhoneReplaced);
    assert_eq!(lines[0].details["ended 1"], format!("phone:{}", old.id));
    assert_eq!(
        (lines[0].details["by"].as_str(), lines[0].details["codes_left"].as_str()),
        ("a recovery code", "9")
    );
    assert_ne!(made.id, old.id);
}

fn verdict(also: Vec<Write>) -> Verdict {
    Verdict::Yes { released_by: None, also, ground: replaces() }
}

/// a tenant that refuses keys which are copied pairs no such phone.
#[tokio::test]
async fn a_tenant_may_refuse_keys_that_are_copied() {
    let house = House::new().await;
    let tenant: Tenant = house.rig.read(&table::tenant(&house.rig.tenant)).await.unwrap();
    house.rig.put(&Tenant { synced_passkeys: SyncedPasskeys::Refuse, ..tenant }).await;
    let hand = Hand::new(house.rig.party.clone());
    let (pairing, secret) = house.open().await;
    let begun = house.begin(&pairing, &secret, &hand).await.unwrap();
    let refused = house.finish(&pairing, &begun.challenge, &hand).await;
    assert!(matches!(refused, Err(PairingError::Synced)), "{refused:?}");
    assert_eq!(house.phones(), 0);
}

#[test]
fn a_phones_name_fits_a_line() {
    assert_eq!(phone::name("  Anna's\n\u{7}phone "), "Anna'sphone");
    assert_eq!(phone::name("\n"), "phone");
    assert_eq!(phone::name(&"x".repeat(500)).len(), phone::NAME_CHARS_MAX);
}
