//! What is typed wrongly is asked for again at once.

use super::*;
use crate::console::command::tenant::check_telephone;

#[test]
fn an_answer_that_does_not_fit_is_asked_for_again() {
    let mut typed = vec!["not a phone", "", "+41 44 555 01 00"].into_iter();
    let mut asked = Vec::new();
    let told = ask(
        "Whom do staff call?",
        |text| Ok(check_telephone(text)?),
        |question: &str| {
            asked.push(question.to_owned());
            Ok((typed.next().unwrap().to_owned(), false))
        },
    );
    assert_eq!(told.unwrap(), "+41 44 555 01 00");
    assert_eq!(asked[0], "Whom do staff call?");
    assert!(
        asked[1].contains("cannot be dialled") && asked[1].ends_with("\nWhom do staff call?"),
        "{asked:?}"
    );
    assert_eq!(asked.len(), 3, "nothing typed is asked again");
    // Nothing more comes: what is missing is told at the end.
    assert_eq!(ask("Host?", a_host, |_: &str| Ok((String::new(), true))).unwrap(), "");
    for (host, fits) in
        [("console.example.com", true), ("https://console", false), ("Console.example.com", false)]
    {
        assert_eq!(a_host(host).is_ok(), fits, "{host}");
    }
}

#[test]
fn a_passphrase_is_asked_for_until_it_is_long_enough_and_twice_the_same() {
    let mut typed = vec![
        "short",
        "five words by chance",
        "five words by change",
        "five words by chance",
        "five words by chance",
    ]
    .into_iter();
    let mut asked = Vec::new();
    let told = fitting(&mut |question: &str| {
        asked.push(question.to_owned());
        Ok(Secret::new(typed.next().unwrap()))
    });
    assert_eq!(told.unwrap().expose(), "five words by chance");
    assert!(asked[0].contains("12 characters or more"), "{asked:?}");
    assert!(asked[1].starts_with("the passphrase has fewer than 12"), "{asked:?}");
    assert!(asked[3].starts_with("The two are not the same."), "{asked:?}");
    assert_eq!(asked.len(), 5);
}
