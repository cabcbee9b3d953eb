//! One request's connection to a backend: one of its own where HTTP/1.1 is spoken, a seat in one that many
//! share where it is HTTP/2. Knows neither where connections come from nor where they go.

use super::backend::Backend;
use super::link::Seat;
use crate::proxy::h1::Wire;

/// What one request goes over.
pub(in crate::proxy) enum Line {
    Own(Own),
    Seat(Seat),
}

/// A connection of HTTP/1.1, one request's alone. Dropped, it is closed at once, whatever it carried.
pub(in crate::proxy) struct Own {
    pub(in crate::proxy) wire: Wire,
    pub(in crate::proxy) backend: Backend,
}

/// An error with all that led to it, each once: hyper says no more than that there was one.
pub(in crate::proxy) struct Whole<'a>(pub(in crate::proxy) &'a dyn std::error::Error);

impl std::fmt::Display for Whole<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut said = self.0.to_string();
        let (mut source, mut other_protocol) = (self.0.source(), false);
        while let Some(error) = source {
            let more = error.to_string();
            // Some errors name their source in their own words.
            if !said.contains(&more) {
                said = format!("{said}: {more}");
            }
            other_protocol |= error.downcast_ref().is_some_and(is_other_protocol);
            source = error.source();
        }
        f.write_str(&said)?;
        if other_protocol {
            f.write_str(
                "; does it speak HTTP/2? `h2c://` and `unix+h2c:` are for backends that do, `http://` and `unix:` \
                 for those of HTTP/1.1",
            )?;
        }
        Ok(())
    }
}

/// Whether it is what an answer of HTTP/1.1 looks like to whoever awaits frames.
fn is_other_protocol(error: &h2::Error) -> bool {
    let reasons = [h2::Reason::FRAME_SIZE_ERROR, h2::Reason::PROTOCOL_ERROR];
    error.is_library() && error.reason().is_some_and(|reason| reasons.contains(&reason))
}
