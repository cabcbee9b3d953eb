//! Routes, for programs: what is listed can be sent back as it is.

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::{Nothing, Wrong, read, tenant_of, usage};
use crate::console::command::route::{Close, Command, Which, Written, unread};
use crate::domain::Reason;
use crate::web::form;

/// Routes, new or changed; those that are not named stay.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PutBody {
    routes: Vec<Written>,
    /// Stands beside them where they are listed: what was listed may be sent as it came.
    #[serde(default, rename = "backends")]
    _how_backends_are: IgnoredAny,
}

/// Why a route is closed.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct CloseBody {
    text: String,
    until: Option<String>,
}

pub(super) fn listing(query: &str) -> Result<Command, Wrong> {
    let tenant = form::query(query, "tenant");
    let tenant = if tenant.is_empty() { None } else { Some(tenant_of(&tenant)?) };
    Ok(Command::List { tenant })
}

pub(super) fn command(parts: &[&str], body: &[u8]) -> Result<Command, Wrong> {
    Ok(match parts {
        [] => Command::Put(
            read::<PutBody>(body)
                .map_err(|wrong| {
                    let next = "nothing was applied; mend it and send it again";
                    unread(body).map_or(wrong, |what| usage(what, next))
                })?
                .routes,
        ),
        [tenant, name, "close"] => {
            let CloseBody { text, until } = read(body)?;
            Command::Close(Close { which: which(tenant, name)?, text, until })
        }
        [tenant, name, doing @ ("open" | "remove")] => {
            let Nothing {} = read(body)?;
            let which = which(tenant, name)?;
            if *doing == "open" { Command::Open(which) } else { Command::Remove(which) }
        }
        _ => return Err(Reason::NotFound.into()),
    })
}

fn which(tenant: &str, name: &str) -> Result<Which, Wrong> {
    Ok(Which { tenant: tenant_of(tenant)?, name: name.to_owned() })
}
