//! The words of our pages by language, read from `words/*.ftl` when first asked for. Knows no
//! page: only keys and what fills their gaps.

use std::sync::LazyLock;

use fluent::concurrent::FluentBundle;
use fluent::{FluentArgs, FluentResource, FluentValue};
use unic_langid::LanguageIdentifier;

/// The words of one language.
pub struct Words {
    tag: &'static str,
    bundle: FluentBundle<FluentResource>,
}

static LANGUAGES: LazyLock<Vec<Words>> =
    LazyLock::new(|| SOURCES.iter().map(|(tag, source)| Words::read(tag, source)).collect());

/// The first is what the others fall back to.
const SOURCES: &[(&str, &str)] = &[("en", include_str!("words/en.ftl"))];

impl Words {
    /// The words of `language`, a BCP 47 tag; of English where we do not speak it.
    #[must_use]
    pub fn of(language: &str) -> &'static Self {
        let known = LANGUAGES.iter().find(|words| speaks(language, words.tag));
        known.unwrap_or(&LANGUAGES[0])
    }

    /// The language of a page: the first that the browser accepts and we speak, else the
    /// tenant's, else English. `accept` is an Accept-Language header.
    #[must_use]
    pub fn choose(accept: &str, tenant: &str) -> &'static str {
        let mut wishes: Vec<(f32, &str)> = accept
            .split(',')
            .filter_map(|part| {
                let mut fields = part.split(';').map(str::trim);
                let tag = fields.next().filter(|tag| !tag.is_empty())?;
                let weight = fields.find_map(|field| field.strip_prefix("q="));
                Some((weight.map_or(1.0, |q| q.parse().unwrap_or(0.0)), tag))
            })
            .filter(|(weight, _)| *weight > 0.0)
            .collect();
        wishes.sort_by(|a, b| b.0.total_cmp(&a.0));
        wishes
            .iter()
            .map(|(_, tag)| *tag)
            .chain([tenant])
            .find_map(|tag| LANGUAGES.iter().find(|words| speaks(tag, words.tag)))
            .map_or(LANGUAGES[0].tag, |words| words.tag)
    }

    /// The BCP 47 tag.
    #[must_use]
    pub const fn tag(&self) -> &'static str {
        self.tag
    }

    /// The words under `key`, where there are any.
    #[must_use]
    pub fn find(&self, key: &str, gaps: &[(&str, FluentValue<'_>)]) -> Option<String> {
        let pattern = self.bundle.get_message(key)?.value()?;
        let mut args = FluentArgs::new();
        for (name, value) in gaps {
            args.set(*name, value.clone());
        }
        let mut errors = Vec::new();
        Some(self.bundle.format_pattern(pattern, Some(&args), &mut errors).into_owned())
    }

    /// The words under `key`, in English where this language lacks them; a test sees to it
    /// that none is missing there.
    #[must_use]
    pub fn get(&self, key: &str, gaps: &[(&str, FluentValue<'_>)]) -> String {
        self.find(key, gaps).or_else(|| LANGUAGES[0].find(key, gaps)).unwrap_or_else(|| key.to_owned())
    }

    fn read(tag: &'static str, source: &str) -> Self {
        // What cannot be read is left out; a test reads every source to the end.
        let resource = match FluentResource::try_new(source.to_owned()) {
            Ok(resource) | Err((resource, _)) => resource,
        };
        let identifier: LanguageIdentifier = tag.parse().unwrap_or_default();
        let mut bundle = FluentBundle::new_concurrent(vec![identifier]);
        bundle.set_use_isolating(false);
        let _ = bundle.add_resource(resource);
        Self { tag, bundle }
    }
}

/// Whether somebody who asks for `wish` ("en-CH") is served by `ours` ("en").
fn speaks(wish: &str, ours: &str) -> bool {
    wish.split('-').next().is_some_and(|primary| primary.eq_ignore_ascii_case(ours))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_source_is_whole() {
        for (tag, source) in SOURCES {
            let read = FluentResource::try_new((*source).to_owned());
            assert!(read.is_ok(), "{tag}: {:?}", read.err().map(|(_, errors)| errors));
        }
    }

    #[test]
    fn the_browser_is_heard_before_the_tenant() {
        assert_eq!(Words::choose("en-CH;q=0.7, xx", "xx"), "en");
        assert_eq!(Words::choose("", "en-GB"), "en");
        assert_eq!(Words::choose("xx;q=abc,,;", "yy"), "en");
        assert_eq!(Words::of("xx").tag(), "en");
    }
}
