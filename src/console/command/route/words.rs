//! What is wrong with a file of routes, as those who write one say it: by its fields, and not by our types.

use serde_json::Value;

use super::Written;
use crate::domain::spelling::alike;

/// What is wrong with the first route of a program that cannot be read, in the same words; `None` where all can.
#[must_use]
pub fn unread(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let routes = body.get("routes")?.as_array()?.iter().enumerate();
    routes.filter_map(|(at, route)| Some(format!("routes[{at}]: {}", fault(route)?))).next()
}

fn fault(route: &Value) -> Option<String> {
    let keys = route.as_object()?.iter().filter(|(_, value)| !value.is_null());
    let text = keys.map(|(key, value)| format!("{} = {}\n", bare(key), inline(value))).collect::<String>();
    let error = toml::from_str::<Written>(&text).err()?;
    Some(plainly(error.message(), &text, error.span().map_or(0, |span| span.start)))
}

/// As a file would hold it.
fn inline(value: &Value) -> String {
    match value {
        Value::Object(object) => {
            let keys = object.iter().filter(|(_, value)| !value.is_null());
            let keys: Vec<String> =
                keys.map(|(key, value)| format!("{} = {}", bare(key), inline(value))).collect();
            format!("{{ {} }}", keys.join(", "))
        }
        Value::Array(all) => format!("[{}]", all.iter().map(inline).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}

fn bare(key: &str) -> String {
    let plain = !key.is_empty() && key.chars().all(is_of_key);
    if plain { key.to_owned() } else { Value::from(key).to_string() }
}

/// `message`, which is serde's, of what stands at `at` in `text`.
pub(super) fn plainly(message: &str, text: &str, at: usize) -> String {
    if message.starts_with("unknown field ") {
        return near(message);
    }
    let field = if message.ends_with(OF_A_LIST) { Some(BACKENDS) } else { field(text, at) };
    let named = |words: String| field.map_or_else(|| words.clone(), |field| format!("`{field}`: {words}"));
    if let Some(missing) = message.strip_prefix("missing field ") {
        return named(format!("{missing} is missing"));
    }
    let Some((_, expected)) = message.rsplit_once(", expected ") else { return named(message.to_owned()) };
    let key = field.unwrap_or("key");
    named(match expected {
        "a boolean" => "write true or false, without quotes".to_owned(),
        "f32" | "f64" => "write a number, without quotes".to_owned(),
        "u8" | "u16" | "u32" | "u64" | "usize" => {
            "write a whole number of at least 0, without quotes".to_owned()
        }
        "a sequence" | OF_A_LIST if key == BACKENDS => {
            format!("write a list of tables: {BACKENDS} = [{{ url = \"http://...\" }}]")
        }
        "a sequence" if table(text, at).is_some() => format!("write [[{key}]], once for each"),
        "a sequence" => format!("write a list, such as {key} = [\"...\"]"),
        kind if kind.contains("string") => "write a text in quotes".to_owned(),
        kind if kind.starts_with("struct ") => format!("write a table, such as {key} = {{ ... }}"),
        other => format!("write {other}"),
    })
}

/// The key whose value stands there.
fn field(text: &str, at: usize) -> Option<&str> {
    let before = text.get(..at)?.trim_end();
    let key = before.strip_suffix('=').or_else(|| {
        // In a list it stands before the list.
        before.ends_with(['[', ',']).then(|| before.rsplit_once('=').map(|(key, _)| key)).flatten()
    });
    match key {
        Some(key) => {
            let key = key.trim_end();
            let begin = key.rfind(|c: char| !is_of_key(c)).map_or(0, |end| end + 1);
            key.get(begin..).filter(|key| !key.is_empty())
        }
        None => table(text, at),
    }
}

/// The name of a table `[name]` that begins there.
fn table(text: &str, at: usize) -> Option<&str> {
    let name = text.get(at..)?.strip_prefix('[')?.split(']').next()?;
    Some(name).filter(|name| !name.is_empty() && name.chars().all(is_of_key))
}

/// The one list whose items are tables, and how serde calls one of them.
const BACKENDS: &str = "backends";
const OF_A_LIST: &str = "struct WrittenBackend";

const fn is_of_key(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-')
}

/// serde lists all keys that it knows where one is meant.
fn near(message: &str) -> String {
    let whole = || message.to_owned();
    let Some((unknown, known)) = message.split_once(", expected one of ") else { return whole() };
    let Some(written) = unknown.strip_prefix("unknown field `").and_then(|rest| rest.strip_suffix('`'))
    else {
        return whole();
    };
    let mut known = known.split(", ").map(|name| name.trim_matches('`'));
    known
        .find(|known| alike(known, written))
        .map_or_else(whole, |meant| format!("{unknown}: did you mean `{meant}`?"))
}
