//! What was seen as bytes: for a checkpoint on disk, and for the next instance of the plugin.
//!
//! ```text
//! "DSBARS4\n" │ newest time │ number of securities │ securities │ live │ number of quotes that wait │
//! quotes that wait │ number of sources │ their names │ for each security what is kept besides its
//! bars │ checksum of all before
//! ```
//!
//! Version 3 ends with the names of sources, and is still written where no security has anything
//! besides. Version 1 ended with the securities, version 2 with the quotes; neither knew sources.
//!
//! Numbers are little-endian; a text is its length in a byte and its bytes; a bar carries the number
//! of its period, so that another instance may have other periods.

mod read;
#[cfg(test)]
mod tests;
mod write;

use plugin_api::schemas::stray::{Feed, Held};

use crate::{
    origin::Origins,
    period::Period,
    security::{Quote, Security},
};

use read::Reader;

/// What each version begins with.
const MAGICS: [&[u8; 8]; 4] = [b"DSBARS1\n", b"DSBARS2\n", b"DSBARS3\n", b"DSBARS4\n"];
/// Stands for a time that is not known.
const NONE_US: i64 = i64::MIN;

/// What was read.
#[derive(Debug)]
pub struct State {
    /// Time of the newest believed quote of all.
    pub newest_us: Option<i64>,
    /// Whether that was received when it was made.
    pub is_live: bool,
    pub securities: Vec<Security>,
    /// Quotes that wait, by the place of their security.
    pub held: Vec<Held<usize, Quote>>,
    /// The sources that bars and quotes are of.
    pub origins: Origins,
}

/// Writes all securities, whose bars are of those periods.
pub fn encode(
    feed: &Feed<usize, Quote>,
    securities: &[Security],
    periods: &[Period],
    origins: &Origins,
) -> Vec<u8> {
    let has_more = securities.iter().any(|it| it.watch.is_some() || it.joint.is_some());
    let version = if has_more { 4 } else { 3 };
    let mut bytes = MAGICS[version - 1].to_vec();
    bytes.extend(feed.newest_us().unwrap_or(NONE_US).to_le_bytes());
    bytes.extend((securities.len() as u64).to_le_bytes());
    for security in securities {
        write::security(&mut bytes, security, periods);
    }
    bytes.push(u8::from(feed.is_live()));
    bytes.extend((feed.held().len() as u64).to_le_bytes());
    for held in feed.held() {
        write::held(&mut bytes, held);
    }
    bytes.extend((origins.names().len() as u64).to_le_bytes());
    origins.names().iter().for_each(|name| write::text(&mut bytes, name));
    if has_more {
        securities.iter().for_each(|security| write::more(&mut bytes, security, periods));
    }
    let checksum = checksum(&bytes);
    bytes.extend(checksum.to_le_bytes());
    bytes
}

/// Reads what [`encode`] wrote, for an instance with those periods; `None` when the bytes are
/// damaged or of another form.
pub fn decode(bytes: &[u8], periods: &[Period]) -> Option<State> {
    let (content, sum) = bytes.split_last_chunk::<8>()?;
    if checksum(content) != u64::from_le_bytes(*sum) {
        return None;
    }
    let (magic, content) = content.split_first_chunk::<8>()?;
    let version = MAGICS.iter().position(|it| *it == magic)? + 1;
    let mut reader = Reader { rest: content, version };
    let newest_us = reader.time()?;
    let count = reader.count()?;
    let securities = (0..count).map(|_| reader.security(periods)).collect::<Option<_>>()?;
    let (held, origins) = (Vec::new(), Origins::default());
    let mut state = State { newest_us, is_live: false, securities, held, origins };
    if version >= 2 {
        state.is_live = reader.u8()? == 1;
        let count = reader.count()?;
        state.held = (0..count).map(|_| reader.held()).collect::<Option<_>>()?;
    }
    if version >= 3 {
        let count = reader.count()?;
        let names = (0..count).map(|_| reader.text()).collect::<Option<_>>()?;
        state.origins = Origins::restored(names);
    }
    if version >= 4 {
        state.securities.iter_mut().try_for_each(|security| reader.more(security, periods))?;
    }
    reader.rest.is_empty().then_some(state)
}

/// FNV-1a: enough to tell a file that was cut or overwritten in part.
fn checksum(bytes: &[u8]) -> u64 {
    let mix = |sum: u64, byte: &u8| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, mix)
}
