//! The sections of `portcullis.toml` about what the operator's tools see of requests.

use std::path::Path;

use ipnet::IpNet;

use super::mistake::Mistakes;
use super::sheet::{At, Sheet};
use crate::front::outside::access_log::{self, To};
use crate::front::outside::{Field, Settings, otlp};

pub(super) fn outside(sheet: &mut Sheet<'_>, base: &Path, notes: &mut Mistakes) -> Settings {
    let access_log = access_log(sheet, base, notes);
    let (spans, follow_from) = tracing(sheet, notes);
    Settings { access_log, spans, follow_from }
}

fn access_log(sheet: &mut Sheet<'_>, base: &Path, notes: &mut Mistakes) -> Option<access_log::Settings> {
    let mut section = sheet.table("access_log", notes)?;
    let file = section.demand("file", "access.log", notes);
    let chosen = section.texts("fields", notes);
    section.done(notes);
    let mut fields = Vec::new();
    for At { value, span } in chosen {
        match Field::parse(&value) {
            Some(field) if fields.contains(&field) => {
                notes.at(&span, format!("`{value}` stands there twice"))
            }
            Some(field) => fields.push(field),
            None => {
                let known: Vec<&str> = Field::ALL.iter().map(|field| field.as_str()).collect();
                notes.at(
                    &span,
                    format!("{value:?} is no field of the access log: there are {}", known.join(", ")),
                );
            }
        }
    }
    if fields.is_empty() {
        fields = Field::usual();
    }
    let to = match file?.value {
        name if name == "stdout" => To::Stdout,
        name => To::File(base.join(name)),
    };
    Some(access_log::Settings { to, fields })
}

/// What is exported, and who is followed. Without an endpoint nothing is exported.
fn tracing(sheet: &mut Sheet<'_>, notes: &mut Mistakes) -> (Option<otlp::Settings>, Vec<IpNet>) {
    let Some(mut section) = sheet.table("tracing", notes) else { return (None, vec![]) };
    let (mut follow_from, follows) = (Vec::new(), section.has("follow_from"));
    for At { value, span } in section.texts("follow_from", notes) {
        match value.parse::<IpNet>() {
            Ok(network) if network.prefix_len() > 0 => follow_from.push(network),
            Ok(_) => notes.at(&span, "`follow_from` names everybody: then strangers decide what is exported"),
            Err(_) => notes.at(&span, format!("{value:?} is no network: write one such as \"10.0.0.5/32\"")),
        }
    }
    let exports = ["endpoint", "service", "percent"].iter().any(|key| section.has(key));
    let spans = if exports || !follows { spans(&mut section, notes) } else { None };
    section.done(notes);
    (spans, follow_from)
}

fn spans(section: &mut Sheet<'_>, notes: &mut Mistakes) -> Option<otlp::Settings> {
    let endpoint = section.demand("endpoint", "http://127.0.0.1:4318", notes);
    let service = section.text("service", notes).map_or_else(|| "portcullis".to_owned(), |at| at.value);
    let span = section.place("percent");
    let percent = section.number("percent", 100, notes);
    if percent > 100 {
        notes.at(&span, format!("`percent` is {percent}: it is of a hundred requests"));
    }
    let at = endpoint?;
    let Some((authority, base)) = collector(&at.value) else {
        notes.at(
            &at.span,
            "`endpoint` is a collector near by, in clear: write http://127.0.0.1:4318, and let that collector \
             go further by TLS",
        );
        return None;
    };
    if let Some(base) = base.strip_suffix(SIGNAL) {
        notes.at(
            &at.span,
            format!("`endpoint` is what stands before {SIGNAL}: write http://{authority}{base}"),
        );
        return None;
    }
    Some(otlp::Settings { authority, path: format!("{base}{SIGNAL}"), service, percent })
}

/// As exporters of OpenTelemetry read OTEL_EXPORTER_OTLP_ENDPOINT: the signal's path comes behind it.
fn collector(text: &str) -> Option<(String, String)> {
    let uri: http::Uri = text.parse().ok()?;
    let bare = uri.scheme_str() == Some("http") && uri.query().is_none();
    let authority = uri.authority().filter(|authority| bare && !authority.as_str().contains('@'))?;
    let port = authority.port_u16().unwrap_or(80);
    let path = uri.path().trim_end_matches('/');
    Some((format!("{}:{port}", authority.host()), path.to_owned()))
}

/// Where a collector takes spans (OTLP 1.5, "OTLP/HTTP Request").
const SIGNAL: &str = "/v1/traces";
