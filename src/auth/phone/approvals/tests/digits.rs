//! Wrong digits: three end a question, five in a row block the phone, however they come.

use std::collections::HashSet;

use super::*;

#[tokio::test]
async fn three_wrong_digits_end_it() {
    let rig = Rig::new().await;
    let (session, hand) = (rig.session(1).await, rig.paired("anna").await);
    let (shown, digits) = rig.ask(&session).await;
    for left in [2, 1, 0] {
        rig.wait(2);
        let result = approve(&rig, &hand, &shown, other(&digits)).await;
        assert!(matches!(result, Err(AnswerError::WrongDigits { left: it, .. }) if it == left), "{result:?}");
    }
    assert!(matches!(approve(&rig, &hand, &shown, &digits).await, Err(AnswerError::Answered)));
    assert_eq!(standing(&rig, &shown).await, Standing::WrongDigits);
    let (shown, _) = rig.ask(&session).await;
    for odd in ["", "12345", "1234567", "12345a", "１２３４５６", "12345\n"] {
        assert!(matches!(approve(&rig, &hand, &shown, odd).await, Err(AnswerError::NotSixDigits)), "{odd}");
    }
}

/// the count goes on over questions; a new one does not reset it.
#[tokio::test]
async fn five_in_a_row_block_the_phone_whatever_question_they_are_for() {
    let rig = Rig::new().await;
    let (session, hand) = (rig.session(1).await, rig.paired("anna").await);
    let (first, digits) = rig.ask(&session).await;
    for wait in [0, 0] {
        rig.wait(wait);
        let result = approve(&rig, &hand, &first, other(&digits)).await;
        assert!(matches!(result, Err(AnswerError::WrongDigits { blocks: false, .. })), "{result:?}");
    }
    // The delay grows: right digits are not heard before their time either.
    let (second, digits) = rig.ask(&session).await;
    for (seconds, heard) in [(0, false), (1, false), (1, true)] {
        rig.wait(seconds);
        let result = approve(&rig, &hand, &second, other(&digits)).await;
        assert_eq!(matches!(result, Err(AnswerError::WrongDigits { .. })), heard, "{result:?}");
        assert_eq!(matches!(result, Err(AnswerError::TooSoon { .. })), !heard, "{result:?}");
    }
    assert!(matches!(approve(&rig, &hand, &second, &digits).await, Err(AnswerError::TooSoon { .. })));
    rig.wait(4);
    let fourth = approve(&rig, &hand, &second, other(&digits)).await;
    assert!(matches!(fourth, Err(AnswerError::WrongDigits { left: 1, blocks: false })), "{fourth:?}");
    rig.wait(8);
    let fifth = approve(&rig, &hand, &second, other(&digits)).await;
    assert!(matches!(fifth, Err(AnswerError::WrongDigits { left: 0, blocks: true })), "{fifth:?}");

    // Nothing is heard any more, and nobody is asked in vain.
    rig.wait(86_400);
    assert!(matches!(rig.approvals.ask(rig.asking(&session)).await, Err(AskError::Blocked)));
    let open = rig.throttles.open_again(&rig.tenant, &rig.anna, &[]).await.unwrap();
    rig.write(open).await;
    let (third, digits) = rig.ask(&session).await;
    approve(&rig, &hand, &third, &digits).await.unwrap();
}

/// A phone that is blocked is opened by a success elsewhere, and by nothing that the phone itself does.
#[tokio::test]
async fn a_success_on_another_phone_opens_it_again() {
    let rig = Rig::new().await;
    let (session, hand, second) = (rig.session(1).await, rig.paired("anna").await, rig.paired("anna").await);
    for _ in 0..2 {
        let (shown, digits) = rig.ask(&session).await;
        for _ in 0..3 {
            rig.wait(10);
            let _ = approve(&rig, &hand, &shown, other(&digits)).await;
        }
        rig.wait(600);
    }
    let (shown, digits) = rig.ask(&session).await;
    assert!(matches!(approve(&rig, &hand, &shown, &digits).await, Err(AnswerError::Blocked)));
    assert!(matches!(standing(&rig, &shown).await, Standing::Waiting));
    approve(&rig, &second, &shown, &digits).await.unwrap();
    let (shown, digits) = rig.ask(&session).await;
    approve(&rig, &hand, &shown, &digits).await.unwrap();
}

/// A right answer sets the count back.
#[tokio::test]
async fn slips_of_an_honest_person_do_not_add_up() {
    let rig = Rig::new().await;
    let (session, hand) = (rig.session(1).await, rig.paired("anna").await);
    for _ in 0..4 {
        let (shown, digits) = rig.ask(&session).await;
        for _ in 0..2 {
            let _ = approve(&rig, &hand, &shown, other(&digits)).await;
        }
        rig.wait(3);
        approve(&rig, &hand, &shown, &digits).await.unwrap();
    }
}

#[tokio::test]
async fn wrong_digits_are_counted_however_many_come_at_once() {
    let rig = Rig::new().await;
    let (session, hand) = (rig.session(1).await, rig.paired("anna").await);
    let (shown, digits) = rig.ask(&session).await;
    let mut guesses = Vec::new();
    for guess in 0..50 {
        let guess = format!("{guess:06}");
        let guess = if guess == digits { "999999".to_owned() } else { guess };
        guesses.push((hand.sign(&shown, &guess).await, guess));
    }
    let tries = guesses.iter().map(|(signed, guess)| {
        let call = hand.call(rig.world.now());
        let (rig, id) = (&rig, &shown.id);
        async move { rig.approvals.approve(&call, id, guess, signed, FROM).await }
    });
    let results = join_all(tries).await;
    let heard: Vec<u8> = results
        .iter()
        .filter_map(|it| if let Err(AnswerError::WrongDigits { left, .. }) = it { Some(*left) } else { None })
        .collect();
    assert!(heard.len() <= 3 && heard.iter().collect::<HashSet<_>>().len() == heard.len(), "{heard:?}");
    assert!(results.iter().all(Result::is_err));
}
