//! All path patterns of a rule set as one automaton: a single walk over a path finds every rule
//! that names it, and a walk over the automaton tells exactly which rules overlap where.
//! Knows patterns and bytes; not what a rule says.

use std::collections::HashMap;

use super::path::{Canonical, Pattern, Token};

/// Which rules of a set: a bit for each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(in crate::policy) struct RuleBits([u64; RULES_MAX / 64]);

/// A deterministic automaton over the bytes of a path.
#[derive(Clone, Debug)]
pub(in crate::policy) struct Automaton {
    classes: Box<[u8; 256]>,
    width: usize,
    next: Vec<u16>,
    /// Which rules name a path that ends in this state: an index into `sets`.
    accepts: Vec<u16>,
    sets: Vec<RuleBits>,
    /// A shortest path for each set, for messages.
    samples: Vec<String>,
}

/// The patterns make too large an automaton together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::policy) struct TooIntricate;

impl Automaton {
    /// Puts the patterns of rules together; `rule` is the place of each in its set.
    ///
    /// # Errors
    /// More than [`STATES_MAX`] states.
    pub(in crate::policy) fn build(patterns: &[(usize, Pattern)]) -> Result<Self, TooIntricate> {
        let (classes, samples_of_class) = byte_classes(patterns);
        let width = samples_of_class.len();
        let mut automaton = Self { classes, width, ..Self::empty() };
        let mut known: HashMap<Vec<Place>, u16> = HashMap::new();
        let mut queue: Vec<(Vec<Place>, Vec<u8>)> = Vec::new();
        let start = (0..patterns.len()).map(|pattern| Place { pattern, at: 0, inside: false }).collect();
        // The dead state is state 0, the start state 1.
        automaton.meet(patterns, Vec::new(), Vec::new(), &mut known, &mut queue)?;
        automaton.meet(patterns, start, Vec::new(), &mut known, &mut queue)?;
        let mut done = 0;
        while let Some((places, path)) = queue.get(done).cloned() {
            done += 1;
            for sample in &samples_of_class {
                let moved = places.iter().filter_map(|place| step(patterns, *place, *sample)).collect();
                let mut longer = path.clone();
                longer.push(*sample);
                let to = automaton.meet(patterns, moved, longer, &mut known, &mut queue)?;
                automaton.next.push(to);
            }
        }
        Ok(automaton)
    }

    /// One that names nothing.
    pub(in crate::policy) fn empty() -> Self {
        Self {
            classes: Box::new([0; 256]),
            width: 1,
            next: Vec::new(),
            accepts: Vec::new(),
            sets: Vec::new(),
            samples: Vec::new(),
        }
    }

    /// Which rules name `path`. Allocates nothing.
    pub(in crate::policy) fn named(&self, path: Canonical<'_>) -> RuleBits {
        let mut state = 1_u16;
        for byte in path.meaning() {
            let class = self.classes.get(usize::from(byte)).copied().unwrap_or_default();
            state = self.next.get(usize::from(state) * self.width + usize::from(class)).copied().unwrap_or(0);
        }
        let set = self.accepts.get(usize::from(state)).copied().unwrap_or(0);
        self.sets.get(usize::from(set)).copied().unwrap_or_default()
    }

    /// Every set of rules that name some path together, each with a shortest such path.
    pub(in crate::policy) fn together(&self) -> impl Iterator<Item = (RuleBits, &str)> {
        self.sets.iter().copied().zip(self.samples.iter().map(String::as_str))
    }

    fn meet(
        &mut self,
        patterns: &[(usize, Pattern)],
        places: Vec<Place>,
        path: Vec<u8>,
        known: &mut HashMap<Vec<Place>, u16>,
        queue: &mut Vec<(Vec<Place>, Vec<u8>)>,
    ) -> Result<u16, TooIntricate> {
        let places = closure(patterns, places);
        if let Some(state) = known.get(&places) {
            return Ok(*state);
        }
        if known.len() >= STATES_MAX {
            return Err(TooIntricate);
        }
        let mut accepted = RuleBits::default();
        for place in &places {
            if let Some((rule, pattern)) = patterns.get(place.pattern)
                && matches!(pattern.0.get(place.at), None | Some(Token::Below))
            {
                accepted.set(*rule);
            }
        }
        let set = self.sets.iter().position(|set| *set == accepted).unwrap_or_else(|| {
            self.sets.push(accepted);
            self.samples.push(String::from_utf8_lossy(&path).into_owned());
            self.sets.len() - 1
        });
        self.accepts.push(u16::try_from(set).map_err(|_| TooIntricate)?);
        let state = u16::try_from(known.len()).map_err(|_| TooIntricate)?;
        known.insert(places.clone(), state);
        queue.push((places, path));
        Ok(state)
    }
}

impl RuleBits {
    /// Adds a rule; places at or above [`RULES_MAX`] are refused before this.
    pub(in crate::policy) fn set(&mut self, rule: usize) {
        if let Some(word) = self.0.get_mut(rule / 64) {
            *word |= 1 << (rule % 64);
        }
    }

    /// Whether it holds the rule.
    pub(in crate::policy) fn has(self, rule: usize) -> bool {
        self.0.get(rule / 64).is_some_and(|word| word & (1 << (rule % 64)) != 0)
    }

    /// The rules, first to last.
    pub(in crate::policy) fn iter(self) -> impl Iterator<Item = usize> {
        self.0.into_iter().enumerate().flat_map(|(word, mut bits)| {
            std::iter::from_fn(move || {
                let bit = bits.trailing_zeros() as usize;
                bits &= bits.checked_sub(1)?;
                Some(word * 64 + bit)
            })
        })
    }
}

/// Where one pattern stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Place {
    pattern: usize,
    at: usize,
    /// Within the segments of a `**`.
    inside: bool,
}

fn token(patterns: &[(usize, Pattern)], place: Place) -> Option<Token> {
    patterns.get(place.pattern).and_then(|(_, pattern)| pattern.0.get(place.at)).copied()
}

/// Adds the places reached without reading a byte.
fn closure(patterns: &[(usize, Pattern)], mut places: Vec<Place>) -> Vec<Place> {
    let mut done = 0;
    while let Some(&place) = places.get(done) {
        done += 1;
        let free = match token(patterns, place) {
            Some(Token::Run) => true,
            Some(Token::Segments) => !place.inside,
            _ => false,
        };
        if free {
            places.push(Place { at: place.at + 1, inside: false, ..place });
        }
    }
    places.sort_unstable();
    places.dedup();
    places
}

/// Where a place goes on one byte.
fn step(patterns: &[(usize, Pattern)], place: Place, byte: u8) -> Option<Place> {
    let on = Place { at: place.at + 1, inside: false, ..place };
    let slash = byte == b'/';
    match token(patterns, place)? {
        Token::Byte(wanted) => (wanted == byte).then_some(on),
        Token::One => (!slash).then_some(on),
        Token::Run => (!slash).then_some(place),
        // Between segments another slash would be an empty one, which no path has.
        Token::Segments if slash => place.inside.then_some(Place { inside: false, ..place }),
        Token::Segments => Some(Place { inside: true, ..place }),
        Token::Below => (place.inside || slash).then_some(Place { inside: true, ..place }),
    }
}

/// Bytes that no pattern tells apart share a class; each class comes with one of its bytes.
fn byte_classes(patterns: &[(usize, Pattern)]) -> (Box<[u8; 256]>, Vec<u8>) {
    let mut told_apart = [false; 256];
    told_apart[usize::from(b'/')] = true;
    for (_, pattern) in patterns {
        for token in &pattern.0 {
            if let Token::Byte(byte) = token {
                told_apart[usize::from(*byte)] = true;
            }
        }
    }
    let mut classes = Box::new([0_u8; 256]);
    // A letter stands for the rest where one is free, so that sample paths read well.
    let rest = (b'a'..=b'z').rev().chain(0..=255).find(|byte| !told_apart[usize::from(*byte)]);
    let mut samples = vec![rest.unwrap_or(0)];
    for byte in 0..=255_u8 {
        if told_apart[usize::from(byte)] {
            classes[usize::from(byte)] = u8::try_from(samples.len()).unwrap_or(0);
            samples.push(byte);
        }
    }
    (classes, samples)
}

/// Rules in one file: nobody reads more.
pub(in crate::policy) const RULES_MAX: usize = 256;

/// States of one automaton. The shipped rules make about a hundred; at this size the table takes
/// about a megabyte.
pub(in crate::policy) const STATES_MAX: usize = 4_000;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::path::canonical;
    use super::*;

    fn matches(pattern: &str, path: &str) -> bool {
        let automaton = Automaton::build(&[(0, Pattern::parse(pattern).unwrap())]).unwrap();
        automaton.named(canonical(path).unwrap()).has(0)
    }

    #[test]
    fn patterns_name_what_people_expect() {
        for (pattern, yes, no) in [
            ("/", &["/"][..], &["/a"][..]),
            ("/**", &["/", "/a", "/a/b/"], &[]),
            ("/a", &["/a"], &["/a/", "/ab", "/A", "/"]),
            ("/a/**", &["/a", "/a/", "/a/b", "/a/b/c"], &["/ab", "/", "/b/a"]),
            ("/a/*", &["/a/b", "/a/%20x"], &["/a", "/a/", "/a/b/c", "/a/b/"]),
            ("/a/*/c", &["/a/b/c"], &["/a/c", "/a/b/b/c"]),
            ("/a/**/c", &["/a/c", "/a/b/c", "/a/b/b/c"], &["/a/b", "/ac", "/a/bc"]),
            ("/**/c", &["/c", "/a/c"], &["/", "/bc"]),
            ("/*.css", &["/a.css", "/.css"], &["/a/b.css", "/a.cssx"]),
            ("/caf\u{e9}", &["/caf%C3%A9", "/caf%c3%a9"], &["/cafe"]),
            ("/a@b", &["/a@b", "/a%40b"], &[]),
        ] {
            for path in yes {
                assert!(matches(pattern, path), "{pattern} names {path}");
            }
            for path in no {
                assert!(!matches(pattern, path), "{pattern} does not name {path}");
            }
        }
    }

    #[test]
    fn what_would_grow_without_end_is_refused() {
        // "an a, then exactly twelve more characters": a deterministic automaton must remember each a.
        let mut tokens = vec![Token::Byte(b'/'), Token::Run, Token::Byte(b'a')];
        tokens.extend([Token::One; 12]);
        let patterns = [(0, Pattern(tokens))];
        assert_eq!(Automaton::build(&patterns).err(), Some(TooIntricate));
    }

    /// The same by recursion over segments, to hold the automaton against.
    fn plainly(pattern: &[&str], path: &[&str]) -> bool {
        match (pattern.split_first(), path.split_first()) {
            (None, None) => true,
            (Some((&"**", [])), _) => true,
            (Some((&"**", rest)), Some((name, below))) => {
                plainly(rest, path) || (!name.is_empty() && plainly(pattern, below))
            }
            (Some((segment, rest)), Some((name, below))) => in_segment(segment, name) && plainly(rest, below),
            _ => false,
        }
    }

    fn in_segment(pattern: &str, name: &str) -> bool {
        if pattern == "*" {
            return !name.is_empty();
        }
        match pattern.split_once('*') {
            None => pattern == name,
            Some((head, tail)) => name
                .strip_prefix(head)
                .is_some_and(|rest| (0..=rest.len()).any(|skip| in_segment_tail(tail, &rest[skip..]))),
        }
    }

    fn in_segment_tail(pattern: &str, name: &str) -> bool {
        if pattern == "*" { true } else { in_segment(pattern, name) }
    }

    proptest! {
        #[test]
        fn the_automaton_agrees_with_plain_recursion(
            patterns in proptest::collection::vec("(/(a|b|\\*|\\*\\*|a\\*|\\*b|a\\*b|)){1,4}", 1..5),
            path in "(/(a|b|ab|aab|c)){1,4}/?",
        ) {
            let parsed: Vec<_> = patterns.iter().enumerate()
                .filter_map(|(n, text)| Some((n, Pattern::parse(text).ok()?))).collect();
            let automaton = Automaton::build(&parsed).unwrap();
            let named = automaton.named(canonical(&path).unwrap());
            let segments: Vec<&str> = path.split('/').skip(1).collect();
            for (n, _) in parsed {
                let pattern: Vec<&str> = patterns[n].split('/').skip(1).collect();
                prop_assert_eq!(named.has(n), plainly(&pattern, &segments), "{} {}", patterns[n], path);
            }
        }
    }
}
