//! What `init` asks in a terminal, and what an answer must be.

use std::io::Write as _;

use super::super::failure::Failure;
use crate::console::command::tenant::is_host;
use crate::domain::Secret;

/// What an answer must be, with the next step where it is not.
pub(super) type Check = fn(&str) -> Result<(), Failure>;

/// Something, that fits.
pub(super) fn ask(
    question: &str,
    check: Check,
    mut typed: impl FnMut(&str) -> Result<(String, bool), Failure>,
) -> Result<String, Failure> {
    let something = |question: &str| loop {
        let (line, ended) = typed(question)?;
        // Nothing typed is asked again; nothing more to come is not.
        if ended || !line.is_empty() {
            return Ok((line, ended));
        }
    };
    answer(question, check, something)
}

/// An answer that fits. One that does not is asked for again at once: whoever typed the others keeps them.
pub(super) fn answer(
    question: &str,
    check: Check,
    mut typed: impl FnMut(&str) -> Result<(String, bool), Failure>,
) -> Result<String, Failure> {
    let mut asked = question.to_owned();
    loop {
        let (line, ended) = typed(&asked)?;
        match check(&line) {
            Err(why) if !ended => asked = format!("{why}\n{question}"),
            Err(_) | Ok(()) => return Ok(line),
        }
    }
}

/// A host name, as doors have them.
pub(super) fn a_host(host: &str) -> Result<(), Failure> {
    if is_host(host) {
        return Ok(());
    }
    Err(Failure::Usage(format!(
        "{host:?} is no host name: write it in lower case, without a scheme, a port or a path"
    )))
}

/// What is typed, perhaps nothing, and whether nothing more comes.
pub(super) fn typed_line(question: &str) -> Result<(String, bool), Failure> {
    let terminal = |source| Failure::File { what: "read", file: "the terminal".into(), source };
    let mut out = std::io::stdout();
    write!(out, "{question} ").and_then(|()| out.flush()).map_err(terminal)?;
    let mut line = String::new();
    let read = std::io::stdin().read_line(&mut line).map_err(terminal)?;
    Ok((line.trim().to_owned(), read == 0))
}

/// A passphrase that is not guessed by trying.
pub(in crate::cli) fn long_enough(secret: Secret) -> Result<Secret, Failure> {
    if secret.expose().chars().count() < PASSPHRASE_CHARS_MIN {
        return Err(Failure::Usage(format!(
            "the passphrase has fewer than {PASSPHRASE_CHARS_MIN} characters: take a longer one, such as five words by chance"
        )));
    }
    Ok(secret)
}

/// Asked for twice, and once more where it does not fit: what was answered before is not thrown away for it.
pub(in crate::cli) fn typed() -> Result<Secret, Failure> {
    let terminal = |source| Failure::File { what: "read", file: "the terminal".into(), source };
    let mut prompt = |text: &str| rpassword::prompt_password(text).map(Secret::new).map_err(terminal);
    fitting(&mut prompt)
}

fn fitting(prompt: &mut impl FnMut(&str) -> Result<Secret, Failure>) -> Result<Secret, Failure> {
    let question = format!(
        "New passphrase for the keys of the CA ({PASSPHRASE_CHARS_MIN} characters or more; it is not shown): "
    );
    let mut asked = question.clone();
    loop {
        let first = match long_enough(prompt(&asked)?) {
            Ok(first) => first,
            Err(why) => {
                asked = format!("{why}\n{question}");
                continue;
            }
        };
        if first.expose() == prompt("The same again: ")?.expose() {
            return Ok(first);
        }
        asked = format!("The two are not the same.\n{question}");
    }
}

/// Against guessing by whoever copies the sealed keys; Argon2id makes each guess dear.
const PASSPHRASE_CHARS_MIN: usize = 12;

#[cfg(test)]
mod tests;
