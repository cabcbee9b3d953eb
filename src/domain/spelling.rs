//! Slips of the pen, for "did you mean". Knows no word.

/// Whether `written` was meant to be `known`: it is the same but for one letter changed, added, left out or swapped, or one
/// begins the other.
#[must_use]
pub fn alike(known: &str, written: &str) -> bool {
    let (a, b): (Vec<char>, Vec<char>) =
        (known.chars().collect(), written.to_lowercase().replace('-', "_").chars().collect());
    if a == b {
        return true;
    }
    let front = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    let back = a.iter().rev().zip(b.iter().rev()).take_while(|(x, y)| x == y).count();
    let longest = a.len().max(b.len());
    longest >= 3 && front + back + 2 >= longest && a.len().abs_diff(b.len()) <= 2
}
