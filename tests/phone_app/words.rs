//! The app's words: four languages with the same ids and the same variables, none missing, none left over.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::{APP, node};

const LANGUAGES: [&str; 4] = ["en", "de", "fr", "it"];

/// An id or "id.attribute", and the variables of its text.
type Words = BTreeMap<String, BTreeSet<String>>;

#[test]
fn the_four_languages_say_the_same_things() {
    let english = words("en");
    assert!(english.len() > 150, "{}", english.len());
    for language in LANGUAGES {
        let other = words(language);
        let ids = |of: &Words| of.keys().cloned().collect::<BTreeSet<_>>();
        let differ: Vec<_> = ids(&english).symmetric_difference(&ids(&other)).cloned().collect();
        assert!(differ.is_empty(), "{language}.ftl and en.ftl differ in {differ:?}");
        for (id, variables) in &english {
            assert_eq!(variables, &other[id], "{language}.ftl: {id}");
        }
    }
}

#[test]
fn no_word_is_missing_and_none_is_left_over() {
    let english = words("en");
    let scripts: Vec<(String, String)> = scripts();
    let all = scripts.iter().map(|(_, text)| text.as_str()).collect::<String>();

    for (file, text) in &scripts {
        for start in ["t(\"", "has(\""] {
            for (at, _) in text.match_indices(start).filter(|(at, _)| !word_before(text, *at)) {
                let id = text[at + start.len()..].split('"').next().unwrap();
                assert!(english.contains_key(id), "{file} says {id:?}, which en.ftl has not");
            }
        }
        for (at, _) in text.match_indices("t(`").filter(|(at, _)| !word_before(text, *at)) {
            let family = text[at + 3..].split(['$', '`']).next().unwrap();
            let known = family.is_empty() || english.keys().any(|id| id.starts_with(family));
            assert!(known, "{file} says one of {family:?}, and en.ftl has none");
        }
    }

    let gate =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/phone/problem.rs")).unwrap();
    for id in english.keys() {
        let (name, attribute) = id.split_once('.').unwrap_or((id, ""));
        let family =
            |id: &str| id.match_indices('-').any(|(at, _)| all.contains(&format!("`{}${{", &id[..=at])));
        let used = match name.strip_prefix("problem-") {
            Some(code) => all.contains(&format!("\"{code}\"")) || gate.contains(&format!("\"{code}\"")),
            None if attribute.is_empty() => all.contains(&format!("\"{id}\"")) || family(id),
            None => all.contains(&format!("\"{id}\"")) || all.contains(&format!("}}.{attribute}`")),
        };
        assert!(used, "nothing says {id}");
    }
}

#[test]
fn each_of_the_gates_problems_has_words_of_the_app() {
    let english = words("en");
    let gate =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/phone/problem.rs")).unwrap();
    let mut codes = BTreeSet::new();
    for after in gate.split("StatusCode::").skip(1) {
        let Some((status, rest)) = after.split_once(',') else { continue };
        let named = status.chars().all(|c| c.is_ascii_uppercase() || c == '_');
        if let Some(code) = rest.trim_start().strip_prefix('"').filter(|_| named) {
            codes.insert(code.split('"').next().unwrap());
        }
    }
    assert!(codes.len() > 20, "{codes:?}");
    for code in codes {
        for id in
            [format!("problem-{code}"), format!("problem-{code}.detail"), format!("problem-{code}.next")]
        {
            assert!(english.contains_key(&id), "words/*.ftl lack {id}: the person would read English");
        }
    }
}

#[test]
fn the_apps_scripts_hold_no_sentence_and_import_what_is_there() {
    let scripts: BTreeMap<String, String> = scripts().into_iter().collect();
    for (file, text) in &scripts {
        for line in text.lines().filter(|line| !line.trim_start().starts_with(['[', '/', '*'])) {
            let said = line.split('"').skip(1).step_by(2).find(|part| {
                let mut chars = part.chars();
                chars.next().is_some_and(char::is_uppercase)
                    && chars.next().is_some_and(char::is_lowercase)
                    && part.contains(' ')
            });
            assert!(said.is_none(), "{file} holds words that belong into words/*.ftl: {said:?}");
        }
        for import in text.split("import {").skip(1) {
            let (names, from) = import.split_once('}').unwrap();
            let from = from.split('"').nth(1).unwrap().trim_start_matches("./");
            let Some(other) = scripts.get(from) else { continue };
            for name in names.split(',').map(str::trim).filter(|name| !name.is_empty()) {
                let exported = ["function ", "const ", "class ", "async function "]
                    .iter()
                    .any(|kind| other.contains(&format!("export {kind}{name}")));
                assert!(exported, "{file} imports {name}, which {from} does not export");
            }
        }
    }
}

#[test]
fn every_word_can_be_said_in_every_language() {
    let texts: BTreeMap<&str, String> = LANGUAGES.iter().map(|one| (*one, text(one))).collect();
    let input = json!({ "texts": texts, "ids": words("en").into_keys().collect::<Vec<_>>() });
    let script = "import('./words.js').then(({ made }) => { \
        const wrong = []; \
        for (const [language, text] of Object.entries(input.texts)) { \
            const bundle = made(text, language); \
            for (const id of input.ids) for (const n of [0, 1, 2, 5]) { \
                const [name, attribute] = id.split('.'); \
                const message = bundle.getMessage(name); \
                const pattern = attribute ? message?.attributes[attribute] : message?.value; \
                const errors = []; \
                const any = new Proxy({}, { \
                    get: (_, name) => ['n', 'left', 'days', 'sure'].includes(name) ? n : `<${String(name)}>`, \
                    getOwnPropertyDescriptor: () => ({ configurable: true, enumerable: true }), has: () => true }); \
                const text = pattern && bundle.formatPattern(pattern, any, errors); \
                if (!text || errors.length || /[{}]/.test(text)) wrong.push(`${language} ${id} ${n} ${text} ${errors}`); \
            } \
        } \
        print(wrong); })";
    let Some(wrong) = node(script, &input) else { return };
    assert_eq!(wrong, json!([]));
}

#[test]
fn the_app_speaks_the_browsers_language_and_counts_in_it() {
    let texts: BTreeMap<String, String> =
        LANGUAGES.iter().map(|one| (format!("/words/{one}.ftl"), text(one))).collect();
    let script = "globalThis.document = { documentElement: {} }; \
        globalThis.fetch = async (path) => ({ ok: true, text: async () => input.texts[path] }); \
        const said = []; \
        const speaks = async (...languages) => { \
            Object.defineProperty(globalThis, 'navigator', { value: { languages }, configurable: true }); \
            const words = await import('./words.js'); \
            await words.speak(); \
            const { title, detail } = words.problemWords('wrong-digits', { left: 1 }); \
            said.push([words.language(), words.t('home'), words.timeLeft(119000), words.timeLeft(1000), title, detail, \
                words.day(1795292244123, 'UTC'), words.t('are-you', { person: '\\u202eanna' })]); \
        }; \
        speaks('rm-CH', 'de-CH', 'en').then(() => speaks('fr')).then(() => speaks('it-IT')).then(() => speaks('ja')) \
            .then(() => print(said))";
    let Some(said) = node(script, &json!({ "texts": texts })) else { return };
    let of = |language: usize| -> Vec<&str> {
        said[language].as_array().unwrap().iter().filter_map(Value::as_str).collect()
    };
    let german = ["de", "Nichts zu bestätigen", "Noch 2 Minuten", "Noch 1 Sekunde"];
    assert_eq!(of(0)[..4], german);
    assert_eq!(of(0)[4..6], ["Ihr Computer zeigt andere Ziffern", "Sie haben noch 1 Versuch."]);
    assert_eq!(of(0)[6..], ["21. November 2026", "Sind Sie anna?"]);
    assert_eq!((of(1)[0], of(1)[2], of(1)[6]), ("fr", "Encore 2 minutes", "21 novembre 2026"));
    assert_eq!((of(2)[0], of(2)[2], of(2)[6]), ("it", "Ancora 2 minuti", "21 novembre 2026"));
    assert_eq!((of(3)[0], of(3)[2], of(3)[6]), ("en", "2 minutes left", "21 November 2026"));
}

fn text(language: &str) -> String {
    fs::read_to_string(Path::new(APP).join(format!("words/{language}.ftl"))).unwrap()
}

/// A small reader of Fluent, enough for ids, attributes and variables; the app's own reader reads the
/// files in `every_word_can_be_said_in_every_language`.
fn words(language: &str) -> Words {
    let mut words = Words::new();
    let (mut id, mut at) = (String::new(), String::new());
    for line in text(language).lines().filter(|line| !line.starts_with('#')) {
        if line.starts_with(|c: char| c.is_ascii_lowercase()) {
            id = line.split(' ').next().unwrap().to_owned();
            at.clone_from(&id);
            assert!(words.insert(at.clone(), BTreeSet::new()).is_none(), "{language}.ftl has {at} twice");
        } else if let Some(attribute) = line.trim_start().strip_prefix('.') {
            at = format!("{id}.{}", attribute.split(' ').next().unwrap());
            assert!(words.insert(at.clone(), BTreeSet::new()).is_none(), "{language}.ftl has {at} twice");
        }
        for variable in line.split('$').skip(1) {
            let name = variable.split(|c: char| !c.is_ascii_lowercase()).next().unwrap();
            words.get_mut(&at).unwrap().insert(name.to_owned());
        }
    }
    words
}

/// The app's own scripts, without comments.
fn scripts() -> Vec<(String, String)> {
    let mut scripts = Vec::new();
    for entry in fs::read_dir(APP).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|kind| kind == "js") {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let text = fs::read_to_string(&path).unwrap();
            let text: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
            scripts.push((name, text.join("\n")));
        }
    }
    scripts
}

/// Whether a name ends here, as in `format(`.
fn word_before(text: &str, at: usize) -> bool {
    text[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.')
}
