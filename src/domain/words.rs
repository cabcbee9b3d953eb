//! Short calm English words that two screens show and two voices say: no two of them differ in
//! fewer than three letters, and none begins another. Knows no chance: the caller picks.

/// Picks a number below its argument, each equally likely.
pub trait Pick: FnMut(u32) -> u32 {}
impl<F: FnMut(u32) -> u32> Pick for F {}

/// Two different words, for two screens to show alike.
#[must_use]
pub fn pair(pick: impl Pick) -> [String; 2] {
    distinct(pick)
}

/// Three different words, for one of them to be said.
#[must_use]
pub fn three(pick: impl Pick) -> [String; 3] {
    distinct(pick)
}

fn distinct<const N: usize>(mut pick: impl Pick) -> [String; N] {
    let mut left: Vec<&str> = WORDS.to_vec();
    std::array::from_fn(|_| {
        let bound = u32::try_from(left.len()).unwrap_or(u32::MAX);
        left.swap_remove(pick(bound) as usize % left.len()).to_owned()
    })
}

/// The words.
#[rustfmt::skip]
pub const WORDS: [&str; 256] = [
    "acorn", "alder", "almanac", "almond", "anchor", "angel", "apple", "apricot", "arrow", "artist",
    "atlas", "autumn", "avenue", "bakery", "balloon", "bamboo", "banana", "banjo", "baritone", "barley",
    "basket", "beacon", "beaver", "bench", "biscuit", "blackbird", "blossom", "bluebell", "bookshop",
    "bottle", "boulder", "bracelet", "bread", "breakfast", "breeze", "bridge", "brook", "buffalo",
    "bungalow", "buttercup", "butterfly", "button", "cabin", "cactus", "cafeteria", "calendar", "camera",
    "candle", "canvas", "caramel", "carpet", "cathedral", "cedar", "cello", "chalk", "chapel", "chestnut",
    "chimney", "chocolate", "cinnamon", "circle", "clarinet", "cloud", "clover", "cobbler", "coconut",
    "coffee", "colander", "comet", "compass", "copper", "coral", "cottage", "crayon", "cricket", "crystal",
    "cucumber", "cupboard", "curtain", "cushion", "daffodil", "daisy", "dancer", "dandelion", "desert",
    "diamond", "diary", "dolphin", "donkey", "doorbell", "dragonfly", "drawer", "drum", "duck", "eagle",
    "easel", "echo", "elbow", "elderberry", "elephant", "ember", "emerald", "engine", "envelope", "factory",
    "falcon", "farmhouse", "feather", "ferry", "festival", "fiddle", "firefly", "fisherman", "flamingo",
    "flute", "footpath", "forest", "fountain", "fox", "galaxy", "gallery", "garden", "garlic", "gate",
    "gazelle", "geranium", "giraffe", "glacier", "goldfish", "goose", "granite", "grasshopper", "guitar",
    "hammer", "hammock", "handkerchief", "harbour", "harmonica", "harp", "haystack", "hedgehog", "helmet",
    "hibiscus", "hill", "holiday", "homework", "horizon", "hummingbird", "iceberg", "igloo", "island",
    "ivory", "jasmine", "jewel", "jigsaw", "juniper", "kingdom", "kitchen", "kiwi", "lagoon", "lantern",
    "lavender", "leaf", "lemon", "library", "lilac", "lizard", "lobster", "magnet", "magpie", "marble",
    "meadow", "meteor", "mirror", "mitten", "moon", "mosaic", "muffin", "mushroom", "napkin", "needle",
    "nest", "nutmeg", "oak", "oasis", "ocean", "olive", "onion", "orange", "orchard", "otter", "paint",
    "palace", "palm", "panther", "paper", "peacock", "pearl", "pebble", "pencil", "penguin", "piano",
    "picnic", "pigeon", "pillow", "planet", "pocket", "pond", "poppy", "potato", "prairie", "pumpkin",
    "puzzle", "quilt", "rabbit", "radish", "rainbow", "ribbon", "river", "sailor", "sandal", "saturn",
    "scarf", "seagull", "slipper", "snow", "sofa", "spice", "spring", "squirrel", "stable", "stone",
    "sugar", "sunset", "swan", "teapot", "temple", "thimble", "thunder", "tower", "trumpet", "tulip",
    "tunnel", "turtle", "umbrella", "vanilla", "village", "violet", "volcano", "waffle", "walnut", "wheat",
    "whistle", "window", "winter", "zebra",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_can_be_taken_for_another() {
        for (i, a) in WORDS.iter().enumerate() {
            assert!((3..=12).contains(&a.len()) && a.bytes().all(|b| b.is_ascii_lowercase()), "{a}");
            for b in &WORDS[i + 1..] {
                assert!(letters_apart(a, b) >= 3, "{a} {b}");
                assert!(a < b && !b.starts_with(a), "{a} {b}");
            }
        }
    }

    #[test]
    fn words_of_one_choice_differ() {
        for same in 0..WORDS.len() as u32 {
            let [a, b, c] = three(|bound| same.min(bound - 1));
            assert!(a != b && b != c && a != c);
            let [a, b] = pair(|bound| same.min(bound - 1));
            assert_ne!(a, b);
        }
    }

    fn letters_apart(a: &str, b: &str) -> usize {
        let mut row: Vec<usize> = (0..=b.len()).collect();
        for (i, x) in a.bytes().enumerate() {
            let mut before = std::mem::replace(&mut row[0], i + 1);
            for (j, y) in b.bytes().enumerate() {
                let changed = before + usize::from(x != y);
                before = row[j + 1];
                row[j + 1] = changed.min(before + 1).min(row[j] + 1);
            }
        }
        row[b.len()]
    }
}
