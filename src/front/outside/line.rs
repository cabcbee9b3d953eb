//! A line of the access log: a request as JSON, with the fields that the operator chose. Writes to no file.

use serde::Serializer as _;
use serde::ser::SerializeMap;

use super::record::Record;

macro_rules! fields {
    ($($name:ident = $word:literal,)*) => {
        /// What may stand in a line.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(missing_docs, reason = "each is called as it is written")]
        pub enum Field { $($name,)* }

        impl Field {
            /// All, in their usual order.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// As configuration and lines write it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// Reads what [`Field::as_str`] writes.
            #[must_use]
            pub fn parse(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$name),)* _ => None }
            }
        }
    };
}

fields! {
    Time = "time",
    Request = "request",
    Tenant = "tenant",
    Room = "room",
    Route = "route",
    Backend = "backend",
    Host = "host",
    Method = "method",
    Path = "path",
    Query = "query",
    Status = "status",
    Refused = "refused",
    Bytes = "bytes",
    Complete = "complete",
    Ms = "ms",
    UpstreamMs = "upstream_ms",
    Address = "address",
    Serial = "serial",
    Person = "person",
    Protocol = "protocol",
    Tls = "tls",
    Trace = "trace",
    Agent = "agent",
}

impl Field {
    /// Those that are written where nobody chose. Queries may hold secrets of the backend's, and what a browser
    /// calls itself tells one person from another.
    #[must_use]
    pub fn usual() -> Vec<Self> {
        Self::ALL.iter().copied().filter(|field| !matches!(field, Self::Query | Self::Agent)).collect()
    }
}

/// Writes one line. What is not known of a request is left out.
pub(super) fn write(out: &mut Vec<u8>, record: &Record, fields: &[Field]) {
    let begin = out.len();
    if put(&mut *out, record, fields).is_err() {
        // Memory takes everything, and no text here fails.
        out.truncate(begin);
        return;
    }
    out.push(b'\n');
}

fn put(out: &mut Vec<u8>, record: &Record, fields: &[Field]) -> Result<(), serde_json::Error> {
    let mut json = serde_json::Serializer::new(out);
    let mut map = json.serialize_map(None)?;
    for field in fields {
        let name = field.as_str();
        match field {
            Field::Time => map.serialize_entry(name, &record.time.format("%Y-%m-%dT%H:%M:%S%.3fZ"))?,
            Field::Request => entry(&mut map, name, Some(record.number.as_str()))?,
            Field::Tenant => entry(
                &mut map,
                name,
                record.door.as_ref().and_then(|door| door.tenant()).map(|tenant| tenant.as_str()),
            )?,
            Field::Room => map.serialize_entry(name, record.room)?,
            Field::Route => entry(&mut map, name, record.route.as_ref().map(|route| route.name.as_str()))?,
            Field::Backend => entry(&mut map, name, record.whereto.url().as_deref())?,
            Field::Host => entry(&mut map, name, Some(&record.host))?,
            Field::Method => map.serialize_entry(name, record.method.as_str())?,
            Field::Path => map.serialize_entry(name, &record.path)?,
            Field::Query => entry(&mut map, name, record.query.as_deref())?,
            Field::Status => map.serialize_entry(name, &record.status)?,
            Field::Refused => entry(&mut map, name, record.refused)?,
            Field::Bytes => map.serialize_entry(name, &record.bytes)?,
            Field::Complete => map.serialize_entry(name, &record.complete)?,
            Field::Ms => map.serialize_entry(name, &ms(record.took))?,
            Field::UpstreamMs => {
                if let Some(took) = record.upstream {
                    map.serialize_entry(name, &ms(took))?;
                }
            }
            Field::Address => map.serialize_entry(name, &record.address)?,
            Field::Serial => entry(&mut map, name, record.serial.as_deref())?,
            Field::Person => entry(&mut map, name, record.person.as_deref())?,
            Field::Protocol => map.serialize_entry(name, protocol(record))?,
            Field::Tls => entry(&mut map, name, Some(record.tls))?,
            Field::Trace => {
                if let Some(trace) = record.trace {
                    map.serialize_entry(name, &format!("{:032x}", trace.id))?;
                }
            }
            Field::Agent => {
                entry(&mut map, name, record.agent.as_ref().and_then(|agent| agent.to_str().ok()))?
            }
        }
    }
    map.end()
}

fn entry<M: SerializeMap>(map: &mut M, name: &str, value: Option<&str>) -> Result<(), M::Error> {
    match value.filter(|value| !value.is_empty()) {
        Some(value) => map.serialize_entry(name, value),
        None => Ok(()),
    }
}

/// To the microsecond.
fn ms(took: std::time::Duration) -> f64 {
    (took.as_secs_f64() * 1e6).round() / 1e3
}

fn protocol(record: &Record) -> &'static str {
    if record.http2 { "http/2" } else { "http/1" }
}
