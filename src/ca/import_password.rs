//! Import passwords of .p12 files: drawn, and spelled for the telephone. Knows no file.

use zeroize::Zeroizing;

use super::CaError;
use crate::domain::Secret;
use crate::world::World;

/// Draws a password of four groups of five: 99 random bits ("x7kd4-m2qpa-...").
#[must_use]
pub fn draw(world: &World) -> Secret {
    let mut text = String::with_capacity(GROUPS * (GROUP_CHARS + 1));
    for group in 0..GROUPS {
        if group > 0 {
            text.push('-');
        }
        for _ in 0..GROUP_CHARS {
            // The alphabet has 31 letters, so both conversions hold.
            let index = usize::try_from(world.below(ALPHABET.len() as u32)).unwrap_or_default();
            text.push(char::from(ALPHABET[index]));
        }
    }
    Secret::new(text)
}

/// A password that somebody else chose: visible ASCII alone, since Java refuses anything else.
///
/// # Errors
/// An empty one, or another character.
pub fn check(password: &Secret) -> Result<(), CaError> {
    let text = password.expose();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(())
    } else {
        Err(CaError::BadImportPassword)
    }
}

/// What was typed, as [`draw`] writes it: people leave hyphens out, put blanks in, or begin with a capital.
#[must_use]
pub fn as_drawn(typed: &Secret) -> Secret {
    let letters: Zeroizing<String> =
        Zeroizing::new(typed.expose().chars().filter(char::is_ascii_alphanumeric).collect());
    if letters.len() != GROUPS * GROUP_CHARS {
        return typed.clone();
    }
    let mut text = String::with_capacity(GROUPS * (GROUP_CHARS + 1));
    for (n, letter) in letters.chars().enumerate() {
        if n > 0 && n % GROUP_CHARS == 0 {
            text.push('-');
        }
        text.push(letter.to_ascii_lowercase());
    }
    Secret::new(text)
}

/// As it is read out: "x-ray seven kilo delta four, mike ...". A group ends with a comma.
#[must_use]
pub fn spoken(password: &Secret) -> Secret {
    let groups: Vec<String> = password
        .expose()
        .split('-')
        .map(|group| group.chars().map(word).collect::<Vec<_>>().join(" "))
        .collect();
    Secret::new(groups.join(", "))
}

/// The spelling alphabet of ICAO and ITU; what stands in none is itself.
fn word(letter: char) -> String {
    let word = match letter.to_ascii_lowercase() {
        'a' => "alfa",
        'b' => "bravo",
        'c' => "charlie",
        'd' => "delta",
        'e' => "echo",
        'f' => "foxtrot",
        'g' => "golf",
        'h' => "hotel",
        'i' => "india",
        'j' => "juliett",
        'k' => "kilo",
        'l' => "lima",
        'm' => "mike",
        'n' => "november",
        'o' => "oscar",
        'p' => "papa",
        'q' => "quebec",
        'r' => "romeo",
        's' => "sierra",
        't' => "tango",
        'u' => "uniform",
        'v' => "victor",
        'w' => "whiskey",
        'x' => "x-ray",
        'y' => "yankee",
        'z' => "zulu",
        '0' => "zero",
        '1' => "one",
        '2' => "two",
        '3' => "three",
        '4' => "four",
        '5' => "five",
        '6' => "six",
        '7' => "seven",
        '8' => "eight",
        '9' => "nine",
        other => return other.to_string(),
    };
    word.to_owned()
}

/// Without 0, 1, i, l and o, which look or sound like one another.
const ALPHABET: &[u8; 31] = b"23456789abcdefghjkmnpqrstuvwxyz";

/// Four times five letters of 31: 99 bits, where product.md asks for 80.
const GROUPS: usize = 4;
const GROUP_CHARS: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_long_plain_and_never_the_same() {
        let world = World::real();
        let one = draw(&world);
        let groups: Vec<&str> = one.expose().split('-').collect();
        assert_eq!(groups.len(), 4);
        for group in groups {
            assert_eq!(group.len(), 5);
            assert!(group.bytes().all(|byte| ALPHABET.contains(&byte)));
        }
        assert_ne!(one.expose(), draw(&world).expose());
        assert!((ALPHABET.len() as f64).log2() * 20.0 > 80.0);
        assert!(check(&one).is_ok());
    }

    #[test]
    fn reads_out_on_the_telephone() {
        let spoken = spoken(&Secret::new("x7kd4-a2"));
        assert_eq!(spoken.expose(), "x-ray seven kilo delta four, alfa two");
    }

    #[test]
    fn however_it_is_typed_it_is_the_same() {
        let drawn = draw(&World::real());
        let bare = drawn.expose().replace('-', "");
        for typed in
            [drawn.expose(), &bare, &bare.to_uppercase(), &format!(" {} ", drawn.expose().replace('-', " "))]
        {
            assert_eq!(as_drawn(&Secret::new(typed)).expose(), drawn.expose(), "{typed}");
        }
        for other in ["", "x7kd4", &format!("{bare}2"), "correct horse"] {
            assert_eq!(as_drawn(&Secret::new(other)).expose(), other);
        }
    }

    #[test]
    fn what_java_cannot_type_is_refused() {
        for bad in ["", "Zürich", "a b", "a\n", "a\0"] {
            assert!(check(&Secret::new(bad)).is_err(), "{bad:?}");
        }
    }
}
