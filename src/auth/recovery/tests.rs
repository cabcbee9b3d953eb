//! Codes typed rightly, wrongly, twice, elsewhere, by many at once.

use super::*;
use crate::auth::phone::rig::{FROM, Rig};
use crate::store::Record as _;

struct House {
    rig: Rig,
    it: Recovery,
    device: DeviceId,
}

impl House {
    async fn new() -> Self {
        let rig = Rig::new().await;
        let throttles = Arc::new(Throttles::new(rig.ledger.clone(), rig.world.clone()));
        let it = Recovery::new(rig.ledger.clone(), rig.world.clone(), rig.pepper.clone(), throttles);
        Self { rig, it, device: DeviceId::parse("laptop-1").unwrap() }
    }

    async fn with_codes() -> (Self, Sheet) {
        let house = Self::new().await;
        let (record, sheet) = house.it.make(&house.rig.tenant, &house.rig.anna);
        house.rig.put(&record).await;
        (house, sheet)
    }

    fn who<'a>(&'a self, session: &'a TokenHash) -> Claimant<'a> {
        let (tenant, person) = (&self.rig.tenant, &self.rig.anna);
        Claimant { tenant, person, device: &self.device, session, address: FROM }
    }

    async fn hear(&self, session: u8, typed: &str) -> Result<Heard, Reason> {
        self.it.hear(&self.who(&[session; 32]), typed).await
    }

    async fn codes(&self) -> Stored<RecoveryCodes> {
        self.it.of(&self.rig.tenant, &self.rig.anna).await.unwrap().unwrap()
    }

    async fn uses(&self, session: u8) -> Option<usize> {
        let (write, left) = self.it.used_up(&self.codes().await, &[session; 32])?;
        self.rig.write(vec![write]).await;
        Some(left)
    }
}

#[tokio::test]
async fn ten_codes_of_eighty_bits_and_none_of_them_in_the_record() {
    let (house, sheet) = House::with_codes().await;
    assert_eq!(sheet.len(), 10);
    let record = table::encode(&house.codes().await.record);
    let kept = String::from_utf8_lossy(&record).into_owned();
    let mut seen = std::collections::BTreeSet::new();
    for code in sheet.iter() {
        let groups: Vec<&str> = code.expose().split('-').collect();
        assert_eq!(groups.iter().map(|group| group.len()).collect::<Vec<_>>(), [4, 4, 4, 4]);
        let letters = groups.concat();
        assert!(letters.bytes().all(|b| matches!(b, b'a'..=b'z' | b'2'..=b'7')), "{letters}");
        assert!(!kept.contains(&letters) && !kept.contains(code.expose()));
        assert!(seen.insert(letters));
        assert_eq!(format!("{code:?}"), "Secret(..)");
    }
    assert_eq!(house.codes().await.record.key().table(), b'1');
}

#[tokio::test]
async fn a_code_is_heard_however_it_is_written() {
    let (house, sheet) = House::with_codes().await;
    for write in [
        |code: &str| code.to_owned(),
        |code: &str| code.replace('-', ""),
        |code: &str| format!("  {} ", code.to_uppercase().replace('-', " ")),
        |code: &str| code.replace('o', "0").replace('l', "1").replace('b', "8"),
    ] {
        assert_eq!(house.hear(1, &write(sheet[0].expose())).await, Ok(Heard::Right));
    }
    for none in ["", "abcd", "abcd-efgh-ijkl-mno", "abcd-efgh-ijkl-mnopq", "abcd-efgh-ijkl-mno9", "äöüß"]
    {
        assert_eq!(house.hear(1, none).await, Ok(Heard::NoCode), "{none}");
    }
}

#[tokio::test]
async fn a_code_is_used_up_once_and_reserved_for_one_session() {
    let (house, sheet) = House::with_codes().await;
    assert_eq!(house.hear(1, sheet[3].expose()).await, Ok(Heard::Right));
    assert_eq!(house.hear(2, sheet[3].expose()).await, Ok(Heard::Wrong), "it is another session's");
    house.rig.wait(10);
    assert_eq!(house.uses(2).await, None);
    assert_eq!(house.uses(1).await, Some(9));
    assert_eq!(house.uses(1).await, None, "used up");
    assert_eq!(house.hear(1, sheet[3].expose()).await, Ok(Heard::Wrong));
}

#[tokio::test]
async fn a_pairing_that_breaks_off_costs_no_code() {
    let (house, sheet) = House::with_codes().await;
    assert_eq!(house.hear(1, sheet[0].expose()).await, Ok(Heard::Right));
    house.rig.wait(30 * 60);
    assert_eq!(house.uses(1).await, None, "the time is over");
    assert_eq!(house.hear(2, sheet[0].expose()).await, Ok(Heard::Right));
    house.it.give_back(&house.who(&[2; 32])).await.unwrap();
    assert_eq!(house.uses(2).await, None);
    assert_eq!(house.hear(3, sheet[0].expose()).await, Ok(Heard::Right));
    // Whoever types a second code has the first back.
    assert_eq!(house.hear(3, sheet[1].expose()).await, Ok(Heard::Right));
    assert_eq!(house.hear(4, sheet[0].expose()).await, Ok(Heard::Right));
    assert_eq!(house.codes().await.record.left(), 10);
}

/// Five wrong ones in a row, by whatever session, and nothing more is heard, new codes or not.
#[tokio::test]
async fn five_wrong_codes_block_and_new_codes_do_not_open_it() {
    let (house, sheet) = House::with_codes().await;
    for n in 0..5 {
        assert_eq!(house.hear(n, "aaaa-bbbb-cccc-dddd").await, Ok(Heard::Wrong));
        house.rig.wait(20);
    }
    assert_eq!(house.hear(9, sheet[0].expose()).await, Err(Reason::Blocked));
    let (record, sheet) = house.it.make(&house.rig.tenant, &house.rig.anna);
    house.rig.put(&record).await;
    house.rig.wait(86_400);
    assert_eq!(house.hear(9, sheet[0].expose()).await, Err(Reason::Blocked));
}

#[tokio::test]
async fn old_codes_die_with_new_ones_and_nobody_elses_fit() {
    let (house, old) = House::with_codes().await;
    let (record, new) = house.it.make(&house.rig.tenant, &house.rig.anna);
    house.rig.put(&record).await;
    assert_eq!(house.hear(1, old[0].expose()).await, Ok(Heard::Wrong));
    assert_eq!(house.hear(1, new[0].expose()).await, Ok(Heard::Right));
    // The record of another person under Anna's name fits nothing.
    let bert = PersonId::parse("bert").unwrap();
    let (his, codes) = house.it.make(&house.rig.tenant, &bert);
    house.rig.put(&RecoveryCodes { person: house.rig.anna.clone(), ..his }).await;
    assert_eq!(house.hear(1, codes[0].expose()).await, Ok(Heard::Wrong));
}

#[tokio::test]
async fn without_codes_every_code_is_wrong() {
    let house = House::new().await;
    assert_eq!(house.hear(1, "aaaa-bbbb-cccc-dddd").await, Ok(Heard::Wrong));
}

/// Single use raced: of many commits that use one code up, one goes through.
#[tokio::test]
async fn of_many_who_use_one_code_one_does() {
    let (house, sheet) = House::with_codes().await;
    assert_eq!(house.hear(1, sheet[0].expose()).await, Ok(Heard::Right));
    let read = house.codes().await;
    let tries = (0..20).map(|_| {
        let (write, _) = house.it.used_up(&read, &[1; 32]).unwrap();
        house.rig.ledger.record(Entry::new("gate", Event::RecoveryCodeRight), vec![write])
    });
    let done = futures_util::future::join_all(tries).await;
    assert_eq!(done.iter().filter(|result| result.is_ok()).count(), 1);
}

#[tokio::test]
async fn a_sheet_is_shown_until_it_is_put_away() {
    let (house, sheet) = House::with_codes().await;
    house.it.show(&[1; 32], sheet);
    assert!(house.it.shown(&[1; 32]).is_some() && house.it.shown(&[2; 32]).is_none());
    house.it.put_away(&house.who(&[2; 32])).await.unwrap();
    assert_eq!(house.codes().await.record.put_away, None, "another session says nothing of it");
    house.it.put_away(&house.who(&[1; 32])).await.unwrap();
    assert!(house.it.shown(&[1; 32]).is_none());
    assert!(house.codes().await.record.put_away.is_some());
}
